"""The statements under `calibrations.labels`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from rung.core.types import Phase
from rung.core.verdicts import Status, Weight
from rung.ledger import tables
from rung.ledger.database import Connection

_Query = Select[*tuple[Any, ...]]

_r, _a, _v, _l = (
    tables.requests.c,
    tables.attempts.c,
    tables.verdicts.c,
    tables.labels.c,
)


def labels(
    connection: Connection, ladder: str | None, since_unix: float | None
) -> Iterator[tuple[Any, ...]]:
    """Request, place of the attempt, right or not, and source of each label, oldest first."""
    of = tables.labels.join(tables.requests, _l.request_id == _r.id)
    chosen: _Query = select(_l.request_id, _l.attempt_position, _l.is_right, _l.source)
    within = [_l.attempt_position.is_not(None), *_within(ladder, since_unix)]
    return _run(connection, chosen.select_from(of).where(*within).order_by(_l.id))


def attempts(
    connection: Connection, ladder: str | None, since_unix: float | None
) -> Iterator[tuple[Any, ...]]:
    """All attempts of labelled requests that gave an answer, in order, a row for each signal.

    Request, place, ladder, tier, hash of the answer, whether it could have been served, and the
    signal with its status and score, which are empty where there was none that said something.
    """
    spoken = and_(
        _v.request_id == _a.request_id,
        _v.attempt_position == _a.position,
        _v.weight == Weight.SIGNAL.value,
        _v.status != Status.ABSTAINED.value,
    )
    joined = tables.attempts.join(tables.requests, _a.request_id == _r.id)
    fit = and_(_a.phase == Phase.DONE.value, or_(_a.gates.is_(None), _a.gates != "failed"))
    signal = (_v.verifier, _v.status, _v.score)
    chosen: _Query = select(
        _a.request_id, _a.position, _r.ladder, _a.tier, _a.answer_sha256, fit, *signal
    ).select_from(joined.outerjoin(tables.verdicts, spoken))
    within = [
        _a.request_id.in_(select(_l.request_id)),
        _a.answer_sha256.is_not(None),
        *_within(ladder, since_unix),
    ]
    ordered = chosen.where(*within).order_by(_a.request_id, _a.position, _v.position)
    return _run(connection, ordered)


def served(
    connection: Connection, ladder: str | None, since_unix: float | None
) -> dict[tuple[str, str], int]:
    """How many answers each tier served, by ladder and tier; audits are no traffic."""
    joined = tables.requests.join(
        tables.attempts, and_(_a.request_id == _r.id, _a.position == _r.served_attempt)
    )
    chosen: _Query = select(_r.ladder, _a.tier, func.count()).select_from(joined)
    within = [_r.audit_of.is_(None), *_within(ladder, since_unix)]
    rows = _run(connection, chosen.where(*within).group_by(_r.ladder, _a.tier))
    return {(row[0], row[1]): row[2] for row in rows}


def _within(ladder: str | None, since_unix: float | None) -> list[ColumnElement[bool]]:
    named = [] if ladder is None else [_r.ladder == ladder]
    since = [] if since_unix is None else [_r.started_unix >= since_unix]
    return [_r.cached_of.is_(None), *named, *since]


def _run(connection: Connection, statement: _Query) -> Iterator[tuple[Any, ...]]:
    return (tuple(row) for row in connection.run(statement))
