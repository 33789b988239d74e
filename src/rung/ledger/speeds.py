"""How long calls took, as the ledger has it, and what was measured on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rung.core.speed import Timing
from rung.core.types import Fault, Phase
from rung.ledger.database import Connection, Row

PROBES = "rung:probe"
"""The ladder's name of calls that `rung probe` makes: no ladder of a configuration has such a one.
What these calls tell of a speed is stored apart, if it is."""

PROJECT = "rung probe"
"""What such calls are billed under."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One call of a tier. ``model`` is how the model called itself, ``None`` where it did not."""

    started_unix: float
    tier: str
    model: str | None
    timing: Timing


@dataclass(frozen=True, slots=True)
class Probed:
    """The calls of one probe of a tier, oldest first; ``model`` is the configured one."""

    created_unix: float
    tier: str
    model: str
    timings: tuple[Timing, ...]


def timed(connection: Connection, limit: int) -> Iterator[Timed]:
    """The newest calls that tell of a speed, newest first, of at most ``limit`` that are read."""
    for row in connection.named("timed", limit=max(limit, 0)):
        failed = row["failure_fault"]
        try:
            fault, phase = Fault(failed) if failed else None, Phase(row["phase"])
        except ValueError:
            continue  # a word of a newer version
        timing = timing_of(row, fault, phase)
        if timing is not None:
            yield Timed(row["started_unix"], row["tier"], row["model"], timing)


def timing_of(told: Mapping[str, Any] | Row, fault: Fault | None, phase: Phase) -> Timing | None:
    """What a call's figures say of a speed, ``None`` where they say nothing.

    An answer says how long it took; a call that ran out of time, that it would have taken longer.
    """
    spent = told["ended_at"] - told["started_at"]
    seconds = spent - min(spent, told["load_seconds"]) - told["queued_seconds"]
    first, read = told["first_token_seconds"], told["input_tokens"] - told["cache_read_tokens"]
    cut_off = fault is Fault.TIMEOUT and first is None
    if cut_off and phase not in {Phase.HEADERS, Phase.FIRST_TOKEN}:
        return None
    if not cut_off and (fault is not None or phase is not Phase.DONE or not told["output_tokens"]):
        return None
    timing = Timing(
        read_tokens=read,
        written_tokens=told["output_tokens"],
        seconds=max(0.0, seconds),
        first_token_seconds=None if first is None else min(first, max(0.0, seconds)),
        load_seconds=told["load_seconds"],
        cut_off=cut_off,
    )
    return timing if timing.sound else None


def probed(connection: Connection, limit: int) -> list[Probed]:
    """The newest probes, newest first; what cannot be read is passed over."""
    rows = connection.named("newest speeds", limit=max(limit, 0))
    found = (_probed(row) for row in rows)
    return [each for each in found if each is not None]


def add(connection: Connection, found: Probed, speed: Mapping[str, Any]) -> None:
    """Store a probe: its calls, and the speed that they come to."""
    told = {"speed": dict(speed), "timings": [asdict(each) for each in found.timings]}
    connection.named(
        "add to speeds",
        created_unix=found.created_unix,
        tier=found.tier,
        model=found.model,
        speed_json=json.dumps(told),
    )


def _probed(row: Row) -> Probed | None:
    try:
        timings = tuple(Timing(**each) for each in json.loads(row["speed_json"])["timings"])
        if not all(timing.sound for timing in timings):
            return None
    except (ValueError, TypeError, KeyError):
        return None
    return Probed(row["created_unix"], row["tier"], row["model"], timings)
