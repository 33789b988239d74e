"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rung.core.errors import RequestError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A file beside ``out`` to write, for its owner alone; at the end it takes ``out``'s place.

    Where writing fails it is removed, and ``out`` stays as it was. Raises RequestError for what
    cannot be written.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o600)
        part.replace(out)
    except OSError as error:
        fix = "name another file, or make room"
        raise RequestError(f"{out} cannot be written: {error}", param="out", fix=fix) from None
    finally:
        with suppress(OSError):
            part.unlink()
