"""OpenAI Responses, streams as providers send them.

The event that ends a stream holds the whole response: the answer is read from it, and from what
came before where a server leaves it empty. Unknown events are passed on. The dialect:
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import Answer, Usage, UsageSource
from rung.wire import sse
from rung.wire.back import Read, UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.jsontext import EACH, Path, utf8
from rung.wire.logprobs import natural_logs
from rung.wire.responses.answer import (
    CALLS,
    LOGPROBS_AT,
    MOST_ITEMS,
    SEARCHES,
    Output,
    Searched,
    Told,
    answer_of,
    call_of,
    logprob_entries,
    read_output,
    read_response,
    usage_of,
    without_logprobs,
)
from rung.wire.responses.tools import DIALECT
from rung.wire.sse import SseEvent


class _Event(msgspec.Struct):
    type: Any = None
    delta: Any = None
    output_index: Any = 0
    item: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None
    logprobs: Any = None
    response: msgspec.Raw = msgspec.Raw(b"null")


class _Begun(msgspec.Struct):
    model: Any = None


class _Fault(msgspec.Struct):
    error: Any = None
    usage: Any = None


@dataclass(frozen=True, slots=True)
class _Grown:
    """What one event adds to an answer. ``real``: it holds something of one."""

    text: str = ""
    thinking: str = ""
    calls: tuple[CallGrowth, ...] = ()
    real: bool = False
    usage: Usage | None = None


_DECODER = msgspec.json.Decoder(_Event)
_BEGUN = msgspec.json.Decoder(_Begun)
_FAULT = msgspec.json.Decoder(_Fault | None)
_BETWEEN = "\n\n"
_UNTIMELY = b"[DONE]"
"""Other dialects' end; some compatible servers send it here too."""


class ResponseReader:
    """Accumulates one stream's events into an answer. Fed in order, once each."""

    def __init__(self, *, hides_logprobs: bool = False) -> None:
        self._hides_logprobs = hides_logprobs
        self._tokens: list[Any] = []
        self._said: dict[int, list[str]] = {}
        self._refused: list[str] = []
        self._thought: list[str] = []
        self._calls: dict[int, ToolCall] = {}
        self._arguments: dict[int, list[str]] = {}
        self._model = ""
        self._searched = Searched()
        self._failed: Any = None
        self._told: Told | None = None
        self._output: Output | None = None
        self._ending = b""
        self._done = False

    @property
    def complete(self) -> bool:
        """Whether the event that ends a whole stream has come."""
        return self._told is not None

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._done

    def feed(self, event: SseEvent) -> Read:
        """Take one event. Raises WireError for none, UpstreamFaultError for an error."""
        if self._done:
            return Read()
        if event.data == _UNTIMELY:
            self._done = True
            return Read()
        try:
            told = _DECODER.decode(utf8(event.data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"an event of the stream is not an event: {error}") from None
        kind = told.type if isinstance(told.type, str) else event.event
        if not kind and told.error is None:
            raise WireError("an event of the stream has no type")
        data = event.data
        if self._hides_logprobs and kind in _LOGPROBS_AT:
            data = without_logprobs(data, _LOGPROBS_AT[kind])
        framed = sse.encode(data, event.event or None)
        if kind in _ENDS:
            self._end(told, _ENDS[kind], framed)
            return Read()
        if kind in _FAULTS or (told.error is not None and kind not in _READERS):
            inside = _read(_FAULT, told.response)
            self._failed = None if inside is None else inside.usage
            raise UpstreamFaultError(_fault(told))
        reader = _READERS.get(kind)
        grown = _Grown() if reader is None else reader(self, told)
        delta = Delta(
            text=grown.text,
            thinking=grown.thinking,
            calls=grown.calls,
            raw=framed,
            dialect=DIALECT,
            usage=grown.usage,
        )
        return Read(delta, grown.real)

    def answer(self) -> Answer:
        """The answer so far; how it ended is unknown until it has."""
        told = self._told or Told(status="incomplete")
        answer = answer_of(told, self._output or self._came())
        return replace(
            answer,
            model=answer.model or self._model,
            logprobs=answer.logprobs or natural_logs(self._tokens),
            ending=self._ending,
        )

    def usage(self) -> Usage:
        """The counters, which come with the event that ends a stream, whatever the end."""
        wrote = bool(self._said or self._refused or self._calls)
        output = self._output or self._came()
        searched = Searched(*map(max, output.searched, self._searched))
        if self._told is not None:
            return usage_of(self._told.usage, wrote=wrote, searched=searched)
        return usage_of(self._failed, wrote=wrote, searched=searched)

    def _came(self) -> Output:
        return Output(
            text=[piece for _, pieces in sorted(self._said.items()) for piece in pieces],
            refusal=self._refused,
            thinking=["".join(self._thought)] if self._thought else [],
            calls=[
                replace(call, arguments="".join(self._arguments[index]))
                for index, call in sorted(self._calls.items())
            ],
        )

    def _end(self, told: _Event, status: str, framed: bytes) -> None:
        whole = read_response(bytes(told.response), status)
        self._output = read_output(whole.output) if whole.output else None
        self._told = whole
        self._ending = framed
        self._done = True

    # -------------------------------------------------------------- what events bring

    def begin(self, told: _Event) -> _Grown:
        """The response has begun."""
        model = _read(_BEGUN, told.response).model
        self._model = model if isinstance(model, str) else ""
        return _Grown()

    def text(self, told: _Event) -> _Grown:
        """More text."""
        words = _word(told.delta)
        self._tokens += logprob_entries(told.logprobs, words)
        return self._more_text(_place(told), words)

    def refusal(self, told: _Event) -> _Grown:
        """More words of refusal."""
        words = _word(told.delta)
        self._refused.append(words)
        return _Grown(real=bool(words))

    def thinking(self, told: _Event) -> _Grown:
        """More of what the model thinks aside, or of the summary of it."""
        words = _word(told.delta)
        self._thought.append(words)
        return _Grown(thinking=words, real=bool(words))

    def next_thought(self, told: _Event) -> _Grown:  # noqa: ARG002 the shape of all readers
        """A further part of the summary."""
        if not self._thought:
            return _Grown()
        self._thought.append(_BETWEEN)
        return _Grown(thinking=_BETWEEN)

    def item_begun(self, told: _Event) -> _Grown:
        """An item: that a tool is called is known before what for."""
        item, index = told.item, _place(told)
        if not _is_call(item):
            return _Grown()
        call = call_of(item)
        self._calls[index] = call
        self._arguments[index] = [call.arguments]
        return _Grown(calls=(CallGrowth(index, call.name, call.arguments),), real=True)

    def arguments(self, told: _Event) -> _Grown:
        """More of what a tool is called with."""
        index, piece = _place(told), _word(told.delta)
        self._calls.setdefault(index, ToolCall("", "", ""))
        self._arguments.setdefault(index, []).append(piece)
        return _Grown(calls=(CallGrowth(index, arguments=piece),), real=True)

    def item_whole(self, told: _Event) -> _Grown:
        """An item is whole: what of it came in no event before is told now."""
        item, index = told.item, _place(told)
        if _is_call(item):
            return self._call_whole(index, call_of(item))
        if not isinstance(item, dict) or item.get("type") != "message":
            return _Grown(real=True, usage=self._searches(item))
        whole = "".join(read_output([item]).text)
        return self._more_text(index, _rest(self._said.get(index, []), whole))

    def _searches(self, item: Any) -> Usage | None:
        """How often the provider has searched with this item; the end may never come to tell it."""
        if not isinstance(item, dict) or item.get("type") not in SEARCHES:
            return None
        more = read_output([item]).searched
        web, files = self._searched = Searched(*map(sum, zip(self._searched, more, strict=True)))
        estimated = UsageSource.ESTIMATED
        return Usage(source=estimated, server_tools=web + files, file_searches=files)

    def _call_whole(self, index: int, call: ToolCall) -> _Grown:
        before = self._calls.get(index)
        rest = _rest(self._arguments.get(index, []), call.arguments)
        self._calls[index] = call
        self._arguments[index] = [call.arguments]
        name = "" if before is not None and before.name else call.name
        growth = (CallGrowth(index, name, rest),) if name or rest else ()
        return _Grown(calls=growth, real=True)

    def _more_text(self, index: int, text: str) -> _Grown:
        if text:
            self._said.setdefault(index, []).append(text)
        return _Grown(text=text, real=bool(text))


def _read(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError(f"an event of the stream has no response: {error}") from None


def _place(told: _Event) -> int:
    index = told.output_index
    if not isinstance(index, int) or not 0 <= index < MOST_ITEMS:
        raise WireError("an event of the stream has an impossible output index")
    return index


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_call(item: Any) -> bool:
    kind = item.get("type") if isinstance(item, dict) else None
    return isinstance(kind, str) and kind in CALLS


def _rest(pieces: list[str], whole: str) -> str:
    """What of ``whole`` has not come yet; nothing where it is another text altogether."""
    came = "".join(pieces)
    return whole[len(came) :] if whole.startswith(came) else ""


def _fault(told: _Event) -> Any:
    """The provider's own error object."""
    if told.error is not None:
        return told.error
    inside = _read(_FAULT, told.response)
    if inside is not None and inside.error is not None:
        return inside.error
    message = told.message or "the provider's stream says that it failed"
    return {"code": told.code, "message": message, "param": told.param}


_ENDS: Mapping[str, str] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
}
_LOGPROBS_AT: Mapping[str, Path] = {
    "response.output_text.delta": ("logprobs",),
    "response.output_text.done": ("logprobs",),
    "response.content_part.added": ("part", "logprobs"),
    "response.content_part.done": ("part", "logprobs"),
    "response.output_item.added": ("item", "content", EACH, "logprobs"),
    "response.output_item.done": ("item", "content", EACH, "logprobs"),
    **dict.fromkeys(_ENDS, ("response", *LOGPROBS_AT)),
}
"""Where events have log-probabilities."""

_FAULTS = frozenset({"response.failed", "response.cancelled", "error"})
_READERS: Mapping[str, Callable[[ResponseReader, _Event], _Grown]] = {
    "response.created": ResponseReader.begin,
    "response.output_item.added": ResponseReader.item_begun,
    "response.output_item.done": ResponseReader.item_whole,
    "response.output_text.delta": ResponseReader.text,
    "response.refusal.delta": ResponseReader.refusal,
    "response.reasoning_summary_part.added": ResponseReader.next_thought,
    "response.reasoning_summary_text.delta": ResponseReader.thinking,
    "response.reasoning_text.delta": ResponseReader.thinking,
    "response.function_call_arguments.delta": ResponseReader.arguments,
    "response.custom_tool_call_input.delta": ResponseReader.arguments,
}
"""What of the dialect grows an answer; all other events are passed on as they came."""
