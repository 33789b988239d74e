"""How often turns climb: counted by what went before them, and foreseen for the turns ahead.

A turn right after one that climbed is another matter than any other: what is hard now is often
hard still. So there are two chances. Of a turn that started above, nobody knows whether it would
have climbed from below; the two chances tell how likely that is, which is called ``recent`` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rung.core.types import Lane, Request

PRIOR_TURNS, PRIOR_CLIMBS = 10.0, 1.0
"""What is assumed of a tier before its climbs are counted: one turn in ten."""

AGAIN_TURNS, AGAIN_CLIMBS = 6.0, 2.0
"""What is assumed of turns right after one that climbed: one in three."""

SHRINKAGE = 10.0
"""How many turns of the conversation itself weigh as much as all that is known of the tier."""

AGAIN_SHRINKAGE = 4.0
"""The same of turns right after one that climbed."""


@dataclass(frozen=True, slots=True)
class Climbs:
    """Tries of a tier and those of them that climbed: after a climb (``again``), and otherwise.

    Where the turn before started above, a try counts in part here and in part there.
    """

    turns: float = 0.0
    climbs: float = 0.0
    again_turns: float = 0.0
    again_climbs: float = 0.0

    def with_(self, recent: float, *, climbed: bool) -> Climbs:
        """With one more try; ``recent`` is the chance that the turn before (would have) climbed."""
        other = 1.0 - recent
        return Climbs(
            self.turns + other,
            self.climbs + other * climbed,
            self.again_turns + recent,
            self.again_climbs + recent * climbed,
        )

    @property
    def tries(self) -> float:
        """Of both kinds."""
        return self.turns + self.again_turns


class Kind(NamedTuple):
    """What climbs otherwise than the rest: errands without tools, work that nobody waits for."""

    ladder: str
    tier: str
    tools: bool
    lane: Lane

    @classmethod
    def of(cls, request: Request, ladder: str, tier: str) -> Kind:
        """Of a request at a tier."""
        return cls(ladder, tier, bool(request.tools), request.directions.lane)


@dataclass(frozen=True, slots=True)
class Hazard:
    """The chance (0..1) that a try climbs: after one that passed, and after one that climbed.

    The two make a chain of turns that would pass and of turns that would climb; `overall` and
    `unseen` are what it comes to.
    """

    usual: float = 0.0
    again: float = 0.0

    def after(self, recent: float) -> float:
        """The chance where the turn before climbed, or would have, with this chance (0..1)."""
        return recent * self.again + (1 - recent) * self.usual

    @property
    def overall(self) -> float:
        """The share of all tries that climb."""
        passes = 1.0 - self.again
        return self.usual / (passes + self.usual) if passes + self.usual else 0.5

    def unseen(self, recent: float, turns: int) -> float:
        """What becomes of the chance ``recent`` over so many turns without a try."""
        carried = self.again - self.usual
        return self.overall + (recent - self.overall) * carried**turns

    def times(self, other: Hazard) -> Hazard:
        """Both climb."""
        return Hazard(self.usual * other.usual, self.again * other.again)


NEVER = Hazard()
"""No try climbs."""

NONE = Climbs()
"""No try was made."""


def hazard(of_tier: Climbs, own: Climbs = NONE) -> Hazard:
    """From all tries of a tier and those of this conversation.

    Few tries say little: the tier's rates are drawn to what is assumed of any, the conversation's
    to the tier's.
    """
    usual = (of_tier.climbs + PRIOR_CLIMBS) / (of_tier.turns + PRIOR_TURNS)
    again = (of_tier.again_climbs + AGAIN_CLIMBS) / (of_tier.again_turns + AGAIN_TURNS)
    return Hazard(
        (own.climbs + SHRINKAGE * usual) / (own.turns + SHRINKAGE),
        (own.again_climbs + AGAIN_SHRINKAGE * again) / (own.again_turns + AGAIN_SHRINKAGE),
    )


@dataclass(frozen=True, slots=True)
class Visits:
    """How often the tier above is climbed to, over some turns: with its cache alive, and without.

    ``missed`` is how many turns' tokens it has to read on average where its cache is alive.
    """

    in_time: float = 0.0
    late: float = 0.0
    missed: float = 1.0

    @property
    def count(self) -> float:
        """Of both kinds."""
        return self.in_time + self.late


def visits(first: float, chance: Hazard, turns: int, lives: float, left: float) -> Visits:
    """Those of the second of ``turns`` turns and of all after it.

    ``first`` is the chance of a climb on the first one. A cache lives for ``lives`` turns after a
    visit; what it holds now lives until turn ``left``, counted from 1.
    """
    usual, again, stays = chance.usual, chance.again, 1.0 - chance.usual
    life = min(int(lives), turns)
    climbs = [first]
    in_time = late = 0.0
    for turn in range(2, turns + 1):
        climbs.append(usual + (again - usual) * climbs[-1])
        cold = 0.0
        if life < 1:
            cold = climbs[-1]
        elif turn > left:
            last = max(0, turn - 1 - life)
            cold = (1 - climbs[last]) * stays ** (turn - 2 - last) * usual
        late += cold
        in_time += climbs[-1] - cold
    return Visits(in_time, late, _missed(chance, life))


def _missed(chance: Hazard, life: int) -> float:
    """The mean number of turns from one visit to the next, of those that come in time."""
    share, total, rest = chance.again, chance.again, 1.0 - chance.again
    for gap in range(2, life + 1):
        now = rest * chance.usual
        share += now
        total += gap * now
        rest -= now
    return total / share if share else 1.0
