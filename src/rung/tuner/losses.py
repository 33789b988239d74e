"""Is the mean of bounded differences surely above a loss? Scores, bets and lower bounds.

Differences are those of `noisy`: what a ladder gains or loses against the reference on each query,
any number from -``most`` to 1. Counting wins and losses, as exact paired tests do, is not enough
for them.

- The *score* is the signed root of the dual likelihood ratio (A. Owen, Empirical likelihood ratio
  confidence intervals for a single functional, Biometrika 75, 1988; P. Mykland, Dual likelihood,
  Annals of Statistics 23, 1995), with one query more than there are, which loses all that can be
  lost (as J. Chen, A. Variyath, B. Abraham, Adjusted empirical likelihood, J. Comput. Graph. Stat.
  17, 2008). It is compared with the normal distribution: exact in the limit only. Without that
  query it is wrong three times as often as it may be where losses are large, rare and not seen;
  with it, it stays below its level in all that was tried (docs/tuning_errors.md).
- The *bet* is the capital of a gambler against the claim (I. Waudby-Smith, A. Ramdas, Estimating
  means of bounded random variables by betting, JRSS B 86, 2024), averaged over several orders of
  the queries. It holds for every number of queries, and needs about twice as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rung.core.errors import RequestError
from rung.tuner.aims import Errors
from rung.tuner.noisy import NO_TIER, Rates, highest_accept, highest_reject
from rung.tuner.outcomes import Floats, Ints, Outcomes

NEWTON_STEPS = 14
HALVINGS = 40
ORDERS = 8
BOLDEST = 0.75
"""Of all that can be lost at once: a gambler who stakes more is ruined by one bad query."""

FIRST_GUESS = 1 / 16
"""The variance that is taken for granted before any query is seen."""

UNSEEN = 1.0
"""Queries that are taken to lose all that can be lost beside those that were seen."""

INSIDE = 1 - 1e-6
Reals = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class LossBound:
    """The mean difference, and what it is at least with the confidence asked for (both -1..1)."""

    estimate: float
    lower: float


def loss_bound(
    differences: Floats,
    most: float,
    confidence: float,
    weight: Floats | None = None,
    rng: np.random.Generator | None = None,
) -> LossBound:
    """The mean of one ladder's differences (N) with its lower bound.

    By scores without ``rng``; by bets, in orders that it draws, with one. ``confidence`` is of the
    sampling of queries alone: see `confidence_left`.
    """
    rows = differences[None, :].astype(np.float64)
    doubt = 1 - confidence
    table = None if rng is None else _Table(doubt, weight, _orders(len(differences), rng))

    def surely_above(mean: float) -> bool:
        if table is None:
            score = scores_of(rows, -mean, most, weight)[0]
            return bool(score >= NormalDist().inv_cdf(confidence))
        return bool(_bets(rows, -mean, most, table)[0] >= -log(doubt))

    estimate = float(np.average(differences, weights=weight))
    low, high = -most, estimate
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if surely_above(middle) else (low, middle)
    return LossBound(estimate, low)


def confidence_left(confidence: float, errors: Rates) -> float:
    """What of a confidence is left for the sampling of queries.

    The chance of being wrong is split: the measurement of the rates has had ``Errors.doubt`` of it.
    Raises RequestError where that was all of it.
    """
    each = (errors,) if isinstance(errors, Errors) else tuple(errors)
    doubt = sum(one.doubt for one in each)
    if confidence + doubt >= 1:
        raise RequestError(
            f"the check's rates were measured with a doubt of {doubt:.1%}, which leaves nothing of"
            f" a confidence of {confidence:.1%}.",
            fix=f"ask for less, say {1 - 2 * doubt:.0%}, or measure the rates anew for as much",
        )
    return confidence + doubt


def most_lost(
    outcomes: Outcomes, ladders: Ints, reference: int, errors: Rates, *, served: bool
) -> Floats:
    """The most that each ladder (L) can lose on a query against the reference: 0..1.

    1 for those that do not end in the reference, and where verdicts are on record, which are no
    chances. ``served``: the last tier's answer is, come what may.
    """
    if outcomes.accepted is not None and not np.isnan(outcomes.accepted).all():
        return np.ones(len(ladders))
    each = (errors,) * len(outcomes.models) if isinstance(errors, Errors) else tuple(errors)
    stops = np.array([1 - highest_accept(one) for one in each] + [1.0])
    keeps = np.prod(stops[ladders], axis=1)
    ends = ladders[np.arange(len(ladders)), (ladders != NO_TIER).sum(axis=1) - 1] == reference
    last = 1.0 if served else 1 - highest_reject(each[reference])
    return np.where(ends, 1 - last * keeps / max(stops[reference], 1e-300), 1.0)


# ------------------------------------------------------------------ scores


def scores_of(
    differences: Reals, loss: float, most: Floats | float, weight: Floats | None = None
) -> Floats:
    """How far above -``loss`` each mean (of L x N) surely is, in normal standard deviations.

    Infinite where no loss beyond ``loss`` is possible. 0 and below where the mean itself is not
    above it.
    """
    room = np.broadcast_to(np.asarray(most, dtype=np.float64) - loss, len(differences))
    gains = _gains(differences, loss, room, weight)
    found = np.zeros(len(differences))
    found[room <= 0] = np.inf
    rest = np.flatnonzero((room > 0) & (gains.sum(axis=1) > UNSEEN * room))
    if len(rest):
        found[rest] = np.sqrt(2 * _most_won(gains[rest], room[rest]))
    return found


def _most_won(gains: Reals, room: Floats) -> Floats:
    """The log of what the best stake (0 to 1 / ``room``) would have won, were it never changed.

    By Newton's method inside brackets. Beside the largest stake all is lost by the loss that was
    not seen, and Newton's steps are tiny: it starts below.
    """
    low, high = np.zeros(len(gains)), INSIDE / room
    stakes = np.minimum(gains.mean(axis=1) / np.maximum((gains**2).mean(axis=1), 1e-12), high / 2)
    for _ in range(NEWTON_STEPS):
        parts = gains / (1 + stakes[:, None] * gains)
        unseen = -room / (1 - stakes * room)
        slope = parts.sum(axis=1) + UNSEEN * unseen
        low, high = np.where(slope > 0, stakes, low), np.where(slope > 0, high, stakes)
        moved = stakes + slope / ((parts**2).sum(axis=1) + UNSEEN * unseen**2)
        stakes = np.where((moved <= low) | (moved >= high), (low + high) / 2, moved)
    won = np.log1p(stakes[:, None] * gains).sum(axis=1, dtype=np.float64)
    return np.asarray(np.maximum(won + UNSEEN * np.log1p(-stakes * room), 0.0), np.float64)


# ------------------------------------------------------------------ bets


def bets_of(
    differences: Reals,
    loss: float,
    most: Floats | float,
    doubt: float,
    rng: np.random.Generator,
    weight: Floats | None = None,
) -> Floats:
    """The log of what is won by betting that each mean (of L x N) is above -``loss``.

    If it is not, the chance that log(1 / x) or more is won is below x. Stakes are those that win
    most often log(1 / ``doubt``). Infinite where no loss beyond ``loss`` is possible.
    """
    orders = _orders(differences.shape[1], rng)
    return _bets(differences, loss, most, _Table(doubt, weight, orders))


@dataclass(frozen=True, slots=True)
class _Table:
    """What a gambler knows beforehand: the aim, the weights, the orders of the queries."""

    doubt: float
    weight: Floats | None
    orders: Ints


def _bets(differences: Reals, loss: float, most: Floats | float, table: _Table) -> Floats:
    room = np.broadcast_to(np.asarray(most, dtype=np.float64) - loss, len(differences))
    found = np.full(len(differences), np.inf)
    rest = np.flatnonzero(room > 0)
    gains = _gains(differences[rest], loss, room[rest], table.weight)
    boldest = (BOLDEST / room[rest])[:, None]
    won = [_gambled(gains[:, order], boldest, table.doubt) for order in table.orders]
    found[rest] = np.logaddexp.reduce(won, axis=0) - log(len(table.orders))
    return found


def _gambled(gains: Reals, boldest: Floats, doubt: float) -> Floats:
    """The log of the capital at the end; each stake looks at the gains before it alone.

    The stakes are Waudby-Smith and Ramdas's for a number of queries that is known beforehand.
    """
    counts = np.arange(1, gains.shape[1] + 1)
    means = np.cumsum(gains, axis=1) / counts
    apart = np.cumsum((gains - _before(means, 0.0)) ** 2, axis=1)
    spread = _before((FIRST_GUESS + apart) / (counts + 1), FIRST_GUESS)
    stakes = np.minimum(np.sqrt(2 * -log(doubt) / (gains.shape[1] * spread)), boldest)
    return np.asarray(np.log1p(stakes * gains).sum(axis=1), dtype=np.float64)


def _before(running: Reals, first: float) -> Reals:
    """What each figure was one query earlier."""
    return np.concatenate([np.full((len(running), 1), first), running[:, :-1]], axis=1)


def _orders(queries: int, rng: np.random.Generator) -> Ints:
    return np.stack([rng.permutation(queries) for _ in range(ORDERS)])


def _gains(differences: Reals, loss: float, room: Floats, weight: Floats | None) -> Reals:
    """What is above the claim. Weights are scaled to 1 at most, which keeps each gain in bounds."""
    lowest = -np.maximum(room, 0.0)[:, None].astype(differences.dtype)
    gains: Reals = np.maximum(differences + differences.dtype.type(loss), lowest)
    if weight is None:
        return gains
    return gains * (weight / weight.max())  # type: ignore[no-any-return]
