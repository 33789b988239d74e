"""The statements of virtual keys and of their rates; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    String,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import keys, notices, rates
from rung.ledger.dialects import each_text
from rung.ledger.keys import STAMP
from rung.ledger.tables import requests


def of_keys() -> dict[str, ClauseElement]:
    """All of them by name."""
    return _of_keys() | _of_the_stamp() | _of_rates()


def _of_keys() -> dict[str, ClauseElement]:
    this = keys.c.id == bindparam("key_id")
    used = requests.c
    return {
        "all keys": select(keys),
        "revoke key": update(keys)
        .where(this, keys.c.revoked_unix.is_(None))
        .values(revoked_unix=bindparam("now")),
        "rotate key": update(keys)
        .where(this, keys.c.secret_sha256 == bindparam("was"), keys.c.revoked_unix.is_(None))
        .values(
            secret_sha256=bindparam("is_now"),
            hint=bindparam("new_hint"),
            previous_sha256=bindparam("was_before"),
            previous_until_unix=bindparam("until"),
        ),
        "use of keys": select(
            used.key_id,
            func.count().label("requests"),
            func.sum(used.cost_nanousd).label("cost_nanousd"),
            func.max(used.started_unix).label("last_unix"),
        )
        .where(_among(used.key_id))
        .group_by(used.key_id),
    }


def _of_the_stamp() -> dict[str, ClauseElement]:
    topic, name = STAMP
    here = notices.c.topic == topic, notices.c.name == name
    return {"keys stamp": select(notices.c.value_json).where(*here)}


def _of_rates() -> dict[str, ClauseElement]:
    added = insert(rates).values({column.name: bindparam(column.name) for column in rates.columns})
    more = {name: rates.c[name] + added.excluded[name] for name in ("requests", "tokens")}
    return {
        "count rates": added.on_conflict_do_update(
            index_elements=[rates.c.key_id, rates.c.window_unix], set_=more
        ),
        "rates since": select(rates).where(
            rates.c.window_unix >= bindparam("since"), _among(rates.c.key_id)
        ),
        "forget rates": delete(rates).where(rates.c.window_unix < bindparam("before")),
    }


def _among(column: Column[str]) -> ColumnElement[bool]:
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    return column.in_(ids)
