"""Who writes to a ledger: processes that say they live, and what to think of those that do not."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rung.ledger.database import Connection, Row

BEAT_SECONDS: Final = 5.0
"""How often a process says that it lives."""

SILENT_SECONDS: Final = 60.0
"""A process that was not heard of for so long has died."""

FORGOTTEN_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Presence:
    """One process, by an id that no other has."""

    id: str
    host: str
    pid: int

    @classmethod
    def of(cls, process_id: str) -> Presence:
        """This process."""
        return cls(process_id, this_host(), os.getpid())


@cache
def this_host() -> str:
    """Where process numbers are unique: this machine since it was started, and this container."""
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()} {boot} {namespace}".strip()


def beat(connection: Connection, who: Presence) -> None:
    """Say that a process lives; the first time, that it is there."""
    connection.named("begin process", id=who.id, host=who.host, pid=who.pid)


def end(connection: Connection, who: Presence) -> None:
    """Say that a process ends well."""
    connection.named("end process", of_id=who.id)
    connection.named("forget processes", seconds=FORGOTTEN_SECONDS)


def dead(connection: Connection, me: Presence) -> list[str]:
    """Processes that left something open and are no more, and those that nobody knows."""
    suspects = connection.named("suspects", seconds=SILENT_SECONDS).fetchall()
    orphans = connection.named("orphans", seconds=SILENT_SECONDS).fetchall()
    found = [row["id"] for row in suspects if row["id"] != me.id and is_dead(row, me)]
    return found + [row["process_id"] for row in orphans]


def is_dead(row: Row, me: Presence) -> bool:
    """Whether the process of a row, with ``silent`` in it, is no more."""
    if row["silent"] or row["ended_unix"] is not None:
        return True
    # This process has another id: what had its number before is gone.
    return row["host"] == me.host and (row["pid"] == me.pid or not _runs(row["pid"]))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's
    return True
