"""What the tuner is held against: other ways to choose a ladder, and the best there is to choose.

With a check that never errs a ladder passes where any of its models does, so its quality is that of
the set, and the cheapest order is picked by cost. All of it is worked out anew here, by counts of
how often each query was drawn; nothing is the tuner's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray
from tuner_counts import upper_tail

from rung.core.plan import Policy, Rung
from rung.tuner.aims import Tuned
from rung.tuner.outcomes import Outcomes

Floats = NDArray[np.float64]
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Measured:
    """All sets of models on one sample: quality, and cost of the cheapest order (nano-dollars)."""

    quality: Floats
    cost: Floats
    order: NDArray[np.int64]


class Ladders:
    """Every set of at most ``most`` models of a population, measured on any draw from it."""

    def __init__(self, population: Outcomes, most: int = 3) -> None:
        self.models = population.models
        columns = range(len(population.models))
        self.sets = [
            chosen for size in range(1, most + 1) for chosen in combinations(columns, size)
        ]
        right = population.correct > 0.5
        self._cost = population.cost
        self._wrong = ~right
        self.passes = np.stack([right[:, list(chosen)].any(axis=1) for chosen in self.sets], axis=1)
        self._pairs = list(combinations(columns, 2)) if most > 2 else []
        self._by_size = {
            size: np.array([s for s in self.sets if len(s) == size]) for size in range(1, most + 1)
        }

    def having(self, model: str) -> NDArray[np.bool_]:
        """Which sets hold this model."""
        column = self.models.index(model)
        return np.array([column in chosen for chosen in self.sets])

    def measured(self, drawn: NDArray[np.int64] | None = None) -> Measured:
        """Quality and cost on these rows, which may come more than once; by default on all."""
        if drawn is None:
            rows, counts = np.arange(len(self._cost)), np.ones(len(self._cost))
        else:
            rows, found = np.unique(drawn, return_counts=True)
            counts = found.astype(np.float64)
        share = counts / counts.sum()
        quality = share @ self.passes[rows]
        cost, order = self._costs(rows, share)
        return Measured(quality, cost, order)

    def _costs(self, rows: NDArray[np.int64], share: Floats) -> tuple[Floats, NDArray[np.int64]]:
        paid = share[:, None] * self._cost[rows]
        wrong = self._wrong[rows]
        alone = paid.sum(axis=0)
        after_one = wrong.T.astype(np.float64) @ paid
        after_two = self._after_two(wrong, paid)
        costs, orders = [], []
        for size, chosen in self._by_size.items():
            if not len(chosen):
                continue
            tried = list(permutations(range(size)))
            of_order = np.empty((len(tried), len(chosen)))
            for at, order in enumerate(tried):
                way = chosen[:, order]
                of_order[at] = alone[way[:, 0]]
                if size > 1:
                    of_order[at] += after_one[way[:, 0], way[:, 1]]
                if size > 2:
                    low, high = np.sort(way[:, :2], axis=1).T
                    of_order[at] += after_two[self._places(low, high), way[:, 2]]
            best = of_order.argmin(axis=0)
            costs.append(of_order[best, np.arange(len(chosen))])
            orders.append(best)
        return np.concatenate(costs), np.concatenate(orders)

    def _after_two(self, wrong: NDArray[np.bool_], paid: Floats) -> Floats:
        if not self._pairs:
            return np.empty((0, 0))
        first, second = np.array(self._pairs).T
        both = wrong[:, first] & wrong[:, second]
        return both.T.astype(np.float64) @ paid

    def _places(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the pair (low, high) stands among all pairs in order."""
        m = len(self.models)
        return low * (2 * m - low - 1) // 2 + high - low - 1

    def tuned(self, which: int, measured: Measured) -> Tuned:
        """The set's cheapest ladder as the engine's policy."""
        chosen = self.sets[which]
        order = list(permutations(range(len(chosen))))[measured.order[which]]
        return ladder([self.models[chosen[at]] for at in order])


def ladder(models: list[str]) -> Tuned:
    """A plain ladder of these models, in this order."""
    return Tuned(Policy("", tuple(Rung(model) for model in models)))


def naive(sample: Measured, target: float) -> int:
    """The cheapest set that reaches the target on the sample; else the one that comes nearest."""
    good = sample.quality >= target - ROUNDING
    if not good.any():
        return int(sample.quality.argmax())
    return int(np.where(good, sample.cost, np.inf).argmin())


def kept(sample: Measured, having: NDArray[np.bool_]) -> int:
    """The cheapest set that holds the reference."""
    return int(np.where(having, sample.cost, np.inf).argmin())


def textbook(
    halves: tuple[Measured, Measured], trials: int, target: float, dearest: int, miss: float = 0.1
) -> int | None:
    """Fixed-sequence testing: one half orders the ladders, the other tests them in that order.

    The order is down the first half's front of cost and quality, from the best, of what is cheaper
    there than the set ``dearest``; the test is the exact binomial one against the number
    ``target``. It stops at the first that fails: ``None`` where that is the very first. ``trials``
    is the size of the second half. Source: Angelopoulos et al. 2021, Learn then Test, arXiv
    2110.01052.
    """
    first, second = halves
    found = None
    for which in front(first):
        if which != dearest and first.cost[which] >= first.cost[dearest]:
            continue
        hits = round(second.quality[which] * trials)
        if upper_tail(hits, trials, min(1.0, max(0.0, target))) > miss:
            break
        found = which
    return found


def front(sample: Measured) -> list[int]:
    """The sets that no other beats in both cost and quality, the best and dearest first."""
    order = np.lexsort((-sample.quality, sample.cost))
    best = -np.inf
    kept_sets = []
    for which in order:
        if sample.quality[which] > best + ROUNDING:
            best = sample.quality[which]
            kept_sets.append(int(which))
    return kept_sets[::-1]
