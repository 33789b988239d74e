"""The sums under the bill, each one statement of SQL over the requests of a span of time.

All sums are of integers, which SQLite adds exactly in 64 bits. Statements are grouped by a key, or
by a constant for the total, so that the total and its parts come from the same text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    null,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement

from rung.core.errors import RequestError
from rung.core.labels import InboxState
from rung.core.plan import TOOL_CALLS
from rung.core.stats import rate
from rung.core.types import UsageSource
from rung.core.verdicts import Status
from rung.ledger.bill import BillBy, Fidelity, RequestLine, Saving, Spend, TierLine, Tokens
from rung.ledger.codec import NO_LOSSES
from rung.ledger.resends import Resend, replaced
from rung.ledger.statements import with_values
from rung.ledger.tables import attempts, baselines, closings, requests, verdicts

SECONDS_A_DAY = 86_400

_Query = Select[*tuple[Any, ...]]

_r, _a, _v = requests.c, attempts.c, verdicts.c

_ALL: ColumnElement[Any] = null()
_REQUEST_KEYS: Mapping[BillBy | None, ColumnElement[Any]] = {
    None: _ALL,
    BillBy.PROJECT: _r.project,
    BillBy.LANE: _r.lane,
    BillBy.LADDER: _r.ladder,
    BillBy.DAY: cast(_r.started_unix / SECONDS_A_DAY, Integer),
}
_ATTEMPT_KEYS: Mapping[BillBy, ColumnElement[Any]] = {
    BillBy.TIER: _a.tier,
    BillBy.MODEL: func.nullif(_a.model, ""),
}

REPLACED = "replaced"
"""The parameter that says which request stands for which, as a JSON object."""

_replaced = (
    func.json_each(bindparam(REPLACED))
    .table_valued(column("key", String), column("value", String))
    .alias("replaced")
)
_resent = _r.id.in_(select(_replaced.c.key))
_stands = _r.id.not_in(select(_replaced.c.key))

_by_human = select(closings.c.request_id).where(closings.c.state == InboxState.ANSWERED.value)

_served = and_(_stands, _a.position == _r.served_attempt)
_counted = _a.usage_source != UsageSource.NONE.value
_joined = attempts.join(requests, _a.request_id == _r.id)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _sum(
    amount: ColumnElement[Any], where: ColumnElement[bool] | None = None
) -> ColumnElement[Any]:
    counted = amount if where is None else case((where, amount), else_=0)
    return func.coalesce(func.sum(counted), 0)


_wasted = or_(_resent, _r.served_attempt.is_(None), _a.position != _r.served_attempt)
_SPEND = (
    func.count().label("attempts"),
    _sum(_a.cost_nanousd).label("spend"),
    _sum(_a.cost_nanousd, _wasted).label("wasted"),
    _sum(_a.ended_at - _a.started_at, _wasted).label("wasted_seconds"),
    _sum(_a.input_tokens).label("input"),
    _sum(_a.output_tokens).label("output"),
    _sum(_a.cache_read_tokens).label("cache_read"),
    _sum(_a.cache_write_tokens).label("cache_write"),
    _sum(_a.reasoning_tokens).label("reasoning"),
    _count(_a.usage_source == UsageSource.ESTIMATED.value).label("estimated"),
    _count(_counted).label("counted"),
    _count(_a.tool_calls > 0).label("tool_answers"),
    _count(_a.salvaged.is_not(None)).label("salvaged"),
    _count(_a.losses_json != NO_LOSSES).label("lossy"),
)


class Figures:
    """Asks one connection about the requests that began within a span."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        since_unix: float | None,
        until_unix: float | None,
        baseline: str | None,
    ) -> None:
        self._connection = connection
        self._replaced = json.dumps(replaced(self._resends()))
        self._span: list[ColumnElement[bool]] = []
        if since_unix is not None:
            self._span.append(_r.started_unix >= since_unix)
        if until_unix is not None:
            self._span.append(_r.started_unix < until_unix)
        self._only = [] if baseline is None else [baselines.c.name == baseline]
        if baseline is not None:
            self._must_be_known(baseline)

    def by_request(self, by: BillBy | None) -> Iterator[RequestLine]:
        """A line for each key, in order; exactly one, even of nothing, for None."""
        key = _REQUEST_KEYS[by]
        spend, seconds = self._by_key(_spent(), key), self._quantiles(key)
        climbed, fell = self._by_key(_climbed(), key), self._by_key(_fell(), key)
        refused = self._by_key(_refused(), key)
        savings = self._savings(key)
        for row in self._grouped(_counted_requests(), key):
            found = row["key"]
            trials = climbed[found]["trials"] if found in climbed else 0
            median, p90 = seconds.get(found, (None, None))
            yield RequestLine(
                key=_shown(by, found),
                requests=row["requests"],
                resent=row["resent"],
                answered=row["answered"],
                verified=row["verified"],
                unverified=row["answered"] - row["verified"],
                flagged=row["flagged"],
                exhausted=row["exhausted"],
                inbox=row["inbox"],
                by_human=row["by_human"],
                ungated=row["ungated"],
                spend=_spend(spend.get(found)),
                fidelity=_fidelity(spend.get(found), refused.get(found)),
                escalation=rate(climbed[found]["hits"] if trials else 0, trials),
                fallbacks=fell[found]["fallbacks"] if found in fell else 0,
                median_seconds=median,
                p90_seconds=p90,
                savings=tuple(savings.get(found, ())),
            )

    def by_attempt(self, by: BillBy, requests_in_all: int) -> Iterator[TierLine]:
        """A line for each tier, from the lowest step up, or for each model by name."""
        key = _ATTEMPT_KEYS[by]
        statement, refused = _counted_attempts(), self._by_key(_refused(), key)
        if by is BillBy.TIER:
            statement = statement.order_by(func.min(_a.step))
        for row in self._grouped(statement, key):
            yield TierLine(
                key=row["key"],
                spend=_spend(row),
                fidelity=_fidelity(row, refused.get(row["key"])),
                failures=row["failures"],
                served=rate(row["served"], requests_in_all),
                passed=rate(row["passed"], row["judged"]),
            )

    def _savings(self, key: ColumnElement[Any]) -> dict[Any, list[Saving]]:
        broken = _spent_on_replaced().subquery()
        known = baselines.join(requests, and_(baselines.c.request_id == _r.id, _stands))
        statement = (
            select(
                baselines.c.name,
                func.count().label("requests"),
                _sum(baselines.c.cost_nanousd).label("baseline"),
                _sum(_r.cost_nanousd + func.coalesce(broken.c.cost, 0)).label("spend"),
            )
            .select_from(known.outerjoin(broken, broken.c.request_id == _r.id))
            .where(*self._only)
            .group_by(baselines.c.name)
            .order_by(baselines.c.name)
        )
        savings: dict[Any, list[Saving]] = {}
        for row in self._grouped(statement, key):
            saving = Saving(row["name"], row["requests"], row["baseline"], row["spend"])
            savings.setdefault(row["key"], []).append(saving)
        return savings

    def _quantiles(self, key: ColumnElement[Any]) -> dict[Any, tuple[float, float]]:
        """Median and 90th percentile by key, by linear interpolation between two neighbours."""
        place = func.row_number().over(partition_by=key, order_by=_r.seconds) - 1
        last = func.count().over(partition_by=key) - 1
        ranked = (
            select(key.label("key"), _r.seconds, place.label("place"), last.label("last"))
            .where(_stands, *self._span)
            .subquery()
            .c
        )
        middle, high = ranked.last * 5 // 10, ranked.last * 9 // 10
        wanted = select(ranked.key, ranked.seconds, ranked.place, ranked.last).where(
            or_(ranked.place.in_((middle, middle + 1)), ranked.place.in_((high, high + 1)))
        )
        places: dict[Any, dict[int, float]] = {}
        lasts: dict[Any, int] = {}
        for row in self._run(wanted):
            places.setdefault(row["key"], {})[row["place"]] = row["seconds"]
            lasts[row["key"]] = row["last"]
        return {
            found: (_between(at, lasts[found], 5), _between(at, lasts[found], 9))
            for found, at in places.items()
        }

    def _resends(self) -> Iterator[Resend]:
        again = select(_r.id, _r.resend_of, _r.started_unix).where(_r.resend_of.is_not(None))
        return (Resend(*row) for row in self._run(again))

    def _must_be_known(self, baseline: str) -> None:
        names = [row["name"] for row in self._run(select(baselines.c.name).distinct())]
        if names and baseline not in names:
            raise RequestError(
                f"No request has a baseline {baseline!r}.",
                status=404,
                param="baseline",
                fix=f"name one of these: {', '.join(sorted(names))}.",
            )

    def _by_key(self, statement: _Query, key: ColumnElement[Any]) -> dict[Any, sqlite3.Row]:
        return {row["key"]: row for row in self._grouped(statement, key)}

    def _grouped(self, statement: _Query, key: ColumnElement[Any]) -> list[sqlite3.Row]:
        chosen = statement.add_columns(key.label("key")).where(*self._span)
        return self._run(chosen if key is _ALL else chosen.group_by(key).order_by(key))

    def _run(self, statement: _Query) -> list[sqlite3.Row]:
        text, values = with_values(statement)
        if REPLACED in values:
            values[REPLACED] = self._replaced
        return self._connection.execute(text, values).fetchall()


def _counted_requests() -> _Query:
    answered = and_(_stands, _r.served_attempt.is_not(None))
    counted: _Query = select(
        _count(_stands).label("requests"),
        _count(_resent).label("resent"),
        _count(answered).label("answered"),
        _count(and_(answered, _r.verified.is_(True))).label("verified"),
        _count(and_(answered, _r.verified.is_(False))).label("flagged"),
        _count(and_(_stands, _r.decision == "exhausted")).label("exhausted"),
        _count(and_(_stands, _r.inbox)).label("inbox"),
        _count(and_(_stands, _r.id.in_(_by_human))).label("by_human"),
        _count(and_(_stands, _r.ungated)).label("ungated"),
    )
    return counted.select_from(requests)


def _spent_on_replaced() -> _Query:
    """What the requests cost for which another one stands, by that other one's id."""
    stand_in = _replaced.c.value.label("request_id")
    summed: _Query = select(stand_in, func.sum(_r.cost_nanousd).label("cost"))
    paid = requests.join(_replaced, _replaced.c.key == _r.id)
    return summed.select_from(paid).group_by(_replaced.c.value)


def _counted_attempts() -> _Query:
    return _spent().add_columns(
        _count(_a.answer_sha256.is_(None)).label("failures"),
        _count(_served).label("served"),
        _count(_a.gates == "passed").label("passed"),
        _count(_a.gates.is_not(None)).label("judged"),
    )


def _spent() -> _Query:
    return select(*_SPEND).select_from(_joined)


def _climbed() -> _Query:
    """Of the requests that began below the top of their plan, those that escalated."""
    below = and_(_a.position == 0, _a.step < _r.steps - 1)
    chosen: _Query = select(func.count().label("trials"), _count(_r.escalated).label("hits"))
    return chosen.select_from(_joined).where(below, _stands)


def _fell() -> _Query:
    """Calls of another tier directly after one that gave no answer."""
    later = attempts.alias()
    following = and_(later.c.request_id == _a.request_id, later.c.position == _a.position + 1)
    moved = and_(_a.answer_sha256.is_(None), later.c.tier != _a.tier)
    chosen: _Query = select(func.count().label("fallbacks"))
    return chosen.select_from(_joined.join(later, following)).where(moved)


def _refused() -> _Query:
    """Answers whose tool calls the gate on them rejected."""
    about = and_(_v.request_id == _a.request_id, _v.attempt_position == _a.position)
    failed = and_(_v.verifier == TOOL_CALLS, _v.status == Status.FAILED.value)
    chosen: _Query = select(func.count().label("tool_failures"))
    return chosen.select_from(_joined.join(verdicts, about)).where(failed)


def _fidelity(row: sqlite3.Row | None, refused: sqlite3.Row | None) -> Fidelity:
    if row is None:
        return Fidelity()
    return Fidelity(
        tool_answers=row["tool_answers"],
        salvaged=row["salvaged"],
        tool_failures=0 if refused is None else refused["tool_failures"],
        lossy=row["lossy"],
    )


def _spend(row: sqlite3.Row | None) -> Spend:
    if row is None:
        return Spend(0, 0, 0, 0.0, Tokens(), rate(0, 0))
    return Spend(
        attempts=row["attempts"],
        spend_nanousd=row["spend"],
        wasted_nanousd=row["wasted"],
        wasted_seconds=float(row["wasted_seconds"]),
        tokens=Tokens(
            row["input"], row["output"], row["cache_read"], row["cache_write"], row["reasoning"]
        ),
        estimated=rate(row["estimated"], row["counted"]),
    )


def _between(at: Mapping[int, float], last: int, tenths: int) -> float:
    low, rest = divmod(last * tenths, 10)
    value = at[low]
    return value if not rest else value + (at[low + 1] - value) * rest / 10


def _shown(by: BillBy | None, key: Any) -> str | None:
    if by is BillBy.DAY:
        return datetime.fromtimestamp(key * SECONDS_A_DAY, UTC).date().isoformat()
    return None if key is None else str(key)
