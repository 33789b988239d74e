"""Numbers in prose: where they stand, and which values each may be read as.

"1,234" is 1234 to one writer and 1.234 to another, "2024-05-06" is three numbers, "5 %" is also
0.05: a number has as many readings as people give it. Signs are left out, since a dash before a
number is more often none. Values are decimal texts ("1234", "0.05"), so that no length of digits
costs more than its reading.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_BLANKS = " \u00a0\u2009\u202f"
_APOSTROPHES = "'\u2019"

_SCALES = {
    -2: "% percent pct prozent %. per\u00a0cent",
    3: "k thousand tsd tausend mille mil",
    6: "m mn mio million millions millionen millones milioni",
    9: "b bn mrd billion billions milliarde milliarden milliards",
    12: "tn trillion trillions billionen",
}
_SHIFTS = {word: shift for shift, words in _SCALES.items() for word in words.split(" ")}
_SHIFTS |= {"per cent": -2, "K": 3, "M": 6, "B": 9}
_CASED = {"m", "b"}  # metres and bits; as scales they are written large

_NUMBER = re.compile(
    rf"\d(?:\d|[.,:/'\u2019-](?=\d)|[{_BLANKS}](?=\d\d\d(?!\d)))*"
    rf"(?:[{_BLANKS}-]?(?P<scale>%|per[ ]cent\b|[^\W\d_]+))?"
)
_PART = re.compile(r"\d+")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")

_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_VALUES_OF_WORDS = {word: str(n) for n, word in enumerate(_WORDS.split(), 1)} | {
    **{w: str(10 * n) for n, w in enumerate(["thirty", "forty", "fifty", "sixty", "seventy"], 3)},
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "dozen": "12",
    "half": "0.5",
    "zero": "0",
    "once": "1",
    "twice": "2",
    "first": "1",
    "second": "2",
    "third": "3",
}
_MONTHS = "January February March April May June July August September October November December"
_VALUES_OF_MONTHS = {month: str(n) for n, month in enumerate(_MONTHS.split(), 1)}
_VALUES_OF_MONTHS |= {month[:3]: n for month, n in _VALUES_OF_MONTHS.items()}
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Number:
    """One number as it is ``written``.

    ``values`` are what it may be as a whole, ``parts`` the numbers it may be made of instead (a
    date, a version), ``plain`` its values without the word that scales it by 10 ** ``shift``.
    """

    written: str
    values: frozenset[str]
    parts: frozenset[str]
    plain: frozenset[str]
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """The numbers of a text to compare with, however each may be read."""

    values: frozenset[str]
    shifts: frozenset[int]

    def holds(self, number: Number) -> bool:
        """Whether ``number`` occurs there in one of its readings."""
        if self.values & number.values or (number.parts and number.parts <= self.values):
            return True
        # "in millions" above a table scales every number below it.
        return number.shift > 0 and number.shift in self.shifts and bool(self.values & number.plain)


NOTHING = Known(frozenset(), frozenset())
"""No numbers at all."""


def known(text: str) -> Known:
    """All numbers of ``text``, with those in words and the months of dates."""
    values: set[str] = set()
    for number in numbers(text):
        values |= number.values | number.parts | number.plain
    words = set(_LETTERS.findall(text))
    values |= {_VALUES_OF_MONTHS[word] for word in words & _VALUES_OF_MONTHS.keys()}
    small = {word.casefold() for word in words}
    values |= {_VALUES_OF_WORDS[word] for word in small & _VALUES_OF_WORDS.keys()}
    shifts = {_SHIFTS[word] for word in (small | words) & _SHIFTS.keys() - _CASED}
    return Known(frozenset(values), frozenset(shifts))


def numbers(text: str) -> Iterator[Number]:
    """The numbers of ``text``, in order. Time is in proportion to the text."""
    if not text.isascii():
        text = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), text)
    for found in _NUMBER.finditer(text):
        word = found["scale"] or ""
        digits = found[0][: found.start("scale") - found.start()] if word else found[0]
        digits = digits.rstrip(_BLANKS + "-")
        shift = _shift(word)
        read, parts = _readings(digits)
        plain = frozenset(_canonical(*each) for each in read)
        values = frozenset(_canonical(*each, shift) for each in read) if shift else plain
        # A percentage is told by its plain number wherever the sign is left out.
        values = values | plain if shift < 0 else values
        yield Number(digits + (word if shift else ""), values, parts, plain, shift)


def _shift(word: str) -> int:
    if word in _CASED:
        return 0
    return _SHIFTS.get(word) or _SHIFTS.get(word.casefold(), 0)


def _readings(digits: str) -> tuple[list[tuple[str, str]], frozenset[str]]:
    """Whole and decimal digits of each reading as one number; the parts where it may be several."""
    parts = _PART.findall(digits)
    marks = [mark for mark in digits if not mark.isdigit()]
    if not marks:
        return [(digits, "")], frozenset()
    several = frozenset(_canonical(part, "") for part in parts)
    kinds = set(marks)
    if kinds & set(":/-"):
        return [], several
    grouped = _grouped(parts)
    if len(kinds) == 1:
        if kinds & set(_BLANKS + _APOSTROPHES):
            return ([("".join(parts), "")], several) if grouped else ([], several)
        return _with_one_mark(parts, several, grouped=grouped)
    if marks[-1] in ".," and marks.count(marks[-1]) == 1 and _grouped(parts[:-1]):
        return [("".join(parts[:-1]), parts[-1])], frozenset()
    return [], several


def _with_one_mark(
    parts: list[str], several: frozenset[str], *, grouped: bool
) -> tuple[list[tuple[str, str]], frozenset[str]]:
    """Points alone, or commas alone."""
    read = [("".join(parts), "")] if grouped else []
    if len(parts) == 2:
        return [*read, (parts[0], parts[1])], frozenset()
    return read, frozenset() if grouped else several


def _grouped(parts: list[str]) -> bool:
    """Whether the parts are groups of thousands, in the Indian way too."""
    if len(parts) == 1:
        return True
    first_ok = 1 <= len(parts[0]) <= 3 and parts[0][0] != "0"
    return first_ok and len(parts[-1]) == 3 and all(len(part) in {2, 3} for part in parts[1:])


def _canonical(whole: str, decimals: str, shift: int = 0) -> str:
    """The number's one way of being written, moved by ``shift`` places."""
    digits, point = whole + decimals, len(whole) + shift
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    digits = digits.ljust(point, "0")
    left, right = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    return f"{left}.{right}" if right else left
