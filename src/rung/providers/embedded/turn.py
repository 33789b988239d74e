"""One call's place in the queue of an engine, and what is known about it so far."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from rung.core.types import Failure, Phase, Usage, UsageSource
from rung.providers.base import CallError
from rung.providers.embedded.frames import Ended, Read, Refused, Wrote, encode_command
from rung.providers.embedded.vocabulary import Marks

CHARS_PER_TOKEN = 4
"""Rough, for English and code; used only where the runtime did not tell."""

TurnEvent = Wrote | Ended | Refused | CallError


class Turn:
    """A question on its way through an engine.

    ``events`` carries pieces of the answer and then exactly one of Ended, Refused or CallError.
    ``due`` is on the engine's clock, which stands still while a model loads. ``altered`` says that
    a message held a control token of the model's.
    """

    def __init__(
        self, id_: int, body: Mapping[str, Any], *, timeout_seconds: float, due: float
    ) -> None:
        self.id = id_
        self.command = encode_command("ask", id=id_, body=body)
        self.altered = False
        self._body = body
        self.timeout_seconds = timeout_seconds
        self.due = due
        self.loads_before = 0.0
        self.load_seconds = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.events: asyncio.Queue[TurnEvent] = asyncio.Queue()
        self.started = False
        self.over = False
        self._asked_again = False
        self.text = ""
        self._logprobs: list[float] = []
        self._all_told = True
        self._prompt_tokens: int | None = None
        self._cached_tokens = 0
        self._pieces = 0

    @property
    def logprobs(self) -> tuple[float, ...]:
        """Those of all tokens, or none: a part of them says nothing of the whole."""
        return tuple(self._logprobs) if self._all_told else ()

    @property
    def phase(self) -> Phase:
        """How far it has come."""
        if not self.started:
            return Phase.CONNECT
        return Phase.STREAM if self.text else Phase.FIRST_TOKEN

    def ask_again(self) -> bool:
        """Whether another child may be asked: once, and only if the first had not begun on it."""
        begun = self._prompt_tokens is not None or self._pieces > 0
        if self.over or begun or self._asked_again:
            return False
        self._asked_again = True
        self.started = False
        return True

    def without(self, marks: Marks) -> None:
        """Take the model's control tokens out of what is asked, now that the model is known."""
        messages = self._body["messages"]
        kept = [{**each, "content": marks.broken(each["content"])} for each in messages]
        if kept != messages:
            self.altered = True
            self.command = encode_command("ask", id=self.id, body={**self._body, "messages": kept})

    def usage_so_far(self) -> Usage:
        """What the model has done for it until now; nothing before it began to read."""
        read = self._prompt_tokens
        if read is None and self.text:
            chars = sum(len(message["content"]) for message in self._body["messages"])
            read = chars // CHARS_PER_TOKEN + 1
        return Usage(
            input_tokens=read or 0,
            output_tokens=max(len(self._logprobs), self._pieces),
            cache_read_tokens=self._cached_tokens,
            source=UsageSource.ESTIMATED,
        )

    def take(self, frame: Read | Wrote) -> None:
        """Note progress; pass on what was written."""
        match frame:
            case Read():
                self._prompt_tokens, self._cached_tokens = frame.total, frame.cached
            case Wrote() if not self.over:
                self.text += frame.text
                self._logprobs += frame.logprobs
                self._all_told = self._all_told and bool(frame.logprobs)
                self._pieces += 1
                self.events.put_nowait(frame)

    def finish(self, end: Ended | Refused | CallError) -> None:
        """It has come to its end, whatever that is; only the first end counts."""
        if not self.over:
            self.over = True
            self.events.put_nowait(end)

    def error(self, failure: Failure, phase: Phase | None = None) -> CallError:
        """``failure`` together with what is known of this call."""
        return CallError(
            failure,
            phase or self.phase,
            usage=self.usage_so_far(),
            load_seconds=self.load_seconds,
        )
