"""Ways to choose a ladder, and what they come to. Columns are models of whole outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

import numpy as np

from rung.core.plan import OnExhausted
from rung.tuner.aims import Basis
from rung.tuner.outcomes import Floats, Outcomes

Columns = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A ladder that was not chosen. ``why_not`` says why not, "" where it could have been."""

    ladder: Columns
    certified: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """``share`` of the requests go by ``ladder``, the others by ``rest``; shares are 0..1.

    ``limit``: the last tier of ``ladder`` is asked where no more nano-dollars were spent before.
    ``bar`` is the deviate that the estimate's lower bound has to allow for, being the best of many.
    ``p_value`` and ``level``: of the test, ``None`` where nothing was tested. ``needed``: about how
    many queries would certify ``hope``, a cheaper ladder that looks good enough, if they went on
    like that; ``None`` without such a one. ``by_category``: these go by ladders of their own,
    and ``share`` is 1 then. ``words``: what else there is to say.
    """

    ladder: Columns
    basis: Basis
    share: float = 1.0
    rest: Columns = ()
    limit: float = inf
    bar: float = 0.0
    p_value: float | None = None
    level: float | None = None
    needed: int | None = None
    hope: Columns = ()
    others: tuple[Other, ...] = ()
    by_category: Mapping[str, Columns] = field(default_factory=dict)
    on_exhausted: OnExhausted = OnExhausted.INBOX
    words: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """What a way of answering comes to (N each): right (0..1), nano-dollars, seconds."""

    right: Floats
    cost: Floats
    seconds: Floats

    def __add__(self, other: Run) -> Run:
        return Run(self.right + other.right, self.cost + other.cost, self.seconds + other.seconds)

    def times(self, share: float) -> Run:
        """As far as a share of the requests goes this way."""
        return Run(self.right * share, self.cost * share, self.seconds * share)


def run(outcomes: Outcomes, ladder: Columns, limit: float = inf) -> Run:
    """A ladder whose check is sound: the first right answer is served, what failed is paid for.

    Its last tier is asked where no more than ``limit`` nano-dollars were spent before.
    """
    open_, right = np.ones(len(outcomes)), np.zeros(len(outcomes))
    cost, seconds = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    for place, column in enumerate(ladder):
        if place == len(ladder) - 1 and place:
            open_ = open_ * (cost <= limit)
        cost += open_ * outcomes.cost[:, column]
        if outcomes.seconds is not None:
            seconds += open_ * outcomes.seconds[:, column]
        right += open_ * outcomes.correct[:, column]
        open_ = open_ * (1 - outcomes.correct[:, column])
    return Run(right, cost, seconds)


Runner = Callable[[Outcomes, Columns, float], Run]
"""What a ladder comes to: `run`, or with a check that errs."""


def carried_out(outcomes: Outcomes, choice: Choice, runner: Runner = run) -> Run:
    """All queries by what was chosen for them; a share of all is a share of each."""
    made = runner(outcomes, choice.ladder, choice.limit)
    if choice.share < 1:
        rest = runner(outcomes, choice.rest, inf)
        return made.times(choice.share) + rest.times(1 - choice.share)
    for name, ladder in choice.by_category.items():
        rows = outcomes.category == outcomes.categories.index(name)
        own = runner(outcomes, ladder, inf)
        made = Run(
            np.where(rows, own.right, made.right),
            np.where(rows, own.cost, made.cost),
            np.where(rows, own.seconds, made.seconds),
        )
    return made
