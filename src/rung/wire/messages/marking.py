"""Anthropic Messages: where the provider is told to keep what it has read of a prompt.

A marker ends a part of the prompt that is kept for some minutes, at a quarter more for what is
written and a tenth or less for what is read again. At most four may stand in a request; behind each
the provider looks back over 20 places for what it kept before:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching

So they stand at the ends of the tools, of the system prompt, of the conversation as the caller sent
it, and of the conversation as it was a turn ago: however many blocks a turn adds, what the last one
wrote is found. Nothing else depends on where they stand: the same history has the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from types import MappingProxyType
from typing import Any

from rung.core.features import BYTES_PER_TOKEN
from rung.core.parts import Role
from rung.wire.back import Outgoing

MOST_MARKERS = 4
MARKER: Mapping[str, str] = MappingProxyType({"type": "ephemeral"})
FIELD = "cache_control"

_SIGN = b'"cache_control"'
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result"})

Block = dict[str, Any]


def marked(told: Mapping[str, Any], sent: Outgoing, body: bytes) -> dict[str, Any]:
    """The same request with its markers, where they pay. ``body`` is what it is without them.

    Turns are lists of blocks either way, so that a marker changes nothing but itself.
    """
    turns = [_listed(turn) for turn in told["messages"]]
    parts = dict(told) | {"messages": turns}
    if not _pays(sent, len(body)):
        return parts
    left = MOST_MARKERS - body.count(_SIGN)
    for holder, place in islice(_places(parts, turns, sent), max(0, left)):
        holder[place] = holder[place] | {FIELD: dict(MARKER)}
    return parts


def _pays(sent: Outgoing, size: int) -> bool:
    """Whether there is enough to keep, and likely a next turn to read it."""
    goes_on = bool(sent.tools) or any(one.role is Role.ASSISTANT for one in _own(sent))
    least = sent.quirks.least_cached_tokens or 0
    return goes_on and size >= least * BYTES_PER_TOKEN


def _own(sent: Outgoing) -> Sequence[Any]:
    return sent.messages[: len(sent.messages) - sent.appended]


def _places(
    parts: dict[str, Any], turns: list[Block], sent: Outgoing
) -> Iterator[tuple[list[Any], int]]:
    """Blocks to mark, those first that keep most: each as its list and its place in it."""
    for turn in islice(_stable(turns, sent), 2):
        content = turn["content"]
        yield from islice(((content, at) for at in _from_the_end(content)), 1)
    for name in ("system", "tools"):
        if parts.get(name):
            # The encoder's own list stays as it is.
            parts[name] = list(parts[name])
            yield from islice(((parts[name], at) for at in _from_the_end(parts[name])), 1)


def _stable(turns: Sequence[Block], sent: Outgoing) -> Iterator[Block]:
    """The user's turns from the last back, without those of a repair: they do not come again."""
    appended = sent.messages[len(sent.messages) - sent.appended :]
    spoken = groupby(appended, lambda message: message.role is Role.ASSISTANT)
    drafts = sum(is_draft for is_draft, _ in spoken)
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            drafts -= 1
        elif drafts <= 0:
            yield turn


def _from_the_end(blocks: Sequence[Any]) -> Iterator[int]:
    """Places of blocks that may have a marker, the last first."""
    for at in range(len(blocks) - 1, -1, -1):
        block = blocks[at]
        if isinstance(block, dict) and _can_be_marked(block):
            yield at


def _can_be_marked(block: Mapping[str, Any]) -> bool:
    if FIELD in block:
        return False
    kind = block.get("type")
    # A tool of the caller's has a name and no type.
    return ("name" in block and kind is None) or (kind in _MARKABLE and block.get("text") != "")


def _listed(turn: Mapping[str, Any]) -> Block:
    content = turn["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return {"role": turn["role"], "content": blocks}
