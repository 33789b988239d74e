"""Rates with their intervals, without which a rate is a rumour."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``trials`` with a Wilson score interval: honest near 0 and 1 and for few trials.

    Source: E. B. Wilson, Probable inference (1927), J. Am. Stat. Assoc. 22.
    """

    hits: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The plain share, ``None`` without trials."""
        return self.hits / self.trials if self.trials else None


def rate(hits: int, trials: int, confidence: float = 0.95) -> Rate:
    """The share of ``hits`` in ``trials`` with its interval; nothing is known without trials."""
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials is no rate")
    if trials == 0:
        return Rate(0, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / trials
    centre = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if hits == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if hits == trials else min(1.0, (centre + spread) / scale)
    return Rate(hits, trials, low, high)


def quantile(values: list[float], share: float) -> float | None:
    """The ``share`` quantile (0..1) of ``values`` by linear interpolation; ``None`` of nothing."""
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share: it must be from 0 to 1")
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
