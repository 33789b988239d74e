"""What does agreement buy in a cascade: accuracy against cost, with the controls beside it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from confidence_votes import voted
from measures import Scored, accuracy, auroc, halves, resampled, spread
from recorded import Drawn, Given

from rung.core.comparing import keys
from rung.core.vote import Comparison, Vote

DRAW_COST = 0.05
"""A cheap draw, where a strong call costs 1: the ratio of the list prices of input in 2023,
$1.5 against $30 a million tokens (gpt-3.5-turbo, gpt-4). Long prompts make input the larger part.
"""

STRONG = "gpt-4"
CASCADES = (("gpt-3.5-turbo", "date", 5), ("llama2-13b", "gsm", 5), ("llama2-13b", "crepe", 3))
PANEL_STRONG = "claude-3-5-sonnet-20241022"
CHEAP_PART = 0.05
"""Cheap models of the panel cost no more than this part of the strong one, on average."""

SPLITS = 40
RESAMPLES = 400
SEED = 4
MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Case:
    """A question that cheap answers were drawn for: their agreement, and both sides' outcome.

    ``single`` is whether the first cheap answer alone is right. Costs are in units of one strong
    call, or in dollars for a thousand requests.
    """

    question: str
    share: float
    cheap: bool
    single: bool
    strong: bool
    cheap_cost: float
    strong_cost: float


def cascades(drawn: Sequence[Drawn]) -> dict[str, dict[str, Any]]:
    """By cheap model and task: a vote of cheap draws, then the strong model below a threshold."""
    found = {}
    for model, task, samples in CASCADES:
        cases = list(cases_of(drawn, model, task, samples))
        found[f"{model} on {task}"] = {"samples": samples} | curve(cases)
    found["gpt-3.5-turbo on date, two prompts"] = {"samples": 2} | curve(list(two_prompts(drawn)))
    return found


def two_prompts(drawn: Sequence[Drawn]) -> Iterator[Case]:
    """One answer in words, one by a program, and the strong model where they differ."""
    held = {(one.model, one.prompt, one.question): one for one in drawn if one.task == "date"}
    for (model, prompt, question), one in held.items():
        if model != "gpt-3.5-turbo" or not prompt.startswith("cot"):
            continue
        other = held[model, prompt.replace("cot", "pot"), question]
        strong = held[STRONG, f"greedy_{prompt}", question]
        said = keys([one.answers[0], other.answers[0]])
        yield Case(
            question=question,
            share=1.0 if said[0] == said[1] else 0.5,
            cheap=one.right[0],
            single=one.right[0],
            strong=bool(strong.right) and strong.right[0],
            cheap_cost=2 * DRAW_COST,
            strong_cost=1.0,
        )


def cases_of(drawn: Sequence[Drawn], model: str, task: str, samples: int) -> Iterator[Case]:
    strong = {
        (one.question, one.prompt.removeprefix("greedy_")): one
        for one in drawn
        if one.model == STRONG and one.prompt.startswith("greedy")
    }
    for one in drawn:
        if (one.model, one.task) != (model, task) or len(one.answers) < samples:
            continue
        state = voted(one, samples)
        above = strong[one.question, one.prompt]
        yield Case(
            question=one.question,
            share=state.tally.share,
            cheap=state.right,
            single=one.right[0],
            strong=bool(above.right) and above.right[0],
            cheap_cost=samples * DRAW_COST,
            strong_cost=1.0,
        )


def curve(cases: Sequence[Case]) -> dict[str, Any]:
    """Accuracy and cost at every threshold, and what the same spend buys without agreement."""
    points = [_point(cases, threshold) for threshold in _thresholds(cases)]
    return {
        "cases": len(cases),
        "questions": len({case.question for case in cases}),
        "single_right": fmean(case.single for case in cases),
        "voted_right": fmean(case.cheap for case in cases),
        "strong_right": fmean(case.strong for case in cases),
        "oracle_right": fmean(case.cheap or case.strong for case in cases),
        "cheap_cost": fmean(case.cheap_cost for case in cases),
        "strong_cost": fmean(case.strong_cost for case in cases),
        "points": points,
        "held_out": chosen(cases),
    }


def _thresholds(cases: Sequence[Case]) -> list[float]:
    return [0.0, *sorted({case.share for case in cases})[1:], 1.1]


def _point(cases: Sequence[Case], threshold: float) -> dict[str, Any]:
    """One threshold. ``shuffled`` escalates as many cases, drawn at random: its expectation."""
    up = fmean(case.share < threshold for case in cases)
    cheap, strong = fmean(c.cheap for c in cases), fmean(c.strong for c in cases)
    change: dict[str, list[float]] = {}
    for case in cases:
        change.setdefault(case.question, []).append(_right(case, threshold) - case.strong)
    return {
        "threshold": threshold,
        "escalated": up,
        "cost": fmean(_cost(case, threshold) for case in cases),
        "right": fmean(_right(case, threshold) for case in cases),
        "shuffled_right": up * strong + (1 - up) * cheap,
        "against_strong": resampled(change, RESAMPLES, SEED),
    }


def _right(case: Case, threshold: float) -> bool:
    return case.cheap if case.share >= threshold else case.strong


def _cost(case: Case, threshold: float) -> float:
    return case.cheap_cost + (0.0 if case.share >= threshold else case.strong_cost)


def chosen(cases: Sequence[Case]) -> dict[str, Any]:
    """The cheapest threshold that loses at most a point to the strong model on one half, judged on
    the other: accuracy against the strong model, and the part of its cost that is saved."""
    lost, saved, always = [], [], 0
    thresholds = _thresholds(cases)
    for half in halves([case.question for case in cases], SPLITS, SEED):
        known = [case for case in cases if case.question in half]
        unseen = [case for case in cases if case.question not in half]
        threshold = next(
            (t for t in thresholds if loss_of(known, t) <= MARGIN and saving_of(known, t) > 0), None
        )
        if threshold is None:
            always += 1
            continue
        lost.append(loss_of(unseen, threshold))
        saved.append(saving_of(unseen, threshold))
    return {
        "none": always / SPLITS,
        "against_strong": spread([-each for each in lost]) if lost else None,
        "saved": spread(saved) if saved else None,
    }


def loss_of(cases: Sequence[Case], threshold: float) -> float:
    return fmean(case.strong - _right(case, threshold) for case in cases)


def saving_of(cases: Sequence[Case], threshold: float) -> float:
    spent = sum(_cost(case, threshold) for case in cases)
    return 1 - spent / sum(case.strong_cost for case in cases)


# ------------------------------------------------------------------ several models


def cheap_models(panel: Mapping[str, Mapping[str, Given]]) -> list[str]:
    """Models that answered every question with a known cost below CHEAP_PART of the strong's."""
    costs = {
        model: [answers[model].cost_usd for answers in panel.values() if model in answers]
        for model in next(iter(panel.values()))
    }
    known = {
        model: fmean(cost for cost in listed if cost is not None)
        for model, listed in costs.items()
        if len(listed) == len(panel) and None not in listed
    }
    limit = CHEAP_PART * known[PANEL_STRONG]
    return sorted(model for model, cost in known.items() if cost < limit)


def crossed(panel: Mapping[str, Mapping[str, Given]]) -> dict[str, Any]:
    """Agreement of two, three and five cheap models with one answer each, over all such panels."""
    models = cheap_models(panel)
    return {
        "models": models,
        "right": {m: fmean(answers[m].right for answers in panel.values()) for m in models},
        "comparisons": [_compared(panel, models, comparison) for comparison in _COMPARISONS],
        "panels": [_panels(panel, models, size) for size in (2, 3, 5)],
        "makers": _makers(panel, models),
        "cascade": _panel_cascade(panel, models),
    }


_COMPARISONS = (Comparison.EXACT, Comparison.AUTO, Comparison.NUMBER, Comparison.TEXT)


def _compared(
    panel: Mapping[str, Mapping[str, Given]], models: Sequence[str], comparison: Comparison
) -> dict[str, Any]:
    """How often two models' answers are wrongly parted (both right) or joined (one right)."""
    parted, both, joined, one_right, pairs, agreed = 0, 0, 0, 0, 0, 0
    for answers in panel.values():
        given = [answers[model] for model in models]
        said = keys([one.answer for one in given], Vote(comparison))
        for first, second in combinations(range(len(given)), 2):
            rights = given[first].right + given[second].right
            same = said[first] == said[second]
            both += rights == 2
            parted += rights == 2 and not same
            one_right += rights == 1
            joined += rights == 1 and same
            pairs += 1
            agreed += same
    return {
        "comparison": str(comparison),
        "parted": parted / both,
        "joined": joined / one_right,
        "agreed": agreed / pairs,
        "agreed_right": (both - parted + joined / 2) / agreed,
    }


def _panels(
    panel: Mapping[str, Mapping[str, Given]], models: Sequence[str], size: int
) -> dict[str, Any]:
    """Means and the middle 95% over the panels of one size."""
    seen: dict[str, list[float]] = {}
    read = list(read_panel(panel, models))
    for members in combinations(range(len(models)), size):
        rows = [_polled(question, members) for question in read]
        sure = [row for row in rows if row.score == 1.0]
        seen.setdefault("first_right", []).append(
            fmean(question.right[m] for question in read for m in members)
        )
        seen.setdefault("voted_right", []).append(accuracy(rows))
        seen.setdefault("auroc", []).append(auroc(rows) or 0.5)
        seen.setdefault("unanimous", []).append(len(sure) / len(rows))
        seen.setdefault("unanimous_right", []).append(accuracy(sure))
    count = len(seen["auroc"])
    return {"size": size, "panels": count} | {name: spread(each) for name, each in seen.items()}


def _makers(
    panel: Mapping[str, Mapping[str, Given]], models: Sequence[str]
) -> list[dict[str, Any]]:
    """Pairs of one maker's models against pairs of two makers': do they err together?"""
    read = list(read_panel(panel, models))
    seen: dict[str, list[tuple[float, float]]] = {"one maker": [], "two makers": []}
    for a, b in combinations(range(len(models)), 2):
        wrong = [one for one in read if not one.right[a] and not one.right[b]]
        sure = [one for one in read if one.keys[a] == one.keys[b]]
        kind = "one maker" if _maker(models[a]) == _maker(models[b]) else "two makers"
        together = fmean(one.keys[a] == one.keys[b] for one in wrong)
        seen[kind].append((fmean(one.right[a] for one in sure), together))
    return [
        {
            "kind": kind,
            "pairs": len(pairs),
            "unanimous_right": spread([right for right, _ in pairs]),
            "same_when_wrong": spread([together for _, together in pairs]),
        }
        for kind, pairs in seen.items()
    ]


def _maker(model: str) -> str:
    """The first word of a model's name, where Meta's and Google's names begin differently."""
    name = model.casefold()
    return "google" if name.startswith(("gemini", "gemma")) else name.split("-")[0]


@dataclass(frozen=True, slots=True)
class Read:
    """One question's answers by model, as keys that equal answers share."""

    question: str
    keys: tuple[str, ...]
    right: tuple[bool, ...]
    costs: tuple[float, ...]
    strong: Given


def read_panel(panel: Mapping[str, Mapping[str, Given]], models: Sequence[str]) -> Iterator[Read]:
    for question, answers in panel.items():
        given = [answers[model] for model in models]
        yield Read(
            question,
            tuple(keys([one.answer for one in given], Vote(Comparison.NUMBER))),
            tuple(one.right for one in given),
            tuple(one.cost_usd or 0.0 for one in given),
            answers[PANEL_STRONG],
        )


def _polled(question: Read, members: Sequence[int]) -> Scored:
    """The vote of some models, an answer that nobody gave counting for nothing."""
    counts: dict[str, int] = {}
    for member in members:
        key = question.keys[member]
        counts[key] = counts.get(key, 0) + 1
    leading = max(counts, key=lambda key: counts[key])
    leader = next(member for member in members if question.keys[member] == leading)
    return Scored(question.question, counts[leading] / len(members), question.right[leader])


def _panel_cascade(
    panel: Mapping[str, Mapping[str, Given]], models: Sequence[str]
) -> dict[str, Any]:
    """Two cheap models, and the strong one where they differ; every pair, and one chosen.

    The chosen pair is the cheapest, strong calls included, that loses at most a point on one half.
    """
    read = list(read_panel(panel, models))
    pairs = {pair: pair_cases(read, pair) for pair in combinations(range(len(models)), 2)}
    lost, saved, none = [], [], 0
    for half in halves([question.question for question in read], SPLITS, SEED):
        known = {
            pair: [case for case in cases if case.question in half] for pair, cases in pairs.items()
        }
        fit = [pair for pair, cases in known.items() if loss_of(cases, 1.0) <= MARGIN]
        if not fit:
            none += 1
            continue
        best = max(fit, key=lambda pair: saving_of(known[pair], 1.0))
        unseen = [case for case in pairs[best] if case.question not in half]
        lost.append(loss_of(unseen, 1.0))
        saved.append(saving_of(unseen, 1.0))
    every = list(pairs.values())
    return {
        "strong": PANEL_STRONG,
        "strong_right": fmean(question.strong.right for question in read),
        "strong_cost": fmean(case.strong_cost for case in every[0]),
        "pairs": [
            {"models": [models[a], models[b]]} | _point(cases, 1.0) | {"single": _singles(cases)}
            for (a, b), cases in pairs.items()
        ],
        "against_strong": spread([-loss_of(cases, 1.0) for cases in every]),
        "saved": spread([saving_of(cases, 1.0) for cases in every]),
        "held_out": {
            "none": none / SPLITS,
            "against_strong": spread([-each for each in lost]) if lost else None,
            "saved": spread(saved) if saved else None,
        },
    }


def _singles(cases: Sequence[Case]) -> float:
    return fmean(case.single for case in cases)


def pair_cases(read: Sequence[Read], pair: tuple[int, int]) -> list[Case]:
    return [
        Case(
            question=question.question,
            share=_polled(question, pair).score,
            cheap=question.right[pair[0]],
            single=question.right[pair[0]],
            strong=question.strong.right,
            cheap_cost=1000 * (question.costs[pair[0]] + question.costs[pair[1]]),
            strong_cost=1000 * (question.strong.cost_usd or 0.0),
        )
        for question in read
    ]
