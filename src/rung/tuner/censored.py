"""Outcomes of a running ladder: above the tier that stopped and below the entry nothing was seen.

What a gate said is kept apart from what somebody found out. A gate's pass is its word, not truth:
``outcomes.accepted`` is what decided whether a request climbed, ``outcomes.correct`` is the label
where there is one, and otherwise the gate's word where it gave any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rung.tuner.aims import SOUND, Errors
from rung.tuner.outcomes import Floats, Ints, Outcomes

Flags = NDArray[np.bool_]

NO_TIER = -1
"""Where a column is meant, and there is none."""


class Word(IntEnum):
    """Whose word ``correct`` is.

    AUDIT is a label of a random draw. CHOSEN is one that somebody gave to an answer of their own
    choice: a person, a caller's program, whoever knew the answer.
    """

    NOTHING = 0
    GATE = 1
    AUDIT = 2
    CHOSEN = 3


class How(IntEnum):
    """How an outcome came to be known."""

    NOT_SEEN = 0
    TRAFFIC = 1
    AUDIT = 2
    PROBE = 3


@dataclass(frozen=True, eq=False)
class Censored:
    """``N`` requests by ``M`` tiers of one ladder, in its order.

    The last ``beside`` tiers are not on it: only probes asked them. ``outcomes``: NaN where nothing
    was seen. ``word`` and ``how`` (N x M) are `Word` and `How`.
    ``entry`` (N): the column where it began, with the chance ``entry_chance`` (0..1); ``other``:
    where it would have begun had the draw gone the other way, `NO_TIER` where nothing was drawn.
    ``reach`` (N x M, 0..1): the chance that it might climb so high, by one draw for all tiers.
    ``probed`` (N x M): a probe has an outcome of it, whatever stands here.
    ``auditor``: the column that audits ask again, `NO_TIER` where none did. ``auditable`` (N): it
    could have been drawn for an audit. ``errors``: what labels say of the gates, `SOUND` with
    ``errors.labels`` 0 where none do. ``left_out`` counts requests that tell nothing, by reason.
    """

    ladder: str
    outcomes: Outcomes
    word: Ints
    how: Ints
    entry: Ints
    entry_chance: Floats
    other: Ints
    reach: Floats
    probed: Flags
    auditor: int
    auditable: Flags
    errors: Errors = SOUND
    left_out: Mapping[str, int] | None = None
    beside: int = 0

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def accepted(self) -> Floats:
        """N x M: 1 where the tier's answer would stop the climb, 0 where not, NaN if not seen."""
        assert self.outcomes.accepted is not None
        return self.outcomes.accepted

    def rows(self, which: NDArray[np.integer] | Flags) -> Censored:
        """The same with these requests only; one may come more than once."""
        return replace(
            self,
            outcomes=self.outcomes.rows(which),
            word=self.word[which],
            how=self.how[which],
            entry=self.entry[which],
            entry_chance=self.entry_chance[which],
            other=self.other[which],
            reach=self.reach[which],
            probed=self.probed[which],
            auditable=self.auditable[which],
        )
