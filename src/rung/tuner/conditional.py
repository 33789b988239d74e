"""What a tier makes of requests that the tiers before it on a policy have failed: joint outcomes.

A tier's rate of passes among all requests says little of those that others failed: what is hard for
one model is hard for the next. So each step of a policy has means of its own, of the requests that
were seen to fail at all steps before. Each counts for as many as it stands for; a category's mean
is drawn to that of all categories, and this one to the tier's of all its requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rung.tuner.censored import Censored, Flags, Word
from rung.tuner.observing import Shown
from rung.tuner.outcomes import Floats

DRAWN_TO = 10.0
"""A category's mean is drawn to that of all as if by so many requests."""

WHOLE_DRAWN_TO = 2.0
"""The same of the mean of all categories, drawn to the tier's of all its requests."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Means by step of one order of tiers and by category: K x C.

    ``passes``: the chance to be accepted of requests that all steps before failed. ``cost``:
    nano-dollars of the call. ``right``: the share of right answers among the accepted.
    """

    passes: Floats
    cost: Floats
    right: Floats


def steps(seen: Censored, told: Shown) -> Steps:
    """The means of one order of tiers; ``told`` are the weights of the same requests."""
    size = len(told.columns), len(seen.outcomes.categories)
    passes, cost, right = np.zeros(size), np.zeros(size), np.zeros(size)
    failed = np.ones(len(seen), dtype=np.bool_)
    for step, column in enumerate(told.columns):
        weight, accepted = told.way[step] * failed, seen.accepted[:, column]
        paid, alone = seen.outcomes.cost[:, column], told.alone[step]
        passes[step] = _shrunken(seen, accepted, weight, _all(accepted, alone))
        cost[step] = _shrunken(seen, paid, weight, _all(paid, alone))
        taken = failed & (accepted == 1)
        right[step] = _right(seen, column, told.way[step] * taken, told.labels[step] * taken)
        failed &= accepted == 0
    return Steps(passes, cost, right)


def labelled(seen: Censored, column: int) -> Flags:
    """N: whose accepted answers at a tier a random draw has labelled."""
    return np.asarray((seen.accepted[:, column] == 1) & (seen.word[:, column] == Word.AUDIT))


def _right(seen: Censored, column: int, taken: Floats, drawn: Floats) -> Floats:
    """The share of right answers by category: by the labels of random draws, where there are any.

    Else by whoever gave a label, and by the gate's word.
    """
    correct, known = seen.outcomes.correct[:, column], labelled(seen, column)
    if not known.any():
        return _shrunken(seen, correct, taken, _mean(correct[taken > 0], 1.0))
    return _shrunken(seen, correct, drawn, _mean(correct[known], 1.0))


def _all(values: Floats, alone: Floats) -> float:
    """A tier's mean over whatever was seen of it; one half where that is nothing."""
    known = (alone > 0) & ~np.isnan(values)
    if known.any():
        return float(np.average(values[known], weights=alone[known]))
    return _mean(values, 0.5)


def _mean(values: Floats, otherwise: float) -> float:
    told = values[~np.isnan(values)]
    return float(told.mean()) if len(told) else otherwise


def _shrunken(seen: Censored, values: Floats, weight: Floats, otherwise: float) -> Floats:
    """A mean for each category."""
    known = (weight > 0) & ~np.isnan(values)
    whole = _drawn(*_sums(values, weight, known), otherwise, WHOLE_DRAWN_TO)
    category, count = seen.outcomes.category, len(seen.outcomes.categories)
    return np.array(
        [
            _drawn(*_sums(values, weight, known & (category == one)), whole, DRAWN_TO)
            for one in range(count)
        ]
    )


def _sums(values: Floats, weight: Floats, which: Flags) -> tuple[float, float]:
    """The weighted mean, and how many requests of equal weight tell as much."""
    here = weight[which]
    total = float(here.sum())
    if not total:
        return 0.0, 0.0
    return float((values[which] * here).sum()) / total, total * total / float((here * here).sum())


def _drawn(mean: float, size: float, towards: float, strength: float) -> float:
    return (mean * size + towards * strength) / (size + strength)
