"""Where a request starts, by the configured rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rung.core.features import Features
from rung.core.plan import NO_ROUTE, Policy, Route
from rung.core.rules import Choice, Facts, Rule, choose
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

    @property
    def drawn(self) -> bool:
        """Whether it follows a rule that it was drawn for."""
        return any(each.chosen for each in self.route.drawn)


@dataclass(frozen=True, slots=True)
class Router:
    """The rules in their order, and the ladders they may send a request to."""

    rules: tuple[Rule, ...] = ()
    ladders: Mapping[str, Policy] | None = None

    def of(
        self, request: Request, seen: Features, policy: Policy, *, drawing: bool = True
    ) -> Routed:
        """What the first rule that matches makes of ``policy``; a pinned request follows none.

        Without ``drawing`` rules that have a share are left out. So are those that lead to a ladder
        where it may not go: nobody is drawn for nothing.
        """
        recognised = Recognised(request)
        if not self.rules or request.directions.tier is not None:
            return Routed(policy, recognised)
        rules = [
            rule
            for rule in self.rules
            if rule.match.share >= 1 or (drawing and self._leads(rule, request))
        ]
        choice = choose(rules, Facts(request, seen, policy.ladder, recognised))
        route = NO_ROUTE if recognised.found is None else _taken_for(recognised.found)
        if choice.drawn:
            chance = self._chance(choice, request, policy)
            route = replace(route, propensity=chance, drawn=choice.drawn, rule_chance=chance)
        return self._routed(choice.rule, request, Routed(policy, recognised, route))

    def _routed(self, rule: Rule | None, request: Request, plain: Routed) -> Routed:
        """What a rule makes of a request that is ``plain`` without it."""
        if rule is None:
            return plain
        route = replace(plain.route, rule=rule.name, entry=rule.entry, ceiling=rule.ceiling)
        policy = self._policy(rule, request, plain.policy)
        return Routed(policy, plain.task, route, rule.verify, rule.deadline_seconds)

    def _chance(self, choice: Choice, request: Request, policy: Policy) -> float:
        """The chance to be treated as it is: all but rules' names is compared."""
        plain = Routed(policy, Recognised(request))

        def treated(rule: Rule | None) -> Routed:
            made = self._routed(rule, request, plain)
            return replace(made, route=replace(made.route, rule=None))

        own = treated(choice.rule)
        same = [chance for rule, chance in choice.ways if treated(rule) == own]
        return 1.0 if len(same) == len(choice.ways) else sum(same)

    def _policy(self, rule: Rule, request: Request, policy: Policy) -> Policy:
        if rule.ladder is not None and self.ladders is not None and self._leads(rule, request):
            policy = self.ladders[rule.ladder]
        return policy if rule.stream is None else replace(policy, stream_mode=rule.stream)

    def _leads(self, rule: Rule, request: Request) -> bool:
        """Whether a request may go by the ladder of a rule, if it names one."""
        asked = request.directions
        if rule.ladder is None or self.ladders is None:
            return True
        if asked.ladder is not None or request.model.startswith(LADDER_PREFIX):
            return False
        allowed = asked.ladders is None or rule.ladder in asked.ladders
        return allowed and _goes_up_to(asked.ceiling, self.ladders[rule.ladder])


NO_RULES = Router()


def _goes_up_to(ceiling: str | None, policy: Policy) -> bool:
    """Whether a ladder has the ceiling that was asked for, if any was."""
    return ceiling is None or any(rung.tier == ceiling for rung in policy.rungs)


def _taken_for(found: Task) -> Route:
    return Route(category=found.category.value, difficulty=found.difficulty.value)
