"""What was seen of the tiers of one ladder: by its requests, by second looks, by probes.

A row is a request with its calls, as far as they tell of the tiers that it came to, and with the
chances that were drawn for it. `core.trials` says what calls come to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select

from rung.core.labels import BELIEVED, LabelSource
from rung.core.trials import Call, Past
from rung.core.types import Fault
from rung.ledger.account_tables import bodies
from rung.ledger.bodies import REQUEST
from rung.ledger.database import Connection, Row
from rung.ledger.plans import OWN
from rung.ledger.speeds import PROBES
from rung.ledger.tables import attempts, labels, plans, requests, verdicts

JUDGE: Final = "judge"
"""The dialect of requests that ask a model about an answer: they are no try of a tier."""

PINNED: Final = "the request is pinned"
EXCLUDED: Final = OWN.index("excluded")

_Query = Select[*tuple[Any, ...]]

_r, _a, _l, _v = requests.c, attempts.c, labels.c, verdicts.c
_values = msgspec.json.Decoder(list[Any])
_facts = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, a second look or a probe. ``of`` is the request that the latter two are about.

    ``tokens`` are those of all its calls, read and written. ``entry`` is the tier that it began at,
    ``other`` the one where it would have begun had the draw gone the other way; ``entry_chance``
    (0..1) is the chance of the former, given the ladder that it was on. ``reach`` (0..1) is
    by tier the chance to climb so high, where it was drawn. ``sources`` says by the place of a call
    who labelled its answer.
    """

    id: str
    past: Past
    started_unix: float
    input_tokens: int
    tokens: tuple[int, int] = (0, 0)
    of: str | None = None
    probe: bool = False
    pinned: bool = False
    entry: str | None = None
    other: str | None = None
    entry_chance: float = 1.0
    reach: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[int, LabelSource] = field(default_factory=dict)


def seen(
    connection: Connection, ladder: str, since_unix: float = 0.0, limit: int = 20_000
) -> list[Seen]:
    """The newest requests of a ladder since then, and all looks at them; oldest first.

    Without private requests, resends and answers served again. Raises ValueError for a label of
    words that this version does not know.
    """
    newest = select(_r.id).where(
        _r.ladder == ladder,
        _r.started_unix >= since_unix,
        *(column.is_(None) for column in (_r.audit_of, _r.cached_of, _r.private, _r.resend_of)),
    )
    newest = newest.order_by(_r.id.desc()).limit(max(limit, 0))
    looks = and_(_r.audit_of.in_(newest), _r.ladder.in_((ladder, PROBES)), _r.dialect != JUDGE)
    return _of(connection, or_(_r.id.in_(newest), looks))


def probes(connection: Connection, ladder: str) -> list[Seen]:
    """All probes of a ladder's tiers, oldest first, those of requests from files included."""
    return _of(connection, and_(_r.audit_of.is_not(None), _probes(ladder)))


def with_bodies(
    connection: Connection, ladder: str, since_unix: float = 0.0, category: str | None = None
) -> list[str]:
    """The ids of a ladder's requests whose words are stored. Private ones never are."""
    joined = requests.join(bodies, and_(bodies.c.request_id == _r.id, bodies.c.part == REQUEST))
    statement: _Query = select(_r.id).select_from(joined)
    plain = (_r.audit_of, _r.cached_of, _r.private, _r.resend_of)
    named = [] if category is None else [func.coalesce(_r.category, "") == category]
    statement = statement.where(
        _r.ladder == ladder,
        _r.started_unix >= since_unix,
        *(column.is_(None) for column in plain),
        *named,
    )
    return [row[0] for row in connection.run(statement.order_by(_r.id))]


def written(connection: Connection) -> dict[str, float]:
    """The mean length of a tier's answers in tokens, of all that the ledger has."""
    statement: _Query = select(_a.tier, func.avg(_a.output_tokens))
    statement = statement.where(_a.answer_sha256.is_not(None)).group_by(_a.tier)
    return {row[0]: float(row[1]) for row in connection.run(statement)}


def model_of(ladder: str) -> str:
    """What a probe of a ladder's tiers asks for by name: its ladder is `PROBES`."""
    return f"rung/{ladder}"


def _probes(ladder: str) -> ColumnElement[bool]:
    return and_(_r.ladder == PROBES, _r.requested_model == model_of(ladder))


def _of(connection: Connection, chosen: ColumnElement[bool]) -> list[Seen]:
    told = _labels(connection, chosen)
    shared: dict[str, _Shared] = {}
    return [_seen(group, told, shared) for group in _grouped(connection.run(_calls(chosen)))]


def _calls(chosen: ColumnElement[bool]) -> _Query:
    """A row for each call, in order, with its request's own."""
    checks = select(func.coalesce(func.sum(_v.cost_nanousd), literal(0))).where(
        _v.request_id == _a.request_id, _v.attempt_position == _a.position
    )
    of_requests = (
        *(_r.id, _r.ladder, _r.started_unix, _r.input_tokens_estimate, _r.audit_of),
        *(_r.served_attempt, _r.verified, _r.category, _r.propensity, _r.plan_json, _r.plan_id),
    )
    of_calls = (
        *(_a.position, _a.tier, _a.failure_fault, _a.beside, _a.started_at, _a.ended_at),
        *(_a.input_tokens, _a.output_tokens),
        _a.answer_sha256.is_not(None).label("answered"),
        (_a.cost_nanousd + checks.scalar_subquery()).label("cost_nanousd"),
    )
    whole = attempts.join(requests, _a.request_id == _r.id)
    whole = whole.outerjoin(plans, plans.c.id == _r.plan_id)
    statement: _Query = select(*of_requests, *of_calls, plans.c.shared_json)
    return statement.select_from(whole).where(chosen).order_by(_r.id, _a.position)


def _labels(
    connection: Connection, chosen: ColumnElement[bool]
) -> dict[str, dict[int, tuple[LabelSource, bool]]]:
    """By request and place, the label that counts: the last of the best source."""
    given: _Query = select(_l.request_id, _l.attempt_position, _l.source, _l.is_right)
    given = given.join(requests, _r.id == _l.request_id)
    given = given.where(chosen, _l.attempt_position.is_not(None)).order_by(_l.id)
    found: dict[str, dict[int, tuple[LabelSource, bool]]] = {}
    for row in connection.run(given):
        places, source = found.setdefault(row[0], {}), LabelSource(row[2])
        known = places.get(row[1])
        if known is None or BELIEVED.index(source) <= BELIEVED.index(known[0]):
            places[row[1]] = (source, bool(row[3]))
    return found


def _grouped(rows: Any) -> Iterator[list[Row]]:
    for _, group in groupby(rows, key=lambda row: row["id"]):
        yield list(group)


def _seen(
    rows: Sequence[Row],
    told: Mapping[str, Mapping[int, tuple[LabelSource, bool]]],
    shared: dict[str, _Shared],
) -> Seen:
    first = rows[0]
    # A call beside the one that answered was cut off, which tells nothing of its tier.
    kept = [row for row in rows if not row["beside"]]
    places = {row["position"]: place for place, row in enumerate(kept)}
    given = {places[at]: label for at, label in told.get(first["id"], {}).items() if at in places}
    plan = _plan(first, shared)
    propensity = first["propensity"]
    past = Past(
        ladder=first["ladder"],
        calls=tuple(_call(row) for row in kept),
        served=places.get(first["served_attempt"]),
        verified=None if first["verified"] is None else bool(first["verified"]),
        category=first["category"] or "",
        labels={place: right for place, (_, right) in given.items()},
        propensity=propensity if propensity and 0 < propensity <= 1 else 1.0,
    )
    return Seen(
        id=first["id"],
        past=past,
        started_unix=first["started_unix"],
        input_tokens=first["input_tokens_estimate"],
        tokens=(
            sum(row["input_tokens"] for row in kept),
            sum(row["output_tokens"] for row in kept),
        ),
        of=first["audit_of"],
        probe=first["ladder"] == PROBES,
        pinned=plan.pinned,
        entry=plan.entry or (past.calls[0].tier if past.calls else None),
        other=plan.other,
        entry_chance=min(1.0, past.propensity / plan.rule_chance),
        reach=plan.reach,
        sources={place: source for place, (source, _) in given.items()},
    )


def _call(row: Row) -> Call:
    fault = row["failure_fault"]
    known = Fault(fault) if fault in Fault.__members__.values() else None
    seconds = max(0.0, row["ended_at"] - row["started_at"])
    return Call(row["tier"], bool(row["answered"]), known, row["cost_nanousd"], seconds)


# ------------------------------------------------------------------ of their plans


@dataclass(frozen=True, slots=True)
class _Shared:
    """What plans that share a part say: first tier, other entry, a rule's draw, tiers' reach."""

    entry: str | None = None
    other: str | None = None
    rule_chance: float = 1.0
    reach: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    entry: str | None
    other: str | None
    reach: Mapping[str, float]
    pinned: bool
    rule_chance: float = 1.0


def _plan(row: Row, shared: dict[str, _Shared]) -> _Plan:
    """What chances a plan had; nothing of one that cannot be read."""
    try:
        if row["shared_json"] is None:
            whole = _facts.decode(row["plan_json"])
            known, excluded = _shared(whole), whole.get("excluded", [])
        else:
            if row["plan_id"] not in shared:
                shared[row["plan_id"]] = _shared(_facts.decode(row["shared_json"]))
            known = shared[row["plan_id"]]
            excluded = _values.decode(row["plan_json"])[EXCLUDED]
        left = [
            (each["tier"], str(each["why"]), float(each.get("reach", 1.0))) for each in excluded
        ]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return _Plan(None, None, {}, pinned=False)
    reach = dict(known.reach) | {tier: chance for tier, _, chance in left if chance < 1}
    pinned = any(why.startswith(PINNED) for _, why, _ in left)
    return _Plan(known.entry, known.other, reach, pinned, known.rule_chance)


def _shared(told: Mapping[str, Any]) -> _Shared:
    steps = told["steps"]
    reach = {step["tier"]: float(step.get("reach", 1.0)) for step in steps}
    return _Shared(
        steps[0]["tier"] if steps else None,
        told["route"].get("other"),
        _chance(told["route"].get("rule_chance", 1.0)),
        {tier: chance for tier, chance in reach.items() if 0 < chance < 1},
    )


def _chance(told: Any) -> float:
    """A chance (0..1) that is one, whatever stands there."""
    chance = float(told)
    return chance if 0 < chance <= 1 else 1.0
