"""The ledger's front for requests: each outcome is counted, traced and logged as it is booked."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.telemetry import catalogue as names
from rung.telemetry.metrics import VERIFIED, Metrics, result
from rung.telemetry.panel import Sample

logger = logging.getLogger("rung.requests")
ledger_logger = logging.getLogger("rung.ledger")


class Book(Protocol):
    """Where outcomes are kept."""

    def append(self, outcome: Outcome) -> Awaitable[None]:
        """Store one outcome; returns when it is durable."""
        ...


@dataclass(slots=True)
class Watched:
    """A book that tells of what it is given. ``traced`` is told of each outcome too.

    ``waits`` says whether outcomes wait elsewhere until the book takes them.
    """

    book: Book
    metrics: Metrics
    traced: Callable[[Outcome], None] | None = None
    waits: Callable[[], bool] = bool
    clock: Callable[[], float] = time.perf_counter
    up: bool = field(default=True, init=False)

    async def append(self, outcome: Outcome) -> None:
        """As the book does it. What could not be written has happened, and is counted too."""
        began = self.clock()
        try:
            await self.book.append(outcome)
        except LedgerError as error:
            self._failed(error)
            raise
        else:
            self._written(self.clock() - began)
        finally:
            self._tell(outcome)

    def health(self) -> list[Sample]:
        """Whether the last outcome could be written, and none waits."""
        return [Sample(names.LEDGER_UP, (), float(self.up and not self.waits()))]

    def _tell(self, outcome: Outcome) -> None:
        self.metrics.note(outcome)
        if self.traced is not None:
            self.traced(outcome)
        if logger.isEnabledFor(logging.INFO):
            log(outcome)

    def _failed(self, error: LedgerError) -> None:
        self.metrics.count(names.LEDGER_FAILURES)
        if self.up:
            # Once: every request after it has the same to tell.
            told = {"event": "ledger_failed"}
            ledger_logger.error("the ledger cannot be written: %s", error.message, extra=told)
        self.up = False

    def _written(self, seconds: float) -> None:
        self.metrics.observe(names.LEDGER_SECONDS, seconds)
        if not self.up:
            ledger_logger.warning("the ledger is written again", extra={"event": "ledger_back"})
        self.up = True


def log(outcome: Outcome) -> None:
    """One line about a finished request."""
    request, used = outcome.request, [attempt.usage for attempt in outcome.attempts]
    served = None if outcome.served is None else outcome.attempts[outcome.served].tier
    last = outcome.attempts[-1].failure if outcome.attempts else None
    told = {
        "event": "request",
        "request_id": request.id,
        "conversation": request.conversation or None,
        "ladder": outcome.plan.ladder,
        "lane": request.directions.lane.value,
        "project": request.directions.project,
        "key": request.key,
        "tier": served,
        "attempts": len(outcome.attempts),
        "result": result(outcome),
        "verified": VERIFIED[outcome.verified],
        "fault": None if last is None else last.fault.value,
        "ended_by": outcome.ended_by.value,
        "phase": outcome.phase.value,
        "cost_nanousd": outcome.cost_nanousd,
        "input_tokens": sum(usage.input_tokens for usage in used),
        "output_tokens": sum(usage.output_tokens for usage in used),
        "seconds": round(outcome.seconds, 6),
    }
    logger.info("a request ended", extra=told)
