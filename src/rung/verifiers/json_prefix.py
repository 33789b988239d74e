"""Is what has come so far still the beginning of one JSON value?

The grammar is that of strict_json.py, which reads the whole: whatever that accepts, this never
gives up. What only the whole shows (a repeated key, a number too large) is left to it. Time is
linear in the text, memory in how deep it is nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rung.verifiers.strict_json import DEEPEST, MOST_DIGITS

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBER_SO_FAR = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)(?:\.(?:[0-9]+(?:[eE][-+]?[0-9]*)?)?|[eE][-+]?[0-9]*)?)?"
)
_LITERALS = ("true", "false", "null")
_SCALAR_STARTS = frozenset("-0123456789tfn")
_ESCAPES = frozenset('"\\/bfnrt')
_HEX = frozenset("0123456789abcdefABCDEF")
_FENCE = "it is wrapped in a Markdown fence: write the bare JSON, without ```"
_CLOSES = {"{": "}", "[": "]"}


class JsonPrefix:
    """Reads one JSON value piece by piece. With ``object_only`` it has to be an object."""

    def __init__(self, *, object_only: bool = False) -> None:
        self._step: _Step = JsonPrefix._value
        self._after_string: _Step = JsonPrefix._after
        self._object_only = object_only
        self._open: list[str] = []  # what closes each array and object that is open
        self._word = ""
        self._hex_left = 0
        self._seen = 0
        self._fault: str | None = None

    def feed(self, text: str) -> str | None:
        """Take the next piece. Why no value can begin like this, if so; then for good."""
        at = 0
        while at < len(text) and self._fault is None:
            at = self._step(self, text, at)
        self._seen += len(text)
        return self._fault

    def _failed(self, said: str, text: str, at: int) -> int:
        self._fault = f"{said}, at character {self._seen + at + 1}, {text[at : at + 20]!r}"
        return at

    # -------------------------------------------------------------- values

    def _value(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        first = text[at]
        if self._object_only and not self._open and first not in "{`":
            return self._failed("it has to be an object, which begins with {", text, at)
        if first in _CLOSES:
            return self._opened(text, at)
        if first == '"':
            return self._begin_string(at, JsonPrefix._after)
        if first not in _SCALAR_STARTS:
            return self._failed(_FENCE if first == "`" else "no value begins like this", text, at)
        self._word, self._step = "", JsonPrefix._scalar
        return at

    def _opened(self, text: str, at: int) -> int:
        # An innermost array or object counts as a level only for what is in it.
        if len(self._open) > DEEPEST:
            return self._failed(f"it is nested more than {DEEPEST} levels deep", text, at)
        self._open.append(_CLOSES[text[at]])
        self._step = JsonPrefix._first_key if text[at] == "{" else JsonPrefix._first_item
        return at + 1

    def _scalar(self, text: str, at: int) -> int:
        end = _WORD.match(text, at).end()  # type: ignore[union-attr] # matches nothing at least
        self._word += text[at : min(end, at + MOST_DIGITS + 1)]
        if len(self._word) > MOST_DIGITS:
            return self._failed(f"a number has more than {MOST_DIGITS} digits", text, at)
        ended = end < len(text)
        if not _is_scalar(self._word, whole=ended):
            return self._failed(f"{self._word[:30]!r} is no value", text, at)
        if ended:
            self._step = JsonPrefix._after
        return end

    def _after(self, text: str, at: int) -> int:
        """After a value: what goes on, what closes, or nothing more."""
        at = _after_space(text, at)
        if at == len(text):
            return at
        if not self._open:
            return self._failed("there is more after the JSON value", text, at)
        if text[at] == ",":
            self._step = JsonPrefix._key if self._open[-1] == "}" else JsonPrefix._value
            return at + 1
        if text[at] == self._open[-1]:
            return self._closed(at)
        return self._failed(f"expecting ',' or {self._open[-1]!r}", text, at)

    def _closed(self, at: int) -> int:
        self._open.pop()
        self._step = JsonPrefix._after
        return at + 1

    # -------------------------------------------------------------- arrays and objects

    def _first_item(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at < len(text) and text[at] == "]":
            return self._closed(at)
        if at < len(text):
            self._step = JsonPrefix._value
        return at

    def _first_key(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at < len(text) and text[at] == "}":
            return self._closed(at)
        return self._key(text, at)

    def _key(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] != '"':
            return self._failed("expecting a key in double quotes", text, at)
        return self._begin_string(at, JsonPrefix._colon)

    def _colon(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] != ":":
            return self._failed("expecting ':' after the key", text, at)
        self._step = JsonPrefix._value
        return at + 1

    # -------------------------------------------------------------- strings

    def _begin_string(self, at: int, then: _Step) -> int:
        self._after_string, self._step = then, JsonPrefix._string
        return at + 1

    def _string(self, text: str, at: int) -> int:
        at = _PLAIN.match(text, at).end()  # type: ignore[union-attr] # matches nothing at least
        if at == len(text):
            return at
        if text[at] == '"':
            self._step = self._after_string
        elif text[at] == "\\":
            self._step = JsonPrefix._escape
        else:
            return self._failed("a control character stands in a string", text, at)
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        if text[at] == "u":
            self._hex_left, self._step = 4, JsonPrefix._hex
        elif text[at] in _ESCAPES:
            self._step = JsonPrefix._string
        else:
            return self._failed("no escape is written like this", text, at)
        return at + 1

    def _hex(self, text: str, at: int) -> int:
        if text[at] not in _HEX:
            return self._failed("four hexadecimal digits follow \\u", text, at)
        self._hex_left -= 1
        if self._hex_left == 0:
            self._step = JsonPrefix._string
        return at + 1


# Takes the text and a place in it, gives the place after what it took.
_Step = Callable[[JsonPrefix, str, int], int]


def _after_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr] # matches nothing at least


def _is_scalar(word: str, *, whole: bool) -> bool:
    if whole:
        return word in _LITERALS or _NUMBER.fullmatch(word) is not None
    return any(literal.startswith(word) for literal in _LITERALS) or (
        _NUMBER_SO_FAR.fullmatch(word) is not None
    )
