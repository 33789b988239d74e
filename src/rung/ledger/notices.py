"""What processes that share a ledger tell each other: the newest word on each thing, by topic.

Notices are no history. Who tells does not wait, and who hears acts on it when it comes: at once
where Postgres notifies, else at the next look. While the ledger is away nobody hears anything, and
each process goes by what it knows itself. Moments are those of the database's clock, so that the
clocks of the processes need not agree.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung.core.errors import LedgerError
from rung.ledger.database import Backend, Connection

if TYPE_CHECKING:
    from rung.ledger.store import Ledger

logger = logging.getLogger(__name__)

CHANNEL: Final = "rung_notices"
"""Where Postgres says that something was told."""

LOOK_SECONDS: Final = 0.5
"""How often one looks where nothing notifies."""

NOTIFIED_LOOK_SECONDS: Final = 5.0
"""How often one looks all the same: a pooler in between may swallow notifications."""

AWAY_SECONDS: Final = 1.0
"""The pause after a look that failed."""

OVERLAP_SECONDS: Final = 10.0
"""What was told so long before the last look is looked at again: transactions end out of order."""

KEPT_SECONDS: Final = 86_400.0
"""Older notices are removed, and are not heard by a process that begins."""

MOST_UNTOLD: Final = 1000
"""Things that wait to be told; beyond that, older ones are not told at all."""

LONGEST_VALUE: Final = 4096

PASSING_LOOK_SECONDS: Final = 1.0
"""How long what was heard is new enough for a request, where no thread hears."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The newest word on one thing, ``age_seconds`` after it was told."""

    topic: str
    name: str
    value: Mapping[str, Any]
    age_seconds: float
    process_id: str


Heed = Callable[[Notice], None]
"""Acts on a notice, in any thread. Returns at once."""


class Board:
    """One process's place among those that share ``ledger``. It does not hear its own words.

    `run` begins to hear; without it a process hears when it is asked for something, by `stale` and
    `refresh`. Safe to use from any thread.
    """

    def __init__(self, ledger: Ledger, process_id: str, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._process_id = process_id
        self._clock = clock
        self._due = 0.0
        self._heeds: dict[str, Heed] = {}
        self._heard: dict[tuple[str, str], tuple[float, str]] = {}
        self._high = 0.0
        self._untold: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._teller = ThreadPoolExecutor(1, "rung-teller")
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._away = False

    def follow(self, topic: str, heed: Heed) -> None:
        """Have ``heed`` called with each new notice of a topic. Before `run` and `look`."""
        self._heeds[topic] = heed

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        if self._thread is not None or not self._heeds or self._clock() < self._due:
            return False
        self._due = self._clock() + PASSING_LOOK_SECONDS
        return True

    def refresh(self) -> None:
        """Hear what was told since. Blocks; raises LedgerError."""
        self.look()

    # -------------------------------------------------------------- telling

    def tell(self, topic: str, name: str, value: Mapping[str, Any]) -> None:
        """Tell the others, soon. Never waits, never raises; of two words the newer one is told."""
        with self._lock:
            self._untold.pop((topic, name), None)
            self._untold[topic, name] = value
            while len(self._untold) > MOST_UNTOLD:
                self._untold.pop(next(iter(self._untold)))
            if len(self._untold) > 1 or self._ending.is_set():
                return
        self._teller.submit(self._tell_all)

    def _tell_all(self) -> None:
        while True:
            with self._lock:
                told = dict(self._untold)
            if not told:
                return
            try:
                self._write(told)
            except LedgerError as error:
                self._is_away(error)
                if self._ending.wait(AWAY_SECONDS):
                    return
                continue
            with self._lock:
                for key, value in told.items():
                    if self._untold.get(key) is value:
                        del self._untold[key]

    def _write(self, told: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        # Not by the ledger's one writer: rows that replicas change in turn would have their
        # transactions wait for each other, and outcomes with them.
        with self._ledger.writing() as connection:
            for (topic, name), value in sorted(told.items(), key=lambda each: each[0]):
                connection.named(
                    "tell",
                    topic=topic,
                    name=name,
                    value_json=json.dumps(value),
                    process_id=self._process_id,
                )
            if connection.backend is Backend.POSTGRES:
                connection.named("wake listeners", topic="")

    # -------------------------------------------------------------- hearing

    def look(self) -> None:
        """Hear what was told since the last look. Blocks; raises LedgerError."""
        with self._looking:
            with self._ledger.reading() as connection:
                now = float(connection.named("clock").fetchone()["now"])
                # A clock that was put back must not hide what is told from then on.
                since = max(min(self._high, now) - OVERLAP_SECONDS, now - KEPT_SECONDS)
                found = self._since(connection, since, now)
            self._high = now
            self._heard = {k: seen for k, seen in self._heard.items() if seen[0] >= since}
        for notice in found:
            self._pass_on(notice)

    def _since(self, connection: Connection, since: float, now: float) -> list[Notice]:
        topics = json.dumps(sorted(self._heeds))
        found = []
        for row in connection.named("notices since", topics=topics, since=since):
            key, seen = (row["topic"], row["name"]), (row["updated_unix"], row["process_id"])
            if row["process_id"] == self._process_id or self._heard.get(key) == seen:
                continue
            self._heard[key] = seen
            value = _value(row["value_json"])
            if value is not None:
                age = max(0.0, now - row["updated_unix"])
                found.append(Notice(*key, value, age, row["process_id"]))
        return found

    def _pass_on(self, notice: Notice) -> None:
        try:
            self._heeds[notice.topic](notice)
        except (ValueError, TypeError, KeyError):
            # Of another version, or by another hand: what cannot be read tells nothing.
            logger.debug("a notice of %s cannot be read", notice.topic)

    def forget(self) -> None:
        """Remove what is too old to be of use. Blocks; raises LedgerError."""
        topics = json.dumps(sorted(self._heeds))
        with self._ledger.writing() as connection:
            now = float(connection.named("clock").fetchone()["now"])
            connection.named("forget notices", topics=topics, since=now - KEPT_SECONDS)

    # -------------------------------------------------------------- the thread that hears

    def run(self) -> None:
        """Hear what is told, in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self._run, name="rung-notices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop hearing; try once more to tell what waits. Blocks for that."""
        self._ending.set()
        self._teller.shutdown(wait=True)
        if self._thread is not None:
            self._thread.join(timeout=2 * LOOK_SECONDS)

    def _run(self) -> None:
        listens = self._ledger.backend is Backend.POSTGRES
        swept = False
        while not self._ending.is_set():
            try:
                if not swept:
                    self.forget()
                    swept = True
                (self._listen if listens else self._poll)()
            except Exception as error:  # noqa: BLE001 boundary: the driver's errors end no process
                self._is_away(error)
                self._ending.wait(AWAY_SECONDS)

    def _poll(self) -> None:
        self._look()
        while not self._ending.wait(LOOK_SECONDS):
            self._look()

    def _listen(self) -> None:
        from rung.ledger.notice_channel import notified

        with closing(self._ledger.database.connect()) as connection:
            woken = notified(connection)
            self._look()
            quiet = 0.0
            while not self._ending.is_set():
                quiet = 0.0 if woken(LOOK_SECONDS) else quiet + LOOK_SECONDS
                if not quiet or quiet >= NOTIFIED_LOOK_SECONDS:
                    self._look()
                    quiet = 0.0

    def _look(self) -> None:
        self.look()
        if self._away:
            self._away = False
            logger.warning("the ledger is back: what replicas know is shared again")

    def _is_away(self, error: Exception) -> None:
        if not self._away and not self._ending.is_set():
            said = error.message if isinstance(error, LedgerError) else type(error).__name__
            logger.warning("what replicas know is not shared for now: %s", said)
        self._away = True


def _value(text: str) -> Mapping[str, Any] | None:
    if len(text) > LONGEST_VALUE:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
