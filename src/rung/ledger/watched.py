"""What became of requests since a moment: how they ended, what was found out, by tier.

Audits, answers served again and requests that were sent to a tier by name are left out: nobody
decided anything there. So are requests to which no tier gave any answer: no ladder could help.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from sqlalchemy import Float, Select, and_, case, cast, exists, func, select
from sqlalchemy.sql.elements import ColumnElement

from rung.core.drift import Window
from rung.core.labels import BELIEVED, LabelSource
from rung.ledger.database import Connection, Row
from rung.ledger.tables import attempts, labels, requests

PINNED = "tier:%"
"""What requests ask for that name a tier instead of a ladder."""

MOST_COUNTED = 50_000
"""Shares of so many are exact enough, and counting them takes a fraction of a second."""

_Query = Select[*tuple[Any, ...]]
_r, _a, _l = requests.c, attempts.c, labels.c
_given = attempts.alias()


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of which somebody said whether it is right.

    ``drawn``: a random draw asked for it, so that it stands for others. ``served``: it is the one
    that its request was given. ``passed``: what the gates said of it, ``None`` where none did.
    """

    tier: str
    right: bool
    drawn: bool
    served: bool
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Tried:
    """The requests that came to a tier: the share that ended there, and nano-dollars spent."""

    accepted: Window
    cost: Window


@dataclass(frozen=True, slots=True)
class Watched:
    """Counts of requests, labels in the order of the last word on each, figures by tier.

    ``served`` counts answers by the tier that gave them, ``unanswered`` requests that got none.
    """

    requests: int = 0
    unanswered: int = 0
    served: dict[str, int] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    tiers: dict[str, Tried] = field(default_factory=dict)


def watched(
    connection: Connection, ladders: Collection[str], since_unix: float, *, tiers: bool = True
) -> Watched:
    """The requests of ladders that began since then, with ``tiers`` or without what those tell.

    All labels count. Requests are counted among the newest `MOST_COUNTED`.
    """
    labelled = _within(ladders, since_unix)
    counted = _within(ladders, _counted_since(connection, labelled, since_unix))
    served, unanswered = _ended(connection, counted)
    return Watched(
        requests=sum(served.values()) + unanswered,
        unanswered=unanswered,
        served=served,
        told=tuple(_told(connection, labelled)),
        tiers=_tiers(connection, counted) if tiers else {},
    )


def _within(ladders: Collection[str], since_unix: float) -> list[ColumnElement[bool]]:
    return [
        _r.ladder.in_(sorted(ladders)),
        _r.started_unix >= since_unix,
        _r.audit_of.is_(None),
        _r.cached_of.is_(None),
        _r.decision.is_not(None),
        _r.requested_model.not_like(PINNED),
        exists().where(_given.c.request_id == _r.id, _given.c.answer_sha256.is_not(None)),
    ]


def _counted_since(
    connection: Connection, within: list[ColumnElement[bool]], since_unix: float
) -> float:
    """When the oldest of those that are counted began."""
    begun: _Query = select(_r.started_unix).where(*within[:2]).order_by(_r.started_unix.desc())
    oldest = connection.run(begun.offset(MOST_COUNTED - 1).limit(1)).fetchone()
    return since_unix if oldest is None else float(oldest[0])


def _ended(connection: Connection, within: list[ColumnElement[bool]]) -> tuple[dict[str, int], int]:
    its_answer = and_(_a.request_id == _r.id, _a.position == _r.served_attempt)
    of = requests.outerjoin(attempts, its_answer)
    chosen: _Query = select(_a.tier, func.count()).select_from(of).where(*within)
    served = {row[0]: int(row[1]) for row in connection.run(chosen.group_by(_a.tier))}
    unanswered = served.pop(None, 0)
    return served, unanswered


def _told(connection: Connection, within: list[ColumnElement[bool]]) -> Iterator[Told]:
    """Of several labels of one answer the last of the best source counts."""
    of = labels.join(requests, _r.id == _l.request_id).join(
        attempts, and_(_a.request_id == _l.request_id, _a.position == _l.attempt_position)
    )
    columns = (_l.request_id, _l.attempt_position, _l.is_right, _l.source)
    chosen: _Query = select(*columns, _a.tier, _a.gates, _r.served_attempt).select_from(of)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in connection.run(chosen.where(*within).order_by(_l.id)):
        # Taken out and put back: the answer's place is that of its last label.
        group = groups.pop((row[0], row[1]), [])
        groups[row[0], row[1]] = [*group, row]
    for group in groups.values():
        yield _one(group)


def _one(group: list[Row]) -> Told:
    sources = [LabelSource(row[3]) for row in group]
    best = min(BELIEVED.index(source) for source in sources)
    said = [row for row, source in zip(group, sources, strict=True) if source is BELIEVED[best]][-1]
    gates = said[5]
    return Told(
        tier=said[4],
        right=bool(said[2]),
        drawn=LabelSource.AUDIT in sources,
        served=said[6] == said[1],
        passed=None if gates is None else gates == "passed",
    )


def _tiers(connection: Connection, within: list[ColumnElement[bool]]) -> dict[str, Tried]:
    ended_here = and_(_r.decision == "accept", _a.position == _r.served_attempt)
    visits = (
        select(
            _a.tier.label("tier"),
            func.max(case((ended_here, 1), else_=0)).label("accepted"),
            cast(func.sum(_a.cost_nanousd), Float).label("cost"),
        )
        .select_from(attempts.join(requests, _r.id == _a.request_id))
        .where(*within, _a.answer_sha256.is_not(None))
        .group_by(_a.request_id, _a.tier)
        .subquery()
        .c
    )
    chosen: _Query = select(
        visits.tier,
        func.count().label("n"),
        func.sum(visits.accepted).label("accepted"),
        func.sum(visits.cost).label("cost"),
        func.sum(visits.cost * visits.cost).label("squares"),
    ).group_by(visits.tier)
    return {row["tier"]: _tried(row) for row in connection.run(chosen.order_by(visits.tier))}


def _tried(row: Row) -> Tried:
    n = int(row["n"])
    accepted, cost = int(row["accepted"]) / n, float(row["cost"]) / n
    return Tried(
        Window(n, accepted, sqrt(accepted * (1 - accepted))),
        Window(n, cost, sqrt(max(0.0, float(row["squares"]) / n - cost * cost))),
    )
