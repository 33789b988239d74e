"""OpenAI Chat Completions in one place: everything that other layers use of the dialect."""

from rung.wire.chat_answer import (
    UpstreamFaultError,
    decode_answer,
    encode_answer,
    encode_error,
    encode_models,
)
from rung.wire.chat_encode import (
    Changes,
    encode_request,
    message_object,
    with_changes,
)
from rung.wire.chat_request import DIALECT, decode_request
from rung.wire.chat_stream import DONE, ChatStream, ChunkWriter, Grown
from rung.wire.errors import WireError

__all__ = [
    "DIALECT",
    "DONE",
    "Changes",
    "ChatStream",
    "ChunkWriter",
    "Grown",
    "UpstreamFaultError",
    "WireError",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_error",
    "encode_models",
    "encode_request",
    "message_object",
    "with_changes",
]
