"""How budgets stand and stood, for people; and starting one anew by hand.

What one call is let through by is in `holds`. Reading begins no counter and counts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rung.core.budgets import Budget, Counter, Level, Mark, Scope, end_of, period, start_of
from rung.ledger.codec import clean
from rung.ledger.database import Connection
from rung.ledger.holds import stand_in_line, told_as

MOST_PERIODS = 24
"""Periods that are shown of one counter."""


@dataclass(frozen=True, slots=True)
class Line:
    """A budget with one counter of it: ``name`` is whose, empty for the total and for nobody's."""

    budget: Budget
    name: str
    level: Level

    @property
    def left_nanousd(self) -> int:
        """What may still be held; negative where calls cost more than was set aside for them."""
        level = self.level
        return self.budget.cap_nanousd - level.spent_nanousd - level.held_nanousd

    @property
    def state(self) -> str:
        """The gravest mark that was reached, "open" without one."""
        reached = self.budget.reached(self.level.spent_nanousd)
        return reached[-1].value if reached else "open"

    @property
    def ends_unix(self) -> int | None:
        """When it starts anew; ``None``: never."""
        return end_of(self.budget.per.value, self.level.start_unix)


def lines(connection: Connection, budgets: Iterable[Budget], now: float) -> Iterator[Line]:
    """Every counter of these budgets in its present period, the fullest first; unused ones empty.

    ``of`` of a budget on a key is the key's id.
    """
    for budget in budgets:
        found = _present(connection, budget, now)
        if budget.of is not None or budget.scope is Scope.TOTAL:
            name = clean(budget.of or "")
            empty = Level(start_of(budget.per.value, now), 0, 0)
            found = {name: found.get(name, empty)}
        for name, level in found.items():
            yield Line(budget, name, level)


def _present(connection: Connection, budget: Budget, now: float) -> dict[str, Level]:
    """The level of each name, in the period that calls count in now."""
    scope, per = budget.scope.value, budget.per.value
    rows: dict[str, list[Level]] = {}
    since = start_of(per, now)
    for row in connection.named("levels since", of_scope=scope, of_per=per, since=since):
        level = Level(row["start_unix"], row["spent_nanousd"], row["held_nanousd"])
        rows.setdefault(row["name"], []).append(level)
    found: dict[str, Level] = {}
    for name, levels in rows.items():
        start = period(per, now, max(level.start_unix for level in levels))
        present = [level for level in levels if level.start_unix == start]
        if present:
            found[name] = present[0]
    return found


def past(connection: Connection, counter: Counter) -> list[Level]:
    """The newest periods of one counter, newest first."""
    rows = connection.named(
        "levels of",
        of_scope=counter.scope,
        of_name=clean(counter.name),
        of_per=counter.per,
        limit=MOST_PERIODS,
    )
    return [Level(r["start_unix"], r["spent_nanousd"], r["held_nanousd"]) for r in rows]


def reset(connection: Connection, line: Line, now: float, budgets: Sequence[Budget]) -> None:
    """Begin a counter's present period anew: nothing is spent, what calls hold stays held.

    ``budgets`` are all that count there: their marks are told of again. That it was done is kept.
    """
    budget, level = line.budget, line.level
    stand_in_line(connection)
    connection.named(
        "reset counter",
        of_scope=budget.scope.value,
        of_name=line.name,
        of_per=budget.per.value,
        of_start=level.start_unix,
    )
    for each in budgets:
        for mark in Mark:
            kind, name = told_as(each.name, line.name, mark, level.start_unix)
            connection.named("forget told", of_kind=kind, of_name=name)
    detail = {"spent_nanousd": level.spent_nanousd, "cap_nanousd": budget.cap_nanousd}
    connection.named(
        "tell once",
        created_unix=now,
        kind="budget_reset",
        name=clean(f"{budget.name} {level.start_unix} {line.name} {now!r}"),
        detail_json=json.dumps(detail),
    )
