"""The statements of notices; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Float,
    String,
    bindparam,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import notices
from rung.ledger.dialects import each_text, now_unix
from rung.ledger.notices import CHANNEL


def of_notices() -> dict[str, ClauseElement]:
    """All of them by name. Moments are those of the database's clock: all who tell share it."""
    topics = select(each_text(bindparam("topics", type_=String)).column_valued("value"))
    wanted = notices.c.topic.in_(topics)
    since = bindparam("since", type_=Float)
    columns = ("topic", "name", "value_json", "process_id")
    given: dict[str, BindParameter[str]] = {name: bindparam(name) for name in columns}
    told = insert(notices).values(given | {"updated_unix": now_unix()})
    changed = ("value_json", "updated_unix", "process_id")
    channel = literal_column(f"'{CHANNEL}'", String)
    return {
        "tell": told.on_conflict_do_update(
            index_elements=[notices.c.topic, notices.c.name],
            set_={column: told.excluded[column] for column in changed},
        ),
        "wake listeners": select(func.pg_notify(channel, bindparam("topic", type_=String))),
        "clock": select(now_unix().label("now")),
        "notices since": select(notices)
        .where(wanted, notices.c.updated_unix >= since)
        .order_by(notices.c.updated_unix, notices.c.topic, notices.c.name),
        "forget notices": delete(notices).where(wanted, notices.c.updated_unix < since),
    }
