"""A guarantee for every number of queries: a part of them chooses, the others test in one order.

The part that chooses draws the way from the safe ladder to the cheapest along the edge of cost and
quality. The others test each ladder on it, in this order, by the exact paired p-value, and stop at
the first that fails: then no correction for their number is due. Of the step that failed, a share
may still do: mixtures of its two ends are tested by betting, with what doubt was kept for that.

Sources: A. Angelopoulos and others, Learn then Test (2021), 2110.01052; B. Laufer-Goldshtein and
others, Pareto testing (2022), 2210.07913; I. Waudby-Smith and A. Ramdas, Estimating means of
bounded random variables by betting (2024), J. R. Stat. Soc. B 86.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np

from rung.tuner.family import Family, family, patterns
from rung.tuner.front import edge, spread
from rung.tuner.losses import bets_of
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.paired import LARGEST_TABLE, exact_z, normal
from rung.tuner.stepdown import SHARES

CHOOSING = 0.35
"""The share of the queries that draw the way."""

FOR_MIXTURES = 0.2
"""The share of the doubt that is kept for the step that failed."""

MOST_STEPS = 40
FEWEST = 20
"""Queries below which nothing is tested."""


@dataclass(frozen=True, slots=True)
class Proven:
    """``share`` of the requests may go by ``cheap``, the others by ``rest``; both are columns.

    ``p_value`` is that of the last test that passed, ``level`` what it had to stay under.
    """

    cheap: tuple[int, ...]
    rest: tuple[int, ...]
    share: float
    p_value: float
    level: float


def proven(
    outcomes: Outcomes, reference: int, margin: float, doubt: float, limits: tuple[int, int]
) -> Proven | None:
    """The farthest point of the way that every test up to it passed; ``None``: not one did.

    ``limits`` are the most tiers and the seed that deals the queries out.
    """
    most_tiers, seed = limits
    n = len(outcomes)
    first = round(CHOOSING * n)
    if n < FEWEST:
        return None
    order = np.random.default_rng(seed).permutation(n)
    way = _way(outcomes.rows(np.sort(order[:first])), reference, most_tiers)
    tested = _Tested(outcomes.rows(np.sort(order[first:])), way, reference, margin)
    passed, p_value, level = 0, 0.0, doubt * (1 - FOR_MIXTURES)
    while passed + 1 < len(way):
        found = tested.p_value(passed + 1, level, seed)
        if found > level:
            break
        passed, p_value = passed + 1, found
    share, chance = 0.0, 1.0
    if passed + 1 < len(way):
        share, chance = tested.share(passed, doubt * FOR_MIXTURES, seed)
    if share:
        return Proven(way[passed + 1], way[passed], share, chance, doubt * FOR_MIXTURES)
    return Proven(way[passed], way[passed], 1.0, p_value, level) if passed else None


def _way(chosen: Outcomes, reference: int, most_tiers: int) -> list[tuple[int, ...]]:
    """The ladders from the safe one down, by columns."""
    found = family(patterns(chosen), most_tiers)
    keeping = found.with_column(reference)
    safe = keeping[np.argmin(found.cost[keeping])]
    quality = 1 - found.patterns.count @ found.missed / found.patterns.n
    # Of the safe ladders the cheapest is the start: what they gain over each other is not needed.
    others = np.setdiff1d(np.arange(found.cost.size), keeping)
    places: Ints = np.concatenate([[safe], others])
    way = edge(found.cost[places], quality[places], 0)
    return [found.columns(place) for place in places[spread(way, MOST_STEPS)]]


@dataclass(frozen=True, eq=False)
class _Tested:
    """The queries that test, and the ladders of the way on them."""

    outcomes: Outcomes
    way: list[tuple[int, ...]]
    reference: int
    margin: float

    def gains(self, step: int) -> Floats:
        """What a ladder gains or loses against the reference, query by query: -1, 0 or 1."""
        correct = self.outcomes.correct
        passes = correct[:, list(self.way[step])].max(axis=1)
        found: Floats = passes - correct[:, self.reference]
        return found

    def p_value(self, step: int, level: float, seed: int) -> float:
        """That of one ladder alone."""
        return paired_p(self.gains(step), self.margin, level, seed)

    def share(self, step: int, level: float, seed: int) -> tuple[float, float]:
        """How much of the next ladder can be mixed in, with its p-value; (0, 1) if nothing can."""
        here, there = self.gains(step), self.gains(step + 1)
        share, chance = 0.0, 1.0
        for tried in SHARES[:-1]:
            most = tried + (1 - tried) * (step > 0)
            now = self._bet(tried * there + (1 - tried) * here, most, level, seed)
            if now > level:
                break
            share, chance = float(tried), now
        return share, chance

    def _bet(self, gains: Floats, most: float, level: float, seed: int) -> float:
        return _bet(gains, (self.margin, most), level, seed)


def paired_p(gains: Floats, margin: float, level: float, seed: int, *, proof: bool = True) -> float:
    """The p-value of gains and losses of one: exact, by betting where that would take too long.

    Without ``proof`` by the score there, which needs less.
    """
    n = gains.size
    if n <= LARGEST_TABLE or not proof:
        b, c = (np.array([int((gains == side).sum())]) for side in (1, -1))
        return normal(float(exact_z(b, c, n, margin)[0]))
    return _bet(gains, (margin, 1.0), level, seed)


def _bet(gains: Floats, limits: tuple[float, float], level: float, seed: int) -> float:
    margin, most = limits
    rng = np.random.default_rng(seed)
    won = bets_of(gains[None, :], margin, most, level, rng)[0]
    return exp(-min(max(float(won), 0.0), -log(1e-300)))


def safe_ladder(found: Family, reference: int) -> int:
    """The cheapest ladder that calls the reference wherever its other models fail."""
    keeping = found.with_column(reference)
    return int(keeping[np.argmin(found.cost[keeping])])
