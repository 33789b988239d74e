"""The cheapest ladder that surely loses no more than is allowed, where the check errs.

With a sound check a ladder that ends in the reference is certified by construction. With one that
errs three things are left, tried in this order:

- ladders that end in the reference whose worst loss on any query is allowed: nothing is tested;
- any ladder, tested: a part of the queries, FIT_SHARE, orders ladders along the front of cost and
  likely success, the others test them in this order and stop at the first that fails, as in
  `fixed_sequence`. What the measurement of the rates leaves open counts: see `rate_scores`;
- the reference alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rung.tuner.aims import Aim, Mode
from rung.tuner.fixed_sequence import FEWEST, Split, split, thinned
from rung.tuner.losses import bets_of, confidence_left, most_lost
from rung.tuner.noisy import NO_TIER, checked, costs_of, differences_of
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.rate_scores import chunks, ladder_scores, quick_scores
from rung.tuner.trust import withdrawn


@dataclass(frozen=True, slots=True)
class Certified:
    """A ladder by columns. ``p_value`` is its test's, ``None`` where there was nothing to test.

    ``worst``: the most that it loses on any query (0..1), as the rates are at their highest.
    """

    columns: tuple[int, ...]
    worst: float
    p_value: float | None = None


def certified(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> Certified | None:
    """The cheapest of ``ladders`` (L x K) that is certified, ``None``: use the reference alone.

    They serve their last tier's answer where none passed (``on_exhausted = "best"``). Where no
    certificate may rest on the check, single models are left, which need none. Cheaper than
    the reference alone, as the rates are thought to be. All outcomes and costs have to be known.
    Raises RequestError where the rates were measured with more doubt than the aim allows in all.
    """
    confidence_left(aim.confidence, aim.errors)
    if withdrawn(aim.errors):
        ladders = ladders[(ladders != NO_TIER).sum(axis=1) == 1]
        if not len(ladders):
            return None
    most = most_lost(outcomes, ladders, reference, aim.errors, served=True)
    costs = mean_costs(outcomes, ladders, aim)
    alone = np.average(outcomes.cost[:, reference], weights=outcomes.weight)
    found: Certified | None = None
    free = np.flatnonzero((most <= aim.max_loss) & (costs < alone))
    if len(free):
        best = free[np.argmin(costs[free])]
        alone = costs[best]
        found = Certified(_columns(ladders[best]), float(most[best]))
    tried = (costs < alone) & (most > aim.max_loss)
    if len(outcomes) < FEWEST or not tried.any():
        return found
    return _tested(outcomes, ladders[tried], reference, aim) or found


def mean_costs(outcomes: Outcomes, ladders: Ints, aim: Aim) -> Floats:
    """What a request costs on the mean (L), as the rates are thought to be."""
    made = checked(outcomes, aim.errors)
    parts = [
        np.average(costs_of(made, outcomes.cost, some), axis=1, weights=outcomes.weight)
        for some in chunks(ladders, len(outcomes))
    ]
    return np.concatenate(parts).astype(np.float64)


def _tested(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> Certified | None:
    parts = split(outcomes, aim.seed)
    path = _path(parts, ladders, reference, aim)
    rng = np.random.default_rng(aim.seed)
    found: Certified | None = None
    for ladder in ladders[path]:
        p_value = _p_value(parts.held, ladder[None, :], reference, aim, rng)
        if p_value > 1 - aim.confidence:
            break
        worst = most_lost(parts.held, ladder[None, :], reference, aim.errors, served=True)
        found = Certified(_columns(ladder), float(worst[0]), p_value)
    return found


def _p_value(
    held: Outcomes, ladder: Ints, reference: int, aim: Aim, rng: np.random.Generator
) -> float:
    """Of the claim that the ladder loses more than is allowed; the rates' doubt is inside."""
    if aim.mode is not Mode.PROOF:
        score = ladder_scores(held, ladder, reference, aim.errors, aim.max_loss)[0]
        return 1 - NormalDist().cdf(float(score)) if score > 0 else 1.0
    gaps = differences_of(held, ladder, reference, aim.errors).astype(np.float64)
    most = most_lost(held, ladder, reference, aim.errors, served=True)
    doubt = 1 - confidence_left(aim.confidence, aim.errors)
    won = bets_of(gaps, aim.max_loss, most, doubt, rng, held.weight)[0]
    return float(min(1.0, np.exp(-won) + 1 - aim.confidence - doubt))


def _path(parts: Split, ladders: Ints, reference: int, aim: Aim) -> list[int]:
    """The front of cost and likely success, likeliest first."""
    costs = mean_costs(parts.fit, ladders, aim)
    planned = len(parts.held)
    likely = quick_scores(parts.fit, ladders, reference, aim.errors, aim.max_loss, planned)
    front: list[int] = []
    for place in np.lexsort((-likely, costs)):
        if not front or likely[place] > likely[front[-1]]:
            front.append(int(place))
    return thinned(front[::-1])


def _columns(ladder: Ints) -> tuple[int, ...]:
    return tuple(int(column) for column in ladder if column != NO_TIER)
