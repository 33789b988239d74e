"""Streams of OpenAI's dialects, written for answers that have no events in them.

What clients of Chat Completions enforce: one id, tool calls told apart by index, a finish reason,
the usage chunk with empty ``choices`` only where it was asked for, then ``[DONE]``.
"""

from __future__ import annotations

from typing import Any

from rung.core.types import Answer, Request, Usage, UsageSource
from rung.wire.chat import json as chat_json
from rung.wire.chat.reply import (
    DONE,
    REASONS,
    calls_field,
    completion_id,
    reason_of,
    usage_object,
)
from rung.wire.front import Reply


class Frames:
    """Frames the chunks of one stream: everything but what a chunk says is written once."""

    def __init__(self, id: str, kind: str, reply: Reply) -> None:  # noqa: A002 the field's name
        head = {"id": id, "object": kind, "created": reply.created, "model": reply.model}
        self._head = chat_json.encode(head)[:-1]

    def choice(self, told: dict[str, Any], reason: str | None = None, index: int = 0) -> bytes:
        """A chunk of one choice. ``told`` is the part in which dialects differ."""
        choice = {"index": index, **told, "logprobs": None, "finish_reason": reason}
        return b'data: %b,"choices":[%b]}\n\n' % (self._head, chat_json.encode(choice))

    def counts(self, usage: Usage) -> bytes:
        """The usage chunk; nothing where nobody counted."""
        if usage.source is UsageSource.NONE:
            return b""
        counted = chat_json.encode(usage_object(usage))
        return b'data: %b,"choices":[],"usage":%b}\n\n' % (self._head, counted)


class Unwritten:
    """Remembers what has left of a text, to know what is left of it at the end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, text: str) -> None:
        """``text`` leaves."""
        self._pieces.append(text)

    def rest(self, whole: str) -> str:
        """What of ``whole`` has not left. Text that reads otherwise cannot be taken back."""
        written = "".join(self._pieces)
        return whole[len(written) :] if whole.startswith(written) else ""


class ChunkWriter:
    """Writes one stream of ``chat.completion.chunk`` objects."""

    def __init__(self, reply: Reply, request: Request) -> None:
        self._reply = reply
        self._request = request
        self._frames = Frames(completion_id(reply), "chat.completion.chunk", reply)
        self._begun = False
        self._text = Unwritten()
        self._thinking = Unwritten()

    def text(self, text: str) -> bytes:
        """More text."""
        self._text.add(text)
        return self._beginning() + self._delta({"content": text})

    def thinking(self, text: str) -> bytes:
        """More of what the model thinks aside, in the field that compatible servers use."""
        self._thinking.add(text)
        return self._beginning() + self._delta({"reasoning_content": text})

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """All of the answer that has not been written yet, up to and with ``[DONE]``."""
        told = [self._beginning()]
        if thought := self._thinking.rest(answer.thinking):
            told.append(self._delta({"reasoning_content": thought}))
        if text := self._text.rest(answer.text):
            told.append(self._delta({"content": text}))
        if answer.refusal:
            told.append(self._delta({"refusal": answer.refusal}))
        called = calls_field(answer, self._reply, self._request)
        if calls := called.get("tool_calls"):
            told.append(
                self._delta({"tool_calls": [{"index": i} | c for i, c in enumerate(calls)]})
            )
        elif called:
            told.append(self._delta(called))
        told.append(self._further(answer))
        reasons = [reason_of(answer, called), *[REASONS[answer.finish]] * len(answer.more)]
        told += [self._frames.choice({"delta": {}}, why, i) for i, why in enumerate(reasons)]
        if self._request.stream_usage:
            told.append(self._frames.counts(usage))
        return b"".join((*told, DONE))

    def _further(self, answer: Answer) -> bytes:
        """All choices begin before one ends: readers know from it how many there are."""
        told = ({"role": "assistant", "content": text} for text in answer.more)
        return b"".join(self._frames.choice({"delta": d}, None, i) for i, d in enumerate(told, 1))

    def _beginning(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._delta({"role": "assistant", "content": ""})

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return self._frames.choice({"delta": delta}, reason)
