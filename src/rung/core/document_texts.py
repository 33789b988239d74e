"""The words in a PDF, and in a zip archive, which most office documents are.

A PDF is read as far as its text is written in letters. Fonts that number their own glyphs, filters
other than Flate on anything but a picture, and encryption make it unread: what cannot be read
cannot be called clean.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from rung.core import media_texts
from rung.core.media_texts import Room, UnreadError
from rung.core.sensitive_readings import as_text

MOST_MEMBERS = 2000

_STREAM = re.compile(rb"stream\r?\n")
_LITERAL = re.compile(rb"\((?:[^()\\]|\\.)*+\)", re.DOTALL)
_HEXADECIMAL = re.compile(rb"<([0-9A-Fa-f\s]{2,}+)>")
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_OPAQUE = re.compile(
    rb"/(?:Encrypt|Type0|Identity-H|Identity-V|Type3|ToUnicode|EmbeddedFiles?|XFA)\b"
)
_FILTER = re.compile(rb"/Filter\s*(?:\[([^\]]*)\]|/(\w+))")
_PIXELS = re.compile(rb"/Subtype\s*/Image\b")
_DRAWN = re.compile(r"<[^<>]*>")
_DICTIONARY_BYTES = 4096
"""How far before a stream its dictionary begins at most."""


def of_pdf(data: bytes, room: Room) -> Iterator[str]:
    """The strings of a PDF, those of its packed streams included. Raises UnreadError."""
    plain, place = [], 0
    while begun := _STREAM.search(data, place):
        ends = data.find(b"endstream", begun.end())
        if ends < 0:
            raise UnreadError("a PDF that is cut off")
        plain.append(data[place : begun.start()])
        about = plain[-1][-_DICTIONARY_BYTES:]
        named = max(about.rfind(b"obj"), 0)
        if not named and len(plain[-1]) > _DICTIONARY_BYTES:
            raise UnreadError("a PDF that describes its streams at length")
        body = _unpacked(about[named:], data[begun.end() : ends], room)
        yield from _words(body)
        place = ends + len(b"endstream")
    yield from _words(b"".join((*plain, data[place:])))


def _unpacked(about: bytes, body: bytes, room: Room) -> bytes:
    """A stream by what its dictionary says ``about`` it."""
    if _PIXELS.search(about):
        return b""
    named = _FILTER.search(about)
    filters = (named[1] or named[2]).replace(b"/", b" ").split() if named else []
    if not filters and b"/Filter" not in about and as_text(body) is not None:
        return body
    if filters not in ([b"FlateDecode"], [b"Fl"]):
        raise UnreadError("a PDF with streams that are not read")
    opened = zlib.decompressobj()
    try:
        plain = opened.decompress(body, room.left + 1)
    except zlib.error:
        raise UnreadError("a PDF with a broken stream") from None
    room.take(len(plain))
    return plain


def _words(data: bytes) -> Iterator[str]:
    """The strings in a piece of a PDF, one by one and in a row: kerning cuts words to pieces."""
    if _OPAQUE.search(data):
        raise UnreadError("a PDF whose text is encrypted or drawn in glyphs of its own")
    said = [_plain(found[0][1:-1]) for found in _LITERAL.finditer(data)]
    for found in _HEXADECIMAL.finditer(data):
        digits = b"".join(found[1].split())
        said.append(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()))
    for text in said:
        if b"\0" in text:
            yield text.removeprefix(b"\xfe\xff").decode("utf-16-be", "replace")
    yield b"\n".join(said).decode("utf-8", "replace")
    yield b"".join(said).decode("utf-8", "replace")
    yield data.decode("latin-1")


def _plain(literal: bytes) -> bytes:
    return _ESCAPED.sub(_unescaped, literal)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code.isdigit():
        return bytes([int(code, 8) & 0xFF])
    return b"" if code in b"\r\n" else code


def of_zip(data: bytes, room: Room, depth: int) -> Iterator[str]:
    """The names and texts of an archive's members. Raises UnreadError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise UnreadError("an archive of too many files")
            yield archive.comment.decode("utf-8", "replace")
            for member in members:
                yield f"{member.filename}\n{member.comment.decode('utf-8', 'replace')}"
                if not member.is_dir():
                    yield from _member(archive, member, room, depth)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError):
        # RuntimeError is the library's word for an encrypted member.
        raise UnreadError("an archive that is encrypted or broken") from None


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: Room, depth: int
) -> Iterator[str]:
    with archive.open(member) as opened:
        body = opened.read(room.left + 1)
    room.take(len(body))
    for text in media_texts.texts(body, room, depth + 1) if body else ():
        yield text
        if "<" in text:
            # Markup cuts words to pieces.
            yield _DRAWN.sub("", text)
