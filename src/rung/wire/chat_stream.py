"""OpenAI Chat Completions, streams: a reader of providers' events, a writer of events for callers.

An event's payload is what follows ``data:``; framing it is `rung.wire.sse`'s part. What clients
enforce: one id, tool calls told apart by index, a finish reason, the usage chunk with empty
``choices`` only where it was asked for, then ``[DONE]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from rung.core.types import Answer, Usage
from rung.wire.chat_answer import (
    ENCODER,
    UpstreamFaultError,
    content_text,
    finish_of,
    logprobs_of,
    reason_of,
    usage_object,
    usage_of,
)
from rung.wire.chat_request import DIALECT
from rung.wire.errors import WireError

DONE = b"[DONE]"

MOST_TOOL_CALLS = 1024
MOST_CHOICES = 128


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class _StreamChoice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None
    logprobs: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_StreamChoice] | None = None
    usage: Any = None
    error: Any = None
    model: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)


@dataclass(frozen=True, slots=True)
class Grown:
    """What one event brought.

    ``text`` is new plain text of the first choice. ``real`` says that it holds something of an
    answer, and is not only a role or a count. ``bookkeeping`` says that it is nothing but usage.
    """

    text: str = ""
    real: bool = False
    bookkeeping: bool = False


class ChatStream:
    """Accumulates one stream's events into an answer. Fed the payloads in order, once each."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._more: dict[int, list[str]] = {}
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._logprobs: list[float] = []
        self._finish: Any = None
        self._open: set[int] = set()
        self._closed: set[int] = set()
        self._usage: Any = None
        self._model = ""
        self.done = False

    @property
    def complete(self) -> bool:
        """Whether every choice that began gave a finish reason.

        ``[DONE]`` alone proves nothing: proxies add it to streams that were cut.
        """
        return bool(self._closed) and not self._open

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        return "".join(self._text)

    def feed(self, data: bytes) -> Grown:
        """Take one payload. Raises WireError for no chunk, UpstreamFaultError for an error."""
        if data == DONE:
            self.done = True
            return Grown(bookkeeping=True)
        try:
            chunk = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"an event of the stream is not a chunk: {error}") from None
        if chunk.error is not None:
            raise UpstreamFaultError(chunk.error)
        if isinstance(chunk.usage, dict):
            self._usage = chunk.usage
        if not self._model and isinstance(chunk.model, str):
            self._model = chunk.model
        if not chunk.choices:
            return Grown(bookkeeping=True)
        grown = [self._choice(choice) for choice in chunk.choices]
        return Grown("".join(one.text for one in grown), any(one.real for one in grown))

    def _choice(self, choice: _StreamChoice) -> Grown:
        if not 0 <= choice.index < MOST_CHOICES:
            raise WireError("an event of the stream has an impossible choice index")
        # Some servers send an empty reason until there is one.
        ended = bool(choice.finish_reason)
        if ended:
            self._open.discard(choice.index)
            self._closed.add(choice.index)
        elif choice.index not in self._closed:
            self._open.add(choice.index)
        delta = choice.delta or _Delta()
        text = content_text(delta.content)
        thought = delta.reasoning_content or delta.reasoning
        called = delta.tool_calls or delta.function_call
        real = ended or bool(text or delta.refusal or thought or called)
        if choice.index != 0:
            self._more.setdefault(choice.index, []).append(text)
            return Grown(real=real)
        if text:
            self._text.append(text)
        self._keep(choice, delta)
        return Grown(text, real)

    def _keep(self, choice: _StreamChoice, delta: _Delta) -> None:
        if choice.finish_reason:
            self._finish = choice.finish_reason
        if delta.refusal:
            self._refusal.append(delta.refusal)
        for call in delta.tool_calls or ():
            self._call(call)
        if isinstance(delta.function_call, dict):
            self._call({"index": 0, "function": delta.function_call})
        if choice.logprobs is not None:
            self._logprobs += logprobs_of(choice.logprobs)

    def _call(self, told: Any) -> None:
        if not isinstance(told, dict):
            raise WireError("an event of the stream has a tool call that is no object")
        # Gemini's compatible endpoint sends whole calls without an index.
        index = told.get("index", len(self._calls))
        if not isinstance(index, int) or not 0 <= index < MOST_TOOL_CALLS:
            raise WireError("an event of the stream has an impossible tool call index")
        call = self._calls.setdefault(index, {"type": "function", "function": _Arguments()})
        for key, value in told.items():
            if key == "function" and isinstance(value, dict):
                call["function"].add(value)
            elif key not in {"index", "function"} and value is not None:
                call[key] = value

    def answer(self) -> Answer:
        """The answer so far. It has no body: no single answer came over the wire."""
        refusal = "".join(self._refusal) or None
        return Answer(
            text=self.text,
            finish=finish_of(self._finish, refusal),
            model=self._model,
            refusal=refusal,
            tool_calls=tuple(
                call | {"function": call["function"].told()}
                for _, call in sorted(self._calls.items())
            ),
            logprobs=tuple(self._logprobs),
            more=tuple("".join(pieces) for _, pieces in sorted(self._more.items())),
            dialect=DIALECT,
        )

    def usage(self) -> Usage:
        """The last counters that came: providers that send several send running totals."""
        return usage_of(self._usage, wrote=bool(self._text or self._calls or self._refusal))


class _Arguments:
    """A function call that arrives in pieces: the arguments add up, the rest is told once."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._pieces: list[str] = []

    def add(self, told: dict[str, Any]) -> None:
        for key, value in told.items():
            if key == "arguments":
                if isinstance(value, str):
                    self._pieces.append(value)
            elif value is not None:
                self._fields[key] = value

    def told(self) -> dict[str, Any]:
        return self._fields | {"arguments": "".join(self._pieces)}


# ------------------------------------------------------------------ for callers


@dataclass(frozen=True, slots=True)
class ChunkWriter:
    """Writes the payloads of one stream for an answer that has none in this dialect.

    ``created`` is seconds since 1970, UTC. ``usage`` says that the caller asked for its chunk.
    """

    id: str
    created: int
    model: str
    usage: bool = False

    def role(self) -> bytes:
        """The first chunk: who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """More text."""
        return self._chunk({"content": text})

    def refusal(self, text: str) -> bytes:
        """Words of refusal."""
        return self._chunk({"refusal": text})

    def tool_calls(self, calls: tuple[Any, ...]) -> bytes:
        """All tool calls at once, each whole, told apart by index."""
        told = [
            {"index": index} | call for index, call in enumerate(calls) if isinstance(call, dict)
        ]
        return self._chunk({"tool_calls": told})

    def finish(self, answer: Answer) -> bytes:
        """Why it ended."""
        return self._chunk({}, reason_of(answer))

    def counts(self, usage: Usage) -> bytes | None:
        """The usage chunk; ``None`` when the caller did not ask for it."""
        if not self.usage:
            return None
        return ENCODER.encode(self._head() | {"choices": [], "usage": usage_object(usage)})

    def whole(self, answer: Answer, usage: Usage) -> tuple[bytes, ...]:
        """A finished answer as a stream, up to and with ``[DONE]``."""
        payloads = [self.role()]
        if answer.text:
            payloads.append(self.text(answer.text))
        if answer.refusal:
            payloads.append(self.refusal(answer.refusal))
        if answer.tool_calls:
            payloads.append(self.tool_calls(answer.tool_calls))
        payloads.append(self.finish(answer))
        counts = self.counts(usage)
        return (*payloads, *(() if counts is None else (counts,)), DONE)

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return ENCODER.encode(self._head() | {"choices": [choice]})

    def _head(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
        }
