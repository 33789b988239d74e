"""The price of changing the model, and where turns start by it."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core import switching
from rung.core.climbs import Hazard
from rung.core.switching import Outlook, Seat, break_even_rate, costs_of, turn_cost
from rung.core.types import Price

USD = 1_000_000_000
HAIKU = Price("list", USD // 10, USD // 2, USD // 100, USD // 8)
SONNET = Price("list", 2 * USD, 10 * USD, USD // 10, 5 * USD // 2)
FREE = Price("configured as free")


def seat(
    name: str, price: Price, held: int = 0, hazard: float = 0.0, *, caches: bool = True
) -> Seat:
    return Seat(name, costs_of(price), held, Hazard(hazard, hazard), caches)


def pair(held: int = 0, hazard: float = 0.0) -> list[Seat]:
    return [seat("cheap", HAIKU, 0, hazard), seat("strong", SONNET, held)]


def start(seats: list[Seat], outlook: Outlook, sits: int = 0, floor: int = 0) -> int:
    return switching.best_start(seats, outlook, sits, floor).place


def test_a_warm_turn_reads_writes_and_answers_at_three_prices():
    assert turn_cost(SONNET, 80_000, 1_000, 500) == (80_000 * 0.1 + 1_000 * 2.5 + 500 * 10) * 1_000


def test_missing_cache_prices_are_the_input_price():
    plain = Price("configured", USD, 2 * USD)
    assert turn_cost(plain, 1_000, 1_000, 0) == turn_cost(plain, 0, 2_000, 0) == 2_000_000


def test_where_nothing_is_cached_all_is_read_at_the_input_price():
    assert turn_cost(SONNET, 0, 1_000, 0, caching=False) == 2_000_000


def test_the_price_of_a_switch_is_what_is_read_anew():
    outlook = Outlook(80_000, new=1_000, written=500)
    anew = 79_000 * (SONNET.cache_write_nanousd_per_mtok - SONNET.cache_read_nanousd_per_mtok)
    assert switching.switch_cost(seat("strong", SONNET), outlook) == anew // 1_000_000


@pytest.mark.parametrize(("tokens", "rate"), [(20_000, 0.25), (80_000, 0.10), (150_000, 0.05)])
def test_cheap_first_pays_below_the_known_rates_of_climbing(tokens, rate):
    """As published for these two models; above 100,000 tokens the cheap one costs five times."""
    above = Price("list", USD // 2, 5 * USD // 2, USD // 20, 5 * USD // 8)
    cheap = seat("cheap", above if tokens > 100_000 else HAIKU)
    found = break_even_rate(
        cheap, seat("strong", SONNET), Outlook(tokens, new=2_000, written=1_000)
    )
    assert found == pytest.approx(rate, abs=0.015)


def test_going_down_pays_back_after_the_turns_that_are_told():
    here, there = seat("strong", SONNET, 80_000), seat("cheap", HAIKU)
    outlook = Outlook(80_000, new=1_000, written=500)
    turns = switching.break_even_turns(here, there, outlook)
    assert turns is not None
    saved = switching.warm_turn(here, outlook) - switching.warm_turn(there, outlook)
    assert (turns - 1) * saved < switching.switch_cost(there, outlook) <= turns * saved
    words = switching.staying(here, outlook, there)
    assert words.startswith(
        "stays at strong: 80,000 tokens are in its cache; cheap would read 80,000"
    )
    told = f"{turns} turns" if turns > 1 else "1 turn"
    assert words.endswith(f"pay that back after {told}, and climb from there with a chance of 0%")


def test_going_up_never_pays_back():
    outlook = Outlook(80_000)
    assert switching.break_even_turns(seat("cheap", HAIKU), seat("strong", SONNET), outlook) is None


def test_a_conversation_starts_low_unless_nearly_every_turn_climbs():
    outlook = Outlook(20_000)
    assert start(pair(hazard=0.1), outlook) == 0
    always = [seat("cheap", SONNET, 0, 1.0), seat("strong", SONNET)]
    assert start(always, outlook) == 1
    rare = Outlook(80_000, lives=2)
    assert start(pair(hazard=0.05), rare) == 0
    assert start(pair(hazard=0.3), rare) == 1


def test_it_moves_down_only_where_a_twentieth_of_a_turn_is_saved():
    near = Price("list", *(figure * 997 // 1_000 for figure in (2 * USD, 10 * USD, USD // 10)))
    far = Price("list", *(figure * 980 // 1_000 for figure in (2 * USD, 10 * USD, USD // 10)))
    strong = Price("list", 2 * USD, 10 * USD, USD // 10)
    for price, place in ((near, 1), (far, 0)):
        seats = [seat("low", price, 20_000), seat("strong", strong, 20_000)]
        assert start(seats, Outlook(20_000), sits=1) == place
        assert start(seats, Outlook(20_000), sits=0) == 0


def test_nothing_starts_below_the_floor():
    assert start(pair(), Outlook(20_000), floor=1) == 1


def after_a_climb(again: float, *, usual: float = 0.02, wasted: float = 0.0) -> list[Seat]:
    """Both tiers have just read a prompt of 150,000 tokens; the low one costs half of the other."""
    half = Price("list", USD, 5 * USD, USD // 20, 5 * USD // 4)
    low = Seat("cheap", costs_of(half), 150_000, Hazard(usual, again), recent=1.0, wasted=wasted)
    return [low, seat("strong", SONNET, 150_000)]


def test_a_turn_after_a_climb_starts_low_where_the_chance_to_climb_again_is_worth_it():
    outlook = Outlook(150_000, 2_000, 1_000, 20)
    assert start(after_a_climb(0.2), outlook, sits=1) == 0
    assert start(after_a_climb(0.9), outlook, sits=1) == 1


def test_it_waits_above_until_what_was_hard_may_be_over():
    outlook = Outlook(150_000, 2_000, 1_000, 20)
    choice = switching.best_start(after_a_climb(0.8), outlook, sits=1)
    assert (choice.place, choice.other) == (1, 0)
    assert choice.later is not None
    turns, cost = choice.later
    assert cost < min(choice.costs)
    told = switching.expecting(after_a_climb(0.8), choice, outlook)
    assert f"cheap {turns} turn" in told


def test_a_price_on_waiting_keeps_it_above():
    outlook = Outlook(20_000, 2_000, 1_000, 10)
    cheap, strong = pair(20_000)
    for wasted, place in ((0.0, 0), (50_000_000.0, 1)):
        low = Seat("cheap", cheap.cost, 20_000, Hazard(0.1, 0.5), recent=1.0, wasted=wasted)
        assert start([low, strong], outlook, sits=1) == place
    assert "waiting priced" in switching.deciding(
        [low, strong], 1, switching.best_start([low, strong], outlook, 1), outlook
    )


def test_where_the_cache_above_is_about_to_die_going_down_is_dearer():
    outlook = Outlook(80_000, 2_000, 1_000, 10, lives=2)
    cheap = seat("cheap", HAIKU, 80_000, 0.1)
    strong = Seat("strong", costs_of(SONNET), 80_000)
    short, long = (
        switching.expected_costs([cheap, replace(strong, left=left)], outlook)[0]
        for left in (1.0, 9.0)
    )
    assert short > long


def test_a_free_tier_costs_nothing_to_stay_at_and_nothing_to_go_to():
    local, outlook = seat("local", FREE), Outlook(20_000)
    assert switching.switch_cost(local, outlook) == 0
    assert switching.expected_costs([local, seat("strong", SONNET)], outlook)[0] == 0


PRICES = st.builds(
    Price,
    st.just("list"),
    *[st.integers(0, 50 * USD)] * 2,
    *[st.none() | st.integers(0, 50 * USD)] * 2,
)
SEATS = st.lists(
    st.builds(
        lambda price, held, hazard, caches: seat("t", price, held, hazard, caches=caches),
        PRICES,
        st.integers(0, 300_000),
        st.floats(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
OUTLOOKS = st.builds(
    Outlook,
    st.integers(0, 300_000),
    st.integers(0, 20_000),
    st.integers(0, 5_000),
    st.integers(1, 40),
)


@given(SEATS, OUTLOOKS)
def test_no_expected_cost_is_below_that_of_never_climbing(seats, outlook):
    for seat, cost in zip(seats, switching.expected_costs(seats, outlook), strict=True):
        alone = switching.expected_costs([seat], outlook)[0]
        assert cost >= alone - 1


@pytest.mark.parametrize("hazard", [0.02, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("lives", [2, 10])
def test_expected_costs_are_near_those_of_many_conversations_played_out(hazard, lives):
    outlook = Outlook(80_000, new=2_000, written=1_000, turns=20, lives=lives)
    seats = [replace(each, left=lives) for each in pair(held=80_000, hazard=hazard)]
    draw = random.Random(f"{hazard}/{lives}")
    played = [_played(seats, outlook, draw) for _ in range(300)]
    assert switching.expected_costs(seats, outlook)[0] == pytest.approx(mean(played), rel=0.2)


def _played(seats, outlook, draw):
    """What one conversation costs that starts every turn at the cheap tier."""
    cost, held, last = 0, [seat.held for seat in seats], [-1, -1]
    for turn in range(outlook.turns):
        tokens = outlook.tokens + turn * outlook.new
        for place in (0, 1) if draw.random() < seats[0].chance else (0,):
            alive = held[place] if turn - last[place] <= outlook.lives else 0
            read = min(alive, tokens)
            cost += seats[place].price(read, tokens - read, outlook.written)
            held[place], last[place] = tokens, turn
    return cost


@given(SEATS, OUTLOOKS, st.data())
def test_a_decision_is_never_undone_by_asking_again(seats, outlook, data):
    sits = data.draw(st.integers(0, len(seats) - 1))
    first = start(seats, outlook, sits)
    assert start(seats, outlook, first) == first
