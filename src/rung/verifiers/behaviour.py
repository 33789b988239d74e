"""What an answer's code does, for a vote: its function is called on inputs, in the sandbox.

Answers whose functions give the same outputs say the same, however they are written. Alone this
proves nothing, since nobody says which outputs are right, and it never rejects.

The code runs in the process that reports its outputs, and may report what it likes. To be counted
with others it has to report their outputs, which it has not seen: whoever can do that has computed
them. So hostile code can only leave the others' group.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from rung.core.errors import RungError
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers import behaviour_run
from rung.verifiers.answer_files import LayoutError
from rung.verifiers.base import Finding, Subject, abstained, failed, shown
from rung.verifiers.command_outcome import Outcome
from rung.verifiers.kit import CommandBox, Errand, Kit
from rung.verifiers.material import text_of
from rung.verifiers.options import Options, text, wrong
from rung.verifiers.options import seconds as seconds_of
from rung.verifiers.python_code import Source, TooManyError, apart, sources

SECONDS = 10.0
WAIT_SECONDS = 60.0
"""How long the check waits, beside its own time, for a box that is busy with others."""

SCORE = 0.1
"""The chance that code is right which cannot be called, or raises whatever it is given; a guess
until it is calibrated."""

MOST_INPUTS = 1_000
OPTIONS = ("function", "inputs", "timeout_seconds")
EXAMPLE = 'kind = "behaviour"\nfunction = "add"\ninputs = [[1, 2], [-1, 1], [0, 0]]'

_PYTHON: Final = "rung:python"
_DRIVER: Final = "behaviour_run.py"
_FILE: Final = f"{behaviour_run.MODULE}.py"
_OWN_SHARE = 0.8
"""Of the time, what the calls may take together: the rest is Python's start."""

_NO_BOX = "no sandbox to run it in: install bubblewrap, or set allow_unsandboxed"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A signal that says what ``function`` gives on ``inputs``: lists of arguments, as JSON text.

    It passes as having nothing to judge, or fails with a low score where the function is not there
    or raises on every input.
    """

    function: str
    inputs: tuple[str, ...]
    box: CommandBox | None = field(default=None, repr=False)
    seconds: float = SECONDS
    name: str = "behaviour"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF

    @property
    def timeout_seconds(self) -> float:
        return self.seconds + WAIT_SECONDS

    def equipped(self, kit: Kit) -> Behaviour:
        """The same check with a box to run in."""
        return self if self.box is not None else replace(self, box=kit.box)

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Take the code out of the answer; then run it."""
        answer = text_of(subject)
        if isinstance(answer, Finding):
            return answer
        if self.box is None:
            return abstained(_NO_BOX)
        try:
            pieces, files = apart(answer, _FILE), sources(answer, _FILE)
        except LayoutError as error:
            return abstained(f"the answer's code cannot be laid out: {error}")
        except TooManyError:
            return abstained("the answer has too many blocks to run")
        if not pieces:
            return abstained("the answer has no Python code")
        return _Run(self, self.box, self._errand(pieces, files))

    def _errand(self, pieces: list[Source], files: list[Source]) -> Errand:
        each = self.seconds * _OWN_SHARE / (len(self.inputs) + len(pieces))
        # Written by hand: the inputs are JSON already.
        work = json.dumps(
            {
                "files": [piece.text for piece in pieces],
                "function": self.function,
                "seconds": each,
            }
        )
        stdin = f'{work[:-1]}, "inputs": [{", ".join(self.inputs)}]}}'
        laid = {file.path: file.text.encode("utf-8", "replace") for file in files}
        return Errand(
            argv=(_PYTHON, _DRIVER),
            files={**laid, _DRIVER: _driver()},
            stdin=stdin.encode(),
            seconds=self.seconds,
        )


@cache
def _driver() -> bytes:
    return Path(behaviour_run.__file__).read_bytes()


@dataclass(frozen=True, slots=True)
class _Run(Awaitable[Finding]):
    """One run that is ready to start, on the loop that awaits it."""

    of: Behaviour
    box: CommandBox
    errand: Errand

    def __await__(self) -> Generator[Any, None, Finding]:
        return self._finding().__await__()

    async def _finding(self) -> Finding:
        try:
            ran = await self.box.run(self.errand)
        except RungError as error:
            fix = "" if error.fix is None else f" (fix: {error.fix})"
            return abstained(f"the code cannot be run: {error.message}{fix}")
        found = _judged(self.of, ran)
        return found if ran.sandboxed else replace(found, reason=f"not sandboxed: {found.reason}")


# ------------------------------------------------------------------ what came of it


def _judged(of: Behaviour, ran: Outcome) -> Finding:
    if ran.ended_by != "exit":
        return abstained(f"the code was stopped at its limit of {shown(ran.ended_by, 20)}")
    told = _told(ran.stdout)
    if "error" in told:
        return _not_there(of, *told["error"])
    outputs = told.get("outputs", [])
    if len(outputs) != len(of.inputs):
        return abstained("the code ended before it had been called on all inputs")
    raised = [what for how, what in outputs if how != "value"]
    if len(raised) == len(outputs):
        return _never_gave(of, [what or "too slow" for _, what in outputs])
    digest = sha256(json.dumps(outputs).encode()).hexdigest()
    said = f"{of.function} gave an output on {len(outputs) - len(raised)} of {len(outputs)} inputs"
    return Finding(Status.PASSED, f"{said}: compared, not judged", vacuous=True, says=digest)


def _told(stdout: bytes) -> dict[str, list[Any]]:
    """What the driver wrote, or the code in its place: empty where it has no sense."""
    try:
        told = json.loads(stdout)
    except (ValueError, RecursionError):
        return {}
    match told:
        case {"error": [str(), str()] as error}:
            return {"error": error}
        case {"outputs": list() as outputs} if all(map(_is_output, outputs)):
            return {"outputs": outputs}
        case _:
            return {}


def _is_output(value: object) -> bool:
    match value:
        case ["value" | "raised" | "late", str()]:
            return True
        case _:
            return False


def _not_there(of: Behaviour, name: str, told: str) -> Finding:
    if name == ModuleNotFoundError.__name__:
        return abstained(f"the sandbox lacks what the code imports: {shown(told, 100)}")
    why = f": {shown(name, 40)}: {shown(told, 100)}" if name else ""
    return failed(f"the code defines no function {of.function}{why} (uncalibrated)", SCORE)


def _never_gave(of: Behaviour, names: list[str]) -> Finding:
    shortly = ", ".join(shown(name, 40) for name in sorted(set(names))[:3])
    if set(names) == {ModuleNotFoundError.__name__}:
        return abstained(f"the sandbox lacks what the code imports ({shortly})")
    said = f"{of.function} gave no output on any of {len(names)} inputs: {shortly}"
    return failed(f"{said} (uncalibrated)", SCORE)


# ------------------------------------------------------------------ options


def behaviour(
    function: str, inputs: Sequence[Sequence[Any]], *, timeout_seconds: float = SECONDS
) -> Behaviour:
    """The check by the function's name and the arguments of each call. Raises ConfigError."""
    if not function.isidentifier():
        raise wrong("function", f"{function!r} is no name of a function.", 'function = "add"')
    example = "inputs = [[1, 2], [-1, 1]]"
    if not _is_list(inputs) or not 0 < len(inputs) <= MOST_INPUTS or not all(map(_is_list, inputs)):
        said = f"inputs must be 1 to {MOST_INPUTS:,} lists, each of the arguments of one call."
        raise wrong("inputs", said, f"write {example}")
    try:
        written = tuple(json.dumps(each, allow_nan=False) for each in inputs)
    except (TypeError, ValueError, RecursionError):
        said = "inputs must hold nothing but what JSON can: no dates, no endless numbers."
        raise wrong("inputs", said, f"write {example}") from None
    return Behaviour(function, written, seconds=timeout_seconds)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def from_options(options: Options) -> Behaviour:
    """The check that a table of the configuration asks for."""
    return behaviour(
        text(options, "function", 'function = "add"'),
        options.get("inputs", ()),
        timeout_seconds=seconds_of(options, SECONDS),
    )
