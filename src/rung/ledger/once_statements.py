"""The statements of what is done once; see `statements` for how they are compiled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ClauseElement, Float, bindparam, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import once, processes
from rung.ledger.dialects import now_unix

_RESULT = ("status", "headers_json", "body")


def of_once() -> dict[str, ClauseElement]:
    """All of them by name. A claim is changed only by the request that holds it."""
    here = once.c.scope == bindparam("in_scope"), once.c.key_sha256 == bindparam("key")
    mine = (*here, once.c.request_id == bindparam("by_request"), once.c.state == "running")
    given = (column.name for column in once.columns if column.name not in {"state", *_RESULT})
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in given}
    anew = ("body_sha256", "request_id", "process_id", "created_unix", "expires_unix")
    added = insert(once).values(values | {"state": "running"})
    broken = insert(once).values(values | {"state": "done"})
    silent = processes.c.beat_unix < now_unix() - bindparam("seconds", type_=Float)
    changed = ("request_id", "process_id", "created_unix", "expires_unix")
    return {
        "claim once": added.on_conflict_do_nothing(
            index_elements=[once.c.scope, once.c.key_sha256]
        ),
        "once": select(once).where(*here),
        "take over once": update(once)
        .where(*here, once.c.request_id == bindparam("was"))
        .values({name: bindparam(name) for name in anew})
        .values({"state": "running"} | {name: null() for name in _RESULT}),
        "finish once": update(once)
        .where(*mine)
        .values({name: bindparam(name) for name in _RESULT})
        .values(state="done"),
        "release once": delete(once).where(*mine),
        "note broken stream": broken.on_conflict_do_update(
            index_elements=[once.c.scope, once.c.key_sha256],
            set_={name: broken.excluded[name] for name in changed},
        ),
        "forget broken stream": delete(once).where(
            *here, once.c.request_id == bindparam("by_request")
        ),
        "forget once": delete(once).where(once.c.expires_unix < bindparam("now")),
        "claiming process": select(processes, silent.label("silent")).where(
            processes.c.id == bindparam("of_process")
        ),
    }
