"""A human's answer to what no tier passed: held to what the request asked for, then stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rung.core.comparing import canonical
from rung.core.errors import RequestError
from rung.core.labels import Closing, InboxState, Label, LabelSource
from rung.core.plan import TOOL_CALLS
from rung.core.types import Answer, Attempt, Kind, Request
from rung.core.verdicts import Status, Verdict, Weight
from rung.ledger import InboxEntry, Ledger, StoredOutcome

HUMAN = "human"
"""What stands where else a tier's name would."""

SCHEMA_GATE = "json_schema"
"""The gate of the request's own schema: the one that can be run on a human's words."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a human gives: words of their own, or the draft at a place in the history."""

    text: str | None = None
    accepted: int | None = None
    by: str | None = None
    note: str = ""


async def schema_verdict(entry: InboxEntry, text: str) -> Verdict | None:
    """What the request's own schema says of a text; ``None`` where it has none."""
    asked = entry.request.get("schema")
    if asked is None:
        return None
    from rung.verifiers.base import Subject, run
    from rung.verifiers.json_schema import json_schema

    answer = Answer(text, model=HUMAN)
    request = Request(entry.item.request_id, HUMAN, ())
    attempt = Attempt(f"{request.id}.{HUMAN}", HUMAN, Kind.FIRST, 0.0, 0.0, answer)
    return await run(json_schema(asked["schema"]), Subject(request, attempt, answer))


def answer(
    ledger: Ledger, entry: InboxEntry, given: Given, verdict: Verdict | None, now: float
) -> Closing:
    """Close the entry with an answer, and label its drafts by it.

    ``verdict`` is that of `schema_verdict` on words of the human's own. Raises RequestError where
    no such draft is there (400), or somebody else has closed the entry (409).
    """
    found = ledger.find(entry.item.request_id)
    closed = Closing(
        request_id=entry.item.request_id,
        state=InboxState.ANSWERED,
        created_unix=now,
        text=given.text if given.accepted is None else str(_draft(entry, given.accepted)["text"]),
        attempt=given.accepted,
        verified=_verified(found, given.accepted, verdict),
        by=given.by,
        note=given.note,
    )
    ledger.close_entry(closed, list(_labels(entry, closed)))
    return closed


def dismiss(ledger: Ledger, entry: InboxEntry, given: Given, now: float) -> Closing:
    """Close the entry without an answer. Raises RequestError (409) where it is closed."""
    name = entry.item.request_id
    closed = Closing(name, InboxState.DISMISSED, now, by=given.by, note=given.note)
    ledger.close_entry(closed)
    return closed


def as_case(entry: InboxEntry) -> dict[str, Any]:
    """An answered entry as a case to try a ladder on: the request, the answer, what was wrong."""
    closed = entry.closing
    assert closed is not None
    accepted = None if closed.attempt is None else _draft(entry, closed.attempt)
    return {
        "id": entry.item.request_id,
        "model": entry.request["model"],
        "messages": entry.request["messages"],
        "schema": entry.request["schema"],
        "answer": {
            "text": closed.text,
            "tool_calls": [] if accepted is None else accepted["tool_calls"],
            "verified": closed.verified,
            "accepted_from": None if accepted is None else accepted["tier"],
            "by": closed.by,
            "note": closed.note,
        },
        "rejected": [
            {name: draft[name] for name in ("tier", "text", "tool_calls", "verdicts")}
            for draft in entry.answers
            if draft is not accepted
        ],
    }


def _drafts(entry: InboxEntry) -> dict[int, dict[str, Any]]:
    return {draft["position"]: draft for draft in entry.answers if draft["position"] is not None}


def _draft(entry: InboxEntry, place: int) -> dict[str, Any]:
    drafts = _drafts(entry)
    if place in drafts:
        return drafts[place]
    listed = ", ".join(str(each + 1) for each in drafts)
    said = f"attempt {place + 1} of {entry.item.request_id} is no draft that waits."
    raise RequestError(said, param="accept", fix=f"these are: {listed}" if listed else None)


def _verified(found: StoredOutcome, accepted: int | None, verdict: Verdict | None) -> bool | None:
    """As ADR 0005 says of every answer: what was not checked proves nothing."""
    required = {
        check.name
        for step in found.plan.steps
        for check in step.checks
        if check.weight is Weight.REQUIRED
    }
    if accepted is not None:
        verdicts = found.history[accepted].verdicts
        failed = any(v.status is Status.FAILED and v.verifier in required for v in verdicts)
        return False if failed else None
    if verdict is None or verdict.status is Status.ABSTAINED:
        return None
    if verdict.status is Status.FAILED:
        return False
    # A text without tool calls leaves the gate on them nothing to judge.
    return True if required <= {SCHEMA_GATE, TOOL_CALLS} else None


def _labels(entry: InboxEntry, closed: Closing) -> Iterator[Label]:
    """The accepted draft was right. Else every draft was wrong that does not say the same."""
    places = _drafts(entry) if closed.attempt is None else [closed.attempt]
    for place in places:
        right = closed.attempt is not None or _same(_draft(entry, place), closed.text or "")
        about = (closed.created_unix, place, closed.by)
        yield Label(closed.request_id, right, LabelSource.INBOX, *about)


def _same(draft: dict[str, Any], text: str) -> bool:
    return not draft["tool_calls"] and canonical(str(draft["text"])) == canonical(text)
