"""What a ladder has to beat to be worth anything, over the same queries.

* all cheap, all top: the ladder's cheapest model, and its last one, alone.
* best single: the model that is right most often of all in the outcomes, the cheaper of two equals.
  It is chosen on these very queries, so it looks a little better than it is.
* shuffled: the same answers for the same money, dealt out blindly. Each query is answered by one of
  the ladder's models, drawn without a look at it: by the shares in which the ladder served them,
  mixed with the ladder's dearest model (its cheapest, where the shares alone cost more) until a
  request costs on the mean what it costs on the ladder. It has no check. Where even the dearest
  model alone is cheaper than the ladder, it is that model alone, and costs less.
* oracle: the cheapest of the models that is right, called alone; nobody where none is. Nothing that
  looks before it calls does better.

All figures are expectations: nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rung.core.plan import Policy, Rung
from rung.tuner.aims import Tuned
from rung.tuner.odds import Bools, Given
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.played import FIGURES, End, Played, Spell, mixture
from rung.tuner.simulate import expected


@dataclass(frozen=True, eq=False)
class Control:
    """A control by its name; ``of`` says which model or models it is made of."""

    name: str
    of: str
    played: Played


def controls(outcomes: Outcomes, tuned: Tuned, played: Played) -> list[Control]:
    """All that can be told of, for a ladder that was played (as an expectation, or drawn)."""
    ladder = ladder_models(tuned)
    alone = {model: single(outcomes, model) for model in ladder}
    seen = played.observed
    by_cost = sorted(ladder, key=lambda model: _mean(alone[model].cost, seen, outcomes.weight))
    cheap, top = by_cost[0], tuned.whole.rungs[-1].tier
    found = [Control("all cheap", cheap, alone[cheap]), Control("all top", top, alone[top])]
    best = best_single(outcomes, played)
    if best is not None:
        found.append(Control("best single", best, single(outcomes, best)))
    mixed = shuffled(outcomes, played, {model: alone[model] for model in by_cost})
    if mixed is not None:
        found.append(mixed)
    found.append(Control("oracle", "the ladder's models", oracle(outcomes, ladder)))
    if len(outcomes.models) > len(ladder):
        every = oracle(outcomes, outcomes.models)
        if not (seen & ~every.observed).any():
            found.append(Control("oracle of all", f"{len(outcomes.models)} models", every))
    return found


def ladder_models(tuned: Tuned) -> list[str]:
    """The models of all its ladders, each once."""
    ladders = [tuned.whole, *tuned.by_category.values()]
    if tuned.part is not None:
        ladders.append(tuned.part.policy)
    return list(dict.fromkeys(rung.tier for ladder in ladders for rung in ladder.rungs))


def single(outcomes: Outcomes, model: str) -> Played:
    """One model for all, whose answers are served as they are."""
    return expected(outcomes, Tuned(Policy(model, (Rung(model),))), Given.NO_CHECK)


def best_single(outcomes: Outcomes, played: Played) -> str | None:
    """Of the models that answered all queries of the ladder; ``None`` where none did."""
    seen = played.observed
    figures = {}
    for model, column in outcomes.place.items():
        right, cost = outcomes.correct[:, column], outcomes.cost[:, column]
        if not np.isnan(right[seen] + cost[seen]).any():
            told = [_mean(each, seen, outcomes.weight) for each in (right, -cost)]
            figures[model] = tuple(told)
    return max(figures, key=lambda model: figures[model]) if figures else None


def shuffled(outcomes: Outcomes, played: Played, alone: dict[str, Played]) -> Control | None:
    """The cost-matched control; see the module. ``alone``: the ladder's models, cheapest first.

    ``None`` where the ladder served nobody, or where some of the models were not recorded for all
    of its queries.
    """
    seen = played.observed
    if any((seen & ~each.observed).any() for each in alone.values()):
        return None
    weight = outcomes.weight
    column = outcomes.place
    served = np.array([_mean(played.shares[:, column[model]], seen, weight) for model in alone])
    if not served.sum() > 0:
        return None
    costs = np.array([_mean(each.cost, seen, weight) for each in alone.values()])
    shares = matched(served / served.sum(), costs, _mean(played.cost, seen, weight))
    names = [f"{part:.0%} {model}" for model, part in zip(alone, shares, strict=True) if part > 0]
    return Control("shuffled", ", ".join(names), mixture(list(alone.values()), shares))


def matched(shares: Floats, costs: Floats, cost: float) -> Floats:
    """Shares, mixed with the dearest or the cheapest alone until they cost ``cost``, if they can.

    ``costs`` are in ascending order.
    """
    own = float(shares @ costs)
    end = -1 if own < cost else 0
    gap, wanted = float(costs[end]) - own, cost - own
    part = min(1.0, wanted / gap) if gap * wanted > 0 else 0.0
    other = np.zeros(len(shares))
    other[end] = 1.0
    return (1 - part) * shares + part * other


def oracle(outcomes: Outcomes, models: Sequence[str]) -> Played:
    """The cheapest right model of each query; fractions of right are chances, independent."""
    columns = np.array([outcomes.place[model] for model in models])
    cost, right = outcomes.cost[:, columns], outcomes.correct[:, columns]
    observed = ~np.isnan((cost + right).sum(axis=1))
    order = np.argsort(cost, axis=1, kind="stable")
    right = np.nan_to_num(np.take_along_axis(right, order, axis=1))
    missed = np.cumprod(1 - right, axis=1)
    chance = right * np.concatenate([np.ones((len(right), 1)), missed[:, :-1]], axis=1)
    seconds = np.full(cost.shape, np.nan)
    if outcomes.seconds is not None:
        seconds = np.take_along_axis(outcomes.seconds[:, columns], order, axis=1)
    paid = np.where(chance > 0, np.take_along_axis(np.nan_to_num(cost), order, axis=1), 0.0)
    waited = np.where(chance > 0, seconds, 0.0)
    nothing = np.zeros(len(cost))
    shares, ends = np.zeros(outcomes.correct.shape), np.zeros((len(cost), len(End)))
    np.put_along_axis(shares, columns[order], chance, axis=1)
    passed = chance.sum(axis=1)
    ends[:, End.ACCEPTED], ends[:, End.TOP_REACHED] = passed, 1 - passed
    ways = [Spell(chance[:, place], waited[:, place]) for place in range(len(columns))]
    figures = dict.fromkeys(FIGURES, nothing) | {
        "right": passed,
        "cost": (chance * paid).sum(axis=1),
        "seconds": (chance * waited).sum(axis=1),
        "calls": passed,
    }
    told = {name: np.where(observed, array, np.nan) for name, array in figures.items()}
    return Played(
        observed,
        **told,
        shares=shares,
        ends=ends,
        spells=(*ways, Spell(1 - passed, nothing)),
    )


def _mean(values: Floats, seen: Bools, weight: Floats | None) -> float:
    mass = np.ones(int(seen.sum())) if weight is None else weight[seen]
    total = float(mass.sum())
    return float(mass @ values[seen]) / total if total > 0 else np.nan
