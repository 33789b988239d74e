"""What `tune` answers: its figures are those of its policy, and odd outcomes get a plain answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.tuner.aims import SOUND, Aim, Basis, Errors, Mode, Recommendation, Tuned
from rung.tuner.odds import Checking, Given
from rung.tuner.outcomes import Outcomes
from rung.tuner.played import Played
from rung.tuner.simulate import expected
from rung.tuner.telling import told
from rung.tuner.tuning import tune
from support.outcomes_made import World, alike, correlated, independent, made, nested

WORLD = independent((0.5, 0.6, 0.8), (0.01, 0.02, 0.1))
LIKE = nested((0.5, 0.7, 0.8), (0.01, 0.02, 0.1))


def asked(outcomes: Outcomes, **aim: Any) -> Recommendation:
    return tune(outcomes, Aim(**({"baseline": outcomes.models[-1]} | aim)))


def models_of(made_: Recommendation) -> list[str]:
    assert made_.tuned is not None
    return [rung.tier for rung in made_.tuned.whole.rungs]


def with_errors(outcomes: Outcomes, share: float, seed: int) -> Outcomes:
    wrong = np.random.default_rng(seed).random(outcomes.correct.shape) < share
    return replace(outcomes, accepted=np.where(wrong, 1 - outcomes.correct, outcomes.correct))


# ------------------------------------------------------------------ figures are the policy's own


def assert_same_as_played(
    made_: Recommendation, outcomes: Outcomes, check: Checking = SOUND
) -> Played:
    """Quality and cost are those of replaying what is recommended, bounds are on the right side."""
    assert made_.tuned is not None
    played = expected(outcomes, made_.tuned, check)
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    right, cost = (float(np.average(each, weights=weight)) for each in (played.right, played.cost))
    assert made_.quality.value == pytest.approx(right, rel=1e-6)
    assert made_.cost_usd.value == pytest.approx(cost / 1e9, rel=1e-6)
    assert made_.quality_lower <= right + 1e-9
    assert made_.cost_upper >= cost / 1e9 * (1 - 1e-6)
    for each in (made_.quality, made_.cost_usd):
        assert each.low <= each.value <= each.high
    if made_.saved is not None and made_.baseline is not None:
        assert made_.saved.low <= made_.saved.value <= made_.saved.high
        alone = made_.baseline.cost_usd.value
        assert made_.saved.value == pytest.approx(1 - cost / 1e9 / alone, abs=1e-6)
    document = json.loads(json.dumps(told(made_), allow_nan=False))
    assert document["quality"] == made_.quality.value
    return played


def costly(seed: int, n: int = 240) -> Outcomes:
    """Hard queries are dear for all: what makes giving up worth its while."""
    outcomes = correlated([0.5, 0.6, 0.75], 0.6, n, seed)
    hard = 3 - outcomes.correct.sum(axis=1)
    rng = np.random.default_rng(seed)
    factor = np.rint(np.exp(1.2 * hard + rng.normal(0, 0.3, n)) * 1000) / 1000
    return replace(outcomes, cost=np.rint(np.array([1e6, 3e6, 2e7]) * factor[:, None]))


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("max_loss", [0.0, 0.02, 0.2])
def test_figures_are_those_of_replaying_the_policy(mode, max_loss) -> None:
    seen = set()
    for seed in range(6):
        outcomes = (WORLD.drawn(240, seed), LIKE.drawn(240, seed), costly(seed))[seed % 3]
        found = asked(outcomes, mode=mode, max_loss=max_loss, seed=seed)
        assert_same_as_played(found, outcomes)
        seen.add(found.certificate.basis)
    assert seen <= {Basis.REFERENCE_KEPT, Basis.TESTED, Basis.PROOF, Basis.NOTHING}
    assert (Basis.PROOF in seen) <= (mode is Mode.PROOF)
    assert (Basis.TESTED in seen) <= (mode is Mode.DEFAULT)
    assert (Basis.NOTHING in seen) <= (mode is Mode.NONE)


def test_a_share_of_the_requests_is_reckoned_as_it_is_replayed() -> None:
    shares = []
    for seed in range(12):
        outcomes = WORLD.drawn(200, seed)
        found = asked(outcomes)
        assert_same_as_played(found, outcomes)
        if found.tuned is not None and found.tuned.part is not None:
            shares.append(found.tuned.part.share)
            assert any("of the requests may stop at" in said for said in found.advice)
    assert shares
    assert all(0 < share < 1 for share in shares)


def test_a_tier_that_gives_up_is_reckoned_as_it_is_replayed() -> None:
    limits = 0
    for seed in range(20):
        outcomes = costly(seed)
        found = asked(outcomes, max_loss=0.03, seed=seed)
        assert_same_as_played(found, outcomes)
        tuned = found.tuned
        assert tuned is not None
        every = [tuned.whole, *([] if tuned.part is None else [tuned.part.policy])]
        limits += any(r.most_spent_nanousd is not None for each in every for r in each.rungs)
        if tuned.part is not None and tuned.part.policy.rungs[-1].most_spent_nanousd is not None:
            assert any("may stop at" in said and "once $" in said for said in found.advice)
    assert limits >= 3
    kept = asked(costly(0), max_loss=0.03, give_up=False).tuned
    assert kept is not None
    assert kept.part is None
    assert all(rung.most_spent_nanousd is None for rung in kept.whole.rungs)


def test_ladders_of_categories_are_reckoned_as_they_are_replayed() -> None:
    rows = np.concatenate([np.tile([1.0, 0.0, 1.0], (100, 1)), np.tile([0.0, 1.0, 1.0], (100, 1))])
    outcomes = made(rows, (0.05, 0.05, 0.1), categories=["code"] * 100 + ["law"] * 100)
    found = asked(outcomes, by_category=True)
    assert found.tuned is not None
    assert found.tuned.by_category
    assert {name: each.ladder for name, each in found.tuned.by_category.items()} == {
        name: name for name in found.tuned.by_category
    }
    played = assert_same_as_played(found, outcomes)
    assert played.right.min() == 1
    assert found.certificate.basis is Basis.REFERENCE_KEPT
    assert found.cost_usd.value < asked(outcomes).cost_usd.value


@pytest.mark.parametrize("mode", list(Mode))
def test_ladders_of_categories_that_were_tested_are_reckoned_as_they_are_replayed(mode) -> None:
    tested = 0
    for seed in range(6):
        code = World({(1, 1, 1): 0.6, (0, 0, 0): 0.38, (0, 0, 1): 0.02}).drawn(150, seed)
        law = World({(0, 0, 1): 0.6, (1, 0, 0): 0.2, (1, 1, 1): 0.2}).drawn(150, seed + 99)
        rows = np.concatenate([code.correct, law.correct])
        outcomes = made(rows, (0.01, 0.02, 0.4), categories=["code"] * 150 + ["law"] * 150)
        found = asked(outcomes, by_category=True, max_loss=0.02, seed=seed, mode=mode)
        assert_same_as_played(found, outcomes)
        assert found.tuned is not None
        certificate = found.certificate
        if found.tuned.by_category and certificate.p_value is not None:
            tested += 1
            assert certificate.level is not None
            assert certificate.p_value <= certificate.level <= 0.05 + 1e-12
    assert tested >= (0 if mode is Mode.NONE else 1)


@pytest.mark.parametrize("draws", [1, 2])
def test_draws_are_reckoned_as_they_are_replayed(draws) -> None:
    rng = np.random.default_rng(5)
    for tiers in (1, 2, 3, 5):
        outcomes = WORLD.drawn(240, tiers)
        more = rng.random((240, 3, draws)) < np.array([0.5, 0.6, 0.8])[:, None]
        found = asked(replace(outcomes, draws=more.astype(float)), max_tiers=tiers)
        assert_same_as_played(found, replace(outcomes, draws=more.astype(float)))
        assert found.tuned is not None
        assert len(found.tuned.whole.rungs) <= tiers


@pytest.mark.parametrize("errors", [Errors(0.02, 0.02), Errors(0.2, 0.2), Errors(0.0, 0.3)])
@pytest.mark.parametrize("max_loss", [0.0, 0.1])
def test_a_check_that_errs_is_reckoned_as_it_is_replayed(errors, max_loss) -> None:
    outcomes = WORLD.drawn(240, 2)
    assert_same_as_played(asked(outcomes, errors=errors, max_loss=max_loss), outcomes, errors)


def test_verdicts_on_record_are_reckoned_as_they_are_replayed() -> None:
    rng = np.random.default_rng(2)
    for draws in (None, (rng.random((300, 3, 1)) < 0.6).astype(float)):
        outcomes = replace(with_errors(WORLD.drawn(300, 1), 0.1, 1), draws=draws)
        found = asked(outcomes, max_loss=0.1)
        assert_same_as_played(found, outcomes, Given.RECORDED)
        assert "The check passes nothing wrong." not in found.certificate.assumptions


def test_weights_and_answers_that_are_right_in_part_are_reckoned_as_they_are_replayed() -> None:
    rng = np.random.default_rng(0)
    weighed = replace(WORLD.drawn(300, 0), weight=rng.integers(1, 6, 300).astype(float))
    found = asked(weighed, max_loss=0.1)
    assert_same_as_played(found, weighed)
    assert any("weights" in said for said in found.warnings)
    parts = made(rng.integers(0, 5, (300, 3)) / 4, (0.01, 0.02, 0.1))
    found = asked(parts, max_loss=0.1)
    assert_same_as_played(found, parts)
    assert "The check passes nothing wrong." in found.certificate.assumptions


@pytest.mark.parametrize("aim", [{"quality": 0.999}, {"budget_usd": 0.0001}])
def test_where_nothing_is_certified_the_figures_are_those_of_the_reference(aim) -> None:
    outcomes = WORLD.drawn(240, 1)
    found = asked(outcomes, **aim)
    assert not found.certified
    assert models_of(found) == ["m2"]
    assert_same_as_played(found, outcomes)
    assert found.saved is not None
    assert found.saved.value == pytest.approx(0)
    assert not any("no ladder" in said or "nothing that is" in said for said in found.advice)


@pytest.mark.parametrize("aim", [{"quality": 0.999}, {"budget_usd": 0.0001}])
def test_where_nothing_is_certified_and_there_is_no_reference_nothing_is_recommended(aim) -> None:
    found = asked(WORLD.drawn(240, 1), baseline=None, **aim)
    assert (found.tuned, found.baseline, found.saved, found.certified) == (None,) * 3 + (False,)
    json.dumps(told(found), allow_nan=False)


@pytest.mark.parametrize("aim", [{"quality": 0.999}, {"budget_usd": 0.0001}])
def test_where_nothing_is_recommended_every_alternative_says_why_not(aim) -> None:
    found = asked(WORLD.drawn(240, 1), baseline=None, **aim)
    assert found.alternatives
    assert all(each.why_not and not each.certified for each in found.alternatives)


@pytest.mark.parametrize("aim", [{"quality": 0.7}, {"budget_usd": 0.03}])
def test_without_a_reference_a_target_that_is_met_is_recommended(aim) -> None:
    outcomes = WORLD.drawn(400, 1)
    found = asked(outcomes, baseline=None, **aim)
    assert_same_as_played(found, outcomes)
    assert found.certificate.basis is Basis.TESTED
    assert found.target == aim.get("quality")
    if "quality" in aim:
        assert found.quality_lower >= 0.7
    else:
        assert found.cost_upper <= 0.05


def test_alternatives_say_why_they_are_not_the_answer_and_the_answer_says_nothing() -> None:
    for aim in (
        {},
        {"max_loss": 0.05},
        {"max_loss": 0.4},
        {"quality": 0.6},
        {"budget_usd": 0.05},
        {"mode": Mode.NONE},
    ):
        outcomes = costly(4) if aim.get("mode") else WORLD.drawn(300, 4)
        found = asked(outcomes, **aim)
        assert found.alternatives
        for each in found.alternatives:
            same = each.tuned == found.tuned
            assert (each.why_not == "") == same
            assert each.quality.value == pytest.approx(expected(outcomes, each.tuned).right.mean())
        certified = [each for each in found.alternatives if each.certified]
        assert all(each.tuned.whole.rungs for each in certified)


# ------------------------------------------------------------------ the same answer again


def bare(made_: Recommendation) -> dict[str, Any]:
    return {name: value for name, value in told(made_).items() if name != "seconds"}


@pytest.mark.parametrize(
    "aim", [{}, {"max_loss": 0.02}, {"mode": Mode.PROOF}, {"budget_usd": 0.03}]
)
def test_the_same_seed_gives_the_same_answer(aim) -> None:
    outcomes = correlated([0.5, 0.6, 0.7, 0.72], 0.4, 300, 1)
    assert bare(asked(outcomes, **aim)) == bare(asked(outcomes, **aim))
    assert bare(asked(outcomes, errors=Errors(0.05, 0.05))) == bare(
        asked(outcomes, errors=Errors(0.05, 0.05))
    )


def uneven(n: int, seed: int) -> Outcomes:
    """No two ladders cost the same, so that no order of models settles what is cheapest."""
    outcomes = correlated([0.5, 0.6, 0.7, 0.72], 0.4, n, seed)
    times = np.random.default_rng(seed).uniform(1, 2, outcomes.cost.shape)
    return replace(outcomes, cost=np.rint(outcomes.cost * times))


@pytest.mark.parametrize(
    "aim",
    [
        {},
        {"max_loss": 0.03},
        {"mode": Mode.PROOF, "max_loss": 0.03},
        {"baseline": None, "quality": 0.7},
        {"baseline": None, "budget_usd": 0.04},
    ],
)
def test_the_order_of_the_models_changes_nothing(aim) -> None:
    outcomes = uneven(300, 3)
    wanted = {"baseline": "m3"} | aim
    one = asked(outcomes, **wanted)
    other = asked(outcomes.of(["m2", "m3", "m0", "m1"]), **wanted)
    assert one.tuned == other.tuned
    assert one.cost_usd.value == pytest.approx(other.cost_usd.value)
    assert one.certificate.p_value == pytest.approx(other.certificate.p_value, rel=1e-6)
    assert one.needed == other.needed


def test_the_order_of_the_queries_moves_the_bar_by_next_to_nothing() -> None:
    outcomes = uneven(300, 3)
    shuffled = outcomes.rows(np.random.default_rng(1).permutation(300))
    one, other = (asked(each, max_loss=0.03) for each in (outcomes, shuffled))
    assert one.certificate.level == pytest.approx(other.certificate.level, rel=0.4)
    assert one.cost_usd.value == pytest.approx(other.cost_usd.value, rel=0.1)
    # Where nothing is drawn again it changes nothing at all.
    none = [asked(each, max_loss=0.03, mode=Mode.NONE) for each in (outcomes, shuffled)]
    assert none[0].tuned == none[1].tuned


def test_queries_grouped_by_who_passes_get_the_answer_of_each_by_itself(monkeypatch) -> None:
    outcomes = uneven(300, 6)
    each = asked(outcomes, give_up=False)
    monkeypatch.setattr("rung.tuner.family.FEW", 0)
    grouped = asked(outcomes, give_up=False)
    assert grouped.tuned == each.tuned
    assert grouped.cost_usd.value == pytest.approx(each.cost_usd.value)


@pytest.mark.parametrize("times", [1e-6, 1e6])
def test_the_currency_changes_nothing(times) -> None:
    outcomes = WORLD.drawn(240, 3)
    one, other = asked(outcomes), asked(replace(outcomes, cost=outcomes.cost * times))
    assert one.tuned is not None
    assert one.tuned.part is not None
    assert one.tuned == other.tuned
    assert other.cost_usd.value == pytest.approx(one.cost_usd.value * times)


@pytest.mark.parametrize("price", [1e-12, 1e-10, 1e4])
def test_prices_from_below_a_nano_dollar_to_thousands_are_reckoned_as_replayed(price) -> None:
    outcomes = costly(2)
    priced = replace(outcomes, cost=outcomes.cost * price)
    assert_same_as_played(asked(priced, max_loss=0.03), priced)


# ------------------------------------------------------------------ odd outcomes

ODD_AIMS: list[dict[str, Any]] = [
    {},
    {"max_loss": 0.1},
    {"mode": Mode.PROOF},
    {"mode": Mode.NONE},
    {"quality": 0.6},
    {"budget_usd": 0.05},
    {"errors": Errors(0.1, 0.1)},
    {"by_category": True},
    {"max_tiers": 1},
    {"max_tiers": 6},
]
ODD: dict[str, Outcomes] = {
    "one query": WORLD.drawn(1, 0),
    "two queries": WORLD.drawn(2, 0),
    "all right": made(np.ones((150, 3))),
    "all wrong": made(np.zeros((150, 3))),
    "one model": made(np.ones((60, 1))),
    "one model, always wrong": made(np.zeros((60, 1))),
    "everything is free": replace(WORLD.drawn(150, 0), cost=np.zeros((150, 3))),
    "the reference is free": replace(WORLD.drawn(150, 0), cost=np.tile([1e7, 2e7, 0], (150, 1))),
    "all cost the same": replace(WORLD.drawn(150, 0), cost=np.full((150, 3), 1e7)),
    "twins of the reference": alike(0.6, 3).drawn(150, 0),
    "useless tiers": World({(0, 0, 1): 0.7, (0, 0, 0): 0.3}).drawn(150, 0),
    "one query again and again": WORLD.drawn(5, 0).rows(np.full(150, 3)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_odd_outcomes_get_an_answer_whose_figures_are_its_own(name) -> None:
    outcomes = ODD[name]
    for aim in ODD_AIMS:
        found = asked(outcomes, **aim)
        assert_same_as_played(found, outcomes, aim.get("errors", SOUND))
        assert found.certified or found.certificate.basis is Basis.NOTHING
        assert 0 <= found.quality_lower <= 1
        assert found.n == len(outcomes)


@pytest.mark.parametrize("name", ["one query", "two queries"])
def test_of_next_to_no_queries_only_what_is_safe_is_recommended(name) -> None:
    found = asked(ODD[name])
    assert found.certificate.basis is Basis.REFERENCE_KEPT
    assert models_of(found)[-1] == "m2"
    assert "little can be certified" in found.warnings[0]


def test_where_all_are_alike_one_model_is_the_answer() -> None:
    """A cheaper tier below the reference rescues nothing where both fail, but costs less."""
    dear = alike(0.6, 3, (0.1, 0.1, 0.1)).drawn(300, 0)
    found = asked(dear)
    assert models_of(found) == ["m2"]
    assert found.certified
    assert any(said.startswith("Use one model") for said in found.advice)


@pytest.mark.parametrize("name", ["the reference is free", "useless tiers"])
def test_the_reference_alone_is_the_answer_where_nothing_is_cheaper(name) -> None:
    found = asked(ODD[name])
    assert models_of(found) == ["m2"]
    assert found.tuned is not None
    assert found.tuned.part is None
    assert found.certificate.basis is Basis.REFERENCE_KEPT


def test_of_what_is_free_nothing_is_saved() -> None:
    found = asked(ODD["everything is free"])
    assert found.saved is None
    assert (found.cost_usd.value, found.cost_upper) == (0, 0)


def test_of_ladders_that_cost_the_same_the_one_that_is_right_more_often_is_the_answer() -> None:
    outcomes = ODD["everything is free"]
    assert set(models_of(asked(outcomes))) == {"m0", "m1", "m2"}
    assert asked(outcomes).quality.value == outcomes.correct.max(axis=1).mean()


def test_a_cheap_twin_of_the_reference_is_certified_once_a_little_may_be_lost() -> None:
    twins = alike(0.6, 2, (0.01, 0.5)).drawn(300, 0)
    assert models_of(asked(twins)) == ["m0", "m1"]
    assert models_of(asked(twins, max_loss=0.03)) == ["m0"]


def test_a_latency_is_met_or_said_to_be_missed() -> None:
    seconds = np.tile([1.0, 2.0, 4.0], (300, 1))
    outcomes = replace(WORLD.drawn(300, 1), seconds=seconds)
    assert asked(outcomes).warnings == ()
    loose = asked(outcomes, slowest_seconds=3.8)
    assert loose.tuned is not None
    assert float(expected(outcomes, loose.tuned).seconds.mean()) <= 3.8
    tight = asked(outcomes, slowest_seconds=2.2)
    assert tight.tuned is not None
    taken = float(expected(outcomes, tight.tuned).seconds.mean())
    assert taken > 2.2
    assert any(f"takes {taken:.3g} s" in said for said in tight.warnings)
    with pytest.raises(RequestError, match="no model takes"):
        asked(outcomes, slowest_seconds=0.5)


# ------------------------------------------------------------------ the promise


def test_the_promise_is_kept_on_truth_as_often_as_is_said() -> None:
    """Over draws of a world where cheap ladders are a little worse, or better by a hair."""
    world = World(
        {(1, 1, 1): 0.5, (0, 0, 0): 0.2, (0, 0, 1): 0.1, (0, 1, 1): 0.1, (1, 1, 0): 0.1},
        (0.01, 0.05, 0.4),
    )
    missed = below = saved = 0
    for seed in range(60):
        outcomes = world.drawn(150, seed)
        found = asked(outcomes, seed=seed)
        assert found.tuned is not None
        quality = true_quality(world, found.tuned)
        missed += quality < world.quality(2) - 1e-9
        below += quality < found.quality_lower
        saved += found.saved is not None and found.saved.value > 0.1
    assert missed <= 0.15 * 60
    assert below <= 0.15 * 60
    assert saved >= 0.9 * 60


def true_quality(world: World, tuned: Tuned) -> float:
    """By the distribution itself: only for ladders without limits."""
    parts = [(1.0 if tuned.part is None else 1 - tuned.part.share, tuned.whole)]
    if tuned.part is not None:
        parts.append((tuned.part.share, tuned.part.policy))
    total = 0.0
    for share, policy in parts:
        columns = [world.models.index(rung.tier) for rung in policy.rungs]
        total += share * world.quality(*columns)
    return total
