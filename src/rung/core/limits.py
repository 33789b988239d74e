"""What a request's limits leave for what runs beside its calls."""

from __future__ import annotations

import math

from rung.core.plan import Plan
from rung.core.types import History


def left(
    plan: Plan, history: History, elapsed: float, unbooked: int = 0
) -> tuple[float, int | None]:
    """Seconds, as the engine counts them, and nano-dollars; infinite and ``None`` without a limit.

    ``elapsed`` is since the request began; ``unbooked`` is spent and not in the history yet.
    """
    seconds, money = math.inf, None
    if plan.deadline_seconds is not None:
        loading = sum(min(each.load_seconds, each.seconds) for each in history)
        seconds = plan.deadline_seconds + loading - elapsed
    if plan.cost_cap_nanousd is not None:
        spent = sum(each.cost_nanousd + each.checking_nanousd for each in history)
        money = plan.cost_cap_nanousd - spent - unbooked
    return seconds, money
