"""Plans: which tiers are on a request's way, within which limits, and why the others are not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.calibration import Calibration
from rung.core.features import Features
from rung.core.plan import Excluded, OnExhausted, Plan, Policy, Route, Rung, Step, Terms, plan
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


# ------------------------------------------------------------------ what goes for one tier alone

TOP = Rung("top")
CLIMBING = (LOCAL, replace(CLOUD, reach=0.6), replace(TOP, reach=0.25))


def drawn(*rungs: Rung, seed: int, **terms: object) -> Plan:
    return plan(PLAIN, Policy("default", rungs), Terms(seed=seed, **terms))


def test_a_rungs_own_limits_stand_on_its_step_and_the_plans_hold_for_the_others() -> None:
    strict = replace(CLOUD, min_confidence=0.9, most_spent_nanousd=7)
    low, high = (made := plan(PLAIN, Policy("default", (LOCAL, strict)), Terms())).steps
    assert (made.needed(low), made.needed(high)) == (0.5, 0.9)
    assert (low.most_spent_nanousd, high.most_spent_nanousd) == (None, 7)


def test_a_share_of_the_requests_as_large_as_the_reach_climbs_and_those_above_only_of_them() -> (
    None
):
    plans = [tiers(drawn(*CLIMBING, seed=seed)) for seed in range(2000)]
    assert {tuple(each) for each in plans} == {
        ("local",),
        ("local", "cloud"),
        ("local", "cloud", "top"),
    }
    # Within four standard deviations.
    for tier, reach in (("cloud", 0.6), ("top", 0.25)):
        share = sum(tier in each for each in plans) / len(plans)
        assert abs(share - reach) < 4 * (reach * (1 - reach) / len(plans)) ** 0.5


def test_one_draw_a_request_decides_on_every_ladder_alike() -> None:
    other = (Rung("x"), replace(Rung("y"), reach=0.6))
    for seed in range(50):
        on = "cloud" in tiers(drawn(*CLIMBING, seed=seed))
        assert on is ("y" in tiers(drawn(*other, seed=seed)))
        assert on <= ("y" in tiers(drawn(other[0], replace(other[1], reach=0.61), seed=seed)))


def test_a_tier_above_one_that_was_not_drawn_is_left_out_with_it_and_both_say_the_chance() -> None:
    rungs = (LOCAL, replace(CLOUD, reach=0.0), TOP)
    made = drawn(*rungs, seed=1)
    why = "0% of requests may climb to it, and this one was not drawn"
    assert made.excluded == (Excluded("cloud", why, 0.0), Excluded("top", why, 0.0))
    assert made.reach == 1.0


def test_a_tier_that_cannot_serve_keeps_its_reach_for_those_above_it() -> None:
    narrow = replace(CLOUD, context_tokens=10, reach=0.0)
    made = drawn(LOCAL, narrow, TOP, seed=1)
    assert [each.reach for each in made.excluded] == [1.0, 0.0]
    assert tiers(made) == ["local"]


@pytest.mark.parametrize(
    "terms",
    [
        {"pinned": "cloud"},
        {"route": Route(entry="cloud")},
        {"barred": {"local": "no"}},
        {"resting": {"local": "no"}},
        {"passed_over": {"local": "no"}},
    ],
)
def test_where_a_plan_begins_is_never_drawn(terms: dict[str, object]) -> None:
    for seed in range(20):
        made = drawn(LOCAL, replace(CLOUD, reach=0.0), seed=seed, **terms)
        assert tiers(made) == ["cloud"]
        assert made.steps[0].reach == made.reach == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(0, 2**32))
def test_the_chances_of_all_plans_that_a_draw_can_make_add_up_to_one(
    reaches: list[float], seed: int
) -> None:
    rungs = [Rung(f"t{place}", reach=reach) for place, reach in enumerate(reaches)]
    made = {tuple(tiers(each)): each.reach for each in (drawn(*rungs, seed=s) for s in range(300))}
    assert sum(made.values()) <= 1 + 1e-9
    reach = min(reaches[1:], default=1.0)
    cuts = sorted({1.0, *(min(reaches[1 : n + 2]) for n in range(len(reaches) - 1)), 0.0})
    if all(high - low > 0.05 for low, high in itertools.pairwise(cuts)):
        assert sum(made.values()) == pytest.approx(1.0)
    assert drawn(*rungs, seed=seed) == drawn(*rungs, seed=seed)
    assert len(drawn(*rungs, seed=seed).steps) == len(rungs) or reach < 1


def test_a_draw_of_exactly_one_leaves_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rung.core.plan.draw", lambda *_: 1.0)
    assert tiers(drawn(LOCAL, CLOUD, seed=1)) == ["local", "cloud"]
