"""Do repairs pay, does carrying a draft up pay? Counted by tier, and decided by the counts.

A repair is worth its price where it passes often enough to save the climb that would follow. A
draft that is carried up is worth its tokens where the tier above passes more often with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from statistics import NormalDist

from rung.core.evidence import mendable, rejected, unproven
from rung.core.plan import Plan, Step
from rung.core.stats import rate
from rung.core.types import Attempt, History, Kind

LEAST_TRIALS = 20
"""Before so many of a kind nothing is concluded from them."""

SURE = 0.9
"""How sure the counts must be, one-sided, before they change what is done."""

WORTH_A_WAIT = 0.02
"""A repair that passes more rarely than this wastes time even where it costs nothing."""

_Z = NormalDist().inv_cdf(SURE)


class Way(StrEnum):
    """What was tried after a tier's answer had been turned down.

    REPAIR: the same tier, shown what was wrong. CARRIED, PLAIN: the tier above, with and without
    the draft. CLIMB: all calls above together, told of the tier that they started from.
    """

    REPAIR = "repair"
    CARRIED = "carried"
    PLAIN = "plain"
    CLIMB = "climb"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One try, at one tier. Money is nano-dollars."""

    tier: str
    way: Way
    passed: bool
    cost_nanousd: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tries:
    """Several tries of one kind at one tier, added up."""

    tried: int = 0
    passed: int = 0
    cost_nanousd: int = 0
    seconds: float = 0.0

    def with_(self, lesson: Lesson) -> Tries:
        """One try more."""
        return Tries(
            self.tried + 1,
            self.passed + lesson.passed,
            self.cost_nanousd + lesson.cost_nanousd,
            self.seconds + lesson.seconds,
        )

    @property
    def mean_cost(self) -> float:
        """Nano-dollars a try; 0 where there was none."""
        return self.cost_nanousd / self.tried if self.tried else 0.0


def lessons(plan: Plan, history: History) -> Iterator[Lesson]:
    """What one finished request teaches. A stored outcome teaches the same as the live one did."""
    steps = {step.tier: step for step in plan.steps}
    for place, attempt in enumerate(history):
        step, before = steps[attempt.tier], history[place - 1] if place else None
        if attempt.answer is None or before is None:
            continue
        if attempt.kind is Kind.REPAIR:
            yield _lesson(step, attempt, Way.REPAIR)
        elif before.tier != attempt.tier and mendable(steps[before.tier], before):
            yield _lesson(step, attempt, Way.CARRIED if step.carry else Way.PLAIN)
            rest = history[place:]
            cost = sum(each.cost_nanousd + each.checking_nanousd for each in rest)
            took = sum(each.seconds for each in rest)
            yield Lesson(before.tier, Way.CLIMB, passed=True, cost_nanousd=cost, seconds=took)


def repairs_pay(repairs: Tries, climbs: Tries) -> bool:
    """Whether a repair saves more than it costs; so it is taken to be until the counts say no."""
    if repairs.tried < LEAST_TRIALS:
        return True
    most = rate(repairs.passed, repairs.tried, 2 * SURE - 1).high
    if most < WORTH_A_WAIT:
        return False
    return not climbs.tried or most * climbs.mean_cost >= repairs.mean_cost


def carrying_pays(carried: Tries, plain: Tries) -> bool | None:
    """Whether a tier passes more often when it is shown the draft; ``None`` while nobody knows."""
    if min(carried.tried, plain.tried) < LEAST_TRIALS:
        return None
    pooled = (carried.passed + plain.passed) / (carried.tried + plain.tried)
    spread = sqrt(pooled * (1 - pooled) * (1 / carried.tried + 1 / plain.tried))
    better = carried.passed / carried.tried - plain.passed / plain.tried
    return better > _Z * spread


def _lesson(step: Step, attempt: Attempt, way: Way) -> Lesson:
    passed = not (attempt.aborted or rejected(step, attempt) or unproven(step, attempt))
    cost = attempt.cost_nanousd + attempt.checking_nanousd
    return Lesson(attempt.tier, way, passed, cost, attempt.seconds)
