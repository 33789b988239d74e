"""Which cheap ladders are as good as the reference, of thousands that were looked at?

A ladder that calls the reference wherever its other models fail passes whenever the reference
does: it is safe, and needs no test. Any other ladder S may serve a share w of the requests while
the safe one serves the rest. Per query that gains w d_S + (1 - w) d_F, where d is 1 where the
ladder passes and the reference fails, -1 the other way round, and d_F is never negative. What the
safe ladder gains over the reference pays for what S loses: between nothing (w = 0, true by
construction) and S alone (w = 1) there is a share up to which the mixture keeps the target.

All of them are tested on all queries, each with the exact paired p-value or its score, corrected
for their number by the step-down of Romano and Wolf: queries are drawn again, the same for all
ladders, and the largest of their centred deviates is what one has to beat. Only those near or below
the bound count, for those far above it are no false discoveries, and those far below are never
discovered.

Sources: J. Romano and M. Wolf, Exact and approximate stepdown methods for multiple hypothesis
testing (2005), J. Am. Stat. Assoc. 100; P. R. Hansen, A test for superior predictive ability
(2005), J. Bus. Econ. Stat. 23, for leaving out what is far below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rung.tuner.family import Family, Patterns
from rung.tuner.giving_up import Given
from rung.tuner.outcomes import Floats, Ints
from rung.tuner.paired import FARTHEST, exact_z, normal
from rung.tuner.scores import restricted_z

SHARES = np.arange(1, 21) / 20
"""Of the requests that may go by the cheap ladder."""

DRAWS = 300
"""Of the queries, to see how large the largest deviate gets by chance."""

TOLD = 10 / DRAWS
"""The lowest level that so many draws tell of: beyond it too few are left."""

INSIDE = 0.4
INSIDE_FEW = 0.3
"""The level inside, as a share of the doubt asked for: the rest pays for what is approximate. On
fewer than ``FEW`` queries more is."""

FEW = 100

NEAR = 1.5
FAR = 3.0
"""Standard deviations above and below the bound within which a ladder counts as one that could be
taken for good although it is not."""

WORTH_SCORING = 1.0
"""Below that plain deviate no score is computed: it could not be significant."""

ROUNDS = 6
FEWEST = 30
"""Queries below which nothing is tested: scores are not to be trusted on fewer."""


@dataclass(frozen=True, eq=False)
class Mixtures:
    """``K`` mixtures of a cheap ladder with the safe one, all cheaper than that alone.

    ``ladder`` (K) is the cheap one's place in the family, ``share`` (K) what it serves; ``cost``
    (K) nano-dollars a query; ``gain`` (K) the mean gain over the target; ``error`` (K) its
    standard deviation; ``z`` (K) the deviate of its own p-value.
    """

    ladder: Ints
    share: Floats
    cost: Floats
    gain: Floats
    error: Floats
    z: Floats


@dataclass(frozen=True, eq=False)
class Bar:
    """The deviate that had to be beaten, and which mixtures did."""

    z: float
    passed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Cheap ladders against the reference, on the same queries.

    ``cheap`` (H) are places in the family; ``limit`` (H) is the most that may have been spent for
    the reference to be asked after them, NaN where it is not asked at all; ``cost`` and ``seconds``
    (H) are means; ``gains`` and ``losses`` (U x H) are the shares of a pattern's queries where a
    ladder passes and the reference fails, and the other way round; ``safe_gains`` (U) those of the
    safe ladder.
    """

    cheap: Ints
    limit: Floats
    cost: Floats
    seconds: Floats
    gains: Floats
    losses: Floats
    safe_gains: Floats


def pairs(found: Family, reference: int, safe: int, given: Given | None = None) -> Pairs:
    """All ladders without the reference that cost less than the safe one, and those given."""
    without = (found.order != reference).all(axis=1) & (found.cost < found.cost[safe])
    cheap = np.flatnonzero(without)
    fails = found.patterns.failed[:, [reference]]
    missed = found.missed[:, cheap]
    plain = Pairs(
        cheap,
        np.full(cheap.size, np.nan),
        found.cost[cheap],
        found.seconds[cheap],
        fails * (1 - missed),
        (1 - fails) * missed,
        fails[:, 0] * (1 - found.missed[:, safe]),
    )
    if given is None:
        return plain
    less = np.flatnonzero(given.cost < found.cost[safe])
    return Pairs(
        np.concatenate([plain.cheap, given.below[less]]),
        np.concatenate([plain.limit, given.limit[less]]),
        np.concatenate([plain.cost, given.cost[less]]),
        np.concatenate([plain.seconds, given.seconds[less]]),
        np.concatenate([plain.gains, given.gains[:, less]], axis=1),
        np.concatenate([plain.losses, given.losses[:, less]], axis=1),
        plain.safe_gains,
    )


def mixtures(found: Family, tried: Pairs, safe: int, margin: float) -> Mixtures:
    """All mixtures of these with the safe ladder, each with its own test."""
    n, count = found.patterns.n, found.patterns.count
    gained, lost = np.rint(count @ tried.gains), np.rint(count @ tried.losses)
    both = (count * tried.safe_gains) @ tried.gains
    safe_gained = count @ tried.safe_gains
    share: Floats = np.tile(SHARES, tried.cheap.size)
    of: Ints = np.repeat(np.arange(tried.cheap.size), SHARES.size)
    cost = share * tried.cost[of] + (1 - share) * found.cost[safe]
    counts: Floats = np.stack(
        [
            lost[of],
            n - lost[of] - gained[of] - safe_gained + both[of],
            gained[of] - both[of],
            safe_gained - both[of],
            both[of],
        ]
    )
    values: Floats = np.stack([-share, 0 * share, share, 1 - share, np.ones_like(share)])
    mean = (counts * values).sum(axis=0) / n
    error = np.sqrt(np.maximum((counts * values**2).sum(axis=0) / n - mean**2, 0.0))
    z = (mean + margin) / np.sqrt(np.maximum(error**2, 1e-12) / n)
    alone = np.isclose(share, 1.0)
    z[alone] = exact_z(gained.astype(int), lost.astype(int), n, margin)[of[alone]]
    scored = ~alone & (z > WORTH_SCORING) & (share > margin)
    z[scored] = restricted_z(counts[:, scored], values[:, scored], n, margin)
    # Nobody loses more than is served to him: a share below the margin needs no test.
    z[share <= margin], error[share <= margin] = FARTHEST, 0.0
    return Mixtures(of, share, cost, mean + margin, error, z)


def step_down(found: Family, tried: Pairs, mixed: Mixtures, doubt: float, seed: int) -> Bar:
    """The mixtures whose target holds, all of them with a chance of 1 - ``doubt`` together."""
    n = found.patterns.n
    times = resampled(found.patterns, seed)
    ladders = times @ (tried.gains - tried.losses)
    safe = (times @ tried.safe_gains)[:, None]

    def drawn(some: Ints) -> Floats:
        share = mixed.share[some].astype(np.float32)
        scale = (np.sqrt(n) / mixed.error[some]).astype(np.float32)
        means: Floats = ladders[:, mixed.ladder[some]] * (share * scale)
        means += safe * ((1 - share) * scale)
        if found.patterns.count.size < n:
            # What differs within a pattern is not drawn again: it is made up for.
            means /= np.maximum(means.std(axis=0), 1e-6)
        return means

    plain = mixed.gain / np.sqrt(np.maximum(mixed.error**2, 1e-12) / n)
    plain[mixed.error == 0] = FARTHEST
    return significant(mixed.z, plain, drawn, inside(doubt, n))


def inside(doubt: float, n: int) -> float:
    """The level that tests of so many queries have to keep to, all of them together."""
    return doubt * (INSIDE if n >= FEW else INSIDE_FEW)


def resampled(found: Patterns, seed: int) -> Floats:
    """How much more or less each pattern weighs when queries are drawn again (draws x U)."""
    rng = np.random.default_rng(seed)
    times = rng.multinomial(found.n, found.count / found.n, size=DRAWS) - found.count
    return (times / found.n).astype(np.float32)


def significant(z: Floats, plain: Floats, drawn: Callable[[Ints], Floats], level: float) -> Bar:
    """Which deviates ``z`` stand out of all that were tried, at this level.

    ``plain`` are the same without care for small numbers; ``drawn`` gives, for some places, what
    the centred ones come to whenever queries are drawn again (draws x places).
    """
    lowest = bar = -NormalDist().inv_cdf(level)
    # Where hardly anything was seen to differ, plain deviates are large for nothing.
    near = (np.minimum(z, plain) <= NEAR) & (plain >= -FAR) & (plain < FARTHEST)
    counted = np.flatnonzero(near)
    deviates = drawn(counted)
    passed = np.zeros(z.size, dtype=bool)
    for _ in range(ROUNDS):
        kept = ~passed[counted]
        bar = max(lowest, _quantile(deviates, kept, level)) if kept.any() else lowest
        now = z > bar
        if np.array_equal(now, passed):
            break
        passed = now
    return Bar(bar, passed)


def _quantile(deviates: Floats, kept: NDArray[np.bool_], level: float) -> float:
    """What the largest deviate exceeds with this chance.

    Below ``TOLD`` that is what it would be of so many independent ones as there seem to be there.
    """
    largest = deviates.max(axis=1) if kept.all() else deviates[:, kept].max(axis=1)
    told = max(level, TOLD)
    found = float(np.quantile(largest, 1 - told))
    if level >= told:
        return found
    alike = max(1.0, told / normal(found))
    return -NormalDist().inv_cdf(level / alike)
