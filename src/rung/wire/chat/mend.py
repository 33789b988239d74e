"""OpenAI Chat Completions: calls of other models in a conversation that goes out as it came.

Some models refuse a call that they would not have made so: of an id that is not of their shape,
without their signature, without thinking. Whatever they take keeps its bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rung.wire.chat import json as chat_json
from rung.wire.chat.turns import THOUGHTS
from rung.wire.ids import ANY, fit
from rung.wire.quirks import Quirks

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CALLS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_STRING = msgspec.json.Decoder(str)


def mended(messages: bytes, quirks: Quirks) -> bytes | None:
    """``messages`` as the model takes them; ``None`` where it takes them as they are."""
    if quirks.ids is ANY and not (quirks.unsigned_calls or quirks.unshown_thought):
        return None
    raws = [bytes(raw) for raw in _RAWS.decode(messages)]
    told = [_message(raw, quirks) if b'"tool_call' in raw else raw for raw in raws]
    return None if told == raws else b"[" + b",".join(told) + b"]"


def _message(raw: bytes, quirks: Quirks) -> bytes:
    try:
        told: dict[str, Any] = dict(_OBJECT.decode(raw))
        before = dict(told)
        if "tool_call_id" in told:
            told["tool_call_id"] = _fitted(told["tool_call_id"], quirks)
        if calls := _CALLS.decode(told.get("tool_calls", b"[]")):
            told["tool_calls"] = _calls(calls, told["tool_calls"], quirks)
            if quirks.unshown_thought and told.keys().isdisjoint(THOUGHTS):
                told["reasoning_content"] = quirks.unshown_thought
    except (msgspec.DecodeError, RecursionError):
        return raw  # not of the dialect's shape: the provider is to say so
    return raw if told == before else chat_json.encode(told)


def _calls(calls: list[dict[str, Any]], raw: msgspec.Raw, quirks: Quirks) -> Any:
    """The calls; of several made at once, only the first has a signature of the model's own."""
    before = [dict(call) for call in calls]
    signed = any(call.keys() & quirks.unsigned_calls.keys() for call in calls)
    for call in calls:
        if "id" in call:
            call["id"] = _fitted(call["id"], quirks)
        if not signed:
            call.update(quirks.unsigned_calls)
    return raw if calls == before else calls


def _fitted(raw: msgspec.Raw, quirks: Quirks) -> Any:
    own = _STRING.decode(raw)
    told = fit(own, quirks.ids)
    return raw if told == own else told
