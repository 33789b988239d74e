"""Plans: which tiers are on a request's way, within which limits, and why the others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.calibration import Calibration
from rung.core.features import Features
from rung.core.plan import Excluded, OnExhausted, Plan, Policy, Rung, Step, Terms, plan
from rung.core.types import Need
from rung.core.verdicts import Check, Weight

PLAIN = Features(100, 50, frozenset(), messages=1, has_schema=False)
LOCAL = Rung("local", context_tokens=4096, lacks=frozenset({Need.TOOLS, Need.IMAGES}), repairs=1)
CLOUD = Rung("cloud", context_tokens=200_000, timeout_seconds=60.0, retries=2)
POLICY = Policy("default", (LOCAL, CLOUD))

TESTS = Check("tests", Weight.REQUIRED)
WHOLE = Check("whole", Weight.IMPLIED)
HEDGING = Check("hedging", Weight.SIGNAL)
AGREEMENT = Check("agreement", Weight.SIGNAL)


def tiers(made: Plan) -> list[str]:
    return [step.tier for step in made.steps]


def test_a_plain_request_gets_the_whole_ladder_with_its_limits() -> None:
    made = plan(PLAIN, POLICY, Terms(checks=(TESTS,), worst_costs={"local": 0, "cloud": 9}, seed=7))
    assert made.steps == (
        Step("local", (TESTS,), 0, 120.0, retries=1, repairs=1, samples=1),
        Step("cloud", (TESTS,), 9, 60.0, retries=2, repairs=0, samples=1),
    )
    assert (made.ladder, made.seed, made.excluded) == ("default", 7, ())


def test_the_policys_rules_are_on_the_plan() -> None:
    policy = replace(
        POLICY, on_exhausted=OnExhausted.BEST, min_confidence=0.7, max_wait_seconds=1.0
    )
    made = plan(PLAIN, policy, Terms(stream=True))
    assert made.on_exhausted is OnExhausted.BEST
    assert (made.min_confidence, made.max_wait_seconds, made.stream) == (0.7, 1.0, True)


# ------------------------------------------------------------------ tiers left out


def test_a_tier_that_lacks_what_the_request_needs_is_left_out_and_says_all_it_lacks() -> None:
    needs = frozenset({Need.TOOLS, Need.IMAGES, Need.LOGPROBS})
    made = plan(replace(PLAIN, needs=needs), POLICY, Terms())
    assert tiers(made) == ["cloud"]
    assert made.excluded == (Excluded("local", "cannot carry images, tools"),)


@pytest.mark.parametrize(("written", "fits"), [(4046, True), (4047, False)])
def test_a_tier_whose_context_the_prompt_and_answer_do_not_fit_is_left_out(
    written: int, *, fits: bool
) -> None:
    made = plan(replace(PLAIN, input_tokens=written), POLICY, Terms())
    assert ("local" in tiers(made)) is fits
    why = "about 4097 tokens do not fit its context of 4096"
    assert made.excluded == (() if fits else (Excluded("local", why),))


def test_a_tier_of_unknown_context_takes_any_prompt() -> None:
    policy = replace(POLICY, rungs=(Rung("any"),))
    assert tiers(plan(replace(PLAIN, input_tokens=10**9), policy, Terms())) == ["any"]


def test_a_pinned_request_gets_its_tier_alone() -> None:
    made = plan(PLAIN, POLICY, Terms(pinned="cloud"))
    assert tiers(made) == ["cloud"]
    assert made.excluded == (Excluded("local", "the request is pinned to cloud"),)


def test_a_pin_does_not_make_a_tier_do_what_it_cannot() -> None:
    needs = frozenset({Need.TOOLS})
    made = plan(replace(PLAIN, needs=needs), POLICY, Terms(pinned="local"))
    assert made.steps == ()
    assert made.excluded[0] == Excluded("local", "cannot carry tools")


@pytest.mark.parametrize("costs", [None, {}, {"local": 0}])
def test_under_a_cost_cap_a_tier_of_unknown_price_is_left_out(
    costs: dict[str, int] | None,
) -> None:
    made = plan(PLAIN, POLICY, Terms(cost_cap_nanousd=10, worst_costs=costs))
    why = "no price is known for it, and the request has a cost cap"
    assert made.excluded[-1] == Excluded("cloud", why)
    assert tiers(made) == (["local"] if costs else [])


def test_without_a_cost_cap_no_price_need_be_known() -> None:
    made = plan(PLAIN, POLICY, Terms(worst_costs={}))
    assert tiers(made) == ["local", "cloud"]
    assert [step.worst_cost_nanousd for step in made.steps] == [0, 0]


def test_a_tier_that_stands_on_the_ladder_twice_is_called_at_its_first_place_only() -> None:
    made = plan(PLAIN, replace(POLICY, rungs=(LOCAL, CLOUD, LOCAL)), Terms())
    assert tiers(made) == ["local", "cloud"]
    assert made.excluded == (Excluded("local", "it stands lower on the ladder already"),)


def test_no_plan_can_be_made_with_a_tier_twice() -> None:
    with pytest.raises(ValueError, match="twice on the plan of 'x'"):
        Plan("x", (Step("a"), Step("b"), Step("a")))


@given(
    st.lists(
        st.builds(
            Rung,
            st.sampled_from("abc"),
            context_tokens=st.none() | st.integers(0, 300),
            lacks=st.frozensets(st.sampled_from(Need)),
        ),
        max_size=5,
    ),
    st.frozensets(st.sampled_from(Need)),
    st.none() | st.sampled_from("abc"),
    st.none() | st.integers(0, 100),
)
def test_every_tier_is_on_the_plan_or_left_out_with_a_reason_and_order_is_kept(
    rungs: list[Rung], needs: frozenset[Need], pinned: str | None, cap: int | None
) -> None:
    terms = Terms(pinned=pinned, cost_cap_nanousd=cap, worst_costs={"a": 1, "b": 2})
    made = plan(replace(PLAIN, needs=needs), Policy("any", tuple(rungs)), terms)
    left = [each.tier for each in made.excluded]
    assert sorted([*tiers(made), *left]) == sorted(rung.tier for rung in rungs)
    assert all(each.why for each in made.excluded)
    places = iter(rung.tier for rung in rungs)
    assert all(tier in places for tier in tiers(made))


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize(
    ("policys", "callers", "tighter"), [(None, None, None), (3, None, 3), (None, 2, 2), (3, 2, 2)]
)
def test_the_tighter_of_the_policys_and_the_callers_limit_holds(
    policys: int | None, callers: int | None, tighter: int | None
) -> None:
    policy = replace(POLICY, cost_cap_nanousd=policys, deadline_seconds=policys)
    terms = Terms(cost_cap_nanousd=callers, deadline_seconds=callers)
    made = plan(PLAIN, policy, terms)
    assert (made.cost_cap_nanousd, made.deadline_seconds) == (tighter, tighter)


def test_a_cap_of_nothing_is_a_cap() -> None:
    made = plan(PLAIN, replace(POLICY, cost_cap_nanousd=5), Terms(cost_cap_nanousd=0))
    assert made.cost_cap_nanousd == 0


# ------------------------------------------------------------------ checks


def checks_of(
    *checks: Check, samples: int = 1, needs: frozenset[Need] = frozenset()
) -> list[Check]:
    policy = Policy("default", (Rung("local", samples=samples),))
    made = plan(replace(PLAIN, needs=needs), policy, Terms(checks=checks))
    return list(made.steps[0].checks)


def test_gates_come_before_signals_and_keep_their_order() -> None:
    other = Check("lint", Weight.REQUIRED)
    assert checks_of(HEDGING, WHOLE, TESTS, other) == [WHOLE, TESTS, other, HEDGING]


def test_a_check_that_is_named_twice_runs_once_with_the_greater_weight() -> None:
    strict, mild = Check("schema", Weight.REQUIRED), Check("schema", Weight.SIGNAL)
    assert checks_of(mild, strict) == checks_of(strict, mild) == [strict]


def test_several_draws_without_a_required_gate_are_put_to_a_vote() -> None:
    assert checks_of(WHOLE, HEDGING, samples=3) == [WHOLE, HEDGING, AGREEMENT]


def test_a_single_draw_is_not_put_to_a_vote() -> None:
    assert checks_of(WHOLE) == [WHOLE]


def test_with_a_required_gate_draws_are_not_put_to_a_vote() -> None:
    assert checks_of(TESTS, samples=3) == [TESTS]


def test_tool_calls_are_not_put_to_a_vote_since_text_cannot_tell_them_apart() -> None:
    assert checks_of(WHOLE, samples=3, needs=frozenset({Need.TOOLS})) == [WHOLE]


@pytest.mark.parametrize("weight", Weight)
def test_agreement_that_was_asked_for_is_a_signal_and_there_once(weight: Weight) -> None:
    assert checks_of(Check("agreement", weight), WHOLE, samples=3) == [WHOLE, AGREEMENT]


def test_a_calibration_whose_signals_are_all_gone_is_left_out() -> None:
    known = Calibration(("hedging", "removed"), (1.0, 1.0), 0.0, labels=50)
    gone = replace(known, signals=("removed", "other"))
    for calibration, expected in ((known, known), (gone, None)):
        policy = Policy("default", (replace(LOCAL, calibration=calibration),))
        (step,) = plan(PLAIN, policy, Terms(checks=(TESTS, HEDGING))).steps
        assert step.calibration == expected
