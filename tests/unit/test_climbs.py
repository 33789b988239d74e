"""How often turns climb, counted and foreseen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.climbs import Climbs, Hazard, hazard, visits

SHARES = st.floats(0, 1)
HAZARDS = st.builds(Hazard, SHARES, SHARES)


def test_hazards_of_few_tries_are_drawn_to_what_is_assumed():
    assert hazard(Climbs()) == Hazard(pytest.approx(0.1), pytest.approx(1 / 3))
    assert hazard(Climbs(1, 1)).usual < 0.2
    assert hazard(Climbs(1000, 500)).usual == pytest.approx(0.5, abs=0.01)
    assert hazard(Climbs(1000, 10), Climbs(10, 10)).usual > 0.5


def test_turns_after_a_climb_are_counted_apart():
    counts = Climbs().with_(0.0, climbed=True).with_(1.0, climbed=True).with_(1.0, climbed=False)
    assert counts == Climbs(1, 1, 2, 1)
    found = hazard(Climbs(100, 5, 50, 35))
    assert found.again > 0.6
    assert found.usual < 0.1


def test_what_was_hard_fades_with_turns_that_nobody_tries():
    found = Hazard(0.1, 0.7)
    chances = [found.after(found.unseen(1.0, turns)) for turns in range(10)]
    assert chances[0] == 0.7
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] == pytest.approx(found.overall, abs=0.01)


@given(HAZARDS, SHARES, st.integers(0, 100))
def test_chances_stay_chances(found, recent, turns):
    for each in (found.overall, found.unseen(recent, turns), found.after(recent)):
        assert -1e-9 <= each <= 1 + 1e-9


@given(SHARES, HAZARDS, st.integers(1, 40), st.floats(0, 50), st.floats(0, 50))
def test_there_are_no_more_visits_than_turns(first, found, turns, lives, left):
    seen = visits(first, found, turns, lives, left)
    assert seen.in_time >= -1e-9
    assert seen.late >= -1e-9
    assert seen.count <= turns - 1 + 1e-9
    assert 0 <= seen.missed <= turns


@pytest.mark.parametrize("found", [Hazard(0.1, 0.1), Hazard(0.1, 0.7), Hazard(0.5, 0.2)])
@pytest.mark.parametrize(("lives", "left"), [(2, 0), (2, 2), (10, 3), (0.5, 1)])
def test_visits_are_those_of_many_conversations_played_out(found, lives, left):
    draw = random.Random(f"{found}/{lives}")
    turns, many = 15, 4_000
    in_time = late = 0
    for _ in range(many):
        last, climbed = None, False
        for turn in range(1, turns + 1):
            chance = 0.4 if turn == 1 else found.again if climbed else found.usual
            climbed = draw.random() < chance
            if climbed and turn > 1:
                alive = turn <= left if last is None else turn - last <= lives
                in_time, late = in_time + alive, late + (not alive)
            last = turn if climbed else last
    seen = visits(0.4, found, turns, lives, left)
    assert seen.in_time == pytest.approx(in_time / many, rel=0.1, abs=0.05)
    assert seen.late == pytest.approx(late / many, rel=0.1, abs=0.05)
