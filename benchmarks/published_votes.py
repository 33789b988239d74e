"""Settings without an oracle: votes of a weak tier, two models that agree, judges with a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import confidence_cascades as cascades
import recorded
from confidence_cascades import Case
from measures import halves
from published_halves import SEED, SPLITS, spread

from rung.core.quality import Judged
from rung.core.selective import risk_threshold

MARGINS = (0.0, 0.01)
"""How much less often right than the strong model a choice may be on the half it is made on."""

TARGETS = (0.15, 0.2, 0.25)
"""How often a judge may differ from people, among what is accepted."""

CONFIDENCE = 0.9
JUDGES = ("mistral-7b-instruct", "gpt-3.5-turbo", "gpt-4-turbo")
"""Cheapest first."""


# ------------------------------------------------------------------ Mixture of Thoughts


def mixture(folder: Path) -> dict[str, Any]:
    """A vote of the weak model's draws, then the strong model: the threshold from one half."""
    drawn = recorded.draws(folder)
    found = {}
    for model, task, samples in cascades.CASCADES:
        cases = list(cascades.cases_of(drawn, model, task, samples))
        found[f"{model} on {task}, {samples} draws"] = _cascade(cases)
    found["gpt-3.5-turbo on date, two prompts"] = _cascade(list(cascades.two_prompts(drawn)))
    return found


def _cascade(cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "cases": len(cases),
        "weak_right": fmean(case.single for case in cases),
        "strong_right": fmean(case.strong for case in cases),
        "margins": [_held_out(cases, margin) for margin in MARGINS],
    }


def _held_out(cases: Sequence[Case], margin: float) -> dict[str, Any]:
    """The cheapest threshold that loses no more than the margin on one half, on the other.

    Where none does, the strong model alone: it loses nothing and saves nothing.
    """
    thresholds = [0.0, *sorted({case.share for case in cases})[1:], 1.1]
    lost, saved, none = [], [], 0
    for half in halves([case.question for case in cases], SPLITS, SEED):
        known = [case for case in cases if case.question in half]
        unseen = [case for case in cases if case.question not in half]
        good = (t for t in thresholds if cascades.loss_of(known, t) <= margin)
        threshold = next((t for t in good if cascades.saving_of(known, t) > 0), None)
        none += threshold is None
        lost.append(0.0 if threshold is None else cascades.loss_of(unseen, threshold))
        saved.append(0.0 if threshold is None else cascades.saving_of(unseen, threshold))
    return _told(margin, lost, saved, none)


def _told(
    margin: float, lost: Sequence[float], saved: Sequence[float], none: int
) -> dict[str, Any]:
    return {
        "margin": margin,
        "none": none / SPLITS,
        "change": spread([-each for each in lost]),
        "saved": spread(saved),
        "below": sum(each > margin for each in lost) / SPLITS,
    }


# ------------------------------------------------------------------ two cheap models


def agreement(folder: Path) -> dict[str, Any]:
    """Two cheap models, and the strong one where they differ; the pair is chosen on one half."""
    panel = recorded.panel(folder)
    models = cascades.cheap_models(panel)
    read = list(cascades.read_panel(panel, models))
    pairs = [cascades.pair_cases(read, pair) for pair in combinations(range(len(models)), 2)]
    return {
        "questions": len(read),
        "models": len(models),
        "pairs": len(pairs),
        "strong": cascades.PANEL_STRONG,
        "strong_right": fmean(case.strong for case in pairs[0]),
        "margins": [_pair_chosen(pairs, margin) for margin in MARGINS],
        "every": {
            "change": spread([-cascades.loss_of(cases, 1.0) for cases in pairs]),
            "saved": spread([cascades.saving_of(cases, 1.0) for cases in pairs]),
        },
    }


def _pair_chosen(pairs: Sequence[Sequence[Case]], margin: float) -> dict[str, Any]:
    lost, saved, none = [], [], 0
    for half in halves([case.question for case in pairs[0]], SPLITS, SEED):
        known = [[case for case in cases if case.question in half] for cases in pairs]
        fit = [p for p, cases in enumerate(known) if cascades.loss_of(cases, 1.0) <= margin]
        if not fit:
            none += 1
            lost.append(0.0)
            saved.append(0.0)
            continue
        best = max(fit, key=lambda pair: cascades.saving_of(known[pair], 1.0))
        unseen = [case for case in pairs[best] if case.question not in half]
        lost.append(cascades.loss_of(unseen, 1.0))
        saved.append(cascades.saving_of(unseen, 1.0))
    return _told(margin, lost, saved, none)


# ------------------------------------------------------------------ Trust or Escalate


def judging(folder: Path) -> list[dict[str, Any]]:
    """Judges in a cascade, each with a threshold certified on one half, played on the other."""
    said = recorded.judges(folder)
    rows = {name: {one.question: one for one in said[name]} for name in JUDGES}
    return [_cascade_of_judges(rows, target) for target in TARGETS]


Said = Mapping[str, Mapping[str, recorded.Judged]]


def _cascade_of_judges(rows: Said, target: float) -> dict[str, Any]:
    """Each judge has its share of the doubt, so that all thresholds hold at once."""
    certainty = 1 - (1 - CONFIDENCE) / len(JUDGES)
    questions = sorted(set.intersection(*(set(of) for of in rows.values())))
    covered, wrong, dear, none, broken = [], [], [], 0, 0
    for half in halves(questions, SPLITS, SEED):
        cuts = {
            name: risk_threshold(
                [Judged(of[q].confidence, of[q].right) for q in questions if q in half],
                target,
                certainty,
            ).held
            for name, of in rows.items()
        }
        if not any(cuts.values()):
            none += 1
            continue
        ends = [
            _ended(rows, {n: c.threshold for n, c in cuts.items() if c is not None}, question)
            for question in questions
            if question not in half
        ]
        accepted = [right for right, _ in ends if right is not None]
        error = 1 - fmean(accepted) if accepted else 0.0
        covered.append(len(accepted) / len(ends))
        dear.append(fmean(by == JUDGES[-1] for _, by in ends))
        wrong.append(error)
        broken += error > target
    return {
        "target": target,
        "confidence": CONFIDENCE,
        "questions": len(questions),
        "none": none / SPLITS,
        "above": broken / SPLITS,
        "coverage": spread(covered) if covered else None,
        "differs": spread(wrong) if wrong else None,
        "asked_dearest": spread(dear) if dear else None,
        "alone": {name: 1 - fmean(of[q].right for q in questions) for name, of in rows.items()},
    }


def _ended(rows: Said, cuts: Mapping[str, float], question: str) -> tuple[bool | None, str]:
    """Whether the verdict that was accepted is that of people, and the last judge who was asked."""
    last = JUDGES[0]
    for name in JUDGES:
        if name not in cuts:
            continue
        last = name
        if rows[name][question].confidence >= cuts[name]:
            return rows[name][question].right, name
    return None, last
