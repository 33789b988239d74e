"""Reading unified diffs, and applying them to texts: to the letter, at any offset, without fuzz."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MOST_COMPARED = 5_000_000
"""Lines that are compared to find the places of one diff's hunks."""

NOWHERE = "/dev/null"

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_AFTER_NAME = re.compile(r"\t.*$")


class DiffError(ValueError):
    """The diff is none, or does not apply; the message says why."""


class TooLargeError(Exception):
    """Applying it would take too long."""


@dataclass(slots=True)
class Hunk:
    """``old`` lines at line ``start`` (from 1) that ``new`` ones take the place of."""

    start: int
    header: str
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FileDiff:
    """The hunks of one file; `NOWHERE` as its ``old`` or ``new`` path makes or deletes it."""

    old: str
    new: str
    hunks: list[Hunk] = field(default_factory=list)


def parsed(text: str) -> list[FileDiff]:
    """The files of a diff. Raises DiffError where it is not well made."""
    files: list[FileDiff] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].rstrip("\r")
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            files.append(FileDiff(_path(line), _path(lines[at + 1].rstrip("\r"))))
            at += 2
        elif line.startswith("@@"):
            if not files:
                raise DiffError(f"line {at + 1}: a hunk before any file: write --- and +++ lines")
            hunk, at = _hunk(lines, at)
            files[-1].hunks.append(hunk)
        else:
            at += 1  # "diff --git", "index" and prose between files
    if not files:
        raise DiffError("there is no file in it: begin with --- a/path and +++ b/path")
    return files


def applied(files: list[FileDiff], given: Mapping[str, str]) -> dict[str, str | None]:
    """The files that are changed, by path; ``None``: deleted. Raises DiffError, TooLargeError."""
    changed: dict[str, str | None] = {}
    budget = _Budget(MOST_COMPARED)
    for each in files:
        before = _before(each, {**given, **changed})
        after = _replaced(each, before, budget)
        if each.old not in {each.new, NOWHERE}:
            changed[each.old] = None
        if each.new != NOWHERE:
            changed[each.new] = after
        elif after.strip("\n"):
            raise DiffError(f"{each.old} is deleted, and the diff leaves lines of it")
    return changed


# ------------------------------------------------------------------ reading


def _path(line: str) -> str:
    path = _AFTER_NAME.sub("", line[4:]).strip().strip('"')
    if path == NOWHERE:
        return path
    bare = path[2:] if path[:2] in {"a/", "b/"} else path.removeprefix("./")
    pieces = bare.split("/")
    if not bare or bare.startswith(("/", "\\")) or ".." in pieces or "\0" in bare or ":" in bare:
        raise DiffError(f"the path {path[:80]!r} leads out of the folder")
    return bare


def _hunk(lines: list[str], at: int) -> tuple[Hunk, int]:
    """The hunk whose header stands in line ``at``, and the line after it."""
    header = lines[at].rstrip("\r")
    found = _HUNK.match(header)
    if found is None:
        raise DiffError(f"line {at + 1}: {header[:60]!r} is no @@ -line,count +line,count @@")
    old, new = (1 if found[n] is None else int(found[n]) for n in (2, 4))
    hunk = Hunk(int(found[1]), header[:60])
    first = at + 1
    at = first
    while at < len(lines) and (len(hunk.old) < old or len(hunk.new) < new):
        if not _take(hunk, lines[at]):
            break
        at += 1
    if (len(hunk.old), len(hunk.new)) != (old, new) or _goes_on(lines, at):
        raise DiffError(_miscounted(hunk, lines, at, (old, new)))
    return hunk, at


def _take(hunk: Hunk, line: str) -> bool:
    """Take one line of a hunk; whether it is one."""
    mark, rest = line[:1], line[1:]
    if mark == "\\":
        return True
    if mark in {" ", "", "\r", "-"}:
        hunk.old.append(rest.rstrip("\r"))
    if mark in {" ", "", "\r", "+"}:
        hunk.new.append(rest.rstrip("\r"))
    return mark in {" ", "", "\r", "-", "+"}


def _goes_on(lines: list[str], at: int) -> bool:
    line = lines[at] if at < len(lines) else ""
    after = lines[at + 1] if at + 1 < len(lines) else ""
    is_header = line.startswith("--- ") and after.startswith("+++ ")
    return line[:1] in {" ", "+", "-"} and not is_header


def _miscounted(hunk: Hunk, lines: list[str], at: int, told: tuple[int, int]) -> str:
    while at < len(lines) and lines[at][:1] in {" ", "+", "-"} and _take(hunk, lines[at]):
        at += 1
    return (
        f"the hunk {hunk.header!r} tells of {told[0]} old and {told[1]} new lines, "
        f"and has {len(hunk.old)} and {len(hunk.new)}"
    )


# ------------------------------------------------------------------ applying


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self, lines: int) -> None:
        self.left -= lines
        if self.left < 0:
            raise TooLargeError


def _before(each: FileDiff, files: Mapping[str, str | None]) -> str:
    if each.old == NOWHERE:
        if files.get(each.new) is not None:
            raise DiffError(f"{each.new} is there already: write --- a/{each.new}")
        return ""
    text = files.get(each.old)
    if text is None:
        raise DiffError(f"there is no file {each.old} in the request")
    return text


def _replaced(each: FileDiff, text: str, budget: _Budget) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    places: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault(line, []).append(index)
    done: list[str] = []
    at = shift = 0
    for hunk in each.hunks:
        begin = max(at, hunk.start - 1 + shift if hunk.old else hunk.start + shift)
        place = _place(hunk, lines, places, (at, begin), budget)
        if place is None:
            raise DiffError(_unplaced(each, hunk, lines, begin))
        shift += place - begin
        done += lines[at:place]
        done += hunk.new
        at = place + len(hunk.old)
    return "\n".join([*done, *lines[at:], ""])


def _place(
    hunk: Hunk,
    lines: list[str],
    places: Mapping[str, list[int]],
    bounds: tuple[int, int],
    budget: _Budget,
) -> int | None:
    """The place nearest to where the hunk says that it is, after the last one."""
    first, begin = bounds
    if not hunk.old:
        return begin if begin <= len(lines) else None
    anchor = min(range(len(hunk.old)), key=lambda i: len(places.get(hunk.old[i], ())))
    known = places.get(hunk.old[anchor], ())
    # Looking through them costs too: many hunks on a line that stands everywhere would never end.
    budget.spend(len(known))
    found = (at - anchor for at in known)
    for place in _nearest([at for at in found if at >= first], begin):
        budget.spend(len(hunk.old))
        if lines[place : place + len(hunk.old)] == hunk.old:
            return place
    return None


def _nearest(places: list[int], begin: int) -> Iterator[int]:
    return iter(sorted(places, key=lambda at: (abs(at - begin), at)))


def _unplaced(each: FileDiff, hunk: Hunk, lines: list[str], begin: int) -> str:
    known = set(lines)
    lost = next((line for line in hunk.old if line not in known), None)
    if lost is not None:
        return f"{each.old} has no line {lost.strip()[:80]!r}, which {hunk.header!r} starts from"
    line = lines[begin].strip()[:60] if begin < len(lines) else "the end"
    said = f"the old lines of {hunk.header!r} do not stand together in {each.old}"
    return f"{said}; there is {line!r} in line {begin + 1}"
