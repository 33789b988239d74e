"""The shape of the tables by version: making them anew, and bringing older ones up to date.

A new ledger is created from the compiled statements and an up-to-date one is only looked at, so
that alembic (0.7 s to import) is paid for by an actual migration alone.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rung.core.errors import LedgerError
from rung.ledger.database import Backend, Connection

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD: Final = "0008"
"""The revision of the tables that this version writes."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"

VERSIONS: Final = "alembic_version"


@cache
def statements(backend: Backend) -> dict[str, str]:
    """The text of ``compiled.<backend>.sql`` by name."""
    file = Path(__file__).with_name(f"compiled.{backend.value}.sql")
    text = file.read_text(encoding="utf-8")
    blocks = (block.partition("\n") for block in text.removeprefix("-- ").split("\n-- "))
    return {name: sql.strip().removesuffix(";") for name, _, sql in blocks}


def revision(connection: Connection) -> str | None:
    """Of a database that alembic's table stands in; ``None`` of an empty one."""
    row = connection.execute(f"SELECT version_num FROM {VERSIONS}").fetchone()  # noqa: S608 a constant
    return None if row is None else str(row[0])


def create_tables(connection: Connection) -> None:
    """All tables as of HEAD, in the caller's transaction."""
    for name, statement in statements(connection.backend).items():
        if name.startswith("create "):
            connection.execute(statement)
    # What alembic itself would write, so that the next migration finds its place.
    connection.execute(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(f"INSERT INTO {VERSIONS} (version_num) VALUES ('{HEAD}')")  # noqa: S608 constants


def migrate(
    engine: Engine, name: str, at: str | None, transaction: AbstractContextManager[None]
) -> None:
    """Bring tables of revision ``at`` to HEAD by alembic, in one transaction of its connection."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if at is not None and at not in known:
        raise LedgerError(
            f"The ledger {name} was written by a newer rung (revision {at}).",
            fix="upgrade rung: pip install --upgrade rung.",
        )
    # Within: when SQLAlchemy lets go of the connection, it rolls back what is still open.
    with engine.connect() as bound, transaction:
        # SQLAlchemy must know that a transaction is open, or alembic commits one of its own.
        bound.begin()
        config.attributes["connection"] = bound
        command.upgrade(config, "head")
