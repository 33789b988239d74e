"""Calls as they are booked, one by one: for what cannot be added up by the database.

They are read in pages by key, so that memory does not grow with the ledger, all in one transaction,
so that what is written meanwhile is not seen in part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from rung.core.types import Usage, UsageSource
from rung.ledger.account_tables import prices
from rung.ledger.database import Connection, Row
from rung.ledger.priced import counts_of
from rung.ledger.tables import attempts, requests, verdicts

PAGE: Final = 5000
"""Rows that are held at once."""

_r, _a = requests.c, attempts.c
_KEY = (_r.started_unix, _r.id, _a.position)
_JOINED = attempts.join(requests, _a.request_id == _r.id).outerjoin(
    prices, prices.c.id == _a.price_id
)
PRICE_JSON: Final = func.coalesce(prices.c.price_json, _a.price_json).label("price_json")


@dataclass(frozen=True, slots=True)
class Span:
    """The requests that began in [``since_unix``, ``until_unix``); ``None`` is no bound."""

    since_unix: float | None = None
    until_unix: float | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """The same as conditions on requests."""
        found: list[ColumnElement[bool]] = []
        if self.since_unix is not None:
            found.append(_r.started_unix >= self.since_unix)
        if self.until_unix is not None:
            found.append(_r.started_unix < self.until_unix)
        return found


def paged(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    where: Sequence[ColumnElement[bool]] = (),
    page: int = PAGE,
) -> Iterator[Row]:
    """These columns of all calls, oldest request first, each request's calls in order."""
    keys = [column.label(f"key_{place}") for place, column in enumerate(_KEY)]
    chosen: Select[Any] = select(*columns, *keys).select_from(_JOINED).where(*where)
    chosen = chosen.order_by(*_KEY).limit(page)
    last: tuple[Any, ...] | None = None
    while True:
        further = chosen if last is None else chosen.where(tuple_(*_KEY) > tuple_(*last))
        rows = connection.run(further).fetchall()
        yield from rows
        if len(rows) < page:
            return
        last = tuple(rows[-1][f"key_{place}"] for place in range(len(_KEY)))


COUNTED: Final = (
    *("tier", "model", "started_at", "ended_at", "load_seconds", "queued_seconds", "local"),
    *("failure_fault", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "usage_source", "cache_write_1h_tokens", "image_tokens", "server_tools"),
    *("more_counts_json", "cost_nanousd"),
)
"""What of a call says what it used and cost."""


def billed_calls(connection: Connection, span: Span, *keys: ColumnElement[Any]) -> Iterator[Row]:
    """All calls that were made, with what they used and cost, their price, and these ``keys``.

    Calls of audits are among them; answers that were served again are not, since nothing was
    called.
    """
    columns = [_r.started_unix, *(_a[name] for name in COUNTED), PRICE_JSON, *keys]
    yield from paged(connection, columns, [_r.cached_of.is_(None), *span.where()])


def checks_nanousd(connection: Connection, span: Span) -> int:
    """What checks were billed themselves."""
    total = func.coalesce(func.sum(verdicts.c.cost_nanousd), 0)
    over = verdicts.join(requests, verdicts.c.request_id == _r.id)
    asked = select(total).select_from(over).where(verdicts.c.cost_nanousd > 0, *span.where())
    return int(connection.run(asked).fetchone()[0])


def usage_of(row: Row) -> Usage:
    """The counters of one call."""
    return Usage(
        row["input_tokens"],
        row["output_tokens"],
        row["cache_read_tokens"],
        row["cache_write_tokens"],
        row["reasoning_tokens"],
        UsageSource(row["usage_source"]),
        row["cache_write_1h_tokens"],
        row["image_tokens"],
        row["server_tools"],
        **counts_of(row["more_counts_json"]),
    )


def worked_seconds(row: Row) -> float:
    """How long a call worked: neither queued nor loading."""
    spent = row["ended_at"] - row["started_at"] - row["load_seconds"] - row["queued_seconds"]
    return max(0.0, float(spent))
