"""What a child process does to judge SQL by DuckDB, in memory. Imports nothing of rung.

DuckDB is told to reach no file, no network and no extension, and that nothing may change this. What
is no reading by its own parser is not run at all.
"""

from __future__ import annotations

import sys
from typing import Any

MOST_STATEMENTS = 200
MOST_ROWS = 10_000
"""Rows of a result that are fetched."""

_LONGEST_SAID = 200
_SETTINGS: dict[str, Any] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "1",
    "memory_limit": "256MB",
}
_READING = frozenset({"SELECT", "EXPLAIN"})
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "MERGE_INTO"})
_SPELLED = {"MERGE_INTO": "MERGE INTO", "MULTI": "PIVOT without its values after IN"}


def ducked(work: dict[str, Any]) -> dict[str, Any]:
    """How many statements of ``text`` are good, and what is wrong with the first that is not.

    As `child_run.queried`, by DuckDB; ``tables`` says what is wrong with those.
    """
    sys.path += work["packages"]
    import duckdb

    base = duckdb.connect(":memory:", config=_SETTINGS)
    try:
        base.execute(work["tables"])
    except duckdb.Error as error:
        return {"good": 0, "fault": None, "tables": _said(error)}
    base.execute("SET lock_configuration = true")
    try:
        statements = base.extract_statements(work["text"])
    except duckdb.OutOfMemoryException:
        raise MemoryError from None
    except duckdb.Error as error:
        return {"good": 0, "fault": _said(error)}
    if len(statements) > MOST_STATEMENTS:
        return {"good": 0, "fault": f"there are more than {MOST_STATEMENTS} statements"}
    allowed = _READING | (_WRITING if work["writes"] else frozenset())
    for good, statement in enumerate(statements):
        fault = _fault(duckdb, base, statement, allowed, run=work["run"])
        if fault is not None:
            return {"good": good, "fault": fault, "at": statement.query.strip()[:80]}
    return {"good": len(statements), "fault": None}


def _fault(
    duckdb: Any, base: Any, statement: Any, allowed: frozenset[str], *, run: bool
) -> str | None:
    kind = statement.type.name
    if kind not in allowed:
        return f"{_SPELLED.get(kind, kind)} is not allowed here"
    asked = statement.query if run or kind == "EXPLAIN" else f"EXPLAIN {statement.query}"
    # Unbound parameters stand for values that nobody knows.
    given = dict.fromkeys(statement.named_parameters) or None
    # What its parser calls a reading may still hold a part that writes.
    base.execute("BEGIN TRANSACTION" if allowed & _WRITING else "BEGIN TRANSACTION READ ONLY")
    try:
        base.execute(asked, given).fetchmany(MOST_ROWS)
        base.execute("COMMIT")
    except duckdb.OutOfMemoryException:
        # Nothing is known of a statement that this process has no room for.
        raise MemoryError from None
    except (duckdb.Error, ValueError, RecursionError) as error:
        return _said(error)
    return None


def _said(error: Exception) -> str:
    """What DuckDB says, without its drawing of the place."""
    return " ".join(str(error).split("\n\nLINE")[0].split())[:_LONGEST_SAID]
