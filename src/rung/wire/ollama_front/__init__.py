"""Ollama's native dialect as callers speak it, in one place.

How rung speaks it to Ollama itself is `rung.wire.ollama`. The two share no bytes: what a caller
sends is read into canonical parts even where an Ollama server answers, since window, time in memory
and thinking are settings of the tier.
"""

from __future__ import annotations

from rung.core.types import Answer, Request, Usage
from rung.wire.front import Arrival, Front, Reply, Trouble
from rung.wire.ollama_front import answer as ollama_front_answer
from rung.wire.ollama_front import request as ollama_front_request
from rung.wire.ollama_front.answer import (
    HEARTBEAT,
    STREAM_TYPE,
    LineWriter,
    Model,
    encode_loaded,
    encode_model,
    encode_models,
    encode_version,
)
from rung.wire.ollama_front.request import model_of, unloads
from rung.wire.ollama_front.turns import DIALECT

__all__ = [
    "DIALECT",
    "FRONT",
    "Model",
    "encode_loaded",
    "encode_model",
    "encode_models",
    "encode_version",
    "model_of",
    "unloads",
]


class OllamaFront:
    """What callers of ``/api/chat`` speak."""

    dialect = DIALECT
    heartbeat = HEARTBEAT
    stream_type = STREAM_TYPE

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        return ollama_front_request.decode_request(body, arrival)

    def encode_answer(
        self,
        answer: Answer,
        usage: Usage,
        reply: Reply,
        request: Request,  # noqa: ARG002 nothing that was asked for changes the shape
    ) -> bytes:
        return ollama_front_answer.encode_answer(answer, usage, reply)

    def writer(self, reply: Reply, request: Request) -> LineWriter:  # noqa: ARG002 as above
        return LineWriter(reply)

    def encode_error(self, trouble: Trouble) -> bytes:
        return ollama_front_answer.encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:  # noqa: ARG002 an error has no label
        return ollama_front_answer.encode_error(trouble) + b"\n"

    def status(self, status: int) -> int:
        return status


FRONT: Front = OllamaFront()
