"""Anthropic Messages, streams as providers give them: events to an answer that grows.

An answer is whole once ``message_delta`` has said why it ended. The dialect:
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import Answer, Usage, UsageSource
from rung.wire import sse
from rung.wire.back import Read, UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.jsontext import utf8
from rung.wire.messages.answer import (
    MOST_TOOL_CALLS,
    Block,
    call_of,
    finish_of,
    refusal_of,
    words,
)
from rung.wire.messages.arguments import unwrapped
from rung.wire.messages.parts import DIALECT
from rung.wire.messages.usage import merged, usage_of
from rung.wire.sse import SseEvent

MOST_BLOCKS = 8192

_STOP = "message_stop"
_ENDING = sse.encode(b'{"type":"message_stop"}', _STOP)
_DONE = b"[DONE]"
"""Ends streams of another dialect; some compatible servers send it all the same."""


class _Delta(msgspec.Struct):
    type: Any = None
    text: Any = None
    partial_json: Any = None
    thinking: Any = None
    stop_reason: Any = None
    stop_details: Any = None


class _Message(msgspec.Struct):
    model: Any = None
    usage: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    index: int = -1
    message: _Message | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Event)


@dataclass(slots=True)
class _Open:
    """One block as far as it has come. ``call`` counts the calls; ``None`` for other blocks."""

    kind: str
    begun: Block
    call: int | None = None
    pieces: list[str] = field(default_factory=list)
    closed: bool = False


@dataclass(frozen=True, slots=True)
class _Grown:
    """What one event adds. ``real`` says that it is something of an answer."""

    text: str = ""
    thinking: str = ""
    call: CallGrowth | None = None
    real: bool = False
    counted: bool = False


_NOTHING = _Grown()


class MessageReader:
    """Accumulates one stream's events into an answer. Fed in order, once each."""

    def __init__(self) -> None:
        self._begun = False
        self._blocks: dict[int, _Open] = {}
        self._calls: list[_Open] = []
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._reason = ""
        self._details: Any = None
        self._usage: dict[str, Any] = {}
        self._counted = False
        self._searches = 0
        self._model = ""
        self._ending = b""
        self._takers: Mapping[str, Callable[[_Event], _Grown]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
        }

    @property
    def complete(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return bool(self._reason)

    @property
    def done(self) -> bool:
        """Whether the message has stopped."""
        return bool(self._ending)

    def feed(self, event: SseEvent) -> Read:
        """Take one event. Raises WireError for none, UpstreamFaultError for an error."""
        if self.done or event.data == _DONE:
            return Read()
        told = _decode(event)
        kind = words(told.type) or event.event
        if kind == "error" or (told.error is not None and kind not in self._takers):
            raise UpstreamFaultError(told.error)
        if kind == "ping":
            return Read()
        if not self._begun and kind != "message_start":
            raise WireError("the stream does not begin with a message")
        raw = sse.encode(event.data, _name(event, kind))
        if kind == _STOP:
            self._ending = raw
            return Read()
        taker = self._takers.get(kind)
        grown = _NOTHING if taker is None else taker(told)
        return Read(self._delta(grown, raw), real=grown.real)

    def answer(self) -> Answer:
        """The answer so far. It has no body: no single answer came over the wire."""
        return Answer(
            text="".join(self._text),
            finish=finish_of(self._reason, called=bool(self._calls)),
            model=self._model,
            refusal=refusal_of(self._reason, self._details),
            tool_calls=tuple(map(_whole_call, self._calls)),
            thinking="".join(self._thinking),
            dialect=DIALECT,
            ending=self._ending or (_ENDING if self.complete else b""),
        )

    def usage(self) -> Usage:
        """The last counters that came. Those of the message's start know no output yet."""
        if not self._counted:
            return Usage()
        return self._so_far(wrote=bool(self._blocks))

    # -------------------------------------------------------------- events

    def _message_start(self, told: _Event) -> _Grown:
        if self._begun:
            raise WireError("the stream begins a second message")
        self._begun = True
        message = told.message or _Message()
        self._model = words(message.model)
        if isinstance(message.usage, dict):
            self._usage = message.usage
        return _Grown(counted=True)

    def _block_start(self, told: _Event) -> _Grown:
        if told.index in self._blocks or not 0 <= told.index < MOST_BLOCKS:
            raise WireError("an event of the stream has an impossible block index")
        begun = told.content_block or Block()
        block = _Open(words(begun.type), begun)
        self._blocks[told.index] = block
        match block.kind:
            case "text":
                return self._said(words(begun.text))
            case "thinking":
                return self._thought(words(begun.thinking))
            case "tool_use":
                if len(self._calls) == MOST_TOOL_CALLS:
                    raise WireError(f"the stream has more than {MOST_TOOL_CALLS} tool calls")
                block.call = len(self._calls)
                self._calls.append(block)
                return _Grown(call=CallGrowth(block.call, words(begun.name)), real=True)
            case "server_tool_use" if words(begun.name) == "web_search":
                self._searches += 1
                return _Grown(real=True, counted=True)
            case _:
                # The results of a search: a caller sees them begin, and they are whole at once.
                return _Grown(real=True)

    def _block_delta(self, told: _Event) -> _Grown:
        block = self._block(told.index)
        delta = told.delta or _Delta()
        match (block.kind, delta.type):
            case ("text", "text_delta"):
                return self._said(words(delta.text))
            case ("thinking", "thinking_delta"):
                return self._thought(words(delta.thinking))
            case ("tool_use", "input_json_delta"):
                return _called(block, words(delta.partial_json))
            case _:
                return _NOTHING

    def _block_stop(self, told: _Event) -> _Grown:
        block = self._block(told.index)
        block.closed = True
        if block.call is None or any(block.pieces):
            return _NOTHING
        # A call without arguments; or the server sent all of them with the block's start.
        return _called(block, call_of(block.begun).arguments or "{}")

    def _message_delta(self, told: _Event) -> _Grown:
        delta = told.delta or _Delta()
        reason = words(delta.stop_reason)
        self._reason = reason or self._reason
        self._details = delta.stop_details or self._details
        if isinstance(told.usage, dict):
            self._usage = merged(self._usage, told.usage)
            self._counted = True
        return _Grown(real=bool(reason), counted=True)

    def _block(self, index: int) -> _Open:
        block = self._blocks.get(index)
        if block is None or block.closed:
            raise WireError("an event of the stream belongs to no block")
        return block

    def _said(self, text: str) -> _Grown:
        self._text.append(text)
        return _Grown(text=text, real=bool(text))

    def _thought(self, text: str) -> _Grown:
        self._thinking.append(text)
        return _Grown(thinking=text, real=bool(text))

    def _so_far(self, *, wrote: bool = False) -> Usage:
        """What was told; of searches as many at least as were seen to begin."""
        usage = usage_of(self._usage, wrote=wrote)
        if usage.server_tools >= self._searches or usage.source is UsageSource.NONE:
            return usage
        return replace(usage, server_tools=self._searches)

    def _delta(self, grown: _Grown, raw: bytes) -> Delta:
        usage = self._so_far() if grown.counted else None
        return Delta(
            text=grown.text,
            thinking=grown.thinking,
            calls=() if grown.call is None else (grown.call,),
            raw=raw,
            dialect=DIALECT,
            usage=None if usage is None or usage.source is UsageSource.NONE else usage,
        )


def _decode(event: SseEvent) -> _Event:
    try:
        return _DECODER.decode(utf8(event.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"an event of the stream cannot be read: {error}") from None


def _name(event: SseEvent, kind: str) -> str | None:
    """The event's name. Clients skip those without one, and some servers leave it out."""
    name = event.event or kind
    return name if name.isprintable() and name else None


def _called(block: _Open, piece: str) -> _Grown:
    assert block.call is not None
    block.pieces.append(piece)
    return _Grown(call=CallGrowth(block.call, arguments=piece), real=bool(piece))


def _whole_call(block: _Open) -> ToolCall:
    """One call as far as it has come."""
    told = "".join(block.pieces)
    return ToolCall(words(block.begun.id), words(block.begun.name), unwrapped(told) or told)
