"""The three dialects of `model_world`: requests read into `Asked`, `Said` written as answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MODEL = "small-1"
INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS = 40, 8, 4

# ------------------------------------------------------------------ what is asked and said

Dialect = Literal["chat", "messages", "responses"]
PATHS: Mapping[str, Dialect] = {
    "/chat/completions": "chat",
    "/messages": "messages",
    "/responses": "responses",
}


@dataclass(frozen=True)
class Asked:
    """One request, as far as the model understands it. ``schemas`` are its tools' parameters."""

    dialect: Dialect
    model: str
    streams: bool
    prompt: str
    system: str = ""
    results: Sequence[str] = ()
    schemas: Mapping[str, Any] = field(default_factory=dict)
    wanted: Any = None


@dataclass(frozen=True)
class Said:
    """What the model answers: some text, or the call of a tool where it names one."""

    text: str = ""
    tool: str = ""
    arguments: str = ""


# ------------------------------------------------------------------ reading the dialects


def read(dialect: Dialect, body: Any) -> Asked:
    """A request of any dialect."""
    turns = body["input"] if dialect == "responses" else body["messages"]
    if isinstance(turns, str):
        turns = [{"role": "user", "content": turns}]
    system = [_text(one.get("content")) for one in turns if one.get("role") in _SYSTEM]
    return Asked(
        dialect=dialect,
        model=body.get("model") or MODEL,
        streams=bool(body.get("stream")),
        prompt="\n".join(_text(one.get("content")) for one in turns if one.get("role") == "user"),
        system="\n".join([_text(body.get("system") or body.get("instructions")), *system]),
        results=[result for one in turns for result in _results(one)],
        schemas=dict(_schemas(body.get("tools") or ())),
        wanted=_wanted(body),
    )


_SYSTEM = ("system", "developer")


def _text(content: Any) -> str:
    """The text of a content, whatever its shape."""
    if isinstance(content, str):
        return content
    blocks = content or ()
    return "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))


def _results(turn: Any) -> Iterable[str]:
    """What tools gave back in one turn."""
    if turn.get("role") == "tool":
        yield _text(turn["content"])
    if turn.get("type") in {"function_call_output", "custom_tool_call_output"}:
        yield _text(turn["output"])
    if turn.get("role") == "user" and isinstance(turn["content"], list):
        for block in turn["content"]:
            if block.get("type") == "tool_result":
                yield _text(block.get("content"))


def _schemas(tools: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    for tool in tools:
        told = tool.get("function") or tool
        schema = told.get("parameters") or told.get("input_schema")
        if schema is not None:
            yield told["name"], schema


def _wanted(body: Any) -> Any:
    """The schema that the answer has to satisfy."""
    places = (
        body.get("response_format") or {},
        (body.get("text") or {}).get("format") or {},
        (body.get("output_config") or {}).get("format") or {},
    )
    for told in places:
        found = told.get("schema") or (told.get("json_schema") or {}).get("schema")
        if found:
            return found
    return None


# ------------------------------------------------------------------ writing the dialects

Events = list[tuple[str, Any]]
"""Names and payloads of a stream's events."""


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def chat(asked: Asked, said: Said, number: int) -> tuple[Any, Events]:
    """An answer of Chat Completions, whole and as events."""
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }
    label = {"id": f"chatcmpl-{number}", "created": 1_790_000_000, "model": asked.model}
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    deltas: list[Any] = [{"content": half} for half in _halves(said.text)]
    if said.tool:
        call = {"id": f"call_{number}", "type": "function"}
        function = {"name": said.tool, "arguments": said.arguments}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [call | {"function": function}],
        }
        start = call | {"index": 0, "function": {"name": said.tool, "arguments": ""}}
        more = [{"index": 0, "function": {"arguments": h}} for h in _halves(said.arguments)]
        deltas = [{"tool_calls": [one]} for one in (start, *more)]
    finish = "tool_calls" if said.tool else "stop"
    body = label | {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }
    chunk = label | {"object": "chat.completion.chunk"}
    ends: list[tuple[Any, str | None]] = [({"role": "assistant", "content": ""}, None)]
    ends += [(delta, None) for delta in deltas]
    ends.append(({}, finish))
    events: Events = [
        ("", chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
        for delta, end in ends
    ]
    return body, [*events, ("", chunk | {"choices": [], "usage": usage}), ("", "[DONE]")]


def messages(asked: Asked, said: Said, number: int) -> tuple[Any, Events]:
    """An answer of Messages, whole and as events."""
    usage = {
        "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
    }
    empty: dict[str, Any] = {"type": "text", "text": ""}
    block = empty | {"text": said.text}
    deltas = [{"type": "text_delta", "text": half} for half in _halves(said.text)]
    if said.tool:
        empty = {"type": "tool_use", "id": f"toolu_{number}", "name": said.tool, "input": {}}
        block = empty | {"input": _loose(said.arguments)}
        deltas = [
            {"type": "input_json_delta", "partial_json": h} for h in ["", *_halves(said.arguments)]
        ]
    stop = {"stop_reason": "tool_use" if said.tool else "end_turn", "stop_sequence": None}
    body = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [block],
        **stop,
        "usage": usage,
    }
    begun = body | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events: list[Any] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": OUTPUT_TOKENS}},
        {"type": "message_stop"},
    ]
    return body, [(event["type"], event) for event in events]


def _loose(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return {"": arguments}


def responses(asked: Asked, said: Said, number: int) -> tuple[Any, Events]:
    """An answer of Responses, whole and as events."""
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    begun = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "in_progress",
        "model": asked.model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    item, inner = _called(said, number) if said.tool else _spoken(said, number)
    body = begun | {"status": "completed", "output": [item], "usage": usage}
    bare = item | {"status": "in_progress", "arguments" if said.tool else "content": inner[0]}
    place = {"output_index": 0}
    events: list[Any] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "item": bare, **place},
        *(event | place | {"item_id": item["id"]} for event in inner[1]),
        {"type": "response.output_item.done", "item": item, **place},
        {"type": "response.completed", "response": body},
    ]
    return body, [(one["type"], one | {"sequence_number": n}) for n, one in enumerate(events)]


def _spoken(said: Said, number: int) -> tuple[dict[str, Any], tuple[Any, list[Any]]]:
    """An item of text; what it is before it is written, and the events of writing it."""
    part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": []}
    item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed"}
    place = {"content_index": 0}
    text, kind = place | {"logprobs": []}, "response.output_text"
    events = [
        {"type": "response.content_part.added", "part": part | {"text": ""}, **place},
        *({"type": f"{kind}.delta", "delta": half, **text} for half in _halves(said.text)),
        {"type": f"{kind}.done", "text": said.text, **text},
        {"type": "response.content_part.done", "part": part, **place},
    ]
    return item | {"content": [part]}, ([], events)


def _called(said: Said, number: int) -> tuple[dict[str, Any], tuple[Any, list[Any]]]:
    """An item that calls a tool, likewise."""
    kind = "response.function_call_arguments"
    item = {
        "id": f"fc_{number}",
        "type": "function_call",
        "call_id": f"call_{number}",
        "name": said.tool,
        "arguments": said.arguments,
        "status": "completed",
    }
    events: list[dict[str, Any]] = [
        {"type": f"{kind}.delta", "delta": half} for half in _halves(said.arguments)
    ]
    return item, ("", [*events, {"type": f"{kind}.done", "arguments": said.arguments}])


WRITERS = {"chat": chat, "messages": messages, "responses": responses}

# ------------------------------------------------------------------ errors

MESSAGES_ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error_body(dialect: Dialect, status: int, message: str) -> Any:
    """The dialect's envelope."""
    if dialect == "messages":
        error = {"type": MESSAGES_ERRORS.get(status, "api_error"), "message": message}
        return {"type": "error", "error": error, "request_id": "req_small"}
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_event(dialect: Dialect, message: str) -> tuple[str, Any]:
    """What a stream of the dialect tells when it cannot go on."""
    match dialect:
        case "chat":
            return "", error_body(dialect, 500, message)
        case "messages":
            return "error", error_body(dialect, 529, message)
        case "responses":
            told = {"code": "server_error", "message": message, "param": None}
            return "error", {"type": "error", "sequence_number": 99, **told}
