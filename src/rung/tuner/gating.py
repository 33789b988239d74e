"""Ladders that climb by confidence alone: which there are, and what they serve at which cost.

Each tier but the last has a threshold. Those of one ladder hang together: all tiers are calibrated
on the same queries (isotonic steps), and a level of P(right) is asked of each of them, so that a
ladder has as many candidates as there are levels, not as many as there are pairs of thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rung.core.isotonic import Steps, rising
from rung.tuner.outcomes import Floats, Outcomes

MOST_LEVELS = 20
MOST_LOWER = 12
"""Models that are tried below others where ladders have more than two tiers."""


@dataclass(frozen=True, slots=True)
class Gated:
    """A ladder by columns of the outcomes; ``thresholds`` (0..1) of all tiers but the last."""

    columns: tuple[int, ...]
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Served:
    """What came of each query (N): the chance to be right, and the cost of all calls."""

    right: Floats
    cost: Floats


def served(outcomes: Outcomes, gated: Gated) -> Served:
    """The first tier that is sure enough serves, else the last. One without confidence is not."""
    *lower, last = gated.columns
    right, cost = outcomes.correct[:, last].copy(), np.zeros(len(outcomes))
    climbing = np.ones(len(outcomes), dtype=bool)
    for column, threshold in zip(lower, gated.thresholds, strict=True):
        cost[climbing] += outcomes.cost[climbing, column]
        sure = climbing & at_least(outcomes, column, threshold)
        right[sure] = outcomes.correct[sure, column]
        climbing &= ~sure
    cost[climbing] += outcomes.cost[climbing, last]
    return Served(right, cost)


def at_least(outcomes: Outcomes, column: int, threshold: float) -> NDArray[np.bool_]:
    """Which answers of a model are so sure; not a number is not."""
    if outcomes.confidence is None:
        return np.zeros(len(outcomes), dtype=bool)
    found: NDArray[np.bool_] = outcomes.confidence[:, column] >= threshold
    return found


def candidates(outcomes: Outcomes, reference: int, max_tiers: int) -> list[Gated]:
    """All that may be worth testing, from the outcomes of queries that nothing is tested on.

    Models that cost less than the reference: each alone, and below the reference, one or several.
    """
    mean = outcomes.cost.mean(axis=0)
    below = [int(m) for m in np.argsort(mean, kind="stable") if mean[m] < mean[reference]]
    found = [Gated((column,)) for column in below]
    calibrated = {column: _calibrated(outcomes, column) for column in below}
    useful = [column for column in below if len(calibrated[column]) > 1]
    for count in range(1, max_tiers):
        kept = useful if count == 1 else _best(outcomes, useful)
        for lower in combinations(kept, count):
            found += levels((*lower, reference), [calibrated[each] for each in lower])
    return found


def of_ladder(outcomes: Outcomes, columns: tuple[int, ...]) -> list[Gated]:
    """All levels of one ladder."""
    return list(levels(columns, [_calibrated(outcomes, column) for column in columns[:-1]]))


def _calibrated(outcomes: Outcomes, column: int) -> Steps:
    if outcomes.confidence is None:
        return ()
    known = ~np.isnan(outcomes.confidence[:, column])
    said, right = outcomes.confidence[known, column], outcomes.correct[known, column]
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    # An answer that is right in part counts in part on either side.
    parts = [(right * weight[known], True), ((1 - right) * weight[known], False)]
    heavy = np.concatenate([part for part, _ in parts])
    if not heavy.sum():
        return ()
    rights = [side for _, side in parts for _ in said]
    return rising(np.concatenate([said, said]).tolist(), rights, heavy.tolist())


def levels(columns: tuple[int, ...], calibrated: Sequence[Steps]) -> Iterator[Gated]:
    """A candidate for each level of P(right) at which all lower tiers serve some and not all."""
    shares = sorted({share for steps in calibrated for _, share in steps})
    step = max(1, len(shares) // MOST_LEVELS)
    seen = set()
    for level in shares[::step]:
        thresholds = tuple(_threshold(steps, level) for steps in calibrated)
        if all(0 < each <= 1 for each in thresholds) and thresholds not in seen:
            seen.add(thresholds)
            yield Gated(columns, thresholds)


def _threshold(steps: Steps, level: float) -> float:
    """The confidence from which on P(right) is as high as the level, above 1 where it never is."""
    edge = 0.0
    for upper, share in steps:
        if share >= level:
            return edge
        edge = upper
    return 2.0


def _best(outcomes: Outcomes, columns: Sequence[int]) -> list[int]:
    """Those that are right most often for their cost, in the order given."""
    worth = {
        column: outcomes.correct[:, column].mean() / max(outcomes.cost[:, column].mean(), 1e-9)
        for column in columns
    }
    return [c for c in columns if c in sorted(columns, key=lambda c: -worth[c])[:MOST_LOWER]]
