"""The statements that money is counted with; see `statements` for how they are compiled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    Integer,
    String,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import budgets, events, holds
from rung.ledger.dialects import each_text, money_lock
from rung.ledger.tables import attempts, requests

_ENDED, _UNENDED = ("settled", "void"), ("open", "unknown")


def of_money() -> dict[str, ClauseElement]:
    """All of them by name."""
    return {"lock money": select(money_lock())} | _of_counters() | _of_holds() | _of_events()


def _of_counters() -> dict[str, ClauseElement]:
    held, spent = budgets.c.held_nanousd, budgets.c.spent_nanousd
    start = budgets.c.start_unix
    levels = select(start, spent, held).where(*_counter())
    period = start == bindparam("of_start")
    added = insert(budgets).values({column.name: bindparam(column.name) for column in budgets.c})
    here = update(budgets).where(*_counter(), period)
    return {
        "newest level": levels.order_by(start.desc()).limit(_one()).offset(_zero()),
        "level": levels.where(period),
        "levels of": levels.order_by(start.desc()).limit(bindparam("limit")).offset(_zero()),
        "levels since": select(budgets.c.name, start, spent, held)
        .where(
            budgets.c.scope == bindparam("of_scope"),
            budgets.c.per == bindparam("of_per"),
            start >= bindparam("since"),
        )
        .order_by(spent.desc(), budgets.c.name, start),
        "fullest level": select(start, spent, held)
        .where(budgets.c.scope == bindparam("of_scope"), budgets.c.per == bindparam("of_per"))
        .where(period)
        .order_by((spent + held).desc())
        .limit(_one())
        .offset(_zero()),
        "open counter": added.on_conflict_do_nothing(index_elements=list(budgets.primary_key)),
        "hold on counter": here.values(held_nanousd=held + bindparam("amount")),
        "settle on counter": here.values(
            held_nanousd=_not_below_zero(held - bindparam("released")),
            spent_nanousd=_not_below_zero(spent + bindparam("more")),
        ).returning(spent, held),
        "reset counter": here.values(spent_nanousd=_zero()),
    } | _of_what_was_spent()


def _of_what_was_spent() -> dict[str, ClauseElement]:
    """What the requests since a moment have cost: where a counter begins."""
    cost: ColumnElement[int] = func.coalesce(func.sum(requests.c.cost_nanousd), _zero()).label(
        "cost_nanousd"
    )
    since = select(cost).where(requests.c.started_unix >= bindparam("since"))
    whose = {
        "project": func.coalesce(requests.c.project, literal_column("''", String)),
        "key": func.coalesce(requests.c.key_id, literal_column("''", String)),
        "conversation": requests.c.conversation,
    }
    name: BindParameter[str] = bindparam("of_name", type_=String)
    named: dict[str, ClauseElement] = {"spent of total": since}
    for scope, column in whose.items():
        named[f"spent of {scope}"] = since.where(column == name)
    return named


def _of_holds() -> dict[str, ClauseElement]:
    this = holds.c.id == bindparam("of_id")
    ended: dict[str, BindParameter[Any]] = {
        "state": bindparam("to"),
        "settled_nanousd": bindparam("cost"),
        "settled_unix": bindparam("now"),
    }
    is_open = holds.c.state == literal_column("'open'", String)
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    added = insert(holds).values({column.name: bindparam(column.name) for column in holds.c})
    return {
        "open hold": added.on_conflict_do_nothing(index_elements=[holds.c.id]),
        "hold": select(holds).where(this),
        "end hold": update(holds).where(this, holds.c.state == bindparam("was")).values(ended),
        "open holds": select(holds)
        .where(is_open, holds.c.process_id == bindparam("of_process"))
        .order_by(holds.c.created_unix, holds.c.id),
        "lost holds": select(holds)
        .where(holds.c.process_id == bindparam("of_process"), ~is_open)
        .where(holds.c.state != literal_column("'void'", String))
        .where(~exists().where(requests.c.id == holds.c.request_id))
        .order_by(holds.c.created_unix, holds.c.id),
        "unsettled holds of": select(holds.c.id).where(
            holds.c.request_id.in_(ids),
            holds.c.state.in_([literal_column(f"'{state}'", String) for state in _UNENDED]),
        ),
        "cost of attempt": select(attempts.c.cost_nanousd).where(
            attempts.c.id == bindparam("of_id")
        ),
        "forget holds": delete(holds).where(
            holds.c.request_id.in_(ids),
            holds.c.state.in_([literal_column(f"'{state}'", String) for state in _ENDED]),
        ),
    }


def _of_events() -> dict[str, ClauseElement]:
    given = ("created_unix", "kind", "name", "detail_json")
    added = insert(events).values({name: bindparam(name) for name in given})
    this = events.c.kind == bindparam("of_kind"), events.c.name == bindparam("of_name")
    return {
        "tell once": added.on_conflict_do_nothing(index_elements=[events.c.kind, events.c.name]),
        "forget told": delete(events).where(*this),
    }


def _counter() -> tuple[ColumnElement[bool], ...]:
    columns = budgets.c.scope, budgets.c.name, budgets.c.per
    return tuple(column == bindparam(f"of_{column.name}") for column in columns)


def _not_below_zero(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    """What was reset meanwhile must not fail a settlement that comes after."""
    return case((amount < _zero(), _zero()), else_=amount)


def _zero() -> ColumnElement[int]:
    # Spelt out, because SQLite's dialect otherwise binds numbers of its own.
    return literal_column("0", Integer)


def _one() -> ColumnElement[int]:
    return literal_column("1", Integer)
