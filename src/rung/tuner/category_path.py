"""Ladders by category that need not keep the reference, tested all together.

A part of the queries draws the way: for a rising price of a lost answer, each category's ladder is
the one that costs least at that price. What few queries of a category say is drawn towards what all
say. The others test each step of the way as one policy, on all categories at once, and stop at the
first that fails: then no correction for their number is due.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rung.tuner.aims import Aim, Mode
from rung.tuner.categories import LIKE_ALL
from rung.tuner.choice import Columns
from rung.tuner.family import Family, affordable, family, patterns
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.prepared import Prepared
from rung.tuner.proof import CHOOSING, paired_p

PRICES = np.geomspace(1e3, 1e-3, 25)
"""What a lost answer costs, in units of what the reference costs a query: from dear to cheap."""

FEWEST = 60
"""Queries below which nothing is split."""


@dataclass(frozen=True, eq=False)
class Along:
    """The ladders of the categories, and the test that they passed."""

    ladders: dict[str, Columns]
    p_value: float


def along_categories(made: Prepared, aim: Aim, doubt: float) -> Along | None:
    """The cheapest step of the way that every test up to it passed; ``None``: not one did."""
    outcomes, reference = made.outcomes, made.reference
    present = np.unique(outcomes.category)
    if reference is None or len(present) < 2 or len(outcomes) < FEWEST:
        return None
    order = np.random.default_rng(aim.seed).permutation(len(outcomes))
    first = round(CHOOSING * len(outcomes))
    columns = affordable(outcomes, aim.max_tiers, reference)
    cut = outcomes.of([outcomes.models[column] for column in columns])
    kept = int(np.flatnonzero(columns == reference)[0])
    chosen, held = cut.rows(np.sort(order[:first])), cut.rows(np.sort(order[first:]))
    found: Along | None = None
    for step in _way(chosen, kept, aim.max_tiers):
        gains = _gains(held, step, kept)
        p_value = paired_p(gains, aim.max_loss, doubt, aim.seed, proof=aim.mode is Mode.PROOF)
        if p_value > doubt:
            break
        named = {
            outcomes.categories[category]: tuple(int(columns[each]) for each in ladder)
            for category, ladder in step.items()
        }
        found = Along(named, p_value)
    return found


def _way(chosen: Outcomes, reference: int, most_tiers: int) -> list[dict[int, Columns]]:
    """Steps from dear to cheap; a category's ladder by its place among the categories."""
    whole = family(patterns(chosen), most_tiers)
    gain = _gain(whole, reference)
    price = PRICES * chosen.cost[:, reference].mean()
    costs: dict[int, Floats] = {}
    picked: dict[int, Ints] = {}
    orders: dict[int, Ints] = {}
    for category in np.unique(chosen.category):
        own = family(patterns(chosen.rows(chosen.category == category)), most_tiers)
        n = own.patterns.n
        cost = (n * own.cost + LIKE_ALL * whole.cost) / (n + LIKE_ALL)
        gains = (n * _gain(own, reference) + LIKE_ALL * gain) / (n + LIKE_ALL)
        costs[int(category)] = cost * n
        orders[int(category)] = own.order
        picked[int(category)] = (cost - price[:, None] * gains).argmin(axis=1)
    steps: list[dict[int, Columns]] = []
    spent = np.inf
    for place in range(price.size):
        total = sum(float(costs[each][picked[each][place]]) for each in costs)
        if total < spent:
            spent = total
            steps.append({each: _columns(orders[each][picked[each][place]]) for each in costs})
    return steps


def _gain(found: Family, reference: int) -> Floats:
    """How much more often each ladder passes than the reference."""
    count = found.patterns.count
    missed = count @ found.missed
    gain: Floats = (count @ found.patterns.failed[:, reference] - missed) / found.patterns.n
    return gain


def _gains(held: Outcomes, step: dict[int, Columns], reference: int) -> Floats:
    """Query by query: -1, 0 or 1. A category that chose nothing goes to the reference."""
    gains = np.zeros(len(held))
    for category, ladder in step.items():
        rows = held.category == category
        passes = held.correct[rows][:, list(ladder)].max(axis=1)
        gains[rows] = passes - held.correct[rows, reference]
    return gains


def _columns(order: Ints) -> Columns:
    return tuple(int(column) for column in order if column >= 0)
