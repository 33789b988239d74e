"""The one thread that writes: everything that waits goes into one transaction.

A commit waits for the disk; while it does, further outcomes queue up and share the next one. So one
append costs one wait and a hundred at once cost little more. Outcomes are acknowledged only after
the commit that holds them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.ledger.codec import Row, Rows, encode
from rung.ledger.schema import connect, explained, is_locked, statements

MOST_AT_ONCE: Final = 500
"""Outcomes in one transaction: bounds the time the write lock is held."""

MOST_WAITING: Final = 10_000
"""Outcomes that may wait for the disk before new ones are refused."""


ROWS_AT_ONCE: Final = (16, 8, 4, 2, 1)
"""Rows in one statement. Each statement prepares the tables' checks anew: for one row that takes
longer than the row. A few sizes, so that all statements stay compiled."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One outcome on its way to the disk; ``loop`` is its future's, None where a thread waits."""

    outcome: Outcome
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[None] | Future[None]


class Writer:
    """Appends outcomes to the file at ``path``. Safe to use from any thread and any event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._inserts = [
            _Insert(name.removeprefix("insert "), statement)
            for name, statement in statements().items()
            if name.startswith("insert ")
        ]

    async def append(self, outcome: Outcome) -> None:
        """Return when ``outcome`` is on the disk. Raises LedgerError. Cancelling sends it still."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._put(_Job(outcome, loop, future))
        await future

    def append_now(self, outcome: Outcome) -> None:
        """Block until ``outcome`` is on the disk. Raises LedgerError."""
        future: Future[None] = Future()
        self._put(_Job(outcome, None, future))
        future.result()

    def close(self) -> None:
        """Write what waits, then end the thread. Safe to call again, also after an interrupt."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _put(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise LedgerError(f"The ledger {self._path} is closed.")
            if self._queue.qsize() >= MOST_WAITING:
                raise LedgerError(f"The ledger {self._path} cannot keep up: the disk is too slow.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rung-ledger", daemon=True)
                self._thread.start()
            self._queue.put(job)

    # -------------------------------------------------------------- in the thread

    def _run(self) -> None:
        going = True
        while going:
            jobs, going = self._waiting()
            _settle(jobs, self._write(jobs))
        self._disconnect()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """All jobs that wait, at least one; False with the last."""
        job = self._queue.get()
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

    def _write(self, jobs: Sequence[_Job]) -> list[LedgerError | None]:
        """Commit all jobs, or each alone where together fails; the error of each, None for none."""
        if not jobs:
            return []
        try:
            self._commit(jobs)
        except Exception as error:  # noqa: BLE001 - boundary: the thread outlives any outcome
            if len(jobs) > 1 and not is_locked(error):
                return [self._write([job])[0] for job in jobs]
            return [self._refused(error) for _ in jobs]
        return [None] * len(jobs)

    def _commit(self, jobs: Sequence[_Job]) -> None:
        rows = Rows()
        for job in jobs:
            rows.extend(encode(job.outcome))
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for insert in self._inserts:
                insert.run(connection, getattr(rows, insert.table))
            connection.execute("COMMIT")
        finally:
            # SQLite has already rolled back by itself after some errors (a full disk).
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _refused(self, error: Exception) -> LedgerError:
        if isinstance(error, LedgerError):
            return error
        if isinstance(error, sqlite3.IntegrityError):
            return LedgerError(f"The ledger {self._path} refused the outcome: {error}.")
        if isinstance(error, sqlite3.OperationalError) and not is_locked(error):
            # After a failed write or sync only a new connection knows what is on the disk.
            self._disconnect()
        return explained(self._path, error)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path)
            self._file = _identity(self._path)
        elif _identity(self._path) != self._file:
            self._disconnect()
            raise LedgerError(
                f"The ledger {self._path} was moved, replaced or removed while in use.",
                fix="restart rung.",
            )
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Insert:
    """The insertion of rows into one table, several with one statement."""

    def __init__(self, table: str, statement: str) -> None:
        self.table = table
        head, _, names = statement.partition(" VALUES ")
        columns = names.strip("()").split(", ")
        self._values = itemgetter(*(column.removeprefix(":") for column in columns))
        row = f"({', '.join('?' * len(columns))})"
        self._texts = {n: f"{head} VALUES {', '.join([row] * n)}" for n in ROWS_AT_ONCE}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Insert all rows, in order."""
        start = 0
        for size in ROWS_AT_ONCE:
            while len(rows) - start >= size:
                several = rows[start : start + size]
                values = chain.from_iterable(map(self._values, several))
                connection.execute(self._texts[size], tuple(values))
                start += size


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is: writes to a removed one would vanish without an error."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _settle(jobs: Sequence[_Job], errors: Sequence[LedgerError | None]) -> None:
    """Tell everyone, with one wake-up an event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, LedgerError | None]]] = {}
    for job, error in zip(jobs, errors, strict=True):
        if job.loop is None:
            _resolve(job, error)
        else:
            by_loop.setdefault(job.loop, []).append((job, error))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, settled)
        except RuntimeError:
            continue  # the loop is closed: nobody waits there any more


def _resolve_all(settled: Sequence[tuple[_Job, LedgerError | None]]) -> None:
    for job, error in settled:
        _resolve(job, error)


def _resolve(job: _Job, error: LedgerError | None) -> None:
    if job.future.done():  # its waiter was cancelled
        return
    if error is None:
        job.future.set_result(None)
    else:
        job.future.set_exception(error)
