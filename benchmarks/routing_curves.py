"""The study of docs/routing_curves.md: is a choice of the entry tier by traits worth anything?

    python benchmarks/routing_curves.py --data FOLDER

writes routing.json and the figures into docs/figures and renews the tables of the page. FOLDER
holds the recorded outcomes that the page names; nothing of them is kept. The same data give the
same bytes. Everything that decides is the product's own: traits, fit, contest.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from outcomes import (
    GPT4,
    GSM8K,
    MIXTRAL,
    MMLU,
    ROUTERBENCH,
    Question,
    missing,
    questions,
)
from routing_page import figures, renewed
from svg import drawn

from rung.core.chances import PRECISION, Chances, Example, fit, folds_of, train
from rung.core.choosing import Goal
from rung.core.contest import Curve, Result, Tried, contest, curve
from rung.core.quality import Judged, quality
from rung.core.traits import BUCKETS

ROOT = Path(__file__).parent.parent
SEEDS = 3
RESAMPLES = 200
DIGITS = 4
SIZES = (100, 300, 1000, 3000)
FEW = (50, 100, 300)
HOLDOUTS = 5

BENCH_CHEAP = "mistralai/mixtral-8x7b-chat"
BENCH_DECENT = "zero-one-ai/Yi-34B-Chat"
BENCH_LEAST = "mistralai/mistral-7b-chat"
BENCH_BEST = "gpt-4-1106-preview"

Held = dict[str, list[list[float]]]
"""Held-out chances by model, a list for each seed."""


def held_out(found: Sequence[Question], models: Sequence[str]) -> Held:
    """Each question's chance at each model, by a fit that has not seen it."""
    return {
        model: [
            list(
                train(
                    [Example(one.traits, one.passed[model]) for one in found],
                    folds=folds_of(len(found), seed=seed),
                ).held_out
            )
            for seed in range(SEEDS)
        ]
        for model in models
    }


# ------------------------------------------------------------------ pairs, by RouteLLM's protocol


def pair(found: Sequence[Question], held: Held, low: str, high: str) -> dict[str, Any]:
    """Curves of a cheap and a strong model: over seeds, with an interval over questions."""
    lows = [one.passed[low] for one in found]
    highs = [one.passed[high] for one in found]
    gains = [
        [up - down for down, up in zip(held[low][seed], held[high][seed], strict=True)]
        for seed in range(SEEDS)
    ]
    alone = [[-chance for chance in held[low][seed]] for seed in range(SEEDS)]
    return {
        "n": len(found),
        "low": fmean(lows),
        "high": fmean(highs),
        "auroc_low": _auroc(held[low], lows),
        "auroc_high": _auroc(held[high], highs),
        "gain": _curves(gains, lows, highs),
        "alone": _curves(alone, lows, highs),
        "oracle": _told(curve([h - lo for lo, h in zip(lows, highs, strict=True)], lows, highs)),
    }


def _curves(
    scores: Sequence[Sequence[float]], low: Sequence[float], high: Sequence[float]
) -> dict[str, Any]:
    made = [curve(each, low, high) for each in scores]
    draws = random.Random(0)
    areas: list[float] = []
    cuts: list[list[float]] = []
    n = len(low)
    for _ in range(RESAMPLES):
        places = draws.choices(range(n), k=n)
        try:
            one = curve(
                [scores[0][p] for p in places], [low[p] for p in places], [high[p] for p in places]
            )
        except ValueError:
            continue
        areas.append(one.apgr)
        cuts.append([share if share is not None else 1.0 for share in one.shares_for])
    apgr = fmean(one.apgr for one in made)
    shift = apgr - made[0].apgr
    return {
        "apgr": _with(apgr, [area + shift for area in areas]),
        "cpt50": _with(_mean(made, 0), [each[0] for each in cuts]),
        "cpt80": _with(_mean(made, 1), [each[1] for each in cuts]),
        "over_seeds": [min(one.apgr for one in made), max(one.apgr for one in made)],
        "points": _thinned([one.points for one in made]),
    }


def _told(one: Curve) -> dict[str, Any]:
    return {
        "apgr": one.apgr,
        "cpt50": one.shares_for[0],
        "cpt80": one.shares_for[1],
        "points": _thinned([one.points]),
    }


def _mean(made: Sequence[Curve], which: int) -> float:
    return fmean(1.0 if each.shares_for[which] is None else each.shares_for[which] for each in made)  # type: ignore[misc]


def _thinned(curves: Sequence[Sequence[tuple[float, float]]]) -> list[list[float]]:
    """Twenty-one points of the mean curve."""
    last = len(curves[0]) - 1
    places = [round(last * step / 20) for step in range(21)]
    return [[curves[0][p][0], fmean(each[p][1] for each in curves)] for p in places]


def _with(mean: float, draws: Sequence[float]) -> list[float]:
    ordered = sorted(draws)
    out = round(0.025 * len(ordered))
    return [mean, ordered[out], ordered[-1 - out]]


def _auroc(held: Sequence[Sequence[float]], passed: Sequence[float]) -> list[float | None]:
    """The mean over seeds, and the interval of the first."""
    each = [quality([Judged(c, p > 0.5) for c, p in zip(h, passed, strict=True)]) for h in held]
    areas = [one.auroc for one in each if one.auroc is not None]
    if len(areas) < len(each) or each[0].auroc_between is None:
        return [None, None, None]
    return [fmean(areas), *each[0].auroc_between]


# ------------------------------------------------------------------ what `auto` decides


def verdict(
    found: Sequence[Question], held: Held, models: Sequence[str], goal: Goal
) -> dict[str, Any]:
    """The product's own decision on a ladder of these models, from the first seed's chances."""
    tried = [
        Tried(
            tuple(held[model][0][place] for model in models),
            tuple(one.passed[model] for model in models),
            tuple(one.costs[model] for model in models),
        )
        for place, one in enumerate(found)
    ]
    return _result(contest(models, tried, goal))


def _result(made: Result) -> dict[str, Any]:
    told = asdict(made)
    told["terms"]["goal"] = made.terms.goal.value
    return told


# ------------------------------------------------------------------ how it learns, and carries over


def learning(found: Sequence[Question], low: str, high: str) -> list[dict[str, Any]]:
    """The curve's area on the questions that a fit on some of them has not seen."""
    rows = []
    for size in SIZES:
        if size > 0.8 * len(found):
            break
        areas = []
        for seed in range(HOLDOUTS):
            order = sorted(range(len(found)), key=folds_order(seed))
            seen, rest = order[:size], [found[place] for place in order[size:]]
            models = [_fitted([found[p] for p in seen], model) for model in (low, high)]
            gains = [models[1].of(one.traits) - models[0].of(one.traits) for one in rest]
            areas.append(
                curve(
                    gains, [one.passed[low] for one in rest], [one.passed[high] for one in rest]
                ).apgr
            )
        rows.append({"outcomes": size, "apgr": [fmean(areas), min(areas), max(areas)]})
    return rows


def folds_order(seed: int) -> Callable[[int], float]:
    draws = random.Random(seed)
    numbers = [draws.random() for _ in range(100_000)]
    return numbers.__getitem__


def _fitted(found: Sequence[Question], model: str, prior: Chances | None = None) -> Chances:
    return fit([Example(one.traits, one.passed[model]) for one in found], prior)


def transfer(sets: Mapping[str, Sequence[Question]]) -> list[dict[str, Any]]:
    """Fitted on one set, asked of another: does the cheap model's chance carry over?"""
    bench = [
        Question(one.traits, {MIXTRAL: one.passed[BENCH_CHEAP]}, one.costs, one.kind)
        for one in sets[ROUTERBENCH]
    ]
    both = [*sets[GSM8K], *sets[MMLU]]
    jobs = [
        ("GSM8K", "MMLU", sets[GSM8K], sets[MMLU]),
        ("MMLU", "GSM8K", sets[MMLU], sets[GSM8K]),
        ("GSM8K + MMLU", "RouterBench, all three", both, bench),
    ]
    kinds = sorted({one.kind for one in bench})
    jobs += [
        ("GSM8K + MMLU", f"RouterBench, {kind}", both, [one for one in bench if one.kind == kind])
        for kind in kinds
    ]
    rows = []
    for name, other, seen, asked in jobs:
        model = _fitted(seen, MIXTRAL)
        told = quality([Judged(model.of(o.traits), o.passed[MIXTRAL] > 0.5) for o in asked])
        rows.append({"from": name, "to": other, "n": len(asked), "auroc": told.auroc})
        rows[-1]["between"] = told.auroc_between
    return rows


def few(sets: Mapping[str, Sequence[Question]]) -> list[dict[str, Any]]:
    """Held-out AUROC after few outcomes of one's own, with the prior and without."""
    rows = []
    jobs = [
        ("MMLU", sets[GSM8K], sets[MMLU], MIXTRAL, MIXTRAL),
        ("GSM8K", sets[MMLU], sets[GSM8K], MIXTRAL, MIXTRAL),
        ("RouterBench", [*sets[GSM8K], *sets[MMLU]], sets[ROUTERBENCH], MIXTRAL, BENCH_CHEAP),
    ]
    for name, seen, asked, known, model in jobs:
        prior = _fitted(seen, known)
        for size in FEW:
            areas: dict[str, list[float]] = {"without": [], "with": []}
            for seed in range(HOLDOUTS):
                order = sorted(range(len(asked)), key=folds_order(seed))
                own, rest = [asked[p] for p in order[:size]], [asked[p] for p in order[size:]]
                for which, start in (("without", None), ("with", prior)):
                    made = _fitted(own, model, start)
                    told = quality([Judged(made.of(o.traits), o.passed[model] > 0.5) for o in rest])
                    areas[which].append(told.auroc or 0.5)
            rows.append(
                {"set": name, "outcomes": size} | {key: fmean(each) for key, each in areas.items()}
            )
    return rows


# ------------------------------------------------------------------ the whole


def study(folder: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """All results, as JSON values rounded to four decimals."""
    began = perf_counter()
    sets = {name: questions(folder, name) for name in (GSM8K, MMLU, ROUTERBENCH)}
    note(f"read: {perf_counter() - began:.1f} s")
    bench = sets[ROUTERBENCH]
    models = sorted(bench[0].passed, key=lambda m: fmean(one.costs[m] for one in bench))
    held = {name: held_out(sets[name], (MIXTRAL, GPT4)) for name in (GSM8K, MMLU)}
    held[ROUTERBENCH] = held_out(bench, models)
    note(f"fitted: {perf_counter() - began:.1f} s")
    found: dict[str, Any] = {
        "settings": {"seeds": SEEDS, "buckets": BUCKETS, "precision": PRECISION},
        "pairs": {
            "GSM8K": pair(sets[GSM8K], held[GSM8K], MIXTRAL, GPT4),
            "MMLU": pair(sets[MMLU], held[MMLU], MIXTRAL, GPT4),
            "RouterBench": pair(bench, held[ROUTERBENCH], BENCH_DECENT, BENCH_BEST),
        },
        "kinds": {
            kind: pair(*_of_kind(bench, held[ROUTERBENCH], kind), BENCH_DECENT, BENCH_BEST)
            for kind in sorted({one.kind for one in bench})
        },
        "auto": [
            {"set": name, "models": list(ladder), **verdict(sets[name], held[name], ladder, goal)}
            for name, ladder, goal in (
                (GSM8K, (MIXTRAL, GPT4), Goal.QUALITY),
                (MMLU, (MIXTRAL, GPT4), Goal.QUALITY),
                (ROUTERBENCH, (BENCH_DECENT, BENCH_BEST), Goal.QUALITY),
                (ROUTERBENCH, (BENCH_CHEAP, BENCH_BEST), Goal.QUALITY),
                (ROUTERBENCH, tuple(models), Goal.QUALITY),
                (ROUTERBENCH, (BENCH_DECENT, BENCH_BEST), Goal.COST),
                (ROUTERBENCH, (BENCH_LEAST, BENCH_DECENT, BENCH_BEST), Goal.COST),
                (ROUTERBENCH, tuple(models), Goal.COST),
            )
        ],
        "learning": learning(sets[MMLU], MIXTRAL, GPT4),
        "transfer": transfer(sets),
        "few": few(sets),
    }
    note(f"all: {perf_counter() - began:.1f} s")
    rounded: dict[str, Any] = _rounded(found)
    return rounded


def _of_kind(found: Sequence[Question], held: Held, kind: str) -> tuple[list[Question], Held]:
    places = [place for place, one in enumerate(found) if one.kind == kind]
    kept = {m: [[seed[p] for p in places] for seed in seeds] for m, seeds in held.items()}
    return [found[place] for place in places], kept


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, DIGITS) + 0.0
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if gone := missing(options.data):
        print(
            f"Not in {options.data}: {', '.join(gone)}. docs/routing_curves.md says what they are."
        )
        return 2
    results = study(options.data, lambda line: print(line, file=sys.stderr))
    text = json.dumps(results, indent=1) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "routing.json").write_text(text, "utf-8")
    for figure in figures(results):
        (options.out / f"{figure.name}.svg").write_text(drawn(figure), "utf-8")
    page = options.out.parent / "routing_curves.md"
    if page.is_file():
        page.write_text(renewed(page.read_text("utf-8"), results), "utf-8")
    if options.json:
        print(text, end="")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the recorded outcomes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures")
    parser.add_argument("--json", action="store_true", help="print the results as one document")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
