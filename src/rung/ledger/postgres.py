"""A ledger in a Postgres database, in a schema of its own, shared by any number of processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from rung.core.addresses import without_password
from rung.core.errors import LedgerError
from rung.ledger.database import Backend, Connection
from rung.ledger.schema import HEAD, VERSIONS, create_tables, migrate, revision, statements

try:
    import psycopg
    from psycopg.types.numeric import NumericLoader

    from rung.ledger.postgres_errors import BUSY, explained, must_be_readable
except ImportError as missing:  # the extra is not installed
    raise LedgerError(
        "A ledger on Postgres needs the driver psycopg.",
        fix='pip install "rung[postgres]"',
    ) from missing

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement

SCHEMA: Final = "rung"
CONNECT_SECONDS: Final = 5
LOCK_MS: Final = 10_000
"""How long a writer waits for another process's transaction."""

STATEMENT_MS: Final = 60_000
"""How long one statement of a reader may take: one that is forgotten holds back the vacuum."""

UPGRADE_LOCK: Final = 7_226_738_101
"""The advisory lock under which tables are made or changed: one process at a time."""

MOST_KEPT: Final = 4
"""Idle connections that are kept for the next reader."""


class _WholeLoader(NumericLoader):
    """Sums of whole numbers come as NUMERIC: as ints again, as SQLite gives them."""

    def load(self, data: Any) -> Any:
        text = bytes(data)
        return float(text) if b"." in text or not text.strip(b"-").isdigit() else int(text)


class PostgresRow:
    """One row: by column name, or by place."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: Sequence[Any]) -> None:
        self._places = places
        self._values = values

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._places[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostgresRow) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self._values))

    def keys(self) -> list[str]:
        """The names of its columns."""
        return list(self._places)


def _row_factory(cursor: psycopg.Cursor[Any]) -> Any:
    places = {column.name: place for place, column in enumerate(cursor.description or ())}
    return lambda values: PostgresRow(places, values)


class PostgresConnection:
    """A connection whose commits wait for the server's disk."""

    backend = Backend.POSTGRES

    def __init__(self, url: str) -> None:
        options = (
            f"-c search_path={SCHEMA} -c synchronous_commit=on"
            f" -c lock_timeout={LOCK_MS} -c idle_in_transaction_session_timeout={STATEMENT_MS}"
        )
        self.raw: psycopg.Connection[Any] = psycopg.connect(
            url,
            autocommit=True,
            row_factory=_row_factory,
            options=options,
            connect_timeout=CONNECT_SECONDS,
            application_name="rung",
            client_encoding="utf8",
        )
        self.raw.adapters.register_loader("numeric", _WholeLoader)
        # A statement that is run again and again is prepared; a pooler in between would lose it.
        self.raw.prepare_threshold = 5

    def named(self, statement: str, /, **values: Any) -> psycopg.Cursor[Any]:
        """See `Connection.named`."""
        return self.raw.execute(_texts()[statement], values)

    def run(self, statement: ClauseElement) -> psycopg.Cursor[Any]:
        """See `Connection.run`."""
        from rung.ledger.statements import with_values

        text, values = with_values(statement, self.backend)
        return self.raw.execute(text, values)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """See `Connection.insert`."""
        if rows:
            with self.raw.cursor() as cursor:
                cursor.executemany(_texts()[f"insert {table}"], rows)

    def execute(self, text: str, values: Any = (), /) -> psycopg.Cursor[Any]:
        """See `Connection.execute`."""
        return self.raw.execute(text, values or None)

    def close(self) -> None:
        """See `Connection.close`."""
        self.raw.close()


@cache
def _texts() -> dict[str, str]:
    return statements(Backend.POSTGRES)


class PostgresDatabase:
    """The database at ``url``. A password in it is taken out of everything that is told."""

    backend = Backend.POSTGRES

    def __init__(self, url: str) -> None:
        self.place = url
        self.name = without_password(url)
        must_be_readable(self.name, url)
        self._lock = threading.Lock()
        self._idle: list[PostgresConnection] = []
        self._closed = False

    def connect(self) -> PostgresConnection:
        """See `Database.connect`."""
        return PostgresConnection(self.place)

    @contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        """See `Database.reading`."""
        connection = self._taken()
        try:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """See `Database.transaction`."""
        connection.execute("BEGIN")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def moved(self, connection: Connection) -> bool:  # noqa: ARG002 - the protocol's
        """See `Database.moved`: a server tells by breaking the connection."""
        return False

    def is_busy(self, error: Exception) -> bool:
        """See `Database.is_busy`."""
        return isinstance(error, BUSY)

    def is_refused(self, error: Exception) -> bool:
        """See `Database.is_refused`."""
        return isinstance(error, psycopg.IntegrityError | psycopg.DataError)

    def is_ours(self, error: Exception) -> bool:
        """See `Database.is_ours`."""
        return isinstance(error, psycopg.Error)

    def explained(self, error: Exception) -> LedgerError:
        """See `Database.explained`."""
        return explained(self.name, error)

    def close(self) -> None:
        """See `Database.close`."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # -------------------------------------------------------------- connections

    def _taken(self) -> PostgresConnection:
        """An idle connection that the server has not closed in the meantime, else a new one."""
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                return self.connect()
            try:
                kept.execute("SELECT 1")
            except psycopg.Error:
                kept.close()
                continue
            return kept

    def _put_back(self, connection: PostgresConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < MOST_KEPT:
                self._idle.append(connection)
                return
        connection.close()

    # -------------------------------------------------------------- opening

    def prepare(self, *, create: bool) -> None:
        """See `Database.prepare`."""
        try:
            connection = self.connect()
        except psycopg.Error as error:
            raise self.explained(error) from None
        try:
            self._prepare(connection, create=create)
        except psycopg.Error as error:
            raise self.explained(error) from error
        finally:
            connection.close()

    def _prepare(self, connection: PostgresConnection, *, create: bool) -> None:
        found = _version_table(connection)
        if found and revision(connection) == HEAD:
            return
        if not found and not create:
            said = f"There is no ledger in {self.name}."
            raise LedgerError(said, fix="name another database, or ask first.")
        # Over transactions, so that one process alone makes or changes tables at a time.
        connection.execute(f"SELECT pg_advisory_lock({UPGRADE_LOCK})")
        if not _version_table(connection):
            with self.transaction(connection):
                self._must_be_ours(connection)
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                create_tables(connection)
        elif (at := revision(connection)) != HEAD:
            self._migrate(connection, at)

    def _must_be_ours(self, connection: PostgresConnection) -> None:
        """Raises LedgerError where somebody else's tables stand in a schema of this name."""
        standing = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = %s", (SCHEMA,))
        if standing.fetchone() is not None:
            raise LedgerError(
                f"The schema {SCHEMA!r} of {self.name} holds tables, but no ledger of rung.",
                fix="name another database.",
            )

    def _migrate(self, connection: PostgresConnection, at: str | None) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import StaticPool

        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: connection.raw, poolclass=StaticPool
        )
        migrate(engine, self.name, at, self.transaction(connection))


def _version_table(connection: PostgresConnection) -> bool:
    wanted = (
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s",
        (SCHEMA, VERSIONS),
    )
    return connection.execute(*wanted).fetchone() is not None


def _roll_back(connection: Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        # The connection is gone, and the transaction with it.
        connection.close()
