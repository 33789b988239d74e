"""What is learned of where to start: what it is learned from, and what is in force.

A router is added, never changed: the newest of a ladder is in force. One that cannot be read, as a
newer rung may write it, is passed over for the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from math import isfinite
from typing import Any, Final

import msgspec

from rung.core.choosing import Chooser
from rung.core.labels import BELIEVED, LabelSource
from rung.core.traits import BUCKETS
from rung.core.trials import Call, Past
from rung.core.types import Fault
from rung.ledger.codec import clean
from rung.ledger.database import Connection, Row

VERSION: Final = 1
"""Of the stored JSON, and of what traits mean. One of another version is not taken up."""


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    router: Chooser | None


_decoder = msgspec.json.Decoder(_Stored)
_numbers = msgspec.json.Decoder(tuple[int, ...])


# ------------------------------------------------------------------ those in force


@dataclass(frozen=True, slots=True)
class StoredRouter:
    """A row. ``router`` is ``None`` where it switches routing off, or is ``unreadable``.

    ``report`` is what was said of it when it was stored, as plain JSON values.
    """

    id: int
    created_unix: float
    ladder: str
    router: Chooser | None
    unreadable: str | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


def newest(connection: Connection) -> dict[str, Chooser]:
    """The routers in force, by ladder."""
    found = {row.ladder: row for row in in_force(connection) if not row.unreadable}
    return {ladder: row.router for ladder, row in found.items() if row.router is not None}


def in_force(connection: Connection) -> list[StoredRouter]:
    """The newest readable row of each ladder, by name, after newer ones that are unreadable."""
    settled: set[str] = set()
    rows: list[StoredRouter] = []
    for row in connection.named("newest routers"):
        if row["ladder"] not in settled:
            rows.append(_read(row))
            if rows[-1].unreadable is None:
                settled.add(row["ladder"])
    return sorted(rows, key=lambda row: (row.ladder, -row.id))


def add(
    connection: Connection,
    ladder: str,
    made: Chooser | None,
    report: Mapping[str, Any],
    now: float,
) -> None:
    """Put a router in force; ``None`` withdraws the one that is."""
    connection.named(
        "add to routers",
        created_unix=now,
        ladder=clean(ladder),
        model_json=msgspec.json.encode(_Stored(VERSION, made)).decode(),
        report_json=json.dumps(report, default=str),
    )


def _read(row: Row) -> StoredRouter:
    router, unreadable = _decoded(row["model_json"])
    try:
        report = json.loads(row["report_json"])
    except (ValueError, RecursionError):
        report = None
    told = report if isinstance(report, dict) else {}
    return StoredRouter(row["id"], row["created_unix"], row["ladder"], router, unreadable, told)


def _decoded(text: str) -> tuple[Chooser | None, str | None]:
    """A stored router, or why it is none."""
    try:
        version = json.loads(text)["version"]
        if version != VERSION:
            return None, f"it is of version {version!r}, this rung reads {VERSION}"
        found = _decoder.decode(text).router
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return None, f"it cannot be read: {error}"
    wrong = None if found is None else _why_not(found)
    return (None, wrong) if wrong else (found, None)


def _why_not(found: Chooser) -> str | None:
    """What makes a router no router."""
    if len({len(found.tiers), len(found.chances), len(found.terms.prices)}) > 1 or not found.tiers:
        return "it has not one model and one price for each tier"
    numbers = [*found.terms.prices, found.terms.worth]
    for each in found.chances:
        numbers += [each.base, each.scale.bias, each.scale.slope, *each.weights.values()]
    if not all(isfinite(number) for number in numbers):
        return "a number of it is not finite"
    if any(not 0 <= trait < BUCKETS for each in found.chances for trait in each.weights):
        return "it has weights for traits that there are none of"
    return None


# ------------------------------------------------------------------ what they are learned from


def pasts(
    connection: Connection, limit: int, since_unix: float = 0.0, *, traits: bool = True
) -> list[Past]:
    """The newest requests that began since then, oldest first, with their traits if wanted.

    Without audits, resends, answers served again and private requests.
    """
    told: dict[str, dict[int, tuple[int, bool]]] = {}
    for row in connection.named("trial labels"):
        places = told.setdefault(row["request_id"], {})
        rank = -BELIEVED.index(LabelSource(row["source"]))
        known = places.get(row["attempt_position"])
        if known is None or rank >= known[0]:
            places[row["attempt_position"]] = (rank, bool(row["is_right"]))
    rows = connection.named("trials", limit=max(limit, 0), since=since_unix)
    return [_past(group, told, traits=traits) for group in _grouped(rows)]


def _grouped(rows: Iterable[Row]) -> Iterator[list[Row]]:
    for _, group in groupby(rows, key=lambda row: row["id"]):
        yield list(group)


def _past(
    rows: list[Row], told: Mapping[str, Mapping[int, tuple[int, bool]]], *, traits: bool
) -> Past:
    first = rows[0]
    # A call beside the one that answered was cut off, which tells nothing of its tier.
    rows = [row for row in rows if not row["beside"]]
    places = {row["position"]: place for place, row in enumerate(rows)}
    labels = told.get(first["id"], {})
    propensity = first["propensity"]
    return Past(
        ladder=first["ladder"],
        calls=tuple(_call(row) for row in rows),
        served=places.get(first["served_attempt"]),
        verified=None if first["verified"] is None else bool(first["verified"]),
        category=first["category"] or "",
        traits=_traits(first["traits_json"]) if traits else (),
        labels={places[at]: right for at, (_, right) in labels.items() if at in places},
        propensity=propensity if propensity and 0 < propensity <= 1 else 1.0,
    )


def _call(row: Row) -> Call:
    fault = row["failure_fault"]
    known = Fault(fault) if fault in Fault.__members__.values() else None
    seconds = max(0.0, row["ended_at"] - row["started_at"])
    return Call(row["tier"], bool(row["answered"]), known, row["cost_nanousd"], seconds)


def _traits(text: str | None) -> tuple[int, ...]:
    """Stored traits; none where they cannot be read or are of another rung's."""
    if not text:
        return ()
    try:
        found = _numbers.decode(text)
    except msgspec.DecodeError:
        return ()
    return found if all(0 <= trait < BUCKETS for trait in found) else ()
