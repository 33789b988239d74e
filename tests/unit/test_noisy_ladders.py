"""Ladders whose check errs: their chances against every way it can go, and against the replay."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.aims import SOUND, Errors, Tuned
from rung.tuner.losses import most_lost
from rung.tuner.noisy import (
    by_rates,
    checked,
    costs_of,
    differences,
    differences_of,
    expected_right,
    rights_of,
)
from rung.tuner.simulate import expected
from support.noisy_worlds import outcomes_of

SHARES = st.floats(0, 1)
RATES = st.builds(Errors, SHARES, SHARES)
ENDS = st.sampled_from([OnExhausted.BEST, OnExhausted.INBOX])
LADDERS = np.array([[0, 1, 2], [1, 0, 2], [0, 2, -1], [2, -1, -1], [2, 0, 1]])


def queries(width: int = 3) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(SHARES, min_size=width, max_size=width), min_size=1, max_size=4)


def by_hand(chances: list[float], errors: Errors, ends: OnExhausted) -> tuple[float, float]:
    """The chance to be right and the mean number of calls, over all that can happen."""
    right = calls = 0.0
    for world in product((True, False), repeat=2 * len(chances)):
        truths, verdicts = world[::2], world[1::2]
        odds = 1.0
        for chance, truth, passed in zip(chances, truths, verdicts, strict=True):
            passes = 1 - errors.false_reject if truth else errors.false_accept
            odds *= (chance if truth else 1 - chance) * (passes if passed else 1 - passes)
        served = next((place for place, passed in enumerate(verdicts) if passed), None)
        calls += odds * (len(chances) if served is None else served + 1)
        if served is None and ends is OnExhausted.BEST:
            served = len(chances) - 1
        right += odds * (served is not None and truths[served])
    return right, calls


@given(st.lists(SHARES, min_size=1, max_size=3), RATES, ENDS)
def test_a_ladder_is_right_as_often_as_every_way_it_can_go_says(
    chances: list[float], errors: Errors, ends: OnExhausted
) -> None:
    outcomes = outcomes_of([chances])
    made = checked(outcomes, errors)
    columns = tuple(range(len(chances)))
    right, calls = by_hand(chances, errors, ends)
    assert expected_right(made, columns, ends)[0] == pytest.approx(right, abs=1e-12)
    ones = np.ones_like(outcomes.correct)
    assert costs_of(made, ones, np.array([columns]))[0, 0] == pytest.approx(calls, rel=1e-5)


@given(queries(), RATES, ENDS)
def test_many_ladders_at_once_are_each_ladder_by_itself(
    correct: list[list[float]], errors: Errors, ends: OnExhausted
) -> None:
    outcomes = outcomes_of(correct)
    found = differences_of(outcomes, LADDERS, 2, errors, ends)
    for ladder, gaps in zip(LADDERS, found, strict=True):
        columns = [column for column in ladder if column >= 0]
        np.testing.assert_allclose(gaps, differences(outcomes, columns, 2, errors, ends), atol=1e-5)


@given(queries(), RATES, SHARES, SHARES, ENDS)
def test_a_higher_rate_never_makes_a_ladder_better(
    correct: list[list[float]], errors: Errors, more: float, less: float, ends: OnExhausted
) -> None:
    outcomes = outcomes_of(correct)
    worse = Errors(
        max(errors.false_accept, more), max(errors.false_reject, less), highest_accept=0.0
    )
    for columns in ([0, 1, 2], [0, 2]):
        here = differences(outcomes, columns, 2, errors, ends)
        there = differences(outcomes, columns, 2, worse, ends)
        assert (there <= here + 1e-12).all()


@given(queries(), RATES, ENDS)
def test_no_query_loses_more_than_the_rates_allow(
    correct: list[list[float]], errors: Errors, ends: OnExhausted
) -> None:
    outcomes = outcomes_of(correct)
    lost = -differences_of(outcomes, LADDERS, 2, errors, ends)
    bound = most_lost(outcomes, LADDERS, 2, errors, served=ends is OnExhausted.BEST)
    assert (lost <= bound[:, None] + 1e-5).all()


def test_the_bound_on_a_loss_is_met_where_all_below_are_wrong_and_the_reference_right() -> None:
    outcomes = outcomes_of([[0, 0, 1]])
    errors = Errors(0.2, 0.1)
    for ends, worst in ((OnExhausted.BEST, 1 - 0.8**2), (OnExhausted.INBOX, 1 - 0.8**2 * 0.9)):
        lost = -differences(outcomes, [0, 1, 2], 2, errors, ends)[0]
        bound = most_lost(
            outcomes, np.array([[0, 1, 2]]), 2, errors, served=ends is OnExhausted.BEST
        )
        assert lost == pytest.approx(worst)
        assert bound[0] == pytest.approx(worst)


@given(queries())
def test_with_a_sound_check_a_ladder_that_ends_in_the_reference_loses_nothing(
    correct: list[list[float]],
) -> None:
    outcomes = outcomes_of(np.round(correct))
    ladders = np.array([[0, 1, 2], [1, 0, 2]])
    found = differences_of(outcomes, ladders, 2, SOUND)
    assert (found >= 0).all()
    np.testing.assert_array_equal(found[0], found[1])


def test_with_a_check_that_errs_order_matters() -> None:
    outcomes = outcomes_of([[0, 1]])
    first, last = rights_of(checked(outcomes, Errors(0.5, 0.0)), np.array([[0, 1], [1, 0]]))
    assert first[0] == pytest.approx(0.5)
    assert last[0] == pytest.approx(1.0)


@given(queries(), RATES, ENDS)
def test_replaying_the_same_ladder_says_the_same(
    correct: list[list[float]], errors: Errors, ends: OnExhausted
) -> None:
    outcomes = outcomes_of(correct)
    rungs = tuple(Rung(model) for model in ("b", "a", "c"))
    played = expected(outcomes, Tuned(Policy("", rungs, on_exhausted=ends)), errors)
    made = checked(outcomes, errors)
    np.testing.assert_allclose(played.right, expected_right(made, (1, 0, 2), ends), atol=1e-9)


def test_recorded_verdicts_are_used_as_they_are_and_rates_where_there_are_none() -> None:
    outcomes = outcomes_of([[0, 1], [1, 1]], accepted=np.array([[1, 1], [np.nan, 1]]))
    made = checked(outcomes, Errors(0.2, 0.3))
    np.testing.assert_allclose(made.passed, np.array([[1, 1], [0.7, 1]]))
    np.testing.assert_allclose(made.proven, np.array([[0, 1], [0.7, 1]]))
    assert differences(outcomes, [0, 1], 1, SOUND)[0] == -1


def test_of_shares_as_few_answers_as_possible_are_both_right_and_passed() -> None:
    made = checked(outcomes_of([[0.6]], accepted=[[0.7]]), SOUND)
    assert made.proven[0, 0] == pytest.approx(0.3)


def test_each_model_may_have_rates_of_its_own() -> None:
    outcomes = outcomes_of([[0, 0, 1]])
    rates = (Errors(0.5), Errors(0.1), SOUND)
    assert differences(outcomes, [0, 2], 2, rates)[0] == pytest.approx(-0.5)
    assert differences(outcomes, [1, 2], 2, rates)[0] == pytest.approx(-0.1)


def test_the_highest_rates_count_where_the_worst_is_asked_for() -> None:
    outcomes = outcomes_of([[0, 1]])
    errors = Errors(0.1, 0.0, highest_accept=0.3)
    assert differences(outcomes, [0, 1], 1, errors)[0] == pytest.approx(-0.3)
    assert differences(outcomes, [0, 1], 1, errors, worst=False)[0] == pytest.approx(-0.1)


@pytest.mark.parametrize("rates", [(SOUND,), (Errors(1.5), SOUND), (Errors(-0.1), SOUND)])
def test_rates_that_are_none_are_refused(rates: tuple[Errors, ...]) -> None:
    with pytest.raises(ValueError, match="rates"):
        checked(outcomes_of([[0, 1]]), rates)


def test_what_was_not_observed_stays_unknown() -> None:
    found = differences(outcomes_of(np.array([[np.nan, 1], [0, 1]])), [0, 1], 1, Errors(0.1))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(-0.1)


def test_rates_may_differ_by_query() -> None:
    right = np.array([[0.0], [0.0]])
    made = by_rates(right, np.array([[0.1], [0.9]]), np.array([[0.0], [0.0]]))
    np.testing.assert_allclose(made.passed[:, 0], [0.1, 0.9])
