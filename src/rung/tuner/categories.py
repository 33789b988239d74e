"""A ladder of its own for a category, where all of them keep the reference: only cost is at stake.

What a category's few queries say of a ladder's cost is drawn towards what all queries say of it, as
if so many more had been seen that are like all. Whether that pays is seen on queries that did not
choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rung.tuner.choice import Columns, run
from rung.tuner.family import family, patterns
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.prepared import Prepared

LIKE_ALL = 20
"""Queries that all others are worth in a category."""

FOLDS = 5
MOST_LADDERS = 40
"""Cheapest ladders that are tried, over all and in each category."""

WORTH = 0.01
"""What it has to save, as a share of the cost, to be worth several ladders."""


@dataclass(frozen=True, eq=False)
class ByCategory:
    """The ladder of each category whose ladder is another than ``whole``; ``saved`` is held out."""

    whole: Columns
    ladders: dict[str, Columns]
    saved: float


def by_category(made: Prepared, most_tiers: int, seed: int) -> ByCategory | None:
    """Ladders that keep the reference, one for each category, if that pays; else ``None``."""
    outcomes, reference = made.outcomes, made.reference
    if reference is None or len(outcomes.categories) < 2:
        return None
    tried = _tried(outcomes, reference, most_tiers)
    costs = np.stack([run(outcomes, ladder).cost for ladder in tried], axis=1)
    category, number = outcomes.category, len(outcomes.categories)
    fold = np.random.default_rng(seed).permutation(len(outcomes)) % FOLDS
    spent = alone = 0.0
    for out in range(FOLDS):
        inside, held = fold != out, np.flatnonzero(fold == out)
        picked = _picked(costs[inside], category[inside], number)
        spent += costs[held, picked[category[held]]].sum()
        alone += costs[held, costs[inside].mean(axis=0).argmin()].sum()
    saved = 1 - spent / alone if alone > 0 else 0.0
    if saved < WORTH:
        return None
    picked, best = _picked(costs, category, number), int(costs.mean(axis=0).argmin())
    ladders = {
        name: tried[picked[place]]
        for place, name in enumerate(outcomes.categories)
        if picked[place] != best and (category == place).any()
    }
    return ByCategory(tried[best], ladders, float(saved)) if ladders else None


def _tried(outcomes: Outcomes, reference: int, most_tiers: int) -> list[Columns]:
    """The cheapest ladders that keep the reference, over all and in each category."""
    found: dict[Columns, None] = {}
    present = np.unique(outcomes.category)
    parts = [outcomes, *(outcomes.rows(outcomes.category == place) for place in present)]
    for part in parts:
        ladders = family(patterns(part), most_tiers)
        keeping = ladders.with_column(reference)
        for place in keeping[np.argsort(ladders.cost[keeping], kind="stable")][:MOST_LADDERS]:
            found[ladders.columns(int(place))] = None
    return list(found)


def _picked(costs: Floats, category: Ints, number: int) -> Ints:
    """The cheapest ladder of each category, as far as its own queries are believed."""
    rows = np.bincount(category, minlength=number)[:, None]
    sums = np.zeros((number, costs.shape[1]))
    np.add.at(sums, category, costs)
    drawn_in = (sums + LIKE_ALL * costs.mean(axis=0)) / (rows + LIKE_ALL)
    found: Ints = drawn_in.argmin(axis=1)
    return found
