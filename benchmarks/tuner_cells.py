"""Many small pieces of work, two at a time, each kept in a file: what was done is not done again.

A piece that another state of the code has made is done anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

PROCESSES = 2
KINDNESS = 10
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

SOURCES = Path(__file__).parent.parent / "src" / "rung"
TUNER = "rung.tuner.tuning"

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece: a name of its own, and what the work needs to know (all of it JSON).

    ``code`` is the module on whose source the result depends.
    """

    name: str
    told: Mapping[str, Any]
    code: str = TUNER


def single_threaded() -> None:
    """One thread a process, and others first: to be called before numpy is used."""
    for name in THREADS:
        os.environ[name] = "1"
    os.nice(max(0, KINDNESS - os.nice(0)))


def done(
    jobs: Sequence[Job],
    work: Callable[[Mapping[str, Any]], Result],
    folder: Path,
    processes: int = PROCESSES,
) -> dict[str, Result]:
    """Every piece's result by its name; what ``folder`` lacks is worked out, and told of."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {code: code_state(code) for code in {job.code for job in jobs}}
    found = {job.name: _kept(folder, job, states[job.code]) for job in jobs}
    todo = [job for job in jobs if found[job.name] is None]
    began = perf_counter()
    for at, (name, result) in enumerate(_results(todo, work, processes), 1):
        found[name] = result
        job = next(job for job in todo if job.name == name)
        _keep(folder, job, states[job.code], result)
        passed = perf_counter() - began
        left = passed / at * (len(todo) - at)
        print(f"{at}/{len(todo)} {name}: {passed:.0f} s, {left:.0f} s to go", file=sys.stderr)
    return {name: result for name, result in found.items() if result is not None}


def _results(todo: Sequence[Job], work: Callable[..., Result], processes: int) -> Any:
    if processes < 2 or len(todo) < 2:
        yield from map(_Named(work), todo)
        return
    with get_context("spawn").Pool(processes, single_threaded) as pool:
        yield from pool.imap_unordered(_Named(work), todo)


@dataclass(frozen=True, slots=True)
class _Named:
    work: Callable[[Mapping[str, Any]], Result]

    def __call__(self, job: Job) -> tuple[str, Result]:
        return job.name, self.work(job.told)


def code_state(first: str) -> str:
    """A hash of a module's source and of all that it imports of the tuner or of this folder."""
    todo, seen = [first], dict[str, bytes]()
    while todo:
        name = todo.pop()
        path = _source(name)
        if name in seen or path is None:
            continue
        seen[name] = path.read_bytes()
        todo += [match.decode() for match in _IMPORTED.findall(seen[name])]
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(seen[name])
    return digest.hexdigest()[:16]


_IMPORTED = re.compile(rb"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)


def _source(name: str) -> Path | None:
    places = {"rung.tuner.": SOURCES / "tuner", "": Path(__file__).parent}
    for prefix, folder in places.items():
        path = folder / f"{name.removeprefix(prefix)}.py"
        if name.startswith(prefix) and path.is_file():
            return path
    return None


def _place(folder: Path, job: Job) -> Path:
    return folder / (re.sub(r"[^\w.=-]+", "_", job.name) + ".json")


def _kept(folder: Path, job: Job, state: str) -> Result | None:
    try:
        known = json.loads(_place(folder, job).read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    same = known["state"] == state and known["told"] == dict(job.told)
    result: Result | None = known["result"] if same else None
    return result


def _keep(folder: Path, job: Job, state: str, result: Result) -> None:
    place = _place(folder, job)
    text = json.dumps({"state": state, "told": dict(job.told), "result": result}) + "\n"
    unfinished = place.with_suffix(".part")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(place)
