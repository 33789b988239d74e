"""All ladders of a few tiers at once, where a sound check decides who is served.

Whether such a ladder passes depends on the set of its models alone: it does where any of them does.
The order decides the cost only. So the family is one ladder for each set, in its cheapest order.

Queries with the same pattern of passes are one row with a count: nothing here tells them apart, and
a hundred thousand queries of ten models are at most 1,024 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from rung.tuner.outcomes import Floats, Ints, Outcomes

FEW = 2000
"""Queries up to which each is looked at by itself."""

MOST_LADDERS = 60_000
"""Above, the dearest models are left out until there are no more."""

TWICE = " x2"
"""What is put behind a model's name for the tier that asks it twice."""


@dataclass(frozen=True, eq=False)
class Patterns:
    """Queries by who passes: ``failed`` (U x M) is 1 where a model fails, ``count`` (U) how many.

    ``kind`` (N) is each query's pattern; few queries are a pattern each.
    ``spent`` and ``seconds`` (U x M) are sums over a pattern's queries: cost in nano-dollars, and
    latency, zero where none is known. ``n`` is the number of queries. ``asked`` (M) is the same
    number for tiers that ask the same model.
    """

    failed: Floats
    count: Floats
    spent: Floats
    seconds: Floats
    kind: Ints
    n: int
    asked: Ints


@dataclass(frozen=True, eq=False)
class Family:
    """``H`` ladders over ``M`` models. Money is nano-dollars a query.

    ``order`` (H x tiers) are columns in calling order, -1 where there is no more tier; ``missed``
    (U x H) is 1 where all of a ladder's models fail; ``cost`` and ``seconds`` (H) are means.
    """

    patterns: Patterns
    order: Ints
    missed: Floats
    cost: Floats
    seconds: Floats

    def with_column(self, column: int) -> Ints:
        """The places of ladders that call this model."""
        return np.flatnonzero((self.order == column).any(axis=1))

    def columns(self, place: int) -> tuple[int, ...]:
        """One ladder's models, in calling order."""
        return tuple(int(column) for column in self.order[place] if column >= 0)


def patterns(outcomes: Outcomes) -> Patterns:
    """The same queries by who passes. Outcomes must be whole: right or wrong, and all observed."""
    failed = outcomes.correct < 1.0
    kinds = np.packbits(failed, axis=1)
    kind: Ints = np.arange(len(outcomes), dtype=np.int64)
    if len(outcomes) > FEW:
        kinds, kind = np.unique(kinds, axis=0, return_inverse=True)
    rows = kinds.shape[0]
    seconds = np.zeros_like(outcomes.cost) if outcomes.seconds is None else outcomes.seconds

    def summed(values: Floats) -> Floats:
        columns = [np.bincount(kind, values[:, j], rows) for j in range(values.shape[1])]
        return np.stack(columns, axis=1)

    return Patterns(
        np.unpackbits(kinds, axis=1, count=failed.shape[1]).astype(np.float32),
        np.bincount(kind, minlength=rows).astype(float),
        summed(outcomes.cost),
        summed(np.nan_to_num(seconds)),
        kind,
        len(outcomes),
        asked(outcomes.models),
    )


def asked(models: Sequence[str]) -> Ints:
    """A number for each tier, the same for those that ask the same model, once or twice."""
    names = [model.removesuffix(TWICE) for model in models]
    return np.array([names.index(name) for name in names], dtype=np.int64)


def once_each(order: Ints, models: Ints) -> NDArray[np.bool_]:
    """Which ladders (H x tiers, -1 for none) have each model in one place only, as policies do."""
    named = np.sort(np.where(order >= 0, models[order], -1), axis=1)
    again = (np.diff(named, axis=1) == 0) & (named[:, 1:] >= 0)
    fine: NDArray[np.bool_] = ~again.any(axis=1)
    return fine


def family(found: Patterns, most_tiers: int) -> Family:
    """All ladders of up to so many of the models, each model in one place."""
    models = found.failed.shape[1]
    sizes = range(1, min(most_tiers, models) + 1)
    orders, missed, costs, seconds = [], [], [], []
    below = _Layer.empty(found)
    for size in sizes:
        layer = _layer(found, below, np.array(list(combinations(range(models), size))))
        wide = np.full((len(layer.order), len(sizes)), -1)
        wide[:, :size] = layer.order
        kept = once_each(wide, found.asked)
        orders.append(wide[kept])
        missed.append(layer.missed if kept.all() else layer.missed[:, kept])
        costs.append(layer.cost[kept])
        seconds.append(layer.seconds[kept])
        below = layer
    return Family(
        found,
        np.concatenate(orders),
        np.concatenate(missed, axis=1),
        np.concatenate(costs),
        np.concatenate(seconds),
    )


def affordable(outcomes: Outcomes, most_tiers: int, kept: int | None) -> Ints:
    """The columns that a family can be made of: the cheapest, and ``kept`` (the reference)."""
    cheapest = np.argsort(outcomes.cost.mean(axis=0), kind="stable")
    if kept is not None:
        cheapest = np.concatenate([[kept], cheapest[cheapest != kept]])
    most = cheapest.size
    while most > 1 and sum(comb(most, size) for size in range(1, most_tiers + 1)) > MOST_LADDERS:
        most -= 1
    return np.sort(cheapest[:most])


@dataclass(frozen=True, eq=False)
class _Layer:
    """All sets of one size, each in its cheapest order, in the order of `_rank`."""

    order: Ints
    missed: Floats
    cost: Floats
    seconds: Floats

    @staticmethod
    def empty(found: Patterns) -> _Layer:
        """The one set of no models: it fails on all."""
        none = np.zeros(1)
        return _Layer(np.zeros((1, 0), int), np.ones((found.count.size, 1), np.float32), none, none)


def _layer(found: Patterns, below: _Layer, sets: Ints) -> _Layer:
    """Sets with one more model: the best order ends with one, after the best of the others."""
    sets = sets[np.argsort(_rank(sets), kind="stable")]
    size = sets.shape[1]
    reached = below.missed.T.astype(float)
    # What a model adds that is called where all of the others have failed.
    next_cost, next_seconds = (reached @ sums / found.n for sums in (found.spent, found.seconds))
    smaller = [_rank(np.delete(sets, last, axis=1)) for last in range(size)]
    costs = np.stack(
        [below.cost[smaller[last]] + next_cost[smaller[last], sets[:, last]]
         for last in range(size)]
    )  # fmt: skip
    best = costs.argmin(axis=0)
    rows = np.arange(len(sets))
    before = np.stack(smaller)[best, rows]
    final = sets[rows, best]
    return _Layer(
        np.column_stack([below.order[before], final]),
        below.missed[:, before] * found.failed[:, final],
        costs[best, rows],
        below.seconds[before] + next_seconds[before, final],
    )


def _rank(sets: Ints) -> Ints:
    """The place of each sorted set among all of its size, in colexicographic order."""
    choose: Callable[[Ints, int], Ints] = np.vectorize(comb, otypes=[np.int64])
    total = np.zeros(len(sets), dtype=np.int64)
    for place in range(sets.shape[1]):
        ways = choose(np.arange(sets.max(initial=0) + 1), place + 1)
        total += ways[sets[:, place]]
    return total
