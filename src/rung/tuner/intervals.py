"""Intervals for what a replay measures: of shares, means, ratios, quantiles, paired differences.

All are of 95%, and for queries drawn independently from what will be asked. The chance over the
check's errors and over draws is inside the figures themselves, which are expectations.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from rung.tuner.aims import Estimate
from rung.tuner.outcomes import Floats

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
MOST_RESAMPLES, FEWEST_RESAMPLES = 2000, 200
MOST_DRAWN = 20_000_000
"""Queries drawn for all resamples together: with more queries there are fewer resamples."""


MOST_AT_ONCE = 1_000_000
"""Queries drawn in one go."""


def effective(weight: Floats) -> float:
    """How many equally weighted queries tell as much (Kish 1965, Survey Sampling)."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def share(part: Floats, weight: Floats, whole: Floats | None = None) -> Estimate | None:
    """The share (0..1) of ``part`` in ``whole``, by default in all; ``None`` of nothing.

    Wilson's score interval (1927): honest at 0 and 1. A fraction counts like so many whole queries,
    which makes it wider than it has to be.
    """
    of = weight if whole is None else weight * whole
    total = float(of.sum())
    if total <= 0:
        return None
    value = min(1.0, max(0.0, float(weight @ part) / total))
    low, high = wilson(value, effective(of))
    return Estimate(value, low, high)


def wilson(value: float, count: float) -> tuple[float, float]:
    """The score interval of a share of ``count`` queries."""
    centre = value + Z * Z / (2 * count)
    spread = Z * np.sqrt(value * (1 - value) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    # At the ends rounding would leave a hair.
    low = 0.0 if value <= 0 else max(0.0, float(centre - spread) / scale)
    high = 1.0 if value >= 1 else min(1.0, float(centre + spread) / scale)
    return min(low, value), max(high, value)


def quantile(values: Floats, chances: Floats, weight: Floats, at: float) -> Estimate | None:
    """A quantile of ``values`` (all K x N), each of a chance for its query; ``None`` of nothing.

    The interval is Woodruff's (1952): the quantiles at the ends of the share's own interval.
    """
    mass = (chances * weight).ravel()
    seen = mass > 0
    if not seen.any():
        return None
    values, mass = np.broadcast_to(values, chances.shape).ravel()[seen], mass[seen]
    order = np.argsort(values, kind="stable")
    values, cumulated = values[order], np.cumsum(mass[order])
    low, high = wilson(at, effective(weight))

    def of(part: float) -> float:
        # A hair below, so that rounding in the sum makes no step of it.
        wanted = part * cumulated[-1] * (1 - 1e-12)
        return float(values[min(int(np.searchsorted(cumulated, wanted)), len(values) - 1)])

    return Estimate(of(at), of(low), of(high))


def resampled(columns: Floats, weight: Floats, seed: int) -> Floats:
    """B x K: the weighted sums of N x K columns over queries drawn with replacement.

    The same seed and the same N draw the same queries, so that differences stay paired.
    """
    count = len(columns)
    most = min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, MOST_DRAWN // max(1, count)))
    weighed = columns * weight[:, None]
    chance = np.random.default_rng(seed)
    found = np.empty((most, columns.shape[1]))
    at_once = max(1, MOST_AT_ONCE // max(1, count))
    for start in range(0, most, at_once):
        some = min(at_once, most - start)
        picked = chance.integers(count, size=(some, count)) + count * np.arange(some)[:, None]
        times = np.bincount(picked.ravel(), minlength=some * count).reshape(some, count)
        found[start : start + some] = times @ weighed
    return found


def ratios(over: Floats, under: Floats, value: float) -> Estimate | None:
    """The percentile interval of a ratio of resampled sums around its value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = over / under
    found = found[np.isfinite(found)]
    if not len(found) or not np.isfinite(value):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    value = float(value)
    return Estimate(value, min(float(low), value), max(float(high), value))


def difference(one: Floats, other: Floats, weight: Floats) -> Estimate | None:
    """How much greater one share is than another over the same queries, -1..1; ``None`` of none.

    Newcombe's interval for paired shares (1998, Statistics in Medicine 17, method 10): it stays
    honest where the two never differ. Fractions count as independent draws given the query.
    """
    count = effective(weight)
    if not count:
        return None
    mass = weight / weight.sum()
    p, q = (min(1.0, max(0.0, float(mass @ each))) for each in (one, other))
    both = float(mass @ (one * other))
    phi = _phi(both, p, q, count)
    (p_low, p_high), (q_low, q_high) = wilson(p, count), wilson(q, count)

    def reach(left: float, right: float) -> float:
        return float(np.sqrt(max(0.0, left**2 - 2 * phi * left * right + right**2)))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(p_high - p, q - q_low)
    return Estimate(p - q, max(-1.0, low), min(1.0, high))


def _phi(both: float, p: float, q: float, count: float) -> float:
    """The correlation of two shares, drawn back a little where it is above zero."""
    spread = p * (1 - p) * q * (1 - q)
    if spread <= 0:
        return 0.0
    tied = both - p * q
    if tied > 0:
        tied = max(tied - 1 / (2 * count), 0.0)
    return float(tied / np.sqrt(spread))
