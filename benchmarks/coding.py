"""A real coding cascade: twenty small functions, each judged by its tests in the sandbox.

.venv/bin/python benchmarks/coding.py                 # the embedded model, without and with repairs
.venv/bin/python benchmarks/coding.py --config F      # your own ladder, as it is configured
.venv/bin/python benchmarks/coding.py --json

The tests run apart from the code (trust `split`). Nothing is scripted: the embedded model is tiny
and solves few of them, which is what the bill then says.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from coding_tasks import TASKS

from rung import Cascade, checks
from rung.core.types import Kind
from rung.core.verdicts import Status, Trust
from rung.library import Result

BASELINE = "claude-sonnet-5-5"
MAX_TOKENS = 220
SEED = 7

LADDER = """\
ledger = "{ledger}"
baseline = "{baseline}"

[tiers.tiny]
provider = "embedded"
repairs = {repairs}
usd_per_second = 0.00000125

[tiers.tiny-drawn]
provider = "embedded"
samples = 4
repairs = 0
usd_per_second = 0.00000125

[ladders.default]
tiers = ["tiny", "tiny-drawn"]
carry = {carry}
"""
"""A local second is priced as 15 watts at 0.30 US dollars a kilowatt-hour."""

ARMS = {
    "no repair": {"repairs": 0, "carry": "false"},
    "one repair": {"repairs": 1, "carry": "false"},
    "one repair, draft carried up": {"repairs": 1, "carry": "true"},
}


@dataclass(frozen=True, slots=True)
class Arm:
    """All tasks run up one ladder."""

    name: str
    results: dict[str, Result]
    seconds: float

    def row(self) -> dict[str, Any]:
        """Its figures: passes by tier, what repairs did, what was spent."""
        all_ = list(self.results.values())
        passed = [each for each in all_ if each.verified]
        served = Counter(
            (each.tier, each.attempts[each.outcome.served or 0].kind) for each in passed
        )
        tried = [a for each in all_ for a in each.attempts if a.kind is Kind.REPAIR]
        repaired = sum(a.kind is Kind.REPAIR and _tests_passed(a) for a in tried)
        spent = sum(each.outcome.cost_nanousd for each in all_)
        baseline = sum(next(iter(each.outcome.baselines.values()), 0) for each in all_)
        return {
            "arm": self.name,
            "tasks": len(all_),
            "passed": len(passed),
            "by": {f"{tier}, {kind}": count for (tier, kind), count in sorted(served.items())},
            "to the inbox": len(all_) - len(passed),
            "repairs tried": len(tried),
            "repairs passed": repaired,
            "calls": sum(len(each.attempts) for each in all_),
            "spent_usd": spent / 1e9,
            "baseline_usd": baseline / 1e9,
            "seconds": round(self.seconds, 1),
            "trust": sorted({v.trust.value for each in all_ for v in each.verdicts if _tests(v)}),
        }


def _tests(verdict: Any) -> bool:
    return verdict.trust in {Trust.SPLIT, Trust.CANARY} or verdict.verifier == "unit_tests"


def _tests_passed(attempt: Any) -> bool:
    return any(_tests(v) and v.status is Status.PASSED for v in attempt.verdicts)


def run(name: str, config: Path) -> Arm:
    """All tasks, one after the other, so that seconds compare."""
    began, results = perf_counter(), {}
    with Cascade.from_config(config) as cascade:
        for task in TASKS:
            gate = checks.unit_tests(task.source)
            results[task.name] = cascade.run(
                task.prompt, verify=gate, max_tokens=MAX_TOKENS, temperature=0, seed=SEED
            )
            mark = "." if results[task.name].verified else "x"
            sys.stderr.write(mark)
            sys.stderr.flush()
    sys.stderr.write(f" {name}\n")
    return Arm(name, results, perf_counter() - began)


def shipped(folder: Path) -> list[Arm]:
    """The embedded model's ladder in each arm, with ledgers of their own."""
    arms = []
    for number, (name, how) in enumerate(ARMS.items()):
        path = folder / f"{number}" / "rung.toml"
        path.parent.mkdir()
        path.write_text(LADDER.format(ledger="rung.db", baseline=BASELINE, **how))
        arms.append(run(name, path))
    return arms


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    told.add_argument("--config", type=Path, help="a rung.toml of your own")
    told.add_argument("--json", action="store_true")
    asked = told.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = asked.config
        arms = [run(own.name, own)] if own else shipped(Path(folder))
    if asked.json:
        print(json.dumps([_whole(arm) for arm in arms], indent=2))
        return
    for arm in arms:
        print()
        for key, value in arm.row().items():
            print(f"  {key:>16}  {value}")
    print("\n" + _by_task(arms))


def _whole(arm: Arm) -> dict[str, Any]:
    tasks = {
        name: {"verified": each.verified, "tier": each.tier, "attempts": len(each.attempts)}
        for name, each in arm.results.items()
    }
    return arm.row() | {"by_task": tasks}


def _by_task(arms: list[Arm]) -> str:
    """Which task was solved where: the tier, or a human."""
    lines = []
    for task in TASKS:
        places = [arm.results[task.name].tier or "-" for arm in arms]
        lines.append(f"  {task.name:<24}" + "".join(f"{place:<14}" for place in places))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
