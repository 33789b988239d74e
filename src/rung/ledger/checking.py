"""Whether a ledger is what it says: its file, its references, its amounts and its sums.

Everything is read in one moment of the ledger, while others write. A finding is a sentence, without
what anybody asked or answered.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, Table, and_, exists, func, or_, select, union, union_all

from rung.ledger import room, summing
from rung.ledger.account_tables import budgets, holds, prices
from rung.ledger.database import Backend, Connection
from rung.ledger.dialects import whole_days
from rung.ledger.resends import Resend, replaced
from rung.ledger.store import Ledger
from rung.ledger.sum_statements import along_axes
from rung.ledger.sum_tables import (
    HOURS_A_DAY,
    KEPT_SUMS,
    SUMS_OF,
    more_keys,
    saving_sums,
    unsummed,
)
from rung.ledger.sums import REPLACED
from rung.ledger.tables import (
    attempts,
    baselines,
    closings,
    inbox,
    labels,
    plans,
    requests,
    verdicts,
)

MOST_NAMED: Final = 5
"""Examples that a finding names."""

AT_ONCE: Final = 20_000

_r, _a, _v = requests.c, attempts.c, verdicts.c


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at: what should hold, what was found against it, of how many.

    ``faults`` counts them all, ``examples`` names a few.
    """

    name: str
    looked_at: int
    faults: int
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return self.faults == 0


def check(ledger: Ledger, *, quick: bool = False) -> Iterator[Part]:
    """Look at everything, a part a turn. ``quick`` leaves out what has to read all rows.

    Raises LedgerError where the ledger cannot be read.
    """
    parts = (_integrity, _references, _places, _costs, _holds, _sums)
    for part in (_integrity, _holds) if quick else parts:
        with ledger.reading() as connection:
            if connection.backend is Backend.POSTGRES:
                # A reader's statements are else cut off: these take as long as they take.
                connection.execute("SET LOCAL statement_timeout = 0")
            yield part(connection)


def mend(ledger: Ledger) -> int:
    """Make all sums anew from the rows; how many requests were summed. Raises LedgerError.

    Sums of rows that are gone stay as they are.
    """
    with ledger.writing() as connection:
        for table in KEPT_SUMS:
            connection.run(table.delete().where(table.c.gone.is_(False)))
        connection.named("note all unsummed")
    count = 0
    while True:
        with ledger.writing() as connection:
            found = summing.sum_up(connection, AT_ONCE)
        count += found
        if found < AT_ONCE:
            return count


# ------------------------------------------------------------------ the file, and what it refers to


def _integrity(connection: Connection) -> Part:
    """Pages, indexes and constraints, as SQLite itself finds them. Postgres sees to that."""
    name = "the database is whole"
    if connection.backend is not Backend.SQLITE:
        return Part(name, room.kept_requests(connection), 0)
    rows = connection.execute(f"PRAGMA integrity_check({MOST_NAMED})").fetchall()
    found = tuple(str(row[0]) for row in rows if row[0] != "ok")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return Part(name, pages, len(found), found)


def _references(connection: Connection) -> Part:
    """Rows whose request, attempt, entry, plan or price is not there."""
    of_attempt = and_(_a.request_id == _v.request_id, _a.position == _v.attempt_position)
    labelled = and_(_a.request_id == labels.c.request_id, _a.position == labels.c.attempt_position)
    lost = (
        _lost(attempts, _a.request_id, _r.id == _a.request_id),
        _lost(verdicts, _v.request_id, of_attempt),
        _lost(baselines, baselines.c.request_id, _r.id == baselines.c.request_id),
        _lost(inbox, inbox.c.request_id, _r.id == inbox.c.request_id),
        _lost(closings, closings.c.request_id, inbox.c.request_id == closings.c.request_id),
        _lost(labels, labels.c.request_id, _r.id == labels.c.request_id),
        _lost(labels, labels.c.request_id, labelled).where(labels.c.attempt_position.is_not(None)),
        _lost(requests, _r.id, plans.c.id == _r.plan_id).where(_r.plan_id.is_not(None)),
        _lost(attempts, _a.request_id, prices.c.id == _a.price_id).where(_a.price_id.is_not(None)),
    )
    return _counted(connection, "what every row refers to is there", lost)


def _lost(table: Table, name: Any, there: Any) -> Select[Any]:
    return select(name).select_from(table).where(~exists().where(there).correlate(table))


def _places(connection: Connection) -> Part:
    """Places in a history that it does not have."""
    here = and_(_a.request_id == _r.id, _a.position == _r.served_attempt)
    served = select(_r.id).where(_r.served_attempt.is_not(None), ~exists().where(here))
    gap = select(_a.request_id).group_by(_a.request_id)
    gap = gap.having(func.max(_a.position) != func.count() - 1)
    return _counted(connection, "every answer that was served is there", (served, gap))


def _costs(connection: Connection) -> Part:
    """Requests that cost another sum than their calls and checks do."""
    # One pass over all amounts: a question for each request takes a database without statistics
    # of these tables, as after a bulk of writes, a scan for each.
    paid = union_all(
        select(_r.id.label("id"), _r.cost_nanousd.label("amount")),
        select(_a.request_id, -_a.cost_nanousd),
        select(_v.request_id, -_v.cost_nanousd).where(_v.cost_nanousd > 0),
    ).subquery()
    wrong = select(paid.c.id).group_by(paid.c.id).having(func.sum(paid.c.amount) != 0)
    return _counted(connection, "every request costs what its calls and checks cost", (wrong,))


def _counted(connection: Connection, name: str, faults: tuple[Select[Any], ...]) -> Part:
    found = [row[0] for query in faults for row in connection.run(query)]
    return Part(name, room.kept_requests(connection), len(found), tuple(found[:MOST_NAMED]))


# ------------------------------------------------------------------ money


def _holds(connection: Connection) -> Part:
    """Budgets that hold another sum than the open reservations against them come to."""
    held: Counter[tuple[Any, ...]] = Counter()
    for row in connection.run(select(holds.c.caps_json, holds.c.amount_nanousd).where(_OPEN)):
        for place in json.loads(row["caps_json"]):
            held[tuple(place)] += row["amount_nanousd"]
    keys = (budgets.c.scope, budgets.c.name, budgets.c.per, budgets.c.start_unix)
    rows = connection.run(select(*keys, budgets.c.held_nanousd)).fetchall()
    kept = {tuple(row)[:4]: row["held_nanousd"] for row in rows}
    wrong = [
        f"budget {scope} {name!r} per {per}: {kept.get(key, 0)} held, {held[key]} reserved (nano$)"
        for key in sorted({*kept, *held})
        if kept.get(key, 0) != held[key]
        for scope, name, per, _ in (key,)
    ]
    name = "budgets hold what is reserved"
    return Part(name, len(kept), len(wrong), tuple(wrong[:MOST_NAMED]))


_OPEN: Final = holds.c.state == "open"

# ------------------------------------------------------------------ sums


def _sums(connection: Connection) -> Part:
    """Kept sums that are not those of the rows, day by day: all of them would not fit in memory."""
    again = select(_r.id, _r.resend_of, _r.started_unix).where(_r.resend_of.is_not(None))
    standing = json.dumps(replaced(Resend(*row) for row in connection.run(again)))
    looked, wrong = 0, []
    for first, end in _days(connection):
        for table in KEPT_SUMS:
            kept, made = _kept(connection, table, first, end), {}
            rows = connection.run(_made(table, first, end).params({REPLACED: standing}))
            made = _by_key(rows, table)
            looked += len(made)
            wrong += [
                f"{table.name} of {key}: {dict(_differing(kept.get(key), made.get(key), table))}"
                for key in sorted({*kept, *made}, key=str)
                if kept.get(key) != made.get(key)
            ]
    return Part("the bill's sums are those of the rows", looked, len(wrong), tuple(wrong[:5]))


def _days(connection: Connection) -> Iterator[tuple[int, int]]:
    """Days of which there are rows or sums, as hours since 1970: the first, and the one after."""
    days = [select(whole_days(_r.started_unix).label("day"))]
    days += [select((table.c.hour // HOURS_A_DAY).label("day")) for table in KEPT_SUMS]
    found = union(*days).subquery()
    for (day,) in connection.run(select(found.c.day).order_by(found.c.day)).fetchall():
        yield day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY


def _made(table: Table, first: int, end: int) -> Select[Any]:
    """What the sums of a day should be, from its rows."""
    summed = _r.id.not_in(select(unsummed.c.request_id))

    def began(of: Any) -> Any:
        return and_(of.started_unix >= first * 3600.0, of.started_unix < end * 3600.0)

    if table is saving_sums:
        return along_axes(table, summed, of_stand_in=began)
    return along_axes(table, summed, began(_r))


def _kept(connection: Connection, table: Table, first: int, end: int) -> dict[Any, Any]:
    kept = table.c
    sums = [kept[each] for each in SUMS_OF[table.name]]
    keys = [kept.axis, kept.hour, kept.name, *(kept[each] for each in more_keys(table))]
    of_day = select(*keys, *sums).where(kept.gone.is_(False), kept.hour >= first, kept.hour < end)
    # What was taken back leaves rows of nothing.
    return _by_key(connection.run(of_day.where(or_(*(each != 0 for each in sums)))), table)


def _by_key(rows: Any, table: Table) -> dict[Any, tuple[int, ...]]:
    width = 3 + len(more_keys(table))
    found = {tuple(row)[:width]: tuple(row)[width:] for row in rows}
    return {key: sums for key, sums in found.items() if any(sums)}


def _differing(kept: Any, made: Any, table: Table) -> Iterator[tuple[str, tuple[int, int]]]:
    names = SUMS_OF[table.name]
    nothing = (0,) * len(names)
    for name, one, other in zip(names, kept or nothing, made or nothing, strict=True):
        if one != other:
            yield name, (one, other)
