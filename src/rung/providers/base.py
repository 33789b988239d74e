"""What a provider is: one asynchronous call to one model.

A provider turns one `Ask` into events: any number of `Delta` as the answer grows, then exactly one
`Done`. It raises `Fault`-carrying `CallError` instead of `Done` when there is no answer. It never
retries, never decides, never prices: that is the runner's and the engine's part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rung.core.growth import Delta
from rung.core.parts import Message
from rung.core.traces import HEADER as TRACE_HEADER
from rung.core.types import (
    Answer,
    Failure,
    Phase,
    Request,
    SchemaRequest,
    Usage,
)


@dataclass(slots=True)
class Standing:
    """Where a call stands that waits for its turn; whoever lets it wait keeps this up to date.

    ``waiting``: nothing was sent yet, so nothing can have been spent. ``queued_seconds`` is how
    long it waited, without the ``load_seconds`` that a model was loading meanwhile.
    """

    waiting: bool = False
    queued_seconds: float = 0.0
    load_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One call, ready to be put into a dialect.

    ``messages`` are what to send: the request's own, or with a repair's feedback appended. When
    they are the request's own (``as_it_came``), a provider of the same dialect forwards the
    caller's bytes. ``schema`` asks for constrained decoding where the provider has it; the
    verifier decides all the same. ``timeout_seconds`` bounds the answer, not a local model's
    load. ``temperature`` overrides the request's own when several answers are drawn. ``logprobs``:
    a check wants to know the log-probabilities of the answer's tokens, where there are any.
    ``standing`` is told how the call stands while it has to wait. ``trace`` is the ``traceparent``
    to send along, empty for none.
    """

    request: Request
    messages: tuple[Message, ...]
    as_it_came: bool
    stream: bool
    timeout_seconds: float
    schema: SchemaRequest | None = None
    temperature: float | None = None
    seed: int | None = None
    logprobs: bool = False
    standing: Standing = field(default_factory=Standing, compare=False)
    trace: str = ""


def traced(ask: Ask) -> dict[str, str]:
    """The headers that tell a provider whose trace a call belongs to."""
    return {TRACE_HEADER: ask.trace} if ask.trace else {}


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete. ``usage.source`` is NONE when the provider gave no counts.

    ``load_seconds`` is what a local model spent loading before it could begin. ``losses`` names
    what the request asked for and this dialect could not carry.
    """

    answer: Answer
    usage: Usage
    load_seconds: float = 0.0
    losses: tuple[str, ...] = ()


Event = Delta | Done


class CallError(Exception):
    """A call ended without an answer.

    ``phase`` says how far it had come, ``usage`` what is known to have been spent all the same.
    """

    def __init__(
        self,
        failure: Failure,
        phase: Phase,
        *,
        usage: Usage | None = None,
        load_seconds: float = 0.0,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.phase = phase
        self.usage = usage or Usage()
        self.load_seconds = load_seconds


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at a provider found. ``models`` are the names it serves, where it tells.

    ``fix`` is the command or setting that would mend what is wrong.
    """

    ok: bool
    message: str
    fix: str | None = None
    models: tuple[str, ...] = ()
    facts: Mapping[str, str | int | float] | None = None


class Provider(Protocol):
    """One model at one place. Safe for concurrent calls; closed once."""

    dialect: str
    """The dialect it speaks: ``chat``, ``messages``, ``ollama``, ``embedded``, ``scripted``."""

    def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``. Closing the iterator early cancels the call at the other end."""
        ...

    async def health(self) -> Health:
        """Look whether a call could work, without spending tokens."""
        ...

    async def warm(self) -> None:
        """Load what has to be loaded, so that the first call need not wait. Never raises."""
        ...

    async def close(self) -> None:
        """Free sockets and processes."""
        ...


@dataclass(frozen=True, slots=True)
class Stay:
    """Whether a model is in memory.

    ``resident`` is ``None`` where nobody knows. ``loading_seconds`` is how long a load that is
    under way has taken, ``None`` without one; ``loads_seconds`` what all loads have, that included.
    """

    resident: bool | None = None
    loading_seconds: float | None = None
    loads_seconds: float = 0.0


@runtime_checkable
class Residing(Protocol):
    """A provider whose model has to be in memory before it can answer."""

    def stay(self) -> Stay:
        """What is known of that, without asking anybody."""
        ...

    async def keep(self) -> None:
        """Load the model, or have it stay for another while. Raises CallError."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A provider that counts a prompt's tokens without answering it, for nothing."""

    async def count(self, request: Request) -> int:
        """The tokens of ``request``'s prompt. Raises CallError."""
        ...
