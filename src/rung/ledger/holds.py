"""Money in the ledger: reserved before a paid call is made, settled after it.

Everything here runs inside of a writing transaction, whole or not at all, and may be run again. On
Postgres those who count money stand in one line, as SQLite has all writers do: so what is read
before a row is changed still holds when it is.

A hold goes from open to one of three ends, once: settled (what the call cost), void (it was never
made), unknown (its process died: the reserved amount counts as spent). Only an unknown one moves
again, when it turns out after all what the call cost.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from rung.core.budgets import Cap, Counter, Fit, Level, Mark, end_of, fit, limit_of, period
from rung.ledger.codec import clean
from rung.ledger.database import Backend, Connection, Row

MOST_NANOUSD: Final = 10**18
"""More than this for one call is a slip somewhere; sums of amounts stay within 64 bits."""

OPEN, SETTLED, VOID, UNKNOWN = "open", "settled", "void", "unknown"

_WAYS: Final[Mapping[str, frozenset[str]]] = {
    OPEN: frozenset({SETTLED, VOID, UNKNOWN}),
    UNKNOWN: frozenset({SETTLED, VOID}),
    SETTLED: frozenset(),
    VOID: frozenset(),
}
_NO_PLACES: Final = "[]"

_places = msgspec.json.Decoder(list[tuple[str, str, str, int]])


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be held, by whom, and against which caps.

    ``patient``: nobody waits for it, so that it stops at a budget's pause.
    """

    id: str
    request_id: str
    process_id: str
    amount_nanousd: int
    caps: tuple[Cap, ...]
    about: Mapping[str, Any]
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """It is held. ``levels`` are where its counters stand with it."""

    levels: Mapping[Counter, Level]


@dataclass(frozen=True, slots=True)
class Denied:
    """It is not, for this cap, whose counter stands so; ``mark`` is what it ran into.

    ``first``: nobody was denied for that in this period.
    """

    cap: Cap
    level: Level
    fit: Fit
    mark: Mark = Mark.STOP
    first: bool = False


@dataclass(frozen=True, slots=True)
class Reached:
    """A budget has come to a mark, and nobody was told of it yet."""

    cap: Cap
    mark: Mark
    level: Level


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement came to. ``changed`` is false where it had been settled before."""

    changed: bool
    levels: Mapping[Counter, Level]
    reached: tuple[Reached, ...] = ()


NOTHING_SETTLED: Final = Settled(changed=False, levels={})

# ------------------------------------------------------------------ before a call


def reserve(connection: Connection, claim: Claim, now: float) -> Granted | Denied:
    """Hold an amount against all caps at once, or against none."""
    amount = min(claim.amount_nanousd, MOST_NANOUSD)
    levels: dict[Counter, Level] = {}
    if claim.caps:
        stand_in_line(connection)
    for cap in claim.caps:
        if cap.counter not in levels:
            levels[cap.counter] = level_of(connection, cap.counter, now)
        level = levels[cap.counter]
        fits = fit(level, limit_of(cap.budget, patient=claim.patient), amount)
        if fits is not Fit.FREE:
            return _denied(connection, cap, level, fits, amount, now)
    if _opened(connection, claim, amount, levels, now):
        for counter, level in levels.items():
            _on(connection, "hold on counter", counter, level.start_unix, amount=amount)
            levels[counter] = level._replace(held_nanousd=level.held_nanousd + amount)
    return Granted(levels)


def _denied(
    connection: Connection, cap: Cap, level: Level, fits: Fit, amount: int, now: float
) -> Denied:
    beyond = level.spent_nanousd + amount > cap.budget.cap_nanousd
    mark = Mark.STOP if beyond or fits is Fit.HELD else Mark.PAUSE
    first = fits is Fit.SPENT and _tell(connection, Reached(cap, mark, level), now)
    return Denied(cap, level, fits, mark, first)


def _opened(
    connection: Connection,
    claim: Claim,
    amount: int,
    levels: Mapping[Counter, Level],
    now: float,
) -> bool:
    """Write the hold down. False where it stands there already: asked for twice, it holds once."""
    places = [(*_kept(counter), level.start_unix) for counter, level in levels.items()]
    added = connection.named(
        "open hold",
        id=claim.id,
        request_id=claim.request_id,
        process_id=claim.process_id,
        created_unix=max(0.0, now),
        amount_nanousd=amount,
        caps_json=json.dumps(places),
        about_json=json.dumps(dict(claim.about)),
        state=OPEN,
        settled_nanousd=None,
        settled_unix=None,
    )
    return added.rowcount == 1


def book(connection: Connection, claim: Claim, cost: int, now: float) -> Settled:
    """Count a call that was made while nobody could be asked, whatever the caps say to it."""
    levels: dict[Counter, Level] = {}
    if claim.caps:
        stand_in_line(connection)
    for cap in claim.caps:
        levels[cap.counter] = level_of(connection, cap.counter, now)
    if not _opened(connection, claim, 0, levels, now):
        return NOTHING_SETTLED
    return settle(connection, claim.id, cost, now)


def level_of(connection: Connection, counter: Counter, now: float) -> Level:
    """Where a counter stands in the period that is to be counted in; begun, if it is new.

    It begins at what the ledger's requests of that period have cost: a budget that is added in the
    middle of a month knows of its first half.
    """
    scope, name, per = _kept(counter)
    row = connection.named("newest level", of_scope=scope, of_name=name, of_per=per).fetchone()
    start = period(per, now, None if row is None else row["start_unix"])
    if row is not None and row["start_unix"] != start:
        row = _on(connection, "level", counter, start).fetchone()
    if row is not None:
        return Level(start, row["spent_nanousd"], row["held_nanousd"])
    whose = {} if scope == "total" else {"of_name": name}
    spent = connection.named(f"spent of {scope}", since=float(start), **whose).fetchone()[0]
    connection.named(
        "open counter",
        scope=scope,
        name=name,
        per=per,
        start_unix=start,
        spent_nanousd=spent,
        held_nanousd=0,
    )
    return Level(start, spent, 0)


# ------------------------------------------------------------------ after it


@dataclass(frozen=True, slots=True)
class Watched:
    """The caps whose marks are looked at, and the events that were told of already."""

    caps: tuple[Cap, ...] = ()
    told: Container[tuple[str, str]] = frozenset()


UNWATCHED: Final = Watched()


def settle(
    connection: Connection,
    hold_id: str,
    cost_nanousd: int,
    now: float,
    watched: Watched = UNWATCHED,
) -> Settled:
    """Count what a call cost, and give the rest back.

    A second time changes nothing, whoever comes second; what was unknown is put right.
    """
    settled = _end(connection, hold_id, SETTLED, cost_nanousd, now)
    if not settled.changed or not watched.caps:
        return settled
    return replace(settled, reached=_marks(connection, watched, settled.levels, now))


def release(connection: Connection, hold_id: str, now: float) -> Settled:
    """Give all back: the call was never made."""
    return _end(connection, hold_id, VOID, 0, now)


def resolve(connection: Connection, process_id: str, now: float) -> list[Row]:
    """End what a dead process held: unknown, and spent as it was reserved.

    A call whose cost the ledger has after all is settled at that. Returns the holds of calls that
    were made and of whose requests the ledger knows nothing else. Once those are booked, it returns
    none.
    """
    for row in connection.named("open holds", of_process=process_id).fetchall():
        found = connection.named("cost of attempt", of_id=row["id"]).fetchone()
        if found is None:
            _end(connection, row["id"], UNKNOWN, row["amount_nanousd"], now)
        else:
            _end(connection, row["id"], SETTLED, found["cost_nanousd"], now)
    return connection.named("lost holds", of_process=process_id).fetchall()


def booked(connection: Connection, attempts: Sequence[Mapping[str, Any]], now: float) -> None:
    """Drop the holds of attempts whose rows have just been inserted: those tell all of it.

    What had not been settled is, at what the row says: a settlement may have been lost, or its
    process taken for dead. Not for rows that only stand in for an outcome that may yet come.
    """
    costs = {r["id"]: r["cost_nanousd"] for r in attempts if r["reserved_nanousd"] is not None}
    if not costs:
        return
    ids = json.dumps(sorted({row["request_id"] for row in attempts}))
    for row in connection.named("unsettled holds of", ids=ids).fetchall():
        if row["id"] in costs:
            settle(connection, row["id"], costs[row["id"]], now)
    connection.named("forget holds", ids=ids)


def _end(connection: Connection, hold_id: str, to: str, cost_nanousd: int, now: float) -> Settled:
    cost = min(max(cost_nanousd, 0), MOST_NANOUSD)
    while True:
        row = connection.named("hold", of_id=hold_id).fetchone()
        if row is None or to not in _WAYS[row["state"]]:
            return NOTHING_SETTLED
        if row["caps_json"] != _NO_PLACES:
            stand_in_line(connection)
        was = row["state"]
        values = {"of_id": hold_id, "was": was, "to": to, "cost": cost, "now": max(0.0, now)}
        if connection.named("end hold", **values).rowcount == 1:
            return Settled(changed=True, levels=_counted(connection, row, cost))
        # Another process ended it while this one stood in line.


def _counted(connection: Connection, row: Row, cost: int) -> dict[Counter, Level]:
    """Where the counters of an ended hold stand with its cost."""
    was_open = row["state"] == OPEN
    released = row["amount_nanousd"] if was_open else 0
    more = cost if was_open else cost - row["settled_nanousd"]
    levels: dict[Counter, Level] = {}
    for scope, name, per, start in _places.decode(row["caps_json"]):
        counter = Counter(scope, name, per)
        changed = _on(connection, "settle on counter", counter, start, released=released, more=more)
        found = changed.fetchone()
        if found is not None:
            levels[counter] = Level(start, found["spent_nanousd"], found["held_nanousd"])
    return levels


def _marks(
    connection: Connection, watched: Watched, levels: Mapping[Counter, Level], now: float
) -> tuple[Reached, ...]:
    """The marks that were reached, each told once for its period, by one process."""
    found = (
        Reached(cap, mark, levels[cap.counter])
        for cap in watched.caps
        if cap.counter in levels
        for mark in cap.budget.reached(levels[cap.counter].spent_nanousd)
    )
    return tuple(
        each
        for each in found
        if event_of(each) not in watched.told and _tell(connection, each, now)
    )


# ------------------------------------------------------------------ events


def event_of(reached: Reached) -> tuple[str, str]:
    """Kind and name of what is told of a mark."""
    cap = reached.cap
    return told_as(cap.budget.name, cap.counter.name, reached.mark, reached.level.start_unix)


def told_as(budget: str, name: str, mark: Mark, start_unix: int) -> tuple[str, str]:
    """Kind and name of the event that a budget has come to a mark in a period of ``name``'s."""
    return f"budget_{mark.value}", clean(f"{budget} {start_unix} {name}")


def _tell(connection: Connection, reached: Reached, now: float) -> bool:
    """Whether nobody has been told of it yet."""
    cap, level = reached.cap, reached.level
    kind, name = event_of(reached)
    detail = {
        "cap_nanousd": cap.budget.cap_nanousd,
        "spent_nanousd": level.spent_nanousd,
        "held_nanousd": level.held_nanousd,
        "ends_unix": end_of(cap.counter.per, level.start_unix),
    }
    values = {"kind": kind, "name": name, "detail_json": json.dumps(detail)}
    return connection.named("tell once", created_unix=max(0.0, now), **values).rowcount == 1


# ------------------------------------------------------------------ rows


def stand_in_line(connection: Connection) -> None:
    """Be the only one who counts money, to the transaction's end."""
    if connection.backend is Backend.POSTGRES:
        connection.named("lock money")


def _kept(counter: Counter) -> tuple[str, str, str]:
    """A counter as a database can hold it."""
    return counter.scope, clean(counter.name), counter.per


def _on(
    connection: Connection, statement: str, counter: Counter, start_unix: int, **values: int
) -> Any:
    """Run a statement on the row of one counter and one period."""
    scope, name, per = _kept(counter)
    return connection.named(
        statement, of_scope=scope, of_name=name, of_per=per, of_start=start_unix, **values
    )
