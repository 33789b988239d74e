"""What a call may be billed whose provider has not said what it used."""

from __future__ import annotations

from dataclasses import replace

from rung.core.features import estimate_tokens
from rung.core.types import Answer, Fault, Phase, Usage, UsageSource
from rung.providers.base import CallError

MAY_BE_BILLED = frozenset(
    {Fault.CANCELLED, Fault.TIMEOUT, Fault.CUT_STREAM, Fault.INVALID_RESPONSE}
)
"""Faults of calls that the provider may have worked on, and bill, without saying what they used."""


def estimated(input_tokens: int, wrote: str, known: Usage | None = None) -> Usage:
    """The counters of a call that nobody counted to its end, flagged as estimated.

    ``known`` is what was told on the way: of each counter the greater one holds, so that nothing
    which was seen costs nothing.
    """
    known = known or Usage()
    return replace(
        known,
        input_tokens=known.input_tokens or input_tokens,
        output_tokens=max(known.output_tokens, estimate_tokens(wrote)),
        source=UsageSource.ESTIMATED,
    )


def counted(usage: Usage, input_tokens: int, answer: Answer) -> Usage:
    """The counters of a whole answer: the provider's own where it told any, else estimated.

    ``input_tokens`` is the prompt's estimate.
    """
    told = usage.source is not UsageSource.NONE
    if told and usage.input_tokens and usage.output_tokens:
        return usage
    wrote = written(answer)
    if told and usage.input_tokens and not wrote:
        return usage
    return estimated(input_tokens, wrote, usage)


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
