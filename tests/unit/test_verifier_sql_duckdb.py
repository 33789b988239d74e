"""sql by DuckDB: its own syntax passes, mutations fail, nothing outside is reached."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from rung.core.errors import ConfigError
from rung.core.verdicts import Status
from rung.verifiers import sql as module
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.sql import DUCKDB, sql
from support.gates import status, verdict

needed = pytest.mark.skipif(
    module._packages() is None, reason="needs DuckDB: pip install 'rung[duckdb]'"
)

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (id INTEGER, user_id INTEGER, total DOUBLE, day TIMESTAMP);
INSERT INTO users VALUES (1, 'Ann; or not'), (2, 'Bo');
"""
GOOD = [
    "SELECT name FROM users",
    "FROM users SELECT * EXCLUDE (id)",
    "SELECT date_trunc('month', day) AS m, sum(total) FROM orders GROUP BY ALL ORDER BY m;",
    "SELECT name FROM users QUALIFY row_number() OVER (ORDER BY id) = 1; SELECT 1;",
    "SELECT name FROM users WHERE id = ? AND name ILIKE $2",
    "SELECT name FROM users WHERE id = $id",
    "SELECT [x + 1 FOR x IN [1, 2]]; VALUES (1); DESCRIBE users; EXPLAIN SELECT 1",
    "PIVOT users ON name IN ('Bo') USING count(*)",
    "Here:\n```duckdb\nSELECT id FROM users;\n```\nIt lists ids.",
]
MUTATIONS = [
    "SELECT nme FROM users",
    "SELECT name FROM user",
    "SELEC name FROM users",
    "SELECT name FROM users WHERE",
    "SELECT nosuch(name) FROM users",
    "SELECT name + 1 FROM users GROUP BY id",
    "SELECT name FROM users; SELECT x FROM users",
    "SELECT name FROM users 'unclosed",
    "The users are listed below.",
    "```python\nprint(1)\n```",
    "",
    "-- only a comment",
]
WRITING = [
    "DELETE FROM users",
    "INSERT INTO users VALUES (3, 'x')",
    "UPDATE users SET name = 'x'",
    "CREATE TABLE t (a INT)",
    "DROP TABLE orders",
    "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM users",
]
REACHING_OUT = [
    "COPY users TO '/tmp/rung-test.csv'",
    "COPY users FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/rung-test'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT content FROM read_blob('/proc/self/environ')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT getenv('HOME')",
    "SELECT * FROM work",
    "ATTACH '/tmp/rung-test.db' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:1/'",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET enable_external_access = true",
    "SET memory_limit = '64GB'",
    "RESET lock_configuration",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
    "PREPARE q AS SELECT 1",
    "BEGIN",
    "COMMIT; COPY users TO '/tmp/rung-test.csv'",
    "SELECT * FROM query('COPY users TO ''/tmp/rung-test.csv''')",
]


@pytest.fixture(scope="module")
def gates():
    """Each way of asking, made once: making one tries its tables."""
    return {
        "compile": sql(TABLES, dialect=DUCKDB),
        "run": sql(TABLES, run=True, dialect=DUCKDB, timeout_seconds=4),
        "write": sql(TABLES, writes=True, dialect=DUCKDB),
    }


def written():
    return list(Path("/tmp").glob("rung-test*"))


async def statuses(gate, texts):
    """What is found of each, side by side: every one starts a process."""
    found = await asyncio.gather(*(verdict(gate, text) for text in texts))
    return {text[:60]: (each.status, each.reason) for text, each in zip(texts, found, strict=True)}


@needed
async def test_good_sql_passes(gates):
    for how in ("compile", "run"):
        found = await statuses(gates[how], GOOD)
        assert {text: why for text, why in found.items() if why[0] is not Status.PASSED} == {}


@needed
async def test_each_mutation_and_each_write_fails(gates):
    found = await statuses(gates["compile"], [*MUTATIONS, *WRITING])
    assert {text: why for text, why in found.items() if why[0] is not Status.FAILED} == {}


@needed
async def test_what_reaches_outside_fails_even_where_it_may_write(gates):
    found = await statuses(gates["write"], REACHING_OUT)
    assert {text: why for text, why in found.items() if why[0] is not Status.FAILED} == {}
    assert written() == []


@needed
async def test_writes_change_only_the_tables_in_memory(gates):
    gate = gates["write"]
    found = await statuses(gate, WRITING)
    assert {text: why for text, why in found.items() if why[0] is not Status.PASSED} == {}
    assert await status(gate, "CREATE TABLE t (a INT); SELECT a FROM t") is Status.PASSED
    assert await status(gate, "SELECT a FROM t") is Status.FAILED
    assert await status(gate, "INSERT INTO users VALUES (1, 'again')") is Status.FAILED


EXPLODING = [
    "SELECT count(*) FROM range(100000000000) a, range(100000000000) b",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
    "SELECT repeat('x', 2000000000)",
    "SELECT list(i) FROM range(1000000000) t(i)",
    "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
    "SELECT 1" + " UNION SELECT 1" * 10_000,
    "SELECT 1;" * 20_000,
    "'" * 190_001,
    "/*" * 90_000,
]


@needed
async def test_queries_made_to_explode_end_within_their_limits(gates):
    began = time.perf_counter()
    found = await statuses(gates["run"], EXPLODING)
    assert time.perf_counter() - began < 4 * len(EXPLODING)
    assert {text: why for text, why in found.items() if why[0] is Status.PASSED} == {}


@needed
async def test_the_reason_says_what_duckdb_says_on_one_line(gates):
    found = await verdict(gates["compile"], "SELECT 1; SELECT nme FROM users")
    assert "statement 2" in found.reason
    assert 'Referenced column "nme" not found' in found.reason
    assert "LINE 1" not in found.reason


@needed
def test_tables_have_to_be_duckdbs_sql():
    made = build("own", KINDS["sql"], {"tables": TABLES, "dialect": "duckdb"})
    assert (made.dialect, made.name) == (DUCKDB, "own")
    for tables in ("CREATE", "CREATE TABLE a AS FROM '/etc/passwd'", "LOAD httpfs"):
        with pytest.raises(ConfigError) as caught:
            sql(tables, dialect=DUCKDB)
        assert caught.value.problems[0].place == "tables"


def test_there_are_two_dialects():
    with pytest.raises(ConfigError) as caught:
        build("own", KINDS["sql"], {"tables": TABLES, "dialect": "oracle"})
    assert caught.value.problems[0].place == "dialect"


async def test_without_duckdb_it_abstains_with_the_fix(monkeypatch):
    monkeypatch.setattr(module, "_packages", lambda: None)
    found = await verdict(sql(TABLES, dialect=DUCKDB), "SELECT 1")
    assert (found.status, "rung[duckdb]" in found.reason) == (Status.ABSTAINED, True)
