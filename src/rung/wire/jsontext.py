"""JSON as text: where a body's top-level fields lie, and how to exchange some of them byte-exactly.

Bodies are forwarded, not rewritten: only the named fields change, everything else keeps its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

MAX_DEPTH = 128
"""How deep arrays and objects may nest. Real requests stay below 20; parsers recurse."""

MAX_NUMBER_BYTES = 400
"""Longest number at the top level; beyond it, languages disagree about what was sent."""

_TOO_DEEP = f"the body nests deeper than {MAX_DEPTH} levels"
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_KEY = re.compile(rb'[ \t\r\n]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_AFTER_VALUE = re.compile(rb"[ \t\r\n]*([,}])")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ALL_BYTES = bytes(range(256))
_NOT_OPENING = _ALL_BYTES.translate(None, b"[{")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = _ALL_BYTES.translate(None, b'[]{}"')
_NOT_STRUCTURE_NOR_ESCAPE = _ALL_BYTES.translate(None, b'[]{}"\\/bfnrtu')
"""Keeps each backslash beside what it escapes; JSON knows no other escapes."""


Path = tuple[str | None, ...]
"""A place in JSON: names of fields, and `EACH` for every item of an array."""

EACH: None = None


class JsonError(ValueError):
    """Not a JSON object to be trusted. ``field`` is the top-level field at fault, if one is."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Field(NamedTuple):
    """One top-level field: its JSON value, and the bytes ``[start, end)`` from its key's quote on.

    ``value_start`` is where the value begins; it ends at ``end``.
    """

    value: bytes
    start: int
    value_start: int
    end: int


def fields(body: bytes) -> dict[str, Field]:
    """The top-level fields of a JSON object, in order, each with its place.

    Raises JsonError for anything but one well-formed object in UTF-8 with distinct keys and values
    that nest at most `MAX_DEPTH` deep.
    """
    _check_text(body)
    found = locate(body)
    if len(body.translate(None, _NOT_OPENING)) > MAX_DEPTH and _deeper_than(body, MAX_DEPTH):
        raise JsonError(_TOO_DEEP)
    return found


def splice(
    body: bytes, changes: Mapping[str, bytes | None], found: Mapping[str, Field] | None = None
) -> bytes:
    """The same object with top-level fields exchanged, added at the end or, by ``None``, removed.

    Values are JSON. All other bytes stay as they are. ``found`` are the fields of ``body`` where
    they are known; without them, a body that is not an object with distinct keys raises JsonError.
    """
    found = locate(body) if found is None else found
    edits = [
        (found[name].value_start, found[name].end, value)
        for name, value in changes.items()
        if name in found and value is not None
    ]
    names = list(found)
    gone = [name for name, value in changes.items() if value is None and name in found]
    edits += [_removal(found, names, name, gone) for name in gone]
    pieces: list[bytes] = []
    position = 0
    for start, end, value in sorted(edits):
        pieces += (body[position:start], value)
        position = end
    added = [
        msgspec.json.encode(name) + b":" + value
        for name, value in changes.items()
        if name not in found and value is not None
    ]
    last = max((field.end for field in found.values()), default=body.index(b"{") + 1)
    if added:
        left = len(found) > len(gone)
        pieces += (body[position:last], b"," if left else b"", b",".join(added))
        position = max(position, last)
    pieces.append(body[position:])
    return b"".join(pieces)


def exchanged(value: bytes, path: Path, by: bytes) -> bytes:
    """The same JSON with ``by`` for whatever lies at ``path``; all other bytes stay as they are.

    A path that leads nowhere changes nothing. Raises JsonError where keys on the way repeat.
    """
    if not path:
        return by
    pieces: list[bytes] = []
    position = 0
    for start, end in inside(value, path[0]):
        pieces += (value[position:start], exchanged(value[start:end], path[1:], by))
        position = end
    return b"".join((*pieces, value[position:]))


def inside(value: bytes, name: str | None) -> list[tuple[int, int]]:
    """Where the field of that name lies in an object, or where all items of an array do.

    Nothing where there is none. Raises JsonError where keys repeat.
    """
    kind = value.lstrip(b" \t\r\n")[:1]
    if name is not None:
        found = locate(value).get(name) if kind == b"{" else None
        return [] if found is None else [(found.value_start, found.end)]
    spans: list[tuple[int, int]] = []
    end = 0
    for item in _items(value) if kind == b"[" else ():
        # Between two items there is nothing that one could begin with.
        start = value.index(item, end or value.index(b"[") + 1)
        end = start + len(item)
        spans.append((start, end))
    return spans


def _items(array: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _RAW_ARRAY.decode(array)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise JsonError(_why_not_an_object(error)) from None


def utf8(data: bytes) -> bytes:
    """``data`` as it came. Raises UnicodeDecodeError, also for what parsers skip unread."""
    if not data.isascii():
        data.decode()
    return data


def locate(body: bytes) -> dict[str, Field]:
    """As `fields`, for a body whose encoding and depth have been checked before."""
    try:
        values = _RAW_OBJECT.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise JsonError(_why_not_an_object(error)) from None
    found: dict[str, Field] = {}
    position = body.index(b"{") + 1
    while key := _KEY.match(body, position):
        name = _name(key.group(1))
        value = bytes(values[name])
        end = key.end() + len(value)
        # The decoder keeps a repeated key's last value: where another one stands, the key repeats.
        after = _AFTER_VALUE.match(body, end) if body.startswith(value, key.end()) else None
        if after is None or name in found:
            raise JsonError(f"the field {name!r} is there twice", name)
        if len(value) > MAX_NUMBER_BYTES and value[:1] in b"-0123456789":
            raise JsonError(f"the number in {name!r} is too long", name)
        found[name] = Field(value, key.start(1) - 1, key.end(), end)
        position = after.end()
    return found


def _removal(
    found: Mapping[str, Field], names: list[str], name: str, gone: list[str]
) -> tuple[int, int, bytes]:
    """The span to cut so that no comma is left over."""
    place = names.index(name)
    kept_before = [other for other in names[:place] if other not in gone]
    if kept_before:
        return found[names[place - 1]].end, found[name].end, b""
    if place + 1 < len(names):
        return found[name].start, found[names[place + 1]].start, b""
    return found[name].start, found[name].end, b""


def _name(raw: bytes) -> str:
    return str(msgspec.json.decode(b'"%b"' % raw)) if b"\\" in raw else raw.decode()


def _check_text(body: bytes) -> None:
    if not body.strip(b" \t\r\n"):
        raise JsonError("the body is empty")
    if body.startswith(_BYTE_ORDER_MARK):
        raise JsonError("the body starts with a byte order mark: send plain UTF-8")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise JsonError(f"the body is not UTF-8 (byte {error.start})") from None


def _deeper_than(body: bytes, limit: int) -> bool:
    """Whether brackets outside of strings nest deeper than ``limit``, in well-formed JSON.

    Peels one level a round off the bare brackets, all in C. Escapes are blotted out and not cut:
    a replacement of the same length costs half.
    """
    if b"\\" in body:
        body = body.translate(None, _NOT_STRUCTURE_NOR_ESCAPE)
        if b"\\\\" in body:
            body = body.replace(b"\\\\", b"//")
        body = body.replace(b'\\"', b"//")
    quoted = body.translate(None, _NOT_STRUCTURE)
    brackets = b"".join(quoted.split(b'"')[::2]).translate(_ONE_KIND)
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _why_not_an_object(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    if isinstance(error, msgspec.ValidationError):
        return "the body is not a JSON object"
    return f"the body is not valid JSON: {error}"
