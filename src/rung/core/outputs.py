"""What a tool gave back: lines of a running program, or something that has to stay exact.

Code, data, diffs and tables are read again by whoever changes them: not a blank of theirs may go.
Programs that run repeat themselves for eyes that watch. Where neither is sure, it is the former.
All of it takes time linear in the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

MARK = "[... "
"""How a line begins that stands for others."""

CODE_SHARE = 0.15
"""Of lines that look like code; with more of them a text is taken for code."""

TABLE_SHARE = 0.6
"""Of lines with equally many separators; with more of them a text is taken for a table."""

NUMBERED_SHARE = 0.5
"""Of lines that begin with a number and a separator, as tools show files."""

LOG_SHARE = 0.3
"""Of lines with a time or a level at their start; with more of them a text is taken for a log."""

SEPARATORS = ("|", "\t", ",", ";")
LEAST_SEPARATORS = 2

_CODE = re.compile(
    r"^[ \t]*(?:"
    r"(?:async )?def \w|class \w+ ?[(:{]|import [\w.{*]|from [\w.]+ import |return\b|@\w+[\n(.]"
    r"|(?:pub )?(?:fn|struct|enum|mod|impl|trait) \w|func [\w(]|package \w+$"
    r"|#(?:include|define|ifdef|endif)\b"
    r"|(?:export |default |async )*function\b|(?:export )?(?:const|let|var|type|interface) \w+"
    r"|(?:public|private|protected|static|using|namespace) \w|\w[\w.]* ?=[^=>]"
    r"|(?:if|for|while|else|elif|try|except|switch|with)\b.*[:{]$|[})\]]+[;,]?$|//|/\*|\*/"
    r"|[\w\"'-]+:$"
    r")",
    re.MULTILINE,
)
_DIFF = re.compile(r"^(?:diff --git |@@ -\d|--- a/|\+\+\+ b/|Index: |<<<<<<< )", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]{0,10}\d{1,7}(?:[\t→|:]|[ \t]{2})", re.MULTILINE)
_JSON = re.compile(r"\s{0,99}(?:\{|\[\s{0,99}(?:[{\[\"\]]|-?\d+(?:\.\d+)?\s{0,99}[,\]]))")
_JSON_LINE = re.compile(r"^[ \t]*(?:\{[\"'}]|\"[^\"\n]{1,80}\"\s?:)", re.MULTILINE)
_MARKUP = re.compile(r"\s{0,99}<[!?a-zA-Z]")
_MARKUP_LINE = re.compile(r"^[ \t]*</?[a-zA-Z][^<>\n]{0,200}>", re.MULTILINE)
_FENCE = "```"

_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL)"
_DAY = r"\d{4}[-/]\d\d[-/]\d\d|[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})?|\d{1,2}/[A-Z][a-z]{2}/\d{4}"
_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?"
LOGGED = re.compile(
    rf"[\[(]?(?:(?:{_DAY})[T :,]{{1,2}}{_TIME}|{_TIME}|{_LEVEL}\b|\[ *\d+\.\d+\])(?!\S*,\S)"
)
"""The start of a line of a log: a time, or a level."""

_WORDS = re.compile(r"[A-Za-z]{3,}")
_MOVING = re.compile(
    rf"(?:{_DAY})[T :,]{{1,2}}{_TIME}|{_TIME}"
    r"|(?<![\w.])\d+(?:\.\d+)?(?: ?(?:ns|us|µs|ms|s|sec|min|[kKMGT]i?B(?:/s)?|B|bytes|%))(?!\w)"
    r"|(?<![\w.])\d{5,}(?![\w.])|(?<=\[)\d+(?=\])|(?<=[Pp][Ii][Dd][ =:])\d+"
)
"""What moves from one line of a log to the next and says little: times, how long, how much, ids.

Other numbers stay as they are: a status, a count, a measured value.
"""

ALARMS = (
    *("error", "fail", "fatal", "exception", "traceback", "panic", "abort", "denied", "refus"),
    *("cannot", "can't", "undefined", "kill", "segfault", "segmentation", "assert", "critical"),
    *("unable", "invalid", "missing", "timeout", "timed out", "not found", "no such", "warn"),
    *("unexpected", "corrupt", "unresolved", "conflict", "reject", "unauthorized", "forbidden"),
    *("overflow", "deadlock", "leak", "exit code", "exit status", "exited with", "✗", "✘", "❌"),
)
"""Words of lines that never go, in lower case."""

_STATUS = re.compile(r"(?<![\d./:=x-])[45]\d\d(?![\d./:%\w-])|status[ =:]{1,2}[45]\d\d")
_FRAME = re.compile(r"\s+at |\s*File \"|\s*-->|\s*#\d+ |\s*\^|\s*\||\s*\d+: +0x|E  |>  ")
_TRACE = "Traceback (most recent call last)"


def exact(text: str) -> bool:
    """Whether a text must stay as it is, byte by byte."""
    if _FENCE in text or _DIFF.search(text) is not None or _is_data(text):
        return True
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    return not lines or _coded(text, lines) or _numbered(text, lines) or _is_table(lines)


def _is_data(text: str) -> bool:
    if _JSON.match(text) is not None or _JSON_LINE.search(text) is not None:
        return True
    return _MARKUP.match(text) is not None or _MARKUP_LINE.search(text) is not None


def _coded(text: str, lines: Sequence[str]) -> bool:
    return len(_CODE.findall(text)) > CODE_SHARE * len(lines)


def has_code(text: str) -> bool:
    """Whether any line of it looks like code."""
    return _CODE.search(text) is not None


def _numbered(text: str, lines: Sequence[str]) -> bool:
    return len(_NUMBERED.findall(text)) > NUMBERED_SHARE * len(lines)


def _is_table(lines: Sequence[str]) -> bool:
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines]
        same = sum(a == b >= LEAST_SEPARATORS for a, b in pairwise(counts))
        if same > TABLE_SHARE * (len(lines) - 1):
            return True
    return False


def is_log(lines: Sequence[str]) -> bool:
    """Whether these are lines of a log."""
    said = sum(1 for line in lines if line)
    return said > 0 and sum(LOGGED.match(line) is not None for line in lines) > LOG_SHARE * said


def likeness(line: str) -> str:
    """What two lines have in common that say the same: for a line of a log, all that stands still.

    A line of values that has no words says nothing but its values.
    """
    begun = LOGGED.match(line)
    if begun is None or len(_WORDS.findall(line, begun.end(), begun.end() + 200)) < 2:
        return line
    return _MOVING.sub("~", line)


def alarming(line: str) -> bool:
    """Whether a line may be what a reader is looking for: an error, a warning, a place in code."""
    lower = line.lower()
    if any(word in lower for word in ALARMS):
        return True
    return _STATUS.search(line) is not None or _FRAME.match(line) is not None


def traced(lines: Sequence[str]) -> frozenset[int]:
    """The places of lines that belong to a Python traceback."""
    found: set[int] = set()
    inside = False
    for place, line in enumerate(lines):
        if _TRACE in line:
            inside = True
        if inside:
            found.add(place)
            inside = line[:1] in {" ", "\t"} or _TRACE in line
    return frozenset(found)
