"""Reading an answer as JSON, to the letter: what one parser forgives, the caller's may not."""

from __future__ import annotations

import json
import re
from typing import Any, Never

LONGEST = 1_000_000
"""Characters of an answer that are read; a longer one is not judged."""
DEEPEST = 512
"""Levels of arrays and objects that are read."""

MOST_DIGITS = 400
"""Digits of a number: exact arithmetic on longer ones takes a millisecond each."""

_MANY_DIGITS = re.compile(rf"(?<!\d)\d{{{MOST_DIGITS},}}", re.ASCII)
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a text",
    bool: "a boolean",
    type(None): "null",
}


class NotJsonError(ValueError):
    """The text is not one JSON value; the message says why, for a model to repair it by."""


def parse(text: str) -> Any:
    """The value that ``text`` is. Raises NotJsonError, and nothing else, for any text at all."""
    if text.lstrip().startswith("```"):
        raise NotJsonError(
            "the answer is wrapped in a Markdown fence: write the bare JSON, without ```"
        )
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            # Only where there may be a long one: the hook costs a call for each number.
            parse_int=_bounded if _MANY_DIGITS.search(text) else None,
        )
    except NotJsonError:
        raise
    except json.JSONDecodeError as error:
        raise NotJsonError(_located(text, error)) from error
    except RecursionError as error:
        raise NotJsonError(f"the answer is nested more than {DEEPEST} levels deep") from error
    _check_characters(text, value)
    if text.count("[") + text.count("{") > DEEPEST and len(sizes(value)) > DEEPEST + 1:
        raise NotJsonError(f"the answer is nested more than {DEEPEST} levels deep")
    return value


def sizes(value: Any) -> list[int]:
    """How many values and keys there are at each depth, from the value itself down."""
    found: list[int] = []
    level = [value]
    while level:
        found.append(len(level))
        below: list[Any] = []
        for at in level:
            if isinstance(at, dict):
                below += at
                below += at.values()
            elif isinstance(at, list):
                below += at
        level = below
    return found


def kind_of(value: Any) -> str:
    """What sort of JSON value it is, in words."""
    return _KINDS.get(type(value), "a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotJsonError(f"the answer repeats the key {key[:60]!r} in one object")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> Never:
    raise NotJsonError(f"the answer holds {name}, which is not JSON")


def _bounded(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise NotJsonError(f"the answer holds a number of more than {MOST_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    if len(digits) > MOST_DIGITS:
        raise NotJsonError(f"the answer holds a number of more than {MOST_DIGITS} digits")
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise NotJsonError(f"the answer holds the number {digits[:40]}, which is too large")
    return number


def _check_characters(text: str, value: Any) -> None:
    """Half a surrogate pair passes Python's parser and then breaks every UTF-8 encoder."""
    if text.isascii() and not _HALF_PAIR.search(text):
        return
    try:
        text.encode()
        if _HALF_PAIR.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotJsonError("the answer holds half of a surrogate pair, \\uD800-\\uDFFF") from error
    except RecursionError as error:
        raise NotJsonError(f"the answer is nested more than {DEEPEST} levels deep") from error


def _located(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "the answer is empty, not JSON"
    if error.pos >= len(text.rstrip()):
        return "the answer is not JSON: it ends before the value is complete"
    if error.msg == "Extra data":
        said = "there is more after the JSON value"
    else:
        said = error.msg[:1].lower() + error.msg[1:]
    near = text[error.pos : error.pos + 30]
    return f"the answer is not JSON: {said}, line {error.lineno} column {error.colno}, at {near!r}"
