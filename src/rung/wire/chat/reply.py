"""OpenAI Chat Completions, what callers get for answers that have no bytes in this dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire.chat import json as chat_json
from rung.wire.front import Reply, Trouble
from rung.wire.ids import ANY, fit, wire_name
from rung.wire.jsontext import JsonError, locate

DONE = b"data: [DONE]\n\n"

REASONS: Mapping[Finish, str] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.REFUSAL: "content_filter",
    Finish.UNKNOWN: "stop",
}
"""What callers are told. They know no reason but these."""


def encode_answer(answer: Answer, usage: Usage, reply: Reply, request: Request) -> bytes:
    """A whole ``chat.completion``. Usage that nobody counted is left out."""
    called = calls_field(answer, reply, request)
    silent = bool(answer.refusal) or (bool(called) and not answer.text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if silent else answer.text,
        "refusal": answer.refusal,
    }
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    choices = [_choice(0, message | called, reason_of(answer, called))]
    for index, text in enumerate(answer.more, 1):
        other = {"role": "assistant", "content": text, "refusal": None}
        choices.append(_choice(index, other, REASONS[answer.finish]))
    told = {
        "id": completion_id(reply),
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": choices,
    }
    if usage.source is not UsageSource.NONE:
        told["usage"] = usage_object(usage)
    return chat_json.encode(told)


def _choice(index: int, message: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def completion_id(reply: Reply) -> str:
    """The id that callers see."""
    return f"chatcmpl-{reply.id}"


def calls_field(answer: Answer, reply: Reply, request: Request) -> dict[str, Any]:
    """The field of a message that holds the tool calls; nothing where there are none.

    Callers who offered ``functions`` know nothing but ``function_call``.
    """
    if not answer.tool_calls:
        return {}
    calls = [_call(call, i, reply) for i, call in enumerate(answer.tool_calls)]
    if _offered_functions(request) and "function" in calls[0]:
        return {"function_call": calls[0]["function"]}
    return {"tool_calls": calls}


def _call(call: ToolCall, index: int, reply: Reply) -> dict[str, Any]:
    # Calls without ids would all answer to the same one.
    called = fit(call.id, ANY) if call.id else f"call_{reply.id}_{index}"
    name = wire_name(call.name, call.namespace)
    if call.custom:
        custom = {"name": name, "input": call.arguments}
        return {"id": called, "type": "custom", "custom": custom}
    function = {"name": name, "arguments": call.arguments}
    return {"id": called, "type": "function", "function": function}


def _offered_functions(request: Request) -> bool:
    if b'"functions"' not in request.body:
        return False
    try:
        return "tools" not in (found := locate(request.body)) and "functions" in found
    except JsonError:
        return False


def reason_of(answer: Answer, called: Mapping[str, Any]) -> str:
    """The dialect's reason. An answer with words of refusal stopped; one without was filtered."""
    if answer.refusal:
        return "stop"
    if "function_call" in called and answer.finish is Finish.TOOL_CALLS:
        return "function_call"
    return REASONS[answer.finish]


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


def encode_models(names: Iterable[str], created: int) -> bytes:
    """The list of ``/v1/models``."""
    data = [_model(name, created) for name in names]
    return chat_json.encode({"object": "list", "data": data})


def encode_model(name: str, created: int) -> bytes:
    """One of ``/v1/models``."""
    return chat_json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "rung"}


# ------------------------------------------------------------------ errors

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


def encode_error(trouble: Trouble) -> bytes:
    """The error envelope, for a body or an event of a stream."""
    usual = "invalid_request_error" if trouble.status < 500 else "server_error"
    error: dict[str, Any] = {
        "message": trouble.message,
        "type": trouble.type or _KINDS.get(trouble.status, usual),
        "param": trouble.param,
        "code": trouble.code,
    }
    if trouble.request_id is not None:
        error["request_id"] = trouble.request_id
    return chat_json.encode({"error": error})


def error_event(trouble: Trouble, begun: Reply | None) -> bytes:  # noqa: ARG001 the protocol's
    """What ends a stream that cannot be finished: never ``[DONE]``."""
    return b"data: %b\n\n" % encode_error(trouble)


def status(status: int) -> int:
    """The dialect has no numbers of its own."""
    return status
