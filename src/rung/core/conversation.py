"""Which conversation a request belongs to.

The client's own name of its session counts, and where it has none, how the conversation begins. One
session of an agent holds several conversations: the main loop, each sub-agent, and small errands
such as finding a title. Those share no cache at the provider, and so no tier. They are told apart
by the beginning of the system prompt and by whether tools are offered, which stay the same from
turn to turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from rung.core.parts import File, Image, Message, Part, Role, Text
from rung.core.turns import NOTICES, WRAPPERS
from rung.core.types import Need, Request

SCOPE_BYTES, PART_BYTES = 8, 4
"""64 bits tell sessions apart, 32 the conversations of one."""

PROMPT_CHARS = 400
"""Characters read of each text of the system prompt."""

OPENING_CHARS = 1_000
"""Characters read of the first thing that the user says."""

MOST_TEXTS = 4
"""Texts of one message that are looked at."""

MOST_READ = 32_768
"""Characters read of a file at each of its ends, to tell calls of a program apart."""

MOST_OPENINGS = 8
"""Messages of the user among which the first words of their own are looked for."""

PER_REQUEST = ("x-anthropic-billing-header",)
"""How texts of a system prompt begin that change with each build or request of a client."""

_NO_DIGITS = str.maketrans("", "", "0123456789")
_NO_WORDS = (*NOTICES, *(f"<{name}>" for name in WRAPPERS))


def key(request: Request) -> str:
    """The conversation's key, empty where the request belongs to none.

    It begins with its `scope`, as in ``0123456789abcdef-01234567``.
    """
    if not request.messages or Need.EMBEDDINGS in request.needs or request.audit_of is not None:
        return ""
    kind = "loop" if request.tools else "errand"
    own = (request.directions.agent or "", kind, *_prompt(request.messages, PROMPT_CHARS))
    return f"{_scope(request)}-{_hash(own, PART_BYTES)}"


def scope(key: str) -> str:
    """What all conversations of one session share; without a session, those that began alike.

    What must hold for all that was said in them (privacy) goes by it.
    """
    return key.partition("-")[0]


def _scope(request: Request) -> str:
    # A client chooses its session's name: with another key that is another one's.
    whose = (request.directions.project or "", *([request.key] if request.key else []))
    if request.session:
        return _hash(("session", *whose, request.session), SCOPE_BYTES)
    return _hash(("opening", *whose, opening(request)), SCOPE_BYTES)


def drawn_by(request: Request) -> str:
    """What is drawn as one where turns must go the same way: the conversation, or else the request.

    Calls of a program often begin alike, or name one prompt cache, though none of them goes on: to
    draw them as one would draw all of them or none. So where no session tells conversations apart,
    all that was said first is read, system prompt and files included. An agent names a cache for
    each; without, it goes by all of its first words.
    """
    if not request.conversation:
        return request.id
    if request.session and (request.tools or not request.session_shared):
        return request.conversation
    message, own = _first_words(request, None)
    said = [own]
    if message is not None and not request.tools:
        said += [text for part in message.parts for text in _whole(part)]
        said += _prompt(request.messages, None)
    return f"{request.conversation}-{_hash(said, SCOPE_BYTES)}"


def opening(request: Request) -> str:
    """The beginning of what the user said first, without what clients say in their place."""
    return _first_words(request, OPENING_CHARS)[1]


def _first_words(request: Request, most: int | None) -> tuple[Message | None, str]:
    """The first message in which the user says or shows something, and so much of the text."""
    looked = 0
    for message in request.messages:
        if message.role is not Role.USER:
            continue
        for part in message.parts[:MOST_TEXTS]:
            if isinstance(part, Text) and (own := _own(part.text)):
                return message, own[:most]
            if isinstance(part, Image | File):
                data = f"{len(part.data)} {part.data[-OPENING_CHARS:]}"
                return message, f"{part.url[:OPENING_CHARS]} {data}"
        looked += 1
        if looked == MOST_OPENINGS:
            break
    return None, ""


def _whole(part: Part) -> Iterator[str]:
    """All that a part says or shows, as far as it tells this one from others."""
    if isinstance(part, Text):
        yield part.text
    elif isinstance(part, Image | File):
        yield f"{part.url} {len(part.data)} {part.data[:MOST_READ]} {part.data[-MOST_READ:]}"


def turns_before(request: Request) -> int:
    """How often the assistant has spoken already; what it says in one go counts once."""
    turns, before = 0, Role.USER
    for message in request.messages:
        turns += message.role is Role.ASSISTANT and before is not Role.ASSISTANT
        before = message.role
    return turns


def _prompt(messages: tuple[Message, ...], most: int | None) -> Iterator[str]:
    """So much of the system prompt's texts. Digits are left out: they are dates and counters."""
    if messages[0].role is not Role.SYSTEM:
        return
    for part in messages[0].parts[:MOST_TEXTS]:
        if isinstance(part, Text) and not part.text.startswith(PER_REQUEST):
            yield part.text[:most].translate(_NO_DIGITS)


def _own(text: str) -> str:
    """The user's words in a text that may begin with a client's, empty where there are none."""
    for _ in range(MOST_TEXTS):
        text = text.lstrip()
        if not text.startswith(_NO_WORDS):
            return text
        if not text.startswith("<"):
            return ""
        name = text[1 : text.index(">")]
        end = text.find(f"</{name}>")
        if end == -1:
            return ""
        text = text[end + len(name) + 3 :]
    return ""


def _hash(texts: Iterable[str], size: int) -> str:
    framed = "".join([f"{len(text)}:{text}" for text in texts])
    return blake2b(framed.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
