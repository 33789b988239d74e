"""OpenAI Responses, the items of a conversation: read from callers, written for providers.

What the assistant did in one turn is one message, however many items it comes in. The dialect:
https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from rung.core.errors import RequestError
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
from rung.core.types import Need
from rung.wire.histories import answered
from rung.wire.ids import ANY, RESPONSES, IdRule, fit
from rung.wire.responses.tools import DIALECT

ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}

TEXT_KINDS = frozenset({"input_text", "output_text", "text"})
CONTENT_KINDS = frozenset({"input_image", "input_file", "input_audio", "output_audio"})
"""What an opaque part is called that stands inside of a message and is no item of its own."""

THINKING_KINDS = frozenset({"reasoning"})

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_LIKE_AN_ERROR = re.compile(
    r"\W*(?:\w*error|\w*exception|traceback|failed|failure|fatal)\b", re.IGNORECASE
)
_BEGINNING = 80
_PLACE = re.compile(r"\s*-?\s*at `\$((?:\[\d+\]|\.\w+)*)`$")
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


class _Head(msgspec.Struct):
    type: Any = None


class _Spoken(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw] | None = None


class _Called(msgspec.Struct):
    call_id: str
    name: str
    arguments: str = ""
    input: str = ""
    namespace: str | None = None


class _Output(msgspec.Struct):
    call_id: str
    output: str | list[msgspec.Raw] | None = None
    name: str | None = None


class _Content(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_HEAD = msgspec.json.Decoder(_Head)
_SPOKEN = msgspec.json.Decoder(_Spoken)
_CALLED = msgspec.json.Decoder(_Called)
_OUTPUT = msgspec.json.Decoder(_Output)
_CONTENT = msgspec.json.Decoder(_Content)


def decode_input(value: bytes) -> tuple[tuple[Message, ...], frozenset[Need]]:
    """The conversation in ``input``, and what its parts need.

    Raises RequestError, naming the item.
    """
    if value.startswith(b'"'):
        return (Message(Role.USER, (Text(_string(value)),)),), frozenset()
    try:
        items = _ITEMS.decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'input' must be a string or a list of items.", param="input") from None
    if not items:
        raise RequestError("'input' must hold at least one item.", param="input")
    needs: set[Need] = set()
    read = [_item(bytes(raw), f"input[{index}]", needs) for index, raw in enumerate(items)]
    return tuple(answered(_turns(read))), frozenset(needs)


def _string(value: bytes) -> str:
    try:
        return str(msgspec.json.decode(value))
    except msgspec.DecodeError:
        raise RequestError("'input' cannot be read.", param="input") from None


def _turns(messages: Iterable[Message]) -> Iterable[Message]:
    """The same with neighbours of the assistant's put together."""
    for role, group in groupby(messages, lambda message: message.role):
        if role is Role.ASSISTANT:
            yield Message(role, tuple(part for message in group for part in message.parts))
        else:
            yield from group


def _read(decoder: msgspec.json.Decoder[Any], raw: bytes, place: str) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        inside = _PLACE.search(str(error))
        param = f"{place}{inside.group(1) if inside else ''}"
        what = _PLACE.sub("", str(error))
        raise RequestError(f"'{param}' is wrong: {what}.", param=param) from None


def _item(raw: bytes, place: str, needs: set[Need]) -> Message:
    kind = _read(_HEAD, raw, place).type
    if kind is None or kind == "message":
        return _spoken(_read(_SPOKEN, raw, place), place, needs)
    if not isinstance(kind, str):
        raise RequestError(f"'{place}.type' must be a string.", param=f"{place}.type")
    if kind in _CALLS:
        needs.add(Need.TOOLS)
        return Message(Role.ASSISTANT, (_call(_read(_CALLED, raw, place), kind),))
    if kind in _OUTPUTS:
        needs.add(Need.TOOLS)
        return Message(Role.TOOL, (_result(_read(_OUTPUT, raw, place), place, needs),))
    if kind == "item_reference":
        needs.add(Need.STATE)
    role = Role.USER if kind.endswith(("_output", "_response")) else Role.ASSISTANT
    return Message(role, (Opaque(kind, msgspec.json.decode(raw), DIALECT),))


def _spoken(told: _Spoken, place: str, needs: set[Need]) -> Message:
    role = ROLES.get(told.role)
    if role is None:
        param = f"{place}.role"
        raise RequestError(f"'{param}' must be one of {', '.join(ROLES)}.", param=param)
    if told.content is None:
        param = f"{place}.content"
        raise RequestError(f"'{param}' must be a string or a list of parts.", param=param)
    return Message(role, _contents(told.content, f"{place}.content", needs))


def _call(told: _Called, kind: str) -> ToolCall:
    return ToolCall(
        id=told.call_id,
        name=told.name,
        arguments=getattr(told, _CALLS[kind]),
        namespace=told.namespace or "",
        custom=kind == "custom_tool_call",
    )


def _result(told: _Output, place: str, needs: set[Need]) -> ToolResult:
    parts = _contents(told.output or "", f"{place}.output", needs)
    kept = tuple(part for part in parts if isinstance(part, Text | Image | File | Opaque))
    return ToolResult(told.call_id, kept, name=told.name or "")


# ------------------------------------------------------------------ parts of a message


def _contents(content: str | list[msgspec.Raw], place: str, needs: set[Need]) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(
        _content(bytes(raw), f"{place}[{index}]", needs) for index, raw in enumerate(content)
    )


def _content(raw: bytes, place: str, needs: set[Need]) -> Part:
    told: _Content = _read(_CONTENT, raw, place)
    if told.type in TEXT_KINDS:
        return Text(_said(told.text, f"{place}.text"))
    if told.type == "refusal":
        return Refusal(_said(told.refusal, f"{place}.refusal"))
    found: Part | None = None
    if told.type == "input_image":
        needs.add(Need.IMAGES)
        found = _image(told)
    elif told.type == "input_file":
        needs.add(Need.FILES)
        found = _file(told)
    elif told.type == "input_audio":
        needs.add(Need.AUDIO)
    if found is None and told.file_id:
        needs.add(Need.STATE)
    return found or Opaque(told.type, msgspec.json.decode(raw), DIALECT)


def _said(text: str | None, place: str) -> str:
    if text is None:
        raise RequestError(f"'{place}' is missing.", param=place)
    return text


def _image(told: _Content) -> Image | None:
    if not told.image_url:
        return None
    detail = told.detail or ""
    data = _DATA_URL.match(told.image_url)
    if data is None:
        return Image(url=told.image_url, detail=detail)
    return Image(data.group(1), told.image_url[data.end() :], detail=detail)


def _file(told: _Content) -> File | None:
    name = told.filename or ""
    if told.file_url:
        return File(url=told.file_url, name=name)
    if not told.file_data:
        return None
    data = _DATA_URL.match(told.file_data)
    if data is None:
        return File(data=told.file_data, name=name)
    return File(data.group(1), told.file_data[data.end() :], name=name)


# ------------------------------------------------------------------ written


def item_objects(
    messages: Sequence[Message],
    losses: set[str],
    *,
    ids: IdRule = ANY,
    system_first: bool = False,
) -> list[Any]:
    """Messages as items of this dialect. What it cannot say is left out and named in ``losses``."""
    rule = RESPONSES if ids is ANY else ids
    items: list[Any] = []
    custom: set[str] = set()
    front = True
    for message in messages:
        front = front and message.role is Role.SYSTEM
        role = message.role.value
        if system_first and message.role is Role.SYSTEM and not front:
            losses.add("system_position")
            role = Role.USER.value
        items += _message_items(message, role, losses, rule, custom)
    return items


def _message_items(
    message: Message, role: str, losses: set[str], rule: IdRule, custom: set[str]
) -> list[Any]:
    items: list[Any] = []
    for together, group in groupby(message.parts, _is_content):
        parts = list(group)
        if together:
            items.append({"role": role, "content": _content_value(parts, role)})
            continue
        for part in parts:
            item = _part_item(part, losses, rule, custom)
            if item is not None:
                items.append(item)
    if not message.parts and message.role is not Role.ASSISTANT:
        items.append({"role": role, "content": ""})
    return items


def _is_content(part: Part) -> bool:
    if isinstance(part, Opaque):
        return part.dialect == DIALECT and part.kind in CONTENT_KINDS
    return not isinstance(part, ToolCall | ToolResult)


def _part_item(part: Part, losses: set[str], rule: IdRule, custom: set[str]) -> Any:
    if isinstance(part, ToolCall):
        if part.custom:
            custom.add(part.id)
        return call_item(part, rule)
    if isinstance(part, ToolResult):
        return _result_item(part, losses, rule, custom=part.call_id in custom)
    if isinstance(part, Opaque):
        if part.dialect == DIALECT:
            return part.raw
        losses.add(loss_of(part))
    return None


def call_item(call: ToolCall, rule: IdRule = RESPONSES) -> dict[str, Any]:
    """A tool call as an item, without what only an answer's item has."""
    kind = "custom_tool_call" if call.custom else "function_call"
    told = {"type": kind, "call_id": fit(call.id, rule), "name": call.name}
    if call.namespace:
        told["namespace"] = call.namespace
    told[_CALLS[kind]] = call.arguments
    return told


def _result_item(
    result: ToolResult, losses: set[str], rule: IdRule, *, custom: bool
) -> dict[str, Any]:
    parts: list[Part] = []
    if result.is_error and not _LIKE_AN_ERROR.match(result.text[:_BEGINNING]):
        parts.append(Text("Error:"))
    for part in result.parts:
        if isinstance(part, Opaque) and part.dialect != DIALECT:
            losses.add(loss_of(part))
        else:
            parts.append(part)
    return {
        "type": "custom_tool_call_output" if custom else "function_call_output",
        "call_id": fit(result.call_id, rule),
        "output": _content_value(parts, Role.TOOL.value) if parts else "",
    }


def loss_of(part: Opaque) -> str:
    """What it is called when a foreign part is left out."""
    return _LOSSES.get(part.kind, part.kind)


_LOSSES: Mapping[str, str] = {
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "reasoning_content": "thinking",
    "reasoning": "thinking",
    "input_audio": "audio",
}


def _content_value(parts: Sequence[Part], role: str) -> Any:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    kind = "output_text" if role == Role.ASSISTANT.value else "input_text"
    return [_content_object(part, kind) for part in parts]


def _content_object(part: Part, text_kind: str) -> Any:
    if isinstance(part, Text):
        return {"type": text_kind, "text": part.text}
    return _OBJECTS[type(part)](part)


def _data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}" if media_type else data


def _image_object(part: Image) -> dict[str, Any]:
    told = {"type": "input_image", "image_url": part.url or _data_url(part.media_type, part.data)}
    return told | ({"detail": part.detail} if part.detail else {})


def _file_object(part: File) -> dict[str, Any]:
    told = {"type": "input_file"}
    if part.name:
        told["filename"] = part.name
    if part.url:
        return told | {"file_url": part.url}
    return told | {"file_data": _data_url(part.media_type, part.data)}


_OBJECTS: Mapping[type, Callable[[Any], Any]] = {
    Image: _image_object,
    File: _file_object,
    Refusal: lambda part: {"type": "refusal", "refusal": part.text},
    Opaque: lambda part: part.raw,
}
