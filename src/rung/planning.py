"""From a request to its order: everybody who has a say in where it starts and how far it may go.

What a person set by name stands over rules, rules over what was learned. A conversation that sits
on a tier is not sent below it; the private lane and ceilings hold over everything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rung.core.bounds import tighter
from rung.core.breaker import RESTING, Refusal
from rung.core.errors import RequestError, RungError, UpstreamError
from rung.core.features import Features, beyond, features, may_keep_an_hour
from rung.core.guidance import NOTHING_TAUGHT, Known, Shrunk, Taught
from rung.core.outcome import Outcome
from rung.core.plan import (
    NO_LEAD,
    Lead,
    Plan,
    Policy,
    Route,
    StreamMode,
    Terms,
    plan,
    stream_mode,
)
from rung.core.types import MOST_CHOICES, Directions, Lane, Need, Request
from rung.core.verdicts import Check
from rung.experience import Experience
from rung.gates import Gates
from rung.guides import (
    Breakers,
    Compression,
    Conversations,
    Keys,
    Learned,
    Loops,
    Pace,
    Privacy,
    Projects,
)
from rung.orders import NO_PURSE, Order, Purse, retried
from rung.routing import NO_RULES, Routed, Router
from rung.verifiers.base import Verifier
from rung.ways import Ways, unknown

FEEDBACK_TOKENS = 2048
"""The most that a repair's account of what was wrong adds to its prompt."""

UNBOUNDED_OUTPUT_TOKENS = 4096
"""What an answer may cost is bounded by this many tokens when the caller sets no limit."""


class Refreshing(Protocol):
    """Knows what the ledger teaches."""

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        ...

    def refresh(self) -> None:
        """Read the ledger. Blocks; raises LedgerError."""
        ...


@dataclass(frozen=True, slots=True)
class Guides:
    """Everybody who has a say beside the request itself and the ladder's own rules."""

    projects: Projects = field(default_factory=Projects)
    keys: Keys = field(default_factory=Keys)
    router: Router = NO_RULES
    experience: Experience = field(default_factory=lambda: Experience({}))
    conversations: Conversations = field(default_factory=Conversations)
    privacy: Privacy = field(default_factory=Privacy)
    compression: Compression = field(default_factory=Compression)
    learned: Learned = field(default_factory=Learned)
    pace: Pace = field(default_factory=Pace)
    breakers: Breakers = field(default_factory=Breakers)
    loops: Loops = field(default_factory=Loops)
    purse: Purse = NO_PURSE
    hearing: tuple[Refreshing, ...] = ()

    @property
    def refreshing(self) -> tuple[Refreshing, ...]:
        """Those who look into the ledger now and then."""
        return self.experience, self.learned, self.pace, *self.hearing

    def note(self, outcome: Outcome) -> None:
        """Tell everybody of a finished request."""
        self.experience.note(outcome.plan, outcome.attempts)
        self.conversations.note(outcome)
        self.learned.note(outcome)
        self.pace.note(outcome)
        self.keys.note(outcome)
        self.loops.note(outcome)


def as_it_is(verifier: Verifier) -> Verifier:
    """For faces whose callers bring no check that needs anything."""
    return verifier


@dataclass(slots=True)
class _Case:
    """A request with all that was found out of it before it is planned."""

    request: Request
    shrunk: Shrunk
    known: Known
    private: str
    seen: Features
    routed: Routed
    policy: Policy
    pinned: str | None
    seed: int

    @property
    def passing(self) -> bool:
        """Whether its bytes leave as they come."""
        return self.request.stream and stream_mode(self.policy, self.seen.needs) is StreamMode.PASS


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes orders. Calls nothing, writes nothing.

    ``equipped`` gives a check that a caller brought what it needs to run; ``may_retry`` counts a
    request in and says whether it may retry, ``retry`` does so for each retry when it is due.
    """

    ways: Ways
    gates: Gates
    guides: Guides
    secrets: tuple[str, ...]
    equipped: Callable[[Verifier], Verifier]
    may_retry: Callable[[], bool]
    retry: Callable[[], bool] = retried

    def entered(self, request: Request) -> Request:
        """The request within its project's and its key's limits, with its conversation's key.

        Raises RequestError beyond those limits.
        """
        guides = self.guides
        return guides.conversations.named(guides.keys.applied(guides.projects.applied(request)))

    def order(self, request: Request, extra: tuple[Verifier, ...] = ()) -> Order:
        """Plan a request that has entered.

        Raises RequestError for what cannot be served, UpstreamError for what cannot be now.
        """
        drafted = self.draft(request, extra)
        if drafted.plan.private:
            # Not only when it has ended: others of its session may run beside it.
            self.guides.conversations.keep_here(drafted.request)
        if not drafted.plan.steps:
            tiers = [each.tier for each in drafted.plan.excluded]
            raise nowhere(drafted.plan, self.guides.breakers.of(tiers))
        return drafted

    def draft(self, request: Request, extra: tuple[Verifier, ...] = ()) -> Order:
        """As `order`, also where no tier can serve it. Raises RequestError for names of nothing."""
        case = self._case(request)
        drafted = self._drafted(case, extra)
        if drafted.plan.steps or not case.routed.drawn:
            return drafted
        # To be drawn is no reason to be refused what others are served.
        return self._drafted(self._case(request, drawing=False), extra)

    def _drafted(self, case: _Case, extra: tuple[Verifier, ...]) -> Order:
        request, policy, seen = case.request, case.policy, case.seen
        taught = self.guides.learned.of(policy, request, seen, case.routed.task, case.seed)
        brought = tuple(self.equipped(each) for each in extra)
        listed = self.gates.of(
            request, policy.ladder, brought, case.routed.verify, watching=case.passing
        )
        terms = self._terms(case, listed.checks, self._route(case, taught))
        return Order(
            request=request,
            plan=self._planned(case, terms, taught),
            input_tokens=seen.input_tokens,
            tiers=self.ways.tiers,
            verifiers=listed.verifiers,
            secrets=self.secrets,
            sent=case.shrunk.request,
            spared_tokens=case.shrunk.spared_tokens,
            traits=taught.traits,
            warm_tokens=case.known.prompt_tokens,
            keeps=self.guides.privacy.keeps,
            may_retry=self.retry,
            purse=self.guides.purse,
        )

    def _planned(self, case: _Case, terms: Terms, taught: Taught) -> Plan:
        """The plan, with the chance that it had of starting where it does.

        That is 1 where the draw did not decide it: where it would start at the same tier had the
        draw gone the other way.
        """
        made = plan(case.seen, case.policy, terms)
        if taught.lead.propensity == 1:
            return made
        route = self._route(case, replace(taught, lead=taught.other))
        other = _entry(plan(case.seen, case.policy, replace(terms, route=route)))
        if other == _entry(made):
            return made
        chance = made.route.rule_chance * taught.lead.propensity
        return replace(made, route=replace(made.route, propensity=chance, other=other))

    def _case(self, request: Request, *, drawing: bool = True) -> _Case:
        guides = self.guides
        policy, pinned = self.ways.of(request)
        seed = zlib.crc32(request.id.encode())
        known = guides.conversations.known(request)
        private = guides.privacy.of(request, known)
        if private and not request.directions.private:
            # So that whoever makes another request of it makes a private one: judges, audits.
            request = replace(request, directions=replace(request.directions, private=True))
        seen = features(request)
        routed = guides.router.of(request, seen, policy, drawing=drawing)
        policy = guides.experience.of(routed.policy, seed)
        shrunk = guides.compression.of(request) if policy.compress else Shrunk(request)
        if shrunk.spared_tokens:
            seen = features(shrunk.request)
        return _Case(request, shrunk, known, private, seen, routed, policy, pinned, seed)

    def _terms(self, case: _Case, checks: tuple[Check, ...], route: Route) -> Terms:
        asked, policy = case.request.directions, case.policy
        limit = tighter(policy.deadline_seconds, case.routed.deadline_seconds)
        if limit != policy.deadline_seconds:
            policy = replace(policy, deadline_seconds=limit)
        pace = self.guides.pace.of(policy, case.request, case.seen, case.known)
        costs, drafts = self._worst_costs(case.seen, policy, case.request)
        return Terms(
            checks=checks,
            worst_costs=costs,
            worst_drafts=drafts,
            stream=case.request.stream,
            may_retry=self.may_retry(),
            pinned=case.pinned,
            route=route,
            deadline_seconds=tighter(asked.deadline_seconds, case.routed.deadline_seconds),
            cost_cap_nanousd=asked.max_cost_nanousd,
            seed=case.seed,
            barred=_above(_ceiling(case), policy, self.ways) | _beyond_key(asked, policy),
            passed_over={**self._spared(case.request, policy), **pace.passed_over},
            resting={tier: each.why for tier, each in self._resting(policy).items()},
            expected=pace.expected,
            private=case.private,
            patient=asked.lane is not Lane.INTERACTIVE,
        )

    def _spared(self, request: Request, policy: Policy) -> Mapping[str, str]:
        """The tiers that are left out to save money."""
        purse = self.guides.purse
        if not purse.spares:
            return {}
        tiers = {rung.tier: self.ways.tiers[rung.tier] for rung in policy.rungs}
        return purse.passed_over(request, tiers)

    def _resting(self, policy: Policy) -> Mapping[str, Refusal]:
        return self.guides.breakers.of([rung.tier for rung in policy.rungs])

    def _route(self, case: _Case, taught: Taught) -> Route:
        """Where it starts: by a rule, else by what was learned; never below its conversation."""
        route, tiers = case.routed.route, [rung.tier for rung in case.policy.rungs]
        stay = self.guides.conversations.lead(case.known, case.request, case.policy, case.seen)
        if taught is not NOTHING_TAUGHT:
            route = replace(
                route,
                category=route.category or taught.category,
                difficulty=route.difficulty or taught.difficulty,
            )
        if taught.lead is not NO_LEAD and route.entry is None and case.pinned is None:
            route = started(replace(route, why=taught.lead.why), taught.lead, tiers)
        return started(route, stay, tiers)

    def _worst_costs(
        self, seen: Features, policy: Policy, request: Request
    ) -> tuple[Mapping[str, int] | None, Mapping[str, int] | None]:
        """The most that a call can cost by tier, and what a draft it is shown can add."""
        caps = [policy.cost_cap_nanousd, request.directions.max_cost_nanousd]
        caps += [rung.most_spent_nanousd for rung in policy.rungs]
        if all(cap is None for cap in caps):
            return None, None
        limit = request.sampling.max_tokens
        written = UNBOUNDED_OUTPUT_TOKENS if limit is None else limit
        if Need.MANY_CHOICES in request.needs:
            written *= MOST_CHOICES
        read, hour = seen.most_input_tokens, may_keep_an_hour(request.body)
        odd = beyond(request)
        costs, drafts = {}, {}
        for rung in policy.rungs:
            worst = self.ways.tiers[rung.tier].pricer.worst_cost
            costs[rung.tier] = worst(read, written, rung.timeout_seconds, hour=hour, beyond=odd)
            longer = read + written + FEEDBACK_TOKENS
            shown = worst(longer, written, rung.timeout_seconds, hour=hour, beyond=odd)
            drafts[rung.tier] = shown - costs[rung.tier]
        return costs, drafts


def started(route: Route, lead: Lead, tiers: Sequence[str]) -> Route:
    """The route with a higher entry, if one is proposed, but none above its ceiling."""
    if lead.entry is not None and _place(lead.entry, tiers) > _place(route.entry, tiers):
        route = replace(route, entry=lead.entry, why=lead.why)
    if route.ceiling in tiers and _place(route.entry, tiers) > _place(route.ceiling, tiers):
        return replace(route, entry=route.ceiling)
    return route


def _entry(made: Plan) -> str | None:
    """The tier that is called first."""
    return made.steps[0].tier if made.steps else None


def _place(tier: str | None, tiers: Sequence[str]) -> int:
    return tiers.index(tier) if tier in tiers else -1


def _ceiling(case: _Case) -> str | None:
    """The caller's; none for embeddings, which one tier alone makes, on no ladder."""
    return None if Need.EMBEDDINGS in case.seen.needs else case.request.directions.ceiling


def _beyond_key(asked: Directions, policy: Policy) -> dict[str, str]:
    """The tiers that the key of a request may not go to."""
    if asked.tiers is None:
        return {}
    outside = [rung.tier for rung in policy.rungs if rung.tier not in asked.tiers]
    return dict.fromkeys(outside, "the key of the request may not go there")


def _above(ceiling: str | None, policy: Policy, ways: Ways) -> dict[str, str]:
    """The tiers above the ceiling that the caller set. Raises RequestError where it is none."""
    if ceiling is None:
        return {}
    if ceiling not in ways.tiers:
        raise unknown("tier", ceiling, ways.tiers)
    tiers = [rung.tier for rung in policy.rungs]
    if ceiling not in tiers:
        said = f"the ceiling {ceiling!r} does not stand on ladder {policy.ladder!r}."
        raise RequestError(said, param="ceiling", code="tier_not_on_ladder")
    above = tiers[tiers.index(ceiling) + 1 :]
    return dict.fromkeys(above, f"it is above the ceiling asked for, {ceiling}")


def nowhere(made: Plan, resting: Mapping[str, Refusal]) -> RungError:
    """Why no tier can serve the request, tier by tier. ``resting`` tiers can be asked later."""
    whys = "; ".join(f"{each.tier}: {each.why}" for each in made.excluded)
    if any(each.why.startswith(RESTING) for each in made.excluded):
        said = f"No tier of ladder {made.ladder!r} is called now ({whys})."
        wait = min((each.seconds for each in resting.values()), default=0.0)
        return UpstreamError(said, status=503, retry_after_seconds=wait)
    if made.private and any("the request is private" in each.why for each in made.excluded):
        return RequestError(
            f"The request is private ({made.private}), and no tier of ladder {made.ladder!r} that "
            f"it may go to is on this machine. Nothing was sent. ({whys})",
            status=403,
            code="private_no_local_tier",
            fix="add a local tier to the ladder, or do without a pin to one that is not",
        )
    return RequestError(
        f"No tier of ladder {made.ladder!r} can serve this request ({whys}).", code="no_tier_fits"
    )
