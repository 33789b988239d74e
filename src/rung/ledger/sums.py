"""The statements under the bill: what is counted and summed, before it is grouped by anything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.elements import ColumnElement

from rung.core.labels import InboxState
from rung.core.money import MTOK
from rung.core.plan import TOOL_CALLS
from rung.core.types import UsageSource
from rung.core.verdicts import Status
from rung.ledger.codec import NO_LOSSES
from rung.ledger.tables import attempts, closings, requests, verdicts

Query = Select[*tuple[Any, ...]]

_r, _a, _v = requests.c, attempts.c, verdicts.c

REPLACED = "replaced"
"""The parameter that says which request stands for which, as a JSON object."""

_replaced = (
    func.json_each(bindparam(REPLACED))
    .table_valued(column("key", String), column("value", String))
    .alias("replaced")
)
_resent = _r.id.in_(select(_replaced.c.key))
TRAFFIC, _audit = _r.audit_of.is_(None), _r.audit_of.is_not(None)
STANDS = and_(TRAFFIC, _r.id.not_in(select(_replaced.c.key)))
CALLED = _r.cached_of.is_(None)
"""Not of answers that were served again: their tiers were not called, and their checks not run."""

_by_human = select(closings.c.request_id).where(closings.c.state == InboxState.ANSWERED.value)

_served = and_(STANDS, _a.position == _r.served_attempt)
_counted = _a.usage_source != UsageSource.NONE.value
_joined = attempts.join(requests, _a.request_id == _r.id)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def total_of(
    amount: ColumnElement[Any], where: ColumnElement[bool] | None = None
) -> ColumnElement[Any]:
    """The sum of an amount, 0 of nothing."""
    counted = amount if where is None else case((where, amount), else_=0)
    return func.coalesce(func.sum(counted), 0)


_wasted = or_(_resent, _r.served_attempt.is_(None), _a.position != _r.served_attempt)


def _price(*names: str) -> ColumnElement[int]:
    """A plain figure of the price that a call was billed by: the first that is there, or 0."""
    figures = [func.json_extract(_a.price_json, f"$.{one}_nanousd_per_mtok") for one in names]
    return cast(func.coalesce(*figures, 0), BigInteger)


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
_SPEND = (
    func.count().label("attempts"),
    total_of(_a.cost_nanousd).label("spend"),
    total_of(_a.cost_nanousd, _wasted).label("wasted"),
    total_of(_a.ended_at - _a.started_at, _wasted).label("wasted_seconds"),
    total_of(_a.input_tokens).label("input"),
    total_of(_a.output_tokens).label("output"),
    total_of(_a.cache_read_tokens).label("cache_read"),
    total_of(_a.cache_write_tokens).label("cache_write"),
    total_of(_a.reasoning_tokens).label("reasoning"),
    total_of(_a.input_tokens, _a.usage_source == UsageSource.PROVIDER.value).label("told_input"),
    total_of(_spared_by_caches).label("cache_saved"),
    total_of(_a.spared_tokens, _counted).label("shortened"),
    total_of(_spared_by_shortening).label("shortened_saved"),
    _count(_a.usage_source == UsageSource.ESTIMATED.value).label("estimated"),
    _count(_counted).label("counted"),
    _count(_a.tool_calls > 0).label("tool_answers"),
    _count(_a.salvaged.is_not(None)).label("salvaged"),
    _count(_a.losses_json != NO_LOSSES).label("lossy"),
)


def counted_requests() -> Query:
    """How requests ended. Over audits too, which count as nothing."""
    answered = and_(STANDS, _r.served_attempt.is_not(None))
    counted: Query = select(
        _count(STANDS).label("requests"),
        _count(_resent).label("resent"),
        _count(answered).label("answered"),
        _count(and_(answered, _r.verified.is_(True))).label("verified"),
        _count(and_(answered, _r.verified.is_(False))).label("flagged"),
        _count(and_(STANDS, _r.decision == "exhausted")).label("exhausted"),
        _count(and_(STANDS, _r.inbox)).label("inbox"),
        _count(and_(STANDS, _r.id.in_(_by_human))).label("by_human"),
        _count(and_(STANDS, _r.ungated)).label("ungated"),
    )
    return counted.select_from(requests)


def spent_on_replaced() -> Query:
    """What the requests cost for which another one stands, by that other one's id."""
    stand_in = _replaced.c.value.label("request_id")
    summed: Query = select(stand_in, func.sum(_r.cost_nanousd).label("cost"))
    paid = requests.join(_replaced, _replaced.c.key == _r.id)
    return summed.select_from(paid).group_by(_replaced.c.value)


def spent_on_audits() -> Query:
    """What audits cost, by the id of the request that stands for the audited one."""
    stand_in = func.coalesce(_replaced.c.value, _r.audit_of)
    summed: Query = select(stand_in.label("request_id"), func.sum(_r.cost_nanousd).label("cost"))
    found = requests.outerjoin(_replaced, _replaced.c.key == _r.audit_of)
    return summed.select_from(found).where(_audit).group_by(stand_in)


def counted_attempts() -> Query:
    """What calls came to, beside what they cost."""
    return spent().add_columns(
        _count(_a.answer_sha256.is_(None)).label("failures"),
        _count(_served).label("served"),
        _count(_a.gates == "passed").label("passed"),
        _count(_a.gates.is_not(None)).label("judged"),
    )


def spent() -> Query:
    """What calls cost."""
    return select(*_SPEND).select_from(_joined).where(CALLED)


def climbed() -> Query:
    """Of the requests that began below the top of their plan, those that escalated."""
    below = and_(_a.position == 0, _a.step < _r.steps - 1)
    chosen: Query = select(func.count().label("trials"), _count(_r.escalated).label("hits"))
    return chosen.select_from(_joined).where(below, STANDS, CALLED)


def served_again() -> Query:
    """Requests that a kept answer served, and what it had cost to get those answers."""
    first = requests.alias()
    counted: Query = select(
        func.count().label("requests"), total_of(first.c.cost_nanousd).label("spared")
    )
    return counted.select_from(requests.join(first, first.c.id == _r.cached_of)).where(STANDS)


def fell() -> Query:
    """Calls of another tier directly after one that gave no answer."""
    later = attempts.alias()
    following = and_(later.c.request_id == _a.request_id, later.c.position == _a.position + 1)
    moved = and_(_a.answer_sha256.is_(None), later.c.tier != _a.tier, _a.beside.is_(False))
    chosen: Query = select(func.count().label("fallbacks"))
    return chosen.select_from(_joined.join(later, following)).where(moved)


def refused() -> Query:
    """Answers whose tool calls the gate on them rejected."""
    about = and_(_v.request_id == _a.request_id, _v.attempt_position == _a.position)
    failed = and_(_v.verifier == TOOL_CALLS, _v.status == Status.FAILED.value)
    chosen: Query = select(func.count().label("tool_failures"))
    return chosen.select_from(_joined.join(verdicts, about)).where(failed)


def checks() -> Query:
    """What checks were billed themselves."""
    about = and_(_v.request_id == _a.request_id, _v.attempt_position == _a.position)
    summed: Query = select(
        total_of(_v.cost_nanousd).label("cost"), total_of(_v.cost_nanousd, _wasted).label("wasted")
    )
    return summed.select_from(_joined.join(verdicts, about)).where(_v.cost_nanousd > 0)


def audits() -> Query:
    """What second looks cost, and at how many requests."""
    audited = func.count(_r.audit_of.distinct())
    summed: Query = select(audited.label("audited"), total_of(_r.cost_nanousd).label("cost"))
    return summed.select_from(requests).where(_audit)


def audit_calls() -> Query:
    """How many calls they made."""
    counted: Query = select(func.count().label("calls"))
    return counted.select_from(_joined).where(_audit)
