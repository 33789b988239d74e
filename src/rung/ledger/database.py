"""One ledger, two databases: what the rest of the ledger knows of either of them.

Statements are declared once, in `statements` and `sums`, and compiled for both. A name's values are
bound by name; nothing that a caller or a provider wrote becomes part of a statement's text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rung.core.addresses import is_url
from rung.core.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement

Place = Path | str
"""Where a ledger is: a file's path, or the URL of a Postgres database as text."""


class Backend(StrEnum):
    """A kind of database."""

    SQLITE = "sqlite"
    POSTGRES = "postgresql"


class Row(Protocol):
    """A row of a result: by column name, or by place."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Collection[str]:
        """The names of its columns."""
        ...


class Rows(Protocol):
    """What a statement came to. ``rowcount`` counts the rows that it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any:
        """The next row, ``None`` after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside of a transaction. For one thread at a time."""

    @property
    def backend(self) -> Backend: ...

    def named(self, statement: str, /, **values: Any) -> Rows:
        """Run the statement of ``compiled.<backend>.sql`` that has this name."""
        ...

    def run(self, statement: ClauseElement) -> Rows:
        """Run a statement of SQLAlchemy's with the values that are bound in it."""
        ...

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows that have every column of the table's statement, in order."""
        ...

    def execute(self, text: str, values: Any = (), /) -> Rows:
        """Run a text in the database's own language. For upkeep, where the two differ."""
        ...

    def close(self) -> None:
        """Let go of it. What was not committed is lost."""
        ...


class Database(Protocol):
    """A place that holds a ledger."""

    @property
    def place(self) -> Place: ...

    @property
    def backend(self) -> Backend: ...

    @property
    def name(self) -> str:
        """How messages call it; never with a password."""
        ...

    def prepare(self, *, create: bool) -> None:
        """Make sure that a sound ledger of this version is there. Raises LedgerError."""
        ...

    def connect(self) -> Connection:
        """A connection to keep, that commits durably. Raises the driver's errors."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment and cannot write. Raises the driver's errors."""
        ...

    def transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """One transaction: all of it is kept, durably, or nothing."""
        ...

    def moved(self, connection: Connection) -> bool:
        """Whether what is written there would be lost, since the place is another one by now."""
        ...

    def is_busy(self, error: Exception) -> bool:
        """Whether somebody else's transaction is all that was in the way."""
        ...

    def is_refused(self, error: Exception) -> bool:
        """Whether the rows themselves were refused, by a constraint."""
        ...

    def is_ours(self, error: Exception) -> bool:
        """Whether it is an error of this database's driver."""
        ...

    def explained(self, error: Exception) -> LedgerError:
        """An error of the driver's as one that names the place and the fix."""
        ...

    def close(self) -> None:
        """Let go of connections that are kept for further use."""
        ...


def database_at(place: Place) -> Database:
    """The database of this kind of place. Raises LedgerError without the driver that it needs."""
    if isinstance(place, str) and is_url(place):
        from rung.ledger.postgres import PostgresDatabase

        return PostgresDatabase(place)
    from rung.ledger.sqlite import SqliteDatabase

    return SqliteDatabase(Path(place))
