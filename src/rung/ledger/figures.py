"""The sums under the bill, each one statement of SQL over the requests of a span of time.

All sums are of integers, which SQLite adds exactly in 64 bits. Statements are grouped by a key, or
by a constant for the total, so that the total and its parts come from the same text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Integer, and_, cast, func, null, or_, select
from sqlalchemy.sql.elements import ColumnElement

from rung.core.errors import RequestError
from rung.core.stats import rate
from rung.ledger import sums
from rung.ledger.bill import (
    Beside,
    BillBy,
    Fidelity,
    RequestLine,
    Saving,
    Sparing,
    Spend,
    TierLine,
    Tokens,
)
from rung.ledger.resends import Resend, replaced
from rung.ledger.statements import with_values
from rung.ledger.sums import REPLACED, STANDS, TRAFFIC, Query, total_of
from rung.ledger.tables import attempts, baselines, requests

SECONDS_A_DAY = 86_400

_r, _a = requests.c, attempts.c

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
        self._within: list[ColumnElement[bool]] = []
        if since_unix is not None:
            self._within.append(_r.started_unix >= since_unix)
        if until_unix is not None:
            self._within.append(_r.started_unix < until_unix)
        self._span = [*self._within, TRAFFIC]
        self._only = [] if baseline is None else [baselines.c.name == baseline]
        if baseline is not None:
            self._must_be_known(baseline)

    def by_request(self, by: BillBy | None) -> Iterator[RequestLine]:
        """A line for each key, in order; exactly one, even of nothing, for None."""
        key = _REQUEST_KEYS[by]
        spend, seconds = self._by_key(sums.spent(), key), self._quantiles(key)
        climbed, fell = self._by_key(sums.climbed(), key), self._by_key(sums.fell(), key)
        refused, beside = self._by_key(sums.refused(), key), self._beside(key)
        savings, again = self._savings(key), self._by_key(sums.served_again(), key)
        # Over audits too, which count as nothing there: a day may have had nothing else.
        for row in self._grouped(sums.counted_requests(), key, self._within):
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
                beside=beside.get(found, Beside()),
                served_again=_of(again, found, "requests"),
                spared_nanousd=_of(again, found, "spared"),
            )

    def by_attempt(self, by: BillBy, requests_in_all: int) -> Iterator[TierLine]:
        """A line for each tier, from the lowest step up, or for each model by name."""
        key = _ATTEMPT_KEYS[by]
        statement, refused = sums.counted_attempts(), self._by_key(sums.refused(), key)
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
        broken, again = sums.spent_on_replaced().subquery(), sums.spent_on_audits().subquery()
        known = baselines.join(requests, and_(baselines.c.request_id == _r.id, STANDS))
        known = known.outerjoin(broken, broken.c.request_id == _r.id)
        others = func.coalesce(broken.c.cost, 0) + func.coalesce(again.c.cost, 0)
        statement = (
            select(
                baselines.c.name,
                func.count().label("requests"),
                total_of(baselines.c.cost_nanousd).label("baseline"),
                total_of(_r.cost_nanousd + others).label("spend"),
            )
            .select_from(known.outerjoin(again, again.c.request_id == _r.id))
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
            .where(STANDS, *self._span)
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

    def _by_key(
        self,
        statement: Query,
        key: ColumnElement[Any],
        within: Sequence[ColumnElement[bool]] | None = None,
    ) -> dict[Any, sqlite3.Row]:
        return {row["key"]: row for row in self._grouped(statement, key, within)}

    def _beside(self, key: ColumnElement[Any]) -> dict[Any, Beside]:
        """What checks and audits cost, which are no attempts at an answer."""
        checks = self._by_key(sums.checks(), key)
        calls = self._by_key(sums.audit_calls(), key, self._within)
        audits = self._by_key(sums.audits(), key, self._within)
        return {
            found: Beside(
                _of(checks, found, "cost"),
                _of(checks, found, "wasted"),
                _of(audits, found, "audited"),
                _of(calls, found, "calls"),
                _of(audits, found, "cost"),
            )
            for found in {*checks, *audits}
        }

    def _grouped(
        self,
        statement: Query,
        key: ColumnElement[Any],
        within: Sequence[ColumnElement[bool]] | None = None,
    ) -> list[sqlite3.Row]:
        """By default of requests alone, no audits."""
        chosen = statement.add_columns(key.label("key"))
        chosen = chosen.where(*(self._span if within is None else within))
        return self._run(chosen if key is _ALL else chosen.group_by(key).order_by(key))

    def _run(self, statement: Query) -> list[sqlite3.Row]:
        text, values = with_values(statement)
        if REPLACED in values:
            values[REPLACED] = self._replaced
        return self._connection.execute(text, values).fetchall()


def _of(rows: Mapping[Any, sqlite3.Row], key: Any, name: str) -> int:
    return rows[key][name] if key in rows else 0


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
        sparing=Sparing(
            row["told_input"],
            row["cache_read"],
            row["cache_saved"],
            row["shortened"],
            row["shortened_saved"],
        ),
    )


def _between(at: Mapping[int, float], last: int, tenths: int) -> float:
    low, rest = divmod(last * tenths, 10)
    value = at[low]
    return value if not rest else value + (at[low + 1] - value) * rest / 10


def _shown(by: BillBy | None, key: Any) -> str | None:
    if by is BillBy.DAY:
        return datetime.fromtimestamp(key * SECONDS_A_DAY, UTC).date().isoformat()
    return None if key is None else str(key)
