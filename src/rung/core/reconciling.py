"""Two accounts of the same calls, a provider's and the ledger's: where they differ, and why.

Accounts are compared by day (UTC) and model. A model's dated snapshots count as one model, since
neither side names them always.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from rung.core.money import NANOUSD

ALL_MODELS: Final = ""
"""Stands for the model where an account is not split by models."""

_SNAPSHOT = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8})|-latest)\Z")
_ROUNDED: Final = NANOUSD // 100
"""A provider's amounts are rounded to the cent at some place."""

_ESTIMATES_ARE_OFF_BY: Final = 4
"""Estimated counters are within this factor of what was used, as far as anybody knows."""


class Finding(StrEnum):
    """What comparing a day's calls of one model came to."""

    AGREES = "agrees"
    NEXT_DAY = "next_day"
    ESTIMATED_HERE = "estimated_here"
    OTHER_COUNTS = "other_counts"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"


EXPLAINED: Final = frozenset({Finding.AGREES, Finding.NEXT_DAY, Finding.ESTIMATED_HERE})
"""Findings that ask for nothing to be done."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What calls came to; ``None`` where an account does not tell. Cached tokens are in the input.

    Amounts are nano-dollars; a provider's may be negative, as credits are.
    """

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    searches: int | None = None
    cost_nanousd: int | None = None

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(*(_sum(getattr(self, name), getattr(other, name)) for name in NAMES))


NAMES: Final = tuple(each.name for each in fields(Figures))


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


@dataclass(frozen=True, slots=True)
class Told:
    """A row of a provider's account."""

    day: date
    model: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Booked:
    """The ledger's calls of one day and model.

    ``estimated`` are the figures of those whose counters are estimates, inside of ``figures``.
    ``untold`` counts calls that came to nothing: refused ones, which no provider counts.
    ``unknown`` counts calls in which rung died, booked at what was reserved.
    """

    figures: Figures
    estimated: Figures = Figures()
    untold: int = 0
    unknown: int = 0

    def plus(self, other: Booked) -> Booked:
        """Both together."""
        return Booked(
            self.figures.plus(other.figures),
            self.estimated.plus(other.estimated),
            self.untold + other.untold,
            self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """One day's calls of one model in both accounts; ``why`` are sentences for people."""

    day: date
    model: str
    finding: Finding
    there: Figures | None
    here: Booked | None
    why: tuple[str, ...] = ()


Key = tuple[date, str]


@dataclass(slots=True)
class Account:
    """A provider's account: its rows, the days that it covers, and what is odd about it."""

    provider: str
    rows: list[Told] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    @property
    def by_model(self) -> bool:
        """Whether it is split by models."""
        return any(row.model != ALL_MODELS for row in self.rows)

    def covered(self) -> Sequence[date]:
        """All days from the first to the last that it tells of."""
        days = self.days | {row.day for row in self.rows}
        if not days:
            return ()
        first, last = min(days), max(days)
        return [first + timedelta(n) for n in range((last - first).days + 1)]


def canonical(model: str) -> str:
    """A model's name without its provider and without its snapshot's date."""
    return _SNAPSHOT.sub("", model.strip().lower().rsplit("/", 1)[-1])


def compare(
    account: Account, booked: Mapping[Key, Booked], tolerance: Fraction = Fraction(0)
) -> list[Compared]:
    """Both accounts, day by day and model by model.

    ``booked`` is by day and `canonical` model. ``tolerance`` is the share by which a counter or an
    amount may differ and still agree.
    """
    there = _summed(account)
    here = dict(booked) if account.by_model else _of_days(booked)
    found = [
        _compared(key, there.get(key), here.get(key), tolerance) for key in sorted({*there, *here})
    ]
    return _shifted([each for each in found if each is not None], tolerance)


def _summed(account: Account) -> dict[Key, Figures]:
    found: dict[Key, Figures] = {}
    for row in account.rows:
        key = row.day, canonical(row.model)
        found[key] = found.get(key, Figures()).plus(row.figures)
    return found


def _of_days(booked: Mapping[Key, Booked]) -> dict[Key, Booked]:
    found: dict[Key, Booked] = {}
    for (day, _), each in booked.items():
        key = day, ALL_MODELS
        found[key] = each.plus(found[key]) if key in found else each
    return found


# ------------------------------------------------------------------ one line


def _compared(
    key: Key, there: Figures | None, here: Booked | None, tolerance: Fraction
) -> Compared | None:
    day, model = key
    if there is not None and not any(getattr(there, name) for name in NAMES):
        there = None
    if here is not None and not here.figures.requests:
        # Calls that came to nothing are on no provider's account.
        here = here if there is not None and here.untold else None
    if there is None and here is None:
        return None
    if here is None:
        why = "no call of that day and model is in this ledger: another program's, or another's key"
        return Compared(day, model, Finding.MISSING_HERE, there, None, (why,))
    if there is None:
        return Compared(day, model, Finding.MISSING_THERE, None, here, tuple(_not_there(here)))
    differing = _differing(there, here.figures, tolerance)
    if not differing:
        return Compared(day, model, Finding.AGREES, there, here)
    finding = Finding.OTHER_COUNTS
    if here.estimated.requests and _may_be_estimates(differing, there, here):
        finding = Finding.ESTIMATED_HERE
    return Compared(day, model, finding, there, here, tuple(_reasons(there, here)))


def _differing(there: Figures, here: Figures, tolerance: Fraction) -> list[str]:
    """The figures that both tell, and that are not the same."""
    return [
        name
        for name in NAMES
        if (one := getattr(there, name)) is not None
        and (other := getattr(here, name)) is not None
        and abs(one - other) > _allowed(name, one, tolerance)
    ]


def _allowed(name: str, amount: int, tolerance: Fraction) -> Fraction:
    rounded = _ROUNDED if name == "cost_nanousd" else 0
    return max(abs(amount) * tolerance, Fraction(rounded))


def _may_be_estimates(differing: Sequence[str], there: Figures, here: Booked) -> bool:
    """Whether all that differs can be what estimates are off by."""
    return "requests" not in differing and all(
        0
        <= getattr(there, name) - (getattr(here.figures, name) - estimate)
        <= _ESTIMATES_ARE_OFF_BY * estimate
        for name in differing
        for estimate in [getattr(here.estimated, name) or 0]
    )


def _not_there(here: Booked) -> Iterator[str]:
    estimated = here.estimated.requests or 0
    if estimated == here.figures.requests:
        yield "all of them are estimated here: they were cut off, and may not have been billed"
    elif here.unknown:
        yield "rung died in some of them: they may not have reached the provider"
    else:
        yield "the account does not have them: another account's key, or they are not on it yet"


def _reasons(there: Figures, here: Booked) -> Iterator[str]:
    ours, theirs = here.figures.requests or 0, there.requests
    if theirs is not None and theirs > ours:
        yield f"{theirs - ours} requests there are not here: another program's, or lost here"
    elif theirs is not None and theirs < ours:
        yield f"{ours - theirs} calls here are not there: cut off early, or another account's"
    if estimated := here.estimated.requests:
        told, said = here.estimated.input_tokens, here.estimated.output_tokens
        yield f"{estimated} calls are estimated here: {told} tokens read, {said} written"
    if here.unknown:
        yield f"rung died in {here.unknown} calls, which are booked at what was reserved"
    if here.untold:
        yield f"{here.untold} calls came to nothing here, and are not counted"
    counters = _differing(replace(there, cost_nanousd=None), here.figures, Fraction(0))
    if not counters:
        yield "the counters agree, so the prices do not: see rung bill --reprice"


# ------------------------------------------------------------------ around midnight


def _shifted(found: Sequence[Compared], tolerance: Fraction) -> list[Compared]:
    """The same, where days that differ agree together: calls around midnight, or another zone."""
    by_model: dict[str, list[int]] = {}
    for place, each in enumerate(found):
        if each.finding is not Finding.AGREES:
            by_model.setdefault(each.model, []).append(place)
    made = list(found)
    for places in by_model.values():
        for run in _runs(found, places):
            if len(run) > 1 and _agree_together([found[place] for place in run], tolerance):
                first, last = found[run[0]].day, found[run[-1]].day
                why = f"{first} to {last} agree together: calls around midnight"
                for place in run:
                    made[place] = replace(found[place], finding=Finding.NEXT_DAY, why=(why,))
    return made


def _runs(found: Sequence[Compared], places: Iterable[int]) -> list[list[int]]:
    """Places of days that follow each other."""
    runs: list[list[int]] = []
    for place in places:
        if runs and found[place].day - found[runs[-1][-1]].day == timedelta(1):
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _agree_together(days: Sequence[Compared], tolerance: Fraction) -> bool:
    if len(days) > 2 and any(each.there is None or each.here is None for each in days):
        # Nothing moves further than to the next day.
        return False
    there, here = Figures(), Figures()
    for each in days:
        there = there.plus(each.there or Figures())
        here = here.plus(each.here.figures if each.here is not None else Figures())
    told = (any(getattr(side, name) for name in NAMES) for side in (there, here))
    return all(told) and not _differing(there, here, tolerance)
