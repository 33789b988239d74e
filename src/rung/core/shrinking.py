"""Shorter output of tools: what a terminal would have painted over, and what only repeats itself.

Nothing that is said once goes. Escapes that colour, earlier states of a progress bar, and lines
that say what the lines before them said are left out; a line in brackets says how many. Errors,
warnings and tracebacks stay, however often they come. The same text always gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rung.core.outputs import MARK, alarming, exact, has_code, is_log, likeness, traced

LEAST_CHARS = 400
"""Shorter texts are not worth a look."""

MOST_CHARS = 200_000
"""Longer texts are left: what is looked at holds up other requests."""

LEAST_SPARED = 120
"""Characters that have to go for a text to be exchanged."""

LEAST_REPEATS = 5
"""How often something has to come before it is counted instead."""

SURE_REPEATS = 8
"""The same, of equal lines in a text that does not look like the output of a program."""

LONGEST_CYCLE = 4
"""Lines that repeat together."""

LEAST_PROGRESS = 3
"""Earlier states of progress that are worth a line to say that they are gone."""

MOST_ROUNDS = 4

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"
    r"|[()][0-9A-B]|[=>78cM])"
)
_TO_THE_START = re.compile(r"\x1b\[[01]?G")
_RETURN = re.compile(r"\r[^\n]")

_BLOCKS = "█▉▊▋▌▍▎▏━╸╺▓▒░"
_BAR = re.compile(rf"\[[=#>\- .]{{3,120}}\]|[{_BLOCKS}][{_BLOCKS} ]{{2,200}}|\|[#=> ]{{3,120}}\|")
_SPINNER = re.compile("[⠁-⣿]")
_HOW_FAR = re.compile(
    r"\d%|\d ?[kKMGT]?i?B/ ?\d|(?<![\w/])\d+/\d+(?![\w/])|\d [kKMGT]?i?B/s|\beta\b|\d[kKMGT]i?B/\d"
)
_COUNTED = re.compile(r"\d{1,3}% \(\d+/\d+\)|(?:\.{5,10} ){2,20} {0,8}\d{1,3}%")
_NUMBER = re.compile(
    r"(?<![A-Za-z\d])\d+(?:[.:,]\d+)*(?: ?[kKMGT]?i?B(?:/s)?(?![a-z]))?|--:--|-:--"
)
_HINTS = ("%", "[=", "[#", "[>", "[-", "|#", "|=", "B/", *_BLOCKS)


def shrunk(text: str) -> str | None:
    """``text`` with repetition left out; ``None``: it stays as it is.

    Never longer than before, and shrunk once it cannot be shrunk again.
    """
    if not LEAST_CHARS <= len(text) <= MOST_CHARS or exact(_plain(text)):
        return None
    told = text
    for _ in range(MOST_ROUNDS):
        before, told = told, _once(told)
        if told == before:
            break
    else:
        return None  # made to be read differently each time
    return told if len(text) - len(told) >= LEAST_SPARED else None


def _once(text: str) -> str:
    painted = "\x1b" in text or _RETURN.search(text) is not None
    lines = _drawn(text) if painted else text.split("\n")
    shown = len(lines)
    if any(hint in text for hint in _HINTS):
        lines = _without_progress(lines)
    running = painted or len(lines) < shown or is_log(lines)
    lines = _without_repeats(lines, running=running)
    if running and not has_code(text):
        lines = _tidied(lines)
    return "\n".join(lines)


# ------------------------------------------------------------------ as a terminal shows it


def _plain(text: str) -> str:
    return _ESCAPES.sub("", _TO_THE_START.sub("\r", text)) if "\x1b" in text else text


def _drawn(text: str) -> list[str]:
    """The lines without escapes, and without what was painted over."""
    lines: list[str] = []
    for line in _plain(text).split("\n"):
        if "\r" in line[:-1]:
            lines += _left_over(line)
        else:
            lines.append(line)
    return lines


def _left_over(line: str) -> Iterator[str]:
    """What stays to be read of a line that was written several times over."""
    states = [state for state in line.rstrip("\r").split("\r") if state.strip()]
    after = None
    kept: list[str] = []
    for state in reversed(states):
        stage = _stage(state)
        gone = after is not None and (stage == after or _is_progress(state))
        if not gone or alarming(state):
            kept.append(state)
        after = stage
    yield from reversed(kept) if kept else ("",)


# ------------------------------------------------------------------ progress


def _is_progress(line: str) -> bool:
    if _COUNTED.search(line) is not None:
        return True
    bar = _BAR.search(line) is not None
    return bar and _HOW_FAR.search(line) is not None


def _stage(line: str) -> str:
    """A line of progress without how far it had come."""
    return _NUMBER.sub("0", _BAR.sub("", _SPINNER.sub("", line))).strip()


def _without_progress(lines: Sequence[str]) -> list[str]:
    """Of each stretch of progress, the last state of everything that progressed."""
    kept: list[str] = []
    stretch: list[str] = []
    for line in lines:
        if _is_progress(line) and not alarming(line):
            stretch.append(line)
            continue
        kept += _last_states(stretch)
        stretch = []
        kept.append(line)
    return kept + _last_states(stretch)


def _last_states(stretch: list[str]) -> list[str]:
    if len(stretch) <= LEAST_PROGRESS:
        return stretch
    last = {_stage(line): place for place, line in enumerate(stretch)}
    gone = len(stretch) - len(last)
    if gone < LEAST_PROGRESS:
        return stretch
    left = [stretch[place] for place in sorted(last.values())]
    return [f"{MARK}{gone} earlier lines of progress left out]", *left]


# ------------------------------------------------------------------ repetition


def _without_repeats(lines: Sequence[str], *, running: bool) -> list[str]:
    """Lines without those that only repeat the ones before them, in ``running`` output."""
    signs = [likeness(line) for line in lines] if running else list(lines)
    cycles = range(1, LONGEST_CYCLE + 1 if running else 2)
    runs = {length: _repeats(signs, length) for length in cycles}
    least = LEAST_REPEATS if running else SURE_REPEATS
    fixed = traced(lines)
    kept: list[str] = []
    place = 0
    while place < len(lines):
        length, times = _cycle(runs, place, least)
        span = range(place, place + length * times)
        if not length or _must_stay(lines, signs, span[:length], fixed):
            kept.append(lines[place])
            place += 1
            continue
        kept += _counted(lines[span.start : span.stop], length, times)
        place = span.stop
    return kept


def _repeats(signs: Sequence[str], length: int) -> list[int]:
    """For each place, how many lines from there on are like the ones ``length`` after them."""
    runs = [0] * len(signs)
    for place in range(len(signs) - length - 1, -1, -1):
        if signs[place] == signs[place + length]:
            runs[place] = runs[place + 1] + 1
    return runs


def _cycle(runs: dict[int, list[int]], place: int, least: int) -> tuple[int, int]:
    """The shortest cycle that begins here, and how often it comes; (0, 0) where none does."""
    for length, repeats in runs.items():
        times = repeats[place] // length + 1
        if times >= least:
            return length, times
    return 0, 0


def _must_stay(
    lines: Sequence[str], signs: Sequence[str], cycle: range, fixed: frozenset[int]
) -> bool:
    """Whether a cycle holds what never goes. Its first turn speaks for all: they are alike."""
    if all(not signs[place].strip() for place in cycle):
        return True
    return any(
        place in fixed or lines[place].startswith(MARK) or alarming(lines[place]) for place in cycle
    )


def _counted(run: Sequence[str], length: int, times: int) -> list[str]:
    """A run by its first turns and how many follow; by its last one too where they differ."""
    if all(line == run[place % length] for place, line in enumerate(run)):
        what = "line" if length == 1 else f"{length} lines"
        told = [*run[:length], f"{MARK}the same {what} {times - 1} more times]"]
    else:
        what = "lines like this" if length == 1 else f"times {length} lines like these"
        said = f"{MARK}{times - 3} more {what}, only times, amounts and ids differ]"
        told = [*run[: 2 * length], said, *run[-length:]]
    return told if sum(map(len, told)) < sum(map(len, run)) else list(run)


def _tidied(lines: Sequence[str]) -> list[str]:
    """Lines without blanks at their end, and no blank line after another one."""
    kept: list[str] = []
    for line in lines:
        bare = line.rstrip()
        if bare or not kept or kept[-1]:
            kept.append(bare)
    return kept
