"""Rates: how many requests and tokens a key may use in a minute, here and on all gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import LedgerError, RateError
from rung.core.keyring import Key
from rung.core.rates import WINDOW_SECONDS, Count, Kind, Used, wait_seconds
from rung.core.rights import Rights
from rung.rates import UNCOUNTED, Rates

NOW = 600_000.0


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Book:
    """What gateways share, as the ledger does it. ``away``: it cannot be reached."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Used] = {}
        self.away = False

    async def count_rates(self, more, ids: Collection[str], since: int):
        if self.away:
            raise LedgerError("away")
        for at, used in more.items():
            self.rows[at] = self.rows.get(at, Used()).plus(used)
        return {at: used for at, used in self.rows.items() if at[0] in ids and at[1] >= since}


def key(name: str = "k", requests: int | None = None, tokens: int | None = None) -> Key:
    rights = Rights(requests_per_minute=requests, tokens_per_minute=tokens)
    return Key(name, name, "0" * 64, "hint", 0.0, rights)


def admitted(rates: Rates, line: list[Key], tries: int = 100) -> int:
    """How many of so many requests are let in now."""
    count = 0
    for _ in range(tries):
        try:
            rates.enter(line)
        except RateError:
            return count
        count += 1
    return count


@given(
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
    st.integers(0, 20),
    st.integers(1, 40),
    st.floats(0, 59.9),
)
def test_after_the_wait_it_fits_and_just_before_it_did_not(used, asked, limit, into):
    wait = wait_seconds(used, asked, limit, into)
    if wait is None:
        assert asked > limit
        return
    before, present = used

    def counted(at: float) -> float:
        if at < WINDOW_SECONDS:
            return before * (1 - at / WINDOW_SECONDS) + present
        return present * (1 - min(1, (at - WINDOW_SECONDS) / WINDOW_SECONDS))

    assert counted(into + wait) + asked <= limit + 1e-6
    assert wait < 0.01 or counted(into + wait - 0.01) + asked > limit


def test_a_limit_is_kept_exactly_and_is_free_again_a_minute_later():
    wall = Wall()
    rates = Rates(None, wall)
    assert admitted(rates, [key(requests=7)]) == 7
    wall.now += 2 * WINDOW_SECONDS
    assert admitted(rates, [key(requests=7)]) == 7


def test_no_burst_at_the_edge_of_a_window_gets_twice_the_limit():
    wall = Wall()
    wall.now = NOW + 59.9
    rates = Rates(None, wall)
    assert admitted(rates, [key(requests=10)]) == 10
    wall.now = NOW + 60.1
    assert admitted(rates, [key(requests=10)]) == 0
    wall.now = NOW + 90.1
    assert admitted(rates, [key(requests=10)]) == 5


def test_a_clock_that_is_set_back_frees_nothing():
    wall = Wall()
    rates = Rates(None, wall)
    assert admitted(rates, [key(requests=5)]) == 5
    wall.now -= 86_400
    assert admitted(rates, [key(requests=5)]) == 0
    wall.now += 10 * 86_400
    assert admitted(rates, [key(requests=5)]) == 5


def test_who_waits_as_long_as_is_said_is_let_in():
    wall = Wall()
    rates = Rates(None, wall)
    admitted(rates, [key(requests=5)])
    with pytest.raises(RateError) as caught:
        rates.enter([key(requests=5)])
    assert caught.value.status == 429
    assert caught.value.retry_after_seconds is not None
    wall.now += caught.value.retry_after_seconds + 0.001
    assert admitted(rates, [key(requests=5)]) == 1


def test_what_a_key_uses_its_makers_use_too():
    rates = Rates(None, Wall())
    maker, one, two = key("m", requests=5), key("a", requests=4), key("b")
    assert admitted(rates, [one, maker]) == 4
    assert admitted(rates, [two, maker]) == 1
    assert admitted(rates, [two]) == 100


def test_a_request_that_is_refused_counts_for_nobody():
    rates = Rates(None, Wall())
    maker, one = key("m", requests=1), key("a", requests=5)
    assert admitted(rates, [one, maker]) == 1
    assert admitted(rates, [one, maker]) == 0
    assert admitted(rates, [one]) == 4


def test_keys_without_limits_are_not_counted():
    assert Rates(None, Wall()).enter([key()]) is UNCOUNTED
    assert Rates(None, Wall()).enter([]) is UNCOUNTED


def test_tokens_that_are_on_their_way_count_until_they_have_come():
    rates = Rates(None, Wall())
    line = [key(tokens=100)]
    first, second = rates.enter(line), rates.enter(line)
    first.expect(70)
    with pytest.raises(RateError, match="100 tokens a minute"):
        second.expect(40)
    first.leave()
    first.leave()
    second.expect(40)
    rates.note(line, 60)
    with pytest.raises(RateError):
        rates.enter(line).expect(1)


def test_what_never_fits_is_said_to_never_fit():
    with pytest.raises(RateError, match="takes about 101 tokens") as caught:
        Rates(None, Wall()).enter([key(tokens=100)]).expect(101)
    assert caught.value.retry_after_seconds is None


async def test_gateways_of_one_ledger_know_each_others_counts(monkeypatch):
    monkeypatch.setattr("rung.rates.SHARE_SECONDS", 0.0)
    book, wall = Book(), Wall()
    one, two = Rates(book, wall), Rates(book, wall)
    line = [key(requests=10)]
    assert admitted(one, line, 6) == 6
    assert admitted(two, line, 1) == 1
    for _ in range(4):
        await asyncio.sleep(0)
    assert admitted(one, line, 1) == 1
    await one.close()
    await two.close()
    third = Rates(book, wall)
    assert admitted(third, line, 1) == 1
    await third.close()
    assert sum(used.requests for used in book.rows.values()) == 9
    assert admitted(third, line) == 1


async def test_what_was_counted_while_the_ledger_was_away_is_told_later(monkeypatch):
    monkeypatch.setattr("rung.rates.SHARE_SECONDS", 0.0)
    book, wall = Book(), Wall()
    book.away = True
    rates, line = Rates(book, wall), [key(requests=5)]
    assert admitted(rates, line) == 5
    for _ in range(4):
        await asyncio.sleep(0)
    assert not book.rows
    book.away = False
    await rates.close()
    assert sum(used.requests for used in book.rows.values()) == 5


def test_counts_of_both_windows_are_summed():
    count = Count(600)
    count.shared = {600: Used(3, 30), 540: Used(5, 50)}
    count.add(Used(1, 10))
    assert count.wait_seconds(Kind.REQUESTS, 1, 10, 0.0) == 0
    assert count.wait_seconds(Kind.REQUESTS, 2, 10, 0.0) == pytest.approx(12)
    assert count.wait_seconds(Kind.TOKENS, 10, 100, 0.0) == 0
