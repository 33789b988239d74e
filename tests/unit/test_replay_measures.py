"""Figures of a replay: what they are on outcomes small enough to reckon by hand, and how wide."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.core.money import NANOUSD
from rung.core.plan import OnExhausted, Rung
from rung.core.stats import rate
from rung.tuner.aims import Errors
from rung.tuner.controls import controls, matched, oracle, single
from rung.tuner.intervals import difference, quantile, share, wilson
from rung.tuner.measures import compare, measure
from rung.tuner.picture import Spot, cost_quality
from rung.tuner.replay_report import meaning, picture, replayed, told
from rung.tuner.simulate import expected
from support.replays import ladder, outcomes_of

# a is right on the first two of four, b on the first three, c on the last alone.
RIGHT = [[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
COST = [[1, 10, 100]] * 4
SECONDS = [[1, 2, 4]] * 4
NANO = np.array(COST, float) * NANOUSD


@pytest.fixture
def outcomes():
    return outcomes_of(RIGHT, NANO, seconds=SECONDS)


def figures(outcomes, tuned, errors=None):
    return measure(expected(outcomes, tuned, errors or Errors()), outcomes.models, outcomes.weight)


def test_every_figure_of_a_ladder_is_what_it_is_by_hand(outcomes) -> None:
    found = figures(outcomes, ladder("a", "b"))
    assert found.quality.value == 0.75
    assert found.cost_usd.value == (1 + 1 + 11 + 11) / 4
    assert found.calls.value == 1.5
    assert found.escalation.value == 0.5
    # The third request's first answer, and both of the last one's.
    assert found.wasted_usd.value == (1 + 11) / 4
    assert found.wasted.value == pytest.approx(12 / 24)
    assert found.unserved_cost.value == pytest.approx(11 / 24)
    assert found.wasted_seconds.value == (1 + 3) / 4
    assert found.seconds.value == (1 + 1 + 3 + 3) / 4
    assert (found.seconds_p50.value, found.seconds_p95.value) == (1, 3)
    assert {model: each.value for model, each in found.served.items()} == {"a": 0.5, "b": 0.25}
    assert (found.unserved.value, found.exhausted.value) == (0.25, 0.25)
    assert found.ends["top_reached"] == 0.25


def test_best_serves_the_last_answer_and_one_tier_never_escalates(outcomes) -> None:
    found = figures(outcomes, ladder("a", "b", on_exhausted=OnExhausted.BEST))
    assert (found.unserved.value, found.exhausted.value, found.quality.value) == (0, 0.25, 0.75)
    assert figures(outcomes, ladder("a")).escalation is None


def test_weights_count_queries_as_often_as_they_stand_for(outcomes) -> None:
    heavy = outcomes_of(RIGHT, NANO, weight=[1, 1, 1, 3])
    twice = outcomes.rows(np.array([0, 1, 2, 3, 3, 3]))
    one, other = (figures(each, ladder("a", "b")) for each in (heavy, twice))
    assert one.quality.value == pytest.approx(other.quality.value)
    assert one.cost_usd.value == pytest.approx(other.cost_usd.value)
    assert one.quality.high - one.quality.low > other.quality.high - other.quality.low


def test_an_erring_check_serves_what_is_wrong_and_turns_down_what_is_right(outcomes) -> None:
    found = figures(outcomes, ladder("a", "b"), Errors(0.5, 0.25))
    # By query: accepted at a if right .75, if wrong .5; then the same at b.
    both, one, none = 0.75 + 0.25 * 0.75, 0.5 * 0.75, 0.0
    assert found.quality.value == pytest.approx((both + both + one + none) / 4)


def test_missing_latencies_are_no_latencies(outcomes) -> None:
    found = figures(outcomes_of(RIGHT, NANO), ladder("a", "b"))
    assert found.seconds is found.seconds_p95 is found.wasted_seconds is None


def test_what_is_not_recorded_is_left_out_and_counted() -> None:
    gap = outcomes_of([[1, np.nan], [0, np.nan], [0, 1]], [[1, 1]] * 3)
    found = figures(gap, ladder("a", "b"))
    assert (found.n, found.left_out, found.quality.value) == (2, 1, 1.0)
    assert figures(outcomes_of([[np.nan]], [[1]]), ladder("a")) is None


# ------------------------------------------------------------------ controls


def test_controls_are_what_they_say(outcomes) -> None:
    tuned = ladder("a", "b")
    found = {each.name: each for each in controls(outcomes, tuned, expected(outcomes, tuned))}
    assert (found["all cheap"].of, found["all top"].of, found["best single"].of) == ("a", "b", "b")
    cost = {name: measure(each.played, "abc").cost_usd.value for name, each in found.items()}
    assert (cost["all cheap"], cost["all top"]) == (1, 10)
    # The ladder costs 6: two parts a to one of b cost 4, and a third of b alone on top makes it 6.
    assert cost["shuffled"] == pytest.approx(6)
    mixed = measure(found["shuffled"].played, "abc")
    assert mixed.served["b"].value == pytest.approx(5 / 9)
    assert mixed.quality.value == pytest.approx(4 / 9 * 0.5 + 5 / 9 * 0.75)
    assert cost["oracle"] == pytest.approx((1 + 1 + 10) / 4)
    assert cost["oracle of all"] == pytest.approx((1 + 1 + 10 + 100) / 4)
    assert measure(found["oracle of all"].played, "abc").quality.value == 1


def test_the_oracle_takes_fractions_for_chances() -> None:
    half = outcomes_of([[0.5, 0.5]], [[10, 1]])
    played = oracle(half, ["a", "b"])
    assert (played.right[0], played.cost[0]) == (0.75, 0.5 * 1 + 0.25 * 10)


@pytest.mark.parametrize(
    ("cost", "shares"),
    [(4.0, [0.5, 0.5]), (1.0, [1, 0]), (7.0, [0, 1]), (99.0, [0, 1]), (0.0, [1, 0])],
)
def test_a_mix_is_matched_as_far_as_the_models_cost(cost, shares) -> None:
    assert matched(np.array([0.5, 0.5]), np.array([1.0, 7.0]), cost).tolist() == shares


def test_models_that_cost_the_same_need_no_matching() -> None:
    assert matched(np.array([0.2, 0.8]), np.array([3.0, 3.0]), 9.0).tolist() == [0.2, 0.8]


def test_blind_dealing_is_known_to_be_no_worse_where_the_models_know_the_same(outcomes) -> None:
    same = outcomes_of([[1, 1], [0, 0]] * 60, [[1e9, 2e9]] * 120)
    made = replayed(same, ladder("a", "b"), Errors(), "b")
    assert "throws money away" in meaning(made) or "do not show" in meaning(made)
    assert made.row("baseline").ladder.quality.value == 0


def test_a_ladder_that_pays_is_said_to_pay() -> None:
    apart = outcomes_of([[1, 0], [0, 1]] * 60, [[1e9, 3e9]] * 120)
    said = meaning(replayed(apart, ladder("a", "b"), Errors(), "b"))
    assert "is right more often than b alone" in said
    assert "what pays is where it stops and climbs" in said


# ------------------------------------------------------------------ intervals


def test_shares_have_the_score_interval_that_the_bill_has() -> None:
    hits = np.array([1.0] * 7 + [0.0] * 3)
    found, bill = share(hits, np.ones(10)), rate(7, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, bill.low, bill.high))
    assert wilson(0.0, 10)[0] == 0 < wilson(0.0, 10)[1]
    assert share(hits, np.zeros(10)) is None


def test_intervals_hold_what_is_true_as_often_as_they_say() -> None:
    chance = np.random.default_rng(5)
    held = np.zeros(4)
    for _ in range(120):
        one = (chance.random(80) < 0.8).astype(float)
        other = np.where(chance.random(80) < 0.7, one, chance.random(80) < 0.5)
        cost = chance.exponential(1e9, 80)
        played = expected(outcomes_of(one[:, None], cost[:, None]), ladder("a"))
        found = measure(played, "a", seed=int(chance.integers(9999)))
        apart = difference(one, other, np.ones(80))
        middle = quantile(cost[None], np.ones((1, 80)), np.ones(80), 0.5)
        truths = 0.8, 1.0, 0.8 - (0.7 * 0.8 + 0.3 * 0.5), np.log(2) * 1e9
        spans = found.quality, found.cost_usd, apart, middle
        held += [each.low <= true <= each.high for each, true in zip(spans, truths, strict=True)]
    # 95% of 120 is 114; below 106 would be more than three standard errors off.
    assert (held >= 106).all(), held


def test_two_that_never_differ_are_still_not_known_to_be_equal() -> None:
    right = np.ones(20)
    found = difference(right, right, np.ones(20))
    assert found.value == 0
    assert found.low < 0 < found.high


def test_differences_are_paired_and_turn_round_with_the_sides(outcomes) -> None:
    one, other = expected(outcomes, ladder("a", "b")), single(outcomes, "b")
    there, back = compare(one, other), compare(other, one)
    assert there.cost_usd.value == -back.cost_usd.value == -4
    assert there.saved.value == pytest.approx(0.4)
    assert (there.quality.low, there.quality.high) == pytest.approx(
        (-back.quality.high, -back.quality.low)
    )
    assert there.seconds.value == 0


def test_the_same_seed_gives_the_same_figures(outcomes) -> None:
    one, same, other = (
        told(replayed(outcomes, ladder("a", "b"), Errors(), "b", seed=seed)) for seed in (1, 1, 2)
    )
    assert one == same
    assert one["cost_usd"][0] == other["cost_usd"][0]


def test_the_engine_and_the_arrays_come_to_the_same_report(outcomes) -> None:
    tuned = ladder(Rung("a"), Rung("b"), "c")
    one, other = (
        told(replayed(outcomes, tuned, Errors(), "c", engine=engine)) for engine in (False, True)
    )
    assert one == other


def test_a_ladder_without_costs_or_common_queries_is_refused_with_the_reason() -> None:
    unpriced = outcomes_of([[0, 1]], [[1, np.nan]])
    with pytest.raises(RequestError, match="do not tell what b costs"):
        replayed(unpriced, ladder("a", "b"), Errors(), "b")
    apart = outcomes_of([[np.nan, 1], [0, np.nan]], [[np.nan, 1], [1, np.nan]])
    with pytest.raises(RequestError, match="none of 2 queries can be played"):
        replayed(apart, ladder("a", "b"), Errors(), "b")


# ------------------------------------------------------------------ the picture


def test_a_picture_is_whole_xml_that_says_in_words_what_it_shows(outcomes) -> None:
    made = replayed(outcomes, ladder("a", "b"), Errors(), "b")
    root = ET.fromstring(picture(made))
    title, about = root[0], root[1]
    assert title.text == "a -> b on 4 recorded queries"
    assert "a -> b: quality 75.0% at $6 a request." in about.text
    assert root.get("role") == "img"


@pytest.mark.parametrize(
    "spots",
    [
        [],
        [Spot("free", 0.0, 1.0)],
        [Spot("same", 2.0, 0.5), Spot("same too", 2.0, 0.5, "front", (2, 2), (0.5, 0.5))],
        [Spot("no number", float("nan"), 0.5), Spot("endless", float("inf"), 0.5)],
        [Spot("</title><script>&\x00\ud800", 1e-9, 1e-9, "unknown", named=True)],
        [Spot("long" * 100, 10.0**n, n / 9, "front") for n in range(-9, 9)],
    ],
)
def test_any_spots_make_a_picture_of_whole_xml(spots) -> None:
    drawn = cost_quality("<&>", spots, target=0.7)
    root = ET.fromstring(drawn.encode())
    assert "script" not in {each.tag.rpartition("}")[2] for each in root.iter()}
    assert "nan" not in drawn.replace("no number", "")


def test_costs_far_apart_stand_by_their_logarithms_and_others_from_nothing_on() -> None:
    def places(*costs: float) -> list[float]:
        drawn = cost_quality("", [Spot("", cost, 0.5, "model") for cost in costs])
        paths = ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}path")
        marks = [path.get("d") for path in paths if path.get("class") == "f-model"]
        return [float(mark[1:].split()[0]) for mark in marks]

    one, two, four = places(1, 2, 4)
    assert four - two == pytest.approx(2 * (two - one), abs=0.5)
    one, ten, hundred = places(0.01, 0.1, 1)
    assert hundred - ten == pytest.approx(ten - one, abs=0.5)
