"""A finished request told: as JSON for programs, and as sentences that say why for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.evidence import confidence_of, counted, undecided
from rung.core.labels import Closing
from rung.core.money import exact
from rung.core.outcome import Outcome
from rung.core.parts import ToolCall
from rung.core.plan import Plan
from rung.core.types import Attempt, EndedBy, Fault, Kind, Usage
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.ledger import StoredOutcome
from rung.plan_account import excluded_json, plan_json

ENDINGS = {
    Exhaustion.TOP_REACHED: "the top of the ladder was reached",
    Exhaustion.DEADLINE: "the deadline had passed",
    Exhaustion.COST_CAP: "anything more could have passed the cost cap",
    Exhaustion.NO_TIER: "no tier was on the plan",
    Exhaustion.GAVE_UP: "too much had been spent to go on to a dearer tier",
}
KINDS = {
    Kind.FIRST: "asked",
    Kind.RETRY: "asked again",
    Kind.REPAIR: "asked to put it right",
    Kind.SAMPLE: "asked for another answer",
}


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """One outcome with its attempts and verdicts. Amounts are nano-dollars and exact dollars."""
    best, answer = outcome.best, outcome.answer
    return {
        **_told(outcome, outcome.attempts),
        "text": None if answer is None else answer.text,
        "tool_calls": [] if answer is None else [call_json(call) for call in answer.tool_calls],
        "draft": None if best is None or best.answer is None else best.answer.text,
        "model": None if answer is None else answer.model,
        "verdicts": [] if best is None else [verdict_json(verdict) for verdict in best.verdicts],
        "excluded": excluded_json(outcome.plan),
    }


def stored_json(stored: StoredOutcome) -> dict[str, Any]:
    """One request as the ledger has it; answers are kept there only as hashes."""
    request = stored.request
    return {
        **_told(stored, stored.history),
        "requested_model": request.model,
        "project": request.project,
        "key": request.key,
        "lane": request.lane,
        "streamed": request.streamed,
        "started_unix": stored.started_unix,
        "escalated": stored.escalated,
        "human": None if stored.closing is None else closing_json(stored.closing),
        "labels": [asdict(label) for label in stored.labels],
        "plan": plan_json(stored.plan),
        "why": list(reasons(stored)),
    }


def closing_json(closing: Closing) -> dict[str, Any]:
    """What a human made of an inbox entry, with the answer's text."""
    return {
        "state": closing.state.value,
        "text": closing.text,
        "attempt": closing.attempt,
        "verified": closing.verified,
        "by": closing.by,
        "note": closing.note,
        "created_unix": closing.created_unix,
    }


def _told(ended: Outcome | StoredOutcome, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """What both accounts say in the same words."""
    return {
        "id": ended.request.id,
        "dialect": ended.request.dialect,
        "resend_of": ended.request.resend_of,
        "audit_of": ended.request.audit_of,
        "cached_of": _cached_of(ended),
        "private": _private(ended),
        "loop": ended.request.loop or None,
        "ladder": ended.plan.ladder,
        "tier": None if ended.served is None else attempts[ended.served].tier,
        "verified": ended.verified,
        "confidence": _confidence(ended, attempts),
        "decision": decision_json(ended.decision),
        "inbox": ended.request.id if ended.inbox else None,
        "cost_nanousd": ended.cost_nanousd,
        "cost_usd": exact(ended.cost_nanousd),
        "baselines": baselines_json(ended.baselines),
        "seconds": round(ended.seconds, 6),
        "ended_by": ended.ended_by.value,
        "phase": ended.phase.value,
        "stream_mode": ended.plan.stream_mode.value if ended.plan.stream else None,
        "ungated": ended.ungated,
        "attempts": [attempt_json(attempt) for attempt in attempts],
    }


def _private(ended: Outcome | StoredOutcome) -> str | None:
    """Why nothing of it might leave this machine."""
    return (ended.plan.private or None) if isinstance(ended, Outcome) else ended.request.private


def _cached_of(ended: Outcome | StoredOutcome) -> str | None:
    """The request whose answer this one was served again."""
    return ended.cached_of if isinstance(ended, Outcome) else ended.request.cached_of


def _confidence(
    ended: Outcome | StoredOutcome, attempts: Sequence[Attempt]
) -> dict[str, Any] | None:
    """How likely the chosen answer is right by its signals."""
    chosen = _chosen(ended.decision)
    sure = None if chosen is None else confidence_of(ended.plan, tuple(attempts), chosen)
    return None if sure is None else {"value": round(sure.value, 4), "labels": sure.labels}


def _chosen(decision: Accept | Exhausted | None) -> int | None:
    match decision:
        case Accept(index=index):
            return index
        case Exhausted(best=best):
            return best
        case None:
            return None


def decision_json(decision: Accept | Exhausted | None) -> dict[str, Any] | None:
    """How a request ended."""
    match decision:
        case Accept():
            return {"ended": "accepted", "attempt": decision.index, "verified": decision.verified}
        case Exhausted():
            return {"ended": "exhausted", "reason": decision.reason.value, "best": decision.best}
        case None:
            return None


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """One attempt, without its text; tool calls by their tools' names."""
    failure, answer = attempt.failure, attempt.answer
    return {
        "id": attempt.id,
        "tier": attempt.tier,
        "kind": attempt.kind.value,
        "seconds": round(attempt.seconds, 6),
        "load_seconds": round(attempt.load_seconds, 6),
        "queued_seconds": round(attempt.queued_seconds, 6),
        "first_token_seconds": attempt.first_token_seconds,
        "cost_nanousd": attempt.cost_nanousd,
        "price": None if attempt.price is None else attempt.price.source,
        "usage": usage_json(attempt.usage),
        "finish": None if answer is None else answer.finish.value,
        "dialect": None if answer is None else answer.dialect or None,
        "tool_calls": called(attempt),
        "salvaged": None if answer is None else answer.salvaged or None,
        "failure": None
        if failure is None
        else {"fault": failure.fault.value, "message": failure.message, "status": failure.status},
        "ended_by": attempt.ended_by.value,
        "phase": attempt.phase.value,
        "local": attempt.local,
        "beside": attempt.beside,
        "drained": attempt.drained,
        "verdicts": [verdict_json(verdict) for verdict in attempt.verdicts],
        "losses": list(attempt.losses),
    }


def called(attempt: Attempt) -> list[str]:
    """The tools that its answer calls, by name; "?" for one that the caller did not offer."""
    calls = () if attempt.answer is None else attempt.answer.tool_calls
    return [".".join(filter(None, (call.namespace, call.name))) or "?" for call in calls]


def call_json(call: ToolCall) -> dict[str, Any]:
    """One tool call whole. The arguments are JSON text, or the free text of a custom tool."""
    return {
        "id": call.id,
        "name": call.name,
        "namespace": call.namespace,
        "arguments": call.arguments,
    }


def usage_json(usage: Usage) -> dict[str, Any]:
    """Token counters and who counted them."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "image_tokens": usage.image_tokens,
        "audio_tokens": usage.audio_tokens,
        "audio_output_tokens": usage.audio_output_tokens,
        "image_output_tokens": usage.image_output_tokens,
        "server_tools": usage.server_tools,
        "file_searches": usage.file_searches,
        "source": usage.source.value,
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """One verdict; ``passed`` is true, false, or null for an abstention.

    ``vacuous``: it passed because there was nothing to judge.
    """
    return {
        "verifier": verdict.verifier,
        "passed": PASSED[verdict.status],
        "vacuous": verdict.vacuous,
        "reason": verdict.reason,
        "trust": verdict.trust.value,
        "score": verdict.score,
        "seconds": round(verdict.seconds, 6),
        "cost_nanousd": verdict.cost_nanousd,
    }


PASSED: Mapping[Status, bool | None] = {
    Status.PASSED: True,
    Status.FAILED: False,
    Status.ABSTAINED: None,
}


def baselines_json(baselines: Mapping[str, int]) -> dict[str, Any]:
    """What the served tokens would have cost elsewhere."""
    return {
        name: {"cost_nanousd": cost, "cost_usd": exact(cost)} for name, cost in baselines.items()
    }


# ------------------------------------------------------------------ why


def reasons(stored: StoredOutcome) -> Iterator[str]:
    """One sentence an attempt: why what came next came next; one where nothing was called."""
    history = stored.history
    if stored.request.cached_of is not None:
        of = f"{stored.request.cached_of}, where {history[0].tier} gave the answer"
        yield f"Nothing was called: answered from the cache of {of}."
        return
    if not history:
        yield f"Nothing was called: {_end(stored)}."
    for place, attempt in enumerate(history):
        if attempt.beside and place + 1 < len(history):
            yield _beside(attempt, history[place + 1])
            continue
        why = _fault(stored, place)
        if place + 1 < len(history):
            yield f"{why}, so {_next(attempt, history[place + 1])}."
        else:
            yield f"{why}: {_end(stored)}."


def _beside(attempt: Attempt, first: Attempt) -> str:
    """Of a call that was made beside a silent one, and not gone on with."""
    failure = attempt.failure
    if failure is None or failure.fault is Fault.CANCELLED:
        return f"{first.tier} kept silent, so it was asked too; {first.tier} answered first."
    fault = failure.fault.value.replace("_", " ")
    return f"{first.tier} kept silent, so it was asked too, and gave no answer ({fault})."


def _fault(stored: StoredOutcome, place: int) -> str:
    plan, attempt = stored.plan, stored.history[place]
    if attempt.failure is not None:
        return f"It gave no answer ({attempt.failure.fault.value.replace('_', ' ')})"
    checks = _checks(plan, attempt.tier)
    wrong = [
        f"{v.verifier} {v.status.value}"
        for v in attempt.verdicts
        if v.status is not Status.PASSED and _weighs(checks.get(v.verifier), v)
    ]
    if wrong or attempt.aborted:
        what = "broken off" if attempt.aborted else "turned down"
        return f"Its answer was {what}" + (f" ({', '.join(wrong)})" if wrong else "")
    return _open_vote(stored, place) or _doubt(stored, place) or "No check spoke against it"


def _open_vote(stored: StoredOutcome, place: int) -> str | None:
    """Where it stood, if a further draw could still change it."""
    so_far = stored.history[: place + 1]
    step = next(step for step in stored.plan.steps if step.tier == so_far[place].tier)
    vote = counted(step, so_far) if undecided(stored.plan, step, so_far) else None
    if vote is None:
        return None
    if vote.drawn == 1:
        return "One answer is no vote"
    return f"The vote was open, {vote.votes} of {vote.drawn} answers in agreement"


def _doubt(stored: StoredOutcome, place: int) -> str | None:
    """What its signals had against it, if that was enough to climb."""
    plan, attempt = stored.plan, stored.history[place]
    sure = confidence_of(plan, stored.history[: place + 1], place)
    step = plan.step(attempt.tier)
    needed = plan.min_confidence if step is None else plan.needed(step)
    if sure is not None and sure.value < needed:
        scores = [v for v in attempt.verdicts if v.score is not None]
        doubt = min(scores, key=lambda v: v.score or 0.0, default=None)
        by = "Its signals" if sure.labels or doubt is None else f"The signal {doubt.verifier}"
        return f"{by} put the chance of being right at {sure.words}, below {needed:.2f}"
    return None


def _checks(plan: Plan, tier: str) -> dict[str, Check]:
    return {check.name: check for step in plan.steps if step.tier == tier for check in step.checks}


def _weighs(check: Check | None, verdict: Verdict) -> bool:
    """Whether a verdict that is no pass had a say: a failed gate, an abstaining required one."""
    if check is None or check.weight is Weight.SIGNAL:
        return False
    return verdict.status is Status.FAILED or check.weight is Weight.REQUIRED


def _next(attempt: Attempt, following: Attempt) -> str:
    if following.tier == attempt.tier:
        return f"{following.tier} was {KINDS[following.kind]}"
    if attempt.failure is not None:
        return f"{following.tier} was asked instead"
    return f"it climbed to {following.tier}"


def _end(stored: StoredOutcome) -> str:
    match stored.decision:
        case Accept(index=index, verified=verified):
            which = "it was" if index == len(stored.history) - 1 else f"answer {index + 1} was"
            proof = {True: "verified", None: "with nothing to verify it by", False: "flagged"}
            return f"{which} served, {proof[verified]}"
        case Exhausted(reason=reason, best=best):
            return f"{ENDINGS[reason]}, {_left_with(stored, best)}"
        case None if stored.ended_by is EndedBy.GATEWAY:
            return "rung was stopped before the end"
        case None:
            return "the caller left before the end"


def _left_with(stored: StoredOutcome, best: int | None) -> str:
    if stored.served is not None:
        return f"answer {stored.served + 1} was served all the same, flagged"
    if best is None:
        return "nothing could be served"
    if stored.closing is not None:
        return f"a human {'answered' if stored.closing.answered else 'dismissed it'}"
    return "a human is asked (see `rung inbox list`)" if stored.inbox else "nothing was served"
