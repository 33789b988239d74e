"""The ledger: one database, opened once, written by one thread, read from any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from rung.core.calibration import Calibration
from rung.core.choosing import Chooser
from rung.core.errors import LedgerError, RequestError
from rung.core.labels import Closing, Label
from rung.core.leeway import Promise
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.standing import Turn
from rung.core.trials import Past
from rung.core.types import History
from rung.ledger import (
    calibrations,
    certificates,
    conversations,
    people,
    reading,
    routers,
    speeds,
)
from rung.ledger.calibrations import Key, Labels, StoredCalibration
from rung.ledger.certificates import Certified, StoredCertificate
from rung.ledger.codec import Rows
from rung.ledger.database import Backend, Connection, Database, Place, database_at
from rung.ledger.presence import Presence
from rung.ledger.reading import InboxEntry, InboxItem
from rung.ledger.routers import StoredRouter
from rung.ledger.speeds import Probed, Timed
from rung.ledger.spool import Spool
from rung.ledger.stored import StoredOutcome
from rung.ledger.upkeep import Chore, Upkeep
from rung.ledger.writer import Writer

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Ledger:
    """The append-only store of outcomes, of what people say of them, and of money set aside.

    Several processes may share one. ``append`` and ``commit`` are awaited; all other methods block,
    for a moment where they read (0.5 ms for one request), for the disk where they write: call them
    in a thread where an event loop runs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = Writer(database)
        self._spool: Spool | None = None
        self._upkeep: Upkeep | None = None

    @classmethod
    def open(cls, place: Place, *, create: bool = True) -> Self:
        """Open a file or a Postgres database, made and brought to this version where needed.

        Raises LedgerError with the fix for one that is missing (``create=False``), damaged, no
        ledger, locked, not writable, not there, or written by a newer rung.
        """
        database = database_at(place)
        try:
            database.prepare(create=create)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def place(self) -> str:
        """How messages name it; never with a password."""
        return self._database.name

    @property
    def backend(self) -> Backend:
        """What kind of database it is in."""
        return self._database.backend

    @property
    def database(self) -> Database:
        """Where it is."""
        return self._database

    @property
    def waiting(self) -> int:
        """How many writes wait for the disk."""
        return self._writer.waiting

    async def commit(self, job: Callable[[Connection], T]) -> T:
        """Do something in the next transaction, and return what it returned once that is durable.

        ``job`` runs in the writer's thread, in the order of all writes, and again where what stood
        in the same transaction failed. Raises LedgerError when it cannot be kept.
        """
        return await self._writer.commit(job)

    def enqueue(self, job: Callable[[Connection], T]) -> Future[T]:
        """As `commit`, without waiting; from any thread."""
        return self._writer.enqueue(job)

    def attend(self, process_id: str, spool: Path, chores: tuple[Chore, ...] = ()) -> None:
        """Take part as a process that serves: be known by an id, and lose nothing in hard times.

        ``spool`` is a folder for what the ledger cannot take. Raises LedgerError.
        """
        self._spool = Spool(spool, process_id)
        self._upkeep = Upkeep(self, Presence.of(process_id), chores)
        self._upkeep.begin()

    @property
    def spooled(self) -> int:
        """How many outcomes the ledger could not take yet."""
        return 0 if self._spool is None else len(self._spool)

    def give_back(self, take: Callable[[list[Rows]], None]) -> int:
        """Hand over what waits; see `Spool.give_back`."""
        return 0 if self._spool is None else self._spool.give_back(take)

    async def append(self, outcome: Outcome) -> None:
        """Return when ``outcome`` is on the disk; raises LedgerError when it cannot be."""
        try:
            await self._writer.append(outcome)
        except LedgerError as error:
            if self._spool is None or not error.passing:
                raise
            logger.error("an outcome has to wait: %s", error.message)  # noqa: TRY400 the error is told
            await asyncio.to_thread(self._spool.keep, outcome)

    def append_now(self, outcome: Outcome) -> None:
        """As `append`, blocking."""
        self._writer.append_now(outcome)

    def find(self, prefix: str) -> StoredOutcome:
        """The request whose id begins with ``prefix``; see `reading.find`."""
        with self.reading() as connection:
            return reading.find(connection, prefix)

    def exact(self, request_id: str) -> StoredOutcome:
        """The request of this whole id. Raises RequestError (404)."""
        with self.reading() as connection:
            return reading.exact(connection, request_id)

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
        with self.writing() as connection:
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
        with self.writing() as connection:
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
        with self.writing() as connection:
            routers.add(connection, ladder, made, report, now)

    def certificate(self, ladder: str) -> StoredCertificate | None:
        """The one in force; see `certificates.current`."""
        with self.reading() as connection:
            return certificates.current(connection, ladder)

    def certificates(self, ladder: str | None = None) -> list[StoredCertificate]:
        """All that were stored, newest first; see `certificates.stored`."""
        with self.reading() as connection:
            return certificates.stored(connection, ladder)

    def promised(self) -> dict[str, Promise]:
        """What those in force rest on, by ladder; see `certificates.promised`."""
        with self.reading() as connection:
            return certificates.promised(connection)

    def add_certificate(self, ladder: str, made: Certified | None, now: float, why: str) -> None:
        """Put a ladder's certificate in force, or withdraw it; see `certificates.add`."""
        with self.writing() as connection:
            certificates.add(connection, ladder, made, now, why)

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
        with self.writing() as connection:
            return people.add_label(connection, given)

    def said_wrong(self, request_id: str) -> bool:
        """Whether a served answer is believed to be wrong; see `people.said_wrong`."""
        with self.reading() as connection:
            return people.said_wrong(connection, request_id)

    def queue_audit(self, outcome: Outcome) -> None:
        """Ask a human whether a served answer was right; see `people.queue_audit`."""
        with self.writing() as connection:
            people.queue_audit(connection, outcome)

    def label_by_hand(self, given: Label) -> tuple[Label, bool]:
        """Store what a person says; see `people.label_by_hand`."""
        with self.writing() as connection:
            return people.label_by_hand(connection, given)

    def newest_labels(self, limit: int = 20) -> list[Label]:
        """The labels given last, newest first."""
        with self.reading() as connection:
            return reading.newest_labels(connection, limit)

    def close_entry(self, closed: Closing, labels: Sequence[Label] = ()) -> None:
        """Close an inbox entry; see `people.close_entry`."""
        with self.writing() as connection:
            people.close_entry(connection, closed, labels)

    def closings(self, ids: Collection[str]) -> dict[str, Closing]:
        """How those of these inbox entries were closed that are."""
        with self.reading() as connection:
            return reading.closings(connection, ids)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One durable transaction beside the writer's, at once. Raises LedgerError."""
        database = self._database
        with (
            self._explaining(),
            closing(database.connect()) as connection,
            database.transaction(connection),
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the ledger and cannot write. Raises LedgerError."""
        with self._explaining(), self._database.reading() as connection:
            yield connection

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self._database.is_ours(error):
                raise
            raise self._database.explained(error) from error

    def close(self) -> None:
        """Write what waits and let go of the place. Blocks until then; safe to call again."""
        upkeep, self._upkeep = self._upkeep, None
        if upkeep is not None:
            upkeep.close()
        self._writer.close()
        if self._spool is not None:
            self._spool.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
