"""Bets on live outcomes: fair while nothing moves, won when it does."""

from __future__ import annotations

import random
from itertools import accumulate
from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rung.core import drift
from rung.core.drift import (
    DOUBT,
    Evidence,
    State,
    Window,
    enough,
    least_share,
    shift,
    wagered,
    window,
)

LIMITS = st.floats(0.001, 0.99)
BITS = st.lists(st.sampled_from([0.0, 1.0]), max_size=80)


def bernoulli(seed: int, count: int, chance: float) -> list[float]:
    draws = random.Random(seed)
    return [float(draws.random() < chance) for _ in range(count)]


def capital(values: list[float], limit: float) -> float:
    """What all bets come to in the end, not at their best."""
    bets = drift.Bets(limit, 0.0)
    worth = 1.0
    for value in values:
        worth = bets.after(value)
    return worth


# ------------------------------------------------------------------ nothing moved


@pytest.mark.parametrize("limit", [0.02, 0.1, 0.4])
def test_where_the_limit_is_just_kept_an_alarm_ever_is_rarer_than_one_in_twenty(limit):
    alarms = sum(
        wagered(bernoulli(seed, 1000, limit), limit).state() is State.BROKEN for seed in range(140)
    )
    assert alarms <= DOUBT * 140


@given(BITS, LIMITS, st.floats(0, 1))
def test_no_bet_is_expected_to_gain_while_the_limit_is_kept(before, limit, part):
    chance = part * limit
    now = capital(before, limit)
    then = chance * capital([*before, 1.0], limit) + (1 - chance) * capital([*before, 0.0], limit)
    assert then <= now * (1 + 1e-9)


@given(BITS, LIMITS, LIMITS)
def test_a_higher_limit_is_never_the_sooner_broken(values, one, other):
    low, high = sorted([one, other])
    assert wagered(values, high).capital <= wagered(values, low).capital * (1 + 1e-9)


def test_half_of_all_capital_is_bet_at_once_and_all_the_rest_in_time():
    restarts = drift._restarts()
    begun = list(accumulate(next(restarts)[1] for _ in range(2000)))
    assert begun[0] == 0.25
    assert 0.499 < begun[-1] < 0.5


# ------------------------------------------------------------------ something moved


def first_alarm(values: list[float], limit: float) -> int:
    bets = drift.Bets(limit, 0.0)
    alarms = (n for n, value in enumerate(values, 1) if bets.after(value) >= 1 / DOUBT)
    return next(alarms, len(values) + 1)


@pytest.mark.parametrize("limit", [0.02, 0.1, 0.3])
def test_a_loss_of_five_points_is_noticed_in_about_as_many_labels_as_are_said_to_be_enough(limit):
    said = enough(limit * (1 - limit), 0.05)
    alarms = sorted(
        first_alarm(bernoulli(seed, 4 * said, limit + 0.05), limit) for seed in range(60)
    )
    assert alarms[30] <= said
    assert alarms[54] <= 2.5 * said


def test_a_world_that_moves_late_is_noticed_too():
    quiet = bernoulli(1, 1500, 0.05)
    assert wagered(quiet, 0.1).capital < 1 / DOUBT
    alarm = first_alarm([*quiet, *bernoulli(2, 1500, 0.25)], 0.1)
    assert len(quiet) < alarm < len(quiet) + 300


def test_what_was_noticed_once_stays_noticed():
    bad, good = [1.0] * 20, [0.0] * 2000
    assert wagered(bad, 0.1).state() is State.BROKEN
    assert wagered([*bad, *good], 0.1).state() is State.BROKEN


def test_values_below_zero_are_bet_on_where_their_least_is_named():
    lost = [1.0, -1.0, 1.0, 1.0] * 60
    assert wagered(lost, 0.1, least=-1.0).state() is State.BROKEN
    assert wagered([-each for each in lost], 0.1, least=-1.0).state() is not State.BROKEN


# ------------------------------------------------------------------ what is said


def test_no_values_say_nothing():
    found = wagered([], 0.1)
    assert (found.n, found.mean, found.capital, found.doubt) == (0, 0.0, 1.0, 1.0)
    assert found.state() is State.LITTLE


def test_few_good_values_are_too_little_and_many_hold():
    found = wagered([0.0] * 5, 0.1)
    assert found.state() is State.LITTLE
    assert wagered([0.0] * (found.enough + 1), 0.1).state() is State.HOLDS


def test_where_far_less_is_wrong_than_is_allowed_it_holds_after_fewer_labels():
    found = wagered([0.0] * 60, 0.3)
    assert found.n < found.enough
    assert found.state() is State.HOLDS


@pytest.mark.parametrize("limit", [0.1, 0.4])
def test_a_limit_that_is_just_missed_is_hardly_ever_shown_to_be_kept(limit):
    shown = sum(
        wagered(bernoulli(seed, 300, limit), limit).kept >= 1 / DOUBT for seed in range(200)
    )
    assert shown <= DOUBT * 200


def test_between_one_in_five_and_one_in_twenty_there_is_a_doubt():
    assert Evidence(10, 0.5, 0.2, 0.1, 10.0, 1.0, 5).state() is State.DOUBTFUL
    assert Evidence(10, 0.5, 0.2, 0.1, 4.9, 1.0, 5).state() is State.HOLDS
    assert Evidence(10, 0.5, 0.2, 0.1, 20.0, 1.0, 5).state() is State.BROKEN


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=200), st.floats(-1, 2))
def test_any_limit_gives_numbers(values, limit):
    found = wagered(values, limit)
    assert found.capital >= 1
    assert 0 <= found.doubt <= 1
    assert found.enough > 0


def test_a_long_run_of_losses_does_not_overflow():
    assert wagered([1.0] * 5000, 0.001).doubt == pytest.approx(0, abs=1e-300)


# ------------------------------------------------------------------ counted shares


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_least_share_is_a_share_and_below_the_one_that_was_counted(hits, misses):
    assume(hits + misses)
    found = least_share(hits, hits + misses, 0.05)
    assert 0 <= found <= hits / (hits + misses)


def test_the_least_share_is_exceeded_hardly_ever_at_any_time():
    missed = 0
    for seed in range(100):
        hits = list(accumulate(bernoulli(seed, 400, 0.2)))
        looks = range(10, 401, 15)
        missed += any(least_share(int(hits[n - 1]), n, 0.05) > 0.2 for n in looks)
    assert missed <= 5


def test_of_many_the_least_share_is_close():
    assert least_share(20_000, 100_000, 0.0025) > 0.19
    assert least_share(0, 0, 0.05) == 0


# ------------------------------------------------------------------ windows


def test_two_windows_of_one_world_have_not_moved_and_two_worlds_have():
    before = window(bernoulli(1, 800, 0.7))
    assert not shift(before, window(bernoulli(2, 800, 0.7))).moved
    moved = shift(before, window(bernoulli(3, 800, 0.4)))
    assert moved.moved
    assert moved.high < 0


def test_of_one_value_nothing_is_known():
    found = shift(Window(1, 0.5, 0.0), Window(100, 0.9, 0.1))
    assert (found.low, found.high, found.moved) == (-inf, inf, False)
    assert window([]) == Window(0, 0.0, 0.0)


def test_looking_at_a_window_as_it_grows_finds_no_shift_where_there_is_none():
    moved = 0
    for seed in range(60):
        draws = random.Random(seed)
        costs = [draws.lognormvariate(0, 1) for _ in range(900)]
        before = window(costs[:300])
        moved += any(
            shift(before, window(costs[300:end])).moved for end in range(320, len(costs), 20)
        )
    assert moved <= 4
