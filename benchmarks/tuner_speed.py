"""How long tuning takes, and how much memory: each measured in a process of its own.

    python benchmarks/tuner_speed.py --out OUT            # about two minutes
    python benchmarks/tuner_speed.py --out OUT --quick    # a tenth of the tasks

500 tasks x 24 models with a confidence on every answer, and 100,000 x 10 from a file that was
written before. Seconds are of reading and of tuning, without the start of Python; memory is the
most that the process ever held. OUT gets tuner_speed.json and tuner_speed.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import numpy as np
from tuner_report import conditions, write
from tuner_tables import speed

CONFIDENCE = 0.9
FIELDS = ("query_id", "category", "model", "correct", "cost_usd", "confidence")
CASES: tuple[tuple[str, int, int, str, str], ...] = (
    ("500 tasks x 24 models, JSON lines", 500, 24, "jsonl", "tuning under 2 s"),
    ("100,000 x 10, JSON lines", 100_000, 10, "jsonl", "all under 60 s and 2,048 MiB"),
    ("100,000 x 10, JSON lines, gz", 100_000, 10, "jsonl.gz", "all under 60 s and 2,048 MiB"),
    ("100,000 x 10, CSV", 100_000, 10, "csv", "all under 60 s and 2,048 MiB"),
)


def rows(tasks: int, models: int) -> Iterator[dict[str, Any]]:
    """Outcomes of one difficulty a task: dearer models are better, and know it a little."""
    draws = np.random.default_rng(0)
    hard = draws.standard_normal(tasks)
    able = np.linspace(-0.6, 1.2, models)
    price = np.geomspace(0.001, 0.1, models)
    right = able + 0.8 * draws.standard_normal((tasks, models)) > hard[:, None]
    sure = np.clip(0.5 + 0.25 * (right - 0.5) + 0.2 * draws.standard_normal(right.shape), 0, 1)
    cost = price * draws.lognormal(0.0, 0.4, right.shape)
    for task in range(tasks):
        for model in range(models):
            yield {
                "query_id": f"task-{task}",
                "category": f"kind-{task % 5}",
                "model": f"model-{model:02d}",
                "correct": int(right[task, model]),
                "cost_usd": round(float(cost[task, model]), 9),
                "confidence": round(float(sure[task, model]), 4),
            }


def written(folder: Path, tasks: int, models: int, kind: str) -> Path:
    """The file of outcomes, as a user would have it."""
    path = folder / f"outcomes-{tasks}.{kind}"
    with _opened(path) as file:
        if kind == "csv":
            table = csv.DictWriter(file, FIELDS)
            table.writeheader()
            table.writerows(rows(tasks, models))
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows(tasks, models))
    return path


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            yield file
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file


def child(path: Path) -> dict[str, float]:
    """Read and tune, for the best single model; run in a process that does nothing else."""
    from rung.tuner.aims import Aim
    from rung.tuner.reading import read_outcomes
    from rung.tuner.tuning import tune

    began = perf_counter()
    outcomes = read_outcomes(path)
    read = perf_counter()
    baseline = outcomes.models[int(np.nanmean(outcomes.correct, axis=0).argmax())]
    found = tune(outcomes, Aim(baseline=baseline, confidence=CONFIDENCE))
    done = perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "reading": read - began,
        "tuning": done - read,
        "peak_mib": peak,
        "saved": found.saved.value if found.saved else 0.0,
        "certified": float(found.certified),
    }


def measured(path: Path, rounds: int) -> dict[str, float]:
    """The quickest of some rounds, each in a new process; the largest peak of all."""
    told = []
    for _ in range(rounds):
        answer = subprocess.run(
            [sys.executable, __file__, "--child", str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        told.append(json.loads(answer.stdout))
    quickest = min(told, key=lambda each: each["reading"] + each["tuning"])
    return {**quickest, "peak_mib": max(each["peak_mib"] for each in told)}


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if options.child:
        print(json.dumps(child(options.child)))
        return 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, tasks, models, kind, aim in CASES:
            many = tasks // 10 if options.quick else tasks
            path = written(Path(folder), many, models, kind)
            print(f"{name}: {path.stat().st_size / 2**20:.0f} MiB", file=sys.stderr)
            rounds = 5 if tasks < 1000 else options.rounds
            found.append({"name": name, "tasks": many, "aim": aim, **measured(path, rounds)})
    result = {"rows": found, "conditions": conditions()}
    write(options.out, "tuner_speed", result, [speed(result)])
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder for results")
    parser.add_argument("--rounds", type=int, default=2, help="of the large files")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
