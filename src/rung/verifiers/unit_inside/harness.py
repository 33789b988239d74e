"""Finds the tests in a source and runs them one by one, whatever they raise.

Functions ``test*``, with fixtures and parameters; classes ``Test*``; `unittest.TestCase`; and the
body of a source that has assertions but no tests, which is one test named `BODY`.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import sys
import traceback
import types
import unittest
from collections.abc import Callable, Iterator
from typing import Any

from . import plain_pytest
from .plain_pytest import FIXTURE, MARKS, LeftOut, MissingError, Skipped
from .told import LONGEST
from .traced import FILE, compiled

BODY = "(module)"
_LEFT_OUT = ("skip", "xfail")

Test = Callable[[], object]


class Results:
    """What became of each test, by its id.

    ``override`` may know better than what was raised; ``last`` is the last call of the code.
    """

    def __init__(
        self,
        source: str,
        override: Callable[[], tuple[str, str] | None] = lambda: None,
        last: Callable[[], str] = lambda: "",
    ) -> None:
        self._lines = source.split("\n")
        self._override = override
        self._last = last
        self.of: list[dict[str, Any]] = []

    def run(self, name: str, begin: Callable[[], None], test: Test) -> None:
        """Run one test and keep what became of it."""
        begin()
        error: BaseException | None = None
        try:
            test()
        except BaseException as raised:  # noqa: BLE001 - whatever a test raises is its outcome
            error = raised
        self.add(name, error)

    def add(self, name: str, error: BaseException | None) -> None:
        """Keep that a test ended with this error, or without one."""
        known = self._override()
        outcome, said = known or _outcome(error)
        found: dict[str, Any] = {"id": name, "outcome": outcome, "said": said[: 3 * LONGEST]}
        if outcome != "passed" and self._last():
            found["call"] = self._last()
        if outcome == "failed" and error is not None:
            line = _line_of(error)
            if 0 < line <= len(self._lines):
                found["line"] = self._lines[line - 1].strip()[:LONGEST]
        self.of.append(found)


def _outcome(error: BaseException | None) -> tuple[str, str]:
    if error is None:
        return "passed", ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        # Those that the code raises come without the name.
        return "unjudged", f"the tests need {error.name}, which is not installed where they run"
    for kinds, outcome in _SAYING:
        if isinstance(error, kinds):
            return outcome, str(error)
    said = _text_of(error)
    if isinstance(error, AssertionError):
        return "failed", said
    return "failed", f"{type(error).__name__}: {said}" if said else type(error).__name__


_SAYING: tuple[tuple[Any, str], ...] = (
    (LeftOut, "left out"),
    ((Skipped, unittest.SkipTest), "skipped"),
    (MissingError, "unjudged"),
)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be told is one all the same
        return ""


def _line_of(error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if f.filename == FILE), 0)


def install(name: str, module: Any) -> None:
    """Let the tests import it, and the packages that it is in."""
    parts = name.split(".")
    sys.modules[name] = module
    for depth in range(len(parts) - 1, 0, -1):
        package = types.ModuleType(".".join(parts[:depth]))
        package.__path__ = []
        setattr(package, parts[depth], module)
        sys.modules[package.__name__] = module = package


def run_source(
    source: str, given: dict[str, Any], results: Results, begin: Callable[[], None]
) -> None:
    """Run all tests of ``source``, whose module begins with the names ``given``."""
    module = types.ModuleType(FILE)
    sys.modules[FILE] = module
    sys.modules["pytest"] = plain_pytest
    module.__dict__.update(given)

    def body() -> None:
        exec(compiled(source, module.__dict__), module.__dict__)  # noqa: S102 - the operator's tests

    before = len(results.of)
    results.run(BODY, begin, body)
    if results.of[before]["outcome"] != "passed":
        return
    try:
        for name, test in _found(module):
            results.run(name, begin, test)
    except BaseException as error:  # noqa: BLE001 - what cannot be collected has failed as a whole
        results.add(BODY, error)


def _found(module: types.ModuleType) -> Iterator[tuple[str, Test]]:
    functions = {name: v for name, v in vars(module).items() if inspect.isfunction(v)}
    fixtures = {name: v for name, v in functions.items() if getattr(v, FIXTURE, False)}
    setup = vars(module).get("setUpModule") or vars(module).get("setup_module")
    if callable(setup):
        setup(*[module][: len(inspect.signature(setup).parameters)])
    for name, value in list(vars(module).items()):
        if name in functions and name.startswith("test") and name not in fixtures:
            yield from _expanded(name, value, value, fixtures)
        elif isinstance(value, type) and issubclass(value, unittest.TestCase):
            yield from _cases(name, value)
        elif isinstance(value, type) and name.startswith("Test") and "__init__" not in vars(value):
            yield from _methods(name, value, fixtures)


# ------------------------------------------------------------------ functions and classes


def _methods(name: str, kind: type, fixtures: dict[str, Any]) -> Iterator[tuple[str, Test]]:
    for method in [each for each in dir(kind) if each.startswith("test")]:
        function = getattr(kind, method)
        if not callable(function):
            continue

        def call(*args: Any, _method: str = method, **kwargs: Any) -> object:
            one = kind()
            _if_there(one, "setup_method", getattr(one, _method))
            try:
                return getattr(one, _method)(*args, **kwargs)
            finally:
                _if_there(one, "teardown_method", getattr(one, _method))

        marks = [*getattr(kind, MARKS, []), *getattr(function, MARKS, [])]
        yield from _expanded(f"{name}.{method}", function, call, fixtures, marks)


def _if_there(one: object, name: str, *args: object) -> None:
    function = getattr(one, name, None)
    if function is not None:
        function(*args[: len(inspect.signature(function).parameters)])


def _expanded(
    name: str,
    function: Any,
    call: Callable[..., object],
    fixtures: dict[str, Any],
    marks: list[Any] | None = None,
) -> Iterator[tuple[str, Test]]:
    """One test for each combination of its parameters."""
    marked = getattr(function, MARKS, []) if marks is None else marks
    skipped = next((mark for mark in marked if _leaves_out(mark)), None)
    tables = [_table(mark) for mark in reversed(marked) if mark.name == "parametrize"]
    for combined in itertools.product(*tables):
        values = {key: value for row in combined for key, value in row[1].items()}
        suffix = "-".join(str(row[0]) for row in combined)
        left_out = skipped or next((row[2] for row in combined if row[2]), None)
        test = _skipping(left_out) if left_out else _calling(function, call, values, fixtures)
        yield (f"{name}[{suffix}]" if combined else name), test


def _table(mark: Any) -> list[tuple[int, dict[str, Any], Any]]:
    names, rows = mark.args[0], list(mark.args[1])
    keys = [key.strip() for key in names.split(",")] if isinstance(names, str) else list(names)
    table = []
    for index, row in enumerate(rows):
        marks = getattr(row, "marks", [])
        values = row.values if isinstance(row, plain_pytest.param) else row
        if len(keys) == 1 and not isinstance(row, plain_pytest.param):
            values = [row]
        if len(values) != len(keys):
            raise ValueError(f"parametrize names {len(keys)} values and gives {len(values)}")
        left_out = next((each for each in marks if _leaves_out(each)), None)
        table.append((index, dict(zip(keys, values, strict=True)), left_out))
    return table


def _leaves_out(mark: Any) -> bool:
    return mark.name in _LEFT_OUT or (mark.name == "skipif" and bool(mark.args and mark.args[0]))


def _skipping(mark: Any) -> Test:
    def test() -> None:
        raise (LeftOut if mark.name in _LEFT_OUT else Skipped)(mark.name)

    return test


def _calling(
    function: Any, call: Callable[..., object], values: dict[str, Any], fixtures: dict[str, Any]
) -> Test:
    def test() -> None:
        wanted = [name for name in inspect.signature(function).parameters if name != "self"]
        made: dict[str, Any] = {}
        ends: list[Any] = []
        try:
            for name in wanted:
                made[name] = values[name] if name in values else _made(name, fixtures, made, ends)
            result = call(**{name: made[name] for name in wanted})
            if inspect.iscoroutine(result):
                asyncio.run(result)
        finally:
            for end in reversed(ends):
                next(end, None)

    return test


def _made(name: str, fixtures: dict[str, Any], made: dict[str, Any], ends: list[Any]) -> Any:
    if name in made:
        return made[name]
    if name not in fixtures:
        raise MissingError(f"there is no fixture {name!r} under the small stand-in for pytest")
    needed = inspect.signature(fixtures[name]).parameters
    given = fixtures[name](**{each: _made(each, fixtures, made, ends) for each in needed})
    if inspect.isgenerator(given):
        ends.append(given)
        given = next(given)
    made[name] = given
    return given


# ------------------------------------------------------------------ unittest


class _Outcome(unittest.TestResult):
    """The first thing that went wrong, as what was raised."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def addError(self, test: Any, err: Any) -> None:  # noqa: ARG002, N802 - unittest's name
        self.error = self.error or err[1]

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: ARG002, N802
        if err is not None:
            self.error = self.error or err[1]

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: ARG002, N802
        self.error = self.error or Skipped(reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: ARG002, N802
        self.error = self.error or Skipped("it is expected to fail")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: ARG002, N802
        self.error = self.error or AssertionError("it passed and was expected to fail")


def _cases(name: str, kind: Any) -> Iterator[tuple[str, Test]]:
    names = unittest.TestLoader().getTestCaseNames(kind)
    ready: list[bool] = []

    def one(method: str) -> Test:
        def test() -> None:
            if not ready:
                kind.setUpClass()
                ready.append(True)
            outcome = _Outcome()
            kind(method).run(outcome)
            if outcome.error is not None:
                raise outcome.error

        return test

    for method in names:
        yield f"{name}.{method}", one(method)
    if ready:
        kind.tearDownClass()
