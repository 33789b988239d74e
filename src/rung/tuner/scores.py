"""Is a mean above a bound? Restricted scores for numbers that take a few values.

The variance is that under the hypothesis, not under the data: the likeliest distribution on the
same values whose mean is just the bound. Where no loss was seen yet that variance still counts the
loss that could have been, as that of the data does not. Of gains and losses of one it is Tango's
score.

Source: A. Owen, Empirical Likelihood (2001), chapter 2, for the tilted weights.
"""

from __future__ import annotations

import numpy as np

from rung.tuner.outcomes import Floats

STEPS = 22
"""Halvings of the interval that the tilt lies in."""


def restricted_z(counts: Floats, values: Floats, n: int, margin: float) -> Floats:
    """Standard normal deviates against "the mean is ``-margin`` or less", one a column.

    ``counts`` and ``values`` are (K x ...): how many of ``n`` had which value. The first value of
    each column must be the lowest that there can be, below ``-margin``, seen or not.
    """
    above = values + margin
    total = (counts * above).sum(axis=0) / n
    low = np.zeros_like(total)
    lowest = np.minimum(above[0], -1e-12)
    high = -1 / lowest * (1 - 1e-9)
    for _ in range(STEPS):
        tilt = (low + high) / 2
        left = (counts * above / (1 + tilt * above)).sum(axis=0) > 0
        low, high = np.where(left, tilt, low), np.where(left, high, tilt)
    weights = counts / (n * (1 + low * above))
    unseen = np.maximum(1 - weights.sum(axis=0), 0.0)
    restricted = (weights * above**2).sum(axis=0) + unseen * lowest**2
    plain = (counts * above**2).sum(axis=0) / n - total**2
    variance = np.where(total > 0, restricted, plain)
    deviates: Floats = total / np.sqrt(np.maximum(variance, 1e-12) / n)
    return deviates
