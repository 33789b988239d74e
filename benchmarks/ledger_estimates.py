"""Are the estimates from a ledger right, and do their intervals hold? Where the truth is known.

    nice .venv/bin/python benchmarks/ledger_estimates.py --draws 300

A gateway in arrays (`tests/support/censoring.py`) serves requests of which every tier's outcome is
known and lets its ledger see what a real one would. Each policy's value is estimated from that and
held against the truth. *Alone* is the mean of the requests whose whole way was seen, each counted
once. A cell that is refused in any draw says in how many.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markdown import table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from rung.tuner.aims import Tuned
from rung.tuner.censored import Censored
from rung.tuner.doubly_robust import Valued, value
from rung.tuner.observing import weights
from support.censoring import KINDS, TIERS, Gateway, World, everywhere, limited, policy, seen_of

MANY = 1_000_000
REQUESTS = 1000

GATEWAYS: Mapping[str, Gateway] = {
    "10% explored, 10% probed": Gateway(),
    "10% explored, 20% audited": Gateway(probed=0.0, audited=0.2),
    "2% explored alone": Gateway(probed=0.0, explored=0.02),
    "half may climb to the top, 20% errors pass, 30% labelled, 10% probed": Gateway(
        reach=0.5, audited=0.3, lets_pass=0.2, by_human=True
    ),
}
POLICIES: Mapping[str, Tuned] = {
    "as served": Tuned(policy(*TIERS), {"hard": policy("middle", "large")}),
    "all three": everywhere(*TIERS),
    "small, large": everywhere("small", "large"),
    "large, small": everywhere("large", "small"),
    "large alone": everywhere("large"),
    "given up": everywhere("small", "middle", limited("large", most_spent_nanousd=5_000_000)),
    "half": everywhere("small", "middle", limited("large", reach=0.5)),
}


def alone(seen: Censored, tuned: Tuned) -> tuple[float, float]:
    """What requests come to whose whole way was seen, each counted once."""
    right, cost = np.zeros(len(seen)), np.zeros(len(seen))
    whole = np.ones(len(seen), dtype=bool)
    for at, kind in enumerate(KINDS):
        alive = seen.outcomes.category == at
        columns = [TIERS.index(rung.tier) for rung in tuned.of(kind).rungs]
        for step, column in enumerate(columns):
            whole &= ~alive | (weights(seen, columns[: step + 1]) > 0)
            accepted = seen.accepted[:, column] == 1
            right += alive & accepted
            cost += np.where(alive, np.nan_to_num(seen.outcomes.cost[:, column]), 0.0)
            alive &= ~accepted
    return float(right[whole].mean()), float(cost[whole].mean()) / 1e9


def cell(gateway: Gateway, tuned: Tuned, truth: tuple[float, float], draws: int) -> dict[str, Any]:
    """One policy at one gateway, drawn again and again."""
    found: list[Valued] = []
    naive = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        world = World.drawn(REQUESTS, gateway.lets_pass, rng)
        seen = seen_of(world, gateway, rng)
        found.append(value(seen, tuned, seed=seed))
        naive.append(alone(seen, tuned))
    kept = [one for one in found if not one.refusal]
    return {
        "truth": truth,
        "refused": draws - len(kept),
        "alone": tuple(np.mean(naive, axis=0)),
        **(_of(kept, truth) if len(kept) >= draws / 2 else {}),
    }


def _of(kept: list[Valued], truth: tuple[float, float]) -> dict[str, Any]:
    pairs = [(one.quality, one.cost_usd) for one in kept]
    values = np.array([[each.value for each in pair] for pair in pairs])
    held = np.array([[e.low <= t <= e.high for e, t in zip(p, truth, strict=True)] for p in pairs])
    return {
        "estimate": tuple(values.mean(axis=0)),
        "error_of_mean": tuple(values.std(axis=0, ddof=1) / np.sqrt(len(kept))),
        "held": tuple(held.mean(axis=0)),
        "width": float(np.mean([one.quality.high - one.quality.low for one in kept])),
    }


def row(name: str, told: Mapping[str, Any], draws: int) -> list[str]:
    """A line of the table: quality in percent, cost in cents."""
    right, cost = told["truth"]
    shown = [name, f"{right:.1%}", f"{100 * cost:.2f}"]
    shown += [f"{told['alone'][0]:.1%}", f"{100 * told['alone'][1]:.2f}"]
    if "estimate" not in told:
        return [*shown, "-", "-", "-", f"{told['refused'] / draws:.0%}"]
    (q, c), (eq, ec) = told["estimate"], told["error_of_mean"]
    shown += [f"{q:.1%} ± {eq:.1%}", f"{100 * c:.2f} ± {100 * ec:.2f}"]
    held = " / ".join(f"{each:.0%}" for each in told["held"])
    return [*shown, held, f"{told['refused'] / draws:.0%}"]


def main() -> None:
    """Print a table for each gateway."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told: dict[str, Any] = {}
    for name, gateway in GATEWAYS.items():
        world = World.drawn(MANY, gateway.lets_pass, np.random.default_rng(99))
        told[name] = {
            each: cell(gateway, tuned, world.come_to(tuned), asked.draws)
            for each, tuned in POLICIES.items()
        }
    if asked.json:
        print(json.dumps({"draws": asked.draws, "requests": REQUESTS, "gateways": told}))
        return
    heads = ["policy", "right", "cents", "alone", "cents", "estimate", "cents", "held", "refused"]
    for name, cells in told.items():
        print(f"\n{name}\n")
        print(table(heads, [row(each, cell, asked.draws) for each, cell in cells.items()]))


if __name__ == "__main__":
    main()
