"""The one thread that writes: everything that waits goes into one transaction.

A commit waits for the disk; while it does, further writes queue up and share the next one. So one
append costs one wait and a hundred at once cost little more. Writes are acknowledged only after the
commit that holds them, and are done in the order in which they came.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.ledger import recovery, summing
from rung.ledger.codec import TABLES, Rows, encode
from rung.ledger.database import Connection, Database
from rung.ledger.holds import booked, stand_in_line
from rung.ledger.summing import QUIET_SECONDS, Backlog, drop

T = TypeVar("T")

MOST_AT_ONCE: Final = 500
"""Writes in one transaction: bounds the time the write lock is held."""

MOST_WAITING: Final = 10_000
"""Writes that may wait for the disk before new ones are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One write on its way to the disk; ``loop`` is its future's, None where a thread waits.

    ``work`` is an outcome to append, or what to do on the connection.
    """

    work: Outcome | Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a write came to."""

    value: Any = None
    error: Exception | None = None


BROKEN: Final = "The ledger's writer failed unexpectedly; its log has the details."


class Again(Enum):
    """Why something is written once more: it failed for certain, or it may have been kept."""

    FAILED = "failed"
    IN_DOUBT = "in doubt"


class Writer:
    """Writes to one database. Safe to use from any thread and any event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: Connection | None = None
        self._backlog = Backlog()

    @property
    def waiting(self) -> int:
        """How many writes wait."""
        return self._queue.qsize()

    async def append(self, outcome: Outcome) -> None:
        """Return when ``outcome`` is on the disk. Raises LedgerError. Cancelling sends it still."""
        await self._awaited(outcome)

    def append_now(self, outcome: Outcome) -> None:
        """Block until ``outcome`` is on the disk. Raises LedgerError."""
        self._enqueued(outcome).result()

    async def commit(self, job: Callable[[Connection], T]) -> T:
        """Return what ``job`` returned when that is on the disk. Raises LedgerError."""
        done: T = await self._awaited(job)
        return done

    def enqueue(self, job: Callable[[Connection], T]) -> Future[T]:
        """Have ``job`` done, in order, without waiting for it. Raises LedgerError when closed."""
        return self._enqueued(job)

    def close(self) -> None:
        """Write what waits, then end the thread. Safe to call again, also after an interrupt."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    async def _awaited(self, work: Any) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(_Job(work, loop, future))
        return await future

    def _enqueued(self, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._put(_Job(work, None, future))
        return future

    def _put(self, job: _Job) -> None:
        name = self._database.name
        with self._lock:
            if self._closed:
                raise LedgerError(f"The ledger {name} is closed.")
            if self._queue.qsize() >= MOST_WAITING:
                raise LedgerError(f"The ledger {name} cannot keep up: the disk is too slow.")
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="rung-ledger", daemon=True)
                self._thread.start()
            self._queue.put(job)

    # -------------------------------------------------------------- in the thread

    def _run(self) -> None:
        going, jobs = True, list[_Job]()
        try:
            while going:
                jobs, going = self._waiting()
                _settle(jobs, self._write(jobs))
        except BaseException:
            # A bug of ours: whoever waits for this thread must not wait for ever.
            _settle(jobs, [_Done(error=LedgerError(BROKEN))] * len(jobs))
            raise
        finally:
            self._disconnect()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """All jobs that wait, at least one; False with the last."""
        job = self._next()
        jobs: list[_Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == MOST_AT_ONCE:
                return jobs, True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _next(self) -> _Job | None:
        """The next job. Quiet moments before it are used to sum what was written."""
        if self._backlog.is_pressing:
            self._sum_up()
        while self._backlog.is_worthwhile:
            try:
                return self._queue.get(timeout=QUIET_SECONDS)
            except Empty:
                self._sum_up()
        return self._queue.get()

    def _sum_up(self) -> None:
        connection = self._connection
        if connection is None or self._database.moved(connection):
            # The next write tells of it.
            self._backlog.put_off()
            return
        try:
            with self._database.transaction(connection):
                self._backlog.work(connection)
        except Exception as error:  # noqa: BLE001 - boundary: sums can wait, writes cannot
            self._backlog.put_off()
            self._refused(error)

    def _write(self, jobs: Sequence[_Job]) -> list[_Done]:
        """Commit all jobs, or each alone where together fails; what each came to."""
        if not jobs:
            return []
        try:
            self._connected()
        except Exception as error:  # noqa: BLE001 - boundary: the thread outlives any write
            return [_Done(error=self._refused(error))] * len(jobs)
        try:
            return self._commit(jobs)
        except Exception as error:  # noqa: BLE001 - boundary: the thread outlives any write
            refused = self._refused(error)
            if self._database.is_busy(error):
                return [_Done(error=refused)] * len(jobs)
            again = Again.FAILED if self._database.is_refused(error) else Again.IN_DOUBT
            return list(self._each_again(jobs, again))

    def _each_again(self, jobs: Sequence[_Job], again: Again) -> Iterator[_Done]:
        """Each alone; where there is no way to the database, one is enough to find that out."""
        away: Exception | None = None
        for job in jobs:
            try:
                if away is None:
                    self._connected()
            except Exception as error:  # noqa: BLE001 - boundary: the thread outlives any write
                away = self._refused(error)
            yield self._again(job, again) if away is None else _Done(error=away)

    def _again(self, job: _Job, again: Again) -> _Done:
        """Commit one job alone."""
        try:
            return self._commit([job], again)[0]
        except Exception as error:  # noqa: BLE001 - boundary: the thread outlives any write
            return _Done(error=self._refused(error))

    def _commit(self, jobs: Sequence[_Job], again: Again | None = None) -> list[_Done]:
        connection = self._connected()
        with self._database.transaction(connection):
            # In whatever order a batch changes rows that other processes change too: none waits
            # for one that waits for it.
            stand_in_line(connection)
            done = list(_done(connection, jobs, again))
        self._backlog.grew(sum(isinstance(job.work, Outcome) for job in jobs))
        return done

    def _refused(self, error: Exception) -> Exception:
        database = self._database
        if isinstance(error, LedgerError):
            return error
        if database.is_refused(error):
            # Its first line: a server goes on to quote the row.
            said = str(error).partition("\n")[0]
            return LedgerError(f"The ledger {database.name} refused the outcome: {said}.")
        if not database.is_busy(error):
            # After a failed write or sync only a new connection knows what is on the disk.
            self._disconnect()
        return database.explained(error)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.connect()
        elif self._database.moved(self._connection):
            self._disconnect()
            raise LedgerError(
                f"The ledger {self._database.name} was moved, replaced or removed while in use.",
                fix="restart rung.",
            )
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _done(connection: Connection, jobs: Sequence[_Job], again: Again | None) -> Iterator[_Done]:
    """Do the work of all jobs in order; outcomes that follow each other are inserted together."""
    for is_outcome, several in groupby(jobs, key=lambda job: isinstance(job.work, Outcome)):
        if is_outcome:
            outcomes = [job.work for job in several if isinstance(job.work, Outcome)]
            append(connection, [encode(outcome) for outcome in outcomes], again)
            yield from (_Done() for _ in outcomes)
        else:
            yield from (_Done(job.work(connection)) for job in several if callable(job.work))


def append(connection: Connection, outcomes: Sequence[Rows], again: Again | None = None) -> None:
    """Insert the rows of outcomes, in the caller's transaction."""
    rows = Rows()
    for outcome in outcomes if again is None else unwritten(connection, outcomes, again):
        rows.extend(outcome)
    summing.reopen_for(connection, rows.requests)
    for price in rows.prices.values():
        connection.named("note price", **price)
    for plan in rows.plans.values():
        connection.named("note plan", **plan)
    for table in TABLES:
        connection.insert(table, getattr(rows, table))
    stand_ins = {row["id"] for row in rows.requests if row["recovered"]}
    told = [row for row in rows.attempts if row["request_id"] not in stand_ins]
    booked(connection, told, time.time())


def unwritten(connection: Connection, outcomes: Sequence[Rows], again: Again) -> list[Rows]:
    """Those to be inserted; what is only recovered of them gives way.

    Of those in doubt, not what is in the ledger already: nobody heard of an earlier commit's end.
    """
    found = recovery.known(connection, [_id(outcome) for outcome in outcomes])
    makeshift = [name for name, recovered in found.items() if recovered]
    if makeshift:
        drop(connection, makeshift)
        connection.named("drop recovered", ids=json.dumps(makeshift))
    if again is Again.FAILED:
        return list(outcomes)
    return [each for each in outcomes if found.get(_id(each), True)]


def _id(outcome: Rows) -> str:
    return str(outcome.requests[0]["id"])


# ------------------------------------------------------------------ telling those who wait


def _settle(jobs: Sequence[_Job], done: Sequence[_Done]) -> None:
    """Tell everyone, with one wake-up an event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, _Done]]] = {}
    for job, came_to in zip(jobs, done, strict=True):
        if job.loop is None:
            _resolve(job, came_to)
        else:
            by_loop.setdefault(job.loop, []).append((job, came_to))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(partial(_resolve_all, settled))
        except RuntimeError:
            continue  # the loop is closed: nobody waits there any more


def _resolve_all(settled: Sequence[tuple[_Job, _Done]]) -> None:
    for job, done in settled:
        _resolve(job, done)


def _resolve(job: _Job, done: _Done) -> None:
    if job.future.done():  # its waiter was cancelled
        return
    if done.error is None:
        job.future.set_result(done.value)
    else:
        job.future.set_exception(done.error)
