"""The statements about processes; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ClauseElement,
    Float,
    String,
    bindparam,
    delete,
    exists,
    false,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import holds, processes
from rung.ledger.dialects import each_text, now_unix
from rung.ledger.tables import requests


def of_processes() -> dict[str, ClauseElement]:
    """All of them by name. Moments are those of the database's clock: all who write share it."""
    this = processes.c.id == bindparam("of_id")
    silence = bindparam("seconds", type_=Float)
    open_hold = holds.c.state == literal_column("'open'", String)
    holding = exists().where(holds.c.process_id == processes.c.id, open_hold)
    silent = processes.c.beat_unix < now_unix() - silence
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    given: dict[str, BindParameter[str]] = {name: bindparam(name) for name in ("id", "host")}
    begun = insert(processes).values(
        given
        | {"pid": bindparam("pid", type_=BigInteger)}
        | {"started_unix": now_unix(), "beat_unix": now_unix()}
    )
    unended = processes.c.ended_unix.is_(None)
    return {
        "begin process": begun.on_conflict_do_update(
            index_elements=[processes.c.id], set_={"beat_unix": now_unix()}
        ),
        "end process": update(processes).where(this).values(ended_unix=now_unix()),
        "suspects": select(processes, silent.label("silent"))
        .where(or_(unended, holding))
        .order_by(processes.c.id),
        "orphans": select(holds.c.process_id)
        .where(open_hold, ~exists().where(processes.c.id == holds.c.process_id))
        .where(holds.c.created_unix < now_unix() - silence)
        .distinct()
        .order_by(holds.c.process_id),
        "forget processes": delete(processes).where(
            processes.c.ended_unix < now_unix() - silence, ~holding
        ),
        "known requests": select(requests.c.id, requests.c.recovered).where(requests.c.id.in_(ids)),
        "drop recovered": delete(requests).where(
            requests.c.id.in_(ids), requests.c.recovered == true()
        ),
        "recovered": select(requests.c.id)
        .where(requests.c.recovered != false())
        .order_by(requests.c.id.desc())
        .limit(bindparam("limit"))
        .offset(literal_column("0")),
    }
