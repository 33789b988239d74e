"""Tuning without a check: thresholds on confidence, agreement, and the top model for truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.core.plan import OnExhausted
from rung.tuner.agreeing import Agreement, agree, agreements, as_top_says, served_where_agreed
from rung.tuner.aims import Aim, Basis, Mode
from rung.tuner.fixed_sequence import FIT_SHARE, Bar, confident_ways, sequence, split
from rung.tuner.fixed_sequence import tested as tried
from rung.tuner.gating import Gated, candidates, of_ladder, served
from rung.tuner.odds import Given
from rung.tuner.outcomes import Outcomes
from rung.tuner.simulate import expected
from rung.tuner.unverified import certified_thresholds, policy_of, tune_unverified
from support.noisy_worlds import outcomes_of

AIM = Aim("c", 0.03)


def confident(queries: int, seed: int = 0, *, telling: bool = True) -> Outcomes:
    """Three models, of which the lower two are sure where they are right, or say nothing by it."""
    rng = np.random.default_rng(seed)
    right = (rng.random((queries, 3)) < [0.6, 0.75, 0.9]).astype(float)
    said = np.clip(0.5 + (right - 0.5) * 0.7 + rng.normal(0, 0.12, right.shape), 0.01, 0.99)
    if not telling:
        said = rng.random(right.shape)
    return outcomes_of(right, confidence=said)


def agreeing(queries: int, seed: int = 0) -> Outcomes:
    """Wrong answers of different models are different ones; answer 0 is the right one."""
    rng = np.random.default_rng(seed)
    right = rng.random((queries, 3)) < [0.8, 0.85, 0.95]
    answers = np.where(right, 0, rng.integers(1, 60, right.shape))
    return outcomes_of(right.astype(float), answers=answers)


# ------------------------------------------------------------------ one ladder


def test_a_threshold_serves_who_is_sure_and_asks_the_next_otherwise() -> None:
    outcomes = outcomes_of(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]],
        cost=[[1, 10, 100]] * 4,
        confidence=np.array([[0.9, 0, 0], [0.2, 0.8, 0], [0.2, 0.2, 0], [np.nan, 0.1, 0]]),
    )
    made = served(outcomes, Gated((0, 1, 2), (0.9, 0.5)))
    np.testing.assert_array_equal(made.right, [1, 1, 1, 0])
    np.testing.assert_array_equal(made.cost, [1, 11, 111, 111])


def test_every_candidate_is_one_that_replaying_serves_the_same() -> None:
    outcomes = confident(60)
    ways = of_ladder(outcomes, (0, 1, 2))
    assert len(ways) > 3
    for way in ways:
        played = expected(outcomes, policy_of(outcomes.models, way), Given.NO_CHECK)
        found = served(outcomes, way)
        np.testing.assert_allclose(played.right, found.right)
        np.testing.assert_allclose(played.cost, found.cost)


def test_candidates_cost_less_below_than_the_reference_and_have_all_lengths() -> None:
    outcomes = confident(200)
    found = candidates(outcomes, 1, 3)
    assert {way.columns for way in found} == {(0,), (0, 1)}
    assert {len(way.columns) for way in candidates(outcomes, 2, 3)} == {1, 2, 3}
    assert all(0 < each <= 1 for way in found for each in way.thresholds)


# ------------------------------------------------------------------ the sequence


def test_the_sequence_starts_with_the_likeliest_and_goes_on_to_cheaper_ones() -> None:
    outcomes = confident(300)
    parts, bar = split(outcomes, 0), Bar(2, 0.03)
    ways = sequence(parts, confident_ways(parts, bar, AIM), bar)
    costs = [each.fit.cost.mean() for each in ways]
    assert costs == sorted(costs, reverse=True)
    assert [each.likely for each in ways] == sorted((e.likely for e in ways), reverse=True)
    assert costs[0] < parts.fit.cost[:, 2].mean()


def test_nothing_is_tested_after_the_first_that_fails() -> None:
    outcomes = confident(300)
    parts, bar = split(outcomes, 0), Bar(2, 0.0)
    found = tried(parts, sequence(parts, confident_ways(parts, bar, AIM), bar), bar, AIM)
    reached = [each for each in found if each.p_value is not None]
    assert 0 < len(reached) < len(found)
    assert all(each.passed for each in reached[:-1])
    assert not reached[-1].passed
    assert found[: len(reached)] == reached


def test_the_queries_that_test_choose_nothing() -> None:
    outcomes = confident(200)
    parts, bar = split(outcomes, 0), Bar(2, 0.03)
    other = replace(parts, held=outcomes_of(np.zeros((len(parts.held), 3))))
    one, two = (sequence(each, confident_ways(each, bar, AIM), bar) for each in (parts, other))
    assert [each.way for each in one] == [each.way for each in two]


def test_the_promise_holds_on_truth_where_confidence_tells_and_where_it_does_not() -> None:
    for telling in (True, False):
        whole = confident(6000, 1, telling=telling)
        broken = certified = 0
        for draw in range(50):
            rng = np.random.default_rng(draw)
            sample = whole.rows(rng.integers(len(whole), size=200))
            made = tune_unverified(sample, replace(AIM, seed=draw))
            assert made.tuned is not None
            right = expected(whole, made.tuned, Given.NO_CHECK).right.mean()
            certified += made.certified
            broken += made.certified and right < whole.correct[:, 2].mean() - 0.03
        # A tenth of 50 may break; more than 10 would happen less than once in a hundred.
        assert broken <= 10
        assert certified > 40 if telling else certified < 40


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.PROOF])
def test_telling_confidence_is_certified_and_saves(mode: Mode) -> None:
    made = tune_unverified(confident(500), replace(AIM, mode=mode))
    assert made.certificate.basis is (Basis.PROOF if mode is Mode.PROOF else Basis.TESTED)
    assert made.tuned is not None
    *lower, top = made.tuned.whole.rungs
    assert all(rung.min_confidence is not None for rung in lower)
    assert top.min_confidence is None
    assert made.tuned.whole.on_exhausted is OnExhausted.BEST
    assert made.saved is not None
    assert made.saved.low > 0.3
    assert made.needed is None
    assert made.n == 500
    assert f"{round(FIT_SHARE * 500)} queries chose" in " ".join(made.certificate.assumptions)


def test_without_a_certificate_it_is_the_baseline_and_how_many_queries_would_do() -> None:
    silent = confident(120, telling=False)
    made = tune_unverified(silent, replace(AIM, max_loss=0.01, confidence=0.99))
    assert made.certificate.basis is Basis.NOTHING
    assert made.tuned is not None
    assert [rung.tier for rung in made.tuned.whole.rungs] == ["c"]
    assert "Not certified: use c." in made.advice
    assert made.needed is None or made.needed > 120


def test_against_a_number_nothing_certified_recommends_nothing() -> None:
    made = tune_unverified(confident(120), Aim(quality=0.999))
    assert made.tuned is None
    assert not made.certified
    easy = tune_unverified(confident(300), Aim(quality=0.5))
    assert easy.certified
    assert easy.target == 0.5


def test_without_a_guarantee_what_looks_good_enough_is_taken_and_said_to_be_so() -> None:
    made = tune_unverified(confident(300), replace(AIM, max_loss=0.0, mode=Mode.NONE))
    assert made.tuned is not None
    assert len(made.tuned.whole.rungs) > 1
    assert made.certificate.basis is Basis.NOTHING
    assert not any(each.certified for each in made.alternatives)


def test_the_same_seed_gives_the_same_answer() -> None:
    outcomes = confident(200)
    one, two = (tune_unverified(outcomes, AIM) for _ in range(2))
    assert replace(one, seconds=0) == replace(two, seconds=0)


def test_thresholds_of_one_ladder_are_certified_or_there_are_none() -> None:
    found = certified_thresholds(confident(500), ["a", "b", "c"], 0.05, 0.9, 0)
    assert found is not None
    assert len(found.thresholds) == 2
    assert found.p_value <= 0.1
    assert found.saved > 0.2
    assert certified_thresholds(confident(60), ["a", "c"], 0.0, 0.999, 0) is None


# ------------------------------------------------------------------ agreement


def test_two_that_agree_are_served_and_else_the_top_at_the_cost_of_all() -> None:
    outcomes = outcomes_of(
        [[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 1]],
        cost=[[1, 10, 100]] * 4,
        answers=[[5, 5, 6], [1, 2, 2], [3, 3, 4], [-1, -1, 0]],
    )
    made = served_where_agreed(outcomes, Agreement(0, 1, 2))
    np.testing.assert_array_equal(agree(outcomes, 0, 1), [True, False, True, False])
    np.testing.assert_array_equal(made.right, [1, 1, 0, 1])
    np.testing.assert_array_equal(made.cost, [11, 111, 11, 111])


def test_only_pairs_that_cost_less_than_the_top_and_mostly_answer_are_tried() -> None:
    answers = np.zeros((40, 4), dtype=int)
    answers[:10, 1] = -1
    outcomes = outcomes_of(np.ones((40, 4)), cost=[[1, 2, 3, 9]] * 40, answers=answers)
    assert agreements(outcomes, 3) == [Agreement(0, 2, 3)]
    assert agreements(outcomes, 2) == []


def test_an_agreement_that_holds_is_advised_with_its_figures() -> None:
    made = tune_unverified(agreeing(600), AIM)
    said = " ".join(made.advice)
    assert "Serve a where b says the same, else c: saves" in said
    assert "certified at 90%" in said


def test_the_top_models_answers_stand_in_for_truth_only_where_that_is_asked() -> None:
    outcomes = replace(agreeing(600), correct=np.full((600, 3), np.nan))
    with pytest.raises(RequestError, match="unknown"):
        tune_unverified(outcomes, AIM)
    made = tune_unverified(outcomes, replace(AIM, max_loss=0.2), as_top=True)
    assert made.baseline is not None
    assert made.baseline.quality.value == 1
    assert made.certificate.assumptions[0].startswith("This is agreement with c, not truth")


def test_no_more_is_lost_on_truth_than_differs_from_the_top() -> None:
    truth = agreeing(400)
    seen = as_top_says(truth, 2)
    for gate in agreements(truth, 2):
        lost = truth.correct[:, 2].mean() - served_where_agreed(truth, gate).right.mean()
        assert lost <= 1 - served_where_agreed(seen, gate).right.mean() + 1e-12
    np.testing.assert_array_equal(seen.correct[:, 2], 1)


# ------------------------------------------------------------------ what cannot be answered


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        (Aim(), "no target"),
        (Aim("z"), "no model 'z'"),
        (Aim(budget_usd=1.0), "budget certifies nothing"),
    ],
)
def test_an_aim_that_cannot_be_answered_is_refused(aim: Aim, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        tune_unverified(confident(100), aim)


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(RequestError, match="too few"):
        tune_unverified(confident(12), AIM)


def test_answers_are_needed_where_the_top_stands_in_for_truth() -> None:
    with pytest.raises(RequestError, match="no answers"):
        tune_unverified(confident(100), AIM, as_top=True)


def test_without_confidence_single_models_are_all_there_is_and_that_is_said() -> None:
    made = tune_unverified(replace(confident(200), confidence=None), AIM)
    assert any("no `confidence`" in each for each in made.advice)
    assert all(len(each.tuned.whole.rungs) == 1 for each in made.alternatives)


def test_models_and_queries_of_which_too_little_is_known_are_left_out_and_named() -> None:
    outcomes = confident(200)
    correct, cost = outcomes.correct.copy(), outcomes.cost.copy()
    cost[:50, 1] = np.nan
    correct[7, 0] = np.nan
    made = tune_unverified(replace(outcomes, correct=correct, cost=cost), AIM)
    assert made.n == 199
    assert made.warnings == (
        "Left out for what is unknown of them: b.",
        "1 queries are incomplete and left out.",
    )
    with pytest.raises(RequestError, match="of b 25% of the outcomes"):
        tune_unverified(replace(outcomes, cost=cost), Aim("b"))
