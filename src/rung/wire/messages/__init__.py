"""Anthropic Messages in one place: everything that other layers use of the dialect."""

from __future__ import annotations

from rung.core.types import Answer, Request, Usage
from rung.wire import sse
from rung.wire.back import Back, Changes, Encoded, Outgoing
from rung.wire.front import Arrival, Front, Reply, Trouble
from rung.wire.messages import answer as messages_answer
from rung.wire.messages import encode as messages_encode
from rung.wire.messages import forward as messages_forward
from rung.wire.messages import reply as messages_reply
from rung.wire.messages import request as messages_request
from rung.wire.messages.parts import DIALECT
from rung.wire.messages.reply import PING, encode_count, encode_model, encode_models
from rung.wire.messages.request import decode_count
from rung.wire.messages.stream import MessageReader
from rung.wire.messages.writer import MessageWriter

__all__ = [
    "BACK",
    "DIALECT",
    "FRONT",
    "decode_count",
    "encode_count",
    "encode_model",
    "encode_models",
]


class MessagesFront:
    """What callers of Messages speak."""

    dialect = DIALECT
    heartbeat = PING
    stream_type = sse.CONTENT_TYPE

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        return messages_request.decode_request(body, arrival)

    def encode_answer(
        self,
        answer: Answer,
        usage: Usage,
        reply: Reply,
        request: Request,  # noqa: ARG002 nothing that was asked for changes the shape
    ) -> bytes:
        return messages_reply.encode_answer(answer, usage, reply)

    def writer(self, reply: Reply, request: Request) -> MessageWriter:  # noqa: ARG002 as above
        return MessageWriter(reply)

    def encode_error(self, trouble: Trouble) -> bytes:
        return messages_reply.encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:  # noqa: ARG002 an error has no label
        return messages_reply.error_event(trouble)

    def status(self, status: int) -> int:
        return messages_reply.status(status)


class MessagesBack:
    """What providers of Messages speak."""

    dialect = DIALECT
    path = "/messages"

    def encode(self, sent: Outgoing) -> Encoded:
        return messages_encode.encode(sent)

    def forward(self, body: bytes, changes: Changes) -> Encoded:
        return messages_forward.forward(body, changes)

    # The dialect has no log-probabilities.
    def decode_answer(self, body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:  # noqa: ARG002
        return messages_answer.decode_answer(body)

    def reader(self, request: Request, *, hides_logprobs: bool = False) -> MessageReader:  # noqa: ARG002
        return MessageReader()


FRONT: Front = MessagesFront()
BACK: Back = MessagesBack()
