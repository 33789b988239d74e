"""Are the calculations that the answer writes out right?

`a + b = c` and chains of it (`12 x 3 = 36 = 40 - 4`) are computed again with exact fractions:
+ - * / ^ and brackets, percent, thousands separators, money. A result with decimals may be rounded
to them. Whatever is not plainly a calculation of numbers (variables, mixed units, functions, code)
is left out: it cannot know whether a calculation is the right one, nor judge what is only told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed
from rung.verifiers.calculation import Token, Value, evaluated
from rung.verifiers.fenced import blocks
from rung.verifiers.material import listed, text_of

MOST_CALCULATIONS = 10_000
"""Equations of an answer that are computed."""

LONGEST_LINE = 2_000

_LIST_MARK = re.compile(r"[ \t>]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_TOKEN = re.compile(
    r"""(?P<skip>[ \t\u00a0]+|[$\u20ac\u00a3\u00a5]|\\[()\[\],;! ]|\*\*(?=[^\d(\s])|(?<!\d)\*\*
            |\*\*$|__|\\text|[{}])
      | (?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d.,]*\d)|\d+(?:\.\d+)?(?![\d.,]*\d))
      | (?P<times>\u00d7|\u22c5|\u00b7|\\times|\\cdot|\*(?!\*))
      | (?P<power>\^|\*\*)
      | (?P<over>\u00f7|/|\\div)
      | (?P<minus>-|\u2212|\u2013)
      | (?P<plus>\+)
      | (?P<open>\() | (?P<close>\))
      | (?P<percent>\\?%)
      | (?P<equals>=(?![=>])) | (?P<about>\u2248|\\approx)
      | (?P<word>[^\W\d_]+) | (?P<other>\d[\d.,]*\d|.)""",
    re.VERBOSE,
)
_STARTS = re.compile(r"[.,:;!?*_\"'`$>|\u2192\u2013\u2014(\[]")
# What, standing right after a number, makes another of it.
_CHANGES = re.compile(r"[!\u221a^_\\]|:\d")
# What stands before a number and changes it.
_MATHS = (
    "log ln sqrt sin cos tan exp abs mod minus plus times of over divided by root cube square "
    "frac cdot max min negative modulo sum product remainder rest"
)
_MATH_WORDS = frozenset(_MATHS.split())


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Passes an answer whose calculations are all right."""

    name: str = "arithmetic"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Find the calculations, compute each."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        judged, wrong = 0, []
        for line in _prose(read):
            for chain in _chains(line):
                for fault in _faults(chain):
                    judged += 1
                    wrong += [fault] if fault else []
            if judged > MOST_CALCULATIONS:
                return abstained(f"the answer has more than {MOST_CALCULATIONS:,} calculations")
        if wrong:
            return failed(f"the arithmetic is wrong: {listed(wrong, 3)}; calculate again")
        if not judged:
            return nothing_to_judge("the answer writes out no calculation of plain numbers")
        return passed(f"{judged} calculation{'s' if judged > 1 else ''} are right")


@dataclass(slots=True)
class _Side:
    """What stands on one side of an equals sign; ``None`` in ``tokens``: it cannot be judged."""

    tokens: list[Token] | None
    text: str
    about: bool = False


def _prose(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for block in blocks(text):
        for at in range(block.line - 1, min(len(lines), block.line + block.text.count("\n"))):
            lines[at] = ""
    for line in lines:
        if ("=" in line or "\u2248" in line or "approx" in line) and len(line) <= LONGEST_LINE:
            yield _LIST_MARK.sub("", line, count=1) if _LIST_MARK.match(line) else line


def _chains(line: str) -> Iterator[list[_Side]]:
    """The chains of equations in one line."""
    reader = _Reader(line)
    for found in _TOKEN.finditer(line):
        done = reader.take(found)
        if done:
            yield done
    yield reader.ended(len(line))


class _Reader:
    """Puts the tokens of a line together to sides, and sides to chains."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._reset(0, clean=True)

    def _reset(self, at: int, *, clean: bool) -> None:
        self._sides: list[_Side] = []
        self._tokens: list[Token] = []
        self._start = self._end = at
        self._clean = clean
        self._about = False

    def take(self, found: re.Match[str]) -> list[_Side]:
        kind = found.lastgroup or ""
        if kind == "skip":
            return []
        if kind in {"equals", "about"}:
            self._close(found.start())
            self._about, self._start = kind == "about", found.end()
            return []
        if kind == "word":
            return self._word(found)
        if kind == "other":
            done = self.ended(found.start())
            self._reset(found.end(), clean=self._starts_after(found))
            return done
        done = self._begun_anew(found) if kind == "number" else []
        if not self._tokens and not self._sides:
            self._start = found.start()
        self._tokens.append(Token(kind, found[0]))
        self._end = found.end()
        return done

    def _begun_anew(self, found: re.Match[str]) -> list[_Side]:
        """The chain that a number ends by following another: "4 + 4 = 8 and 5 + 5 = 10"."""
        unit = self._tokens[-1].unit if self._tokens else ""
        if not unit:
            return []
        done = self.ended(found.start())
        self._reset(found.start(), clean=unit.casefold() not in _MATH_WORDS and len(unit) > 1)
        return done

    def _starts_after(self, found: re.Match[str]) -> bool:
        """Whether a calculation can begin after this mark; after that of a time it cannot."""
        within = found[0] == ":" and self._line[found.end() : found.end() + 1].isdigit()
        return not within and _STARTS.match(found[0]) is not None

    def _word(self, found: re.Match[str]) -> list[_Side]:
        """A unit of the number before it, "x" for times, or the end of the calculation."""
        word, last = found[0], self._tokens[-1] if self._tokens else None
        follows = self._line[found.end() :].lstrip(" \t$(")[:1]
        if last is not None and last.kind in {"number", "close", "percent"}:
            if word in {"x", "X", "of"} and follows.isdigit() and last.text != "0":
                self._tokens.append(Token("times", word))
                return []
            attached = self._line[found.start() - 1].isdigit()
            if last.kind == "number" and not last.unit:
                self._tokens[-1] = Token(last.kind, last.text, word, attached=attached)
                return []
        done = self.ended(found.start())
        # "x + 2 = 5" and "log 8 + 1 = 4" begin before their first number.
        odd = word.casefold() in _MATH_WORDS or len(word) == 1 or follows in set("+-*/^=")
        self._reset(found.end(), clean=not odd and self._line[found.end() :][:1] in {" ", "\t", ""})
        return done

    def _close(self, end: int) -> None:
        known = self._clean and bool(self._tokens)
        text = self._line[self._start : end].strip()
        self._sides.append(_Side(self._tokens if known else None, text, self._about))
        self._tokens, self._clean = [], True

    def ended(self, end: int) -> list[_Side]:
        """The chain so far; the last side is known only where it ends plainly."""
        if _CHANGES.match(self._line, end):
            self._tokens = []
        self._close(self._end if self._tokens else end)
        return self._sides if len(self._sides) > 1 else []


def _faults(chain: list[_Side]) -> Iterator[str]:
    """For each pair of neighbours that can be judged, what is wrong with it, or nothing."""
    for left, right in pairwise(chain):
        if left.tokens is None or right.tokens is None:
            continue
        tokens = [*left.tokens, *right.tokens]
        if not any(each.kind in _OPERATORS for each in tokens) or not _comparable(left, right):
            continue
        one, other = evaluated(left.tokens), evaluated(right.tokens)
        if one is not None and other is not None:
            is_right = _same(one, other, about=right.about) or _right_in_groups(left, right)
            yield "" if is_right else f"{left.text} = {right.text} (it is {_said(one.number)})"


_GROUPED = re.compile(r"\d{1,3}\.\d{3}")
_OPERATORS = {"plus", "minus", "times", "over", "power"}
_MEASURES = "km m cm mm kg g mg l ml kb mb gb tb h min s ms eur usd gbp chf kwh w kw mph kmh"
_UNITS = frozenset(_MEASURES.split())


def _comparable(left: _Side, right: _Side) -> bool:
    """Whether the units, if any, are the same throughout, and are units at all."""
    assert left.tokens is not None
    assert right.tokens is not None
    units = [token.unit for token in left.tokens if token.unit]
    ending = right.tokens[-1].unit
    if not units:
        inner = [token.unit for token in right.tokens[:-1] if token.unit]
        attached = right.tokens[-1].attached and ending.casefold() not in _UNITS
        odd = attached or len(ending) == 1 or ending.casefold() in _MATH_WORDS
        return not inner and not odd
    known = all(_is_unit(token) for token in left.tokens if token.unit)
    others = [token.unit for token in right.tokens if token.unit]
    alike = {each.casefold().removesuffix("s") for each in (*units, *others)}
    return known and len(alike) == 1


def _is_unit(token: Token) -> bool:
    small = token.unit.casefold()
    return small in _UNITS if token.attached or len(small) == 1 else small not in _MATH_WORDS


def _same(left: Value, right: Value, *, about: bool) -> bool:
    """Whether the two are equal, or the right one is the left one as written with its decimals."""
    apart = abs(left.number - right.number)
    if about:
        return apart <= max(abs(left.number), abs(right.number)) / 20 + Fraction(1, 2)
    if not right.plain or not right.decimals:
        return apart == 0
    return apart <= Fraction(1, 2 * 10**right.decimals) / (100 if right.percent else 1)


def _right_in_groups(left: _Side, right: _Side) -> bool:
    """Whether the two are equal where "1.500" is fifteen hundred, as much of Europe writes it."""
    sides = [
        [
            replace(t, text=t.text.replace(".", "")) if _GROUPED.fullmatch(t.text) else t
            for t in side
        ]
        for side in (left.tokens or [], right.tokens or [])
    ]
    if sides == [left.tokens, right.tokens]:
        return False
    one, other = evaluated(sides[0]), evaluated(sides[1])
    return one is not None and other is not None and _same(one, other, about=right.about)


def _said(number: Fraction) -> str:
    if number.denominator == 1 and abs(number) < 10**18:
        return f"{number.numerator:,}"
    return f"{float(number):.6g}" if abs(number) < 10**30 else "much more"
