"""What a policy would have come to on a ladder's own requests, of which only parts were seen.

Three estimates. *Direct*: of each step the means of the requests that came so far (`conditional`),
as if every request of a category were alike. *Weighted*: the requests of which the policy's whole
way was seen, each for as many as it stands for (`observing`). *Doubly robust*: the direct one, put
right at each step by what was seen there, with weights (N. Jiang, L. Li, Doubly robust off-policy
value evaluation for reinforcement learning, ICML 2016). Its mean is right where either the means or
the chances are, and the chances are known here: they were drawn. The means are of other requests
than those they are put right by (V. Chernozhukov and others, Econometrics Journal 21, 2018).

Where no draw could have shown a step, only the means tell of it. `Reach` says what share of the
policy's calls was seen; below `LEAST_REACH` the estimates are refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from statistics import NormalDist

import numpy as np

from rung.core.errors import RequestError
from rung.core.stats import rate
from rung.tuner.aims import Estimate, Tuned
from rung.tuner.censored import Censored
from rung.tuner.conditional import labelled, steps
from rung.tuner.expecting import Model, ways_of
from rung.tuner.observing import HEAVIEST, Shown, shown
from rung.tuner.outcomes import Floats, Ints
from rung.tuner.reach import Reach, reach_of

FOLDS = 5

LEAST_REACH = 0.9
"""Below this share of a policy's calls that rest on outcomes, its value is not told."""

LABEL_MORE = "raise the ladder's `audit`, or the share that [routing] explores"

PROBED_AT_ONCE = 200
"""How many requests a probe is advised to draw."""

FEWEST = 20
"""Fewer requests than this, by weight, bear no estimate out."""

NANO = 1e9


@dataclass(frozen=True, slots=True)
class Valued:
    """What a policy comes to, a request. Money is dollars; qualities are 0..1.

    ``quality`` and ``cost_usd`` are doubly robust, with intervals at ``confidence``.
    ``direct`` and ``weighted`` are (quality, dollars) of the other two estimates, NaN where there
    is none. ``effective``: how many requests of equal weight the weighted one rests on.
    ``clipped``: how many stand for less than they should. ``doubts``: what is taken for granted of
    the answers' being right, in plain sentences. ``refusal``: why the estimates are not to
    be used, and ``fix`` what would help; both empty where they are.
    """

    quality: Estimate
    cost_usd: Estimate
    confidence: float
    direct: tuple[float, float]
    weighted: tuple[float, float]
    effective: float
    clipped: int
    n: int
    reach: Reach
    doubts: tuple[str, ...] = ()
    refusal: str = ""
    fix: str = ""

    def checked(self) -> Valued:
        """The same, if it can be relied on. Raises RequestError where it cannot."""
        if self.refusal:
            raise RequestError(self.refusal, fix=self.fix)
        return self


def value(
    seen: Censored, tuned: Tuned, *, confidence: float = 0.9, seed: int = 0, folds: int = FOLDS
) -> Valued:
    """What a policy would have come to on these requests. Deterministic by ``seed``.

    Raises RequestError for a policy that the ledger cannot tell of: other tiers, thresholds on
    confidence, further draws, or tiers of whose answers nobody found out whether they were right.
    """
    ways = ways_of(seen, tuned)
    columns = {column for way in ways for column in way.columns}
    seen = replace(seen, outcomes=replace(seen.outcomes, correct=_told(seen, columns)))
    parts = _Parts.of(len(seen))
    fold = np.random.default_rng(seed).permutation(len(seen)) % max(2, min(folds, len(seen)))
    for way, categories in ways.items():
        told, own = shown(seen, way.columns), np.isin(seen.outcomes.category, categories)
        for here in range(int(fold.max(initial=0)) + 1):
            others = fold != here if (fold != here).any() else fold == here
            model = Model(way, steps(seen.rows(others), told.rows(others)))
            mine = np.flatnonzero((fold == here) & own)
            _fill(parts, seen, mine, model, told.rows(mine))
    return _valued(seen, parts, reach_of(seen, ways), confidence)


def _told(seen: Censored, columns: set[int]) -> Floats:
    """N x M: what is known of answers; of those that nobody looked at, the mean of their tier.

    Raises RequestError where nobody looked at any that a tier passed.
    """
    found = np.array(seen.outcomes.correct)
    for column in columns:
        taken = seen.accepted[:, column] == 1
        told = taken & ~np.isnan(found[:, column])
        if taken.any() and not told.any():
            tier = seen.outcomes.models[column]
            said = f"nobody found out whether any answer of {tier!r} was right."
            raise RequestError(said, fix="give the ladder a check, an `audit`, or labels")
        found[taken & ~told, column] = found[told, column].mean() if told.any() else 1.0
    return found


# ------------------------------------------------------------------ request by request


@dataclass(slots=True)
class _Parts:
    """By request: 3 x N of quality, cost and calls. ``weight``: of those seen to their end.

    ``weighted`` is what these came to, times their weight. ``passed`` is by column the weight of
    the answers that it would serve, and of those that stand for them by their labels.
    """

    robust: Floats
    direct: Floats
    weighted: Floats
    weight: Floats
    passed: dict[int, Floats] = field(default_factory=lambda: defaultdict(lambda: np.zeros(2)))

    @classmethod
    def of(cls, count: int) -> _Parts:
        return cls(
            np.zeros((3, count)), np.zeros((3, count)), np.zeros((3, count)), np.zeros(count)
        )


def _fill(parts: _Parts, seen: Censored, mine: Ints, model: Model, told: Shown) -> None:
    """Work some requests out, step by step. ``alive``: the chance that a request comes so far."""
    category, size = seen.outcomes.category[mine], len(mine)
    spent, alive = np.zeros(size), np.ones(size)
    parts.direct[:, mine] = robust = model.ahead(0, category, spent)
    for step, column in enumerate(model.way.columns):
        accepted = seen.accepted[mine, column]
        weight, put = alive * told.way[step], told.labels[step]
        passed = (accepted == 1).astype(np.float64)
        paid = np.nan_to_num(seen.outcomes.cost[mine, column])
        right, off = _right(seen, mine, model, step)
        came = np.stack([passed * right, paid, np.ones(size)])
        gained = came - model.called(step, category, spent)
        spent = spent + paid
        gained += (1 - passed) * model.ahead(step + 1, category, spent)
        robust = robust + weight * gained
        robust[0] += alive * put * off
        served = (weight * passed).sum(), (alive * put).sum()
        parts.passed[column] += served
        on = (1 - passed) * model.going(step + 1, spent)
        ended = weight * (1 - on)
        own = np.stack(
            [weight * passed * right + alive * put * off, ended * spent, ended * (step + 1)]
        )
        parts.weighted[:, mine] += own
        parts.weight[mine] += ended
        alive = alive * (accepted == 0) * on
    parts.robust[:, mine] = robust


def _right(seen: Censored, mine: Ints, model: Model, step: int) -> tuple[Floats, Floats | float]:
    """Of accepted answers, how far they are taken to be right, and how far off labels show that.

    Where random draws have labelled a tier's answers, these stand for all; see `conditional`.
    """
    column = model.way.columns[step]
    correct = np.nan_to_num(seen.outcomes.correct[mine, column])
    if not labelled(seen, column).any():
        return correct, 0.0
    mean = model.means.right[step, seen.outcomes.category[mine]]
    return mean, correct - mean


# ------------------------------------------------------------------ all of them


def _valued(seen: Censored, parts: _Parts, reach: Reach, confidence: float) -> Valued:
    total = float(parts.weight.sum())
    effective = total * total / float((parts.weight**2).sum()) if total else 0.0
    weighted = parts.weighted.sum(axis=1) / total if total else np.full(3, np.nan)
    direct = parts.direct.mean(axis=1)
    wide = _quantile(confidence, effective)
    quality = _share(parts.robust[0], wide, confidence)
    cost = _estimate(parts.robust[1] / NANO, wide, np.inf)
    refusal = _refusal(reach, effective)
    unlabelled = "" if refusal else _unlabelled(seen, parts.passed)
    return Valued(
        quality,
        cost,
        confidence,
        direct=(float(direct[0]), float(direct[1]) / NANO),
        weighted=(float(weighted[0]), float(weighted[1]) / NANO),
        effective=effective,
        clipped=int((parts.weight >= HEAVIEST).sum()),
        n=len(seen),
        reach=reach,
        doubts=tuple(_doubts(seen, parts.passed)),
        refusal=refusal or unlabelled,
        fix=LABEL_MORE if unlabelled else _fix(seen, reach) if refusal else "",
    )


def _doubts(seen: Censored, passed: Mapping[int, Floats]) -> Iterator[str]:
    """Which tiers' checks are taken at their word, though labels found them out at another."""
    for column in sorted(passed):
        if seen.errors.false_accept > 0 and not labelled(seen, column).any():
            yield (
                f"What the checks passed of {seen.outcomes.models[column]} is taken to be right, "
                f"though they passed {seen.errors.false_accept:.0%} of the wrong answers that were "
                "labelled."
            )


def _unlabelled(seen: Censored, passed: Mapping[int, Floats]) -> str:
    """Whether labels tell of too little of what would be served, where they have to."""
    needed = {column: each for column, each in passed.items() if labelled(seen, column).any()}
    served, told = sum(needed.values(), np.zeros(2))
    if not served or told >= LEAST_REACH * served:
        return ""
    tiers = ", ".join(seen.outcomes.models[column] for column in sorted(needed))
    return f"labels of random draws stand for only {told / served:.0%} of what {tiers} would serve."


def _estimate(each: Floats, wide: float, most: float) -> Estimate:
    mean = float(each.mean())
    spread = float(each.std(ddof=1)) / sqrt(len(each)) if len(each) > 1 else 0.0
    low, high = mean - wide * spread, mean + wide * spread
    return Estimate(*(float(min(most, max(0.0, end))) for end in (mean, low, high)))


def _share(each: Floats, wide: float, confidence: float) -> Estimate:
    """A share's interval is never narrower than that of as many requests that were seen whole."""
    found = _estimate(each, wide, 1.0)
    known = rate(round(found.value * len(each)), len(each), confidence)
    return Estimate(found.value, min(found.low, known.low), max(found.high, known.high))


def _quantile(confidence: float, effective: float) -> float:
    """Of Student's distribution, two-sided, by its expansion (Abramowitz and Stegun, 26.7.5)."""
    z, freedom = NormalDist().inv_cdf((1 + confidence) / 2), max(1.0, effective - 1)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _refusal(reach: Reach, effective: float) -> str:
    """Why estimates are not to be used, empty where they are."""
    if reach.share < LEAST_REACH:
        listed = "; ".join(
            f"{gap.tier} for {gap.category or 'what nobody recognised'}, seen {gap.seen:.0%}"
            for gap in reach.gaps[:3]
        )
        return f"only {reach.share:.0%} of this policy's calls were seen ({listed})."
    if effective < FEWEST:
        return f"what was seen of this policy tells as much as {effective:.0f} requests."
    return ""


def _fix(seen: Censored, reach: Reach) -> str:
    """The probe that would fill the widest gap."""
    asked = f"rung probe run --ladder {seen.ladder} --limit {PROBED_AT_ONCE}"
    names = {gap.category for gap in reach.gaps}
    return f"{asked} --category {names.pop()}" if len(names) == 1 and "" not in names else asked
