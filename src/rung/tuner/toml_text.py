"""The text of a rung.toml around a ladder: the line that says what it was tuned for, and blanks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date
from io import StringIO
from itertools import pairwise

_TUNED = re.compile(r"^\s*# tuned (\d{4}-\d\d-\d\d): (.*?)\s*$")
_HEADER = re.compile(r"^\s*\[")


def head(lines: Sequence[str], ladder: str) -> int | None:
    """The place of the line that opens a ladder's table; ``None`` where it has no such line."""
    for place, line in enumerate(lines):
        if _HEADER.match(line) and "ladders" in line and _opens(line) == {"ladders": {ladder: {}}}:
            return place
    return None


def _opens(line: str) -> object:
    try:
        return tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None


def claimed(text: str, ladder: str) -> str | None:
    """What the line below a ladder's header says that it was tuned for, "" where it says nothing.

    ``None`` where there is no header to stand below.
    """
    lines = list(StringIO(text))
    place = head(lines, ladder)
    if place is None:
        return None
    found = _TUNED.match("".join(lines[place + 1 : place + 2]))
    return "" if found is None else found[2]


def with_claim(text: str, ladder: str, claim: str, day: date) -> str:
    """The same text with that line below the ladder's header, in place of an older one."""
    lines = list(StringIO(text))
    place = head(lines, ladder)
    if place is None:
        return text
    after = place + 1
    older = after < len(lines) and _TUNED.match(lines[after]) is not None
    if not lines[place].endswith("\n"):
        lines[place] += "\n"
    lines[after : after + older] = [f"# tuned {day.isoformat()}: {claim}\n"]
    return "".join(lines)


def spaced(text: str, before: str) -> str:
    """A blank line before each header and none twice, but where ``before`` had it otherwise."""
    old = [line.rstrip("\n") for line in StringIO(before)]
    known = set(pairwise(old))
    found: list[str] = []
    for line in StringIO(text):
        pair = (found[-1].rstrip("\n") if found else "", line.rstrip("\n"))
        if pair not in known and found:
            if not pair[0].strip() and not pair[1].strip():
                continue
            if _HEADER.match(line) and pair[0].strip():
                found.append("\n")
        found.append(line)
    return "".join(found)
