"""The statements under the bill: what is counted and summed, before it is grouped by anything.

Each is a query over requests that are chosen by conditions, grouped by dimensions. The bill asks
them for the rows of its span; `summing` for a batch of rows, whose sums are kept. So a sum that was
kept and one that is made from the rows come from the same text. All sums are of whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import (
    CTE,
    FromClause,
    Integer,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from rung.core import buckets
from rung.core.labels import InboxState
from rung.core.money import MTOK
from rung.core.plan import TOOL_CALLS
from rung.core.types import UsageSource
from rung.core.verdicts import Status
from rung.ledger.account_tables import prices
from rung.ledger.codec import NO_LOSSES
from rung.ledger.dialects import json_whole, microseconds, pairs, whole_hours
from rung.ledger.sum_tables import Axis
from rung.ledger.tables import attempts, baselines, closings, requests, verdicts

Query = Select[*tuple[Any, ...]]
Condition = ColumnElement[bool]
Dimensions = Mapping[str, Callable[[Any], ColumnElement[Any]]]
"""Names of columns, and what stands in them, of a request's columns."""

_r, _a, _v = requests.c, attempts.c, verdicts.c

REPLACED: Final = "replaced"
"""The parameter that says which request stands for which, as a JSON object."""

NAMED: Final = "="
"""Begins the names of projects in sums: an empty one is another than none."""

HOUR: Final[Dimensions] = {"hour": lambda of: whole_hours(of.started_unix)}
AXES: Final[Dimensions] = {
    Axis.PROJECT: lambda of: func.coalesce(literal(NAMED) + of.project, ""),
    Axis.LANE: lambda of: of.lane,
    Axis.LADDER: lambda of: of.ladder,
    Axis.CATEGORY: lambda of: func.coalesce(of.category, ""),
    Axis.KEY: lambda of: func.coalesce(of.key_id, ""),
}
ATTEMPT_AXES: Final[Dimensions] = {
    Axis.TIER: lambda _: _a.tier,
    Axis.MODEL: lambda _: func.coalesce(_a.model, ""),
}

_replaced = (
    pairs(bindparam(REPLACED, type_=String))
    .table_valued(column("key", String), column("value", String))
    .alias("replaced")
)
_resent = _r.id.in_(select(_replaced.c.key))
TRAFFIC, AUDITS = _r.audit_of.is_(None), _r.audit_of.is_not(None)
STANDS = and_(TRAFFIC, _r.id.not_in(select(_replaced.c.key)))
CALLED = _r.cached_of.is_(None)
"""Not of answers that were served again: their tiers were not called, and their checks not run."""

_served = and_(STANDS, _a.position == _r.served_attempt)
_counted = _a.usage_source != UsageSource.NONE.value
_wasted = or_(_resent, _r.served_attempt.is_(None), _a.position != _r.served_attempt)


def _count(condition: Condition) -> ColumnElement[int]:
    return _total(literal(1), condition)


def _total(amount: ColumnElement[Any], where: Condition | None = None) -> ColumnElement[Any]:
    """The sum of an amount, 0 of nothing."""
    counted = amount if where is None else case((where, amount), else_=0)
    return func.coalesce(func.sum(counted), 0)


def _grouped(
    sums: Mapping[str, ColumnElement[Any]], over: FromClause, by: Dimensions, of: Any
) -> Query:
    """The sums of ``over``, a row for each that the dimensions of ``of`` tell apart."""
    keys = [value(of).label(name) for name, value in by.items()]
    chosen: Query = select(*keys, *(value.label(name) for name, value in sums.items()))
    return chosen.select_from(over).group_by(*keys)


# ------------------------------------------------------------------ requests

_first = attempts.alias("first_call")
_below = and_(STANDS, CALLED, _first.c.step < _r.steps - 1)
_original = requests.alias("original")
_earlier = requests.alias("earlier")
_first_look = ~exists().where(_earlier.c.audit_of == _r.audit_of, _earlier.c.id < _r.id)
_calls = select(func.count()).where(_a.request_id == _r.id).correlate(requests).scalar_subquery()
_by_human = (
    exists()
    .where(closings.c.request_id == _r.id, closings.c.state == InboxState.ANSWERED.value)
    .correlate(requests)
)
_answered = and_(STANDS, _r.served_attempt.is_not(None))
_again = and_(STANDS, _r.cached_of.is_not(None))

_REQUEST_SUMS: Final[Mapping[str, ColumnElement[Any]]] = {
    "rows": func.count(),
    "requests": _count(STANDS),
    "resent": _count(_resent),
    "answered": _count(_answered),
    "verified": _count(and_(_answered, _r.verified.is_(True))),
    "flagged": _count(and_(_answered, _r.verified.is_(False))),
    "exhausted": _count(and_(STANDS, _r.decision == "exhausted")),
    "inbox": _count(and_(STANDS, _r.inbox.is_(True))),
    "by_human": _count(and_(STANDS, _by_human)),
    "ungated": _count(and_(STANDS, _r.ungated.is_(True))),
    "recovered": _count(_r.recovered.is_(True)),
    "began_below": _count(_below),
    "climbed": _count(and_(_below, _r.escalated.is_(True))),
    "served_again": _count(_again),
    "spared_nanousd": _total(func.coalesce(_original.c.cost_nanousd, 0), _again),
    "audited": _count(and_(AUDITS, _first_look)),
    "audit_calls": _total(_calls, AUDITS),
    "audits_nanousd": _total(_r.cost_nanousd, AUDITS),
}


def of_requests(by: Dimensions, *where: Condition) -> Query:
    """How requests ended. Audits count as rows, and as audits alone."""
    first = and_(_first.c.request_id == _r.id, _first.c.position == 0)
    over = requests.outerjoin(_first, first).outerjoin(_original, _original.c.id == _r.cached_of)
    return _grouped(_REQUEST_SUMS, over, by, _r).where(*where)


# ------------------------------------------------------------------ attempts


def _price(*names: str) -> ColumnElement[int]:
    """A plain figure of the price that a call was billed by: the first that is there, or 0."""
    told = func.coalesce(_a.price_json, prices.c.price_json)
    figures = [json_whole(told, f"{one}_nanousd_per_mtok") for one in names]
    return func.coalesce(*figures, 0)


_hour = _a.cache_write_1h_tokens
_cached = (
    (_a.cache_read_tokens, _price("cache_read", "input")),
    (_a.cache_write_tokens - _hour, _price("cache_write", "input")),
    (_hour, _price("cache_write_1h", "cache_write", "input")),
)
"""Tokens that are billed otherwise than as fresh input, and how."""

_spared_by_caches = case(
    (
        _a.cache_read_tokens + _a.cache_write_tokens > 0,
        sum((tokens * (_price("input") - price) for tokens, price in _cached), literal(0)) // MTOK,
    ),
    else_=0,
)
_input_cost = (_a.input_tokens - _a.cache_read_tokens - _a.cache_write_tokens) * _price("input")
_spared_by_shortening = case(
    (
        and_(_a.spared_tokens > 0, _a.input_tokens > 0),
        # What is left out would have cost what the call's other input cost, token for token.
        _a.spared_tokens
        * (sum((tokens * price for tokens, price in _cached), _input_cost) // _a.input_tokens)
        // MTOK,
    ),
    else_=0,
)
_later = attempts.alias("later")
_fell = and_(
    _a.answer_sha256.is_(None),
    _a.beside.is_(False),
    exists()
    .where(
        _later.c.request_id == _a.request_id,
        _later.c.position == _a.position + 1,
        _later.c.tier != _a.tier,
    )
    .correlate(attempts),
)


def _checks(*where: Condition) -> CTE:
    """What the checks of an attempt were billed, and how often the gate on tool calls failed."""
    refused = and_(_v.verifier == TOOL_CALLS, _v.status == Status.FAILED.value)
    told: Query = select(
        _v.request_id,
        _v.attempt_position,
        func.sum(_v.cost_nanousd).label("cost"),
        func.sum(case((refused, 1), else_=0)).label("refused"),
    )
    joined = verdicts.join(requests, _v.request_id == _r.id)
    told = told.select_from(joined).where(or_(_v.cost_nanousd > 0, refused), *where)
    return told.group_by(_v.request_id, _v.attempt_position).cte("checked")


def of_attempts(by: Dimensions, *where: Condition) -> Query:
    """What calls came to and what they cost, their checks beside them. None of audits."""
    checked = _checks(*where)
    cost, refused = (func.coalesce(checked.c[name], 0) for name in ("cost", "refused"))
    seconds = microseconds(_a.ended_at - _a.started_at)
    sums = {
        "attempts": func.count(),
        "cost_nanousd": _total(_a.cost_nanousd),
        "wasted_nanousd": _total(_a.cost_nanousd, _wasted),
        "wasted_us": _total(seconds, _wasted),
        "input_tokens": _total(_a.input_tokens),
        "output_tokens": _total(_a.output_tokens),
        "cache_read_tokens": _total(_a.cache_read_tokens),
        "cache_write_tokens": _total(_a.cache_write_tokens),
        "reasoning_tokens": _total(_a.reasoning_tokens),
        "image_tokens": _total(_a.image_tokens),
        "server_tools": _total(_a.server_tools),
        "told_tokens": _total(_a.input_tokens, _a.usage_source == UsageSource.PROVIDER.value),
        "cache_nanousd": _total(_spared_by_caches),
        "shortened_tokens": _total(_a.spared_tokens, _counted),
        "shortened_nanousd": _total(_spared_by_shortening),
        "estimated": _count(_a.usage_source == UsageSource.ESTIMATED.value),
        "counted": _count(_counted),
        "tool_answers": _count(_a.tool_calls > 0),
        "salvaged": _count(_a.salvaged.is_not(None)),
        "lossy": _count(_a.losses_json != NO_LOSSES),
        "tool_failures": _total(refused),
        "failures": _count(_a.answer_sha256.is_(None)),
        "served": _count(_served),
        "passed": _count(_a.gates == "passed"),
        "judged": _count(_a.gates.is_not(None)),
        "fallbacks": _count(_fell),
        "checks_nanousd": _total(cost),
        "checks_wasted_nanousd": _total(cost, _wasted),
        "steps": _total(func.coalesce(_a.step, 0)),
    }
    about = and_(checked.c.request_id == _a.request_id, checked.c.attempt_position == _a.position)
    over = attempts.join(requests, _a.request_id == _r.id).outerjoin(checked, about)
    over = over.outerjoin(prices, prices.c.id == _a.price_id)
    return _grouped(sums, over, by, _r).where(TRAFFIC, CALLED, *where)


# ------------------------------------------------------------------ savings


def of_savings(by: Dimensions, of_stand_in: Callable[[Any], Condition], *where: Condition) -> Query:
    """Baselines and spend by their names, where ``where`` holds of the row that brings an amount.

    The amounts of a request that another one stands for, and of audits, are the stand-in's.
    """
    whom = requests.alias("whom")
    # As a table of its own, SQLite gives it an index; the JSON would be read for every audit.
    stand_ins = select(_replaced.c.key, _replaced.c.value).cte("stand_ins")
    stand_ins = stand_ins.prefix_with("MATERIALIZED")
    replaced = requests.join(stand_ins, stand_ins.c.key == _r.id)
    replaced = replaced.join(whom, whom.c.id == stand_ins.c.value)
    audited = requests.outerjoin(stand_ins, stand_ins.c.key == _r.audit_of)
    audited = audited.join(whom, whom.c.id == func.coalesce(stand_ins.c.value, _r.audit_of))
    parts = (
        (requests, _r, (STANDS,), literal(1), baselines.c.cost_nanousd),
        (replaced, whom.c, (whom.c.audit_of.is_(None),), literal(0), literal(0)),
        (audited, whom.c, (AUDITS, whom.c.audit_of.is_(None)), literal(0), literal(0)),
    )
    amounts = union_all(
        *(
            select(
                *(value(of).label(name) for name, value in by.items()),
                baselines.c.name.label("baseline"),
                counts.label("requests"),
                cost.label("baseline_nanousd"),
                _r.cost_nanousd.label("spend_nanousd"),
            )
            .select_from(over.join(baselines, baselines.c.request_id == of.id))
            .where(*conditions, of_stand_in(of), *where)
            for over, of, conditions, counts, cost in parts
        )
    ).subquery("amounts")
    keys = [amounts.c[name] for name in (*by, "baseline")]
    names = ("requests", "baseline_nanousd", "spend_nanousd")
    chosen: Query = select(*keys, *(_total(amounts.c[name]).label(name) for name in names))
    return chosen.group_by(*keys)


# ------------------------------------------------------------------ seconds


def of_seconds(by: Dimensions, *where: Condition) -> Query:
    """How many requests took how long, by bucket."""
    told: Dimensions = {**by, "bucket": lambda _: _bucket(microseconds(_r.seconds))}
    return _grouped({"requests": func.count()}, requests, told, _r).where(STANDS, *where)


def _bucket(of: ColumnElement[int]) -> ColumnElement[int]:
    """As `buckets.bucket_of`."""
    told = cast(of, Text)
    first = cast(func.substr(told, 1, buckets.DIGITS), Integer)
    begin = func.length(told) * buckets.A_LENGTH
    steps = [(first < below, begin + (at + first // step)) for below, step, at in buckets.STEPS]
    return case((of < buckets.EXACT, of), *steps[:-1], else_=steps[-1][1])
