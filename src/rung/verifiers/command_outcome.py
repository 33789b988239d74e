"""What the end of a command says of the answer: nothing, unless it came to its end and judged.

Output is hostile: it only ever takes a pass away, or fills a reason, cleaned and cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from rung.verifiers.base import LONGEST_REASON, Finding, abstained, failed, passed, shown
from rung.verifiers.command_words import is_pytest, runs_tests, words_of
from rung.verifiers.tallies import Tally, tally


class Outcome(Protocol):
    """How a run ended. ``ended_by`` is "exit", or the limit it was killed for: "wall", "output"."""

    @property
    def status(self) -> int | None: ...
    @property
    def signal(self) -> int | None: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...
    @property
    def ended_by(self) -> str: ...
    @property
    def sandboxed(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run is judged by.

    ``said`` is the command for people; ``hang_fails`` says that the operator chose ``seconds``. At
    least ``tests`` have to run, and at most ``skipped`` may be skipped.
    """

    said: str
    argv: tuple[str, ...]
    seconds: float
    hang_fails: bool = False
    tests: int = 0
    skipped: int | None = None


_SEEN = "commands see programs below /usr, those beside rung, and folders in [sandbox] reads"
_MISSING = {126: "cannot be executed", 127: f"was not found ({_SEEN})"}
_FETCHED = re.compile(r"^npm (?:error|ERR!) code (?:ENOTCACHED|EAI_AGAIN|ENOTFOUND)$", re.MULTILINE)
"""What npx says of a tool that it would have to fetch, where there is no network."""

_LIMIT_SIGNALS = {9, 24, 25}
"""SIGKILL, SIGXCPU, SIGXFSZ: what a machine sends that has no more to give."""

_LAST_SIGNAL = 128 + 64

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LAST_BYTES = 100_000
_LONGEST_LINE = 200

_PYTEST_DID_NOT_JUDGE = {3: "broke", 4: "was called wrongly", 5: "found no test"}


def judged(expected: Expected, ran: Outcome) -> Finding:
    """What it says of the answer that the command ended so."""
    if ran.ended_by != "exit":
        return _at_a_limit(expected, ran)
    out, err = _plain(ran.stdout), _plain(ran.stderr)
    status = 128 + (ran.signal or 0) if ran.status is None else ran.status
    counted = tally(f"{out}\n{err}")
    if status == 0:
        return _zero(expected, counted)
    unjudged = _unjudged(expected, status, counted, err)
    if unjudged:
        return abstained(_with_output(f"{expected.said} {unjudged}", out, err))
    killed = 128 < status <= _LAST_SIGNAL
    ended = f"was killed by signal {status - 128}" if killed else f"ended with status {status}"
    return failed(_with_output(f"{expected.said} {ended}", out, err))


def _at_a_limit(expected: Expected, ran: Outcome) -> Finding:
    out, err = _plain(ran.stdout), _plain(ran.stderr)
    if ran.ended_by != "wall":
        said = f"{expected.said} was stopped at its limit of {shown(ran.ended_by, 20)}"
        return abstained(_with_output(said, out, err))
    said = f"{expected.said} did not end within {expected.seconds:g} s"
    return (failed if expected.hang_fails else abstained)(_with_output(said, out, err))


def _unjudged(expected: Expected, status: int, counted: Tally | None, err: str) -> str | None:
    """Why a status that is not zero says nothing of the answer, if so."""
    words = words_of(expected.argv)
    if status in _MISSING:
        return _MISSING[status]
    if status - 128 in _LIMIT_SIGNALS:
        return f"was killed by signal {status - 128}, as at a limit"
    if _module_missing(words, err) or ("npx" in words and _FETCHED.search(err)):
        return _MISSING[127]
    if counted is not None and counted.ran <= 0:
        return f"ran no test (status {status})"
    return _PYTEST_DID_NOT_JUDGE.get(status) if is_pytest(expected.argv) else None


def _module_missing(words: tuple[str, ...], err: str) -> bool:
    """Whether Python lacks the very module it was to run, which is a tool and not the answer's."""
    asked = {after for word, after in pairwise(words) if word == "-m"}
    last = err.rstrip().rpartition("\n")[2]
    return any(last.endswith(f": No module named {module}") for module in asked)


def _zero(expected: Expected, counted: Tally | None) -> Finding:
    said = f"{expected.said} ended with status 0"
    if counted is None:
        if expected.tests or expected.skipped is not None or runs_tests(expected.argv):
            return abstained(f"{said} and without a tally: it did not come to its end")
        return passed(said)
    if counted.ran <= 0:
        return abstained(f"{said} and ran no test ({counted.skipped:,} skipped)")
    if counted.ran < expected.tests:
        return abstained(f"{said} and ran {counted.ran:,} tests of at least {expected.tests:,}")
    if expected.skipped is not None and counted.skipped > expected.skipped:
        more = f"{counted.skipped:,} tests are skipped, {expected.skipped:,} without the answer"
        return abstained(f"{said}, but {more}")
    return passed(f"{said}: {counted.ran:,} tests ran, {counted.skipped:,} were skipped")


def _plain(output: bytes) -> str:
    """The end of an output as text without colours."""
    return _ANSI.sub("", output[-_LAST_BYTES:].decode("utf-8", "replace"))


def _with_output(said: str, out: str, err: str) -> str:
    """``said`` and the last lines of both streams, as many as a reason can hold."""
    room = LONGEST_REASON - len(said) - len("not sandboxed: ") - 8
    errors = _last_lines(err, room // 2 if out.strip() else room)
    output = _last_lines(out, room - len(errors))
    told = " | ".join(filter(None, (output, errors)))
    return f"{said}: {told}" if told else f"{said}, without a word"


def _last_lines(output: str, room: int) -> str:
    taken: list[str] = []
    for line in reversed(output[-_LAST_BYTES:].splitlines()):
        if not any(map(str.isalnum, line[:_LONGEST_LINE])):
            continue
        short = shown(line.strip(), _LONGEST_LINE)
        room -= len(short) + 3
        if room < 0:
            break
        taken.append(short)
    return " | ".join(reversed(taken))
