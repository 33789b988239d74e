"""What requests before this one taught, put into the policy of the next.

Where the configuration says `auto`, a repair or a carried draft that does not pay is left out, and
tried again on a small share of requests so that a change is noticed. Calibrations are taken from
the ledger as soon as they are there.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from rung.core.calibration import Calibration
from rung.core.draws import draw
from rung.core.mending import Tries, Way, carrying_pays, lessons, repairs_pay
from rung.core.plan import Plan, Policy, Rung
from rung.core.types import History

EXPLORED = 0.05
"""The share of requests that go the way which does not pay."""

UNDECIDED = 0.5
"""That share while nobody knows which way pays."""

LOOKED_BACK = 2000
"""Requests with more than one call that are read at the start."""

REFRESH_SECONDS = 30.0
"""How soon a calibration stored by another process is taken up."""


@dataclass(frozen=True, slots=True)
class Auto:
    """What the configuration leaves to experience on one ladder, by tier."""

    repairs: frozenset[str] = frozenset()
    carry: bool = False

    def __bool__(self) -> bool:
        return bool(self.repairs) or self.carry


class Archive(Protocol):
    """What the ledger remembers."""

    def climbs(self, limit: int) -> Iterable[tuple[Plan, History]]:
        """The newest requests of more than one call."""
        ...

    def newest_calibrations(self) -> Mapping[tuple[str, str], Calibration]:
        """Those in force, by ladder and tier."""
        ...


class Experience:
    """Counts what was tried, and says what each ladder's rules come to by it.

    All but the two methods that read the archive are cheap and safe on the event loop.
    """

    def __init__(
        self,
        autos: Mapping[str, Auto],
        archive: Archive | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._autos = autos
        self._archive = archive
        self._clock = clock
        self._counts: dict[tuple[str, str], dict[Way, Tries]] = defaultdict(dict)
        self._calibrations: Mapping[tuple[str, str], Calibration] = {}
        self._made: dict[tuple[str, bool, bool], Policy] = {}
        self._lock = threading.Lock()
        self._looked_back = False
        self._due = 0.0

    def of(self, policy: Policy, seed: int) -> Policy:
        """The rules of a ladder for the request with this seed."""
        auto = self._autos.get(policy.ladder)
        if not auto and not self._calibrations:
            return policy
        against, carried = draw("repair", seed) < EXPLORED, self._carries(policy, seed)
        key = (policy.ladder, against, carried)
        # Another thread puts a new table in its place as soon as more is known: what was made by
        # what was known before then stays in the old one.
        made = self._made
        if key not in made:
            made[key] = self._adjusted(policy, auto or Auto(), against, carried)
        return made[key]

    def note(self, plan: Plan, history: History) -> None:
        """Learn from a finished request."""
        if len(history) < 2 or not self._autos.get(plan.ladder):
            return
        with self._lock:
            self._learn(plan, history)

    def tries(self, ladder: str, tier: str, way: Way) -> Tries:
        """What was counted."""
        return self._counts.get((ladder, tier), {}).get(way, Tries())

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        if self._archive is None or self._clock is None or self._clock() < self._due:
            return False
        self._due = self._clock() + REFRESH_SECONDS
        return True

    def take_up(self) -> None:
        """Use the calibrations that are in force. Raises LedgerError."""
        if self._archive is None:
            return
        found = self._archive.newest_calibrations()
        with self._lock:
            if found != self._calibrations:
                self._calibrations = found
                self._made = {}

    def refresh(self) -> None:
        """As `take_up`, and look back at what was tried, once. Raises LedgerError."""
        self.take_up()
        if self._archive is None or self._looked_back or not any(self._autos.values()):
            return
        past = list(self._archive.climbs(LOOKED_BACK))
        with self._lock:
            self._looked_back = True
            for plan, history in past:
                self._learn(plan, history)

    def _learn(self, plan: Plan, history: History) -> None:
        learnt = False
        for lesson in lessons(plan, history):
            counts = self._counts[plan.ladder, lesson.tier]
            counts[lesson.way] = counts.get(lesson.way, Tries()).with_(lesson)
            learnt = True
        if learnt:
            self._made = {}

    def _carries(self, policy: Policy, seed: int) -> bool:
        """Whether drafts are carried up for this request, where that is left open."""
        auto = self._autos.get(policy.ladder)
        if not auto or not auto.carry:
            return False
        carried, plain = Tries(), Tries()
        for rung in policy.rungs:
            carried = _sum(carried, self.tries(policy.ladder, rung.tier, Way.CARRIED))
            plain = _sum(plain, self.tries(policy.ladder, rung.tier, Way.PLAIN))
        pays = carrying_pays(carried, plain)
        if pays is None:
            return draw("carry", seed) < UNDECIDED
        return pays is not (draw("carry", seed) < EXPLORED)

    def _adjusted(self, policy: Policy, auto: Auto, against: bool, carried: bool) -> Policy:
        rungs = tuple(self._rung(policy, auto, rung, against, carried) for rung in policy.rungs)
        return replace(policy, rungs=rungs)

    def _rung(self, policy: Policy, auto: Auto, rung: Rung, against: bool, carried: bool) -> Rung:
        repairs = rung.repairs
        if rung.tier in auto.repairs and not against:
            tried = self.tries(policy.ladder, rung.tier, Way.REPAIR)
            climbs = self.tries(policy.ladder, rung.tier, Way.CLIMB)
            repairs = repairs if repairs_pay(tried, climbs) else 0
        return replace(
            rung,
            repairs=repairs,
            carry=carried if auto.carry else rung.carry,
            calibration=self._calibrations.get((policy.ladder, rung.tier)),
        )


def _sum(one: Tries, other: Tries) -> Tries:
    return Tries(
        one.tried + other.tried,
        one.passed + other.passed,
        one.cost_nanousd + other.cost_nanousd,
        one.seconds + other.seconds,
    )
