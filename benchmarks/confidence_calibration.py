"""What does the calibrator make of a confidence, on questions that it was not fitted on?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from random import Random
from statistics import fmean
from typing import Any

from measures import Scored, accuracy, auroc, brier, ece, halves, reliability, spread
from recorded import Judged

from rung.core.calibration import Calibration
from rung.core.fitting import Judged as Judgement
from rung.core.fitting import Labelled, fit, risk_threshold

SPLITS = 60
FEW_SPLITS = 10
MOST_LABELS = 500
"""More than this nobody labels by hand; of larger halves so many are drawn."""

LABELS = (0, 10, 30, 100, 250)
SEED = 4
RISKS = (0.10, 0.15, 0.20)


def fitted(rows: Sequence[Scored], signal: str, prior: Calibration | None = None) -> Calibration:
    """The product's calibration of one signal on labelled answers."""
    return fit([Labelled({signal: row.score}, row.right) for row in rows], prior).calibration


def applied(rows: Sequence[Scored], signal: str, calibration: Calibration) -> list[Scored]:
    """The same answers with P(right) in place of the score."""
    chances = {s: calibration.probability({signal: s}) for s in {row.score for row in rows}}
    return [Scored(row.question, chances[row.score], row.right) for row in rows]


def split(rows: Sequence[Scored], half: frozenset[str]) -> tuple[list[Scored], list[Scored]]:
    """The answers to the questions of a half, and the others."""
    return [r for r in rows if r.question in half], [r for r in rows if r.question not in half]


def calibration(rows: Sequence[Scored], signal: str) -> dict[str, Any]:
    """Before and after, on the halves that the calibrator did not see. [mean, low, high] each."""
    seen: dict[str, list[float]] = {}
    random = Random(SEED)
    for half in halves([row.question for row in rows], SPLITS, SEED):
        known, unseen = split(rows, half)
        labelled = random.sample(known, min(len(known), MOST_LABELS))
        after = applied(unseen, signal, fitted(labelled, signal))
        for name, measure in _MEASURES.items():
            before_value, after_value = measure(unseen), measure(after)
            if before_value is None or after_value is None:
                continue
            seen.setdefault(f"{name}_before", []).append(before_value)
            seen.setdefault(f"{name}_after", []).append(after_value)
            seen.setdefault(f"{name}_change", []).append(after_value - before_value)
    return {"rows": len(rows), "right": accuracy(rows)} | {
        name: spread(values) for name, values in seen.items()
    }


_MEASURES: dict[str, Callable[[Sequence[Scored]], float | None]] = {
    "auroc": auroc,
    "ece": ece,
    "brier": brier,
}


def diagram(rows: Sequence[Scored], signal: str) -> dict[str, Any]:
    """The bins of one half before and after, calibrated on the other."""
    half = next(halves([row.question for row in rows], 1, SEED))
    known, unseen = split(rows, half)
    after = applied(unseen, signal, fitted(known, signal))
    return {
        "before": [asdict(each) for each in reliability(unseen)],
        "after": [asdict(each) for each in reliability(after)],
    }


def few_labels(groups: Mapping[str, Sequence[Scored]], signal: str) -> list[dict[str, Any]]:
    """By number of labels: errors on the unseen half, means over groups and splits.

    Each calibration is fitted twice: as it is, and drawn towards one of all the other tasks.
    """
    seen: dict[int, list[dict[str, float]]] = {}
    for group, rows in groups.items():
        random = Random(SEED)
        prior = _others(groups, group, signal)
        for half in halves([row.question for row in rows], FEW_SPLITS, SEED):
            known, unseen = split(rows, half)
            for count in LABELS:
                labelled = random.sample(known, count)
                plain = applied(unseen, signal, fitted(labelled, signal)) if count else unseen
                drawn = applied(unseen, signal, fitted(labelled, signal, prior))
                seen.setdefault(count, []).append(
                    {
                        "ece": ece(plain),
                        "brier": brier(plain),
                        "worse": brier(plain) > brier(unseen),
                        "ece_prior": ece(drawn),
                        "brier_prior": brier(drawn),
                        "worse_prior": brier(drawn) > brier(unseen),
                    }
                )
    return [
        {"labels": count} | {name: fmean(each[name] for each in found) for name in found[0]}
        for count, found in sorted(seen.items())
    ]


def _others(groups: Mapping[str, Sequence[Scored]], group: str, signal: str) -> Calibration:
    """A calibration fitted on the other tasks, as many answers of each group."""
    task = group.partition(" on ")[2]
    others = [r for g, r in groups.items() if g.partition(" on ")[2] != task]
    return fitted(evened(others), signal)


def elsewhere(groups: Mapping[str, Sequence[Scored]], signal: str) -> list[dict[str, Any]]:
    """By group: the errors of a calibration fitted on all the other tasks' answers."""
    found = []
    for group, rows in groups.items():
        learned = _others(groups, group, signal)
        own = fitted(rows, signal)
        after = applied(rows, signal, learned)
        found.append(
            {
                "group": group,
                "ece_none": ece(rows),
                "ece_elsewhere": ece(after),
                "brier_none": brier(rows),
                "brier_elsewhere": brier(after),
                "own": [own.weights[0], own.bias],
                "elsewhere": [learned.weights[0], learned.bias],
            }
        )
    return found


def evened(groups: Iterable[Sequence[Scored]]) -> list[Scored]:
    """As many answers of each group: a large data set is no better evidence of another task."""
    listed = [list(rows) for rows in groups]
    count = min(len(rows) for rows in listed)
    random = Random(SEED)
    return [row for rows in listed for row in random.sample(rows, count)]


def judging(judges: Mapping[str, Sequence[Judged]]) -> dict[str, dict[str, Any]]:
    """By judge: its stated confidence before and after, and thresholds with a proven risk."""
    found = {}
    for name, said in judges.items():
        rows = [Scored(one.question, one.confidence, one.right) for one in said]
        found[name] = calibration(rows, "judge") | {
            "mean_confidence": fmean(row.score for row in rows),
            "diagram": diagram(rows, "judge"),
            "selective": [selective(rows, risk) for risk in RISKS],
        }
    return found


def selective(rows: Sequence[Scored], risk: float) -> dict[str, Any]:
    """A threshold certified on one half to keep the share of wrong accepted below ``risk``.

    ``none``: how often there was none. Then, where there was one: what it accepts of the unseen
    half, how much of that is wrong, and how often that is more than ``risk``.
    """
    covered, wrongs = [], []
    for half in halves([row.question for row in rows], SPLITS, SEED):
        known, unseen = split(rows, half)
        certificate = risk_threshold([Judgement(row.score, row.right) for row in known], risk)
        if certificate.held is None:
            continue
        held = [row for row in unseen if row.score >= certificate.held.threshold]
        covered.append(len(held) / len(unseen))
        wrongs.append(1 - accuracy(held) if held else 0.0)
    return {
        "risk": risk,
        "none": 1 - len(covered) / SPLITS,
        "coverage": spread(covered) if covered else None,
        "wrong": spread(wrongs) if wrongs else None,
        "broken": sum(wrong > risk for wrong in wrongs) / SPLITS,
        "wrong_all": 1 - accuracy(rows),
    }
