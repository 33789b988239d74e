"""OpenAI Chat Completions, streams as providers give them: events to a growing answer."""

from __future__ import annotations

from typing import Any

import msgspec

from rung.core.growth import CallGrowth, Delta
from rung.core.types import Answer, Need, Request, Usage, UsageSource
from rung.wire import sse
from rung.wire.back import Read, UpstreamFaultError
from rung.wire.chat import json as chat_json
from rung.wire.chat.answer import (
    MOST_CHOICES,
    content_text,
    fault_of,
    finish_of,
    finite,
    logprob_entries,
    thinking_of,
    usage_of,
    without_logprobs,
)
from rung.wire.chat.calls import call_of, is_loose
from rung.wire.chat.growing import GrowingCalls
from rung.wire.chat.reply import DONE
from rung.wire.chat.turns import DIALECT
from rung.wire.errors import WireError
from rung.wire.jsontext import utf8
from rung.wire.logprobs import natural_logs
from rung.wire.sse import SseEvent

_END = b"[DONE]"
_NOTHING = Read()


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
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
    object: Any = None
    message: Any = None
    type: Any = None
    code: Any = None


_DECODER = msgspec.json.Decoder(_Chunk)
_EMPTY = _Delta()


class ChatReader:
    """Accumulates one stream's events into an answer. Fed in order, once each.

    Callers of this dialect get the events as they came, but for the usage chunk and the
    log-probabilities that rung alone asked for.
    """

    def __init__(self, request: Request, *, hides_logprobs: bool = False) -> None:
        self._frames = request.dialect == DIALECT
        self._hides_logprobs = hides_logprobs
        self._hides_usage = not request.stream_usage
        self._several = Need.MANY_CHOICES in request.needs
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._more: dict[int, list[str]] = {}
        self._refusal: list[str] = []
        self._calls = GrowingCalls()
        self._tokens: list[Any] = []
        self._finish: Any = None
        self._open: set[int] = set()
        self._closed: set[int] = set()
        self._usage = Usage()
        self._model = ""
        self._done = False

    @property
    def complete(self) -> bool:
        """Whether every choice that began gave a finish reason.

        ``[DONE]`` alone proves nothing: proxies add it to streams that were cut. Of several
        choices some may not have begun before it.
        """
        return bool(self._closed) and not self._open and (self._done or not self._several)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._done

    def feed(self, event: SseEvent) -> Read:
        """Take one event. Raises WireError for no chunk, UpstreamFaultError for an error."""
        if event.data.strip() == _END:
            self._done = True
            return _NOTHING
        chunk, event = _decode(event)
        counted = isinstance(chunk.usage, dict)
        if not self._model and isinstance(chunk.model, str):
            self._model = chunk.model
        if counted:
            self._count(chunk.usage)
        if self._done or (not chunk.choices and counted and self._hides_usage):
            return _NOTHING
        return self._read(event, chunk, self.usage() if counted else None)

    def _count(self, told: Any) -> None:
        """Keep the last counters that make sense: providers that send several send totals."""
        usage = usage_of(told, wrote=False, model=self._model)
        if usage.source is not UsageSource.NONE:
            self._usage = usage

    def _read(self, event: SseEvent, chunk: _Chunk, usage: Usage | None) -> Read:
        text, thinking, real = "", "", False
        calls: tuple[CallGrowth, ...] = ()
        for choice in chunk.choices or ():
            delta = choice.delta or _EMPTY
            said, thought = content_text(delta.content), thinking_of(delta)
            real = self._track(choice) or real or bool(said or thought or _acts(delta))
            if choice.index != 0:
                self._more.setdefault(choice.index, []).append(said)
                continue
            text += said
            thinking += thought
            calls += self._keep(choice, delta)
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        raw = self._raw(event, chunk) if self._frames else b""
        if not (raw or text or thinking or calls or usage):
            return Read(None, real)
        return Read(Delta(text, thinking, calls, raw, DIALECT, usage), real)

    def _raw(self, event: SseEvent, chunk: _Chunk) -> bytes:
        """The event as it came, but for arguments that came as an object: clients parse a text."""
        calls = [
            call for one in chunk.choices or () if one.delta for call in one.delta.tool_calls or ()
        ]
        if self._hides_logprobs:
            event = SseEvent(event.event, without_logprobs(event.data))
        if not any(map(is_loose, calls)):
            return _framed(event)
        try:
            told = msgspec.json.decode(event.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise WireError(f"an event of the stream cannot be read: {error}") from None
        for choice in told["choices"]:
            for call in (choice.get("delta") or {}).get("tool_calls") or ():
                if is_loose(call):
                    call["function"]["arguments"] = call_of(call).arguments
        return _framed(SseEvent(event.event, chat_json.encode(told)))

    def _track(self, choice: _StreamChoice) -> bool:
        """Whether ``choice`` ends with this piece."""
        if not 0 <= choice.index < MOST_CHOICES:
            raise WireError("an event of the stream has an impossible choice index")
        # Some servers send an empty reason until there is one.
        if choice.finish_reason:
            self._open.discard(choice.index)
            self._closed.add(choice.index)
            return True
        if choice.index not in self._closed:
            self._open.add(choice.index)
        return False

    def _keep(self, choice: _StreamChoice, delta: _Delta) -> tuple[CallGrowth, ...]:
        if choice.finish_reason:
            self._finish = choice.finish_reason
        if delta.refusal:
            self._refusal.append(delta.refusal)
        self._note_tokens(choice, delta)
        told = delta.tool_calls or ()
        if not told and isinstance(delta.function_call, dict):
            told = [{"index": 0, "function": delta.function_call}]
        return tuple(self._calls.add(one) for one in told)

    def _note_tokens(self, choice: _StreamChoice, delta: _Delta) -> None:
        """Keep what is told of the tokens of the answer, which the thinking is no part of."""
        said = bool(content_text(delta.content))
        if choice.logprobs is not None:
            if said or not thinking_of(delta):
                self._tokens += logprob_entries(choice.logprobs) or [None] * said
        elif said:
            # Words without any: then there are none of the answer.
            self._tokens.append(None)

    def answer(self) -> Answer:
        """The answer so far. It has no body: no single answer came over the wire."""
        refusal = "".join(self._refusal) or None
        calls = self._calls.told()
        return Answer(
            text="".join(self._text),
            finish=finish_of(self._finish, refusal, called=bool(calls)),
            model=self._model,
            refusal=refusal,
            tool_calls=calls,
            thinking="".join(self._thinking),
            logprobs=natural_logs(self._tokens),
            more=tuple("".join(pieces) for _, pieces in sorted(self._more.items())),
            dialect=DIALECT,
            ending=DONE if self.complete else b"",
        )

    def usage(self) -> Usage:
        """The last counters that came; none where they say that nothing was written."""
        wrote = self._text or self._thinking or self._calls or self._refusal
        return Usage() if wrote and self._usage.output_tokens == 0 else self._usage


def _framed(event: SseEvent) -> bytes:
    if event.event or b"\n" in event.data:
        return sse.encode(event.data, event.event or None)
    return b"data: %b\n\n" % event.data


def _acts(delta: _Delta) -> bool:
    return bool(delta.refusal or delta.tool_calls or delta.function_call)


def _decode(event: SseEvent) -> tuple[_Chunk, SseEvent]:
    """A chunk, and its event: the same, or one in which what is no number (``NaN``) is null."""
    try:
        chunk = _DECODER.decode(utf8(event.data))
    except msgspec.ValidationError as error:
        raise _no_chunk(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        try:
            event = SseEvent(event.event, finite(event.data))
            chunk = _DECODER.decode(event.data)
        except (ValueError, OverflowError, RecursionError):
            raise _no_chunk(error) from None
    if event.event == "error":
        chunk.object = "error"
    if (fault := fault_of(chunk)) is not None:
        raise UpstreamFaultError(fault)
    return chunk, event


def _no_chunk(error: Exception) -> WireError:
    return WireError(f"an event of the stream is not a chunk: {error}")
