"""Draws: fair, the same each time, and none of them tells of another."""

from __future__ import annotations

import pytest

from rung.core.draws import draw

SEEDS = range(20_000)


def test_a_draw_is_fair_and_always_the_same() -> None:
    drawn = [draw("explore", seed) for seed in SEEDS]
    assert drawn == [draw("explore", seed) for seed in SEEDS]
    assert sum(each < 0.02 for each in drawn) / len(drawn) == pytest.approx(0.02, abs=0.004)
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.01)


def test_two_draws_of_a_request_are_independent() -> None:
    both = sum(draw("explore", seed) < 0.1 and draw("repair", seed) < 0.1 for seed in SEEDS)
    assert both / len(SEEDS) == pytest.approx(0.01, abs=0.003)
