"""What `rung ledger` shows of a ledger, and what it does to one."""

import json
import sqlite3
from contextlib import closing

import pytest

from rung.cli import ledger as ledgers
from rung.core.errors import LedgerError
from rung.ledger import Ledger, room
from support.outcomes import outcome


@pytest.fixture
def path(tmp_path):
    """A configuration with a ledger of three requests."""
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["local"]\n[retention]\ndays = 90\n'
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for name in ("a", "b", "c"):
            ledger.append_now(outcome(name))
    return tmp_path / "rung.toml"


def raw(path, *statements):
    with closing(sqlite3.connect(path.with_name("ledger.db"), isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


def test_info_tells_what_a_request_takes(path, capsys):
    ledgers.info(path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["gone"], told["unsummed"]) == (3, 0, 3)
    assert told["bytes_a_request"] == told["room"]["used_bytes"] // 3
    assert told["retention"] == {"days": 90.0, "max_mb": None, "bodies_days": 7.0}
    ledgers.info(path=path)
    assert "90 days, any size" in capsys.readouterr().out


def test_a_sound_ledger_is_told_to_be_so(path, capsys):
    ledgers.check(path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] is True
    assert len(told["parts"]) == 6


def test_a_fault_ends_with_a_status_and_is_named(path, capsys):
    raw(path, "UPDATE requests SET cost_nanousd = 1 WHERE id = 'b'")
    with pytest.raises(SystemExit) as ended:
        ledgers.check(path=path)
    assert ended.value.code == ledgers.FAULTY
    said = capsys.readouterr().out
    assert "no, 1 faults" in said
    assert "\n      b\n" in said


def test_sums_that_differ_can_be_made_anew(path, capsys):
    raw(path, "INSERT INTO second_sums VALUES ('total', 1, 0, '', 7, 7)")
    with pytest.raises(SystemExit):
        ledgers.check(path=path)
    assert "--repair" in capsys.readouterr().out
    ledgers.check(path=path, repair=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["sound"], told["summed_anew"]) == (True, 3)


def test_vacuum_gives_room_back_and_makes_an_older_file_do_so_by_itself(path, capsys):
    with Ledger.open(path.with_name("ledger.db")) as ledger:
        for n in range(40):
            ledger.append_now(outcome(f"more-{n}"))
    raw(path, "PRAGMA auto_vacuum = NONE", "VACUUM", "DELETE FROM attempts")
    assert raw(path, "PRAGMA auto_vacuum") == [[(0,)]]
    ledgers.vacuum(path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["after"]["total_bytes"] < told["before"]["total_bytes"]
    assert told["after"]["shrinks"] is True
    assert told["after"]["used_bytes"] == told["after"]["total_bytes"]


def test_a_disk_without_room_for_the_copy_is_told_before_anything_is_done(path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Disk", (), {"free": 1000})())
    with pytest.raises(LedgerError, match="written anew") as raised:
        ledgers.vacuum(path=path)
    assert raised.value.fix


def test_a_ledger_that_is_written_to_is_not_written_anew(path, monkeypatch):
    monkeypatch.setattr("rung.ledger.sqlite.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path.with_name("ledger.db"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked"):
            ledgers.vacuum(path=path)


def test_pages_are_given_back_a_few_at_a_time(path, monkeypatch):
    monkeypatch.setattr(room, "PAGES", 1)
    with Ledger.open(path.with_name("ledger.db")) as ledger:
        for n in range(40):
            ledger.append_now(outcome(f"more-{n}"))
        with ledger.writing() as connection:
            connection.execute("DELETE FROM requests")
        turns = 0
        with ledger.writing() as connection:
            while room.give_back(connection):
                turns += 1
        assert turns > 3
