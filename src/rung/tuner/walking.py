"""The engine's way up a ladder, for all queries at once.

The law: query by query the same as `core.plan.plan` and `core.engine.next_action`, which are right
where the two differ. Every state is an array with one place a query. A draw that is certain has the
chance 0 or 1; where a request may go two ways that end differently, it is followed on both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.odds import Bools, Fate, Odds, Places
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.tuner.played import FIGURES, End, Played, Spell

REJECTED, UNCHECKED, DOUBTED = 1, 2, 3
"""What is served where nothing was accepted, best last; 0 is nothing."""


@dataclass(slots=True)
class _Draft:
    """An answer, and what its call took. ``right`` is the chance if it is the one served."""

    rank: Ints
    column: Ints
    right: Floats
    cost: Floats
    took: Floats

    def or_else(self, other: _Draft, where: Bools) -> _Draft:
        """The other's where it is asked for and no worse: among equals the latest stands."""
        new = where & (other.rank >= self.rank)
        return _Draft(
            np.where(new, other.rank, self.rank),
            np.where(new, other.column, self.column),
            np.where(new, other.right, self.right),
            np.where(new, other.cost, self.cost),
            np.where(new, other.took, self.took),
        )


@dataclass(slots=True)
class _Branch:
    """Requests on one way. ``chance``: of being on it. ``first``: the place of the first call.

    ``unanswered``: the last call was cut off. ``refused`` is why the call that was wanted last was
    not made, 0 where one was made since.
    """

    chance: Floats
    spent: Floats
    elapsed: Floats
    calls: Floats
    first: Ints
    escalated: Bools
    unanswered: Bools
    refused: Ints
    draft: _Draft

    @classmethod
    def start(cls, count: int) -> _Branch:
        nothing, none = np.zeros(count), np.zeros(count, np.int64)
        no = np.zeros(count, np.bool_)
        draft = _Draft(none, none, nothing, nothing, nothing)
        return cls(np.ones(count), nothing, nothing, nothing, none - 1, no, no, none, draft)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call for all queries: where on the ladder, which draw, and what it comes to.

    ``made`` says for whom. ``cut``: the deadline ended it, and it is billed all the same.
    """

    rung: Rung
    place: int
    column: int
    draw: int
    made: Bools
    fate: Fate
    cost: Floats
    took: Floats
    cut: Bools

    def draft(self, rank: Ints, right: Floats) -> _Draft:
        column = np.full(len(rank), self.column)
        return _Draft(rank, column, np.nan_to_num(right), self.cost, self.took)


class Walk:
    """Plays one ladder, whose tiers are all among the models, over some of the outcomes.

    ``doubts``: signals are looked at, so that what is below a tier's ``min_confidence`` climbs.
    """

    def __init__(
        self, outcomes: Outcomes, places: Places, policy: Policy, odds: Odds, *, doubts: bool
    ) -> None:
        self.outcomes, self.places, self.policy, self.odds = outcomes, places, policy, odds
        self.doubts = doubts
        deadline, cap = policy.deadline_seconds, policy.cost_cap_nanousd
        self.deadline = np.inf if deadline is None else deadline
        self.cap = np.inf if cap is None else cap
        self.top = len(policy.rungs) - 1
        self.count = count = len(outcomes.cost[places])
        self.lost, self.untimed = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.sums = {name: np.zeros(count) for name in FIGURES}
        self.shares = np.zeros((count, len(outcomes.models)))
        self.ends = np.zeros((count, len(End)))
        self.spells: list[Spell] = []
        self.onward = self._onward()

    def played(self) -> Played:
        """Climb to the end on every way."""
        branches = [_Branch.start(self.count)]
        for place in range(self.top + 1):
            branches = [way for branch in branches for way in self._tier(branch, place)]
        for branch in branches:
            self._settle(branch, branch.chance, self.top)
        lost = self.lost
        told = {name: np.where(lost, np.nan, array) for name, array in self.sums.items()}
        for name in ("seconds", "wasted_seconds"):
            told[name] = np.where(self.untimed, np.nan, told[name])
        self.shares[lost], self.ends[lost] = 0.0, 0.0
        return Played(~lost, **told, shares=self.shares, ends=self.ends, spells=tuple(self.spells))

    def _onward(self) -> list[Floats | None]:
        """By place: the chance that a plan which reaches the tier below reaches it too."""
        rungs = self.policy.rungs
        if all(rung.reach >= 1 for rung in rungs[1:]):
            return [None] * len(rungs)
        drawn = self.odds.drawn("reach", self.places)
        found: list[Floats | None] = [None]
        reach = 1.0
        for rung in rungs[1:]:
            below, reach = reach, min(reach, rung.reach)
            share = reach / below if below > 0 else 0.0
            on = np.full(self.count, share) if drawn is None else drawn < reach
            found.append(on.astype(np.float64))
        return found

    # ------------------------------------------------------------------ one tier

    def _tier(self, branch: _Branch, place: int) -> list[_Branch]:
        """All calls of one tier. What comes back goes on to the next."""
        on = self.onward[place]
        if on is not None:
            self._settle(branch, branch.chance * (1 - on), place - 1)
            branch = replace(branch, chance=branch.chance * on)
        rung = self.policy.rungs[place]
        more = branch.chance > 0
        others: list[_Branch] = []
        for draw in range(rung.repairs + rung.samples if self.odds.checked else 1):
            more = more & self._allowed(branch, rung, more, first=not draw)
            if not more.any():
                break
            branch, doubted = self._judged(*self._made(branch, place, draw, more))
            more = more & ~branch.unanswered & (branch.chance > 0)
            if doubted is None:
                continue
            if ((doubted.chance > 0) & (branch.chance > 0)).any():
                others.append(doubted)
            else:
                branch = _merged(branch, doubted)
        return [branch, *others]

    def _allowed(self, branch: _Branch, rung: Rung, wanted: Bools, *, first: bool) -> Bools:
        """Where time and money allow the call that is wanted; the branch keeps why not."""
        cost = np.nan_to_num(self.outcomes.cost[self.places, self.outcomes.place[rung.tier]])
        most = rung.most_spent_nanousd if first else None
        # From the last reason to the first, as the engine looks for them.
        enough = False if most is None else branch.spent > most
        why = np.where(enough, int(End.GAVE_UP), 0)
        why = np.where(branch.spent + cost > self.cap, int(End.COST_CAP), why)
        # Not written as ">=", so that a deadline that is no number refuses.
        why = np.where(~(branch.elapsed < self.deadline), int(End.DEADLINE), why)
        branch.refused = np.where(wanted & (why > 0), why, branch.refused)
        allowed: Bools = why == 0
        return allowed

    def _made(self, branch: _Branch, place: int, draw: int, made: Bools) -> tuple[_Branch, _Call]:
        """The branch after a call for those for whom it is made, and the call."""
        rung = self.policy.rungs[place]
        column = self.outcomes.place[rung.tier]
        fate = self.odds.fate(self.places, column, draw)
        self.lost |= made & ~fate.known
        seconds = self._seconds(column, made)
        left = self.deadline - branch.elapsed
        cost = np.nan_to_num(self.outcomes.cost[self.places, column])
        took, cut = np.minimum(seconds, left), seconds > left
        climbed = made & (branch.calls > 0) & ~branch.unanswered if not draw else False
        after = replace(
            branch,
            spent=branch.spent + np.where(made, cost, 0.0),
            elapsed=branch.elapsed + np.where(made, took, 0.0),
            calls=branch.calls + made,
            first=np.where(made & (branch.first < 0), place, branch.first),
            escalated=branch.escalated | climbed,
            unanswered=np.where(made, cut, branch.unanswered),
            refused=np.where(made, 0, branch.refused),
        )
        return after, _Call(rung, place, column, draw, made, fate, cost, took, cut)

    def _seconds(self, column: int, made: Bools) -> Floats:
        """What a call takes. Under a deadline a query is left out where that is not known."""
        seconds = self.outcomes.seconds
        if seconds is None:
            self.untimed |= made
            return np.zeros(self.count)
        told = seconds[self.places, column]
        unknown = made & np.isnan(told)
        self.untimed |= unknown
        if self.policy.deadline_seconds is not None:
            self.lost |= unknown
        return np.nan_to_num(told)

    # ------------------------------------------------------------------ one answer

    def _judged(self, branch: _Branch, call: _Call) -> tuple[_Branch, _Branch | None]:
        """Serve what is accepted: what remains of the branch, and apart those whose answer passed.

        Those passed without being sure enough, and climb at once.
        """
        fate, answered = call.fate, call.made & ~call.cut
        checked = answered & (branch.elapsed < self.deadline)
        if self.odds.checked:
            passes = np.where(checked, np.nan_to_num(fate.passes), 0.0)
        else:
            passes = np.where(answered, 1.0, 0.0)
        passing = branch.chance * passes
        sure = self._sure(call, checked & (passing > 0))
        good = call.draft(np.full(self.count, DOUBTED), fate.right_passed)
        accepted = np.where(sure, passing, 0.0)
        self._serve(branch, accepted, good, self._below(branch, call.place))
        doubted = None
        if (passing > accepted).any():
            draft = branch.draft.or_else(good, answered)
            doubted = replace(branch, chance=passing - accepted, draft=draft)
        if self.odds.checked:
            rank = np.where(checked, REJECTED, UNCHECKED)
            bad = call.draft(rank, np.where(checked, fate.right_failed, fate.right))
            branch = replace(branch, draft=branch.draft.or_else(bad, answered))
        return replace(branch, chance=branch.chance * (1.0 - passes)), doubted

    def _sure(self, call: _Call, passed: Bools) -> Bools:
        """Where the answer's confidence is enough. That of further draws is not recorded."""
        needed = call.rung.min_confidence
        if needed is None:
            needed = self.policy.min_confidence
        confidence = self.outcomes.confidence
        if not self.doubts or confidence is None or needed <= 0:
            return np.ones(self.count, np.bool_)
        told = confidence[self.places, call.column]
        if call.draw:
            told = np.full(self.count, np.nan)
        self.lost |= passed & np.isnan(told)
        return ~passed | (told >= needed)

    def _below(self, branch: _Branch, place: int) -> Floats:
        """How likely it began below the top of its plan, if it ends with this tier's answer."""
        above = self.onward[place + 1] if place < self.top else 0.0
        return np.where(branch.first < place, 1.0, 1.0 if above is None else above)

    # ------------------------------------------------------------------ the end

    def _serve(self, branch: _Branch, chance: Floats, served: _Draft, below: Floats) -> None:
        """An answer is accepted."""
        if chance.any():
            self._end(branch, chance, served, below)
            self.ends[:, End.ACCEPTED] += chance

    def _settle(self, branch: _Branch, chance: Floats, top: int) -> None:
        """Nothing more can be tried: serve the best answer, if any may be served."""
        if not chance.any():
            return
        draft = branch.draft
        least = REJECTED if self.policy.on_exhausted is OnExhausted.BEST else DOUBTED
        below = ((branch.first >= 0) & (branch.first < top)).astype(np.float64)
        self._end(branch, chance, draft, below, draft.rank >= least)
        late = ~(branch.elapsed < self.deadline)
        end = np.where(late, int(End.DEADLINE), int(End.TOP_REACHED))
        end = np.where(branch.refused > 0, branch.refused, end)
        end = np.where(draft.rank == DOUBTED, int(End.ACCEPTED), end)
        self.ends[np.arange(self.count), end] += chance

    def _end(
        self,
        branch: _Branch,
        chance: Floats,
        draft: _Draft,
        below: Floats,
        served: Bools | None = None,
    ) -> None:
        """Book a way to end, with this answer where it is ``served``, by default everywhere."""
        share = chance if served is None else chance * served
        kept = 1.0 if served is None else served * 1.0
        self.shares[np.arange(self.count), draft.column] += share
        for name, value in (
            ("right", draft.right * kept),
            ("cost", branch.spent),
            ("seconds", branch.elapsed),
            ("calls", branch.calls),
            ("escalated", branch.escalated),
            ("below", below),
            ("wasted_cost", branch.spent - draft.cost * kept),
            ("wasted_seconds", branch.elapsed - draft.took * kept),
            ("unserved_cost", branch.spent * (1.0 - kept)),
        ):
            self.sums[name] += chance * value
        self.spells.append(Spell(chance, branch.elapsed))


def _merged(branch: _Branch, doubted: _Branch) -> _Branch:
    """The two in one, where no query is on both."""
    there = doubted.chance > 0
    draft = branch.draft.or_else(doubted.draft, there)
    return replace(branch, chance=branch.chance + doubted.chance, draft=draft)
