"""The ledger's calls by day and model, to be held against a provider's account of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from rung.core.reconciling import Booked, Figures, Key, canonical
from rung.core.types import Fault, UsageSource
from rung.ledger.calls import COUNTED, PRICE_JSON, Span, paged, usage_of
from rung.ledger.database import Connection, Row
from rung.ledger.priced import price_of
from rung.ledger.tables import attempts, requests

EDGE_SECONDS = 86_400.0
"""A request may begin a day before its last call."""


def daily(
    connection: Connection,
    days: tuple[date, date],
    is_theirs: Callable[[str, str | None], bool],
    named: Callable[[str], str],
) -> dict[Key, Booked]:
    """All calls made on these days, the last one included, by day (UTC) and `canonical` model.

    ``is_theirs`` says of a tier and of its price's source whether the account should have its
    calls, ``named`` what model a tier asks for, for calls that nobody answered. Calls on this
    machine or network are on nobody's account.
    """
    found: dict[Key, Booked] = {}
    first, last = days
    for day, row in _calls(connection, first, last):
        price = price_of(row["price_json"])
        source = None if price is None else price.source
        if row["local"] or not is_theirs(row["tier"], source):
            continue
        key = day, canonical(row["model"] or named(row["tier"]))
        booked = _booked(row)
        found[key] = booked.plus(found[key]) if key in found else booked
    return found


def _calls(connection: Connection, first: date, last: date) -> Iterator[tuple[date, Row]]:
    start, end = _midnight(first), _midnight(last) + EDGE_SECONDS
    span = Span(start - EDGE_SECONDS, end)
    columns = [requests.c.started_unix, *(attempts.c[name] for name in COUNTED), PRICE_JSON]
    for row in paged(connection, columns, [requests.c.cached_of.is_(None), *span.where()]):
        at = row["started_unix"] + row["started_at"]
        if start <= at < end:
            yield datetime.fromtimestamp(at, UTC).date(), row


def _midnight(day: date) -> float:
    return datetime.combine(day, datetime.min.time(), UTC).timestamp()


def _booked(row: Row) -> Booked:
    if row["failure_fault"] == Fault.UNKNOWN.value:
        return Booked(Figures(1, 0, 0, 0, 0, 0, row["cost_nanousd"]), unknown=1)
    usage = usage_of(row)
    if usage.source is UsageSource.NONE:
        return Booked(Figures(0, 0, 0, 0, 0, 0, row["cost_nanousd"]), untold=1)
    figures = Figures(
        1,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.server_tools,
        row["cost_nanousd"],
    )
    estimated = figures if usage.source is UsageSource.ESTIMATED else Figures()
    return Booked(figures, estimated)
