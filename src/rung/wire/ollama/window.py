"""How large a prompt is for Ollama, which context window holds it, and whether it was cut.

Ollama has no tokenizer to ask, so a prompt is measured in bytes, generously: a window that is too
small cuts the prompt, one that is too large costs memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rung.core.features import BYTES_PER_TOKEN, MESSAGE_TOKENS
from rung.core.parts import (
    Choice,
    HostedTool,
    Image,
    Message,
    Part,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Sampling
from rung.wire.back import Outgoing

BUCKETS = (16_384, 32_768, 65_536, 131_072)
"""Context sizes that are asked for. Few, because a change of size makes Ollama reload the model."""

MOST_ANSWER_TOKENS = 8_192
"""Room kept for an answer at most, however long the caller would let it be."""

ANSWER_TOKENS = 4_096
"""Room kept for an answer without a limit of its own: ample, for models that think."""

DENSE_BYTES_PER_TOKEN = 3
"""Bytes a token of dense text (code, figures, CJK): prompts are sized by it, so that they fit."""

SPARSE_BYTES_PER_TOKEN = 10
"""No real text has more bytes a token than this: a lower count has not seen the whole prompt."""

IMAGE_TOKENS = 1_601
"""A picture in a prompt: what Llama 3.2 Vision makes of one. Most models make fewer."""

TOOL_BYTES = 80
"""What stands around a tool's name, description and schema in the prompt."""

KEPT_TOKENS = (4, 5)
"""What Ollama keeps of a prompt's start when it cuts: its ``num_keep``, with or without the first
special token. Of the rest of the window it fills one half."""


@dataclass(frozen=True, slots=True)
class PromptSize:
    """What a prompt is made of. ``text_bytes`` is all that becomes text, tools and calls included.

    ``links`` counts pictures that are only linked to; ``uses_tools`` says that tools are offered,
    or were called before.
    """

    text_bytes: int = 0
    messages: int = 0
    images: int = 0
    links: int = 0
    uses_tools: bool = False

    @property
    def likely_tokens(self) -> int:
        """About how many tokens it is."""
        return self._tokens(BYTES_PER_TOKEN)

    @property
    def most_tokens(self) -> int:
        """How many tokens it is if the text is dense."""
        return self._tokens(DENSE_BYTES_PER_TOKEN)

    def _tokens(self, bytes_per_token: int) -> int:
        text = -(-self.text_bytes // bytes_per_token)
        return text + MESSAGE_TOKENS * self.messages + IMAGE_TOKENS * self.images


def prompt_size(sent: Outgoing) -> PromptSize:
    """Measure what ``sent`` makes the model read, in one pass."""
    tools = offered(sent.tools, sent.tool_choice)
    counted = _Counted(text_bytes=sum(map(_tool_bytes, tools)), uses_tools=bool(tools))
    for message in sent.messages:
        counted.add(message)
    return PromptSize(
        counted.text_bytes,
        len(sent.messages),
        counted.images,
        counted.links,
        counted.uses_tools,
    )


def offered(tools: Iterable[Tool | HostedTool], choice: ToolChoice) -> tuple[Tool, ...]:
    """The tools that the model is shown: none, the one it has to call, or all that callers run."""
    if choice.mode is Choice.NONE:
        return ()
    run = tuple(tool for tool in tools if isinstance(tool, Tool))
    if choice.mode is not Choice.NAMED:
        return run
    wanted = (choice.name, choice.namespace)
    return tuple(tool for tool in run if (tool.name, tool.namespace) == wanted) or run


@dataclass(slots=True)
class _Counted:
    text_bytes: int
    uses_tools: bool
    images: int = 0
    links: int = 0

    def add(self, message: Message) -> None:
        for part in message.parts:
            self._part(part)

    def _part(self, part: Part) -> None:
        match part:
            case Text() | Refusal():
                self.text_bytes += _bytes(part.text)
            case Image():
                self.images += bool(part.data)
                self.links += not part.data
            case ToolCall():
                self.uses_tools = True
                self.text_bytes += _bytes(part.name) + _bytes(part.arguments) + TOOL_BYTES
            case ToolResult():
                self.uses_tools = True
                for inner in part.parts:
                    self._part(inner)
            case _:
                pass  # what is not sent takes no room


def _tool_bytes(tool: Tool) -> int:
    return TOOL_BYTES + _bytes(tool.name) + _bytes(tool.description) + len(tool.parameters)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def needed_tokens(size: PromptSize, sampling: Sampling) -> int:
    """The window that holds the prompt and any likely answer, in tokens.

    Agents allow 64,000 tokens for an answer and use 500: a window for all of them would take
    gigabytes. An answer that outgrows its room is cut, and the check for that turns it down.
    """
    wanted = sampling.max_tokens
    answer = ANSWER_TOKENS if wanted is None else min(wanted, MOST_ANSWER_TOKENS)
    return size.most_tokens + answer


def bucket(needed: int, most: int | None) -> int:
    """The smallest of `BUCKETS` that holds ``needed`` tokens, never more than ``most``."""
    top = BUCKETS[-1] if most is None else most
    return min(top, next((size for size in BUCKETS if size >= needed), max(top, BUCKETS[-1])))


def cut_prompt(sent_bytes: int, counted: int, window: int) -> bool:
    """Whether a prompt of ``sent_bytes`` was shortened to the ``counted`` tokens the model read.

    ``window`` is the context the model is loaded with. ``truncate: false`` prevents it on servers
    that know the word; on others one of three marks shows it:

    * the prompt filled the window to the brim, with no room left for an answer;
    * it counts exactly what Ollama keeps of a cut one: the start and half of the other window;
    * it counts fewer tokens than any text of its size has, and might not have fitted.

    A low count alone is no mark: versions up to 0.2 and some of 0.30 leave cached tokens out
    (https://github.com/ollama/ollama/pull/5371, https://github.com/ollama/ollama/pull/16428).
    """
    if counted <= 0 or sent_bytes <= window:
        return False  # every token is a byte at least, so it fitted
    if counted >= window or counted in {keep + (window - keep) // 2 for keep in KEPT_TOKENS}:
        return True
    might_not_fit = sent_bytes > window * DENSE_BYTES_PER_TOKEN
    return might_not_fit and counted * SPARSE_BYTES_PER_TOKEN < sent_bytes
