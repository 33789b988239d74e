"""Ladders that end in the reference, and do not ask it once a request has cost too much.

What is hard is dear: where cheap tiers fail after long attempts, the reference often fails too, and
at a high price. Each such ladder is one more that may serve a share of the requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rung.tuner.family import Family
from rung.tuner.outcomes import Floats, Ints, Outcomes

Bools = NDArray[np.bool_]

LEVELS = (0.3, 0.6, 0.85)
"""Shares of the requests that failed below which still ask the reference: the cheapest of them."""


@dataclass(frozen=True, eq=False)
class Given:
    """``G`` ladders that give up. Money is nano-dollars.

    ``below`` (G) are places in the family of what is asked before the reference; ``limit`` (G) the
    most that may have been spent for it to be asked; ``cost`` and ``seconds`` (G) are means;
    ``gains`` and ``losses`` (U x G) are shares of each pattern's queries.
    """

    below: Ints
    limit: Floats
    cost: Floats
    seconds: Floats
    gains: Floats
    losses: Floats


def giving_up(outcomes: Outcomes, found: Family, reference: int, safe: int, most: int) -> Given:
    """All that cost less than the safe ladder; ``most`` are the tiers that there may be."""
    sizes = (found.order >= 0).sum(axis=1)
    without = (found.order != reference).all(axis=1) & (found.cost < found.cost[safe])
    below, limits, rows = [], [], []
    for place in np.flatnonzero(without & (sizes < most)):
        spent, failed = _spent(outcomes, found.columns(int(place)))
        if not failed.any():
            continue
        # Whole nano-dollars, as policies have them: what is tested is what is applied.
        for limit in np.unique(np.floor(np.quantile(spent[failed], LEVELS))):
            gave_up = failed & (spent > limit)
            if gave_up.any() and not gave_up[failed].all():
                below.append(int(place))
                limits.append(float(limit))
                rows.append(gave_up)
    if not rows:
        return _none(found)
    gave_up = np.stack(rows, axis=1)
    places = np.array(below)
    return _given(outcomes, found, reference, (places, np.array(limits), gave_up))


def _given(
    outcomes: Outcomes, found: Family, reference: int, made: tuple[Ints, Floats, Bools]
) -> Given:
    places, limits, gave_up = made
    kind, count = found.patterns.kind, found.patterns.count
    missed = found.missed[:, places]
    asked = missed[kind] * ~gave_up
    n = found.patterns.n
    cost = found.cost[places] + outcomes.cost[:, reference] @ asked / n
    seconds = found.seconds[places]
    if outcomes.seconds is not None:
        seconds = seconds + outcomes.seconds[:, reference] @ asked / n
    right = 1 - found.patterns.failed[:, [reference]]
    stopped = np.zeros(missed.shape)
    np.add.at(stopped, kind, gave_up)
    losses = right * stopped / count[:, None]
    return Given(places, limits, cost, seconds, (1 - right) * (1 - missed), losses)


def _spent(outcomes: Outcomes, ladder: tuple[int, ...]) -> tuple[Floats, Bools]:
    """What each query costs up to the end of a ladder, and whether all of it failed."""
    open_ = np.ones(len(outcomes))
    spent = np.zeros(len(outcomes))
    for column in ladder:
        spent += open_ * outcomes.cost[:, column]
        open_ = open_ * (1 - outcomes.correct[:, column])
    return spent, open_ > 0


def _none(found: Family) -> Given:
    empty = np.zeros((found.patterns.count.size, 0))
    return Given(np.zeros(0, int), np.zeros(0), np.zeros(0), np.zeros(0), empty, empty)
