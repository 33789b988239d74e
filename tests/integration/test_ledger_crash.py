"""The ledger keeps what it acknowledged: through kill -9, a full disk, and other processes."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rung.core.errors import LedgerError
from rung.ledger import Ledger
from rung.ledger.sqlite import SqliteDatabase
from support.outcomes import outcome

SUPPORT = Path(__file__).parents[1] / "support"


def run(script, *arguments):
    command = [sys.executable, SUPPORT / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sound(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


BROKEN = ("lost", "partial", "unsound", "unheld", "unequal")


def test_nothing_acknowledged_is_lost_when_the_writer_to_a_file_is_killed(tmp_path):
    found = run("ledger_crash.py", tmp_path, 150)
    assert {name: found[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
    assert found["kept"] > 1000
    assert found["resolved"] > 100


def test_nothing_acknowledged_is_lost_when_the_writer_to_a_server_is_killed(postgres_url):
    found = run("ledger_crash.py", postgres_url, 40)
    assert {name: found[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
    assert found["kept"] > 1000
    assert found["resolved"] > 100


def test_a_file_that_cannot_grow_refuses_stays_readable_and_recovers(tmp_path):
    path = tmp_path / "ledger.db"
    found = run("ledger_squeezed.py", path, 400_000)
    assert found["taken"] > 0
    assert found["refused"] > 0
    assert found["taken"] + found["refused"] == 1000
    assert found["readable"] == found["taken"]
    assert "ledger.db" in found["said"]
    assert "Fix:" in found["said"]
    assert found["after"] == 1000
    assert sound(path)


async def test_a_full_database_refuses_only_what_does_not_fit_and_recovers(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] + 10
    connect = SqliteDatabase.connect

    def squeezed(database):
        connection = connect(database)
        connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    monkeypatch.setattr(SqliteDatabase, "connect", squeezed)
    with Ledger.open(path) as ledger:
        found = await asyncio.gather(
            *(ledger.append(outcome(f"req-{n}")) for n in range(300)), return_exceptions=True
        )
        taken = sum(error is None for error in found)
        said = [str(error) for error in found if isinstance(error, LedgerError)]
        assert 0 < taken < 300
        assert taken + len(said) == 300
        assert all("disk is full" in one for one in said)
        assert len(ledger.recent(500)) == taken
        pages = 100_000
        await ledger.append(outcome("after"))
        assert len(ledger.recent(500)) == taken + 1
    assert sound(path)


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from rung.ledger import Ledger
from support.outcomes import outcome
sys.stdin.readline()
ledger = Ledger.open(Path(sys.argv[1]))
async def main():
    await asyncio.gather(*(ledger.append(outcome(f"{sys.argv[2]}-{n}")) for n in range(100)))
asyncio.run(main())
ledger.close()
"""


@pytest.mark.parametrize("others", [6])
def test_several_processes_may_make_and_write_one_ledger_at_once(tmp_path, others):
    path = tmp_path / "new" / "ledger.db"
    tests = SUPPORT.parent
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, f"p{n}", tests], stdin=subprocess.PIPE, text=True
        )
        for n in range(others)
    ]
    for process in running:  # all wait at the same line, then race to make the file
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0] * others
    with Ledger.open(path, create=False) as ledger:
        assert len(ledger.recent(10_000)) == 100 * others
    assert sound(path)
