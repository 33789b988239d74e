"""Anthropic Messages, plain answers as providers give them.

Providers' answers are hostile until read: whatever the bytes, `decode_answer` returns an answer or
raises WireError. The dialect: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Usage
from rung.wire.back import UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.jsontext import utf8
from rung.wire.messages.arguments import arguments_of
from rung.wire.messages.parts import DIALECT
from rung.wire.messages.usage import usage_of

MOST_TOOL_CALLS = 1024

FINISHES: Mapping[str, Finish] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.REFUSAL,
}
"""Why it ended; ``pause_turn`` and whatever comes yet are no end that means anything elsewhere."""


class Block(msgspec.Struct):
    """One block of an answer, or the beginning of one. What it is for decides what is read."""

    type: Any = None
    text: Any = None
    thinking: Any = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    type: Any = None
    content: list[Block] | None = None
    stop_reason: Any = None
    stop_details: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Answer)
_ENCODER = msgspec.json.Encoder()


def decode_answer(body: bytes) -> tuple[Answer, Usage]:
    """Read a provider's plain answer, and what it says was used.

    `Answer.body` holds the bytes as they came, unless they are JSON only by Python's standards
    (``NaN``): then what is not a number is null in it. Raises WireError for what is no answer, and
    UpstreamFaultError for an error with HTTP 200.
    """
    told, kept = _decode(body)
    if told.content is None:
        if told.error is not None or told.type == "error":
            raise UpstreamFaultError(told.error)
        raise WireError("the answer has no content")
    calls = tuple(call_of(block) for block in told.content if block.type == "tool_use")
    if len(calls) > MOST_TOOL_CALLS:
        raise WireError(f"the answer has more than {MOST_TOOL_CALLS} tool calls")
    answer = Answer(
        text="".join(words(block.text) for block in told.content if block.type == "text"),
        finish=finish_of(told.stop_reason, called=bool(calls)),
        model=words(told.model),
        refusal=refusal_of(told.stop_reason, told.stop_details),
        tool_calls=calls,
        thinking="".join(words(one.thinking) for one in told.content if one.type == "thinking"),
        dialect=DIALECT,
        body=kept,
    )
    return answer, usage_of(told.usage, wrote=bool(told.content))


def _decode(body: bytes) -> tuple[_Answer, bytes]:
    try:
        return _DECODER.decode(utf8(body)), body
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a message: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        mended = _ENCODER.encode(json.loads(body, parse_constant=lambda _: None))
        return _DECODER.decode(mended), mended
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a message: {error}") from None
    except (ValueError, OverflowError, RecursionError):
        raise WireError("the answer is not JSON") from None


def call_of(block: Block) -> ToolCall:
    """The call that a ``tool_use`` block makes."""
    told = bytes(block.input)
    try:
        arguments = arguments_of(told) if told else ""
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise WireError("the input of a tool call cannot be read") from None
    return ToolCall(words(block.id), words(block.name), arguments)


def words(told: Any) -> str:
    """A string; anything else is none."""
    return told if isinstance(told, str) else ""


def finish_of(reason: Any, *, called: bool) -> Finish:
    """Why the model stopped. Some servers call a tool and say that the turn is over."""
    known = FINISHES.get(reason, Finish.UNKNOWN) if isinstance(reason, str) else Finish.UNKNOWN
    return Finish.TOOL_CALLS if called and known is Finish.STOP else known


def refusal_of(reason: Any, details: Any) -> str | None:
    """The words that go with a refusal, if there are any beside the text."""
    if reason != "refusal" or not isinstance(details, dict):
        return None
    return words(details.get("explanation")) or None
