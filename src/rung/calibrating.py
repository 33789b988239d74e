"""From labelled answers in the ledger to a calibration for each tier, and what it is worth.

Each tier is drawn towards what the labels of its ladder's other tiers teach, which are other
labels: so what is measured on held-out labels stays honest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rung.core.calibration import Calibration
from rung.core.fitting import Certificate, Fitted, Labelled, Quality, estimate, fit, risk_threshold
from rung.ledger.calibrations import Key, LabelledAnswer, Labels

FEWEST = 30
"""Labels below which a tier stays uncalibrated: its fit would be the prior's and little else."""

FEWEST_OF_EACH = 5
FEWEST_OF_ONE_KIND = 100
"""Where there are hardly any wrong answers, or right ones, so many labels are needed instead."""

MOST = 10_000
"""The newest labels of a tier; older ones tell of models and requests that have changed since."""

LEAST_WORTH = 0.5
"""Weights may cost so much of the labels' worth, and no more."""


@dataclass(frozen=True, slots=True)
class TierReport:
    """What the labels of one tier come to.

    ``drawn`` of its ``labels`` are of audits, which stand for all that nobody chose to label: each
    counts ``each_drawn`` times. ``should_count`` is what it would take to stand for all of them.
    ``unfit`` further labels are of answers that the tier would not have served. ``lacking`` says
    why the calibration is not to be used, if it is not.
    """

    ladder: str
    tier: str
    labels: int
    right: int
    drawn: int
    served: int
    unfit: int
    each_drawn: float
    should_count: float
    fitted: Fitted
    certificate: Certificate
    lacking: str | None

    @property
    def key(self) -> Key:
        """The ladder and tier."""
        return self.ladder, self.tier

    @property
    def wrong(self) -> int:
        """Labels that say so."""
        return self.labels - self.right


@dataclass(frozen=True, slots=True)
class LadderReport:
    """A ladder's tiers, and ``pooled`` what all its labels say together."""

    ladder: str
    pooled: Fitted
    tiers: tuple[TierReport, ...]

    @property
    def threshold(self) -> float | None:
        """The lowest ``min_confidence`` that holds the target at every tier that is calibrated."""
        usable = [tier for tier in self.tiers if tier.lacking is None]
        held = [tier.certificate.held for tier in usable]
        found = [each.threshold for each in held if each is not None]
        return max(found) if found and len(found) == len(usable) else None


def calibrate(labels: Labels, target: float = 0.05) -> tuple[LadderReport, ...]:
    """Fit every tier that has labels, ladder by ladder. ``target`` is a share of wrong answers."""
    ladders: dict[str, dict[str, list[LabelledAnswer]]] = defaultdict(lambda: defaultdict(list))
    for answer in labels.answers:
        ladders[answer.ladder][answer.tier].append(answer)
    return tuple(_ladder(ladder, ladders[ladder], labels, target) for ladder in sorted(ladders))


def usable(reports: Iterable[LadderReport]) -> dict[Key, Calibration]:
    """The calibrations that are worth putting in force."""
    tiers = (tier for report in reports for tier in report.tiers)
    return {tier.key: tier.fitted.calibration for tier in tiers if tier.lacking is None}


def _ladder(
    ladder: str,
    tiers: Mapping[str, Sequence[LabelledAnswer]],
    labels: Labels,
    target: float,
) -> LadderReport:
    weighed = {
        tier: _weighed(answers[-MOST:], labels.served.get((ladder, tier), 0))
        for tier, answers in tiers.items()
    }
    together = [each for tier in weighed.values() for each in tier.labelled]
    reports = []
    for tier in sorted(weighed):
        others = [each for name in weighed if name != tier for each in weighed[name].labelled]
        prior = estimate(others) if len(others) >= FEWEST else None
        fitted = fit(weighed[tier].labelled, prior)
        reports.append(_report((ladder, tier), weighed[tier], fitted, labels, target))
    pooled = reports[0].fitted if len(reports) == 1 else fit(together)
    return LadderReport(ladder, pooled, tuple(reports))


# ------------------------------------------------------------------ what a label stands for


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A tier's labels with their weights."""

    labelled: tuple[Labelled, ...]
    drawn: int
    each_drawn: float
    should_count: float


def _weighed(answers: Sequence[LabelledAnswer], served: int) -> _Weighed:
    """Labels that somebody chose to give stand for themselves, drawn ones for all the rest.

    Which is unbiased however the others were chosen (a take-all stratum beside a random sample:
    Cochran 1977, Sampling Techniques, 5A.9), as long as the draw looked at nothing. The weight is
    cut where it would make the labels together worth less than half their number (Potter 1990).
    """
    drawn = sum(answer.drawn for answer in answers)
    chosen = len(answers) - drawn
    full = max(1.0, (served - chosen) / drawn) if drawn else 1.0
    each = _cut(chosen, drawn, full)
    labelled = tuple(Labelled(a.scores, a.right, each if a.drawn else 1.0) for a in answers)
    return _Weighed(labelled, drawn, each, full)


def _cut(chosen: int, drawn: int, full: float) -> float:
    """The largest weight up to ``full`` that keeps the labels' worth."""

    def keeps(weight: float) -> bool:
        total, squares = chosen + drawn * weight, chosen + drawn * weight * weight
        return total * total >= LEAST_WORTH * (chosen + drawn) * squares

    if keeps(full):
        return full
    low, high = 1.0, full
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


# ------------------------------------------------------------------ what comes of it


def _report(
    key: Key, weighed: _Weighed, fitted: Fitted, labels: Labels, target: float
) -> TierReport:
    right = sum(each.right for each in weighed.labelled)
    return TierReport(
        ladder=key[0],
        tier=key[1],
        labels=len(weighed.labelled),
        right=right,
        drawn=weighed.drawn,
        served=labels.served.get(key, 0),
        unfit=labels.unfit[key],
        each_drawn=weighed.each_drawn,
        should_count=weighed.should_count,
        fitted=fitted,
        certificate=risk_threshold(fitted.held_out, target, cuts=fitted.cuts),
        lacking=_lacking(weighed.labelled, right),
    )


def _lacking(labelled: Sequence[Labelled], right: int) -> str | None:
    """Why these labels are not enough."""
    wrong = len(labelled) - right
    if not any(each.scores for each in labelled):
        return "no signal gave a score to any of these answers"
    if len(labelled) < FEWEST:
        return f"{FEWEST - len(labelled)} more labels are needed"
    rarer, which = (wrong, "wrong") if wrong < right else (right, "right")
    if rarer < FEWEST_OF_EACH and len(labelled) < FEWEST_OF_ONE_KIND:
        return f"{FEWEST_OF_EACH - rarer} more {which} answers are needed, or 100 labels in all"
    return None


def to_json(reports: Iterable[LadderReport]) -> list[dict[str, Any]]:
    """The reports as plain JSON values."""
    return [
        {
            "ladder": report.ladder,
            "min_confidence": report.threshold,
            "pooled": fitted_json(report.pooled),
            "tiers": [tier_json(tier) for tier in report.tiers],
        }
        for report in reports
    ]


def tier_json(tier: TierReport) -> dict[str, Any]:
    """One tier's report, which is also what the ledger keeps beside its calibration."""
    return {
        "tier": tier.tier,
        "labels": tier.labels,
        "right": tier.right,
        "wrong": tier.wrong,
        "drawn": tier.drawn,
        "each_drawn_counts": tier.each_drawn,
        "each_drawn_should_count": tier.should_count,
        "served": tier.served,
        "unfit": tier.unfit,
        "lacking": tier.lacking,
        **fitted_json(tier.fitted),
        "threshold": _plain(tier.certificate),
    }


def fitted_json(fitted: Fitted) -> dict[str, Any]:
    """A fit without its held-out answers."""
    return {
        "calibration": _plain(fitted.calibration),
        "before": _plain(fitted.quality_before),
        "after": _plain(fitted.quality_after),
    }


def _plain(found: Calibration | Quality | Certificate) -> dict[str, Any]:
    return asdict(found)
