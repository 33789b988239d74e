"""Does ruff find fault with the Python in the answer?

ruff runs in the sandbox and only reads the code; what it found is read from its own JSON, never
from its exit status alone. No configuration of the answer's counts, and no comment in it silences a
rule. It cannot know whether code does what was asked for, nor what types are.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from collections.abc import Awaitable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rung.core.errors import RungError
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.answer_files import LayoutError, safe_path
from rung.verifiers.base import LONGEST_REASON, Finding, Subject, abstained, failed, passed, shown
from rung.verifiers.command_outcome import Outcome
from rung.verifiers.kit import CommandBox, Errand, Kit
from rung.verifiers.material import text_of
from rung.verifiers.options import Options, count, flag, text, texts, wrong
from rung.verifiers.options import seconds as seconds_of
from rung.verifiers.python_code import MOST_BLOCKS, Source, TooManyError, apart, sources

SECONDS = 20.0
WAIT_SECONDS = 60.0
"""How long the check waits, beside its own time, for a box that is busy with others."""

FILE = "answer.py"
LONGEST_LINES = 320
"""The most characters of a line that ruff can be told to allow."""

OPTIONS = ("select", "ignore", "format", "line_length", "file", "timeout_seconds")
EXAMPLE = 'kind = "ruff"\nselect = ["E", "F", "B"]\nignore = ["E501"]\nformat = true'

_FIX = "pip install 'rung[code]'"
_NO_BOX = "no sandbox to run ruff in: install bubblewrap, or set allow_unsandboxed"
_RULE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
DEFAULT = ("E4", "E7", "E9", "F")
"""Faults, not matters of taste; what ruff itself would choose differs between its versions."""

_OF_WHOLE_FILES = frozenset({"E402", "F404", "F811", "I001"})
"""What a later block of an explanation breaks by being one: imports at the top, and the like."""

_SILENCERS = re.compile(r"(#\s*(?:ruff|flake8|isort|fmt|yapf)\s*):", re.IGNORECASE)
_STATUSES = frozenset({0, 1, 2})
"""Nothing found, something found, and what `ruff format` says of code that does not parse."""

_MISSING = 127


@dataclass(frozen=True, slots=True)
class Ruff:
    """Passes an answer in whose Python ruff finds nothing.

    XX
    """

    select: tuple[str, ...] = DEFAULT
    ignore: tuple[str, ...] = ()
    format: bool = False
    line_length: int = 0
    file: str = FILE
    box: CommandBox | None = field(default=None, repr=False)
    seconds: float = SECONDS
    name: str = "ruff"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA

    @property
    def timeout_seconds(self) -> float:
        return self.seconds + WAIT_SECONDS

    def equipped(self, kit: Kit) -> Ruff:
        """The same check with a box to run in."""
        return self if self.box is not None else replace(self, box=kit.box)

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Find the code, then have ruff read it."""
        answer = text_of(subject)
        if isinstance(answer, Finding):
            return answer
        try:
            found = sources(answer, self.file)
            formatted = apart(answer, self.file) if self.format else []
        except LayoutError as error:
            return failed(str(error))
        except TooManyError:
            return abstained(f"the answer has more than {MOST_BLOCKS} blocks, too many to check")
        if not found:
            return failed("the answer has no Python: write it in a ```python block")
        return self._begun(found, formatted)

    def _begun(self, found: list[Source], formatted: list[Source]) -> Finding | _Run:
        if self.box is None:
            return abstained(_NO_BOX)
        program = installed()
        if program is None:
            return abstained(f"ruff is not installed (fix: {_FIX})")
        runs = [(found, self._lint(program))]
        runs += [(formatted, self._formatting(program))] if formatted else []
        return _Run(self.box, self.seconds / len(runs), tuple(runs))

    def _lint(self, program: str) -> tuple[str, ...]:
        rules = [f"--select={','.join(self.select)}"]
        rules += [f"--ignore={','.join(self.ignore)}"] if self.ignore else []
        return (program, "check", *_COMMON, "--ignore-noqa", "--no-fix", *self._set, *rules)

    def _formatting(self, program: str) -> tuple[str, ...]:
        return (program, "format", "--check", *_COMMON, *self._set)

    @property
    def _set(self) -> tuple[str, ...]:
        version = f"--target-version=py{sys.version_info.major}{sys.version_info.minor}"
        return (version, *([f"--line-length={self.line_length}"] if self.line_length else []))


_COMMON = ("--isolated", "--no-cache", "--no-respect-gitignore", "--output-format=json")


def ruff(
    *,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    format: bool = False,  # noqa: A002 - the option's own name
    line_length: int = 0,
    file: str = FILE,
) -> Ruff:
    """The check by these rules. Raises ConfigError where one cannot be a rule."""
    for place, rules in (("select", select), ("ignore", ignore)):
        bad = next((rule for rule in rules if not _RULE.fullmatch(rule)), None)
        if bad is not None:
            said = f"{shown(bad, 40)!r} is no rule of ruff's."
            raise wrong(place, said, f'{place} = ["E", "F401"]')
    if not 0 <= line_length <= LONGEST_LINES:
        said = f"line_length must be within 1 and {LONGEST_LINES}."
        raise wrong("line_length", said, "line_length = 100")
    return Ruff(tuple(select) or DEFAULT, tuple(ignore), format, line_length, _file(file))


def from_options(options: Options) -> Ruff:
    """The check that a table of the configuration asks for."""
    made = ruff(
        select=texts(options, "select", '["E", "F"]'),
        ignore=texts(options, "ignore", '["E501"]'),
        format=flag(options, "format"),
        line_length=count(options, "line_length", 0),
        file=text(options, "file", 'file = "answer.py"', otherwise=FILE),
    )
    return replace(made, seconds=seconds_of(options, SECONDS))


def installed() -> str | None:
    """Where ruff is: the one installed beside rung, else the first on the PATH."""
    try:
        return str(importlib.import_module("ruff").find_ruff_bin())
    except (ImportError, AttributeError, OSError):
        return shutil.which("ruff")


def _file(given: str) -> str:
    try:
        path = safe_path(given)
    except LayoutError as error:
        raise wrong("file", f"{error}.", 'write file = "answer.py"') from None
    if not path.endswith((".py", ".pyi")):
        raise wrong("file", "file must end in .py or .pyi.", 'write file = "answer.py"')
    return path


# ------------------------------------------------------------------ running


@dataclass(frozen=True, slots=True)
class _Run(Awaitable[Finding]):
    """Runs that are ready to start, each with the files it is about."""

    box: CommandBox
    seconds: float
    runs: tuple[tuple[list[Source], tuple[str, ...]], ...]

    def __await__(self) -> Generator[Any, None, Finding]:
        return self._finding().__await__()

    async def _finding(self) -> Finding:
        found = abstained("nothing was run")
        for files, argv in self.runs:
            errand = Errand(
                (*argv, "--", *(each.path for each in files)), _laid(files), b"", self.seconds
            )
            try:
                ran = await self.box.run(errand)
            except RungError as error:
                fix = "" if error.fix is None else f" (fix: {error.fix})"
                return abstained(f"ruff cannot be run: {error.message}{fix}")
            found = _judged(files, ran)
            if not ran.sandboxed:
                found = replace(found, reason=f"not sandboxed: {found.reason}")
            if found.status is not Status.PASSED:
                return found
        return found


def _laid(files: list[Source]) -> Mapping[str, bytes]:
    """What tells ruff or its formatter to look away becomes a comment like any other."""
    return {
        each.path: _SILENCERS.sub(r"\1!", each.text).encode("utf-8", "replace") for each in files
    }


def _judged(files: list[Source], ran: Outcome) -> Finding:
    said = _violations(ran.stdout)
    violations = (
        None if said is None else [each for each in said if not _of_explaining(each, files)]
    )
    whole = ran.ended_by == "exit" and ran.status in _STATUSES
    if violations and ((whole and ran.status != 0) or ran.ended_by == "output"):
        return failed(_told(violations, files))
    if not whole or violations is None or (ran.status == 0) != (not said):
        return abstained(_unjudged(ran))
    lines = sum(each.text.count("\n") for each in files)
    return passed(f"ruff found nothing in {lines:,} lines of Python")


def _unjudged(ran: Outcome) -> str:
    last = ran.stderr[-2_000:].decode("utf-8", "replace").strip()
    if ran.status == _MISSING:
        return (
            f"the sandbox does not show ruff (fix: {_FIX}, or name its folder in [sandbox] reads)"
        )
    ended = f"status {ran.status}" if ran.ended_by == "exit" else f"its limit of {ran.ended_by}"
    return f"ruff did not judge, and ended with {ended}: {shown(last, 300) or 'without a word'}"


# ------------------------------------------------------------------ what it said


def _violations(stdout: bytes) -> list[dict[str, Any]] | None:
    """The objects of ruff's list, also of one that was cut at the limit; None if it is none."""
    output = stdout.decode("utf-8", "replace").strip()
    if not output.startswith("["):
        return None
    try:
        listed = json.loads(output)
    except (ValueError, RecursionError):
        return list(_first_of(output))
    sound = isinstance(listed, list) and all(isinstance(each, dict) for each in listed)
    return listed if sound else None


def _first_of(output: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 1
    while (at := output.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(output, at)
        except (ValueError, RecursionError):
            return
        yield found


def _of_explaining(violation: Mapping[str, Any], files: list[Source]) -> bool:
    """Whether it is only there because several blocks were read as one file."""
    of = _file_of(violation, files)
    later = of is not None and len(of.starts) > 1 and _row(violation) >= of.starts[1]
    return later and violation.get("code") in _OF_WHOLE_FILES


def _told(violations: list[dict[str, Any]], files: list[Source]) -> str:
    """As many of the first as a reason holds, in the order of the answer."""
    count = f"ruff found {len(violations):,} fault{'s' if len(violations) > 1 else ''}: "
    room = LONGEST_REASON - len(count) - len("not sandboxed: ")
    taken: list[str] = []
    for violation in sorted(violations, key=lambda each: _line(each, files)):
        words = _one(violation, files)
        room -= len(words) + 2
        if room < 0 and taken:
            break
        taken.append(words)
    return count + "; ".join(taken)


def _one(violation: Mapping[str, Any], files: list[Source]) -> str:
    of, row = _file_of(violation, files), _row(violation)
    code = shown(str(violation.get("code") or "invalid-syntax"), 30)
    if code == "unformatted":
        message = "not formatted as `ruff format` does from here on"
    else:
        message = f"{code} {shown(str(violation.get('message')), 120)}"
    if of is None:
        return message
    lines = of.text.split("\n")
    near = shown(lines[row - 1].strip(), 50) if 0 < row <= len(lines) else ""
    place = "" if len(files) == 1 else f"{shown(of.path, 60)}, "
    return f"{place}line {of.line + row - 1} of the answer: {message}, at {near!r}"


def _file_of(violation: Mapping[str, Any], files: list[Source]) -> Source | None:
    name = str(violation.get("filename"))
    ends = (each for each in files if name == each.path or name.endswith(f"/{each.path}"))
    return max(ends, key=lambda each: len(each.path), default=None)


def _line(violation: Mapping[str, Any], files: list[Source]) -> int:
    of = _file_of(violation, files)
    return _row(violation) + (0 if of is None else of.line - 1)


def _row(violation: Mapping[str, Any]) -> int:
    location = violation.get("location")
    row = location.get("row") if isinstance(location, Mapping) else None
    return row if isinstance(row, int) and not isinstance(row, bool) else 1
