"""Made populations in which something is planted: truth is what the arrays say, to the last row.

Costs are in nano-dollars; the reference is the model "reference" and costs 1e8 a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tuner_populations import made
from tuner_rivals import Ladders

from rung.tuner.outcomes import Outcomes

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Draws = np.random.Generator

ROWS = 8000
REFERENCE = "reference"
PRICE = 1e8


def passing(draws: Draws, rows: int, share: float, leaning: Floats | None = None) -> Bools:
    """Exactly this share of rows passes: those that lean to it most, else any."""
    leaning = draws.random(rows) if leaning is None else leaning
    found = np.zeros(rows, dtype=bool)
    found[np.argsort(-leaning, kind="stable")[: round(share * rows)]] = True
    return found


def likes(draws: Draws, rows: int, count: int, likeness: float, common: Floats) -> Floats:
    """Leanings, rows x count, each correlated with ``common`` (Gaussian copula)."""
    own = draws.standard_normal((rows, count))
    return np.sqrt(likeness) * common[:, None] + np.sqrt(1 - likeness) * own


def population(
    reference: Bools,
    others: Bools,
    prices: Floats | Sequence[float],
    *,
    reference_price: Floats | float = PRICE,
    kinds: Sequence[str] | None = None,
) -> Outcomes:
    """The reference first, then the others, m000 and so on; prices a column or a whole table."""
    rows, count = others.shape
    table = np.broadcast_to(np.asarray(prices, dtype=np.float64), (rows, count))
    top = np.broadcast_to(np.asarray(reference_price, dtype=np.float64), (rows,))
    models = [REFERENCE, *(f"m{j:03d}" for j in range(count))]
    return made(np.column_stack([reference, others]), np.column_stack([top, table]), models, kinds)


def near_ties(
    draws: Draws, count: int, quality: float, gap: float, likeness: float, price: float = 0.02
) -> Outcomes:
    """Single models that all miss the reference's quality by the same ``gap``."""
    common = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, count, likeness, common)
    others = np.column_stack(
        [passing(draws, ROWS, quality - gap, leaning[:, j]) for j in range(count)]
    )
    reference = passing(draws, ROWS, quality, likes(draws, ROWS, 1, likeness, common)[:, 0])
    return population(reference, others, PRICE * price * draws.uniform(0.9, 1.1, count))


def near_sets(
    draws: Draws, count: int, each: float, gap: float, margin: float, likeness: float
) -> Outcomes:
    """Cheap models of which the best three together miss the target by ``gap``, others by more."""
    common = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, count, likeness, common)
    others = np.column_stack([passing(draws, ROWS, each, leaning[:, j]) for j in range(count)])
    prices = PRICE * draws.uniform(0.01, 0.03, count)
    best = Ladders(made(others, np.broadcast_to(prices, others.shape))).passes.mean(axis=0).max()
    own = likes(draws, ROWS, 1, likeness, common)[:, 0]
    return population(passing(draws, ROWS, best + gap + margin, own), others, prices)


def one_core(draws: Draws, count: int, quality: float, gap: float) -> Outcomes:
    """Cheap models that pass nearly all of one set of rows, which lies below the reference."""
    core = passing(draws, ROWS, quality - gap)
    others = core[:, None] & (draws.random((ROWS, count)) < 0.985)
    return population(
        passing(draws, ROWS, quality), others, PRICE * draws.uniform(0.01, 0.03, count)
    )


def bait(draws: Draws, gap: float, good: float) -> Outcomes:
    """Thirty cheapest models below the target; ten dearer ones above it."""
    common = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, 41, 0.5, common)
    shares = [0.7 - gap] * 30 + [0.7 + good] * 10
    others = np.column_stack(
        [passing(draws, ROWS, share, leaning[:, j]) for j, share in enumerate(shares)]
    )
    prices = PRICE * np.array([0.01] * 30 + [0.4] * 10)
    return population(passing(draws, ROWS, 0.7, leaning[:, 40]), others, prices)


def flattered(draws: Draws, count: int) -> Outcomes:
    """Many ladders that keep the reference, of which the cheapest on a sample looks too good.

    The reference is dear where the cheap model "m000" fails. Each of the others saves it on some of
    the queries that both fail: who is lucky there is cheap, and seems to gain what it does not.
    """
    kind = draws.choice(4, ROWS, p=[0.05, 0.55, 0.15, 0.25])  # cheap alone, both, reference, none
    cheap = kind < 2
    helpers = (kind[:, None] == 3) & (draws.random((ROWS, count)) < 0.3)
    prices = np.concatenate([[0.1], np.full(count, 0.02)])
    return population(
        (kind == 1) | (kind == 2),
        np.column_stack([cheap, helpers]),
        PRICE * prices,
        reference_price=PRICE * np.where(cheap, 0.2, 2.2),
    )


# ------------------------------------------------------------------ giving up


def cliff(draws: Draws, lost: float, gained: float) -> Outcomes:
    """Whoever gives up above any spend loses the same rows: those that only the reference passes.

    They are the rows on which the cheap models spend most; just below lie those that nobody passes.
    """
    kinds = draws.choice(
        4, ROWS, p=[0.55, gained, 0.45 - gained - lost, lost]
    )  # all pass; cheap alone; nobody; the reference alone
    others = np.repeat((kinds < 2)[:, None], 4, axis=1) & (draws.random((ROWS, 4)) < 0.97)
    spend = np.select([kinds < 2, kinds == 2], [0.01, draws.uniform(0.02, 0.2, ROWS)], 0.21)
    prices = PRICE * spend[:, None] * draws.uniform(0.99, 1.01, (ROWS, 4))
    return population((kinds == 0) | (kinds == 3), others, prices)


def clocks(draws: Draws, count: int, lost: float) -> Outcomes:
    """Many cheap models, each with a spend of its own that says nothing of what is worth going on.

    The reference passes a part of what they fail; to give up on some at random loses just too much.
    """
    kinds = draws.choice(3, ROWS, p=[0.6, 0.4 - lost, lost])
    others = np.repeat((kinds == 0)[:, None], count, axis=1)
    prices = PRICE * draws.uniform(0.01, 0.1, (ROWS, count))
    return population(kinds != 1, others, prices)


def harmless(draws: Draws, lost: float) -> Outcomes:
    """The dearest failures are hopeless, but for a few rows that lie among them."""
    kinds = draws.choice(3, ROWS, p=[0.6, 0.4 - lost, lost])
    others = np.column_stack([(kinds == 0) & (draws.random(ROWS) < 0.9) for _ in range(6)])
    spend = np.where(kinds == 0, 0.01, draws.uniform(0.05, 0.3, ROWS))
    return population(kinds != 1, others, PRICE * spend[:, None] * draws.uniform(0.5, 1, (ROWS, 6)))


# ------------------------------------------------------------------ categories


def broken_category(draws: Draws, gained: float, broken: float) -> Outcomes:
    """Cheap models better than the reference in four categories of five, far worse in the fifth."""
    place = draws.integers(5, size=ROWS)
    reference = draws.random(ROWS) < 0.75
    chance = np.where(place == 4, 0.75 - broken, 0.75 + gained)
    others = draws.random((ROWS, 8)) < chance[:, None]
    kinds = [f"kind {at}" for at in place]
    return population(reference, others, PRICE * draws.uniform(0.01, 0.03, 8), kinds=kinds)


def rare_categories(draws: Draws, count: int, gap: float) -> Outcomes:
    """Many categories, most of them rare, in each of which all cheap models are just below."""
    weights = 1.0 / np.arange(1, count + 1)
    place = draws.choice(count, ROWS, p=weights / weights.sum())
    common = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, 12, 0.9, common)
    others = np.column_stack([passing(draws, ROWS, 0.6, leaning[:, j]) for j in range(12)])
    best = Ladders(made(others, np.ones(others.shape))).passes.mean(axis=0).max()
    reference = passing(draws, ROWS, best + gap)
    kinds = [f"kind {at:02d}" for at in place]
    return population(reference, others, PRICE * draws.uniform(0.01, 0.03, 12), kinds=kinds)


# ------------------------------------------------------------------ costs, and odd cases


def heavy_tails(draws: Draws, gap: float) -> Outcomes:
    """Near ties with lognormal costs; one query in a thousand costs a thousand times more."""
    plain = near_ties(draws, 20, 0.75, gap, 0.5)
    factor = draws.lognormal(0.0, 1.5, ROWS) * np.where(draws.random(ROWS) < 0.001, 1000.0, 1.0)
    return made(plain.correct, plain.cost * factor[:, None], plain.models)


def constant(value: float, count: int) -> Outcomes:
    """All models alike on every row."""
    right = np.full((ROWS, count), value)
    return population(right[:, 0] > 0, right > 0, PRICE * np.linspace(0.1, 0.9, count))


def all_equal(draws: Draws, count: int, quality: float) -> Outcomes:
    """All models, the reference too, right on the same rows and at the same cost."""
    right = passing(draws, ROWS, quality)
    return population(right, np.repeat(right[:, None], count, axis=1), [PRICE] * count)


def alone(draws: Draws) -> Outcomes:
    """Nothing but the reference."""
    return population(passing(draws, ROWS, 0.7), np.zeros((ROWS, 0), dtype=bool), [])


def doubles(draws: Draws, count: int, gap: float) -> Outcomes:
    """The reference under other names at half its cost, between models that are just below it."""
    near = near_ties(draws, count, 0.7, gap, 0.5)
    right = near.correct[:, 0] > 0
    twins = np.repeat(right[:, None], 3, axis=1)
    others = np.column_stack([near.correct[:, 1:] > 0, twins])
    prices = [*near.cost[0, 1:], *([0.5 * PRICE] * 3)]
    return population(right, others, prices)


def erring(draws: Draws, each: float, quality: float) -> Outcomes:
    """Cheap models that are mostly wrong, for a check that lets much of it pass."""
    common = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, 9, 0.4, common)
    others = np.column_stack([passing(draws, ROWS, each, leaning[:, j]) for j in range(8)])
    reference = passing(draws, ROWS, quality, leaning[:, 8])
    return population(reference, others, PRICE * draws.uniform(0.01, 0.05, 8))


def facts(outcomes: Outcomes) -> Mapping[str, float]:
    """What was planted, for a look: rates and costs."""
    means = outcomes.correct.mean(axis=0)
    return {
        "reference": float(means[0]),
        "best other": float(means[1:].max(initial=0.0)),
        "dearest": float(outcomes.cost.max() / PRICE),
    }
