"""Embeddings: read as far as they have to be billed and forwarded; never translated.

The dialect: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import Message, Role, Text
from rung.core.types import Answer, Need, Request, Usage
from rung.wire import sse
from rung.wire.chat.reply import encode_error
from rung.wire.front import Arrival, Front, Reply, StreamWriter, Trouble
from rung.wire.jsontext import JsonError, fields

DIALECT = "embeddings"
MOST_INPUTS = 4096
MOST_MODEL_CHARACTERS = 256

_NUMBERS = frozenset({int, float})
_MOST = 3e38
"""About the largest single float. What is beyond it is no direction to compare anyway."""


class _Vector(msgspec.Struct):
    embedding: Any = None


class _Embeddings(msgspec.Struct):
    data: list[_Vector]


_ANSWER = msgspec.json.Decoder(_Embeddings)


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. Raises RequestError, naming the field in ``param``."""
    try:
        found = fields(body)
        told = {name: msgspec.json.decode(field.value) for name, field in found.items()}
    except JsonError as error:
        raise RequestError(f"{error.message}.", param=error.field) from None
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("the body cannot be read.") from None
    model = told.get("model") or ""
    if not isinstance(model, str) or len(model) > MOST_MODEL_CHARACTERS or not model.isprintable():
        raise RequestError("There is no model of that name.", status=404, param="model")
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=(Message(Role.USER, tuple(Text(text) for text in _texts(told.get("input")))),),
        model=model,
        needs=frozenset({Need.EMBEDDINGS}),
        body=body,
        directions=arrival.directions,
    )


def as_asked(body: bytes, request: Request) -> bytes:
    """The provider's answer, in base64 where the caller asked for it and got plain numbers.

    Node's SDK always asks, and reads nothing else; Ollama and llama.cpp answer in numbers.
    """
    if _format(request) != "base64":
        return body
    try:
        told = msgspec.json.decode(body)
        vectors = _ANSWER.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    packed = [_packed(one.embedding) for one in vectors]
    if all(text is None for text in packed):
        return body
    for item, text in zip(told["data"], packed, strict=True):
        if text is not None:
            item["embedding"] = text
    return msgspec.json.encode(told)


def _format(request: Request) -> Any:
    found = fields(request.body).get("encoding_format")
    return None if found is None else msgspec.json.decode(found.value)


def _packed(numbers: Any) -> str | None:
    """The base64 of single floats, little-endian; ``None`` for what is no list of numbers."""
    if not isinstance(numbers, list) or not all(type(one) in _NUMBERS for one in numbers):
        return None
    try:
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except (OverflowError, struct.error):
        packed = struct.pack(f"<{len(numbers)}f", *(max(-_MOST, min(_MOST, n)) for n in numbers))
    return base64.b64encode(packed).decode()


def _texts(told: Any) -> list[str]:
    """The inputs, or as much text as their tokens are: only its size matters here."""
    if isinstance(told, str):
        return [told]
    if not isinstance(told, list) or not 0 < len(told) <= MOST_INPUTS:
        raise _wrong()
    if all(isinstance(one, str) for one in told):
        return told
    if all(_is_token(one) for one in told):
        return ["four" * len(told)]
    if all(isinstance(one, list) and all(map(_is_token, one)) for one in told):
        return ["four" * len(one) for one in told]
    raise _wrong()


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong() -> RequestError:
    said = f"'input' must be a text, a list of at most {MOST_INPUTS} texts, or tokens."
    return RequestError(said, param="input")


class _Embedding:
    """The front door. Answers leave as they came; there is nothing to write."""

    dialect = DIALECT
    heartbeat = b""
    stream_type = sse.CONTENT_TYPE
    decode_request = staticmethod(decode_request)

    def encode_answer(
        self,
        answer: Answer,  # noqa: ARG002 the protocol's, here and below
        usage: Usage,  # noqa: ARG002
        reply: Reply,  # noqa: ARG002
        request: Request,  # noqa: ARG002
    ) -> bytes:
        raise TypeError("embeddings are not translated")

    def writer(self, reply: Reply, request: Request) -> StreamWriter:  # noqa: ARG002
        raise TypeError("embeddings are not streamed")

    def encode_error(self, trouble: Trouble) -> bytes:
        return encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:  # noqa: ARG002
        return encode_error(trouble)

    def status(self, status: int) -> int:
        return status


FRONT: Front = _Embedding()
