"""What choices by these data are worth on queries that did not make them.

Ladders that end in the reference are compared by *cross-fitting*: the queries are dealt into folds,
a choice is made on all folds but one, and its cost is taken on that one. Dealt several times, each
query gets the mean of its held-out figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rung.tuner.aims import Errors
from rung.tuner.noisy import checked
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.worth import Gain

FOLDS, DEALS = 5, 4
CATEGORY_PRIOR = 20.0
"""Queries that a category's own mean has to outweigh before it is believed as much as the whole."""

PROMPT_PENALTY = 9.0
"""As if prompts told a tenth of what queries differ by: the noise is nine times the signal."""

CAUTION = 2.0
"""Standard errors by which a threshold's loss has to stay inside of what is allowed."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A tier's column, and the confidence (0..1) from which on its answers are served."""

    low: int
    least: float


@dataclass(frozen=True, eq=False)
class Table:
    """Complete outcomes with a reference: what each call costs, and how often it is accepted.

    ``right`` (N x M): the share of answers that are accepted and right; ``accepted`` of those that
    are accepted at all, wrong ones too where the check errs. ``top`` is the reference's column;
    its answer is served whatever a check says of it, as there is nothing above.
    """

    models: tuple[str, ...]
    top: int
    cost: Floats
    correct: Floats
    accepted: Floats
    right: Floats
    weight: Floats
    category: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cost)

    @cached_property
    def others(self) -> NDArray[np.int64]:
        """The columns of all but the reference."""
        return np.flatnonzero(np.arange(len(self.models)) != self.top)

    def rows(self, which: NDArray[np.int64]) -> Table:
        """The same with these queries only."""
        return replace(
            self,
            cost=self.cost[which],
            correct=self.correct[which],
            accepted=self.accepted[which],
            right=self.right[which],
            weight=self.weight[which],
            category=self.category[which],
        )

    def two(self, low: int) -> tuple[Floats, Floats]:
        """Cost and quality of [low, reference], query by query. The reference: itself alone."""
        if low == self.top:
            return self.cost[:, self.top], self.correct[:, self.top]
        climbs = 1 - self.accepted[:, low]
        cost = self.cost[:, low] + climbs * self.cost[:, self.top]
        return cost, self.right[:, low] + climbs * self.correct[:, self.top]

    def three(self, low: int, middle: int) -> tuple[Floats, Floats]:
        """The same of [low, middle, reference]; of two tiers where both are the same."""
        above, quality = self.two(middle)
        if low == middle:
            return above, quality
        climbs = 1 - self.accepted[:, low]
        return self.cost[:, low] + climbs * above, self.right[:, low] + climbs * quality


def table(outcomes: Outcomes, reference: str, errors: Errors) -> Table:
    """Outcomes without gaps as a table; the reference is one of their models."""
    made = checked(outcomes, errors)
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    return Table(
        models=outcomes.models,
        top=outcomes.place[reference],
        cost=outcomes.cost,
        correct=made.right,
        accepted=made.passed,
        right=made.proven,
        weight=weight / weight.mean(),
        category=outcomes.category,
    )


# ------------------------------------------------------------------ choices


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best ladders on all queries, by columns, and what such choices come to held out.

    ``middle`` is [low, middle]; ``low`` is the reference itself where no tier below it pays.
    """

    low: int
    middle: tuple[int, int]
    two: Gain
    three: Gain


def choose(table: Table, loss: float, rng: np.random.Generator) -> Chosen:
    """The cheapest ladders of two and three tiers that lose at most ``loss`` of quality (0..1).

    Both are compared with what stands before them: two tiers with the reference alone, three with
    the two that the same folds chose.
    """
    held = [np.zeros(len(table)) for _ in range(4)]
    for _ in range(DEALS):
        for inside, outside in dealt(len(table), rng):
            low = best_low(table, inside, loss)
            middle = best_middle(table, inside, loss, low)
            figures = (*table.two(low), *table.three(*middle))
            for whole, each in zip(held, figures, strict=True):
                whole[outside] += each[outside] / DEALS
    every = np.arange(len(table))
    low = best_low(table, every, loss)
    alone = table.two(table.top)
    return Chosen(
        low,
        best_middle(table, every, loss, low),
        Gain(held[0], alone[0], held[1], alone[1]),
        Gain(held[2], held[0], held[3], held[1]),
    )


def dealt(
    size: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each fold as the queries outside of it, and those in it."""
    order = rng.permutation(size)
    folds = min(FOLDS, size)
    for number in range(folds):
        outside = order[number::folds]
        yield np.setdiff1d(order, outside, assume_unique=True), outside


def best_low(table: Table, inside: NDArray[np.int64], loss: float) -> int:
    """The column of the tier to put below the reference; the reference's own if none pays."""
    weight = table.weight[inside]
    climbs = 1 - table.accepted[inside]
    top_cost, top_right = table.cost[inside, table.top], table.correct[inside, table.top]
    cost = weight @ table.cost[inside] + (weight * top_cost) @ climbs
    quality = weight @ table.right[inside] + (weight * top_right) @ climbs
    cost[table.top], quality[table.top] = weight @ top_cost, weight @ top_right
    return int(np.argmin(_allowed(cost, quality, weight @ top_right - loss * weight.sum())))


def best_middle(table: Table, inside: NDArray[np.int64], loss: float, low: int) -> tuple[int, int]:
    """The best two tiers below the reference, in order; ``(low, low)`` if no second one pays."""
    weight = table.weight[inside]
    cost, right = table.cost[inside], table.right[inside]
    climbs = 1 - table.accepted[inside]
    first = climbs * weight[:, None]
    top_cost, top_right = cost[:, [table.top]], table.correct[inside][:, [table.top]]
    # All pairs at once: what lies above the first tier is reached where it was not accepted.
    costs = (weight @ cost)[:, None] + first.T @ (cost + climbs * top_cost)
    quality = (weight @ right)[:, None] + first.T @ (right + climbs * top_right)
    target = weight @ top_right[:, 0] - loss * weight.sum()
    costs = _allowed(costs, quality, target)
    same = np.eye(len(table.models), dtype=bool)
    same[table.top, :] = same[:, table.top] = True
    costs[same] = np.inf
    place = int(np.argmin(costs))
    found = divmod(place, len(table.models))
    alone = table.two(low)[0][inside] @ weight
    return found if costs[found] < alone else (low, low)


def _allowed(cost: Floats, quality: Floats, target: float) -> Floats:
    """The costs of those that reach the target (a sum), the others' without end.

    A sound check loses nothing, and sums of the same numbers differ by rounding.
    """
    return np.where(quality >= target - 1e-9 * max(1.0, abs(target)), cost, np.inf)


# ------------------------------------------------------------------ where to start


def by_category(table: Table, low: int, rng: np.random.Generator) -> tuple[Gain, Bools]:
    """Starting where a category's queries of the other folds say; with the choice by all of them.

    True means that queries of that category start at the reference. A category's mean is drawn to
    that of the whole as if `CATEGORY_PRIOR` more queries had it.
    """
    gain = _gain(table, low) * table.weight
    size = int(table.category.max(initial=0)) + 1

    def skipped(inside: NDArray[np.int64]) -> Bools:
        of = table.category[inside]
        sums = np.bincount(of, gain[inside], size)
        counts = np.bincount(of, table.weight[inside], size)
        whole = gain[inside].sum() / table.weight[inside].sum()
        shrunk: Bools = (sums + CATEGORY_PRIOR * whole) / (counts + CATEGORY_PRIOR) < 0
        return shrunk

    held = _crossed(table, low, rng, lambda inside: skipped(inside)[table.category])
    return held, skipped(np.arange(len(table)))


def by_prompt(table: Table, low: int, kernel: Floats, rng: np.random.Generator) -> Gain:
    """Starting at the reference where ridge regression on prompts expects no gain from ``low``.

    ``kernel`` (N x N): how alike prompts are, 1 on the diagonal.
    """
    gain = _gain(table, low)

    def skipped(inside: NDArray[np.int64]) -> Bools:
        mean = gain[inside].mean()
        system = kernel[np.ix_(inside, inside)] + PROMPT_PENALTY * np.eye(len(inside))
        weights = np.linalg.solve(system, gain[inside] - mean)
        found: Bools = mean + kernel[:, inside] @ weights < 0
        return found

    return _crossed(table, low, rng, skipped, deals=1)


def _gain(table: Table, low: int) -> Floats:
    """What starting at ``low`` saves over starting at the reference, query by query."""
    return table.two(table.top)[0] - table.two(low)[0]


def _crossed(
    table: Table,
    low: int,
    rng: np.random.Generator,
    skipped: Callable[[NDArray[np.int64]], Bools],
    deals: int = DEALS,
) -> Gain:
    """A rule learned on each fold's outside, applied to the fold, beside [low, reference]."""
    share = np.zeros(len(table))
    for _ in range(deals):
        for inside, outside in dealt(len(table), rng):
            share[outside] += skipped(inside)[outside] / deals
    cost, quality = table.two(low)
    top_cost, top_right = table.two(table.top)
    mixed = share * top_cost + (1 - share) * cost
    return Gain(mixed, cost, share * top_right + (1 - share) * quality, quality)


# ------------------------------------------------------------------ confidence instead of a check


def by_confidence(
    table: Table, confidence: Floats, loss: float, rng: np.random.Generator
) -> tuple[Gain, Threshold | None]:
    """A tier whose answers are served from a confidence on, whatever a check would say.

    Beside the reference alone. Tier and threshold are the cheapest that lose at most ``loss`` on
    the folds they were chosen on; with the choice by all queries, ``None`` where none is cheaper.
    """
    cost, quality = np.zeros(len(table)), np.zeros(len(table))
    for inside, outside in dealt(len(table), rng):
        found = best_threshold(table, confidence, inside, loss)
        each = _confident(table, confidence, found)
        cost[outside], quality[outside] = each[0][outside], each[1][outside]
    alone = table.two(table.top)
    chosen = best_threshold(table, confidence, np.arange(len(table)), loss)
    return Gain(cost, alone[0], quality, alone[1]), chosen


def best_threshold(
    table: Table, confidence: Floats, inside: NDArray[np.int64], loss: float
) -> Threshold | None:
    """The cheapest tier and threshold that surely lose at most ``loss``, by these queries."""
    weight = table.weight[inside]
    top_cost, top_right = table.cost[inside, table.top], table.correct[inside, table.top]
    best = weight @ top_cost
    chosen: Threshold | None = None
    for low in table.others:
        known = confidence[inside, low]
        order = np.argsort(-known, kind="stable")
        order = order[~np.isnan(known[order])]
        if not len(order):
            continue
        # Served from each place on: all before it are served here, all after it above.
        change = (table.correct[inside, low] - top_right)[order]
        spared = np.cumsum((weight * top_cost)[order])
        costs = weight @ (table.cost[inside, low] + top_cost) - spared
        ends = np.append(np.diff(known[order]) != 0, np.True_)
        safe = _surely_above(change, weight[order], weight.sum(), -loss)
        costs = np.where(ends & safe, costs, np.inf)
        place = int(np.argmin(costs))
        if costs[place] < best:
            best, chosen = costs[place], Threshold(int(low), float(known[order][place]))
    return chosen


def _surely_above(change: Floats, weight: Floats, total: float, least: float) -> Bools:
    """Whether the mean over all, of those up to each place and nothing of the rest, is above.

    By `CAUTION` standard errors: the cheapest of many thresholds is one that was lucky.
    """
    mean = np.cumsum(weight * change) / total
    square = np.cumsum(weight * change * change) / total
    error = np.sqrt(np.maximum(square - mean * mean, 0.0) / total)
    found: Bools = mean - CAUTION * error >= least
    return found


def _confident(table: Table, confidence: Floats, found: Threshold | None) -> tuple[Floats, Floats]:
    if found is None:
        return table.two(table.top)
    served = confidence[:, found.low] >= found.least
    cost = table.cost[:, found.low] + ~served * table.cost[:, table.top]
    return cost, np.where(served, table.correct[:, found.low], table.correct[:, table.top])
