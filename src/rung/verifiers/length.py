"""Is the answer as long as it was to be?

Counted without the blanks around it: words (runs of characters between blanks; in scripts that
write none, each character), characters (code points), lines and UTF-8 bytes. It cannot know what a
model, or a reader, would call a word in any other sense.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rung.core.growth import Delta
from rung.core.types import Need, Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, Watch, failed, passed
from rung.verifiers.material import LONGEST, text_of
from rung.verifiers.options import Options, wrong

UNITS = ("words", "characters", "lines", "bytes")

Limits = tuple[int | None, int | None]

# Kana, CJK ideographs, Thai and Lao: written without blanks between words.
_ALONE = "\u0e01-\u0eff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")
_JOINED = re.compile(rf"[^\s{_ALONE}]")
_EXAMPLE = "words = { max = 50 }"


class Count:
    """Counts a text that comes in pieces; the same however it is cut."""

    def __init__(self) -> None:
        self.words = self.characters = self.lines = self.bytes = 0
        self._blanks = ""
        self._inside = False

    def feed(self, text: str) -> Count:
        """Take the next piece. Blanks count once something follows them."""
        kept = text.rstrip()
        if not kept:
            if self.characters:
                self._blanks += text
            self._inside = False if text else self._inside
            return self
        if not self.characters:
            kept = kept.lstrip()
            self.lines = 1
        self._count_words(text)
        for part in (self._blanks, kept):
            self.characters += len(part)
            self.lines += part.count("\n")
            self.bytes += len(part.encode("utf-8", "surrogatepass"))
        self._blanks = text[len(text.rstrip()) :]
        return self

    def _count_words(self, text: str) -> None:
        self.words += sum(1 for _ in _WORD.finditer(text))
        if self._inside and _JOINED.match(text):
            self.words -= 1  # it goes on with the word that the last piece ended in
        self._inside = _JOINED.match(text[-1]) is not None

    def of(self, unit: str) -> int:
        """How many of one of `UNITS`."""
        return int(getattr(self, unit))


@dataclass(frozen=True, slots=True)
class Length:
    """Passes an answer within all ``limits``: least and most, both included, by unit."""

    limits: tuple[tuple[str, int | None, int | None], ...]
    name: str = "length"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 5.0
    # Not inline: two million characters take a moment.
    inline: ClassVar[bool] = False

    def check(self, subject: Subject) -> Finding:
        """Count once, compare each."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        count = Count().feed(read)
        faults = [fault for limit in self.limits if (fault := _fault(count, *limit))]
        if faults:
            return failed("; ".join(faults))
        counted = ", ".join(f"{count.of(unit):,} {unit}" for unit, _, _ in self.limits)
        return passed(f"the answer has {counted}")

    def watch(self, request: Request) -> Watch | None:
        """Follow the text as far as there is a most."""
        if Need.TOOLS in request.needs:
            return None  # small models write tool calls as text, which are none once understood
        limits = tuple((unit, None, most) for unit, _, most in self.limits if most is not None)
        return _TextWatch(limits, Count()) if limits else None


@dataclass(frozen=True, slots=True)
class _TextWatch:
    """Dooms an answer that is longer than it may be."""

    limits: tuple[tuple[str, None, int], ...]
    count: Count

    def grow(self, delta: Delta) -> str | None:
        if self.count.characters > LONGEST:
            return None
        self.count.feed(delta.text)
        found = (_fault(self.count, *limit) for limit in self.limits)
        return next((fault for fault in found if fault is not None), None)


def length(**limits: Limits) -> Length:
    """The check for least and most of `UNITS`, as in ``words=(None, 50)``; ``None`` is open.

    Raises ConfigError where no answer, or any, would do.
    """
    if not limits:
        raise wrong("words", "there is no limit.", f"write {_EXAMPLE}")
    for unit, (least, most) in limits.items():
        if unit not in UNITS:
            raise wrong(unit, f"{unit} cannot be counted.", f"count {', '.join(UNITS)}")
        if least is None and most is None:
            raise wrong(unit, f"{unit} has no limit.", f"write {_EXAMPLE}")
        if (least or 0) > (LONGEST if most is None else most) or (least or 0) < 0:
            raise wrong(unit, f"{unit} has a least above its most.", f"write {_EXAMPLE}")
    return Length(tuple((unit, *limits[unit]) for unit in UNITS if unit in limits))


def from_options(options: Options) -> Length:
    """The check that a table of the configuration asks for."""
    return length(**{unit: _limits(unit, options[unit]) for unit in UNITS if unit in options})


def _limits(unit: str, given: object) -> Limits:
    known = isinstance(given, Mapping) and set(given) <= {"min", "max"}
    numbers = list(given.values()) if isinstance(given, Mapping) else [None]
    if not known or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers):
        raise wrong(unit, f"{unit} takes min and max.", f"write {unit} = {{ min = 1, max = 50 }}")
    assert isinstance(given, Mapping)
    return given.get("min"), given.get("max")


def _fault(count: Count, unit: str, least: int | None, most: int | None) -> str | None:
    has = count.of(unit)
    if least is not None and has < least:
        return f"the answer has {has:,} {unit}: write at least {least:,}"
    if most is not None and has > most:
        return f"the answer has {has:,} {unit}: write at most {most:,}"
    return None
