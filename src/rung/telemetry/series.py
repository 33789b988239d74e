"""Counters and histograms as plain numbers, cheap to add to, with a bound on how many there are.

The labels of a series come partly from callers and providers. So that nobody can fill the memory of
whoever scrapes, each label takes so many values, each family so many series; what comes after
those is counted as ``other``. Nothing is lost of the sums.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

OTHER = "other"

MOST_VALUES = 200
"""Distinct values of one label."""

MOST_SERIES = 2_000
"""Series of one family."""

LONGEST_VALUE = 80

NANO = 1_000_000_000

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's name, what it means, and the names of its labels.

    ``nano`` says that what is added are billionths of the unit in the name, which keeps money
    exact.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    nano: bool = False


@dataclass(slots=True)
class _Bounded:
    """Finds the series that a set of labels is counted in."""

    family: Family
    _ways: dict[Labels, Labels] = field(default_factory=dict)
    _values: tuple[set[str], ...] = ()
    _series: set[Labels] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._values = tuple(set() for _ in self.family.labels)

    def of(self, labels: Labels) -> Labels:
        """The labels under which these are counted."""
        assert len(labels) == len(self.family.labels), self.family.name
        kept = tuple(map(self._kept, self._values, labels))
        if kept not in self._series:
            if len(self._series) >= MOST_SERIES:
                kept = (OTHER,) * len(labels)
            self._series.add(kept)
        return kept

    def _kept(self, known: set[str], value: str) -> str:
        value = plain(value)
        if value in known:
            return value
        if len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value


def plain(value: str) -> str:
    """A label's value: printable, and not long."""
    short = value[:LONGEST_VALUE]
    return short if short.isprintable() else "".join(c if c.isprintable() else "_" for c in short)


class Counter:
    """Sums that only grow, one a set of labels."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._bounded = _Bounded(family)
        self._sums: dict[Labels, int] = {}

    def add(self, labels: Labels = (), amount: int = 1) -> None:
        """Count ``amount`` more."""
        sums = self._sums
        if labels in sums:
            sums[labels] += amount
        else:
            kept = self._bounded.of(labels)
            sums[kept] = sums.get(kept, 0) + amount

    def samples(self) -> Iterator[tuple[Labels, float]]:
        """Each series with its sum, in the unit of its name."""
        unit = NANO if self.family.nano else 1
        for labels, total in list(self._sums.items()):
            # Of whole numbers, however large, this gives the nearest number there is.
            yield labels, total / unit


class Histogram:
    """How many observations were at most so large, one row a set of labels."""

    def __init__(self, family: Family, bounds: tuple[float, ...]) -> None:
        self.family = family
        self.bounds = bounds
        self._bounded = _Bounded(family)
        self._rows: dict[Labels, list[float]] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Count one observation. What is no number, or below zero, counts as zero."""
        row = self._rows.get(labels) or self._row(labels)
        if not value > 0:
            value = 0.0
        row[bisect_left(self.bounds, value)] += 1
        row[-1] += value

    def _row(self, labels: Labels) -> list[float]:
        kept = self._bounded.of(labels)
        row = self._rows.get(kept)
        if row is None:
            # One place a bound, one for what is above all of them, and the sum.
            row = self._rows[kept] = [0.0] * (len(self.bounds) + 2)
        return row

    def samples(self) -> Iterator[tuple[Labels, list[tuple[float, float]], float]]:
        """Each series: for each bound how many were at most that, and the sum of all."""
        for labels, row in list(self._rows.items()):
            *counts, total = list(row)
            below, seen = [], 0.0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                seen += count
                below.append((bound, seen))
            yield labels, below, total
