"""What would be decided for a request, before any tier is called or any key is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from rung.config import Config
from rung.core.features import features
from rung.core.plan import Plan, Route, Terms
from rung.core.tasks import Task, task
from rung.core.types import Request
from rung.fittings import embeddings_policy, policy_of, rules_of
from rung.routing import Router, planned
from rung.runner import Tier
from rung.ways import Ways


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan for one request, and what the request was taken for."""

    request: Request
    made: Plan
    route: Route
    task: Task

    @property
    def entry(self) -> str | None:
        """The tier that would be called first."""
        return self.made.steps[0].tier if self.made.steps else None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "entry": self.entry,
            "ladder": self.made.ladder,
            "tiers": [step.tier for step in self.made.steps],
            "rule": self.route.rule,
            "category": self.task.category.value,
            "difficulty": self.task.difficulty.value,
            "because": list(self.task.why),
            "lane": self.request.directions.lane.value,
            "excluded": [{"tier": each.tier, "why": each.why} for each in self.made.excluded],
        }


def decider(config: Config) -> Decider:
    """What decides by this configuration. Needs no key and calls nothing."""
    file = config.file
    policies = {name: policy_of(name, table, config) for name, table in file.ladders.items()}
    # Ways asks of a tier only whether there is one of that name.
    tiers = cast("Mapping[str, Tier]", file.tiers)
    ways = Ways(tiers, policies, config.default_ladder, embeddings_policy(config))
    return Decider(ways, Router(rules_of(config), policies))


@dataclass(frozen=True, slots=True)
class Decider:
    """Plans requests as the gateway would, but for prices, checks and what was learnt."""

    ways: Ways
    router: Router

    def of(self, request: Request) -> Decision:
        """The decision. Raises RequestError for a ladder or tier that is none."""
        policy, pinned = self.ways.of(request)
        seen = features(request)
        routed = self.router.of(request, seen, policy)
        terms = Terms(
            pinned=pinned,
            route=routed.route,
            worst_costs=dict.fromkeys((rung.tier for rung in routed.policy.rungs), 0),
            stream=request.stream,
        )
        made = planned(seen, routed.policy, terms)
        return Decision(request, made, routed.route, task(request))
