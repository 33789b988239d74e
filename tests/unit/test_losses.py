"""Scores, bets and bounds on the mean of bounded differences."""

from __future__ import annotations

from math import log
from statistics import NormalDist

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.tuner.aims import SOUND, Errors
from rung.tuner.losses import bets_of, confidence_left, loss_bound, most_lost, scores_of
from rung.tuner.outcomes import Floats
from support.noisy_worlds import outcomes_of

LEVEL = 0.1
Z = NormalDist().inv_cdf(1 - LEVEL)
WORLDS = [
    ((0.8, 0.06), (-0.2, 0.15), 100),
    ((0.8, 0.01), (-0.2, 0.10), 200),
    ((0.95, 0.0), (-0.05, 0.20), 50),
    ((1.0, 0.05), (-1.0, 0.08), 100),
]
RARE = [
    ((0.0, 0.0), (-1.0, 0.005), 200),
    ((0.0, 0.0), (-1.0, 0.02), 50),
    ((0.0, 0.0), (-1.0, 0.01), 130),
    ((0.0, 0.0), (-0.2, 0.05), 50),
]
"""Where as likely as not no loss is seen at all."""

World = tuple[tuple[float, float], tuple[float, float], int]


def drawn(world: World, rounds: int, seed: int = 0) -> Floats:
    (win, wins), (loss, losses), queries = world
    rng = np.random.default_rng(seed)
    chances = [wins, losses, 1 - wins - losses]
    return rng.choice([win, loss, 0.0], p=chances, size=(rounds, queries))


def truth(world: World) -> tuple[float, float]:
    """The mean, and the most that can be lost."""
    (win, wins), (loss, losses), _ = world
    return win * wins + loss * losses, -loss


@pytest.mark.parametrize("world", [*WORLDS, *RARE])
def test_at_the_edge_of_the_claim_scores_pass_no_more_often_than_their_level(
    world: World,
) -> None:
    mean, most = truth(world)
    passed = np.mean(scores_of(drawn(world, 2000), -mean, most) >= Z)
    # Three standard errors of a share of 2,000.
    assert passed < LEVEL + 0.02


def test_with_many_queries_scores_use_up_their_level() -> None:
    world = (WORLDS[0][0], WORLDS[0][1], 1000)
    mean, most = truth(world)
    passed = np.mean(scores_of(drawn(world, 1000), -mean, most) >= Z)
    assert 0.7 * LEVEL < passed < 1.3 * LEVEL


@pytest.mark.parametrize("world", [*WORLDS, *RARE])
def test_at_the_edge_of_the_claim_bets_win_no_more_often_than_they_may(world: World) -> None:
    mean, most = truth(world)
    won = bets_of(drawn(world, 2000), -mean, most, LEVEL, np.random.default_rng(1))
    assert np.mean(won >= log(1 / LEVEL)) <= LEVEL


@pytest.mark.parametrize("betting", [False, True])
def test_lower_bounds_hold_as_often_as_they_say_and_come_nearer_with_queries(
    betting: bool,
) -> None:
    gaps = []
    for queries in (100, 400):
        world = (WORLDS[0][0], WORLDS[0][1], queries)
        mean, most = truth(world)
        bounds = [
            loss_bound(each, most, 0.9, rng=np.random.default_rng(2) if betting else None)
            for each in drawn(world, 60)
        ]
        assert np.mean([bound.lower > mean for bound in bounds]) < LEVEL + 0.1
        assert all(bound.lower <= bound.estimate for bound in bounds)
        gaps.append(np.mean([mean - bound.lower for bound in bounds]))
    assert gaps[1] < 0.7 * gaps[0]


def test_nothing_seen_is_no_proof_that_nothing_can_be_lost() -> None:
    found = loss_bound(np.zeros(50), 1.0, 0.9)
    assert found.estimate == 0
    assert -0.1 < found.lower < -0.01
    assert loss_bound(np.zeros(500), 1.0, 0.9).lower > found.lower


def test_where_no_more_can_be_lost_than_is_allowed_nothing_has_to_be_shown() -> None:
    gaps = np.array([[-0.05, -0.05], [-0.05, -0.05]])
    assert np.isinf(scores_of(gaps, 0.05, 0.05)).all()
    assert np.isinf(bets_of(gaps, 0.05, 0.05, LEVEL, np.random.default_rng(0))).all()


def test_a_mean_below_the_claim_scores_nothing() -> None:
    assert scores_of(np.array([[-0.5, 0.1, 0.1]]), 0.0, 1.0)[0] == 0


def test_scores_are_those_of_the_best_stake_found_by_trying_all() -> None:
    gaps = drawn(WORLDS[0], 20)
    stakes = np.linspace(0, 1 / (0.2 - 0.05), 4001)[:-1]
    unseen = np.log1p(-stakes * 0.15)
    tried = [np.log1p(np.outer(stakes, each + 0.05)).sum(axis=1) + unseen for each in gaps]
    wanted = np.sqrt(2 * np.maximum(np.max(tried, axis=1), 0))
    np.testing.assert_allclose(scores_of(gaps, 0.05, 0.2), wanted, rtol=1e-3)


def test_single_precision_and_rounding_beyond_the_bound_do_no_harm() -> None:
    gaps = drawn(WORLDS[2], 50)
    single = scores_of(gaps.astype(np.float32), 0.02, 0.05)
    np.testing.assert_allclose(single, scores_of(gaps, 0.02, 0.05), atol=0.02)
    assert np.isfinite(scores_of(gaps - 1e-9, 0.02, 0.05)).all()


def test_a_query_of_no_weight_counts_for_nothing_but_its_place() -> None:
    gaps = drawn(WORLDS[0], 1)[0]
    with_bad = np.concatenate([gaps, [-0.2] * 50])
    weight = np.concatenate([np.ones(len(gaps)), np.zeros(50)])
    assert loss_bound(with_bad, 0.2, 0.9, weight).estimate == pytest.approx(gaps.mean())
    assert scores_of(with_bad[None], 0.1, 0.2, weight)[0] == pytest.approx(
        scores_of(gaps[None], 0.1, 0.2)[0], rel=1e-4
    )


def test_the_same_seed_bets_the_same() -> None:
    gaps = drawn(WORLDS[0], 3)
    one, other = (bets_of(gaps, 0.1, 0.2, 0.1, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_what_the_rates_may_be_wrong_about_is_taken_off_the_confidence() -> None:
    assert confidence_left(0.9, SOUND) == pytest.approx(0.9)
    assert confidence_left(0.9, Errors(0.1, doubt=0.025)) == pytest.approx(0.925)
    assert confidence_left(0.9, (Errors(doubt=0.01), Errors(doubt=0.02))) == pytest.approx(0.93)
    with pytest.raises(RequestError, match="leaves nothing of a confidence"):
        confidence_left(0.95, Errors(doubt=0.05))


def test_recorded_verdicts_are_no_chances_so_all_can_be_lost() -> None:
    recorded = outcomes_of([[0, 1]], accepted=[[1, 1]])
    assert most_lost(recorded, np.array([[0, 1]]), 1, Errors(0.1), served=True)[0] == 1
    assert most_lost(outcomes_of([[0, 1]]), np.array([[0, -1]]), 1, SOUND, served=True)[0] == 1
