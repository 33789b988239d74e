"""What a process that died had under way is booked; what the ledger could not take comes later."""

import asyncio
import json
import os
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from rung.core.budgets import Budget, Cap, Counter
from rung.core.errors import LedgerError
from rung.core.types import Fault
from rung.ledger import Ledger, holds, presence, recovery, upkeep
from rung.ledger.bill import bill
from rung.ledger.codec import encode
from rung.ledger.holds import Claim
from rung.ledger.presence import Presence
from rung.ledger.spool import Spool
from support.outcomes import outcome

ME = Presence.of("me")
TOTAL = Counter("total", "", "ever")
CAP = Cap(Budget("all", 10_000, per="ever"), TOTAL)
GONE = 2**22 - 3
"""A number that no process has: the kernel gives lower ones."""


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def done(ledger, job):
    return ledger.enqueue(job).result(10)


def there(ledger, who):
    done(ledger, partial(presence.beat, who=who))


def reserved(ledger, name, amount, *, request="req-1", by="dead", caps=(CAP,)):
    about = {"tier": "tiny", "ladder": "default", "model": "m", "project": "p", "lane": "batch"}
    claim = Claim(name, request, by, amount, caps, about)
    return done(ledger, partial(holds.reserve, claim=claim, now=time.time()))


def settled(ledger, name, cost):
    return done(ledger, partial(holds.settle, hold_id=name, cost_nanousd=cost, now=time.time()))


def level(ledger):
    return done(ledger, lambda c: holds.level_of(c, TOTAL, time.time()))[1:]


def recovered(ledger, me=ME):
    def job(connection):
        found = recovery.recover(connection, me, time.time())
        upkeep.append(connection, [encode(each) for each in found.outcomes])
        return found

    return done(ledger, job)


# ------------------------------------------------------------------ who lives


@pytest.mark.parametrize(
    ("pid", "host", "dead"),
    [
        (GONE, ME.host, True),
        (os.getpid(), ME.host, True),
        (1, ME.host, False),
        (GONE, "elsewhere", False),
        (2**60, ME.host, False),
    ],
)
def test_who_is_dead_is_told_by_its_number_on_this_machine_alone(ledger, pid, host, dead):
    there(ledger, Presence("other", host, pid))
    assert done(ledger, partial(presence.dead, me=ME)) == (["other"] if dead else [])


def test_who_was_not_heard_of_for_long_is_dead_wherever_it_is(ledger, monkeypatch):
    there(ledger, Presence("other", "elsewhere", 1))
    monkeypatch.setattr(presence, "SILENT_SECONDS", -1.0)
    assert done(ledger, partial(presence.dead, me=ME)) == ["other"]


def test_holds_of_somebody_unknown_are_found_in_time(ledger, monkeypatch):
    reserved(ledger, "a", 100, by="stranger")
    assert done(ledger, partial(presence.dead, me=ME)) == []
    monkeypatch.setattr(presence, "SILENT_SECONDS", -1.0)
    assert done(ledger, partial(presence.dead, me=ME)) == ["stranger"]


def test_who_ended_well_and_left_nothing_is_no_suspect(ledger):
    there(ledger, Presence("other", ME.host, GONE))
    done(ledger, partial(presence.end, who=Presence("other", ME.host, GONE)))
    assert done(ledger, partial(presence.dead, me=ME)) == []


# ------------------------------------------------------------------ what it left


@pytest.fixture
def crashed(ledger):
    """A process died in the second call of a request; the first one had cost 40."""
    there(ledger, Presence("dead", ME.host, GONE))
    reserved(ledger, "a", 100)
    settled(ledger, "a", 40)
    reserved(ledger, "b", 700)
    return ledger


def test_what_was_reserved_is_spent_and_stands_on_the_bill(crashed):
    assert level(crashed) == (40, 700)
    assert recovered(crashed).unknown_nanousd == 700
    assert level(crashed) == (740, 0)
    found = crashed.find("req-1")
    assert found.recovered
    assert [each.cost_nanousd for each in found.history] == [40, 700]
    assert {each.failure.fault for each in found.history} == {Fault.UNKNOWN}
    assert (found.request.project, found.request.lane, found.plan.ladder) == (
        "p",
        "batch",
        "default",
    )
    total = bill(crashed).total
    assert (total.requests, total.answered, total.spend_nanousd) == (1, 0, 740)


def test_the_dead_are_looked_after_once(crashed):
    assert len(recovered(crashed).outcomes) == 1
    assert recovered(crashed).outcomes == ()
    assert bill(crashed).total.spend_nanousd == 740


def test_a_true_outcome_that_comes_late_takes_the_place_of_what_was_recovered(crashed):
    recovered(crashed)
    assert settled(crashed, "b", 60).changed
    crashed.append_now(outcome("req-1"))
    found = crashed.find("req-1")
    assert not found.recovered
    assert bill(crashed).total.spend_nanousd == found.cost_nanousd
    assert bill(crashed).total.requests == 1
    assert level(crashed) == (100, 0)


def test_a_request_that_is_booked_is_not_booked_again(crashed):
    crashed.append_now(outcome("req-1"))
    assert recovered(crashed).outcomes == ()
    assert not crashed.find("req-1").recovered


def test_what_a_hold_tells_of_itself_need_not_be_true(ledger):
    there(ledger, Presence("dead", ME.host, GONE))
    about = {"tier": ["x"], "lane": "none", "input_tokens": -4, "project": 7, "model": None}
    claim = Claim("a", "req-1", "dead", 5, (), about)
    done(ledger, partial(holds.reserve, claim=claim, now=time.time()))
    recovered(ledger)
    assert ledger.find("req-1").cost_nanousd == 5


def test_a_process_that_attends_recovers_what_the_last_one_left(crashed, tmp_path):
    crashed.attend("next", tmp_path / "spool")
    until = time.monotonic() + 10
    while not crashed.recent(1):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert crashed.recent(1)[0].recovered
    assert level(crashed) == (740, 0)


# ------------------------------------------------------------------ what had to wait


def given(ledger, spool):
    return spool.give_back(
        lambda rows: done(ledger, lambda c: upkeep.append(c, rows, upkeep.Again.IN_DOUBT))
    )


def test_what_waits_on_the_disk_is_given_back_once(ledger, tmp_path):
    spool = Spool(tmp_path / "spool", "me")
    for n in range(3):
        spool.keep(outcome(f"req-{n}"))
    assert len(spool) == 3
    assert given(ledger, spool) == 3
    assert (len(spool), given(ledger, spool)) == (0, 0)
    assert len(ledger.recent(9)) == 3
    assert ledger.find("req-1").cost_nanousd == outcome("req-1").cost_nanousd


def test_it_is_for_its_owner_alone(tmp_path):
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())
    (file,) = (tmp_path / "spool").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    spool.close()


def test_a_file_that_was_removed_before_it_was_locked_is_made_again(ledger, tmp_path, monkeypatch):
    path, locked = tmp_path / "spool" / "me.jsonl", []

    def lock_late(file, how):
        locked.append(file)
        if len(locked) == 1:
            path.unlink()

    with monkeypatch.context() as patched:
        patched.setattr("rung.ledger.spool.fcntl.flock", lock_late)
        spool = Spool(tmp_path / "spool", "me")
        spool.keep(outcome())
    assert len(locked) == 2
    assert given(ledger, spool) == 1


def test_a_ledger_that_does_not_answer_ends_no_process_by_an_unknown_error(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "PATIENCE_SECONDS", 0.01)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        keeping = upkeep.Upkeep(ledger, ME)
        held = threading.Event()
        ledger.enqueue(lambda _: held.wait(10))
        with pytest.raises(LedgerError, match="did not answer"):
            keeping.begin()
        keeping.close()
        held.set()


def test_what_a_dead_process_kept_is_taken_up_and_what_a_living_one_keeps_is_not(ledger, tmp_path):
    living, dead = (Spool(tmp_path / "spool", name) for name in ("living", "dead"))
    living.keep(outcome("req-1"))
    dead.keep(outcome("req-2"))
    dead.close()
    assert given(ledger, Spool(tmp_path / "spool", "me")) == 1
    assert [one.request.id for one in ledger.recent(9)] == ["req-2"]
    living.close()


def test_a_line_that_was_broken_off_costs_no_other(ledger, tmp_path):
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())
    spool.close()
    with (tmp_path / "spool" / "me.jsonl").open("ab") as file:
        file.write(b'{"requests": [{"id": "req-2"')
    assert given(ledger, Spool(tmp_path / "spool", "other")) == 1


def test_what_is_there_already_is_not_booked_twice(ledger, tmp_path):
    ledger.append_now(outcome())
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())
    assert given(ledger, spool) == 1
    assert bill(ledger).total.requests == 1


def test_it_stays_where_the_ledger_still_cannot_take_it(tmp_path):
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())

    def refusing(rows):
        raise LedgerError("no")

    with pytest.raises(LedgerError):
        spool.give_back(refusing)
    assert len(spool) == 1
    spool.keep(outcome("req-2"))
    taken = []
    spool.give_back(taken.extend)
    assert [rows.requests[0]["id"] for rows in taken] == ["req-1", "req-2"]


def test_without_a_disk_it_is_kept_in_memory(tmp_path):
    (tmp_path / "spool").write_text("no folder")
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())
    assert spool.in_memory == 1
    taken = []
    assert spool.give_back(taken.extend) == 1
    assert len(spool) == 0


async def test_an_answer_leaves_while_the_file_is_locked_and_its_row_comes_later(
    tmp_path, monkeypatch
):
    path = tmp_path / "ledger.db"
    monkeypatch.setattr("rung.ledger.sqlite.BUSY_SECONDS", 0.05)
    with Ledger.open(path) as ledger:
        ledger.attend("me", tmp_path / "spool")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await ledger.append(outcome())
            assert ledger.spooled == 1
            other.execute("ROLLBACK")
        assert await asyncio.to_thread(ledger.give_back, ledger._upkeep._take) == 1
        assert ledger.find("req-1")


async def test_what_is_no_passing_fault_is_told_and_not_kept(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.attend("me", tmp_path / "spool")
        ledger.append_now(outcome())
        twin = outcome()
        with pytest.raises(LedgerError, match="refused"):
            await ledger.append(replace(twin, seconds=3.0))
        assert ledger.spooled == 0


def test_lines_hold_no_words_of_what_was_asked(tmp_path):
    spool = Spool(tmp_path / "spool", "me")
    spool.keep(outcome())
    spool.close()
    text = (tmp_path / "spool" / "me.jsonl").read_text()
    assert "secret question" not in text
    assert json.loads(text)["requests"][0]["id"] == "req-1"
