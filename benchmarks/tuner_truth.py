"""What a policy truly does on a population: written anew, so that no fault of the tuner's hides.

A request climbs from tier to tier until an answer is accepted. Every way that it may take is
followed to its end, with the chance of it, query by query. With a check that never errs what is
right passes and nothing else; one that errs turns down and lets pass at its rates, each answer by
itself. An answer that passes without being sure enough climbs, and is served where none is better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.aims import SOUND, Errors, Tuned
from rung.tuner.outcomes import Outcomes

Floats = NDArray[np.float64]

NO_CHECK = Errors(false_accept=1.0)
"""Where nothing is checked everything passes, and confidence alone decides."""


@dataclass(frozen=True, slots=True)
class Truth:
    """True quality (0..1) and cost (nano-dollars a request), and the quality of each category."""

    quality: float
    cost: float
    of_category: dict[str, float]


def truth(population: Outcomes, tuned: Tuned, errors: Errors = SOUND) -> Truth:
    """The truth of a policy, each query of the population weighing the same."""
    if tuned.part is not None:
        rest = truth(population, replace(tuned, part=None), errors)
        own = truth(population, Tuned(tuned.part.policy), errors)
        return _mixed(own, rest, tuned.part.share)
    right = np.full(len(population), np.nan)
    cost = np.full(len(population), np.nan)
    of_category = {}
    for place, name in enumerate(population.categories):
        rows = np.flatnonzero(population.category == place)
        if len(rows):
            right[rows], cost[rows] = climbed(population, rows, tuned.of(name), errors)
            of_category[name] = float(right[rows].mean())
    return Truth(float(right.mean()), float(cost.mean()), of_category)


def _mixed(one: Truth, other: Truth, share: float) -> Truth:
    return Truth(
        share * one.quality + (1.0 - share) * other.quality,
        share * one.cost + (1.0 - share) * other.cost,
        {
            name: share * quality + (1.0 - share) * other.of_category[name]
            for name, quality in one.of_category.items()
        },
    )


def climbed(
    population: Outcomes, rows: NDArray[np.int64], policy: Policy, errors: Errors = SOUND
) -> tuple[Floats, Floats]:
    """Of each of these queries: the chance of a right answer, and what it is expected to cost."""
    if policy.deadline_seconds is not None or any(rung.repairs for rung in policy.rungs):
        raise NotImplementedError("the truth of a policy with a deadline or repairs")
    return _Climb(population, rows, policy, errors).done()


@dataclass(frozen=True, slots=True)
class _Way:
    """Queries on one way: its chance, what it has cost, and the answer kept for want of a better.

    ``draft`` is the chance that this answer is right, ``passed`` whether it had passed the check.
    """

    chance: Floats
    spent: Floats
    draft: Floats
    passed: NDArray[np.bool_]


class _Climb:
    def __init__(
        self, population: Outcomes, rows: NDArray[np.int64], policy: Policy, errors: Errors
    ) -> None:
        self.population, self.rows, self.policy, self.errors = population, rows, policy, errors
        asked = errors == NO_CHECK or any(r.min_confidence is not None for r in policy.rungs)
        self.doubts = asked and population.confidence is not None
        self.right, self.cost = np.zeros(len(rows)), np.zeros(len(rows))

    def done(self) -> tuple[Floats, Floats]:
        count = len(self.rows)
        nothing = np.zeros(count)
        self._tier(0, 1.0, _Way(np.ones(count), nothing, nothing, np.zeros(count, dtype=bool)))
        return self.right, self.cost

    def _tier(self, place: int, reach: float, way: _Way) -> None:
        """All that comes of a tier and those above. ``reach``: the share that got to it at all."""
        if not way.chance.any():
            return
        if place == len(self.policy.rungs):
            self._end(way, way.draft)
            return
        rung = self.policy.rungs[place]
        if place and rung.reach < reach:
            ending = 1.0 - rung.reach / reach
            self._end(replace(way, chance=way.chance * ending), way.draft)
            way, reach = replace(way, chance=way.chance * (1.0 - ending)), rung.reach
        most = np.inf if rung.most_spent_nanousd is None else rung.most_spent_nanousd
        willing = way.spent <= most
        self._tier(place + 1, reach, replace(way, chance=np.where(willing, 0.0, way.chance)))
        way = replace(way, chance=np.where(willing, way.chance, 0.0))
        for draw in range(rung.samples):
            way = self._answer(place, reach, way, draw)
        self._tier(place + 1, reach, way)

    def _answer(self, place: int, reach: float, way: _Way, draw: int) -> _Way:
        """Another answer of this tier: the way on where it is turned down."""
        rung = self.policy.rungs[place]
        column = self.population.place[rung.tier]
        price = self.population.cost[self.rows, column]
        cap = self.policy.cost_cap_nanousd
        payable = way.spent + price <= (np.inf if cap is None else cap)
        self._tier(place + 1, reach, replace(way, chance=np.where(payable, 0.0, way.chance)))
        on = np.where(payable, way.chance, 0.0)
        spent = way.spent + price
        good, bad = self._passing(rung, draw)
        passing = good + bad
        of_passed = np.divide(good, passing, out=np.zeros_like(good), where=passing > 0)
        sure = self._sure(rung, column)
        everywhere = np.ones(len(self.rows), dtype=bool)
        passed = _Way(on * passing, spent, of_passed, everywhere)
        self._end(replace(passed, chance=np.where(sure, passed.chance, 0.0)), of_passed)
        self._tier(place + 1, reach, replace(passed, chance=np.where(sure, 0.0, passed.chance)))
        draft = way.draft
        if self.policy.on_exhausted is OnExhausted.BEST:
            right = self._correct(rung, draw)
            failing = 1.0 - passing
            kept = np.divide(right - good, failing, out=np.zeros_like(good), where=failing > 0)
            draft = np.where(way.passed, way.draft, kept)
        return _Way(on * (1.0 - passing), spent, draft, way.passed)

    def _correct(self, rung: Rung, draw: int) -> Floats:
        column = self.population.place[rung.tier]
        if not draw:
            return self.population.correct[self.rows, column]
        if self.population.draws is None:
            raise NotImplementedError(f"further draws of {rung.tier} were not recorded")
        return self.population.draws[self.rows, column, draw - 1]

    def _passing(self, rung: Rung, draw: int) -> tuple[Floats, Floats]:
        """The chances of an answer that passes: of a right one, and of a wrong one."""
        right = self._correct(rung, draw)
        return (
            right * (1.0 - self.errors.false_reject),
            (1.0 - right) * self.errors.false_accept,
        )

    def _sure(self, rung: Rung, column: int) -> NDArray[np.bool_]:
        if not self.doubts or self.population.confidence is None:
            return np.ones(len(self.rows), dtype=bool)
        own = rung.min_confidence
        needed = self.policy.min_confidence if own is None else own
        told: NDArray[np.bool_] = self.population.confidence[self.rows, column] >= needed
        return told

    def _end(self, way: _Way, right: Floats) -> None:
        self.right += way.chance * right
        self.cost += way.chance * way.spent
