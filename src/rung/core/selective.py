"""The lowest threshold on P(right) whose accepted answers are wrong no more often than is allowed.

Source: Jung, Brahman and Choi 2024, Trust or Escalate (2407.18370): exact binomial bounds, tested
in a fixed sequence from the strictest threshold down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, lgamma, log, log1p, sqrt

from rung.core.quality import Judged, worth

MOST_THRESHOLDS = 200
ROUNDING = 1e-9
CONFIDENCE = 0.95
MOST_NEEDED = 1_000_000
"""Labels beyond which nobody will give more: it cannot be had by labelling."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What accepting from ``threshold`` up means for the judged answers.

    ``share`` (0..1) of them is accepted, ``wrong`` of those ``accepted`` are wrong; ``worst`` is
    the upper bound on the share that is wrong, ``expected`` what the chances themselves say of it.
    Counts are rounded where answers have weights.
    """

    threshold: float
    accepted: int
    wrong: int
    worst: float
    share: float
    expected: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """The answer to "from which threshold is the target held?".

    ``held`` is ``None`` where no threshold could be certified. ``nearest`` is then the one tested
    that comes closest, and ``more_labels`` about how many more would certify one, if the chances
    are right: ``None`` where none would, because no answer's chance reaches the target.
    """

    target: float
    confidence: float
    held: Selection | None
    nearest: Selection | None = None
    more_labels: int | None = None


def risk_threshold(
    judged: Iterable[Judged],
    target: float = 0.05,
    confidence: float = CONFIDENCE,
    cuts: Iterable[float] | None = None,
) -> Certificate:
    """The lowest threshold whose error among accepted answers is at most ``target``.

    ``cuts`` are the thresholds to choose from; without any they are the chances themselves.

    It holds with ``confidence``, for answers drawn as these were, where the chances were not fitted
    on these labels. The first threshold tested is the one likeliest to be certified as far as the
    chances tell: at the strictest of all, with few answers, one error would end it. With unequal
    weights it is an approximation: counts are then those of as many equally weighted answers.
    """
    if not 0 < target < 1 or not 0 < confidence < 1:
        raise ValueError("target and confidence must be between 0 and 1")
    doubt = 1 - confidence
    first = ceil(log(doubt) / log1p(-target))
    ordered = sorted((one for one in judged if one.weight > 0), key=lambda one: -one.chance)
    thresholds = sorted({one.chance for one in ordered} if cuts is None else {*cuts}, reverse=True)
    tested = list(_selections(ordered, thresholds, first, doubt))
    held: Selection | None = None
    for each in tested[_most_promising(tested, target, doubt) :]:
        if not _certain(each.wrong, each.accepted, target, doubt):
            break
        held = each
    if held is not None:
        return Certificate(target, confidence, held)
    nearest = min(tested, key=lambda each: each.worst, default=None)
    return Certificate(target, confidence, None, nearest, _more(ordered, target, doubt, first))


def upper_bound(wrong: int, trials: int, doubt: float) -> float:
    """The exact upper bound on a share, wrong about it with probability ``doubt`` at most.

    Source: Clopper and Pearson 1934, Biometrika 26, one-sided.
    """
    if wrong >= trials:
        return 1.0
    low, high = wrong / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(wrong, trials, middle) > doubt:
            low = middle
        else:
            high = middle
    return high


def at_most(hits: int, trials: int, chance: float) -> float:
    """P(no more than ``hits`` of ``trials``), each with the same ``chance``."""
    if hits >= trials or chance <= 0:
        return 1.0
    if chance >= 1:
        return 0.0
    odds = chance / (1 - chance)
    choices = lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)
    term = exp(choices + hits * log(chance) + (trials - hits) * log1p(-chance))
    if hits > trials * chance:
        return 1.0 - _above(hits, trials, chance)
    total = term
    for count in range(hits, 0, -1):
        term *= count / ((trials - count + 1) * odds)
        total += term
        if term < total * 1e-17:
            break
    return min(total, 1.0)


def _above(hits: int, trials: int, chance: float) -> float:
    """P(more than ``hits``): as many misses at most as are left."""
    return at_most(trials - hits - 1, trials, 1 - chance)


def _certain(wrong: float, accepted: int, target: float, doubt: float) -> bool:
    if wrong > accepted * target:
        return False
    return at_most(ceil(wrong), accepted, target) <= doubt


def _selections(
    ordered: Sequence[Judged], thresholds: Iterable[float], first: int, doubt: float
) -> Iterator[Selection]:
    """Selections of growing size, from ``first`` accepted answers up.

    Their thresholds depend on the chances alone, never on what was right.
    """
    everything = sum(one.weight for one in ordered)
    step = max(1.0, (worth(one.weight for one in ordered) - first) / MOST_THRESHOLDS)
    wanted = float(first)
    weight = squares = missed = expected = 0.0
    place = 0
    for threshold in thresholds:
        while place < len(ordered) and ordered[place].chance >= threshold:
            one = ordered[place]
            weight += one.weight
            squares += one.weight * one.weight
            missed += 0.0 if one.right else one.weight
            expected += one.weight * (1 - one.chance)
            place += 1
        size = weight * weight / squares if squares else 0.0
        if size < wanted:
            continue
        wanted = size + step
        accepted = floor(size + ROUNDING)
        wrong = min(accepted, ceil(accepted * missed / weight - ROUNDING))
        worst = upper_bound(wrong, accepted, doubt)
        yield Selection(threshold, accepted, wrong, worst, weight / everything, expected / weight)


def _most_promising(tested: Sequence[Selection], target: float, doubt: float) -> int:
    """The place of the selection that is likeliest to pass; what was right is not looked at."""
    odds = []
    for each in tested:
        allowed = _allowed(each.accepted, target, doubt)
        odds.append(at_most(allowed, each.accepted, each.expected))
    return max(range(len(odds)), key=odds.__getitem__, default=0)


def _allowed(accepted: int, target: float, doubt: float) -> int:
    """The most wrong answers with which so many are still certified."""
    low, high = 0, accepted
    while high - low > 1:
        middle = (low + high) // 2
        if _certain(middle, accepted, target, doubt):
            low = middle
        else:
            high = middle
    return low


def _more(ordered: Sequence[Judged], target: float, doubt: float, first: int) -> int | None:
    """About how many more labels would certify a threshold, by what the chances themselves say."""
    if not ordered:
        return first
    everything = sum(one.weight for one in ordered)
    step = max(1, len(ordered) // MOST_THRESHOLDS)
    weight = expected = 0.0
    fewest: float = MOST_NEEDED
    for place, one in enumerate(ordered):
        weight += one.weight
        expected += one.weight * (1 - one.chance)
        if place % step == 0 and expected < target * weight:
            accepted = _needed(expected / weight, target, doubt)
            fewest = min(fewest, accepted * everything / weight)
    if fewest >= MOST_NEEDED:
        return None
    return max(1, ceil(fewest - worth(one.weight for one in ordered)))


def _needed(risk: float, target: float, doubt: float) -> int:
    """How many accepted answers, wrong as often as ``risk``, make the target certain.

    Allows for one standard deviation of bad luck, so that five out of six times it is enough.
    """

    def enough(accepted: int) -> bool:
        unlucky = accepted * risk + sqrt(accepted * risk * (1 - risk))
        return _certain(unlucky, accepted, target, doubt)

    high = 1
    while high < MOST_NEEDED and not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
