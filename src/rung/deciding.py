"""What would be decided for a request, before any tier is called or any key is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rung.assemble import gates_of, guides_of, pace_of, ways_of
from rung.config import Config
from rung.core.errors import LedgerError
from rung.core.plan import Plan, Route
from rung.core.tasks import Task, task
from rung.core.types import Request
from rung.ledger import Ledger
from rung.plan_account import route_json
from rung.planning import Planner, as_it_is
from rung.pricing import PriceBook
from rung.replies import why_not
from rung.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan for one request, and what the request was taken for."""

    request: Request
    made: Plan
    task: Task

    @property
    def route(self) -> Route:
        """Where it starts, and why."""
        return self.made.route

    @property
    def entry(self) -> str | None:
        """The tier that would be called first."""
        return self.made.steps[0].tier if self.made.steps else None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        expected = {step.tier: step.expected for step in self.made.steps if step.expected}
        return {
            "entry": self.entry,
            "ladder": self.made.ladder,
            "tiers": [step.tier for step in self.made.steps],
            **route_json(self.route),
            "category": self.task.category.value,
            "difficulty": self.task.difficulty.value,
            "because": list(self.task.why),
            "because_difficulty": list(self.task.why_difficulty),
            "why": self.route.why,
            "lane": self.request.directions.lane.value,
            "private": self.made.private or None,
            "conversation": self.request.conversation or None,
            "not_cached": why_not(self.request) or None,
            "expected": {
                tier: {
                    "first_token_seconds": round(each.first_token_seconds, 3),
                    "seconds": round(each.seconds, 3),
                }
                for tier, each in expected.items()
            },
            "excluded": [{"tier": each.tier, "why": each.why} for each in self.made.excluded],
        }


@contextmanager
def decider(config: Config) -> Iterator[Decider]:
    """What decides by this configuration and by what its ledger has taught, if there is one."""
    workshop = Workshop(config)
    ways = ways_of(config, workshop, PriceBook(now=lambda: datetime.now(UTC)))
    ledger = None
    with suppress(LedgerError):
        ledger = Ledger.open(config.ledger, create=False)
    guides = guides_of(ledger, ways, workshop, pace_of(ways, workshop, ledger))
    try:
        for each in guides.refreshing:
            with suppress(LedgerError):
                each.refresh()
        # What answers have to pass plays no part in where a request starts.
        gates = replace(gates_of(config, workshop), configured={}, by_ladder={})
        yield Decider(Planner(ways, gates, guides, (), as_it_is, lambda: True))
    finally:
        if ledger is not None:
            ledger.close()


@dataclass(frozen=True, slots=True)
class Decider:
    """Plans requests as the gateway would."""

    planner: Planner

    def of(self, request: Request) -> Decision:
        """The decision. Raises RequestError for a ladder or tier that is none."""
        request = self.planner.entered(request)
        asyncio.run(self.planner.guides.conversations.recall(request))
        drafted = self.planner.draft(request)
        return Decision(drafted.request, drafted.plan, task(request))
