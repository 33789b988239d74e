"""What tools gave back, inside of a caller's own bytes: found, and exchanged for other text.

Only the JSON strings of those texts change; every other byte stays as it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from rung.wire.jsontext import JsonError, inside

Span = tuple[int, int]
"""Where a JSON value lies: the first byte of it, and the one after it."""

Place = tuple[str, int]
"""A text among the texts of all results, and how many of the same come before it."""


class Shape(NamedTuple):
    """Where a dialect keeps what tools gave back.

    ``field`` is the list of turns; a result has one of ``kinds`` under ``mark``, and its texts are
    under ``holds``. With ``within``, results are items of that list inside of a turn. ``sign`` is
    in the bytes of every turn that holds one.
    """

    field: str
    sign: bytes
    mark: str
    kinds: frozenset[str]
    holds: str
    within: str | None = None


_CHAT = Shape("messages", b'"tool"', "role", frozenset({"tool"}), "content")
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "chat": _CHAT,
        "ollama_front": _CHAT,
        "messages": Shape(
            *("messages", b'"tool_result"', "type"),
            kinds=frozenset({"tool_result"}),
            holds="content",
            within="content",
        ),
        "responses": Shape(
            *("input", b'_call_output"', "type"),
            kinds=frozenset({"function_call_output", "custom_tool_call_output"}),
            holds="output",
        ),
    }
)
"""By dialect; the others have no results of tools."""

_TEXTS = frozenset({"text", "input_text", "output_text"})
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


def exchanged_texts(dialect: str, body: bytes, by: Mapping[Place, str]) -> bytes | None:
    """The body with other texts for the results of tools that ``by`` names.

    ``None`` where one of them is not to be found, or the body is not of the dialect's shape.
    """
    shape = SHAPES.get(dialect)
    if shape is None:
        return None
    try:
        return _exchanged(shape, body, by)
    except (JsonError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _exchanged(shape: Shape, body: bytes, by: Mapping[Place, str]) -> bytes | None:
    wanted = {text for text, _ in by}
    before: Counter[str] = Counter()
    pieces: list[bytes] = []
    position = found = 0
    for start, end in _texts(shape, body):
        text = _STRING.decode(body[start:end])
        if text not in wanted:
            continue
        told = by.get((text, before[text]))
        before[text] += 1
        if told is not None:
            pieces += (body[position:start], msgspec.json.encode(told))
            position = end
            found += 1
    return b"".join((*pieces, body[position:])) if found == len(by) else None


def _texts(shape: Shape, body: bytes) -> Iterator[Span]:
    """Where the texts of all results lie, in order."""
    for result in _results(shape, body):
        for held in _in(body, result, shape.holds):
            if body.startswith(b'"', held[0]):
                yield held
                continue
            for part in _in(body, held, None):
                if _says(body, part, "type") in _TEXTS:
                    yield from _in(body, part, "text")


def _results(shape: Shape, body: bytes) -> Iterator[Span]:
    for listed in _in(body, (0, len(body)), shape.field):
        for turn in _in(body, listed, None):
            if body.find(shape.sign, *turn) == -1:
                continue
            inner = [turn] if shape.within is None else _items_of(body, turn, shape.within)
            yield from (one for one in inner if _says(body, one, shape.mark) in shape.kinds)


def _items_of(body: bytes, turn: Span, name: str) -> list[Span]:
    return [item for listed in _in(body, turn, name) for item in _in(body, listed, None)]


def _in(body: bytes, at: Span, name: str | None) -> list[Span]:
    start = at[0]
    return [(start + low, start + high) for low, high in inside(body[start : at[1]], name)]


def _says(body: bytes, at: Span, name: str) -> str:
    """A word of an object's; empty where it says none."""
    if not body.startswith(b"{", at[0]):
        return ""
    told = bytes(_OBJECT.decode(body[at[0] : at[1]]).get(name, b""))
    return _STRING.decode(told) if told.startswith(b'"') else ""
