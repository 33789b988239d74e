"""A ledger in one SQLite file: is it there, is it ours, is it whole; if not, the fix."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.core.errors import LedgerError
from rung.ledger.database import Backend, Connection
from rung.ledger.schema import HEAD, VERSIONS, create_tables, migrate, revision, statements

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another process's transaction."""

RETRY_SECONDS: Final = 0.01

CHECKED_BYTES: Final = 8 * 2**20
"""Files up to this size are checked page by page at every start (3.6 ms a MB)."""

ROWS_AT_ONCE: Final = (16, 8, 4, 2, 1)
"""Rows in one statement. Each statement prepares the tables' checks anew: for one row that takes
longer than the row. A few sizes, so that all statements stay compiled."""

_FIXES: Final[dict[int, tuple[str, str | None]]] = {
    sqlite3.SQLITE_BUSY: ("is locked by another program", "end it, or wait until it is done."),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", "end it, or wait until it is done."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "free some space; rung then goes on."),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "make the file and its folder writable for this user, or name another path.",
    ),
    sqlite3.SQLITE_PERM: ("cannot be read", "make it readable for this user."),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "make its folder writable for this user, or name another path.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "restore a backup, or save what can be read: sqlite3 FILE .recover | sqlite3 SAVED",
    ),
    sqlite3.SQLITE_NOTADB: ("is no SQLite file", "name another path, or move the file away."),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written by the operating system",
        "look at the disk, its space and this user's file size limit; rung then goes on.",
    ),
}


_PASSING: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
    | {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
)

# ------------------------------------------------------------------ a connection


class SqliteConnection:
    """A connection to an existing file that commits durably and only when told to.

    ``synchronous=FULL`` makes a commit in WAL mode wait for the disk: an acknowledged row survives
    the loss of power, not only of the process.
    """

    backend = Backend.SQLITE

    def __init__(self, path: Path) -> None:
        self.raw = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
        )
        self.raw.row_factory = sqlite3.Row
        self.file = identity(path)
        try:
            self.raw.execute("PRAGMA synchronous=FULL")
            self.raw.execute("PRAGMA foreign_keys=ON")
        except BaseException:
            self.raw.close()
            raise

    def named(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        """See `Connection.named`."""
        return self.raw.execute(_texts()[statement], values)

    def run(self, statement: ClauseElement) -> sqlite3.Cursor:
        """See `Connection.run`."""
        from rung.ledger.statements import with_values

        text, values = with_values(statement, self.backend)
        return self.raw.execute(text, values)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """See `Connection.insert`."""
        _inserts()[table].run(self.raw, rows)

    def execute(self, text: str, values: Any = (), /) -> sqlite3.Cursor:
        """See `Connection.execute`."""
        return self.raw.execute(text, values)

    def close(self) -> None:
        """See `Connection.close`."""
        self.raw.close()


class _Insert:
    """The insertion of rows into one table, several with one statement."""

    def __init__(self, statement: str) -> None:
        head, _, names = statement.partition(" VALUES ")
        columns = names.strip("()").split(", ")
        self._values = itemgetter(*(column.removeprefix(":") for column in columns))
        row = f"({', '.join('?' * len(columns))})"
        self._texts = {n: f"{head} VALUES {', '.join([row] * n)}" for n in ROWS_AT_ONCE}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert all rows, in order."""
        start = 0
        for size in ROWS_AT_ONCE:
            while len(rows) - start >= size:
                several = rows[start : start + size]
                values = chain.from_iterable(map(self._values, several))
                connection.execute(self._texts[size], tuple(values))
                start += size


@cache
def _texts() -> dict[str, str]:
    return statements(Backend.SQLITE)


@cache
def _inserts() -> dict[str, _Insert]:
    named = _texts().items()
    return {n.removeprefix("insert "): _Insert(t) for n, t in named if n.startswith("insert ")}


def identity(path: Path) -> tuple[int, int] | None:
    """Which file it is: writes to a removed one would vanish without an error."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# ------------------------------------------------------------------ a file


class SqliteDatabase:
    """A file at ``path``. Several processes may share it."""

    backend = Backend.SQLITE

    def __init__(self, path: Path) -> None:
        self.place = path
        self.name = str(path)

    def connect(self) -> SqliteConnection:
        """See `Database.connect`."""
        return SqliteConnection(self.place)

    @contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        """See `Database.reading`."""
        with closing(self.connect()) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """See `Database.transaction`. It holds the file's one write lock."""
        assert isinstance(connection, SqliteConnection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            # SQLite has already rolled back by itself after some errors (a full disk).
            if connection.raw.in_transaction:
                connection.execute("ROLLBACK")

    def moved(self, connection: Connection) -> bool:
        """See `Database.moved`."""
        assert isinstance(connection, SqliteConnection)
        return identity(self.place) != connection.file

    def is_busy(self, error: Exception) -> bool:
        """See `Database.is_busy`."""
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY

    def is_refused(self, error: Exception) -> bool:
        """See `Database.is_refused`."""
        return isinstance(error, sqlite3.IntegrityError)

    def is_ours(self, error: Exception) -> bool:
        """See `Database.is_ours`."""
        return isinstance(error, sqlite3.Error)

    def explained(self, error: Exception) -> LedgerError:
        """See `Database.explained`. Also of an error of the file system."""
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, OSError):
            _, fix = _FIXES[sqlite3.SQLITE_READONLY]
            said = f"The ledger {self.name} cannot be used ({error})."
            return LedgerError(said, fix=fix, passing=True)
        if code is None:
            return LedgerError(f"The ledger {self.name} cannot hold that ({error}).")
        said, fix = _FIXES.get(code & 0xFF, ("refused the statement", None))
        passing = code & 0xFF in _PASSING
        return LedgerError(f"The ledger {self.name} {said} ({error}).", fix=fix, passing=passing)

    def close(self) -> None:
        """See `Database.close`: none is kept."""

    # -------------------------------------------------------------- opening

    def prepare(self, *, create: bool) -> None:
        """See `Database.prepare`."""
        try:
            self._ensure_file(create=create)
            with closing(self.connect()) as connection:
                self._check(connection)
                if create or _revision(connection) != HEAD:
                    if not _tables(connection):
                        # So that it can shrink; only before anything is written to it.
                        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                    self._switch_to_wal(connection)
                    self._upgrade(connection)
        except (sqlite3.Error, OSError) as error:
            raise self.explained(error) from error

    def _ensure_file(self, *, create: bool) -> None:
        path = self.place
        if path.is_dir():
            raise LedgerError(f"The ledger {path} is a folder.", fix="name a file in it.")
        if path.exists():
            return
        if not create:
            said = f"There is no ledger at {path}."
            raise LedgerError(said, fix="name another path, or ask first.")
        # Its owner's alone: the inbox holds what callers wrote. SQLite gives its WAL the same mode.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def _check(self, connection: SqliteConnection) -> None:
        path = self.place
        if path.stat().st_size <= CHECKED_BYTES:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                said, fix = _FIXES[sqlite3.SQLITE_CORRUPT]
                raise LedgerError(f"The ledger {path} {said} ({found}).", fix=fix)
        tables = _tables(connection)
        if tables and VERSIONS not in tables:
            said = f"{path} is a SQLite file, but no ledger of rung."
            raise LedgerError(said, fix="name another path.")

    def _switch_to_wal(self, connection: SqliteConnection) -> None:
        mode = self._in_wal_mode(connection)
        if mode != "wal":
            raise LedgerError(
                f"The ledger {self.name} is on a file system without shared memory "
                f"(journal mode {mode}).",
                fix="put it on a local disk: SQLite is not safe on network drives.",
            )

    def _in_wal_mode(self, connection: SqliteConnection) -> str:
        # Two processes that make one file at once: this pragma alone does not wait for the other.
        patience = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
            except sqlite3.OperationalError as error:
                if not self.is_busy(error) or time.monotonic() > patience:
                    raise
                time.sleep(RETRY_SECONDS)

    def _upgrade(self, connection: SqliteConnection) -> None:
        """Bring the tables to HEAD, and prove that the file can be written."""
        with self.transaction(connection):
            if not _tables(connection):
                create_tables(connection)
            # BEGIN IMMEDIATE succeeds on a read-only file; a statement that writes fails.
            connection.execute("DELETE FROM alembic_version WHERE false")
        at = _revision(connection)
        if at != HEAD:
            self._migrate(connection, at)

    def _migrate(self, connection: SqliteConnection, at: str | None) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import StaticPool

        engine = create_engine("sqlite://", creator=lambda: connection.raw, poolclass=StaticPool)
        migrate(engine, self.name, at, self.transaction(connection))


def _tables(connection: SqliteConnection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def _revision(connection: SqliteConnection) -> str | None:
    return revision(connection) if VERSIONS in _tables(connection) else None
