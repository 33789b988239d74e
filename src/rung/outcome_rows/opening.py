"""The bytes of a file that may be packed, damaged or without end, as lines of text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from rung.core.errors import RequestError

LONGEST_FILE: Final = 2 * 1024**3
"""Bytes that are read, unpacked: a packed file can claim to hold a thousand times its own size."""

LONGEST_LINE: Final = 16 * 1024**2
MOST_LINES: Final = 20_000_000

GZIP: Final = b"\x1f\x8b"
BOM: Final = b"\xef\xbb\xbf"
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def opened(file: Path) -> Iterator[BufferedReader[Any]]:
    """The file's bytes, unpacked. Raises RequestError for what cannot be read, then or later."""
    try:
        with file.open("rb") as plain:
            if plain.peek(2)[:2] == GZIP:
                with gzip.GzipFile(fileobj=plain) as packed, BufferedReader(packed) as unpacked:
                    yield unpacked
            else:
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RequestError(f"{file} is a damaged gzip file.", fix="fetch it again") from None
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror or error}.") from None


def lines(stream: BufferedReader[Any], file: Path) -> Iterator[bytes]:
    """Its lines with their ends, without a mark of byte order before the first."""
    left = LONGEST_FILE
    for number in range(1, MOST_LINES + 1):
        line = stream.readline(LONGEST_LINE + 1)
        if not line:
            return
        left -= len(line)
        if len(line) > LONGEST_LINE:
            said = f"{file.name}, line {number} is longer than {LONGEST_LINE:,} bytes."
            raise RequestError(said, fix="one outcome a line; leave out prompts that are longer")
        if left < 0:
            raise RequestError(f"{file} is longer than {LONGEST_FILE:,} bytes.", fix="split it")
        yield _marked(line, file) if number == 1 else line
    if stream.readline(1):
        raise RequestError(f"{file} has more than {MOST_LINES:,} lines.", fix="split it")


def _marked(line: bytes, file: Path) -> bytes:
    if line.startswith(UTF_16):
        raise RequestError(f"{file} is UTF-16.", fix="save it as UTF-8")
    return line.removeprefix(BOM)
