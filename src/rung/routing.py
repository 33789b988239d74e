"""Where a request starts, by the configured rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rung.core.features import Features
from rung.core.plan import NO_ROUTE, Policy, Route
from rung.core.rules import Facts, Rule, first
from rung.core.tasks import Task, task
from rung.core.types import Request
from rung.ways import LADDER_PREFIX


class Recognised:
    """What one request asks for, recognised when it is wanted, and once."""

    __slots__ = ("_request", "found")

    def __init__(self, request: Request) -> None:
        self._request = request
        self.found: Task | None = None

    def __call__(self) -> Task:
        if self.found is None:
            self.found = task(self._request)
        return self.found


@dataclass(frozen=True, slots=True)
class Routed:
    """A ladder's rules for one request, and what a rule adds to its own directions.

    ``task`` recognises what is asked for.
    """

    policy: Policy
    task: Callable[[], Task]
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
        recognised = Recognised(request)
        if not self.rules or request.directions.tier is not None:
            return Routed(policy, recognised)
        rule = first(self.rules, Facts(request, seen, policy.ladder, recognised))
        route = NO_ROUTE if recognised.found is None else _taken_for(recognised.found)
        if rule is None:
            return Routed(policy, recognised, route)
        return Routed(
            self._policy(rule, request, policy),
            recognised,
            replace(route, rule=rule.name, entry=rule.entry, ceiling=rule.ceiling),
            rule.verify,
            rule.deadline_seconds,
        )

    def _policy(self, rule: Rule, request: Request, policy: Policy) -> Policy:
        asked = request.directions
        named = asked.ladder is not None or request.model.startswith(LADDER_PREFIX)
        free = not named and (asked.ladders is None or rule.ladder in asked.ladders)
        if rule.ladder is not None and free and self.ladders is not None:
            policy = self.ladders[rule.ladder]
        return policy if rule.stream is None else replace(policy, stream_mode=rule.stream)


NO_RULES = Router()


def _taken_for(found: Task) -> Route:
    return Route(category=found.category.value, difficulty=found.difficulty.value)
