"""The ledger's rows for other programs: a flat table at a time, read in pages, oldest first.

Exported are counters, amounts, names, verdicts and labels. Never exported are virtual keys (not
even their hashes), what the inbox holds and stored bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    false,
    func,
    select,
    tuple_,
)
from sqlalchemy import Float as Real

from rung.core.money import exact
from rung.ledger.account_tables import prices
from rung.ledger.calls import PAGE, Span
from rung.ledger.database import Connection, Row
from rung.ledger.tables import attempts, baselines, labels, requests, verdicts


class Exported(StrEnum):
    """What can be exported. CALLS are attempts with what of their request most reports need."""

    CALLS = "calls"
    REQUESTS = "requests"
    ATTEMPTS = "attempts"
    VERDICTS = "verdicts"
    BASELINES = "baselines"
    LABELS = "labels"
    PRICES = "prices"


class Kind(StrEnum):
    """What a column holds. USD is an exact amount as decimal text, with nine digits."""

    TEXT = "text"
    WHOLE = "whole"
    REAL = "real"
    BOOLEAN = "boolean"
    USD = "usd"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table that is exported, in order."""

    name: Exported
    columns: Mapping[str, Kind]


_r, _a = requests.c, attempts.c

_CALLS: Final = (
    *("tier", "model", "kind", "step", "started_at", "ended_at", "load_seconds", "queued_seconds"),
    *("first_token_seconds", "failure_fault", "failure_status", "finish", "gates", "input_tokens"),
    *("output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "image_tokens", "server_tools", "more_counts_json", "usage_source"),
    *("cost_nanousd", "reserved_nanousd", "price_id", "price_source", "ended_by", "phase", "local"),
    *("beside", "drained", "tool_calls", "spared_tokens"),
)
_OF_REQUESTS: Final = (
    *("project", "lane", "ladder", "dialect", "requested_model", "streamed", "key_id"),
    *("conversation", "agent", "category", "difficulty", "verified", "escalated", "private"),
    *("resend_of", "audit_of", "cached_of", "recovered"),
)
_INNER: Final = frozenset({"price_json", "plan_json", "plan_id", "traits_json"})
"""Columns for rung's own use; a call tells its price by its id."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from: ``key`` orders them, ``over`` is joined to the requests' span."""

    columns: Mapping[str, ColumnElement[Any]]
    key: Sequence[ColumnElement[Any]]
    over: FromClause
    spanned: bool = True


def _source(table: Exported) -> _Source:
    started = _r.started_unix
    match table:
        case Exported.CALLS:
            own = {name: _a[name] for name in _CALLS}
            asked = {name: _r[name] for name in _OF_REQUESTS}
            served = func.coalesce(_a.position == _r.served_attempt, false(), type_=Boolean)
            head = {"id": _a.id, "request_id": _r.id, "position": _a.position}
            columns = head | {"started_unix": started} | own | {"served": served} | asked
            over = attempts.join(requests, _a.request_id == _r.id)
            return _Source(columns, (started, _r.id, _a.position), over)
        case Exported.REQUESTS:
            return _Source(_columns(requests), (started, _r.id), requests)
        case Exported.PRICES:
            return _Source(_columns(prices), (prices.c.id,), prices, spanned=False)
        case Exported.ATTEMPTS:
            over = attempts.join(requests, _a.request_id == _r.id)
            return _Source(_columns(attempts), (started, _r.id, _a.position), over)
        case Exported.VERDICTS | Exported.BASELINES | Exported.LABELS:
            inner = {"verdicts": verdicts, "baselines": baselines, "labels": labels}[table]
            over = inner.join(requests, inner.c.request_id == _r.id)
            own_key = [column for column in inner.primary_key if column.name != "request_id"]
            return _Source(_columns(inner), (started, _r.id, *own_key), over)


def _columns(table: Table) -> dict[str, ColumnElement[Any]]:
    if table is prices:
        return {column.name: column for column in table.c}
    return {column.name: column for column in table.c if column.name not in _INNER}


def shape(table: Exported) -> Shape:
    """What a table's rows consist of: its columns, and of amounts and times readable ones too."""
    kinds: dict[str, Kind] = {}
    for name, column in _source(table).columns.items():
        kinds[name] = _kind(column)
        if name.endswith("_nanousd"):
            kinds[name.removesuffix("nanousd") + "usd"] = Kind.USD
        elif name.endswith("_unix"):
            kinds[name.removesuffix("_unix") + "_utc"] = Kind.TIME
    return Shape(table, kinds)


def _kind(column: ColumnElement[Any]) -> Kind:
    match column.type:
        case Boolean():
            return Kind.BOOLEAN
        case Integer() | BigInteger():
            return Kind.WHOLE
        case Real():
            return Kind.REAL
        case _:
            return Kind.TEXT


def rows(
    connection: Connection, table: Exported, span: Span, page: int = PAGE
) -> Iterator[list[Any]]:
    """The values of all rows whose requests began in the span, in the order of `shape`'s columns.

    Prices have no span: all of them come.
    """
    source, wanted = _source(table), shape(table).columns
    makers = [_maker(name, kind) for name, kind in wanted.items()]
    for row in _paged(connection, source, span, page):
        yield [make(row) for make in makers]


def _maker(name: str, kind: Kind) -> Callable[[Row], Any]:
    """What makes a column's value of a row."""
    told = f"told_{name}"
    match kind:
        case Kind.USD:
            amount = "told_" + name.removesuffix("usd") + "nanousd"
            return lambda row: None if row[amount] is None else exact(row[amount])
        case Kind.TIME:
            moment = "told_" + name.removesuffix("_utc") + "_unix"
            return lambda row: None if row[moment] is None else _utc(row[moment])
        case Kind.BOOLEAN:
            return lambda row: None if row[told] is None else bool(row[told])
        case Kind.TEXT | Kind.WHOLE | Kind.REAL:
            return lambda row: row[told]


def _utc(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _paged(connection: Connection, source: _Source, span: Span, page: int) -> Iterator[Row]:
    keys = [column.label(f"key_{place}") for place, column in enumerate(source.key)]
    told = [column.label(f"told_{name}") for name, column in source.columns.items()]
    chosen: Select[Any] = select(*told, *keys).select_from(source.over)
    chosen = chosen.where(*(span.where() if source.spanned else ()))
    chosen = chosen.order_by(*source.key).limit(page)
    last: tuple[Any, ...] | None = None
    while True:
        further = chosen if last is None else chosen.where(tuple_(*source.key) > tuple_(*last))
        found = connection.run(further).fetchall()
        yield from found
        if len(found) < page:
            return
        last = tuple(found[-1][f"key_{place}"] for place in range(len(keys)))
