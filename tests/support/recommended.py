"""A recommendation that is made without any search: the ladder named, played on the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rung.core.plan import Policy, Rung
from rung.tuner.aims import (
    Aim,
    Alternative,
    Baseline,
    Basis,
    Certificate,
    Estimate,
    Recommendation,
    Tuned,
)
from rung.tuner.outcomes import Outcomes
from rung.tuner.simulate import expected

NANO = 1e9


def ladder_of(*models: str) -> Tuned:
    return Tuned(Policy("", tuple(Rung(model) for model in models)))


def about(value: float, spread: float = 0.02) -> Estimate:
    return Estimate(value, value - spread, value + spread)


def recommended(
    outcomes: Outcomes, aim: Aim, ladder: Sequence[str], others: Sequence[Sequence[str]] = ()
) -> Recommendation:
    """``ladder`` as the answer, certified where it ends in the baseline; ``others`` beside it."""
    quality, cost = _figures(outcomes, ladder)
    baseline = None
    if aim.baseline is not None:
        alone = outcomes.of([aim.baseline])
        right, spent = float(np.mean(alone.correct)), float(np.mean(alone.cost)) / NANO
        baseline = Baseline(aim.baseline, about(right), about(spent, spent / 10))
    certified = aim.baseline in ladder
    return Recommendation(
        aim=aim,
        tuned=ladder_of(*ladder) if ladder else None,
        certificate=Certificate(
            Basis.REFERENCE_KEPT if certified else Basis.NOTHING, aim.confidence, ("It is sound.",)
        ),
        target=None if baseline is None else baseline.quality.value,
        quality=about(quality),
        quality_lower=quality - 0.01,
        cost_usd=about(cost, cost / 10),
        cost_upper=cost * 1.1,
        saved=None if baseline is None else about(1 - cost / baseline.cost_usd.value),
        baseline=baseline,
        alternatives=tuple(_alternative(outcomes, each) for each in others),
        n=len(outcomes),
        needed=420,
        advice=("A note of the search.",),
        warnings=("A warning.",),
        seconds=0.1,
    )


def uncertified(made: Recommendation) -> Recommendation:
    """The same without its certificate."""
    proof = replace(made.certificate, basis=Basis.NOTHING)
    return replace(made, certificate=proof)


def _alternative(outcomes: Outcomes, models: Sequence[str]) -> Alternative:
    quality, cost = _figures(outcomes, models)
    why = "it is not shown to be good enough"
    return Alternative(
        ladder_of(*models), about(quality), about(cost, cost / 10), certified=False, why_not=why
    )


def _figures(outcomes: Outcomes, models: Sequence[str]) -> tuple[float, float]:
    if not models:
        return float("nan"), float("nan")
    played = expected(outcomes, ladder_of(*models))
    return float(np.mean(played.right)), float(np.mean(played.cost)) / NANO
