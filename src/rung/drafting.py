"""What a tier is asked: the request itself, a sample of it, or a repair of what was rejected."""

from __future__ import annotations

import zlib

from rung.core.engine import Call
from rung.core.parts import Message, Role, Text, ToolResult
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Attempt, History, Kind, Request
from rung.core.verdicts import Status
from rung.providers.base import Ask

SAMPLE_TEMPERATURE = 0.7
"""Answers drawn to be compared must be able to differ."""


def ask(request: Request, plan: Plan, call: Call, history: History) -> Ask:
    """One call, ready to be put into a dialect."""
    step = next(step for step in plan.steps if step.tier == call.tier)
    feedback = _feedback(call, history)
    return Ask(
        request=request,
        messages=(*request.messages, *feedback),
        as_it_came=not feedback and step.samples == 1,
        stream=request.stream,
        timeout_seconds=call.timeout_seconds,
        schema=request.schema,
        temperature=_temperature(request, step),
        seed=_seed(plan, step, history),
    )


def _temperature(request: Request, step: Step) -> float | None:
    """What has to replace the caller's own; ``None`` leaves its bytes as they are."""
    return None if step.samples == 1 or request.sampling.temperature else SAMPLE_TEMPERATURE


def _seed(plan: Plan, step: Step, history: History) -> int | None:
    """A seed of its own for each answer drawn, so that a run can be repeated."""
    if step.samples == 1:
        return None
    return zlib.crc32(f"{plan.seed}/{len(history)}".encode())


def _feedback(call: Call, history: History) -> tuple[Message, ...]:
    """For a repair: the rejected answer and, exactly, what was wrong with it."""
    if not history:
        return ()
    here = [a for a in history if a.tier == call.tier]
    kinds = [call.kind, *(a.kind for a in reversed(here))]
    if next((kind for kind in kinds if kind is not Kind.RETRY), None) is not Kind.REPAIR:
        return ()
    draft = next((a for a in reversed(here) if a.answer is not None), None)
    if draft is None or draft.answer is None:
        return ()
    told = f"Your answer was checked and rejected:\n{_faults(draft)}"
    again = "Answer again, in full, with this put right."
    return (*_replayed(draft.answer, told), Message(Role.USER, (Text(f"{told}\n{again}"),)))


def _faults(draft: Attempt) -> str:
    return "\n".join(
        f"- {v.verifier}: {v.reason}" for v in draft.verdicts if v.status is Status.FAILED
    )


def _replayed(answer: Answer, told: str) -> tuple[Message, ...]:
    """The draft as the model's own turn. Calls that never ran need results: what was wrong."""
    spoken = (Text(answer.text),) if answer.text or not answer.tool_calls else ()
    results = tuple(
        Message(Role.TOOL, (ToolResult(c.id, (Text(told),), is_error=True, name=c.name),))
        for c in answer.tool_calls
    )
    return (Message(Role.ASSISTANT, (*spoken, *answer.tool_calls)), *results)
