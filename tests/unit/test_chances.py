"""Chances by traits: fits, calibration, priors."""

from __future__ import annotations

import random
from math import log

import pytest

from rung.core.chances import Chances, Example, fit, folds_of, train
from rung.core.quality import Judged, quality


def world(count: int, seed: int = 0) -> list[Example]:
    """Requests of two kinds, told apart by one trait of twenty; the first kind mostly passes."""
    draws = random.Random(seed)
    found = []
    for _ in range(count):
        kind = draws.random() < 0.5
        noise = draws.sample(range(100, 400), 20)
        passed = draws.random() < (0.85 if kind else 0.35)
        found.append(Example((7 if kind else 8, *noise), float(passed)))
    return found


def test_held_out_chances_rank_and_mean_what_they_say() -> None:
    seen = world(1500)
    told = train(seen)
    pairs = zip(told.held_out, seen, strict=True)
    measured = quality([Judged(chance, one.passed > 0.5) for chance, one in pairs])
    assert measured.auroc is not None
    assert measured.auroc > 0.7
    assert measured.ece is not None
    assert measured.ece < 0.06


def test_noise_is_not_taken_for_knowledge() -> None:
    draws = random.Random(1)
    rows = [
        Example(tuple(draws.sample(range(500), 30)), float(draws.random() < 0.6))
        for _ in range(800)
    ]
    pairs = zip(train(rows).held_out, rows, strict=True)
    between = quality([Judged(c, one.passed > 0.5) for c, one in pairs]).auroc_between
    assert between is not None
    assert between[0] < 0.53


def test_the_order_of_outcomes_does_not_matter() -> None:
    rows = world(200)
    assert fit(rows) == fit(rows[::-1])


@pytest.mark.parametrize("passed", [0.0, 1.0])
def test_outcomes_of_one_kind_give_no_certainty(passed: float) -> None:
    made = train([Example((1, 2, each), passed) for each in range(3, 60)]).chances
    assert 0.001 < made.of((1, 2, 3)) < 0.999


def test_nothing_to_learn_from_gives_even_odds() -> None:
    assert train([]).chances.of((1, 2, 3)) == 0.5


def test_a_prior_speaks_where_there_are_few_outcomes_and_little_where_there_are_many() -> None:
    wrong = Chances(0.0, {7: -1.0, 8: 1.0})
    few, many = fit(world(5), wrong), fit(world(4000), wrong)
    assert few.raw((7,)) < few.raw((8,))
    assert many.raw((7,)) > many.raw((8,))


def test_weights_of_examples_count_as_repeats() -> None:
    once = fit([Example((1,), 1.0, 3.0), Example((2,), 0.0)])
    thrice = fit([Example((1,), 1.0)] * 3 + [Example((2,), 0.0)])
    assert once.base == pytest.approx(thrice.base)
    assert once.raw((1,)) == pytest.approx(thrice.raw((1,)), abs=0.01)


def test_the_base_rate_is_met_without_any_trait() -> None:
    made = fit([Example((), 1.0)] * 30 + [Example((), 0.0)] * 10)
    assert made.base == pytest.approx(log(31 / 11), abs=1e-3)


def test_folds_are_even_and_differ_by_seed() -> None:
    assert sorted(folds_of(10)) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert folds_of(50) != folds_of(50, seed=1)
