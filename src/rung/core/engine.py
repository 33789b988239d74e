"""The decision: given a plan and what has happened so far, the one next action.

Laws, each held by a property test and checked exhaustively on small ladders:

* it always ends, and the same inputs always give the same action;
* it never steps down a ladder, never calls past the cost cap or the deadline;
* it goes up to no tier on which it gives up once so much has been spent;
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
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from rung.core.evidence import (
    DRAWS,
    doubted,
    mendable,
    proven,
    rejected,
    servable,
    undecided,
    unproven,
    votes,
)
from rung.core.limits import loading_seconds, spent_nanousd
from rung.core.plan import Plan, Step
from rung.core.release import Release, release, watched
from rung.core.types import Fault, History, Kind
from rung.core.verdicts import Check, Status
from rung.core.vote import AGREEMENT

BACKOFF_SECONDS = 0.25
"""Longest wait before a first retry when the provider names none. It doubles with each retry, up to
the plan's ``max_wait_seconds``; jitter takes off up to half."""

MOST_DOUBLINGS = 16
"""Of that wait. No plan waits as long as the last of them."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tier after ``wait_seconds``, for at most ``timeout_seconds``.

    ``release`` says what may leave as it comes. ``watched`` names the checks that may end the call
    as soon as they see that the answer cannot pass any more. ``hedge`` is whom to ask beside it.
    """

    tier: str
    kind: Kind
    timeout_seconds: float
    wait_seconds: float = 0.0
    release: Release = Release.NOTHING
    watched: frozenset[str] = frozenset()
    hedge: Hedge | None = None


@dataclass(frozen=True, slots=True)
class Hedge:
    """Make this call too, where the other has given no sign of life after so many seconds."""

    after_seconds: float
    call: Call


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
    GAVE_UP = "gave_up"


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
    SPOILED = auto()
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
    Standing.SPOILED: (Kind.SAMPLE,),
    Standing.REJECTED: (Kind.REPAIR, Kind.SAMPLE),
    Standing.UNPROVEN: (Kind.SAMPLE,),
    Standing.UNDECIDED: (Kind.SAMPLE,),
    Standing.DOUBTED: (),
}
"""What to try at the same tier, in this order, before the tiers above. Only what was asked for can
be put right: an empty answer, one that was cut off or a loop would come again."""

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
    check = _next_check(plan, step, history)
    # Where nobody waits, an answer that came late is looked at like any other.
    if check is not None and (plan.patient or not _late(plan, history)):
        return Verify(check)
    if last.released:
        return _end_with(plan, history, len(history) - 1, _why_it_ends(plan, history))
    standing = _standing(plan, step, history)
    if standing is Standing.GOOD:
        return _settle(plan, history, (step,), _why_it_ends(plan, history))
    return _onward(plan, history, index, WAYS_ON[standing])


def _next_check(plan: Plan, step: Step, history: History) -> Check | None:
    """The next check to run on the last attempt; gates stop at the first failure."""
    last = history[-1]
    if last.answer is None or last.aborted or rejected(step, last):
        return None
    done = {verdict.verifier for verdict in last.verdicts}
    for check in step.checks:
        if check.name in done:
            continue
        if check.name != AGREEMENT or not undecided(plan, step, history):
            return check
    return None


def _standing(plan: Plan, step: Step, history: History) -> Standing:
    last = history[-1]
    if last.answer is None:
        passes = last.failure is not None and last.failure.fault in PASSES_BY_ITSELF
        return Standing.INTERRUPTED if passes else Standing.FAILED
    if mendable(step, last):
        return Standing.REJECTED
    if last.aborted or rejected(step, last):
        return Standing.SPOILED
    if unproven(step, last):
        return Standing.UNPROVEN
    if undecided(plan, step, history):
        return Standing.UNDECIDED
    chosen = servable(step, history)[-1]
    return Standing.DOUBTED if doubted(plan, step, history, chosen) else Standing.GOOD


# ------------------------------------------------------------------ where to go


def _onward(plan: Plan, history: History, index: int, ways: tuple[Kind, ...]) -> Action:
    """The first wanted call that time and money allow; without one, the end."""
    reason = _why_it_ends(plan, history)
    for place, kind, wait in _wanted(plan, history, index, ways):
        step = plan.steps[place]
        veto = _veto(plan, history, step, kind, wait)
        if veto is None:
            call = _called(plan, history, place, kind, wait)
            hedge = _hedge(plan, history, place) if kind is Kind.FIRST else None
            return call if hedge is None else replace(call, hedge=hedge)
        reason = veto
    return _settle(plan, history, plan.steps, reason)


def _called(plan: Plan, history: History, place: int, kind: Kind, wait: float) -> Call:
    step = plan.steps[place]
    left = _deadline(plan) - _elapsed(history) - wait
    return Call(
        tier=step.tier,
        kind=kind,
        # Where nobody waits, what has begun may end: cut off it would have been for nothing.
        timeout_seconds=step.timeout_seconds if plan.patient else min(step.timeout_seconds, left),
        wait_seconds=wait,
        release=release(plan, place),
        watched=watched(plan, history, place),
    )


def _hedge(plan: Plan, history: History, place: int) -> Hedge | None:
    """Whom to ask beside a tier that keeps silent: the next one, if both can be paid for."""
    after, above = plan.hedge_seconds, place + 1
    if after is None or above == len(plan.steps) or votes(plan.steps[place]):
        return None
    if plan.steps[above].most_spent_nanousd is not None:
        return None  # whether it may be called is known once the silent one has its price
    if not _elapsed(history) + after < _deadline(plan):
        return None
    cap, both = plan.cost_cap_nanousd, plan.steps[place : above + 1]
    worst = sum(_worst_cost(history, step, Kind.FIRST) for step in both)
    if cap is not None and spent_nanousd(history) + worst > cap:
        return None
    beside = _called(plan, history, above, Kind.FIRST, after)
    return Hedge(after, replace(beside, wait_seconds=0.0))


def _wanted(
    plan: Plan, history: History, index: int, ways: tuple[Kind, ...]
) -> Iterator[tuple[int, Kind, float]]:
    """The calls worth making, best first: the tier's index, why it is called, the wait before."""
    for kind in ways:
        step = plan.steps[index]
        used = sum(
            a.tier == step.tier and a.kind in COUNTED[kind] and not a.beside for a in history
        )
        wait = _wait_seconds(plan, history, used) if kind is Kind.RETRY else 0.0
        if used < _limit(step, kind) and wait <= plan.max_wait_seconds:
            yield index, kind, wait
    for above in range(index + 1, len(plan.steps)):
        yield above, Kind.FIRST, 0.0


def _limit(step: Step, kind: Kind) -> int:
    return {Kind.RETRY: step.retries, Kind.REPAIR: step.repairs, Kind.SAMPLE: step.samples}[kind]


def _veto(plan: Plan, history: History, step: Step, kind: Kind, wait: float) -> Exhaustion | None:
    """Why a call may not be made, if so."""
    # Not written as ">=", so that a deadline that is no number refuses.
    if not _elapsed(history) + wait < _deadline(plan):
        return Exhaustion.DEADLINE
    cap, most = plan.cost_cap_nanousd, step.most_spent_nanousd
    if cap is None and most is None:
        return None
    spent = spent_nanousd(history)
    if cap is not None and spent + _worst_cost(history, step, kind) > cap:
        return Exhaustion.COST_CAP
    enough = kind is Kind.FIRST and most is not None and spent > most
    return Exhaustion.GAVE_UP if enough else None


def _worst_cost(history: History, step: Step, kind: Kind) -> int:
    """The most that a call can cost, with the draft that it may be shown."""
    repaired = any(a.tier == step.tier and a.kind is Kind.REPAIR for a in history)
    shown = repaired or kind is Kind.REPAIR or (step.carry and bool(history))
    return step.worst_cost_nanousd + shown * step.worst_draft_nanousd


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
    alone = len(found) == 1
    best = found[0] if alone else max(found, key=lambda index: _merit(plan, history, index))
    return _end_with(plan, history, best, reason)


def _end_with(plan: Plan, history: History, index: int, reason: Exhaustion) -> Action:
    """Serve this attempt's answer, unless it has none or a required gate stands against it."""
    attempt = history[index]
    step = plan.steps[_index(plan, attempt.tier)]
    if attempt.answer is None or attempt.aborted:
        return Exhausted(reason, None)
    if unproven(step, attempt):
        return Exhausted(reason, index)
    if rejected(step, attempt):
        return Accept(index, verified=False)
    return Accept(index, verified=True if proven(step, attempt) else None)


def _merit(plan: Plan, history: History, index: int) -> tuple[bool, bool, bool, int, int]:
    """The order among answers when nothing more can be tried: proven first, then latest."""
    attempt = history[index]
    step = plan.steps[_index(plan, attempt.tier)]
    lacking = unproven(step, attempt)
    passed = sum(verdict.status is Status.PASSED for verdict in attempt.verdicts)
    return (
        not lacking,
        not rejected(step, attempt),
        not (doubted(plan, step, history, index) or undecided(plan, step, history)),
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

    A local model that has to load once must not use up the deadline of whoever came first.
    """
    if not history:
        return 0.0
    last = history[-1]
    ended = max([last.ended_at, *(verdict.at for verdict in last.verdicts)])
    return ended - loading_seconds(history)


def _late(plan: Plan, history: History) -> bool:
    return plan.deadline_seconds is not None and not _elapsed(history) < plan.deadline_seconds


def _wait_seconds(plan: Plan, history: History, used: int) -> float:
    """How long to wait before a retry: what the provider asked for, else a growing back-off."""
    failure = history[-1].failure
    if failure is not None and failure.retry_after_seconds is not None:
        return max(0.0, failure.retry_after_seconds)
    jitter = zlib.crc32(f"{plan.seed}/{len(history)}".encode()) / 2**32
    backoff = BACKOFF_SECONDS * 2.0 ** min(used, MOST_DOUBLINGS) * (1 - jitter / 2)
    return min(backoff, plan.max_wait_seconds)
