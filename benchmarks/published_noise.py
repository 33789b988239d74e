"""Cascade routing's setting: estimates of quality and cost with noise, and what each way buys.

Dekoninck, Baader and Vechev 2024, arXiv 2410.10347. Each model's quality and cost are estimated
twice, before its call and after it: the truth with normal noise, drawn back to the truth by a
regression. Ways of using them are tuned for ten budgets on one half and played on the other; the
result is the area under quality over cost, from the cheapest model's mean cost to the dearest's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from published_halves import halves, spread
from published_ways import NANO, TESTED_WAYS, WAYS, Estimates, Point, Way

from rung.tuner.outcomes import Floats, Outcomes

BUDGETS = 10
NOISE = {
    "low": (0.6, 0.3, 0.0002, 0.00005),
    "medium": (1.6, 0.8, 0.0004, 0.0001),
    "high": (2.4, 1.2, 100.0, 100.0),
}
"""Standard deviations of quality before and after a call, of dollars before and after it."""


def noisy(outcomes: Outcomes, known: NDArray[np.int64], level: str, seed: Any) -> Estimates:
    """Estimates with the noise of a level; the regressions are fitted on the ``known`` queries."""
    before, after, dollars, _ = NOISE[level]
    rng = np.random.default_rng(seed)
    cost = outcomes.cost / NANO

    def told(truth: Floats, noise: float) -> Floats:
        seen = truth + rng.normal(0, noise, truth.shape)
        return _regressed(seen, truth, known)

    first, second = told(outcomes.correct, before), told(outcomes.correct, after)
    doubt = (first - second)[known].std(axis=0)
    return Estimates(first, second, doubt, told(cost, dollars))


def tested(outcomes: Outcomes, known: NDArray[np.int64]) -> Estimates:
    """Estimates where tests tell after a call what is right, and before it only the category.

    A model's share of passes in a category is drawn to its share in all, as by five more queries.
    """
    truth, category = outcomes.correct, outcomes.category
    before = np.zeros_like(truth)
    overall = truth[known].mean(axis=0)
    for number in range(len(outcomes.categories)):
        mine = known[category[known] == number]
        share = (truth[mine].sum(axis=0) + 5 * overall) / (len(mine) + 5)
        before[category == number] = share
    doubt = (before - truth)[known].std(axis=0)
    cost = np.broadcast_to(outcomes.cost[known].mean(axis=0) / NANO, truth.shape)
    return Estimates(before, truth.copy(), doubt, np.array(cost))


def _regressed(seen: Floats, truth: Floats, known: NDArray[np.int64]) -> Floats:
    x, y = seen[known], truth[known]
    spread_x = x.var(axis=0)
    shared = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).mean(axis=0)
    slope = np.divide(shared, spread_x, out=np.zeros_like(shared), where=spread_x > 0)
    fitted: Floats = y.mean(axis=0) + slope * (seen - x.mean(axis=0))
    return fitted


# ------------------------------------------------------------------ the area


def area(points: Sequence[Point], singles: Sequence[Point]) -> float:
    """Mean quality over all costs from the cheapest model to the dearest, as the paper has it.

    Between points straight, beyond the last one level; before the first from the worst model's.
    """
    costs = [cost for cost, _ in singles]
    low, high = min(costs), max(costs)
    xs, ys = zip(*sorted(set(points)), strict=True)
    x, y = np.array(xs), np.array(ys)
    if x[0] > low:
        x, y = np.append(low, x), np.append(min(quality for _, quality in singles), y)
    inner = x[(x > low) & (x < high)]
    grid = np.concatenate([[low], inner, [high]])
    value = np.interp(grid, x, y)
    return float(((value[1:] + value[:-1]) / 2 * np.diff(grid)).sum() / (high - low))


def linear(singles: Sequence[Point]) -> float:
    """The area of mixing the models that are on the upper hull, with no estimate at all."""
    hull: list[Point] = []
    for point in sorted(singles):
        if hull and point[1] <= hull[-1][1]:
            continue
        while len(hull) > 1 and _under(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return area(hull, singles)


def _under(first: Point, middle: Point, last: Point) -> bool:
    slope = (last[1] - first[1]) / (last[0] - first[0])
    return middle[1] <= first[1] + slope * (middle[0] - first[0])


def areas(
    outcomes: Outcomes, told: Callable[[NDArray[np.int64], int], Estimates], ways: dict[str, Way]
) -> dict[str, Any]:
    """By way, the area on the halves that nothing was tuned on; times 100, as the paper has it."""
    found: dict[str, list[float]] = {"no estimates": []} | {name: [] for name in ways}
    middle: dict[str, list[list[Point]]] = {name: [] for name in ways}
    for split, (known, unseen) in enumerate(halves(len(outcomes))):
        estimates = told(known, split)
        seen, rest = outcomes.rows(known), outcomes.rows(unseen)
        budgets = np.linspace(*_ends(seen), BUDGETS)
        tested_on = estimates.rows(unseen)
        singles = list(zip((rest.cost / NANO).mean(axis=0), rest.correct.mean(axis=0), strict=True))
        found["no estimates"].append(100 * linear(singles))
        for name, way in ways.items():
            tuned = way(seen, estimates.rows(known))
            points = [tuned(budget)(rest, tested_on) for budget in budgets]
            found[name].append(100 * area(points, singles))
            middle[name].append(points)
    return {
        "queries": len(outcomes),
        "models": len(outcomes.models),
        "areas": {name: spread(values) for name, values in found.items()},
        "points": {name: list(_mean_points(each)) for name, each in middle.items()},
        "singles": [
            [model, float(cost) / NANO, float(right)]
            for model, cost, right in zip(
                outcomes.models,
                outcomes.cost.mean(axis=0),
                outcomes.correct.mean(axis=0),
                strict=True,
            )
        ],
    }


def _ends(outcomes: Outcomes) -> tuple[float, float]:
    costs = outcomes.cost.mean(axis=0) / NANO
    return float(costs.min()), float(costs.max())


def _mean_points(splits: Sequence[Sequence[Point]]) -> Iterator[list[float]]:
    for each in zip(*splits, strict=True):
        yield [float(np.mean([cost for cost, _ in each])), float(np.mean([q for _, q in each]))]


def spaced(outcomes: Outcomes, count: int) -> Outcomes:
    """So many models, evenly spaced by mean cost, the cheapest and the dearest among them."""
    order = outcomes.cost.mean(axis=0).argsort()
    places = np.linspace(0, len(order) - 1, count).round().astype(int)
    return outcomes.of([outcomes.models[order[place]] for place in places])


def study(routerbench: Outcomes, swebench: Outcomes, note: Callable[[str], None]) -> dict[str, Any]:
    """All areas."""
    found: dict[str, Any] = {}
    for level in NOISE:
        found[f"RouterBench, {level} noise"] = areas(
            routerbench,
            lambda known, split, level=level: noisy(routerbench, known, level, [split, 1]),
            WAYS,
        )
        note(f"RouterBench, {level} noise")
    for count in (5, 10, len(swebench.models)):
        chosen = spaced(swebench, count)
        found[f"SWE-bench, {count} models"] = areas(
            chosen, lambda known, _, chosen=chosen: tested(chosen, known), TESTED_WAYS
        )
        note(f"SWE-bench, {count} models")
    return found
