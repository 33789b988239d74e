"""Does the answer repeat itself without end?

Small models fall into loops: the same sentence, line or blank until their room is used up. What
people ask for repeats itself too (tables, empty cells, rows of zeros), so how much is too much
depends on what is repeated, and on whether the answer was cut off in the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rung.core.growth import Delta
from rung.core.types import Finish, Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, Watch, failed, passed, shown

LONGEST_PERIOD = 1_000
"""Characters of the longest piece whose repetition is looked for."""

_BLOCK = 512
_NEEDLE = 32
_MOST_PERIODS = 16
_LONGEST_SHOWN = 40

FEWEST_TIMES = 6
"""How often anything has to be repeated in a row to be a loop, wherever it stands."""
FEWEST_TIMES_CUT = 4
FEWEST_LINES_CUT = 12
"""The same at the end of an answer that was cut off: any piece, and a line of prose."""
_FEWEST_IN_LINES_CUT = 240

_LEAST_LETTERS = 6
_PROSE_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class _Sort:
    """How many characters of repetition are a loop: ``anywhere``, and at a ``cut`` end."""

    anywhere: int
    cut: int


_BLANK = _Sort(anywhere=1_024, cut=400)
_PROSE = _Sort(anywhere=3_072, cut=800)
_OTHER = _Sort(anywhere=12_288, cut=2_000)
"""Markup, numbers, art: a chess board of table cells has 4,000 characters, 3,000 zeros 9,000."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Fails an answer that was cut off in a loop, or is one for longer than anybody asks for."""

    name: str = "repetition"
    weight: Weight = Weight.IMPLIED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Look along the whole text, and closer at an end that was cut."""
        text = subject.answer.text
        fault = Loops().feed(text)
        if fault is None and subject.answer.finish is Finish.LENGTH:
            fault = _cut_in_a_loop(text)
        return passed("the answer is in no loop") if fault is None else failed(fault)

    def watch(self, request: Request) -> Watch | None:  # noqa: ARG002 - the contract's signature
        """Follow the text."""
        return _TextWatch(Loops())


class Loops:
    """Reads a text piece by piece and says when it has been in a loop for too long.

    The text is looked at in blocks, the same ones however it is cut into pieces: what is found in a
    beginning of a text is also found in the whole.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._waiting = 0
        self._before = ""
        self._period = 0
        self._run = 0
        self._fault: str | None = None

    def feed(self, text: str) -> str | None:
        """Take the next piece; the fault, once there is one, for good."""
        self._pieces.append(text)
        self._waiting += len(text)
        if self._fault is None and self._waiting >= _BLOCK:
            joined = "".join(self._pieces)
            whole = len(joined) - len(joined) % _BLOCK
            for start in range(0, whole, _BLOCK):
                self._take(joined[start : start + _BLOCK])
            self._pieces, self._waiting = [joined[whole:]], len(joined) - whole
        return self._fault

    def _take(self, block: str) -> None:
        if self._fault is not None:
            return
        seen = self._before + block
        if not self._period or not _goes_on(seen, self._period, _BLOCK):
            self._run = 0
            found = (p for p in _periods(seen) if _goes_on(seen, p, _BLOCK))
            self._period = next(found, 0)
        if self._period:
            self._run += _BLOCK
            unit = seen[-self._period :]
            if self._run >= max(_sort(unit).anywhere, FEWEST_TIMES * self._period):
                self._fault = _said(unit, self._run)
        self._before = seen[-LONGEST_PERIOD:]


@dataclass(frozen=True, slots=True)
class _TextWatch:
    """Dooms an answer that has been in a loop for too long."""

    loops: Loops

    def grow(self, delta: Delta) -> str | None:
        return self.loops.feed(delta.text)


def _cut_in_a_loop(text: str) -> str | None:
    """What the last characters repeat, where that is enough of a text that was cut."""
    tail = text[-FEWEST_TIMES_CUT * LONGEST_PERIOD :]
    for period in _periods(tail):
        unit = tail[-period:]
        span = max(_sort(unit).cut, FEWEST_TIMES_CUT * period)
        if "\n" in unit and _sort(unit) is _PROSE:
            span = min(span, max(_FEWEST_IN_LINES_CUT, FEWEST_LINES_CUT * period))
        if _goes_on(tail, period, span - period):
            return _said(unit, span)
    return None


def _periods(text: str) -> Iterator[int]:
    """How far back the last characters stood before, the nearest first."""
    end = len(text) - _NEEDLE
    if end <= 0:
        return
    needle = text[end:]
    first = max(0, end - LONGEST_PERIOD)
    at = end
    for _ in range(_MOST_PERIODS):
        at = text.rfind(needle, first, at + _NEEDLE - 1)
        if at < 0:
            return
        yield end - at


def _goes_on(text: str, period: int, length: int) -> bool:
    """Whether each of the last ``length`` characters stood ``period`` characters before."""
    enough = len(text) >= length + period
    return enough and text[-length:] == text[-length - period : -period]


def _sort(unit: str) -> _Sort:
    """What is repeated: blanks, prose, or anything else."""
    if unit.isspace():
        return _BLANK
    letters = sum(char.isalpha() for char in unit)
    spaces = sum(char.isspace() for char in unit)
    different = {char for char in unit.casefold() if char.isalpha()}
    is_prose = len(different) >= _LEAST_LETTERS and letters + spaces >= _PROSE_SHARE * len(unit)
    return _PROSE if is_prose else _OTHER


def _said(unit: str, length: int) -> str:
    """The fault, in words."""
    quoted = shown(unit, _LONGEST_SHOWN) if not unit.isspace() else "blanks"
    return f"the answer is in a loop: {quoted!r} over and over, for {length:,} characters and more"
