"""Does the promise hold on truth where the check errs? Samples from recorded outcomes, and worlds.

    nice .venv/bin/python benchmarks/tuner_noisy.py --data FOLDER --draws 100

Each set of recorded outcomes is a population whose truth is known. A world says how the check errs
on it: by the same two rates everywhere, or more on some queries than on others. A draw takes
queries with replacement and tunes on them; what is recommended is then held against the whole
population, in that world, exactly. Broken is a recommendation that is right less often than the
reference less the margin.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from statistics import fmean
from time import perf_counter

import numpy as np
from markdown import table
from tuner_counts import interval
from tuner_populations import ROUTERBENCH, SWEBENCH, ZEROEVAL, best_models, population, rows_drawn

from rung.core.plan import OnExhausted
from rung.tuner.aims import SOUND, Aim, Errors
from rung.tuner.erring import ordered
from rung.tuner.losses import most_lost
from rung.tuner.measured import measured_errors
from rung.tuner.noisy import by_rates, costs_of, differences_of, rights_of
from rung.tuner.noisy_tuning import certified, mean_costs
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.tuning import tune

SETS = (SWEBENCH, ROUTERBENCH, ZEROEVAL)
MARGINS = (0.01, 0.03, 0.1)
QUERIES = 200
CONFIDENCE = 0.9
MOST_MODELS = 24
ADVERSE = "20/20, only where the reference is right"


@dataclass(frozen=True)
class World:
    """``accept`` and ``reject`` are the true chances of error, by query (N x 1)."""

    outcomes: Outcomes
    accept: Floats
    reject: Floats

    def played(self, ladders: Ints) -> tuple[Floats, Floats]:
        """The true quality and mean cost of each ladder."""
        made = by_rates(self.outcomes.correct, self.accept, self.reject)
        right = rights_of(made, ladders, OnExhausted.BEST).mean(axis=1, dtype=np.float64)
        costs = costs_of(made, self.outcomes.cost, ladders).mean(axis=1, dtype=np.float64)
        return right, costs

    def verdicts(self, rng: np.random.Generator) -> Floats:
        """What the check says of each answer, drawn once."""
        made = by_rates(self.outcomes.correct, self.accept, self.reject)
        return (rng.random(made.passed.shape) < made.passed).astype(np.float64)


@dataclass(frozen=True)
class Case:
    """A kind of world, and what the tuner is told of it.

    ``spread`` says on which queries the check passes wrong answers more often; the rate over all
    wrong answers is ``accept``. ``labels``: the rates are measured on so many labelled answers.
    ``recorded``: the outcomes hold the check's verdicts. ``beside``: the rates are measured where
    the reference is right (false accepts) and wrong (false rejects).
    """

    name: str
    accept: float
    reject: float
    spread: str = "even"
    labels: int = 0
    recorded: bool = False
    beside: bool = False


CASES = (
    Case("5/5, told", 0.05, 0.05),
    Case("20/20, told", 0.2, 0.2),
    Case("50/5, told", 0.5, 0.05),
    Case("20/20, measured on 100 labels", 0.2, 0.2, labels=100),
    Case("20/20, measured on 400 labels", 0.2, 0.2, labels=400),
    Case("5/5, measured on 400 labels", 0.05, 0.05, labels=400),
    Case("20/20, verdicts recorded", 0.2, 0.2, recorded=True),
    Case("20/20, more on hard queries; told", 0.2, 0.2, "hard"),
    Case("20/20, more on easy queries; told", 0.2, 0.2, "easy"),
    Case(f"{ADVERSE}; told", 0.2, 0.2, "adverse"),
    Case(f"{ADVERSE}; measured on 400 labels", 0.2, 0.2, "adverse", labels=400),
    Case(f"{ADVERSE}; so measured on 400", 0.2, 0.2, "adverse", labels=400, beside=True),
    Case(f"{ADVERSE}; recorded", 0.2, 0.2, "adverse", recorded=True),
)


def world(outcomes: Outcomes, reference: int, case: Case) -> World:
    """With chances in proportion to what the case says, cut at 1, of the rate that it says."""
    hard = 1 - outcomes.correct.mean(axis=1, keepdims=True)
    shape = {
        "even": np.ones_like(hard),
        "hard": hard,
        "easy": 1 - hard,
        "adverse": outcomes.correct[:, [reference]],
    }[case.spread]
    low, high = 0.0, 1e4
    wrong = 1 - outcomes.correct
    for _ in range(60):
        middle = (low + high) / 2
        rate = (np.minimum(1, middle * shape) * wrong).sum() / wrong.sum()
        low, high = (middle, high) if rate < case.accept else (low, middle)
    return World(outcomes, np.minimum(1, low * shape), np.full_like(hard, case.reject))


Tuner = Callable[[Outcomes, Ints, int, Aim], int | None]
"""The place of the ladder that is recommended, ``None``: the reference alone."""


def ours(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> int | None:
    """As the product does."""
    found = certified(outcomes, ladders, reference, aim)
    if found is None:
        return None
    row = [*found.columns, *[-1] * (ladders.shape[1] - len(found.columns))]
    return int(np.flatnonzero((ladders == row).all(axis=1))[0])


def tuned(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> int | None:
    """The whole of `rung tune`, with all ladders of up to three tiers in all orders."""
    found = tune(outcomes, replace(aim, baseline=outcomes.models[reference])).tuned
    assert found is not None
    assert found.whole.on_exhausted is OnExhausted.BEST
    columns = [outcomes.place[rung.tier] for rung in found.whole.rungs]
    row = [*columns, *[-1] * (ladders.shape[1] - len(columns))]
    places = np.flatnonzero((ladders == row).all(axis=1))
    return int(places[0]) if columns != [reference] else None


def trusting(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> int | None:
    """The free certificate, as if the check were sound: the cheapest that ends in the reference."""
    sound = replace(aim, errors=SOUND, max_loss=0.0)
    plain = replace(outcomes, accepted=None)
    ends = most_lost(plain, ladders, reference, SOUND, served=True) == 0
    costs = np.where(ends, mean_costs(plain, ladders, sound), np.inf)
    return int(np.argmin(costs))


def naive(outcomes: Outcomes, ladders: Ints, reference: int, aim: Aim) -> int | None:
    """The cheapest whose mean is high enough on the sample, by the rates as they are thought."""
    gaps = differences_of(outcomes, ladders, reference, aim.errors, worst=False).mean(axis=1)
    costs = np.where(gaps >= -aim.max_loss, mean_costs(outcomes, ladders, aim), np.inf)
    best = int(np.argmin(costs))
    return best if costs[best] < outcomes.cost[:, reference].mean() else None


TUNERS: dict[str, Tuner] = {"certified": ours, "naive": naive, "trusting": trusting}
WHOLE: dict[str, Tuner] = {"rung tune": tuned}


def ladders_of(outcomes: Outcomes, reference: int, *, all_orders: bool) -> Ints:
    """All of one and two tiers, and all of three that end in the reference; or all of three."""
    models = range(len(outcomes.models))
    if all_orders:
        return ordered(outcomes, reference, 3)
    found = [(*each, *[-1] * (3 - n)) for n in (1, 2) for each in permutations(models, n)]
    lower = [model for model in models if model != reference]
    found += [(*pair, reference) for pair in permutations(lower, 2)]
    return np.array([each for each in found if each != (reference, -1, -1)])


def told(made: World, case: Case, reference: int, rng: np.random.Generator) -> Errors:
    """What the tuner knows of the rates."""
    if case.recorded:
        return SOUND
    if not case.labels:
        return Errors(case.accept, case.reject)
    rows = rng.integers(len(made.outcomes), size=case.labels)
    seen = np.full((case.labels, len(made.outcomes.models)), np.nan)
    picked = rng.integers(seen.shape[1], size=case.labels)
    places = np.arange(case.labels)
    seen[places, picked] = World(
        made.outcomes.rows(rows), made.accept[rows], made.reject[rows]
    ).verdicts(rng)[places, picked]
    labelled = replace(made.outcomes.rows(rows), accepted=seen)
    return measured_errors(labelled, CONFIDENCE, reference if case.beside else None)


def cell(name: str, made: World, reference: int, case: Case, asked: argparse.Namespace) -> list:
    """One row for each margin and tuner."""
    ladders = ladders_of(made.outcomes, reference, all_orders=asked.whole)
    right, costs = made.played(ladders)
    alone = made.outcomes.correct[:, reference].mean()
    price = made.outcomes.cost[:, reference].mean()
    rows = []
    for margin in asked.margins:
        bad = right < alone - margin - 1e-6
        possible = min(float(costs[~bad].min(initial=price)), price) / price
        for tuner, choose in (WHOLE if asked.whole else TUNERS).items():
            broken, spent, without = 0, [], 0
            for draw in range(asked.draws):
                rng = np.random.default_rng([draw, 7])
                sample = made.outcomes.rows(rows_drawn(name, QUERIES, draw, len(made.outcomes)))
                if case.recorded:
                    kept = World(sample, *_of(made, name, draw))
                    sample = replace(sample, accepted=kept.verdicts(rng))
                errors = told(made, case, reference, rng)
                aim = Aim("", margin, confidence=CONFIDENCE, errors=errors, seed=draw)
                place = choose(sample, ladders, reference, aim)
                broken += place is not None and bool(bad[place])
                spent.append(1.0 if place is None else float(costs[place] / price))
                without += place is None
            rows.append(
                {
                    "set": name,
                    "case": case.name,
                    "margin": margin,
                    "tuner": tuner,
                    "draws": asked.draws,
                    "broken": broken,
                    "without": without / asked.draws,
                    "cost": fmean(spent),
                    "possible": possible,
                }
            )
    return rows


def _of(made: World, name: str, draw: int) -> tuple[Floats, Floats]:
    rows = rows_drawn(name, QUERIES, draw, len(made.outcomes))
    return made.accept[rows], made.reject[rows]


def page(rows: Sequence[dict]) -> str:
    """One table over all sets: the worst cell and the means, by case and tuner."""
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        for tuner in dict.fromkeys(row["tuner"] for row in rows):
            cells = [row for row in rows if (row["case"], row["tuner"]) == (case, tuner)]
            if not cells:
                continue
            worst = max(cells, key=lambda row: row["broken"] / row["draws"])
            low, high = interval(worst["broken"], worst["draws"])
            lines.append(
                [
                    case,
                    tuner,
                    f"{fmean(row['broken'] / row['draws'] for row in cells):.1%}",
                    f"{worst['broken'] / worst['draws']:.0%} [{low:.0%}-{high:.0%}]",
                    f"{fmean(row['cost'] for row in cells):.3f}",
                    f"{fmean(row['possible'] for row in cells):.3f}",
                    f"{fmean(row['without'] for row in cells):.0%}",
                ]
            )
    head = [
        "check",
        "tuner",
        "broken, mean",
        "worst cell",
        "cost",
        "in hindsight",
        "no certificate",
    ]
    return table(head, lines)


def main(given: Sequence[str]) -> None:
    """Run the cells and print the table; ``--json`` keeps each cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--margins", type=float, nargs="*", default=MARGINS)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--cases", nargs="*", help="Only those whose names begin so.")
    parser.add_argument("--whole", action="store_true", help="`rung tune` itself: slower.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(given)
    began, rows = perf_counter(), []
    for name in asked.sets:
        whole = population(asked.data, name)
        outcomes = whole.of(best_models(whole)[:MOST_MODELS])
        for case in CASES:
            if asked.cases and not case.name.startswith(tuple(asked.cases)):
                continue
            rows += cell(name, world(outcomes, 0, case), 0, case, asked)
            print(name, case.name, f"{perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(page(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
