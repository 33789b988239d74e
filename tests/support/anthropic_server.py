"""A scriptable Anthropic-shaped server on a real socket, in its own thread.

    with AnthropicServer(text("hello"), error(529, "overloaded_error")) as server:
        ...  # call server.base_url
    assert server.calls[0].json["model"] == "m"

The machinery, and what is done to connections, is that of `openai_server`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from support.openai_server import (
    STREAM_END,
    STREAM_HEAD,
    Call,
    Cut,
    OpenAIServer,
    Pause,
    Reply,
    Stall,
    Step,
    piece,
    raw,
    status,
    whole,
)

USAGE = {
    "input_tokens": 6,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 1,
    "output_tokens": 5,
}

# ------------------------------------------------------------------ events


def event(payload: Mapping[str, Any]) -> bytes:
    """One chunk that holds one event, named by its type."""
    return piece(framed(payload))


def framed(payload: Mapping[str, Any]) -> bytes:
    """One event as it stands in a stream."""
    return b"event: %b\ndata: %b\n\n" % (payload["type"].encode(), json.dumps(payload).encode())


def message_start(model: str = "scripted-1", usage: Any = None) -> dict[str, Any]:
    counted = USAGE | {"output_tokens": 1} if usage is None else usage
    return {"type": "message_start", "message": _message(model, [], None, counted)}


def block_start(index: int, block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": dict(block)}


def block_delta(index: int, delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": dict(delta)}


def block_stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: str, output_tokens: int = 5) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output_tokens}}


MESSAGE_STOP: dict[str, Any] = {"type": "message_stop"}
PING: dict[str, Any] = {"type": "ping"}


def error_event(kind: str, message: str = "scripted") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def text_events(index: int, *said: str) -> list[dict[str, Any]]:
    """A block of text in these pieces."""
    deltas = [block_delta(index, {"type": "text_delta", "text": one}) for one in said]
    return [block_start(index, {"type": "text", "text": ""}), *deltas, block_stop(index)]


def tool_events(index: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A tool call whose arguments come in two pieces."""
    told = json.dumps(block["input"])
    middle = len(told) // 2
    halves = [{"type": "input_json_delta", "partial_json": one} for one in _cut(told, middle)]
    begun = block_start(index, dict(block) | {"input": {}})
    return [begun, *(block_delta(index, half) for half in halves), block_stop(index)]


def _cut(told: str, at: int) -> tuple[str, str]:
    return told[:at], told[at:]


# ------------------------------------------------------------------ replies


def text(
    said: str | Sequence[str], *, reason: str = "end_turn", usage: Mapping[str, Any] = USAGE
) -> Reply:
    """An answer; a sequence gives the pieces of a stream. Streams where the call asks for it."""
    pieces = [said] if isinstance(said, str) else list(said)
    return _reply(
        [{"type": "text", "text": "".join(pieces)}], text_events(0, *pieces), reason, usage
    )


def tool_use(*calls: tuple[str, Mapping[str, Any]], said: str = "") -> Reply:
    """An answer that calls tools, after a few words if there are any: ids toolu_1, toolu_2 ..."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said}] if said else []
    events = text_events(0, said) if said else []
    for number, (name, arguments) in enumerate(calls, 1):
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
        events += tool_events(len(blocks), block)
        blocks.append(block)
    return _reply(blocks, events, "tool_use", USAGE)


def _reply(
    blocks: list[dict[str, Any]],
    events: list[dict[str, Any]],
    reason: str,
    usage: Mapping[str, Any],
) -> Reply:
    def reply(call: Call) -> Iterable[Step]:
        if not call.streams:
            told = _message("scripted-1", blocks, reason, usage)
            return [whole(200, json.dumps(told).encode())]
        start = message_start(usage=dict(usage) | {"output_tokens": 1})
        ending = [message_delta(reason, usage["output_tokens"]), MESSAGE_STOP]
        return [STREAM_HEAD, *map(event, [start, PING, *events, *ending]), STREAM_END]

    return reply


def _message(model: str, blocks: list[Any], reason: str | None, usage: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def stream(*events: Any, end: Sequence[Step] = (STREAM_END,)) -> Reply:
    """A stream of these events; what is already a step stays one."""
    kept = (bytes, Pause, Stall, Cut)
    steps = [one if isinstance(one, kept) else event(one) for one in events]
    return raw(STREAM_HEAD, *steps, *end)


def error(
    code: int,
    kind: str,
    message: str = "scripted",
    *,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A refusal in this dialect's envelope."""
    return status(code, error_event(kind, message) | {"request_id": "req_1"}, headers=headers)


# ------------------------------------------------------------------ the server


class AnthropicServer(OpenAIServer):
    """Serves a script of messages while the context lasts.

    ``calls`` are the messages asked for, ``counts`` the requests to count tokens, which are
    answered with ``count``. ``aliases`` are names that the list of models does not show.
    """

    def __init__(
        self,
        *script: Reply,
        models: Sequence[str] = ("m",),
        models_reply: Reply | None = None,
        aliases: Sequence[str] = (),
        count: Reply | None = None,
    ) -> None:
        listed = [{"type": "model", "id": name, "display_name": name} for name in models]
        told = {"data": listed, "has_more": False, "first_id": None, "last_id": None}
        reply = models_reply or raw(whole(200, json.dumps(told).encode()))
        super().__init__(*(script or (text("hello"),)), models_reply=reply)
        self._known = {*models, *aliases}
        self._count = count or raw(whole(200, b'{"input_tokens":11}'))

    @property
    def calls(self) -> list[Call]:
        return [one for one in super().calls if not _counts(one)]

    @property
    def counts(self) -> list[Call]:
        return [one for one in self.requests if _counts(one)]

    def _next(self, call: Call) -> Reply:
        if _counts(call):
            return self._count
        name = call.path.partition("/models/")[2]
        if call.method == "GET" and name:
            if name in self._known:
                return raw(whole(200, json.dumps({"type": "model", "id": name}).encode()))
            return error(404, "not_found_error")
        return super()._next(call)


def _counts(call: Call) -> bool:
    return call.path.partition("?")[0].endswith("/count_tokens")
