"""Streams as the strictest client reads them: every deviation from a dialect is an error.

A stream ends whole, with its dialect's own end, or with its error event, or in neither way, which
nobody may serve. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Heard:
    """What a client makes of one stream. ``ended`` is "whole", "error", or "" for neither."""

    ended: str = ""
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    error: Any = None


def heard(dialect: str, body: bytes) -> Heard:
    """Read one stream. Raises AssertionError for what its dialect does not allow."""
    return _lines(body) if dialect == "ollama" else _READERS[dialect](events(body))


def events(body: bytes) -> list[tuple[str, bytes]]:
    """The events by name. Nothing may be left over, and no line may be unknown."""
    assert body.endswith(b"\n\n"), f"the last event is not closed: {body[-80:]!r}"
    found = []
    for block in body.removesuffix(b"\n\n").split(b"\n\n"):
        name, data = "", []
        for line in block.split(b"\n"):
            kind, _, value = line.partition(b": ")
            assert kind in {b"", b"event", b"data"}, f"no line of an event: {line!r}"
            if kind == b"event":
                name = value.decode()
            elif kind == b"data":
                data.append(value)
        if data:
            found.append((name, b"\n".join(data)))
    return found


# ------------------------------------------------------------------ Chat Completions


def _chat(found: list[tuple[str, bytes]]) -> Heard:
    got = Heard()
    ids: set[str] = set()
    calls: dict[int, list[str]] = {}
    finished = False
    for _, data in found:
        assert not got.ended, f"an event after the end: {data!r}"
        if data == b"[DONE]":
            assert finished, "[DONE] without a finish reason"
            got.ended = "whole"
            continue
        told = json.loads(data)
        if "error" in told:
            assert told["error"]["message"], told
            got.ended, got.error = "error", told["error"]
            continue
        ids.add(told["id"])
        for choice in told["choices"]:
            assert choice["index"] == 0
            assert not finished, f"a choice after its finish reason: {data!r}"
            _chat_delta(choice.get("delta") or {"content": choice.get("text")}, got, calls)
            finished = choice.get("finish_reason") is not None
    assert len(ids) <= 1, f"several answers in one stream: {ids}"
    got.calls = [(name, arguments) for _, (name, arguments) in sorted(calls.items())]
    return got


def _chat_delta(delta: Mapping[str, Any], got: Heard, calls: dict[int, list[str]]) -> None:
    got.text += delta.get("content") or ""
    for piece in delta.get("tool_calls") or ():
        call = calls.setdefault(piece["index"], ["", ""])
        call[0] += piece["function"].get("name") or ""
        call[1] += piece["function"].get("arguments") or ""


# ------------------------------------------------------------------ Messages


def _messages(found: list[tuple[str, bytes]]) -> Heard:
    got, open_block, blocks, reason = Heard(), None, 0, ""
    started = False
    for name, data in found:
        told = json.loads(data)
        kind = told["type"]
        assert kind == name, f"named {name!r} and {kind!r}"
        assert not got.ended, f"an event after the end: {data!r}"
        if kind == "error":
            assert told["error"]["message"], told
            got.ended, got.error = "error", told["error"]
            continue
        if kind == "ping":
            continue
        assert not reason or kind == "message_stop", f"after the stop reason: {data!r}"
        assert started is (kind != "message_start"), "one message, which starts first"
        started = True
        match kind:
            case "content_block_start":
                assert open_block is None, "a block inside of another"
                assert told["index"] == blocks
                open_block, blocks = told["content_block"], blocks + 1
                if open_block["type"] == "tool_use":
                    got.calls.append((open_block["name"], ""))
            case "content_block_delta":
                assert open_block is not None
                assert told["index"] == blocks - 1
                _messages_delta(told["delta"], got)
            case "content_block_stop":
                assert open_block is not None
                assert told["index"] == blocks - 1
                open_block = None
            case "message_delta":
                assert open_block is None, "the reason inside of a block"
                reason = told["delta"]["stop_reason"]
            case "message_stop":
                assert reason, "a stop without a reason"
                got.ended = "whole"
    return got


def _messages_delta(delta: Mapping[str, Any], got: Heard) -> None:
    if delta["type"] == "text_delta":
        got.text += delta["text"]
    elif delta["type"] == "input_json_delta":
        name, arguments = got.calls[-1]
        got.calls[-1] = (name, arguments + delta["partial_json"])


# ------------------------------------------------------------------ Responses


def _responses(found: list[tuple[str, bytes]]) -> Heard:
    got, number, ids = Heard(), -1, set()
    for place, (name, data) in enumerate(found):
        told = json.loads(data)
        kind = told["type"]
        assert kind == name, f"named {name!r} and {kind!r}"
        assert got.ended != "whole", f"an event after the end: {data!r}"
        assert not got.ended or kind == "error", f"an event after the failure: {data!r}"
        assert told["sequence_number"] > number, "numbers do not rise"
        number = told["sequence_number"]
        assert place or kind in {"response.created", "error"}, f"begins with {kind}"
        if "response" in told and kind != "response.failed":
            ids.add(told["response"]["id"])
        match kind:
            case "response.output_text.delta":
                got.text += told["delta"]
            case "response.completed" | "response.incomplete":
                got.ended = "whole"
                _same_output(told["response"], got)
            case "response.failed" | "error":
                got.ended = "error"
                got.error = told.get("response", told)
    assert len(ids) <= 1, f"several answers in one stream: {ids}"
    return got


def _same_output(response: Mapping[str, Any], got: Heard) -> None:
    items = response["output"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    text = "".join(part["text"] for part in parts if part["type"] == "output_text")
    assert text == got.text, f"the response says {text!r}, its events said {got.text!r}"
    got.calls = [(one["name"], one["arguments"]) for one in items if one["type"] == "function_call"]


# ------------------------------------------------------------------ Ollama


def _lines(body: bytes) -> Heard:
    got = Heard()
    assert body.endswith(b"\n"), f"the last line is not closed: {body[-80:]!r}"
    for line in body.splitlines():
        assert not got.ended, f"a line after the end: {line!r}"
        told = json.loads(line)
        if "error" in told:
            got.ended, got.error = "error", told["error"]
            continue
        got.text += told["message"]["content"]
        for call in told["message"].get("tool_calls", ()):
            arguments = json.dumps(call["function"]["arguments"])
            got.calls.append((call["function"]["name"], arguments))
        if told["done"]:
            assert told["done_reason"] in {"stop", "length"}
            got.ended = "whole"
    return got


_READERS: Mapping[str, Callable[[list[tuple[str, bytes]]], Heard]] = {
    "chat": _chat,
    "completions": _chat,
    "messages": _messages,
    "responses": _responses,
}


# ------------------------------------------------------------------ errors with a status


def refusal(dialect: str, body: bytes) -> str:
    """The message of an error's envelope."""
    told = json.loads(body)
    if dialect == "messages":
        assert told["type"] == "error"
        assert told["error"]["type"]
    message = told["error"] if dialect == "ollama" else told["error"]["message"]
    assert isinstance(message, str)
    assert message
    return message
