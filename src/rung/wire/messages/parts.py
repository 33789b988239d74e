"""Anthropic Messages, requests: what is said in ``system`` and ``messages``, as canonical messages.

A block is read where it has a meaning in other dialects; any other is kept whole. The dialect:
https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rung.core.errors import RequestError
from rung.core.parts import File, Image, Message, Opaque, Part, Role, Text, ToolCall, ToolResult
from rung.core.types import Need
from rung.wire.jsontext import Field
from rung.wire.messages.arguments import arguments_of

DIALECT = "messages"

BILLING_HEADER = "x-anthropic-billing-header:"
"""Begins a first system block that Claude Code changes with every build: no words for a model."""

ROLES: Mapping[str, Role] = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
}
MOST_KIND_CHARACTERS = 64

_ATTACHED: Mapping[str, Need] = {"image": Need.IMAGES, "document": Need.FILES}
_SPEAKERS: Mapping[str, Role] = {"tool_use": Role.ASSISTANT, "tool_result": Role.USER}
"""Who alone may use a kind of block."""


class _Block(msgspec.Struct):
    type: str
    text: str | UnsetType = UNSET
    source: msgspec.Raw = msgspec.Raw()
    title: str | None = None
    context: str | None = None
    citations: msgspec.Raw = msgspec.Raw()
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str = ""
    content: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Turn(msgspec.Struct):
    role: str
    content: msgspec.Raw = msgspec.Raw()


class _Kind(msgspec.Struct):
    type: str


class _Citations(msgspec.Struct):
    enabled: bool = False


_TURNS = msgspec.json.Decoder(list[_Turn])
_STRING = msgspec.json.Decoder(str)
_BLOCK = msgspec.json.Decoder(_Block)
_BLOCKS = msgspec.json.Decoder(list[_Block])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_KIND = msgspec.json.Decoder(_Kind)
_SOURCE = msgspec.json.Decoder(_Source)
_CITATIONS = msgspec.json.Decoder(_Citations)
_PLACE = re.compile(r"\s*-?\s*at `\$((?:\[\d+\]|\.\w+)*)`$")
_KNOWN = frozenset({"text", *_ATTACHED, *_SPEAKERS})
_NOTHING = (b"", b"null")


@dataclass(slots=True)
class Findings:
    """What a conversation turned out to need, and its fields that only this dialect can say."""

    needs: set[Need] = field(default_factory=set)
    extras: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Content:
    """One ``content``: who speaks, where it stands, and its blocks' own bytes when asked for."""

    raw: bytes
    place: str
    role: Role
    findings: Findings
    raws: list[msgspec.Raw] | None = None

    def whole(self, index: int) -> Any:
        """A block's whole JSON value."""
        if self.raws is None:
            self.raws = _RAWS.decode(self.raw)
        return msgspec.json.decode(self.raws[index])


def conversation(found: Mapping[str, Field], findings: Findings) -> tuple[Message, ...]:
    """``system`` and ``messages`` in order. Raises RequestError, naming the place."""
    if "messages" not in found:
        raise RequestError("'messages' is missing.", param="messages")
    told = guarded("messages", lambda: _TURNS.decode(found["messages"].value))
    if not told:
        raise RequestError("'messages' must hold at least one message.", param="messages")
    messages = _system(found, findings)
    for index, turn in enumerate(told):
        messages += _messages(turn, f"messages[{index}]", findings)
    return tuple(messages)


def _system(found: Mapping[str, Field], findings: Findings) -> list[Message]:
    value = found["system"].value if "system" in found else b""
    if value in _NOTHING:
        return []
    parts = _parts(_Content(value, "system", Role.SYSTEM, findings))
    first = parts[0] if parts else None
    if isinstance(first, Text) and first.text.startswith(BILLING_HEADER):
        parts = parts[1:]
    return [Message(Role.SYSTEM, tuple(parts))] if parts and parts != [Text("")] else []


def _messages(turn: _Turn, place: str, findings: Findings) -> list[Message]:
    """A turn as messages: results of tools come apart, what else the user says follows them."""
    role = ROLES.get(turn.role)
    if role is None:
        param = f"{place}.role"
        raise RequestError(f"'{param}' must be one of {', '.join(ROLES)}.", param=param)
    parts = _parts(_Content(bytes(turn.content), f"{place}.content", role, findings))
    results = [Message(Role.TOOL, (part,)) for part in parts if isinstance(part, ToolResult)]
    if not results:
        return [Message(role, tuple(parts))]
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    return [*results, Message(role, rest)] if rest else results


# ------------------------------------------------------------------ blocks


def _parts(content: _Content) -> list[Part]:
    raw = content.raw
    if raw.startswith(b'"'):
        return [Text(guarded(content.place, lambda: _STRING.decode(raw)))]
    if not raw.startswith(b"["):
        raise RequestError(
            f"'{content.place}' must be a string or a list of blocks.", param=content.place
        )
    try:
        blocks = _BLOCKS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        blocks = _one_by_one(content)
    return [_part(block, index, content) for index, block in enumerate(blocks)]


def _one_by_one(content: _Content) -> list[_Block]:
    """Blocks of which one is misshapen: an error, unless its kind is one that is kept unread."""
    raws = guarded(content.place, lambda: _RAWS.decode(content.raw))
    return [guarded(f"{content.place}[{i}]", partial(_block, raw)) for i, raw in enumerate(raws)]


def _block(raw: msgspec.Raw) -> _Block:
    kind = _KIND.decode(raw).type
    return _BLOCK.decode(raw) if kind in _KNOWN else _Block(kind)


def _part(block: _Block, index: int, content: _Content) -> Part:
    place = f"{content.place}[{index}]"
    if content.role is not _SPEAKERS.get(block.type, content.role):
        raise RequestError(f"'{place}' cannot be a {block.type} block here.", param=place)
    match block.type:
        case "text":
            if isinstance(block.text, UnsetType):
                raise RequestError(f"'{place}.text' is missing.", param=f"{place}.text")
            return Text(block.text)
        case "image" | "document":
            return _attached(block, index, content)
        case "tool_use":
            return _call(block, place, content.findings)
        case "tool_result":
            return _result(block, place, content.findings)
        case _:
            return _kept(block.type, index, content)


def _kept(kind: str, index: int, content: _Content) -> Opaque:
    if kind == "container_upload":
        content.findings.needs.add(Need.STATE)
    whole = guarded(f"{content.place}[{index}]", lambda: content.whole(index))
    return Opaque(kind[:MOST_KIND_CHARACTERS], whole, DIALECT)


def _attached(block: _Block, index: int, content: _Content) -> Part:
    place = f"{content.place}[{index}].source"
    if not bytes(block.source):
        raise RequestError(f"'{place}' is missing.", param=place)
    source = guarded(place, lambda: _SOURCE.decode(block.source))
    findings = content.findings
    findings.needs.add(_ATTACHED[block.type])
    if source.type == "file":
        findings.needs.add(Need.STATE)
    if block.type == "image":
        part: Part | None = _image(source)
    else:
        findings.extras |= _said_of(block)
        part = _file(source, block.title or "")
    return part or _kept(block.type, index, content)


def _image(source: _Source) -> Image | None:
    match source.type:
        case "base64":
            return Image(source.media_type, source.data)
        case "url":
            return Image(url=source.url)
        case _:
            return None


def _file(source: _Source, name: str) -> File | None:
    match source.type:
        case "base64":
            return File(source.media_type, source.data, name=name)
        case "text":
            data = base64.b64encode(source.data.encode()).decode()
            return File("text/plain", data, name=name)
        case "url":
            return File(url=source.url, name=name)
        case _:
            return None


def _said_of(block: _Block) -> set[str]:
    """What a document asks for that a plain file has no place for."""
    extras = {"context"} if block.context else set()
    try:
        cited = bytes(block.citations) not in _NOTHING and _CITATIONS.decode(block.citations)
    except (msgspec.DecodeError, RecursionError):
        return extras
    return extras | {"citations"} if cited and cited.enabled else extras


def _call(block: _Block, place: str, findings: Findings) -> ToolCall:
    findings.needs.add(Need.TOOLS)
    if not block.name:
        raise RequestError(f"'{place}.name' is missing.", param=f"{place}.name")
    told = bytes(block.input)
    if told in _NOTHING:
        return ToolCall(block.id, block.name, "{}")
    return ToolCall(block.id, block.name, guarded(f"{place}.input", lambda: arguments_of(told)))


def _result(block: _Block, place: str, findings: Findings) -> ToolResult:
    findings.needs.add(Need.TOOLS)
    raw = bytes(block.content)
    parts: list[Part] = []
    if raw not in _NOTHING:
        parts = _parts(_Content(raw, f"{place}.content", Role.TOOL, findings))
    told = tuple(part for part in parts if isinstance(part, Text | Image | File | Opaque))
    return ToolResult(block.tool_use_id, told, is_error=bool(block.is_error))


def guarded(place: str, read: Callable[[], Any]) -> Any:
    """What ``read`` reads at ``place``, its errors as the caller's."""
    try:
        return read()
    except msgspec.ValidationError as error:
        told = str(error)
        within = _PLACE.search(told)
        param = f"{place}{within.group(1) if within else ''}"
        raise RequestError(f"'{param}' is wrong: {_PLACE.sub('', told)}.", param=param) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RequestError(f"'{place}' cannot be read.", param=place) from None
