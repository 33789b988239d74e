"""Playing all queries at once gives what the engine gives, query by query."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.plan import OnExhausted, Rung
from rung.tuner.aims import Errors, Part, Tuned
from rung.tuner.odds import Given, Verdicts, draw_verdicts
from rung.tuner.played import FIGURES
from rung.tuner.replaying import replay
from rung.tuner.simulate import expected, play
from support.replays import any_replay, assert_same, ladder, outcomes_of, worlds


@settings(max_examples=200, deadline=None)
@given(any_replay(), st.integers(0, 5))
def test_any_policy_over_any_outcomes_plays_as_the_engine_plays_it(case, seed) -> None:
    outcomes, tuned, checking = case
    verdicts = draw_verdicts(outcomes, checking, seed)
    assert_same(play(outcomes, tuned, verdicts), replay(outcomes, tuned, verdicts))


# ------------------------------------------------------------------ all of them, on small ladders

CALLS = list(product((True, False), (0.2, 0.8), (1.0, 4.0), (0.5, 1.5)))
"""Passed or not, confidence, cost, seconds. Right is whether the first or the second passed."""
LIMITS = (
    {},
    {"cost_cap_nanousd": 5},
    {"cost_cap_nanousd": 4},
    {"deadline_seconds": 1.5},
    {"deadline_seconds": 2.0, "cost_cap_nanousd": 6},
)
RUNGS = (
    (Rung("a"), Rung("b")),
    (Rung("a", min_confidence=0.5), Rung("b")),
    (Rung("a", min_confidence=0.8), Rung("b", min_confidence=0.9)),
    (Rung("a", samples=2), Rung("b", repairs=1)),
    (Rung("a", repairs=1, min_confidence=0.0), Rung("b", most_spent_nanousd=4)),
    (Rung("a", repairs=1), Rung("b", most_spent_nanousd=1, samples=2)),
    (Rung("a"), Rung("b", reach=0.5)),
)


def every_pair_of_calls() -> tuple:
    """One query for each pair of what two models may do; second draws pass where first fail."""
    pairs = list(product(CALLS, repeat=2))
    table = np.array(pairs, np.float64)  # queries x models x (passed, confidence, cost, seconds)
    passed = np.stack([table[:, :, 0], 1 - table[:, :, 0]], axis=2) == 1
    outcomes = outcomes_of(
        table[:, :, 0],
        table[:, :, 2],
        confidence=table[:, :, 1],
        seconds=table[:, :, 3],
        draws=passed[:, :, 1:],
    )
    seeds = np.arange(len(pairs))
    right = passed ^ (seeds % 3 == 0)[:, None, None]
    return outcomes, Verdicts(right, passed, np.ones_like(passed), seeds)


def test_all_that_two_tiers_may_do_under_every_limit_plays_as_the_engine_plays_it() -> None:
    outcomes, verdicts = every_pair_of_calls()
    ends = set()
    for rungs, limits, exhausted in product(RUNGS, LIMITS, (OnExhausted.INBOX, OnExhausted.BEST)):
        tuned = ladder(*rungs, on_exhausted=exhausted, **limits)
        played = play(outcomes, tuned, verdicts)
        assert_same(played, replay(outcomes, tuned, verdicts))
        ends |= set(played.end.tolist())
    assert ends == {0, 1, 2, 3, 4}


def test_without_a_check_two_tiers_play_as_the_engine_plays_them() -> None:
    outcomes, checked = every_pair_of_calls()
    verdicts = Verdicts(checked.right, None, checked.known, checked.seeds)
    for rungs, limits in product((RUNGS[0], RUNGS[1], RUNGS[2], RUNGS[6]), LIMITS):
        tuned = ladder(*rungs, **limits)
        assert_same(play(outcomes, tuned, verdicts), replay(outcomes, tuned, verdicts))


# ------------------------------------------------------------------ expectations


@settings(max_examples=100, deadline=None)
@given(any_replay())
def test_what_is_expected_is_the_mean_over_all_that_may_happen(case) -> None:
    outcomes, tuned, checking = case
    one = outcomes.rows(np.array([0]))
    one = outcomes_of(
        one.correct[:, :2],
        one.cost[:, :2],
        confidence=None if one.confidence is None else one.confidence[:, :2],
        accepted=None if one.accepted is None else one.accepted[:, :2],
        seconds=None if one.seconds is None else one.seconds[:, :2],
    )
    rungs = [
        Rung(
            each.tier,
            min_confidence=each.min_confidence,
            most_spent_nanousd=each.most_spent_nanousd,
        )
        for each in tuned.whole.rungs
        if each.tier in one.models
    ]
    if not rungs:
        return
    tuned = ladder(
        *rungs,
        on_exhausted=tuned.whole.on_exhausted,
        min_confidence=tuned.whole.min_confidence,
        cost_cap_nanousd=tuned.whole.cost_cap_nanousd,
        deadline_seconds=tuned.whole.deadline_seconds,
    )
    found = expected(one, tuned, checking)
    every = [(chance, play(one, tuned, world)) for chance, world in worlds(one, checking, [1])]
    if not found.observed.all():
        # Some way, however unlikely, meets what was not recorded.
        assert any(not played.observed.all() for _, played in every) or not every
        return
    for name in (*FIGURES, "shares", "ends"):
        mean = sum(chance * getattr(played, name) for chance, played in every)
        np.testing.assert_allclose(getattr(found, name), mean, atol=1e-9, err_msg=name)


def test_further_draws_and_reach_are_expected_as_they_fall_over_many_worlds() -> None:
    outcomes = outcomes_of(
        [[0.3, 0.6, 0.9]], [[1, 3, 9]], draws=[[[0.5, 0.2], [0.0, 1.0], [0.7, 0.7]]]
    )
    outcomes = outcomes.rows(np.zeros(20_000, np.int64))
    errors = Errors(0.1, 0.2)
    for exhausted, (second, third) in (
        (OnExhausted.INBOX, (0.7, 0.4)),
        (OnExhausted.BEST, (0.4, 0.7)),
    ):
        rungs = Rung("a", samples=2), Rung("b", repairs=1, reach=second), Rung("c", reach=third)
        tuned = ladder(*rungs, on_exhausted=exhausted, cost_cap_nanousd=16)
        found = expected(outcomes.rows(np.array([0])), tuned, errors)
        drawn = play(outcomes, tuned, draw_verdicts(outcomes, errors, 3))
        for name in (*FIGURES, "shares", "ends"):
            worlds_ = getattr(drawn, name)
            if np.isnan(worlds_).all():
                continue
            # Five standard errors of a mean of so many: about one wrong alarm in a million.
            spread = 5 * worlds_.std(axis=0) / np.sqrt(len(outcomes)) + 1e-9
            assert (abs(worlds_.mean(axis=0) - getattr(found, name)[0]) <= spread).all(), name


def test_where_thresholds_and_draws_part_the_ways_both_are_followed() -> None:
    # Half the time the first answer passes unsure and climbs at once; else two more calls are made.
    outcomes = outcomes_of([[0.5, 1.0]], [[1, 10]], confidence=[[0.2, 0.9]], draws=[[[0.0], [1.0]]])
    tuned = ladder(Rung("a", samples=2, min_confidence=0.5), "b")
    found = expected(outcomes, tuned)
    assert found.observed.all()
    assert (found.cost[0], found.calls[0], found.right[0]) == (11.5, 2.5, 1.0)


def test_a_way_that_meets_what_was_not_recorded_leaves_the_query_out_however_unlikely() -> None:
    outcomes = outcomes_of([[0.999, np.nan], [1.0, np.nan]], [[1, 1], [1, 1]])
    found = expected(outcomes, ladder("a", "b"))
    assert found.observed.tolist() == [False, True]
    assert np.isnan(found.cost[0])
    assert found.cost[1] == 1


def test_verdicts_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    outcomes = outcomes_of([[0.5, 0.5]] * 50, [[1, 1]] * 50)
    one, same, other = (draw_verdicts(outcomes, Errors(0.2, 0.2), seed) for seed in (1, 1, 2))
    assert (one.right == same.right).all()
    assert (one.passed == same.passed).all()
    assert (one.right != other.right).any()
    assert draw_verdicts(outcomes, Given.NO_CHECK, 1).passed is None


def test_a_part_of_all_requests_goes_by_its_own_ladder() -> None:
    outcomes = outcomes_of([[1, 1]] * 4000, [[1, 3]] * 4000)
    tuned = Tuned(ladder("a").whole, part=Part(0.25, ladder("b").whole))
    assert expected(outcomes, tuned).cost[0] == 0.75 * 1 + 0.25 * 3
    drawn = play(outcomes, tuned, draw_verdicts(outcomes, Errors(), 1))
    # Four standard errors of a share of 4000.
    assert abs((drawn.served == 1).mean() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
