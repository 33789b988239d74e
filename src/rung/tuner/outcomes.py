"""Recorded outcomes as arrays: queries down, models across. All of the tuner computes on these.

What was not observed is NaN. Money is nano-dollars, as floating point: sums of a million calls are
exact below 2^53, and what the tuner tells are means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Array = TypeVar("Array", Floats, Ints)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """``N`` queries by ``M`` models.

    ``correct`` (N x M, 0..1): whether the answer was right, or how often. ``cost``: nano-dollars of
    the call. ``seconds``: its latency. ``confidence`` (0..1): how sure it looked, for thresholds.
    ``accepted``: what the check said of it, 1 passed, 0 failed, for measured errors of the check.
    ``answers``: the answer as a number that is the same for the same answer (of any model) to a
    query, -1 where none is known. ``draws`` (N x M x D) are further draws of the same model:
    ``draws[i, j, d]`` says whether draw ``d + 1`` was right.
    ``category`` (N): the place in ``categories``. ``tokens_in`` and ``tokens_out`` (N x M): of the
    call; ``tokens_cached`` are those of ``tokens_in`` that a provider's cache held.
    ``weight`` (N): how many requests a query stands for, in means and tests alike.
    All but ``correct`` and ``cost`` may be ``None``: nothing is known of it.
    """

    models: tuple[str, ...]
    queries: tuple[str, ...]
    correct: Floats
    cost: Floats
    category: Ints
    categories: tuple[str, ...] = ("",)
    seconds: Floats | None = None
    confidence: Floats | None = None
    accepted: Floats | None = None
    answers: Ints | None = None
    draws: Floats | None = None
    tokens_in: Floats | None = None
    tokens_out: Floats | None = None
    tokens_cached: Floats | None = None
    prompts: tuple[str, ...] | None = None
    weight: Floats | None = None

    @cached_property
    def place(self) -> dict[str, int]:
        """Each model's column."""
        return {model: column for column, model in enumerate(self.models)}

    def __len__(self) -> int:
        return len(self.queries)

    def rows(self, which: NDArray[np.integer] | NDArray[np.bool_]) -> Outcomes:
        """The same with these queries only; a query may come more than once."""
        places = np.flatnonzero(which) if which.dtype == np.bool_ else which

        def of(array: Array | None) -> Array | None:
            return None if array is None else array[places]

        prompts = self.prompts
        return replace(
            self,
            queries=tuple(self.queries[place] for place in places),
            correct=self.correct[places],
            cost=self.cost[places],
            category=self.category[places],
            seconds=of(self.seconds),
            confidence=of(self.confidence),
            accepted=of(self.accepted),
            answers=of(self.answers),
            draws=of(self.draws),
            tokens_in=of(self.tokens_in),
            tokens_out=of(self.tokens_out),
            tokens_cached=of(self.tokens_cached),
            prompts=None if prompts is None else tuple(prompts[place] for place in places),
            weight=of(self.weight),
        )

    def of(self, models: Sequence[str]) -> Outcomes:
        """The same with these models only, in this order. Raises KeyError for an unknown one."""
        columns = [self.place[model] for model in models]

        def cut(array: Array | None) -> Array | None:
            return None if array is None else array[:, columns]

        return replace(
            self,
            models=tuple(models),
            correct=self.correct[:, columns],
            cost=self.cost[:, columns],
            seconds=cut(self.seconds),
            confidence=cut(self.confidence),
            accepted=cut(self.accepted),
            answers=cut(self.answers),
            draws=cut(self.draws),
            tokens_in=cut(self.tokens_in),
            tokens_out=cut(self.tokens_out),
            tokens_cached=cut(self.tokens_cached),
        )
