"""The statements of retention; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import (
    ClauseElement,
    Float,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from rung.core.labels import InboxState
from rung.ledger.account_tables import bodies, holds, notices
from rung.ledger.dialects import each_text, now_unix, request_bytes, table_bytes
from rung.ledger.room import TOPIC
from rung.ledger.sum_tables import Axis, request_sums, unsummed
from rung.ledger.tables import inbox, requests

_r = requests.c


def of_retention() -> dict[str, ClauseElement]:
    """All of them by name. ``ids`` is a JSON list."""
    most, before = bindparam("most", type_=Integer), bindparam("before", type_=Float)
    given = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    old_bodies = select(bodies.c.request_id).where(bodies.c.stored_unix < before)
    ended = select(holds.c.id).where(holds.c.state != "open", holds.c.created_unix < before)
    after = bindparam("after", type_=Float)
    beyond = or_(
        _r.started_unix > after,
        and_(_r.started_unix == after, _r.id > bindparam("after_id", type_=String)),
    )
    oldest = select(_r.id, _r.started_unix).where(
        _r.started_unix >= after, beyond, _r.started_unix < before, ~_needed()
    )
    owner = insert(notices).values(
        topic=TOPIC,
        name="owner",
        value_json="{}",
        updated_unix=now_unix(),
        process_id=bindparam("of_process", type_=String),
    )
    kept = notices.c
    silent = kept.updated_unix < now_unix() - bindparam("seconds", type_=Float)
    own = kept.process_id == bindparam("of_process", type_=String)
    return {
        "oldest requests": oldest.order_by(_r.started_unix, _r.id).limit(most),
        "needed among": select(_r.id).where(
            _r.id.in_(given), or_(_r.started_unix >= before, _needed())
        ),
        "delete requests": delete(requests).where(_r.id.in_(given)),
        "delete bodies": delete(bodies).where(
            bodies.c.stored_unix < before,
            bodies.c.request_id.in_(old_bodies.order_by(bodies.c.stored_unix).limit(most)),
        ),
        "delete ended holds": delete(holds).where(holds.c.id.in_(ended.limit(most))),
        "own retention": owner.on_conflict_do_update(
            index_elements=[kept.topic, kept.name],
            set_={"updated_unix": now_unix(), "process_id": owner.excluded.process_id},
            where=or_(own, silent),
        ).returning(kept.process_id),
        "count kept": select(request_sums.c.gone, func.sum(request_sums.c.rows).label("requests"))
        .where(request_sums.c.axis == Axis.TOTAL.value)
        .group_by(request_sums.c.gone),
        "count all unsummed": select(func.count()).select_from(unsummed),
        "size of tables": select(table_bytes(), request_bytes()),
        "first and last": select(
            func.min(_r.started_unix).label("first"), func.max(_r.started_unix).label("last")
        ),
    }


def _needed() -> ColumnElement[bool]:
    """What is not deleted however old: what a human has yet to answer, what money is held for."""
    waits = exists().where(inbox.c.request_id == _r.id, inbox.c.state == InboxState.OPEN.value)
    held = exists().where(holds.c.request_id == _r.id, holds.c.state == "open")
    return or_(waits.correlate(requests), held.correlate(requests))
