"""What a process that serves does for its ledger beside serving: in a thread of its own.

It says that it lives, gives back what the ledger could not take, and books what processes that died
had under way. Nothing of it may keep a request waiting, and nothing that fails ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from rung.core.errors import LedgerError
from rung.ledger import once, presence, recovery
from rung.ledger.codec import Rows, encode
from rung.ledger.database import Connection
from rung.ledger.presence import BEAT_SECONDS, Presence
from rung.ledger.writer import Again, append

if TYPE_CHECKING:
    from rung.ledger.store import Ledger

logger = logging.getLogger(__name__)

T = TypeVar("T")

RECOVER_SECONDS: Final = 30.0
FORGET_SECONDS: Final = 600.0
PATIENCE_SECONDS: Final = 30.0


@dataclass(slots=True)
class Chore:
    """Something to be done now and then. ``due`` is when next, by a monotonic clock."""

    do: Callable[[], None]
    seconds: float
    due: float = 0.0


class Upkeep:
    """Keeps a ledger that this process writes to. `close` ends it."""

    def __init__(self, ledger: Ledger, who: Presence, chores: tuple[Chore, ...] = ()) -> None:
        self._ledger = ledger
        self._who = who
        self._chores = (
            Chore(self._beat, BEAT_SECONDS),
            Chore(self._give_back, BEAT_SECONDS),
            Chore(self._recover, RECOVER_SECONDS),
            Chore(self._forget, FORGET_SECONDS),
            *chores,
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rung-upkeep", daemon=True)
        self._away = False

    def begin(self) -> None:
        """Say that this process is there, see to what others left, and go on doing so."""
        self._beat()
        self._thread.start()

    def close(self) -> None:
        """End the thread, and say that this process ended well."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._give_back()
            self._done(partial(presence.end, who=self._who))
        except LedgerError as error:
            logger.warning("the ledger is not told that rung ends: %s", error.message)

    # -------------------------------------------------------------- in the thread

    def _run(self) -> None:
        while True:
            now = time.monotonic()
            for chore in self._chores:
                if now >= chore.due and not self._ending.is_set():
                    chore.due = now + chore.seconds
                    self._tried(chore)
            if self._ending.wait(max(0.05, min(c.due for c in self._chores) - time.monotonic())):
                return

    def _tried(self, chore: Chore) -> None:
        try:
            chore.do()
        except LedgerError as error:
            if not self._away:
                told = {"event": "ledger_away"}
                logger.error("the ledger is out of reach: %s", error.message, extra=told)  # noqa: TRY400
            self._away = True
        except Exception as error:  # noqa: BLE001 boundary: one chore that fails ends no other
            # Its words may quote what is in the ledger.
            logger.error("upkeep of the ledger: unexpected %s", type(error).__name__)  # noqa: TRY400
        else:
            if self._away:
                logger.warning("the ledger is back in reach", extra={"event": "ledger_back"})
            self._away = False

    def _beat(self) -> None:
        self._done(partial(presence.beat, who=self._who))

    def _give_back(self) -> None:
        given = self._ledger.give_back(self._take)
        if given:
            told = {"event": "ledger_given_back", "count": given}
            logger.warning("%d outcomes that had to wait are in the ledger now", given, extra=told)

    def _take(self, waiting: list[Rows]) -> None:
        self._done(lambda connection: append(connection, waiting, Again.IN_DOUBT))

    def _recover(self) -> None:
        found = self._done(self._recovered)
        for outcome in found.outcomes:
            name = outcome.request.id
            told = {"event": "ledger_recovered", "request_id": name}
            logger.warning("request %s was cut off: its process died", name, extra=told)

    def _recovered(self, connection: Connection) -> recovery.Recovered:
        found = recovery.recover(connection, self._who, time.time())
        if found.outcomes:
            append(connection, [encode(outcome) for outcome in found.outcomes])
        return found

    def _forget(self) -> None:
        """Remove results by Idempotency-Key whose time is over."""
        self._done(partial(once.forget, now_unix=time.time()))

    def _done(self, job: Callable[[Connection], T]) -> T:
        try:
            return self._ledger.enqueue(job).result(PATIENCE_SECONDS)
        except TimeoutError:
            said = f"The ledger {self._ledger.place} did not answer for {PATIENCE_SECONDS:g} s."
            raise LedgerError(said, fix="look at its server or disk", passing=True) from None
