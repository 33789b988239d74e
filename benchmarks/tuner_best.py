"""What could have been had, knowing everything: mixtures of ladders that may give up at the end.

Giving up before the last tier is tried at many spends, in the middle of a ladder it is not: this
bounds only policies without that.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from rung.tuner.outcomes import Outcomes

Floats = NDArray[np.float64]
SPENDS = 60
MOST_WORTH = 1e13


def policies(outcomes: Outcomes, most: int = 3) -> tuple[Floats, Floats]:
    """Quality and cost of every ordered ladder, with its last tier given up above any spend."""
    right, cost = outcomes.correct > 0.5, outcomes.cost
    quality, price = [], []
    for size in range(1, most + 1):
        for order in permutations(range(len(outcomes.models)), size):
            climbing = np.ones(len(outcomes), dtype=bool)
            spent = np.zeros(len(outcomes))
            for column in order[:-1]:
                spent += np.where(climbing, cost[:, column], 0.0)
                climbing &= ~right[:, column]
            last = order[-1]
            below = 1.0 - climbing.mean()
            left = np.flatnonzero(climbing)
            ordered = left[np.argsort(spent[left], kind="stable")]
            gained = np.concatenate([[0.0], np.cumsum(right[ordered, last])]) / len(outcomes)
            paid = np.concatenate([[0.0], np.cumsum(cost[ordered, last])]) / len(outcomes)
            marks = np.unique(np.linspace(0, len(ordered), SPENDS).round().astype(int))
            quality.append(below + gained[marks])
            price.append(spent.mean() + paid[marks])
    return np.concatenate(quality), np.concatenate(price)


def least_cost(parts: list[tuple[float, tuple[Floats, Floats]]], target: float) -> float:
    """The least mean cost at which mixtures reach the target, by Lagrange duality.

    ``parts`` are shares of all queries, each with its own policies to choose from.
    """

    def value(worth: float) -> float:
        return worth * target + sum(
            share * float((cost - worth * quality).min()) for share, (quality, cost) in parts
        )

    low, high = 0.0, MOST_WORTH
    for _ in range(200):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        low, high = (one, high) if value(one) < value(other) else (low, other)
    return value((low + high) / 2)
