"""OpenAI Responses, answers as callers expect them: the ``response`` object and its items.

A response repeats what it was asked for; everything that the caller said is told back in its own
words. The dialect: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire.chat.json import encode
from rung.wire.front import Reply
from rung.wire.jsontext import Field, JsonError, locate
from rung.wire.responses.items import call_item
from rung.wire.responses.tools import DIALECT, tool_objects

COMPLETED = "completed"
INCOMPLETE = "incomplete"
IN_PROGRESS = "in_progress"

_ECHOED = (
    ("instructions", b"null"),
    ("metadata", b"{}"),
    ("tool_choice", b'"auto"'),
    ("text", b'{"format":{"type":"text"}}'),
    ("reasoning", b'{"effort":null,"summary":null}'),
    ("truncation", b'"disabled"'),
    ("max_tool_calls", b"null"),
    ("prompt_cache_key", b"null"),
    ("safety_identifier", b"null"),
    ("top_logprobs", b"0"),
    ("user", b"null"),
)
"""What is told back as it came, with what stands for a field that did not."""


def encode_answer(answer: Answer, usage: Usage, reply: Reply, request: Request) -> bytes:
    """A whole response for an answer that has no bytes in this dialect."""
    ended = ending(answer)
    output = output_items(answer, reply.id, ended)
    return encode(response_object(reply, echo(request), ended | {"output": output}, usage))


def response_object(
    reply: Reply, echoed: Mapping[str, Any], said: Mapping[str, Any], usage: Usage | None = None
) -> dict[str, Any]:
    """A response. ``said`` are its status and output, and what else has come to be known."""
    counted = usage is not None and usage.source is not UsageSource.NONE
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": reply.model,
        "previous_response_id": None,
        "store": False,
        "output": [],
        **echoed,
        **said,
        "usage": usage_object(usage) if usage is not None and counted else None,
    }


def echo(request: Request | None) -> dict[str, Any]:
    """What a response repeats of its request, or of one that said nothing."""
    found = _fields(request)
    told = {name: _echoed(found, name, otherwise) for name, otherwise in _ECHOED}
    sampling = request.sampling if request is not None else None
    parallel = request.parallel_tool_calls if request is not None else None
    return told | {
        "tools": msgspec.Raw(encode(tool_objects(request.tools)) if request is not None else b"[]"),
        "parallel_tool_calls": parallel is not False,
        "temperature": sampling.temperature if sampling is not None else None,
        "top_p": sampling.top_p if sampling is not None else None,
        "max_output_tokens": sampling.max_tokens if sampling is not None else None,
    }


def _fields(request: Request | None) -> Mapping[str, Field]:
    if request is None or request.dialect != DIALECT or not request.body:
        return {}
    try:
        return locate(request.body)
    except JsonError:
        return {}


def _echoed(found: Mapping[str, Field], name: str, otherwise: bytes) -> msgspec.Raw:
    told = found.get(name)
    return msgspec.Raw(otherwise if told is None or told.value == b"null" else told.value)


def usage_object(usage: Usage) -> dict[str, Any]:
    """Counters in this dialect."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


# ------------------------------------------------------------------ how it ended


def ending(answer: Answer) -> dict[str, Any]:
    """The status, and why it is not "completed"."""
    reason = None
    if answer.finish is Finish.LENGTH:
        reason = "max_output_tokens"
    elif answer.finish is Finish.REFUSAL and not answer.refusal:
        reason = "content_filter"
    if reason is None:
        return {"status": COMPLETED}
    return {"status": INCOMPLETE, "incomplete_details": {"reason": reason}}


def output_items(answer: Answer, id: str, ended: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: A002 the field's name
    """The items of a whole answer: what was said, then what was called."""
    items: list[dict[str, Any]] = []
    if speaks(answer):
        items.append(message_item(id, content_parts(answer.text, answer.refusal)))
    items += [called_item(id, call, len(items) + i) for i, call in enumerate(answer.tool_calls)]
    return closed(items, ended)


def speaks(answer: Answer) -> bool:
    """Whether there is a message among the items: always, but for an answer that only calls."""
    return bool(answer.text or answer.refusal or not answer.tool_calls)


def closed(items: Sequence[dict[str, Any]], ended: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same, the last of them left incomplete where the answer was."""
    if not items or ended["status"] == COMPLETED:
        return list(items)
    return [*items[:-1], items[-1] | {"status": INCOMPLETE}]


def content_parts(text: str, refusal: str | None) -> list[dict[str, Any]]:
    """The parts of a message; never none."""
    parts = [text_part(text)] if text or not refusal else []
    return [*parts, refusal_part(refusal)] if refusal else parts


def text_part(text: str) -> dict[str, Any]:
    """A part of plain text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(words: str) -> dict[str, Any]:
    """A part of words of refusal."""
    return {"type": "refusal", "refusal": words}


def message_item(
    id: str,  # noqa: A002 the field's name
    content: list[dict[str, Any]],
    status: str = COMPLETED,
) -> dict[str, Any]:
    """What the assistant said, as an item."""
    return {
        "type": "message",
        "id": f"msg_{id}",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def called_item(id: str, call: ToolCall, index: int) -> dict[str, Any]:  # noqa: A002 the field's name
    """A tool call as an item of an answer, at its place among them."""
    prefix = "ctc" if call.custom else "fc"
    return {"id": f"{prefix}_{id}_{index}", "status": COMPLETED} | call_item(call)
