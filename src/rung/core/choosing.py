"""Where a request should start, by how likely each tier is to do it and what tiers cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rung.core.chances import Chances, Traits


class Goal(StrEnum):
    """What is at stake.

    COST: a check tells right from wrong and what fails climbs, so that a wrong choice costs money
    alone. QUALITY: nothing tells, the first answer is served.
    """

    COST = "cost"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Terms:
    """What choosing weighs: each tier's mean price, and what a right answer is worth.

    In nano-dollars, tiers in the ladder's order. ``worth`` is looked at where the goal is quality.
    """

    goal: Goal
    prices: tuple[float, ...]
    worth: float = 0.0


def choose(terms: Terms, chances: Sequence[float]) -> int:
    """The place of the tier to start from, for a request with these chances."""
    if terms.goal is Goal.COST:
        return _lowest_that_pays(terms.prices, chances)
    values = [chance * terms.worth - p for chance, p in zip(chances, terms.prices, strict=True)]
    return max(range(len(values)), key=values.__getitem__)


def _lowest_that_pays(prices: Sequence[float], chances: Sequence[float]) -> int:
    """The lowest tier whose call costs no more than the calls above that it is likely to save."""
    saved, found = 0.0, len(prices) - 1
    costs = [0.0] * (len(prices) + 1)
    for place in reversed(range(len(prices))):
        saved = costs[place + 1]
        costs[place] = prices[place] + (1 - chances[place]) * saved
        if place + 1 < len(prices) and chances[place] * saved >= prices[place]:
            found = place
    return found


@dataclass(frozen=True, slots=True)
class Chooser:
    """What was trained for one ladder. ``on`` says whether it may decide, ``why`` why or why not.

    ``outcomes`` is how many requests it was trained on.
    """

    tiers: tuple[str, ...]
    chances: tuple[Chances, ...]
    terms: Terms
    on: bool
    why: str
    outcomes: int

    def chances_of(self, traits: Traits) -> tuple[float, ...]:
        """How likely each tier is to do a request with these traits."""
        return tuple([each.of(traits) for each in self.chances])

    def entry(self, traits: Traits) -> tuple[str, float]:
        """The tier to start from, and its chance."""
        chances = self.chances_of(traits)
        place = choose(self.terms, chances)
        return self.tiers[place], chances[place]
