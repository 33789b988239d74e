"""Where gauges look: each source reads one part of rung at the moment somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rung.core.budgets import Budget
from rung.telemetry import catalogue as names
from rung.telemetry.panel import Sample, Source
from rung.telemetry.series import MOST_VALUES, NANO, plain
from rung.telemetry.spans import Model

if TYPE_CHECKING:
    from rung.ledger import Ledger


class Queue(Protocol):
    """Calls at a model that takes so many at once."""

    @property
    def places(self) -> int: ...

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...


def tiers(models: Mapping[str, Model], local: Iterable[str]) -> Source:
    """What each tier's name stands for."""
    near = frozenset(local)
    told = [
        Sample(names.TIER, (plain(tier), plain(each.model), str(tier in near).lower()), 1.0)
        for tier, each in models.items()
    ]
    return lambda: told[:MOST_VALUES]


def build(version: str) -> Source:
    """Which rung runs."""
    return lambda: (Sample(names.BUILD, (version,), 1.0),)


def queues(standing: Callable[[], Mapping[str, Queue]]) -> Source:
    """How many calls run and wait at tiers with slots."""

    def look() -> Iterator[Sample]:
        for tier, queue in list(standing().items())[:MOST_VALUES]:
            label = plain(tier)
            yield Sample(names.TIER_SLOTS, (label,), queue.places)
            yield Sample(names.TIER_CALLS, (label, "running"), queue.running)
            yield Sample(names.TIER_CALLS, (label, "waiting"), queue.waiting)

    return look


def breakers(is_open: Callable[[], Mapping[str, bool]]) -> Source:
    """Which tiers are left alone."""

    def look() -> Iterator[Sample]:
        for tier, refuses in list(is_open().items())[:MOST_VALUES]:
            yield Sample(names.BREAKER, (plain(tier),), float(refuses))

    return look


def waiting(ledger: Ledger) -> Source:
    """How many writes wait for the ledger, and how many outcomes beside it."""
    return lambda: (
        Sample(names.LEDGER_WAITING, (), ledger.waiting),
        Sample(names.LEDGER_SPOOLED, (), ledger.spooled),
    )


def size(file: Path) -> Source:
    """How large the ledger's file is, with the log beside it."""
    files = (file, file.with_name(f"{file.name}-wal"))

    def look() -> Iterator[Sample]:
        found = 0
        for each in files:
            with suppress(OSError):
                found += each.stat().st_size
        yield Sample(names.LEDGER_BYTES, (), found)

    return look


def budgets(configured: Sequence[Budget], ledger: Ledger) -> Source:
    """How budgets stand. Of one that many have each, as the one stands who has used most.

    So ten thousand keys with a budget each are one series. Blocks while the ledger is read.
    """

    def look() -> Iterator[Sample]:
        from rung.ledger.levels import standings

        with ledger.reading() as connection:
            found = list(standings(connection, configured[:MOST_VALUES], time.time()))
        for level in found:
            label = (plain(level.name),)
            yield Sample(names.BUDGET_CAP, label, level.cap_nanousd / NANO)
            yield Sample(names.BUDGET_SPENT, label, level.spent_nanousd / NANO)
            yield Sample(names.BUDGET_HELD, label, level.held_nanousd / NANO)

    return look
