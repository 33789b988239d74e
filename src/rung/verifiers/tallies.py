"""How many tests ran and were left out, by what test runners print at their end.

A run that printed no tally did not get to its end, whatever its exit status says. What is printed
can be faked by the code under test: a tally takes trust away and never adds any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST_LINE = 400
_MOST_LINES = 2_000

_NONE_RAN = re.compile(
    r"(?:=+ )?(?:no tests ran\b|collected 0 items\b)|NO TESTS RAN$|No tests? (?:files? )?found\b"
    r"|testing: warning: no tests to run$|Error: no test specified\b|No test files found\b",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"(?:=+ )?(\d+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?)\b.*)"
    r" in \d+(?:\.\d+)?s\b"
)
_UNITTEST = re.compile(r"Ran (\d+) tests? in \d")
_UNITTEST_END = re.compile(r"(?:OK|FAILED)(?: \((.*)\))?$")
_JEST = re.compile(r"\s*Tests:?\s+(\d+ (?:passed|failed|skipped|todo).*)$")
_CARGO = re.compile(r"test result: \w+\. (\d+ passed; \d+ failed; \d+ ignored;.*)$")
_TAP = re.compile(r"(?:#|\u2139) (pass|fail|skipped|todo) (\d+)$")
_MOCHA = re.compile(r"\s*(\d+ (?:passing|failing|pending))\b")
_GO = re.compile(r"(ok|FAIL|\?)\s+\S+\s+(.*)$")
_COUNT = re.compile(r"(\d+)[ -](\w+)")
_NAMED_COUNT = re.compile(r"([a-z ]+)=(\d+)")

_RAN = {"passed", "failed", "passing", "failing", "xfailed", "xpassed", "pass", "fail"}
_LEFT_OUT = {"skipped", "todo", "ignored", "pending"}


@dataclass(frozen=True, slots=True)
class Tally:
    """Tests that ran, whatever came of them, and tests that were skipped."""

    ran: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.ran + other.ran, self.skipped + other.skipped)


def tally(output: str) -> Tally | None:
    """The sum of all tallies in ``output``, colours taken out of it; ``None`` where it has none."""
    found = [each for line in _lines(output) if (each := _of_line(line)) is not None]
    return sum(found, Tally()) if found else None


def _lines(output: str) -> Iterable[str]:
    return (line.rstrip()[:_LONGEST_LINE] for line in output.split("\n")[-_MOST_LINES:])


def _of_line(line: str) -> Tally | None:
    if _NONE_RAN.match(line):
        return Tally()
    for pattern in (_SUMMARY, _JEST, _CARGO, _MOCHA):
        found = pattern.match(line)
        if found is not None:
            return _summed((word, int(n)) for n, word in _COUNT.findall(found[1]))
    return _of_unittest(line) or _of_tap(line) or _of_go(line)


def _of_unittest(line: str) -> Tally | None:
    """Its skipped tests are in its count of those that ran."""
    found = _UNITTEST.match(line)
    if found is not None:
        return Tally(int(found[1]))
    found = _UNITTEST_END.fullmatch(line)
    if found is None:
        return None
    left = {name.strip(): int(n) for name, n in _NAMED_COUNT.findall(found[1] or "")}
    skipped = left.get("skipped", 0)
    return Tally(-skipped, skipped) if skipped else None


def _of_tap(line: str) -> Tally | None:
    found = _TAP.fullmatch(line)
    return None if found is None else _summed([(found[1], int(found[2]))])


def _of_go(line: str) -> Tally | None:
    """One of each package: go tells no numbers."""
    found = _GO.fullmatch(line)
    if found is None:
        return None
    empty = "[no test files]" in found[2] or "[no tests to run]" in found[2]
    return Tally() if empty else Tally(1)


def _summed(counts: Iterable[tuple[str, int]]) -> Tally:
    total = Tally()
    for word, number in counts:
        if word in _RAN or word.startswith("error"):
            total += Tally(number)
        elif word in _LEFT_OUT:
            total += Tally(0, number)
    return total
