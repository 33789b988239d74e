"""Fitting calibrations: against closed forms, known truths, and anything that labels may hold."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp, inf, isfinite, log, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.calibration import Calibration, logistic, logit
from rung.core.fitting import (
    BIAS_PRECISION,
    MARGIN,
    MOST_SIGNALS,
    Labelled,
    estimate,
    fit,
)
from rung.core.isotonic import MOST_STEPS, PULL, rising
from rung.core.logistic import Problem, Pull
from rung.core.quality import Judged, quality
from support.labelled import NAMES, SCORES, labels, simulated, truth

RIGHT, WRONG = True, False
PRIOR = Calibration(("agreement", "logprobs"), (2.0, 0.5), -0.7, labels=50, absent=(0.3, -0.2))


def many(score: float, right: int, wrong: int) -> list[Labelled]:
    said = {"agreement": score}
    return [Labelled(said, RIGHT)] * right + [Labelled(said, WRONG)] * wrong


# ------------------------------------------------------------------ against closed forms


def test_of_two_scores_with_many_labels_the_chances_are_their_shares() -> None:
    labelled = many(0.9, 16_000, 4_000) + many(0.4, 5_000, 15_000)
    found = fit(labelled).calibration
    assert found.probability({"agreement": 0.9}) == pytest.approx(0.8, abs=1e-3)
    assert found.probability({"agreement": 0.4}) == pytest.approx(0.25, abs=1e-3)
    slope = (log(0.8 / 0.2) - log(0.25 / 0.75)) / (logit(0.9) - logit(0.4))
    assert found.weights[0] == pytest.approx(slope, rel=1e-3)


def test_without_signals_the_base_rate_is_drawn_to_the_margin_as_the_equation_says() -> None:
    found = fit([Labelled({}, RIGHT)] * 7 + [Labelled({}, WRONG)] * 3).calibration
    # The penalised likelihood's slope, n (p - share) + precision (bias - prior), is 0 there.
    slope = 10 * (logistic(found.bias) - 0.7) + BIAS_PRECISION * (found.bias + MARGIN)
    assert slope == pytest.approx(0, abs=1e-4)


def test_the_solution_has_no_slope_left() -> None:
    chance = random.Random(3)
    columns = ((1.0,) * 40, *(tuple(chance.gauss(0, 1) for _ in range(40)) for _ in range(2)))
    signs = tuple(1.0 if chance.random() < logistic(x) else -1.0 for x in columns[1])
    weights = [chance.uniform(0.2, 3) for _ in range(40)]
    pulls = (Pull(-1, 1), Pull(0.5, 4), Pull(2, 4))
    found = Problem(columns, signs, pulls).solve(weights)
    for column, pull, value in zip(columns, pulls, found, strict=True):
        slope = pull.precision * (value - pull.toward)
        for place, heavy in enumerate(weights):
            evidence = sum(v * c[place] for v, c in zip(found, columns, strict=True))
            missed = (signs[place] + 1) / 2 - 1 / (1 + exp(-evidence))
            slope -= heavy * missed * column[place]
        assert slope == pytest.approx(0, abs=1e-6)


def test_a_signal_that_points_the_wrong_way_counts_for_nothing() -> None:
    labelled = many(0.9, 50, 150) + many(0.2, 150, 50)
    found = fit(labelled).calibration
    assert found.weights == (0.0,)
    assert found.probability({"agreement": 0.9}) == pytest.approx(0.5, abs=0.02)


def test_steps_are_the_pooled_shares_with_their_pull() -> None:
    chances = [0.1, 0.2, 0.4, 0.6, 0.9]
    rights = [True, False, False, True, True]
    # Answers come one by one into groups of a 20th; the first three violate the order.
    share = (1 + PULL * (0.1 + 0.2 + 0.4)) / (3 + 3 * PULL)
    found = rising(chances, rights, [1.0] * 5)
    assert found[0] == pytest.approx((0.5, share))
    assert found[1] == pytest.approx((0.75, (1 + PULL * 0.6) / (1 + PULL)))
    assert found[2] == pytest.approx((1.0, (1 + PULL * 0.9) / (1 + PULL)))


# ------------------------------------------------------------------ prior and data


def test_nothing_labelled_is_the_prior() -> None:
    assert fit([], PRIOR).calibration == replace(PRIOR, labels=0)
    assert fit([]).calibration.probability({}) == pytest.approx(logistic(-MARGIN))
    assert fit([]).quality_after.n == 0


def test_more_labels_move_from_the_prior_to_the_data() -> None:
    said = {"agreement": 0.8}
    before = PRIOR.probability(said)
    chances = [fit(many(0.8, n, 9 * n), PRIOR).calibration.probability(said) for n in (0, 1, 5, 50)]
    assert chances[0] == pytest.approx(before)
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] == pytest.approx(0.1, abs=0.01)


def test_few_labels_are_less_sure_than_the_signals() -> None:
    found = fit(many(0.9, 2, 0)).calibration
    assert found.probability({"agreement": 0.9}) < 0.9


def test_a_score_that_labels_never_saw_missing_does_not_help_an_answer() -> None:
    found = fit(many(0.9, 60, 20) + many(0.7, 30, 30)).calibration
    assert found.probability({}) < found.probability({"agreement": 0.7})


def test_that_a_signal_was_silent_counts_as_labels_say() -> None:
    silent = [Labelled({"agreement": 0.7}, RIGHT)] * 180 + [
        Labelled({"agreement": 0.7}, WRONG)
    ] * 20
    hedged = {"agreement": 0.7, "hedging": 0.3}
    doubting = [Labelled(hedged, RIGHT)] * 40 + [Labelled(hedged, WRONG)] * 60
    found = fit(silent + doubting).calibration
    assert found.probability({"agreement": 0.7}) == pytest.approx(0.9, abs=0.03)
    assert found.probability(hedged) == pytest.approx(0.4, abs=0.05)


def test_weights_count_as_so_many_labels() -> None:
    light = [Labelled({"agreement": 0.6}, RIGHT, 1.0)] * 300
    heavy = [Labelled({"agreement": 0.6}, WRONG, 3.0)] * 300
    found = fit(light + heavy).calibration
    assert found.probability({"agreement": 0.6}) == pytest.approx(0.25, abs=0.02)


# ------------------------------------------------------------------ known truth


@pytest.mark.parametrize("count", [300, 2500])
def test_chances_become_true_and_are_measured_honestly(count: int) -> None:
    found = fit(simulated(count, 5))
    fresh = simulated(6000, 6)
    judged = [Judged(found.calibration.probability(each.scores), each.right) for each in fresh]
    after, raw = quality(judged), found.quality_before
    assert after.ece is not None
    assert raw.ece is not None
    assert after.ece < 0.5 * raw.ece
    off = [abs(found.calibration.probability(each.scores) - truth(each.scores)) for each in fresh]
    assert sum(off) / len(off) < 0.06
    held_out = found.quality_after
    assert held_out.auroc_between is not None
    assert held_out.auroc_between[0] < (after.auroc or 0) < held_out.auroc_between[1]
    assert held_out.log_loss == pytest.approx(after.log_loss, abs=0.05)


def test_held_out_labels_are_not_those_it_was_fitted_on() -> None:
    """Sixteen signals of noise: what they seem to say vanishes on labels that were left out."""
    chance = random.Random(1)
    names = [f"noise{n:02d}" for n in range(MOST_SIGNALS)]
    labelled = [
        Labelled({name: chance.random() for name in names}, chance.random() < 0.5)
        for _ in range(120)
    ]
    found = fit(labelled)
    seen = quality([Judged(found.calibration.probability(o.scores), o.right) for o in labelled])
    assert (seen.auroc or 0) > 0.65
    assert found.quality_after.auroc_between is not None
    assert found.quality_after.auroc_between[0] < 0.5


def test_steps_stand_on_top_where_the_curve_needs_them() -> None:
    chance = random.Random(2)
    said = [chance.random() for _ in range(3000)]
    bent = [Labelled({"logprobs": s}, chance.random() < (0.9 if s > 0.8 else 0.3)) for s in said]
    found = fit(bent).calibration
    assert 2 <= len(found.steps) <= MOST_STEPS
    assert found.probability({"logprobs": 0.9}) == pytest.approx(0.9, abs=0.05)
    assert found.probability({"logprobs": 0.6}) == pytest.approx(0.3, abs=0.06)
    assert fit(simulated(100)).calibration.steps == ()


# ------------------------------------------------------------------ any labels


@settings(max_examples=60)
@given(labels(), st.booleans(), st.data())
def test_chances_stay_inside_and_rise_with_each_signal(labelled, with_prior, data) -> None:
    found = fit(labelled, PRIOR if with_prior else None).calibration
    assert all(isfinite(n) for n in (found.bias, *found.weights, *found.absent))
    assert all(weight >= 0 for weight in found.weights)
    scores = data.draw(st.dictionaries(st.sampled_from([*NAMES, "unheard"]), SCORES | st.floats()))
    name = data.draw(st.sampled_from(NAMES))
    lower, higher = sorted([data.draw(SCORES), data.draw(SCORES)])
    low = found.probability(scores | {name: lower})
    high = found.probability(scores | {name: higher})
    assert 0 < low <= high < 1
    assert 0 < found.probability(scores) < 1


@settings(max_examples=40)
@given(labels(), st.randoms(use_true_random=False))
def test_the_order_of_labels_does_not_matter(labelled, chance) -> None:
    shuffled = [*labelled]
    chance.shuffle(shuffled)
    assert fit(shuffled) == fit(labelled)


@settings(max_examples=40)
@given(labels(least=1))
def test_the_figures_are_of_the_labels_that_count(labelled) -> None:
    found = fit(labelled)
    counted = [each for each in labelled if each.weight > 0]
    assert found.quality_after.n == found.calibration.labels == len(counted)
    assert found.quality_after.right == sum(each.right for each in counted)
    assert found.quality_before.n <= len(counted)
    assert estimate(labelled).weights == found.calibration.weights


@pytest.mark.parametrize(
    "labelled",
    [
        many(0.9, 1, 0),
        many(0.9, 0, 1),
        many(0.9, 40, 0),
        many(0.9, 0, 40),
        many(1.0, 40, 0) + many(0.0, 0, 40),
        [Labelled({"agreement": nan}, RIGHT), Labelled({"agreement": inf}, WRONG)],
        [Labelled({}, RIGHT)],
        [Labelled({"agreement": 7.0}, RIGHT), Labelled({"agreement": -7.0}, WRONG)],
        [Labelled({"agreement": 0.5}, RIGHT, 1e-9), Labelled({"agreement": 0.5}, WRONG, 1e9)],
        [Labelled({f"signal{n}": 0.5 for n in range(500)}, bool(n % 2)) for n in range(4)],
    ],
    ids=[
        *("one right", "one wrong", "all right", "all wrong", "separable", "no numbers"),
        *("no signals", "outside", "weights", "crowd"),
    ],
)
def test_odd_labels_give_a_sober_calibration(labelled: list[Labelled]) -> None:
    found = fit(labelled)
    assert len(found.calibration.signals) <= MOST_SIGNALS
    for score in (0.0, 0.5, 1.0):
        assert 0 < found.calibration.probability({"agreement": score}) < 1
    assert found.quality_after.n == len(labelled)


@pytest.mark.parametrize("weight", [nan, inf, -1.0, 1e-300, 1e100])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="is no weight"):
        Labelled({}, right=True, weight=weight)


def test_a_broken_prior_cannot_outweigh_labels() -> None:
    prior = Calibration(("agreement",), (1e300,), -inf, absent=(nan,))
    found = fit(many(0.9, 400, 100) + many(0.3, 100, 400), prior).calibration
    assert found.probability({"agreement": 0.9}) == pytest.approx(0.8, abs=0.05)


def test_scores_that_are_no_numbers_are_none() -> None:
    found = PRIOR
    assert found.probability({"agreement": nan}) == found.probability({})
    assert found.probability({"agreement": inf}) == found.probability({})
    assert found.probability({"agreement": 3.0}) == found.probability({"agreement": 1.0})
