"""What policies would have come to, on what a ladder let be seen, where the truth is known."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.core.plan import Rung
from rung.tuner.aims import Tuned
from rung.tuner.censored import How
from rung.tuner.doubly_robust import Valued, value
from rung.tuner.observing import complete, weights
from support.censoring import TIERS, Gateway, World, everywhere, limited, policy, seen_of

DRAWS = 80
REQUESTS = 1000
MANY = 400_000

AS_SERVED = Tuned(policy(*TIERS), {"hard": policy("middle", "large")})
POLICIES = {
    "as served": AS_SERVED,
    "without the middle": everywhere("small", "large"),
    "given up": everywhere("small", "middle", limited("large", most_spent_nanousd=5_000_000)),
    "for some": everywhere("small", "middle", limited("large", reach=0.5)),
}


def draws(gateway: Gateway, tuned: Tuned, count: int = DRAWS) -> list[Valued]:
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        world = World.drawn(REQUESTS, gateway.lets_pass, rng)
        found.append(value(seen_of(world, gateway, rng), tuned, seed=seed))
    return found


def truth(gateway: Gateway, tuned: Tuned) -> tuple[float, float]:
    return World.drawn(MANY, gateway.lets_pass, np.random.default_rng(99)).come_to(tuned)


def off(values: list[float], true: float) -> float:
    """How many standard errors their mean is off."""
    return float((np.mean(values) - true) / (np.std(values, ddof=1) / sqrt(len(values))))


def seen_alone(gateway: Gateway, tuned: Tuned) -> float:
    """The share right among requests whose whole way was seen, each counted once."""
    rng = np.random.default_rng(5)
    world = World.drawn(20_000, gateway.lets_pass, rng)
    seen = seen_of(world, gateway, rng)
    columns = [TIERS.index(rung.tier) for rung in tuned.whole.rungs]
    right, counted = np.zeros(len(seen)), np.zeros(len(seen), dtype=bool)
    alive = np.ones(len(seen), dtype=bool)
    for column in columns:
        accepted = seen.accepted[:, column]
        counted |= alive & (accepted == 1)
        right += alive & (accepted == 1)
        alive &= accepted == 0
    return float(right[counted | alive].mean())


@pytest.mark.parametrize("name", POLICIES)
def test_estimates_are_right_on_the_mean_and_their_intervals_hold_the_truth(name: str) -> None:
    gateway, tuned = Gateway(), POLICIES[name]
    quality, cost = truth(gateway, tuned)
    found = draws(gateway, tuned)
    assert abs(off([one.quality.value for one in found], quality)) < 4
    assert abs(off([one.cost_usd.value for one in found], cost)) < 4
    # Of 80 intervals at 90%, fewer than 63 hold the truth once in a thousand.
    assert sum(one.quality.low <= quality <= one.quality.high for one in found) >= 63
    assert sum(one.cost_usd.low <= cost <= one.cost_usd.high for one in found) >= 63
    assert np.mean([one.reach.share for one in found]) > 0.95


def test_requests_that_were_seen_whole_are_no_fair_sample_and_the_estimate_mends_it() -> None:
    gateway, tuned = Gateway(), everywhere("small", "large")
    quality, _ = truth(gateway, tuned)
    assert seen_alone(gateway, tuned) > quality + 0.02
    found = draws(gateway, tuned, 20)
    assert abs(np.mean([one.quality.value for one in found]) - quality) < 0.02
    assert all(one.quality.high - one.quality.low < 0.2 for one in found)


def test_labels_of_random_draws_stand_above_the_word_of_a_check_that_errs() -> None:
    gateway = Gateway(audited=0.3, lets_pass=0.3, by_human=True)
    quality, _ = truth(gateway, AS_SERVED)
    found = draws(gateway, AS_SERVED, 40)
    assert abs(off([one.quality.value for one in found], quality)) < 4
    word = World.drawn(MANY, 0.3, np.random.default_rng(99))
    taken = World(word.kind, word.accepted, word.accepted, word.cost).come_to(AS_SERVED)[0]
    assert taken > quality + 0.05


def test_audits_by_the_top_tier_show_it_where_nothing_climbed() -> None:
    gateway, tuned = Gateway(probed=0.0, audited=0.3), everywhere("large")
    quality, cost = truth(gateway, tuned)
    found = draws(gateway, tuned, 40)
    assert abs(off([one.quality.value for one in found], quality)) < 4
    assert abs(off([one.cost_usd.value for one in found], cost)) < 4


@pytest.mark.parametrize(
    ("tuned", "tier"),
    [(everywhere("large"), "large"), (everywhere("middle", "large"), "middle")],
)
def test_a_policy_that_nothing_shows_is_refused_with_the_probe_that_would(tuned, tier) -> None:
    rng = np.random.default_rng(1)
    seen = seen_of(World.drawn(2000, 0.0, rng), Gateway(probed=0.0, explored=0.02), rng)
    found = value(seen, tuned)
    assert found.reach.share < 0.9
    assert (tier, "easy") in {(gap.tier, gap.category) for gap in found.reach.gaps}
    assert tier in found.refusal
    with pytest.raises(RequestError, match="calls were seen") as caught:
        found.checked()
    assert caught.value.fix is not None
    assert "rung probe run --ladder house" in caught.value.fix


def test_what_labels_do_not_reach_is_refused() -> None:
    gateway = Gateway(audited=0.3, lets_pass=0.3, by_human=True)
    rng = np.random.default_rng(1)
    seen = seen_of(World.drawn(3000, 0.3, rng), gateway, rng)
    found = value(seen, everywhere("middle", "large"))
    assert found.reach.share > 0.9
    assert "labels of random draws" in found.refusal


def test_the_same_seed_gives_the_same_estimate() -> None:
    rng = np.random.default_rng(1)
    seen = seen_of(World.drawn(300, 0.0, rng), Gateway(), rng)
    assert value(seen, AS_SERVED, seed=3) == value(seen, AS_SERVED, seed=3)


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        (Rung("none"), "no tier 'none'"),
        (Rung("small", min_confidence=0.5), "a threshold at 'small'"),
        (Rung("small", samples=3), "further draws at 'small'"),
    ],
)
def test_a_policy_that_a_ledger_cannot_tell_of_is_refused(rung: Rung, said: str) -> None:
    rng = np.random.default_rng(1)
    seen = seen_of(World.drawn(50, 0.0, rng), Gateway(), rng)
    with pytest.raises(RequestError, match=said):
        value(seen, everywhere(rung))


# ------------------------------------------------------------------ how much a request stands for


def test_weights_of_what_was_seen_come_to_as_many_as_there_are() -> None:
    rng = np.random.default_rng(2)
    seen = seen_of(World.drawn(40_000, 0.0, rng), Gateway(reach=0.6, audited=0.1), rng)
    for columns in ([0], [2], [0, 1], [0, 1, 2], [1, 2]):
        assert weights(seen, columns).sum() == pytest.approx(len(seen), rel=0.05)


def test_rows_seen_whole_have_every_outcome_and_stand_for_all() -> None:
    rng = np.random.default_rng(3)
    world = World.drawn(20_000, 0.0, rng)
    seen = seen_of(world, Gateway(), rng)
    whole = complete(seen)
    assert not np.isnan(whole.outcomes.correct).any()
    assert whole.outcomes.weight is not None
    weighted = np.average(whole.outcomes.correct, axis=0, weights=whole.outcomes.weight)
    assert weighted == pytest.approx(world.right.mean(axis=0), abs=0.02)
    assert whole.effective < len(whole.outcomes)
    assert whole.stands_for == pytest.approx(1.0, abs=0.05)


def test_nothing_that_was_not_seen_has_a_weight() -> None:
    rng = np.random.default_rng(4)
    seen = seen_of(World.drawn(500, 0.0, rng), Gateway(probed=0.0), rng)
    assert (weights(seen, [0, 1, 2])[(seen.how == How.NOT_SEEN).any(axis=1)] == 0).all()
