"""Where a request starts, by the configured rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rung.core.features import Features
from rung.core.plan import NO_ROUTE, Plan, Policy, Route, Terms, plan
from rung.core.rules import Facts, Rule, first
from rung.core.tasks import Task, task
from rung.core.types import Request
from rung.ways import LADDER_PREFIX


def planned(seen: Features, policy: Policy, terms: Terms) -> Plan:
    """The plan; where no tier from the entry up can serve the request, one without the entry.

    A rule says where to start. That nothing can be served there is no reason to serve nothing.
    """
    made = plan(seen, policy, terms)
    if made.steps or terms.route.entry is None:
        return made
    return plan(seen, policy, replace(terms, route=replace(terms.route, entry=None)))


@dataclass(frozen=True, slots=True)
class Routed:
    """A ladder's rules for one request, and what a rule adds to its own directions."""

    policy: Policy
    route: Route = NO_ROUTE
    verify: tuple[str, ...] = ()
    deadline_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Router:
    """The rules in their order, and the ladders they may send a request to."""

    rules: tuple[Rule, ...] = ()
    ladders: Mapping[str, Policy] | None = None

    def of(self, request: Request, seen: Features, policy: Policy) -> Routed:
        """What the first rule that matches makes of ``policy``; a pinned request follows none."""
        if not self.rules or request.directions.tier is not None:
            return Routed(policy)
        known: list[Task] = []

        def recognised() -> Task:
            if not known:
                known.append(task(request))
            return known[0]

        rule = first(self.rules, Facts(request, seen, policy.ladder, recognised))
        route = _taken_for(known[0]) if known else NO_ROUTE
        if rule is None:
            return Routed(policy, route)
        return Routed(
            self._policy(rule, request, policy),
            replace(route, rule=rule.name, entry=rule.entry, ceiling=rule.ceiling),
            rule.verify,
            rule.deadline_seconds,
        )

    def _policy(self, rule: Rule, request: Request, policy: Policy) -> Policy:
        named = request.directions.ladder is not None or request.model.startswith(LADDER_PREFIX)
        if rule.ladder is not None and not named and self.ladders is not None:
            policy = self.ladders[rule.ladder]
        return policy if rule.stream is None else replace(policy, stream_mode=rule.stream)


NO_RULES = Router()


def _taken_for(found: Task) -> Route:
    return Route(category=found.category.value, difficulty=found.difficulty.value)
