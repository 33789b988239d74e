"""OpenAI Chat Completions in one place: everything that other layers use of the dialect."""

from __future__ import annotations

from rung.core.types import Answer, Request, Usage
from rung.wire import sse
from rung.wire.back import Back, Changes, Encoded, Outgoing
from rung.wire.chat import answer as chat_answer
from rung.wire.chat import encode as chat_encode
from rung.wire.chat import forward as chat_forward
from rung.wire.chat import reply as chat_reply
from rung.wire.chat import request as chat_request
from rung.wire.chat.reply import encode_model, encode_models
from rung.wire.chat.stream import ChatReader
from rung.wire.chat.turns import DIALECT
from rung.wire.chat.writer import ChunkWriter
from rung.wire.front import Arrival, Front, Reply, Trouble

__all__ = ["BACK", "DIALECT", "FRONT", "encode_model", "encode_models"]


class ChatFront:
    """What callers of Chat Completions speak."""

    dialect = DIALECT
    heartbeat = sse.COMMENT
    stream_type = sse.CONTENT_TYPE

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        return chat_request.decode_request(body, arrival)

    def encode_answer(self, answer: Answer, usage: Usage, reply: Reply, request: Request) -> bytes:
        return chat_reply.encode_answer(answer, usage, reply, request)

    def writer(self, reply: Reply, request: Request) -> ChunkWriter:
        return ChunkWriter(reply, request)

    def encode_error(self, trouble: Trouble) -> bytes:
        return chat_reply.encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:
        return chat_reply.error_event(trouble, begun)

    def status(self, status: int) -> int:
        return chat_reply.status(status)


class ChatBack:
    """What providers of Chat Completions speak."""

    dialect = DIALECT
    path = "/chat/completions"

    def encode(self, sent: Outgoing) -> Encoded:
        return chat_encode.encode(sent)

    def forward(self, body: bytes, changes: Changes) -> Encoded:
        return chat_forward.forward(body, changes)

    def decode_answer(self, body: bytes, *, hides_logprobs: bool = False) -> tuple[Answer, Usage]:
        return chat_answer.decode_answer(body, hides_logprobs=hides_logprobs)

    def reader(self, request: Request, *, hides_logprobs: bool = False) -> ChatReader:
        return ChatReader(request, hides_logprobs=hides_logprobs)


FRONT: Front = ChatFront()
BACK: Back = ChatBack()
