"""Can the tuner be tricked? Populations made to make it promise too much.

    python benchmarks/adversaries.py --out OUT            # an hour and more; resumes
    python benchmarks/adversaries.py --out OUT --quick    # about two minutes

Each trap is a population in which what looks good is just not good enough. A violation is an answer
whose true quality is below the target. OUT gets adversaries.json and adversaries.md.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from tuner_cells import PROCESSES, Job, done, single_threaded

if __name__ == "__main__":
    single_threaded()

import numpy as np
import tuner_plants as plants
from tuner_report import conditions, write
from tuner_tables import adversaries as all_traps
from tuner_tables import adversaries_worst
from tuner_trials import CONFIDENCE, WAYS, Question, cell, rate

from rung.tuner.aims import SOUND, Errors
from rung.tuner.outcomes import Outcomes

DRAWS = 200
SIZES = (50, 200)
POORLY_CHECKED = Errors(false_accept=0.2, false_reject=0.2)


@dataclass(frozen=True, slots=True)
class Trap:
    """A population, and what is asked of it."""

    make: Callable[[np.random.Generator], Outcomes]
    margin: float = 0.0
    max_tiers: int = 3
    by_category: bool = False
    errors: Errors = SOUND


def _ties(
    count: int, gap: float, likeness: float, quality: float = 0.75, price: float = 0.02
) -> Trap:
    return Trap(
        lambda draws: plants.near_ties(draws, count, quality, gap, likeness, price), max_tiers=1
    )


def _with_margin(trap: Trap, margin: float) -> Trap:
    return Trap(trap.make, margin, trap.max_tiers, trap.by_category, trap.errors)


def _sets(count: int, gap: float, likeness: float, margin: float = 0.0, each: float = 0.35) -> Trap:
    return Trap(lambda draws: plants.near_sets(draws, count, each, gap, margin, likeness), margin)


def _named() -> dict[str, Trap]:
    traps: dict[str, Trap] = {}
    for count, gap, likeness in product((10, 60, 300), (0.005, 0.01, 0.02, 0.04), (0.0, 0.6)):
        if count == 60 or gap in (0.005, 0.02):
            kind = "alike" if likeness else "independent"
            traps[f"{count} near ties, {100 * gap:g} points, {kind}"] = _ties(count, gap, likeness)
    traps |= {
        "60 near ties, very alike": _ties(60, 0.005, 0.95),
        "60 near ties, hardly cheaper": _ties(60, 0.005, 0.6, price=0.9),
        "30 near ties at 99%": _ties(30, 0.005, 0.3, 0.99),
        "100 near ties at 97%": _ties(100, 0.01, 0.0, 0.97),
        "60 near ties at 30%": _ties(60, 0.01, 0.5, 0.3),
        "30 near ties at 3%": _ties(30, 0.01, 0.3, 0.03),
        "30 near ties at 1.5%": _ties(30, 0.01, 0.0, 0.015),
        "60 near ties, margin 3": Trap(
            lambda draws: plants.near_ties(draws, 60, 0.75, 0.035, 0.6), 0.03, 1
        ),
        "60 near ties at 99%, margin 1": Trap(
            lambda draws: plants.near_ties(draws, 60, 0.99, 0.015, 0.3), 0.01, 1
        ),
    }
    for count, gap, likeness in product((8, 16, 24), (0.002, 0.01), (0.0, 0.6)):
        kind = "alike" if likeness else "independent"
        traps[f"all sets of {count} below, {100 * gap:g} points, {kind}"] = _sets(
            count, gap, likeness
        )
    traps |= {
        "all sets of 16 below, margin 3": _sets(16, 0.005, 0.6, 0.03),
        "all sets of 16 below, weak models": _sets(16, 0.005, 0.0, 0.0, 0.12),
        "one core, 0.5 points below": Trap(lambda draws: plants.one_core(draws, 14, 0.7, 0.005)),
        "one core, 2 points below": Trap(lambda draws: plants.one_core(draws, 14, 0.95, 0.02)),
        "bait: the cheapest are below": Trap(
            lambda draws: plants.bait(draws, 0.01, 0.03), max_tiers=1
        ),
        "bait, ladders of two": Trap(lambda draws: plants.bait(draws, 0.01, 0.03), max_tiers=2),
    }
    for count in (20, 60):
        traps[f"a flattered safe ladder of {count}"] = Trap(
            lambda draws, count=count: plants.flattered(draws, count), max_tiers=2
        )
    return traps | _giving_up() | _kinds() | _odd()


def _giving_up() -> dict[str, Trap]:
    return {
        "cliff: rare, 1 point": Trap(lambda draws: plants.cliff(draws, 0.01, 0.0)),
        "cliff: rare, half a point": Trap(lambda draws: plants.cliff(draws, 0.005, 0.0)),
        "cliff: hidden by a gain": Trap(lambda draws: plants.cliff(draws, 0.04, 0.03)),
        "cliff: hidden by a great gain": Trap(lambda draws: plants.cliff(draws, 0.11, 0.10)),
        "cliff: beyond a margin": Trap(lambda draws: plants.cliff(draws, 0.02, 0.0), 0.01),
        "clocks: 12, 10% lost": Trap(lambda draws: plants.clocks(draws, 12, 0.1)),
        "clocks: 24, 4% lost": Trap(lambda draws: plants.clocks(draws, 24, 0.04)),
        "clocks: 24, 4% lost, margin 1": Trap(lambda draws: plants.clocks(draws, 24, 0.04), 0.01),
        "harmless: 1 point": Trap(lambda draws: plants.harmless(draws, 0.01)),
        "harmless: 2 points, margin 1": Trap(lambda draws: plants.harmless(draws, 0.02), 0.01),
    }


def _kinds() -> dict[str, Trap]:
    return {
        "a broken category, 1 point below in all": Trap(
            lambda draws: plants.broken_category(draws, 0.03, 0.17), max_tiers=1, by_category=True
        ),
        "a broken category, above in all": Trap(
            lambda draws: plants.broken_category(draws, 0.06, 0.18), max_tiers=1, by_category=True
        ),
        "40 rare categories": Trap(
            lambda draws: plants.rare_categories(draws, 40, 0.01), by_category=True
        ),
        "200 rare categories": Trap(
            lambda draws: plants.rare_categories(draws, 200, 0.005), by_category=True
        ),
    }


def _odd() -> dict[str, Trap]:
    return {
        "heavy tails": Trap(lambda draws: plants.heavy_tails(draws, 0.01), max_tiers=1),
        "all equal": Trap(lambda draws: plants.all_equal(draws, 6, 0.7)),
        "always right": Trap(lambda _: plants.constant(1.0, 6)),
        "always wrong": Trap(lambda _: plants.constant(0.0, 6)),
        "one model": Trap(plants.alone),
        "the reference under other names": Trap(
            lambda draws: plants.doubles(draws, 30, 0.01), max_tiers=1
        ),
        "a check that errs, poor models": Trap(
            lambda draws: plants.erring(draws, 0.25, 0.75), errors=POORLY_CHECKED
        ),
        "a check that errs, good models": Trap(
            lambda draws: plants.erring(draws, 0.6, 0.75), errors=POORLY_CHECKED
        ),
        "a check that errs, good models, margin 3": Trap(
            lambda draws: plants.erring(draws, 0.65, 0.7), 0.03, errors=POORLY_CHECKED
        ),
        "a check that lets pass, margin 1": Trap(
            lambda draws: plants.erring(draws, 0.5, 0.7), 0.01, errors=Errors(false_accept=0.05)
        ),
    }


TRAPS = _named()


@lru_cache(maxsize=2)
def question(name: str) -> Question:
    """A trap, made; always the same one."""
    trap = TRAPS[name]
    outcomes = trap.make(np.random.default_rng(zlib.crc32(name.encode())))
    return Question(
        name,
        outcomes,
        plants.REFERENCE,
        trap.margin,
        trap.max_tiers,
        trap.by_category,
        trap.errors,
    )


def work(told: Mapping[str, Any]) -> dict[str, Any]:
    """One cell."""
    return cell(question(told["trap"]), told["way"], told["size"], told["draws"])


def jobs(options: argparse.Namespace) -> list[Job]:
    """All cells, trap by trap."""
    chosen = [name for name in TRAPS if all(word in name for word in options.only)]
    return [
        Job(
            f"{name} {size} {way}",
            {"trap": name, "size": size, "way": way, "draws": options.draws},
        )
        for name, size, way in product(chosen, options.sizes, options.ways)
    ]


def told(
    cells: Mapping[str, Mapping[str, Any]], made: list[Job], ways: tuple[str, ...]
) -> dict[str, Any]:
    """Everything that the tables show."""
    rows: dict[str, dict[str, Any]] = {}
    for job in made:
        name, size, way = job.told["trap"], job.told["size"], job.told["way"]
        row = rows.setdefault(
            f"{name}, n = {size}",
            {"trap": name, "size": size, "margin": TRAPS[name].margin, "ways": {}},
        )
        found = cells[job.name]
        row["ways"][way] = {**found, "violated": rate(found["violations"], found["draws"])}
    return {
        "ways": list(ways),
        "cells": rows,
        "overall": {way: _overall(rows, way) for way in ways},
    }


def _overall(rows: Mapping[str, Any], way: str) -> dict[str, Any]:
    found = {name: row["ways"][way] for name, row in rows.items()}
    worst = max(found, key=lambda name: found[name]["violated"]["share"])
    return {
        "cells": len(found),
        "violated": fmean(each["violated"]["share"] for each in found.values()),
        "worst": found[worst]["violated"],
        "worst_cell": worst,
        "above": sum(each["violated"]["share"] > 1 - CONFIDENCE for each in found.values()),
        "surely_above": sum(each["violated"]["low"] > 1 - CONFIDENCE for each in found.values()),
        "cost": fmean(each["cost"] for each in found.values()),
    }


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if options.quick:
        options.draws, options.sizes, options.ways = 10, (100,), ("default",)
    made = jobs(options)
    if not made:
        print(f"No trap has {' and '.join(options.only)} in its name.")
        return 2
    cells = done(made, work, options.out / "adversary_cells", options.processes)
    found = told(cells, made, tuple(options.ways))
    found |= {"draws": options.draws, "conditions": conditions()}
    write(options.out, "adversaries", found, [adversaries_worst(found), all_traps(found)])
    return 0


def _options() -> argparse.ArgumentParser:
    ways = tuple(way for way in WAYS if way != "number")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for results and cells")
    parser.add_argument("--only", nargs="*", default=(), help="words in the names of traps")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ways", nargs="+", default=ways, choices=ways)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--quick", action="store_true", help="10 draws, one size, the default way")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
