"""Anthropic Messages, what is sent of a conversation: canonical messages as ``system`` and turns.

What the API insists on: the user speaks first, results of tools stand before anything else in the
user's turn, no text is blank, no turn is empty. Turns of one speaker in a row become one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from rung.core.parts import (
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from rung.wire import ids
from rung.wire.histories import distinct
from rung.wire.messages.arguments import input_of
from rung.wire.messages.parts import DIALECT

REMINDER = "<system-reminder>\n{}\n</system-reminder>"
NOTHING_SAID = "(nothing)"
"""Stands for a turn of the user's of which nothing can be said here: an empty one is refused."""
SPOKEN_FIRST = "(The assistant speaks first.)"
GO_ON = "Go on from where your last words end. Write only what follows them."

IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
PDF = "application/pdf"
TEXTS = frozenset({"application/json", "application/xml", "application/yaml"})
"""Media types that are text, beside ``text/*``."""

LOSSES: Mapping[str, str] = {
    "reasoning": "thinking",
    "reasoning_content": "thinking",
    "reasoning_details": "thinking",
    "redacted_thinking": "thinking",
    "input_audio": "audio",
    "image": "images",
    "image_url": "images",
    "file": "files",
}
"""What opaque parts of other dialects are called among losses, where it is not their kind."""

_PDF_BEGINS = "JVBERi"

Block = dict[str, Any]


@dataclass(slots=True)
class _Turn:
    role: Literal["user", "assistant"]
    results: list[Block] = field(default_factory=list)
    said: list[Block] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.results or self.said)


def system_blocks(messages: Sequence[Message], losses: set[str]) -> list[Block]:
    """The system messages that a conversation begins with."""
    blocks: list[Block] = []
    for message in messages[: leading(messages)]:
        losses |= {_loss(part) for part in message.parts if not isinstance(part, Text | Refusal)}
        blocks += [block for part in message.parts for block in _text(part)]
    return blocks


def leading(messages: Sequence[Message]) -> int:
    """How many system messages a conversation begins with; of nothing else, all but the last."""
    for index, message in enumerate(messages):
        if message.role is not Role.SYSTEM:
            return index
    return max(0, len(messages) - 1)


def conversation(
    messages: Sequence[Message], losses: set[str], *, prefill: bool = True
) -> list[Block]:
    """Everything after `system_blocks`. Without ``prefill``, the user has the last word."""
    rest = messages[leading(messages) :]
    if len(rest) == 1 and rest[0].role is Role.SYSTEM:
        losses.add("system_position")
        rest = [Message(Role.USER, rest[0].parts)]
    turns = _turns(distinct(rest), losses)
    if not turns or turns[0].role != "user":
        losses |= {"assistant_first"} if turns else set()
        turns.insert(0, _Turn("user", said=_words(SPOKEN_FIRST if turns else NOTHING_SAID)))
    if turns[-1].role == "assistant":
        _end(turns, losses, prefill=prefill)
    return [_object(turn) for turn in turns]


def appended(messages: Sequence[Message], losses: set[str]) -> list[Block]:
    """Turns to stand behind others."""
    return [_object(turn) for turn in _turns(messages, losses)]


def _turns(messages: Iterable[Message], losses: set[str]) -> list[_Turn]:
    turns: list[_Turn] = []
    for message in messages:
        role: Literal["user", "assistant"] = (
            "assistant" if message.role is Role.ASSISTANT else "user"
        )
        turn = turns[-1] if turns and turns[-1].role == role else _Turn(role)
        _grow(turn, message, losses)
        if not turn.empty and (not turns or turns[-1] is not turn):
            turns.append(turn)
    return turns


def _grow(turn: _Turn, message: Message, losses: set[str]) -> None:
    if message.role is Role.SYSTEM:
        turn.said += _reminder(message, losses)
        return
    for part in message.parts:
        if isinstance(part, ToolResult) and turn.role == "user":
            turn.results.append(_result(part, losses))
        else:
            turn.said += _blocks(part, turn.role, losses)
    if turn.empty and message.role is Role.USER:
        turn.said += _words(NOTHING_SAID)


def _reminder(message: Message, losses: set[str]) -> list[Block]:
    """A system message in the middle, where older models know no such role."""
    losses |= {_loss(part) for part in message.parts if not isinstance(part, Text)}
    if not message.text.strip():
        return []
    losses.add("system_position")
    return _words(REMINDER.format(message.text))


def _end(turns: list[_Turn], losses: set[str], *, prefill: bool) -> None:
    """See to a conversation that ends with the assistant's own words."""
    if not prefill:
        losses.add("prefill")
        turns.append(_Turn("user", said=_words(GO_ON)))
    elif "text" in (last := turns[-1].said[-1]):
        # Words to go on from may not end in white space.
        turns[-1].said[-1] = last | {"text": last["text"].rstrip()}


def _object(turn: _Turn) -> Block:
    content = [*turn.results, *turn.said]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return {"role": turn.role, "content": content[0]["text"]}
    return {"role": turn.role, "content": content}


# ------------------------------------------------------------------ blocks


def _blocks(part: Part, role: str, losses: set[str]) -> list[Block]:
    """What one part becomes: one block, or none and a loss."""
    block: Block | None = None
    match part:
        case Text() | Refusal():
            return _text(part)
        case ToolCall() if role == "assistant":
            return [_call(part, losses)]
        case Opaque() if part.dialect == DIALECT and isinstance(part.raw, dict):
            return [part.raw]
        case Image() if role == "user":
            block = _image(part)
        case File() if role == "user":
            block = _document(part)
        case _:
            pass
    if block is None:
        losses.add(_loss(part))
        return []
    return [block]


def _call(call: ToolCall, losses: set[str]) -> Block:
    """A ``tool_use`` block. Arguments that are no object are a loss."""
    told, own = input_of(call)
    if not own:
        losses.add("tool_arguments")
    return {
        "type": "tool_use",
        "id": ids.fit(call.id, ids.ANTHROPIC),
        "name": ids.wire_name(call.name, call.namespace),
        "input": msgspec.Raw(told),
    }


def _result(result: ToolResult, losses: set[str]) -> Block:
    told: Block = {
        "type": "tool_result",
        "tool_use_id": ids.fit(result.call_id, ids.ANTHROPIC),
    }
    blocks = [block for part in result.parts for block in _blocks(part, "user", losses)]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        told["content"] = blocks[0]["text"]
    elif blocks:
        told["content"] = blocks
    if result.is_error:
        told["is_error"] = True
    return told


def _text(part: Part) -> list[Block]:
    return _words(part.text) if isinstance(part, Text | Refusal) else []


def _words(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _image(image: Image) -> Block | None:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    if image.media_type not in IMAGES:
        return None
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _document(file: File) -> Block | None:
    source = _source(file)
    if source is None:
        return None
    block: Block = {"type": "document", "source": source}
    return block | {"title": file.name} if file.name else block


def _source(file: File) -> Block | None:
    if file.url:
        return {"type": "url", "url": file.url}
    if file.media_type == PDF or (not file.media_type and file.data.startswith(_PDF_BEGINS)):
        return {"type": "base64", "media_type": PDF, "data": file.data}
    if not file.media_type.startswith("text/") and file.media_type not in TEXTS:
        return None
    try:
        text = base64.b64decode(file.data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return {"type": "text", "media_type": "text/plain", "data": text}


def _loss(part: Part) -> str:
    if isinstance(part, Opaque):
        return LOSSES.get(part.kind, part.kind)
    return _NAMES[type(part)]


_NAMES: Mapping[type[Part], str] = {
    File: "files",
    Image: "images",
    Refusal: "refusal",
    ToolCall: "tool_calls",
    ToolResult: "tool_results",
}
