"""Paired tests against enumeration: every outcome of few queries, each with its exact chance."""

from __future__ import annotations

from math import comb, factorial
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.tuner.paired import FARTHEST, LARGEST_TABLE, binomial_z, exact_z, normal, tango
from rung.tuner.scores import restricted_z

MARGINS = (0.0, 0.01, 0.1)
NORMAL = NormalDist()


def every_outcome(n: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array([(b, c) for b in range(n + 1) for c in range(n + 1 - b)])
    return pairs[:, 0], pairs[:, 1]


def chances(n: int, margin: float, steps: int) -> np.ndarray:
    """Rates of disagreement by outcomes: how likely each is where the ladder is just not as good.

    Written out with factorials, on an even grid, unlike the table that is tested.
    """
    b, c = every_outcome(n)
    ways = np.array(
        [
            factorial(n) // (factorial(x) * factorial(y) * factorial(n - x - y))
            for x, y in zip(b.tolist(), c.tolist(), strict=True)
        ],
        dtype=float,
    )
    lost = np.linspace(margin, (1 + margin) / 2, steps)[:, None]
    gained, same = lost - margin, np.maximum(1 - 2 * lost + margin, 0.0)
    found: np.ndarray = ways * gained**b * lost**c * same ** (n - b - c)
    return found


def p_values(n: int, margin: float) -> np.ndarray:
    b, c = every_outcome(n)
    return np.array([normal(z) for z in exact_z(b, c, n, margin)])


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12])
def test_p_values_are_those_of_all_outcomes_at_the_worst_rate_of_disagreement(n, margin) -> None:
    b, c = every_outcome(n)
    scores, chance = tango(b, c, n, margin), chances(n, margin, 2001)
    assert chance.sum(axis=1) == pytest.approx(1.0)
    worst = np.array([chance[:, scores >= each - 1e-9].sum(axis=1).max() for each in scores])
    found = p_values(n, margin)
    # Above one half nothing is ever certified: there the rate of disagreement is tried coarsely.
    low = worst <= 0.5
    assert found[low] == pytest.approx(worst[low], abs=0.001)
    assert (found[~low] > 0.45).all()


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("n", [6, 13, 21, 30])
def test_a_ladder_on_the_boundary_is_taken_for_good_no_more_often_than_the_level(n, margin) -> None:
    chance, found = chances(n, margin, 1501), p_values(n, margin)
    for level in (0.01, 0.05, 0.1, 0.2):
        size = float(chance[:, found <= level].sum(axis=1).max())
        assert size <= level + 0.0005
    assert float(chance[:, found <= 0.2].sum(axis=1).max()) > 0.05  # it does find something


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("n", [4, 12, 30, 77])
def test_a_gain_never_speaks_against_a_ladder_and_a_loss_never_for_it(n, margin) -> None:
    b, c = every_outcome(n)
    table = np.full((n + 1, n + 1), np.nan)
    table[b, c] = exact_z(b, c, n, margin)
    with np.errstate(invalid="ignore"):
        assert np.nanmin(np.diff(table, axis=0)) >= -1e-9
        assert np.nanmax(np.diff(table, axis=1)) <= 1e-9


@pytest.mark.parametrize("n", [1, 12, 200, LARGEST_TABLE + 1, 100_000])
@pytest.mark.parametrize("margin", MARGINS)
def test_no_count_gives_a_deviate_that_is_not_a_number_or_beyond_all_bounds(n, margin) -> None:
    most = min(n, 40)
    b, c = every_outcome(most)
    found = exact_z(b, c, n, margin)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= FARTHEST + 0.01


@pytest.mark.parametrize("margin", MARGINS)
def test_beyond_the_largest_table_a_deviate_is_near_the_exact_one_and_hardly_above(
    margin, monkeypatch
) -> None:
    n = LARGEST_TABLE + 100
    gains, losses = [0, 1, 3, 8, 20, 45, 90, 150], [0, 1, 2, 6, 15, 40, 90, 150, 200]
    b, c = (each.ravel() for each in np.meshgrid(gains, losses))
    fast = exact_z(b, c, n, margin)
    monkeypatch.setattr("rung.tuner.paired.LARGEST_TABLE", n)
    exact = exact_z(b, c, n, margin)
    seen = (exact > 0) & (exact < 5)
    assert seen.sum() >= 8
    assert (fast - exact)[seen].max() < 0.06
    assert (fast - exact)[seen].min() > -0.5
    assert np.abs(fast - exact)[seen].mean() < 0.12


def test_a_score_is_the_plain_paired_deviate_without_a_margin() -> None:
    b, c = every_outcome(12)
    with np.errstate(invalid="ignore"):
        plain = np.nan_to_num((b - c) / np.sqrt(b + c))
    assert tango(b, c, 12, 0.0) == pytest.approx(plain)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_deviates_of_a_number_of_hits_are_those_of_the_binomial_tail(n, share) -> None:
    found = [normal(z) for z in binomial_z(np.arange(n + 1), n, share)]
    tail = [
        sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits, n + 1))
        for hits in range(n + 1)
    ]
    assert found == pytest.approx(tail, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_leaves_no_room_is_beaten_surely_or_never(share) -> None:
    found = binomial_z(np.arange(6), 5, share)
    assert found.tolist() == [-FARTHEST if hits <= 5 * share else FARTHEST for hits in range(6)]


# ------------------------------------------------------------------ scores of a few values


def of_signs(b: int, c: int, n: int, margin: float) -> float:
    counts = np.array([[c], [n - b - c], [b]], dtype=float)
    return float(restricted_z(counts, np.array([[-1.0], [0.0], [1.0]]), n, margin)[0])


@settings(max_examples=150, deadline=None)
@given(st.integers(5, 2000), st.data(), st.sampled_from(MARGINS))
def test_of_gains_and_losses_of_one_a_restricted_score_is_that_of_tango(n, data, margin) -> None:
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    if b - c + n * margin <= 1e-9:  # below the bound the plain variance does, and nothing is found
        assert of_signs(b, c, n, margin) <= 1e-9
    else:
        told = float(tango(np.array([b]), np.array([c]), n, margin)[0])
        found = of_signs(b, c, n, margin)
        assert found == pytest.approx(told, abs=1e-3) or min(found, told) >= FARTHEST


def test_with_many_losses_and_gains_a_restricted_score_is_the_plain_one() -> None:
    n, margin = 20_000, 0.02
    values = np.array([-0.4, 0.0, 0.4, 0.6, 1.0])
    counts = np.array([4000.0, 8000.0, 2000.0, 4000.0, 2000.0])
    counts[0] += 3000  # the mean is close to the bound
    counts[1] -= 3000
    shift = (counts @ values) / n + margin
    margin -= shift - 0.003
    mean = counts @ values / n + margin
    spread = np.sqrt(counts @ values**2 / n - (counts @ values / n) ** 2)
    found = restricted_z(counts[:, None], values[:, None], n, margin)[0]
    assert found == pytest.approx(mean / (spread / np.sqrt(n)), rel=0.01)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_where_no_loss_was_seen_a_restricted_score_still_reckons_with_one(share) -> None:
    n, margin = 100, 0.02
    values = np.array([-share, 0.0, share])[:, None]
    clean = restricted_z(np.array([[0.0], [97.0], [3.0]]), values, n, margin)[0]
    plain = (0.03 * share + margin) / np.sqrt((0.03 * share**2 - (0.03 * share) ** 2) / n)
    one_lost = restricted_z(np.array([[1.0], [96.0], [3.0]]), values, n, margin)[0]
    assert 0 < one_lost < clean < plain


def test_columns_are_scored_each_by_itself() -> None:
    n, margin, rng = 300, 0.01, np.random.default_rng(4)
    counts = rng.multinomial(n, [0.05, 0.8, 0.1, 0.05], size=20).T.astype(float)
    shares = rng.uniform(0.1, 0.9, 20)
    values = np.stack([-shares, 0 * shares, shares, np.ones(20)])
    together = restricted_z(counts, values, n, margin)
    alone = [restricted_z(counts[:, [k]], values[:, [k]], n, margin)[0] for k in range(shares.size)]
    assert together == pytest.approx(alone)
    assert NORMAL.cdf(float(together.min())) < 1
