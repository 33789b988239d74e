"""A finished outcome as spans: the request, its attempts below it, their checks below those.

Plain data, made from the outcome alone once it has ended, so that traces tell what the ledger tells
and cost nothing while a request runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from rung.core.outcome import Outcome
from rung.core.traces import Trace, span_id
from rung.core.types import Attempt, Request, UsageSource
from rung.core.verdicts import Verdict
from rung.telemetry import conventions as names
from rung.telemetry.metrics import VERIFIED, ended, result
from rung.telemetry.series import plain

NANOSECONDS: Final = 1_000_000_000

Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """What a tier's name stands for."""

    model: str
    provider: str


UNKNOWN: Final = Model("", names.RUNG)


@dataclass(frozen=True, slots=True)
class Span:
    """One span; times are nanoseconds since 1970. ``error`` is why it failed, empty if it did not.

    ``asked`` says that it is a request that came from outside, ``calls`` that it went outside.
    """

    name: str
    id: str
    parent_id: str
    start: int
    end: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    asked: bool = False
    calls: bool = False


def spans_of(outcome: Outcome, trace: Trace, tiers: Mapping[str, Model]) -> Iterator[Span]:
    """The spans of one outcome, the request's own first."""
    began = round(outcome.started_unix * NANOSECONDS)
    yield _request(outcome, trace, began)
    if outcome.cached_of is not None:
        return
    for place, attempt in enumerate(outcome.attempts):
        model = tiers.get(attempt.tier, UNKNOWN)
        told = _attempt(attempt, outcome.request, model)
        told[names.SERVED] = place == outcome.served
        yield Span(
            name=f"{told[names.OPERATION]} {model.model or attempt.tier}",
            id=span_id(attempt.id),
            parent_id=trace.span_id,
            start=began + round(attempt.started_at * NANOSECONDS),
            end=began + round(attempt.ended_at * NANOSECONDS),
            attributes=told,
            error="" if attempt.failure is None else ended(attempt),
            calls=True,
        )
        for number, verdict in enumerate(attempt.verdicts):
            yield _check(verdict, f"{attempt.id}/{number}", span_id(attempt.id), began)


def _request(outcome: Outcome, trace: Trace, began: int) -> Span:
    request, ladder = outcome.request, f"{names.RUNG}/{outcome.plan.ladder}"
    told: dict[str, Value] = {
        names.OPERATION: _operation(request),
        names.PROVIDER: names.RUNG,
        # Not the name that the caller sent: it may be anything.
        names.REQUEST_MODEL: ladder,
        names.REQUEST_ID: request.id,
        names.LADDER: outcome.plan.ladder,
        names.LANE: request.directions.lane.value,
        names.RESULT: result(outcome),
        names.VERIFIED: VERIFIED[outcome.verified],
        names.ATTEMPTS: len(outcome.attempts),
        names.COST_NANOUSD: outcome.cost_nanousd,
        names.ENDED_BY: outcome.ended_by.value,
        names.PHASE: outcome.phase.value,
    }
    told |= _asked(request)
    told |= _linked(outcome)
    if outcome.served is not None:
        told[names.SERVED_TIER] = outcome.attempts[outcome.served].tier
    return Span(
        name=f"{told[names.OPERATION]} {ladder}",
        id=trace.span_id,
        parent_id=trace.parent_id,
        start=began,
        end=began + round(outcome.seconds * NANOSECONDS),
        attributes=told,
        error="" if outcome.served is not None else result(outcome),
        asked=True,
    )


def _asked(request: Request) -> dict[str, Value]:
    """What the caller set, where it set something."""
    sampling = request.sampling
    given: dict[str, Value | None] = {
        names.REQUEST_STREAM: request.stream or None,
        names.REQUEST_MAX_TOKENS: sampling.max_tokens,
        names.REQUEST_TEMPERATURE: sampling.temperature,
        names.REQUEST_TOP_P: sampling.top_p,
        names.OUTPUT_TYPE: None if request.schema is None else names.JSON,
        names.CONVERSATION: request.conversation or None,
    }
    return _set(given)


def _linked(outcome: Outcome) -> dict[str, Value]:
    """Whose it is, and which other requests it has to do with."""
    request, project = outcome.request, outcome.request.directions.project
    given: dict[str, Value | None] = {
        names.PROJECT: None if project is None else plain(project),
        names.KEY: request.key,
        names.IS_PRIVATE: bool(outcome.plan.private) or None,
        names.CACHED_OF: outcome.cached_of,
        names.AUDIT_OF: request.audit_of,
        names.RESEND_OF: request.resend_of,
    }
    return _set(given)


def _attempt(attempt: Attempt, request: Request, model: Model) -> dict[str, Value]:
    given: dict[str, Value | None] = {
        names.OPERATION: _operation(request),
        names.PROVIDER: names.PROVIDERS.get(model.provider, model.provider),
        names.REQUEST_MODEL: model.model or attempt.tier,
        names.ATTEMPT_ID: attempt.id,
        names.TIER: attempt.tier,
        names.KIND: attempt.kind.value,
        names.COST_NANOUSD: attempt.cost_nanousd,
        names.ENDED_BY: attempt.ended_by.value,
        names.PHASE: attempt.phase.value,
        names.FIRST_CHUNK: attempt.first_token_seconds,
        names.QUEUED_SECONDS: attempt.queued_seconds or None,
        names.LOAD_SECONDS: attempt.load_seconds or None,
    }
    if (answer := attempt.answer) is not None:
        given[names.RESPONSE_MODEL] = plain(answer.model) or None
        given[names.FINISH_REASONS] = (answer.finish.value,)
    if attempt.failure is not None:
        given[names.STATUS_CODE] = attempt.failure.status
    return _set(given) | _used(attempt)


def _used(attempt: Attempt) -> dict[str, Value]:
    usage = attempt.usage
    if usage.source is UsageSource.NONE:
        return {}
    told: dict[str, Value] = {
        names.USAGE_SOURCE: usage.source.value,
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
    }
    given: dict[str, Value | None] = {
        names.CACHE_READ_TOKENS: usage.cache_read_tokens or None,
        names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
        names.REASONING_TOKENS: usage.reasoning_tokens or None,
    }
    return told | _set(given)


def _check(verdict: Verdict, identity: str, parent_id: str, began: int) -> Span:
    """One check. Its reason may quote the answer, and stays in the ledger."""
    given: dict[str, Value | None] = {
        names.CHECK_NAME: plain(verdict.verifier),
        names.CHECK_LABEL: verdict.status.value,
        names.CHECK_SCORE: verdict.score,
        names.TRUST: verdict.trust.value,
        names.VACUOUS: verdict.vacuous or None,
        names.COST_NANOUSD: verdict.cost_nanousd or None,
    }
    return Span(
        name=f"{names.CHECK} {plain(verdict.verifier)}",
        id=span_id(identity),
        parent_id=parent_id,
        start=began + round(max(0.0, verdict.at - verdict.seconds) * NANOSECONDS),
        end=began + round(verdict.at * NANOSECONDS),
        attributes=_set(given),
    )


def _operation(request: Request) -> str:
    return names.OPERATIONS.get(request.dialect, names.CHAT)


def _set(given: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in given.items() if value is not None}
