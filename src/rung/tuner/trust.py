"""Whether certificates may rest on a check that errs, and what would have to change if not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from statistics import NormalDist

import numpy as np

from rung.core.plan import OnExhausted
from rung.core.selective import MOST_NEEDED, upper_bound
from rung.tuner.aims import Aim, Errors
from rung.tuner.noisy import by_rates, costs_of, highest_accept, highest_reject
from rung.tuner.outcomes import Ints, Outcomes
from rung.tuner.rate_scores import chunks, ladder_scores, quick_scores

MOST_ACCEPTED = 0.5
"""A check that may pass more wrong answers than it stops is none. Then a certificate would rest on
its errors being independent of all else, and nothing but that."""

HALVINGS = 12
MOST_TRIED = 150
"""Ladders whose own tests are made."""

PRECISION = 0.001
"""Of a rate that a search for the number of labels tells apart."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether certificates may rest on the check.

    ``why_not`` is "" where they may; the rest is for where they may not. ``bearable``: about the
    highest rate of false accepts at which a ladder would be certified, 0 where no wrong answer may
    pass, ``None`` where that would not do either. ``labels``: about how many labelled wrong answers
    would show that the rate is as low, if it is what it seems; ``None`` where none would, or where
    nothing was measured.
    """

    why_not: str
    bearable: float | None = None
    labels: int | None = None

    @property
    def given(self) -> bool:
        """Whether they may."""
        return not self.why_not


def withdrawn(errors: Errors) -> str:
    """Why no certificate rests on such a check, whatever the outcomes; "" where one may.

    Two reasons: it may pass more than MOST_ACCEPTED of what is wrong; or a wrong answer may be as
    likely to pass as a right one, so that passing proves nothing.
    """
    accept, reject = highest_accept(errors), highest_reject(errors)
    up_to = "up to " if errors.labels else ""
    if accept > MOST_ACCEPTED:
        return f"the check passes {up_to}{accept:.0%} of wrong answers"
    if accept > 0 and accept + reject >= 1:
        return (
            f"the check passes {up_to}{accept:.0%} of wrong answers and fails {up_to}{reject:.0%}"
            " of right ones: that it passes one proves nothing"
        )
    return ""


def trust(
    outcomes: Outcomes,
    ladders: Ints,
    reference: int,
    aim: Aim,
    on_exhausted: OnExhausted = OnExhausted.BEST,
) -> Trust:
    """Whether any of the ``ladders`` (L x K) that save anything surely loses no more than allowed.

    Each is tested by itself, not corrected for their number: what is refused here is refused by
    every test, what is not has yet to be tested. ``bearable`` is in this sense optimistic too.
    """
    if outcomes.accepted is not None and not np.isnan(outcomes.accepted).any():
        return Trust(withdrawn(aim.errors))
    cheaper = _promising(outcomes, ladders, reference, aim)
    why_not = withdrawn(aim.errors)
    if not why_not and not _passed(outcomes, cheaper, reference, aim, on_exhausted):
        why_not = _too_often(aim.errors)
    if not why_not:
        return Trust("")
    bearable = _bearable(outcomes, cheaper, reference, aim, on_exhausted)
    labels = None if bearable is None else labels_needed(aim.errors, bearable, aim.confidence)
    return Trust(why_not, bearable, labels)


def advice(found: Trust, baseline: str) -> tuple[str, ...]:
    """What to do where certificates are withdrawn, in plain sentences."""
    if found.given:
        return ()
    said = [f"Use {baseline}: {found.why_not}, so nothing below it is certified."]
    if found.bearable is None:
        said.append("On these outcomes not even a check that passes nothing wrong would certify.")
    elif found.bearable < PRECISION:
        said.append("Only a check that passes next to nothing wrong would do.")
    else:
        said.append(
            f"A check that passes at most about {found.bearable:.1%} of wrong answers would do."
        )
    if found.labels is not None:
        said.append(f"About {found.labels:,} labelled wrong answers would show that this one does.")
    return tuple(said)


def labels_needed(errors: Errors, bearable: float, confidence: float) -> int | None:
    """About how many labelled wrong answers put the upper bound of the rate below ``bearable``.

    Going by the rate that was measured. ``None`` where it is itself above, or was not measured.
    """
    rate = errors.false_accept
    if not errors.labels or rate >= bearable - PRECISION:
        return None

    def enough(labels: int) -> bool:
        return upper_bound(ceil(rate * labels), labels, 1 - confidence) <= bearable

    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_NEEDED:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _too_often(errors: Errors) -> str:
    up_to = "up to " if errors.labels else ""
    told = f"the check passes {up_to}{highest_accept(errors):.1%} of wrong answers"
    return f"{told} and fails {up_to}{highest_reject(errors):.1%} of right ones"


def _promising(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> Ints:
    """Of the ladders that cost less than the reference alone, those likeliest to pass.

    By the rate of false accepts as it is, by half of it, and by a tenth.
    """
    errors = aim.errors
    made = by_rates(outcomes.correct, errors.false_accept, errors.false_reject)
    costs = [
        np.average(costs_of(made, outcomes.cost, some), axis=1, weights=outcomes.weight)
        for some in chunks(ladders, len(outcomes))
    ]
    alone = np.average(outcomes.cost[:, reference], weights=outcomes.weight)
    cheaper = ladders[np.concatenate(costs) < alone * (1 - 1e-6)]
    if len(cheaper) <= MOST_TRIED:
        return cheaper
    kept: set[int] = set()
    for part in (1.0, 0.5, 0.1):
        rates = replace(errors, false_accept=part * errors.false_accept)
        likely = quick_scores(outcomes, cheaper, reference, rates, aim.max_loss, len(outcomes))
        kept.update(np.argsort(-likely, kind="stable")[: MOST_TRIED // 3].tolist())
    return cheaper[sorted(kept)]


def _passed(
    outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim, on_exhausted: OnExhausted
) -> bool:
    """Whether any ladder passes its own test."""
    if not len(ladders):
        return False
    scores = ladder_scores(outcomes, ladders, reference, aim.errors, aim.max_loss, on_exhausted)
    return bool(np.any(scores >= NormalDist().inv_cdf(aim.confidence)))


def _bearable(
    outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim, on_exhausted: OnExhausted
) -> float | None:
    """About the highest rate of false accepts at which a ladder passes its own test."""

    def borne(accept: float) -> bool:
        errors = replace(aim.errors, false_accept=accept, highest_accept=accept)
        asked = replace(aim, errors=errors)
        return _passed(outcomes, ladders, reference, asked, on_exhausted)

    if not borne(0.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if borne(middle) else (low, middle)
    return low
