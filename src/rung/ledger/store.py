"""The ledger: one SQLite file, opened once, written by one thread, read from any."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rung.core.calibration import Calibration
from rung.core.choosing import Chooser
from rung.core.errors import RequestError
from rung.core.labels import Closing, Label
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.standing import Turn
from rung.core.trials import Past
from rung.core.types import History
from rung.ledger import calibrations, conversations, people, reading, routers, speeds
from rung.ledger.calibrations import Key, Labels, StoredCalibration
from rung.ledger.reading import InboxEntry, InboxItem
from rung.ledger.routers import StoredRouter
from rung.ledger.schema import connect, explained, prepare, transaction
from rung.ledger.speeds import Probed, Timed
from rung.ledger.stored import StoredOutcome
from rung.ledger.writer import Writer


class Ledger:
    """The append-only store of outcomes, and of what people say of them.

    Several processes may share one file. All methods but ``append`` block, for a moment where they
    read (0.5 ms for one request), for the disk where they write: call them in a thread where an
    event loop runs.
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

    def climbs(self, limit: int) -> list[tuple[Plan, History]]:
        """Plans and histories of the newest requests of more than one call, newest first."""
        with self.reading() as connection:
            return [(one.plan, one.history) for one in reading.climbs(connection, limit)]

    def conversation(self, key: str, limit: int) -> tuple[list[Turn], bool]:
        """Its newest turns, and whether any of its session's was private; see `conversations`."""
        with self.reading() as connection:
            return conversations.turns(connection, key, limit)

    def of_conversations(self, beginning: str, limit: int) -> list[StoredOutcome]:
        """The newest requests of the conversations whose keys begin so, newest first."""
        with self.reading() as connection:
            return reading.of_conversations(connection, beginning, limit)

    def timed(self, limit: int) -> list[Timed]:
        """The newest calls that tell of a tier's speed; see `speeds.timed`."""
        with self.reading() as connection:
            return list(speeds.timed(connection, limit))

    def probed(self, limit: int) -> list[Probed]:
        """The newest probes, newest first."""
        with self.reading() as connection:
            return speeds.probed(connection, limit)

    def add_probe(self, found: Probed, speed: Mapping[str, Any]) -> None:
        """Store what a probe measured; see `speeds.add`."""
        with self._writing() as connection:
            speeds.add(connection, found, speed)

    def newest_calibrations(self) -> dict[tuple[str, str], Calibration]:
        """Those in force, by ladder and tier."""
        with self.reading() as connection:
            return calibrations.newest(connection)

    def calibrations_in_force(self) -> list[StoredCalibration]:
        """The same with when they were stored and by what; see `calibrations.in_force`."""
        with self.reading() as connection:
            return calibrations.in_force(connection)

    def add_calibrations(
        self,
        made: Mapping[Key, Calibration | None],
        reports: Mapping[Key, Mapping[str, Any]],
        now: float,
    ) -> None:
        """Put calibrations in force; see `calibrations.add`."""
        with self._writing() as connection:
            calibrations.add(connection, made, reports, now)

    def labels_for_calibration(self, ladder: str | None, since_unix: float | None) -> Labels:
        """What calibrations are fitted on; see `calibrations.labels`."""
        with self.reading() as connection:
            return calibrations.labels(connection, ladder, since_unix)

    def pasts(self, limit: int, since_unix: float = 0.0, *, traits: bool = True) -> list[Past]:
        """What the newest requests came to, oldest first; see `routers.pasts`."""
        with self.reading() as connection:
            return routers.pasts(connection, limit, since_unix, traits=traits)

    def newest_routers(self) -> dict[str, Chooser]:
        """Those in force, by ladder."""
        with self.reading() as connection:
            return routers.newest(connection)

    def routers_in_force(self) -> list[StoredRouter]:
        """The same with when they were stored and by what; see `routers.in_force`."""
        with self.reading() as connection:
            return routers.in_force(connection)

    def add_router(
        self, ladder: str, made: Chooser | None, report: Mapping[str, Any], now: float
    ) -> None:
        """Put a router in force; see `routers.add`."""
        with self._writing() as connection:
            routers.add(connection, ladder, made, report, now)

    def inbox_items(self) -> list[InboxItem]:
        """What was queued for a human, oldest first."""
        with self.reading() as connection:
            return reading.inbox_items(connection)

    def inbox_entry(self, prefix: str) -> InboxEntry:
        """The item of the request whose id begins with ``prefix``. Raises RequestError (404)."""
        with self.reading() as connection:
            found = reading.find(connection, prefix)
            entry = reading.inbox_entry(connection, found)
        if entry is None:
            said = f"{found.request.id} is not in the inbox."
            raise RequestError(said, status=404, param="id", fix="`rung inbox list` shows what is")
        return entry

    # -------------------------------------------------------------- what people say

    def add_label(self, given: Label) -> tuple[Label, bool]:
        """Store a label; see `people.add_label`."""
        with self._writing() as connection:
            return people.add_label(connection, given)

    def said_wrong(self, request_id: str) -> bool:
        """Whether a served answer is believed to be wrong; see `people.said_wrong`."""
        with self.reading() as connection:
            return people.said_wrong(connection, request_id)

    def queue_audit(self, outcome: Outcome) -> None:
        """Ask a human whether a served answer was right; see `people.queue_audit`."""
        with self._writing() as connection:
            people.queue_audit(connection, outcome)

    def label_by_hand(self, given: Label) -> tuple[Label, bool]:
        """Store what a person says; see `people.label_by_hand`."""
        with self._writing() as connection:
            return people.label_by_hand(connection, given)

    def newest_labels(self, limit: int = 20) -> list[Label]:
        """The labels given last, newest first."""
        with self.reading() as connection:
            return reading.newest_labels(connection, limit)

    def close_entry(self, closed: Closing, labels: Sequence[Label] = ()) -> None:
        """Close an inbox entry; see `people.close_entry`."""
        with self._writing() as connection:
            people.close_entry(connection, closed, labels)

    def closings(self, ids: Collection[str]) -> dict[str, Closing]:
        """How those of these inbox entries were closed that are."""
        with self.reading() as connection:
            return reading.closings(connection, ids)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction under the write lock. Raises LedgerError."""
        try:
            with closing(connect(self.path)) as connection, transaction(connection):
                yield connection
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

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
