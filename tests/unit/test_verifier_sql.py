"""sql: statements that fit the tables pass, mutations fail, and nothing outside is reached."""

from __future__ import annotations

import pytest

from rung.core.errors import ConfigError
from rung.core.verdicts import Status
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.sql import sql
from support.gates import seconds, status, verdict

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (id INTEGER, user_id INTEGER REFERENCES users(id), total REAL);
INSERT INTO users VALUES (1, 'Ann; or not'), (2, 'Bo');
INSERT INTO orders VALUES (1, 1, 9.5);
"""
GOOD = [
    "SELECT name FROM users",
    "SELECT u.name, sum(o.total) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id;",
    "-- who\nSELECT * FROM users WHERE name = 'a;b' /* ; */;\nSELECT 1;",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT x FROM n",
    "SELECT name FROM users WHERE id = ? AND name LIKE ?",
    "SELECT name FROM users WHERE id = :id AND name = @name",
    'SELECT "name" FROM [users]',
    "Here:\n```sql\nSELECT id FROM users;\n```\nIt lists ids.",
]
MUTATIONS = [
    "SELECT nme FROM users",
    "SELECT name FROM user",
    "SELEC name FROM users",
    "SELECT name FROM users WHERE",
    "SELECT name, FROM users",
    "SELECT nosuch(name) FROM users",
    "SELECT name FROM users; SELECT x FROM users",
    "SELECT name FROM users 'unclosed",
    "The users are listed below.",
    "```python\nprint(1)\n```",
    "",
    ";",
    "-- only a comment",
]
REACHING_OUT = [
    "DELETE FROM users",
    "DROP TABLE users",
    "INSERT INTO users VALUES (3, 'x')",
    "UPDATE users SET name = 'x'",
    "ATTACH DATABASE '/tmp/rung-test.db' AS x",
    "PRAGMA writable_schema = 1",
    "SELECT load_extension('x')",
    "CREATE TABLE t (a)",
    "CREATE VIRTUAL TABLE t USING fts5(a)",
    "VACUUM INTO '/tmp/rung-test.db'",
    "BEGIN",
    "SELECT * FROM pragma_database_list",
]


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("run", [False, True])
async def test_good_sql_passes(text, run):
    found = await verdict(sql(TABLES, run=run), text)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize("text", [*MUTATIONS, *REACHING_OUT])
async def test_each_mutation_and_each_reach_outside_fails(text):
    found = await verdict(sql(TABLES, run=True), text)
    assert found.status is Status.FAILED, found.reason


async def test_the_reason_names_the_statement_and_what_sqlite_says():
    found = await verdict(sql(TABLES), "SELECT 1; SELECT nme FROM users")
    assert "statement 2" in found.reason
    assert "no such column: nme" in found.reason
    assert "DELETE is not allowed" in (await verdict(sql(TABLES), "DELETE FROM users")).reason


async def test_writes_change_only_the_tables_in_memory():
    gate = sql(TABLES, writes=True)
    script = "CREATE TABLE t (a); INSERT INTO t VALUES (1); UPDATE t SET a = 2; SELECT a FROM t;"
    trigger = "CREATE TRIGGER x AFTER INSERT ON users BEGIN SELECT 1; SELECT 2; END; SELECT 1"
    assert await status(gate, script) is Status.PASSED
    assert await status(gate, trigger) is Status.PASSED
    assert await status(gate, "INSERT INTO users VALUES (1, 'again')") is Status.FAILED
    for text in ("ATTACH ':memory:' AS x", "PRAGMA user_version = 5", "DETACH main"):
        assert await status(gate, text) is Status.FAILED
    assert await status(gate, "SELECT a FROM t") is Status.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
        "SELECT length(zeroblob(1000000000))",
        "SELECT length(replace(hex(zeroblob(5000000)), '0', '123456789'))",
        "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
        "SELECT 1" + " UNION SELECT 1" * 10_000,
        "SELECT 1;" * 20_000,
        ";" * 190_000,
        "'" * 190_001,
        "/*" * 90_000,
        "SELECT 'a' LIKE '" + "%a" * 20_000 + "b'",
    ],
)
async def test_queries_made_to_explode_end_within_their_limits(text):
    took, found = await seconds(sql(TABLES, run=True, timeout_seconds=6), text)
    assert took < 9
    assert found.status is not Status.PASSED or "LIKE" in text


def test_tables_come_from_a_file_or_the_table_and_have_to_be_sql(tmp_path):
    path = tmp_path / "s.sql"
    path.write_text(TABLES)
    assert build("own", KINDS["sql"], {"schema": str(path)}).tables == TABLES
    for options, place in [
        ({}, "tables"),
        ({"tables": "CREATE"}, "tables"),
        ({"tables": TABLES, "schema": str(path)}, "tables"),
        ({"schema": str(tmp_path / "none.sql")}, "schema"),
        ({"tables": 5}, "tables"),
        ({"tables": TABLES, "run": "yes"}, "run"),
    ]:
        with pytest.raises(ConfigError) as caught:
            build("own", KINDS["sql"], options)
        assert caught.value.problems[0].place == place
