"""Unit tests on Python that a model wrote, with a verdict that its code cannot fake.

The operator's tests run in one sandbox and the answer's code in another; what crosses between them
are calls, and plain values made anew. The code sees arguments, never expectations; the tests
compare outside of its reach. Only where the tests hand over values of their own that cannot cross
do they run beside the code, with tests among them that have to fail, and the verdict says so:
nothing that the code does can bring that about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from rung.core.errors import ConfigError, RungError
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers import unit_tests_canaries as canaries
from rung.verifiers import unit_tests_cases as cases_of
from rung.verifiers import unit_tests_run as runs
from rung.verifiers import unit_tests_source as sources
from rung.verifiers.base import Finding, Subject, abstained, failed, shown
from rung.verifiers.kit import CommandBox, Kit
from rung.verifiers.material import text_of
from rung.verifiers.options import Options, count, text, weight, wrong
from rung.verifiers.options import seconds as seconds_of
from rung.verifiers.unit_tests_code import NoCodeError, code_of
from rung.verifiers.unit_tests_report import Expected, NoReportError, Report, judged

SECONDS = 10.0
WAIT_SECONDS = 60.0
"""How long a check waits, beside its own time, for a box that is busy with others."""

OPTIONS = ("tests", "cases", "module", "mode", "skipped", "timeout_seconds", "gate")
EXAMPLE = """kind = "unit_tests"
cases = [{ call = "add", args = [2, 2], expect = 4 }]
timeout_seconds = 10"""

_NO_BOX = "no sandbox to run it in: install bubblewrap, or set allow_unsandboxed"
_BESIDE = ", beside the code, among tests that had to fail: it might have reached them"


class Mode(StrEnum):
    """Where the tests run: apart from the code, beside it, or beside it only if they have to."""

    AUTO = "auto"
    SPLIT = "split"
    IN_PROCESS = "in_process"


@dataclass(frozen=True, slots=True)
class Suite:
    """The operator's tests: a source, or cases, with the ids of those that have to run."""

    module: str
    tests: tuple[str, ...]
    left_out: frozenset[str] = frozenset()
    source: str = field(default="", repr=False)
    free: tuple[str, ...] = ()
    reaches: str = ""
    cases: cases_of.Cases = field(default=(), repr=False)

    @property
    def work(self) -> Mapping[str, Any]:
        """What a process that runs the tests is told of them."""
        if self.cases:
            return {"cases": self.cases}
        return {"source": self.source, "free": self.free}

    def planted(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """As ``work``, with tests among them that have to fail; and their ids."""
        if self.cases:
            among = canaries.in_cases(self.cases)
            return {"cases": among.tests}, among.ids
        among = canaries.in_source(self.source)
        return {"source": among.tests, "free": self.free}, among.ids


@dataclass(frozen=True, slots=True)
class UnitTests:
    """Passes an answer whose code passes ``suite``: every test of it has run, and none failed.

    At most ``skipped`` tests may skip themselves, beside those that are marked to be skipped.
    ``seconds`` is the time of the code, of all calls together: code that takes longer has failed.
    """

    suite: Suite
    box: CommandBox | None = field(default=None, repr=False)
    mode: Mode = Mode.AUTO
    skipped: int = 0
    seconds: float = SECONDS
    name: str = "unit_tests"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.SPLIT

    @property
    def timeout_seconds(self) -> float:
        return 2 * self.seconds + WAIT_SECONDS

    def equipped(self, kit: Kit) -> UnitTests:
        """The same check with a box to run in."""
        return self if self.box is not None else replace(self, box=kit.box)

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Find the code in the answer; then run."""
        answer = text_of(subject)
        if isinstance(answer, Finding):
            return answer
        try:
            code = code_of(answer, self.suite.module)
        except NoCodeError as error:
            return failed(str(error))
        return abstained(_NO_BOX) if self.box is None else _Run(self, self.box, code)


@dataclass(frozen=True, slots=True)
class _Run(Awaitable[Finding]):
    """One run that is ready to start, on the loop that awaits it."""

    check: UnitTests
    box: CommandBox
    code: str

    def __await__(self) -> Generator[Any, None, Finding]:
        return self._finding().__await__()

    async def _finding(self) -> Finding:
        try:
            return await self._by_mode()
        except NoReportError as error:
            return abstained(str(error))
        except RungError as error:
            fix = "" if error.fix is None else f" (fix: {error.fix})"
            return abstained(f"the tests cannot be run: {error.message}{fix}")

    async def _by_mode(self) -> Finding:
        reaches = self.check.suite.reaches
        if self.check.mode is Mode.IN_PROCESS or (reaches and self.check.mode is Mode.AUTO):
            return await self._beside()
        if reaches:
            said = f"the tests look into the process of the code ({reaches})"
            return abstained(f"{said}: only mode in_process can run them")
        report, sandboxed = await runs.split(self.box, self._work(self.check.suite.work))
        found = judged(self._expected(()), report, ", out of the code's reach")
        if self._has_to_be_beside(report, found):
            return await self._beside()
        return _labelled(found, sandboxed, Trust.SPLIT)

    async def _beside(self) -> Finding:
        tests, ids = self.check.suite.planted()
        try:
            report, sandboxed = await runs.beside(self.box, self._work(tests))
        except NoReportError as error:
            return replace(abstained(str(error)), trust=Trust.CANARY)
        return _labelled(judged(self._expected(ids), report, _BESIDE), sandboxed, Trust.CANARY)

    def _has_to_be_beside(self, report: Report, found: Finding) -> bool:
        unsure = found.status is Status.ABSTAINED and report.beside
        return unsure and self.check.mode is Mode.AUTO

    def _work(self, tests: Mapping[str, Any]) -> runs.Work:
        return runs.Work(self.code, self.check.suite.module, tests, self.check.seconds)

    def _expected(self, planted: tuple[str, ...]) -> Expected:
        suite = self.check.suite
        return Expected(suite.tests, suite.left_out, self.check.skipped, planted)


def _labelled(found: Finding, sandboxed: bool, trust: Trust) -> Finding:
    """With how far it can be trusted: without a sandbox, code reaches other processes too."""
    if sandboxed:
        return replace(found, trust=trust)
    return replace(found, trust=Trust.COMMAND, reason=f"not sandboxed: {found.reason}")


# ------------------------------------------------------------------ options


def unit_tests(
    tests: str | None = None,
    *,
    cases: str | Iterable[Mapping[str, Any]] | None = None,
    module: str | None = None,
    mode: str = Mode.AUTO,
    skipped: int = 0,
    timeout_seconds: float = SECONDS,
) -> UnitTests:
    """The check that runs ``tests``, a source, or ``cases``. Raises ConfigError."""
    if (tests is None) == (cases is None):
        raise wrong("tests", "give either tests or cases.", 'tests = "tests/test_solution.py"')
    if mode not in set(Mode):
        fix = f"write one of {', '.join(Mode)}"
        raise wrong("mode", f"there is no mode {shown(str(mode), 40)!r}.", fix)
    return UnitTests(
        _suite(tests, cases, module), mode=Mode(mode), skipped=skipped, seconds=timeout_seconds
    )


def _suite(tests: str | None, cases: object, module: str | None) -> Suite:
    if tests is None:
        made = cases_of.read(cases)
        name = sources.module_name(module or sources.MODULE)
        return Suite(name, tuple(str(each["id"]) for each in made), cases=made)
    if not isinstance(tests, str):
        raise wrong("tests", "tests must be a text.", 'tests = "tests/test_solution.py"')
    found = sources.read(tests, module)
    return Suite(found.module, found.tests, found.left_out, found.source, found.free, found.reaches)


def from_options(options: Options) -> UnitTests:
    """The check that a table of the configuration asks for: ``tests`` is the path of a file.

    ``cases`` is that of a file of JSON lines, or a list. Raises ConfigError.
    """
    named = {key: text(options, key, _PATHS[key]) for key in _PATHS if _is_path(options, key)}
    read = {key: _content(key, path) for key, path in named.items()}
    made = unit_tests(
        read.get("tests"),
        cases=read.get("cases", options.get("cases")),
        module=text(options, "module", 'module = "solution"') if "module" in options else None,
        mode=text(options, "mode", 'mode = "split"', otherwise=Mode.AUTO),
        skipped=count(options, "skipped", 0),
        timeout_seconds=seconds_of(options, SECONDS),
    )
    return replace(made, weight=weight(options))


_PATHS = {"tests": 'tests = "tests/test_solution.py"', "cases": 'cases = "cases.jsonl"'}


def _is_path(options: Options, key: str) -> bool:
    return key in options and (key == "tests" or isinstance(options[key], str))


def _content(key: str, path: str) -> str:
    try:
        place = Path(path)
        if place.stat().st_size > sources.LARGEST:
            raise wrong(key, f"{path} is larger than {sources.LARGEST:,} bytes.", "split it")
        return place.read_text("utf-8")
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        said = f"{shown(path, 200)} cannot be read: {shown(str(error), 200)}."
        raise wrong(key, said, f"correct the path, as in {_PATHS[key]}") from None
