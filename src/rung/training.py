"""From outcomes to a router for a ladder, and what it is worth on outcomes it has not seen.

Two sources: the ledger, where what fails a check climbs, so that only cost is at stake; and a file
of outcomes, in which each tier answered each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import log
from statistics import fmean
from typing import Any

from rung.core.chances import FOLDS, Chances, Example, Trained, folds_of, train
from rung.core.choosing import Chooser, Goal, Terms
from rung.core.contest import Curve, Result, Tried, contest, curve
from rung.core.quality import Judged, Quality, quality
from rung.core.trials import Past, Trial, trials
from rung.prior import MOST_SHARED, Prior

FEWEST = 50
"""Requests with outcomes at a tier below which its chance is one number for all."""

HEAVIEST = 50.0
"""The most requests that one stands for which was drawn to start where it did: as many as with the
usual share of 2%. With a smaller share, those that are skipped count for less than they are."""

NEAREST = 1e-6


@dataclass(frozen=True, slots=True)
class Observed:
    """A request's traits, and what is known of it by tier: whether it passed (0..1), what it cost.

    ``complete`` says that each tier's outcome is known, or can be taken for granted, so that every
    choice can be played through. ``weight`` is how many requests it stands for.
    """

    traits: tuple[int, ...]
    passed: Mapping[str, float]
    costs: Mapping[str, float]
    complete: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """Outcomes to train on. ``left_out`` counts requests that tell nothing, by reason."""

    ladder: str
    tiers: tuple[str, ...]
    goal: Goal
    observed: tuple[Observed, ...]
    left_out: Mapping[str, int]
    assumed: int = 0


@dataclass(frozen=True, slots=True)
class TierReport:
    """One tier's model: its outcomes, the rate of passes, how well chances rank and mean.

    ``from_prior`` says that it started from the shipped prior, which did better on held-out ones.
    """

    tier: str
    outcomes: int
    passed: float | None
    quality: Quality
    from_prior: bool


@dataclass(frozen=True, slots=True)
class Training:
    """A router with its report. ``router`` is ``None`` where there is nothing to train on.

    ``prior`` says why the shipped prior was not tried, where it was not.
    """

    source: Source
    router: Chooser | None
    tiers: tuple[TierReport, ...]
    result: Result | None
    curve: Curve | None
    why: str
    prior: str = ""


# ------------------------------------------------------------------ from the ledger


def from_ledger(pasts: Iterable[Past], ladder: str, tiers: Sequence[str]) -> Source:
    """What the ledger knows of a ladder's tiers.

    Each tier that a request came to and whose answer was found right or wrong is evidence. A
    request that started above a tier says nothing of it, and is not played through. Above the tier
    that passed a pass at that tier's mean price is assumed: what a cheaper tier can do, the dearer
    ones can.
    """
    left_out = {"without traits": 0, "nothing found out": 0, "begun above the bottom": 0}
    rows: list[tuple[Past, dict[str, Trial]]] = []
    for past in pasts:
        found = {trial.tier: trial for trial in trials(past) if trial.tier in tiers}
        if past.ladder != ladder:
            continue
        if not past.traits or not found:
            left_out["nothing found out" if past.traits else "without traits"] += 1
            continue
        rows.append((past, found))
    means = _means([found for _, found in rows], tiers)
    # What all have in common is the chance to be on this ladder, which sets none apart.
    likeliest = max((past.propensity for past, _ in rows), default=1.0)
    observed = []
    for past, found in rows:
        entry = past.calls[0].tier
        left_out["begun above the bottom"] += entry != tiers[0]
        alike = replace(past, propensity=past.propensity / likeliest)
        observed.append(_observed(alike, found, tiers, means))
    assumed = sum(one.complete and len(one.costs) > len(one.passed) for one in observed)
    return Source(ladder, tuple(tiers), Goal.COST, tuple(observed), left_out, assumed)


def _observed(
    past: Past, found: Mapping[str, Trial], tiers: Sequence[str], means: Mapping[str, float]
) -> Observed:
    passed = {tier: float(trial.passed) for tier, trial in found.items()}
    costs = {tier: float(trial.cost_nanousd) for tier, trial in found.items()}
    known = [tier in passed for tier in tiers]
    reached = known.index(False) if False in known else len(tiers)
    complete = reached > 0 and not any(known[reached:])
    if complete and reached < len(tiers):
        # Where the last that was tried failed and nothing above was called, nobody knows.
        complete = passed[tiers[reached - 1]] == 1.0
    if complete:
        costs |= {tier: means[tier] for tier in tiers if tier not in costs}
    weight = min(HEAVIEST, 1 / past.propensity)
    return Observed(past.traits, passed, costs, complete, weight)


def _means(found: Sequence[Mapping[str, Trial]], tiers: Sequence[str]) -> dict[str, float]:
    """Each tier's mean price; of one that was never called, that of the tier below."""
    means: dict[str, float] = {}
    last = 0.0
    for tier in tiers:
        costs = [trials[tier].cost_nanousd for trials in found if tier in trials]
        last = means[tier] = fmean(costs) if costs else last
    return means


# ------------------------------------------------------------------ training


def trained(source: Source, prior: Prior | None = None) -> Training:
    """Fit each tier and hold the choice against its controls."""
    observed = source.observed
    shared = 0 if prior is None else prior.shared(one.traits for one in observed)
    if prior is None or shared > MOST_SHARED * len(observed):
        known = f"it was fitted on {shared:,} of these requests" if shared else ""
        return _trained(source, None, known)
    return _trained(source, prior.chances, "")


def _trained(source: Source, prior: Chances | None, unused: str) -> Training:
    observed = source.observed
    if not observed:
        return Training(source, None, (), None, None, "there are no outcomes to learn from")
    folds = folds_of(len(observed))
    made = [_tier(tier, observed, folds, prior) for tier in source.tiers]
    reports = tuple(report for _, report, _ in made)
    played = [place for place, one in enumerate(observed) if one.complete]
    tried = [
        Tried(
            tuple(chances[place] for _, _, chances in made),
            tuple(observed[place].passed.get(tier, 1.0) for tier in source.tiers),
            tuple(observed[place].costs[tier] for tier in source.tiers),
            observed[place].weight,
        )
        for place in played
    ]
    if not tried:
        why = "no request was seen from the bottom up to where it passed"
        return Training(source, None, reports, None, None, why)
    result = contest(source.tiers, tried, source.goal)
    router = Chooser(
        source.tiers,
        tuple(model for model, _, _ in made),
        Terms(source.goal, *_rounded(result)),
        result.on,
        result.why,
        len(observed),
    )
    return Training(source, router, reports, result, _curve(source, tried), result.why, unused)


def _rounded(result: Result) -> tuple[tuple[float, ...], float]:
    return tuple(round(p, 1) for p in result.terms.prices), round(result.terms.worth, 1)


def _tier(
    tier: str, observed: Sequence[Observed], folds: Sequence[int], prior: Chances | None
) -> tuple[Chances, TierReport, list[float]]:
    """A tier's model, its report, and its held-out chance for every request."""
    seen = [place for place, one in enumerate(observed) if tier in one.passed]
    examples = [_example(observed[place], tier) for place in seen]
    mine = [folds[place] for place in seen]
    best, used = _best_start(examples, mine, prior)
    # A request that was not tried here was not fitted on either: the whole model has not seen it.
    chances = [best.chances.of(one.traits) for one in observed]
    for place, chance in zip(seen, best.held_out, strict=True):
        chances[place] = chance
    judged = [
        Judged(chance, one.passed >= 0.5, one.weight)
        for chance, one in zip(best.held_out, examples, strict=True)
    ]
    weights = [one.weight for one in examples]
    rate = fmean([one.passed for one in examples], weights) if examples else None
    report = TierReport(tier, len(examples), rate, quality(judged), used)
    return best.chances, report, chances


def _example(one: Observed, tier: str) -> Example:
    return Example(one.traits, one.passed[tier], one.weight)


def _best_start(
    examples: Sequence[Example], folds: Sequence[int], prior: Chances | None
) -> tuple[Trained, bool]:
    """Fitted from nothing, or from the prior where that does better on held-out outcomes."""
    if len(examples) < FEWEST:
        return _flat(examples), False
    plain = train(examples, None, folds)
    if prior is None:
        return plain, False
    led = train(examples, prior, folds)
    better = _loss(led, examples) < _loss(plain, examples)
    return (led, True) if better else (plain, False)


def _flat(examples: Sequence[Example]) -> Trained:
    """One chance for all: of the others' rate, so that no outcome tells of itself."""
    total = sum(one.weight for one in examples)
    passed = sum(one.weight * one.passed for one in examples)
    share = (passed + 1) / (total + 2)
    each = [(passed - e.weight * e.passed + 1) / (total - e.weight + 2) for e in examples]
    return Trained(Chances(round(log(share / (1 - share)), 4)), tuple(each))


def _loss(made: Trained, examples: Sequence[Example]) -> float:
    """The mean log loss of held-out chances."""
    total = 0.0
    for chance, one in zip(made.held_out, examples, strict=True):
        kept = min(max(chance, NEAREST), 1 - NEAREST)
        total -= one.weight * (one.passed * log(kept) + (1 - one.passed) * log(1 - kept))
    return total / sum(one.weight for one in examples)


def _curve(source: Source, tried: Sequence[Tried]) -> Curve | None:
    """From the bottom to the top, where nothing but one call is made."""
    if source.goal is Goal.COST or len(source.tiers) < 2:
        return None
    gains = [each.chances[-1] - each.chances[0] for each in tried]
    low, high = [each.passed[0] for each in tried], [each.passed[-1] for each in tried]
    return curve(gains, low, high) if sum(high) > sum(low) else None


# ------------------------------------------------------------------ as JSON


def told(training: Training) -> dict[str, Any]:
    """The report as plain JSON values, which is also what the ledger keeps."""
    source, result = training.source, training.result
    return {
        "ladder": source.ladder,
        "goal": source.goal.value,
        "outcomes": len(source.observed),
        "played_through": 0 if result is None else result.n,
        "assumed": source.assumed,
        "left_out": dict(source.left_out),
        "folds": FOLDS,
        "tiers": [asdict(each) for each in training.tiers],
        "on": training.router is not None and training.router.on,
        "why": training.why,
        "prior_unused": training.prior,
        "more_outcomes": None if result is None else result.more,
        "contest": None if result is None else _contest(result),
        "apgr": None if training.curve is None else training.curve.apgr,
        "cpt50": None if training.curve is None else training.curve.shares_for[0],
        "cpt80": None if training.curve is None else training.curve.shares_for[1],
    }


def _contest(result: Result) -> dict[str, Any]:
    names = result.names
    return {
        "n": result.n,
        "worth_nanousd": result.terms.worth,
        "chosen": asdict(result.chosen),
        "always": {n: asdict(m) for n, m in zip(names, result.constants, strict=True)},
        "shuffled": asdict(result.shuffled),
        "oracle": asdict(result.oracle),
        "starts": dict(zip(names, result.shares, strict=True)),
        "edges": [asdict(edge) | {"won": edge.won} for edge in result.edges],
        "quality_lost": result.quality_lost,
    }
