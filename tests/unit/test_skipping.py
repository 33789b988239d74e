"""What finished requests teach of tiers, and which tiers are not worth a try."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.skipping import Tally, prospects, skip
from rung.core.trials import Call, Past, past_of, trials
from rung.core.types import Fault
from support.outcomes import outcomes
from support.routed import TIERS, call, finished, past


def found(one: Past) -> dict[str, bool]:
    return {trial.tier: trial.passed for trial in trials(one)}


def test_a_climb_teaches_of_both_tiers() -> None:
    assert found(past([False, True])) == {"tiny": False, "large": True}
    assert found(past([False, False])) == {"tiny": False, "large": False}


def test_a_pass_below_teaches_nothing_of_the_tier_above() -> None:
    assert found(past([True])) == {"tiny": True}


def test_an_answer_that_nothing_proved_teaches_nothing() -> None:
    assert found(replace(past([True]), verified=None)) == {}


def test_a_label_stands_over_what_checks_said() -> None:
    assert found(replace(past([True]), labels={0: False})) == {"tiny": False}
    assert found(replace(past([True]), verified=None, labels={0: True})) == {"tiny": True}


def test_an_answer_whose_caller_left_before_it_was_judged_teaches_nothing() -> None:
    left = Past("default", (call("tiny"),), None, None)
    assert found(left) == {}


@pytest.mark.parametrize(
    ("fault", "told"),
    [(Fault.TIMEOUT, {"tiny": False}), (Fault.CONNECT, {}), (Fault.RATE_LIMITED, {})],
)
def test_only_faults_that_come_of_the_work_count(fault: Fault, told: dict[str, bool]) -> None:
    lower = Call("tiny", answered=False, fault=fault, cost_nanousd=0, seconds=1.0)
    calls = (lower, call("large"))
    rest = found(Past("default", calls, 1, verified=True))
    assert rest == told | {"large": True}


def test_an_outcome_teaches_what_its_row_will() -> None:
    told = past_of(finished("r1", [False, True]))
    assert found(told) == {"tiny": False, "large": True}
    assert [each.cost_nanousd for each in trials(told)] == [600, 1000]


@given(outcomes())
def test_any_outcome_can_be_learned_from(outcome) -> None:
    for trial in trials(past_of(outcome)):
        assert trial.cost_nanousd >= 0


# ------------------------------------------------------------------ the rule


def tallies(tried: int, passed: int, price: int = 600, seconds: float = 0.0) -> dict[str, Tally]:
    return {
        "tiny": Tally(tried, passed, tried * price, tried * seconds),
        "large": Tally(tried - passed, tried - passed, (tried - passed) * 1000, 0.0),
    }


def decided(own: dict[str, Tally], second: float = 0.0) -> str | None:
    skipped = skip(prospects(TIERS, own, own, second))
    return None if skipped is None else skipped.entry


def test_a_tier_that_saves_less_than_it_costs_is_skipped() -> None:
    assert decided(tallies(200, 60)) == "large"
    assert decided(tallies(200, 150)) is None


def test_a_tier_is_not_skipped_on_few_trials_or_where_it_is_not_sure() -> None:
    assert decided(tallies(19, 0)) is None
    assert decided(tallies(40, 22)) is None


def test_a_free_tier_is_skipped_only_where_it_passes_next_to_nothing() -> None:
    assert decided(tallies(200, 6, price=0)) is None
    assert decided(tallies(300, 0, price=0)) == "large"


def test_priced_time_makes_a_slow_free_tier_dear() -> None:
    slow = tallies(200, 60, price=0, seconds=10.0)
    assert decided(slow) is None
    assert decided(slow, second=100.0) == "large"


def test_the_top_is_never_skipped() -> None:
    hopeless = {tier: Tally(500, 0, 500_000, 0.0) for tier in TIERS}
    assert decided(hopeless) == "large"


def test_a_category_is_drawn_to_its_ladder_while_there_is_little_of_it() -> None:
    whole = tallies(1000, 900)
    mine = prospects(TIERS, {"tiny": Tally(2, 0, 1200, 0.0)}, whole)[0]
    assert 0.7 < mine.chance < 0.9


def test_the_reason_names_the_tier_and_its_figures() -> None:
    own = tallies(200, 60)
    skipped = skip(prospects(TIERS, own, own))
    assert skipped is not None
    assert "tiny passes 30%" in skipped.why
    assert "200 tried" in skipped.why


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 999))))
def test_whatever_was_counted_a_tier_of_the_ladder_is_named(
    rows: list[tuple[int, int, int]],
) -> None:
    names = [f"t{place}" for place in range(len(rows))]
    own = {
        name: Tally(tried, min(tried, passed), cost * tried, 0.0)
        for name, (tried, passed, cost) in zip(names, rows, strict=True)
    }
    skipped = skip(prospects(names, own, own))
    assert skipped is None or skipped.entry in names[1:]
