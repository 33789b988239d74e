"""What a tier called, settled in the terms of the request: names, ids, free text, calls as text.

Dialects without namespaces and free-text tools were shown stand-ins for them, small models write
calls as text: here the caller's own tools are called again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from rung.core.parts import Choice, Tool, ToolCall
from rung.core.types import Answer, Finish, Request
from rung.wire.histories import called
from rung.wire.ids import wire_name
from rung.wire.notations import CALL_FIELDS, OPENINGS, Found, Written, found_in, loads

FREE_TEXT = "input"
"""The one property of what stands for a tool that takes free text."""

_ENDED = frozenset({Finish.STOP, Finish.TOOL_CALLS, Finish.UNKNOWN})
_Tools = Mapping[str, Tool]


def settled(answer: Answer, request: Request) -> Answer:
    """``answer`` with its calls as the request's own tools take them.

    Calls written as text become calls: such an answer has lost its bytes, and names the notation in
    ``salvaged``. Answers in the request's own dialect are otherwise left alone.
    """
    tools = _by_name(request)
    if answer.tool_calls:
        if answer.dialect == request.dialect:
            return answer
        calls = tuple(_resolved(call, tools) for call in answer.tool_calls)
        return replace(answer, tool_calls=_with_ids(calls, request))
    if not tools or not _may_hide_calls(answer, request):
        return answer
    for found in found_in(answer.text, bare=request.schema is None):
        if all(call.name in tools for call in found.calls):
            # What was just deep enough to be read may be too deep to be written.
            with suppress(RecursionError):
                return _salvaged(answer, found, tools, request)
    return answer


def _by_name(request: Request) -> _Tools:
    """The tools by what they are called on the wire, and by their own names where these are one's.

    Models drop the namespace. Of two tools with one name on the wire the first counts.
    """
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    found: dict[str, Tool] = {}
    for tool in tools:
        found.setdefault(wire_name(tool.name, tool.namespace), tool)
    uses = Counter(tool.name for tool in tools)
    for tool in tools:
        if uses[tool.name] == 1:
            found.setdefault(tool.name, tool)
    return found


def _resolved(call: ToolCall, tools: _Tools) -> ToolCall:
    tool = tools.get(call.name)
    if tool is None or call.namespace:
        return call
    return _call(tool, call.id, call.arguments, custom=call.custom)


def _call(tool: Tool, id: str, arguments: str, *, custom: bool = False) -> ToolCall:  # noqa: A002 the field's name
    if tool.custom and not custom:
        arguments = _free_text(arguments)
    return ToolCall(id, tool.name, arguments, tool.namespace, custom=tool.custom)


def _free_text(arguments: str) -> str:
    """What a stand-in was called with; arguments of another shape are free text themselves."""
    try:
        told = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return arguments
    text = told.get(FREE_TEXT) if isinstance(told, dict) else None
    return text if isinstance(text, str) else arguments


def _with_ids(calls: Sequence[ToolCall], request: Request) -> tuple[ToolCall, ...]:
    """The same with ids that no call of the conversation has.

    Clients find a result's call by its id alone, and Anthropic refuses an id that comes twice.
    """
    used = called(request.messages) | {""}
    return tuple(
        replace(call, id=f"call_{request.id}{index}") if call.id in used else call
        for index, call in enumerate(calls)
    )


# ------------------------------------------------------------------ calls written as text


def _may_hide_calls(answer: Answer, request: Request) -> bool:
    whole = answer.finish in _ENDED and not answer.refusal and not answer.more
    return whole and bool(answer.text) and request.tool_choice.mode is not Choice.NONE


def _salvaged(answer: Answer, found: Found, tools: _Tools, request: Request) -> Answer:
    calls = [_written_call(call, tools[call.name]) for call in found.calls]
    if len({call.id for call in calls}) < len(calls):
        calls = [replace(call, id="") for call in calls]
    return replace(
        answer,
        text=found.text,
        finish=Finish.TOOL_CALLS,
        tool_calls=_with_ids(calls, request),
        body=b"",
        ending=b"",
        salvaged=found.notation,
    )


def _written_call(written: Written, tool: Tool) -> ToolCall:
    arguments = written.arguments
    if not written.typed:
        types = _types(tool)
        arguments = {name: _typed(text, types.get(name)) for name, text in arguments.items()}
    return _call(tool, written.id, _json(arguments))


def _types(tool: Tool) -> Mapping[str, Any]:
    """The types that a tool's schema declares for its properties."""
    try:
        schema = msgspec.json.decode(tool.parameters or b"{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return {}
    return {name: one.get("type") for name, one in properties.items() if isinstance(one, dict)}


def _typed(text: str, declared: Any) -> Any:
    """A value that was written as text; of a type that is not text, where it can be read so."""
    types = declared if isinstance(declared, list) else [declared]
    if "string" in types or not any(isinstance(one, str) for one in types):
        return text
    literal = text.strip()
    try:
        return loads(_LITERALS.get(literal, literal))
    except (ValueError, RecursionError):
        return text


_LITERALS: Mapping[str, str] = {"True": "true", "False": "false", "None": "null"}


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate cannot leave as UTF-8.
    return text if text.isascii() or _is_unicode(text) else json.dumps(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------ while a text grows


def may_become_call(text: str) -> bool:
    """Whether a growing text could still turn out to be a call, or holds the beginning of one.

    Text for which this is false never becomes part of a call, whatever follows. A few microseconds
    for 10 KB.
    """
    if text.endswith(_BEGINNINGS):
        return True
    # One character is found ten times as fast as several.
    for first, openings in _BY_FIRST.items():
        if first in text and any(opening in text for opening in openings):
            return True
    return _may_be_bare(text)


_BARE = re.compile(
    r"\s*+(?:```(?P<language>[a-z_]*+)(?P<line>\s*+))?+"
    r"(?P<rest>\{\s*+(?P<key>\"(?P<word>\w*+)(?P<closed>\")?+)?+)?+"
)
_LANGUAGES = ("json", "tool_call")
_BY_FIRST = {first: tuple(one for one in OPENINGS if one[0] == first) for first in "<[`"}
_BEGINNINGS = tuple({opening[:length] for opening in OPENINGS for length in range(1, len(opening))})


def _may_be_bare(text: str) -> bool:
    match = _BARE.match(text)
    assert match is not None
    whole = match.end() == len(text)
    language = match["language"]
    if language is not None and not match["line"]:
        return whole and _begins_one_of(language, _LANGUAGES)
    if language and language not in _LANGUAGES:
        return False
    if match["rest"] is None:
        return whole
    if match["closed"]:
        return match["word"] in CALL_FIELDS
    return whole and _begins_one_of(match["word"] or "", CALL_FIELDS)


def _begins_one_of(beginning: str, words: Iterable[str]) -> bool:
    return any(word.startswith(beginning) for word in words)
