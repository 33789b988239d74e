"""Mixtures against what each query gains, and how often anything false is found among many."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest

from rung.tuner.choice import run
from rung.tuner.family import Family, family, patterns
from rung.tuner.giving_up import giving_up
from rung.tuner.outcomes import Outcomes
from rung.tuner.paired import exact_z
from rung.tuner.proof import safe_ladder
from rung.tuner.stepdown import (
    FEW,
    SHARES,
    Bar,
    Mixtures,
    Pairs,
    inside,
    mixtures,
    pairs,
    resampled,
    significant,
    step_down,
)
from support.outcomes_made import World, alike, correlated, independent

SEEDS = 60


def compared(
    outcomes: Outcomes, reference: int, tiers: int, margin: float, *, give_up: bool = False
) -> tuple[Family, Pairs, Mixtures, int]:
    found = family(patterns(outcomes), tiers)
    safe = safe_ladder(found, reference)
    given = giving_up(outcomes, found, reference, safe, tiers) if give_up else None
    tried = pairs(found, reference, safe, given)
    return found, tried, mixtures(found, tried, safe, margin), safe


def found_in(outcomes: Outcomes, reference: int, tiers: int, margin: float, seed: int = 0) -> Bar:
    found, tried, mixed, _ = compared(outcomes, reference, tiers, margin)
    return step_down(found, tried, mixed, 0.1, seed)


# ------------------------------------------------------------------ what a mixture is


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.03])
def test_a_mixture_costs_and_gains_what_its_share_of_each_query_does(
    margin, grouped, monkeypatch
) -> None:
    monkeypatch.setattr("rung.tuner.family.FEW", 0 if grouped else 10**9)
    outcomes = correlated([0.5, 0.6, 0.7, 0.75], 0.4, 150, 3)
    outcomes.cost[:] *= np.random.default_rng(1).uniform(0.5, 3, (150, 1))
    outcomes.cost[:, 3] *= 5
    found, tried, mixed, safe = compared(outcomes, 3, 3, margin, give_up=True)
    assert np.isfinite(tried.limit).any()
    assert np.isnan(tried.limit).any()
    kept = run(outcomes, found.columns(safe))
    alone = outcomes.correct[:, 3]
    for place in range(mixed.z.size):
        row, share = int(mixed.ladder[place]), float(mixed.share[place])
        cheap, limit = found.columns(int(tried.cheap[row])), float(tried.limit[row])
        made = run(outcomes, cheap) if np.isnan(limit) else run(outcomes, (*cheap, 3), limit)
        gains = share * made.right + (1 - share) * kept.right - alone
        cost = share * made.cost + (1 - share) * kept.cost
        assert mixed.cost[place] == pytest.approx(float(cost.mean()))
        assert mixed.gain[place] == pytest.approx(float(gains.mean()) + margin, abs=1e-6)
        if share > margin:
            # Where patterns stand for queries, who gave up is known as a share of each alone.
            rough = 1e-6 if np.isnan(limit) or not grouped else 0.05
            assert mixed.error[place] == pytest.approx(float(gains.std()), abs=rough)
        assert made.cost.mean() < kept.cost.mean()


def test_all_of_the_requests_by_one_ladder_are_tested_exactly() -> None:
    outcomes = correlated([0.5, 0.6, 0.7], 0.3, 90, 4)
    found, tried, mixed, _ = compared(outcomes, 2, 2, 0.02)
    whole = np.flatnonzero(np.isclose(mixed.share, 1.0))
    assert whole.size == tried.cheap.size == 3
    for place in whole:
        ladder = found.columns(int(tried.cheap[mixed.ladder[place]]))
        gains = outcomes.correct[:, list(ladder)].max(axis=1) - outcomes.correct[:, 2]
        b, c = (np.array([int((gains == sign).sum())]) for sign in (1, -1))
        assert mixed.z[place] == exact_z(b, c, 90, 0.02)[0]


def test_no_pair_has_the_reference_or_costs_more_than_what_is_safe() -> None:
    outcomes = correlated([0.5, 0.6, 0.7, 0.8], 0.3, 80, 5)
    found, tried, _, safe = compared(outcomes, 2, 3, 0.0, give_up=True)
    assert all(2 not in found.columns(int(place)) for place in tried.cheap)
    assert (tried.cost < found.cost[safe]).all()
    assert (np.diff(SHARES) > 0).all()


def test_a_share_within_the_margin_passes_whatever_the_ladder() -> None:
    world = World({(0, 1): 0.9, (0, 0): 0.1}, (0.01, 0.5))
    found, tried, mixed, _ = compared(world.drawn(60, 1), 1, 2, 0.1)
    bar = step_down(found, tried, mixed, 0.1, 0)
    hopeless = np.array([found.columns(int(place)) == (0,) for place in tried.cheap])
    shares = mixed.share[bar.passed & hopeless[mixed.ladder]]
    assert shares.tolist() == [0.05, 0.1]


# ------------------------------------------------------------------ what is found


def test_a_ladder_far_below_is_never_found() -> None:
    world = independent((0.3, 0.35, 0.9), (0.01, 0.02, 0.2))
    for seed in range(20):
        assert not found_in(world.drawn(150, seed), 2, 1, 0.02).passed.any()


def test_a_ladder_that_is_clearly_better_is_found_nearly_always() -> None:
    world = independent((0.8, 0.6), (0.01, 0.2))
    hits = [found_in(world.drawn(150, seed), 1, 1, 0.0).passed.any() for seed in range(20)]
    assert sum(hits) >= 18


def test_what_is_found_depends_on_the_seed_and_on_nothing_else() -> None:
    outcomes = correlated([0.55, 0.6, 0.62, 0.6], 0.5, 200, 8)
    one, same, other = (found_in(outcomes, 3, 2, 0.02, seed) for seed in (5, 5, 6))
    assert one.z == same.z
    assert np.array_equal(one.passed, same.passed)
    assert one.z != other.z


def test_among_many_that_are_just_worse_hardly_ever_one_is_found() -> None:
    """Each by itself is found at its level, and some one of them much more often than that."""
    world = independent([0.6] * 9 + [0.605], [0.01] * 9 + [0.5])
    rows = np.random.default_rng(0).random((SEEDS, 150, 10)) < [0.6] * 9 + [0.605]
    alone = together = 0
    plain = NormalDist().inv_cdf(0.9)
    for draw in rows:
        outcomes = replace(world.drawn(150, 0), correct=draw.astype(float))
        found, tried, mixed, _ = compared(outcomes, 9, 1, 0.0)
        together += bool(step_down(found, tried, mixed, 0.1, 0).passed.any())
        alone += bool((mixed.z > plain).any())
    assert alone >= 0.25 * SEEDS  # without a correction the promise of 10% is broken
    assert together <= 0.15 * SEEDS


def test_mixtures_whose_true_quality_is_below_the_target_are_hardly_ever_found() -> None:
    """What the safe ladder gains pays for a share; a little more than that share is near the edge.

    Models fail together, so that the safe ladder gains little over the reference.
    """
    chances = {(1, 1, 1): 0.58, (0, 0, 0): 0.25, (0, 0, 1): 0.12, (1, 0, 0): 0.02, (0, 1, 1): 0.03}
    world = World(chances, (0.01, 0.2, 0.5))
    reference = world.quality(2)
    wrong = plainly = several = 0
    for seed in range(SEEDS):
        outcomes = world.drawn(200, seed)
        found, tried, mixed, safe = compared(outcomes, 2, 2, 0.0)
        cheap = [world.quality(*found.columns(int(place))) for place in tried.cheap]
        kept = world.quality(*found.columns(safe)) - reference
        below = np.array(cheap)[mixed.ladder] - reference
        true = mixed.share * below + (1 - mixed.share) * kept
        bar = step_down(found, tried, mixed, 0.1, 0)
        wrong += bool((bar.passed & (true < -1e-9)).any())
        plainly += bool(((mixed.gain > 0) & (true < -1e-9)).any())
        several += bool((true < -1e-9).any() and (true > 1e-9).any())
    assert several == SEEDS  # there is something to be wrong about, and something to find
    assert plainly >= 0.25 * SEEDS
    assert wrong <= 0.15 * SEEDS


def test_models_that_are_one_and_the_same_need_hardly_any_correction() -> None:
    """Nine copies are one test: the bar stays below that of nine models of their own."""
    draws = np.random.default_rng(3).random((300, 10)) < 0.6
    world = independent([0.5] * 2, [0.01, 0.5])
    copies = np.concatenate([np.repeat(draws[:, :1], 9, axis=1), draws[:, 9:]], axis=1)

    def bar(correct: np.ndarray) -> float:
        cost = np.tile([1e7] * 9 + [5e8], (300, 1))
        names = tuple(f"m{k}" for k in range(10))
        plain = replace(world.drawn(300, 0), models=names, correct=correct.astype(float), cost=cost)
        return found_in(plain, 9, 1, 0.0).z

    assert bar(copies) < bar(draws) - 0.2


def test_a_cheap_twin_of_the_reference_cannot_be_told_from_it_and_is_not_found() -> None:
    assert not found_in(alike(0.6, 2, (0.01, 0.5)).drawn(200, 1), 1, 1, 0.0).passed.any()


# ------------------------------------------------------------------ the pieces


def test_queries_drawn_again_are_as_many_and_the_same_for_the_same_seed() -> None:
    found = patterns(correlated([0.5, 0.6], 0.2, 70, 2))
    times = resampled(found, 4)
    assert times.sum(axis=1) == pytest.approx(0.0, abs=1e-5)
    assert np.abs(times.mean(axis=0)).max() < 0.01
    assert np.array_equal(times, resampled(found, 4))
    assert not np.array_equal(times, resampled(found, 5))


def test_few_queries_have_to_keep_to_a_lower_level() -> None:
    assert inside(0.1, FEW - 1) < inside(0.1, FEW) < 0.1


def test_nothing_near_the_bound_leaves_the_bar_at_that_of_one_test() -> None:
    z = np.array([-7.0, 6.0])
    bar = significant(z, z, lambda some: np.zeros((300, some.size)), 0.05)
    assert bar.z == pytest.approx(NormalDist().inv_cdf(0.95))
    assert bar.passed.tolist() == [False, True]


@pytest.mark.parametrize("level", [0.05, 0.01, 0.001, 5e-5])
def test_a_level_too_low_for_the_draws_is_corrected_as_much_as_any(level) -> None:
    deviates = np.random.default_rng(2).normal(size=(300, 50))
    z = np.zeros(50)
    found = significant(z, z, lambda some: deviates[:, some], level)
    assert found.z == pytest.approx(NormalDist().inv_cdf(1 - level / 50), abs=0.25)


def test_at_a_high_confidence_no_more_is_found_than_at_a_low_one() -> None:
    outcomes = correlated([0.5, 0.55, 0.6, 0.62, 0.63], 0.4, 250, 9)
    found, tried, mixed, _ = compared(outcomes, 4, 3, 0.02)
    bars = [step_down(found, tried, mixed, doubt, 0) for doubt in (0.3, 0.1, 0.05, 0.01, 1e-4)]
    assert [each.z for each in bars] == sorted(each.z for each in bars)
    for here, there in pairwise(bars):
        assert not (there.passed & ~here.passed).any()
    assert bars[0].passed.sum() > bars[-1].passed.sum()


def test_what_was_found_gives_way_to_the_next() -> None:
    """One step would leave the second below the bar that the first one's deviates set."""
    rng = np.random.default_rng(1)
    deviates = np.stack([rng.normal(size=4000) * 1.3, rng.normal(size=4000)], axis=1)
    z, plain = np.array([3.0, 1.8]), np.array([0.9, 0.5])
    found = significant(z, plain, lambda some: deviates[:, some], 0.05)
    first = float(np.quantile(deviates.max(axis=1), 0.95))
    assert z[1] < first < z[0]
    assert found.passed.all()
    assert found.z < first
