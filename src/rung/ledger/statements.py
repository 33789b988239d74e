"""The statements of the hot path and of reading, written once against the tables.

`render` gives the text of ``compiled.<backend>.sql``, from which the running ledger takes them, so
that it starts without SQLAlchemy. A test holds the files equal to this module; write them anew with

    python -m rung.ledger.statements
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    Integer,
    String,
    Table,
    bindparam,
    false,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.ddl import ExecutableDDLElement

from rung.core.labels import InboxState
from rung.ledger import sum_statements
from rung.ledger.body_statements import of_bodies
from rung.ledger.columns import metadata
from rung.ledger.database import Backend
from rung.ledger.dialects import each_text
from rung.ledger.key_statements import of_keys
from rung.ledger.money_statements import of_money
from rung.ledger.notice_statements import of_notices
from rung.ledger.once_statements import of_once
from rung.ledger.price_statements import of_prices
from rung.ledger.process_statements import of_processes
from rung.ledger.retention_statements import of_retention
from rung.ledger.speeds import PROBES
from rung.ledger.sum_tables import BESIDE, KEPT_SUMS
from rung.ledger.tables import (
    attempts,
    baselines,
    calibrations,
    certificates,
    closings,
    inbox,
    labels,
    plans,
    requests,
    routers,
    speeds,
    verdicts,
)

_DIALECTS: Mapping[Backend, Dialect] = {
    Backend.SQLITE: sqlite.dialect(paramstyle="named"),
    Backend.POSTGRES: postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}

_PARAMETERS: Mapping[Backend, re.Pattern[str]] = {
    Backend.SQLITE: re.compile(r":(\w+)"),
    Backend.POSTGRES: re.compile(r"%\((\w+)\)s"),
}

TIMED = (
    *("started_at", "ended_at", "load_seconds", "queued_seconds", "first_token_seconds"),
    *("input_tokens", "cache_read_tokens", "output_tokens", "failure_fault", "phase"),
)
"""What an attempt tells of its tier's speed."""

_OUTCOMES = (requests, attempts, verdicts, baselines, inbox)


def compiled(statement: ClauseElement | ExecutableDDLElement, backend: Backend) -> str:
    """The text of a statement in one database's language, its parameters by name.

    Values that the statement itself brings are spelt out: they are this program's own constants.
    """
    made = statement.compile(
        dialect=_DIALECTS[backend], compile_kwargs={"render_postcompile": True}
    )
    own = {name: value for name, value in (made.params or {}).items() if value is not None}

    def spelt(found: re.Match[str]) -> str:
        return _literal(own[found[1]], backend) if found[1] in own else found[0]

    text = _PARAMETERS[backend].sub(spelt, str(made)) if own else str(made)
    lines = text.strip().splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _literal(value: bool | float | str, backend: Backend) -> str:
    match value:
        case bool():
            return str(value).lower() if backend is Backend.POSTGRES else str(int(value))
        case int() | float():
            return repr(value)
        case str():
            return "'" + value.replace("'", "''") + "'"


def with_values(statement: ClauseElement, backend: Backend) -> tuple[str, dict[str, Any]]:
    """The text of a statement with its parameters and the values they have."""
    made = statement.compile(
        dialect=_DIALECTS[backend], compile_kwargs={"render_postcompile": True}
    )
    return str(made), dict(made.params)


def render(backend: Backend) -> str:
    """All named statements, one block each."""
    named = (_statements() | sum_statements.as_ddl(BESIDE[backend.value])).items()
    blocks = [f"-- {name}\n{compiled(statement, backend)};\n" for name, statement in named]
    return "\n".join(blocks)


def _statements() -> dict[str, ClauseElement | ExecutableDDLElement]:
    named: dict[str, ClauseElement | ExecutableDDLElement] = {}
    for table in metadata.sorted_tables:
        named[f"create {table.name}"] = CreateTable(table)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            named[f"create {index.name}"] = CreateIndex(index)
    for table in (table for table in metadata.sorted_tables if table not in KEPT_SUMS):
        # Outcomes come in numbers through the one writer; all else comes one at a time.
        verb = "insert" if table in _OUTCOMES else "add to"
        named[f"{verb} {table.name}"] = _insertion(table)
    named |= of_notices() | of_keys() | of_once() | of_processes()
    named |= _of_requests() | _lists() | _of_people() | _of_trials() | _of_speeds()
    return named | of_money() | of_retention() | sum_statements.statements()


def _insertion(table: Table) -> ClauseElement:
    """A row of every column; one with a number of its own is given that, and says which."""
    own = table.autoincrement_column
    if own is None:
        return insert(table)
    given = [column.name for column in table.columns if column is not own]
    return insert(table).values({name: bindparam(name) for name in given}).returning(own)


def _of_requests() -> dict[str, ClauseElement | ExecutableDDLElement]:
    """Everything of the requests in ``ids``, a JSON list."""
    keys = {requests: requests.c.id, attempts: attempts.c.request_id}
    keys |= {verdicts: verdicts.c.request_id, baselines: baselines.c.request_id}
    keys |= {labels: labels.c.request_id, closings: closings.c.request_id}
    chosen = {f"{table.name} of": _chosen(table, key) for table, key in keys.items()}
    return chosen | of_prices() | of_bodies() | _of_plans()


def _of_plans() -> dict[str, ClauseElement | ExecutableDDLElement]:
    """The shared parts of plans, and requests with them."""
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    noted = upsert(plans).values({column.name: bindparam(column.name) for column in plans.c})
    whole = select(requests, plans.c.shared_json)
    whole = whole.select_from(requests.outerjoin(plans, plans.c.id == requests.c.plan_id))
    return {
        "note plan": noted.on_conflict_do_nothing(index_elements=[plans.c.id]),
        "requests of": whole.where(requests.c.id.in_(ids)).order_by(requests.c.id),
    }


def _chosen(table: Table, key: Column[str]) -> ClauseElement:
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    return select(table).where(key.in_(ids)).order_by(*table.primary_key)


def _lists() -> dict[str, ClauseElement | ExecutableDDLElement]:
    ids = select(requests.c.id)
    newest = ids.where(requests.c.audit_of.is_(None)).order_by(
        requests.c.started_unix.desc(), requests.c.id.desc()
    )
    low: BindParameter[str] = bindparam("low")
    high: BindParameter[str] = bindparam("high")
    limit: BindParameter[int] = bindparam("limit")
    within = ids.where(requests.c.id >= low, requests.c.id < high)
    spoken = ids.where(requests.c.conversation >= low, requests.c.conversation < high)
    kept_here = spoken.where(requests.c.private.is_not(None)).limit(literal_column("1", Integer))
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
        "conversation": spoken.where(requests.c.audit_of.is_(None))
        .order_by(requests.c.started_unix.desc(), requests.c.id.desc())
        .limit(limit)
        .offset(start),
        "private within": kept_here.offset(start),
        "request": ids.where(requests.c.id == bindparam("id")),
        "ids between": within.order_by(requests.c.id).limit(limit).offset(start),
        "ids before": before.limit(limit).offset(start),
        "inbox items": items.select_from(waiting).order_by(
            inbox.c.created_unix, inbox.c.request_id
        ),
        "inbox entry": entry.select_from(waiting),
    }


def _of_speeds() -> dict[str, ClauseElement | ExecutableDDLElement]:
    limit: BindParameter[int] = bindparam("limit")
    start = literal_column("0", Integer)
    # First the newest requests by their index, then their attempts: not all that there are.
    newest = (
        select(requests.c.id, requests.c.started_unix)
        .where(
            requests.c.cached_of.is_(None),
            requests.c.ladder != literal_column(f"'{PROBES}'", String),
        )
        .order_by(requests.c.started_unix.desc())
        .limit(limit)
        .offset(start)
        .subquery("newest")
    )
    told = (attempts.c[name] for name in ("tier", "model", *TIMED))
    timed = (
        select(newest.c.started_unix, *told)
        .select_from(newest.join(attempts, attempts.c.request_id == newest.c.id))
        .where(attempts.c.beside.is_(false()))
        .order_by(newest.c.started_unix.desc(), attempts.c.position.desc())
    )
    probes = select(speeds).order_by(speeds.c.id.desc()).limit(limit).offset(start)
    return {"timed": timed, "newest speeds": probes}


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


def _of_trials() -> dict[str, ClauseElement | ExecutableDDLElement]:
    """What the newest requests came to, a row for each of their calls, and the labels of them."""
    since: BindParameter[float] = bindparam("since")
    limit: BindParameter[int] = bindparam("limit")
    start = literal_column("0", Integer)
    plain = (requests.c.audit_of, requests.c.cached_of, requests.c.private, requests.c.resend_of)
    newest = select(requests.c.id).where(
        *(column.is_(None) for column in plain), requests.c.started_unix >= since
    )
    newest = newest.order_by(requests.c.id.desc()).limit(limit).offset(start)
    checks = select(func.coalesce(func.sum(verdicts.c.cost_nanousd), literal_column("0", Integer)))
    checks = checks.where(
        verdicts.c.request_id == attempts.c.request_id,
        verdicts.c.attempt_position == attempts.c.position,
    )
    of_requests = ("id", "ladder", "served_attempt", "verified", "category", "propensity")
    of_attempts = ("position", "tier", "failure_fault", "beside", "started_at", "ended_at")
    trials = select(
        *(requests.c[name] for name in of_requests),
        requests.c.traits_json,
        *(attempts.c[name] for name in of_attempts),
        attempts.c.answer_sha256.is_not(None).label("answered"),
        (attempts.c.cost_nanousd + checks.scalar_subquery()).label("cost_nanousd"),
    )
    trials = trials.select_from(attempts.join(requests)).where(requests.c.id.in_(newest))
    told = select(labels).where(labels.c.attempt_position.is_not(None)).order_by(labels.c.id)
    return {
        "trials": trials.order_by(requests.c.id, attempts.c.position),
        "trial labels": told,
        "newest routers": select(routers).order_by(routers.c.id.desc()),
        "newest certificates": select(certificates).order_by(certificates.c.id.desc()),
    }


if __name__ == "__main__":
    for each in Backend:
        Path(__file__).with_name(f"compiled.{each.value}.sql").write_text(render(each))
