"""Tuning without a check: answers are believed for their confidence, or for saying the same.

What can be had without a check is less than with one: no tier rescues what another got wrong, so
nothing is certified by construction, and at no loss at all seldom anything. See `fixed_sequence`
for how it is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rung.core.errors import RequestError
from rung.core.money import NANOUSD
from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.agreeing import Agreement, as_top_says
from rung.tuner.aims import (
    Aim,
    Alternative,
    Baseline,
    Basis,
    Certificate,
    Estimate,
    Mode,
    Recommendation,
    Tuned,
)
from rung.tuner.fixed_sequence import (
    FIT_SHARE,
    Bar,
    Split,
    Tested,
    agreeing_ways,
    confident_ways,
    queries_needed,
    sequence,
    split,
    tested,
)
from rung.tuner.gating import Gated, Served, of_ladder
from rung.tuner.losses import loss_bound
from rung.tuner.outcomes import Floats, Outcomes

MOST_MISSING = 0.05
"""A model with more calls or costs unknown than this is left out, and said to be."""

MOST_ALTERNATIVES = 12


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A certified ladder: the confidence from which on each tier but the last is believed.

    ``loss`` is the mean loss against the ladder's last model on the queries that tested it,
    ``saved`` the share of its cost that was not spent on them.
    """

    ladder: tuple[str, ...]
    thresholds: tuple[float, ...]
    loss: float
    saved: float
    p_value: float


def certified_thresholds(
    outcomes: Outcomes, ladder: Sequence[str], max_loss: float, confidence: float, seed: int
) -> Thresholds | None:
    """The thresholds of one ladder with which it surely loses no more than ``max_loss``.

    Against its last model; the cheapest such, ``None`` where none could be certified.
    """
    chosen = outcomes.of(ladder)
    parts, bar = split(chosen, seed), Bar(len(ladder) - 1, max_loss)
    aim = Aim(ladder[-1], max_loss, confidence=confidence, seed=seed)
    ways = of_ladder(parts.fit, tuple(range(len(ladder))))
    passed = [each for each in tested(parts, sequence(parts, ways, bar), bar, aim) if each.passed]
    if not passed:
        return None
    last, held = passed[-1], parts.held
    alone = np.average(held.cost[:, bar.reference], weights=held.weight)
    return Thresholds(
        ladder=tuple(ladder),
        thresholds=last.way.thresholds if isinstance(last.way, Gated) else (),
        loss=-float(np.average(bar.above(held, last.held.right), weights=held.weight)),
        saved=float(1 - np.average(last.held.cost, weights=held.weight) / alone),
        p_value=1.0 if last.p_value is None else last.p_value,
    )


def tune_unverified(
    outcomes: Outcomes,
    aim: Aim,
    tell: Callable[[str], None] = lambda _: None,
    *,
    as_top: bool = False,
) -> Recommendation:
    """The cheapest ladder that needs no check and meets the aim with the confidence asked for.

    ``as_top``: nobody knows what is right, so the baseline's answers stand in for truth, and
    ``max_loss`` is how often something else may be said. Figures are of the queries that chose
    nothing. Raises RequestError for an aim that cannot be answered so.
    """
    began = perf_counter()
    reference = _reference(outcomes, aim, as_top=as_top)
    known, warnings = _complete(outcomes, reference, truth=not as_top)
    column = known.place[reference]
    if as_top:
        known = as_top_says(known, column)
    parts, bar = split(known, aim.seed), Bar(column, aim.max_loss, aim.quality)
    tell("testing ladders with thresholds on confidence")
    ways = _tested(parts, confident_ways(parts, bar, aim), bar, aim)
    tell("testing pairs of models that agree")
    pairs = _tested(parts, agreeing_ways(parts, bar), bar, aim)
    made = _Made(parts, bar, aim, reference, as_top)
    return made.recommendation(ways, pairs, warnings, began)


def _tested(parts: Split, ways: Sequence[Gated | Agreement], bar: Bar, aim: Aim) -> list[Tested]:
    found = tested(parts, sequence(parts, ways, bar), bar, aim)
    if aim.mode is not Mode.NONE:
        return found
    # Without a guarantee, whatever looks good enough on the queries that chose nothing will do.
    weight = parts.held.weight
    means = [np.average(bar.above(parts.held, each.held.right), weights=weight) for each in found]
    return [
        replace(each, passed=bool(mean + bar.loss >= 0), p_value=None)
        for each, mean in zip(found, means, strict=True)
    ]


def policy_of(models: Sequence[str], way: Gated) -> Tuned:
    """A ladder for the engine. The last tier's answer is served come what may."""
    rungs = tuple(
        Rung(models[column], min_confidence=threshold)
        for column, threshold in zip(way.columns, (*way.thresholds, None), strict=True)
    )
    return Tuned(Policy("", rungs, on_exhausted=OnExhausted.BEST))


@dataclass(frozen=True, slots=True)
class _Made:
    """What an answer is made of, beside the ways that were tested."""

    parts: Split
    bar: Bar
    aim: Aim
    reference: str
    as_top: bool

    def recommendation(
        self,
        ways: Sequence[Tested],
        pairs: Sequence[Tested],
        warnings: Sequence[str],
        began: float,
    ) -> Recommendation:
        held, column = self.parts.held, self.bar.reference
        alone = Served(held.correct[:, column], held.cost[:, column])
        passed = [each for each in ways if each.passed]
        last = passed[-1] if passed else None
        is_there = last is not None or self.aim.quality is None
        chosen = alone if last is None else last.held
        estimates = [self.estimate(each) for each in (chosen.right, chosen.cost / NANOUSD)]
        return Recommendation(
            aim=self.aim,
            tuned=self.tuned(Gated((column,)) if last is None else last.way) if is_there else None,
            certificate=self.certificate(last),
            target=self.target(alone),
            quality=estimates[0],
            quality_lower=max(0.0, loss_bound(chosen.right, 0.0, self.aim.confidence).lower),
            cost_usd=estimates[1],
            cost_upper=self.upper(chosen.cost / NANOUSD),
            saved=self.saved(chosen, alone),
            baseline=self.baseline(alone),
            alternatives=tuple(self.alternatives(ways, last)),
            n=len(held) + len(self.parts.fit),
            needed=None if last else queries_needed(self.parts, ways, self.bar, self.aim),
            advice=tuple(self.advice(pairs, last)),
            warnings=tuple(warnings),
            seconds=perf_counter() - began,
        )

    def target(self, alone: Served) -> float:
        if self.aim.quality is not None:
            return self.aim.quality
        return float(np.average(alone.right, weights=self.parts.held.weight)) - self.aim.max_loss

    def baseline(self, alone: Served) -> Baseline:
        return Baseline(
            self.reference, self.estimate(alone.right), self.estimate(alone.cost / NANOUSD)
        )

    def tuned(self, way: Gated | Agreement) -> Tuned:
        """The ladder; where a pair has to agree, none of the engine's does that of itself."""
        assert isinstance(way, Gated)
        return policy_of(self.parts.held.models, way)

    def certificate(self, last: Tested | None) -> Certificate:
        basis = Basis.PROOF if self.aim.mode is Mode.PROOF else Basis.TESTED
        if last is None or self.aim.mode is Mode.NONE:
            basis = Basis.NOTHING
        return Certificate(
            basis=basis,
            confidence=self.aim.confidence,
            assumptions=tuple(self.assumptions()),
            p_value=None if last is None else last.p_value,
            level=None if last is None else 1 - self.aim.confidence,
        )

    def assumptions(self) -> list[str]:
        fit, held = len(self.parts.fit), len(self.parts.held)
        said = [
            "Requests to come are like these queries.",
            f"{fit} queries chose the thresholds; all figures are of the other {held}.",
            "Confidence comes about as it did here: same models, prompts and signals.",
        ]
        if self.as_top:
            said.insert(
                0,
                f"This is agreement with {self.reference}, not truth: what is served is the same as"
                f" {self.reference} would have said. Where the same is as right, no more is lost"
                " than differs.",
            )
        if self.aim.mode is not Mode.PROOF:
            said.append("The test is exact in the limit; --mode proof holds for any number.")
        return said

    def alternatives(self, ways: Sequence[Tested], last: Tested | None) -> list[Alternative]:
        return [
            Alternative(
                self.tuned(each.way),
                self.estimate(each.held.right),
                self.estimate(each.held.cost / NANOUSD),
                certified=each.passed and self.aim.mode is not Mode.NONE,
                why_not="" if each is last else _why_not(each),
            )
            for each in ways[:-MOST_ALTERNATIVES:-1]
        ]

    def advice(self, pairs: Sequence[Tested], last: Tested | None) -> list[str]:
        said = []
        if last is None and self.aim.quality is None:
            said.append(f"Not certified: use {self.reference}.")
        if self.parts.fit.confidence is None:
            said.append(
                "The outcomes have no `confidence`, so all that was tried is each model alone."
            )
        agreed = [each for each in pairs if each.passed]
        if agreed:
            said.append(self.agreement(agreed[-1]))
        elif pairs:
            said.append("No two cheap models agree reliably enough to be believed for that.")
        return said

    def agreement(self, found: Tested) -> str:
        """What a pair would come to. A ladder has no such check of itself; a verifier may be it."""
        assert isinstance(found.way, Agreement)
        held, way = self.parts.held, found.way
        models = held.models
        alone = Served(held.correct[:, way.top], held.cost[:, way.top])
        saved = self.saved(found.held, alone)
        differs = self.estimate(found.held.right - alone.right)
        share = 0.0 if saved is None else saved.value
        what = f"agrees with {self.reference} in" if self.as_top else "is right in"
        return (
            f"Serve {models[way.first]} where {models[way.second]} says the same, else"
            f" {models[way.top]}: saves {share:.0%}, {what} {differs.value:+.1%}"
            f" [{differs.low:+.1%} to {differs.high:+.1%}] of requests against {models[way.top]}."
            f" A ladder {models[way.first]}, {models[way.top]} does so with a verifier that asks"
            f" {models[way.second]}. By itself certified at {self.aim.confidence:.0%}."
        )

    def saved(self, chosen: Served, alone: Served) -> Estimate | None:
        """A share of the baseline's cost, by the delta method."""
        weight = self.parts.held.weight
        base = float(np.average(alone.cost, weights=weight))
        if not base > 0:
            return None
        share = float(np.average(chosen.cost, weights=weight)) / base
        around = self.estimate((chosen.cost - share * alone.cost) / base)
        return Estimate(1 - share, 1 - share - around.high, 1 - share - around.low)

    def estimate(self, values: Floats) -> Estimate:
        """A mean with its two-sided interval at the confidence asked for."""
        mean, error = self.mean_error(values)
        far = NormalDist().inv_cdf((1 + self.aim.confidence) / 2) * error
        return Estimate(mean, mean - far, mean + far)

    def upper(self, values: Floats) -> float:
        mean, error = self.mean_error(values)
        return mean + NormalDist().inv_cdf(self.aim.confidence) * error

    def mean_error(self, values: Floats) -> tuple[float, float]:
        given = self.parts.held.weight
        weight = np.ones(len(values)) if given is None else given
        mean = float(np.average(values, weights=weight))
        return mean, sqrt(float(weight**2 @ (values - mean) ** 2)) / float(weight.sum())


def _why_not(each: Tested) -> str:
    if each.passed:
        return "certified, and dearer"
    if each.p_value is None:
        return "one that was likelier failed first"
    return f"the test's p is {each.p_value:.2g}"


def _reference(outcomes: Outcomes, aim: Aim, *, as_top: bool) -> str:
    """The baseline's name; against a number, the model that is right most often."""
    if aim.budget_usd is not None:
        raise RequestError(
            "without a check a budget certifies nothing.",
            fix="--baseline MODEL with --max-loss, or --quality",
        )
    if aim.baseline is None and (aim.quality is None or as_top):
        raise RequestError("there is no target.", fix="--baseline MODEL, --max-loss 0.01")
    if aim.baseline is None:
        return outcomes.models[int(np.nanargmax(np.nanmean(outcomes.correct, axis=0)))]
    if aim.baseline not in outcomes.place:
        listed = ", ".join(outcomes.models[:12])
        raise RequestError(
            f"the outcomes have no model {aim.baseline!r}.", fix=f"one of them: {listed}"
        )
    return aim.baseline


def _complete(
    outcomes: Outcomes, reference: str, *, truth: bool
) -> tuple[Outcomes, tuple[str, ...]]:
    """The models of which nearly all is known, and the queries of which all of theirs is."""
    missing = np.isnan(outcomes.cost)
    if truth:
        missing |= np.isnan(outcomes.correct)
    share = missing.mean(axis=0)
    kept = [m for m in outcomes.models if share[outcomes.place[m]] <= MOST_MISSING]
    if reference not in kept:
        raise RequestError(
            f"of {reference} {share[outcomes.place[reference]]:.0%} of the outcomes or costs are"
            " unknown.",
            fix="outcomes with `correct` and `cost_usd` of each of its calls",
        )
    known = outcomes.of(kept)
    rows: NDArray[np.bool_] = ~np.any(missing[:, [outcomes.place[m] for m in kept]], axis=1)
    said = []
    if left := [m for m in outcomes.models if m not in kept]:
        said.append(f"Left out for what is unknown of them: {', '.join(left[:8])}.")
    if not rows.all():
        said.append(f"{int((~rows).sum())} queries are incomplete and left out.")
    return known.rows(rows), tuple(said)


__all__ = ["FIT_SHARE", "Thresholds", "certified_thresholds", "tune_unverified"]
