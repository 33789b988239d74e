"""OpenAI Chat Completions, tools: the caller's offers and choice, read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import Choice, HostedTool, Tool, ToolChoice
from rung.wire.chat.schema import outside_reference
from rung.wire.chat.turns import DIALECT
from rung.wire.ids import wire_name
from rung.wire.jsontext import Field

MAX_TOOLS = 1024
MAX_NAME_CHARACTERS = 256

ANY_OBJECT = b'{"type":"object","properties":{}}'
FREE_TEXT = (
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],'
    b'"additionalProperties":false}'
)
"""What a tool that takes free text becomes where tools take objects only."""

_EMPTY = msgspec.Raw(b"")
_LEADING_OUT = re.compile(rb'[rR]ef"\s*:\s*"[^#"]')
_PLACE = re.compile(r"\s*-?\s*at `\$((?:\[\d+\]|\.\w+)*)`$")
_WORDS: Mapping[str, Choice] = {
    "auto": Choice.AUTO,
    "none": Choice.NONE,
    "required": Choice.REQUIRED,
    # Mistral's word.
    "any": Choice.REQUIRED,
}


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _EMPTY
    strict: bool | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: msgspec.Raw = _EMPTY


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None
    custom: _Custom | None = None


_TOOLS: msgspec.json.Decoder[list[_Tool] | None] = msgspec.json.Decoder(list[_Tool] | None)
_FUNCTIONS: msgspec.json.Decoder[list[_Function] | None] = msgspec.json.Decoder(
    list[_Function] | None
)
_RAW: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


def tools(found: Mapping[str, Field]) -> tuple[Tool | HostedTool, ...]:
    """The tools offered, the older ``functions`` after the newer. Raises RequestError."""
    offered: list[Tool | HostedTool] = []
    if "tools" in found:
        raw = found["tools"].value
        told = _decoded("tools", raw, _TOOLS)
        offered += [_tool(one, i, raw) for i, one in enumerate(told)]
    if "functions" in found:
        functions = _decoded("functions", found["functions"].value, _FUNCTIONS)
        offered += [_function(one, f"functions[{i}]") for i, one in enumerate(functions)]
    return tuple(offered)


def _decoded(name: str, value: bytes, decoder: msgspec.json.Decoder[list[Any] | None]) -> list[Any]:
    try:
        told = decoder.decode(value) or []
    except msgspec.ValidationError as error:
        raise _misshapen(name, str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"'{name}' cannot be read: {error}.", param=name) from None
    if len(told) > MAX_TOOLS:
        raise RequestError(f"'{name}' must be a list of at most {MAX_TOOLS} tools.", param=name)
    # The plain search first: the pattern alone takes a third of the time of an agent's tools.
    if b'ef"' in value and _LEADING_OUT.search(value):
        _refuse_outside_references(name, value)
    return told


def _misshapen(name: str, told: str) -> RequestError:
    place = _PLACE.search(told)
    param = f"{name}{place.group(1) if place else ''}"
    return RequestError(f"'{param}' is wrong: {_PLACE.sub('', told)}.", param=param)


def _refuse_outside_references(name: str, value: bytes) -> None:
    try:
        reference = outside_reference(msgspec.json.decode(value))
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"'{name}' cannot be read: {error}.", param=name) from None
    if reference is not None:
        raise RequestError(
            f"'{name}' refers to a schema outside of the request, which is never fetched.",
            param=name,
        )


def _tool(told: _Tool, index: int, value: bytes) -> Tool | HostedTool:
    if told.function is not None:
        return _function(told.function, f"tools[{index}].function")
    if told.custom is not None:
        name = _named(told.custom.name, f"tools[{index}].custom.name")
        form = bytes(told.custom.format)
        return Tool(
            name,
            told.custom.description or "",
            custom=True,
            format=b"" if form == b"null" else form,
        )
    if told.type in {"function", "custom"}:
        param = f"tools[{index}].{told.type}"
        raise RequestError(f"'{param}' is missing.", param=param)
    return HostedTool(told.type[:MAX_NAME_CHARACTERS], bytes(_RAW.decode(value)[index]), DIALECT)


def _function(told: _Function, place: str) -> Tool:
    parameters = bytes(told.parameters)
    if parameters[:1] != b"{" and parameters:
        if parameters != b"null":
            param = f"{place}.parameters"
            raise RequestError(f"'{param}' must be an object.", param=param)
        parameters = b""
    name = _named(told.name, f"{place}.name")
    return Tool(name, told.description or "", parameters, told.strict)


def _named(name: str, place: str) -> str:
    if not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise RequestError(
            f"'{place}' must have 1 to {MAX_NAME_CHARACTERS} characters.", param=place
        )
    return name


# ------------------------------------------------------------------ the choice of them


def tool_choice(found: Mapping[str, Field]) -> tuple[ToolChoice, bool]:
    """The caller's choice, and whether it says more than other dialects can.

    Raises RequestError for what is none.
    """
    for field in ("tool_choice", "function_call"):
        if field in found:
            told = _choice_value(field, found[field].value)
            if isinstance(told, str):
                return ToolChoice(_mode(told, field)), False
            if told is not None:
                return _choice(told)
    return ToolChoice(), False


def _choice_value(field: str, value: bytes) -> str | dict[str, Any] | None:
    try:
        told = msgspec.json.decode(value, type=str | dict[str, Any] | None)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError(f"'{field}' must be a word or an object.", param=field) from None
    assert told is None or isinstance(told, str | dict)
    return told


def _mode(word: str, field: str) -> Choice:
    if word not in _WORDS:
        raise RequestError(f"'{field}' must be one of {', '.join(_WORDS)}.", param=field)
    return _WORDS[word]


def _choice(told: dict[str, Any]) -> tuple[ToolChoice, bool]:
    allowed = told.get("allowed_tools")
    if isinstance(allowed, dict):
        mode = Choice.REQUIRED if allowed.get("mode") == "required" else Choice.AUTO
        return ToolChoice(mode), True
    for inner in (told.get("function"), told.get("custom"), told):
        name = inner.get("name") if isinstance(inner, dict) else None
        if isinstance(name, str) and name:
            return ToolChoice(Choice.NAMED, name), False
    return ToolChoice(), True


# ------------------------------------------------------------------ for providers


def tool_objects(offered: tuple[Tool | HostedTool, ...], losses: set[str]) -> list[Any]:
    """The tools in this dialect; ``losses`` takes the names of what it cannot say."""
    told: list[Any] = []
    for tool in offered:
        if isinstance(tool, Tool):
            told.append(_tool_object(tool))
            if tool.format:
                losses.add("tool_format")
        elif tool.dialect == DIALECT:
            told.append(msgspec.Raw(tool.raw))
        else:
            losses.add(f"hosted_tool:{tool.kind}")
    return told


def _tool_object(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": wire_name(tool.name, tool.namespace)}
    if tool.description:
        function["description"] = tool.description
    taken = FREE_TEXT if tool.custom else tool.parameters or ANY_OBJECT
    function["parameters"] = msgspec.Raw(taken)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def choice_value(choice: ToolChoice) -> str | dict[str, Any]:
    """The choice in this dialect."""
    if choice.mode is Choice.NAMED:
        name = wire_name(choice.name, choice.namespace)
        return {"type": "function", "function": {"name": name}}
    return choice.mode.value
