"""Outcomes and policies for the replay's tests: small ones by hand, and any at random."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import strategies as st

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.aims import Errors, Part, Tuned
from rung.tuner.odds import Given, Verdicts
from rung.tuner.outcomes import Outcomes
from rung.tuner.played import FIGURES, Played

NAMES = ("a", "b", "c", "d")
NAN = float("nan")


def outcomes_of(correct, cost, **more) -> Outcomes:
    """By hand; ``seconds``, ``confidence``, ``accepted``, ``draws`` as lists."""
    right = np.array(correct, np.float64)
    category = np.array(more.pop("category", [0] * len(right)), np.int64)
    told = {name: np.array(value, np.float64) for name, value in more.items() if value is not None}
    return Outcomes(
        models=NAMES[: right.shape[1]],
        queries=tuple(f"q{n}" for n in range(len(right))),
        correct=right,
        cost=np.array(cost, np.float64),
        category=category,
        categories=tuple(f"c{n}" for n in range(int(category.max(initial=0)) + 1)),
        **told,
    )


def ladder(*rungs: Rung | str, **more) -> Tuned:
    """A policy for all."""
    made = tuple(Rung(each) if isinstance(each, str) else each for each in rungs)
    return Tuned(Policy("", made, **more))


def assert_same(one: Played, other: Played) -> None:
    """Query by query, in every figure."""
    np.testing.assert_array_equal(one.observed, other.observed)
    for name in FIGURES:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), atol=1e-9, err_msg=name
        )
    np.testing.assert_allclose(one.shares, other.shares, atol=1e-12, err_msg="shares")
    np.testing.assert_allclose(one.ends, other.ends, atol=1e-12, err_msg="ends")


# ------------------------------------------------------------------ any

SOMETIMES_MISSING = (0.0, 1.0, 1.0, 0.0, 1.0, 0.0, NAN)
COSTS = (0.0, 1.0, 2.0, 5.0, 5.0, 9.0)
SECONDS = (0.25, 0.5, 1.0, 2.0)
CONFIDENCES = (0.0, 0.3, 0.5, 0.5, 0.8, 1.0)


def filled(draw: st.DrawFn, values: tuple[float, ...], *shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    picked = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
    return np.array(picked, np.float64).reshape(shape)


def some_missing(draw: st.DrawFn, values: tuple[float, ...]) -> tuple[float, ...]:
    return (*values, NAN) if draw(st.sampled_from((False, False, True))) else values


@st.composite
def any_outcomes(draw: st.DrawFn) -> Outcomes:
    """Up to four queries by four models, with what may be missing missing at times."""
    count, models, further = draw(
        st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(0, 3))
    )
    rights = draw(st.sampled_from(((0.0, 0.0, 1.0), (0.0, 0.25, 0.5, 1.0))))
    shape = (count, models)
    seconds, confidence, accepted = draw(st.tuples(*[st.booleans()] * 3))
    return outcomes_of(
        filled(draw, some_missing(draw, rights), *shape),
        filled(draw, some_missing(draw, COSTS), *shape),
        seconds=filled(draw, some_missing(draw, SECONDS), *shape) if seconds else None,
        confidence=filled(draw, some_missing(draw, CONFIDENCES), *shape) if confidence else None,
        accepted=filled(draw, some_missing(draw, (0.0, 0.5, 1.0)), *shape) if accepted else None,
        draws=filled(draw, some_missing(draw, rights), *shape, further) if further else None,
        category=draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)),
    )


@st.composite
def any_rung(draw: st.DrawFn, outcomes: Outcomes, tier: str, *, checked: bool) -> Rung:
    further = 0 if outcomes.draws is None else outcomes.draws.shape[2]
    samples = draw(st.integers(1, 1 + further)) if checked else 1
    sure = st.sampled_from((None, 0.0, 0.3, 0.5, 0.9))
    return Rung(
        tier,
        samples=samples,
        repairs=draw(st.integers(0, 1 + further - samples)),
        min_confidence=None if outcomes.confidence is None else draw(sure),
        most_spent_nanousd=draw(st.sampled_from((None, None, None, 0, 1, 5, 7))),
        reach=draw(st.sampled_from((1.0, 1.0, 1.0, 0.7, 0.3, 0.0))),
    )


@st.composite
def any_policy(draw: st.DrawFn, outcomes: Outcomes, *, checked: bool) -> Policy:
    climbs = checked or outcomes.confidence is not None
    tiers = draw(st.permutations(outcomes.models))[: draw(st.integers(1, 4)) if climbs else 1]
    deadlines = (None, None, 0.25, 0.5, 1.0, 1.25, 2.5)
    return Policy(
        "",
        tuple(draw(any_rung(outcomes, tier, checked=checked)) for tier in tiers),
        on_exhausted=draw(st.sampled_from(OnExhausted)),
        min_confidence=draw(st.sampled_from((0.0, 0.5, 0.6))),
        deadline_seconds=None if outcomes.seconds is None else draw(st.sampled_from(deadlines)),
        cost_cap_nanousd=draw(st.sampled_from((None, None, 0, 4, 7, 12))),
    )


@st.composite
def any_checking(draw: st.DrawFn, outcomes: Outcomes) -> Errors | Given:
    recorded = [Given.RECORDED] if outcomes.accepted is not None else []
    rates = st.sampled_from((0.0, 0.2, 0.5, 1.0))
    errors = Errors(draw(rates), draw(rates))
    return draw(st.sampled_from([errors, errors, errors, Given.NO_CHECK, *recorded]))


@st.composite
def any_replay(draw: st.DrawFn) -> tuple[Outcomes, Tuned, Errors | Given]:
    """Outcomes, a policy that they can be asked about, and a check."""
    outcomes = draw(any_outcomes())
    checking = draw(any_checking(outcomes))
    checked = checking is not Given.NO_CHECK
    whole = draw(any_policy(outcomes, checked=checked))
    own, part = draw(st.tuples(*[st.sampled_from((False, False, True))] * 2))
    other = Part(
        draw(st.sampled_from((0.0, 0.3, 1.0))), draw(any_policy(outcomes, checked=checked))
    )
    by_category = {"c1": draw(any_policy(outcomes, checked=checked))} if own else {}
    return outcomes, Tuned(whole, by_category, other if part else None), checking


def worlds(outcomes: Outcomes, checking: Errors | Given, seeds) -> list[tuple[float, Verdicts]]:
    """All that may happen to one query of one draw a model, each with its chance.

    ``seeds`` are those of its plan, taken to be equally likely.
    """
    found = []
    models = range(len(outcomes.models))
    for seed in seeds:
        for rights in product((False, True), repeat=len(models)):
            for passes in product((False, True), repeat=len(models)):
                chance = 1 / len(seeds)
                for m in models:
                    c = np.nan_to_num(outcomes.correct[0, m])
                    chance *= c if rights[m] else 1 - c
                    chance *= _said(outcomes, checking, m, right=rights[m], passed=passes[m])
                if chance:
                    known = ~np.isnan(outcomes.correct + outcomes.cost)[:, :, None]
                    if checking is Given.RECORDED:
                        known = known & ~np.isnan(outcomes.accepted)[:, :, None]
                    found.append(
                        (
                            float(chance),
                            Verdicts(
                                np.array(rights)[None, :, None],
                                None
                                if checking is Given.NO_CHECK
                                else np.array(passes)[None, :, None],
                                known,
                                np.array([seed]),
                            ),
                        )
                    )
    return found


def _said(outcomes, checking, model: int, *, right: bool, passed: bool) -> float:
    match checking:
        case Errors(false_accept=accepts, false_reject=rejects):
            share = 1 - rejects if right else accepts
        case Given.RECORDED:
            share = float(np.nan_to_num(outcomes.accepted[0, model]))
        case _:
            share = 1.0
    return share if passed else 1 - share
