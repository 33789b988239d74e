"""The number that a text answers with, however it is written.

Values are texts: "-15e-1" is -1.5, "1/3" a third. Nothing is computed on long digits, so that their
length costs no more than reading them. What looks like a number and is none (a date, a time, a
range, a list, a version) keeps its digits as they stand: such answers agree only to the letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

_TIDY = (
    (re.compile(r"\\[dtc]?frac\s{0,3}\{([^{}]{1,40})\}\s{0,3}\{([^{}]{1,40})\}"), r" \1/\2"),
    (re.compile(r"\\[dtc]?frac\s{0,3}(\d)(\d)"), r" \1/\2"),
    # "- 1/2" would be a dash before a half.
    (re.compile(r"(?<![\w)])- (?=\d{1,40}/)"), "-"),
    (re.compile(r"\{,\}|\\[,!;:]"), ","),
    (re.compile(r"(?<=\d),,?(?=,)|\\(?=[%$ ])"), ""),
    (re.compile(r"\\(?:times|cdot)\b"), "x"),
)
_ODD = re.compile(
    "(?P<digit>(?![0-9])\\d)"
    "|(?P<part>[\u00bc-\u00be\u2150-\u215e])"
    "|(?P<raised>[\u207a\u207b\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+)"
    "|(?P<dash>[\u2212\u2010-\u2013\ufe63\uff0d])"
    "|(?P<blank>[\u00a0\u2009\u202f])"
    "|(?P<times>[\u00d7\u00b7\u22c5])"
)

_PARTS = {
    char: unicodedata.normalize("NFKC", char).replace("\u2044", "/")
    for char in map(chr, (*range(0xBC, 0xBF), *range(0x2150, 0x215F)))
}

_DIGITS = r"""
    \d{1,6}[ ]\d{1,9}/\d{1,9}(?![\d/])
    | \d(?: \d | [.,:/'\u2019_-](?=\d) | [ ](?=\d{3}(?!\d)) )*
    | (?<![\w.])\.\d+
"""
_NUMBER = re.compile(
    rf"""
    (?: (?<![\w)\]]) (?P<sign>[-+]) )? (?: [$\u20ac\u00a3\u00a5\u20b9] (?P<inner>-?) )?
    (?<![^\W_]) (?<![^\W_][._]) (?<!\^) (?<!\^\{{) (?<!_\{{)
    (?P<digits>{_DIGITS})
    (?: [eE](?P<exponent>[+-]?\d{{1,9}})(?!\d)
      | [ ]{{0,2}}[x*][ ]{{0,2}}10[ ]?(?:\^|\*\*)[ ]?\{{?(?P<tens>[+-]?\d{{1,9}})(?!\d)\}}?
      | (?:\^|\*\*)\{{?(?P<power>[+-]?\d{{1,9}})(?!\d)\}}?
    )?
    (?: [ -]{{0,2}}(?P<scale>%|(?:percent|per[ ]cent|pct|thousand|[mb]illion|trillion|mn|bn|tn)\b)
      | (?P<thousands>[kK])(?![^\W_]) )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SHIFTS = {"thousand": 3, "million": 6, "mn": 6, "billion": 9, "bn": 9, "trillion": 12, "tn": 12}
_PERCENT = -2

_MARKS = re.compile(r"\D+")
_PLAIN_DIGITS = re.compile(r"[0-9]+")

_SAID = re.compile(
    r"\banswer\b[*_ ]{0,4}(?:is|:|=|would be|should be)[*_:\s]{0,6}|####\s{0,6}", re.IGNORECASE
)
_CLAUSE_ENDS = re.compile(
    r"[.!?](?=\s|$)|[;\n]|,? (?:because|since|which|as|so|from|given|where)\b|(?<=[\w%]) \(",
    re.IGNORECASE,
)
_LONGEST_CLAUSE = 400
_LONGEST_PART = 40
"""Digits of a fraction's halves: longer ones are not reduced."""

_MOST_SHIFTED = 40

Value = tuple[str, int]
"""A whole number's digits without a sign, and the power of ten that it is multiplied by."""


def final_number(text: str) -> str | None:
    """The number that ``text`` comes to, ``None`` where it holds none. Time grows with the text.

    What is boxed in LaTeX counts first, then what follows "####" or "answer is": of these, all
    numbers after the last "=", so that (3, 4) is not (5, 4). Else it is the last number of all. A
    percentage is a hundredth; units and currencies do not count.
    """
    tidy = _tidied(text)
    for clause in _conclusions(tidy):
        found = [_key(each) for each in _NUMBER.finditer(clause.rpartition("=")[2])]
        if found:
            return " ".join(found)
    last = None
    for last in _NUMBER.finditer(tidy):  # noqa: B007 - the last one is what is wanted
        pass
    return None if last is None else _key(last)


def number(written: str) -> str:
    """A number of a JSON text, as a value; what is too long to be one, as it stands."""
    found = _NUMBER.fullmatch(written)
    return written if found is None else _key(found)


# ------------------------------------------------------------------ where it stands


def _conclusions(text: str) -> Iterator[str]:
    boxed = text.rfind("\\boxed{")
    if boxed >= 0:
        yield _within_braces(text[boxed + len("\\boxed{") :][:_LONGEST_CLAUSE])
    *_, last = (None, *_SAID.finditer(text))
    if last is not None:
        clause = text[last.end() : last.end() + _LONGEST_CLAUSE].lstrip()
        end = _CLAUSE_ENDS.search(clause)
        yield clause if end is None else clause[: end.start()]


def _within_braces(text: str) -> str:
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return text[:place]
    return text


def _tidied(text: str) -> str:
    """The text with one way of writing digits, dashes, fractions and powers."""
    if not text.isascii():
        text = _ODD.sub(_plain, text)
    if "\\" in text or "{,}" in text:
        for pattern, instead in _TIDY:
            text = pattern.sub(instead, text)
    return text


def _plain(odd: re.Match[str]) -> str:
    char = odd[0]
    match odd.lastgroup:
        case "digit":
            return str(unicodedata.digit(char, 0))
        case "part":
            before = odd.string[odd.start() - 1 : odd.start()]
            return f" {_PARTS[char]}" if before.isdigit() else _PARTS[char]
        case "raised":
            return "^" + unicodedata.normalize("NFKC", char).replace("\u2212", "-")
        case "times":
            return "x"
        case other:
            return "-" if other == "dash" else " "


# ------------------------------------------------------------------ what it is worth


def _key(found: re.Match[str]) -> str:
    digits, scale = found["digits"], (found["scale"] or "").casefold()
    shift = int(found["exponent"] or found["tens"] or 0) + (3 if found["thousands"] else 0)
    shift += _SHIFTS.get(scale, _PERCENT if scale else 0)
    if found["power"]:
        if digits != "10":
            return found[0].strip()
        digits, shift = "1", shift + int(found["power"])
    worth = _shifted(_worth(digits), shift)
    if worth is None:
        return found[0].strip()
    negative = "-" in {found["sign"], found["inner"]} and worth != "0"
    return f"-{worth}" if negative else worth


def _shifted(value: Value | Fraction | None, shift: int) -> str | None:
    match value:
        case (digits, power):
            return _written(digits, power + shift)
        case Fraction() if abs(shift) <= _MOST_SHIFTED:
            return _decimal(value * Fraction(10) ** shift)
        case _:
            return None


def _worth(digits: str) -> Value | Fraction | None:
    """The value of digits with marks between them; ``None`` for what is no number."""
    whole, _, rest = digits.rpartition(" ")
    if "/" in digits:
        return _ratio(rest, whole)
    joined = _joined(digits)
    # Of two numbers side by side, the latter is the last.
    return _joined(rest) if joined is None and whole else joined


def _ratio(ratio: str, whole: str) -> Fraction | None:
    if ratio.count("/") != 1:
        return None
    above, below = map(_fraction, ratio.split("/"))
    extra = _fraction(whole) if whole else Fraction(0)
    if above is None or extra is None or not below:
        return None
    return extra + above / below


def _fraction(part: str) -> Fraction | None:
    value = _joined(part)
    if value is None or len(part) > _LONGEST_PART:
        return None
    return Fraction(int(value[0])) * Fraction(10) ** value[1]


def _joined(digits: str) -> Value | None:
    """Digits with marks between them as one number, if that is what they are."""
    parts, marks = _PLAIN_DIGITS.findall(digits), _MARKS.findall(digits)
    if digits.startswith("."):
        return parts[0], -len(parts[0])
    kinds = set(marks)
    if kinds & set(":/-"):
        return None
    last = marks[-1] if marks else ""
    if _grouped(parts) and len(kinds) <= 1 and not (last == "." and len(parts) == 2):
        return "".join(parts), 0
    if last in {".", ","} and marks.count(last) == 1 and _grouped(parts[:-1]):
        return "".join(parts), -len(parts[-1])
    return None


def _grouped(parts: list[str]) -> bool:
    """Whether these are groups of thousands, in the Indian way too; one alone is."""
    if len(parts) == 1:
        return True
    first = 1 <= len(parts[0]) <= 3 and parts[0][0] != "0"
    return first and len(parts[-1]) == 3 and all(len(part) in {2, 3} for part in parts[1:])


def _written(digits: str, shift: int) -> str:
    bare = digits.lstrip("0")
    short = bare.rstrip("0")
    return f"{short}e{shift + len(bare) - len(short)}" if short else "0"


def _decimal(value: Fraction) -> str:
    """A fraction as decimal digits where they end, else in its lowest terms."""
    below = value.denominator
    places = 0
    while below % 10 == 0:
        below, places = below // 10, places + 1
    for factor in (2, 5):
        while below % factor == 0:
            below, places = below // factor, places + 1
    if below != 1:
        return f"{value.numerator}/{value.denominator}"
    return _written(str(value.numerator * 10**places // value.denominator), -places)
