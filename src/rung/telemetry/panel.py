"""What somebody who asks how this process does gets to see: counters, histograms, gauges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rung.telemetry.catalogue import GAUGES
from rung.telemetry.metrics import Metrics
from rung.telemetry.series import Family, Labels


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a gauge, or of a counter that somebody else counts."""

    family: Family
    labels: Labels
    value: float


Source = Callable[[], Iterable[Sample]]
"""Looks something up when somebody asks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One series of a histogram: how many were at most each bound, and the sum of all."""

    labels: Labels
    below: tuple[tuple[float, float], ...]
    total: float


@dataclass(frozen=True, slots=True)
class Reading:
    """All of it at one moment, each family with its series."""

    counters: dict[Family, list[tuple[Labels, float]]]
    histograms: dict[Family, list[Row]]
    gauges: dict[Family, list[tuple[Labels, float]]]


@dataclass(slots=True)
class Panel:
    """Where parts of rung put what can be seen of them.

    ``live`` sources are asked on the event loop and are quick; ``stored`` ones may block, and are
    asked in a thread. A source that raises is left out, and counted by nobody: to be looked at must
    break nothing.
    """

    metrics: Metrics = field(default_factory=Metrics)
    live: list[Source] = field(default_factory=list)
    stored: list[Source] = field(default_factory=list)

    def read(self) -> Reading:
        """What is known on the event loop."""
        metrics = self.metrics
        reading = Reading(
            {each.family: list(each.samples()) for each in metrics.counters.values()},
            {
                each.family: [Row(labels, tuple(b), total) for labels, b, total in each.samples()]
                for each in metrics.histograms.values()
            },
            {family: [] for family in GAUGES},
        )
        add(reading, self.live)
        return reading


def add(reading: Reading, sources: Iterable[Source]) -> None:
    """Ask further sources."""
    for source in sources:
        try:
            found = list(source())
        except Exception:  # noqa: BLE001, S112 boundary: one that cannot be read hides no other
            continue
        for sample in found:
            counted = reading.counters if sample.family.name.endswith("_total") else reading.gauges
            counted.setdefault(sample.family, []).append((sample.labels, sample.value))
