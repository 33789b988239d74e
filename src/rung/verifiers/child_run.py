"""What runs in a process of its own: parsers, SQLite and backtracking patterns.

This file is run as a script and imports nothing of rung; what needs other packages is in scripts
beside it. It gets one JSON object on standard input
(``task``, ``seconds`` and what the task takes) and writes one line of JSON.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MEMORY_BYTES = 512 << 20
MORE_MEMORY_BYTES = {"ducked": 1536 << 20}
"""Of addresses: DuckDB reserves far more than it uses, which it bounds itself."""

MOST_STATEMENTS = 200
MOST_STEPS = 20_000_000
"""Instructions of SQLite's machine that one statement may take."""
MOST_ROWS = 10_000
"""Rows of a result that are fetched."""

_STEPS_AT_A_TIME = 10_000
_LONGEST_SAID = 200

# ------------------------------------------------------------------ code


def parsed(work: dict[str, Any]) -> list[Any]:
    """For each of ``blocks`` (parser, text): ``None``, or the line of the fault and what it is."""
    return [_fault(_PARSERS[parser], text) for parser, text in work["blocks"]]


def _fault(parse: Callable[[str], None], text: str) -> list[Any] | None:
    try:
        parse(text)
    except SyntaxError as error:
        return [error.lineno or 1, str(error.msg)[:_LONGEST_SAID]]
    except (RecursionError, MemoryError):
        return [1, "it is nested too deep"]
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        return [int(found[1]) if found else 1, str(error)[:_LONGEST_SAID]]
    return None


def _python(text: str) -> None:
    # Compiled and never run: the compiler knows more faults than the parser (a stray return).
    compile(text, "block", "exec", dont_inherit=True)


def _toml(text: str) -> None:
    import tomllib

    tomllib.loads(text)


def _xml(text: str) -> None:
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8")
    try:
        parser.Parse(text.encode("utf-8"), True)  # noqa: FBT003 - expat takes no keywords
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


_PARSERS: dict[str, Callable[[str], None]] = {"python": _python, "toml": _toml, "xml": _xml}

# ------------------------------------------------------------------ patterns


def matched(work: dict[str, Any]) -> bool:
    """Whether ``pattern`` matches ``text``, all of it where it is ``whole``.

    With ``packages``, by the matcher in linear time that is found there, else by Python's `re`.
    """
    if "packages" in work:
        return _matched_in_linear_time(work)
    pattern = re.compile(work["pattern"])
    find = pattern.fullmatch if work["whole"] else pattern.search
    return find(work["text"]) is not None


def _matched_in_linear_time(work: dict[str, Any]) -> bool:
    sys.path.append(work["packages"])
    from pydantic_core import SchemaValidator, core_schema

    source = rf"\A(?:{work['pattern']})\z" if work["whole"] else work["pattern"]
    schema = core_schema.str_schema(pattern=source, regex_engine="rust-regex")
    text = work["text"].encode("utf-8", "replace").decode()
    return SchemaValidator(schema).isinstance_python(text)


# ------------------------------------------------------------------ SQL

_SQL_PIECE = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \[[^\]]*\]
      | --[^\n]* | /\*(?:[^*]|\*(?!/))*\*/ | ; | [^'"`\[\-/;]+ | .""",
    re.VERBOSE | re.DOTALL,
)


def statements(text: str) -> Iterator[str]:
    """The statements of ``text``; a trigger's inner semicolons do not end it."""
    import sqlite3

    held: list[str] = []
    for piece in _SQL_PIECE.findall(text):
        held.append(piece)
        if piece == ";" and sqlite3.complete_statement("".join(held)):
            yield "".join(held)
            held = []
    yield "".join(held)


def _says_something(statement: str) -> bool:
    pieces = _SQL_PIECE.findall(statement)
    return any(p.strip(" \t\r\n;\ufeff") and p[:2] not in {"--", "/*"} for p in pieces)


_ACTIONS = (
    "INSERT UPDATE DELETE CREATE_TABLE DROP_TABLE CREATE_INDEX DROP_INDEX CREATE_VIEW DROP_VIEW "
    "CREATE_TRIGGER DROP_TRIGGER ALTER_TABLE ATTACH DETACH PRAGMA TRANSACTION ANALYZE REINDEX "
    "CREATE_VTABLE DROP_VTABLE CREATE_TEMP_TABLE"
)


class _Guard:
    """SQLite's authorizer: what is not a reading is denied, and remembered."""

    def __init__(self, sqlite3: Any, *, writes: bool) -> None:
        self.denied = ""
        self._yes, self._no = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY
        self._reading = {
            sqlite3.SQLITE_SELECT,
            sqlite3.SQLITE_READ,
            sqlite3.SQLITE_RECURSIVE,
            sqlite3.SQLITE_FUNCTION,
        }
        self._outside = {
            sqlite3.SQLITE_ATTACH,
            sqlite3.SQLITE_DETACH,
            sqlite3.SQLITE_PRAGMA,
            sqlite3.SQLITE_CREATE_VTABLE,
            sqlite3.SQLITE_DROP_VTABLE,
        }
        self._function = sqlite3.SQLITE_FUNCTION
        self._names = {
            getattr(sqlite3, f"SQLITE_{name}"): name.replace("_", " ") for name in _ACTIONS.split()
        }
        self._writes = writes

    def __call__(self, action: int, _first: str | None, second: str | None, *_: object) -> int:
        if action == self._function and (second or "").casefold() == "load_extension":
            self.denied = "load_extension"
            return int(self._no)
        if action in self._reading or (self._writes and action not in self._outside):
            return int(self._yes)
        self.denied = self.denied or self._names.get(action, "it")
        return int(self._no)


class _Unbound(dict[str, None]):
    """Stands for parameters whose values nobody knows."""

    def __missing__(self, key: str) -> None:
        return None


def queried(work: dict[str, Any]) -> dict[str, Any]:
    """How many statements of ``text`` are good, and what is wrong with the first that is not.

    Each is explained (compiled against ``tables``, not run) or, with ``run``, run on them.
    """
    import sqlite3

    base = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
    base.executescript(work["tables"])
    base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10 << 20)
    guard = _Guard(sqlite3, writes=work["writes"])
    good = 0
    for statement in statements(work["text"]):
        if not _says_something(statement):
            continue
        if good == MOST_STATEMENTS:
            return {"good": good, "fault": f"there are more than {MOST_STATEMENTS} statements"}
        fault = _sql_fault(sqlite3, base, guard, statement, run=work["run"])
        if fault is not None:
            return {"good": good, "fault": fault[:_LONGEST_SAID], "at": statement.strip()[:80]}
        good += 1
    return {"good": good, "fault": None}


def _sql_fault(sqlite3: Any, base: Any, guard: _Guard, statement: str, *, run: bool) -> str | None:
    left = MOST_STEPS // _STEPS_AT_A_TIME

    def step() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    base.set_authorizer(guard)
    base.set_progress_handler(step, _STEPS_AT_A_TIME)
    explained = run or statement.lstrip()[:7].casefold() == "explain"
    try:
        cursor = _executed(sqlite3, base, statement if explained else f"EXPLAIN {statement}")
        cursor.fetchmany(MOST_ROWS)
        cursor.close()
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        if left < 0:
            return f"it does not end within {MOST_STEPS:,} steps"
        if guard.denied:
            return f"{guard.denied} is not allowed here"
        return str(error)
    return None


def _executed(sqlite3: Any, base: Any, statement: str) -> Any:
    try:
        return base.execute(statement, _Unbound())
    except sqlite3.ProgrammingError as error:
        found = re.search(r"uses (\d+)|Binding (\d+) has no name", str(error))
        if found is None:
            raise
    try:
        return base.execute(statement)
    except sqlite3.ProgrammingError as error:
        found = re.search(r"uses (\d+)", str(error))
        if found is None:
            raise
        return base.execute(statement, [None] * int(found[1]))


# ------------------------------------------------------------------ the process

TASKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "parsed": parsed,
    "matched": matched,
    "queried": queried,
}
ELSEWHERE = {"treed": "child_trees.py", "ducked": "child_duckdb.py"}
"""Tasks of the scripts beside this one."""


def task_of(name: str) -> Callable[[dict[str, Any]], Any]:
    """What does the task of that name."""
    if name in TASKS:
        return TASKS[name]
    import runpy

    found: Callable[[dict[str, Any]], Any] = runpy.run_path(
        str(Path(__file__).with_name(ELSEWHERE[name]))
    )[name]
    return found


def main() -> None:
    """Read the work, limit oneself, do it, say what came of it."""
    work = json.load(sys.stdin)
    _limit(work["seconds"], MORE_MEMORY_BYTES.get(work["task"], MEMORY_BYTES))
    said = task_of(work["task"])(work)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    # What libraries would put in order takes time, and is gone with the process.
    os._exit(0)


def _limit(seconds: float, memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # not a Unix; the parent's time limit stands alone
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    cpu = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))


if __name__ == "__main__":
    main()
