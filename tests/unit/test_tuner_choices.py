"""What the search starts from, and its other targets: categories, a budget, a check that errs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.core.plan import OnExhausted, Rung
from rung.tuner.aims import Aim, Basis, Errors, Mode
from rung.tuner.categories import by_category
from rung.tuner.category_path import along_categories
from rung.tuner.choice import Choice, Columns, carried_out, run
from rung.tuner.erring import choose_erring, is_plain, ordered
from rung.tuner.family import TWICE
from rung.tuner.outcomes import Outcomes
from rung.tuner.prepared import Prepared, prepared
from rung.tuner.spending import within_budget
from support.outcomes_made import World, apart, independent, made, nested

WORLD = independent((0.5, 0.6, 0.8), (0.01, 0.02, 0.1))


def ready(outcomes: Outcomes, **aim: Any) -> tuple[Prepared, Aim]:
    asked = Aim(**aim)
    return prepared(outcomes, asked), asked


def with_second_draws(outcomes: Outcomes, seed: int = 0) -> Outcomes:
    second = np.random.default_rng(seed).random((*outcomes.correct.shape, 1))
    return replace(outcomes, draws=(second < outcomes.correct.mean(axis=0)[:, None]).astype(float))


# ------------------------------------------------------------------ aims

WRONG_AIMS = {
    "confidence": [0.0, 0.3, 1.0, 0.9999999999999999, float("nan")],
    "max_loss": [-0.01, 1.0, float("nan")],
    "quality": [0.0, 1.0, 74.0, float("nan")],
    "budget_usd": [0.0, -1.0, float("inf"), float("nan")],
    "max_tiers": [0, 7],
    "slowest_seconds": [0.0, -1.0, float("inf"), float("nan")],
    "seed": [-1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(k, v) for k, each in WRONG_AIMS.items() for v in each]
)
def test_an_aim_out_of_range_is_named_with_its_value(name, value) -> None:
    outcomes = replace(WORLD.drawn(20, 0), seconds=np.ones((20, 3)))
    with pytest.raises(RequestError, match=rf"{name} cannot be {value}") as caught:
        prepared(outcomes, Aim(**{"baseline": "m2", name: value}))
    assert caught.value.fix


def test_an_unknown_baseline_is_told_with_the_nearest_name() -> None:
    with pytest.raises(RequestError, match="'m22'") as caught:
        prepared(WORLD.drawn(20, 0), Aim(baseline="m22"))
    assert "m2" in (caught.value.fix or "")


def test_no_target_at_all_is_refused() -> None:
    with pytest.raises(RequestError, match="nothing was asked for"):
        prepared(WORLD.drawn(20, 0), Aim())


@pytest.mark.parametrize("seconds", [None, np.full((20, 3), np.nan)])
def test_a_latency_cannot_be_met_where_none_is_known(seconds) -> None:
    with pytest.raises(RequestError, match="no outcome has one"):
        prepared(
            replace(WORLD.drawn(20, 0), seconds=seconds), Aim(baseline="m2", slowest_seconds=3)
        )


def test_a_latency_that_no_model_has_is_refused_with_the_quickest() -> None:
    outcomes = replace(WORLD.drawn(20, 0), seconds=np.tile([3.0, 2.0, 9.0], (20, 1)))
    with pytest.raises(RequestError, match="m1, the quickest, takes 2 s"):
        prepared(outcomes, Aim(baseline="m2", slowest_seconds=1.5))
    assert prepared(outcomes, Aim(baseline="m2", slowest_seconds=2.0)).warnings == ()


# ------------------------------------------------------------------ what is left out


def test_a_model_that_was_asked_little_is_left_out_and_the_reference_never_is() -> None:
    outcomes = WORLD.drawn(100, 1)
    outcomes.correct[10:, 1] = np.nan
    found, _ = ready(outcomes, baseline="m2")
    assert found.outcomes.models == ("m0", "m2")
    assert len(found.outcomes) == 100
    assert found.warnings == ("Left out, for want of costs or outcomes: m1.",)
    # Asked as little, the reference decides which queries there are.
    found, _ = ready(outcomes, baseline="m1")
    assert found.outcomes.models == WORLD.models
    assert found.outcomes.queries == outcomes.queries[:10]
    assert "90 queries" in found.warnings[0]


def test_a_few_queries_go_rather_than_a_model() -> None:
    outcomes = WORLD.drawn(100, 1)
    outcomes.correct[:4, 0] = np.nan
    outcomes.cost[2:5, 1] = np.nan
    found, _ = ready(outcomes, baseline="m2")
    assert found.outcomes.models == WORLD.models
    assert found.outcomes.queries == outcomes.queries[5:]
    assert found.warnings == ("Left out: 5 queries that not all of these models were asked.",)


def test_a_model_without_costs_is_left_out_and_a_reference_without_is_refused() -> None:
    outcomes = WORLD.drawn(50, 1)
    outcomes.cost[:, 1] = np.nan
    found, _ = ready(outcomes, baseline="m2")
    assert found.outcomes.models == ("m0", "m2")
    with pytest.raises(RequestError, match="m1 has no outcome with a cost") as caught:
        prepared(outcomes, Aim(baseline="m1"))
    assert "cost_usd" in (caught.value.fix or "")


@pytest.mark.parametrize("aim", [Aim(baseline="m2"), Aim(quality=0.5), Aim(budget_usd=1)])
def test_outcomes_without_any_cost_or_any_query_are_refused(aim) -> None:
    outcomes = WORLD.drawn(5, 0)
    with pytest.raises(RequestError, match="cost"):
        prepared(replace(outcomes, cost=outcomes.cost * np.nan), aim)
    with pytest.raises(RequestError, match=r"no outcome|no query"):
        prepared(outcomes.rows(np.array([], dtype=int)), aim)


def test_models_that_never_met_on_a_query_leave_the_reference_alone() -> None:
    outcomes = independent((0.5, 0.8)).drawn(40, 0)
    outcomes.correct[:20, 0] = outcomes.correct[20:, 1] = np.nan
    found, _ = ready(outcomes, baseline="m1")
    assert found.outcomes.models == ("m1",)
    assert len(found.outcomes) == 20


# ------------------------------------------------------------------ draws as tiers


def test_a_second_draw_is_a_tier_of_its_own_that_asks_twice() -> None:
    outcomes = with_second_draws(WORLD.drawn(80, 1))
    second = outcomes.draws
    assert second is not None
    found, _ = ready(outcomes, baseline="m2")
    assert found.outcomes.models == ("m0", "m1", "m2", *(f"m{k}{TWICE}" for k in range(3)))
    assert found.rungs[4] == Rung("m1", samples=2)
    assert found.reference == 2
    right = found.outcomes.correct[:, 4]
    assert np.array_equal(right, np.maximum(outcomes.correct[:, 1], second[:, 1, 0]))
    times = found.outcomes.cost[:, 4] / outcomes.cost[:, 1]
    assert np.array_equal(times, 2 - outcomes.correct[:, 1])


def test_a_draw_that_is_missing_makes_no_tier() -> None:
    outcomes = with_second_draws(WORLD.drawn(80, 1))
    assert outcomes.draws is not None
    outcomes.draws[3, 1, 0] = np.nan
    found, _ = ready(outcomes, baseline="m2")
    assert "m1" + TWICE not in found.outcomes.models
    assert "m0" + TWICE in found.outcomes.models


def test_a_check_that_errs_makes_no_tiers_of_draws() -> None:
    """It may pass the first of two answers although that is wrong: two are no better one."""
    outcomes = with_second_draws(WORLD.drawn(80, 1))
    found, _ = ready(outcomes, baseline="m2", errors=Errors(0.1, 0.0))
    assert found.outcomes.models == WORLD.models
    recorded = 1 - outcomes.correct
    found, aim = ready(replace(outcomes, accepted=recorded), baseline="m2")
    assert found.outcomes.models == WORLD.models
    assert not is_plain(found, aim)


@pytest.mark.parametrize(
    ("changed", "plain"),
    [
        ({}, True),
        ({"weight": np.full(80, 3.0)}, True),
        ({"weight": np.arange(1.0, 81.0)}, False),
        ({"correct": np.full((80, 3), 0.5)}, False),
        ({"accepted": WORLD.drawn(80, 1).correct}, True),
        ({"accepted": 1 - WORLD.drawn(80, 1).correct}, False),
    ],
    ids=["as it is", "all alike", "weights", "fractions", "a sound check", "one that errs"],
)
def test_what_counts_as_plain(changed, plain) -> None:
    found, aim = ready(replace(WORLD.drawn(80, 1), **changed), baseline="m2")
    assert is_plain(found, aim) is plain
    assert not is_plain(found, replace(aim, errors=Errors(0.0, 0.1)))


# ------------------------------------------------------------------ categories


def two_categories(n: int, seed: int) -> Outcomes:
    """In one category m0 is always right, in the other m1, which costs as much, and never both."""
    one = np.tile([1.0, 0.0, 1.0], (n // 2, 1))
    two = np.tile([0.0, 1.0, 1.0], (n // 2, 1))
    rng = np.random.default_rng(seed)
    correct = np.concatenate([one, two]) * (rng.random((n, 3)) < 0.95)
    named = ["code"] * (n // 2) + ["law"] * (n // 2)
    return made(correct, (0.05, 0.05, 0.1), categories=named)


def test_each_category_begins_with_the_model_that_is_good_at_it() -> None:
    found, aim = ready(two_categories(200, 0), baseline="m2")
    own = by_category(found, aim.max_tiers, 0)
    assert own is not None
    assert own.saved > 0.2
    first = {name: ladder[0] for name, ladder in own.ladders.items()}
    whole = own.whole[0]
    assert (first.get("code", whole), first.get("law", whole)) == (0, 1)
    assert all(2 in ladder for ladder in (own.whole, *own.ladders.values()))
    choice = Choice(own.whole, Basis.REFERENCE_KEPT, by_category=own.ladders)
    everything = carried_out(found.outcomes, choice)
    assert (everything.right >= found.outcomes.correct[:, 2]).all()
    assert everything.cost.mean() < run(found.outcomes, own.whole).cost.mean()


def test_categories_that_differ_by_nothing_have_no_ladders_of_their_own() -> None:
    for seed in range(10):
        outcomes = WORLD.drawn(120, seed)
        named = np.random.default_rng(seed).integers(0, 4, 120)
        split = replace(outcomes, category=named, categories=("a", "b", "c", "d"))
        found, aim = ready(split, baseline="m2")
        assert by_category(found, aim.max_tiers, 0) is None


def test_without_a_reference_or_with_one_category_there_is_nothing_to_split() -> None:
    found, _ = ready(two_categories(100, 0), quality=0.9)
    assert by_category(found, 3, 0) is None
    found, _ = ready(WORLD.drawn(100, 0), baseline="m2")
    assert by_category(found, 3, 0) is None


def test_a_category_that_no_query_has_gets_no_ladder() -> None:
    outcomes = two_categories(200, 0)
    wider = replace(outcomes, categories=("code", "law", "unseen"))
    found, _ = ready(wider, baseline="m2")
    own = by_category(found, 3, 0)
    assert own is not None
    assert "unseen" not in own.ladders


# ------------------------------------------------------------------ categories that stop below


def of_categories(shares: dict[str, list[float]], n: int, seed: int) -> Outcomes:
    """Independent models, in each category right as often as told; the last is the reference."""
    rng = np.random.default_rng(seed)
    named = [name for name in shares for _ in range(n // len(shares))]
    rows = np.array([shares[name] for name in named])
    mixed = rng.permutation(len(named))
    correct = (rng.random(rows.shape) < rows).astype(float)
    return made(correct[mixed], (0.01, 0.02, 0.4), categories=[named[k] for k in mixed])


def true_gain(shares: dict[str, list[float]], ladders: dict[str, Columns]) -> float:
    """What the ladders gain over the reference on the mean; without one it is the reference."""
    total = 0.0
    for name, rates in shares.items():
        failed = np.prod([1 - rates[column] for column in ladders.get(name, (2,))])
        total += (1 - failed - rates[2]) / len(shares)
    return float(total)


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.PROOF])
def test_a_category_that_the_reference_rescues_nothing_in_stops_asking_it(mode) -> None:
    """In the other it is worth its price: what m0 gains there pays for what is lost here."""
    code = World({(1, 1, 1): 0.6, (0, 0, 0): 0.38, (0, 0, 1): 0.02})
    law = World({(0, 0, 1): 0.6, (1, 0, 0): 0.2, (1, 1, 1): 0.2})
    hits = 0
    for seed in range(10):
        parts = [each.drawn(200, 2 * seed + k).correct for k, each in enumerate((code, law))]
        named = ["code"] * 200 + ["law"] * 200
        outcomes = made(np.concatenate(parts), (0.01, 0.02, 0.4), categories=named)
        found, aim = ready(outcomes, baseline="m2", mode=mode)
        along = along_categories(found, aim, 0.05)
        if along is None:
            continue
        assert along.p_value <= 0.05
        hits += 2 not in along.ladders["code"] and 2 in along.ladders["law"]
    assert hits >= 7


@pytest.mark.parametrize("mode", [Mode.DEFAULT, Mode.PROOF])
def test_ladders_of_categories_miss_the_target_no_more_often_than_the_level(mode) -> None:
    """What is gained in one category nearly pays for what is lost in the other, at one price."""
    shares = {"code": [0.7, 0.0, 0.6], "law": [0.55, 0.0, 0.66]}
    missed = found_any = 0
    for seed in range(80):
        found, aim = ready(of_categories(shares, 160, seed), baseline="m2", mode=mode, max_tiers=1)
        along = along_categories(found, aim, 0.1)
        if along is not None:
            found_any += 1
            missed += true_gain(shares, along.ladders) < -1e-9
    assert found_any >= 5
    assert missed <= 0.15 * 80


def test_few_queries_one_category_or_no_reference_leave_nothing_to_test() -> None:
    shares = {"code": [0.97, 0.9, 0.8], "law": [0.1, 0.1, 0.8]}
    found, aim = ready(of_categories(shares, 40, 0), baseline="m2")
    assert along_categories(found, aim, 0.1) is None
    found, aim = ready(of_categories(shares, 200, 0), quality=0.5)
    assert along_categories(found, aim, 0.1) is None
    found, aim = ready(WORLD.drawn(200, 0), baseline="m2")
    assert along_categories(found, aim, 0.1) is None


# ------------------------------------------------------------------ a budget


def spent(outcomes: Outcomes, budget: float, **aim: Any) -> Choice:
    found, asked = ready(outcomes, budget_usd=budget, **aim)
    return within_budget(found, asked)


def test_a_budget_buys_the_best_that_it_surely_pays_for() -> None:
    for seed in range(10):
        outcomes = WORLD.drawn(400, seed)
        costs, rights = [], []
        for budget in (0.005, 0.012, 0.022, 0.05, 1.0):
            choice = spent(outcomes, budget)
            whole = run(outcomes, choice.ladder)
            if choice.basis is Basis.NOTHING:
                continue
            assert whole.cost.mean() / 1e9 <= budget
            assert choice.p_value is not None
            assert choice.level == pytest.approx(0.1)
            assert choice.p_value <= choice.level
            costs.append(whole.cost.mean())
            rights.append(whole.right.mean())
        assert len(costs) >= 3
        assert rights == sorted(rights)
        assert rights[-1] == pytest.approx(outcomes.correct.max(axis=1).mean())


def test_a_budget_is_truly_kept_as_often_as_promised() -> None:
    """The budget is what the ladder of all three truly costs, less a hair."""
    budget = WORLD.cost(0, 1, 2) * 0.999
    broken = 0
    for seed in range(60):
        choice = spent(WORLD.drawn(150, seed), budget)
        if choice.basis is not Basis.NOTHING:
            broken += WORLD.cost(*choice.ladder) > budget
    assert broken <= 0.2 * 60
    naive = sum(
        run(WORLD.drawn(150, seed), (0, 1, 2)).cost.mean() / 1e9 <= budget for seed in range(60)
    )
    assert naive >= 0.3 * 60  # by the estimate alone it would be broken often


def test_a_budget_below_the_cheapest_model_buys_nothing_surely() -> None:
    choice = spent(WORLD.drawn(200, 0), 0.001)
    assert choice.basis is Basis.NOTHING
    assert not any(other.certified for other in choice.others)
    assert {other.why_not for other in choice.others} == {"may cost more than the budget"}


def test_what_fits_the_budget_and_was_not_taken_says_why() -> None:
    choice = spent(WORLD.drawn(400, 0), 1.0)
    fits = [other for other in choice.others if other.certified]
    assert len(fits) > 1
    assert all(other.why_not for other in fits)


def test_without_a_guarantee_an_estimate_within_the_budget_will_do() -> None:
    outcomes = WORLD.drawn(40, 3)
    budget = float(run(outcomes, (0, 1, 2)).cost.mean()) / 1e9
    assert spent(outcomes, budget, mode=Mode.NONE).basis is Basis.NOTHING
    assert run(outcomes, spent(outcomes, budget, mode=Mode.NONE).ladder).cost.mean() <= budget * 1e9


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_budget_for_next_to_no_queries_is_an_answer(n) -> None:
    choice = spent(WORLD.drawn(n, 0), 0.5)
    assert choice.ladder
    if n == 1:
        assert choice.basis is Basis.NOTHING


def test_a_budget_with_a_latency_takes_what_is_quick_enough() -> None:
    outcomes = replace(WORLD.drawn(300, 0), seconds=np.tile([1.0, 5.0, 9.0], (300, 1)))
    choice = spent(outcomes, 1.0, slowest_seconds=1.0)
    assert choice.ladder == (0,)


def test_a_budget_that_some_of_the_queries_are_too_slow_for_is_an_answer_too() -> None:
    seconds = np.ones((30, 1)) * np.array([5.0, 6.0, 7.0])
    order = np.random.default_rng(0).permutation(30)
    seconds[np.sort(order[round(0.35 * 30) :])] = 0.1  # those that do not choose
    choice = spent(replace(WORLD.drawn(30, 0), seconds=seconds), 1.0, slowest_seconds=3.0)
    assert choice.ladder == (0,)


# ------------------------------------------------------------------ a check that errs


def erring(outcomes: Outcomes, **aim: Any) -> Choice:
    found, asked = ready(outcomes, **aim)
    return choose_erring(found, asked)


@pytest.mark.parametrize(
    "aim",
    [
        {"quality": 0.7},
        {"budget_usd": 0.1},
        {"baseline": "m2", "quality": 0.7},
        {"baseline": "m2", "budget_usd": 0.1},
    ],
)
def test_where_the_check_errs_the_target_has_to_be_a_model(aim) -> None:
    with pytest.raises(RequestError, match="has to be a model") as caught:
        erring(WORLD.drawn(200, 0), errors=Errors(0.1, 0.1), **aim)
    assert "baseline" in (caught.value.fix or "")


def test_a_check_that_passes_everything_certifies_the_reference_alone() -> None:
    world = nested((0.4, 0.8), (0.01, 0.1))
    choice = erring(world.drawn(300, 0), baseline="m1", errors=Errors(1.0, 0.0))
    assert (choice.ladder, choice.basis) == ((1,), Basis.NOTHING)
    assert choice.words


def test_a_check_that_hardly_errs_still_saves_where_models_complement_each_other() -> None:
    choice = erring(WORLD.drawn(400, 0), baseline="m2", errors=Errors(0.01, 0.01))
    assert choice.basis is Basis.TESTED
    assert choice.on_exhausted is OnExhausted.BEST
    assert choice.p_value is not None
    assert choice.p_value <= 0.1


def test_only_ladders_that_are_quick_enough_are_tried() -> None:
    outcomes = replace(WORLD.drawn(400, 0), seconds=np.tile([1.0, 2.0, 3.0], (400, 1)))
    free = erring(outcomes, baseline="m2", errors=Errors(0.01, 0.01))
    assert free.ladder != (2,)
    slow = erring(outcomes, baseline="m2", errors=Errors(0.01, 0.01), slowest_seconds=1.0)
    assert slow.ladder == (2,)


def test_answers_that_are_right_in_part_need_no_check_that_errs() -> None:
    rng = np.random.default_rng(0)
    outcomes = made(rng.integers(0, 4, (300, 3)) / 3, (0.01, 0.02, 0.5))
    choice = erring(outcomes, baseline="m2")
    assert choice.basis is not Basis.NOTHING
    assert choice.ladder[-1] == 2 or choice.basis is Basis.TESTED


def test_every_order_is_tried_but_none_with_a_model_once_and_twice() -> None:
    outcomes = apart((0.3, 0.3, 0.3)).drawn(20, 0)
    found = ordered(outcomes, 2, 3)
    assert len(found) == 3 + 6 + 6
    assert len({tuple(row) for row in found.tolist()}) == len(found)
    doubled = replace(outcomes, models=("a", "b", "a" + TWICE))
    orders = {tuple(row) for row in ordered(doubled, 1, 3).tolist()}
    assert len(orders) == 3 + 4
    assert not any({0, 2} <= set(order) for order in orders)


def test_of_too_many_models_the_dearest_go_and_the_reference_stays(monkeypatch) -> None:
    monkeypatch.setattr("rung.tuner.erring.MOST_LADDERS", 15)
    outcomes = independent([0.5] * 5, [0.05, 0.01, 0.02, 0.03, 0.04]).drawn(10, 0)
    assert set(ordered(outcomes, 0, 3).ravel().tolist()) - {-1} == {0, 1, 2}
