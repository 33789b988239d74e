"""What processes that share a ledger tell each other, on both databases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rung.core.errors import LedgerError
from rung.ledger import Ledger
from rung.ledger.notices import (
    KEPT_SECONDS,
    LONGEST_VALUE,
    MOST_UNTOLD,
    NOTIFIED_LOOK_SECONDS,
    Board,
    Notice,
)

PATIENCE_SECONDS = 10.0


class Listener:
    """A board that keeps what it hears."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.board = Board(ledger, name, time.monotonic)
        self.heard: list[Notice] = []
        self._news = threading.Condition()
        self.board.follow("t", self._take)

    def _take(self, notice: Notice) -> None:
        with self._news:
            self.heard.append(notice)
            self._news.notify_all()

    @property
    def values(self) -> list[object]:
        return [notice.value["v"] for notice in self.heard]

    def until(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, PATIENCE_SECONDS)


@contextmanager
def listeners(place: str, *names: str) -> Iterator[list[Listener]]:
    ledgers = [Ledger.open(place) for _ in names]
    made = [Listener(ledger, name) for ledger, name in zip(ledgers, names, strict=True)]
    try:
        yield made
    finally:
        for one, ledger in zip(made, ledgers, strict=True):
            one.board.close()
            ledger.close()


def told(listener: Listener, *words: object, name: str = "n") -> None:
    """Tell, and wait until it is there for others to read."""
    for word in words:
        listener.board.tell("t", name, {"v": word})
    until = time.monotonic() + PATIENCE_SECONDS
    while listener.board._untold:
        assert time.monotonic() < until
        time.sleep(0.002)


def test_what_one_tells_the_others_hear_and_it_does_not(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1)
        for each in (a, b):
            each.board.look()
        assert (a.values, b.values) == ([], [1])
        assert b.heard[0].process_id == "a"
        assert 0 <= b.heard[0].age_seconds < PATIENCE_SECONDS


def test_a_word_is_heard_once_and_a_newer_one_again(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1)
        for _ in range(3):
            b.board.look()
        told(a, 2)
        b.board.look()
        assert b.values == [1, 2]


def test_one_that_begins_later_hears_what_still_stands(ledger_place: str) -> None:
    with listeners(ledger_place, "a") as (a,):
        told(a, 1, 2)
        with listeners(ledger_place, "late") as (late,):
            late.board.look()
            assert late.values == [2]


def test_only_topics_that_are_followed_are_heard_and_removed(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        a.board.tell("other", "n", {"v": 1})
        told(a, 2)
        b.board.look()
        assert b.values == [2]
        long_ago(b, "t", "other")
        b.board.forget()
        assert [row["topic"] for row in rows(b)] == ["other"]


def test_what_is_too_old_is_not_heard(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1)
        long_ago(b, "t")
        b.board.look()
        assert b.values == []


def test_a_clock_that_is_put_back_hides_nothing(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1)
        b.board.look()
        moved(b, 3600.0, "t")
        b.board._high += 3600.0
        told(a, 2, name="other")
        b.board.look()
        assert 2 in b.values


@pytest.mark.parametrize("value", ["not JSON", "[]", '"x"', "NaN", "{" * 5000, "{}"])
def test_junk_in_the_table_is_passed_over(ledger_place: str, value: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1)
        with b.board._ledger.writing() as connection:
            connection.named(
                "tell", topic="t", name="junk", value_json=value, process_id="somebody"
            )
        b.board.look()
        assert [notice.name for notice in b.heard if notice.name != "junk"] == ["n"]


def test_a_value_that_is_too_long_is_passed_over(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, "x" * LONGEST_VALUE)
        b.board.look()
        assert b.values == []


@pytest.mark.parametrize("name", ["'; DROP TABLE notices; --", "%s %(topic)s :topic", "ü\\'\""])
def test_names_are_only_names(ledger_place: str, name: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        told(a, 1, name=name)
        b.board.look()
        assert [notice.name for notice in b.heard] == [name]


def test_the_thread_hears_soon(ledger_place: str) -> None:
    with listeners(ledger_place, "a", "b") as (a, b):
        b.board.run()
        assert not b.board.stale()
        told(a, 1)
        b.until(1)


def test_postgres_wakes_those_who_listen(postgres_ledger: str) -> None:
    with listeners(postgres_ledger, "a", "b") as (a, b):
        b.board.run()
        told(a, 0)
        b.until(1)
        began = time.monotonic()
        for count in range(2, 12):
            told(a, count)
            b.until(count)
        assert time.monotonic() - began < NOTIFIED_LOOK_SECONDS


def test_without_the_thread_it_is_time_to_look_once_a_second() -> None:
    now = [0.0]
    board = Board(None, "a", lambda: now[0])  # type: ignore[arg-type]
    assert not board.stale()  # nothing is followed
    board.follow("t", lambda _: None)
    assert [board.stale(), board.stale()] == [True, False]
    now[0] = 1.0
    assert board.stale()


def test_while_the_ledger_is_away_nothing_waits_and_the_newest_is_told_when_it_is_back(
    tmp_path, caplog
) -> None:
    place = str(tmp_path / "ledger.db")
    with listeners(place, "a", "b") as (a, b):
        away = (tmp_path / "ledger.db").rename(tmp_path / "away.db")
        began = time.monotonic()
        for word in range(50):
            a.board.tell("t", "n", {"v": word})
        assert time.monotonic() - began < 0.5
        with pytest.raises(LedgerError):
            b.board.look()
        until = time.monotonic() + PATIENCE_SECONDS
        while not a.board._away:
            assert time.monotonic() < until
            time.sleep(0.002)
        away.rename(tmp_path / "ledger.db")
        b.board.run()
        b.until(1)
        assert b.values == [49]
    assert "not shared for now" in caplog.text


def test_a_server_that_goes_and_comes_back_is_listened_to_again(own_postgres) -> None:
    place = own_postgres.url(own_postgres.fresh_ledger())
    with listeners(place, "a", "b") as (a, b):
        b.board.run()
        told(a, 1)
        b.until(1)
        own_postgres.kill()
        a.board.tell("t", "n", {"v": 2})
        own_postgres.start()
        b.until(2)
        assert b.values[-1] == 2


def test_what_waits_to_be_told_is_bounded() -> None:
    class Away:
        def writing(self) -> None:
            raise LedgerError("away")

    board = Board(Away(), "a", time.monotonic)  # type: ignore[arg-type]
    try:
        for number in range(MOST_UNTOLD + 500):
            board.tell("t", str(number), {})
        assert len(board._untold) == MOST_UNTOLD
        assert ("t", str(MOST_UNTOLD + 499)) in board._untold
    finally:
        board.close()


# ------------------------------------------------------------------ the table


def rows(listener: Listener) -> list:
    with listener.board._ledger.reading() as connection:
        return connection.named(
            "notices since", topics=json.dumps(["t", "other"]), since=0.0
        ).fetchall()


def long_ago(listener: Listener, *topics: str) -> None:
    moved(listener, -KEPT_SECONDS - 60, *topics)


def moved(listener: Listener, seconds: float, *topics: str) -> None:
    from sqlalchemy import update

    from rung.ledger.account_tables import notices

    moment = notices.c.updated_unix + seconds
    with listener.board._ledger.writing() as connection:
        connection.run(
            update(notices).where(notices.c.topic.in_(topics)).values(updated_unix=moment)
        )
