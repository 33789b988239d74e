"""OpenAI Responses, tools and the choice among them: read from callers, written for both sides.

The dialect: https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import FREE_CHOICE, Choice, HostedTool, Tool, ToolChoice
from rung.wire.chat.schema import outside_reference

DIALECT = "responses"

MAX_TOOLS = 1024

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_NULL = b"null"
_LEADING_OUT = re.compile(rb'[rR]ef"\s*:\s*"[^#"]')
_MODES: Mapping[str, Choice] = {
    "auto": Choice.AUTO,
    "none": Choice.NONE,
    "required": Choice.REQUIRED,
}


class _Told(msgspec.Struct):
    """A tool of any kind: only a function and a custom tool with a name are read further."""

    type: Any = None
    name: Any = None
    description: Any = None
    parameters: msgspec.Raw = msgspec.Raw(_NULL)
    strict: Any = None
    format: msgspec.Raw = msgspec.Raw(_NULL)
    tools: msgspec.Raw = msgspec.Raw(_NULL)


_LIST = msgspec.json.Decoder(list[msgspec.Raw] | None)
_TOOL = msgspec.json.Decoder(_Told)


def decode_tools(value: bytes) -> tuple[Tool | HostedTool, ...]:
    """The tools of a request, those of a namespace one by one. What is unknown is hosted.

    Raises RequestError for what is no list of objects, and for schemas that lead out of it.
    """
    try:
        told = _LIST.decode(value) or []
    except (msgspec.DecodeError, RecursionError):
        raise _wrong("tools") from None
    if b'ef"' in value and _LEADING_OUT.search(value):
        _refuse_outside_references(value)
    found: list[Tool | HostedTool] = []
    for index, raw in enumerate(told):
        found += _tools(raw, f"tools[{index}]")
        if len(found) > MAX_TOOLS:
            raise _wrong("tools")
    return tuple(found)


def _tools(raw: msgspec.Raw, place: str) -> list[Tool | HostedTool]:
    told = _read(raw, place)
    if told.type != "namespace" or not _is_name(told.name):
        return [_tool(told, raw, place)]
    try:
        nested = _LIST.decode(told.tools)
    except (msgspec.DecodeError, RecursionError):
        nested = None
    if nested is None:
        return [_tool(told, raw, place)]
    inside = [(one, f"{place}.tools[{index}]") for index, one in enumerate(nested)]
    return [_tool(_read(one, at), one, at, told.name) for one, at in inside]


def _read(raw: msgspec.Raw, place: str) -> _Told:
    try:
        return _TOOL.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError(f"'{place}' must be an object.", param=place) from None


def _tool(told: _Told, raw: msgspec.Raw, place: str, namespace: str = "") -> Tool | HostedTool:
    if told.type not in ("function", "custom") or not _is_name(told.name):
        return HostedTool(told.type if isinstance(told.type, str) else "", bytes(raw), DIALECT)
    custom = told.type == "custom"
    return Tool(
        name=told.name,
        description=told.description if isinstance(told.description, str) else "",
        parameters=b"" if custom else _object(told.parameters, f"{place}.parameters"),
        strict=told.strict if isinstance(told.strict, bool) and not custom else None,
        namespace=namespace,
        custom=custom,
        format=_object(told.format, f"{place}.format") if custom else b"",
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _object(raw: msgspec.Raw, place: str) -> bytes:
    value = bytes(raw)
    if value == _NULL:
        return b""
    if not value.startswith(b"{"):
        raise RequestError(f"'{place}' must be an object.", param=place)
    return value


def _refuse_outside_references(value: bytes) -> None:
    try:
        reference = outside_reference(msgspec.json.decode(value))
    except (msgspec.DecodeError, RecursionError):
        raise _wrong("tools") from None
    if reference is not None:
        raise RequestError(
            "'tools' refers to a schema outside of the request, which is never fetched.",
            param="tools",
        )


def _wrong(param: str) -> RequestError:
    return RequestError(f"'{param}' must be a list of at most {MAX_TOOLS} tools.", param=param)


# ------------------------------------------------------------------ the choice


def decode_choice(value: bytes, tools: Sequence[Tool | HostedTool]) -> tuple[ToolChoice, bool]:
    """The choice among ``tools``, and whether all of it was said.

    Choices that other dialects do not know (a hosted tool, a list of allowed ones) are AUTO.
    """
    try:
        told = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        told = 0
    if told is None:
        return FREE_CHOICE, True
    if isinstance(told, str) and told in _MODES:
        return ToolChoice(_MODES[told]), True
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        raise RequestError(
            "'tool_choice' must be none, auto, required or an object with a type.",
            param="tool_choice",
        )
    if told["type"] not in ("function", "custom"):
        return FREE_CHOICE, False
    name = told.get("name")
    if not isinstance(name, str) or not name:
        raise RequestError("'tool_choice.name' must be a tool's name.", param="tool_choice.name")
    return ToolChoice(Choice.NAMED, name, _namespace(name, told.get("namespace"), tools)), True


def _namespace(name: str, told: Any, tools: Sequence[Tool | HostedTool]) -> str:
    """The namespace of the tool: as told, else that of the first tool of the name."""
    if isinstance(told, str):
        return told
    homes = [tool.namespace for tool in tools if isinstance(tool, Tool) and tool.name == name]
    return "" if "" in homes or not homes else homes[0]


def choice_object(choice: ToolChoice, tools: Sequence[Tool | HostedTool]) -> Any:
    """A choice in this dialect."""
    if choice.mode is not Choice.NAMED:
        return choice.mode.value
    custom = any(
        isinstance(tool, Tool)
        and (tool.name, tool.namespace, tool.custom) == (choice.name, choice.namespace, True)
        for tool in tools
    )
    told = {"type": "custom" if custom else "function", "name": choice.name}
    return told | ({"namespace": choice.namespace} if choice.namespace else {})


# ------------------------------------------------------------------ tools, written


def tool_objects(tools: Sequence[Tool | HostedTool]) -> list[Any]:
    """Tools in this dialect; neighbours of one namespace together. Foreign hosted ones are out."""
    told: list[Any] = []
    own = (tool for tool in tools if isinstance(tool, Tool) or tool.dialect == DIALECT)
    for namespace, group in groupby(
        own, lambda tool: tool.namespace if isinstance(tool, Tool) else ""
    ):
        objects = [_tool_object(tool) for tool in group]
        if namespace:
            objects = [
                {"type": "namespace", "name": namespace, "description": "", "tools": objects}
            ]
        told += objects
    return told


def _tool_object(tool: Tool | HostedTool) -> Any:
    if isinstance(tool, HostedTool):
        return msgspec.Raw(tool.raw)
    told: dict[str, Any] = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if tool.custom:
        return told | ({"format": msgspec.Raw(tool.format)} if tool.format else {})
    # Unlike elsewhere, a function without this flag is strict here.
    told["strict"] = bool(tool.strict)
    told["parameters"] = msgspec.Raw(tool.parameters) if tool.parameters else _NO_PARAMETERS
    return told
