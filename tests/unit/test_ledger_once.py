"""Claims by key, on both databases: one goes on, the others learn of it, and nobody is stuck."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import update

from rung.ledger import Ledger, once, presence
from rung.ledger.account_tables import processes
from rung.ledger.once import BROKEN, Claim, Different, Key, Mine, Result, Running
from rung.ledger.presence import Presence

NOW = 1_700_000_000.0
KEY = Key.of("project:shop", b"order-1")
ONE = Presence("p-1", "here", os.getpid())
OTHER = Presence("p-2", "elsewhere", 1)
FIRST = Claim(KEY, "a" * 64, "r-1", ONE, NOW)
AGAIN = replace(FIRST, request_id="r-2", by=OTHER)
ANSWER = Result("r-1", 200, [(b"content-type", b"application/json")], b'{"said": "\xe2\x82\xac"}')


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def do(ledger: Ledger, work, *arguments):
    return ledger.enqueue(lambda connection: work(connection, *arguments)).result()


def claim(ledger: Ledger, wish: Claim):
    return do(ledger, once.claim, wish)


def beats(ledger: Ledger, who: Presence = ONE) -> None:
    do(ledger, presence.beat, who)


def test_the_first_goes_on_and_the_second_learns_of_it(ledger):
    beats(ledger)
    assert claim(ledger, FIRST) == Mine()
    assert claim(ledger, AGAIN) == Running("r-1")


def test_a_claim_whose_commit_was_not_confirmed_may_be_made_again(ledger):
    claim(ledger, FIRST)
    assert claim(ledger, FIRST) == Mine()


def test_a_result_is_handed_to_whoever_comes_after(ledger):
    claim(ledger, FIRST)
    assert do(ledger, once.finish, FIRST, ANSWER) is True
    assert claim(ledger, AGAIN) == ANSWER


def test_another_body_with_the_same_key_is_told_apart(ledger):
    beats(ledger)
    claim(ledger, FIRST)
    other = replace(AGAIN, body_sha256="b" * 64)
    assert claim(ledger, other) == Different("r-1")
    do(ledger, once.finish, FIRST, ANSWER)
    assert claim(ledger, other) == Different("r-1")


@pytest.mark.parametrize(
    "key", [Key.of("project:other", b"order-1"), Key.of("project:shop", b"order", b"-1")]
)
def test_keys_of_other_callers_are_other_keys(ledger, key):
    claim(ledger, FIRST)
    assert claim(ledger, replace(AGAIN, key=key)) == Mine()


def test_what_was_given_back_is_free(ledger):
    claim(ledger, FIRST)
    do(ledger, once.release, FIRST)
    assert claim(ledger, AGAIN) == Mine()


def test_a_claim_is_finished_and_given_back_by_its_holder_alone(ledger):
    claim(ledger, FIRST)
    do(ledger, once.release, AGAIN)
    assert do(ledger, once.finish, AGAIN, ANSWER) is False
    assert do(ledger, once.finish, FIRST, ANSWER) is True
    assert do(ledger, once.finish, FIRST, replace(ANSWER, status=500)) is False
    do(ledger, once.release, FIRST)
    assert claim(ledger, AGAIN) == ANSWER


def test_a_result_is_forgotten_after_a_day(ledger):
    claim(ledger, FIRST)
    do(ledger, once.finish, FIRST, ANSWER)
    late = replace(AGAIN, now_unix=NOW + once.KEPT_SECONDS + 1)
    assert claim(ledger, late) == Mine()
    assert do(ledger, once.finish, FIRST, ANSWER) is False


def test_what_nobody_asks_for_again_is_removed(ledger):
    claim(ledger, FIRST)
    do(ledger, once.finish, FIRST, ANSWER)
    do(ledger, once.forget, NOW + once.KEPT_SECONDS - 1)
    assert claim(ledger, AGAIN) == ANSWER
    do(ledger, once.forget, NOW + once.KEPT_SECONDS + 1)
    with ledger.reading() as connection:
        assert connection.named("once", in_scope=KEY.scope, key=KEY.sha256).fetchone() is None


def test_of_a_result_too_large_only_that_there_was_one_is_kept(ledger):
    claim(ledger, FIRST)
    do(ledger, once.finish, FIRST, replace(ANSWER, body=b"x" * (once.MOST_BYTES + 1)))
    assert claim(ledger, AGAIN) == Result("r-1", 200, [], None)


# ------------------------------------------------------------------ processes that died


def ended_well(ledger: Ledger) -> None:
    do(ledger, presence.end, ONE)


def kept_silent(ledger: Ledger) -> None:
    def long_ago(connection):
        connection.run(update(processes).values(beat_unix=1.0))

    do(ledger, long_ago)


@pytest.mark.parametrize("leave", [ended_well, kept_silent])
def test_the_claim_of_a_process_that_is_no_more_is_taken_over(ledger, leave):
    beats(ledger)
    claim(ledger, FIRST)
    assert claim(ledger, AGAIN) == Running("r-1")
    leave(ledger)
    assert do(ledger, once.is_running, KEY, OTHER, NOW) is False
    assert claim(ledger, AGAIN) == Mine()
    assert do(ledger, once.finish, FIRST, ANSWER) is False
    assert do(ledger, once.finish, AGAIN, ANSWER) is True


def test_a_process_of_this_machine_is_known_to_be_dead_at_once(ledger):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    fallen = Presence("p-0", "here", child.pid)
    beats(ledger, fallen)
    claim(ledger, replace(FIRST, by=fallen))
    assert claim(ledger, AGAIN) == Running("r-1")
    assert claim(ledger, replace(AGAIN, by=Presence("p-3", "here", os.getpid()))) == Mine()


def test_a_claim_of_a_process_that_nobody_knows_is_taken_over_after_a_minute(ledger):
    claim(ledger, FIRST)
    assert claim(ledger, replace(AGAIN, now_unix=NOW + 59)) == Running("r-1")
    assert claim(ledger, replace(AGAIN, now_unix=NOW + 61)) == Mine()


def test_a_claim_that_lives_is_waited_for(ledger):
    beats(ledger)
    claim(ledger, FIRST)
    assert do(ledger, once.is_running, KEY, OTHER, NOW) is True
    do(ledger, once.finish, FIRST, ANSWER)
    assert do(ledger, once.is_running, KEY, OTHER, NOW) is False
    assert do(ledger, once.is_running, Key.of("open:", b"none"), OTHER, NOW) is False


def test_a_result_outlives_its_process(ledger):
    claim(ledger, FIRST)
    beats(ledger)
    do(ledger, once.finish, FIRST, ANSWER)
    ended_well(ledger)
    assert claim(ledger, AGAIN) == ANSWER


def test_of_many_at_once_one_alone_goes_on(ledger_place):
    found: list[object] = []
    ready = threading.Barrier(4, timeout=20)

    def replica(number: int) -> None:
        who = Presence(f"p-{number}", f"host-{number}", 1)
        with Ledger.open(ledger_place) as ledger:
            beats(ledger, who)
            ready.wait()
            wishes = (replace(FIRST, request_id=f"r-{number}-{n}", by=who) for n in range(10))
            jobs = [ledger.enqueue(partial(once.claim, wish=wish)) for wish in wishes]
            found.extend(job.result() for job in jobs)

    threads = [threading.Thread(target=replica, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert found.count(Mine()) == 1
    assert {type(one) for one in found} == {Mine, Running}


# ------------------------------------------------------------------ broken streams


def test_a_broken_stream_is_remembered_for_a_while_and_told_once(ledger):
    key = Key.of(BROKEN, b"the conversation")
    wish = replace(FIRST, key=key)
    do(ledger, once.note_broken, wish, 900.0)
    assert do(ledger, once.broken, key, NOW + 899) == "r-1"
    assert do(ledger, once.broken, key, NOW + 901) is None
    do(ledger, once.note_broken, replace(wish, request_id="r-9"), 900.0)
    assert do(ledger, once.broken, key, NOW) == "r-9"
    assert do(ledger, once.forget_broken, key, "r-1") is False
    assert do(ledger, once.forget_broken, key, "r-9") is True
    assert do(ledger, once.broken, key, NOW) is None
