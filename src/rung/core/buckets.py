"""Counts of seconds by size, from which quantiles can be read that are right to one percent.

A bucket goes by the decimal digits of whole microseconds: how many there are, and what the first
three of them say, in steps of 2 up to 199, of 4 up to 499, of 10 above. So it is no wider than 2%
of what it holds, and any database can tell it by the digits. Below 100 microseconds each has its
own.

Counts of several hours add up to those of all of them, which quantiles do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final

MICROSECONDS: Final = 1_000_000
EXACT: Final = 100
"""Microseconds below which a bucket holds but one count."""

DIGITS: Final = 3
A_LENGTH: Final = 1000
"""Buckets are numbered anew for every number of digits."""

STEPS: Final = ((200, 2, 0), (500, 4, 50), (1000, 10, 125))
"""Below which three digits, in what steps, and the number where these begin."""


def bucket_of(microseconds: int) -> int:
    """The bucket that holds it."""
    if microseconds < EXACT:
        return microseconds
    told = str(microseconds)
    first = int(told[:DIGITS])
    step, begin = next((step, begin) for below, step, begin in STEPS if first < below)
    return A_LENGTH * len(told) + begin + first // step


def middle(bucket: int) -> float:
    """What a bucket stands for, in seconds."""
    if bucket < A_LENGTH:
        return bucket / MICROSECONDS
    length, place = divmod(bucket, A_LENGTH)
    step, begin = next(
        (step, begin) for below, step, begin in STEPS if place < begin + below // step
    )
    unit: int = 10 ** (length - DIGITS)
    low = (place - begin) * step * unit
    return (low + (step * unit - 1) / 2) / MICROSECONDS


def quantile(counts: Mapping[int, int], tenths: int) -> float | None:
    """The quantile, in seconds, by linear interpolation between two neighbours; None of nothing."""
    ordered = sorted(bucket for bucket, count in counts.items() if count > 0)
    ends = list(accumulate(counts[bucket] for bucket in ordered))
    if not ends:
        return None
    last = ends[-1] - 1
    low, rest = divmod(last * tenths, 10)
    here, there = (
        middle(next(b for b, end in zip(ordered, ends, strict=True) if end > place))
        for place in (low, min(low + 1, last))
    )
    return here + (there - here) * rest / 10
