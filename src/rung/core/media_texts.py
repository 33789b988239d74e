"""The words in pictures, documents and archives: all that can be read of them without a model.

Of a picture that is its metadata; its pixels are not looked at. What cannot be read at all, is
encrypted, or grows beyond the bounds when it is unpacked, is said to be unread. All input is
hostile: every loop consumes, every unpacking is bounded.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rung.core.sensitive_readings import as_text

MOST_BYTES = 32 * 1024 * 1024
"""The most of one medium that is looked at, before and after it is unpacked."""


MOST_NESTED = 2
"""Archives around a file."""


class UnreadError(Exception):
    """Something cannot be looked into; the message says what, never what is in it."""


@dataclass(slots=True)
class Room:
    """How many bytes may still be unpacked of one medium, archives in archives included."""

    left: int = MOST_BYTES

    def inflated(self, data: bytes, *, raw: bool = False) -> bytes:
        """Unpack a stream of zlib's. Raises UnreadError where it is broken or too large."""
        opened = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
        try:
            plain = opened.decompress(data, self.left + 1)
        except zlib.error:
            raise UnreadError("a packed part that is broken") from None
        self.take(len(plain))
        if not opened.eof:
            raise UnreadError("a packed part that is cut off")
        return plain

    def take(self, size: int) -> None:
        """Use up room. Raises UnreadError where there is none left."""
        self.left -= size
        if self.left < 0:
            raise UnreadError("something too large to be unpacked")


def texts(data: bytes, room: Room | None = None, depth: int = 0) -> Iterator[str]:
    """The texts in a medium, by what it is, not by what it is called. Raises UnreadError.

    ``depth`` counts the archives around it.
    """
    room = room or Room()
    if depth == 0:
        room.take(len(data))
    if depth > MOST_NESTED:
        raise UnreadError("an archive in an archive in an archive")
    read = next((read for magic, read in _KINDS if magic(data)), None)
    if read is not None:
        yield from read(data, room, depth)
        return
    plain = as_text(data)
    if plain is None:
        raise UnreadError("a file of a kind that is not known")
    yield plain


def _zip(data: bytes, room: Room, depth: int) -> Iterator[str]:
    from rung.core.document_texts import of_zip

    yield from of_zip(data, room, depth)


def _pdf(data: bytes, room: Room, _: int) -> Iterator[str]:
    from rung.core.document_texts import of_pdf

    yield from of_pdf(data, room)


def _gzip(data: bytes, room: Room, depth: int) -> Iterator[str]:
    yield from texts(room.inflated(data), room, depth + 1)


def _loose(blobs: Iterator[bytes]) -> Iterator[str]:
    """What stands in pieces of unknown shape, as ASCII, UTF-8 or UTF-16 in either order."""
    for blob in blobs:
        yield blob.decode("utf-8", "replace")
        if b"\0" in blob:
            yield blob.replace(b"\0", b"").decode("latin-1")
            for begin in (0, 1):
                yield blob[begin:].decode("utf-16-le", "replace")


# ------------------------------------------------------------------ pictures


def _png(data: bytes, room: Room) -> Iterator[bytes]:
    """All chunks but the pixels, and what comes after the end: https://www.w3.org/TR/png-3/."""
    place = 8
    while place + 12 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if size > len(data) - place - 12:
            break
        body = data[place + 8 : place + 8 + size]
        place += 12 + size
        if kind in {b"zTXt", b"iTXt", b"iCCP"}:
            yield from _png_text(kind, body, room)
        elif kind == b"IEND":
            break
        elif kind not in {b"IDAT", b"fdAT", b"IHDR", b"PLTE", b"tRNS"}:
            yield body
    yield data[place:]


def _png_text(kind: bytes, body: bytes, room: Room) -> Iterator[bytes]:
    keyword, _, rest = body.partition(b"\0")
    yield keyword
    if kind != b"iTXt":
        yield room.inflated(rest[1:])
        return
    packed, rest = rest[:1] == b"\1", rest[2:]
    language, _, rest = rest.partition(b"\0")
    title, _, said = rest.partition(b"\0")
    yield language
    yield title
    yield room.inflated(said) if packed else said


_SEGMENT = re.compile(rb"\xff([\xe0-\xef\xfe])(..)", re.DOTALL)


def _jpeg(data: bytes, _: Room) -> Iterator[bytes]:
    """Application segments and comments: in compressed pixels no 0xFF is followed by their codes.

    https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1
    """
    place = 2
    while found := _SEGMENT.search(data, place):
        size = int.from_bytes(found[2])
        yield data[found.start() + 4 : found.start() + 2 + size]
        place = max(found.end(), found.start() + 2 + size)
    end = data.rfind(b"\xff\xd9")
    yield data[end + 2 :] if end >= 0 else data[place:]


def _gif(data: bytes, _: Room) -> Iterator[bytes]:
    """Comments, texts and the blocks of applications: https://www.w3.org/Graphics/GIF/spec-gif89a.txt."""
    place = 13 + _gif_colours(data[10:11])
    while place < len(data):
        kind = data[place : place + 1]
        if kind == b"\x2c":
            place += 10 + _gif_colours(data[place + 9 : place + 10]) + 1
            place, _pixels = _gif_blocks(data, place)
        elif kind == b"\x21":
            place, said = _gif_blocks(data, place + 2)
            yield said
        else:
            break
    yield data[place:]


def _gif_colours(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _gif_blocks(data: bytes, place: int) -> tuple[int, bytes]:
    """Where a chain of blocks ends, and what is in it."""
    parts = []
    while place < len(data) and (size := data[place]):
        parts.append(data[place + 1 : place + 1 + size])
        place += 1 + size
    return place + 1, b"".join(parts)


def _webp(data: bytes, _: Room) -> Iterator[bytes]:
    """All chunks but the pixels: https://developers.google.com/speed/webp/docs/riff_container."""
    place = 12
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind not in {b"VP8 ", b"VP8L", b"ALPH", b"ANMF"}:
            yield data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    yield data[place:]


Blobs = Callable[[bytes, Room], Iterator[bytes]]


def _of_picture(blobs: Blobs) -> Callable[[bytes, Room, int], Iterator[str]]:
    return lambda data, room, _: _loose(blobs(data, room))


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Room, int], Iterator[str]]], ...] = (
    (lambda data: data.startswith(b"PK\x03\x04"), _zip),
    (lambda data: data.startswith(b"%PDF-"), _pdf),
    (lambda data: data.startswith(b"\x1f\x8b"), _gzip),
    (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _of_picture(_png)),
    (lambda data: data.startswith(b"\xff\xd8"), _of_picture(_jpeg)),
    (lambda data: data.startswith(b"GIF8"), _of_picture(_gif)),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _of_picture(_webp)),
)
