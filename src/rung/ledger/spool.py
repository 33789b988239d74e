"""Outcomes that the ledger cannot take now: kept in a file of this process until it can.

A full disk, a database that is away: what was paid for by then must not be lost. A line holds one
outcome's rows. What does not even go into the file is kept in memory, and said to be.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.ledger.codec import Rows, encode

logger = logging.getLogger(__name__)

MOST_IN_MEMORY: Final = 10_000
SUFFIX: Final = ".jsonl"

_decoder = msgspec.json.Decoder(Rows)


class Spool:
    """A folder where each process that serves has a file of its own. For any thread."""

    def __init__(self, folder: Path, process_id: str) -> None:
        self._folder = folder
        self._path = folder / f"{process_id}{SUFFIX}"
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._kept = 0
        self._memory: deque[Rows] = deque()

    def __len__(self) -> int:
        """How many outcomes of this process wait."""
        return self._kept + len(self._memory)

    @property
    def in_memory(self) -> int:
        """How many of them only live as long as this process."""
        return len(self._memory)

    def keep(self, outcome: Outcome) -> None:
        """Keep an outcome, on the disk if that takes it. Blocks. Raises LedgerError when full."""
        rows = encode(outcome)
        with self._lock:
            try:
                self._write(msgspec.json.encode(rows) + b"\n")
                self._kept += 1
            except OSError as error:
                self._close()
                self._remember(rows, error)

    def _remember(self, rows: Rows, error: OSError) -> None:
        if len(self._memory) >= MOST_IN_MEMORY:
            said = f"Neither the ledger nor {self._folder} can take what was spent ({error})."
            raise LedgerError(said, fix="free some space, or start the database") from error
        self._memory.append(rows)
        logger.error(
            "outcomes are kept in memory alone, and are lost if rung ends: %s", error.strerror
        )

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._opened()
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):
                self._file.truncate(end)
            raise
        if written != len(line):
            # The disk was full in the middle; what is cut off there is no outcome.
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _opened(self) -> IO[bytes]:
        """This process's file, locked: nobody else takes up what a living process writes to.

        Somebody who looked for what the dead left may have removed it before it was locked.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        while True:
            file = os.fdopen(os.open(self._path, flags, 0o600), "ab", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    return file
            except OSError:
                file.close()
                raise
            file.close()

    # -------------------------------------------------------------- giving back

    def give_back(self, take: Callable[[list[Rows]], None]) -> int:
        """Hand over all that waits, of this process and of dead ones; how many that was.

        ``take`` returns when they are in the ledger, and raises LedgerError where it cannot.
        """
        given = 0
        if self:
            with self._lock:
                self._close()
                waiting = list(self._memory)
                if waiting:
                    take(waiting)
                    self._memory.clear()
                    given += len(waiting)
        with suppress(OSError):
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                given += self._taken_up(path, take)
        return given

    def _taken_up(self, path: Path, take: Callable[[list[Rows]], None]) -> int:
        own = path == self._path
        with self._lock, _alone_with(path) as file:
            if file is None:
                return 0
            rows = list(_read(file))
            if rows:
                take(rows)
            path.unlink()
            if own:
                self._kept = 0
            return len(rows)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def close(self) -> None:
        """Let go of the file; it stays where anything is in it."""
        with self._lock:
            self._close()
        if self._memory:
            logger.error("%d outcomes could not be kept anywhere", len(self._memory))


@contextmanager
def _alone_with(path: Path) -> Iterator[IO[bytes] | None]:
    """The file, if nobody writes to it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file


def _read(file: IO[bytes]) -> Iterator[Rows]:
    for line in file:
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A process died in the middle of it: it was not acknowledged.
            logger.warning("a line of %s is broken off", Path(str(file.name)).name)
