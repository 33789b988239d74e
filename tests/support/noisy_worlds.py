"""Outcomes of made-up worlds, for the tuner's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rung.tuner.outcomes import Floats, Outcomes

NANO = 1e9


def outcomes_of(
    correct: ArrayLike,
    cost: ArrayLike | None = None,
    *,
    models: tuple[str, ...] | None = None,
    accepted: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
    answers: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> Outcomes:
    """Outcomes of a matrix; without costs each model costs ten times what the one before does."""
    right = np.asarray(correct, dtype=np.float64)
    queries, columns = right.shape
    usual = np.tile(NANO * 1e-3 * 10.0 ** np.arange(columns), (queries, 1))

    def floats(values: ArrayLike | None) -> Floats | None:
        return None if values is None else np.asarray(values, dtype=np.float64)

    return Outcomes(
        models=models or tuple("abcdefghijklmnopqrstuvwxyz"[:columns]),
        queries=tuple(f"q{number}" for number in range(queries)),
        correct=right,
        cost=usual if cost is None else np.asarray(cost, dtype=np.float64),
        category=np.zeros(queries, dtype=np.int64),
        accepted=floats(accepted),
        confidence=floats(confidence),
        answers=None if answers is None else np.asarray(answers, dtype=np.int64),
        weight=floats(weight),
    )


def nested(queries: int, shares: tuple[float, ...], rng: np.random.Generator) -> Floats:
    """Right answers of models of which each knows most of what the one before knows."""
    hard = rng.random((queries, 1))
    luck = rng.normal(0, 0.12, (queries, len(shares)))
    found: Floats = (hard + luck < np.array(shares)).astype(np.float64)
    return found
