"""The choice where the check errs, answers are right in part, or queries weigh differently.

Order matters then, and nothing is free. See `noisy` for what a ladder comes to, and `noisy_tuning`
for how it is certified.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import inf, perm

import numpy as np

from rung.core.errors import RequestError
from rung.core.plan import OnExhausted
from rung.tuner.aims import Aim, Basis, Errors, Mode
from rung.tuner.choice import Choice, Columns, Run, Runner
from rung.tuner.family import asked, once_each
from rung.tuner.measured import check_errs
from rung.tuner.noisy import (
    NO_TIER,
    checked,
    costs_of,
    highest_accept,
    highest_reject,
    rights_of,
)
from rung.tuner.noisy_tuning import certified, mean_costs
from rung.tuner.outcomes import Ints, Outcomes
from rung.tuner.prepared import Prepared
from rung.tuner.trust import advice, trust

MOST_LADDERS = 13_000
"""Above, the dearest models are left out until there are no more."""


def is_plain(made: Prepared, aim: Aim) -> bool:
    """Whether the check is sound, and every query counts the same and is right or wrong."""
    return made.binary and made.even and not check_errs(made.outcomes, aim.errors)


def choose_erring(made: Prepared, aim: Aim) -> Choice:
    """The cheapest ladder certified against the reference, else the reference alone."""
    if made.reference is None or aim.quality is not None or aim.budget_usd is not None:
        raise RequestError(
            "where a check errs, answers are right in part or queries weigh differently, the target"
            " has to be a model alone.",
            fix="name the model you would have used alone as the baseline, no quality, no budget",
        )
    ladders = ordered(made.outcomes, made.reference, aim.max_tiers)
    ladders = _quick(made.outcomes, ladders, made.reference, aim)
    best = certified(made.outcomes, ladders, made.reference, aim)
    if best is not None:
        tested = best.p_value is not None
        proof = Basis.PROOF if aim.mode is Mode.PROOF else Basis.TESTED
        return Choice(
            best.columns,
            proof if tested else Basis.REFERENCE_KEPT,
            p_value=best.p_value,
            level=1 - aim.confidence if tested else None,
            on_exhausted=OnExhausted.BEST,
        )
    found = trust(made.outcomes, ladders, made.reference, aim)
    return Choice(
        (made.reference,),
        Basis.REFERENCE_KEPT if found.given else Basis.NOTHING,
        words=advice(found, made.outcomes.models[made.reference]),
        on_exhausted=OnExhausted.BEST,
    )


def runner(errors: Errors) -> Runner:
    """What a ladder comes to on the mean over the check's errors; its last answer is served."""

    def run(outcomes: Outcomes, ladder: Columns, _limit: float = inf) -> Run:
        made = checked(outcomes, errors)
        order = np.array([ladder])
        right = rights_of(made, order, OnExhausted.BEST)[0].astype(float)
        seconds = np.zeros(len(outcomes))
        if outcomes.seconds is not None:
            seconds = costs_of(made, outcomes.seconds, order)[0].astype(float)
        return Run(right, costs_of(made, outcomes.cost, order)[0].astype(float), seconds)

    return run


def assumed(outcomes: Outcomes, errors: Errors) -> str:
    """What a certificate takes for granted of the check."""
    if outcomes.accepted is not None:
        return "The check will err as it did on these answers."
    accept, reject = highest_accept(errors), highest_reject(errors)
    return (
        f"The check passes at most {accept:.1%} of wrong answers and fails at most {reject:.1%} of"
        " right ones, on hard queries as on easy ones."
    )


def ordered(outcomes: Outcomes, reference: int, most_tiers: int) -> Ints:
    """All orders of up to so many models (L x tiers), the cheapest models and the reference."""
    cheapest = np.argsort(outcomes.cost.mean(axis=0), kind="stable")
    columns = [reference, *cheapest[cheapest != reference]]
    while len(columns) > 1 and _count(len(columns), most_tiers) > MOST_LADDERS:
        columns.pop()
    sizes = range(1, min(most_tiers, len(columns)) + 1)
    parts = []
    for size in sizes:
        some = np.array(list(permutations(sorted(columns), size)))
        wide = np.full((len(some), sizes.stop - 1), NO_TIER)
        wide[:, :size] = some
        parts.append(wide[once_each(wide, asked(outcomes.models))])
    return np.concatenate(parts)


def _quick(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> Ints:
    """The ladders that are quick enough on the mean; the reference alone, if none is."""
    if aim.slowest_seconds is None or outcomes.seconds is None:
        return ladders
    seconds = mean_costs(replace(outcomes, cost=outcomes.seconds), ladders, aim)
    quick = seconds <= aim.slowest_seconds
    alone = (ladders[:, 0] == reference) & ((ladders != NO_TIER).sum(axis=1) == 1)
    return ladders[quick if quick.any() else alone]


def _count(models: int, most_tiers: int) -> int:
    return sum(perm(models, size) for size in range(1, most_tiers + 1))
