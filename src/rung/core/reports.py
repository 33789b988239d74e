"""Whether a test run passed or failed, by the summaries that test runners write at its end."""

from __future__ import annotations

import re
from typing import Final

FAILED: Final = "failed"
PASSED: Final = "passed"

LONGEST_LINE: Final = 300
"""Summaries are short: of longer lines only the beginning is looked at."""

_RED = re.compile(
    r"(?m:"
    # pytest, with and without its rulers
    r"^(?:=+ )?(?:\d+ \w+, )*[1-9]\d* (?:failed|errors?)\b[^\n]{0,120} in [\d.]+s"
    # unittest
    r"|^FAILED \((?:failures|errors|unexpected)[^\n]{0,80}\)"
    # jest, vitest
    r"|^\s{0,8}Tests:?\s{1,8}[1-9]\d* failed\b"
    # mocha
    r"|^\s{1,8}[1-9]\d* failing\b"
    # go test
    r"|^--- FAIL: |^FAIL\t\S|^FAIL$"
    # cargo
    r"|^test result: FAILED\b|^error: could not compile "
    # npm
    r"|^npm (?:ERR!|error) (?:Test failed|code ELIFECYCLE|Lifecycle script)"
    # make
    r"|^make(?:\[\d+\])?: \*\*\* \["
    # Maven, Gradle
    r"|^\[(?:ERROR|INFO)\] BUILD FAILURE|^BUILD FAILED in |Tests run: \d+, Failures: [1-9]"
    r"|Tests run: \d+, Failures: \d+, Errors: [1-9]"
    # rspec, PHPUnit, dotnet, tsc
    r"|^\d+ examples?, [1-9]\d* failures?|^FAILURES!$|^Failed!  - Failed: "
    r"|^Found [1-9]\d* errors? in "
    r")"
)
_GREEN = re.compile(
    r"(?m:"
    r"^(?:=+ )?[1-9]\d* passed\b[^\n]{0,120} in [\d.]+s"
    r"|^Ran [1-9]\d* tests? in [\d.]+s\s{1,4}OK\b"
    r"|^\s{0,8}Tests:?\s{1,8}[1-9]\d* passed\b"
    r"|^\s{1,8}[1-9]\d* passing\b"
    r"|^ok\s{1,4}\S{1,200}\s{1,4}[\d.]+s|^ok\s{1,4}\S{1,200}\s{1,4}\(cached\)"
    r"|^test result: ok\."
    r"|^\[INFO\] BUILD SUCCESS|^BUILD SUCCESSFUL in "
    r"|^[1-9]\d* examples?, 0 failures|^OK \([1-9]\d* tests?, |^Passed!  - Failed: "
    r")"
)
_RED_WORDS = ("fail", "FAIL", "rror", "***")
_GREEN_WORDS = ("pass", "Pass", "ok", "OK", "SUCCESS", " 0 failures")


def report(text: str) -> str | None:
    """FAILED or PASSED as the end of a run says; ``None`` where nothing in it is a summary.

    ``text`` is the end of an output, of bounded length. One failed part makes the whole failed.
    """
    if _says(text, _RED_WORDS, _RED):
        return FAILED
    return PASSED if _says(text, _GREEN_WORDS, _GREEN) else None


def _says(text: str, words: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    """Whether a line with one of the words is what the pattern asks for."""
    if not any(word in text for word in words):
        return False
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if any(word in line for word in words):
            # unittest tells how many ran two lines above its OK.
            told = f"{lines[place - 2]}\n{line}" if line == "OK" and place > 1 else line
            if pattern.search(told[:LONGEST_LINE]) is not None:
                return True
    return False
