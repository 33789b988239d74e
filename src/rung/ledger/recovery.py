"""What a process that died had under way: booked as far as anybody can know it.

What it had reserved for calls counts as spent, and stands in the ledger as a request of its own
kind, so that the bill has it and everybody sees it. Where the true outcome comes after all (it was
kept in a file, its process was only cut off), it takes that request's place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import (
    Attempt,
    Directions,
    EndedBy,
    Failure,
    Fault,
    Kind,
    Lane,
    Phase,
    Request,
    Usage,
    UsageSource,
)
from rung.ledger import holds, presence
from rung.ledger.database import Connection, Row
from rung.ledger.presence import Presence

MESSAGE = "rung ended while this call ran: booked at the most that it could have cost."


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found of dead processes: requests, and what their unknown calls had reserved."""

    outcomes: tuple[Outcome, ...] = ()
    unknown_nanousd: int = 0


def recover(connection: Connection, me: Presence, now: float) -> Recovered:
    """End what dead processes held, and say what is to be booked for it. Again, there is none."""
    found: list[Row] = []
    for process_id in presence.dead(connection, me):
        found += holds.resolve(connection, process_id, now)
        connection.named("end process", of_id=process_id)
    of = sorted(found, key=lambda row: (row["request_id"], row["created_unix"], row["id"]))
    by_request = {name: list(rows) for name, rows in groupby(of, key=lambda r: r["request_id"])}
    booked = known(connection, list(by_request)) if by_request else {}
    outcomes = [_outcome(name, rows) for name, rows in by_request.items() if name not in booked]
    unknown = sum(row["settled_nanousd"] for row in found if row["state"] == holds.UNKNOWN)
    return Recovered(tuple(outcomes), unknown)


def known(connection: Connection, ids: Sequence[str]) -> dict[str, bool]:
    """The requests of these that the ledger has, with whether each is only a recovered one."""
    rows = connection.named("known requests", ids=json.dumps(list(ids)))
    return {row["id"]: bool(row["recovered"]) for row in rows}


def _outcome(request_id: str, rows: Sequence[Row]) -> Outcome:
    abouts = [_about(row) for row in rows]
    first, began = abouts[0], rows[0]["created_unix"]
    attempts = tuple(_attempt(row, about, began) for row, about in zip(rows, abouts, strict=True))
    ladder = _text(first, "ladder")
    return Outcome(
        request=Request(
            request_id,
            _text(first, "dialect"),
            (),
            model=_text(first, "model"),
            conversation=_text(first, "conversation"),
            audit_of=_text(first, "audit_of") or None,
            directions=Directions(project=_text(first, "project") or None, lane=_lane(first)),
            key=_text(first, "key") or None,
        ),
        plan=Plan(ladder, (), private=_text(first, "private")),
        attempts=attempts,
        decision=None,
        served=None,
        verified=None,
        started_unix=began,
        seconds=max(attempt.ended_at for attempt in attempts),
        ended_by=EndedBy.INTERNAL,
        phase=Phase.CONNECT,
        recovered=True,
    )


def _attempt(row: Row, about: Mapping[str, Any], began: float) -> Attempt:
    at = max(0.0, row["created_unix"] - began)
    settled = row["state"] == holds.SETTLED
    ended = max(at, row["settled_unix"] - began) if settled else at
    said = "rung ended before what came of this call was booked." if settled else MESSAGE
    tokens = about.get("input_tokens")
    return Attempt(
        id=row["id"],
        tier=_text(about, "tier"),
        kind=Kind.FIRST,
        started_at=at,
        ended_at=ended,
        failure=Failure(Fault.UNKNOWN, said),
        usage=Usage(
            tokens if isinstance(tokens, int) and tokens >= 0 else 0,
            source=UsageSource.ESTIMATED,
        ),
        cost_nanousd=row["settled_nanousd"],
        ended_by=EndedBy.INTERNAL,
        phase=Phase.DONE if settled else Phase.CONNECT,
        reserved_nanousd=row["amount_nanousd"],
    )


def _about(row: Row) -> Mapping[str, Any]:
    try:
        about = json.loads(row["about_json"])
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _text(about: Mapping[str, Any], name: str) -> str:
    found = about.get(name)
    return found if isinstance(found, str) else ""


def _lane(about: Mapping[str, Any]) -> Lane:
    try:
        return Lane(_text(about, "lane"))
    except ValueError:
        return Lane.INTERACTIVE
