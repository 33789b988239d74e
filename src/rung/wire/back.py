"""What a back end speaks: a call to a provider's bytes, its bytes to an `Answer`.

Each dialect that providers speak over HTTP and server-sent events has one object of this shape,
named BACK in its facade (`chat`, `messages`, `responses`). All of it is pure. What comes back is
hostile until read: readers return or raise WireError or UpstreamFaultError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from rung.core.growth import Delta
from rung.core.parts import FREE_CHOICE, HostedTool, Message, Tool, ToolChoice
from rung.core.types import Answer, Request, Sampling, SchemaRequest, Usage
from rung.wire.errors import WireError
from rung.wire.quirks import Quirks
from rung.wire.sse import SseEvent


class UpstreamFaultError(WireError):
    """The provider said in its answer that it failed. ``error`` is its own error object."""

    def __init__(self, error: Any) -> None:
        super().__init__("the answer is an error")
        self.error = error


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call, to be written in a provider's dialect for a request that came in another.

    ``logprobs`` asks for the log-probabilities of tokens, where the dialect and the model have any.
    ``appended`` is how many of the messages come after the caller's own. ``caches``: the provider
    is to keep the prompt where it has to be told to; ``conversation`` is rung's name for what the
    request goes on with, empty where it is none.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice = FREE_CHOICE
    parallel_tool_calls: bool | None = None
    schema: SchemaRequest | None = None
    effort: str | None = None
    stream: bool = False
    logprobs: bool = False
    appended: int = 0
    caches: bool = False
    conversation: str = ""
    quirks: Quirks = field(default_factory=Quirks)

    @property
    def cache_key(self) -> str:
        """A name for the conversation that says nothing of it; empty where no server asks."""
        if not (self.caches and self.quirks.cache_key and self.conversation):
            return ""
        return blake2b(self.conversation.encode("utf-8", "replace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Changes:
    """What is exchanged in a caller's own body before it goes to a provider of its dialect.

    ``stream`` of ``None`` leaves the field as it came. ``usage`` makes a stream tell its usage
    where the dialect has to be asked. ``appended`` are messages after the caller's own, ``schema``
    replaces the caller's. ``logprobs`` asks for the log-probabilities of tokens where the caller
    does not. ``max_tokens`` limits the answer where the caller's body sets no limit. Of ``quirks``
    only what the model refuses matters: such fields are taken out.
    Everything else keeps its bytes.
    """

    model: str
    stream: bool | None = None
    usage: bool = False
    appended: tuple[Message, ...] = ()
    schema: SchemaRequest | None = None
    temperature: float | None = None
    seed: int | None = None
    logprobs: bool = False
    max_tokens: int | None = None
    quirks: Quirks = field(default_factory=Quirks)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body to send, with headers it needs, and the names of what could not be said in it.

    ``logprobs``: it asks for log-probabilities that the caller did not ask for.
    """

    body: bytes
    losses: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What one event brought.

    ``delta`` is ``None`` for what callers do not get (bookkeeping, and the end of the stream, which
    waits in `Answer.ending`). ``real`` says that it holds something of an answer and is not only a
    role or a count.
    """

    delta: Delta | None = None
    real: bool = False


class Reader(Protocol):
    """Accumulates one stream's events into an answer. Fed in order, once each."""

    @property
    def complete(self) -> bool:
        """Whether the answer is whole: the provider has said why it ended."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        ...

    def feed(self, event: SseEvent) -> Read:
        """Take one event. Raises WireError for none, UpstreamFaultError for an error."""
        ...

    def answer(self) -> Answer:
        """The answer so far, without a body."""
        ...

    def usage(self) -> Usage:
        """The counters so far; source NONE where there are none."""
        ...


class Back(Protocol):
    """One dialect of providers."""

    @property
    def dialect(self) -> str: ...

    @property
    def path(self) -> str:
        """Where requests go, below the base URL: "/chat/completions"."""
        ...

    def encode(self, sent: Outgoing) -> Encoded:
        """A new body."""
        ...

    def forward(self, body: bytes, changes: Changes) -> Encoded:
        """The caller's bytes, hardly changed."""
        ...

    def decode_answer(self, body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:
        """Read a plain answer, and what it says was used.

        With ``hides_logprobs`` the answer's body is without the log-probabilities.
        """
        ...

    def reader(self, request: Request, *, hides_logprobs: bool = False) -> Reader:
        """The reader of one stream; what ``request`` did not ask for is not passed on to it."""
        ...
