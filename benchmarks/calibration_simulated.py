"""The calibrator on simulated answers, whose true chances are known: see docs/calibration.md.

    python benchmarks/calibration_simulated.py

Takes about 30 s of one core.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from rung.core.calibration import Calibration, logistic, logit
from rung.core.fitting import Judged, Labelled, fit, quality, risk_threshold

ROUNDS = 100
FRESH = 4_000
TARGET = 0.1
COUNTS = (10, 30, 100, 300, 1_000)


def truth(scores: Mapping[str, float]) -> float:
    """Signals that are too sure of themselves; agreement counts double of log-probabilities."""
    evidence = logit(scores["agreement"]) - 1.0
    evidence += 0.5 * logit(scores["logprobs"]) if "logprobs" in scores else 0.0
    return logistic(evidence - (0.8 if "hedging" in scores else 0.0))


def simulated(count: int, seed: int) -> list[Labelled]:
    """Answers with labels drawn at their true chances."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        scores = {"agreement": chance.choice([1 / 3, 2 / 3, 1.0])}
        if chance.random() < 0.8:
            scores["logprobs"] = chance.betavariate(4, 2)
        if chance.random() < 0.2:
            scores["hedging"] = 0.3
        made.append(Labelled(scores, chance.random() < truth(scores)))
    return made


@dataclass(frozen=True)
class Line:
    """Means over the rounds with so many labels."""

    labels: int
    ece: float
    log_loss: float
    held_out_ece: float
    certified: float
    broken: int
    accepted: float


def line(count: int, fresh: list[Labelled]) -> Line:
    """Fit often, and look at the same fresh answers each time."""
    made = [fit(simulated(count, seed)) for seed in range(ROUNDS)]
    seen = [measured(found.calibration, fresh) for found in made]
    held = [
        (found, certificate.held.threshold)
        for found in made
        if (certificate := risk_threshold(found.held_out, TARGET, cuts=found.cuts)).held
    ]
    taken = [accepted(found.calibration, threshold, fresh) for found, threshold in held]
    return Line(
        count,
        mean(each.ece or 0 for each in seen),
        mean(each.log_loss or 0 for each in seen),
        mean(found.quality_after.ece or 0 for found in made),
        len(held) / ROUNDS,
        sum(rights.count(False) > TARGET * len(rights) for rights in taken),
        mean(len(rights) / len(fresh) for rights in taken) if taken else 0.0,
    )


def measured(found: Calibration, fresh: list[Labelled]):
    return quality([Judged(found.probability(each.scores), each.right) for each in fresh])


def accepted(found: Calibration, threshold: float, fresh: list[Labelled]) -> list[bool]:
    return [each.right for each in fresh if found.probability(each.scores) >= threshold]


def main() -> int:
    """Print the table."""
    fresh = simulated(FRESH, -1)
    raw = quality([Judged(min(each.scores.values()), each.right) for each in fresh])
    best = quality([Judged(truth(each.scores), each.right) for each in fresh])
    names = ("labels", "ECE", "log loss", "held-out ECE", "certified", "broken", "accepted")
    print(f"| {' | '.join(names)} |")
    print("|---|---|---|---|---|---|---|")
    print(f"| none: the weakest signal | {raw.ece:.3f} | {raw.log_loss:.3f} | | | | |")
    for count in COUNTS:
        found = line(count, fresh)
        print(
            f"| {count:,} | {found.ece:.3f} | {found.log_loss:.3f} | {found.held_out_ece:.3f}"
            f" | {found.certified:.0%} | {found.broken} of {found.certified * ROUNDS:.0f}"
            f" | {found.accepted:.0%} |"
        )
    print(f"| the truth | {best.ece:.3f} | {best.log_loss:.3f} | | | | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
