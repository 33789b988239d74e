"""How good stated chances are: do they rank right above wrong, and do they mean what they say?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import erf, exp, log, pi, sqrt
from statistics import NormalDist
from typing import NamedTuple

Between = tuple[float, float]
_Test = Callable[[float], bool]

CONFIDENCE = 0.95
MOST_BINS = 10
BIN = 10
"""A bin of fewer labels than this says nothing of a share."""

NEAREST = 1e-9
"""Keeps the log of a chance that was said to be 0 or 1 finite."""


class Judged(NamedTuple):
    """An answer's stated chance of being right, 0..1, and whether it was.

    ``weight`` is how many answers of the traffic it stands for, up to a common factor.
    """

    chance: float
    right: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Neighbouring answers: how many, the chance that was said of them, the share that was right.

    ``low`` and ``high`` are the smallest and largest chance.
    """

    n: int
    said: float
    right: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """What ``n`` judged answers say of the chances stated for them, with 95% intervals.

    ``auroc`` is the chance that a right answer got more than a wrong one, ``None`` where there are
    not both. ``ece`` is the mean gap between stated chance and share of right answers. It is never
    below 0, so with few labels it is too high: ``ece_by_chance`` is what perfectly calibrated
    chances would show for as many labels. ``brier`` and ``log_loss`` (natural) are means. All but
    ``n`` and ``right`` are weighted; they are ``None`` without labels.
    """

    n: int
    right: int
    auroc: float | None = None
    auroc_between: Between | None = None
    ece: float | None = None
    ece_between: Between | None = None
    ece_by_chance: float | None = None
    brier: float | None = None
    log_loss: float | None = None
    bins: tuple[Bin, ...] = ()


def quality(judged: Sequence[Judged]) -> Quality:
    """Measure stated chances. It is honest only of chances that were fitted on other labels."""
    used = sorted(one for one in judged if one.weight > 0)
    if not used:
        return Quality(0, 0)
    groups = list(_binned(used))
    gap = _gap(groups)
    area = _area(used)
    total = sum(one.weight for one in used)
    return Quality(
        n=len(used),
        right=sum(one.right for one in used),
        auroc=area,
        auroc_between=None if area is None else _area_between(area, used),
        ece=gap.value,
        ece_between=(max(0.0, gap.value - gap.spread), min(1.0, gap.value + gap.spread)),
        ece_by_chance=gap.by_chance,
        brier=sum(one.weight * (one.chance - one.right) ** 2 for one in used) / total,
        log_loss=sum(one.weight * surprise(one) for one in used) / total,
        bins=tuple(_bin(group) for group in groups),
    )


def surprise(one: Judged) -> float:
    """The log loss (natural) of one stated chance."""
    chance = one.chance if one.right else 1 - one.chance
    return -log(max(chance, NEAREST))


def worth(weights: Iterable[float]) -> float:
    """How many equally weighted answers say as much (Kish 1965, Survey Sampling, 11.7)."""
    listed = list(weights)
    squares = sum(weight * weight for weight in listed)
    return sum(listed) ** 2 / squares if squares else 0.0


# ------------------------------------------------------------------ ranking


def _area(ordered: Sequence[Judged]) -> float | None:
    """The Mann-Whitney share of pairs in the right order, ties for half."""
    right = sum(one.weight for one in ordered if one.right)
    wrong = sum(one.weight for one in ordered if not one.right)
    if not right or not wrong:
        return None
    below = won = 0.0
    for _, tied in groupby(ordered, key=lambda one: one.chance):
        ups = downs = 0.0
        for one in tied:
            if one.right:
                ups += one.weight
            else:
                downs += one.weight
        won += ups * (below + downs / 2)
        below += downs
    return won / (right * wrong)


def _area_between(area: float, used: Sequence[Judged]) -> Between:
    """The score interval on Hanley and McNeil's variance: honest near 1 and for few answers.

    Source: R. G. Newcombe 2006, Statistics in Medicine 25, p. 559, method 5.
    """
    right = worth(one.weight for one in used if one.right)
    wrong = worth(one.weight for one in used if not one.right)
    extra = (right + wrong) / 2 - 1
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

    def too_far(at: float) -> bool:
        bent = 1 + extra * (1 - at) / (2 - at) + extra * at / (1 + at)
        return abs(area - at) > z * sqrt(at * (1 - at) * bent / (right * wrong))

    return _edge(0.0, area, too_far), _edge(1.0, area, too_far)


def _edge(outside: float, inside: float, too_far: _Test) -> float:
    """Where ``too_far`` begins, between a place where it may hold and one where it does not."""
    if not too_far(outside):
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        if too_far(middle):
            outside = middle
        else:
            inside = middle
    return inside


# ------------------------------------------------------------------ calibration error


@dataclass(frozen=True, slots=True)
class _Gap:
    """The calibration error, half the width of its interval, and what pure chance would show."""

    value: float
    spread: float
    by_chance: float


def _binned(ordered: Sequence[Judged]) -> Iterable[list[Judged]]:
    """Bins of equal weight, as many as their size allows; equal chances are never parted."""
    bins = max(1, min(MOST_BINS, len(ordered) // BIN))
    total = sum(one.weight for one in ordered)
    group: list[Judged] = []
    weight = 0.0
    ends = 1
    for _, tied in groupby(ordered, key=lambda one: one.chance):
        together = list(tied)
        group += together
        weight += sum(one.weight for one in together)
        if weight >= total * ends / bins * (1 - NEAREST):
            yield group
            group = []
            ends = int(weight * bins / total * (1 + NEAREST)) + 1
    if group:
        yield group


def _bin(group: Sequence[Judged]) -> Bin:
    weight = sum(one.weight for one in group)
    said = sum(one.weight * one.chance for one in group) / weight
    right = sum(one.weight * one.right for one in group) / weight
    return Bin(len(group), said, right, group[0].chance, group[-1].chance)


def _gap(groups: Sequence[Sequence[Judged]]) -> _Gap:
    """The expected calibration error over bins of equal mass.

    Sources: Naeini, Cooper and Hauskrecht 2015 (AAAI); for the bins and the bias Roelofs et al.
    2012.08668. A bin's gap is normal about its true one, its size a folded normal (Leone, Nelson
    and Nottingham 1961, Technometrics 3), the sum of bins about normal again.
    """
    total = sum(one.weight for group in groups for one in group)
    value = variance = by_chance = 0.0
    for group in groups:
        weight = sum(one.weight for one in group)
        gap = abs(sum(one.weight * (one.chance - one.right) for one in group)) / weight
        noise = sqrt(sum(one.weight**2 * one.chance * (1 - one.chance) for one in group)) / weight
        share = weight / total
        value += share * gap
        by_chance += share * noise * sqrt(2 / pi)
        variance += share**2 * _folded_variance(gap, noise)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return _Gap(value, z * sqrt(variance), by_chance)


def _folded_variance(mean: float, deviation: float) -> float:
    if not deviation:
        return 0.0
    ratio = mean / deviation
    folded = deviation * sqrt(2 / pi) * exp(-ratio * ratio / 2) + mean * erf(ratio / sqrt(2))
    return max(0.0, mean * mean + deviation * deviation - folded * folded)
