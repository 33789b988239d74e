"""Choosing an entry, and what it is worth against its controls."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.chances import Chances
from rung.core.choosing import Chooser, Goal, Terms, choose
from rung.core.contest import FEWEST, Tried, contest, curve, indifference

TIERS = ("cheap", "strong")


def requests(count: int, *, knows: bool, seed: int = 0) -> list[Tried]:
    """Half of the requests are beyond the cheap tier; chances know which, or say the rate."""
    draws = random.Random(seed)
    found = []
    for _ in range(count):
        hard = draws.random() < 0.5
        cheap, strong = float(draws.random() < (0.2 if hard else 0.9)), float(draws.random() < 0.9)
        said = (0.2 if hard else 0.9) if knows else draws.uniform(0.4, 0.7)
        found.append(Tried((said, 0.9), (cheap, strong), (1.0, 10.0)))
    return found


def test_a_choice_that_knows_beats_every_control_and_is_switched_on() -> None:
    made = contest(TIERS, requests(600, knows=True), Goal.QUALITY)
    assert made.on
    assert all(edge.won for edge in made.edges)
    assert made.chosen.quality > made.shuffled.quality + 0.1
    assert made.chosen.cost == pytest.approx(made.shuffled.cost)


@pytest.mark.parametrize("seed", range(8))
def test_a_choice_that_knows_nothing_is_not(seed: int) -> None:
    made = contest(TIERS, requests(600, knows=False, seed=seed), Goal.QUALITY)
    assert not made.on
    assert "control" in made.why or "constant" in made.why


def test_few_outcomes_are_believed_in_no_case() -> None:
    made = contest(TIERS, requests(FEWEST - 1, knows=True), Goal.QUALITY)
    assert not made.on
    assert made.more == 1


def test_where_the_cheap_tier_is_the_best_there_is_nothing_to_choose() -> None:
    made = contest(TIERS, [Tried((0.9, 0.8), (1.0, 0.0), (1.0, 9.0))] * 200, Goal.QUALITY)
    assert not made.on
    assert "nothing to choose" in made.why


def test_with_checks_a_cheap_try_is_skipped_only_where_it_costs_more_than_it_saves() -> None:
    terms = Terms(Goal.COST, (4.0, 10.0))
    assert choose(terms, (0.5, 0.9)) == 0
    assert choose(terms, (0.3, 0.9)) == 1
    assert choose(Terms(Goal.COST, (0.0, 10.0)), (0.0, 0.9)) == 0


def test_with_checks_it_is_on_where_it_is_cheaper_than_starting_low_high_or_at_random() -> None:
    near = [Tried(one.chances, one.passed, (6.0, 10.0)) for one in requests(800, knows=True)]
    made = contest(TIERS, near, Goal.COST)
    assert made.chosen.cost < min(each.cost for each in made.constants)
    # What the cheap tier alone gets right is lost where it is skipped: that is more than a point.
    assert made.quality_lost[0] > 0.0
    assert made.on is (made.quality_lost[2] <= 0.01)


def test_a_choice_that_is_always_the_same_is_no_choice() -> None:
    cheap = [Tried(one.chances, one.passed, (0.1, 10.0)) for one in requests(300, knows=True)]
    made = contest(TIERS, cheap, Goal.COST)
    assert made.shares == (1.0, 0.0)
    assert "a constant does that" in made.why


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.booleans(), st.booleans(), st.integers(0, 9)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(Goal),
)
def test_figures_are_bounded_whatever_was_seen(
    rows: list[tuple[float, bool, bool, int]], goal: Goal
) -> None:
    tried = [Tried((c, 0.5), (float(a), float(b)), (0.0, float(k))) for c, a, b, k in rows]
    made = contest(TIERS, tried, goal)
    assert made.oracle.quality >= max(each.quality for each in made.constants) - 1e-9
    assert made.oracle.quality >= made.chosen.quality - 1e-9
    assert sum(made.shares) == pytest.approx(1.0)
    assert not made.on


def test_a_right_answer_is_worth_what_makes_the_constants_equal() -> None:
    worth = indifference((1.0, 11.0), (0.6, 0.8))
    assert 0.6 * worth - 1.0 == pytest.approx(0.8 * worth - 11.0)


def test_curves_of_knowing_and_of_chance() -> None:
    low, high = [1.0, 0.0] * 50, [1.0] * 100
    best = curve([h - lo for lo, h in zip(low, high, strict=True)], low, high)
    assert best.apgr == pytest.approx(0.75)
    assert best.shares_for == (0.25, 0.4)
    worst = curve([lo - h for lo, h in zip(low, high, strict=True)], low, high)
    assert worst.apgr == pytest.approx(0.25)
    assert 0.4 < curve([0.0] * 100, low, high).apgr < 0.6


def test_there_is_no_curve_without_a_gap() -> None:
    with pytest.raises(ValueError, match="no gap"):
        curve([1.0, 2.0], [1.0, 1.0], [1.0, 0.0])


def test_a_router_names_its_entry_and_its_chance() -> None:
    made = Chooser(
        TIERS,
        (Chances(0.0, {5: -4.0}), Chances(3.0)),
        Terms(Goal.QUALITY, (1.0, 10.0), worth=30.0),
        on=True,
        why="",
        outcomes=9,
    )
    assert made.entry((5,))[0] == "strong"
    assert made.entry((6,)) == ("strong", pytest.approx(0.9526, abs=1e-3))
    assert made.entry(()) == made.entry((6,))
