"""A gateway in arrays: requests whose every outcome is known, and what a ladder lets be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rung.core.plan import Policy, Rung
from rung.tuner.aims import Tuned
from rung.tuner.censored import NO_TIER, Censored, Flags, How, Word
from rung.tuner.outcomes import Floats, Outcomes

TIERS = ("small", "middle", "large")
PRICES = (1e6, 4e6, 20e6)
KINDS = ("easy", "hard")


@dataclass(frozen=True)
class Gateway:
    """How requests are served. ``explored``: of hard requests, which begin at the middle tier, the
    share that begins at the bottom all the same. ``reach``: the share that may climb to the top.
    ``audited`` and ``probed`` are shares. ``lets_pass``: of wrong answers that the check passes.
    ``by_human``: audits label what was served, and ask no tier again.
    """

    explored: float = 0.1
    reach: float = 1.0
    audited: float = 0.0
    probed: float = 0.1
    lets_pass: float = 0.0
    by_human: bool = False


@dataclass(frozen=True)
class World:
    """What every tier would have made of every request: N x M of right, accepted and cost."""

    kind: np.ndarray
    right: Floats
    accepted: Floats
    cost: Floats

    @classmethod
    def drawn(cls, count: int, lets_pass: float, rng: np.random.Generator) -> World:
        """Requests that are hard or easy, for all tiers and in what they cost."""
        kind = (rng.random(count) < 0.4).astype(np.int64)
        ease = rng.normal(size=count) - 0.8 * kind
        skill = np.array([0.3, 0.8, 1.6])
        right = (ease[:, None] + skill + 0.6 * rng.normal(size=(count, 3)) > 0).astype(float)
        slips = rng.random((count, 3)) < lets_pass
        cost = np.array(PRICES) * np.exp(0.4 * rng.normal(size=(count, 3)) - 0.3 * ease[:, None])
        return cls(kind, right, np.where(slips, 1.0, right), cost)

    def come_to(self, tuned: Tuned) -> tuple[float, float]:
        """The quality of a policy, and its cost in dollars, with everything seen."""
        right, cost = np.zeros(len(self.kind)), np.zeros(len(self.kind))
        for at, kind in enumerate(KINDS):
            alive, spent = (self.kind == at).astype(float), np.zeros(len(self.kind))
            least = 1.0
            for place, rung in enumerate(tuned.of(kind).rungs):
                column = TIERS.index(rung.tier)
                if place:
                    going = min(least, rung.reach) / least
                    least = min(least, rung.reach)
                    most = rung.most_spent_nanousd
                    alive = alive * going * (1.0 if most is None else spent <= most)
                spent = spent + self.cost[:, column]
                right += alive * self.accepted[:, column] * self.right[:, column]
                cost += alive * self.cost[:, column]
                alive = alive * (1 - self.accepted[:, column])
        return float(right.mean()), float(cost.mean()) / 1e9


def seen_of(world: World, gateway: Gateway, rng: np.random.Generator) -> Censored:
    """What the gateway's ledger knows of a world."""
    count = len(world.kind)
    low = rng.random(count) < gateway.explored
    entry = np.where(world.kind == 1, np.where(low, 0, 1), 0)
    chance = np.where(world.kind == 1, np.where(low, gateway.explored, 1 - gateway.explored), 1.0)
    other = np.where(world.kind == 1, 1 - entry, NO_TIER)
    reach = np.tile([1.0, 1.0, gateway.reach], (count, 1))
    may = rng.random(count) < gateway.reach
    how, going = np.zeros((count, 3), dtype=np.int64), np.ones(count, dtype=np.bool_)
    for column in range(3):
        called = going & (entry <= column) & (may | (column < 2))
        how[called, column] = How.TRAFFIC
        going &= ~(called & (world.accepted[:, column] == 1)) & (called | (entry > column))
    looked_at = 3 if gateway.by_human else 2
    auditable = ((how == How.TRAFFIC) & (world.accepted == 1))[:, :looked_at].any(axis=1)
    audited = auditable & (rng.random(count) < gateway.audited)
    if not gateway.by_human:
        how[audited, 2] = How.AUDIT
    probed = rng.random(count) < gateway.probed
    how = np.where((how == 0) & probed[:, None], How.PROBE, how)
    drawn = _Drawn(entry, chance, other, reach, probed, auditable)
    return _as_seen(world, how, audited, drawn)


@dataclass(frozen=True)
class _Drawn:
    entry: np.ndarray
    chance: Floats
    other: np.ndarray
    reach: Floats
    probed: Flags
    auditable: Flags


def _as_seen(world: World, how: np.ndarray, audited: Flags, drawn: _Drawn) -> Censored:
    there, count = how > 0, len(world.kind)
    accepted = np.where(there, world.accepted, np.nan)
    labelled = audited[:, None] & (how == How.TRAFFIC) & (world.accepted == 1)
    correct = np.where(labelled, world.right, accepted)
    word = np.where(labelled, Word.AUDIT, np.where(there, Word.GATE, Word.NOTHING))
    outcomes = Outcomes(
        TIERS,
        tuple(str(at) for at in range(count)),
        correct,
        np.where(there, world.cost, np.nan),
        world.kind,
        KINDS,
        accepted=accepted,
    )
    return Censored(
        "house",
        outcomes,
        word=word.astype(np.int64),
        how=how,
        entry=drawn.entry,
        entry_chance=drawn.chance,
        other=drawn.other,
        reach=drawn.reach,
        probed=np.tile(drawn.probed[:, None], (1, 3)),
        auditor=2 if (how == How.AUDIT).any() else NO_TIER,
        auditable=drawn.auditable,
    )


def policy(*tiers: str | Rung) -> Policy:
    """A ladder of these tiers."""
    rungs = [Rung(tier) if isinstance(tier, str) else tier for tier in tiers]
    return Policy("", tuple(rungs))


def everywhere(*tiers: str | Rung) -> Tuned:
    """The same ladder for all."""
    return Tuned(policy(*tiers))


def limited(tier: str, **more: Any) -> Rung:
    """A tier with a limit of its own."""
    return replace(Rung(tier), **more)
