"""Is the SQL in the answer good SQL for these tables, as SQLite or DuckDB sees it?

Each statement is compiled by one of them against the tables given, in memory and in a process of
its own, so that tables, columns, functions and syntax are known to exist; with ``run`` it is also
run on what the tables hold. It may only read, unless ``writes`` lets it change that memory; other
files, pragmas and extensions are out of its reach in any case. It cannot know whether a query
answers the question, nor what other dialects allow: PostgreSQL's own syntax fails in SQLite, and
some of it in DuckDB, which an extra installs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from rung.core.errors import ConfigError
from rung.core.verdicts import Trust, Weight
from rung.verifiers import child
from rung.verifiers.base import Finding, Subject, abstained, failed, passed, shown
from rung.verifiers.fenced import blocks
from rung.verifiers.material import quoted, text_of
from rung.verifiers.options import Options, flag, seconds, text, wrong

TIMEOUT_SECONDS = 10.0
LARGEST_TABLES = 1_000_000
"""Characters of the script that makes the tables."""
LONGEST_SQL = 200_000
"""Characters of SQL in one answer that are read."""

_TABLES_SECONDS = 10.0

SQLITE, DUCKDB = "sqlite", "duckdb"
_LANGUAGES = {SQLITE: {"sql", "sqlite", "sqlite3", ""}, DUCKDB: {"sql", "duckdb", ""}}
_NAMES = {SQLITE: "SQLite", DUCKDB: "DuckDB"}
_TASKS = {SQLITE: "queried", DUCKDB: "ducked"}
_FIX = "pip install 'rung[duckdb]'"
_EXAMPLE = 'tables = "CREATE TABLE users (id INTEGER, name TEXT)"'


@dataclass(frozen=True, slots=True)
class Sql:
    """Passes an answer whose SQL, in its ``sql`` blocks or else as a whole, ``dialect`` takes."""

    tables: str = field(repr=False)
    run: bool = False
    writes: bool = False
    dialect: str = SQLITE
    name: str = "sql"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Find the statements, then have SQLite judge each."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        found = blocks(read)
        own = [each.text for each in found if each.language in _LANGUAGES[self.dialect]]
        if found and not own:
            return failed("the answer has no SQL: write it in a ```sql block")
        sql = ";\n".join(own) if found else read
        if len(sql) > LONGEST_SQL:
            return abstained(f"the answer has {len(sql):,} characters of SQL, too many to check")
        return self._judged(sql)

    async def _judged(self, sql: str) -> Finding:
        packages = _packages() if self.dialect == DUCKDB else []
        if packages is None:
            return abstained(f"DuckDB is not installed (fix: {_FIX})")
        work = {"tables": self.tables, "text": sql, "run": self.run, "writes": self.writes}
        limit = self.timeout_seconds * 0.8
        try:
            said = await child.done(_TASKS[self.dialect], {**work, "packages": packages}, limit)
        except child.UnfinishedError as error:
            return abstained(str(error))
        if said.get("tables"):
            return abstained(f"{_NAMES[self.dialect]} does not take the tables: {said['tables']}")
        if said["fault"] is not None:
            return failed(_reason(str(said["fault"]), said["good"] + 1, str(said.get("at", ""))))
        if not said["good"]:
            return failed("the answer has no SQL statement")
        how = "ran" if self.run else "compiled"
        return passed(f"{said['good']} SQL statement(s) {how} in {_NAMES[self.dialect]}")


def sql(
    tables: str,
    *,
    run: bool = False,
    writes: bool = False,
    dialect: str = SQLITE,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Sql:
    """The check against the tables that the script ``tables`` makes, in a ``dialect``.

    Raises ConfigError where its engine does not take the script.
    """
    if dialect not in _NAMES:
        said = f"there is no dialect {shown(str(dialect), 40)!r}."
        raise wrong("dialect", said, 'dialect = "sqlite" or "duckdb"')
    if len(tables) > LARGEST_TABLES:
        said = f"tables is longer than {LARGEST_TABLES:,} characters."
        raise wrong("tables", said, "take out the rows that no check needs")
    fault = (_sqlite_fault if dialect == SQLITE else _duckdb_fault)(tables)
    if fault:
        said = f"{_NAMES[dialect]} does not take the tables: {shown(fault, 200)}."
        raise wrong("tables", said, _EXAMPLE)
    # What changes the tables can only be judged by letting it.
    return Sql(tables, run or writes, writes, dialect, timeout_seconds=timeout_seconds)


def _sqlite_fault(tables: str) -> str:
    base = sqlite3.connect(":memory:")
    try:
        base.executescript(tables)
    except (sqlite3.Error, ValueError) as error:
        return str(error)
    finally:
        base.close()
    return ""


def _duckdb_fault(tables: str) -> str:
    """What DuckDB finds; nothing where it is not installed, which each check then says."""
    packages = _packages()
    if packages is None:
        return ""
    work = {"tables": tables, "text": "", "run": False, "writes": False, "packages": packages}
    try:
        return str(child.done_at_once("ducked", work, _TABLES_SECONDS).get("tables", ""))
    except child.UnfinishedError as error:
        return str(error)


def _packages() -> list[str] | None:
    spec = find_spec("duckdb")
    return None if spec is None or spec.origin is None else [str(Path(spec.origin).parent.parent)]


def from_options(options: Options) -> Sql:
    """The check that a table of the configuration asks for."""
    if ("schema" in options) == ("tables" in options):
        fix = f'write schema = "schema.sql", or {_EXAMPLE}'
        raise wrong("tables", "give either the tables or a schema file.", fix)
    place = "schema" if "schema" in options else "tables"
    script = text(options, place, _EXAMPLE)
    try:
        return sql(
            _file(script) if place == "schema" else script,
            run=flag(options, "run"),
            writes=flag(options, "writes"),
            dialect=text(options, "dialect", 'dialect = "duckdb"', otherwise=SQLITE),
            timeout_seconds=seconds(options, TIMEOUT_SECONDS),
        )
    except ConfigError as error:
        if place == "schema" and error.problems[0].place == "tables":
            raise wrong(place, error.problems[0].message, error.problems[0].fix) from error
        raise


def _file(given: str) -> str:
    try:
        if Path(given).stat().st_size > LARGEST_TABLES:
            raise wrong("schema", f"{given} is too large.", "take out what no check needs")
        return Path(given).read_text("utf-8")
    except (OSError, ValueError) as error:
        said = f"{shown(given, 200)} cannot be read: {error}."
        raise wrong("schema", said, "correct the path") from error


def _reason(fault: str, number: int, statement: str) -> str:
    where = f"statement {number}" + (f", {quoted(statement)}" if statement else "")
    return f"the SQL is not good: {where}: {shown(fault, 200)}"
