"""Ways of using estimates of quality and cost: routing, cascades, ladders, cascade routing.

Each is tuned for a budget on some queries and played on others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.aims import SOUND, Tuned
from rung.tuner.odds import Given
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.simulate import expected

NANO = 1e9
MOST_CALLS = 5
WORTHS = np.concatenate([[0.0], np.logspace(-3, 6, 60)])
"""What a dollar is held to be worth in quality: the multiplier that makes a budget bind."""

THRESHOLDS = 8
"""Places of a threshold between a model's lowest estimate and its highest."""

NEVER = 1e6


@dataclass(frozen=True)
class Estimates:
    """N x M before and after the call; ``doubt`` (M) is how far the first is off the second.

    Costs are dollars. After a call its cost is known exactly.
    """

    before: Floats
    after: Floats
    doubt: Floats
    cost: Floats

    def rows(self, places: NDArray[np.int64]) -> Estimates:
        """The same for these queries only."""
        return Estimates(self.before[places], self.after[places], self.doubt, self.cost[places])


Point = tuple[float, float]
"""Mean dollars, and the share that is right."""

Way = Callable[[Outcomes, Estimates], "Tuning"]
Tuning = Callable[[float], Callable[[Outcomes, Estimates], Point]]
"""From a budget to what is then done with other queries."""


# ------------------------------------------------------------------ routing: one call


def routing(known: Outcomes, estimates: Estimates) -> Tuning:
    """The model with the most estimated quality less what its cost is worth."""

    def played(worth: float, outcomes: Outcomes, told: Estimates) -> Point:
        chosen = (told.before - worth * told.cost).argmax(axis=1)[:, None]
        return _means(outcomes, chosen, np.ones_like(chosen, dtype=bool))

    return _by_worth(known, estimates, played)


def _means(outcomes: Outcomes, served: NDArray[np.int64], called: NDArray[np.bool_]) -> Point:
    """``served`` (N x 1) is whose answer, ``called`` (N x 1 or N x M) whose calls are paid."""
    right = np.take_along_axis(outcomes.correct, served, axis=1).mean()
    if called.shape[1] == 1:
        cost = np.take_along_axis(outcomes.cost, served, axis=1).mean()
    else:
        cost = (outcomes.cost * called).sum(axis=1).mean()
    return float(cost) / NANO, float(right)


def _by_worth(
    known: Outcomes,
    estimates: Estimates,
    played: Callable[[float, Outcomes, Estimates], Point],
) -> Tuning:
    points = [(worth, *played(worth, known, estimates)) for worth in WORTHS]

    def tuned(budget: float) -> Callable[[Outcomes, Estimates], Point]:
        within = [one for one in points if one[1] <= budget]
        worth = max(within, key=lambda one: one[2])[0] if within else float(WORTHS[-1])
        return lambda outcomes, told: played(worth, outcomes, told)

    return tuned


# ------------------------------------------------------------------ a cascade of all


def cascade(known: Outcomes, estimates: Estimates) -> Tuning:
    """All models, cheapest first, the first whose estimate after its call reaches a threshold."""
    order = known.cost.mean(axis=0).argsort()
    cuts = [-NEVER, *np.quantile(estimates.after, np.linspace(0.02, 0.98, 49)), NEVER]

    def played(cut: float, outcomes: Outcomes, told: Estimates) -> Point:
        good = told.after[:, order] >= cut
        good[:, -1] = True
        last = good.argmax(axis=1)
        called = np.zeros_like(good)
        called[:, order] = np.arange(len(order)) <= last[:, None]
        return _means(outcomes, order[last][:, None], called)

    points = [(cut, *played(cut, known, estimates)) for cut in cuts]

    def tuned(budget: float) -> Callable[[Outcomes, Estimates], Point]:
        within = [one for one in points if one[1] <= budget]
        cut = max(within, key=lambda one: one[2])[0] if within else cuts[0]
        return lambda outcomes, told: played(cut, outcomes, told)

    return tuned


# ------------------------------------------------------------------ cascade routing


def cascade_routing(known: Outcomes, estimates: Estimates) -> Tuning:
    """Before each call anew: whose call is likely to raise the best answer's quality by its worth.

    The paper looks at all sets of up to five models; this looks two calls ahead at the first and
    one ahead later.
    """
    kept: list[tuple[Estimates, Floats]] = []

    def played(worth: float, outcomes: Outcomes, told: Estimates) -> Point:
        if not kept or kept[-1][0] is not told:
            kept.append((told, _pairs(told)))
        return _means(outcomes, *_climbed(told, worth, kept[-1][1]))

    return _by_worth(known, estimates, played)


def _climbed(
    told: Estimates, worth: float, pairs: Floats
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    count, models = told.before.shape
    first = _first(told, worth, pairs)
    called = np.zeros((count, models), dtype=bool)
    called[np.arange(count), first] = True
    going = np.ones(count, dtype=bool)
    for _ in range(min(MOST_CALLS, models) - 1):
        best = np.where(called, told.after, -NEVER).max(axis=1)
        gain = _raised(best[:, None], told.before, told.doubt[None, :]) - best[:, None]
        gain = np.where(called, -NEVER, gain - worth * told.cost)
        chosen = gain.argmax(axis=1)
        going &= gain.max(axis=1) > 0
        if not going.any():
            break
        called[going, chosen[going]] = True
    served = np.where(called, told.after, -NEVER).argmax(axis=1)[:, None]
    return served, called


def _pairs(told: Estimates) -> Floats:
    """N x M x M: the mean of the better of two."""
    wide = np.sqrt(told.doubt[:, None] ** 2 + told.doubt[None, :] ** 2)
    return _raised(told.before[:, :, None], told.before[:, None, :], wide[None])


def _first(told: Estimates, worth: float, pairs: Floats) -> NDArray[np.int64]:
    """The one to begin with: alone, or the cheaper of the best pair."""
    count, models = told.before.shape
    alone = told.before - worth * told.cost
    both = pairs - worth * (told.cost[:, :, None] + told.cost[:, None, :])
    both[:, np.arange(models), np.arange(models)] = -NEVER
    flat = both.reshape(count, -1)
    left, right = np.divmod(flat.argmax(axis=1), models)
    rows = np.arange(count)
    cheaper = np.where(told.cost[rows, left] <= told.cost[rows, right], left, right)
    found: NDArray[np.int64] = np.where(
        alone.max(axis=1) >= flat.max(axis=1), alone.argmax(axis=1), cheaper
    )
    return found


def _raised(known: Floats, mean: Floats, doubt: Floats) -> Floats:
    """E max(known, X) for a normal X; the normal distribution by a tanh, to 0.0003."""
    wide = np.maximum(doubt, 1e-9)
    z = (mean - known) / wide
    below = 0.5 * (1 + np.tanh(sqrt(2 / pi) * (z + 0.044715 * z**3)))
    density = np.exp(-0.5 * np.minimum(z * z, 700.0)) / sqrt(2 * pi)
    found: Floats = known + (mean - known) * below + wide * density
    return found


# ------------------------------------------------------------------ a ladder of rung's


def ladder(known: Outcomes, estimates: Estimates) -> Tuning:
    """The best ordered ladder of up to three models with a threshold each, of all of them.

    Chosen on all ladders and thresholds at once, played by rung's own replay.
    """
    found = _Ladders(known, estimates.after)

    def tuned(budget: float) -> Callable[[Outcomes, Estimates], Point]:
        policy = found.best(budget)

        def played(outcomes: Outcomes, told: Estimates) -> Point:
            sure = replace(outcomes, confidence=np.clip(told.after, 0.0, 1.0))
            made = expected(sure, Tuned(policy), Given.NO_CHECK)
            return float(made.cost.mean()) / NANO, float(made.right.mean())

        return played

    return tuned


def checked_ladder(known: Outcomes, estimates: Estimates) -> Tuning:
    """The same where tests accept what is right: there is no threshold to choose."""
    found = _Ladders(known, estimates.after, levels=1)

    def tuned(budget: float) -> Callable[[Outcomes, Estimates], Point]:
        policy = replace(found.best(budget), min_confidence=0.0)
        plain = replace(
            policy, rungs=tuple(replace(rung, min_confidence=None) for rung in policy.rungs)
        )

        def played(outcomes: Outcomes, _: Estimates) -> Point:
            made = expected(outcomes, Tuned(plain), SOUND)
            return float(made.cost.mean()) / NANO, float(made.right.mean())

        return played

    return tuned


class _Ladders:
    """Mean cost and quality of every ladder of up to three models, at every pair of thresholds."""

    def __init__(self, known: Outcomes, after: Floats, levels: int = THRESHOLDS) -> None:
        self.models = known.models
        sure = np.clip(after, 0.0, 1.0)
        count, models = sure.shape
        # With one level the estimates are the truth, and half-way tells right from wrong.
        parts = np.linspace(0, 1, levels + 2)[1:-1]
        low, high = (0.0, 1.0) if levels == 1 else (sure.min(axis=0), sure.max(axis=0))
        self.cuts = np.asarray(low)[..., None] + parts * np.asarray(high - low)[..., None]
        self.cuts = np.broadcast_to(self.cuts, (models, levels))
        stays = sure[:, :, None] >= self.cuts[None]
        self.keys = [(model, level) for model in range(models) for level in range(levels)]
        stay = stays.reshape(count, -1).astype(np.float64)
        up = 1.0 - stay
        owner = np.array([model for model, _ in self.keys])
        right, cost = known.correct, known.cost / NANO
        alone = np.stack([cost.mean(axis=0), right.mean(axis=0)])
        kept = (stay * right[:, owner]).mean(axis=0)
        two_right = kept[:, None] + up.T @ right / count
        two_cost = cost.mean(axis=0)[owner][:, None] + up.T @ cost / count
        self.found: list[tuple[float, float, tuple[int, ...]]] = [
            (alone[0, model], alone[1, model], (model,)) for model in range(models)
        ]
        self._keep(two_cost, two_right, owner, lambda key, last: (key, last))
        for key, (model, _) in enumerate(self.keys):
            both = up * up[:, [key]]
            three_right = (
                kept[key]
                + (up[:, [key]] * stay * right[:, owner]).mean(axis=0)[:, None]
                + both.T @ right / count
            )
            three_cost = (
                cost[:, model].mean()
                + (up[:, [key]] * cost[:, owner]).mean(axis=0)[:, None]
                + both.T @ cost / count
            )
            # A model stands on a ladder once.
            three_right[owner == model] = -1.0
            three_right[:, model] = -1.0
            self._keep(three_cost, three_right, owner, _through(key))
        self.found.sort()

    def _keep(
        self,
        cost: Floats,
        right: Floats,
        owner: NDArray[np.int64],
        named: Callable[[int, int], tuple[int, ...]],
    ) -> None:
        """Those on the front of cost and quality."""
        right = right.copy()
        right[np.arange(len(owner)), owner] = -1.0
        order = np.lexsort((-right.ravel(), cost.ravel()))
        values = right.ravel()[order]
        best = np.maximum.accumulate(values)
        front = order[np.flatnonzero(values > np.concatenate([[-0.5], best[:-1]]))]
        for place in front:
            key, last = divmod(int(place), right.shape[1])
            found = float(cost.ravel()[place]), float(right.ravel()[place]), named(key, last)
            self.found.append(found)

    def best(self, budget: float) -> Policy:
        """The ladder that is right most often for no more than the budget."""
        within = [one for one in self.found if one[0] <= budget] or [self.found[0]]
        _, _, path = max(within, key=lambda one: (one[1], -one[0]))
        rungs = [self._rung(key) for key in path[:-1]] + [Rung(self.models[path[-1]])]
        rungs[-1] = replace(rungs[-1], min_confidence=0.0)
        return Policy("published", tuple(rungs), on_exhausted=OnExhausted.BEST)

    def _rung(self, key: int) -> Rung:
        model, level = self.keys[key]
        return Rung(self.models[model], min_confidence=float(self.cuts[model, level]))


def _through(first: int) -> Callable[[int, int], tuple[int, ...]]:
    return lambda key, last: (first, key, last)


WAYS: dict[str, Way] = {
    "routing": routing,
    "cascade of all": cascade,
    "ladder": ladder,
    "cascade routing": cascade_routing,
}
TESTED_WAYS: dict[str, Way] = WAYS | {"ladder": checked_ladder}
