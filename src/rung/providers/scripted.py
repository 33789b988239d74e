"""A provider that answers from a script: for tests, demonstrations and documentation.

    cheap = ScriptedProvider(["not json", Reply('{"risk": 3}', seconds=0.2)])

It calls no one, needs no key and answers at once, so a cascade can be tested as it will run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from rung.core.features import estimate_tokens, message_tokens
from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import (
    Answer,
    Failure,
    Fault,
    Finish,
    Phase,
    Usage,
    UsageSource,
)
from rung.providers.base import Ask, CallError, Done, Event, Health


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer.

    ``seconds`` is waited before it begins. ``chunks`` are the pieces of a stream, the text's words
    where none are given; ``text`` may be left out beside them. In a stream ``thinking`` comes
    before the text, by words, and ``tool_calls`` after it, one a piece; with calls, an answer that
    stopped is one that waits for their results. With a ``failure`` the answer breaks off: after
    ``failure_after_chunks`` pieces of a stream, else before the first. ``usage`` is estimated where
    it is not given. ``logprobs`` are natural logs, one a token.
    """

    text: str = ""
    finish: Finish = Finish.STOP
    seconds: float = 0.0
    usage: Usage | None = None
    chunks: tuple[str, ...] | None = None
    failure: Failure | None = None
    failure_after_chunks: int | None = None
    logprobs: tuple[float, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str = ""

    def __post_init__(self) -> None:
        if self.text and self.chunks is not None and "".join(self.chunks) != self.text:
            raise ValueError("the chunks of a Reply must add up to its text")
        if self.failure_after_chunks is not None and self.failure is None:
            raise ValueError("failure_after_chunks needs a failure")

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text's pieces in a stream; together they are the whole text."""
        return _words(self.text) if self.chunks is None else self.chunks

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """All pieces of a stream, in order."""
        return (
            *(Delta(thinking=piece) for piece in _words(self.thinking)),
            *(Delta(piece) for piece in self.pieces),
            *(
                Delta(calls=(CallGrowth(index, call.name, call.arguments),))
                for index, call in enumerate(self.tool_calls)
            ),
        )

    @property
    def whole(self) -> str:
        """The whole text."""
        return self.text or "".join(self.chunks or ())


Said = str | Reply | Failure | Exception
"""What one call comes to: a Failure is a call without an answer, an exception is raised as is."""

Scripted = Said | Callable[[Ask], Said]
"""One line of a script. A function is given the call and says what it comes to."""


class ScriptedProvider:
    """Gives its ``replies`` in turn, one a call; a single one is a script of one.

    When they run out, a call fails as UNAVAILABLE, so that no test passes because of a call it did
    not foresee; ``cycle`` begins again instead. ``calls`` holds every call made, in order.
    """

    dialect = "scripted"

    def __init__(
        self,
        replies: Scripted | Iterable[Scripted],
        *,
        model: str = "scripted",
        cycle: bool = False,
    ) -> None:
        single = isinstance(replies, str | Reply | Failure | Exception) or callable(replies)
        self._replies: tuple[Scripted, ...] = (
            (replies,) if single else tuple(replies)  # type: ignore[arg-type, assignment]
        )
        self._model = model
        self._cycle = cycle
        self.calls: list[Ask] = []
        self.closed = False

    @property
    def remaining(self) -> int:
        """How many replies have not been used; 0 when they begin again and again."""
        return 0 if self._cycle else max(0, len(self._replies) - len(self.calls))

    async def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Play the next reply."""
        reply = self._next(ask)
        await _wait(reply.seconds, ask.timeout_seconds)
        deltas = reply.deltas if ask.stream else ()
        sent = deltas if reply.failure is None else deltas[: reply.failure_after_chunks or 0]
        for delta in sent:
            yield delta
        if reply.failure is not None:
            phase = Phase.STREAM if sent else Phase.HEADERS
            raise CallError(reply.failure, phase, usage=reply.usage)
        yield Done(self._answer(reply), reply.usage or _estimated(ask, reply))

    async def health(self) -> Health:
        """It always works; the message tells how many replies are left."""
        left = "again and again" if self._cycle else f"{self.remaining} left"
        message = f"scripted: {len(self._replies)} replies, {left}"
        return Health(ok=True, message=message, models=(self._model,))

    async def warm(self) -> None:
        """There is nothing to load."""

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _next(self, ask: Ask) -> Reply:
        index = len(self.calls)
        self.calls.append(ask)
        if self._cycle and self._replies:
            index %= len(self._replies)
        if index >= len(self._replies):
            message = f"the script ran out: it has {len(self._replies)} replies, this is one more"
            raise CallError(Failure(Fault.UNAVAILABLE, message), Phase.CONNECT)
        line = self._replies[index]
        said: Said = line if isinstance(line, str | Reply | Failure | Exception) else line(ask)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Failure):
            return Reply(failure=said)
        return Reply(said) if isinstance(said, str) else said

    def _answer(self, reply: Reply) -> Answer:
        stopped = reply.finish is Finish.STOP
        return Answer(
            text=reply.whole,
            finish=Finish.TOOL_CALLS if reply.tool_calls and stopped else reply.finish,
            model=self._model,
            tool_calls=reply.tool_calls,
            thinking=reply.thinking,
            logprobs=reply.logprobs,
            dialect=self.dialect,
        )


async def _wait(seconds: float, timeout_seconds: float) -> None:
    if seconds <= 0:
        return
    await asyncio.sleep(min(seconds, timeout_seconds))
    if seconds > timeout_seconds:
        message = f"no answer within {timeout_seconds:g} s"
        raise CallError(Failure(Fault.TIMEOUT, message), Phase.FIRST_TOKEN)


def _estimated(ask: Ask, reply: Reply) -> Usage:
    calls = [call.name + call.arguments for call in reply.tool_calls]
    written = "".join((reply.thinking, reply.whole, *calls))
    read = sum(map(message_tokens, ask.messages))
    return Usage(read, estimate_tokens(written), source=UsageSource.ESTIMATED)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+|\s+\Z", text))
