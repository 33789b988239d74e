"""Rates of the check's errors, measured, and whether certificates may rest on such a check."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import ceil

import numpy as np
import pytest

from rung.core.error_rates import Judged, Labelled
from rung.core.errors import RequestError
from rung.core.selective import upper_bound
from rung.tuner.aims import SOUND, Aim, Errors, Mode
from rung.tuner.losses import most_lost
from rung.tuner.measured import (
    DOUBT_SHARE,
    check_errs,
    ledger_errors,
    measured_errors,
)
from rung.tuner.noisy import NO_TIER, differences
from rung.tuner.noisy_tuning import certified
from rung.tuner.outcomes import Ints, Outcomes
from rung.tuner.rate_scores import ladder_scores
from rung.tuner.trust import MOST_ACCEPTED, advice, labels_needed, trust, withdrawn
from support.noisy_worlds import nested, outcomes_of


def labelled(queries: int, models: int, accept: float, reject: float, seed: int = 0) -> Outcomes:
    rng = np.random.default_rng(seed)
    right = (rng.random((queries, models)) < 0.5).astype(float)
    passes = np.where(right == 1, 1 - reject, accept)
    return outcomes_of(right, accepted=(rng.random(right.shape) < passes).astype(float))


def ladders_of(models: int, reference: int) -> Ints:
    """All of up to two tiers below the reference."""
    lower = [model for model in range(models) if model != reference]
    rows = [(*each, reference) for n in (1, 2) for each in permutations(lower, n)]
    return np.array([(*row, *[NO_TIER] * (3 - len(row))) for row in rows])


# ------------------------------------------------------------------ measured


def test_one_answer_a_query_gives_the_exact_bound_of_clopper_and_pearson() -> None:
    right = [[0]] * 40 + [[1]] * 60
    accepted = [[1]] * 4 + [[0]] * 36 + [[0]] * 6 + [[1]] * 54
    found = measured_errors(outcomes_of(right, accepted=accepted), 0.9)
    doubt = 0.1 * DOUBT_SHARE
    assert (found.false_accept, found.false_reject) == (0.1, 0.1)
    assert found.highest_accept == pytest.approx(upper_bound(4, 40, doubt / 2))
    assert found.highest_reject == pytest.approx(upper_bound(6, 60, doubt / 2))
    assert found.labels == 100
    assert found.doubt == pytest.approx(doubt)


def test_bounds_hold_the_true_rates_as_often_as_they_say() -> None:
    missed = 0
    for seed in range(200):
        found = measured_errors(labelled(60, 3, 0.2, 0.1, seed), 0.6)
        assert found.highest_accept is not None
        assert found.highest_reject is not None
        missed += found.highest_accept < 0.2 or found.highest_reject < 0.1
    # Of 200, 20 may miss; 33 would happen once in a thousand.
    assert missed < 33


def test_answers_that_the_same_query_errs_on_together_count_for_less() -> None:
    one = outcomes_of([[0]] * 100, accepted=[[1]] * 20 + [[0]] * 80)
    same = outcomes_of([[0] * 5] * 100, accepted=[[1] * 5] * 20 + [[0] * 5] * 80)
    by_one, by_five = measured_errors(one), measured_errors(same)
    assert by_five.false_accept == by_one.false_accept == 0.2
    assert by_five.highest_accept == pytest.approx(by_one.highest_accept, abs=1e-6)
    apart = measured_errors(labelled(100, 5, 0.2, 0.2))
    assert (apart.highest_accept or 1) < (by_five.highest_accept or 0)


def test_no_error_among_many_answers_of_few_queries_proves_no_more_than_the_queries() -> None:
    few = measured_errors(outcomes_of([[0] * 10] * 10, accepted=[[0] * 10] * 10))
    assert few.highest_accept == pytest.approx(upper_bound(0, 10, few.doubt / 2))


def test_nothing_labelled_is_nothing_known() -> None:
    for outcomes in (outcomes_of([[0], [1]]), outcomes_of([[0]], accepted=[[np.nan]])):
        found = measured_errors(outcomes)
        assert (found.highest_accept, found.highest_reject, found.labels) == (1.0, 1.0, 0)
        assert withdrawn(found)


def test_a_check_errs_if_it_is_told_or_on_record() -> None:
    agreeing = outcomes_of([[0, 1]], accepted=[[0, np.nan]])
    assert not check_errs(agreeing, SOUND)
    assert not check_errs(outcomes_of([[0, 1]]), SOUND)
    assert check_errs(agreeing, Errors(0.1))
    assert check_errs(outcomes_of([[0, 1]], accepted=[[1, 1]]), SOUND)


def test_a_ledgers_rates_are_those_of_its_labels_with_their_upper_ends() -> None:
    passed = Judged(1000, drawn=Labelled(50, 5))
    failed = Judged(500, drawn=Labelled(50, 45))
    found = ledger_errors(passed, failed)
    # 100 of 1,000 passed are wrong, 450 of 500 failed: 100 of 550 wrong answers were passed.
    assert found.false_accept == pytest.approx(100 / 550)
    assert found.false_reject == pytest.approx(50 / 950)
    assert found.highest_accept is not None
    assert found.false_accept < found.highest_accept < 0.4
    assert (found.labels, found.doubt) == (100, 0.05)


def test_a_ledger_without_labels_counts_as_the_worst() -> None:
    found = ledger_errors(Judged(1000), Judged(500))
    assert (found.highest_accept, found.highest_reject) == (1.0, 1.0)
    assert withdrawn(found)


# ------------------------------------------------------------------ trust


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (SOUND, ""),
        (Errors(0.2, 0.2), ""),
        (Errors(MOST_ACCEPTED, 0.0), ""),
        (Errors(0.51), "passes 51% of wrong answers"),
        (Errors(0.1, highest_accept=0.6, labels=9), "passes up to 60% of wrong answers"),
        (Errors(0.4, 0.7), "proves nothing"),
    ],
)
def test_a_check_that_may_pass_more_than_it_stops_is_not_relied_on(
    errors: Errors, said: str
) -> None:
    found = withdrawn(errors)
    assert said in found
    assert bool(found) == bool(said)


def risky(queries: int = 300) -> Outcomes:
    """The cheap model is right where the other is wrong seldom, and wrong where it is right often.

    So that about an eighth of its wrong answers may pass, if two points may be lost.
    """
    rows = [[1, 0]] * 2 + [[0, 1]] * 28 + [[1, 1]] * 62 + [[0, 0]] * 8
    return outcomes_of(rows * (queries // 100))


TWO = np.array([[0, 1]])


def test_what_is_bearable_is_just_what_its_own_test_bears() -> None:
    aim = Aim("b", 0.02, errors=Errors(0.4))
    found = trust(risky(), TWO, 1, aim)
    assert found.bearable is not None
    assert 0.05 < found.bearable < 0.2
    assert not found.given
    for rate, given in ((found.bearable - 0.002, True), (found.bearable + 0.002, False)):
        assert trust(risky(), TWO, 1, replace(aim, errors=Errors(rate))).given is given


def test_the_advice_names_the_baseline_the_rate_and_the_labels_that_would_do() -> None:
    errors = Errors(0.05, 0.05, highest_accept=0.4, highest_reject=0.2, labels=20, doubt=0.02)
    found = trust(risky(), TWO, 1, Aim("b", 0.02, errors=errors))
    said = " ".join(advice(found, "b"))
    assert "Use b: the check passes up to 40.0% of wrong answers" in said
    assert found.bearable is not None
    assert f"at most about {found.bearable:.1%} of wrong answers would do" in said
    assert found.labels is not None
    assert f"About {found.labels:,} labelled wrong answers" in said
    hits = ceil(errors.false_accept * found.labels)
    assert upper_bound(hits, found.labels, 0.1) <= found.bearable


def test_no_number_of_labels_mends_a_rate_that_is_too_high() -> None:
    assert labels_needed(Errors(0.3, labels=50, doubt=0.02), 0.2, 0.9) is None
    assert labels_needed(Errors(0.1), 0.2, 0.9) is None


def test_where_only_a_sound_check_would_do_or_none_that_is_said() -> None:
    only = outcomes_of([[0, 1]] * 30 + [[0, 0]] * 2)
    found = trust(only, TWO, 1, Aim("b", 0.0, errors=Errors(0.2)))
    assert "next to nothing wrong" in " ".join(advice(found, "b"))
    dear = outcomes_of([[1, 1]] * 50, cost=[[2.0, 1.0]] * 50)
    found = trust(dear, TWO, 1, Aim("b", 0.0, errors=Errors(0.2)))
    assert found.bearable is None
    assert "not even" in " ".join(advice(found, "b"))


def test_of_a_check_that_is_relied_on_nothing_is_advised() -> None:
    assert advice(trust(risky(), TWO, 1, Aim("b", 0.02, errors=Errors(0.01))), "b") == ()


# ------------------------------------------------------------------ certificates


def test_a_loss_that_is_allowed_on_every_query_is_certified_without_a_test() -> None:
    outcomes = outcomes_of([[0, 1]] * 3 + [[1, 1]] * 3)
    found = certified(outcomes, np.array([[0, 1]]), 1, Aim("b", 0.06, errors=Errors(0.05)))
    assert found is not None
    assert (found.columns, found.p_value) == ((0, 1), None)
    assert found.worst == pytest.approx(0.05)


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.PROOF])
def test_a_clear_gain_is_certified_and_a_clear_loss_is_not(mode: Mode) -> None:
    ladders = np.array([[0, 1]])
    aim = Aim("b", 0.02, errors=Errors(0.2, 0.2), mode=mode)
    gain = outcomes_of([[1, 0]] * 60 + [[1, 1]] * 100 + [[0, 1]] * 10)
    loss = outcomes_of([[0, 1]] * 100 + [[1, 1]] * 100)
    found = certified(gain, ladders, 1, aim)
    assert found is not None
    assert found.p_value is not None
    assert found.p_value <= 0.1
    assert certified(loss, ladders, 1, aim) is None


def test_no_certificate_rests_on_a_check_that_is_not_relied_on() -> None:
    gain = outcomes_of([[1, 0]] * 100 + [[1, 1]] * 100)
    ladders = np.array([[0, 1]])
    assert certified(gain, ladders, 1, Aim("b", 0.5, errors=Errors(0.6))) is None
    with pytest.raises(RequestError, match="leaves nothing"):
        certified(gain, ladders, 1, Aim("b", 0.5, errors=Errors(0.1, doubt=0.1)))


def test_one_model_alone_needs_no_check_that_can_be_relied_on() -> None:
    gain = outcomes_of([[1, 0]] * 100 + [[1, 1]] * 100)
    found = certified(gain, np.array([[0, 1], [0, -1]]), 1, Aim("b", 0.0, errors=Errors(0.9)))
    assert found is not None
    assert found.columns == (0,)


def test_what_costs_more_than_the_reference_is_not_recommended() -> None:
    dear = outcomes_of([[1, 0]] * 200, cost=[[5.0, 1.0]] * 200)
    assert certified(dear, np.array([[0, 1]]), 1, Aim("b", 0.0, errors=Errors(0.1))) is None


@pytest.mark.parametrize("margin", [0.0, 0.03])
def test_with_a_fifth_of_errors_either_way_the_promise_holds_on_truth(margin: float) -> None:
    rng = np.random.default_rng(3)
    whole = outcomes_of(nested(4000, (0.55, 0.6, 0.7, 0.75), rng))
    ladders, errors = ladders_of(4, 3), Errors(0.2, 0.2)
    broken = 0
    for draw in range(60):
        sample = whole.rows(rng.integers(len(whole), size=150))
        found = certified(sample, ladders, 3, Aim("d", margin, errors=errors, seed=draw))
        if found is not None:
            gap = differences(whole, found.columns, 3, errors).mean()
            broken += gap < -margin
    # A tenth may break: 6 of 60. More than 12 would happen less than once in a hundred.
    assert broken <= 12


def test_what_is_not_known_of_the_rates_holds_the_promise_as_well() -> None:
    """The rates are measured on 60 answers anew in each draw; the truth is 20% and 20%."""
    rng = np.random.default_rng(4)
    whole = outcomes_of(nested(4000, (0.55, 0.6, 0.7, 0.75), rng))
    ladders = ladders_of(4, 3)
    broken = 0
    for draw in range(60):
        errors = measured_errors(labelled(60, 1, 0.2, 0.2, draw), 0.9)
        sample = whole.rows(rng.integers(len(whole), size=150))
        found = certified(sample, ladders, 3, Aim("d", 0.03, errors=errors, seed=draw))
        if found is not None:
            gap = differences(whole, found.columns, 3, Errors(0.2, 0.2)).mean()
            broken += gap < -0.03
    assert broken <= 12


def test_measured_rates_certify_less_than_rates_that_are_told_and_more_with_more_labels() -> None:
    gain = outcomes_of([[1, 0]] * 20 + [[1, 1]] * 140 + [[0, 1]] * 40)
    known = (
        Errors(0.2, 0.2),
        Errors(0.2, 0.2, 0.25, 0.25, 2000, 0.025),
        Errors(0.2, 0.2, 0.4, 0.4, 100, 0.025),
    )
    found = [float(ladder_scores(gain, TWO, 1, rates, 0.0)[0]) for rates in known]
    assert found[0] > found[1] > found[2] > 0


def test_where_it_matters_rates_are_measured_where_the_reference_is_right_or_wrong() -> None:
    right = [[0, 1]] * 10 + [[0, 0]] * 30 + [[1, 0]] * 20
    accepted = [[1, 1]] * 10 + [[0, 0]] * 30 + [[0, 0]] * 5 + [[1, 0]] * 15
    outcomes = outcomes_of(right, accepted=accepted)
    assert measured_errors(outcomes.of(["a"])).false_accept == 0.25
    found = measured_errors(outcomes, reference=1)
    assert (found.false_accept, found.false_reject) == (1.0, 0.25)


def test_the_worst_loss_of_what_is_certified_is_told() -> None:
    gain = outcomes_of([[1, 0]] * 60 + [[1, 1]] * 100 + [[0, 1]] * 10)
    aim = Aim("b", 0.02, errors=Errors(0.2, 0.2))
    found = certified(gain, np.array([[0, 1]]), 1, aim)
    assert found is not None
    told = most_lost(gain, np.array([[0, 1]]), 1, aim.errors, served=True)[0]
    assert found.worst == pytest.approx(told) == pytest.approx(0.2)
