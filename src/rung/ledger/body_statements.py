"""The statements of stored bodies; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import ClauseElement, String, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import bodies


def of_bodies() -> dict[str, ClauseElement]:
    """All of them by name; `retention_statements` has their deletion."""
    given = insert(bodies).values({column.name: bindparam(column.name) for column in bodies.c})
    own = bodies.c.request_id == bindparam("id", type_=String)
    return {
        "store body": given.on_conflict_do_nothing(index_elements=list(bodies.primary_key)),
        "bodies of": select(bodies).where(own).order_by(bodies.c.part),
    }
