"""The statements by which sums are kept, for ``compiled.<backend>.sql``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import (
    DDL,
    Boolean,
    ClauseElement,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    bindparam,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from rung.ledger import sums
from rung.ledger.dialects import each_text
from rung.ledger.sum_tables import (
    HOURS_A_DAY,
    REQUEST_AXES,
    SUMS_OF,
    Axis,
    attempt_sums,
    more_keys,
    request_sums,
    saving_sums,
    second_sums,
    unsummed,
)
from rung.ledger.tables import requests

_r = requests.c

BATCH: Final = select(unsummed.c.request_id).where(unsummed.c.batch.is_not(None))
"""The requests that are being summed by this transaction."""

_IN_BATCH: Final = _r.id.in_(BATCH)


def statements() -> dict[str, ClauseElement]:
    """All of them by name. ``sign`` is 1 or -1, ``gone`` says which sums, ``replaced`` see `sums`.

    ``sum ...`` add the rows of the batch to the kept sums.
    """
    return {
        "sum requests": _added(request_sums),
        "sum attempts": _added(attempt_sums),
        "sum savings": _added(saving_sums),
        "sum seconds": _added(second_sums),
        **_batches(),
        **_resends(),
    }


def along_axes(
    table: Table, *where: ColumnElement[bool], of_stand_in: Callable[[Any], Any] = lambda _: true()
) -> Select[Any]:
    """What ``table`` should hold of the requests that are chosen: keys and sums, in order.

    ``of_stand_in`` is a condition on the request that an amount counts for.
    """
    by = {**sums.HOUR, **sums.AXES}
    names, axes = SUMS_OF[table.name], REQUEST_AXES
    if table is saving_sums:
        query = sums.of_savings(by, of_stand_in, *where)
    elif table is attempt_sums:
        query, axes = sums.of_attempts({**by, **sums.ATTEMPT_AXES}, *where), tuple(Axis)
    else:
        query = (sums.of_requests if table is request_sums else sums.of_seconds)(by, *where)
    summed = query.cte("summed")
    axis = _listed(axes)
    told = {each: summed.c[each] for each in axes if each in summed.c}
    name: ColumnElement[Any] = case(told, value=axis.c.axis, else_="")
    hour: ColumnElement[Any] = summed.c.hour
    if table is second_sums:
        hour = case((axis.c.axis == Axis.TOTAL.value, hour), else_=hour - hour % HOURS_A_DAY)
    keys = [axis.c.axis, hour.label("hour"), name.label("name")]
    keys += [summed.c[column] for column in more_keys(table)]
    # Always in the same order, so that two that add at once wait for each other but once.
    return (
        select(*keys, *(func.sum(summed.c[each]).label(each) for each in names))
        .select_from(summed.join(axis, true()))
        .group_by(*keys)
        .order_by(*keys)
    )


def _added(table: Table) -> ClauseElement:
    """The sums of the batch along each axis, added to what is kept."""
    names, keys = SUMS_OF[table.name], ("axis", "hour", "name", *more_keys(table))
    made = along_axes(table, _IN_BATCH).cte("made")
    sign, gone = bindparam("sign", type_=Integer), bindparam("gone", type_=Boolean)
    added = select(
        *(made.c[key] for key in keys),
        gone.label("gone"),
        *((made.c[each] * sign).label(each) for each in names),
    ).order_by(*(made.c[key] for key in keys))
    into = insert(table).from_select([*keys, "gone", *names], added)
    return into.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={each: table.c[each] + into.excluded[each] for each in names},
    )


def _listed(axes: tuple[Axis, ...]) -> FromClause:
    return union_all(*(select(literal(axis.value).label("axis")) for axis in axes)).subquery("axes")


def _batches() -> dict[str, ClauseElement]:
    """Which requests a batch has. ``ids`` is a JSON list."""
    given = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    most = bindparam("most", type_=Integer)
    waiting = select(unsummed.c.request_id).where(unsummed.c.batch.is_(None)).limit(most)
    waiting = waiting.with_for_update(skip_locked=True)
    there = select(_r.id).where(_r.id.in_(given))
    noted = insert(unsummed).from_select(["request_id"], there).on_conflict_do_nothing()
    one = literal(1)
    return {
        "fill batch": update(unsummed).where(unsummed.c.request_id.in_(waiting)).values(batch=one),
        "take into batch": update(unsummed)
        .where(unsummed.c.request_id.in_(given))
        .values(batch=one),
        "empty batch": delete(unsummed).where(unsummed.c.batch.is_not(None)),
        "release batch": update(unsummed).where(unsummed.c.batch.is_not(None)).values(batch=null()),
        "hold unsummed": select(unsummed.c.request_id)
        .where(unsummed.c.request_id.in_(given))
        .with_for_update(),
        "note all unsummed": insert(unsummed)
        .from_select(["request_id"], select(_r.id).where(true()))
        .on_conflict_do_nothing(),
        "note unsummed": noted.returning(unsummed.c.request_id),
        "count unsummed": select(func.count()).select_from(
            select(literal(1)).select_from(unsummed).limit(most).subquery()
        ),
    }


def _resends() -> dict[str, ClauseElement]:
    """Requests that repeat others: of the batch and of what it audits, and of given ids."""
    again = select(_r.id, _r.resend_of, _r.started_unix).where(_r.resend_of.is_not(None))
    audited = select(_r.audit_of).where(_IN_BATCH, _r.audit_of.is_not(None))
    given = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    related = [(_r.id, BATCH), (_r.resend_of, BATCH), (_r.id, audited), (_r.resend_of, audited)]
    links = (_r.id, _r.resend_of, _r.audit_of, _r.cached_of)
    linked = select(_r.id, _r.resend_of, _r.audit_of, _r.cached_of)
    return {
        "resends of batch": union_all(*(again.where(of.in_(ids)) for of, ids in related)),
        "resends among": again.where(or_(_r.id.in_(given), _r.resend_of.in_(given))),
        "children of": union_all(*(select(_r.id).where(of.in_(given)) for of in links[1:])),
        "links of": union_all(*(linked.where(of.in_(given)) for of in links)),
    }


def as_ddl(texts: Mapping[str, str]) -> dict[str, DDL]:
    """Texts in one database's own language, as they are."""
    return {name: _ddl(text.replace("%", "%%")) for name, text in texts.items()}


_ddl: Callable[[str], DDL] = DDL
