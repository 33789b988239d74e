"""Where in a file of TOML a key stands, so that an error can name the line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rung.core.errors import Problem

_HEADER = re.compile(r"^\s*\[{1,2}([^\[\]]+)\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\"'-]+)\s*=")


def placed(problem: Problem, path: Path, text: str) -> Problem:
    """The same problem with the file's name and the line of its place."""
    line = line_of(problem.place.split("."), text)
    name = f"{path.name}:{line}" if line else path.name
    return Problem(f"{name}: {problem.place}", problem.message, problem.fix)


def line_of(where: Sequence[str], text: str) -> int | None:
    """The line (from 1) of a key, or of the nearest table around it; ``None`` if not found."""
    best, table = None, ""
    seen: dict[str, int] = {}
    wanted = ".".join(where)
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header[1])
            if line.lstrip().startswith("[["):
                seen[table] = seen.get(table, -1) + 1
                table = f"{table}.{seen[table]}"
            full = table
        elif key := _KEY.match(line):
            full = f"{table}.{_plain(key[1])}".lstrip(".")
        else:
            continue
        if full == wanted:
            return number
        if wanted.startswith(f"{full}."):
            best = number
    return best


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
