"""Ollama's native dialect, answers: objects of JSON, one a line in a stream.

Hostile until read: readers return or raise OllamaWireError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Usage, UsageSource
from rung.wire.errors import WireError
from rung.wire.logprobs import natural_logs
from rung.wire.ollama.request import DIALECT
from rung.wire.ollama.thinking import Thoughts

MAX_LINE_BYTES = 4 * 1024 * 1024
"""Longest line of a stream that is read."""

MOST_CALLS = 256
"""The most tool calls of one answer."""

_T = TypeVar("_T")

_NANOSECONDS = 1_000_000_000
_FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


class OllamaWireError(WireError):
    """What came from the server is not Ollama's dialect."""


Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count or a size that JSON carries exactly."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Chat(msgspec.Struct):
    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    error: str | None = None
    model: str | None = None
    logprobs: Any = None
    load_duration: Count | None = None
    prompt_eval_count: Count | None = None
    prompt_eval_cached_count: Count | None = None
    eval_count: Count | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One object of an answer: a line of a stream, or all of a plain one.

    ``text``, ``thinking`` and ``calls`` are what was added; the rest has a meaning when ``done``.
    Calls come whole. ``tokens`` are objects with a token's ``logprob``, where any were asked for.
    ``loaded`` says that the server only loaded the model. ``error`` is the
    server's own complaint.
    """

    text: str = ""
    thinking: str = ""
    calls: tuple[ToolCall, ...] = ()
    tokens: tuple[Any, ...] = ()
    done: bool = False
    loaded: bool = False
    finish: Finish = Finish.UNKNOWN
    usage: Usage = field(default_factory=Usage)
    load_seconds: float = 0.0
    error: str | None = None
    model: str = ""


def decode_part(raw: bytes) -> Part:
    """Read one JSON object of an answer. Raises OllamaWireError for anything that is not one."""
    chat = decode_as(raw, _Chat)
    said = chat.message or _Said()
    return Part(
        text=said.content or "",
        thinking=said.thinking or "",
        calls=tuple(map(_call, said.tool_calls)) if said.tool_calls else (),
        tokens=tuple(chat.logprobs) if isinstance(chat.logprobs, list) else (),
        done=chat.done,
        loaded=chat.done_reason == "load",
        finish=_FINISHES.get(chat.done_reason or "", Finish.UNKNOWN),
        usage=_usage(chat),
        load_seconds=(chat.load_duration or 0) / _NANOSECONDS,
        error=chat.error,
        model=chat.model or "",
    )


def _call(call: _Call) -> ToolCall:
    return ToolCall(call.id or "", call.function.name or "", _arguments(call.function.arguments))


def _arguments(raw: msgspec.Raw) -> str:
    """The arguments' JSON text. Ollama sends an object; what stands in for it may send the text."""
    try:
        text = bytes(raw).decode()
    except UnicodeDecodeError:
        raise OllamaWireError("a tool call's arguments are not UTF-8") from None
    if text in {"", "null"}:
        return "{}"
    return decode_as(bytes(raw), str) if text.startswith('"') else text


def _usage(chat: _Chat) -> Usage:
    # Some versions leave the prompt's count out when all of it was cached: that is no count at all.
    if chat.eval_count is None and chat.prompt_eval_count is None:
        return Usage()
    read = chat.prompt_eval_count or 0
    return Usage(
        input_tokens=read,
        output_tokens=chat.eval_count or 0,
        cache_read_tokens=min(chat.prompt_eval_cached_count or 0, read),
        source=UsageSource.PROVIDER,
    )


class ChatReader:
    """Puts the parts of one answer together. Versions before 0.12.10 give tool calls no id."""

    def __init__(self) -> None:
        self._thoughts = Thoughts()
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._tokens: list[Any] = []

    @property
    def written(self) -> str:
        """All that the model wrote so far: thoughts, text, and the arguments of calls."""
        calls = [call.name + call.arguments for call in self._calls]
        return "".join((*self._thinking, *self._text, *calls))

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._text or self._thinking or self._calls)

    def feed(self, part: Part) -> Delta | None:
        """Take the next part; what grew by it. Raises OllamaWireError for too many calls."""
        text, thinking = self._thoughts.feed(part.text) if part.text else ("", "")
        thinking = part.thinking + thinking
        if part.done:
            last_text, last_thinking = self._thoughts.rest()
            text, thinking = text + last_text, thinking + last_thinking
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        if part.text or not part.thinking:
            # Words without any: then there are none of the answer.
            self._tokens += part.tokens or [None] * bool(part.text)
        calls = tuple(map(self._grown, part.calls)) if part.calls else ()
        return Delta(text, thinking, calls) if text or thinking or calls else None

    def answer(self, last: Part, model: str) -> Answer:
        """The answer that ``last`` ended. ``model`` is the name where the server told none."""
        whole = last.finish in {Finish.STOP, Finish.UNKNOWN}
        text = "".join(self._text)
        return Answer(
            text=text,
            finish=Finish.TOOL_CALLS if self._calls and whole else last.finish,
            model=last.model or model,
            tool_calls=tuple(self._calls),
            thinking="".join(self._thinking),
            logprobs=natural_logs(self._tokens, text if self._thinking else None),
            dialect=DIALECT,
        )

    def _grown(self, call: ToolCall) -> CallGrowth:
        index = len(self._calls)
        if index >= MOST_CALLS:
            raise OllamaWireError(f"the answer has more than {MOST_CALLS} tool calls")
        self._calls.append(call)
        return CallGrowth(index, call.name, call.arguments)


class Lines:
    """Cuts a stream of bytes into its lines, whatever pieces it comes in."""

    def __init__(self, most_bytes: int = MAX_LINE_BYTES) -> None:
        self._most = most_bytes
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that ``piece`` completes but for blank ones; OllamaWireError if too long."""
        *whole, rest = piece.split(b"\n")
        lines: list[bytes] = []
        for end in whole:
            self._grow(end)
            lines.append(bytes(self._begun))
            self._begun.clear()
        self._grow(rest)
        return [line for line in lines if line.strip()]

    def rest(self) -> bytes:
        """What came after the last line break: a last line without one, or a line cut off."""
        return bytes(self._begun).strip()

    def _grow(self, more: bytes) -> None:
        if len(self._begun) + len(more) > self._most:
            raise OllamaWireError(f"a line of the stream is longer than {self._most} bytes")
        self._begun += more


def decode_as(raw: bytes, shape: type[_T]) -> _T:
    """Read ``raw`` as one JSON value of ``shape``. Raises OllamaWireError for anything else."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise OllamaWireError(f"not what Ollama answers: {error}"[:300]) from None
