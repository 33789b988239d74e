"""Rates and quantiles, against published figures and other people's code."""

from __future__ import annotations

from statistics import NormalDist, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.stats import quantile, rate

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_one_in_the_literature(
    hits: int, trials: int, low: float, high: float
) -> None:
    found = rate(hits, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS, st.sampled_from((0.5, 0.8, 0.95, 0.999)))
def test_each_end_of_the_interval_is_as_far_from_the_share_as_the_confidence_says(
    counts: tuple[int, int], confidence: float
) -> None:
    hits, trials = counts
    found = rate(hits, trials, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for end in (found.low, found.high):
        spread = (end * (1 - end) / trials) ** 0.5
        assert abs(hits / trials - end) == pytest.approx(z * spread, abs=1e-7)


@given(COUNTS)
def test_the_interval_holds_the_share_and_stays_between_0_and_1(counts: tuple[int, int]) -> None:
    found = rate(*counts)
    assert found.value is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_more_trials_narrow_the_interval_and_more_confidence_widens_it() -> None:
    def width(hits: int, trials: int, confidence: float = 0.95) -> float:
        found = rate(hits, trials, confidence)
        return found.high - found.low

    assert width(50, 100) < width(5, 10)
    assert width(5, 10, 0.99) > width(5, 10)


def test_without_trials_nothing_is_known() -> None:
    nothing = rate(0, 0)
    assert nothing.value is None
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "trials"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_impossible_counts_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} hits of {trials} trials"):
        rate(hits, trials)


VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(VALUES)
def test_quantiles_are_those_of_the_standard_library(values: list[float]) -> None:
    expected = quantiles(values, n=20, method="inclusive")
    for twentieth in range(1, 20):
        found = quantile(values, twentieth / 20)
        assert found == pytest.approx(expected[twentieth - 1], rel=1e-9, abs=1e-6)


@given(VALUES)
def test_the_outermost_quantiles_are_the_least_and_the_greatest(values: list[float]) -> None:
    before = list(values)
    assert quantile(values, 0.0) == min(values)
    assert quantile(values, 1.0) == max(values)
    assert values == before


def test_one_value_is_all_of_its_quantiles_and_no_value_has_none() -> None:
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="is no share"):
        quantile([1.0, 2.0], share)
