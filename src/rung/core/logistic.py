"""Ridge logistic regression towards given coefficients, by Newton's method.

Data stand in columns, not rows: Python then spends most of its time inside C loops, which takes
about 0.3 us a label and column for each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log1p, sqrt, tanh
from operator import mul

MOST_STEPS = 50
MOST_HALVINGS = 30
MOST_SWEEPS = 500
ENOUGH = 1e-9
SETTLED = 1e-9
PART = 2_000

Column = Sequence[float]


@dataclass(frozen=True, slots=True)
class Pull:
    """A Gaussian prior on one coefficient: its mean, its precision, and the least it may be.

    The ``precision`` (1 / variance) is above 0, so that there is one solution even where the data
    are separable or a column is constant.
    """

    toward: float
    precision: float
    least: float = -inf


@dataclass(frozen=True, slots=True)
class Problem:
    """Weighted right and wrong answers. A column has one value for each answer.

    ``signs`` are 1 for right and -1 for wrong answers.
    """

    columns: tuple[Column, ...]
    signs: Column
    pulls: tuple[Pull, ...]

    def solve(self, weights: Column, start: Sequence[float] | None = None) -> list[float]:
        """The coefficients, one for each column, with the least penalised log loss.

        Each Newton step minimises the quadratic model within the bounds by coordinate descent
        (Friedman, Hastie and Tibshirani 2010, J. Stat. Softw. 33), and is halved until the loss
        falls.
        """
        now = [*(start or self._first_guess(weights))]
        now = [max(value, pull.least) for value, pull in zip(now, self.pulls, strict=True)]
        margins = self._margins(now)
        loss = self._loss(now, margins, weights)
        for _ in range(MOST_STEPS):
            gradient, hessian = self._slopes(now, margins, weights)
            step = _downhill(gradient, hessian, [p.least - v for p, v in self._paired(now)])
            promised = -sum(map(mul, gradient, step))
            for _ in range(MOST_HALVINGS):
                tried = [value + move for value, move in zip(now, step, strict=True)]
                margins = self._margins(tried)
                lower = self._loss(tried, margins, weights)
                if lower <= loss:
                    break
                step = [move / 2 for move in step]
            else:
                break
            now, loss = tried, lower
            # Newton's error is squared by each step: after this one it is beyond all digits.
            if promised < ENOUGH * (1 + loss):
                break
        return now

    def _first_guess(self, weights: Column) -> list[float]:
        """Where to start: of many answers, the solution of a part of them spread over all."""
        every = len(self.signs) // PART
        if every < 2:
            return [pull.toward for pull in self.pulls]
        part = Problem(tuple(c[::every] for c in self.columns), self.signs[::every], self.pulls)
        return part.solve([weight * every for weight in weights[::every]])

    def evidence(self, coefficients: Sequence[float]) -> list[float]:
        """The log odds of each answer."""
        total = [coefficients[0] * value for value in self.columns[0]]
        for factor, column in zip(coefficients[1:], self.columns[1:], strict=True):
            if factor:
                total = [so_far + factor * x for so_far, x in zip(total, column, strict=True)]
        return total

    def _margins(self, coefficients: Sequence[float]) -> list[float]:
        return list(map(mul, self.evidence(coefficients), self.signs))

    def _paired(self, values: Sequence[float]) -> zip[tuple[Pull, float]]:
        return zip(self.pulls, values, strict=True)

    def _loss(self, values: Sequence[float], margins: Column, weights: Column) -> float:
        losses = [log1p(exp(-abs(m))) - (m if m < 0 else 0.0) for m in margins]
        pulled = sum(p.precision * (value - p.toward) ** 2 for p, value in self._paired(values))
        total: float = sum(map(mul, weights, losses)) + pulled / 2
        return total

    def _slopes(
        self, values: Sequence[float], margins: Column, weights: Column
    ) -> tuple[list[float], list[list[float]]]:
        """The gradient of the loss and its matrix of second derivatives."""
        sure = [tanh(m / 2) for m in margins]
        misses = [w * s * (t - 1) / 2 for w, s, t in zip(weights, self.signs, sure, strict=True)]
        bends = [w * (1 - t * t) / 4 for w, t in zip(weights, sure, strict=True)]
        gradient: list[float] = []
        hessian: list[list[float]] = []
        for place, (column, (pull, value)) in enumerate(
            zip(self.columns, self._paired(values), strict=True)
        ):
            pulled = pull.precision * (value - pull.toward)
            gradient.append(sum(map(mul, column, misses)) + pulled)
            bent = list(map(mul, column, bends))
            row = [hessian[earlier][place] for earlier in range(place)]
            row += [sum(map(mul, bent, other)) for other in self.columns[place:]]
            row[place] += pull.precision
            hessian.append(row)
        return gradient, hessian


def _downhill(
    gradient: Sequence[float], hessian: Sequence[Sequence[float]], least: Sequence[float]
) -> list[float]:
    """The move that minimises the quadratic model, no coordinate of it below ``least``."""
    moves = [0.0] * len(gradient)
    for _ in range(MOST_SWEEPS):
        largest = 0.0
        for place, row in enumerate(hessian):
            slope = gradient[place] + sum(map(mul, row, moves))
            moved = max(moves[place] - slope / row[place], least[place])
            largest = max(largest, abs(moved - moves[place]) * sqrt(row[place]))
            moves[place] = moved
        if largest < SETTLED:
            break
    return moves
