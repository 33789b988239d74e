"""From what signals say to the chance that an answer is right.

A calibration is fitted on labelled outcomes and is data: it stands on a plan, so that a replay
decides as the gateway did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

CLIP = 0.02
"""Scores are taken for at least so far from 0 and 1: no signal alone makes anything certain."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(right) = logistic(bias + sum of weights x logit(score)), then ``steps`` if there are any.

    A signal that gave no score counts for nothing. ``steps`` are (up to, P(right)) pairs, both
    rising, of an isotonic fit. ``labels`` is how many labelled answers it was fitted on.
    """

    signals: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    steps: tuple[tuple[float, float], ...] = ()
    labels: int = 0

    def probability(self, scores: Mapping[str, float]) -> float:
        """The chance, 0..1, that an answer with these signals' scores (0..1) is right."""
        evidence = self.bias + sum(
            weight * logit(scores[name])
            for name, weight in zip(self.signals, self.weights, strict=True)
            if name in scores
        )
        chance = logistic(evidence)
        if not self.steps:
            return chance
        place = bisect_right([upper for upper, _ in self.steps], chance)
        return self.steps[min(place, len(self.steps) - 1)][1]


def logit(score: float) -> float:
    """The log odds of a score."""
    inside = min(max(score, CLIP), 1 - CLIP)
    return log(inside / (1 - inside))


def logistic(evidence: float) -> float:
    """The probability with these log odds."""
    if evidence < 0:
        return 1 - logistic(-evidence)
    return 1 / (1 + exp(-evidence))
