"""How much room a ledger takes on the disk, and giving back what it no longer needs.

A SQLite file that rung made shrinks as rows go (``auto_vacuum=INCREMENTAL``); one of an older rung
keeps its size and uses the room again, until `rung ledger vacuum`. Postgres keeps a table's room
and uses it again, too: what rows take is told there from their number and the size of the newest.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rung.core.errors import LedgerError
from rung.ledger.database import Backend, Connection, Database

TOPIC: Final = "retention"
"""Of the notice that says who sees to it."""

PAGES: Final = 500
"""Pages of a SQLite file that one transaction gives back."""

INCREMENTAL: Final = 2


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk: all of them, those that rows and indexes use, and the log beside them.

    ``shrinks``: what is not used is given back by and by.
    """

    total_bytes: int
    used_bytes: int
    log_bytes: int
    shrinks: bool


def room_of(connection: Connection, place: Path | str) -> Room:
    """What a ledger takes."""
    if connection.backend is Backend.SQLITE:
        return _of_file(connection, Path(place))
    total, each = connection.named("size of tables").fetchone()
    used = min(total, kept_requests(connection) * each)
    return Room(int(total), int(used), 0, shrinks=False)


def give_back(connection: Connection) -> bool:
    """Give back some of what a SQLite file no longer needs; whether there is more of it."""
    if connection.backend is not Backend.SQLITE or _pragma(connection, "auto_vacuum") == 0:
        return False
    for _ in range(PAGES):
        # Of several pages the driver would give back one: it does not go on where no row comes.
        connection.execute("PRAGMA incremental_vacuum(1)")
    return _pragma(connection, "freelist_count") > 0


def settle(database: Database) -> None:
    """Let a SQLite file become as short as it is said to be, without anybody having to wait."""
    if database.backend is Backend.SQLITE:
        with closing(database.connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def kept_requests(connection: Connection) -> int:
    """How many requests the ledger has rows of, by its sums."""
    kept = {bool(row["gone"]): row["requests"] for row in connection.named("count kept")}
    return int(kept.get(False, 0) + connection.named("count all unsummed").fetchone()[0])


def _of_file(connection: Connection, path: Path) -> Room:
    names = ("page_size", "page_count", "freelist_count")
    size, pages, free = (_pragma(connection, name) for name in names)
    log = path.with_name(f"{path.name}-wal")
    try:
        logged = log.stat().st_size
    except OSError:
        logged = 0
    shrinks = _pragma(connection, "auto_vacuum") == INCREMENTAL
    return Room(pages * size, (pages - free) * size, logged, shrinks)


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


# ------------------------------------------------------------------ by hand


def rewrite(connection: Connection, place: Path | str) -> None:
    """Write a ledger anew without what it no longer needs. Nobody else writes meanwhile.

    A SQLite file shrinks by itself from then on. Raises LedgerError where the disk has no room for
    the copy, and the driver's errors.
    """
    if connection.backend is Backend.POSTGRES:
        connection.execute("VACUUM (FULL, ANALYZE)")
        return
    path = Path(place)
    _must_fit(_of_file(connection, path), path)
    connection.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _must_fit(room: Room, path: Path) -> None:
    import shutil

    free = shutil.disk_usage(path.parent).free
    # The copy goes through the log before it takes the file's place.
    needed = 2 * room.used_bytes
    if free < needed:
        raise LedgerError(
            f"The ledger {path} cannot be written anew: that takes {needed // 2**20} MB of disk"
            f" for a while, and {free // 2**20} MB are free.",
            fix="free some space, or let `[retention]` delete old rows first.",
        )
