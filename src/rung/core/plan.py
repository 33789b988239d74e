"""Plans: a ladder's policy applied to one request, and the pure function that applies it.

A plan is all that the engine needs beside the history. It names tiers and checks, never holds
them, so it can be stored with the outcome and replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rung.core.bounds import tighter
from rung.core.calibration import Calibration
from rung.core.checklist import in_order
from rung.core.draws import Drawn, draw
from rung.core.features import Features
from rung.core.types import Need
from rung.core.verdicts import Check, Weight
from rung.core.vote import AGREEMENT, PLAIN_VOTE, Vote

TOOL_CALLS = "tool_calls"
"""The name of the gate on tool calls: the only required check that looks at no text."""


class StreamMode(StrEnum):
    """When bytes of a stream may leave.

    HOLD: once the answer is verified. TOOLS: text as it comes, once it is longer than a preamble;
    tool calls once they are verified. PASS: at once, with the gates that the request itself implies
    only watching. Checks that somebody asked for hold in every mode.
    """

    HOLD = "hold"
    TOOLS = "tools"
    PASS = "pass"  # noqa: S105 no secret


class OnExhausted(StrEnum):
    """What happens to a request that no tier passed."""

    INBOX = "inbox"
    BEST = "best"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a call is expected to take: seconds to the first token, and to the end."""

    first_token_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tier's place on a plan, with what may be spent on it.

    ``worst_cost_nanousd`` bounds the price of one call for this request, ``worst_draft_nanousd``
    what it costs more where it is shown a draft. ``samples`` is the most answers to draw here: with
    a required gate the first that passes wins, without one they vote.
    ``carry`` says that it is shown the draft of the tier below and what was wrong with it.
    ``calibration`` turns signals into P(right); without one they are taken as they are.
    ``min_confidence`` is what its answers need, ``None``: what the plan says.
    ``most_spent_nanousd``: it is not called first once the request has cost more than that.
    ``reach`` (0..1) is the chance with which it was on the plan, as far as that was drawn.
    """

    tier: str
    checks: tuple[Check, ...] = ()
    worst_cost_nanousd: int = 0
    timeout_seconds: float = 120.0
    retries: int = 1
    repairs: int = 0
    samples: int = 1
    vote: Vote = PLAIN_VOTE
    carry: bool = False
    calibration: Calibration | None = None
    worst_draft_nanousd: int = 0
    expected: Expected | None = None
    min_confidence: float | None = None
    most_spent_nanousd: int | None = None
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Excluded:
    """A tier of the ladder that is not on this request's plan, and why.

    ``reach`` (0..1) is the chance with which it was on the plan: below 1 where a draw left it out.
    """

    tier: str
    why: str
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request starts and how high it may go, and by which rule.

    ``category`` and ``difficulty`` are what it was taken for, empty where nothing asked. ``why``
    says why it starts there where no rule said so; ``propensity`` (0..1) is the chance that it had
    of starting there: 1 unless it was drawn. Then ``other`` is where it would have started else.
    ``drawn`` are the draws of rules that have a share, and ``rule_chance`` is the part that they
    have in ``propensity``: the chance of following the rule that it follows, or none.
    """

    rule: str | None = None
    entry: str | None = None
    ceiling: str | None = None
    category: str = ""
    difficulty: str = ""
    why: str = ""
    propensity: float = 1.0
    other: str | None = None
    drawn: tuple[Drawn, ...] = ()
    rule_chance: float = 1.0


NO_ROUTE = Route()


@dataclass(frozen=True, slots=True)
class Lead:
    """A proposal of where to start, with its reason; ``None`` proposes nothing.

    ``propensity`` (0..1) is the chance with which this proposal was drawn.
    """

    entry: str | None = None
    why: str = ""
    propensity: float = 1.0


NO_LEAD = Lead()


@dataclass(frozen=True, slots=True)
class Plan:
    """The policy applied to one request.

    ``min_confidence`` is the score (0..1) below which a signal climbs, where its tier names no
    other. ``max_wait_seconds`` bounds the wait before a retry: a provider that asks for more is
    skipped. ``seed`` makes the jitter of
    waits a function of the plan. ``stream`` says that the caller waits for bytes as they come.
    ``private`` is the reason why no tier beyond this machine may be called, empty without one.
    ``patient``: after the deadline nothing more is begun, but what runs may end. A call without a
    sign of life after ``hedge_seconds`` gets the next tier asked beside it.
    No tier stands on it twice: histories name tiers, and going up one must mean going on.
    """

    ladder: str
    steps: tuple[Step, ...]
    stream: bool = False
    stream_mode: StreamMode = StreamMode.HOLD
    cost_cap_nanousd: int | None = None
    deadline_seconds: float | None = None
    on_exhausted: OnExhausted = OnExhausted.INBOX
    min_confidence: float = 0.5
    max_wait_seconds: float = 5.0
    seed: int = 0
    excluded: tuple[Excluded, ...] = ()
    route: Route = NO_ROUTE
    private: str = ""
    patient: bool = False
    hedge_seconds: float | None = None

    def __post_init__(self) -> None:
        tiers = [step.tier for step in self.steps]
        if len(set(tiers)) < len(tiers):
            raise ValueError(f"a tier stands twice on the plan of {self.ladder!r}: {tiers}")

    def step(self, tier: str) -> Step | None:
        """The place of a tier, ``None`` where it is not on the plan."""
        for step in self.steps:
            if step.tier == tier:
                return step
        return None

    def needed(self, step: Step) -> float:
        """The confidence (0..1) below which an answer of this place climbs."""
        return self.min_confidence if step.min_confidence is None else step.min_confidence

    @property
    def reach(self) -> float:
        """The chance (0..1) with which it goes as high as it does, as far as that was drawn.

        The share of requests like this one whose plans end at the same tier, for weighting.
        """
        drawn = [each.reach for each in self.excluded if each.reach < 1]
        return min((step.reach for step in self.steps), default=1.0) - max(drawn, default=0.0)


@dataclass(frozen=True, slots=True)
class Rung:
    """What planning has to know of a configured tier.

    ``context_tokens`` is its window, ``lacks`` what it cannot do at all. ``local``: it is on this
    machine or network. ``min_confidence`` and ``most_spent_nanousd`` are as on a `Step`.
    ``reach`` (0..1) is the share of requests that may climb to it. One draw a request decides for
    all tiers: the share that may climb to one is the least reach up to there. Where a plan begins
    is not drawn.
    """

    tier: str
    context_tokens: int | None = None
    lacks: frozenset[Need] = frozenset()
    timeout_seconds: float = 120.0
    retries: int = 1
    repairs: int = 0
    samples: int = 1
    carry: bool = False
    calibration: Calibration | None = None
    local: bool = False
    min_confidence: float | None = None
    most_spent_nanousd: int | None = None
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """A ladder's rules as data, before any request is seen.

    ``stream_mode`` of ``None`` is TOOLS for requests that offer tools, HOLD for all others.
    ``compress``: new results of tools are shortened where nothing is lost.
    """

    ladder: str
    rungs: tuple[Rung, ...]
    stream_mode: StreamMode | None = None
    on_exhausted: OnExhausted = OnExhausted.INBOX
    min_confidence: float = 0.5
    vote: Vote = PLAIN_VOTE
    max_wait_seconds: float = 5.0
    deadline_seconds: float | None = None
    cost_cap_nanousd: int | None = None
    hedge_seconds: float | None = None
    compress: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What one request brings to its plan beside its features.

    ``worst_costs`` maps a tier to the most that one call of this request can cost there, in
    nano-dollars; a tier that is missing has no known bound and is left out under a cost cap.
    ``worst_drafts`` is what a draft that it is shown can add.
    ``may_retry`` is false while the process's retry budget is used up.
    ``barred`` are tiers that must not be called, ``passed_over`` those that should not: these are
    back on the plan where it would have no tier without them. ``resting`` are left alone for now,
    whatever that leaves. Each maps a tier to the reason.
    """

    checks: tuple[Check, ...] = ()
    worst_costs: Mapping[str, int] | None = None
    worst_drafts: Mapping[str, int] | None = None
    stream: bool = False
    may_retry: bool = True
    pinned: str | None = None
    route: Route = NO_ROUTE
    deadline_seconds: float | None = None
    cost_cap_nanousd: int | None = None
    seed: int = 0
    barred: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)
    resting: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Expected] = field(default_factory=dict)
    private: str = ""
    patient: bool = False


def plan(features: Features, policy: Policy, terms: Terms) -> Plan:
    """Apply ``policy`` to one request: which tiers are on its way, within which limits.

    What only should not be called is, where nothing else could be: a reason to start elsewhere is
    none to serve nothing.
    """
    made = _plan(features, policy, terms)
    if made.steps or not (terms.passed_over or terms.route.entry):
        return made
    route = replace(terms.route, entry=None, why="")
    return _plan(features, policy, replace(terms, route=route, passed_over={}))


def _plan(features: Features, policy: Policy, terms: Terms) -> Plan:
    cap = tighter(policy.cost_cap_nanousd, terms.cost_cap_nanousd)
    deadline = tighter(policy.deadline_seconds, terms.deadline_seconds)
    # Text alone cannot tell two answers apart that may be calls.
    vote = None if Need.TOOLS in features.needs else policy.vote
    checks = in_order(terms.checks)
    steps: dict[str, Step] = {}
    excluded: list[Excluded] = []
    barred = _barred(policy, terms)
    reach = 1.0
    for rung in policy.rungs:
        reach = min(reach, rung.reach) if steps else 1.0
        why = barred.get(rung.tier) or _why_not(rung, features, terms, cap)
        if rung.tier in steps:
            why = "it stands lower on the ladder already"
        if why is not None:
            excluded.append(Excluded(rung.tier, why))
        elif reach < 1 and draw("reach", terms.seed) >= reach:
            why = f"{100 * reach:.3g}% of requests may climb to it, and this one was not drawn"
            excluded.append(Excluded(rung.tier, why, reach))
        else:
            steps[rung.tier] = _step(rung, terms, checks, vote, reach)
    return Plan(
        ladder=policy.ladder,
        steps=tuple(steps.values()),
        stream=terms.stream,
        stream_mode=stream_mode(policy, features.needs),
        cost_cap_nanousd=cap,
        deadline_seconds=deadline,
        on_exhausted=policy.on_exhausted,
        min_confidence=policy.min_confidence,
        max_wait_seconds=policy.max_wait_seconds,
        seed=terms.seed,
        excluded=tuple(excluded),
        route=terms.route,
        private=terms.private,
        patient=terms.patient,
        hedge_seconds=None if terms.patient else policy.hedge_seconds,
    )


def _barred(policy: Policy, terms: Terms) -> Mapping[str, str]:
    """The tiers that are not to be called, and why. Neither entry nor speed holds for a pin."""
    route, tiers = terms.route, [rung.tier for rung in policy.rungs]
    found: dict[str, str] = {}
    by = "" if route.rule is None else f" of {route.rule}"
    if terms.pinned is None and route.entry in tiers:
        why = route.why or f"it is below the entry{by}, {route.entry}"
        found |= dict.fromkeys(tiers[: tiers.index(route.entry)], why)
    if terms.pinned is None and route.ceiling in tiers:
        above = tiers[tiers.index(route.ceiling) + 1 :]
        found |= dict.fromkeys(above, f"it is above the ceiling{by}, {route.ceiling}")
    soft = terms.passed_over if terms.pinned is None else {}
    return {**found, **soft, **terms.barred}


def stream_mode(policy: Policy, needs: frozenset[Need]) -> StreamMode:
    """The policy's own, else what fits the request: agents want to see text while it is written."""
    if policy.stream_mode is not None:
        return policy.stream_mode
    return StreamMode.TOOLS if Need.TOOLS in needs else StreamMode.HOLD


def _step(
    rung: Rung, terms: Terms, checks: tuple[Check, ...], vote: Vote | None, reach: float
) -> Step:
    """One tier's place. ``vote`` is how several answers are compared, if they are."""
    if rung.samples > 1 and vote and all(c.weight is not Weight.REQUIRED for c in checks):
        checks = in_order((*checks, Check(AGREEMENT, Weight.SIGNAL)))
    return Step(
        tier=rung.tier,
        checks=checks,
        worst_cost_nanousd=(terms.worst_costs or {}).get(rung.tier, 0),
        timeout_seconds=rung.timeout_seconds,
        retries=rung.retries if terms.may_retry else 0,
        repairs=rung.repairs,
        samples=rung.samples,
        vote=vote or PLAIN_VOTE,
        carry=rung.carry,
        calibration=_of_these(rung.calibration, checks),
        worst_draft_nanousd=(terms.worst_drafts or {}).get(rung.tier, 0),
        expected=terms.expected.get(rung.tier),
        min_confidence=rung.min_confidence,
        most_spent_nanousd=rung.most_spent_nanousd,
        reach=reach,
    )


def _of_these(known: Calibration | None, checks: tuple[Check, ...]) -> Calibration | None:
    """A calibration while a check is left that it was fitted on; else it would say one number."""
    if known is None or not known.signals:
        return known
    return known if any(check.name in known.signals for check in checks) else None


def _why_not(rung: Rung, features: Features, terms: Terms, cap: int | None) -> str | None:
    if terms.pinned is not None and rung.tier != terms.pinned:
        return f"the request is pinned to {terms.pinned}"
    if terms.private and not rung.local:
        return f"it is not on this machine, and the request is private: {terms.private}"
    if missing := features.needs & rung.lacks:
        return f"cannot carry {', '.join(sorted(missing))}"
    if rung.context_tokens is not None and features.total_tokens > rung.context_tokens:
        return (
            f"about {features.total_tokens} tokens do not fit its context of {rung.context_tokens}"
        )
    if cap is not None and rung.tier not in (terms.worst_costs or {}):
        return "no price is known for it, and the request has a cost cap"
    # Last: it is the reason only where there is no other, which would not pass with time.
    return terms.resting.get(rung.tier)
