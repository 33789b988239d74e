"""Answers that agree: two cheap models with each other, and any model with the top one.

Two cheap models that say the same are right more often than either alone; where they differ, a
strong one is asked. And where nobody knows what is right, the top model's answer may stand in for
truth: then all that is certified is that what is served says the same as TOP would have said. As
equal answers are equally right, the share that is right cannot fall by more than the share that
differs. (C3PO, 2511.07396, calibrates cascades without labels so; its bounds are others.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rung.core.errors import RequestError
from rung.tuner.gating import Served
from rung.tuner.outcomes import Outcomes

UNKNOWN = -1
MOST_PAIRED = 24
"""Cheap models that are tried in pairs."""

MOST_MISSING = 0.05
"""Of a model's answers: with more unknown it is not tried."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """``first`` and ``second`` (columns) are both asked; where they differ, so is ``top``."""

    first: int
    second: int
    top: int


def as_top_says(outcomes: Outcomes, top: int) -> Outcomes:
    """The same with agreement with the top model's answer in place of truth.

    An answer that is not known agrees with nothing, but for the top model's own.
    Raises RequestError where the outcomes hold no answers.
    """
    answers = _answers(outcomes)
    same = (answers == answers[:, [top]]) & (answers != UNKNOWN)
    same[:, top] = True
    return replace(outcomes, correct=same.astype(np.float64), accepted=None, draws=None)


def agree(outcomes: Outcomes, first: int, second: int) -> NDArray[np.bool_]:
    """Where two models say the same (N)."""
    answers = _answers(outcomes)
    one, other = answers[:, first], answers[:, second]
    found: NDArray[np.bool_] = (one == other) & (one != UNKNOWN)
    return found


def served_where_agreed(outcomes: Outcomes, gate: Agreement) -> Served:
    """What comes of each query: both are paid for, and the top where they differ."""
    same = agree(outcomes, gate.first, gate.second)
    right, cost = outcomes.correct, outcomes.cost
    both = cost[:, gate.first] + cost[:, gate.second]
    return Served(
        np.where(same, right[:, gate.first], right[:, gate.top]),
        both + np.where(same, 0.0, cost[:, gate.top]),
    )


def agreements(outcomes: Outcomes, top: int) -> list[Agreement]:
    """Pairs of models that together cost less than the top one, the cheapest of them."""
    answers = _answers(outcomes)
    mean = outcomes.cost.mean(axis=0)
    missing = (answers == UNKNOWN).mean(axis=0)
    usable = [
        int(model)
        for model in np.argsort(mean, kind="stable")
        if mean[model] < mean[top] and missing[model] <= MOST_MISSING
    ]
    pairs = combinations(usable[:MOST_PAIRED], 2)
    return [Agreement(a, b, top) for a, b in pairs if mean[a] + mean[b] < mean[top]]


def has_answers(outcomes: Outcomes) -> bool:
    """Whether agreement can be told at all."""
    return outcomes.answers is not None and bool(np.any(outcomes.answers != UNKNOWN))


def _answers(outcomes: Outcomes) -> NDArray[np.int64]:
    if outcomes.answers is None or not has_answers(outcomes):
        raise RequestError(
            "the outcomes hold no answers, so nothing can be said to agree.",
            fix="outcomes with an `answer` on each line",
        )
    return outcomes.answers
