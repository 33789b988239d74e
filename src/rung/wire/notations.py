"""Tool calls that a model wrote as text: the notations of open models, read back.

Only what stands where a call would stand counts: a tagged notation at the very end of the text, or
bare JSON that is the whole of it. Text that merely shows a notation stays text. All of it takes
time linear in the text, whatever the text is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MOST_CALLS = 128
"""More calls than one answer makes."""

MOST_OPENINGS = 16
"""How many places of a text are tried as the beginning of its calls."""

MOST_MENDED = 256 * 1024
"""Characters of JSON that are worth mending."""

CALL_FIELDS = frozenset({"name", "arguments", "parameters", "function", "tool_calls", "id", "type"})
"""The fields of a call in JSON. An object with others is data."""


@dataclass(frozen=True, slots=True)
class Written:
    """A call as it was written. ``typed`` says that its values have types, and not only texts."""

    name: str
    arguments: dict[str, Any]
    id: str = ""
    typed: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """The calls of a text, the text without them, and the notation they were in."""

    calls: tuple[Written, ...]
    text: str
    notation: str


class _NotACallError(ValueError):
    """The text is not in this notation after all."""


Reader = Callable[[str, int], list[Written]]
"""Reads all calls from a place to the end of the text."""


def found_in(text: str, *, bare: bool = True) -> Iterator[Found]:
    """The ways in which the end of ``text`` can be read as calls, most likely first.

    ``bare`` allows JSON without a tag.
    """
    kept = text.rstrip()
    for notation, opening, reader in _TAGGED:
        place = -1
        for _ in range(MOST_OPENINGS):
            place = kept.find(opening, place + 1)
            if place < 0:
                break
            calls = _read(reader, kept, place)
            if calls:
                typed = all(call.typed for call in calls)
                name = notation if typed else "qwen3_coder"
                yield Found(calls, kept[:place].strip(), name)
                break
    start = len(kept) - len(kept.lstrip())
    if bare and kept.startswith(("{", "```"), start):
        calls = _read(_whole_text, kept, start)
        if calls:
            yield Found(calls, "", "json")


def _read(reader: Reader, text: str, place: int) -> tuple[Written, ...]:
    try:
        return tuple(reader(text, place))
    except (_NotACallError, RecursionError):
        return ()


# ------------------------------------------------------------------ JSON, mended


def _no_number(word: str) -> float:
    raise _NotACallError(word)


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _no_number(word)


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_number, parse_float=_finite)
"""Takes line ends inside of strings, which small models forget to escape."""

_SPACE = re.compile(r"\s*+")
_MENDED = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|,(?=\s*+[}\]])|\b(?:True|False|None)\b', re.DOTALL
)
_MENDING = {"True": "true", "False": "false", "None": "null"}
_FENCED = re.compile(r"\s*+```[a-z_]*+\s(.*)```\s*+\Z", re.DOTALL)


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()


def _value(text: str, start: int, close: str) -> tuple[Any, int]:
    """The JSON value at ``start`` and the place after the ``close`` that follows it.

    At the end of the text, ``close`` may be missing: some servers cut it off as a stop word. Where
    the value is not JSON, the text up to the next ``close`` is mended and tried again; without a
    ``close``, all that is left of it.
    """
    start = _after_space(text, start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except ValueError:
        end = -1
    else:
        end = _after_space(text, end)
        if text.startswith(close, end):
            return value, end + len(close)
        if end == len(text):
            return value, end
    end = text.find(close, start) if close else -1
    if (len(text) if end < 0 else end) - start > MOST_MENDED:
        raise _NotACallError("too long to be mended")
    region = text[start:] if end < 0 else text[start:end]
    return loads(_mended(region)), len(text) if end < 0 else end + len(close)


def loads(text: str) -> Any:
    """A JSON value that can be written again. Raises ValueError for any other text."""
    try:
        return _DECODER.decode(text)
    except ValueError:
        raise _NotACallError(text[:20]) from None


def _mended(text: str) -> str:
    """Without trailing commas and one code fence around it, and with JSON's own literals."""
    fenced = _FENCED.match(text)
    inner = fenced.group(1) if fenced else text
    return _MENDED.sub(_mend, inner.strip())


def _mend(match: re.Match[str]) -> str:
    word = match.group()
    return "" if word == "," else _MENDING.get(word, word)


def _calls_of(value: Any) -> list[Written]:
    """The calls that a JSON value says."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    if not isinstance(value, list):
        return [_call_of(value)]
    if len(value) > MOST_CALLS:
        raise _NotACallError("too many")
    return [_call_of(one) for one in value]


def _call_of(value: Any) -> Written:
    if not isinstance(value, dict):
        raise _NotACallError("no object")
    inner = value.get("function")
    told = inner if isinstance(inner, dict) else value
    name = told.get("name")
    arguments = told.get("arguments", told.get("parameters"))
    if isinstance(arguments, str):
        arguments = loads(_mended(arguments))
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise _NotACallError("no call")
    given = value.get("id")
    return Written(name, arguments, given if isinstance(given, str) else "")


# ------------------------------------------------------------------ one reader a notation


def _each(
    text: str, place: int, one: Callable[[str, int], tuple[list[Written], int]]
) -> list[Written]:
    """Calls one after another, with nothing but space between them, up to the end."""
    calls: list[Written] = []
    while (place := _after_space(text, place)) < len(text):
        more, place = one(text, place)
        calls += more
        if len(calls) > MOST_CALLS:
            raise _NotACallError("too many")
    return calls


def _past(text: str, place: int, word: str) -> int:
    """The place after ``word``, which has to be there."""
    if not text.startswith(word, place):
        raise _NotACallError(word)
    return place + len(word)


def _skipped(text: str, place: int, word: str) -> int:
    """The place after space and ``word``, if it is there."""
    place = _after_space(text, place)
    return place + len(word) if text.startswith(word, place) else place


def _tagged_call(text: str, place: int) -> tuple[list[Written], int]:
    """``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``: Hermes, Qwen."""
    place = _after_space(text, _past(text, place, "<tool_call>"))
    if text.startswith("<function=", place):
        calls, place = _function_call(text, place)
        return calls, _skipped(text, place, "</tool_call>")
    value, place = _value(text, place, "</tool_call>")
    return _calls_of(value), place


_NAME = re.compile(r"<function=([^<>\s]{1,256})>\s*+")
_PARAMETER = re.compile(r"<parameter=([^<>\s]{1,256})>\n?")


def _function_call(text: str, place: int) -> tuple[list[Written], int]:
    """``<function=name>{...}</function>``: Llama; with ``<parameter=key>`` inside: Qwen3-Coder."""
    name = _NAME.match(text, place)
    if name is None:
        raise _NotACallError("no name")
    place = name.end()
    if not text.startswith(("<parameter=", "</function>"), place):
        value, place = _value(text, place, "</function>")
        if not isinstance(value, dict):
            raise _NotACallError("no object")
        return [Written(name.group(1), value)], _skipped(text, place, "</tool_call>")
    told: dict[str, Any] = {}
    while key := _PARAMETER.match(text, place):
        end = text.find("</parameter>", key.end())
        if end < 0:
            raise _NotACallError("no end")
        told[key.group(1)] = text[key.end() : end].removesuffix("\n")
        place = _after_space(text, end + len("</parameter>"))
    place = _past(text, place, "</function>")
    return [Written(name.group(1), told, typed=False)], _skipped(text, place, "</tool_call>")


def _mistral(text: str, place: int) -> tuple[list[Written], int]:
    """``[TOOL_CALLS][{...}, ...]``, or in newer models ``[TOOL_CALLS]name[ARGS]{...}``."""
    place = _after_space(text, _past(text, place, "[TOOL_CALLS]"))
    args = text.find("[ARGS]", place, place + 300)
    name = text[place:args].strip() if args >= 0 else ""
    if name and "{" not in name:
        value, place = _until_next(text, args + len("[ARGS]"))
        return [_call_of({"name": name, "arguments": value})], place
    value, place = _until_next(text, place)
    return _calls_of(value), place


def _until_next(text: str, place: int) -> tuple[Any, int]:
    value, place = _value(text, place, "[TOOL_CALLS]")
    # The word that ended one call begins the next.
    return value, place - len("[TOOL_CALLS]") if text.endswith("[TOOL_CALLS]", 0, place) else place


def _python_tag(text: str, place: int) -> list[Written]:
    """``<|python_tag|>{"name": ..., "parameters": {...}}``, several with semicolons: Llama."""
    return _objects(text, _past(text, place, "<|python_tag|>"))


def _objects(text: str, place: int) -> list[Written]:
    def one(text: str, place: int) -> tuple[list[Written], int]:
        value, place = _value(text, place, "")
        if not isinstance(value, dict) or not value.keys() <= CALL_FIELDS:
            raise _NotACallError("more than a call")
        return _calls_of(value), _skipped(text, place, ";")

    return _each(text, place, one)


def _fence(text: str, place: int) -> list[Written]:
    """One fenced block of JSON, which ends the text."""
    language = _LANGUAGE.match(text, place)
    if language is None:
        raise _NotACallError("another language")
    start = language.end()
    if not text.endswith("```") or text.find("```", start) != len(text) - 3:
        raise _NotACallError("no fence")
    return _objects(text[start:-3], 0)


def _whole_text(text: str, place: int) -> list[Written]:
    """JSON, fenced or not, that looks like nothing else: its only fields are those of a call."""
    return _objects(text, place) if text.startswith("{", place) else _fence(text, place)


_LANGUAGE = re.compile(r"```(?:json|tool_call)?\s")

_KIMI = ("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>")
_KIMI_END = "<|tool_calls_section_end|>"
_KIMI_NAME = re.compile(r"\s*+(?:functions\.)?([^\s<|]{1,256}?)(?::\d{1,6})?\s*+\Z")


def _kimi(text: str, place: int) -> list[Written]:
    """``<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>``."""
    begin, middle, end = _KIMI

    def one(text: str, place: int) -> tuple[list[Written], int]:
        start = _past(text, place, begin)
        until = text.find(middle, start, start + 400)
        name = _KIMI_NAME.match(text[start : max(until, start)])
        if until < 0 or name is None:
            raise _NotACallError("no name")
        value, place = _value(text, until + len(middle), end)
        given = text[start:until].strip()
        call = _call_of({"name": name.group(1), "arguments": value, "id": given})
        return [call], _skipped(text, place, _KIMI_END)

    return _each(text, _skipped(text, place, "<|tool_calls_section_begin|>"), one)


_DEEP = ("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>")  # noqa: RUF001 the model's
_DEEP_BEGIN = "<｜tool▁calls▁begin｜>"  # noqa: RUF001
_DEEP_END = "<｜tool▁calls▁end｜>"  # noqa: RUF001


def _deepseek(text: str, place: int) -> list[Written]:
    """DeepSeek's tokens around ``name`` and its arguments.

    Older models write the type before the name, and the arguments into a fence.
    """
    begin, separator, end = _DEEP

    def one(text: str, place: int) -> tuple[list[Written], int]:
        start = _past(text, place, begin)
        until = text.find(separator, start, start + 400)
        if until < 0:
            raise _NotACallError("no name")
        name, place = text[start:until].strip(), until + len(separator)
        if name == "function":
            line = text.find("\n", place, place + 400)
            if line < 0:
                raise _NotACallError("no name")
            name, place = text[place:line].strip(), line
        value, place = _value(text, place, end)
        return [_call_of({"name": name, "arguments": value})], _skipped(text, place, _DEEP_END)

    return _each(text, _skipped(text, place, _DEEP_BEGIN), one)


def _repeated(one: Callable[[str, int], tuple[list[Written], int]]) -> Reader:
    return lambda text, place: _each(text, place, one)


_TAGGED: tuple[tuple[str, str, Reader], ...] = (
    ("hermes", "<tool_call>", _repeated(_tagged_call)),
    ("function", "<function=", _repeated(_function_call)),
    ("mistral", "[TOOL_CALLS]", _repeated(_mistral)),
    ("python_tag", "<|python_tag|>", _python_tag),
    ("tool_call_fence", "```tool_call", _fence),
    ("kimi", "<|tool_calls_section_begin|>", _kimi),
    ("kimi", "<|tool_call_begin|>", _kimi),
    ("deepseek", _DEEP_BEGIN, _deepseek),
    ("deepseek", _DEEP[0], _deepseek),
)
OPENINGS = tuple(opening for _, opening, _ in _TAGGED)
"""What the tagged notations begin with."""
