"""How far the data reach: which share of a policy's calls rests on outcomes that were seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rung.tuner.censored import Censored
from rung.tuner.conditional import steps
from rung.tuner.expecting import Model, Way
from rung.tuner.observing import Shown, shown

WORTH_TELLING = 0.01
"""Gaps of a smaller share of a policy's calls are not named."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A tier that a policy needs for a category and that was seen too little there.

    ``needed`` is the share (0..1) of the policy's calls, ``seen`` the share of these that rest on
    outcomes, ``rows`` how many requests show it.
    """

    tier: str
    category: str
    needed: float
    seen: float
    rows: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the data reach: the share (0..1) of a policy's calls that rest on outcomes."""

    share: float
    gaps: tuple[Gap, ...]


def reach_of(seen: Censored, ways: Mapping[Way, Sequence[int]]) -> Reach:
    """Which share of a policy's calls was seen, and where it was not.

    At each step as many requests should be seen, by weight, as were seen to fail before it. What
    comes after a step that was not seen was not seen either.
    """
    needed, found = 0.0, 0.0
    lacking: list[Gap] = []
    for way, categories in ways.items():
        told = shown(seen, way.columns)
        model = Model(way, steps(seen, told))
        for category in categories:
            for gap in _gaps(seen, told, model, category):
                needed += gap.needed
                found += gap.needed * gap.seen
                lacking.append(gap)
    total = needed or 1.0
    lacking = [replace(gap, needed=gap.needed / total) for gap in lacking]
    wide = [gap for gap in lacking if gap.needed * (1 - gap.seen) > WORTH_TELLING]
    wide.sort(key=lambda gap: -gap.needed * (1 - gap.seen))
    return Reach(found / total, tuple(wide))


def _gaps(seen: Censored, told: Shown, model: Model, category: int) -> Iterator[Gap]:
    """Each step for one category; ``needed`` counts calls."""
    here = seen.outcomes.category == category
    alive, came = here.astype(np.float64), float(here.sum())
    spent, expected, chain = np.zeros(len(seen)), came, 1.0
    for step, column in enumerate(model.way.columns):
        weight = told.way[step]
        covered = float((weight * alive).sum())
        chain *= min(1.0, covered / came) if came > 0 else 0.0
        rows = int(((weight > 0) & (alive > 0)).sum())
        tier, name = seen.outcomes.models[column], seen.outcomes.categories[category]
        yield Gap(tier, name, expected, chain, rows)
        spent = spent + np.nan_to_num(seen.outcomes.cost[:, column])
        failed = seen.accepted[:, column] == 0
        alive = alive * failed * model.going(step + 1, spent)
        came = float((weight * alive).sum())
        expected *= float(1 - model.means.passes[step, category]) * _goes(model.way, step + 1)


def _goes(way: Way, step: int) -> float:
    if step == len(way.reach) or not way.reach[step - 1]:
        return 0.0
    return way.reach[step] / way.reach[step - 1]
