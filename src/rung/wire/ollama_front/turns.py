"""Ollama's native dialect as callers speak it, the messages of a request: JSON to canonical parts.

The dialect: ``Message`` in ``api/types.go`` of github.com/ollama/ollama.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import Image, Message, Opaque, Part, Role, Text, ToolCall, ToolResult
from rung.core.types import Need

DIALECT = "ollama_front"
"""Not the name of what Ollama servers answer in: their bytes are never passed on as they came."""

MOST_CALLS = 1024
MAX_ID_CHARACTERS = 512

ROLES: Mapping[str, Role] = {role.value: role for role in Role}

_PLACE = re.compile(r"\s*-?\s*at `\$((?:\[\d+\]|\.\w+|\[\.\.\.\])*)`$")
_NO_ARGUMENTS = frozenset({b"", b"null"})

_HEAD_CHARACTERS = 16
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8"), "image/gif"),
    (re.compile(rb"BM"), "image/bmp"),
)
"""What a picture's first bytes say that it is: the dialect has no other word for it."""


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    name: str | None = None
    """What older clients call ``tool_name``."""


_MESSAGES: msgspec.json.Decoder[list[_Message] | None] = msgspec.json.Decoder(list[_Message] | None)
_STRING: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


def messages(value: bytes) -> tuple[tuple[Message, ...], set[Need]]:
    """The conversation, possibly empty, and what a tier must be able to do for it.

    Raises RequestError, naming the place ("messages[2].tool_calls[0].function").
    """
    try:
        told = _MESSAGES.decode(value) or []
    except msgspec.ValidationError as error:
        raise misshapen("messages", str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'messages' cannot be read.", param="messages") from None
    return _Conversation(told).read()


def misshapen(name: str, told: str) -> RequestError:
    """What msgspec found wrong in the field ``name``, with its place."""
    place = _PLACE.search(told)
    param = f"{name}{place.group(1) if place else ''}"
    return RequestError(f"'{param}' is wrong: {_PLACE.sub('', told)}.", param=param)


@dataclass(slots=True)
class _Conversation:
    """Reads messages in order.

    Most clients send neither the ids of calls nor, with a result, the call that it answers. A call
    without an id gets one by its place among such calls, which stays as the conversation grows. A
    result without one is of the first call not answered yet that was of its tool.
    """

    told: Sequence[_Message]
    needs: set[Need] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)
    _given: int = 0
    _waiting: list[ToolCall] = field(default_factory=list)

    def read(self) -> tuple[tuple[Message, ...], set[Need]]:
        # All that callers named are taken, wherever they stand.
        self._ids = {call.id for one in self.told for call in one.tool_calls or () if call.id}
        read = []
        before = None
        for index, one in enumerate(self.told):
            place = f"messages[{index}]"
            role = ROLES.get(one.role.lower())
            if role is None:
                param = f"{place}.role"
                raise RequestError(f"'{param}' must be one of {', '.join(ROLES)}.", param=param)
            if role is Role.ASSISTANT and before is not Role.ASSISTANT:
                self._waiting.clear()
            read.append(Message(role, self._parts(role, one, place)))
            before = role
        return tuple(read), self.needs

    def _parts(self, role: Role, told: _Message, place: str) -> tuple[Part, ...]:
        pictures = self._pictures(told.images or (), place)
        words = [Text(told.content)] if told.content else []
        if role is Role.TOOL:
            return (self._result(told, (*words, *pictures), place),)
        calls = self._calls(told.tool_calls or (), place) if role is Role.ASSISTANT else []
        thoughts = []
        if role is Role.ASSISTANT and told.thinking:
            thoughts.append(Opaque("thinking", told.thinking, DIALECT))
        return (*thoughts, *words, *pictures, *calls) or (Text(""),)

    def _pictures(self, told: Sequence[str], place: str) -> list[Image]:
        if told:
            self.needs.add(Need.IMAGES)
        return [_picture(data, f"{place}.images[{i}]") for i, data in enumerate(told)]

    # -------------------------------------------------------------- calls and results

    def _calls(self, told: Sequence[_Call], place: str) -> list[ToolCall]:
        if not told:
            return []
        param = f"{place}.tool_calls"
        if len(told) > MOST_CALLS:
            raise RequestError(f"'{param}' must hold at most {MOST_CALLS} calls.", param=param)
        self.needs.add(Need.TOOLS)
        calls = [
            ToolCall(
                _short(call.id, f"{param}[{i}].id") or self._new_id(),
                call.function.name,
                _arguments(bytes(call.function.arguments), f"{param}[{i}].function.arguments"),
            )
            for i, call in enumerate(told)
        ]
        self._waiting += calls
        return calls

    def _new_id(self) -> str:
        while True:
            made = f"call_{self._given}"
            self._given += 1
            if made not in self._ids:
                return made

    def _result(self, told: _Message, parts: tuple[Text | Image, ...], place: str) -> ToolResult:
        self.needs.add(Need.TOOLS)
        name = told.tool_name or told.name or ""
        own = _short(told.tool_call_id, f"{place}.tool_call_id")
        answered = None if own in self._ids else self._answered(name)
        if answered is None:
            self._waiting = [call for call in self._waiting if call.id != own]
            return ToolResult(own, parts or (Text(""),), name=name)
        self._waiting.remove(answered)
        return ToolResult(answered.id, parts or (Text(""),), name=name)

    def _answered(self, name: str) -> ToolCall | None:
        """The call that a result of ``name`` answers: the first that waits, of that tool if any."""
        of_its_tool = (call for call in self._waiting if call.name == name)
        return next(of_its_tool, self._waiting[0] if self._waiting else None)


def _short(id: str | None, place: str) -> str:  # noqa: A002 the field's name
    if id is not None and len(id) > MAX_ID_CHARACTERS:
        raise RequestError(f"'{place}' is longer than {MAX_ID_CHARACTERS}.", param=place)
    return id or ""


def _arguments(raw: bytes, place: str) -> str:
    """The arguments' JSON text. Ollama takes an object only; some callers send its text."""
    if raw in _NO_ARGUMENTS:
        return "{}"
    if raw.startswith(b"{"):
        return raw.decode()
    try:
        return _STRING.decode(raw)
    except msgspec.DecodeError:
        raise RequestError(f"'{place}' must be an object.", param=place) from None


def _picture(data: str, place: str) -> Image:
    """A picture in base64, with the kind that its first bytes tell."""
    try:
        head = base64.b64decode(data[:_HEAD_CHARACTERS], validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(f"'{place}' must be a picture in base64.", param=place) from None
    for beginning, kind in _KINDS:
        if beginning.match(head):
            return Image(kind, data)
    raise RequestError(
        f"'{place}' must be a picture: PNG, JPEG, WebP, GIF or BMP, in base64.", param=place
    )
