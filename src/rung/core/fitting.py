"""Fitting a calibration on labelled answers, and measuring it on answers it was not fitted on.

Logistic regression on the log odds of the signals' scores, drawn towards a prior: with few labels
the prior speaks, with many the data. Where there are enough labels and it does better on held-out
ones, a rising step function stands on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, isfinite, sqrt
from typing import NamedTuple

from rung.core.calibration import Calibration, logistic, logit, stepped
from rung.core.draws import mixed_number
from rung.core.isotonic import Steps, rising
from rung.core.logistic import Problem, Pull
from rung.core.quality import Judged, Quality, quality, surprise, worth
from rung.core.selective import Certificate, risk_threshold

__all__ = [
    "Calibration",
    "Certificate",
    "Fitted",
    "Judged",
    "Labelled",
    "Quality",
    "estimate",
    "fit",
    "quality",
    "risk_threshold",
]

MARGIN = 1.0
"""Without a prior, signals are taken for this much (log odds) too sure: models are."""

BIAS_PRECISION = 1.0
WEIGHT_PRECISION = 4.0
"""How strongly a prior holds: as a standard deviation of 1 on the log odds of the base rate and of
answers without a score, of 1/2 on what a signal's standard deviation adds. 30 labels weigh more."""

LIGHTEST, HEAVIEST = 1e-9, 1e9
"""Weights whose squares can still be added."""

NONE = -1.0
"""Stands for a score that was not given."""

STRONGEST = 20.0
"""Coefficients of a prior are cut off here, so that a broken one cannot outweigh all labels."""

MOST_SIGNALS = 16
FLAT = 1e-6
"""A signal that varies by less than this says nothing about its own weight."""

FOLDS = ((10, 2_000), (5, 20_000), (2, inf))
"""How many, below how many labels: the more labels, the less is lost by holding out half."""

ENOUGH_FOR_STEPS = 200
ENOUGH_OF_EACH = 30
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the signals said of an answer (0..1 each), and whether it was right.

    A signal that said nothing is left out; a score that is no finite number counts as left out.
    ``weight`` is how many answers it stands for, up to a common factor.
    """

    scores: Mapping[str, float]
    right: bool
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.weight != 0 and not LIGHTEST <= self.weight <= HEAVIEST:
            said = f"it must be 0, or from {LIGHTEST} to {HEAVIEST}"
            raise ValueError(f"{self.weight} is no weight: {said}")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibration with what it is worth on labels that it was not fitted on.

    ``quality_before`` is of the answers' weakest signals as they are, which is what decides where
    there is no calibration; answers without any score are left out of it. ``quality_after`` is of
    ``held_out``: each answer's chance by a calibration fitted on the other folds. ``cuts`` lie
    between the chances that the calibration gives these answers: as a threshold, each accepts the
    same answers by this calibration as by those of the folds, whose chances differ a little.
    """

    calibration: Calibration
    quality_before: Quality
    quality_after: Quality
    held_out: tuple[Judged, ...] = field(default=(), repr=False)
    cuts: tuple[float, ...] = field(default=(), repr=False)


def fit(labelled: Sequence[Labelled], prior: Calibration | None = None) -> Fitted:
    """Fit a calibration, drawn towards ``prior``.

    Without a prior it is drawn to the mean of the signals' log odds less a margin. Weights are
    never negative: a signal that says more never makes an answer less likely to be right. The order
    of ``labelled`` does not matter, and the same labels always give the same fit.
    """
    names = _names(labelled, prior)
    rows = sorted(_row(each, names) for each in labelled if each.weight > 0)
    table = _Table(names, rows, prior)
    whole = table.fitted(table.weights)
    held_out, held_out_steps = _cross_fitted(table, whole)
    steps: Steps = ()
    chances = table.chances(whole)
    if _steps_are_better(held_out, held_out_steps):
        steps = rising(chances, table.rights, table.weights)
        held_out = held_out_steps
    return Fitted(
        replace(table.calibration(whole), steps=_rounded(steps), labels=len(rows)),
        quality(_as_they_are(rows)),
        quality(held_out),
        tuple(held_out),
        tuple(_between({stepped(steps, chance) for chance in chances})),
    )


def estimate(labelled: Sequence[Labelled], prior: Calibration | None = None) -> Calibration:
    """The regression of `fit` alone: no steps, and nothing measured. For a prior of other fits."""
    names = _names(labelled, prior)
    rows = sorted(_row(each, names) for each in labelled if each.weight > 0)
    table = _Table(names, rows, prior)
    return replace(table.calibration(table.fitted(table.weights)), labels=len(rows))


def _row(each: Labelled, names: Sequence[str]) -> _Row:
    scores = (each.scores.get(name, NONE) for name in names)
    kept = tuple([min(max(s, 0.0), 1.0) if isfinite(s) and s != NONE else NONE for s in scores])
    return _Row(kept, each.right, each.weight)


def _as_they_are(rows: Iterable[_Row]) -> list[Judged]:
    """The weakest signal of each answer that has one."""
    weakest = ((min((s for s in row.scores if s != NONE), default=NONE), row) for row in rows)
    return [Judged(least, row.right, row.weight) for least, row in weakest if least != NONE]


# ------------------------------------------------------------------ the regression


class _Row(NamedTuple):
    """A labelled answer with its scores in the order of the signals, NONE where there is none."""

    scores: tuple[float, ...]
    right: bool
    weight: float


@dataclass(frozen=True, slots=True)
class _Signal:
    """A signal's column before the fit.

    ``column`` holds log odds, standardised by ``mean`` and ``spread``, 0 where there was no score.
    ``missing`` has 1 there; it is empty where the signal always or never gave a score. ``weight``
    and ``absent`` are the prior's; ``absent`` is ``None`` where there is no prior.
    """

    name: str
    column: tuple[float, ...]
    missing: tuple[float, ...]
    mean: float
    spread: float
    seen: bool
    weight: float
    absent: float | None

    @property
    def step(self) -> float:
        """The prior's step from an answer of mean score to one without."""
        return (self.absent or 0.0) - (self.weight * self.mean if self.seen else 0.0)

    def unseen(self, middle: float) -> float:
        """What a missing score adds where no label tells: without a prior, what costs more.

        ``middle`` is what a mean score adds; one of even odds adds nothing.
        """
        return min(0.0, middle) if self.absent is None else self.absent


class _Table:
    """Labelled answers as columns, with the prior in the same terms."""

    def __init__(
        self, names: Sequence[str], rows: Sequence[_Row], prior: Calibration | None
    ) -> None:
        heavy = [row.weight for row in rows]
        scale = worth(heavy) / sum(heavy) if heavy else 1.0
        self.weights = [weight * scale for weight in heavy]
        self.rights = [row.right for row in rows]
        known = {} if prior is None else _by_signal(prior)
        plain = (1 / len(names), None) if prior is None and names else (0.0, 0.0)
        self.signals = [
            _signal(name, [row.scores[place] for row in rows], self.weights, known.get(name, plain))
            for place, name in enumerate(names)
        ]
        bias = -MARGIN if prior is None else _bounded(prior.bias)
        bias += sum(s.weight * s.mean if s.seen else s.step for s in self.signals)
        shown = [s for s in self.signals if s.seen]
        gaps = [s for s in shown if s.missing]
        self._problem = Problem(
            columns=(
                (1.0,) * len(rows),
                *(s.column for s in shown),
                *(s.missing for s in gaps),
            ),
            signs=tuple(1.0 if right else -1.0 for right in self.rights),
            pulls=(
                Pull(bias, BIAS_PRECISION),
                *(Pull(s.weight * s.spread, WEIGHT_PRECISION, 0.0) for s in shown),
                *(Pull(s.step, BIAS_PRECISION) for s in gaps),
            ),
        )

    def fitted(self, weights: Sequence[float], start: Sequence[float] | None = None) -> list[float]:
        """The coefficients for these weights, one for each label."""
        return self._problem.solve(weights, start)

    def chances(self, coefficients: Sequence[float]) -> list[float]:
        """The chance of each answer by these coefficients."""
        return [logistic(each) for each in self._problem.evidence(coefficients)]

    def calibration(self, coefficients: Sequence[float]) -> Calibration:
        """The same in terms of scores, which need no table."""
        bias, rest = coefficients[0], iter(coefficients[1:])
        slopes = {s.name: next(rest) / s.spread for s in self.signals if s.seen}
        gaps = {s.name: next(rest) for s in self.signals if s.seen and s.missing}
        weights, absent = [], []
        for signal in self.signals:
            weight = slopes.get(signal.name, signal.weight)
            middle = weight * signal.mean if signal.seen else 0.0
            bias -= middle if signal.seen else signal.step
            weights.append(round(weight, DIGITS))
            gone = middle + gaps[signal.name] if signal.name in gaps else signal.unseen(middle)
            absent.append(round(gone, DIGITS))
        names = tuple(signal.name for signal in self.signals)
        return Calibration(names, tuple(weights), round(bias, DIGITS), absent=tuple(absent))


def _names(labelled: Sequence[Labelled], prior: Calibration | None) -> list[str]:
    """The signals that count: the prior's, and those that most answers have."""
    counts = dict.fromkeys(() if prior is None else prior.signals, 0)
    for each in labelled:
        for name, score in each.scores.items():
            counts[name] = counts.get(name, 0) + isfinite(score)
    often = sorted(counts, key=lambda name: (-counts[name], name))
    kept = [n for n in often if counts[n] or (prior is not None and n in prior.signals)]
    return sorted(kept[:MOST_SIGNALS])


def _by_signal(prior: Calibration) -> dict[str, tuple[float, float | None]]:
    absent = prior.absent or (0.0,) * len(prior.signals)
    pairs = zip(prior.weights, absent, strict=True)
    return {
        name: (max(_bounded(weight), 0.0), _bounded(gone))
        for name, (weight, gone) in zip(prior.signals, pairs, strict=True)
    }


def _bounded(value: float) -> float:
    return min(max(value, -STRONGEST), STRONGEST) if isfinite(value) else 0.0


def _signal(
    name: str,
    scores: Sequence[float],
    weights: Sequence[float],
    prior: tuple[float, float | None],
) -> _Signal:
    odds = [None if score == NONE else logit(score) for score in scores]
    there = [(o, w) for o, w in zip(odds, weights, strict=True) if o is not None]
    mass = sum(weight for _, weight in there)
    mean = sum(o * w for o, w in there) / mass if mass else 0.0
    spread = sqrt(sum(w * (o - mean) ** 2 for o, w in there) / mass) if mass else 0.0
    spread = spread if spread > FLAT else 1.0
    return _Signal(
        name=name,
        column=tuple(0.0 if o is None else (o - mean) / spread for o in odds),
        missing=tuple(float(o is None) for o in odds) if 0 < len(there) < len(odds) else (),
        mean=mean,
        spread=spread,
        seen=bool(there),
        weight=prior[0],
        absent=prior[1],
    )


# ------------------------------------------------------------------ held-out labels


def _cross_fitted(table: _Table, whole: Sequence[float]) -> tuple[list[Judged], list[Judged]]:
    """Each answer judged by a fit on the other folds: by the regression, and with steps on it."""
    folds = _folds(table.rights)
    enough = _enough_for_steps(table)
    plain: list[Judged | None] = [None] * len(folds)
    with_steps = [*plain]
    for fold in range(max(folds, default=-1) + 1):
        kept = [0.0 if mine == fold else w for mine, w in zip(folds, table.weights, strict=True)]
        chances = table.chances(table.fitted(kept, whole))
        steps = rising(chances, table.rights, kept) if enough else ()
        for place, mine in enumerate(folds):
            if mine == fold:
                chance, right, weight = chances[place], table.rights[place], table.weights[place]
                plain[place] = Judged(chance, right, weight)
                with_steps[place] = Judged(stepped(steps, chance), right, weight)
    return [one for one in plain if one], [one for one in with_steps if one]


def _folds(rights: Sequence[bool]) -> list[int]:
    """A fold for each answer, right and wrong ones dealt out evenly.

    The places are shuffled first: neighbours in the order of scores, dealt out in turn, would make
    each fold a copy of the others and the held-out error too small.
    """
    count = next(count for count, upper in FOLDS if len(rights) < upper)
    mixed = sorted(range(len(rights)), key=mixed_number)
    shuffled = [p for p in mixed if rights[p]] + [p for p in mixed if not rights[p]]
    folds = [0] * len(rights)
    for turn, place in enumerate(shuffled):
        folds[place] = turn % count
    return folds


def _enough_for_steps(table: _Table) -> bool:
    right = worth(w for w, r in zip(table.weights, table.rights, strict=True) if r)
    wrong = worth(w for w, r in zip(table.weights, table.rights, strict=True) if not r)
    return min(right, wrong) >= ENOUGH_OF_EACH and right + wrong >= ENOUGH_FOR_STEPS


def _steps_are_better(plain: Sequence[Judged], with_steps: Sequence[Judged]) -> bool:
    """Whether steps lower the held-out log loss by more than its paired standard error."""
    total = sum(one.weight for one in plain)
    if not total:
        return False
    gains = [
        (one.weight / total, surprise(one) - surprise(other))
        for one, other in zip(plain, with_steps, strict=True)
    ]
    mean = sum(share * gain for share, gain in gains)
    error = sqrt(sum((share * (gain - mean)) ** 2 for share, gain in gains))
    return mean > error


def _between(chances: Iterable[float]) -> list[float]:
    """The middles between neighbours, and 0, below which there is nothing."""
    ordered = sorted(chances)
    return [0.0, *((low + high) / 2 for low, high in pairwise(ordered))]


def _rounded(steps: Steps) -> Steps:
    return tuple((round(upper, DIGITS), round(share, DIGITS)) for upper, share in steps)
