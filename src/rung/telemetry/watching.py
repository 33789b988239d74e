"""What watches one assembly: its numbers, and its traces where somebody keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rung.config import Config
from rung.core.budgets import Budget
from rung.core.errors import ConfigError, Problem
from rung.core.money import from_usd
from rung.telemetry import sources
from rung.telemetry.booking import Watched
from rung.telemetry.panel import Panel
from rung.telemetry.spans import Model

if TYPE_CHECKING:
    from rung.ledger import Ledger
    from rung.telemetry.tracing import Traces

HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""Where OpenTelemetry's users keep what a collector wants to be told, keys among it."""


@dataclass(frozen=True, slots=True)
class Sights:
    """What can be looked at of running parts: tiers and which are local, queues, open breakers."""

    tiers: Mapping[str, Model]
    local: frozenset[str]
    queues: Callable[[], Mapping[str, sources.Queue]]
    refusing: Callable[[], Mapping[str, bool]]


@dataclass(slots=True)
class Watching:
    """Close it when what it watches has ended."""

    panel: Panel = field(default_factory=Panel)
    traces: Traces | None = None
    budgets: tuple[Budget, ...] = ()

    def over(self, ledger: Ledger, place: Path | str) -> Watched:
        """The same ledger as a book that is watched; ``place`` is where it is."""
        traced = None if self.traces is None else self.traces.note
        watched = Watched(ledger, self.panel.metrics, traced, lambda: ledger.spooled > 0)
        self.panel.live += [watched.health, sources.waiting(ledger)]
        if isinstance(place, Path):
            self.panel.stored.append(sources.size(place))
        if self.budgets:
            self.panel.stored.append(sources.budgets(self.budgets, ledger))
        return watched

    async def close(self) -> None:
        """Send what waits, for a while at most."""
        if self.traces is not None:
            await asyncio.to_thread(self.traces.close)


def watching(config: Config, sights: Sights, instance: str) -> Watching:
    """What watches the parts of a configuration in the process that ``instance`` names.

    Raises ConfigError where traces are to be sent and the packages for that are missing.
    """
    release = version("rung")
    caps = tuple(Budget(t.name, from_usd(t.usd), t.scope, t.of, t.per) for t in config.file.budgets)
    found = Watching(traces=_traces(config, sights, release, instance), budgets=caps)
    found.panel.live += [
        sources.build(release),
        sources.tiers(sights.tiers, sights.local),
        sources.queues(sights.queues),
        sources.breakers(sights.refusing),
    ]
    if found.traces is not None:
        found.panel.live.append(found.traces.counts)
    return found


def _traces(config: Config, sights: Sights, release: str, instance: str) -> Traces | None:
    table = config.file.telemetry
    if table.otlp_endpoint is None:
        return None
    try:
        from rung.telemetry import tracing
    except ImportError as error:
        said = f"traces need OpenTelemetry's packages ({error.name} is missing)."
        fix = "pip install 'rung[otel]', or take the line out"
        raise ConfigError([Problem("telemetry.otlp_endpoint", said, fix)]) from None
    return tracing.Traces(
        tracing.sending(table.otlp_endpoint, headers_of(config)),
        tracing.Origin(table.service_name, release, instance, sights.tiers),
        share=table.sample,
        near=tracing.near(table.otlp_endpoint),
    )


def headers_of(config: Config) -> dict[str, str]:
    """The headers of the environment for a collector: ``name=value,...``, percent-encoded."""
    given = next(filter(None, map(config.secret, HEADERS)), "")
    pairs = (pair.partition("=") for pair in given.split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs if value}
