"""The best ladder that a budget pays for: the most right answers at a mean cost that is bounded."""

from __future__ import annotations

import numpy as np

from rung.core.money import NANOUSD
from rung.tuner.aims import Aim, Basis, Mode
from rung.tuner.choice import Choice, Columns, Other, run
from rung.tuner.family import affordable, family, patterns
from rung.tuner.front import pareto, spread
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.paired import normal
from rung.tuner.prepared import Prepared

CHOOSING = 0.35
"""The share of the queries that draw the front; the others test its costs in order."""

MOST_TESTED = 25


def within_budget(made: Prepared, aim: Aim) -> Choice:
    """The best ladder whose mean cost is below the budget with the confidence asked for.

    Along the front from the cheapest up, each ladder's cost is tested on queries that drew none of
    it, until the first that may be too dear.
    """
    assert aim.budget_usd is not None
    budget = aim.budget_usd * NANOUSD
    outcomes = made.outcomes
    n = len(outcomes)
    order = np.random.default_rng(aim.seed).permutation(n)
    first = round(CHOOSING * n)
    chosen, held = outcomes.rows(np.sort(order[:first])), outcomes.rows(np.sort(order[first:]))
    if first < 1 or not len(held):
        chosen = held = outcomes
    doubt, others = 1 - aim.confidence, list[Other]()
    best: tuple[Columns, float] | None = None
    front = _front(chosen, made, aim)
    for ladder in front:
        p_value = _too_dear(run(held, ladder).cost, budget)
        if aim.mode is Mode.NONE:
            mean = float(run(outcomes, ladder).cost.mean())
            p_value = 0.0 if mean <= budget else 1.0
        fits = p_value <= doubt and all(each.certified for each in others)
        others.append(
            Other(ladder, fits, "right less often" if fits else "may cost more than the budget")
        )
        if fits:
            best = ladder, p_value
    if best is None:
        return Choice(front[0], Basis.NOTHING, others=tuple(others))
    basis = Basis.NOTHING if aim.mode is Mode.NONE else Basis.TESTED
    return Choice(best[0], basis, p_value=best[1], level=doubt, others=tuple(others))


def _front(chosen: Outcomes, made: Prepared, aim: Aim) -> list[Columns]:
    """The front of cost and quality on the queries that choose, cheapest first."""
    columns = affordable(chosen, aim.max_tiers, made.reference)
    found = family(patterns(chosen.of([chosen.models[each] for each in columns])), aim.max_tiers)
    quality = 1 - found.patterns.count @ found.missed / found.patterns.n
    slowest = np.inf if aim.slowest_seconds is None else aim.slowest_seconds
    # Some of the queries may be slower than all of them: then the quickest ladder is left.
    quick = np.flatnonzero(found.seconds <= max(slowest, found.seconds.min()))
    front = [int(quick[each]) for each in pareto(found.cost[quick], quality[quick])]
    return [
        tuple(int(columns[column]) for column in found.columns(place))
        for place in spread(front, MOST_TESTED)[::-1]
    ]


def _too_dear(cost: Floats, budget: float) -> float:
    """The p-value that the mean cost is above the budget, by t corrected for what leans right.

    Sources: P. Hall, On the removal of skewness by transformation (1992), J. R. Stat. Soc. B 54;
    D. Wallace, Bounds on normal approximations to Student's distribution (1959), Ann. Math. Stat.
    """
    n = cost.size
    mean, deviation = float(cost.mean()), float(cost.std(ddof=1)) if n > 1 else 0.0
    if deviation == 0:
        return 0.0 if mean <= budget and n > 1 else 1.0
    skew, gap = float((((cost - mean) / deviation) ** 3).mean()), (mean - budget) / deviation
    t = np.sqrt(n) * (gap + skew * gap**2 / 3 + skew**2 * gap**3 / 27 + skew / (6 * n))
    z = np.sign(t) * np.sqrt((n - 1) * np.log1p(t * t / (n - 1))) * (1 - 1 / (4 * n))
    return 1 - normal(float(z))
