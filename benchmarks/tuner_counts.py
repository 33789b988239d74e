"""Exact binomial figures by the standard library alone: for intervals and rival methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, lgamma, log


@lru_cache(maxsize=100_000)
def upper_tail(hits: int, trials: int, chance: float) -> float:
    """P(at least ``hits``) of a binomial count."""
    if hits <= 0:
        return 1.0
    if chance <= 0.0:
        return 0.0
    if chance >= 1.0:
        return 1.0
    known = lgamma(trials + 1)
    terms = (
        known - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(chance) + (trials - k) * log1m
        for log1m in (log(1.0 - chance),)
        for k in range(hits, trials + 1)
    )
    return min(1.0, sum(exp(term) for term in terms))


@lru_cache(maxsize=10_000)
def interval(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Both ends of the exact interval of a share. Source: Clopper and Pearson 1934."""
    tail = (1.0 - level) / 2
    if trials == 0:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else _root(lambda p: upper_tail(hits, trials, p) - tail)
    high = 1.0 if hits == trials else _root(lambda p: upper_tail(hits + 1, trials, p) - 1 + tail)
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
