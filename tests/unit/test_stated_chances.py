"""How stated chances are measured, and from which one on answers may be accepted."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.fitting import Labelled, fit
from rung.core.quality import Judged, quality, worth
from rung.core.selective import at_most, risk_threshold, upper_bound
from support.labelled import simulated

JUDGED = st.lists(
    st.builds(
        Judged,
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1),
        st.booleans(),
        st.just(1.0),
    )
)


# ------------------------------------------------------------------ ranking


@given(JUDGED)
def test_ranking_is_the_share_of_pairs_in_order(judged: list[Judged]) -> None:
    found = quality(judged)
    rights = [one.chance for one in judged if one.right]
    wrongs = [one.chance for one in judged if not one.right]
    if not rights or not wrongs:
        assert found.auroc is found.auroc_between is None
        return
    won = sum((r > w) + (r == w) / 2 for r in rights for w in wrongs)
    assert found.auroc == pytest.approx(won / (len(rights) * len(wrongs)))
    assert found.auroc_between is not None
    assert 0 <= found.auroc_between[0] <= found.auroc <= found.auroc_between[1] <= 1


def test_a_perfect_ranking_of_few_answers_is_not_certain() -> None:
    few = quality([Judged(0.9, right=True)] * 5 + [Judged(0.1, right=False)] * 5)
    many = quality([Judged(0.9, right=True)] * 500 + [Judged(0.1, right=False)] * 500)
    assert few.auroc == many.auroc == 1
    assert few.auroc_between is not None
    assert many.auroc_between is not None
    assert few.auroc_between[0] < 0.8
    assert many.auroc_between[0] > 0.98


def test_weights_are_worth_what_kish_says() -> None:
    assert worth([1.0] * 7) == pytest.approx(7)
    assert worth([1, 1, 2]) == pytest.approx(16 / 6)
    assert worth([]) == 0
    doubled = [Judged(0.3, right=True, weight=2.0), Judged(0.6, right=False, weight=2.0)]
    plain = [one._replace(weight=1.0) for one in doubled]
    assert quality(doubled) == quality(plain)


# ------------------------------------------------------------------ calibration


def test_the_gap_is_the_mean_over_groups() -> None:
    judged = [Judged(0.8, right=n < 6) for n in range(10)]
    judged += [Judged(0.2, right=n < 3) for n in range(10)]
    found = quality(judged)
    assert found.ece == pytest.approx((0.2 + 0.1) / 2)
    assert found.brier == pytest.approx(mean((one.chance - one.right) ** 2 for one in judged))
    assert [(each.n, round(each.right, 9)) for each in found.bins] == [(10, 0.3), (10, 0.6)]


def test_right_chances_show_the_gap_that_chance_alone_makes() -> None:
    chance = random.Random(4)
    found = []
    for _ in range(60):
        said = [chance.betavariate(2, 1) for _ in range(200)]
        found.append(quality([Judged(each, chance.random() < each) for each in said]))
    assert mean(each.ece or 0 for each in found) == pytest.approx(
        mean(each.ece_by_chance or 0 for each in found), rel=0.12
    )


@given(JUDGED)
def test_figures_stay_inside_their_ranges(judged: list[Judged]) -> None:
    found = quality(judged)
    assert (found.n, found.right) == (len(judged), sum(one.right for one in judged))
    if not judged:
        assert found.ece is found.brier is found.log_loss is None
        return
    assert found.ece is not None
    assert found.ece_between is not None
    assert 0 <= found.ece_between[0] <= found.ece + 1e-12
    assert found.ece <= found.ece_between[1] + 1e-12
    assert sum(each.n for each in found.bins) == len(judged)


# ------------------------------------------------------------------ what may be accepted


@pytest.mark.parametrize(("wrong", "trials"), [(0, 59), (1, 93), (2, 124), (3, 153), (4, 181)])
def test_the_bound_is_that_of_the_tables_of_acceptance_sampling(wrong: int, trials: int) -> None:
    """The sample sizes that show 95% reliability with 95% confidence, by failures allowed."""
    assert upper_bound(wrong, trials, 0.05) <= 0.05 < upper_bound(wrong, trials - 1, 0.05)


@given(st.integers(0, 60), st.integers(1, 60), st.fractions(0, 1, max_denominator=50))
def test_tails_are_exact(hits: int, trials: int, share: Fraction) -> None:
    exact = sum(
        comb(trials, k) * share**k * (1 - share) ** (trials - k)
        for k in range(min(hits, trials) + 1)
    )
    assert at_most(hits, trials, float(share)) == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


def test_the_bound_of_many_answers_is_quick_and_near_the_share() -> None:
    assert upper_bound(5_000, 100_000, 0.05) == pytest.approx(0.0512, abs=2e-4)
    assert upper_bound(3, 3, 0.05) == 1


def test_a_threshold_holds_its_risk_on_fresh_answers() -> None:
    fresh = simulated(2500, 99)
    held = broken = 0
    for seed in range(12):
        found = fit(simulated(400, seed))
        certificate = risk_threshold(found.held_out, 0.1, cuts=found.cuts)
        if certificate.held is None:
            continue
        held += 1
        chances = [(found.calibration.probability(each.scores), each.right) for each in fresh]
        taken = [right for chance, right in chances if chance >= certificate.held.threshold]
        broken += taken.count(False) > 0.1 * len(taken)
    assert held >= 8
    assert broken <= 2


def test_a_threshold_parts_no_answers_of_the_same_scores() -> None:
    """Each fold gives one group of equal scores another chance; none may be cut through."""
    chance = random.Random(6)
    labelled = [
        Labelled({"agreement": score}, chance.random() < right)
        for score, right in [(1.0, 0.97), (2 / 3, 0.6), (1 / 3, 0.2)] * 100
    ]
    found = fit(labelled)
    held = risk_threshold(found.held_out, 0.1, cuts=found.cuts).held
    assert held is not None
    assert held.accepted == 100
    sure, unsure = (found.calibration.probability({"agreement": s}) for s in (1.0, 2 / 3))
    assert unsure + 0.05 < held.threshold < sure - 0.05


def test_too_few_answers_certify_nothing_and_say_how_many_would() -> None:
    good = [Judged(0.99, right=True)] * 58
    found = risk_threshold(good, 0.05)
    assert found.held is found.nearest is None
    assert found.more_labels is not None
    assert risk_threshold([*good, Judged(0.99, right=True)], 0.05).held is not None
    more = [Judged(0.99, right=n % 100 != 0) for n in range(58 + found.more_labels)]
    assert risk_threshold(more, 0.05).held is not None
    assert risk_threshold([], 0.05).more_labels == 59


def test_answers_that_are_never_sure_enough_need_no_more_labels() -> None:
    found = risk_threshold([Judged(0.6, right=n % 10 < 6) for n in range(300)], 0.05)
    assert found.held is None
    assert found.nearest is not None
    assert found.nearest.worst > 0.4
    assert found.more_labels is None


@given(JUDGED)
def test_what_is_held_has_its_bound_under_the_target(judged: list[Judged]) -> None:
    found = risk_threshold(judged * 20, 0.2)
    if found.held is not None:
        assert found.held.worst <= 0.2 + 1e-9
        taken = [one for one in judged * 20 if one.chance >= found.held.threshold]
        assert (len(taken), sum(not one.right for one in taken)) == (
            found.held.accepted,
            found.held.wrong,
        )


@pytest.mark.parametrize("target", [0, 1, -0.1, 2])
def test_a_target_that_is_none_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        risk_threshold([], target)
