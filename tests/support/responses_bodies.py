"""Bodies of the Responses dialect: a request of a coding agent, events of a provider's stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from rung.core.types import Directions, Request
from rung.wire import sse
from rung.wire.front import Arrival
from rung.wire.responses import FRONT
from rung.wire.sse import Parser, SseEvent

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

AGENT: dict[str, Any] = {
    "model": "gpt-6-luna",
    "stream": True,
    "store": False,
    "input": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "developer",
            "content": [{"type": "input_text", "text": "You write code."}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Run the tests."}],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "I should run them."}],
            "encrypted_content": "gAAAA",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Running."}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "exec_command",
            "arguments": '{"cmd":"make test"}',
        },
        {
            "type": "custom_tool_call",
            "call_id": "call_2",
            "name": "apply_patch",
            "input": "*** Begin Patch",
        },
        {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "1 failed"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
        },
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
        },
        {
            "type": "namespace",
            "name": "team",
            "description": "Other agents.",
            "tools": [
                {
                    "type": "function",
                    "name": "wait",
                    "strict": True,
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread-7",
    "client_metadata": {"turn": "1"},
}


def arrival(**headers: str) -> Arrival:
    """A request's surroundings; header names with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Arrival("r1", Directions(), named)


def decoded(told: Mapping[str, Any]) -> Request:
    """The request that a body of this dialect is."""
    return FRONT.decode_request(msgspec.json.encode(told), arrival())


def asked(**fields: Any) -> Request:
    """The request of a small body with more fields."""
    return decoded({"model": "m", "input": "Hi"} | fields)


def parsed(written: bytes) -> list[dict[str, Any]]:
    """The payloads of framed events, each of which names its type twice."""
    found = []
    for event in Parser().feed(written):
        told = msgspec.json.decode(event.data)
        assert told["type"] == event.event
        found.append(told)
    return found


def valid_events(written: bytes) -> list[dict[str, Any]]:
    """The payloads, each as OpenAI's own types take it, with rising numbers."""
    found = parsed(written)
    for told in found:
        EVENTS.validate_python(told)
    numbers = [told["sequence_number"] for told in found]
    assert numbers == sorted(set(numbers))
    return found


def valid_response(body: bytes) -> dict[str, Any]:
    """A response, as OpenAI's own type takes it."""
    told = msgspec.json.decode(body)
    Response.model_validate(told)
    assert isinstance(told, dict)
    return told


def events(*told: Mapping[str, Any]) -> list[SseEvent]:
    """Events of a provider's stream."""
    return [SseEvent(str(one["type"]), msgspec.json.encode(one)) for one in told]


def framed(found: Iterable[SseEvent]) -> bytes:
    """The bytes that the events came in."""
    return b"".join(sse.encode(event.data, event.event) for event in found)
