"""Advice beside a recommendation: right where the truth is known, and silent where it is noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rung.core.plan import Policy, Rung
from rung.tuner.advice import FEWEST, Advice, Step, advice, checking, dropped, gapless, without
from rung.tuner.aims import Aim, Errors, Part, Tuned
from rung.tuner.heldout import dealt, table
from rung.tuner.likeness import likeness
from rung.tuner.outcomes import Outcomes
from rung.tuner.worth import Gain, worth
from support.outcomes_made import apart, independent, made, nested, with_gaps
from support.recommended import ladder_of


def of(found: tuple[Advice, ...], step: Step) -> Advice:
    return next(each for each in found if each.step is step)


def asked(outcomes: Outcomes, reference: str, **aim: object) -> tuple[Advice, ...]:
    return advice(outcomes, Aim(baseline=reference, **aim), reference)


# ------------------------------------------------------------------ ladders


def test_two_tiers_pay_where_a_cheap_model_is_often_right_and_the_interval_has_the_truth():
    world = independent((0.6, 0.8), (0.01, 0.10))
    truth = 1 - world.cost(0, 1) / 0.10
    inside = 0
    for seed in range(12):
        found = of(asked(world.drawn(300, seed), "m1"), Step.TWO_TIERS)
        assert (found.ladder, found.than, found.held_out) == (("m0", "m1"), ("m1",), True)
        assert found.pays is True
        assert found.worth is not None
        inside += found.worth.saved.low <= truth <= found.worth.saved.high
    assert inside >= 8  # of intervals that have it nine times in ten


@pytest.mark.parametrize(
    "world",
    [independent((0.0, 0.8), (0.01, 0.10)), nested((0.05, 0.8), (0.09, 0.10))],
    ids=["never right", "nearly as dear"],
)
def test_one_model_is_the_answer_where_no_tier_below_it_saves_anything(world):
    found = of(asked(world.drawn(300, 1), "m1"), Step.TWO_TIERS)
    assert found.pays is False
    assert found.says.startswith("Use one model")


def test_a_middle_tier_pays_where_it_rescues_what_the_lowest_fails():
    world = apart((0.4, 0.4, 0.2), (0.01, 0.02, 0.50))
    found = of(asked(world.drawn(400, 2), "m2"), Step.MIDDLE_TIER)
    assert set(found.ladder) == {"m0", "m1", "m2"}
    assert found.pays is True
    assert found.worth is not None
    assert found.worth.chance > 0.99


def test_a_middle_tier_that_is_worth_nothing_is_seldom_said_to_pay():
    """The best of ten useless models looks good on the data that chose it; held out it does not."""
    prices = (0.10, *(0.05 for _ in range(10)), 1.0)
    world = nested((0.5, *(0.5 for _ in range(10)), 0.9), prices)
    said = [of(asked(world.drawn(120, seed), "m11"), Step.MIDDLE_TIER).pays for seed in range(20)]
    assert said.count(True) <= 3


def test_no_middle_tier_is_named_where_none_makes_the_ladder_cheaper():
    world = nested((0.6, 0.6, 0.8), (0.01, 0.01, 0.10))
    found = of(asked(world.drawn(300, 3), "m2"), Step.MIDDLE_TIER)
    assert found.pays is False
    assert len(found.ladder) == 2


# ------------------------------------------------------------------ routing


def routed(shuffled: bool, seed: int = 4, n: int = 400) -> Outcomes:
    """The cheap model costs half of the dear one, and is right on every easy query and no hard."""
    draws = np.random.default_rng(seed)
    hard = draws.random(n) < 0.5
    right = np.stack([~hard, np.ones(n, bool)], axis=1)
    told = draws.permutation(hard) if shuffled else hard
    words = ("prove that", "say hello to")
    return replace(
        made(right, (0.05, 0.10), categories=["hard" if each else "easy" for each in told]),
        prompts=tuple(f"{words[0 if each else 1]} x{i % 9}" for i, each in enumerate(told)),
    )


@pytest.mark.parametrize("step", [Step.CATEGORY, Step.PROMPT])
def test_starting_hard_requests_at_the_top_pays_where_it_is_known_which_are_hard(step: Step):
    found = of(asked(routed(shuffled=False), "m1"), step)
    assert found.pays is True
    assert found.worth is not None
    # Half of the requests skip a call at half the price, of three halves on the mean.
    assert found.worth.saved.value == pytest.approx(0.25 / 1.0, abs=0.05)


def test_what_says_nothing_about_difficulty_is_seldom_said_to_pay():
    told = [asked(routed(shuffled=True, seed=seed, n=200), "m1") for seed in range(12)]
    for step in (Step.CATEGORY, Step.PROMPT):
        assert [of(found, step).pays for found in told].count(True) <= 2


def confident(informed: bool, seed: int = 5, n: int = 600) -> Outcomes:
    draws = np.random.default_rng(seed)
    cheap, dear = draws.random(n) < 0.7, draws.random(n) < 0.8
    sure = (
        np.where(cheap, draws.beta(8, 2, n), draws.beta(2, 8, n)) if informed else draws.random(n)
    )
    confidence = np.stack([sure, np.full(n, np.nan)], axis=1)
    return replace(made(np.stack([cheap, dear], axis=1), (0.01, 0.10)), confidence=confidence)


def test_confidence_pays_where_it_tells_right_from_wrong():
    found = of(asked(confident(informed=True), "m1", max_loss=0.05), Step.CONFIDENCE)
    assert found.pays is True
    assert found.worth is not None
    assert found.worth.quality.low >= -0.05


def test_confidence_that_tells_nothing_is_never_said_to_pay():
    for seed in range(5):
        found = of(asked(confident(informed=False, seed=seed), "m1"), Step.CONFIDENCE)
        assert found.pays is not True


@pytest.mark.parametrize(
    ("step", "lacks"),
    [
        (Step.CONFIDENCE, "`confidence`"),
        (Step.CATEGORY, "one category"),
        (Step.PROMPT, "`prompt`"),
    ],
)
def test_what_the_outcomes_do_not_have_is_said_and_not_judged(step: Step, lacks: str):
    found = of(asked(independent((0.5, 0.9)).drawn(100, 6), "m1"), step)
    assert (found.pays, found.worth) == (None, None)
    assert lacks in found.says


# ------------------------------------------------------------------ one tier less


def test_a_tier_that_only_costs_is_to_be_dropped_and_one_that_rescues_kept():
    world = independent((0.6, 0.0, 0.8), (0.01, 0.02, 0.10))
    outcomes = world.drawn(400, 7)
    found = dropped(outcomes, Aim(baseline="m2"), ladder_of("m0", "m1", "m2"), chosen_here=True)
    assert [each.pays for each in found] == [False, True, False]
    assert [each.ladder for each in found] == [("m1", "m2"), ("m0", "m2"), ("m0", "m1")]
    assert not any(each.held_out for each in found)
    assert found[1].says.startswith("Drop m1")
    assert "chosen by" in found[1].says
    fair = dropped(outcomes, Aim(baseline="m2"), ladder_of("m0", "m1", "m2"), chosen_here=False)
    assert all(each.held_out for each in fair)


def test_dropping_the_top_saves_money_and_is_not_advised_because_quality_falls():
    outcomes = independent((0.3, 0.9), (0.01, 0.10)).drawn(200, 8)
    top = dropped(outcomes, Aim(baseline="m1"), ladder_of("m0", "m1"), chosen_here=True)[1]
    assert top.worth is not None
    assert top.worth.saved.low > 0
    assert top.pays is False


def test_a_share_that_goes_by_another_ladder_counts_by_its_share():
    world = independent((0.6, 0.7, 0.9), (0.01, 0.02, 0.50))
    outcomes = world.drawn(4000, 7)
    mixed = replace(ladder_of("m0", "m2"), part=Part(0.4, ladder_of("m0", "m1").whole))
    first = dropped(outcomes, Aim(baseline="m2"), mixed, chosen_here=True)[0]
    before = 0.6 * world.cost(0, 2) + 0.4 * world.cost(0, 1)
    after = 0.6 * world.cost(2) + 0.4 * world.cost(1)
    assert first.worth is not None
    assert first.worth.saved.value == pytest.approx(1 - after / before, rel=0.1)


def test_a_ladder_of_one_has_no_tier_to_drop():
    outcomes = independent((0.3, 0.9)).drawn(100, 9)
    assert dropped(outcomes, Aim(), ladder_of("m1"), chosen_here=True) == ()


def test_a_tier_is_left_out_of_every_category_but_one_that_has_no_other():
    whole = Policy("", (Rung("a"), Rung("b")))
    tuned = Tuned(whole, {"x": Policy("x", (Rung("b"),)), "y": Policy("y", (Rung("b"), Rung("c")))})
    left = without(tuned, "b")
    assert [rung.tier for rung in left.whole.rungs] == ["a"]
    assert [rung.tier for rung in left.of("x").rungs] == ["b"]
    assert [rung.tier for rung in left.of("y").rungs] == ["c"]


# ------------------------------------------------------------------ a check that errs


def test_what_a_check_lets_through_is_told_as_a_loss_and_no_ladder_is_said_to_pay_for_it():
    outcomes = independent((0.3, 0.9), (0.01, 0.10)).drawn(400, 10)
    errors = Errors(false_accept=0.5)
    found = of(asked(outcomes, "m1", errors=errors), Step.TWO_TIERS)
    assert found.pays is not True
    sound = of(asked(outcomes, "m1"), Step.TWO_TIERS)
    assert sound.pays is True


def test_what_the_check_said_is_taken_at_its_word_where_it_is_on_record():
    outcomes = independent((0.3, 0.9), (0.01, 0.10)).drawn(400, 10)
    lax = replace(outcomes, accepted=np.ones_like(outcomes.correct))
    first = dropped(lax, Aim(baseline="m1"), ladder_of("m0", "m1"), chosen_here=False)[0]
    assert first.worth is not None
    # All that the first tier says passes: without it all goes to the second.
    assert first.worth.saved.value == pytest.approx(-9.0)
    gaps = replace(lax, accepted=np.full_like(outcomes.correct, np.nan))
    assert checking(gaps, Errors(0.1)) == Errors(0.1)


# ------------------------------------------------------------------ the means


def test_the_same_seed_gives_the_same_advice():
    outcomes = routed(shuffled=False)
    assert asked(outcomes, "m1") == asked(outcomes, "m1")


def test_too_few_queries_are_no_ground_for_advice():
    assert asked(independent((0.5, 0.9)).drawn(FEWEST - 1, 1), "m1") == ()


def test_queries_with_gaps_are_left_out_and_models_hardly_seen_too():
    outcomes = with_gaps(independent((0.5, 0.6, 0.9)).drawn(200, 11), 0.1, seed=1)
    hardly = replace(outcomes, correct=outcomes.correct.copy(), cost=outcomes.cost.copy())
    hardly.correct[10:, 1] = np.nan
    known = gapless(hardly, "m2")
    assert known.models == ("m0", "m2")
    assert np.isfinite(known.correct).all()
    assert 100 < len(known) < 200
    assert gapless(hardly, "m1").models == ("m0", "m1", "m2")


def test_weights_count_as_so_many_queries():
    outcomes = independent((0.5, 0.9), (0.01, 0.10)).drawn(100, 12)
    twice = np.repeat(np.arange(100), np.where(np.arange(100) < 50, 2, 1))
    heavy = replace(outcomes, weight=np.where(np.arange(100) < 50, 2.0, 1.0))
    found, same = (table(each, "m1", Errors()) for each in (heavy, outcomes.rows(twice)))
    cost = found.two(0)[0]
    assert found.weight @ cost / found.weight.sum() == pytest.approx(same.two(0)[0].mean())


def test_each_query_is_held_out_once_a_deal():
    outside = [place for _, fold in dealt(53, np.random.default_rng(0)) for place in fold]
    assert sorted(outside) == list(range(53))
    for inside, fold in dealt(53, np.random.default_rng(0)):
        assert not set(inside) & set(fold)


@pytest.mark.parametrize("size", [30, 5003])
def test_an_interval_of_what_is_saved_is_that_of_a_mean_of_differences(size: int):
    draws = np.random.default_rng(13)
    cost, than = draws.exponential(1.0, size), draws.exponential(2.0, size)
    right = np.zeros(size)
    made_of = worth(Gain(cost, than, right, right), np.ones(size), 0.9, np.random.default_rng(1))
    ratio = cost.mean() / than.mean()
    # The delta method's standard error of a ratio of means.
    error = np.std(cost - ratio * than) / than.mean() / np.sqrt(size)
    assert made_of.saved.value == pytest.approx(1 - ratio)
    assert made_of.saved.high - made_of.saved.low == pytest.approx(2 * 1.645 * error, rel=0.25)


def test_prompts_of_the_same_words_are_alike_and_others_are_not():
    alike = likeness(["sort this list in go", "sort this list in go", "write a poem about rain"])
    assert alike[0, 1] == pytest.approx(1.0)
    assert alike[0, 2] < 0.3
    assert np.allclose(np.diag(alike), 1.0)
