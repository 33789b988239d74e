"""What a request's limits leave for what runs beside its calls."""

from __future__ import annotations

import math
from dataclasses import replace

from rung.core.plan import Plan
from rung.core.types import History, Kind


def loading_seconds(history: History) -> float:
    """How long models were loading while the request waited for nothing else.

    No call loaded for longer than it took, whatever a provider says; nor for longer than until the
    next one was asked, which may have been beside it.
    """
    starts = [*(attempt.started_at for attempt in history[1:]), math.inf]
    return sum(
        max(0.0, min(attempt.load_seconds, attempt.seconds, following - attempt.started_at))
        for attempt, following in zip(history, starts, strict=False)
    )


def spent_nanousd(history: History) -> int:
    """What a request has cost so far, checks included."""
    return sum(attempt.cost_nanousd + attempt.checking_nanousd for attempt in history)


def left(
    plan: Plan, history: History, elapsed: float, unbooked: int = 0
) -> tuple[float, int | None]:
    """Seconds, as the engine counts them, and nano-dollars; infinite and ``None`` without a limit.

    A deadline that nobody waits for limits no check: what has begun may end.
    ``elapsed`` is since the request began; ``unbooked`` is spent and not in the history yet.
    """
    seconds, money = math.inf, None
    if plan.deadline_seconds is not None and not plan.patient:
        seconds = plan.deadline_seconds + loading_seconds(history) - elapsed
    if plan.cost_cap_nanousd is not None:
        money = plan.cost_cap_nanousd - spent_nanousd(history) - unbooked
    return seconds, money


def tried_enough(plan: Plan, history: History, tier: str) -> Plan:
    """The same plan without further retries of a tier; a history that it made replays by it."""
    used = sum(a.tier == tier and a.kind is Kind.RETRY and not a.beside for a in history)
    steps = (replace(each, retries=used) if each.tier == tier else each for each in plan.steps)
    return replace(plan, steps=tuple(steps))
