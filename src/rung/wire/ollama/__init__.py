"""Ollama's native dialect in one place: what ``/api/chat`` is sent and what its answers mean.

The native API and not ``/v1``: the latter ignores ``num_ctx``, ``keep_alive`` and ``truncate``, so
a long prompt would be cut at the front and answered all the same
(https://github.com/ollama/ollama/issues/4967).
"""

from rung.wire.ollama.answer import (
    ChatReader,
    Lines,
    OllamaWireError,
    Part,
    decode_as,
    decode_part,
)
from rung.wire.ollama.request import (
    DIALECT,
    OLLAMA_LACKS,
    ChatOptions,
    encode_chat,
    encode_load,
    encode_model,
)
from rung.wire.ollama.window import (
    ANSWER_TOKENS,
    BUCKETS,
    KEPT_TOKENS,
    PromptSize,
    bucket,
    cut_prompt,
    needed_tokens,
    offered,
    prompt_size,
)

__all__ = [
    "ANSWER_TOKENS",
    "BUCKETS",
    "DIALECT",
    "KEPT_TOKENS",
    "OLLAMA_LACKS",
    "ChatOptions",
    "ChatReader",
    "Lines",
    "OllamaWireError",
    "Part",
    "PromptSize",
    "bucket",
    "cut_prompt",
    "decode_as",
    "decode_part",
    "encode_chat",
    "encode_load",
    "encode_model",
    "needed_tokens",
    "offered",
    "prompt_size",
]
