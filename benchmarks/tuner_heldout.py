"""What is saved at equal or better quality: tuned on one half of the outcomes, true on the other.

    python benchmarks/tuner_heldout.py --data FOLDER --out OUT            # some minutes; resumes
    python benchmarks/tuner_heldout.py --data FOLDER --out OUT --quick    # under a minute

Each split tunes on one half, for the model that is best there, and is measured on the other half.
OUT gets tuner_heldout.json, tuner_heldout.md and tuner_heldout.svg.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from tuner_cells import PROCESSES, TUNER, Job, done, single_threaded

if __name__ == "__main__":
    single_threaded()

import numpy as np
from svg import drawn
from tuner_figures import heldout_figure
from tuner_populations import SETS, best_models, missing, population
from tuner_report import conditions, write
from tuner_rivals import Ladders, kept, ladder, naive
from tuner_tables import heldout
from tuner_truth import truth

from rung.tuner.aims import Aim, Mode, Tuned
from rung.tuner.outcomes import Outcomes
from rung.tuner.tuning import tune

SPLITS = 40
ASKED: Mapping[str, Mapping[str, Any]] = {
    "default": {"mode": Mode.DEFAULT},
    "plain": {"mode": Mode.DEFAULT, "give_up": False},
    "proof": {"mode": Mode.PROOF},
    "none": {"mode": Mode.NONE},
}
WAYS = ("naive", "reference kept", *ASKED)


def chosen(half: Outcomes, way: str, reference: str, seed: int) -> Tuned:
    """What a way makes of one half."""
    if way in ASKED:
        found = tune(half, Aim(baseline=reference, seed=seed, **ASKED[way])).tuned
        return ladder([reference]) if found is None else found
    ladders = Ladders(half)
    sample = ladders.measured()
    target = float(half.correct[:, half.place[reference]].mean())
    which = naive(sample, target) if way == "naive" else kept(sample, ladders.having(reference))
    return ladders.tuned(which, sample)


def split(whole: Outcomes, way: str, seed: int) -> dict[str, float]:
    """One split: savings and quality against the reference, on either half."""
    order = np.random.default_rng([seed, len(whole)]).permutation(len(whole))
    halves = [whole.rows(half) for half in (order[: len(whole) // 2], order[len(whole) // 2 :])]
    reference = best_models(halves[0])[0]
    tuned = chosen(halves[0], way, reference, seed)
    found: dict[str, float] = {}
    for name, half in zip(("in", "out"), halves, strict=True):
        true, alone = truth(half, tuned), truth(half, ladder([reference]))
        found[f"saved_{name}"] = 1.0 - true.cost / alone.cost
        found[f"gain_{name}"] = true.quality - alone.quality
    return found


def work(told: Mapping[str, Any]) -> dict[str, Any]:
    """All splits of one set by one way."""
    whole = population(Path(told["data"]), told["set"])
    return {"splits": [split(whole, told["way"], seed) for seed in range(told["splits"])]}


def row(name: str, way: str, splits: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Means and tenths over the splits."""
    losses = [-each["gain_out"] for each in splits if each["gain_out"] < -1e-9]
    figures = ("saved_in", "saved_out", "gain_in", "gain_out")
    return {
        "set": name,
        "way": way,
        "splits": len(splits),
        **{figure: _spread([each[figure] for each in splits]) for figure in figures},
        "below": len(losses) / len(splits),
        "shortfall": fmean(losses) if losses else None,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, high = np.quantile(values, (0.1, 0.9))
    return {"mean": fmean(values), "p10": float(low), "p90": float(high)}


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if options.quick:
        options.splits = 4
    if gone := missing(options.data):
        print(f"Not in {options.data}: {', '.join(gone)}. docs/tuning_figures.md names them.")
        return 2
    data = str(options.data.resolve())
    made = [
        Job(
            f"{name} {way}",
            {"data": data, "set": name, "way": way, "splits": options.splits},
            TUNER if way in ASKED else "tuner_rivals",
        )
        for name, way in product(SETS, WAYS)
    ]
    cells = done(made, work, options.out / "heldout_cells", options.processes)
    rows = [row(job.told["set"], job.told["way"], cells[job.name]["splits"]) for job in made]
    found = {"rows": rows, "conditions": conditions()}
    write(options.out, "tuner_heldout", found, [heldout(found)])
    (options.out / "tuner_heldout.svg").write_text(drawn(heldout_figure(found)), "utf-8")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the recorded outcomes")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and cells")
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--quick", action="store_true", help="4 splits")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
