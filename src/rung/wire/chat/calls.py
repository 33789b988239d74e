"""Chat Completions' tool calls: read from histories and answers, written into both."""

from __future__ import annotations

from typing import Any

import msgspec

from rung.core.parts import ToolCall
from rung.wire.chat import json as chat_json
from rung.wire.errors import WireError
from rung.wire.ids import fit, wire_name
from rung.wire.quirks import Quirks

MOST_TOOL_CALLS = 1024

_ENCODER = msgspec.json.Encoder()


def arguments_text(told: Any) -> str:
    """Arguments as JSON text. Some servers send the object itself."""
    if isinstance(told, str):
        return told
    return "" if told is None else _ENCODER.encode(told).decode()


def call_of(told: Any) -> ToolCall:
    """One whole tool call of an answer. Raises WireError for what is no object."""
    if not isinstance(told, dict):
        raise WireError("the answer has a tool call that is no object")
    custom = told.get("custom")
    if isinstance(custom, dict):
        words = custom.get("input")
        return ToolCall(
            _word(told.get("id")), _word(custom.get("name")), arguments_text(words), custom=True
        )
    function = told.get("function")
    function = function if isinstance(function, dict) else {}
    return ToolCall(
        _word(told.get("id")),
        _word(function.get("name")),
        arguments_text(function.get("arguments")),
    )


def is_loose(told: Any) -> bool:
    """Whether a call's arguments are no text: some servers write the object itself.

    Clients parse a text, so such an answer cannot go on as it came.
    """
    function = told.get("function") if isinstance(told, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return arguments is not None and not isinstance(arguments, str)


def calls_of(told: list[Any] | None, function_call: Any) -> tuple[ToolCall, ...]:
    """The tool calls of an answer; the single one of the older kind has no id."""
    if told:
        if len(told) > MOST_TOOL_CALLS:
            raise WireError(f"the answer has more than {MOST_TOOL_CALLS} tool calls")
        return tuple(map(call_of, told))
    if isinstance(function_call, dict):
        return (call_of({"function": function_call}),)
    return ()


def _word(told: Any) -> str:
    if isinstance(told, str):
        return told
    return str(told) if isinstance(told, int) else ""


def history_call(call: ToolCall, quirks: Quirks) -> dict[str, Any]:
    """A call in a history. Free text goes where `rung.wire.chat.tools` says that it belongs."""
    arguments = call.arguments
    if call.custom:
        arguments = chat_json.encode({"input": arguments}).decode()
    function = {
        "name": wire_name(call.name, call.namespace),
        # Chat templates parse them, and an empty string is no JSON.
        "arguments": arguments if arguments.strip() else "{}",
    }
    told = {"id": fit(call.id, quirks.ids), "type": "function", "function": function}
    return told | dict(quirks.unsigned_calls)
