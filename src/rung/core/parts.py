"""What conversations are made of: messages and their parts, tools and the calls of them.

One vocabulary for all dialects. A front door reads its bytes into these, a back end writes them
out; what has a meaning on both sides arrives unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Text:
    """A run of plain text inside a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: base64 ``data`` with its media type ("image/png"), or a ``url``, never both.

    ``detail`` is how closely OpenAI's models are to look ("low", "high"); empty where unsaid.
    """

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A document: base64 ``data`` with its media type ("application/pdf"), or a ``url``."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words in which the assistant declined, where a dialect keeps them apart from its text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The assistant calls a tool.

    ``arguments`` is JSON text as the model wrote it, valid or not; of a ``custom`` tool it is the
    free text that the tool takes. ``id`` is whatever the model's dialect gave it, possibly empty.
    ``namespace`` groups tools in the Responses dialect.
    """

    id: str
    name: str
    arguments: str
    namespace: str = ""
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that only its own ``dialect`` can carry (thinking, audio): kept, never read.

    ``kind`` is the dialect's own name for it, ``raw`` its whole JSON value.
    """

    kind: str
    raw: Any
    dialect: str = ""

    @property
    def loss(self) -> str:
        """What is lost with it where it cannot be carried: "thinking", "audio", or its own kind."""
        return _LOSSES.get(self.kind, self.kind)


_LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "thinking": "thinking",
        "redacted_thinking": "thinking",
        "reasoning": "thinking",
        "reasoning_content": "thinking",
        "input_audio": "audio",
        "audio": "audio",
    }
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back for the call ``call_id``. ``name`` is the tool's, where it is told."""

    call_id: str
    parts: tuple[Text | Image | File | Opaque, ...]
    is_error: bool = False
    name: str = ""

    @property
    def text(self) -> str:
        """All plain text of the result, joined by new lines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


Part = Text | Image | File | Refusal | ToolCall | ToolResult | Opaque


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    A message of Role.TOOL holds exactly one ToolResult: results that a dialect puts into one turn
    of the user's come apart in order, and are put together again on the way out.
    """

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All plain text of the message, joined by new lines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text | ToolResult))


# ------------------------------------------------------------------ tools


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the caller runs.

    ``parameters`` is the JSON Schema of its arguments as JSON text; empty: it takes whatever comes.
    ``strict`` is the caller's own flag. A ``custom`` tool takes free text and has no schema;
    ``format`` is then the JSON text of what restricts it (a grammar), if anything does.
    """

    name: str
    description: str = ""
    parameters: bytes = b""
    strict: bool | None = None
    namespace: str = ""
    custom: bool = False
    format: bytes = b""


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the provider runs (a web search): only its own ``dialect`` can carry it.

    ``raw`` is its JSON text.
    """

    kind: str
    raw: bytes
    dialect: str


class Choice(StrEnum):
    """Whether the model may, must or must not call a tool."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The caller's choice; ``name`` and ``namespace`` say which tool for Choice.NAMED."""

    mode: Choice = Choice.AUTO
    name: str = ""
    namespace: str = ""


FREE_CHOICE = ToolChoice()
"""The model decides, as it does where a caller says nothing."""
