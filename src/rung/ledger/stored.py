"""Rows back to what a person or a replay needs: the real plan and history, answers as hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from rung.core.comparing import HASH_PREFIX
from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.labels import Closing, InboxState, Label, LabelSource
from rung.core.parts import ToolCall
from rung.core.plan import Plan
from rung.core.types import (
    Answer,
    Attempt,
    EndedBy,
    Failure,
    Fault,
    Finish,
    History,
    Kind,
    Need,
    Phase,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status, Trust, Verdict
from rung.ledger import plans
from rung.ledger.codec import ToolName
from rung.ledger.database import Row
from rung.ledger.priced import counts_of, price_of

_called = msgspec.json.Decoder(list[ToolName])


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What the ledger keeps of a request: sizes, a hash, names. Never its text."""

    id: str
    dialect: str
    model: str
    streamed: bool
    project: str | None
    lane: str
    body_sha256: str
    body_bytes: int
    input_tokens_estimate: int
    needs: frozenset[Need]
    resend_of: str | None
    audit_of: str | None
    conversation: str | None = None
    agent: str | None = None
    private: str | None = None
    cached_of: str | None = None
    key: str | None = None
    loop: str | None = None


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """An outcome as the ledger has it: the real plan and history, answers only as hashes.

    ``labels`` are all that were ever given, oldest first. ``closing`` is how a human closed its
    inbox entry, ``None`` while that is open and where there is none. ``recovered``: the process
    that served it died, and this is what it had reserved.
    """

    request: StoredRequest
    plan: Plan
    history: History
    decision: Accept | Exhausted | None
    served: int | None
    verified: bool | None
    escalated: bool
    cost_nanousd: int
    started_unix: float
    seconds: float
    ended_by: EndedBy
    phase: Phase
    baselines: Mapping[str, int]
    inbox: bool
    ungated: bool
    rung_version: str
    labels: tuple[Label, ...] = ()
    closing: Closing | None = None
    recovered: bool = False


def decode(
    request: Row, attempts: Iterable[Row], verdicts: Iterable[Row], baselines: Iterable[Row]
) -> StoredOutcome:
    """One outcome from its rows, attempts and verdicts in their order.

    Raises ValueError (msgspec's errors are such) for words that this version does not know.
    """
    given: dict[int, list[Verdict]] = {}
    for row in verdicts:
        given.setdefault(row["attempt_position"], []).append(_verdict(row))
    verified = None if request["verified"] is None else bool(request["verified"])
    return StoredOutcome(
        request=_stored_request(request),
        plan=plans.joined(request["shared_json"], request["plan_json"]),
        history=tuple(_attempt(row, given.get(row["position"], [])) for row in attempts),
        decision=_decision(request, verified),
        served=request["served_attempt"],
        verified=verified,
        escalated=bool(request["escalated"]),
        cost_nanousd=request["cost_nanousd"],
        started_unix=request["started_unix"],
        seconds=request["seconds"],
        ended_by=EndedBy(request["ended_by"]),
        phase=Phase(request["phase"]),
        baselines={row["name"]: row["cost_nanousd"] for row in baselines},
        inbox=bool(request["inbox"]),
        ungated=bool(request["ungated"]),
        rung_version=request["rung_version"],
        recovered=bool(request["recovered"]),
    )


def _stored_request(row: Row) -> StoredRequest:
    return StoredRequest(
        id=row["id"],
        dialect=row["dialect"],
        model=row["requested_model"],
        streamed=bool(row["streamed"]),
        project=row["project"],
        lane=row["lane"],
        body_sha256=row["body_sha256"],
        body_bytes=row["body_bytes"],
        input_tokens_estimate=row["input_tokens_estimate"],
        needs=frozenset(Need(need) for need in row["needs"].split(",") if need),
        resend_of=row["resend_of"],
        audit_of=row["audit_of"],
        conversation=row["conversation"],
        agent=row["agent"],
        private=row["private"],
        cached_of=row["cached_of"],
        key=row["key_id"],
        loop=row["loop"],
    )


def _decision(row: Row, verified: bool | None) -> Accept | Exhausted | None:
    match row["decision"]:
        case "accept":
            return Accept(row["decision_index"], verified)
        case "exhausted":
            return Exhausted(Exhaustion(row["decision_reason"]), row["decision_index"])
        case _:
            return None


def _attempt(row: Row, verdicts: list[Verdict]) -> Attempt:
    return Attempt(
        id=row["id"],
        tier=row["tier"],
        kind=Kind(row["kind"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        answer=_answer(row),
        failure=_failure(row),
        usage=Usage(
            row["input_tokens"],
            row["output_tokens"],
            row["cache_read_tokens"],
            row["cache_write_tokens"],
            row["reasoning_tokens"],
            UsageSource(row["usage_source"]),
            row["cache_write_1h_tokens"],
            row["image_tokens"],
            row["server_tools"],
            **counts_of(row["more_counts_json"]),
        ),
        cost_nanousd=row["cost_nanousd"],
        price=price_of(row["price_json"]),
        load_seconds=row["load_seconds"],
        first_token_seconds=row["first_token_seconds"],
        ended_by=EndedBy(row["ended_by"]),
        phase=Phase(row["phase"]),
        verdicts=tuple(verdicts),
        losses=tuple(json.loads(row["losses_json"])),
        released=bool(row["released"]),
        local=None if row["local"] is None else bool(row["local"]),
        beside=bool(row["beside"]),
        spared_tokens=row["spared_tokens"],
        queued_seconds=row["queued_seconds"],
        reserved_nanousd=row["reserved_nanousd"],
        drained=bool(row["drained"]),
    )


def _answer(row: Row) -> Answer | None:
    if row["answer_sha256"] is None:
        return None
    called = [] if row["called_json"] is None else _called.decode(row["called_json"])
    return Answer(
        text=HASH_PREFIX + row["answer_sha256"],
        finish=Finish(row["finish"]),
        model=row["model"],
        tool_calls=tuple(ToolCall("", name, "", namespace) for name, namespace in called),
        dialect=row["dialect"] or "",
        salvaged=row["salvaged"] or "",
    )


def _failure(row: Row) -> Failure | None:
    if row["failure_fault"] is None:
        return None
    return Failure(
        Fault(row["failure_fault"]),
        row["failure_message"],
        row["failure_status"],
        row["retry_after_seconds"],
    )


def _verdict(row: Row) -> Verdict:
    return Verdict(
        verifier=row["verifier"],
        status=Status(row["status"]),
        reason=row["reason"],
        trust=Trust(row["trust"]),
        score=row["score"],
        seconds=row["seconds"],
        at=row["at"],
        vacuous=bool(row["vacuous"]),
        says=row["says"],
        cost_nanousd=row["cost_nanousd"],
        left=bool(row["left_machine"]),
    )


def label(row: Row) -> Label:
    """One label. Raises ValueError for a source that this version does not know."""
    return Label(
        request_id=row["request_id"],
        right=bool(row["is_right"]),
        source=LabelSource(row["source"]),
        created_unix=row["created_unix"],
        attempt=row["attempt_position"],
        by=row["given_by"],
        note=row["note"],
        id=row["id"],
    )


def closing(row: Row) -> Closing:
    """How one inbox entry was closed. Raises ValueError as `label`."""
    return Closing(
        request_id=row["request_id"],
        state=InboxState(row["state"]),
        created_unix=row["created_unix"],
        text=row["text"],
        attempt=row["attempt_position"],
        verified=None if row["verified"] is None else bool(row["verified"]),
        by=row["given_by"],
        note=row["note"],
    )
