"""What one choice is worth beside another, query by query: paired, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from rung.tuner.aims import Estimate
from rung.tuner.outcomes import Floats

RESAMPLES = 2000
MOST_GROUPS = 1000
"""More queries are resampled in groups of equal size: the interval is the same, the time is not."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Cost (nano-dollars) and quality (0..1) of one choice beside another, query by query."""

    cost: Floats
    than: Floats
    quality: Floats
    quality_than: Floats


@dataclass(frozen=True, slots=True)
class Worth:
    """What a choice saves: ``saved`` is a share of the other's cost, ``quality`` the change (0..1).

    ``chance``: how many of the resamples show any saving; half of those that show none at all.
    ``needed``: how many queries would tell the saving from none, going by these; ``None`` where
    there is none to tell.
    """

    saved: Estimate
    quality: Estimate
    chance: float
    needed: int | None


def worth(gain: Gain, weight: Floats, confidence: float, rng: np.random.Generator) -> Worth:
    """What a choice saves, with a paired bootstrap's two-sided interval at ``confidence``."""
    figures = np.stack(
        [gain.cost, gain.than, gain.quality - gain.quality_than, np.ones(len(weight))]
    )
    sums = _grouped(figures * weight, rng)
    size = sums.shape[1]
    counts = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES)
    drawn = counts @ sums.T
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    saved = _share_saved(drawn[:, 0], drawn[:, 1])
    quality = drawn[:, 2] / np.maximum(drawn[:, 3], 1e-12)
    whole = sums.sum(axis=1)
    return Worth(
        saved=_estimate(float(_share_saved(whole[0], whole[1])), saved, tails),
        quality=_estimate(float(whole[2] / whole[3]), quality, tails),
        chance=float(np.mean(saved > 0) + np.mean(saved == 0) / 2),
        needed=_needed((gain.than - gain.cost) * weight, confidence),
    )


def _grouped(figures: Floats, rng: np.random.Generator) -> Floats:
    """Sums of as many groups as are resampled, dealt at random."""
    size = figures.shape[1]
    if size <= MOST_GROUPS:
        return figures
    order = rng.permutation(size)[: size - size % MOST_GROUPS]
    rest = figures[:, np.setdiff1d(np.arange(size), order)]
    sums: Floats = figures[:, order].reshape(len(figures), MOST_GROUPS, -1).sum(axis=2)
    return np.append(sums, rest, axis=1) if rest.size else sums


def _share_saved(cost: Floats, than: Floats) -> Floats:
    """The share of what would have been spent that is not; nothing where nothing was spent."""
    saved: Floats = np.where(than > 0, 1 - cost / np.where(than > 0, than, 1.0), 0.0)
    return saved


def _estimate(value: float, drawn: Floats, tails: list[float]) -> Estimate:
    low, high = np.quantile(drawn, tails)
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _needed(saved: Floats, confidence: float) -> int | None:
    """Queries from which the mean of these would be told from nothing."""
    mean, spread = float(saved.mean()), float(saved.std())
    if mean <= 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return max(2, ceil((z * spread / mean) ** 2))
