"""Ladders whose check errs: their quality, their cost, and what they lose against one model.

A wrong answer passes with the chance ``false_accept``, a right one is turned down with the chance
``false_reject``, independently of all else given that it is right or wrong. Let c be the chance
that a tier's answer is right. Then it passes with the chance a = c (1 - false_reject) +
(1 - c) false_accept, and a ladder is right, from its tier j on, with the chance

    V_j = c_j (1 - false_reject) + (1 - a_j) V_(j+1)

where V after the last tier is what is served there: nothing, or the last tier's answer although it
was turned down. Order matters, since a wrong answer that passes below keeps the right one above
from being asked for. Three things follow.

- V falls as any rate rises: its slope is -(1 - c_j) V_(j+1) in ``false_accept`` and
  -c_j (1 - V_(j+1)) in ``false_reject``. So it is least at the highest rates, tier by tier.
- With the reference r last and its answer served come what may, a ladder is worse than r alone by
  no more than sum_j reach_j (1 - c_j) false_accept c_r: wrong answers let through below r where r
  would have been right. That is below 1 - (1 - false_accept)^(tiers below r), whatever the data.
- Where nothing is served of what r was turned down for, false_reject c_r of what reached it is lost
  beside.

Where the outcomes say what the check made of an answer, that is used as it is: it knows which
queries are hard for the check too, of which two rates know nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rung.core.plan import OnExhausted
from rung.tuner.aims import Errors
from rung.tuner.outcomes import Floats, Ints, Outcomes

Rates = Errors | Sequence[Errors]
"""Those of every model, or one for each, in the order of the outcomes' models."""

Singles = NDArray[np.float32]
NO_TIER = -1
"""Fills the rows of shorter ladders, at their ends."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What the check makes of the answers (N x M each, 0..1).

    ``right``: the chance that the answer is right. ``passed``: that the check passes it.
    ``proven``: both.
    """

    right: Floats
    passed: Floats
    proven: Floats


def checked(outcomes: Outcomes, errors: Rates, *, worst: bool = False) -> Checked:
    """By recorded verdicts where there are any, by the rates elsewhere.

    ``worst``: by the highest rates that the measurement leaves open. Of a recorded share of right
    answers and one of passed ones, as few are taken to be both as can be.
    """
    accept, reject = rates_of(errors, len(outcomes.models), worst=worst)
    made = by_rates(outcomes.correct, accept, reject)
    if outcomes.accepted is None:
        return made
    said, right = outcomes.accepted, outcomes.correct
    known = ~np.isnan(said)
    both = np.maximum(right + said - 1.0, 0.0)
    return Checked(right, np.where(known, said, made.passed), np.where(known, both, made.proven))


def by_rates(right: Floats, accept: Floats | float, reject: Floats | float) -> Checked:
    """By the rates of false accepts and false rejects, of all models or one for each."""
    proven = right * (1.0 - reject)
    return Checked(right, proven + (1.0 - right) * accept, proven)


def rates_of(errors: Rates, models: int, *, worst: bool = False) -> tuple[Floats, Floats]:
    """The rates of false accepts and of false rejects, by model.

    Raises ValueError where there is neither one for all nor one for each, or a rate is no share.
    """
    each = (errors,) * models if isinstance(errors, Errors) else tuple(errors)
    if len(each) != models:
        raise ValueError(f"{len(each)} rates for {models} models: give one, or one for each")
    accept = np.array([highest_accept(one) if worst else one.false_accept for one in each])
    reject = np.array([highest_reject(one) if worst else one.false_reject for one in each])
    if not all(np.all((rate >= 0) & (rate <= 1)) for rate in (accept, reject)):
        raise ValueError("rates of errors must be from 0 to 1")
    return accept, reject


def highest_accept(errors: Errors) -> float:
    """The highest rate of false accepts that the measurement leaves open."""
    return max(errors.false_accept, errors.highest_accept or 0.0)


def highest_reject(errors: Errors) -> float:
    """The highest rate of false rejects that the measurement leaves open."""
    return max(errors.false_reject, errors.highest_reject or 0.0)


# ------------------------------------------------------------------ many ladders


def rights_of(
    made: Checked, ladders: Ints, on_exhausted: OnExhausted = OnExhausted.INBOX
) -> Singles:
    """The chance (L x N) that each ladder's served answer is right.

    ``ladders`` (L x K) are columns in the order of the calls, filled up with NO_TIER. BEST serves
    the last tier's answer where none passed, as the engine does of answers that one gate rejected.
    """
    last = _last(ladders) if on_exhausted is OnExhausted.BEST else None
    return _climbed(made, ladders, (made.right, made.proven), last)


def costs_of(made: Checked, cost: Floats, ladders: Ints) -> Singles:
    """What each ladder's calls cost (L x N), in the unit of ``cost`` (N x M)."""
    return _climbed(made, ladders, (cost, cost), None)


def differences_of(
    outcomes: Outcomes,
    ladders: Ints,
    reference: int,
    errors: Rates,
    on_exhausted: OnExhausted = OnExhausted.BEST,
    worst: bool = True,
) -> Singles:
    """How much likelier each ladder is right than the reference alone, unchecked (L x N, -1..1).

    The expectation over the check's errors, given what was recorded. With ``worst`` the mean is a
    lower bound whatever the rates are below the highest, of each tier by itself.
    """
    made = checked(outcomes, errors, worst=worst)
    alone = outcomes.correct[:, reference].astype(np.float32)
    return rights_of(made, ladders, on_exhausted) - alone


def differences(
    outcomes: Outcomes,
    columns: Sequence[int],
    reference: int,
    errors: Rates,
    on_exhausted: OnExhausted = OnExhausted.BEST,
    worst: bool = True,
) -> Floats:
    """`differences_of` for one ladder (N), in double precision."""
    made = checked(outcomes, errors, worst=worst)
    return expected_right(made, columns, on_exhausted) - outcomes.correct[:, reference]


def expected_right(
    made: Checked, columns: Sequence[int], on_exhausted: OnExhausted = OnExhausted.INBOX
) -> Floats:
    """`rights_of` for one ladder (N), in double precision."""
    *lower, last = columns
    right = made.right[:, last] if on_exhausted is OnExhausted.BEST else made.proven[:, last]
    for column in reversed(lower):
        right = made.proven[:, column] + (1.0 - made.passed[:, column]) * right
    return right


def _climbed(
    made: Checked, ladders: Ints, worth: tuple[Floats, Floats], last: Ints | None
) -> Singles:
    """The sum over the tiers called of what each is worth, by ladder and query.

    ``worth``: at the tier ``last`` of each ladder, and at all others. At a tier that is served come
    what may, being right counts, elsewhere being right and passed. From the last tier down, so that
    each step is one multiplication and one addition in place.
    """
    served, called = (_by_model(array) for array in worth)
    climbs = _by_model(1.0 - made.passed)
    total = np.zeros((len(ladders), len(made.passed)), np.float32)
    for place in range(ladders.shape[1] - 1, -1, -1):
        columns = ladders[:, place]
        there = np.flatnonzero(columns != NO_TIER)
        if len(there) == len(columns):
            total *= climbs[columns]
            total += called[columns]
        else:
            total[there] = total[there] * climbs[columns[there]] + called[columns[there]]
        if last is not None:
            ends = np.flatnonzero(last == place)
            total[ends] = served[columns[ends]]
    return total


def _by_model(array: Floats) -> Singles:
    return np.ascontiguousarray(array.T, dtype=np.float32)


def _last(ladders: Ints) -> Ints:
    """The place of each ladder's last tier."""
    found: Ints = (ladders != NO_TIER).sum(axis=1) - 1
    return found
