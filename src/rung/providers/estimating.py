"""What a call may be billed whose provider has not said what it used."""

from __future__ import annotations

from rung.core.types import Answer, Fault, Phase
from rung.providers.base import CallError

MAY_BE_BILLED = frozenset(
    {Fault.CANCELLED, Fault.TIMEOUT, Fault.CUT_STREAM, Fault.INVALID_RESPONSE}
)
"""Faults of calls that the provider may have worked on, and bill, without saying what they used."""


def written(answer: Answer) -> str:
    """All that a model wrote, as far as its size goes."""
    calls = (text for call in answer.tool_calls for text in (call.name, call.arguments))
    return "".join((answer.text, *answer.more, answer.thinking, answer.refusal or "", *calls))


def may_have_read(error: CallError | None) -> bool:
    """Whether a provider may bill the prompt of a call that rung cut off before an answer."""
    return (
        error is not None
        and error.failure.fault in MAY_BE_BILLED
        and error.failure.status in {None, 200}
        and error.phase in {Phase.HEADERS, Phase.FIRST_TOKEN, Phase.STREAM}
    )
