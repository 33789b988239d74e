"""Why there is no money for a call, told to its caller with the numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from rung.core.budgets import Cap, Fit, Mark, Per, Scope, end_of
from rung.core.errors import LedgerError
from rung.core.money import exact, readable
from rung.ledger.holds import Denied, Reached
from rung.orders import Refused

HELD_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 5.0
"""When to ask again where money is only held, and where the ledger cannot be reached."""

_PERIODS = {Per.DAY: "today", Per.WEEK: "this week", Per.MONTH: "this month", Per.EVER: "in all"}


def refusal(denied: Denied, amount_nanousd: int) -> Refused:
    """What a cap has against a call."""
    budget, level = denied.cap.budget, denied.level
    held = f", and {readable(level.held_nanousd)} held by calls under way" * bool(
        level.held_nanousd
    )
    spent = f"{readable(level.spent_nanousd)} of {readable(budget.cap_nanousd)}"
    when = _PERIODS[Per(denied.cap.counter.per)]
    told = f"{whose(denied.cap)} has {spent} spent {when}{held}"
    could = f"this call could cost up to {readable(amount_nanousd)}"
    if denied.fit is Fit.HELD:
        return Refused(f"{told}; {could}", HELD_SECONDS)
    if denied.mark is Mark.PAUSE:
        pause = readable(budget.marks[Mark.PAUSE])
        could += f", and nobody waits for it: such calls are paused from {pause} on"
    return Refused(f"{told}; {could}{_anew(denied)}")


def whose(cap: Cap) -> str:
    """A budget as a caller knows it."""
    budget = cap.budget
    if budget.scope is Scope.TOTAL:
        return f"budget {budget.name!r}"
    name = cap.counter.name or "none"
    return f"budget {budget.name!r} ({budget.scope.value} {name})"


def away(error: LedgerError, allowance_nanousd: int | None, amount_nanousd: int) -> Refused:
    """Why nothing paid is called while nobody can count it."""
    told = f"nothing that costs money is called while it cannot be counted: {error}"
    if allowance_nanousd is not None:
        told += (
            f" The allowance for that, {readable(allowance_nanousd)}, does not cover a call that "
            f"could cost up to {readable(amount_nanousd)}."
        )
    return Refused(told, AWAY_SECONDS)


def notice(reached: Reached) -> dict[str, Any]:
    """What a webhook is told of a mark: names and numbers."""
    cap, level = reached.cap, reached.level
    return {
        "event": "budget",
        "mark": reached.mark.value,
        "budget": cap.budget.name,
        "scope": cap.counter.scope,
        "of": cap.counter.name or None,
        "per": cap.counter.per,
        "start_unix": level.start_unix,
        "ends_unix": end_of(cap.counter.per, level.start_unix),
        "cap_usd": exact(cap.budget.cap_nanousd),
        "spent_usd": exact(level.spent_nanousd),
        "held_usd": exact(level.held_nanousd),
        "show": f"rung budget show {cap.budget.name}",
    }


def _anew(denied: Denied) -> str:
    ends = end_of(denied.cap.counter.per, denied.level.start_unix)
    if ends is None:
        return ""
    return f". It starts anew on {datetime.fromtimestamp(ends, UTC):%Y-%m-%d} at 00:00 UTC"
