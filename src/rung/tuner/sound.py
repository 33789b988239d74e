"""The cheapest ladder that meets an aim, where the check can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, isnan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rung.tuner.aims import Aim, Basis, Mode
from rung.tuner.choice import Choice, Columns, Other, carried_out
from rung.tuner.family import Family, affordable, family, patterns
from rung.tuner.front import pareto, spread
from rung.tuner.giving_up import giving_up
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.paired import FARTHEST, binomial_z, normal
from rung.tuner.prepared import Prepared
from rung.tuner.proof import proven, safe_ladder
from rung.tuner.stepdown import (
    FEWEST,
    Bar,
    Mixtures,
    Pairs,
    inside,
    mixtures,
    pairs,
    resampled,
    significant,
    step_down,
)

ALONE = 0.05
"""Without a guarantee, a ladder's own p-value has to be as low."""

WORTH_MIXING = 0.97
"""What is simpler is kept where all else would save less than so much of it."""

CAREFUL = 0.75
"""The share of the doubt that proofs are held to: the rest is for what nobody thought of."""

MOST_OTHERS = 9
WORTH_MORE = 0.95
"""More data are worth a word where they would save at least a twentieth more."""

MOST_NEEDED = 1_000_000
LIKELY = 0.5
"""The deviate that a ladder must have for more data to be hoped on."""


@dataclass(frozen=True, eq=False)
class _Asked:
    """The family of ladders, and which of them are quick enough. ``columns`` are the family's."""

    made: Prepared
    aim: Aim
    cut: Outcomes
    found: Family
    columns: Ints
    quick: NDArray[np.bool_]

    def ladder(self, place: int) -> Columns:
        """A ladder's columns in the outcomes."""
        return tuple(int(self.columns[column]) for column in self.found.columns(place))

    @property
    def quality(self) -> Floats:
        """The share of queries that each ladder passes."""
        counts = self.found.patterns.count
        passed: Floats = 1 - counts @ self.found.missed / self.found.patterns.n
        return passed


def choose(made: Prepared, aim: Aim) -> Choice:
    """Against the reference if there is one and no number was asked for, else against a number."""
    kept = None if aim.quality is not None else made.reference
    columns = affordable(made.outcomes, aim.max_tiers, made.reference)
    cut = made.outcomes.of([made.outcomes.models[column] for column in columns])
    found = family(patterns(cut), aim.max_tiers)
    slowest = np.inf if aim.slowest_seconds is None else aim.slowest_seconds
    asked = _Asked(made, aim, cut, found, columns, found.seconds <= slowest)
    if kept is None:
        return _against_number(asked)
    return _against_reference(asked, int(np.flatnonzero(columns == kept)[0]))


# ------------------------------------------------------------------ a reference


def _against_reference(asked: _Asked, reference: int) -> Choice:
    aim, found = asked.aim, asked.found
    safe = _safe(asked, reference)
    kept = Choice(asked.ladder(safe), Basis.REFERENCE_KEPT)
    given = None
    if aim.give_up and aim.max_tiers > 1 and aim.mode is not Mode.PROOF:
        given = giving_up(asked.cut, found, reference, safe, aim.max_tiers)
    tried = pairs(found, reference, safe, given)
    if aim.mode is Mode.PROOF:
        return replace(_proven(asked, kept, reference), others=_others(asked, reference, None))
    if not tried.cheap.size or found.patterns.n < FEWEST:
        return replace(kept, others=_others(asked, reference, None))
    mixed = mixtures(found, tried, safe, aim.max_loss)
    allowed = _allowed(asked, tried, mixed, safe)
    bar = _bar(asked, tried, mixed)
    passed = np.flatnonzero(bar.passed & allowed)
    chosen = replace(kept, bar=bar.z)
    if passed.size and mixed.cost[passed].min() < WORTH_MIXING * found.cost[safe]:
        best_place = _simplest(tried, mixed, passed)
        row = int(mixed.ladder[best_place])
        cheap, limit = found.columns(int(tried.cheap[row])), float(tried.limit[row])
        if not isnan(limit):
            cheap, chosen = (*cheap, reference), replace(chosen, limit=limit)
        share = float(mixed.share[best_place])
        chosen = _translated(asked, chosen, (cheap, found.columns(safe), share))
        basis = Basis.NOTHING if aim.mode is Mode.NONE else Basis.TESTED
        chosen = replace(
            chosen, basis=basis, p_value=normal(mixed.z[best_place]), level=normal(bar.z)
        )
    hope, needed = _hope(asked, tried, mixed, bar, found.cost[safe])
    others = _others(asked, reference, (tried, mixed, bar))
    return replace(chosen, hope=hope, needed=needed, others=others)


def _proven(asked: _Asked, kept: Choice, reference: int) -> Choice:
    """What was proven on queries that chose nothing, where it is cheaper than what is safe."""
    aim = asked.aim
    if not aim.give_up or aim.slowest_seconds is not None:
        return kept
    limits = (aim.max_tiers, aim.seed)
    doubt = (1 - aim.confidence) * CAREFUL
    best = proven(asked.cut, reference, aim.max_loss, doubt, limits)
    if best is None:
        return kept
    chosen = _translated(asked, kept, (best.cheap, best.rest, best.share))
    costs = [carried_out(asked.made.outcomes, each).cost.mean() for each in (kept, chosen)]
    if costs[1] >= WORTH_MIXING * costs[0]:
        return kept
    bar = NormalDist().inv_cdf(1 - (1 - aim.confidence) / 4)
    return replace(chosen, basis=Basis.PROOF, p_value=best.p_value, level=best.level, bar=bar)


def _simplest(tried: Pairs, mixed: Mixtures, passed: Ints) -> int:
    """The cheapest, or one ladder for all where that is hardly dearer."""
    best = passed[np.argmin(mixed.cost[passed])]
    plain = passed[
        np.isclose(mixed.share[passed], 1.0) & np.isnan(tried.limit[mixed.ladder[passed]])
    ]
    if plain.size:
        whole = plain[np.argmin(mixed.cost[plain])]
        if mixed.cost[best] >= WORTH_MIXING * mixed.cost[whole]:
            return int(whole)
    return int(best)


def _safe(asked: _Asked, reference: int) -> int:
    """The cheapest ladder that keeps the reference and is quick enough; else the reference."""
    found = asked.found
    keeping = found.with_column(reference)
    quick = keeping[asked.quick[keeping]]
    if quick.size:
        return int(quick[np.lexsort((-asked.quality[quick], found.cost[quick]))[0]])
    alone = keeping[(found.order[keeping] >= 0).sum(axis=1) == 1]
    return int(alone[0]) if asked.aim.slowest_seconds is not None else safe_ladder(found, reference)


def _translated(asked: _Asked, kept: Choice, parts: tuple[Columns, Columns, float]) -> Choice:
    """A mixture by the family's columns as a choice by those of the outcomes."""
    cheap, rest, share = parts
    named = [tuple(int(asked.columns[column]) for column in each) for each in (cheap, rest)]
    if share >= 1:
        return replace(kept, ladder=named[0])
    return replace(kept, ladder=named[0], rest=named[1], share=share)


def _allowed(asked: _Asked, tried: Pairs, mixed: Mixtures, safe: int) -> NDArray[np.bool_]:
    """Whole ladders only, where requests may not be dealt out; and only what is quick enough."""
    found, aim = asked.found, asked.aim
    whole = np.isclose(mixed.share, 1.0) if not aim.give_up else np.ones(mixed.z.size, bool)
    if aim.slowest_seconds is None:
        return whole
    seconds = mixed.share * tried.seconds[mixed.ladder]
    quick: NDArray[np.bool_] = (
        seconds + (1 - mixed.share) * found.seconds[safe] <= aim.slowest_seconds
    )
    return whole & quick


def _bar(asked: _Asked, tried: Pairs, mixed: Mixtures) -> Bar:
    """Which stand out: of all that were tried, or each by itself where nothing is promised."""
    if asked.aim.mode is Mode.NONE:
        least = NormalDist().inv_cdf(1 - ALONE)
        return Bar(least, mixed.z > least)
    return step_down(asked.found, tried, mixed, 1 - asked.aim.confidence, asked.aim.seed)


def _hope(
    asked: _Asked, tried: Pairs, mixed: Mixtures, bar: Bar, safe_cost: float
) -> tuple[Columns, int | None]:
    """A cheaper ladder that more data might certify, and about how many queries that would take."""
    n = asked.found.patterns.n
    passed = mixed.cost[bar.passed]
    reached = min(safe_cost, passed.min() if passed.size else np.inf)
    plain = mixed.gain / np.sqrt(np.maximum(mixed.error**2, 1e-12) / n)
    hoped = np.flatnonzero(
        np.isclose(mixed.share, 1.0)
        & np.isnan(tried.limit[mixed.ladder])
        & (plain > LIKELY)
        & (mixed.cost < WORTH_MORE * reached)
    )
    if not hoped.size:
        return (), None
    needed = n * np.maximum((bar.z / plain[hoped]) ** 2, 1.0)
    # What is saved for each query more: the cheapest of all may take more than anyone has.
    worth = (reached - mixed.cost[hoped]) / needed
    best = int(np.argmax(worth))
    place = int(tried.cheap[mixed.ladder[hoped[best]]])
    return asked.ladder(place), min(MOST_NEEDED, ceil(needed[best]))


def _others(
    asked: _Asked, reference: int, tested: tuple[Pairs, Mixtures, Bar] | None
) -> tuple[Other, ...]:
    """The front of cost and quality: what keeps the reference, what was tested."""
    found = asked.found
    z = np.full(found.cost.size, np.nan)
    bar = np.inf
    if tested is not None:
        tried, mixed, line = tested
        whole = np.isclose(mixed.share, 1.0) & np.isnan(tried.limit[mixed.ladder])
        z[tried.cheap[mixed.ladder[whole]]] = mixed.z[whole]
        bar = line.z
    keeping = set(found.with_column(reference).tolist())
    front = spread(pareto(found.cost, asked.quality), MOST_OTHERS)
    return tuple(_other(asked, place, z[place], bar, place in keeping) for place in front)


def _other(asked: _Asked, place: int, z: float, bar: float, keeps: bool) -> Other:
    ladder = asked.ladder(place)
    if not asked.quick[place]:
        return Other(ladder, certified=False, why_not="too slow")
    if keeps:
        return Other(ladder, certified=True, why_not="keeps the reference, costs more")
    if np.isnan(z):
        return Other(ladder, certified=False, why_not="not tested")
    if z > bar:
        return Other(ladder, certified=True, why_not="costs more, or hardly less")
    low = z < LIKELY
    why = "does not look good enough" if low else f"p = {normal(z):.2g}, needs {normal(bar):.2g}"
    return Other(ladder, certified=False, why_not=why)


# ------------------------------------------------------------------ a number


def _against_number(asked: _Asked) -> Choice:
    """Every ladder against a quality that was asked for: nothing is safe without a test."""
    aim, found = asked.aim, asked.found
    assert aim.quality is not None
    n, quality = found.patterns.n, asked.quality
    hits = np.rint(quality * n).astype(int)
    z = binomial_z(hits, n, aim.quality)
    error = np.sqrt(quality * (1 - quality))
    plain = (quality - aim.quality) / np.sqrt(np.maximum(error**2, 1e-12) / n)
    plain[error == 0] = np.sign(quality[error == 0] - aim.quality) * FARTHEST
    times = resampled(found.patterns, aim.seed)

    def drawn(some: Ints) -> Floats:
        scale = (np.sqrt(n) / np.maximum(error[some], 1e-9)).astype(np.float32)
        means: Floats = (times @ (1 - found.missed[:, some])) * scale
        return means

    if aim.mode is Mode.NONE:
        least = NormalDist().inv_cdf(1 - ALONE)
        bar = Bar(least, z > least)
    else:
        bar = significant(z, plain, drawn, inside(1 - aim.confidence, n))
    passed = np.flatnonzero(bar.passed & asked.quick)
    others = _fronted(asked, z, bar)
    hoped = plain > LIKELY
    needed = None
    if hoped.any():
        needed = min(MOST_NEEDED, ceil(n * max(1.0, (bar.z / plain[hoped].max()) ** 2)))
    if not passed.size:
        best = int(np.lexsort((found.cost, -quality))[0])
        return Choice(
            asked.ladder(best), Basis.NOTHING, bar=bar.z, needed=needed, others=others,
            p_value=normal(z[best]), level=normal(bar.z),
        )  # fmt: skip
    best = int(passed[np.argmin(found.cost[passed])])
    basis = Basis.NOTHING if aim.mode is Mode.NONE else Basis.TESTED
    return Choice(
        asked.ladder(best), basis, bar=bar.z, p_value=normal(z[best]), level=normal(bar.z),
        others=others,
    )  # fmt: skip


def _fronted(asked: _Asked, z: Floats, bar: Bar) -> tuple[Other, ...]:
    front = spread(pareto(asked.found.cost, asked.quality), MOST_OTHERS)
    return tuple(
        Other(asked.ladder(place), certified=True, why_not="costs more")
        if bar.passed[place]
        else _other(asked, place, float(z[place]), bar.z, False)  # noqa: FBT003
        for place in front
    )
