"""Ollama's native dialect: what ``/api/chat`` is sent and what its answers mean.

The native API and not ``/v1``: the latter ignores ``num_ctx``, ``keep_alive`` and ``truncate``, so
a long prompt would be cut at the front and answered all the same
(https://github.com/ollama/ollama/issues/4967).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from rung.core.features import MESSAGE_TOKENS, estimate_tokens
from rung.core.types import (
    Finish,
    Message,
    Need,
    Opaque,
    Request,
    Sampling,
    SchemaRequest,
    Text,
    Usage,
    UsageSource,
)

DIALECT = "ollama"

OLLAMA_LACKS = frozenset({Need.IMAGES, Need.AUDIO, Need.TOOLS, Need.LOGPROBS, Need.MANY_CHOICES})
"""What this dialect does not carry for rung."""

BUCKETS = (16_384, 32_768, 65_536, 131_072)
"""Context sizes that are asked for. Few, because a change of size makes Ollama reload the model."""

ANSWER_TOKENS = 4_096
"""Room kept for an answer without a limit of its own: ample, for models that think."""

DENSE_BYTES_PER_TOKEN = 3
"""Bytes a token of dense text (code, figures, CJK): prompts are sized by it, so that they fit."""

SPARSE_BYTES_PER_TOKEN = 10
"""No real text has more bytes a token than this: a lower count has not seen the whole prompt."""

KEPT_TOKENS = (4, 5)
"""What Ollama keeps of a prompt's start when it cuts: its ``num_keep``, with or without the first
special token. Of the rest of the window it fills one half."""

MAX_LINE_BYTES = 4 * 1024 * 1024
"""Longest line of a stream that is read."""

_T = TypeVar("_T")

_NANOSECONDS = 1_000_000_000
_FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}


class OllamaWireError(ValueError):
    """What came from the server is not Ollama's dialect."""


# ------------------------------------------------------------------ what is sent


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How a chat request is to be run. ``context_tokens`` is the window to load the model with."""

    model: str
    context_tokens: int
    keep_alive: str
    stream: bool = False


def encode_chat(
    messages: Iterable[Message],
    sampling: Sampling,
    schema: SchemaRequest | None,
    options: ChatOptions,
) -> bytes:
    """The body of ``POST /api/chat``.

    ``truncate`` is off, so that a prompt that does not fit is an error and not a shorter prompt.
    ``shift`` is left alone: a value that differs from other clients' reloads the model.
    """
    messages = tuple(messages)
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [{"role": m.role.value, "content": m.text} for m in messages],
        "stream": options.stream,
        "truncate": False,
        "keep_alive": options.keep_alive,
        "options": _options(messages, sampling, options.context_tokens),
    }
    wanted = _format(schema)
    if wanted is not None:
        body["format"] = wanted
    return msgspec.json.encode(body)


def encode_load(options: ChatOptions) -> bytes:
    """The body of the ``POST /api/chat`` that loads a model and answers nothing."""
    return msgspec.json.encode(
        {
            "model": options.model,
            "messages": [],
            "stream": False,
            "keep_alive": options.keep_alive,
            "options": {"num_ctx": options.context_tokens},
        }
    )


def encode_model(model: str) -> bytes:
    """The body of ``POST /api/show``."""
    return msgspec.json.encode({"model": model})


def losses(
    request: Request, messages: Iterable[Message], lacks: frozenset[Need]
) -> tuple[str, ...]:
    """What ``request`` asks for and this dialect does not carry, by name, each once."""
    needs = {need.value for need in request.needs & lacks}
    parts = {p.kind for m in messages for p in m.parts if isinstance(p, Opaque)}
    return tuple(sorted(needs | parts))


def prompt_bytes(messages: Iterable[Message]) -> int:
    """The size of the prompt's text in UTF-8."""
    return sum(
        len(part.text.encode("utf-8", "replace"))
        for message in messages
        for part in message.parts
        if isinstance(part, Text)
    )


def needed_tokens(messages: tuple[Message, ...], sampling: Sampling) -> int:
    """The window that surely holds the prompt and its answer, in tokens."""
    answer = ANSWER_TOKENS if sampling.max_tokens is None else sampling.max_tokens
    prompt = -(-prompt_bytes(messages) // DENSE_BYTES_PER_TOKEN)
    return prompt + MESSAGE_TOKENS * len(messages) + answer


def bucket(needed: int, most: int | None) -> int:
    """The smallest of `BUCKETS` that holds ``needed`` tokens, never more than ``most``."""
    top = BUCKETS[-1] if most is None else most
    return min(top, next((size for size in BUCKETS if size >= needed), max(top, BUCKETS[-1])))


def _options(messages: tuple[Message, ...], sampling: Sampling, window: int) -> dict[str, Any]:
    options: dict[str, Any] = {"num_ctx": window, "num_predict": sampling.max_tokens}
    if sampling.max_tokens is None:
        # Ollama writes without end otherwise, and past the window it forgets the prompt's start.
        written = sum(estimate_tokens(m.text) + MESSAGE_TOKENS for m in messages)
        options["num_predict"] = max(256, window - written)
    for name in ("temperature", "top_p", "seed"):
        value = getattr(sampling, name)
        if value is not None:
            options[name] = value
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    return options


def _format(schema: SchemaRequest | None) -> str | dict[str, Any] | None:
    if schema is None or isinstance(schema.schema, bool):
        return None  # `true` and `false` shape nothing; the verifier decides
    return "json" if schema.schema is None else dict(schema.schema)


# ------------------------------------------------------------------ what comes back

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count or a size that JSON carries exactly."""


class _Said(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None


class _Chat(msgspec.Struct):
    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    error: str | None = None
    model: str | None = None
    load_duration: Count | None = None
    prompt_eval_count: Count | None = None
    prompt_eval_cached_count: Count | None = None
    eval_count: Count | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One object of an answer: a line of a stream, or all of a plain one.

    ``text`` and ``thinking`` are what was added; the rest has a meaning when ``done``. ``loaded``
    says that the server only loaded the model. ``error`` is the server's own complaint.
    """

    text: str = ""
    thinking: str = ""
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
        done=chat.done,
        loaded=chat.done_reason == "load",
        finish=_FINISHES.get(chat.done_reason or "", Finish.UNKNOWN),
        usage=_usage(chat),
        load_seconds=(chat.load_duration or 0) / _NANOSECONDS,
        error=chat.error,
        model=chat.model or "",
    )


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


def cut_prompt(sent_bytes: int, counted: int, window: int) -> bool:
    """Whether a prompt of ``sent_bytes`` was shortened to the ``counted`` tokens the model read.

    ``window`` is the context the model is loaded with. ``truncate: false`` prevents it on servers
    that know the word; on others one of three marks shows it:

    * the prompt filled the window to the brim, with no room left for an answer;
    * it counts exactly what Ollama keeps of a cut one: the start and half of the other window;
    * it counts fewer tokens than any text of its size has, and might not have fitted.

    A low count alone is no mark: versions up to 0.2 and some of 0.30 leave cached tokens out
    (https://github.com/ollama/ollama/pull/5371, https://github.com/ollama/ollama/pull/16428).
    """
    if counted <= 0 or sent_bytes <= window:
        return False  # every token is a byte at least, so it fitted
    if counted >= window or counted in {keep + (window - keep) // 2 for keep in KEPT_TOKENS}:
        return True
    might_not_fit = sent_bytes > window * DENSE_BYTES_PER_TOKEN
    return might_not_fit and counted * SPARSE_BYTES_PER_TOKEN < sent_bytes


def decode_as(raw: bytes, shape: type[_T]) -> _T:
    """Read ``raw`` as one JSON value of ``shape``. Raises OllamaWireError for anything else."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise OllamaWireError(f"not what Ollama answers: {error}"[:300]) from None
