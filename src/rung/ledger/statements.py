"""The statements of the hot path and of reading, written once against the tables.

`render` gives the text of ``compiled.sql``, from which the running ledger takes them, so that it
starts without SQLAlchemy. A test holds the file equal to this module; write it anew with

    python -m rung.ledger.statements > src/rung/ledger/compiled.sql
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    Integer,
    Select,
    String,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.ddl import ExecutableDDLElement

from rung.core.labels import InboxState
from rung.ledger.tables import (
    attempts,
    baselines,
    calibrations,
    closings,
    inbox,
    labels,
    metadata,
    requests,
    verdicts,
)

_DIALECT = sqlite.dialect(paramstyle="named")

_SAID = (labels, closings, calibrations)


def compiled(statement: ClauseElement | ExecutableDDLElement) -> str:
    """The SQLite text of a statement, its parameters as ``:name``."""
    lines = str(statement.compile(dialect=_DIALECT)).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def with_values(statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, Any]]:
    """The SQLite text of a query with its parameters and the values they have."""
    made = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)


def render() -> str:
    """All named statements, one block each."""
    blocks = [f"-- {name}\n{compiled(statement)};\n" for name, statement in _statements().items()]
    return "\n".join(blocks)


def _statements() -> dict[str, ClauseElement | ExecutableDDLElement]:
    named: dict[str, ClauseElement | ExecutableDDLElement] = {}
    for table in metadata.sorted_tables:
        named[f"create {table.name}"] = CreateTable(table)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            named[f"create {index.name}"] = CreateIndex(index)
    for table in metadata.sorted_tables:
        # Outcomes come in numbers through the one writer; what people say comes one at a time.
        verb = "add to" if table in _SAID else "insert"
        named[f"{verb} {table.name}"] = insert(table)
    return named | _of_requests() | _lists() | _of_people()


def _of_requests() -> dict[str, ClauseElement | ExecutableDDLElement]:
    """Everything of the requests in ``ids``, a JSON list."""
    keys = {requests: requests.c.id, attempts: attempts.c.request_id}
    keys |= {verdicts: verdicts.c.request_id, baselines: baselines.c.request_id}
    keys |= {labels: labels.c.request_id, closings: closings.c.request_id}
    return {f"{table.name} of": _chosen(table, key) for table, key in keys.items()}


def _chosen(table: Table, key: Column[str]) -> ClauseElement:
    ids = func.json_each(bindparam("ids")).table_valued("value")
    return select(table).where(key.in_(select(ids.c.value))).order_by(*table.primary_key)


def _lists() -> dict[str, ClauseElement | ExecutableDDLElement]:
    ids = select(requests.c.id)
    newest = ids.where(requests.c.audit_of.is_(None)).order_by(
        requests.c.started_unix.desc(), requests.c.id.desc()
    )
    low: BindParameter[str] = bindparam("low")
    high: BindParameter[str] = bindparam("high")
    limit: BindParameter[int] = bindparam("limit")
    within = ids.where(requests.c.id >= low, requests.c.id < high)
    before = ids.where(requests.c.id < low).order_by(requests.c.id.desc())
    # Spelt out, because SQLite's dialect otherwise binds an offset of its own.
    start = literal_column("0", Integer)
    asked = requests.c.inbox.label("asked")
    waiting = inbox.join(requests)
    items = select(inbox.c.request_id, inbox.c.created_unix, inbox.c.state, asked)
    entry = select(inbox, asked).where(inbox.c.request_id == bindparam("id"))
    second = attempts.c.position == literal_column("1", Integer)
    climbs = select(attempts.c.request_id).join(requests)
    climbs = climbs.where(second, requests.c.audit_of.is_(None))
    return {
        "climbs": climbs.order_by(attempts.c.request_id.desc()).limit(limit).offset(start),
        "newest": newest.limit(limit).offset(start),
        "ids between": within.order_by(requests.c.id).limit(limit).offset(start),
        "ids before": before.limit(limit).offset(start),
        "inbox items": items.select_from(waiting).order_by(
            inbox.c.created_unix, inbox.c.request_id
        ),
        "inbox entry": entry.select_from(waiting),
    }


def _of_people() -> dict[str, ClauseElement | ExecutableDDLElement]:
    limit: BindParameter[int] = bindparam("limit")
    start = literal_column("0", Integer)
    still_open = inbox.c.state == literal_column(f"'{InboxState.OPEN.value}'", String)
    closed = update(inbox).where(inbox.c.request_id == bindparam("id"), still_open)
    return {
        "close": closed.values(state=bindparam("to")),
        "newest calibrations": select(calibrations).order_by(calibrations.c.id.desc()),
        "newest labels": select(labels).order_by(labels.c.id.desc()).limit(limit).offset(start),
    }


if __name__ == "__main__":
    sys.stdout.write(render())
