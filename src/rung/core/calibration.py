"""From what signals say to the chance that an answer is right.

A calibration is fitted on labelled outcomes and is data: it stands on a plan, so that a replay
decides as the gateway did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, isfinite, log

CLIP = 0.02
"""Scores are taken for at least so far from 0 and 1: no signal alone makes anything certain."""

MOST_EVIDENCE = 10.0
"""Log odds beyond this are taken for this: one in 22,000 is as sure as labels can ever make it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(right) = logistic(bias + sum of weights x logit(score)), then ``steps`` if there are any.

    A signal that gave no score adds its entry of ``absent`` (log odds, as ``bias``) instead, and
    counts for nothing where that is empty. ``steps`` are (up to, P(right)) pairs, both rising, of
    an isotonic fit. ``labels`` is how many labelled answers it was fitted on.
    """

    signals: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    steps: tuple[tuple[float, float], ...] = ()
    labels: int = 0
    absent: tuple[float, ...] = ()

    def probability(self, scores: Mapping[str, float]) -> float:
        """The chance, inside 0..1, that an answer with these signals' scores (0..1) is right.

        A score that is no finite number is none.
        """
        evidence = self.bias
        for place, (name, weight) in enumerate(zip(self.signals, self.weights, strict=True)):
            score = scores.get(name)
            if score is not None and isfinite(score):
                evidence += weight * logit(score)
            elif self.absent:
                evidence += self.absent[place]
        return stepped(self.steps, logistic(evidence))


def stepped(steps: tuple[tuple[float, float], ...], chance: float) -> float:
    """What ``steps`` make of a chance: the chance itself where there are none."""
    if not steps:
        return chance
    place = bisect_right(steps, (chance, inf))
    return steps[min(place, len(steps) - 1)][1]


def logit(score: float) -> float:
    """The log odds of a score."""
    inside = min(max(score, CLIP), 1 - CLIP)
    return log(inside / (1 - inside))


def logistic(evidence: float) -> float:
    """The probability with these log odds."""
    return 1 / (1 + exp(-min(max(evidence, -MOST_EVIDENCE), MOST_EVIDENCE)))
