"""Votes: who leads, and when enough has been drawn."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import pytest

from rung.core.vote import Tally, Vote, tally

# ------------------------------------------------------------------ counting


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("A", Tally(leader=0, votes=1, runner_up=0, drawn=1)),
        ("ABB", Tally(leader=2, votes=2, runner_up=1, drawn=3)),
        ("AABC", Tally(leader=1, votes=2, runner_up=1, drawn=4)),
        ("ABBA", Tally(leader=3, votes=2, runner_up=2, drawn=4)),
        ("ABC", Tally(leader=0, votes=1, runner_up=1, drawn=3)),
    ],
)
def test_the_latest_answer_of_the_first_largest_group_leads(answers: str, expected: Tally) -> None:
    assert tally(list(answers)) == expected


def test_the_share_is_the_leaders_part_of_all_draws() -> None:
    assert tally(list("AAB")).share == pytest.approx(2 / 3)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5])
def test_a_vote_that_is_called_decided_cannot_be_turned_by_any_further_draws(samples: int) -> None:
    for drawn in range(1, samples + 1):
        for answers in product("ABC", repeat=drawn):
            now = tally(answers)
            if now.decided(samples):
                leading = answers[now.leader]
                for more in product("ABC", repeat=samples - drawn):
                    final = (*answers, *more)
                    assert final[tally(final).leader] == leading


def test_a_vote_is_decided_as_soon_as_the_rest_cannot_catch_up() -> None:
    assert tally(list("AA")).decided(3)
    assert not tally(list("AB")).decided(3)
    assert tally(list("AAA")).decided(5)
    assert not tally(list("AAB")).decided(5)


def test_a_vote_is_decided_when_all_draws_are_made() -> None:
    assert tally(list("ABC")).decided(3)
    assert tally(list("AB")).decided(1)


# ------------------------------------------------------------------ certainty


@pytest.mark.parametrize(
    ("votes", "runner_up", "certainty"),
    [
        (1, 0, Fraction(3, 4)),
        (1, 1, Fraction(1, 2)),
        (2, 0, Fraction(7, 8)),
        (3, 0, Fraction(15, 16)),
        (4, 0, Fraction(31, 32)),
        (4, 1, Fraction(57, 64)),
        (6, 1, Fraction(247, 256)),
    ],
)
def test_the_leaders_certainty_is_the_tail_of_a_beta_distribution(
    votes: int, runner_up: int, certainty: Fraction
) -> None:
    assert Tally(0, votes, runner_up, votes + runner_up).certainty == certainty


@pytest.mark.parametrize(("votes", "runner_up"), [(2, 0), (3, 1), (5, 3), (9, 1)])
def test_the_certainty_is_what_drawing_from_that_distribution_gives(
    votes: int, runner_up: int
) -> None:
    random = Random(1)
    drawn = [random.betavariate(votes + 1, runner_up + 1) > 0.5 for _ in range(20_000)]
    exact = Tally(0, votes, runner_up, votes + runner_up).certainty
    assert float(exact) == pytest.approx(sum(drawn) / len(drawn), abs=0.012)


def test_drawing_stops_as_soon_as_the_leader_is_certain_enough() -> None:
    assert [tally("A" * n).decided(15, 0.95) for n in (1, 2, 3, 4)] == [False, False, False, True]
    assert [tally("A" * n).decided(15, 0.85) for n in (1, 2, 3)] == [False, True, True]
    assert not tally("AAAAAB").decided(15, 0.95)
    assert tally("AAAAAAB").decided(15, 0.95)


def test_one_answer_alone_is_never_certain() -> None:
    assert not tally("A").decided(2, 0.5)
    assert not tally("ABC").decided(5, 0.5)
    assert tally("AA").decided(5, 0.5)


def test_at_certainty_one_only_the_draws_decide() -> None:
    long = tally(["A"] * 400)
    assert float(long.certainty) == 1.0
    assert not long.decided(1_000, 1.0)
    assert long.decided(1_000, 0.999_999)


@pytest.mark.parametrize("certainty", [0.0, 0.49, 1.01, -1.0, float("nan"), float("inf")])
def test_a_certainty_that_is_none_is_refused(certainty: float) -> None:
    with pytest.raises(ValueError, match="certainty"):
        Vote(certainty=certainty)
