"""The input of a tool call in Anthropic Messages: always an object, whatever the model wrote.

Arguments keep the spelling of their numbers and the order of their fields on both ways. What is no
JSON object travels as ``{"_arguments": text}``: ``{}`` would be a call that nobody made.
"""

from __future__ import annotations

import msgspec

from rung.core.parts import ToolCall
from rung.wire.chat import json as chat_json

WRAP = "_arguments"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WRAPPED = msgspec.json.Decoder(dict[str, str])


def input_of(call: ToolCall) -> tuple[bytes, bool]:
    """The call's input as JSON text, and whether it is an object of the model's own."""
    if call.custom:
        return chat_json.encode({"input": call.arguments}), True
    if not call.arguments.strip():
        return b"{}", True
    if is_object(call.arguments):
        return call.arguments.encode(), True
    return chat_json.encode({WRAP: call.arguments}), False


def arguments_of(told: bytes) -> str:
    """The arguments in a block's input, as compact JSON text; wrapped ones as they were."""
    return unwrapped(told) or msgspec.json.format(told, indent=-1).decode()


def unwrapped(told: str | bytes) -> str | None:
    """The text in ``{"_arguments": text}``; ``None`` where there is none that was wrapped here."""
    try:
        raw = told.encode() if isinstance(told, str) else told
        if WRAP.encode() not in raw:
            return None
        found = _WRAPPED.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    # A tool may really have a parameter of this name.
    text = found[WRAP] if found.keys() == {WRAP} else ""
    return None if not text.strip() or is_object(text) else text


def is_object(text: str | bytes) -> bool:
    """Whether this is the JSON text of an object."""
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
