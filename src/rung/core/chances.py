"""How likely a tier is to do a request, by the request's traits: a sparse logistic regression.

The weights are drawn towards a prior's, or to nothing: a tier then passes all requests at the same
rate. Whatever the order of the outcomes, the same ones give the same fit.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

from rung.core.calibration import logistic
from rung.core.draws import mixed_number
from rung.core.logistic import Problem, Pull
from rung.core.traits import BUCKETS

PRECISION = 300.0
"""How strongly weights are drawn to the prior's: a standard deviation of 0.06 on the log odds.
Requests have some 100 traits, and few of them mean anything."""

MOST_ROUNDS = 30
SETTLED = 1e-3
"""A fit is done when a round moves the mean residual by less."""

FOLDS = 5
SLIGHT = 5e-4
"""Weights below are left out: all of a request's would not move its chance by a point."""

STEEPEST = 4.0
DIGITS = 4

Traits = Sequence[int]


@dataclass(frozen=True, slots=True)
class Scale:
    """Makes calibrated log odds of raw ones: ``bias`` + ``slope`` * raw (Platt 1999)."""

    bias: float = 0.0
    slope: float = 1.0


@dataclass(frozen=True, slots=True)
class Chances:
    """One tier's model: the log odds without any trait, and what each trait adds."""

    base: float = 0.0
    weights: Mapping[int, float] = field(default_factory=dict, repr=False)
    scale: Scale = Scale()

    def raw(self, traits: Traits) -> float:
        """The log odds before calibration."""
        get = self.weights.get
        return self.base + sum([get(trait, 0.0) for trait in traits])

    def of(self, traits: Traits) -> float:
        """The chance, 0..1, that a request with these traits passes."""
        return logistic(self.scale.bias + self.scale.slope * self.raw(traits))


@dataclass(frozen=True, slots=True)
class Example:
    """A request that was tried at a tier. ``weight`` is how many requests it stands for.

    ``passed`` is 0..1: where it is no plain yes or no, the chance of it.
    """

    traits: Traits
    passed: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and the chance of each example by a model that has not seen it."""

    chances: Chances
    held_out: tuple[float, ...] = field(repr=False)


def train(
    examples: Sequence[Example],
    prior: Chances | None = None,
    folds: Sequence[int] | None = None,
) -> Trained:
    """Fit all examples, and each fold by the others; ``folds`` names the fold of each.

    The calibration is fitted on held-out log odds, and for those on the held-out ones of the other
    folds, so that nothing is measured on what it was fitted on.
    """
    folds = folds_of(len(examples)) if folds is None else folds
    raw = [0.0] * len(examples)
    for fold in sorted(set(folds)):
        rest = [one for one, mine in zip(examples, folds, strict=True) if mine != fold]
        model = fit(rest, prior)
        for place, mine in enumerate(folds):
            if mine == fold:
                raw[place] = model.raw(examples[place].traits)
    held_out = [0.0] * len(examples)
    for fold in sorted(set(folds)):
        scale = _scale(raw, examples, [mine != fold for mine in folds])
        for place, mine in enumerate(folds):
            if mine == fold:
                held_out[place] = logistic(scale.bias + scale.slope * raw[place])
    whole = fit(examples, prior)
    scale = _scale(raw, examples, [True] * len(examples))
    return Trained(Chances(whole.base, whole.weights, scale), tuple(held_out))


def fit(examples: Sequence[Example], prior: Chances | None = None) -> Chances:
    """The weights with the least penalised log loss, uncalibrated.

    Stochastic dual coordinate ascent (Shalev-Shwartz and Zhang 2013, JMLR 14), in a fixed order.
    """
    ordered = sorted(examples, key=lambda one: (_spread(one.traits), one.passed, one.weight))
    rows = [array("H", one.traits) for one in ordered]
    base, offsets = _offsets(ordered, prior)
    weights = [0.0] * BUCKETS
    get = weights.__getitem__
    duals = [0.0] * len(rows)
    pulls = [one.weight / PRECISION for one in ordered]
    aims = [one.passed for one in ordered]
    for _ in range(MOST_ROUNDS):
        moved = 0.0
        for place, row in enumerate(rows):
            odds = offsets[place] + sum(map(get, row))
            # The residual at the optimum is what was seen less what is expected.
            residual = aims[place] - (1 / (1 + exp(-odds)) if odds > -700 else 0.0)
            step = (residual - duals[place]) / max(1.0, 0.25 + pulls[place] * len(row))
            duals[place] += step
            moved += abs(step)
            push = pulls[place] * step
            for trait in row:
                weights[trait] += push
        if moved <= SETTLED * len(rows):
            break
    known = {} if prior is None else prior.weights
    summed = ((t, w + known.get(t, 0.0)) for t, w in enumerate(weights))
    kept = {t: round(w, DIGITS) for t, w in summed if abs(w) >= SLIGHT}
    return Chances(round(base, DIGITS), kept)


def folds_of(count: int, folds: int = FOLDS, seed: int = 0) -> list[int]:
    """A fold for each place, the same number of each, in an order that looks random."""
    mixed = sorted(range(count), key=lambda place: mixed_number(place + (seed << 32)))
    found = [0] * count
    for turn, place in enumerate(mixed):
        found[place] = turn % folds
    return found


def _offsets(examples: Sequence[Example], prior: Chances | None) -> tuple[float, list[float]]:
    """The base, and each example's log odds by it and the prior's weights.

    The base is that at which the prior expects as many passes as were seen.
    """
    total = sum(one.weight for one in examples)
    passed = sum(one.weight * one.passed for one in examples)
    share = (passed + 1) / (total + 2)
    if prior is None:
        base = log(share / (1 - share))
        return base, [base] * len(examples)
    told = [prior.raw(one.traits) - prior.base for one in examples]
    base = log(share / (1 - share))
    for _ in range(20):
        chances = [logistic(base + each) for each in told]
        seen = sum(one.weight * c for one, c in zip(examples, chances, strict=True))
        bend = sum(one.weight * c * (1 - c) for one, c in zip(examples, chances, strict=True))
        if not bend:
            break
        base += (passed + 1 - (total + 2) * seen / total) / bend
    return base, [base + each for each in told]


def _scale(raw: Sequence[float], examples: Sequence[Example], used: Iterable[bool]) -> Scale:
    """Fitted on the examples that are ``used``; drawn to leaving the log odds as they are."""
    columns: list[float] = []
    signs: list[float] = []
    weights: list[float] = []
    for odds, one, use in zip(raw, examples, used, strict=True):
        for sign, share in ((1.0, one.passed), (-1.0, 1 - one.passed)):
            if use and share * one.weight > 0:
                columns.append(odds)
                signs.append(sign)
                weights.append(share * one.weight)
    if not columns:
        return Scale()
    pulls = (Pull(0.0, 1.0), Pull(1.0, 10.0, 0.0))
    problem = Problem(((1.0,) * len(columns), tuple(columns)), tuple(signs), pulls)
    bias, slope = problem.solve(weights)
    return Scale(round(bias, DIGITS), round(min(slope, STEEPEST), DIGITS))


def _spread(traits: Traits) -> int:
    """A number by which to order examples so that like ones do not follow each other."""
    return mixed_number(hash(tuple(traits)) & (2**63 - 1))
