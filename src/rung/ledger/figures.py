"""The bill's lines, from the sums of a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, null, or_, select
from sqlalchemy.sql.elements import ColumnElement

from rung.core import buckets
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
from rung.ledger.database import Connection
from rung.ledger.dialects import whole_days
from rung.ledger.spans import DAY, Name, Span, Sums
from rung.ledger.sum_tables import ATTEMPT_SUMS, REQUEST_SUMS, Axis
from rung.ledger.tables import requests

SECONDS_A_DAY: Final = 86_400
MICROSECONDS: Final = 1_000_000

_r = requests.c

_AXES: Final[Mapping[BillBy | None, str]] = {
    None: Axis.TOTAL,
    BillBy.TIER: Axis.TIER,
    BillBy.MODEL: Axis.MODEL,
    BillBy.PROJECT: Axis.PROJECT,
    BillBy.LANE: Axis.LANE,
    BillBy.DAY: DAY,
    BillBy.LADDER: Axis.LADDER,
    BillBy.CATEGORY: Axis.CATEGORY,
    BillBy.KEY: Axis.KEY,
}
_NOTHING: Final[Sums] = dict.fromkeys((*REQUEST_SUMS, *ATTEMPT_SUMS), 0)


class Figures:
    """Asks one connection about the requests that began within a span."""

    def __init__(
        self,
        connection: Connection,
        since_unix: float | None,
        until_unix: float | None,
        baseline: str | None,
    ) -> None:
        self._span = Span(connection, since_unix, until_unix)
        self._baseline = baseline
        if baseline is not None:
            self._must_be_known(baseline)

    @property
    def exact(self) -> bool:
        """Whether quantiles are exact, not only to one percent."""
        return self._span.exact

    def by_request(self, by: BillBy | None) -> Iterator[RequestLine]:
        """A line for each key, in order; exactly one, even of nothing, for None."""
        axis = _AXES[by]
        calls, seconds = self._span.attempts(axis), self._quantiles(axis)
        savings = self._span.savings(axis)
        found = self._span.requests(axis)
        lines = {name: row for name, row in found.items() if row["rows"]}
        if by is None:
            lines = {"": found.get("", _NOTHING)}
        for name, row in sorted(lines.items()):
            told = self._savings(savings.get(name, {}))
            line = (row, calls.get(name, _NOTHING), seconds.get(name, (None, None)))
            yield _request_line(_shown(by, name), line, told)

    def by_attempt(self, by: BillBy, requests_in_all: int) -> Iterator[TierLine]:
        """A line for each tier, from the lowest step up, or for each model by name."""
        rows = [(n, row) for n, row in self._span.attempts(_AXES[by]).items() if row["attempts"]]
        if by is BillBy.TIER:
            rows.sort(key=lambda each: (each[1]["steps"] / each[1]["attempts"], each[0]))
        else:
            rows.sort()
        for name, row in rows:
            yield TierLine(
                key=_shown(by, name),
                spend=_spend(row),
                fidelity=_fidelity(row),
                failures=row["failures"],
                served=rate(row["served"], requests_in_all),
                passed=rate(row["passed"], row["judged"]),
            )

    def _savings(self, found: Mapping[str, Sums]) -> tuple[Saving, ...]:
        return tuple(
            Saving(name, row["requests"], row["baseline_nanousd"], row["spend_nanousd"])
            for name, row in sorted(found.items())
            if row["requests"] and self._baseline in {None, name}
        )

    def _must_be_known(self, baseline: str) -> None:
        names = self._span.baselines()
        if names and baseline not in names:
            raise RequestError(
                f"No request has a baseline {baseline!r}.",
                status=404,
                param="baseline",
                fix=f"name one of these: {', '.join(sorted(names))}.",
            )

    # -------------------------------------------------------------- median and 90th percentile

    def _quantiles(self, axis: str) -> Mapping[Name, tuple[float | None, float | None]]:
        if self._span.exact:
            return self._exact_quantiles(axis)
        return {
            name: (buckets.quantile(counts, 5), buckets.quantile(counts, 9))
            for name, counts in self._span.seconds(axis).items()
        }

    def _exact_quantiles(self, axis: str) -> dict[Name, tuple[float | None, float | None]]:
        """By linear interpolation between two neighbours."""
        told = sums.AXES.get(axis)
        key: ColumnElement[Any] = told(_r) if told else null()
        if axis == DAY:
            key = whole_days(_r.started_unix)
        place = func.row_number().over(partition_by=key, order_by=_r.seconds) - 1
        last = func.count().over(partition_by=key) - 1
        ranked = (
            select(key.label("key"), _r.seconds, place.label("place"), last.label("last"))
            .where(sums.STANDS, *self._span.within())
            .subquery()
            .c
        )
        middle, high = ranked.last * 5 // 10, ranked.last * 9 // 10
        wanted = select(ranked.key, ranked.seconds, ranked.place, ranked.last).where(
            or_(ranked.place.in_((middle, middle + 1)), ranked.place.in_((high, high + 1)))
        )
        places: dict[Name, dict[int, float]] = {}
        lasts: dict[Name, int] = {}
        for row in self._span.run(wanted):
            name = "" if row["key"] is None else row["key"]
            places.setdefault(name, {})[row["place"]] = row["seconds"]
            lasts[name] = row["last"]
        return {
            name: (_between(at, lasts[name], 5), _between(at, lasts[name], 9))
            for name, at in places.items()
        }


def _request_line(
    key: str | None,
    told: tuple[Sums, Sums, tuple[float | None, float | None]],
    savings: Sequence[Saving],
) -> RequestLine:
    row, calls, (median, p90) = told
    return RequestLine(
        key=key,
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
        spend=_spend(calls),
        fidelity=_fidelity(calls),
        escalation=rate(row["climbed"], row["began_below"]),
        fallbacks=calls["fallbacks"],
        median_seconds=median,
        p90_seconds=p90,
        savings=tuple(savings),
        beside=Beside(
            calls["checks_nanousd"],
            calls["checks_wasted_nanousd"],
            row["audited"],
            row["audit_calls"],
            row["audits_nanousd"],
        ),
        served_again=row["served_again"],
        spared_nanousd=row["spared_nanousd"],
        recovered=row["recovered"],
    )


def _fidelity(row: Sums) -> Fidelity:
    return Fidelity(row["tool_answers"], row["salvaged"], row["tool_failures"], row["lossy"])


def _spend(row: Sums) -> Spend:
    return Spend(
        attempts=row["attempts"],
        spend_nanousd=row["cost_nanousd"],
        wasted_nanousd=row["wasted_nanousd"],
        wasted_seconds=row["wasted_us"] / MICROSECONDS,
        tokens=Tokens(
            row["input_tokens"],
            row["output_tokens"],
            row["cache_read_tokens"],
            row["cache_write_tokens"],
            row["reasoning_tokens"],
            row["image_tokens"],
            row["server_tools"],
        ),
        estimated=rate(row["estimated"], row["counted"]),
        sparing=Sparing(
            row["told_tokens"],
            row["cache_read_tokens"],
            row["cache_nanousd"],
            row["shortened_tokens"],
            row["shortened_nanousd"],
        ),
    )


def _between(at: Mapping[int, float], last: int, tenths: int) -> float:
    low, rest = divmod(last * tenths, 10)
    value = at[low]
    return value if not rest else value + (at[low + 1] - value) * rest / 10


def _shown(by: BillBy | None, key: Name) -> str | None:
    if by is BillBy.DAY:
        return datetime.fromtimestamp(int(key) * SECONDS_A_DAY, UTC).date().isoformat()
    if by is BillBy.PROJECT:
        return str(key).removeprefix(sums.NAMED) if key else None
    return str(key) or None
