"""What a confidence is worth: how it ranks, how it is calibrated, and with what interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from random import Random
from statistics import fmean

from rung.core.stats import quantile

INTERVAL = 0.95
BINS = 10
"""Bins of equal width, from 0 to 1, of the calibration error and of a reliability diagram."""


@dataclass(frozen=True, slots=True)
class Scored:
    """An answer to a question: what was thought of it, 0..1, and whether it is right."""

    question: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers with scores in one bin: how many, their mean score, the share that is right."""

    count: int
    score: float
    right: float


def accuracy(rows: Sequence[Scored]) -> float:
    """The share that is right."""
    return fmean(row.right for row in rows)


def auroc(rows: Sequence[Scored]) -> float | None:
    """The chance that a right answer scores above a wrong one, ties half. None without both."""
    counts = _counts(rows)
    positive = sum(right for right, _ in counts.values())
    negative = len(rows) - positive
    if not positive or not negative:
        return None
    won, below = 0.0, 0
    for _, (right, wrong) in sorted(counts.items()):
        won += right * (below + wrong / 2)
        below += wrong
    return won / (positive * negative)


def brier(rows: Sequence[Scored]) -> float:
    """The mean squared distance of score and outcome; lower is better."""
    parts = (
        right * (1 - score) ** 2 + wrong * score**2
        for score, (right, wrong) in sorted(_counts(rows).items())
    )
    return fsum(parts) / len(rows)


def reliability(rows: Sequence[Scored]) -> list[Bin]:
    """The bins that are not empty, from low scores to high."""
    held: dict[int, list[tuple[float, int, int]]] = {}
    for score, (right, wrong) in sorted(_counts(rows).items()):
        held.setdefault(min(int(score * BINS), BINS - 1), []).append((score, right, wrong))
    return [_bin(parts) for _, parts in sorted(held.items())]


def _bin(parts: Sequence[tuple[float, int, int]]) -> Bin:
    count = sum(right + wrong for _, right, wrong in parts)
    score = fsum(score * (right + wrong) for score, right, wrong in parts) / count
    return Bin(count, score, sum(right for _, right, _ in parts) / count)


def ece(rows: Sequence[Scored]) -> float:
    """Expected calibration error: the mean distance of score and share right, over the bins."""
    return fsum(b.count * abs(b.score - b.right) for b in reliability(rows)) / len(rows)


def _counts(rows: Sequence[Scored]) -> dict[float, tuple[int, int]]:
    """How many are right and wrong, by score: shares of a vote take few values."""
    found = Counter((row.score, row.right) for row in rows)
    scores = {score for score, _ in found}
    return {score: (found[score, True], found[score, False]) for score in scores}


def halves(questions: Sequence[str], times: int, seed: int) -> Iterator[frozenset[str]]:
    """Random halves of the distinct questions, the same ones for the same seed."""
    known = sorted(set(questions))
    random = Random(seed)
    for _ in range(times):
        yield frozenset(random.sample(known, len(known) // 2))


def spread(values: Sequence[float]) -> list[float]:
    """Mean and the middle 95% of values: [mean, low, high]."""
    listed = list(values)
    outside = (1 - INTERVAL) / 2
    low, high = quantile(listed, outside), quantile(listed, 1 - outside)
    assert low is not None
    assert high is not None
    return [fmean(listed), low, high]


def resampled(by_question: Mapping[str, Sequence[float]], times: int, seed: int) -> list[float]:
    """The mean of all values with a 95% interval: a bootstrap of the questions."""
    sums = [(fsum(values), len(values)) for _, values in sorted(by_question.items())]
    random = Random(seed)
    means = []
    for _ in range(times):
        drawn = random.choices(sums, k=len(sums))
        means.append(fsum(s for s, _ in drawn) / sum(n for _, n in drawn))
    mean = fsum(s for s, _ in sums) / sum(n for _, n in sums)
    return [mean, *spread(means)[1:]]


def auroc_interval(rows: Sequence[Scored], times: int, seed: int) -> list[float] | None:
    """AUROC with a 95% interval: a bootstrap of the questions, all answers to one together."""
    value = auroc(rows)
    if value is None:
        return None
    held: dict[str, list[Scored]] = {}
    for row in rows:
        held.setdefault(row.question, []).append(row)
    questions = [held[question] for question in sorted(held)]
    random = Random(seed)
    found = []
    for _ in range(times):
        drawn = random.choices(questions, k=len(questions))
        found.append(auroc([row for group in drawn for row in group]))
    return [value, *spread([one for one in found if one is not None])[1:]]
