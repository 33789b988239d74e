"""Budgets: what a cap is on, over how long it counts, and what it leaves of a call.

Amounts are integer nano-dollars, times whole seconds since 1970, UTC. Each budget counts on a
counter: one running sum of one scope, one name and one period. Budgets of the same scope and period
share theirs, whatever their caps are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from hashlib import blake2b
from typing import NamedTuple

DAY_SECONDS = 86_400

LONGEST_NAME = 128
"""Callers choose the names of projects and conversations: of longer ones a hash is kept."""


class Scope(StrEnum):
    """What a budget is on. All but TOTAL count apart for each one of their kind."""

    TOTAL = "total"
    PROJECT = "project"
    KEY = "key"
    CONVERSATION = "conversation"


class Per(StrEnum):
    """The period after which a budget starts anew, in UTC. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    EVER = "ever"


class Mark(StrEnum):
    """What happens on the way to a cap.

    WARN: somebody is told. DEGRADE: the dearest tier of each ladder is left out. PAUSE: only
    requests that somebody waits for are let through. STOP: the cap itself.
    """

    WARN = "warn"
    DEGRADE = "degrade"
    PAUSE = "pause"
    STOP = "stop"


class Counter(NamedTuple):
    """What one running sum is of; ``name`` is empty for the total, and for those without one."""

    scope: str
    name: str
    per: str


class Level(NamedTuple):
    """Where a counter stands in the period that began at ``start_unix``."""

    start_unix: int
    spent_nanousd: int
    held_nanousd: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap on what may be spent in a while.

    ``of`` names the one that it is for; without it, each one of its scope has it. ``marks`` are the
    amounts at which something happens, below the cap.
    """

    name: str
    cap_nanousd: int
    scope: Scope = Scope.TOTAL
    of: str | None = None
    per: Per = Per.MONTH
    marks: Mapping[Mark, int] = field(default_factory=dict)

    def reached(self, spent_nanousd: int) -> list[Mark]:
        """What holds once so much is spent, gravest last."""
        found = [mark for mark, amount in self.marks.items() if spent_nanousd >= amount]
        return found + ([Mark.STOP] if spent_nanousd >= self.cap_nanousd else [])


class Cap(NamedTuple):
    """A budget as it binds one request: with the counter that the request counts on."""

    budget: Budget
    counter: Counter


@dataclass(frozen=True, slots=True)
class Account:
    """One virtual key with the caps that it was given, by their period."""

    id: str
    name: str = ""
    caps: Mapping[Per, int] | None = None


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account a request is.

    ``accounts`` are its virtual key and those that key was made with, up to the first: what one
    spends, its makers spend too. ``patient``: nobody waits for it.
    """

    project: str | None = None
    accounts: tuple[Account, ...] = ()
    conversation: str = ""
    patient: bool = False


# ------------------------------------------------------------------ which caps apply


def caps_of(budgets: Sequence[Budget], payer: Payer) -> tuple[Cap, ...]:
    """All caps that bind a request, in the one order in which all processes take them.

    Requests without a project or a key count together, where each project or key has a budget:
    to leave the name out is no way around a cap.
    """
    found = [Cap(budget, counter) for budget in budgets for counter in _counters(budget, payer)]
    for account in payer.accounts:
        for per, amount in (account.caps or {}).items():
            own = Budget(account.name or account.id, amount, Scope.KEY, account.id, per)
            found.append(Cap(own, Counter(Scope.KEY.value, account.id, per.value)))
    return tuple(sorted(found, key=_place)) if len(found) > 1 else tuple(found)


def _place(cap: Cap) -> tuple[Counter, str, int]:
    return cap.counter, cap.budget.name, cap.budget.cap_nanousd


def _counters(budget: Budget, payer: Payer) -> Iterator[Counter]:
    for names in _names(budget.scope, payer):
        if budget.of is None or budget.of in names:
            yield Counter(budget.scope.value, _kept(names[0]), budget.per.value)


def _names(scope: Scope, payer: Payer) -> list[tuple[str, ...]]:
    """Those whom a request counts for, each by all of its names; the first is the one to count."""
    match scope:
        case Scope.TOTAL:
            return [("",)]
        case Scope.PROJECT:
            return [(payer.project or "",)]
        case Scope.KEY:
            return [(each.id, each.name) for each in payer.accounts] or [("",)]
        case Scope.CONVERSATION:
            return [(payer.conversation,)] if payer.conversation else []


def _kept(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"


# ------------------------------------------------------------------ what a cap leaves


class Fit(StrEnum):
    """Whether an amount fits under a limit. HELD: it would, if what is held came back."""

    FREE = "free"
    HELD = "held"
    SPENT = "spent"


def limit_of(budget: Budget, *, patient: bool) -> int:
    """Up to where a call may go; for requests that nobody waits for, up to the pause."""
    pause = budget.marks.get(Mark.PAUSE) if patient else None
    return budget.cap_nanousd if pause is None else min(pause, budget.cap_nanousd)


def fit(level: Level, limit_nanousd: int, amount_nanousd: int) -> Fit:
    """Whether an amount may be held."""
    if level.spent_nanousd + level.held_nanousd + amount_nanousd <= limit_nanousd:
        return Fit.FREE
    return Fit.HELD if level.spent_nanousd + amount_nanousd <= limit_nanousd else Fit.SPENT


def share_of(cap_nanousd: int, share: float) -> int:
    """A share of a cap in nano-dollars, rounded down. ``share`` is as it was typed."""
    return int(Fraction(repr(share)) * cap_nanousd)


# ------------------------------------------------------------------ periods


def start_of(per: str, unix: float) -> int:
    """When the period that a moment lies in began. Clocks before 1970 count as 1970."""
    seconds = max(0, int(unix))
    match Per(per):
        case Per.DAY:
            return seconds - seconds % DAY_SECONDS
        case Per.WEEK:
            # 1970 began on a Thursday. Its first Monday before would be negative.
            return max(0, seconds - (seconds + 3 * DAY_SECONDS) % (7 * DAY_SECONDS))
        case Per.MONTH:
            at = datetime.fromtimestamp(seconds, UTC)
            return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp())
        case Per.EVER:
            return 0


def end_of(per: str, start_unix: int) -> int | None:
    """When the next period begins; ``None`` where there is none."""
    if Per(per) is Per.EVER:
        return None
    longest = {Per.DAY: 1, Per.WEEK: 7, Per.MONTH: 31}[Per(per)]
    return start_of(per, start_unix + longest * DAY_SECONDS)


def period(per: str, unix: float, newest_unix: int | None) -> int:
    """The start of the period to count in. ``newest_unix`` is the newest that was ever counted in.

    A clock that is set back must not open a period anew: what has begun goes on. That holds for
    one period ahead; what lies further was a clock's mistake, and would lock a budget for as long.
    """
    now = start_of(per, unix)
    ahead = end_of(per, now)
    if newest_unix is None or ahead is None or not now < newest_unix <= ahead:
        return now
    return newest_unix
