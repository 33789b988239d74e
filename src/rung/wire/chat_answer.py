"""OpenAI Chat Completions, plain answers: read from providers, written for callers.

Providers' answers are hostile until read: whatever the bytes, `decode_answer` returns an answer or
raises WireError. The dialect: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rung.core.types import Answer, Finish, Usage, UsageSource
from rung.wire.chat_request import DIALECT
from rung.wire.errors import WireError

MOST_TOKENS = 10**9
"""A count beyond it is no count."""

FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,
    "end_turn": Finish.STOP,
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.REFUSAL,
}
"""The dialect's own reasons, and the odd ones of compatible servers."""

REASONS: Mapping[Finish, str] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.REFUSAL: "content_filter",
    Finish.UNKNOWN: "stop",
}
"""What callers are told. They know no reason but these."""

ENCODER = msgspec.json.Encoder()


class UpstreamFaultError(WireError):
    """The provider said in its answer that it failed. ``error`` is its own error object."""

    def __init__(self, error: Any) -> None:
        super().__init__("the answer is an error")
        self.error = error


class _AnswerMessage(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    message: _AnswerMessage
    finish_reason: Any = None
    logprobs: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: Any = None
    model: Any = None
    usage: Any = None


_DECODER = msgspec.json.Decoder(_Completion)


def decode_answer(body: bytes) -> tuple[Answer, Usage]:
    """Read a provider's plain answer, and what it says was used.

    `Answer.body` holds the bytes as they came, unless they are JSON only by Python's standards
    (``NaN``): then what is not a number is null in it. Raises WireError for what is no answer, and
    UpstreamFaultError for an error with HTTP 200.
    """
    told, kept = _decode(body)
    if told.error is not None and not told.choices:
        raise UpstreamFaultError(told.error)
    if not told.choices:
        raise WireError("the answer has no choices")
    choice = told.choices[0]
    message = choice.message
    text = content_text(message.content)
    calls = tuple(message.tool_calls or ())
    if not calls and isinstance(message.function_call, dict):
        calls = ({"type": "function", "function": message.function_call},)
    answer = Answer(
        text=text,
        finish=finish_of(choice.finish_reason, message.refusal),
        model=told.model if isinstance(told.model, str) else "",
        refusal=message.refusal or None,
        tool_calls=calls,
        logprobs=logprobs_of(choice.logprobs),
        more=tuple(content_text(other.message.content) for other in told.choices[1:]),
        dialect=DIALECT,
        body=kept,
    )
    return answer, usage_of(told.usage, wrote=bool(text or calls or message.refusal))


def _decode(body: bytes) -> tuple[_Completion, bytes]:
    try:
        return _DECODER.decode(body), body
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a chat completion: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        told = json.loads(body, parse_constant=lambda _: None)
        mended = ENCODER.encode(told)
        return _DECODER.decode(mended), mended
    except msgspec.ValidationError as error:
        raise WireError(f"the answer is not a chat completion: {error}") from None
    except (ValueError, OverflowError, RecursionError):
        raise WireError("the answer is not JSON") from None


def content_text(content: str | list[Any] | None) -> str:
    """The plain text of a message's content. Some providers answer in parts."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content or ""


def finish_of(reason: Any, refusal: str | None) -> Finish:
    """Why the model stopped. A refusal comes with the reason ``stop``."""
    known = FINISHES.get(reason, Finish.UNKNOWN) if isinstance(reason, str) else Finish.UNKNOWN
    return Finish.REFUSAL if refusal and known is Finish.STOP else known


def logprobs_of(told: Any) -> tuple[float, ...]:
    """The natural log of each written token's probability; empty where they are missing or odd."""
    content = told.get("content") if isinstance(told, dict) else None
    if not isinstance(content, list):
        return ()
    found = [token.get("logprob") if isinstance(token, dict) else None for token in content]
    numbers = [float(one) for one in found if isinstance(one, int | float) and math.isfinite(one)]
    return tuple(min(0.0, one) for one in numbers) if len(numbers) == len(found) else ()


# ------------------------------------------------------------------ usage


def usage_of(told: Any, *, wrote: bool) -> Usage:
    """What a provider says was used; source NONE unless its counts make sense.

    A prompt of no tokens makes none, nor does an answer of none when something was written
    (``wrote``): such counts would bill nothing. Counters inside others are clamped to them.
    """
    if not isinstance(told, dict):
        return Usage()
    read = _count(told.get("prompt_tokens"))
    written = _count(told.get("completion_tokens"))
    total = _count(told.get("total_tokens"))
    if written is None and read is not None and total is not None:
        written = max(0, total - read)
    if not read or written is None or (wrote and written == 0):
        return Usage()
    before = told.get("prompt_tokens_details")
    cached = _detail(before, "cached_tokens") or _detail(told, "prompt_cache_hit_tokens")
    cached = min(cached, read)
    return Usage(
        input_tokens=read,
        output_tokens=written,
        cache_read_tokens=cached,
        cache_write_tokens=min(_detail(before, "cache_write_tokens"), read - cached),
        reasoning_tokens=min(
            _detail(told.get("completion_tokens_details"), "reasoning_tokens"), written
        ),
        source=UsageSource.PROVIDER,
    )


def _detail(told: Any, name: str) -> int:
    return (_count(told.get(name)) or 0) if isinstance(told, dict) else 0


def _count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def usage_object(usage: Usage) -> dict[str, Any]:
    """Counters in this dialect."""
    before = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        before["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": before,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


# ------------------------------------------------------------------ for callers


def encode_answer(
    answer: Answer,
    usage: Usage,
    *,
    id: str,  # noqa: A002 the field's name
    created: int,
    model: str,
) -> bytes:
    """A whole ``chat.completion`` for an answer that has no bytes in this dialect.

    ``created`` is seconds since 1970, UTC. Usage that nobody counted is left out.
    """
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None
        if answer.refusal or (answer.tool_calls and not answer.text)
        else answer.text,
        "refusal": answer.refusal,
    }
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    told: dict[str, Any] = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": reason_of(answer),
            }
        ],
    }
    if usage.source is not UsageSource.NONE:
        told["usage"] = usage_object(usage)
    return ENCODER.encode(told)


def reason_of(answer: Answer) -> str:
    """The dialect's reason. An answer with words of refusal stopped; one without was filtered."""
    return "stop" if answer.refusal else REASONS[answer.finish]


def encode_models(names: Iterable[str], created: int) -> bytes:
    """The list of ``/v1/models``."""
    data = [
        {"id": name, "object": "model", "created": created, "owned_by": "rung"} for name in names
    ]
    return ENCODER.encode({"object": "list", "data": data})


_KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def encode_error(
    message: str,
    *,
    status: int,
    type: str | None = None,  # noqa: A002 the field's name
    param: str | None = None,
    code: str | None = None,
    request_id: str | None = None,
) -> bytes:
    """The error envelope, for a body or an event of a stream. ``type`` follows from ``status``."""
    kind = type or _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    told: dict[str, Any] = {"error": error}
    if request_id is not None:
        error["request_id"] = request_id
    return ENCODER.encode(told)
