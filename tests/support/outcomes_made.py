"""Outcomes with a joint distribution that is known, so that what a policy is worth is known too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from rung.tuner.outcomes import Floats, Outcomes

NANO = 1e9


def made(
    correct: Sequence[Sequence[float]] | Floats,
    cost_usd: Sequence[float] | Floats = (),
    models: Sequence[str] = (),
    categories: Sequence[str] = (),
    **more: Any,
) -> Outcomes:
    """Outcomes as told: ``correct`` of queries by models, a price for each model (else 1, 2, ...
    cents), a category for each query. ``more`` are the other fields of Outcomes."""
    right = np.asarray(correct, dtype=float)
    n, m = right.shape
    prices = np.asarray(cost_usd if len(cost_usd) else (np.arange(m) + 1) / 100, dtype=float)
    cost = np.where(np.isnan(right), np.nan, np.broadcast_to(np.rint(prices * NANO), right.shape))
    names = tuple(dict.fromkeys(categories)) or ("",)
    return Outcomes(
        models=tuple(models) or named(m),
        queries=tuple(f"q{number}" for number in range(n)),
        correct=right,
        cost=cost,
        category=np.array([names.index(each) for each in categories or [""] * n], dtype=np.int64),
        categories=names,
        **more,
    )


def named(models: int) -> tuple[str, ...]:
    """Names of models: m0, m1, ..."""
    return tuple(f"m{number}" for number in range(models))


class World:
    """A joint distribution of which models are right: each pattern with its probability.

    ``chances`` maps patterns such as (1, 0, 1), one entry a model, to weights, which need not sum
    to one. ``prices`` are dollars a call. Whatever is asked of a world is exact, nothing drawn.
    """

    def __init__(
        self, chances: Mapping[tuple[int, ...], float], prices: Sequence[float] = ()
    ) -> None:
        whole = sum(chances.values())
        self.patterns = np.array(list(chances), dtype=float)
        self.chances = np.array(list(chances.values()), dtype=float) / whole
        count = self.patterns.shape[1]
        self.prices = np.asarray(prices or (np.arange(count) + 1) / 100, dtype=float)
        self.models = named(count)

    def drawn(self, n: int, seed: int) -> Outcomes:
        """``n`` queries of this world."""
        rows = np.random.default_rng(seed).choice(len(self.chances), size=n, p=self.chances)
        return made(self.patterns[rows], self.prices, self.models)

    def quality(self, *ladder: int) -> float:
        """How often any of these models is right, by their columns: a ladder with a sound check."""
        return float(self.chances @ self.patterns[:, list(ladder)].max(axis=1))

    def cost(self, *ladder: int) -> float:
        """Dollars a request of a ladder in this order that stops at the first right answer."""
        failed = np.ones(len(self.chances))
        total = 0.0
        for column in ladder:
            total += self.prices[column] * float(self.chances @ failed)
            failed = failed * (1 - self.patterns[:, column])
        return total


def independent(shares: Sequence[float], prices: Sequence[float] = ()) -> World:
    """Models that know nothing of each other, right as often as told."""
    return World(
        {
            pattern: float(
                np.prod([p if hit else 1 - p for p, hit in zip(shares, pattern, strict=True)])
            )
            for pattern in product((0, 1), repeat=len(shares))
        },
        prices,
    )


def nested(shares: Sequence[float], prices: Sequence[float] = ()) -> World:
    """Models in order of difficulty: who is better is right wherever a worse one is."""
    cuts = sorted({0.0, *shares, 1.0})
    chances: dict[tuple[int, ...], float] = {}
    for low, high in pairwise(cuts):
        pattern = tuple(int(share >= high) for share in shares)
        chances[pattern] = chances.get(pattern, 0.0) + high - low
    return World(chances, prices)


def apart(shares: Sequence[float], prices: Sequence[float] = ()) -> World:
    """Models that are never right on the same query, as long as their shares come to 1 at most."""
    count = len(shares)
    chances = {tuple(int(k == j) for k in range(count)): shares[j] for j in range(count)}
    return World(chances | {(0,) * count: 1 - sum(shares)}, prices)


def alike(share: float, models: int, prices: Sequence[float] = ()) -> World:
    """Models that are all right or all wrong."""
    return World({(1,) * models: share, (0,) * models: 1 - share}, prices)


def correlated(shares: Sequence[float], rho: float, n: int, seed: int) -> Outcomes:
    """``n`` queries on which models are right as often as told, by one factor behind all of them.

    A model is right where a normal variable is below a cut; any two have the correlation ``rho``.
    """
    from statistics import NormalDist

    draws = np.random.default_rng(seed)
    common = draws.standard_normal((n, 1)) * np.sqrt(rho)
    own = draws.standard_normal((n, len(shares))) * np.sqrt(1 - rho)
    cuts = np.array([NormalDist().inv_cdf(share) for share in shares])
    return made((common + own <= cuts).astype(float))


def with_gaps(outcomes: Outcomes, share: float, seed: int) -> Outcomes:
    """The same where this share of the cells was not observed, by chance alone."""
    from dataclasses import replace

    gone = np.random.default_rng(seed).random(outcomes.correct.shape) < share
    return replace(
        outcomes,
        correct=np.where(gone, np.nan, outcomes.correct),
        cost=np.where(gone, np.nan, outcomes.cost),
    )


def rows_of(outcomes: Outcomes) -> list[dict[str, Any]]:
    """The same as rows of a file, as far as they were observed."""
    return [
        {
            "query_id": query,
            "category": outcomes.categories[outcomes.category[i]],
            "model": model,
            "correct": float(outcomes.correct[i, j]),
            "cost_usd": None if np.isnan(outcomes.cost[i, j]) else outcomes.cost[i, j] / NANO,
        }
        for i, query in enumerate(outcomes.queries)
        for j, model in enumerate(outcomes.models)
        if not np.isnan(outcomes.correct[i, j])
    ]


def write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Rows as JSON lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file
