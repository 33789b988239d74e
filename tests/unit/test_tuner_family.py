"""The family of ladders against brute force: every order of every set, query by query."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.tuner.choice import run
from rung.tuner.family import TWICE, affordable, asked, family, once_each, patterns
from rung.tuner.front import edge, pareto, spread
from rung.tuner.giving_up import Given, giving_up
from rung.tuner.outcomes import Outcomes
from rung.tuner.proof import safe_ladder
from support.outcomes_made import independent, made


def any_outcomes(models: int, n: int, seed: int) -> Outcomes:
    """Right or wrong at random, costs and seconds of their own for each call."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0.2, 0.9, models)
    found = made((rng.random((n, models)) < shares).astype(float))
    cost = rng.integers(1, 10**8, (n, models)) * 2.0 ** rng.integers(0, 6, models)
    return replace(found, cost=cost, seconds=rng.uniform(0.1, 9, (n, models)))


def cheapest_order(outcomes: Outcomes, models: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
    return min((float(run(outcomes, each).cost.mean()), each) for each in permutations(models))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 40), st.integers(1, 5), st.integers(0, 10**6), st.booleans()
)
def test_the_family_is_one_ladder_a_set_in_its_cheapest_order(
    models, n, tiers, seed, grouped
) -> None:
    outcomes = any_outcomes(models, n, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rung.tuner.family.FEW", 0 if grouped else 10**9)
        found = family(patterns(outcomes), tiers)
    assert found.patterns.n == n
    sets = {frozenset(found.columns(place)) for place in range(found.cost.size)}
    every = [each for size in range(1, tiers + 1) for each in combinations(range(models), size)]
    assert len(found.cost) == len(sets) == len(every)
    for place in range(found.cost.size):
        ladder = found.columns(place)
        cost, _ = cheapest_order(outcomes, ladder)
        whole = run(outcomes, ladder)
        assert found.cost[place] == pytest.approx(cost)
        assert float(whole.cost.mean()) == pytest.approx(cost)
        assert found.seconds[place] == pytest.approx(float(whole.seconds.mean()))
        missed = found.patterns.count @ found.missed[:, place] / n
        assert 1 - missed == pytest.approx(float(whole.right.mean()))


def test_patterns_of_many_queries_keep_every_sum(monkeypatch) -> None:
    monkeypatch.setattr("rung.tuner.family.FEW", 10)
    outcomes = any_outcomes(3, 400, 7)
    found = patterns(outcomes)
    assert found.count.size <= 8
    assert found.count.sum() == found.n == 400
    assert np.array_equal(found.failed[found.kind], 1 - outcomes.correct)
    assert found.spent.sum(axis=0) == pytest.approx(outcomes.cost.sum(axis=0))
    assert outcomes.seconds is not None
    assert found.seconds.sum(axis=0) == pytest.approx(outcomes.seconds.sum(axis=0))


def test_more_than_eight_models_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr("rung.tuner.family.FEW", 10)
    outcomes = any_outcomes(11, 300, 8)
    found = patterns(outcomes)
    assert np.array_equal(found.failed[found.kind], 1 - outcomes.correct)


def test_ladders_with_a_model_are_those_that_call_it() -> None:
    found = family(patterns(any_outcomes(4, 20, 1)), 3)
    calling = set(found.with_column(2).tolist())
    assert calling == {place for place in range(found.cost.size) if 2 in found.columns(place)}
    assert all(2 in found.columns(place) for place in calling)


# ------------------------------------------------------------------ what may not be combined


def test_no_ladder_asks_a_model_once_and_twice() -> None:
    outcomes = replace(any_outcomes(4, 60, 3), models=("a", "b", "a" + TWICE, "b" + TWICE))
    assert asked(outcomes.models).tolist() == [0, 1, 0, 1]
    found = family(patterns(outcomes), 3)
    sets = [set(found.columns(place)) for place in range(found.cost.size)]
    assert {0, 2} not in sets
    assert not any({0, 2} <= each or {1, 3} <= each for each in sets)
    assert len(sets) == 4 + 4  # of two at most, and of different models
    for place in range(found.cost.size):
        cost, _ = cheapest_order(outcomes, found.columns(place))
        assert found.cost[place] == pytest.approx(cost)


def test_places_without_a_tier_are_no_model_twice() -> None:
    order = np.array([[0, -1, -1], [0, 1, -1], [0, 2, -1], [2, 1, 0]])
    assert once_each(order, np.array([0, 1, 0])).tolist() == [True, True, False, False]


# ------------------------------------------------------------------ how many models


def test_the_dearest_models_go_first_and_the_reference_stays(monkeypatch) -> None:
    outcomes = independent([0.5] * 8, [0.08, 0.01, 0.07, 0.02, 0.06, 0.03, 0.05, 0.04]).drawn(9, 0)
    assert affordable(outcomes, 3, 0).tolist() == list(range(8))
    monkeypatch.setattr("rung.tuner.family.MOST_LADDERS", 14)  # three models come to 7, four to 14
    assert affordable(outcomes, 3, None).tolist() == [1, 3, 5, 7]
    assert affordable(outcomes, 3, 0).tolist() == [0, 1, 3, 5]
    monkeypatch.setattr("rung.tuner.family.MOST_LADDERS", 0)
    assert affordable(outcomes, 3, 6).tolist() == [6]


# ------------------------------------------------------------------ ladders that give up


def given_up(outcomes: Outcomes, reference: int, tiers: int) -> tuple[Given, list[tuple[int, ...]]]:
    found = family(patterns(outcomes), tiers)
    made_ = giving_up(outcomes, found, reference, safe_ladder(found, reference), tiers)
    return made_, [found.columns(int(place)) for place in made_.below]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_gives_up_costs_gains_and_loses_what_each_query_does(
    seed, grouped, monkeypatch
) -> None:
    monkeypatch.setattr("rung.tuner.family.FEW", 0 if grouped else 10**9)
    outcomes, reference = any_outcomes(4, 120, seed), 3
    outcomes.cost[:, reference] *= 50
    found, ladders = given_up(outcomes, reference, 3)
    kind = patterns(outcomes).kind
    assert len(ladders) > 5
    assert found.gains.shape == found.losses.shape == (kind.max() + 1, len(ladders))
    alone = outcomes.correct[:, reference]
    for place, ladder in enumerate(ladders):
        whole = run(outcomes, (*ladder, reference), float(found.limit[place]))
        assert reference not in ladder
        assert found.cost[place] == pytest.approx(float(whole.cost.mean()))
        assert found.seconds[place] == pytest.approx(float(whole.seconds.mean()))
        gained = np.bincount(kind, (whole.right > alone).astype(float))
        lost = np.bincount(kind, (whole.right < alone).astype(float))
        count = np.bincount(kind)
        assert found.gains[:, place] == pytest.approx(gained / count)
        assert found.losses[:, place] == pytest.approx(lost / count)
        assert 0 < (whole.cost > run(outcomes, ladder).cost).mean() < 1  # some ask, some do not


def test_a_limit_is_whole_nano_dollars_as_policies_have_them() -> None:
    outcomes = any_outcomes(3, 90, 5)
    outcomes.cost[:] = outcomes.cost * 1e-6 + 0.37
    outcomes.cost[:, 2] *= 50
    found, _ = given_up(outcomes, 2, 3)
    assert found.limit.size
    assert np.array_equal(found.limit, np.floor(found.limit))


def test_nothing_gives_up_where_everything_costs_the_same_or_nothing_fails() -> None:
    same, _ = given_up(independent((0.5, 0.8), (0.01, 0.1)).drawn(60, 1), 1, 2)
    assert same.limit.size == 0
    never, _ = given_up(made(np.ones((30, 2))), 1, 2)
    assert never.limit.size == never.cost.size == 0
    assert never.gains.shape == (30, 0)


# ------------------------------------------------------------------ fronts

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(points)
def test_a_front_is_all_that_nothing_beats_on_both(found) -> None:
    cost, quality = (np.array(each, dtype=float) for each in zip(*found, strict=True))
    front = pareto(cost, quality)
    figures = {(cost[place], quality[place]) for place in front}
    beaten = [
        any(
            (c <= cost[k] and q >= quality[k]) and (c < cost[k] or q > quality[k])
            for c, q in zip(cost, quality, strict=True)
        )
        for k in range(cost.size)
    ]
    assert len(figures) == len(front)
    assert figures == {(cost[k], quality[k]) for k in range(cost.size) if not beaten[k]}
    assert cost[front].tolist() == sorted(cost[front], reverse=True)


@settings(max_examples=200, deadline=None)
@given(points, st.data())
def test_the_way_down_gets_cheaper_with_each_step_and_ends_at_the_cheapest(found, data) -> None:
    cost, quality = (np.array(each, dtype=float) for each in zip(*found, strict=True))
    start = data.draw(st.integers(0, cost.size - 1))
    way = edge(cost, quality, start)
    assert way[0] == start
    assert (np.diff(cost[way]) < 0).all()
    assert cost[way[-1]] == cost.min()
    # Nothing between two steps that is cheaper than the first and at least as good is passed by.
    for here, there in pairwise(way):
        free = (cost < cost[here]) & (quality >= quality[here])
        assert not free.any() or quality[there] == quality[free].max()


@pytest.mark.parametrize(("count", "most"), [(0, 3), (1, 1), (5, 9), (40, 9), (41, 2)])
def test_a_spread_keeps_the_order_and_both_ends(count, most) -> None:
    places = list(range(100, 100 + count))
    found = spread(places, most)
    assert found == sorted(found)
    assert len(found) == min(count, most)
    assert found[:1] == places[:1]
    assert found[-1:] == places[-1:]


def test_no_ladders_have_no_front() -> None:
    assert pareto(np.zeros(0), np.zeros(0)) == []
