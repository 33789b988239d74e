"""What is proven holds for every number of queries: nothing false is, more often than the level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rung.tuner.choice import run
from rung.tuner.outcomes import Outcomes
from rung.tuner.proof import FEWEST, Proven, proven
from support.outcomes_made import World, independent, nested

SEEDS = 80


def draws(shares: list[float], n: int) -> list[Outcomes]:
    """Independent models, many draws at once: the first are cheap, the last is the reference."""
    m = len(shares)
    plain = independent(shares, [0.01 + 0.001 * k for k in range(m - 1)] + [0.5]).drawn(n, 0)
    rows = np.random.default_rng(11).random((SEEDS, n, m)) < shares
    return [replace(plain, correct=each.astype(float)) for each in rows]


def found_in(outcomes: Outcomes, margin: float, tiers: int = 1, seed: int = 0) -> Proven | None:
    return proven(outcomes, len(outcomes.models) - 1, margin, 0.1, (tiers, seed))


@pytest.mark.parametrize("n", [30, 150])
def test_where_every_cheap_ladder_is_just_worse_hardly_ever_one_is_proven(n) -> None:
    found = [found_in(each, 0.0) for each in draws([0.6, 0.6, 0.6, 0.6, 0.605], n)]
    assert sum(each is not None for each in found) <= 0.15 * SEEDS


def test_mixtures_that_are_proven_are_as_good_as_the_reference_nearly_always() -> None:
    """Some shares are good here and some are not: what the safe ladder gains pays for a part."""
    world = World({(1, 1): 0.5, (0, 1): 0.14, (1, 0): 0.14, (0, 0): 0.22}, (0.01, 0.3))
    reference, kept = world.quality(1), world.quality(0, 1)
    wrong = found = 0
    for seed in range(SEEDS):
        best = found_in(world.drawn(300, seed), 0.0, 2, seed)
        if best is None:
            continue
        quality = best.share * world.quality(*best.cheap) + (1 - best.share) * world.quality(
            *best.rest
        )
        found += 1
        wrong += quality < reference - 1e-9
    assert kept > reference
    assert found >= 0.2 * SEEDS
    assert wrong <= 0.15 * SEEDS


def test_a_ladder_that_is_clearly_better_is_proven_and_saves() -> None:
    for seed in range(10):
        outcomes = independent((0.85, 0.6), (0.01, 0.5)).drawn(200, seed)
        best = found_in(outcomes, 0.0, 2, seed)
        assert best is not None
        assert (best.cheap, best.share) == ((0,), 1.0)
        assert best.p_value <= best.level <= 0.1
        assert run(outcomes, best.cheap).cost.mean() < outcomes.cost[:, 1].mean() / 10


def test_what_is_proven_gets_cheaper_the_more_may_be_lost() -> None:
    outcomes = nested((0.6, 0.7, 0.75, 0.8), (0.01, 0.03, 0.1, 0.5)).drawn(600, 3)
    costs = []
    for margin in (0.0, 0.05, 0.1, 0.2, 0.3):
        best = found_in(outcomes, margin, 2)
        if best is None:
            costs.append(np.inf)
            continue
        parts = (float(run(outcomes, ladder).cost.mean()) for ladder in (best.cheap, best.rest))
        cheap, rest = parts
        assert cheap <= rest
        costs.append(best.share * cheap + (1 - best.share) * rest)
    assert costs == sorted(costs, reverse=True)
    assert np.isfinite(costs[-1])
    assert costs[-1] < costs[0]


def test_no_model_is_called_that_there_are_no_tiers_for() -> None:
    for seed in range(6):
        best = found_in(independent((0.5, 0.6, 0.7, 0.55)).drawn(300, seed), 0.05, 2, seed)
        assert best is not None
        assert len(best.cheap) <= 2
        assert len(best.rest) <= 2


def test_few_queries_prove_nothing() -> None:
    world = independent((1.0, 0.0), (0.01, 0.5))
    assert found_in(world.drawn(FEWEST - 1, 0), 0.0) is None
    assert found_in(world.drawn(FEWEST, 0), 0.0) is not None


def test_only_the_seed_deals_the_queries_out() -> None:
    outcomes = independent((0.6, 0.62, 0.6), (0.01, 0.02, 0.5)).drawn(400, 2)
    assert found_in(outcomes, 0.05, 2, 1) == found_in(outcomes, 0.05, 2, 1)
    found = {str(found_in(outcomes, 0.05, 2, seed)) for seed in range(8)}
    assert len(found) > 1


def test_a_margin_that_covers_every_loss_needs_no_luck() -> None:
    """A share below the margin cannot lose more than it: betting knows it beforehand."""
    best = found_in(World({(0, 1): 1.0}, (0.01, 0.5)).drawn(200, 1), 0.3, 2)
    assert best is not None
    assert best.share == pytest.approx(0.3)
    assert best.cheap == (0,)
