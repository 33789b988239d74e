"""The decision: given a plan and what has happened so far, the one next action.

Laws, each held by a property test and checked exhaustively on small ladders:

* it always ends, and the same inputs always give the same action;
* it never steps down a ladder, never calls past the cost cap or the deadline;
* an answer with a failed gate is never accepted as verified, and one whose required gate did not
  pass is never accepted at all;
* where an answer passed its gates, the request ends by serving one that did;
* after bytes of an attempt have left, nothing else is called and nothing else is served;
* replaying a stored history under its own plan gives the actions that made it.

It reads from top to bottom: run the check that is due; see how the tier stands; look up what to try
there; take the first call that limits, time and money allow; else serve the best answer there is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from rung.core.evidence import (
    DRAWS,
    doubted,
    rejected,
    required,
    servable,
    undecided,
    unproven,
    votes,
)
from rung.core.plan import Plan, Step
from rung.core.types import Check, Fault, History, Kind, Status
from rung.core.vote import AGREEMENT

BACKOFF_SECONDS = 0.25
"""Longest wait before a first retry when the provider names none. It doubles with each retry, up to
the plan's ``max_wait_seconds``; jitter takes off up to half."""

MOST_DOUBLINGS = 16
"""Of that wait. No plan waits as long as the last of them."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tier after ``wait_seconds``, for at most ``timeout_seconds``.

    ``release`` allows the bytes to leave as they come: nothing can reject this answer any more.
    """

    tier: str
    kind: Kind
    timeout_seconds: float
    wait_seconds: float = 0.0
    release: bool = False


@dataclass(frozen=True, slots=True)
class Verify:
    """Run one check on the last attempt."""

    check: Check


@dataclass(frozen=True, slots=True)
class Accept:
    """Serve the attempt at ``index``.

    ``verified``: True proven, None nothing to prove it by, False flagged.
    """

    index: int
    verified: bool | None


class Exhaustion(StrEnum):
    """Why nothing more is tried."""

    TOP_REACHED = "top_reached"
    DEADLINE = "deadline"
    COST_CAP = "cost_cap"
    NO_TIER = "no_tier"


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nothing passed. ``best`` is the index of the least bad answer, ``None`` if there is none."""

    reason: Exhaustion
    best: int | None


Action = Call | Verify | Accept | Exhausted


class Standing(Enum):
    """How the tier called last stands, once its checks have run."""

    INTERRUPTED = auto()
    FAILED = auto()
    REJECTED = auto()
    UNPROVEN = auto()
    UNDECIDED = auto()
    DOUBTED = auto()
    GOOD = auto()


PASSES_BY_ITSELF = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.SERVER_ERROR,
        Fault.CUT_STREAM,
        Fault.INVALID_RESPONSE,
    }
)
"""Faults worth the same tier again. A refused connection or a time-out is not: the next tier
answers sooner."""

WAYS_ON: dict[Standing, tuple[Kind, ...]] = {
    Standing.INTERRUPTED: (Kind.RETRY,),
    Standing.FAILED: (),
    Standing.REJECTED: (Kind.REPAIR, Kind.SAMPLE),
    Standing.UNPROVEN: (Kind.SAMPLE,),
    Standing.UNDECIDED: (Kind.SAMPLE,),
    Standing.DOUBTED: (),
}
"""What to try at the same tier, in this order, before the tiers above."""

COUNTED: dict[Kind, frozenset[Kind]] = {
    Kind.RETRY: frozenset({Kind.RETRY}),
    Kind.REPAIR: frozenset({Kind.REPAIR}),
    Kind.SAMPLE: DRAWS,
}
"""Which attempts use up a limit. A retry stands in for the call that it repeats, which has been
counted already: a fault neither costs a repair or a draw, nor wins one."""


def next_action(plan: Plan, history: History) -> Action:
    """Decide what to do next. Pure: see the laws above."""
    if not history:
        return _onward(plan, history, -1, ())
    last = history[-1]
    index = _index(plan, last.tier)
    step = plan.steps[index]
    check = _next_check(step, history)
    if check is not None and not _late(plan, history):
        return Verify(check)
    if last.released:
        return _end_with(plan, history, len(history) - 1, _why_it_ends(plan, history))
    standing = _standing(plan, step, history)
    if standing is Standing.GOOD:
        return _settle(plan, history, (step,), _why_it_ends(plan, history))
    return _onward(plan, history, index, WAYS_ON[standing])


def _next_check(step: Step, history: History) -> Check | None:
    """The next check to run on the last attempt; gates stop at the first failure."""
    last = history[-1]
    if last.answer is None or rejected(step, last):
        return None
    done = {verdict.verifier for verdict in last.verdicts}
    for check in step.checks:
        too_early = check.name == AGREEMENT and undecided(step, history)
        if check.name not in done and not too_early:
            return check
    return None


def _standing(plan: Plan, step: Step, history: History) -> Standing:
    last = history[-1]
    if last.answer is None:
        passes = last.failure is not None and last.failure.fault in PASSES_BY_ITSELF
        return Standing.INTERRUPTED if passes else Standing.FAILED
    if rejected(step, last):
        return Standing.REJECTED
    if unproven(step, last):
        return Standing.UNPROVEN
    if undecided(step, history):
        return Standing.UNDECIDED
    chosen = servable(step, history)[-1]
    return Standing.DOUBTED if doubted(plan, step, history, chosen) else Standing.GOOD


# ------------------------------------------------------------------ where to go


def _onward(plan: Plan, history: History, index: int, ways: tuple[Kind, ...]) -> Action:
    """The first wanted call that time and money allow; without one, the end."""
    reason = _why_it_ends(plan, history)
    for place, kind, wait in _wanted(plan, history, index, ways):
        step = plan.steps[place]
        refusal = _refusal(plan, history, step, wait)
        if refusal is None:
            left = _deadline(plan) - _elapsed(history) - wait
            release = plan.stream and _cannot_be_rejected(plan, place)
            return Call(step.tier, kind, min(step.timeout_seconds, left), wait, release)
        reason = refusal
    return _settle(plan, history, plan.steps, reason)


def _wanted(
    plan: Plan, history: History, index: int, ways: tuple[Kind, ...]
) -> Iterator[tuple[int, Kind, float]]:
    """The calls worth making, best first: the tier's index, why it is called, the wait before."""
    for kind in ways:
        step = plan.steps[index]
        used = sum(a.tier == step.tier and a.kind in COUNTED[kind] for a in history)
        wait = _wait_seconds(plan, history, used) if kind is Kind.RETRY else 0.0
        if used < _limit(step, kind) and wait <= plan.max_wait_seconds:
            yield index, kind, wait
    for above in range(index + 1, len(plan.steps)):
        yield above, Kind.FIRST, 0.0


def _limit(step: Step, kind: Kind) -> int:
    limits = {Kind.RETRY: step.retries, Kind.REPAIR: step.repairs, Kind.SAMPLE: step.samples}
    return limits[kind]


def _refusal(plan: Plan, history: History, step: Step, wait: float) -> Exhaustion | None:
    """Why a call may not be made, if so."""
    # Not written as ">=", so that a deadline that is no number refuses.
    if not _elapsed(history) + wait < _deadline(plan):
        return Exhaustion.DEADLINE
    spent = sum(attempt.cost_nanousd for attempt in history)
    cap = plan.cost_cap_nanousd
    if cap is not None and spent + step.worst_cost_nanousd > cap:
        return Exhaustion.COST_CAP
    return None


def _cannot_be_rejected(plan: Plan, index: int) -> bool:
    """The commit point's rule: nothing to check, or only hygiene with no tier above to climb to."""
    step = plan.steps[index]
    top = index == len(plan.steps) - 1
    return not step.checks or (top and not required(step) and not votes(step))


# ------------------------------------------------------------------ how it ends


def _why_it_ends(plan: Plan, history: History) -> Exhaustion:
    """The reason to give when no further call was wanted."""
    if not plan.steps:
        return Exhaustion.NO_TIER
    return Exhaustion.DEADLINE if _late(plan, history) else Exhaustion.TOP_REACHED


def _settle(plan: Plan, history: History, steps: tuple[Step, ...], reason: Exhaustion) -> Action:
    """Serve the best answer that these tiers gave."""
    found = [index for step in steps for index in servable(step, history)]
    if not found:
        return Exhausted(reason, None)
    best = max(found, key=lambda index: _merit(plan, history, index))
    return _end_with(plan, history, best, reason)


def _end_with(plan: Plan, history: History, index: int, reason: Exhaustion) -> Action:
    """Serve this attempt's answer, unless it has none or a required gate stands against it."""
    attempt = history[index]
    step = plan.steps[_index(plan, attempt.tier)]
    if attempt.answer is None:
        return Exhausted(reason, None)
    if unproven(step, attempt):
        return Exhausted(reason, index)
    if rejected(step, attempt):
        return Accept(index, verified=False)
    return Accept(index, verified=True if required(step) else None)


def _merit(plan: Plan, history: History, index: int) -> tuple[bool, bool, bool, int, int]:
    """The order among answers when nothing more can be tried: proven first, then latest."""
    attempt = history[index]
    step = plan.steps[_index(plan, attempt.tier)]
    lacking = unproven(step, attempt)
    passed = sum(verdict.status is Status.PASSED for verdict in attempt.verdicts)
    return (
        not lacking,
        not rejected(step, attempt),
        not doubted(plan, step, history, index),
        passed if lacking else 0,
        index,
    )


# ------------------------------------------------------------------ place and time


def _index(plan: Plan, tier: str) -> int:
    for index, step in enumerate(plan.steps):
        if step.tier == tier:
            return index
    raise ValueError(f"the history names {tier!r}, which is not on the plan of {plan.ladder!r}")


def _deadline(plan: Plan) -> float:
    return float("inf") if plan.deadline_seconds is None else plan.deadline_seconds


def _elapsed(history: History) -> float:
    """Seconds since the request began, as far as the history knows; loading counts for nothing.

    A local model that has to load once must not use up the deadline of whoever came first. No
    call loaded for longer than it took, whatever a provider says.
    """
    if not history:
        return 0.0
    last = history[-1]
    loading = sum(min(attempt.load_seconds, attempt.seconds) for attempt in history)
    return max([last.ended_at, *(verdict.at for verdict in last.verdicts)]) - loading


def _late(plan: Plan, history: History) -> bool:
    return not _elapsed(history) < _deadline(plan)


def _wait_seconds(plan: Plan, history: History, used: int) -> float:
    """How long to wait before a retry: what the provider asked for, else a growing back-off."""
    failure = history[-1].failure
    if failure is not None and failure.retry_after_seconds is not None:
        return max(0.0, failure.retry_after_seconds)
    jitter = zlib.crc32(f"{plan.seed}/{len(history)}".encode()) / 2**32
    backoff = BACKOFF_SECONDS * 2.0 ** min(used, MOST_DOUBLINGS) * (1 - jitter / 2)
    return min(backoff, plan.max_wait_seconds)
