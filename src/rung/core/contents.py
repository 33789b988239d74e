"""All that a request would send, as texts that can be searched and media that can be looked into.

The caller's bytes are read whole: a field that rung does not know goes to a provider of the same
dialect like any other, and of a name that stands twice, both values do. A request without bytes is
read as it was built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, is_dataclass
from itertools import pairwise
from typing import Any

from rung.core.parts import File, Image, Opaque, Part, Text, ToolResult
from rung.core.sensitive_keys import PAIR
from rung.core.sensitive_readings import APART
from rung.core.types import Request

LONG = 256
"""Characters from which on a text is searched by itself, and recognised when it comes again."""

BLOB = 1024
"""Characters from which on a field of nothing but base64 is a file, not a number or a name."""

_BEGINNING = 65_536

_EDGE = 120
"""How much of two parts that touch is read together: a secret may have been cut in two."""

_SEALED = frozenset(
    {"signature", "encrypted_content", "encrypted_index", "thought_signature", "redacted_thinking"}
)
"""Fields that a provider wrote and alone can read: what they hold was there before."""

_FEWEST_OF_BASE64 = 24
"""Different characters in a long piece of base64; rows of letters and hexadecimals have fewer."""

_KEPT = frozenset({"file_id", "file_ids", "vector_store_ids", "previous_response_id"})
_HEARD = frozenset({"input_audio", "audio", "video", "video_url", "input_video"})
_ADDRESSES = frozenset({"image_url", "file_url", "url"})
_TOKENS = frozenset({"input", "prompt"})

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_DATA_ADDRESS = re.compile(r"data:[\w.+/;=-]{0,100};base64,([A-Za-z0-9+/_=-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture, a document or a file in base64. ``said`` is whether its sender called it one."""

    data: str
    said: bool = True


@dataclass(slots=True)
class Contents:
    """What there is to look at. ``unread`` names what nobody can look into from here."""

    texts: list[str] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class _Number(str):
    """A number as it was written: a card's may be one."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its names, those that stand twice too."""


def contents(request: Request) -> Contents:
    """All of it. Raises ValueError or RecursionError for a body that cannot be read."""
    found = Contents()
    short: list[str] = []
    _walk(_structure(request), found, short)
    for message in request.messages:
        short += _edges([part.text for part in message.parts if isinstance(part, Text)])
        _declared(message.parts, found)
    short += (value for pair in request.passed_on for value in pair)
    found.texts.append(APART.join(short))
    return found


def _structure(request: Request) -> Any:
    if request.body:
        return json.loads(
            request.body,
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=str,
        )
    told = (request.messages, request.tools, request.schema, request.sampling.stop, request.model)
    return [_plain(each) for each in told]


def _plain(value: Any) -> Any:
    """Frozen data of ours as JSON would have it."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple | list | frozenset):
        return [_plain(each) for each in value]
    return value


# ------------------------------------------------------------------ what stands in it


def _walk(root: Any, found: Contents, short: list[str]) -> None:
    """Sort every name and value of a JSON value, however deep it is."""
    rest: list[tuple[str, Any]] = [("", root)]
    while rest:
        name, value = rest.pop()
        if isinstance(value, str):
            _sort(name, value, found, short)
        elif isinstance(value, bytes):
            _sort(name, value.decode("utf-8", "replace"), found, short)
        elif isinstance(value, _Pairs | dict):
            pairs = value if isinstance(value, _Pairs) else list(value.items())
            rest += _named(pairs)
            _note(pairs, found)
        elif isinstance(value, list | tuple):
            if name in _TOKENS and any(isinstance(each, _Number) for each in value):
                found.unread.append("a text as the numbers of its tokens")
            # The name goes down: several prompts of tokens are a list of lists.
            rest += ((name, each) for each in value)
        elif value is not None and not isinstance(value, bool):
            short.append(str(value))


def _named(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The pairs of an object; what an encrypted thought holds is named for what it is."""
    if ("type", "redacted_thinking") not in pairs:
        return pairs
    return [("redacted_thinking" if name == "data" else name, value) for name, value in pairs]


def _sort(name: str, value: str, found: Contents, short: list[str]) -> None:
    if len(value) < LONG:
        short.append(f"{name}{PAIR}{value}" if name else value)
        return
    if name:
        short.append(f"{name}{PAIR}")
    if len(value) >= BLOB and _is_base64(value):
        if name not in _SEALED:
            found.media.append(Medium(value))
        return
    whole = _DATA_ADDRESS.fullmatch(value)
    if whole is not None:
        found.media.append(Medium(whole[1]))
        return
    found.texts.append(value)
    if "base64," in value:
        found.media += (Medium(one[1], said=False) for one in _DATA_ADDRESS.finditer(value))


def _is_base64(value: str) -> bool:
    various = len(set(value[:_BEGINNING])) >= _FEWEST_OF_BASE64
    return various and _BASE64.fullmatch(value) is not None


def _note(pairs: Iterable[tuple[str, Any]], found: Contents) -> None:
    """What the names in an object tell of things that are elsewhere, or are no texts."""
    for name, value in pairs:
        if not value:
            continue
        if name in _KEPT:
            found.unread.append("a file or a state that a provider keeps")
        elif name in _HEARD and _is_heard(name, value):
            found.unread.append("sound or film")


def _is_heard(name: str, value: Any) -> bool:
    """Whether it is sound itself, not the wish for an answer in sound."""
    if not isinstance(value, list | dict):
        return False
    return name != "audio" or bool({"id", "data"} & set(dict(value)))


def _edges(texts: list[str]) -> Iterator[str]:
    for one, other in pairwise(texts):
        yield one[-_EDGE:] + other[:_EDGE]


def _declared(parts: Iterable[Part], found: Contents) -> None:
    """Pictures and files that their sender calls so, whatever their fields are named."""
    for part in parts:
        match part:
            case Image() | File():
                _pictured(part, found)
            case Opaque() if part.kind in _HEARD:
                found.unread.append("sound or film")
            case Opaque():
                _addresses(part.raw, found)
            case ToolResult():
                _declared(part.parts, found)
            case _:
                pass


def _pictured(part: Image | File, found: Contents) -> None:
    if whole := _DATA_ADDRESS.fullmatch(part.url):
        found.media.append(Medium(whole[1]))
    elif part.url:
        found.unread.append("a picture or a file at an address")
    if part.data and not (len(part.data) >= BLOB and _is_base64(part.data)):
        # Those that are left out were met as base64 already.
        found.media.append(Medium("".join(part.data.split())))


def _addresses(raw: Any, found: Contents) -> None:
    """A part of a kind that is not known may point to something elsewhere."""
    rest = [raw]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            for name, each in value.items():
                if name in _ADDRESSES and str(each).startswith(("http:", "https:", "gs:", "s3:")):
                    found.unread.append("a picture or a file at an address")
            rest += value.values()
        elif isinstance(value, list):
            rest += value
