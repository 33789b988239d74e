"""Do the tuner's tests on bounded differences keep their level, and what do they ask for?

    .venv/bin/python benchmarks/tuner_scores.py --rounds 5000

Each setting is a distribution of gains and losses whose mean is exactly what is claimed to be too
low: then a test passes by chance alone, and may do so no more often than its level.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
from markdown import table

from rung.tuner import losses
from rung.tuner.losses import bets_of, loss_bound, scores_of

LEVEL = 0.1
SIZES = (50, 130, 200, 400)
SEED = 0


@dataclass(frozen=True)
class Setting:
    """``win`` with the chance ``wins``, -``most`` with the chance ``lost``, else nothing."""

    queries: int
    win: float
    wins: float
    most: float
    lost: float

    @property
    def mean(self) -> float:
        """The true mean."""
        return self.win * self.wins - self.most * self.lost

    def drawn(self, rounds: int) -> Any:
        """Rounds x queries."""
        chances = [self.wins, self.lost, 1 - self.wins - self.lost]
        rng = np.random.default_rng(SEED)
        return rng.choice([self.win, -self.most, 0.0], p=chances, size=(rounds, self.queries))


def settings() -> Iterator[Setting]:
    """Answers that are right or wrong, and chances under checks that err."""
    for queries in SIZES:
        for mean in (0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
            for wins in (0.0, 0.02, 0.06):
                yield Setting(queries, 1.0, wins, 1.0, wins + mean)
    for queries in SIZES[:3]:
        for accept, reject in ((0.05, 0.05), (0.2, 0.2), (0.5, 0.05)):
            for wins, lost in ((0.0, 0.05), (0.01, 0.1), (0.05, 0.2), (0.02, 0.3)):
                yield Setting(queries, 1 - reject, wins, accept, lost)


def passed_scores(one: Setting, rounds: int, unseen: float) -> float:
    """How often the score passes, with so many unseen losses beside."""
    before = losses.UNSEEN
    losses.UNSEEN = unseen
    try:
        scores = scores_of(one.drawn(rounds), -one.mean, one.most)
    finally:
        losses.UNSEEN = before
    return float(np.mean(scores >= NormalDist().inv_cdf(1 - LEVEL)))


def passed_bets(one: Setting, rounds: int) -> float:
    """How often the bet is won."""
    rng = np.random.default_rng(SEED)
    won = bets_of(one.drawn(rounds), -one.mean, one.most, LEVEL, rng)
    return float(np.mean(won >= -log(LEVEL)))


def width(one: Setting, rounds: int, *, betting: bool) -> float:
    """How far below the truth the lower bound is, on the mean."""
    bounds = [
        loss_bound(each, one.most, 1 - LEVEL, rng=np.random.default_rng(SEED) if betting else None)
        for each in one.drawn(rounds)
    ]
    return one.mean - fmean(bound.lower for bound in bounds)


def main(given: Sequence[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5000)
    rounds = parser.parse_args(given).rounds
    found = list(settings())
    few = max(1, rounds // 10)
    by_test = {
        "score without an unseen loss": [passed_scores(one, rounds, 0.0) for one in found],
        "score, as it is": [passed_scores(one, rounds, losses.UNSEEN) for one in found],
        "bet": [passed_bets(one, few) for one in found],
    }
    lines = []
    for name, rates in by_test.items():
        worst = found[int(np.argmax(rates))]
        told = f"{worst.queries} queries, {worst.lost:.3g} lose {worst.most:g}"
        lines.append([name, f"{fmean(rates):.3f}", f"{max(rates):.3f}", told])
    print(table(["test", "passes, mean", "worst", "where"], lines))
    print()
    lines = []
    for queries in SIZES:
        one = Setting(queries, 0.8, 0.06, 0.2, 0.15)
        score, bet = (width(one, max(1, rounds // 50), betting=each) for each in (False, True))
        lines.append([str(queries), f"{score:.4f}", f"{bet:.4f}", f"{(bet / score) ** 2:.1f}"])
    print(table(["queries", "score's bound", "bet's bound", "times the queries"], lines))


if __name__ == "__main__":
    main(sys.argv[1:])
