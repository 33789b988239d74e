"""Feed broken input to every reader of rung's and look whether what is promised holds.

    python tools/fuzz.py --executions 1000000 [--seed N] [--target NAME]
    python tools/fuzz.py --target NAME --input FILE     # one input again

Input number I of seed N is always the same. What breaks a promise is made smaller, written to a
file of its own and named with the command that tries it again; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS

MOST_SECONDS = 0.2
"""Processor time that one input of at most 64 KB may take, everything together."""

HANGS_AFTER_SECONDS = 5.0
SILENT_SECONDS = 120.0
"""A worker that is not heard of for so long hangs where no signal reaches it."""

FOLDER = Path(tempfile.gettempdir()) / "rung-fuzz"
BATCH = 1000
MOST_FOUND = 10
_SCHEDULE = tuple(name for name, target in TARGETS.items() for _ in range(target.share))


class HangError(Exception):
    """An input takes for ever."""


@dataclass
class Found:
    """An input that breaks a promise."""

    target: str
    data: bytes
    said: str
    number: int = -1


@dataclass
class Tally:
    """What some inputs came to."""

    runs: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in another one."""
        self.runs += other.runs
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        for name, seconds in other.slowest.items():
            self.slowest[name] = max(self.slowest.get(name, 0.0), seconds)
        self.found += other.found


def fault(target: str, data: bytes) -> str | None:
    """What is wrong with how ``data`` is read; ``None`` where nothing is."""
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_AFTER_SECONDS)
    try:
        TARGETS[target].check(data)
    except Exception:  # noqa: BLE001 boundary: whatever the code under test raises is a finding
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def slow(target: str, data: bytes) -> str | None:
    """Whether it takes too long, the best of three times: others use the machine too."""
    took = min(_timed(target, data)[1] for _ in range(3))
    return f"it takes {took:.2f} s" if took > MOST_SECONDS else None


def _timed(target: str, data: bytes) -> tuple[str | None, float]:
    began = time.thread_time()
    said = fault(target, data)
    return said, time.thread_time() - began


def made(seed: int, number: int, only: str | None = None) -> tuple[str, bytes]:
    """The target and the input of this number."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 no secret
    target = only or _SCHEDULE[number % len(_SCHEDULE)]
    return target, TARGETS[target].make(rng)


def batch(task: tuple[int, int, int, str | None]) -> Tally:
    """Try the inputs from one number up to another."""
    seed, start, stop, only = task
    signal.signal(signal.SIGVTALRM, _give_up)
    tally = Tally()
    for number in range(start, stop):
        target, data = made(seed, number, only)
        said, took = _timed(target, data)
        if said is None and took > MOST_SECONDS:
            said = slow(target, data)
        tally.runs[target] += 1
        tally.seconds[target] = tally.seconds.get(target, 0.0) + took
        tally.slowest[target] = max(tally.slowest.get(target, 0.0), took)
        if said is not None:
            tally.found.append(Found(target, data, said, number))
    return tally


def _give_up(*_: object) -> None:
    raise HangError(f"more than {HANGS_AFTER_SECONDS} s")


def tallies(
    executions: int, seed: int, only: str | None = None, *, workers: int = 2
) -> Iterator[Tally]:
    """The tallies of all batches, as they come."""
    tasks = [
        (seed, start, min(start + BATCH, executions), only) for start in range(0, executions, BATCH)
    ]
    with get_context("spawn").Pool(workers) as pool:
        results: Any = pool.imap(batch, tasks)
        for _ in tasks:
            yield results.next(SILENT_SECONDS)


def _distinct(found: list[Found]) -> list[Found]:
    """One of each kind: of one target, with one last line."""
    kinds = {(one.target, _kind(one.said)): one for one in reversed(found)}
    return list(kinds.values())[:MOST_FOUND]


def _kind(said: str) -> str:
    return said.strip().rpartition("\n")[2][:50]


def smaller(found: Found) -> Found:
    """The same fault with less input, as far as leaving out pieces goes."""
    kept, kind = found.data, _kind(found.said)
    size = max(1, len(kept) // 2)
    until = time.monotonic() + 3
    while size and time.monotonic() < until:
        for start in range(0, len(kept), size):
            tried = kept[:start] + kept[start + size :]
            said = fault(found.target, tried) or ""
            if kind in said:
                kept = tried
                break
        else:
            size //= 2
    return Found(found.target, kept, fault(found.target, kept) or found.said, found.number)


def report(found: Found, folder: Path) -> None:
    """Write one fault down, with how to see it again."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.target}-{found.number}.bin"
    path.write_bytes(found.data)
    print(f"\n{found.target}, input {found.number}, {len(found.data)} bytes: {found.data[:300]!r}")
    print(found.said.rstrip()[-2500:])
    print(f"again: python tools/fuzz.py --target {found.target} --input {path}")


def main() -> int:
    """Run as told; 1 where something was found."""
    told = _arguments()
    signal.signal(signal.SIGVTALRM, _give_up)
    if told.input:
        data = told.input.read_bytes()
        said = fault(told.target, data) or slow(told.target, data)
        print(said or "holds")
        return 1 if said else 0
    total, began, shown = Tally(), time.monotonic(), 0.0
    for tally in tallies(told.executions, told.seed, told.target):
        total.add(tally)
        seconds = time.monotonic() - began
        if seconds - shown >= 10:
            shown = seconds
            done, most = sum(total.runs.values()), told.executions
            pace = f"{done / seconds:.0f}/s, {len(total.found)} found"
            print(f"{done:>9} of {most}, {pace}", flush=True)
        if len(_distinct(total.found)) >= MOST_FOUND:
            break
    for found in _distinct(total.found):
        report(smaller(found), told.folder)
    _summary(total, told.seed, time.monotonic() - began)
    return 1 if total.found else 0


def _summary(total: Tally, seed: int, seconds: float) -> None:
    print(f"\n{'target':<22}{'executions':>11}{'mean us':>9}{'most ms':>9}")
    for name in TARGETS:
        if runs := total.runs[name]:
            mean, most = total.seconds[name] / runs * 1e6, total.slowest[name] * 1e3
            print(f"{name:<22}{runs:>11}{mean:>9.0f}{most:>9.1f}")
    count = sum(total.runs.values())
    print(f"{count} executions, seed {seed}, {seconds:.0f} s, {len(total.found)} found")


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=tuple(TARGETS), help="only this one")
    parser.add_argument("--input", type=Path, help="try the bytes of this file, for one --target")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for what is found")
    told = parser.parse_args()
    if told.input and not told.target:
        parser.error("--input needs a --target")
    return told


if __name__ == "__main__":
    sys.exit(main())
