"""Scores of ladders whose check errs, with what is not known of its rates inside.

The rates were measured on answers of their own, so that their errors and those of the sampled
queries are independent: distances add as squares (G. Y. Zou, A. Donner, Statistics in Medicine 27,
2008). That asks for much less than bounds that hold all at once, which `bets_of` has to be given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from rung.core.plan import OnExhausted
from rung.tuner.aims import Errors
from rung.tuner.fixed_sequence import likely_scores
from rung.tuner.losses import most_lost, scores_of
from rung.tuner.noisy import Rates, differences_of, highest_accept, highest_reject
from rung.tuner.outcomes import Floats, Ints, Outcomes

MOST_AT_ONCE = 4_000_000
"""Differences held in memory together."""


def chunks(ladders: Ints, queries: int) -> Iterator[Ints]:
    """Ladders in parts whose differences fit into memory."""
    size = max(1, MOST_AT_ONCE // max(queries, 1))
    for start in range(0, max(len(ladders), 1), size):
        yield ladders[start : start + size]


def quick_scores(
    outcomes: Outcomes,
    ladders: Ints,
    reference: int,
    errors: Rates,
    loss: float,
    planned: int,
) -> Floats:
    """About what `ladder_scores` (L) of ``planned`` queries come to, going by these.

    In much less time: for a choice among many.
    """

    def quick(some: Ints) -> Floats:
        gaps = differences_of(outcomes, some, reference, errors, worst=False)
        most = most_lost(outcomes, some, reference, errors, served=True)
        return likely_scores(gaps, loss, most, planned, outcomes.weight)

    return np.concatenate([quick(some) for some in chunks(ladders, len(outcomes))])


def ladder_scores(
    outcomes: Outcomes,
    ladders: Ints,
    reference: int,
    errors: Rates,
    loss: float,
    on_exhausted: OnExhausted = OnExhausted.BEST,
) -> Floats:
    """How far above -``loss`` each ladder's mean difference (L) surely is, in standard deviations.

    To be compared with the normal quantile of the whole confidence. Rates of single models, and
    those whose bounds have no doubt, count at their highest.
    """
    served = on_exhausted is OnExhausted.BEST
    most = most_lost(outcomes, ladders, reference, errors, served=served)

    def found(rates: Rates, *, worst: bool) -> Floats:
        gaps = differences_of(outcomes, ladders, reference, rates, on_exhausted, worst)
        return gaps.astype(np.float64)

    if not isinstance(errors, Errors) or errors.doubt <= 0:
        return scores_of(found(errors, worst=True), loss, most, outcomes.weight)
    gaps = found(errors, worst=False)
    scores = scores_of(gaps, loss, most, outcomes.weight)
    above = np.average(gaps, axis=1, weights=outcomes.weight) + loss
    far = NormalDist().inv_cdf(1 - min(errors.doubt, 0.9) / 2)
    squares = np.zeros(len(ladders))
    for rates in _one_at_its_highest(errors):
        drop = np.average(gaps - found(rates, worst=False), axis=1, weights=outcomes.weight)
        squares += (drop / far / np.maximum(above, 1e-12)) ** 2
    with np.errstate(divide="ignore"):
        return np.where(scores > 0, 1 / np.sqrt(1 / scores**2 + squares), 0.0)


def _one_at_its_highest(errors: Errors) -> tuple[Errors, Errors]:
    return (
        replace(errors, false_accept=highest_accept(errors)),
        replace(errors, false_reject=highest_reject(errors)),
    )
