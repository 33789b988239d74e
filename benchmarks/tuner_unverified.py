"""What can be certified without a check? Samples from recorded outcomes, held against all of them.

    nice .venv/bin/python benchmarks/tuner_unverified.py --data FOLDER --draws 100

Each set is a population whose truth is known. A draw takes queries with replacement and certifies
on them; what was certified is then held against the population. Broken: it loses more against the
strongest model than was allowed. Three questions: thresholds on confidence (a whole ladder tested
at once, and each tier allotted its part of the risk), two cheap models that agree, and agreement
with the strongest model in place of truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

import confidence_cascades as cascades
import numpy as np
import recorded
from markdown import table
from tuner_counts import interval
from tuner_populations import rows_drawn

from rung.tuner.agreeing import agreements, as_top_says, served_where_agreed
from rung.tuner.aims import Aim
from rung.tuner.fixed_sequence import Bar, Split, Tested, Way, sequence, serve, split, tested
from rung.tuner.gating import Gated, at_least, of_ladder
from rung.tuner.losses import scores_of
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.reading import read_outcomes

CONFIDENCE = 0.9
MARGINS = (0.01, 0.02, 0.05)
SIZES = (200, 400)
SPLITS = 40
TOPS = ("claude-3-5-sonnet-20241022", "claude-3-opus-20240229")
PRICES = {"mistral-7b-instruct": 0.1, "gpt-3.5-turbo": 0.5, "gpt-4-turbo": 10.0}
"""Dollars a million tokens of input, list prices of 2024: the set has no costs of its own."""


@dataclass(frozen=True)
class Set:
    """A population, the ladder of whose last model the rest is held against."""

    name: str
    outcomes: Outcomes
    ladder: tuple[str, ...]


# ------------------------------------------------------------------ populations


def confident_sets(folder: Path) -> Iterator[Set]:
    """Judges with a stated confidence, and votes of a weak model with the share that agrees."""
    judged = read_outcomes(folder / "trust_or_escalate.dev.jsonl.gz").of(tuple(PRICES))
    cost = np.tile([1e3 * price for price in PRICES.values()], (len(judged), 1))
    yield Set("judges, three tiers", _with(judged, cost), judged.models)
    pair = judged.of(judged.models[1:])
    yield Set("judges, two tiers", _with(pair, cost[:, 1:]), pair.models)
    drawn = recorded.draws(folder)
    for model, task, samples in cascades.CASCADES:
        cases = list(cascades.cases_of(drawn, model, task, samples))
        yield Set(f"{model} on {task}, vote of {samples}", _voted(cases), ("weak", "strong"))


def _with(outcomes: Outcomes, cost: Floats) -> Outcomes:
    return _made(outcomes.models, outcomes.correct, cost, outcomes.confidence)


def _voted(cases: Sequence[cascades.Case]) -> Outcomes:
    right = np.array([[case.cheap, case.strong] for case in cases], dtype=float)
    cost = 1e9 * np.array([[case.cheap_cost, case.strong_cost] for case in cases])
    sure = np.array([[case.share, 1.0] for case in cases])
    return _made(("weak", "strong"), right, cost, sure)


def _made(
    models: tuple[str, ...], right: Floats, cost: Floats, confidence: Floats | None
) -> Outcomes:
    names = tuple(f"q{place}" for place in range(len(right)))
    places = np.zeros(len(right), dtype=np.int64)
    return Outcomes(models, names, right, cost, places, confidence=confidence)


def panel(folder: Path) -> Outcomes:
    """Models of GSM8K with answers and costs to nearly all, queries with all of theirs."""
    whole = read_outcomes(folder / "zeroeval_gsm.jsonl.gz")
    gaps = np.isnan(whole.cost) | np.isnan(whole.correct)
    kept = [m for m, share in zip(whole.models, gaps.mean(axis=0), strict=True) if share <= 0.02]
    known = whole.of(kept)
    return known.rows(~(np.isnan(known.cost) | np.isnan(known.correct)).any(axis=1))


# ------------------------------------------------------------------ ways to certify

Chosen = tuple[Way | None, Outcomes]
Certifier = Callable[[Outcomes, Set, Aim], Way | None]


def jointly(sample: Outcomes, asked: Set, aim: Aim) -> Way | None:
    """The whole ladder at once, paired with the reference: as the product does."""
    parts, bar, ways = _sequence(sample, asked, aim)
    return _last(tested(parts, ways, bar, aim))


def allotted(sample: Outcomes, asked: Set, aim: Aim) -> Way | None:
    """Each tier below the top has its equal part of the loss and of the doubt."""
    parts, bar, ways = _sequence(sample, asked, aim)
    lower = len(asked.ladder) - 1
    needed = NormalDist().inv_cdf(1 - (1 - aim.confidence) / lower)
    found = None
    for each in ways:
        lost = _by_tier(parts.held, each.way, bar.reference)
        if scores_of(lost, aim.max_loss / lower, 1.0).min() < needed:
            break
        found = each.way
    return found


def _by_tier(held: Outcomes, way: Way, reference: int) -> Floats:
    """What each tier gains or loses against the reference on the queries that it serves."""
    assert isinstance(way, Gated)
    climbing = np.ones(len(held), dtype=bool)
    rows = []
    for column, threshold in zip(way.columns, way.thresholds, strict=False):
        sure = climbing & at_least(held, column, threshold)
        rows.append(np.where(sure, held.correct[:, column] - held.correct[:, reference], 0.0))
        climbing &= ~sure
    return np.array(rows)


def _sequence(sample: Outcomes, asked: Set, aim: Aim) -> tuple[Split, Bar, list[Tested]]:
    columns = tuple(sample.place[model] for model in asked.ladder)
    parts, bar = split(sample, aim.seed), Bar(columns[-1], aim.max_loss)
    return parts, bar, sequence(parts, of_ladder(parts.fit, columns), bar)


def agreed(sample: Outcomes, asked: Set, aim: Aim) -> Way | None:
    """Two cheap models that agree, on truth."""
    top = sample.place[asked.ladder[-1]]
    parts, bar = split(sample, aim.seed), Bar(top, aim.max_loss)
    return _last(tested(parts, sequence(parts, agreements(parts.fit, top), bar), bar, aim))


def agreed_as_top(sample: Outcomes, asked: Set, aim: Aim) -> Way | None:
    """The same without truth: what is served has to be what the top says."""
    return agreed(as_top_says(sample, sample.place[asked.ladder[-1]]), asked, aim)


def agreed_naive(sample: Outcomes, asked: Set, aim: Aim) -> Way | None:
    """The cheapest pair that loses no more than allowed on the sample itself."""
    top = sample.place[asked.ladder[-1]]
    bar = sample.correct[:, top].mean() - aim.max_loss
    made = {pair: served_where_agreed(sample, pair) for pair in agreements(sample, top)}
    fine = {pair: one.cost.mean() for pair, one in made.items() if one.right.mean() >= bar}
    return min(fine, key=fine.__getitem__, default=None)


def _last(found: Sequence[Tested]) -> Way | None:
    passed = [each.way for each in found if each.passed]
    return passed[-1] if passed else None


# ------------------------------------------------------------------ cells


def cell(asked: Set, certify: Certifier, margin: float, size: int, draws: int) -> dict[str, Any]:
    """Draws of one size at one margin."""
    whole = asked.outcomes
    top = whole.place[asked.ladder[-1]]
    alone, price = whole.correct[:, top].mean(), whole.cost[:, top].mean()
    saved, lost, broken = [], [], 0
    for draw in range(draws):
        sample = whole.rows(rows_drawn(asked.name, size, draw, len(whole)))
        aim = Aim(asked.ladder[-1], margin, confidence=CONFIDENCE, seed=draw)
        way = certify(sample, asked, aim)
        if way is not None:
            made = serve(whole, way)
            lost.append(float(alone - made.right.mean()))
            saved.append(float(1 - made.cost.mean() / price))
            broken += lost[-1] > margin + 1e-9
    return {
        "set": asked.name,
        "way": certify.__name__,
        "margin": margin,
        "size": size,
        "draws": draws,
        "certified": len(saved) / draws,
        "broken": broken,
        "saved": sum(saved) / draws,
        "saved_where": fmean(saved) if saved else None,
        "lost_where": fmean(lost) if lost else None,
    }


def halves(gsm: Outcomes, top: str, splits: int) -> list[str]:
    """Two that agree, chosen on one half and judged on the other; no certificate."""
    asked, saved, gained = Set("", gsm, (top,)), [], []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(gsm))
        seen, unseen = gsm.rows(order[: len(gsm) // 2]), gsm.rows(order[len(gsm) // 2 :])
        way = agreed_naive(seen, asked, Aim(top, MARGINS[0]))
        if way is not None:
            made, column = serve(unseen, way), gsm.place[top]
            saved.append(1 - made.cost.mean() / unseen.cost[:, column].mean())
            gained.append(100 * (made.right.mean() - unseen.correct[:, column].mean()))
    between = [np.percentile(each, [10, 90]) for each in (saved, gained)]
    return [
        top,
        f"{len(saved)} of {splits}",
        f"{fmean(saved):.1%} ({between[0][0]:.1%} to {between[0][1]:.1%})",
        f"{fmean(gained):+.1f} ({between[1][0]:+.1f} to {between[1][1]:+.1f})",
    ]


def line(row: dict[str, Any]) -> list[str]:
    """A cell as a row of the table."""
    low, high = interval(row["broken"], row["draws"])
    where = "none" if row["saved_where"] is None else f"{row['saved_where']:.1%}"
    lost = "none" if row["lost_where"] is None else f"{100 * row['lost_where']:+.1f}"
    return [
        row["set"],
        row["way"].replace("_", " "),
        f"{100 * row['margin']:g}",
        str(row["size"]),
        f"{row['certified']:.0%}",
        f"{row['broken'] / row['draws']:.0%} [{low:.0%}-{high:.0%}]",
        f"{row['saved']:.1%}",
        where,
        lost,
    ]


HALVES = ["held out, against", "splits", "saved", "points"]
HEAD = ["set", "way", "allowed", "queries", "certified", "broken", "saved", "where", "lost there"]


def main(given: Sequence[str]) -> None:
    """Run the cells and print one table; ``--json`` keeps them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(given)
    rows = []
    gsm = panel(asked.data)
    sets: list[tuple[Set, tuple[Certifier, ...]]] = [
        (each, (jointly, allotted) if len(each.ladder) > 2 else (jointly,))
        for each in confident_sets(asked.data)
    ]
    pairs = (agreed_naive, agreed, agreed_as_top)
    sets += [(Set(f"GSM8K against {top}", gsm, (top,)), pairs) for top in TOPS]
    for one, ways in sets:
        for margin in MARGINS:
            for size in SIZES:
                rows += [cell(one, way, margin, size, asked.draws) for way in ways]
        print(one.name, len(one.outcomes), file=sys.stderr, flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(table(HEAD, [line(row) for row in rows]), end="\n\n")
    print(table(HALVES, [halves(gsm, top, SPLITS) for top in TOPS]))


if __name__ == "__main__":
    main(sys.argv[1:])
