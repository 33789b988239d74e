"""Keeping a ledger within an age and a size while it is written to.

The oldest requests go first, in small transactions between which others write. What the bill says
of them stays: their sums are kept. Never deleted are what a human has yet to answer and what money
is held for; requests that are tied to each other go together.

Of several processes on one ledger one sees to it: the others do when it falls silent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from json import dumps
from typing import TYPE_CHECKING, Final, TypeVar

from rung.ledger import room, summing
from rung.ledger.database import Connection
from rung.ledger.upkeep import Chore

if TYPE_CHECKING:
    from rung.ledger.store import Ledger

logger = logging.getLogger(__name__)

T = TypeVar("T")

PASS_SECONDS: Final = 5.0
"""Between two looks at whether something has to go."""

LOOK_SECONDS: Final = 2.0
"""How long one look may take: the thread has other things to do, and goes on soon after."""

SOON_SECONDS: Final = 0.1

OWNED_SECONDS: Final = 60.0
"""How long the process that saw to it last has to be silent before another one does."""

BATCH: Final = 200
"""Requests in one transaction."""

PAUSE_SECONDS: Final = 0.02
"""Between two transactions: what waits to be written goes first."""

FULL, ENOUGH = 0.95, 0.92
"""Shares of the size allowed: above the one requests go until the other is reached. The rest is for
the write-ahead log, and for what is written between two looks."""

HOLDS_SECONDS: Final = 35 * 86_400.0
"""How long ended holds are kept of which no attempt tells."""

DAY_SECONDS: Final = 86_400.0
MB: Final = 2**20
PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How old rows may get and how many bytes they may take; None: any."""

    days: float | None = None
    max_bytes: int | None = None
    bodies_days: float = 7.0


@dataclass(slots=True)
class Gone:
    """What a look deleted. ``more``: it ended for want of time alone."""

    requests: int = 0
    bodies: int = 0
    more: bool = False


class Retention:
    """Keeps one ledger within its limits, as a chore of its upkeep."""

    def __init__(
        self, ledger: Ledger, limits: Limits, process_id: str, wall: Callable[[], float] = time.time
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._process_id = process_id
        self._wall = wall
        self._end = 0.0
        self._is_shrinking = self._is_stuck = False
        self.chore = Chore(self._now_and_then, PASS_SECONDS, time.monotonic() + PASS_SECONDS)

    def look(self, seconds: float = LOOK_SECONDS) -> Gone:
        """Delete what has to go, for about as long as told. Raises LedgerError."""
        self._end = time.monotonic() + seconds
        gone, now, limits = Gone(), self._wall(), self._limits
        if not self._done(self._is_ours):
            return gone
        gone.bodies = self._rows("delete bodies", now - limits.bodies_days * DAY_SECONDS)
        self._rows("delete ended holds", now - HOLDS_SECONDS)
        if limits.days is not None:
            gone.requests += sum(self._batches(now - limits.days * DAY_SECONDS))
        if limits.max_bytes is not None:
            gone.requests += self._shrink(limits.max_bytes)
        while self._has_time and self._done(room.give_back):
            time.sleep(PAUSE_SECONDS)
        if gone.requests or gone.bodies:
            room.settle(self._ledger.database)
        gone.more = not self._has_time
        return gone

    # -------------------------------------------------------------- one transaction after another

    def _now_and_then(self) -> None:
        gone = self.look()
        if gone.more:
            self.chore.due = time.monotonic() + SOON_SECONDS
        if gone.requests or gone.bodies:
            logger.info("retention: %d requests and %d bodies deleted", gone.requests, gone.bodies)

    @property
    def _has_time(self) -> bool:
        return time.monotonic() < self._end

    def _shrink(self, most: int) -> int:
        """Delete the oldest until all that is left takes no more than it may."""
        count = 0
        self._is_shrinking = self._used() > most * (ENOUGH if self._is_shrinking else FULL)
        if not self._is_shrinking:
            self._is_stuck = False
            return count
        for deleted in self._batches(self._wall()):
            count += deleted
            if self._used() <= most * ENOUGH:
                self._is_shrinking = False
                return count
        if self._has_time and not self._is_stuck:
            self._is_stuck = True
            logger.warning("the ledger takes more room than it may: what is left has to stay")
        return count

    def _batches(self, before: float) -> Iterator[int]:
        """Delete the oldest requests, a batch a turn; how many went with each."""
        after: tuple[float, str] | None = (-1.0, "")
        while after is not None and self._has_time:
            after, deleted = self._done(partial(_batch, after=after, before=before))
            yield deleted
            time.sleep(PAUSE_SECONDS)

    def _rows(self, statement: str, before: float) -> int:
        """Delete what is older by one statement, a batch a turn."""
        count, deleted = 0, BATCH
        while deleted and self._has_time:
            deleted = self._done(partial(_deleted, statement=statement, before=before))
            count += deleted
        return count

    def _is_ours(self, connection: Connection) -> bool:
        of = {"of_process": self._process_id, "seconds": OWNED_SECONDS}
        return connection.named("own retention", **of).fetchone() is not None

    def _used(self) -> int:
        with self._ledger.reading() as connection:
            return room.room_of(connection, self._ledger.database.place).used_bytes

    def _done(self, job: Callable[[Connection], T]) -> T:
        return self._ledger.enqueue(job).result(PATIENCE_SECONDS)


def _deleted(connection: Connection, statement: str, before: float) -> int:
    return connection.named(statement, before=before, most=BATCH).rowcount


def _batch(
    connection: Connection, after: tuple[float, str], before: float
) -> tuple[tuple[float, str] | None, int]:
    """Delete the oldest requests after a place: the place they end at, None at the end of all."""
    rows = connection.named(
        "oldest requests", after=after[0], after_id=after[1], before=before, most=BATCH
    ).fetchall()
    if not rows:
        return None, 0
    ids = _families(connection, {row["id"] for row in rows}, before)
    if ids:
        summing.part_with(connection, ids)
        connection.named("delete requests", ids=dumps(sorted(ids)))
    return (rows[-1]["started_unix"], rows[-1]["id"]), len(ids)


def _families(connection: Connection, ids: set[str], before: float) -> set[str]:
    """These requests with all that are tied to them, without those of which one has to stay."""
    tied = summing.relatives(connection, ids)
    if tied == ids:
        return ids
    while needed := _needed(connection, tied, before):
        tied -= summing.relatives(connection, needed)
    return tied


def _needed(connection: Connection, ids: set[str], before: float) -> set[str]:
    rows = connection.named("needed among", ids=dumps(sorted(ids)), before=before)
    return {row["id"] for row in rows}
