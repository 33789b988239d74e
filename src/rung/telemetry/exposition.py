"""Metrics in the text that Prometheus and OpenMetrics scrapers read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from rung.telemetry.panel import Reading, Row
from rung.telemetry.series import Family, Labels

SUFFIX = "_total"


def exposed(reading: Reading, accept: str) -> tuple[bytes, str]:
    """The text and its media type, as ``accept`` asks for it. Blocks for some milliseconds."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(reading))
    ProcessCollector(registry=registry)
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # it asks for a version that is none
        encode, media_type = choose_encoder("")
    return encode(registry), media_type


class _Told(Collector):
    """One reading in the shape of the library."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Each family with its series; those without any are left out."""
        reading = self._reading
        for family, series in reading.counters.items():
            name = family.name.removesuffix(SUFFIX)
            yield _filled(CounterMetricFamily(name, family.help, labels=family.labels), series)
        for family, series in reading.gauges.items():
            yield _filled(GaugeMetricFamily(family.name, family.help, labels=family.labels), series)
        for family, rows in reading.histograms.items():
            yield _histogram(family, rows)


def _filled(
    metric: CounterMetricFamily | GaugeMetricFamily, series: Iterable[tuple[Labels, float]]
) -> Metric:
    for labels, value in series:
        metric.add_metric(labels, value)
    return metric


def _histogram(family: Family, rows: Iterable[Row]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for row in rows:
        below = [(_bound(bound), count) for bound, count in row.below]
        metric.add_metric(row.labels, buckets=below, sum_value=row.total)
    return metric


def _bound(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(bound)
