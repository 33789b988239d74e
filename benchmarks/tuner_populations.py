"""Recorded outcomes as populations: what was recorded is taken for the truth, and drawn from.

The folder is not part of the project; docs/tuning_figures.md names the sources and their licences.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rung.tuner.outcomes import Outcomes

SWEBENCH = "swebench_verified_bashonly.dev"
ROUTERBENCH = "routerbench_3sets.dev"
ZEROEVAL = "zeroeval_gsm"
PARTS = ("arc_challenge", "mbpp", "winograde")
SETS = (SWEBENCH, ROUTERBENCH, *(f"{ROUTERBENCH}/{part}" for part in PARTS), ZEROEVAL)
NANO = 1e9
GAPS = 0.1


def missing(folder: Path, sets: Iterable[str] = SETS) -> list[str]:
    """Which files of these sets are not in the folder."""
    names = sorted({f"{name.partition('/')[0]}.jsonl.gz" for name in sets})
    return [name for name in names if not (folder / name).is_file()]


@lru_cache(maxsize=4)
def population(folder: Path, name: str) -> Outcomes:
    """A set, or after a slash one category of it.

    Models that lack more than a tenth of outcomes or costs are left out, then queries that lack
    one.
    """
    file, _, category = name.partition("/")
    cells: dict[tuple[str, str], tuple[float, float]] = {}
    kinds: dict[str, str] = {}
    with gzip.open(folder / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if category and row["category"] != category:
                continue
            seen = (_number(row["correct"]), NANO * _number(row["cost_usd"]))
            cells[row["query_id"], row["model"]] = seen
            kinds.setdefault(row["query_id"], row["category"])
    models = sorted({model for _, model in cells})
    nothing = (np.nan, np.nan)
    table = np.array([[cells.get((q, m), nothing) for m in models] for q in kinds])
    known = np.isnan(table).any(axis=2).mean(axis=0) <= GAPS
    table = table[:, known]
    whole = ~np.isnan(table).any(axis=(1, 2))
    table = table[whole]
    names = [model for model, kept in zip(models, known, strict=True) if kept]
    queries = [query for query, kept in zip(kinds, whole, strict=True) if kept]
    return made(table[:, :, 0], table[:, :, 1], names, [kinds[query] for query in queries])


def made(
    correct: NDArray[np.generic],
    cost: NDArray[np.generic],
    models: Iterable[str] | None = None,
    kinds: Iterable[str] | None = None,
) -> Outcomes:
    """Outcomes from bare arrays, N x M; ``kinds`` are the categories.

    ``cost`` is rounded to whole nano-dollars, as the ledger has them: limits on what was spent are
    held against sums.
    """
    rows, columns = correct.shape
    told = ["" for _ in range(rows)] if kinds is None else list(kinds)
    categories = tuple(sorted(set(told)))
    place = {name: at for at, name in enumerate(categories)}
    return Outcomes(
        models=tuple(f"m{j:03d}" for j in range(columns)) if models is None else tuple(models),
        queries=tuple(f"q{i:05d}" for i in range(rows)),
        correct=correct.astype(np.float64),
        cost=np.rint(cost.astype(np.float64)),
        category=np.array([place[name] for name in told], dtype=np.int64),
        categories=categories,
    )


def best_models(outcomes: Outcomes) -> list[str]:
    """All models, those that are right most often first; ties by name."""
    means = outcomes.correct.mean(axis=0)
    order = sorted(range(len(outcomes.models)), key=lambda j: (-means[j], outcomes.models[j]))
    return [outcomes.models[j] for j in order]


def rows_drawn(name: str, size: int, draw: int, population_size: int) -> NDArray[np.int64]:
    """Places drawn with replacement: the same for every way of tuning, for every margin."""
    seed = np.random.default_rng([zlib.crc32(name.encode()), size, draw])
    return seed.integers(population_size, size=size)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
