"""Ways of serving without a check, certified on queries that chose nothing.

A part of the queries, FIT_SHARE, calibrates confidences, and orders ladders with thresholds along
the front of cost and likely success (Pareto testing, B. Laufer-Goldshtein et al. 2210.07913). The
others test them in this order, each against the reference on the same queries, and stop at the
first that fails: then no correction for their number is due (Learn then Test, A. Angelopoulos et
al. 2110.01052). Tested is the whole ladder at once. To give each tier its own share of the risk, as
a chain of selective classifiers does, was tried: it certifies less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rung.core.errors import RequestError
from rung.tuner.agreeing import Agreement, agreements, has_answers, served_where_agreed
from rung.tuner.aims import Aim, Mode
from rung.tuner.gating import Gated, Served, candidates, served
from rung.tuner.losses import bets_of, scores_of
from rung.tuner.outcomes import Floats, Outcomes

FIT_SHARE = 0.35
MOST_TESTED = 25
FEWEST = 20
"""Queries below which nothing is split."""

MOST_NEEDED = 1_000_000

Way = Gated | Agreement


@dataclass(frozen=True, eq=False)
class Split:
    """Queries that choose, and queries that test."""

    fit: Outcomes
    held: Outcomes


@dataclass(frozen=True, slots=True)
class Bar:
    """What a way of serving has to reach: the reference less ``loss``, or else a quality."""

    reference: int
    loss: float = 0.0
    quality: float | None = None

    def above(self, outcomes: Outcomes, right: Floats) -> Floats:
        """How far each query (of ... x N) is above it, before ``loss`` is allowed for."""
        bar = outcomes.correct[:, self.reference] if self.quality is None else self.quality
        found: Floats = right - bar
        return found

    @property
    def most(self) -> float:
        """The most that a query can be below it."""
        return 1.0 if self.quality is None else self.quality


@dataclass(frozen=True, eq=False)
class Tested:
    """One way, as both parts of the queries saw it.

    ``likely`` is its score on the part that chose; ``p_value`` that of the test, ``None`` where it
    was not reached. ``passed``: it and all before it passed.
    """

    way: Way
    fit: Served
    held: Served
    likely: float
    p_value: float | None = None
    passed: bool = False


def split(outcomes: Outcomes, seed: int) -> Split:
    """Deal the queries out by the seed. Raises RequestError where there are too few."""
    if len(outcomes) < FEWEST:
        raise RequestError(
            f"{len(outcomes)} complete queries are too few to tune without a check.",
            fix=f"{FEWEST} at the least, some hundreds to certify anything",
        )
    order = np.random.default_rng(seed).permutation(len(outcomes))
    first = round(FIT_SHARE * len(outcomes))
    return Split(outcomes.rows(np.sort(order[:first])), outcomes.rows(np.sort(order[first:])))


def confident_ways(parts: Split, bar: Bar, aim: Aim) -> list[Way]:
    """Ladders with thresholds on confidence, and single models."""
    return [*candidates(parts.fit, bar.reference, aim.max_tiers if aim.thresholds else 1)]


def agreeing_ways(parts: Split, bar: Bar) -> list[Way]:
    """Two cheap models that have to agree, else the reference."""
    return [*agreements(parts.fit, bar.reference)] if has_answers(parts.fit) else []


def serve(outcomes: Outcomes, way: Way) -> Served:
    """What comes of each query."""
    if isinstance(way, Gated):
        return served(outcomes, way)
    return served_where_agreed(outcomes, way)


def sequence(parts: Split, ways: Sequence[Way], bar: Bar) -> list[Tested]:
    """The front of cost and likely success, likeliest first; each is cheaper than the one before.

    All of them cost less than the reference. Nothing of the queries that test is looked at.
    """
    fit = parts.fit
    made = [serve(fit, way) for way in ways]
    if not made:
        return []
    costs = np.array([np.average(one.cost, weights=fit.weight) for one in made])
    gaps = bar.above(fit, np.stack([one.right for one in made]))
    likely = likely_scores(gaps, bar.loss, bar.most, len(parts.held), fit.weight)
    alone = np.average(fit.cost[:, bar.reference], weights=fit.weight)
    front: list[int] = []
    for place in np.lexsort((-likely, costs)):
        if costs[place] < alone and (not front or likely[place] > likely[front[-1]]):
            front.append(int(place))
    return [
        Tested(ways[place], made[place], serve(parts.held, ways[place]), float(likely[place]))
        for place in thinned(front[::-1])
    ]


def tested(parts: Split, ways: Sequence[Tested], bar: Bar, aim: Aim) -> list[Tested]:
    """Each way with its p-value, as far as the first that fails."""
    rng = np.random.default_rng(aim.seed)
    found: list[Tested] = []
    going = True
    for each in ways:
        p_value = _p_value(parts.held, each.held, bar, aim, rng) if going else None
        going = p_value is not None and p_value <= 1 - aim.confidence
        found.append(Tested(each.way, each.fit, each.held, each.likely, p_value, going))
    return found


def queries_needed(parts: Split, ways: Sequence[Tested], bar: Bar, aim: Aim) -> int | None:
    """About how many queries would certify the cheapest way that looks good enough.

    So that the test passes half of the time, if the queries seen so far are like all. ``None``
    where none looks good enough, or no number that anybody has would do.
    """
    needed = NormalDist().inv_cdf(aim.confidence)
    for each in reversed(ways):
        gaps = np.concatenate(
            [bar.above(parts.fit, each.fit.right), bar.above(parts.held, each.held.right)]
        )
        mean = float(gaps.mean()) + bar.loss
        if mean > 0:
            # A loss that was not seen yet may still be there: as rule-of-three size of variance.
            spread = max(float(gaps.std()), sqrt(mean))
            count = ceil((needed * spread / mean) ** 2 / (1 - FIT_SHARE))
            return count if count <= MOST_NEEDED else None
    return None


def _p_value(held: Outcomes, made: Served, bar: Bar, aim: Aim, rng: np.random.Generator) -> float:
    gaps = bar.above(held, made.right)[None, :]
    if aim.mode is Mode.PROOF:
        won = bets_of(gaps, bar.loss, bar.most, 1 - aim.confidence, rng, held.weight)[0]
        return float(min(1.0, np.exp(-won)))
    score = scores_of(gaps, bar.loss, bar.most, held.weight)[0]
    return 1 - NormalDist().cdf(float(score)) if score > 0 else 1.0


def likely_scores(
    gaps: NDArray[np.floating],
    loss: float,
    most: Floats | float,
    planned: int,
    weight: Floats | None = None,
) -> Floats:
    """About what the scores (L) of so many ``planned`` queries will be, going by these (L x N).

    Standard errors of the mean above -``loss``, with one query that loses all beside, as in scores.
    """
    totals = np.average(gaps, axis=1, weights=weight) * planned - most
    squares = np.average(gaps**2, axis=1, weights=weight) * planned + np.square(most)
    means = totals / (planned + 1)
    variance = np.maximum(squares / (planned + 1) - means**2, 1e-12)
    return np.asarray((means + loss) / np.sqrt(variance / (planned + 1)), dtype=np.float64)


def thinned(front: Sequence[int]) -> list[int]:
    """At most MOST_TESTED, evenly, the first and the last among them."""
    if len(front) <= MOST_TESTED:
        return list(front)
    places = np.linspace(0, len(front) - 1, MOST_TESTED).round().astype(int)
    return [front[place] for place in np.unique(places)]
