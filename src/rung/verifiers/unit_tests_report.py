"""What a report of unit tests says of the answer: passed only if every expected test has run.

The report comes from a sandbox; what it quotes of the answer is hostile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rung.verifiers.base import Finding, abstained, failed, passed, shown
from rung.verifiers.material import listed
from rung.verifiers.unit_tests_source import BODY

_MOST_SHOWN = 3
_LONGEST = 150
_UNREADABLE = "the tests' report cannot be read"


class NoReportError(Exception):
    """What came is no report; the message says what it is."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test: passed, failed, skipped, or unjudged where the tests cannot tell."""

    id: str
    outcome: str
    said: str = ""
    line: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the tests found. ``fault`` is why they could not begin, which is the answer's doing.

    ``beside`` says that they hand over values that only cross within one process, ``used`` whether
    they asked anything of the answer's code at all.
    """

    results: tuple[Result, ...]
    calls: int = 0
    beside: bool = False
    used: bool = True
    fault: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """Ids of the tests that have to run, and of those marked not to.

    At most ``skipped`` others may be skipped. ``canaries`` have to fail.
    """

    tests: Sequence[str]
    left_out: frozenset[str] = frozenset()
    skipped: int = 0
    canaries: Sequence[str] = field(default=())


def read(said: bytes) -> Report:
    """The report that a frame holds. Raises NoReportError."""
    try:
        found: dict[str, Any] = json.loads(said)
        results = tuple(Result(**each) for each in found["results"])
        fault = _fault(found)
        texts = {type(getattr(each, name)) for each in results for name in Result.__slots__}
        calls, beside = int(found.get("calls", 0)), found.get("beside") is True
        used = found.get("used") is not False
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NoReportError(_UNREADABLE) from None
    if texts - {str}:
        raise NoReportError(_UNREADABLE)
    return Report(results, calls, beside, used, fault, str(found.get("nonce", "")))


def _fault(found: dict[str, Any]) -> str:
    if "import" in found:
        return f"the answer's code cannot be imported: {shown(str(found['import']), 300)}"
    missing = found.get("missing")
    return f"the answer's code does not define {listed(list(missing))}" if missing else ""


def judged(expected: Expected, report: Report, how: str) -> Finding:
    """The verdict of one run; ``how`` says where the code ran."""
    if report.fault:
        return failed(report.fault)
    real, planted = _parted(report.results, expected)
    by_outcome: dict[str, list[Result]] = {}
    for each in real:
        by_outcome.setdefault(each.outcome, []).append(each)
    wrong = by_outcome.get("failed", [])
    if wrong:
        return failed(_failures(wrong, len(real)))
    unsure = by_outcome.get("unjudged", [])
    if unsure:
        said = shown(unsure[0].said, 300)
        return abstained(f"{_counted(len(unsure), len(real))} cannot be judged: {said}")
    return _complete(expected, by_outcome, planted, report, how)


def _complete(
    expected: Expected,
    by_outcome: dict[str, list[Result]],
    planted: list[Result],
    report: Report,
    how: str,
) -> Finding:
    """Nothing failed; whether everything that has to run has run."""
    passes, skips = by_outcome.get("passed", []), by_outcome.get("skipped", [])
    ran = {_base(each.id) for each in passes}
    skipped = [each for each in skips if _base(each.id) not in expected.left_out]
    missing = [name for name in expected.tests if name not in ran]
    unseen = [name for name in missing if name not in {_base(each.id) for each in skipped}]
    if unseen:
        return failed(f"{len(unseen):,} of the tests did not run: {listed(unseen)}")
    if not passes:
        return abstained(f"no test ran ({len(skips):,} skipped)")
    if len(skipped) > expected.skipped:
        names = listed([each.id for each in skipped])
        return abstained(f"{len(skipped):,} tests skipped themselves: {names}")
    if not report.used:
        return abstained("the tests never use the answer's code: they pass whatever it does")
    fooled = _canary_fault(expected, planted)
    if fooled:
        return abstained(fooled)
    tests = f"{len(passes):,} test{'s' if len(passes) > 1 else ''} passed"
    calls = f", in {report.calls:,} calls" if report.calls else ""
    return passed(f"{tests}{calls}{how}")


def _parted(results: tuple[Result, ...], expected: Expected) -> tuple[list[Result], list[Result]]:
    """The operator's own tests, and the canaries. A body counts where it is itself the test."""
    planted, bare = set(expected.canaries), BODY in expected.tests
    real = [each for each in results if _base(each.id) not in planted]
    real = [each for each in real if each.id != BODY or each.outcome != "passed" or bare]
    return real, [each for each in results if _base(each.id) in planted]


def _canary_fault(expected: Expected, planted: list[Result]) -> str:
    """Why the canaries say that the run proves nothing, if they do."""
    if any(each.outcome != "failed" for each in planted):
        return "a test that has to fail did not: the answer's code reaches its tests"
    gone = set(expected.canaries) - {_base(each.id) for each in planted}
    return "tests that have to fail did not run: the run proves nothing" if gone else ""


def _base(name: str) -> str:
    """The id of a test without those of its parameters."""
    return name.partition("[")[0]


def _counted(count: int, of: int) -> str:
    return f"{count:,} of {of:,} tests"


# ------------------------------------------------------------------ failures


def _failures(wrong: list[Result], of: int) -> str:
    told = "; ".join(_told(each) for each in wrong[:_MOST_SHOWN])
    more = f"; and {len(wrong) - _MOST_SHOWN:,} more" if len(wrong) > _MOST_SHOWN else ""
    return f"{_counted(len(wrong), of)} failed: {told}{more}"


def _told(result: Result) -> str:
    """Which test, at which line, after which call, and what was wrong."""
    name = "the body of the tests" if result.id == BODY else result.id
    where = f" at `{shown(result.line, 100)}`" if result.line else ""
    call = "" if _written(result) else f" (last call: {shown(result.call, 100)})"
    return f"{shown(name, 60)}{where}: {shown(result.said or 'failed', _LONGEST)}{call}"


def _written(result: Result) -> bool:
    """Whether the line or the message shows the call already."""
    return not result.call or result.call in result.line or result.call in result.said
