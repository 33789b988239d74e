"""What planning sees of a request: sizes and needs, computed once, in one pass over its text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rung.core.parts import (
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from rung.core.types import Need, Request

BYTES_PER_TOKEN = 4
"""A rough size of a token in UTF-8 bytes: good enough to compare with a context window, and to bill
only under the flag ``estimated``."""

MESSAGE_TOKENS = 4
"""What a chat template adds around one message."""

MEDIA = frozenset({"input_audio", "image", "image_url", "input_image"})
"""Opaque parts whose bytes say nothing of their tokens: a clip in base64 is no text."""

MEDIA_TOKENS = 1600
"""What one picture or clip is taken for: the most that Anthropic counts for a picture, which it
scales down to that (https://docs.claude.com/en/docs/build-with-claude/vision)."""

FILE_BYTES_PER_TOKEN = 40
"""Of a document in base64: a page of a PDF is some 60 KB of it and some 1,500 tokens."""

LIKELY_OUTPUT_TOKENS = 4096
"""Room that is kept for an answer, however long the caller would let it be."""

DEFAULT_OUTPUT_TOKENS = 1024
"""Room kept for an answer when the caller sets no limit."""

LIKELY_SEARCHES = 10
"""How often a provider is taken to search, at most, where nobody sets a limit."""

MOST_SEARCHES = 1000

_MEDIA_NEEDS = frozenset({Need.IMAGES, Need.AUDIO, Need.FILES})
_MOST_USES = re.compile(rb'"max_uses"\s*:\s*(\d{1,6})')
_TTL = re.compile(rb'"(?:t|\\u0074){2}(?:l|\\u006[cC])"')


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
        """Prompt and answer together: what has to fit into a context window.

        Agents ask for 64,000 tokens and use 500. Where an answer does outgrow its window, the check
        for cut-off answers finds out.
        """
        return self.input_tokens + min(self.output_tokens, LIKELY_OUTPUT_TOKENS)

    @property
    def most_input_tokens(self) -> int:
        """A generous bound of the prompt's tokens, for caps: one token for every two bytes."""
        return 2 * self.input_tokens


@dataclass(frozen=True, slots=True)
class Beyond:
    """What may be billed of a call beyond its words.

    ``media``: its prompt or its answer may hold pictures or sound. ``searches``: how often its
    provider may search for it.
    """

    media: bool = True
    searches: int = 0


ANYTHING = Beyond()


def beyond(request: Request) -> Beyond:
    """What of a request may be billed beyond its words."""
    searches = (_most_uses(tool) for tool in request.tools if isinstance(tool, HostedTool))
    return Beyond(bool(request.needs & _MEDIA_NEEDS), sum(searches))


def _most_uses(tool: HostedTool) -> int:
    """How often a tool that the provider runs may be used: Anthropic's can say."""
    if "search" not in tool.kind:
        return 0
    said = _MOST_USES.search(tool.raw)
    return LIKELY_SEARCHES if said is None else min(int(said[1]), MOST_SEARCHES)


def may_keep_an_hour(body: bytes) -> bool:
    """Whether a body can ask for its prompt to be kept longer than usual, which may cost more.

    Anthropic takes a `ttl` in its markers, and so do those who pass them on:
    https://platform.claude.com/docs/en/build-with-claude/prompt-caching#1-hour-cache-duration
    """
    return b'"ttl"' in body or (b"\\u00" in body and _TTL.search(body) is not None)


def estimate_tokens(text: str) -> int:
    """About how many tokens ``text`` is; 0 only for the empty text."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def features(request: Request) -> Features:
    """Compute what planning needs. Tools count too: they are most of an agent's prompt."""
    prompt = sum(message_tokens(message) for message in request.messages)
    limit = request.sampling.max_tokens
    return Features(
        input_tokens=prompt + sum(map(_tool_tokens, request.tools)),
        output_tokens=DEFAULT_OUTPUT_TOKENS if limit is None else limit,
        needs=request.needs,
        messages=len(request.messages),
        has_schema=request.schema is not None,
    )


def message_tokens(message: Message) -> int:
    """About how many tokens one turn is."""
    return MESSAGE_TOKENS + sum(map(_part_tokens, message.parts))


def _part_tokens(part: Part) -> int:
    match part:
        case Text() | Refusal():
            return estimate_tokens(part.text)
        case Image():
            return MEDIA_TOKENS
        case File():
            return MEDIA_TOKENS + len(part.data) // FILE_BYTES_PER_TOKEN
        case ToolCall():
            return estimate_tokens(part.name) + estimate_tokens(part.arguments)
        case ToolResult():
            return sum(map(_part_tokens, part.parts))
        case Opaque():
            media = part.kind in MEDIA
            return MEDIA_TOKENS if media else -(-_size(part.raw) // BYTES_PER_TOKEN)


def _tool_tokens(tool: Tool | HostedTool) -> int:
    if isinstance(tool, HostedTool):
        return -(-len(tool.raw) // BYTES_PER_TOKEN)
    told = estimate_tokens(tool.name) + estimate_tokens(tool.description)
    return told + -(-len(tool.parameters) // BYTES_PER_TOKEN)


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
