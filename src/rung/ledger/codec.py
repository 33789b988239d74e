"""Outcomes to rows (`stored` has the way back).

Nothing that a provider or a caller wrote may keep a paid request off the ledger: text that UTF-8 or
a database cannot hold is replaced, times that are no numbers are dropped, absurd counters capped.
Money is never touched.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

import msgspec

from rung.core.engine import Accept, Exhausted
from rung.core.features import features
from rung.core.outcome import Outcome
from rung.core.parts import Tool
from rung.core.plan import Plan, Step
from rung.core.saying import sayings
from rung.core.types import Answer, Attempt, Failure, History, Request
from rung.core.verdicts import Status, Weight
from rung.core.vote import PLAIN_VOTE
from rung.ledger import plans
from rung.ledger.priced import more_counts, priced

MOST_COUNT: Final = 10**12
"""A counter above this is a lying server's; capped, so that no sum can overflow 64 bits."""

Row = Mapping[str, Any]

ToolName = tuple[str, str]
"""A tool's name and its namespace; both are empty for one that the caller did not offer."""

NO_LOSSES: Final = "[]"

_OTHER: Final[ToolName] = ("", "")
_NO_ANSWER: Final[dict[str, Any]] = {
    **dict.fromkeys(("model", "finish", "answer_sha256", "answer_bytes")),
    **dict.fromkeys(("dialect", "called_json", "salvaged")),
    "tool_calls": 0,
}
_NO_FAILURE: Final[dict[str, Any]] = dict.fromkeys(
    ("failure_fault", "failure_message", "failure_status", "retry_after_seconds")
)

_encoder = msgspec.json.Encoder(enc_hook=str)


TABLES: Final = ("requests", "attempts", "verdicts", "baselines", "inbox")
"""What an outcome becomes rows of, in the order in which they refer to each other."""


@dataclass(slots=True)
class Rows:
    """One or more outcomes as rows, by table; the prices and plans that they name by their ids."""

    requests: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    verdicts: list[Row] = field(default_factory=list)
    baselines: list[Row] = field(default_factory=list)
    inbox: list[Row] = field(default_factory=list)
    prices: dict[str, Row] = field(default_factory=dict)
    plans: dict[str, Row] = field(default_factory=dict)

    def extend(self, other: Rows) -> None:
        """Add all rows of ``other``."""
        for table in TABLES:
            getattr(self, table).extend(getattr(other, table))
        self.prices |= other.prices
        self.plans |= other.plans


# ------------------------------------------------------------------ to rows


def encode(outcome: Outcome) -> Rows:
    """The rows of one outcome."""
    plan_id, shared, own = plans.split(outcome.plan, _json)
    rows = Rows(requests=[_request_row(outcome) | {"plan_id": plan_id, "plan_json": own}])
    rows.plans[plan_id] = {"id": plan_id, "shared_json": shared}
    name = clean(outcome.request.id)
    offered = _offered(outcome.request, outcome.attempts)
    steps = {step.tier: (index, step) for index, step in enumerate(outcome.plan.steps)}
    hashes = answer_hashes(outcome.plan, outcome.attempts)
    for position, attempt in enumerate(outcome.attempts):
        index, step = steps.get(attempt.tier, (None, None))
        rows.attempts.append(
            {
                **_attempt_row(attempt),
                **_answer_columns(attempt.answer, offered, hashes.get(position, "")),
                **_failure_columns(attempt.failure),
                "request_id": name,
                "position": position,
                "step": index,
                "gates": _gates(attempt, step),
            }
        )
        rows.verdicts.extend(_verdict_rows(attempt, step, name, position))
        if attempt.price is not None:
            price_id, told = priced(attempt.price, _json)
            first_unix = rows.requests[0]["started_unix"]
            source = clean(attempt.price.source)
            rows.prices.setdefault(price_id, {**told, "source": source, "first_unix": first_unix})
    for baseline, cost in outcome.baselines.items():
        rows.baselines.append({"request_id": name, "name": clean(baseline), "cost_nanousd": cost})
    if outcome.inbox:
        rows.inbox.append(inbox_row(outcome))
    return rows


def _request_row(outcome: Outcome) -> dict[str, Any]:
    request, decision = outcome.request, outcome.decision
    exhausted = isinstance(decision, Exhausted)
    body = request.body or _json(request.messages).encode()
    return {
        "id": clean(request.id),
        "started_unix": _number(outcome.started_unix) or 0.0,
        "seconds": max(_number(outcome.seconds) or 0.0, 0.0),
        "project": _optional(request.directions.project),
        "lane": request.directions.lane.value,
        "ladder": clean(outcome.plan.ladder),
        "dialect": clean(request.dialect),
        "requested_model": clean(request.model),
        "streamed": request.stream,
        "body_sha256": sha256(body).hexdigest(),
        "body_bytes": len(body),
        "input_tokens_estimate": features(request).input_tokens,
        "needs": ",".join(sorted(request.needs)),
        "steps": len(outcome.plan.steps),
        "decision": None if decision is None else "exhausted" if exhausted else "accept",
        "decision_reason": decision.reason.value if isinstance(decision, Exhausted) else None,
        "decision_index": _chosen(decision),
        "served_attempt": outcome.served,
        "verified": outcome.verified,
        "escalated": outcome.escalated,
        "cost_nanousd": outcome.cost_nanousd,
        "ended_by": outcome.ended_by.value,
        "phase": outcome.phase.value,
        "inbox": outcome.inbox,
        "rung_version": rung_version(),
        "resend_of": _optional(request.resend_of),
        "ungated": outcome.ungated,
        "audit_of": _optional(request.audit_of),
        **_route_columns(outcome),
    }


def _route_columns(outcome: Outcome) -> dict[str, Any]:
    """What the request was taken for. Of a private one not even a hash of its words is kept."""
    request, route = outcome.request, outcome.plan.route
    private = outcome.plan.private
    return {
        "conversation": clean(request.conversation) or None,
        "agent": _optional(request.directions.agent),
        "private": clean(private) or None,
        "cached_of": _optional(outcome.cached_of),
        "category": route.category or None,
        "difficulty": route.difficulty or None,
        "propensity": _number(route.propensity),
        "traits_json": _json(outcome.traits) if outcome.traits and not private else None,
        "key_id": _optional(request.key),
        "recovered": outcome.recovered,
        "loop": clean(request.loop) or None,
    }


def _chosen(decision: Accept | Exhausted | None) -> int | None:
    match decision:
        case Accept(index=index):
            return index
        case Exhausted(best=best):
            return best
        case None:
            return None


def _gates(attempt: Attempt, step: Step | None) -> str | None:
    """What the gates said together, None where they could not: none there, not run, abstained.

    Those that found nothing to judge have no say.
    """
    if attempt.answer is None or step is None:
        return None
    vacuous = {verdict.verifier for verdict in attempt.verdicts if verdict.vacuous}
    given = {verdict.verifier: verdict.status for verdict in attempt.verdicts}
    gates = [c for c in step.checks if c.weight is not Weight.SIGNAL and c.name not in vacuous]
    if any(given.get(check.name) is Status.FAILED for check in gates):
        return "failed"
    required = [check for check in gates if check.weight is Weight.REQUIRED]
    if any(given.get(check.name) is not Status.PASSED for check in required):
        return None
    return "passed" if any(given.get(check.name) is Status.PASSED for check in gates) else None


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "id": clean(attempt.id),
        "tier": clean(attempt.tier),
        "kind": attempt.kind.value,
        "started_at": _number(attempt.started_at) or 0.0,
        "ended_at": _number(attempt.ended_at) or 0.0,
        "load_seconds": _number(attempt.load_seconds) or 0.0,
        "first_token_seconds": _number(attempt.first_token_seconds),
        "input_tokens": _count(usage.input_tokens),
        "output_tokens": _count(usage.output_tokens),
        "cache_read_tokens": _count(usage.cache_read_tokens),
        "cache_write_tokens": _count(usage.cache_write_tokens),
        "reasoning_tokens": _count(usage.reasoning_tokens),
        "usage_source": usage.source.value,
        "cost_nanousd": attempt.cost_nanousd,
        "price_source": None if attempt.price is None else clean(attempt.price.source),
        "price_json": None,
        "ended_by": attempt.ended_by.value,
        "phase": attempt.phase.value,
        "released": attempt.released,
        "local": attempt.local,
        "beside": attempt.beside,
        "spared_tokens": _count(attempt.spared_tokens),
        "queued_seconds": _number(attempt.queued_seconds) or 0.0,
        "cache_write_1h_tokens": _count(usage.cache_write_1h_tokens),
        "price_id": None if attempt.price is None else priced(attempt.price, _json)[0],
        "image_tokens": _count(usage.image_tokens),
        "server_tools": _count(usage.server_tools),
        "more_counts_json": more_counts(usage, _json),
        "reserved_nanousd": attempt.reserved_nanousd,
        "drained": attempt.drained,
        "losses_json": _json(attempt.losses) if attempt.losses else NO_LOSSES,
    }


def _answer_columns(
    answer: Answer | None, offered: frozenset[ToolName], digest: str
) -> dict[str, Any]:
    if answer is None:
        return _NO_ANSWER
    calls = [(call.name, call.namespace) for call in answer.tool_calls]
    return {
        "model": clean(answer.model),
        "finish": answer.finish.value,
        "answer_sha256": digest,
        "answer_bytes": len(answer.text.encode("utf-8", "surrogatepass")),
        "dialect": clean(answer.dialect) or None,
        "tool_calls": len(calls),
        "called_json": _json([each if each in offered else _OTHER for each in calls])
        if calls
        else None,
        "salvaged": clean(answer.salvaged) or None,
    }


def answer_hashes(plan: Plan, attempts: History) -> dict[int, str]:
    """A hash of what each answer says, by its place, equal where its tier's vote says so.

    So a replay of what is stored compares as the live run did, which has not kept a word of it.
    """
    votes = {step.tier: step.vote for step in plan.steps}
    places: dict[tuple[str, bool], list[int]] = {}
    for place, attempt in enumerate(attempts):
        if attempt.answer is not None:
            # As in `evidence`: what was broken off is in no vote, and must not lead a group.
            places.setdefault((attempt.tier, attempt.aborted), []).append(place)
    found: dict[int, str] = {}
    for (tier, _), here in places.items():
        answers = [answer for place in here if (answer := attempts[place].answer)]
        keys = sayings(answers, votes.get(tier, PLAIN_VOTE))
        found |= {place: _hash(key) for place, key in zip(here, keys, strict=True)}
    return found


def _hash(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _offered(request: Request, attempts: History) -> frozenset[ToolName]:
    """The caller's own tools. What else a model calls is its own words, which are not kept."""
    if not any(attempt.answer and attempt.answer.tool_calls for attempt in attempts):
        return frozenset()
    tools = (tool for tool in request.tools if isinstance(tool, Tool))
    return frozenset((tool.name, tool.namespace) for tool in tools)


def _failure_columns(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return _NO_FAILURE
    return {
        "failure_fault": failure.fault.value,
        "failure_message": clean(failure.message),
        "failure_status": failure.status,
        "retry_after_seconds": _number(failure.retry_after_seconds),
    }


def _verdict_rows(
    attempt: Attempt, step: Step | None, request_id: str, attempt_position: int
) -> Iterable[Row]:
    weights = {} if step is None else {check.name: check.weight.value for check in step.checks}
    for position, verdict in enumerate(attempt.verdicts):
        yield {
            "request_id": request_id,
            "attempt_position": attempt_position,
            "position": position,
            "verifier": clean(verdict.verifier),
            "weight": weights.get(verdict.verifier),
            "status": verdict.status.value,
            "reason": clean(verdict.reason),
            "trust": verdict.trust.value,
            "score": _number(verdict.score),
            "seconds": _number(verdict.seconds) or 0.0,
            "at": _number(verdict.at) or 0.0,
            "vacuous": verdict.vacuous,
            "says": _optional(verdict.says),
            "cost_nanousd": verdict.cost_nanousd,
            "left_machine": verdict.left,
        }


def inbox_row(outcome: Outcome) -> Row:
    """The entry under which a human finds a request, with the text of its answers."""
    request = outcome.request
    asked = {"messages": request.messages, "schema": request.schema, "model": request.model}
    answers = [
        {
            "attempt": attempt.id,
            "tier": attempt.tier,
            "text": attempt.answer.text,
            "refusal": attempt.answer.refusal,
            "tool_calls": attempt.answer.tool_calls,
            "salvaged": attempt.answer.salvaged,
            "verdicts": attempt.verdicts,
        }
        for attempt in outcome.attempts
        if attempt.answer is not None
    ]
    return {
        "request_id": clean(request.id),
        "created_unix": (_number(outcome.started_unix) or 0.0) + (_number(outcome.seconds) or 0.0),
        "state": "open",
        "request_json": _json(asked),
        "answers_json": _json(answers),
    }


# ------------------------------------------------------------------ what a column can hold


def clean(text: str) -> str:
    """``text`` without what UTF-8 (lone surrogates) or a database (NUL) cannot hold."""
    if "\0" in text:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _optional(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _count(count: int) -> int:
    return min(max(count, 0), MOST_COUNT)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _json(value: object) -> str:
    try:
        # Values kept as their own bytes need not be UTF-8.
        return _encoder.encode(value).decode("utf-8", "replace")
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, enc_hook=str)
        return clean(json.dumps(plain, ensure_ascii=False))


@lru_cache(maxsize=1)
def rung_version() -> str:
    """The installed version, written on every row."""
    return version("rung")
