"""OpenAI Responses in one place: everything that other layers use of the dialect."""

from __future__ import annotations

from collections.abc import Mapping

from rung.core.types import Answer, Request, Usage
from rung.wire import sse
from rung.wire.back import Back, Changes, Encoded, Outgoing, Reader
from rung.wire.chat.reply import encode_error
from rung.wire.front import Arrival, Front, Reply, StreamWriter, Trouble
from rung.wire.responses.answer import decode_answer
from rung.wire.responses.encode import encode, forward
from rung.wire.responses.object import encode_answer
from rung.wire.responses.request import decode_request
from rung.wire.responses.stream import ResponseReader
from rung.wire.responses.tools import DIALECT
from rung.wire.responses.writer import EventWriter, error_event

__all__ = ["BACK", "DIALECT", "FRONT"]


STATUSES: Mapping[int, int] = {402: 400, 422: 400}
"""Codex sends again whatever comes with another status than 400, six times: what was spent and
turned down must not be."""


class ResponsesFront:
    """What callers of Responses speak."""

    dialect = DIALECT
    heartbeat = sse.COMMENT
    stream_type = sse.CONTENT_TYPE

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        return decode_request(body, arrival)

    def encode_answer(self, answer: Answer, usage: Usage, reply: Reply, request: Request) -> bytes:
        return encode_answer(answer, usage, reply, request)

    def writer(self, reply: Reply, request: Request) -> StreamWriter:
        return EventWriter(reply, request)

    def encode_error(self, trouble: Trouble) -> bytes:
        return encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:
        return error_event(trouble, begun)

    def status(self, status: int) -> int:
        return STATUSES.get(status, status)


class ResponsesBack:
    """What providers of Responses speak."""

    dialect = DIALECT
    path = "/responses"

    def encode(self, sent: Outgoing) -> Encoded:
        return encode(sent)

    def forward(self, body: bytes, changes: Changes) -> Encoded:
        return forward(body, changes)

    def decode_answer(self, body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:
        return decode_answer(body, hides_logprobs=hides_logprobs)

    # A stream always tells its usage.
    def reader(self, request: Request, *, hides_logprobs: bool = False) -> Reader:  # noqa: ARG002
        return ResponseReader(hides_logprobs=hides_logprobs)


FRONT: Front = ResponsesFront()
BACK: Back = ResponsesBack()
