"""What one visit of a subschema to a value costs: in nanoseconds, and nanoseconds for each byte.

The figures were measured with jsonschema-rs 0.60 on one slow core, per keyword, and rounded up. In
two dozen families of schemas the real time was at most two thirds of the bound they add up to.
"""

from __future__ import annotations

import re
from typing import Any

# Nanoseconds, measured on one slow core and rounded up.
PER_VISIT = 20
_PER_BYTE_LENGTH = 1
_PER_BYTE_FORMAT = 10
_PER_BYTE_LIMIT = 40
_PER_BYTE_MULTIPLE = 200
_PER_LIMIT = 800
_PER_MULTIPLE = 12_000
COMPILE_PER_STATE = 400

_LARGEST = 10**15

IN_PLACE = {
    "$ref": "ref",
    "not": "one",
    "if": "one",
    "then": "one",
    "else": "one",
    "allOf": "list",
    "anyOf": "list",
    "oneOf": "list",
    "dependentSchemas": "map",
    "dependencies": "map",
}
BELOW = {
    "additionalProperties": "one",
    "additionalItems": "one",
    "contains": "one",
    "propertyNames": "one",
    "items": "one or list",
    "prefixItems": "list",
    "patternProperties": "map",
    "properties": "map",
}
_UNREAD = frozenset(
    {"title", "description", "$comment", "default", "examples", "$defs", "definitions"}
)
_LIMITS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_FORMATS = frozenset({"format", "contentEncoding", "contentMediaType"})
_LENGTHS = frozenset({"minLength", "maxLength", "const", "enum", "uniqueItems"})


def byte_cost(node: dict[str, Any], states: list[int]) -> int:
    """Nanoseconds for each byte of a text or number; ``states`` are those of its patterns."""
    return (
        sum(2 + count // 10 for count in states)
        + _PER_BYTE_FORMAT * len(_FORMATS & node.keys())
        + _PER_BYTE_LENGTH * bool(_LENGTHS & node.keys())
        + _PER_BYTE_LIMIT * len(_LIMITS & node.keys())
        + _PER_BYTE_MULTIPLE * ("multipleOf" in node)
    )


def data_size(node: dict[str, Any]) -> int:
    """How many plain visits one visit is worth: the values of the schema that it may read."""
    size = 1
    for key, value in node.items():
        if key in IN_PLACE or key in BELOW:
            size += len(value) if isinstance(value, dict | list) else 1
        elif key in {"enum", "const"}:
            # Plain options are looked up in a set, composite ones compared one by one.
            options = value if key == "enum" and isinstance(value, list) else [value]
            composite = any(isinstance(option, dict | list) for option in options)
            size += 4 * _count(options) if composite else 5
        elif key not in _UNREAD:
            size += _count(value)
    return size


def arithmetic(node: dict[str, Any]) -> int:
    """Nanoseconds for each number: limits and multiples are worked out in exact fractions."""
    return _PER_LIMIT * len(_LIMITS & node.keys()) + _PER_MULTIPLE * ("multipleOf" in node)


def reads_whole(node: dict[str, Any]) -> bool:
    """Whether it reads all that is inside a value. Listed options end a comparison themselves."""
    return node.get("uniqueItems") is True


def _count(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        at = waiting.pop()
        count += 1
        if isinstance(at, dict | list):
            waiting += at.values() if isinstance(at, dict) else at
    return count


def patterns(node: dict[str, Any]) -> list[str]:
    """The regular expressions that one subschema matches with."""
    own = node.get("pattern")
    many = node.get("patternProperties")
    return [*([own] if isinstance(own, str) else []), *(many if isinstance(many, dict) else [])]


_TOKEN = re.compile(
    # Every alternative takes what it read: a pattern full of "[" is still read once.
    r"\\[pP](?:\{[^}]{0,60}\})?|\\.|\[\^?\]?(?:\\.|[^\]\\])*(?:\]|\Z)"
    r"|\{(\d{1,9})(?:(,)(\d{0,9}))?\}|.",
    re.DOTALL,
)


def states_of(pattern: str) -> int:
    """About how many states the automaton of a regular expression has."""
    groups = [[0, 0]]  # of each open group: states so far, states of its last part
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token[1] is not None:
            times = int(token[3] or token[1])
            done, last = groups[-1]
            groups[-1] = [min(done + last * max(0, times - 1), _LARGEST), last * max(1, times)]
        elif text == "(":
            groups.append([0, 0])
        elif text == ")" and len(groups) > 1:
            inside = groups.pop()[0]
            groups[-1] = [groups[-1][0] + inside, inside]
        elif text not in "*+?|^$":
            size = _atom_size(text)
            groups[-1] = [groups[-1][0] + size, size]
    return sum(group[0] for group in groups)


def _atom_size(text: str) -> int:
    if "\\p" in text or "\\P" in text:
        return 460
    if text == "." or text.startswith("[^"):
        return 9
    return 1 if text.isascii() else 3
