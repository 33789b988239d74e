"""Exact paired tests: does one ladder pass as often as the reference, less a margin?

On the same queries, ``b`` is how often the ladder passes and the reference fails, ``c`` how often
the reference passes and the ladder fails. Outcomes are ordered by Tango's restricted score; the
p-value is the chance of one at least as extreme, at the worst rate of disagreement.

Sources: T. Tango, Equivalence test and confidence interval for the difference in proportions for
the paired-sample design (1998), Stat. Med. 17; S. Suissa and J. Shuster, The 2 x 2 matched-pairs
trial: exact unconditional design and analysis (1991), Biometrics 47.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rung.tuner.outcomes import Floats, Ints

LARGEST_TABLE = 600
"""Queries up to which p-values are exact. Above, scores are, less what they lack at this size."""

FARTHEST = 8.0
"""Beyond so many standard deviations a p-value is no different from 0 or 1."""

RATES = np.concatenate(
    [np.linspace(0, 0.02, 9)[1:], np.linspace(0.025, 0.2, 18), np.linspace(0.22, 1, 20)]
)
"""Where the rate of disagreement is tried, as a share of its range: finely where it is small."""

NORMAL = NormalDist()


def exact_z(b: Ints, c: Ints, n: int, margin: float) -> Floats:
    """Standard normal deviates of the exact one-sided p-values, of ``b`` and ``c`` in ``n`` pairs.

    The hypothesis that a high value speaks against: the ladder passes less often than the
    reference less ``margin`` (0..1), or just as often as that.
    """
    if n <= LARGEST_TABLE:
        exact: Floats = _table(n, margin)[b, c]
        return exact
    found = tango(b, c, n, margin)
    few = b + c <= LARGEST_TABLE
    lacking: Floats = np.zeros_like(found)
    for tried in {0.0, margin}:
        # Without a margin more losses than gains tell nothing: their p-values are near 1.
        counted = few & ((b > c) | (tried == margin))
        exact = _table(LARGEST_TABLE, tried)[b * few, c * few]
        short = np.maximum(lacking, tango(b, c, LARGEST_TABLE, tried) - exact)
        lacking = np.where(counted, short, lacking)
    return np.clip(found - lacking, -FARTHEST, FARTHEST)


def tango(b: Ints, c: Ints, n: int, margin: float) -> Floats:
    """The restricted score of the same hypothesis, normal where disagreements are many."""
    gained, lost = np.asarray(b, dtype=float), np.asarray(c, dtype=float)
    linear = -gained - lost - (2 * n - gained + lost) * margin
    constant = lost * margin * (1 + margin)
    worst = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * worst - margin * (1 + margin))
    excess = gained - lost + n * margin
    with np.errstate(divide="ignore", invalid="ignore"):
        score = excess / np.sqrt(variance)
    flat = np.sign(excess) * FARTHEST
    found: Floats = np.clip(np.where(variance > 1e-12, score, flat), -FARTHEST, FARTHEST)
    return found


@lru_cache(maxsize=64)
def _table(n: int, margin: float) -> Floats:
    """The deviate of every possible pair of counts; those that are none are NaN."""
    counts = np.indices((n + 1, n + 1)).reshape(2, -1)
    b, c = counts[:, counts.sum(axis=0) <= n]
    scores = tango(b, c, n, margin)
    order = np.argsort(-scores, kind="stable")
    b, c, scores = b[order], c[order], scores[order]
    ends = np.append(np.flatnonzero(np.diff(scores) < -1e-10), scores.size - 1)
    group = np.searchsorted(ends, np.arange(scores.size))
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ways = factorials[n] - factorials[b] - factorials[c] - factorials[n - b - c]
    highest = np.zeros(scores.size)
    for rate in margin + (1 - margin) / 2 * np.append(RATES, 0.0 if margin else RATES[0]):
        gains, rest = max(rate - margin, 0.0), max(1 - 2 * rate + margin, 0.0)
        chance = ways + _logs(gains, b) + _logs(rate, c) + _logs(rest, n - b - c)
        np.maximum(highest, np.cumsum(np.exp(chance))[ends][group], out=highest)
    table = np.full((n + 1, n + 1), np.nan)
    table[b, c] = deviates(highest)
    return table


def _logs(chance: float, times: Ints) -> Floats:
    found: Floats = times * np.log(chance) if chance > 0 else np.where(times > 0, -np.inf, 0.0)
    return found


def deviates(p: Floats) -> Floats:
    """The standard normal deviates that are exceeded with these chances."""
    values, places = np.unique(p, return_inverse=True)
    least = NORMAL.cdf(-FARTHEST)
    found = [-NORMAL.inv_cdf(min(max(value, least), 1 - 1e-15)) for value in values]
    return np.asarray(found)[places].reshape(p.shape)


def binomial_z(hits: Ints, n: int, share: float) -> Floats:
    """Deviates of the exact p-values that the rate of ``hits`` in ``n`` is ``share`` or less."""
    if not 0 < share < 1:
        return np.where(np.asarray(hits) > n * share, FARTHEST, -FARTHEST).astype(float)
    k = np.arange(n + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    chance = factorials[n] - factorials[k] - factorials[n - k] + _logs(share, k)
    tail = np.cumsum(np.exp(chance + _logs(1 - share, n - k))[::-1])[::-1]
    found: Floats = deviates(np.minimum(tail, 1.0))[hits]
    return found


def normal(z: NDArray[np.float64] | float) -> float:
    """The chance that a standard normal number exceeds ``z``."""
    return 1 - NORMAL.cdf(float(z))
