"""The exact value of a calculation given as tokens: + - * / ^, brackets and percent."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MOST_TOKENS = 200
MOST_DIGITS = 40
MOST_BITS = 4_000
LARGEST_POWER = 200


@dataclass(frozen=True, slots=True)
class Token:
    """A number, operator or bracket; ``unit`` is the word after a number, if it is ``attached``."""

    kind: str
    text: str
    unit: str = ""
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """``number``, and how it was written: as a ``plain`` number, with how many ``decimals``."""

    number: Fraction
    plain: bool = False
    decimals: int = 0
    percent: bool = False


class _NoValueError(Exception):
    """The tokens are no calculation that can be judged."""


def evaluated(tokens: list[Token]) -> Value | None:
    """What the tokens come to; ``None`` where they are no calculation, or one too large."""
    if not tokens or len(tokens) > MOST_TOKENS or _mixes_percent(tokens):
        return None
    parser = _Parser(tokens)
    try:
        number = parser.sum()
    except (_NoValueError, ZeroDivisionError):
        return None
    if parser.left():
        return None
    kinds = [token.kind for token in tokens]
    plain = [kind for kind in kinds if kind not in {"minus", "percent"}] == ["number"]
    decimals = next((len(t.text.partition(".")[2]) for t in tokens if t.kind == "number"), 0)
    return Value(number, plain, decimals, "percent" in kinds)


def _mixes_percent(tokens: list[Token]) -> bool:
    """Whether percent are added to what are none: "100 + 20 %" means two things."""
    if not any(token.kind in {"plus", "minus"} for token in tokens[1:]):
        return False
    percents = sum(token.kind == "percent" for token in tokens)
    return 0 < percents < sum(token.kind == "number" for token in tokens)


class _Parser:
    """Recursive descent; its depth is bounded by `MOST_TOKENS`."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def left(self) -> bool:
        return self._at < len(self._tokens)

    def sum(self) -> Fraction:
        value = self._product()
        while (kind := self._next({"plus", "minus"})) is not None:
            other = self._product()
            value = _bounded(value + other if kind == "plus" else value - other)
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while (kind := self._next({"times", "over"})) is not None:
            other = self._signed()
            value = _bounded(value * other if kind == "times" else value / other)
        return value

    def _signed(self) -> Fraction:
        if self._next({"minus"}) is not None:
            return -self._signed()
        base = self._single()
        if self._next({"power"}) is None:
            return base
        exponent = self._signed()
        if exponent.denominator != 1 or abs(exponent) > LARGEST_POWER:
            raise _NoValueError
        return _bounded(base**exponent.numerator)

    def _single(self) -> Fraction:
        if self._next({"open"}) is not None:
            value = self.sum()
            if self._next({"close"}) is None:
                raise _NoValueError
        else:
            value = self._number()
        return value / 100 if self._next({"percent"}) is not None else value

    def _number(self) -> Fraction:
        if self._next({"number"}) is None:
            raise _NoValueError
        digits = self._tokens[self._at - 1].text.replace(",", "")
        is_code = digits[0] == "0" and digits[1:2].isdigit()
        if is_code or len(digits) > MOST_DIGITS or not digits.isascii():
            raise _NoValueError
        return Fraction(digits)

    def _next(self, kinds: set[str]) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at].kind in kinds:
            self._at += 1
            return self._tokens[self._at - 1].kind
        return None


def _bounded(number: Fraction) -> Fraction:
    if number.numerator.bit_length() + number.denominator.bit_length() > MOST_BITS:
        raise _NoValueError
    return number
