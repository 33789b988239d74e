"""Known joint distributions: is the best policy found, and does the certificate hold?

    python benchmarks/tuner_synthetic.py --out OUT            # an hour; resumes
    python benchmarks/tuner_synthetic.py --out OUT --quick    # about a minute

Each distribution is a population of which the cheapest policy is known by trying all: plain ladders
by enumeration, mixtures of ladders that may give up (a ladder a category where that was asked) by
duality. OUT gets tuner_synthetic.json and tuner_synthetic.md.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuner_cells import PROCESSES, Job, done, single_threaded

if __name__ == "__main__":
    single_threaded()

import numpy as np
from numpy.typing import NDArray
from tuner_best import least_cost, policies
from tuner_plants import PRICE, REFERENCE, ROWS, likes, passing, population
from tuner_report import conditions, write
from tuner_rivals import Ladders, naive
from tuner_tables import synthetic
from tuner_trials import Question, cell, rate

from rung.tuner.outcomes import Outcomes

Floats = NDArray[np.float64]
Draws = np.random.Generator

DRAWS = 1000
SIZES = (200,)
LARGE = 3000
LARGE_DRAWS = 50
SHARES = (0.4, 0.5, 0.6, 0.65, 0.72, 0.8)
PRICES = (0.01, 0.03, 0.05, 0.12, 0.2, 0.45)


@dataclass(frozen=True, slots=True)
class Known:
    """A distribution, and what is asked."""

    make: Callable[[Draws], Outcomes]
    margin: float = 0.0
    by_category: bool = False


def _joint(draws: Draws, likeness: float) -> Outcomes:
    """Six models of known rates and the reference at 80%."""
    leaning = likes(draws, ROWS, 7, likeness, draws.standard_normal(ROWS))
    others = np.column_stack([passing(draws, ROWS, s, leaning[:, j]) for j, s in enumerate(SHARES)])
    return population(passing(draws, ROWS, 0.8, leaning[:, 6]), others, PRICE * np.array(PRICES))


def _cyclic(draws: Draws) -> Outcomes:
    """Three models and three kinds of query: each is cheap where it fails and dear where it passes.

    By mean cost all are alike; which is best second depends on what the first one left over.
    """
    kind = draws.integers(3, size=ROWS)
    columns, prices = [], []
    for own in range(3):
        far = (kind - own) % 3
        columns.append(draws.random(ROWS) < np.array([0.9, 0.5, 0.1])[far])
        prices.append(PRICE * np.array([0.02, 0.3, 0.1])[far] * draws.uniform(0.9, 1.1, ROWS))
    return population(passing(draws, ROWS, 0.85), np.column_stack(columns), np.stack(prices, 1))


def _useless(draws: Draws) -> Outcomes:
    """A good cheap model, and five that are a little cheaper and pass nothing that it does not."""
    good = passing(draws, ROWS, 0.7)
    others = [good, *(good & (draws.random(ROWS) < share) for share in (0.9, 0.8, 0.7, 0.6, 0.5))]
    reference = passing(draws, ROWS, 0.72, good + draws.uniform(0.0, 1.2, ROWS))
    return population(reference, np.stack(others, 1), PRICE * np.array([0.05, *[0.045] * 5]))


def _equal(draws: Draws) -> Outcomes:
    """Six models and the reference, all alike in rate and cost, each right on rows of its own."""
    columns = np.stack([passing(draws, ROWS, 0.7) for _ in range(6)], 1)
    return population(passing(draws, ROWS, 0.7), columns, [PRICE] * 6)


def _hopeless(draws: Draws) -> Outcomes:
    """A quarter of the queries that nobody passes, on which the cheap models spend most."""
    kind = draws.choice(3, ROWS, p=[0.6, 0.15, 0.25])
    cheap = np.stack([(kind == 0) & (draws.random(ROWS) < 0.95) for _ in range(3)], 1)
    spend = np.where(kind == 2, draws.uniform(0.1, 0.2, ROWS), draws.uniform(0.01, 0.05, ROWS))
    prices = PRICE * spend[:, None] * draws.uniform(0.9, 1.1, (ROWS, 3))
    top = PRICE * np.where(kind == 2, 3.0, 1.0)
    reference = (kind == 1) | ((kind == 0) & (draws.random(ROWS) < 0.98))
    return population(reference, cheap, prices, reference_price=top)


def _specialists(draws: Draws) -> Outcomes:
    """Four categories, each with a cheap model that does it well and three that do not."""
    kind = draws.integers(4, size=ROWS)
    others = np.stack(
        [draws.random(ROWS) < np.where(kind == own, 0.88, 0.3) for own in range(4)], 1
    )
    names = [f"kind {at}" for at in kind]
    return population(passing(draws, ROWS, 0.85), others, [0.1 * PRICE] * 4, kinds=names)


def _coupled(draws: Draws) -> Outcomes:
    """What is hard is dear: one difficulty drives failure and every model's cost."""
    hard = draws.standard_normal(ROWS)
    leaning = likes(draws, ROWS, 7, 0.7, -hard)
    others = np.column_stack([passing(draws, ROWS, s, leaning[:, j]) for j, s in enumerate(SHARES)])
    factor = np.exp(0.6 * hard - 0.18)
    return population(
        passing(draws, ROWS, 0.8, leaning[:, 6]),
        others,
        PRICE * np.array(PRICES) * factor[:, None],
        reference_price=PRICE * factor,
    )


KNOWN: Mapping[str, Known] = {
    "independent": Known(lambda draws: _joint(draws, 0.0)),
    "correlated (copula 0.6)": Known(lambda draws: _joint(draws, 0.6)),
    "correlated (copula 0.6), margin 3": Known(lambda draws: _joint(draws, 0.6), 0.03),
    "strongly correlated (copula 0.9)": Known(lambda draws: _joint(draws, 0.9)),
    "cyclic costs": Known(_cyclic),
    "useless tiers": Known(_useless),
    "useless tiers, margin 3": Known(_useless, 0.03),
    "all equal": Known(_equal),
    "hopeless queries are dear": Known(_hopeless),
    "hopeless queries are dear, margin 3": Known(_hopeless, 0.03),
    "specialists, by category": Known(_specialists, by_category=True),
    "what is hard is dear": Known(_coupled),
}


@lru_cache(maxsize=2)
def question(name: str) -> Question:
    """A distribution's population; always the same one."""
    known = KNOWN[name]
    outcomes = known.make(np.random.default_rng(zlib.crc32(name.encode())))
    return Question(name, outcomes, REFERENCE, known.margin, by_category=known.by_category)


# ------------------------------------------------------------------ the best there is


@dataclass(frozen=True, slots=True)
class Best:
    """Costs in units of the reference's: of the best plain ladder, and of the best mixture."""

    plain: float
    mixed: float
    ladder: str


def best(asked: Question) -> Best:
    """The cheapest that reaches the target."""
    outcomes, unit = asked.population, asked.alone.cost
    ladders = Ladders(outcomes, asked.max_tiers)
    whole = ladders.measured()
    which = naive(whole, asked.target)
    names = [rung.tier for rung in ladders.tuned(which, whole).whole.rungs]
    parts = []
    for place in range(len(outcomes.categories)):
        rows = np.flatnonzero(outcomes.category == place)
        share = len(rows) / len(outcomes)
        parts.append((share, policies(outcomes.rows(rows), asked.max_tiers)))
    if not asked.by_category and len(parts) > 1:
        parts = [(1.0, policies(outcomes, asked.max_tiers))]
    return Best(
        float(whole.cost[which] / unit), least_cost(parts, asked.target) / unit, " > ".join(names)
    )


# ------------------------------------------------------------------ the whole


def work(told: Mapping[str, Any]) -> dict[str, Any]:
    """One cell."""
    asked = question(told["name"])
    if told["way"] == "best":
        found = best(asked)
        return {"plain": found.plain, "mixed": found.mixed, "ladder": found.ladder}
    return cell(asked, told["way"], told["size"], told["draws"])


def jobs(options: argparse.Namespace) -> list[Job]:
    """The best of each distribution, then the tuner's answers."""
    made = [Job(f"best {name}", {"name": name, "way": "best"}, "tuner_synthetic") for name in KNOWN]
    sizes = {**dict.fromkeys(options.sizes, options.draws), LARGE: options.large_draws}
    for name in KNOWN:
        for size, draws in sizes.items():
            if draws:
                told = {"name": name, "way": options.way, "size": size, "draws": draws}
                made.append(Job(f"{options.way} {name} {size}", told))
    return made


def told(cells: Mapping[str, Mapping[str, Any]], made: list[Job]) -> dict[str, Any]:
    """Everything that the table shows."""
    rows = []
    for job in made:
        if job.told["way"] == "best":
            continue
        found, known = cells[job.name], cells[f"best {job.told['name']}"]
        met = found["draws"] - found["violations"]
        shapes = found["shapes"]
        rows.append(
            {
                **found,
                "name": job.told["name"],
                "size": job.told["size"],
                "met": rate(met, found["draws"]),
                "best_plain": known["plain"],
                "best_mixed": known["mixed"],
                "best_ladder": known["ladder"],
                "chosen": f"{max(shapes, key=shapes.get)} "
                f"({100 * max(shapes.values()) / found['draws']:.0f}%)",
            }
        )
    return {"cells": rows}


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if options.quick:
        options.draws, options.large_draws = 20, 0
    made = jobs(options)
    cells = done(made, work, options.out / "synthetic_cells", options.processes)
    found = told(cells, made) | {"conditions": conditions()}
    write(options.out, "tuner_synthetic", found, [synthetic(found)])
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for results and cells")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--large-draws", type=int, default=LARGE_DRAWS, help=f"with n = {LARGE}")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--way", default="default", choices=("default", "plain", "proof", "none"))
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--quick", action="store_true", help="20 draws, n = 200 alone")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
