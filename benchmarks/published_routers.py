"""Routers that see the request alone: RouteLLM's protocol, and savings at the best's accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import outcomes
from numpy.typing import NDArray
from outcomes import GPT4, MIXTRAL, Question
from published_halves import halves, spread

from rung.core.chances import Example, Trained, fit, train
from rung.core.choosing import Goal, Terms, choose
from rung.core.contest import curve

WORTHS = tuple(10.0**power for power in np.linspace(-1, 5, 61))
"""What a right answer is held to be worth, in calls of the dearest model."""


def pairs(folder: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """RouteLLM's protocol on halves: a router of one half, its curve on the other."""
    found = {}
    for name, title in ((outcomes.GSM8K, "GSM8K"), (outcomes.MMLU, "MMLU")):
        found[title] = _pair(outcomes.questions(folder, name))
        note(f"RouteLLM's protocol on {title}")
    return found


def _pair(asked: Sequence[Question]) -> dict[str, Any]:
    areas, halved, most = [], [], []
    for known, unseen in halves(len(asked)):
        models = [
            fit([Example(asked[place].traits, asked[place].passed[model]) for place in known])
            for model in (MIXTRAL, GPT4)
        ]
        rest = [asked[place] for place in unseen]
        made = curve(
            [models[1].of(one.traits) - models[0].of(one.traits) for one in rest],
            [one.passed[MIXTRAL] for one in rest],
            [one.passed[GPT4] for one in rest],
        )
        areas.append(made.apgr)
        # Where not even all strong calls recover so much, all are needed.
        shares = [1.0 if share is None else share for share in made.shares_for]
        halved.append(shares[0])
        most.append(shares[1])
    return {
        "questions": len(asked),
        "weak_right": fmean(one.passed[MIXTRAL] for one in asked),
        "strong_right": fmean(one.passed[GPT4] for one in asked),
        "apgr": spread(areas),
        "cpt50": spread(halved),
        "cpt80": spread(most),
    }


# ------------------------------------------------------------------ at the best single's accuracy


@dataclass(frozen=True, slots=True)
class _Half:
    """Questions with each model's chance, by the models' order; costs are nano-dollars."""

    chances: list[tuple[float, ...]]
    right: NDArray[np.float64]
    cost: NDArray[np.float64]

    def chosen(self, terms: Terms) -> tuple[float, float]:
        """Mean cost and share right."""
        places = [choose(terms, each) for each in self.chances]
        rows = np.arange(len(places))
        return float(self.cost[rows, places].mean()), float(self.right[rows, places].mean())


def saved(folder: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """RouterBench's three sets: what a router saves where it is as right as the best model.

    How much a right answer is worth is chosen on one half, by chances of a fit that has not seen
    them, so that the router is no less often right than the best single model there; where no
    worth makes it so, the best single model is asked alone.
    """
    asked = outcomes.questions(folder, outcomes.ROUTERBENCH)
    models = sorted(asked[0].passed)
    saving, change, none, below = [], [], 0, 0
    for known, unseen in halves(len(asked)):
        made = {
            model: train(
                [Example(asked[place].traits, asked[place].passed[model]) for place in known]
            )
            for model in models
        }
        seen = _seen([asked[place] for place in known], made, models)
        rest = _rest([asked[place] for place in unseen], made, models)
        best = int(np.lexsort((seen.cost.mean(axis=0), -seen.right.mean(axis=0)))[0])
        terms = _terms(seen, best)
        none += terms is None
        alone = float(rest.cost[:, best].mean()), float(rest.right[:, best].mean())
        cost, right = alone if terms is None else rest.chosen(terms)
        saving.append(1 - cost / alone[0])
        change.append(right - alone[1])
        below += right < alone[1]
    note("a router at the best single model's accuracy")
    return {
        "questions": len(asked),
        "models": len(models),
        "saved": spread(saving),
        "change": spread(change),
        "none": none / len(saving),
        "below": below / len(saving),
    }


def _seen(asked: Sequence[Question], made: Mapping[str, Trained], models: Sequence[str]) -> _Half:
    held = [made[model].held_out for model in models]
    return _half(asked, [tuple(each) for each in zip(*held, strict=True)], models)


def _rest(asked: Sequence[Question], made: Mapping[str, Trained], models: Sequence[str]) -> _Half:
    chances = [tuple(made[model].chances.of(one.traits) for model in models) for one in asked]
    return _half(asked, chances, models)


def _half(
    asked: Sequence[Question], chances: list[tuple[float, ...]], models: Sequence[str]
) -> _Half:
    right = np.array([[one.passed[model] for model in models] for one in asked])
    cost = np.array([[one.costs[model] for model in models] for one in asked])
    return _Half(chances, right, cost)


def _terms(seen: _Half, best: int) -> Terms | None:
    """The cheapest that is no less often right than the best model, if it is any cheaper."""
    prices = tuple(float(each) for each in seen.cost.mean(axis=0))
    aim = float(seen.right[:, best].mean())
    found = []
    for worth in WORTHS:
        terms = Terms(Goal.QUALITY, prices, worth * max(prices))
        cost, right = seen.chosen(terms)
        if right >= aim and cost < prices[best]:
            found.append((cost, worth, terms))
    return min(found)[2] if found else None
