"""OpenAI Chat Completions, the messages of a request: the caller's JSON to canonical parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

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
from rung.wire.chat.calls import MOST_TOOL_CALLS, arguments_text
from rung.wire.jsontext import Field

DIALECT = "chat"

ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}

THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
"""The fields beside an assistant's content in which servers give, and want back, its thinking."""

MESSAGE_FIELDS = frozenset({*THOUGHTS, "name", "audio"})
"""Kinds of opaque parts that are fields of a message and not parts of its content."""

_MESSAGE = re.compile(r"\s*-?\s*at `\$((?:\[\d+\]|\.\w+)*)`$")


class _Part(msgspec.Struct):
    type: str
    text: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    image_url: Any = UNSET
    input_audio: Any = UNSET
    file: Any = UNSET
    thinking: Any = UNSET


class _Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _Custom(msgspec.Struct):
    name: str
    input: str = ""


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | UnsetType | None = UNSET
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    function_call: _Function | None = None
    name: str | None = None
    refusal: str | None = None
    audio: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None


_MESSAGES: msgspec.json.Decoder[list[_Message]] = msgspec.json.Decoder(list[_Message])


def messages(found: Mapping[str, Field]) -> tuple[tuple[Message, ...], set[Need]]:
    """The conversation, and what a tier must be able to do for it.

    Raises RequestError, naming the place ("messages[2].content[0].text").
    """
    field = found.get("messages")
    if field is None:
        raise RequestError("'messages' is missing.", param="messages")
    try:
        told = _MESSAGES.decode(field.value)
    except msgspec.ValidationError as error:
        raise _misshapen(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'messages' cannot be read.", param="messages") from None
    if not told:
        raise RequestError("'messages' must hold at least one message.", param="messages")
    needs: set[Need] = set()
    return tuple(_message(one, f"messages[{i}]", needs) for i, one in enumerate(told)), needs


def _misshapen(told: str) -> RequestError:
    place = _MESSAGE.search(told)
    param = f"messages{place.group(1) if place else ''}"
    return RequestError(f"'{param}' is wrong: {_MESSAGE.sub('', told)}.", param=param)


def _message(told: _Message, place: str, needs: set[Need]) -> Message:
    role = ROLES.get(told.role)
    if role is None:
        raise RequestError(
            f"'{place}.role' must be one of {', '.join(ROLES)}.", param=f"{place}.role"
        )
    if role is Role.TOOL:
        needs.add(Need.TOOLS)
        return Message(role, (_result(told, f"{place}.content", needs),))
    if role is Role.ASSISTANT:
        return Message(role, tuple(_spoken(told, place, needs)))
    parts = _content(told.content, f"{place}.content", needs)
    if told.name is not None:
        parts.append(Opaque("name", told.name, DIALECT))
    return Message(role, tuple(parts))


def _result(told: _Message, place: str, needs: set[Need]) -> ToolResult:
    parts = tuple(
        Text(part.text) if isinstance(part, Refusal) else part
        for part in _content(told.content, place, needs)
    )
    return ToolResult(told.tool_call_id or "", parts, name=told.name or "")


def _spoken(told: _Message, place: str, needs: set[Need]) -> list[Part]:
    """The assistant's turn: what it thought, what it said, what it called."""
    calls = _calls(told, place)
    if calls:
        needs.add(Need.TOOLS)
    if told.audio is not None:
        needs.add(Need.AUDIO)
    beside = _beside(told)
    parts: list[Part] = [part for part in beside if part.kind in THOUGHTS]
    silent = not told.content and bool(calls or told.refusal or parts or told.audio)
    # Words of refusal are repeated as content for servers that know no such field.
    if not silent and (not told.refusal or told.content != told.refusal):
        parts += _content(told.content, f"{place}.content", needs)
    if told.refusal:
        parts.append(Refusal(told.refusal))
    return [*parts, *calls, *(part for part in beside if part.kind not in THOUGHTS)]


def _beside(told: _Message) -> list[Opaque]:
    values = (
        ("reasoning_content", told.reasoning_content),
        ("reasoning", told.reasoning),
        ("reasoning_details", told.reasoning_details),
        ("audio", told.audio),
        ("name", told.name),
    )
    return [Opaque(kind, value, DIALECT) for kind, value in values if value is not None]


def _calls(told: _Message, place: str) -> list[ToolCall]:
    found = told.tool_calls or ()
    if len(found) > MOST_TOOL_CALLS:
        param = f"{place}.tool_calls"
        raise RequestError(f"'{param}' must hold at most {MOST_TOOL_CALLS} calls.", param=param)
    calls = []
    for index, call in enumerate(found):
        if call.function is not None:
            name, arguments = call.function.name, arguments_text(call.function.arguments)
            calls.append(ToolCall(call.id or "", name, arguments))
        elif call.custom is not None:
            calls.append(ToolCall(call.id or "", call.custom.name, call.custom.input, custom=True))
        else:
            param = f"{place}.tool_calls[{index}].function"
            raise RequestError(f"'{param}' is missing.", param=param)
    if not calls and told.function_call is not None:
        old = told.function_call
        calls.append(ToolCall("", old.name, arguments_text(old.arguments)))
    return calls


# ------------------------------------------------------------------ content

ContentPart = Text | Image | File | Refusal | Opaque


def _content(
    content: str | list[_Part] | UnsetType | None, place: str, needs: set[Need]
) -> list[Any]:
    if isinstance(content, str):
        return [Text(content)]
    if content is None or isinstance(content, UnsetType):
        raise RequestError(f"'{place}' must be a string or a list of parts.", param=place)
    return [_part(part, f"{place}[{i}]", needs) for i, part in enumerate(content)]


def _part(part: _Part, place: str, needs: set[Need]) -> ContentPart:
    known = _PARTS.get(part.type)
    if known is None:
        param = f"{place}.type"
        raise RequestError(f"'{param}' must be one of {', '.join(_PARTS)}.", param=param)
    value = getattr(part, part.type)
    place = f"{place}.{part.type}"
    if value is UNSET:
        raise RequestError(f"'{place}' is missing.", param=place)
    need, reader = known
    if need is not None:
        needs.add(need)
    return reader(value, place)


def _image(value: Any, place: str) -> Image:
    told = value if isinstance(value, dict) else {"url": value}
    url, detail = told.get("url"), told.get("detail")
    if not isinstance(url, str) or not url:
        raise RequestError(f"'{place}.url' must be a string.", param=f"{place}.url")
    detail = detail if isinstance(detail, str) else ""
    inside = _data_url(url)
    if inside is None:
        return Image(url=url, detail=detail)
    return Image(*inside, detail=detail)


def _file(value: Any, place: str) -> File | Opaque:
    if not isinstance(value, dict):
        raise RequestError(f"'{place}' must be an object.", param=place)
    data, name = value.get("file_data"), value.get("filename")
    name = name if isinstance(name, str) else ""
    if not isinstance(data, str) or not data:
        return Opaque("file", value, DIALECT)
    inside = _data_url(data)
    if inside is not None:
        return File(*inside, name=name)
    if data.startswith(("https://", "http://")):
        return File(url=data, name=name)
    return File(data=data, name=name)


def _data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a ``data:`` URL; ``None`` for any other."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        return None
    return head[len("data:") :].partition(";")[0], data


_PARTS: Mapping[str, tuple[Need | None, Callable[[Any, str], ContentPart]]] = {
    "text": (None, lambda value, _: Text(value)),
    "refusal": (None, lambda value, _: Refusal(value)),
    "image_url": (Need.IMAGES, _image),
    "input_audio": (Need.AUDIO, lambda value, _: Opaque("input_audio", value, DIALECT)),
    "file": (Need.FILES, _file),
    # Mistral's models think in parts of the content.
    "thinking": (None, lambda value, _: Opaque("thinking", value, DIALECT)),
}
"""The kinds of content part, with what a tier must be able to do for them and how they are read."""
