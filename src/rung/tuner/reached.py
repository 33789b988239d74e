"""What each tier of a tuned ladder is to come to on its own queries: for the watch to compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rung.core.plan import OnExhausted, Policy
from rung.ledger.certificates import TierFigures
from rung.tuner.aims import SOUND, Tuned
from rung.tuner.odds import Checking
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.simulate import expected, groups


def tier_figures(
    outcomes: Outcomes, tuned: Tuned, checking: Checking = SOUND
) -> dict[str, TierFigures]:
    """How many queries reach each tier, the share that ends there, and what they cost there.

    Worked out by playing each ladder up to each of its tiers; see `simulate.expected`, also for
    what it raises.
    """
    sums: dict[str, _Sums] = defaultdict(_Sums)
    for policy, queries, share in _ladders(outcomes, tuned):
        _add(sums, policy, queries, share, checking)
    return {tier: made.figures() for tier, made in sums.items() if made.reached > 0}


@dataclass(slots=True)
class _Sums:
    """Over queries, by how likely they reach a tier. Money is nano-dollars."""

    reached: float = 0.0
    ended: float = 0.0
    cost: float = 0.0
    squares: float = 0.0

    def figures(self) -> TierFigures:
        mean = self.cost / self.reached
        spread = max(0.0, self.squares / self.reached - mean * mean) ** 0.5
        return TierFigures(self.reached, min(1.0, self.ended / self.reached), mean, spread)


def _ladders(outcomes: Outcomes, tuned: Tuned) -> Iterator[tuple[Policy, Outcomes, float]]:
    """Each ladder with the queries that go by it, and how likely they do."""
    drawn = 0.0
    if tuned.part is not None:
        drawn = tuned.part.share
        yield tuned.part.policy, outcomes, drawn
    every = np.arange(len(outcomes))
    for policy, places in groups(outcomes, replace(tuned, part=None)):
        yield policy, outcomes.rows(every[places]), 1 - drawn


def _add(
    sums: dict[str, _Sums], policy: Policy, queries: Outcomes, share: float, checking: Checking
) -> None:
    weight = share * (np.ones(len(queries)) if queries.weight is None else queries.weight)
    left, calls, cost = np.ones(len(queries)), np.zeros(len(queries)), np.zeros(len(queries))
    for place, rung in enumerate(policy.rungs):
        part = replace(policy, rungs=policy.rungs[: place + 1], on_exhausted=OnExhausted.INBOX)
        played = expected(queries, Tuned(part), checking)
        known = np.isfinite(played.calls)
        # Several draws are one visit; a tier that is left out, by draw or by give-up, is none.
        reached = np.where(known, np.minimum(left, played.calls - calls), 0.0)
        spent = np.where(known, played.cost - cost, 0.0)
        ended = np.where(known, left - played.exhausted, 0.0)
        _count(sums[rung.tier], weight, (reached, spent, ended))
        left, calls, cost = played.exhausted, played.calls, played.cost


def _count(sums: _Sums, weight: Floats, seen: tuple[Floats, Floats, Floats]) -> None:
    reached, spent, ended = seen
    each = np.divide(spent, reached, out=np.zeros_like(spent), where=reached > 0)
    sums.reached += float((weight * reached).sum())
    sums.ended += float((weight * np.maximum(ended, 0.0)).sum())
    sums.cost += float((weight * spent).sum())
    sums.squares += float((weight * reached * each * each).sum())
