"""How often a check passes what is wrong and fails what is right, from few labels of many answers.

Labels are not spread evenly: audits look at a small random share of all answers, the inbox at
nearly all that were rejected, users at what annoyed them. Counting labels as they come would take
the mix of sources for the error of the check. So everything is estimated apart for the answers that
the check passed and those that it failed, of which the ledger knows the exact numbers, and put
together by these (C. B. Begg, R. A. Greenes, Assessment of diagnostic tests when disease
verification is subject to selection bias, Biometrics 39, 1983). Within each of the two, answers
that somebody chose to label stand for themselves alone, and those that were drawn at random for all
others. Where nothing was drawn, the chosen ones have to stand for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import ceil, sqrt

from rung.core.stats import rate

USEFUL_HALF_WIDTH = 0.1
"""An interval of ten points to either side tells a good check from a bad one."""

MOST_LABELS_FOR_USE = 97
"""What that takes for a share of one half, the worst case."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95% interval; ``value`` is ``None`` where the labels do not tell it."""

    value: float | None
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


NOTHING_KNOWN = Estimate(None, 0.0, 1.0)
NO_MATTER = Estimate(0.5, 0.0, 1.0)
"""Of a set that has no members."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many answers were labelled, and how many of them were wrong."""

    answers: int = 0
    wrong: int = 0

    def __add__(self, other: Labelled) -> Labelled:
        """Both together."""
        return Labelled(self.answers + other.answers, self.wrong + other.wrong)

    @property
    def right(self) -> int:
        """How many were right."""
        return self.answers - self.wrong


@dataclass(frozen=True, slots=True)
class Judged:
    """The answers of which a check said one thing.

    ``answers`` is how many there are. ``chosen`` were labelled by somebody who picked them,
    ``drawn`` at random among the rest.
    """

    answers: int = 0
    chosen: Labelled = Labelled()
    drawn: Labelled = Labelled()

    @property
    def labelled(self) -> Labelled:
        """All that were labelled."""
        return self.chosen + self.drawn


def wrong_among(judged: Judged) -> Estimate:
    """The share of wrong answers."""
    if judged.answers == 0:
        return NO_MATTER
    chosen, drawn = _share(judged.chosen), _share(judged.drawn)
    if not judged.chosen.answers:
        return drawn
    if not judged.drawn.answers:
        return chosen
    part = min(1.0, judged.chosen.answers / judged.answers)
    return _combined(lambda one, other: part * one + (1 - part) * other, chosen, drawn)


def false_accepts(passed: Judged, failed: Judged) -> Estimate:
    """P(passed | wrong), of the answers that the check either passed or failed."""
    return _conditional(passed, failed, wrong_among(passed), wrong_among(failed))


def false_rejects(passed: Judged, failed: Judged) -> Estimate:
    """P(failed | right), of the answers that the check either passed or failed."""
    right_failed, right_passed = _other(wrong_among(failed)), _other(wrong_among(passed))
    return _conditional(failed, passed, right_failed, right_passed)


def labels_lacking(estimate: Estimate, labels: int) -> int:
    """About how many more labels make the interval a useful one; 0 where it is."""
    if labels == 0 or estimate.value is None:
        return MOST_LABELS_FOR_USE
    # The width of an interval goes by the root of the number behind it.
    wanted = labels * (estimate.half_width / USEFUL_HALF_WIDTH) ** 2
    return max(0, ceil(wanted) - labels)


# ------------------------------------------------------------------ putting parts together


def _conditional(here: Judged, there: Judged, inside: Estimate, outside: Estimate) -> Estimate:
    """The part of all answers of a sort that is ``here``, by Bayes' rule.

    ``inside`` is the share of that sort among the answers here, ``outside`` among those there.
    """
    answers = here.answers + there.answers
    if answers == 0:
        return NOTHING_KNOWN
    found = rate(here.answers, answers)
    split = Estimate(here.answers / answers, found.low, found.high)
    return _combined(_bayes, split, inside, outside)


def _bayes(split: float, inside: float, outside: float) -> float | None:
    some, others = split * inside, (1 - split) * outside
    return some / (some + others) if some + others > 0 else None


def _combined(function: Callable[..., float | None], *parts: Estimate) -> Estimate:
    """``function`` of estimates, which is monotone in each of them.

    Each part's interval is carried through the function alone; the distances are added as squares
    (G. Y. Zou, A. Donner, Construction of confidence limits about effect measures, Statistics in
    Medicine 27, 2008). Where a part is not known, the interval is all that the ends allow.
    """
    values = [part.value for part in parts]
    known = [value for value in values if value is not None]
    centre = function(*known) if len(known) == len(parts) else None
    if centre is None:
        corners = [function(*each) for each in product(*((p.low, p.high) for p in parts))]
        found = [corner for corner in corners if corner is not None]
        return Estimate(None, min(found, default=0.0), max(found, default=1.0))
    below = above = 0.0
    for place, part in enumerate(parts):
        ends = [function(*known[:place], end, *known[place + 1 :]) for end in (part.low, part.high)]
        there = [centre, *(end for end in ends if end is not None)]
        below += (centre - min(there)) ** 2
        above += (max(there) - centre) ** 2
    return Estimate(centre, max(0.0, centre - sqrt(below)), min(1.0, centre + sqrt(above)))


def _share(labelled: Labelled) -> Estimate:
    found = rate(labelled.wrong, labelled.answers)
    return Estimate(found.value, found.low, found.high)


def _other(estimate: Estimate) -> Estimate:
    value = None if estimate.value is None else 1 - estimate.value
    return Estimate(value, 1 - estimate.high, 1 - estimate.low)
