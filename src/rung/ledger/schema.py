"""Opening the file: is it there, is it ours, is it whole, is it of this version; if not, the fix.

A new file is created from ``compiled.sql`` and an up-to-date one is only looked at, so that alembic
(0.7 s to import) is paid for by an actual migration alone.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rung.core.errors import LedgerError

HEAD: Final = "0005"
"""The revision of the tables that this version writes."""

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another process's transaction."""

RETRY_SECONDS: Final = 0.01

CHECKED_BYTES: Final = 8 * 2**20
"""Files up to this size are checked page by page at every start (3.6 ms a MB)."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"

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


def statements() -> dict[str, str]:
    """The text of ``compiled.sql`` by name."""
    text = Path(__file__).with_name("compiled.sql").read_text(encoding="utf-8")
    blocks = (block.partition("\n") for block in text.removeprefix("-- ").split("\n-- "))
    return {name: sql.strip().removesuffix(";") for name, _, sql in blocks}


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing file that commits durably and only when told to.

    ``synchronous=FULL`` makes a commit in WAL mode wait for the disk: an acknowledged row survives
    the loss of power, not only of the process.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def is_locked(error: Exception) -> bool:
    """Whether another connection's transaction is all that was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def explained(path: Path, error: Exception) -> LedgerError:
    """An error of SQLite or of the file system as one that names the place and the fix."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, OSError):
        _, fix = _FIXES[sqlite3.SQLITE_READONLY]
        return LedgerError(f"The ledger {path} cannot be used ({error}).", fix=fix)
    if code is None:
        return LedgerError(f"The ledger {path} cannot hold that ({error}).")
    said, fix = _FIXES.get(code & 0xFF, ("refused the statement", None))
    return LedgerError(f"The ledger {path} {said} ({error}).", fix=fix)


def prepare(path: Path, *, create: bool) -> None:
    """Make sure that ``path`` is a sound ledger of this version. Raises LedgerError."""
    try:
        _ensure_file(path, create=create)
        with closing(connect(path)) as connection:
            _check(connection, path)
            if create or _revision(connection) != HEAD:
                _switch_to_wal(connection, path)
                _upgrade(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise explained(path, error) from error


def _ensure_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise LedgerError(f"The ledger {path} is a folder.", fix="name a file in it.")
    if path.exists():
        return
    if not create:
        raise LedgerError(f"There is no ledger at {path}.", fix="name another path, or ask first.")
    # Only for its owner: the inbox holds what callers wrote. SQLite gives its WAL the same mode.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size <= CHECKED_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            said, fix = _FIXES[sqlite3.SQLITE_CORRUPT]
            raise LedgerError(f"The ledger {path} {said} ({found}).", fix=fix)
    tables = _tables(connection)
    if tables and "alembic_version" not in tables:
        raise LedgerError(
            f"{path} is a SQLite file, but no ledger of rung.", fix="name another path."
        )


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def _revision(connection: sqlite3.Connection) -> str | None:
    if "alembic_version" not in _tables(connection):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _switch_to_wal(connection: sqlite3.Connection, path: Path) -> None:
    mode = _in_wal_mode(connection)
    if mode != "wal":
        raise LedgerError(
            f"The ledger {path} is on a file system without shared memory (journal mode {mode}).",
            fix="put it on a local disk: SQLite is not safe on network drives.",
        )


def _in_wal_mode(connection: sqlite3.Connection) -> str:
    # Two processes that make one file at once: this pragma alone does not wait for the other.
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > patience:
                raise
            time.sleep(RETRY_SECONDS)


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to HEAD, and prove that the file can be written."""
    with transaction(connection):
        if not _tables(connection):
            create_tables(connection)
        # BEGIN IMMEDIATE succeeds on a read-only file all the same; a statement that writes fails.
        connection.execute("DELETE FROM alembic_version WHERE false")
    revision = _revision(connection)
    if revision != HEAD:
        migrate(connection, path, revision)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction under the write lock: all of it is kept, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def create_tables(connection: sqlite3.Connection) -> None:
    """All tables as of HEAD, in the caller's transaction."""
    for name, statement in statements().items():
        if name.startswith("create "):
            connection.execute(statement)
    # What alembic itself would write, so that the next migration finds its place.
    connection.execute(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))


def migrate(connection: sqlite3.Connection, path: Path, revision: str | None) -> None:
    """Bring a file at ``revision`` to HEAD by alembic, in one transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise LedgerError(
            f"The ledger {path} was written by a newer rung (revision {revision}).",
            fix="upgrade rung: pip install --upgrade rung.",
        )
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as bound, transaction(connection):
        # SQLAlchemy must know that a transaction is open, or alembic commits one of its own.
        bound.begin()
        config.attributes["connection"] = bound
        command.upgrade(config, "head")
