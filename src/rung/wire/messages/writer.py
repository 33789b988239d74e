"""Anthropic Messages, streams for callers, of answers that have no events in this dialect.

Clients check the order: the message starts, each block starts, grows and stops before the next one,
then comes why it ended with what was used, and the message stops.
"""

from __future__ import annotations

from typing import Any

from rung.core.parts import ToolCall
from rung.core.types import Answer, Usage
from rung.wire import sse
from rung.wire.chat import json as chat_json
from rung.wire.front import Reply
from rung.wire.messages.arguments import input_of
from rung.wire.messages.reply import message_object, reason_of, use_object
from rung.wire.messages.usage import usage_object

PING = sse.encode(b'{"type":"ping"}', "ping")
"""A heartbeat that means nothing to anyone."""


class MessageWriter:
    """Writes the events of one message. Text grows; everything else leaves whole."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._begun = False
        self._index = 0
        self._open = False
        self._written: list[str] = []

    def text(self, text: str) -> bytes:
        """More text."""
        begun = self._begin()
        if not text:
            return begun
        self._written.append(text)
        if not self._open:
            self._open = True
            begun += self._start({"type": "text", "text": ""})
        return begun + self._delta({"type": "text_delta", "text": text})

    def thinking(self, text: str) -> bytes:  # noqa: ARG002 nobody but the provider can sign it
        """Nothing of it: thinking without its provider's signature is refused when it returns."""
        return self._begin()

    def beat(self) -> bytes:
        """A sign of life that Claude Code counts; pings it takes for silence.

        Nothing of it says anything: no reason to stop, no token.
        """
        delta = {"stop_reason": None, "stop_sequence": None}
        idle = _event("message_delta", delta=delta, usage={"output_tokens": 0})
        return self._begin() or (PING if self._open else idle)

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """What has not been written yet, and the end."""
        written = "".join(self._written)
        more = answer.text[len(written) :] if answer.text.startswith(written) else ""
        out = [self.text(more), self._close()]
        if answer.refusal:
            out += [self.text(answer.refusal), self._close()]
        out += [self._call(call) for call in answer.tool_calls]
        delta = {"stop_reason": reason_of(answer), "stop_sequence": None}
        out.append(_event("message_delta", delta=delta, usage=usage_object(usage)))
        out.append(_event("message_stop"))
        return b"".join(out)

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return _event("message_start", message=message_object(self._reply, [], Usage()))

    def _start(self, block: dict[str, Any]) -> bytes:
        return _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _stop(self) -> bytes:
        self._index += 1
        return _event("content_block_stop", index=self._index - 1)

    def _close(self) -> bytes:
        if not self._open:
            return b""
        self._open = False
        return self._stop()

    def _call(self, call: ToolCall) -> bytes:
        told = input_of(call)[0].decode()
        begun = self._start(use_object(call) | {"input": {}})
        return (
            begun + self._delta({"type": "input_json_delta", "partial_json": told}) + self._stop()
        )


def _event(kind: str, **told: Any) -> bytes:
    return sse.encode(chat_json.encode({"type": kind} | told), kind)
