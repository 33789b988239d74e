"""What the bill adds up of a span of time: kept sums for whole hours, rows for all that is left.

Left are the hours that the span cuts, and requests that no sum has yet. A span of few requests is
added up from its rows alone, so that its quantiles are exact too. Of rows that retention has
deleted only the hour is known: they count where their hour begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Any, Final

from sqlalchemy import Select, Table, and_, func, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from rung.ledger import sums
from rung.ledger.database import Connection
from rung.ledger.dialects import whole_days
from rung.ledger.resends import Resend, replaced
from rung.ledger.sum_tables import (
    HOURS_A_DAY,
    SUMS_OF,
    Axis,
    attempt_sums,
    more_keys,
    request_sums,
    saving_sums,
    second_sums,
    unsummed,
)
from rung.ledger.sums import REPLACED, Condition, Dimensions, Query
from rung.ledger.tables import requests

FEW: Final = 20_000
"""Requests up to which a span is added up from its rows alone."""

HOUR: Final = 3600
DAY: Final = "day"
"""An axis of its own: the total's hours, by the day."""

Name = str | int
"""Of a day its number since 1970; empty where the rows have none."""

Sums = dict[str, int]
Found = dict[tuple[Any, ...], Sums]

_r = requests.c
_waits = _r.id.in_(select(unsummed.c.request_id))
_QUERIES: Final = {
    request_sums.name: sums.of_requests,
    attempt_sums.name: sums.of_attempts,
    second_sums.name: sums.of_seconds,
}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Those that began in [``low``, ``high``), of them only what no sum has if they ``wait``."""

    low: float
    high: float
    wait: bool = False


class Span:
    """The requests that began in [``since_unix``, ``until_unix``), on one connection."""

    def __init__(
        self, connection: Connection, since_unix: float | None, until_unix: float | None
    ) -> None:
        self._connection = connection
        self._since = -inf if since_unix is None else since_unix
        self._until = inf if until_unix is None else until_unix
        self._replaced = json.dumps(replaced(self._resends()))
        self.exact = self._is_small()

    def requests(self, axis: str) -> dict[Name, Sums]:
        """How requests ended, by their names along an axis."""
        return {name: row for (name,), row in self._added(request_sums, axis).items()}

    def attempts(self, axis: str) -> dict[Name, Sums]:
        """What calls came to."""
        return {name: row for (name,), row in self._added(attempt_sums, axis).items()}

    def savings(self, axis: str) -> dict[Name, dict[str, Sums]]:
        """Baselines and spend, by name and baseline."""
        found: dict[Name, dict[str, Sums]] = {}
        for (name, baseline), row in self._added(saving_sums, axis).items():
            found.setdefault(name, {})[baseline] = row
        return found

    def seconds(self, axis: str) -> dict[Name, dict[int, int]]:
        """How many requests took how long, by name and bucket."""
        found: dict[Name, dict[int, int]] = {}
        for (name, bucket), row in self._added(second_sums, axis).items():
            found.setdefault(name, {})[bucket] = row["requests"]
        return found

    def baselines(self) -> set[str]:
        """The names of all baselines that requests have, of this span or not."""
        kept = select(saving_sums.c.baseline).where(saving_sums.c.axis == Axis.TOTAL.value)
        left = sums.of_savings({}, lambda of: of.id.is_not(None), _waits)
        return {row["baseline"] for query in (kept.distinct(), left) for row in self.run(query)}

    def within(self) -> list[Condition]:
        """What holds of the rows of the span's requests."""
        return _between(_r.started_unix, self._since, self._until)

    def run(self, query: Select[Any]) -> list[Any]:
        """The rows of any query, which may ask which request stands for which."""
        return self._connection.run(query.params({REPLACED: self._replaced})).fetchall()

    # -------------------------------------------------------------- where sums come from

    def _added(self, table: Table, axis: str) -> Found:
        """The sums of all that is in the span, by name and what else tells a table's rows apart."""
        by_day = table is second_sums and axis not in {Axis.TOTAL, DAY}
        unit = HOUR * (HOURS_A_DAY if by_day else 1)
        found: Found = {}
        if not self.exact:
            _add(found, self.run(self._kept(table, axis, unit)), table)
        for rows in self._left(unit):
            _add(found, self.run(_summed(table, axis, rows)), table)
        return found

    def _kept(self, table: Table, axis: str, unit: int) -> Select[Any]:
        """The sums of whole hours or days, and of rows that are gone."""
        kept = table.c
        first, end = _whole(ceil, self._since, unit), _whole(floor, self._until, unit)
        begun = _whole(ceil, self._until, unit)
        there = and_(kept.gone.is_(False), *_between(kept.hour, first / HOUR, end / HOUR))
        gone = and_(kept.gone.is_(True), *_between(kept.hour, first / HOUR, begun / HOUR))
        name: ColumnElement[Any] = kept.hour // HOURS_A_DAY if axis == DAY else kept.name
        keys = [name.label("name"), *(kept[each] for each in more_keys(table))]
        added = (func.sum(kept[each]).label(each) for each in SUMS_OF[table.name])
        own = Axis.TOTAL.value if axis == DAY else str(axis)
        return select(*keys, *added).where(kept.axis == own, or_(there, gone)).group_by(*keys)

    def _left(self, unit: int) -> Iterator[_Rows]:
        """Which rows to read."""
        first, end = _whole(ceil, self._since, unit), _whole(floor, self._until, unit)
        if self.exact or first >= end:
            yield _Rows(self._since, self._until)
            return
        if self._since < first:
            yield _Rows(self._since, first)
        if end < self._until:
            yield _Rows(end, self._until)
        yield _Rows(first, end, wait=True)

    def _is_small(self) -> bool:
        kept = request_sums.c
        first, end = _whole(floor, self._since, HOUR), _whole(ceil, self._until, HOUR)
        of_total = [kept.axis == Axis.TOTAL.value, *_between(kept.hour, first / HOUR, end / HOUR)]
        count = select(kept.gone, func.sum(kept.rows)).where(*of_total).group_by(kept.gone)
        summed = {bool(gone): rows for gone, rows in self._connection.run(count)}
        if summed.get(True) or summed.get(False, 0) > FEW:
            return False
        waiting = select(unsummed.c.request_id).limit(FEW + 1).subquery()
        left = self._connection.run(select(func.count()).select_from(waiting)).fetchone()[0]
        return bool(summed.get(False, 0) + left <= FEW)

    def _resends(self) -> Iterator[Resend]:
        again = select(_r.id, _r.resend_of, _r.started_unix).where(_r.resend_of.is_not(None))
        return (Resend(*row) for row in self._connection.run(again))


def _summed(table: Table, axis: str, rows: _Rows) -> Query:
    """The sums of rows by name."""
    if axis == DAY:
        by: Dimensions = {"name": lambda of: whole_days(of.started_unix)}
    else:
        told = {**sums.AXES, **sums.ATTEMPT_AXES}.get(axis)
        by = {"name": told} if told else {}
    waits = [_waits] if rows.wait else []
    if table is saving_sums:
        # A row's amounts belong where its stand-in began.
        began = lambda of: and_(true(), *_between(of.started_unix, rows.low, rows.high))  # noqa: E731
        return sums.of_savings(by, began, *waits)
    return _QUERIES[table.name](by, *_between(_r.started_unix, rows.low, rows.high), *waits)


def _add(found: Found, rows: list[Any], table: Table) -> None:
    more = more_keys(table)
    for row in rows:
        key = (row["name"] if "name" in row.keys() else "", *(row[each] for each in more))  # noqa: SIM118 rows
        into = found.setdefault(key, dict.fromkeys(SUMS_OF[table.name], 0))
        for each in into:
            into[each] += row[each]


def _between(of: ColumnElement[Any], low: float, high: float) -> list[Condition]:
    since = [] if low == -inf else [of >= low]
    return since if high == inf else [*since, of < high]


def _whole(towards: Any, unix: float, unit: int) -> float:
    """A time at a whole hour or day."""
    if unix in {inf, -inf}:
        return unix
    whole = float(towards(unix / unit) * unit)
    # The quotient of a time that is nearly a whole one is rounded before it is taken up or down.
    if towards is ceil:
        return whole + unit if whole < unix else whole
    return whole - unit if whole > unix else whole
