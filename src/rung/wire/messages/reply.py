"""Anthropic Messages, what callers get: answers, errors, counts and the list of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Usage
from rung.wire import ids, sse
from rung.wire.chat import json as chat_json
from rung.wire.front import Reply, Trouble
from rung.wire.messages.arguments import input_of
from rung.wire.messages.usage import usage_object

OVERLOADED = 529
"""Anthropic's own status for 503."""

PING = sse.encode(b'{"type":"ping"}', "ping")

REASONS: Mapping[Finish, str] = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.REFUSAL: "refusal",
    Finish.UNKNOWN: "end_turn",
}
"""What callers are told. They know no reason but these."""

KINDS: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
"""https://platform.claude.com/docs/en/api/errors"""


def encode_answer(answer: Answer, usage: Usage, reply: Reply) -> bytes:
    """A whole message for an answer that has no bytes in this dialect."""
    content: list[Any] = [
        {"type": "text", "text": text} for text in (answer.text, answer.refusal) if text
    ]
    content += [use_object(call) for call in answer.tool_calls]
    return chat_json.encode(
        message_object(reply, content, usage) | {"stop_reason": reason_of(answer)}
    )


def message_object(reply: Reply, content: list[Any], usage: Usage) -> dict[str, Any]:
    """A message of which nobody knows yet why it ends."""
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_object(usage),
    }


def use_object(call: ToolCall) -> dict[str, Any]:
    """A ``tool_use`` block."""
    return {
        "type": "tool_use",
        "id": ids.fit(call.id, ids.ANTHROPIC),
        "name": ids.wire_name(call.name, call.namespace) if call.namespace else call.name,
        "input": msgspec.Raw(input_of(call)[0]),
    }


def reason_of(answer: Answer) -> str:
    """The dialect's reason. Words of refusal are one, whatever else the provider said."""
    refused = answer.refusal and answer.finish in {Finish.STOP, Finish.UNKNOWN}
    return REASONS[Finish.REFUSAL if refused else answer.finish]


# ------------------------------------------------------------------ errors


def encode_error(trouble: Trouble) -> bytes:
    """The error envelope."""
    fallback = "invalid_request_error" if trouble.status < 500 else "api_error"
    kind = trouble.type or KINDS.get(trouble.status, fallback)
    error = {"type": kind, "message": trouble.message}
    return chat_json.encode({"type": "error", "error": error, "request_id": trouble.request_id})


def error_event(trouble: Trouble) -> bytes:
    """What ends a stream that cannot be finished."""
    return sse.encode(encode_error(trouble), "error")


def status(status: int) -> int:
    """Anthropic's own number for a status."""
    return OVERLOADED if status == 503 else status


# ------------------------------------------------------------------ counts and models


def encode_count(tokens: int) -> bytes:
    """The answer to how many tokens a prompt has."""
    return chat_json.encode({"input_tokens": tokens})


def encode_model(name: str, created: int) -> bytes:
    """One model. ``created`` is seconds since 1970, UTC."""
    return chat_json.encode(_model(name, created))


def encode_models(names: Iterable[str], created: int) -> bytes:
    """The list of models, on one page."""
    data = [_model(name, created) for name in names]
    ends = [data[0]["id"], data[-1]["id"]] if data else [None, None]
    return chat_json.encode(
        {"data": data, "has_more": False, "first_id": ends[0], "last_id": ends[1]}
    )


def _model(name: str, created: int) -> dict[str, str]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}
