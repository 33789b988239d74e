"""What a tier is asked: the request itself, a sample of it, or a repair of what was rejected."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from rung.core.engine import Call
from rung.core.parts import Message, Role, Text, ToolResult
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Attempt, History, Kind, Need, Request
from rung.core.verdicts import Status, Weight
from rung.providers.base import Ask
from rung.verifiers.base import Verifier, needs_logprobs

SAMPLE_TEMPERATURE = 0.7
"""Answers drawn to be compared must be able to differ."""


def ask(
    request: Request,
    plan: Plan,
    call: Call,
    history: History,
    verifiers: Mapping[str, Verifier],
) -> Ask:
    """One call, ready to be put into a dialect."""
    step = plan.step(call.tier)
    assert step is not None
    feedback = _feedback(plan, step, call, history) if history else ()
    return Ask(
        request=request,
        messages=(*request.messages, *feedback),
        as_it_came=not feedback and step.samples == 1,
        stream=request.stream,
        timeout_seconds=call.timeout_seconds,
        schema=request.schema,
        temperature=_temperature(request, step),
        seed=_seed(plan, step, history),
        logprobs=_wants_logprobs(request, step, verifiers),
    )


def _wants_logprobs(request: Request, step: Step, verifiers: Mapping[str, Verifier]) -> bool:
    """Whether a check of this step reads them.

    Never beside tools or for several choices: they say nothing of a call or of the other choices,
    and llama.cpp refuses a stream with both (https://github.com/ggml-org/llama.cpp/issues/28478).
    """
    if request.tools or Need.MANY_CHOICES in request.needs:
        return False
    return any(needs_logprobs(verifiers[check.name]) for check in step.checks)


def _temperature(request: Request, step: Step) -> float | None:
    """What has to replace the caller's own; ``None`` leaves its bytes as they are."""
    return None if step.samples == 1 or request.sampling.temperature else SAMPLE_TEMPERATURE


def _seed(plan: Plan, step: Step, history: History) -> int | None:
    """A seed of its own for each answer drawn, so that a run can be repeated."""
    if step.samples == 1:
        return None
    return zlib.crc32(f"{plan.seed}/{len(history)}".encode())


def _feedback(plan: Plan, step: Step, call: Call, history: History) -> tuple[Message, ...]:
    """The rejected answer and, exactly, what was wrong with it: for a repair, or carried up."""
    draft = _draft(step, call, history)
    made_at = None if draft is None else plan.step(draft.tier)
    if draft is None or draft.answer is None or made_at is None:
        return ()
    faults = _faults(made_at, draft)
    if not faults:
        # Only faults that were found help: a draft that was merely doubted would lead astray.
        return ()
    told = f"Your answer was checked and rejected:\n{faults}"
    again = "Answer again, in full, with this put right."
    return (*_replayed(draft.answer, told), Message(Role.USER, (Text(f"{told}\n{again}"),)))


def _draft(step: Step, call: Call, history: History) -> Attempt | None:
    """The answer that this call is shown, if any."""
    here = [a for a in history if a.tier == call.tier]
    kinds = [call.kind, *(a.kind for a in reversed(here))]
    if next((kind for kind in kinds if kind is not Kind.RETRY), None) is Kind.REPAIR:
        return next((a for a in reversed(here) if a.answer is not None), None)
    below = [a for a in history if a.tier != call.tier and a.answer is not None]
    return below[-1] if step.carry and below else None


def _faults(step: Step, draft: Attempt) -> str:
    """What its gates found. Signals find no faults."""
    signals = {check.name for check in step.checks if check.weight is Weight.SIGNAL}
    failed = (v for v in draft.verdicts if v.status is Status.FAILED)
    return "\n".join(f"- {v.verifier}: {v.reason}" for v in failed if v.verifier not in signals)


def _replayed(answer: Answer, told: str) -> tuple[Message, ...]:
    """The draft as the model's own turn. Calls that never ran need results: what was wrong."""
    spoken = (Text(answer.text),) if answer.text or not answer.tool_calls else ()
    results = tuple(
        Message(Role.TOOL, (ToolResult(c.id, (Text(told),), is_error=True, name=c.name),))
        for c in answer.tool_calls
    )
    return (Message(Role.ASSISTANT, (*spoken, *answer.tool_calls)), *results)
