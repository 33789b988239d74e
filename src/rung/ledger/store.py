"""The ledger: one SQLite file, opened once, written by one thread, read from any."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rung.core.errors import RequestError
from rung.core.outcome import Outcome
from rung.ledger import reading
from rung.ledger.reading import InboxEntry, InboxItem
from rung.ledger.schema import connect, explained, prepare
from rung.ledger.stored import StoredOutcome
from rung.ledger.writer import Writer


class Ledger:
    """The append-only store of outcomes. Several processes may share one file.

    Reading methods block for a moment (0.5 ms for one request): call them in a thread where
    an event loop runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = Writer(path)

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Self:
        """Open the file, made and brought to this version's tables where needed.

        Raises LedgerError with the fix for a file that is missing (``create=False``), damaged, no
        ledger, locked, not writable, or written by a newer rung.
        """
        prepare(path, create=create)
        return cls(path)

    async def append(self, outcome: Outcome) -> None:
        """Return when ``outcome`` is on the disk; raises LedgerError when it cannot be."""
        await self._writer.append(outcome)

    def append_now(self, outcome: Outcome) -> None:
        """As `append`, blocking."""
        self._writer.append_now(outcome)

    def find(self, prefix: str) -> StoredOutcome:
        """The request whose id begins with ``prefix``; see `reading.find`."""
        with self.reading() as connection:
            return reading.find(connection, prefix)

    def recent(self, limit: int = 20) -> list[StoredOutcome]:
        """The newest requests, newest first."""
        with self.reading() as connection:
            return reading.recent(connection, limit)

    def inbox_items(self) -> list[InboxItem]:
        """What was queued for a human, oldest first."""
        with self.reading() as connection:
            return reading.inbox_items(connection)

    def inbox_entry(self, prefix: str) -> InboxEntry:
        """The item of the request whose id begins with ``prefix``. Raises RequestError (404)."""
        with self.reading() as connection:
            found = reading.find(connection, prefix)
            entry = reading.inbox_entry(connection, found.request.id)
        if entry is None:
            said = f"{found.request.id} is not in the inbox."
            raise RequestError(said, status=404, param="id", fix="`rung inbox list` shows what is")
        return entry

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the ledger and cannot write. Raises LedgerError."""
        try:
            with closing(connect(self.path)) as connection:
                connection.execute("PRAGMA query_only=ON")
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def close(self) -> None:
        """Write what waits and let go of the file. Blocks until then; safe to call again."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
