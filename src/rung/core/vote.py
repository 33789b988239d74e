"""Do several drawn answers agree? How they are compared, when there are enough, and the count.

`comparing` says which answers are of one group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import comb

AGREEMENT = "agreement"
"""The name of the check that is a vote among a tier's draws. It is always a signal."""


class Comparison(StrEnum):
    """What makes two answers the same in a vote.

    AUTO: the same JSON value, number or words. EXACT: the same text. NUMBER: the last number in
    each. FIELDS: the same values in some of a JSON object's fields, lists as multisets. TEXT:
    nearly the same words.
    """

    AUTO = "auto"
    EXACT = "exact"
    NUMBER = "number"
    FIELDS = "fields"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Vote:
    """How a tier's draws are compared, and when there are enough of them.

    ``fields`` are those that FIELDS compares, all where there are none; "a.b" is b inside a. No
    more is drawn once the leading answer is the most common one with probability ``certainty``
    (0.5..1); at 1 the draws must have decided it.
    """

    comparison: Comparison = Comparison.AUTO
    fields: tuple[str, ...] = ()
    certainty: float = 0.95

    def __post_init__(self) -> None:
        if not 0.5 <= self.certainty <= 1:
            raise ValueError(f"certainty must be within 0.5 and 1, not {self.certainty}")


PLAIN_VOTE = Vote()


@dataclass(frozen=True, slots=True)
class Tally:
    """The state of a vote: the latest answer of the largest group, and that group's size."""

    leader: int
    votes: int
    runner_up: int
    drawn: int

    @property
    def share(self) -> float:
        """The leading group's part of all answers drawn, 0..1."""
        return self.votes / self.drawn

    @property
    def certainty(self) -> Fraction:
        """How likely the leader is the most common answer of all that could be drawn, 0.5..1.

        The chance that the leader's part of the votes of the first two is above one half, with a
        uniform prior: a Beta distribution's tail, for whole numbers a sum of binomials.
        Source: Aggarwal et al., Let's Sample Step by Step (2023), arXiv 2305.11860, section 3.
        """
        trials = self.votes + self.runner_up + 1
        return Fraction(sum(comb(trials, hits) for hits in range(self.votes + 1)), 2**trials)

    def bounds(self, samples: int) -> tuple[float, float]:
        """The least and the greatest share that the leading group can come to, 0..1."""
        return self.votes / samples, (self.votes + samples - self.drawn) / samples

    def likely(self, certainty: float) -> bool:
        """Whether the leader is the most common answer with this ``certainty``.

        One answer alone never is. Exact on both sides: at 1 nothing that is only likely is enough.
        """
        return self.votes > 1 and self.certainty >= certainty

    def decided(self, samples: int, certainty: float = 1.0) -> bool:
        """Whether enough was drawn of ``samples`` at most.

        So it is when no further draw can change who leads, or when the leader is the most common
        answer with this ``certainty``.
        """
        if self.drawn >= samples or self.votes - self.runner_up > samples - self.drawn:
            return True
        return self.likely(certainty)


def tally(keys: Sequence[str]) -> Tally:
    """Count the groups of equal keys, of which there is one at least.

    Of groups of one size, the one that was there first leads.
    """
    (leading, votes), *others = Counter(keys).most_common(2)
    latest = max(index for index, key in enumerate(keys) if key == leading)
    return Tally(latest, votes, others[0][1] if others else 0, len(keys))
