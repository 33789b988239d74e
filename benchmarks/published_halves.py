"""Recorded outcomes for the settings of docs/tuning_published.md, and how they are halved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from rung.core.stats import quantile
from rung.tuner.outcomes import Outcomes
from rung.tuner.reading import read_outcomes

ROUTERBENCH = "routerbench_3sets.dev"
SWEBENCH = "swebench_verified_bashonly.dev"
ZEROEVAL = "zeroeval_gsm"
MOT = "mot_cascade_samples"
JUDGES = "trust_or_escalate.dev"
ROUTELLM = ("routellm_gsm8k", "routellm_mmlu.dev")
FILES = (ROUTERBENCH, SWEBENCH, ZEROEVAL, MOT, JUDGES, *ROUTELLM)

SPLITS = 40
SEED = 7


def missing(folder: Path) -> list[str]:
    """Which of the files are not in the folder."""
    return [f"{name}.jsonl.gz" for name in FILES if not (folder / f"{name}.jsonl.gz").is_file()]


MOST_MISSING = 0.02
"""A model that lacks more of its outcomes or costs is left out."""


def whole(folder: Path, name: str) -> Outcomes:
    """The queries and models of a set of which every outcome and every cost is known.

    Models that lack many go first, then queries that some model has no outcome for.
    """
    found = read_outcomes(folder / f"{name}.jsonl.gz")
    lacking = (np.isnan(found.correct) | np.isnan(found.cost)).mean(axis=0)
    kept = [m for m, part in zip(found.models, lacking, strict=True) if part <= MOST_MISSING]
    found = found.of(kept)
    known = ~(np.isnan(found.correct) | np.isnan(found.cost)).any(axis=1)
    return found.rows(known)


def halves(
    count: int, splits: int = SPLITS
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Random halves of so many queries: what is chosen on, and what it is held against."""
    for split in range(splits):
        mixed = np.random.default_rng([SEED, split]).permutation(count)
        yield np.sort(mixed[: count // 2]), np.sort(mixed[count // 2 :])


def spread(values: Sequence[float]) -> list[float]:
    """[mean, p10, p90] over the splits."""
    listed = [float(value) for value in values]
    low, high = quantile(listed, 0.1), quantile(listed, 0.9)
    assert low is not None
    assert high is not None
    return [fmean(listed), low, high]


def best_single(outcomes: Outcomes) -> int:
    """The model that is right most often, of equal ones the cheapest."""
    quality, cost = outcomes.correct.mean(axis=0), outcomes.cost.mean(axis=0)
    return int(np.lexsort((cost, -quality))[0])
