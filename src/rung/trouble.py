"""A finished request without an answer, told in one message with the status that fits."""

from __future__ import annotations

from dataclasses import dataclass

from rung.core.engine import Exhausted
from rung.core.money import readable
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import Attempt, Fault, Phase
from rung.core.verdicts import Status

REFUSALS = frozenset({Fault.REJECTED, Fault.CONTEXT_TOO_LONG})
"""Faults that speak against the request itself."""

STATUS = {
    Fault.RATE_LIMITED: 429,
    Fault.OVERLOADED: 503,
    Fault.TIMEOUT: 504,
}
"""Which status tells a client the truth about a fault; all others are a bad gateway's 502."""

LASTING = frozenset({Fault.AUTH, Fault.BILLING, Fault.NOT_FOUND})
"""Faults that asking again does not mend."""

NO_MONEY = 402
NO_MONEY_CODE = "budget_exceeded"

MOST_TOLD = 6


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a face tells its caller. ``lasting`` says that asking again will not help."""

    status: int
    code: str
    message: str
    retry_after_seconds: float | None = None
    lasting: bool = False


def trouble(outcome: Outcome) -> Trouble | None:
    """Why an outcome has nothing to serve; ``None`` when it has."""
    if outcome.served is not None:
        return None
    return no_answer(outcome) if outcome.best is None else nothing_passed(outcome)


def no_answer(outcome: Outcome) -> Trouble:
    """Every tier failed to answer: what each said, and the last one's status."""
    failures = [a for a in outcome.attempts if a.failure is not None]
    reason = outcome.decision.reason if isinstance(outcome.decision, Exhausted) else "ended"
    told = "; ".join(
        f"{a.tier}: {a.failure.message.rstrip('.')}" for a in failures[-MOST_TOLD:] if a.failure
    )
    told = told or _too_tight(outcome.plan, reason)
    if not failures:
        status = 504 if reason == "deadline" else 402 if reason == "cost_cap" else 502
    else:
        status = _status([a for a in failures if not (_rests(a) or _unpaid(a))])
    if failures and all(_spent(attempt) for attempt in outcome.attempts):
        said = f"No tier was called: no budget leaves money for it ({told}).{_kept_here(outcome)}"
        return Trouble(NO_MONEY, NO_MONEY_CODE, said, lasting=True)
    waits = [
        a.failure.retry_after_seconds
        for a in failures
        if a.failure is not None and a.failure.retry_after_seconds is not None
    ]
    return Trouble(
        status,
        f"no_answer_{reason}",
        f"No tier gave an answer ({told}).{_kept_here(outcome)}",
        min(waits) if waits and status in {429, 503} else None,
        lasting=bool(failures) and all(a.failure.fault in LASTING for a in failures if a.failure),
    )


def _rests(attempt: Attempt) -> bool:
    """Whether it was not called, because its breaker is open."""
    failure = attempt.failure
    held_off = failure is not None and failure.fault is Fault.UNAVAILABLE
    return held_off and attempt.phase is Phase.PLAN


def _unpaid(attempt: Attempt) -> bool:
    """Whether it was not called, because nobody pays for it now."""
    return attempt.failure is not None and attempt.failure.fault is Fault.BUDGET


def _spent(attempt: Attempt) -> bool:
    """Whether that will be so for a while: money is spent, and not only held or uncounted."""
    failure = attempt.failure
    return _unpaid(attempt) and failure is not None and failure.retry_after_seconds is None


def _too_tight(plan: Plan, reason: str) -> str:
    """Why nothing was called."""
    cap, worst = plan.cost_cap_nanousd, [step.worst_cost_nanousd for step in plan.steps]
    if reason != "cost_cap" or cap is None or not worst:
        return "no tier could be called within the limits of the request"
    least, most = readable(min(worst)), readable(cap)
    return f"the cheapest call could cost up to {least}, and the cost cap is {most}"


def nothing_passed(outcome: Outcome) -> Trouble:
    """Answers came, none passed: what was wrong with the least bad one, and where it went."""
    best = outcome.best
    wrong = "; ".join(
        f"{v.verifier} {v.status.value}: {v.reason}"
        for v in (best.verdicts if best else ())
        if v.status is not Status.PASSED and v.score is None
    )
    tried = ", ".join(dict.fromkeys(a.tier for a in outcome.attempts if not _unpaid(a)))
    where = (
        f" It waits in the inbox as {outcome.request.id}: see `rung inbox list`."
        if outcome.inbox
        else f" See `rung explain {outcome.request.id}`."
    )
    message = f"No tier's answer passed ({wrong or 'stopped before it was checked'}). "
    beyond = f"{_unaffordable(outcome)}{_kept_here(outcome)}"
    return Trouble(422, "unverified", f"{message}Tried: {tried}.{beyond}{where}")


def _unaffordable(outcome: Outcome) -> str:
    """The tiers that could have been asked, had there been money."""
    unpaid = [a for a in outcome.attempts if _unpaid(a)]
    told = "; ".join(f"{a.tier}: {a.failure.message.rstrip('.')}" for a in unpaid if a.failure)
    return f" Not called: {told}." if told else ""


def _kept_here(outcome: Outcome) -> str:
    """That nothing of a private request was sent elsewhere, which is why so little was tried."""
    private = outcome.plan.private
    if not private:
        return ""
    return f" The request is private ({private}): only local tiers were asked, nothing left."


def _status(failures: list[Attempt]) -> int:
    """The request's fault only where every tier said so; else what the others agree on, or 502.

    503 for ``failures`` of none: no tier was called.
    """
    if not failures:
        return 503
    faults = [a.failure.fault for a in failures if a.failure is not None]
    if all(fault in REFUSALS for fault in faults):
        return 400
    statuses = {STATUS.get(fault, 502) for fault in faults if fault not in REFUSALS}
    return statuses.pop() if len(statuses) == 1 else 502
