"""What parent and child say to each other, as lines of JSON.

``worker.py`` writes the frames and reads the commands with the standard library alone; its first
lines give their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

LINE_LIMIT_BYTES = 1 << 20


class BrokenFrame(ValueError):  # noqa: N818 - says what is broken, not that something is
    """The child said something that is not a frame; nothing after it can be trusted."""


class _Frame(msgspec.Struct, frozen=True, tag_field="event", tag=str.lower):
    pass


class Loaded(_Frame, frozen=True):
    """The model is in memory."""

    seconds: float
    threads: int


class Unloadable(_Frame, frozen=True):
    """The model cannot be loaded; the child ends."""

    message: str


class Read(_Frame, frozen=True):
    """Reading of a prompt has begun: its tokens, and how many the cache already holds."""

    id: int
    total: int
    cached: int


class Wrote(_Frame, frozen=True):
    """The answer grew by ``text``; ``logprobs`` are natural logs of its tokens."""

    id: int
    text: str
    logprobs: tuple[float, ...] = ()


class Ended(_Frame, frozen=True):
    """The answer is complete."""

    id: int
    finish: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int


class Refused(_Frame, frozen=True):
    """There is no answer: too long, a request it cannot serve, or a fault of the engine's own."""

    id: int
    kind: Literal["context", "request", "engine"]
    message: str
    prompt_tokens: int = 0
    context_tokens: int = 0


class Stopped(_Frame, frozen=True):
    """The answer was cancelled and the child is idle again."""

    id: int


AnswerFrame = Read | Wrote | Ended | Refused | Stopped
Frame = Loaded | Unloadable | AnswerFrame

_decode = msgspec.json.Decoder(Frame).decode


class FrameReader:
    """Turns bytes, cut anywhere, into frames. Raises BrokenFrame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT_BYTES:
            raise BrokenFrame(f"a line of more than {LINE_LIMIT_BYTES} bytes")
        for line in lines:
            try:
                yield _decode(line)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise BrokenFrame(str(error)) from None


def encode_command(op: Literal["load", "ask", "cancel"], **fields: Any) -> bytes:
    """One command as a line. Lone surrogates, which no tokenizer can read, become "?"."""
    line = json.dumps({"op": op, **fields}, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "replace") + b"\n"
