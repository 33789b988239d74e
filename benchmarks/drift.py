"""How soon the watch over a certificate notices that the world has moved, and how often it errs.

    python benchmarks/drift.py            # two minutes; --json prints one document

Worlds in which everything is known are played label by label through the product's own bets
(`core.drift`), RUNS times each; the figures are those of
docs/tuning_drift.md.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

from markdown import percent, table

from rung.core.drift import Bets, enough
from rung.core.stats import quantile
from rung.tuner.watch import QUALITY_DOUBT

RUNS = 200
FOREVER = 10_000
LIMITS = (0.02, 0.05, 0.1, 0.2, 0.3)
LOSS = 0.05
CALM = (0, 300, 1000)


def alarm(limit: float, chances: Iterator[float], seed: int, most: int) -> int | None:
    """After how many labels the bet against the limit is won."""
    draws, bets = random.Random(seed), Bets(limit, 0.0)
    for label in range(1, most + 1):
        if bets.after(float(draws.random() < next(chances))) >= 1 / QUALITY_DOUBT:
            return label
    return None


def moved(before: float, after: float, calm: int) -> Iterator[float]:
    """The chance of a wrong answer, label by label."""
    for _ in range(calm):
        yield before
    while True:
        yield after


def noticing(limit: float, calm: int) -> dict[str, Any]:
    """Labels from the move on until the alarm. Before it, half as much is wrong as is allowed."""
    alarms = [
        alarm(limit, moved(limit / 2, limit + LOSS, calm), seed, FOREVER) for seed in range(RUNS)
    ]
    waits = [float(FOREVER if one is None else one - calm) for one in alarms]
    early = sum(wait <= 0 for wait in waits) / RUNS
    return {
        "limit": limit,
        "calm": calm,
        "median": quantile(waits, 0.5),
        "p90": quantile(waits, 0.9),
        "before_the_move": early,
        "said": enough(limit * (1 - limit), LOSS, QUALITY_DOUBT),
    }


def calling(limit: float) -> dict[str, Any]:
    """How often there is an alarm at all where the limit is exactly kept, within FOREVER labels."""
    alarms = [alarm(limit, moved(limit, limit, 0), seed, FOREVER) for seed in range(RUNS)]
    return {"limit": limit, "alarms": sum(one is not None for one in alarms) / RUNS}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the results as one document")
    options = parser.parse_args(arguments)
    found = {
        "runs": RUNS,
        "doubt": QUALITY_DOUBT,
        "noticing": [noticing(limit, calm) for limit in LIMITS for calm in CALM],
        "calling": [calling(limit) for limit in LIMITS],
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    heads = ["wrong that is allowed", *(f"after {calm:,} calm labels" for calm in CALM), "said"]
    rows = []
    for limit in LIMITS:
        each = [one for one in found["noticing"] if one["limit"] == limit]
        waits = [f"{one['median']:.0f} ({one['p90']:.0f})" for one in each]
        rows.append([percent(limit), *waits, f"{each[0]['said']}"])
    print(table(heads, rows))
    print()
    rows = [[percent(one["limit"]), percent(one["alarms"])] for one in found["calling"]]
    print(table(["wrong, exactly as allowed", f"alarms within {FOREVER:,} labels"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
