"""New output of tools goes out shortened, and the same way for ever after.

What is shortened is decided once, at a result's first sending: a result is new while no turn of the
assistant's follows it. Clients send the whole of it again with every later turn; so that a
provider's cached prefix stays byte-identical, what was shortened once is remembered and exchanged
again. What was first sent whole, or is no longer remembered, stays whole.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from rung.core.features import estimate_tokens
from rung.core.guidance import Shrunk
from rung.core.parts import Message, Role, Text, ToolCall, ToolResult
from rung.core.shrinking import LEAST_CHARS, shrunk
from rung.core.types import Request
from rung.guides import Compression
from rung.wire.results import SHAPES, Place, exchanged_texts

MOST_CHARS = 16_000_000
"""Characters of shortened output that are remembered, of all conversations together."""

MOST_CONVERSATIONS = 2_000

MOST_LOOKED_AT = 400_000
"""Characters of new output that are looked at for one request: a look holds up all others, by up to
half a second a million."""

READERS = re.compile(
    r"read|view|edit|write|patch|diff|grep|glob|search|fetch|notebook|open|(?:cat|get)_|^cat$",
    re.IGNORECASE,
)
"""Tools whose results are looked at to be worked on: what they give stays exact."""

_DIGEST_BYTES = 16


@dataclass(slots=True)
class _Kept:
    """What was shortened in one conversation, by a digest of the call and the whole text."""

    texts: dict[bytes, str] = field(default_factory=dict)
    chars: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """One text that a tool gave back. ``at`` is its message and its place among the parts there."""

    at: tuple[int, int]
    result: ToolResult
    text: str
    place: Place

    @property
    def digest(self) -> bytes:
        told = f"{self.place[1]}\0{self.result.call_id}\0{self.text}"
        return blake2b(told.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()


class Shortening(Compression):
    """Shortens new output of tools, and remembers what it shortened. One for a process."""

    def __init__(
        self, most_chars: int = MOST_CHARS, most_conversations: int = MOST_CONVERSATIONS
    ) -> None:
        self._most_chars = most_chars
        self._most_conversations = most_conversations
        self._chars = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def of(self, request: Request) -> Shrunk:
        """The request with its tools' output shortened.

        Outside of any conversation nothing is: the next turn would send it whole.
        """
        conversation = request.conversation
        if not conversation or request.dialect not in SHAPES:
            return Shrunk(request)
        said = list(_said(request.messages))
        kept = self._kept.get(conversation)
        fresh = self._shortened(request.messages, said, kept)
        known = {} if kept is None else kept.texts
        if not (fresh or known):
            return Shrunk(request)
        by = {one: told for one in said if (told := fresh.get(one.at) or known.get(one.digest))}
        sent = _exchanged(request, by) if by else None
        if sent is None:
            return Shrunk(request)
        self._remember(conversation, by)
        spared = sum(estimate_tokens(one.text) - estimate_tokens(by[one]) for one in by)
        return Shrunk(sent, spared)

    def _shortened(
        self, messages: tuple[Message, ...], said: list[_Said], kept: _Kept | None
    ) -> dict[tuple[int, int], str]:
        """What is sent for the first time and can be said shorter."""
        turns = (at for at, one in enumerate(messages) if one.role is Role.ASSISTANT)
        last = max(turns, default=-1)
        new = [one for one in said if one.at[0] > last]
        if not new:
            return {}
        names = _names(messages)
        room = self._most_chars - (0 if kept is None else kept.chars)
        left = MOST_LOOKED_AT
        found: dict[tuple[int, int], str] = {}
        for one in new:
            name = one.result.name or names.get(one.result.call_id, "")
            if READERS.search(name) or len(one.text) > left:
                continue
            left -= len(one.text)
            told = shrunk(one.text)
            if told is not None and len(told) <= room:
                found[one.at] = told
                room -= len(told)
        return found

    def _remember(self, conversation: str, by: Mapping[_Said, str]) -> None:
        kept = self._kept.setdefault(conversation, _Kept())
        self._kept.move_to_end(conversation)
        for one, told in by.items():
            digest = one.digest
            if digest not in kept.texts:
                kept.texts[digest] = told
                kept.chars += len(told)
                self._chars += len(told)
        while self._chars > self._most_chars or len(self._kept) > self._most_conversations:
            if len(self._kept) == 1:
                break
            _, gone = self._kept.popitem(last=False)
            self._chars -= gone.chars


def _said(messages: tuple[Message, ...]) -> Iterator[_Said]:
    """The texts that tools gave back which may be shortened, in order. Errors never are."""
    before: Counter[str] = Counter()
    for at, message in enumerate(messages):
        if message.role is not Role.TOOL:
            continue
        for result in message.parts:
            if not isinstance(result, ToolResult):
                continue
            for index, part in enumerate(result.parts):
                if not isinstance(part, Text) or len(part.text) < LEAST_CHARS:
                    continue
                place = (part.text, before[part.text])
                before[part.text] += 1
                if not result.is_error:
                    yield _Said((at, index), result, part.text, place)


def _names(messages: tuple[Message, ...]) -> dict[str, str]:
    """The tools that were called, by the ids of their calls."""
    return {
        part.id: part.name
        for message in messages
        if message.role is Role.ASSISTANT
        for part in message.parts
        if isinstance(part, ToolCall)
    }


def _exchanged(request: Request, by: Mapping[_Said, str]) -> Request | None:
    """The request with other texts, in its messages and in the caller's own bytes alike."""
    body = request.body
    if body:
        places = {one.place: told for one, told in by.items()}
        told = exchanged_texts(request.dialect, body, places)
        if told is None:
            return None
        body = told
    messages = list(request.messages)
    for one, text in by.items():
        at, index = one.at
        (result,) = (part for part in messages[at].parts if isinstance(part, ToolResult))
        parts = list(result.parts)
        parts[index] = Text(text)
        messages[at] = replace(messages[at], parts=(replace(result, parts=tuple(parts)),))
    return replace(request, messages=tuple(messages), body=body)
