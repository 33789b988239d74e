"""What came of requests that were played again, one row a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rung.core.engine import Exhaustion
from rung.tuner.outcomes import Floats, Ints

NOBODY = -1
"""The column of a query to which no answer was served."""


class End(IntEnum):
    """How a request ended: the engine accepted an answer, or why it tried nothing more."""

    ACCEPTED = 0
    TOP_REACHED = 1
    DEADLINE = 2
    COST_CAP = 3
    GAVE_UP = 4


END_OF = {
    Exhaustion.TOP_REACHED: End.TOP_REACHED,
    Exhaustion.DEADLINE: End.DEADLINE,
    Exhaustion.COST_CAP: End.COST_CAP,
    Exhaustion.GAVE_UP: End.GAVE_UP,
}


FIGURES = (
    *("right", "cost", "seconds", "calls", "escalated", "below"),
    *("wasted_cost", "wasted_seconds", "unserved_cost"),
)
"""The fields of `Played` that are one number a query."""


@dataclass(frozen=True, eq=False)
class Spell:
    """One way to end: how likely each query takes it, and after how many seconds."""

    chance: Floats
    seconds: Floats


@dataclass(frozen=True, eq=False)
class Played:
    """``N`` queries played through a policy, or expected to be: then all are means over chance.

    ``observed``: whether all that its path met was recorded; the other queries are left out, and
    their figures are NaN. ``right`` (0..1): the answer served was right; 0 where none was.
    ``cost`` and ``wasted_cost``: nano-dollars of all calls, and of those that were not served;
    ``unserved_cost``: of all calls for requests to which nothing was served.
    ``seconds`` and ``wasted_seconds`` likewise, NaN where latencies are missing. ``calls``.
    ``escalated``: an answer was turned down and a higher tier called. ``below``: it began below the
    top of its plan. ``shares`` (N x M): whose answer was served. ``ends`` (N x 5): how it ended,
    by `End`. ``spells`` are the ways to end, for quantiles of latency.
    """

    observed: NDArray[np.bool_]
    right: Floats
    cost: Floats
    seconds: Floats
    calls: Floats
    escalated: Floats
    below: Floats
    wasted_cost: Floats
    wasted_seconds: Floats
    unserved_cost: Floats
    shares: Floats
    ends: Floats
    spells: tuple[Spell, ...] = ()

    def __len__(self) -> int:
        return len(self.observed)

    @property
    def served(self) -> Ints:
        """The column of the model most likely served, `NOBODY` where that is none."""
        column = self.shares.argmax(axis=1)
        most = np.take_along_axis(self.shares, column[:, None], axis=1)[:, 0]
        none = 1.0 - self.shares.sum(axis=1)
        return np.where(most > none, column, NOBODY)

    @property
    def end(self) -> Ints:
        """The likeliest `End`."""
        likeliest: Ints = self.ends.argmax(axis=1)
        return likeliest

    @property
    def exhausted(self) -> Floats:
        """The chance (0..1) that no answer was accepted."""
        return 1.0 - self.ends[:, End.ACCEPTED]

    def rows(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> Played:
        """The same for these queries only; a query may come more than once."""
        arrays = {f.name: getattr(self, f.name)[places] for f in fields(self) if f.name != "spells"}
        spells = tuple(Spell(each.chance[places], each.seconds[places]) for each in self.spells)
        return replace(self, **arrays, spells=spells)


def mixture(plays: Sequence[Played], shares: Floats) -> Played:
    """Each query played by one of these, drawn blindly by shares that sum to one."""
    parts = list(zip(plays, shares.tolist(), strict=True))

    def of(name: str) -> Floats:
        total: Floats = sum((part * getattr(each, name) for each, part in parts), np.zeros(1))
        return total

    figures = {name: of(name) for name in FIGURES}
    observed = ~np.isnan(figures["cost"])
    spells = tuple(
        Spell(part * spell.chance, spell.seconds) for each, part in parts for spell in each.spells
    )
    return Played(observed, **figures, shares=of("shares"), ends=of("ends"), spells=spells)
