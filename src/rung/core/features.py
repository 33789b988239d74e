"""What planning sees of a request: sizes and needs, computed once, in one pass over its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rung.core.types import Need, Request, Text

BYTES_PER_TOKEN = 4
"""A rough size of a token in UTF-8 bytes: good enough to compare with a context window, and to bill
only under the flag ``estimated``."""

MESSAGE_TOKENS = 4
"""What a chat template adds around one message."""

MEDIA = frozenset({"image_url", "input_image", "image", "input_audio"})
"""Parts whose bytes say nothing of their tokens: a picture in base64 is no text."""

MEDIA_TOKENS = 1600
"""What one picture or clip is taken for: the most that Anthropic counts for a picture, which it
scales down to that (https://docs.claude.com/en/docs/build-with-claude/vision)."""

DEFAULT_OUTPUT_TOKENS = 1024
"""Room kept for an answer when the caller sets no limit."""


@dataclass(frozen=True, slots=True)
class Features:
    """Sizes in tokens (estimated) and what the request depends on."""

    input_tokens: int
    output_tokens: int
    needs: frozenset[Need]
    messages: int
    has_schema: bool

    @property
    def total_tokens(self) -> int:
        """Prompt and answer together: what has to fit into a context window."""
        return self.input_tokens + self.output_tokens

    @property
    def most_input_tokens(self) -> int:
        """A generous bound of the prompt's tokens, for caps: one token for every two bytes."""
        return 2 * self.input_tokens


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` is; 0 only for the empty text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def features(request: Request) -> Features:
    """Compute what planning needs. What is in the body and in no message (tools) counts too."""
    written = media = media_bytes = 0
    plain = Need.TOOLS not in request.needs
    for part in (part for message in request.messages for part in message.parts):
        if isinstance(part, Text):
            written += estimate_tokens(part.text)
        elif part.kind in MEDIA:
            media += 1
            media_bytes += _size(part.raw)
        else:
            plain = False
            written += -(-_size(part.raw) // BYTES_PER_TOKEN)
    if not plain:
        written = max(written, (len(request.body) - media_bytes) // BYTES_PER_TOKEN)
    limit = request.sampling.max_tokens
    return Features(
        input_tokens=written + media * MEDIA_TOKENS + MESSAGE_TOKENS * len(request.messages),
        output_tokens=DEFAULT_OUTPUT_TOKENS if limit is None else limit,
        needs=request.needs,
        messages=len(request.messages),
        has_schema=request.schema is not None,
    )


def _size(raw: Any) -> int:
    """Bytes of all text inside a JSON value, however deep it is."""
    size, rest = 0, [raw]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            size += len(value.encode("utf-8", "replace"))
        elif isinstance(value, Mapping):
            rest += (*value.keys(), *value.values())
        elif isinstance(value, Sequence):
            rest += value
    return size
