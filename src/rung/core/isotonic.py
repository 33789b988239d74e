"""A rising step function through right and wrong answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_STEPS = 20
"""Steps stand on every plan, which the ledger keeps: more would cost more than they tell."""

PULL = 2.0
"""So many labels at the chance that was said are added to each group, which keeps all-right groups
from promising certainty."""

Steps = tuple[tuple[float, float], ...]


@dataclass(slots=True)
class _Block:
    """Neighbouring answers: the highest chance among them, their weight, and that of the right."""

    upper: float
    weight: float
    right: float

    @property
    def share(self) -> float:
        return self.right / self.weight


def rising(chances: Sequence[float], rights: Sequence[bool], weights: Sequence[float]) -> Steps:
    """The best rising steps from chances to shares of right answers, as (up to, share) pairs.

    Pool adjacent violators (Barlow, Bartholomew, Bremner and Brunk 1972; for calibration Zadrozny
    and Elkan 2002) over at most 20 groups of equal weight.
    """
    blocks: list[_Block] = []
    for group in _grouped(chances, rights, weights):
        blocks.append(group)
        while len(blocks) > 1 and blocks[-2].share >= blocks[-1].share:
            upper = blocks.pop()
            blocks[-1].upper = upper.upper
            blocks[-1].weight += upper.weight
            blocks[-1].right += upper.right
    return tuple((block.upper, block.share) for block in blocks)


def _grouped(
    chances: Sequence[float], rights: Sequence[bool], weights: Sequence[float]
) -> Iterable[_Block]:
    """Groups of neighbours; equal chances are never parted. The last has no upper end."""
    answers = sorted(each for each in zip(chances, weights, rights, strict=True) if each[1] > 0)
    enough = sum(weights) / MOST_STEPS
    made: list[_Block] = []
    weight = right = said = 0.0
    for place, (chance, heavy, was_right) in enumerate(answers):
        weight, right, said = weight + heavy, right + heavy * was_right, said + heavy * chance
        after = answers[place + 1][0] if place + 1 < len(answers) else 1.0
        last = place + 1 == len(answers)
        if last or (weight >= enough and after > chance):
            upper = 1.0 if last else (chance + after) / 2
            made.append(_Block(upper, weight + PULL, right + PULL * said / weight))
            weight = right = said = 0.0
    return made
