"""What a front door speaks: callers' bytes to a `Request`, answers to bytes they expect.

Each dialect has one object of this shape, named FRONT in its facade (`chat`, `messages`,
`responses`, `completions`, `ollama_front`). All of it is pure. Streams leave framed: as
server-sent events, or as lines of JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rung.core.types import Answer, Directions, Request, Usage


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came with a request's body. ``headers`` have names in lower case."""

    id: str
    directions: Directions
    headers: Mapping[str, str]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an answer is labelled with. ``created`` is seconds since 1970, UTC.

    ``id`` is the request's own; a dialect puts its prefix before it ("chatcmpl-", "msg_").
    ``model`` is the model that answered.
    """

    id: str
    created: int
    model: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error to be told. ``status`` is the HTTP status in rung's own words (503: overloaded).

    ``type`` replaces the type that the dialect gives to the status; ``param`` is the field at
    fault, ``code`` a word for programs.
    """

    message: str
    status: int
    type: str | None = None
    param: str | None = None
    code: str | None = None
    request_id: str | None = None


class StreamWriter(Protocol):
    """Writes one stream for an answer that has no events in this dialect. Each call gives bytes.

    The first call writes whatever the dialect begins with. Tool calls and refusals leave whole,
    with `finish`.
    """

    def text(self, text: str) -> bytes:
        """More text."""
        ...

    def thinking(self, text: str) -> bytes:
        """More of what the model thinks aside; nothing where the dialect could only forge it."""
        ...

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """All of the answer that has not been written yet, and the dialect's end."""
        ...


@runtime_checkable
class Pulsing(Protocol):
    """A writer whose clients count events, and give up a stream that only holds heartbeats."""

    def beat(self) -> bytes:
        """A sign of life that is an event. From then on the stream is this writer's."""
        ...


class Front(Protocol):
    """One front door's dialect."""

    @property
    def dialect(self) -> str: ...

    @property
    def heartbeat(self) -> bytes:
        """What may be sent at any place of a stream and means nothing."""
        ...

    @property
    def stream_type(self) -> bytes:
        """The content type of streams."""
        ...

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        """Read one request. Raises RequestError, naming the field; never anything else."""
        ...

    def encode_answer(self, answer: Answer, usage: Usage, reply: Reply, request: Request) -> bytes:
        """A whole answer that has no bytes in this dialect."""
        ...

    def writer(self, reply: Reply, request: Request) -> StreamWriter:
        """The writer of one stream."""
        ...

    def encode_error(self, trouble: Trouble) -> bytes:
        """The error envelope of a plain response."""
        ...

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:
        """What ends a stream that cannot be finished.

        ``begun`` is what it was labelled with, if anything but heartbeats has left.
        """
        ...

    def status(self, status: int) -> int:
        """The dialect's own number for a status of `Trouble` (Anthropic: 529 for 503)."""
        ...
