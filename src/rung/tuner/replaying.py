"""Playing a policy over recorded outcomes by the engine itself, call by call.

What `simulate.play` does at once, by `core.plan.plan` and `core.engine.next_action`: slower, and
right by definition. A history is built as the runner builds it, of what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from rung.core.engine import Accept, Call, Exhausted, Verify, next_action
from rung.core.features import Features
from rung.core.plan import OnExhausted, Plan, Policy, Terms, plan
from rung.core.types import Answer, Attempt, Failure, Fault, History
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.tuner.aims import Tuned
from rung.tuner.odds import Verdicts
from rung.tuner.outcomes import Outcomes
from rung.tuner.played import END_OF, FIGURES, End, Played, Spell
from rung.tuner.simulate import PART, doubting, groups, replayable

GATE = Check("check", Weight.REQUIRED)
SIGNAL = Check("confidence", Weight.SIGNAL)
NOTHING_SEEN = Features(0, 0, frozenset(), 0, has_schema=False)
ENDLESS = float("inf")


class NotRecordedError(Exception):
    """The way meets a call, or a confidence, that the outcomes do not hold."""


def replay(outcomes: Outcomes, tuned: Tuned, verdicts: Verdicts) -> Played:
    """What comes of each query in one world, by the engine. Costs are rounded to nano-dollars.

    Raises RequestError for a policy that these outcomes cannot tell anything about.
    """
    found: list[_End] = [LEFT_OUT] * len(outcomes)
    drawn = None if tuned.part is None else verdicts.drawn(PART, slice(None))
    for policy, places in groups(outcomes, tuned, drawn):
        kept = as_replayed(replayable(policy, outcomes, checked=verdicts.checked))
        doubts = doubting(kept, outcomes, checked=verdicts.checked)
        for query in np.arange(len(outcomes))[places].tolist():
            world = _World(outcomes, verdicts, query, doubts=doubts)
            try:
                found[query] = world.end(kept)
            except NotRecordedError:
                continue
    return _told(found, len(outcomes.models))


def as_replayed(policy: Policy) -> Policy:
    """Without what recorded calls know nothing of: faults, waiting, drafts that are carried."""
    rungs = [
        replace(rung, timeout_seconds=ENDLESS, retries=0, carry=False, calibration=None)
        for rung in policy.rungs
    ]
    return replace(policy, rungs=tuple(rungs), hedge_seconds=None, stream_mode=None)


@dataclass(frozen=True, slots=True)
class _End:
    """One query played to its end. ``served`` is an attempt of the history."""

    history: History = ()
    served: int | None = None
    end: End = End.ACCEPTED
    steps: tuple[str, ...] = ()
    columns: tuple[int, ...] = ()
    right: bool = False
    timed: bool = True
    observed: bool = True


LEFT_OUT = _End(observed=False)


class _World:
    """What was recorded of one query."""

    def __init__(self, outcomes: Outcomes, verdicts: Verdicts, query: int, *, doubts: bool) -> None:
        self.outcomes, self.verdicts, self.query = outcomes, verdicts, query
        self.checks = ((GATE,) if verdicts.checked else ()) + ((SIGNAL,) if doubts else ())

    def end(self, policy: Policy) -> _End:
        """Ask the engine, do what it says from the record, and so on until the end."""
        tiers = [rung.tier for rung in policy.rungs]
        terms = Terms(
            checks=self.checks,
            worst_costs={tier: self._cost(tier) for tier in tiers},
            seed=int(self.verdicts.seeds[self.query]),
        )
        made = plan(NOTHING_SEEN, policy, terms)
        history: History = ()
        while True:
            match next_action(made, history):
                case Call() as call:
                    history = (*history, self._called(made, history, call))
                case Verify(check=check):
                    verdict = self._verdict(made, history, check)
                    history = (*history[:-1], history[-1].with_verdict(verdict))
                case Accept(index=index):
                    return self._ended(made, history, index, End.ACCEPTED)
                case Exhausted(reason=reason, best=best):
                    served = best if made.on_exhausted is OnExhausted.BEST else None
                    return self._ended(made, history, served, END_OF[reason])

    def _cost(self, tier: str) -> int:
        cost = self.outcomes.cost[self.query, self.outcomes.place[tier]]
        return 0 if np.isnan(cost) else round(float(cost))

    def _draw(self, history: History) -> tuple[int, int, int]:
        """The place of the last attempt's fate in the verdicts."""
        tier = history[-1].tier
        drawn = sum(attempt.tier == tier for attempt in history) - 1
        return self.query, self.outcomes.place[tier], drawn

    def _seconds(self, tier: str) -> float | None:
        seconds = self.outcomes.seconds
        if seconds is None:
            return None
        told = float(seconds[self.query, self.outcomes.place[tier]])
        return None if np.isnan(told) else told

    def _called(self, made: Plan, history: History, call: Call) -> Attempt:
        started = history[-1].ended_at if history else 0.0
        seconds = self._seconds(call.tier)
        if seconds is None and made.deadline_seconds is not None:
            raise NotRecordedError
        took = min(seconds or 0.0, call.timeout_seconds)
        cut = (seconds or 0.0) > call.timeout_seconds
        attempt = Attempt(
            id=f"{len(history)}",
            tier=call.tier,
            kind=call.kind,
            started_at=started,
            ended_at=started + took,
            answer=None if cut else Answer(""),
            failure=Failure(Fault.TIMEOUT, "the deadline came first") if cut else None,
            cost_nanousd=self._cost(call.tier),
        )
        if not self.verdicts.known[self._draw((*history, attempt))]:
            raise NotRecordedError
        return attempt

    def _verdict(self, made: Plan, history: History, check: Check) -> Verdict:
        at = history[-1].ended_at
        if check == GATE:
            assert self.verdicts.passed is not None
            passed = self.verdicts.passed[self._draw(history)]
            return Verdict(check.name, Status.PASSED if passed else Status.FAILED, "", at=at)
        score = self._score(history)
        step = made.step(history[-1].tier)
        if score is not None:
            return Verdict(check.name, Status.PASSED, "", score=score, at=at)
        if step is None or made.needed(step) > 0:
            raise NotRecordedError
        return Verdict(check.name, Status.ABSTAINED, "not recorded", at=at)

    def _score(self, history: History) -> float | None:
        """That of further draws is not recorded."""
        query, column, drawn = self._draw(history)
        assert self.outcomes.confidence is not None
        told = float(self.outcomes.confidence[query, column])
        return None if drawn or np.isnan(told) else told

    def _ended(self, made: Plan, history: History, served: int | None, end: End) -> _End:
        at = None if served is None else self._draw(history[: served + 1])
        return _End(
            history=history,
            served=served,
            end=end,
            steps=tuple(step.tier for step in made.steps),
            columns=tuple(self.outcomes.place[attempt.tier] for attempt in history),
            right=at is not None and bool(self.verdicts.right[at]),
            timed=all(self._seconds(attempt.tier) is not None for attempt in history),
        )


def _told(found: list[_End], models: int) -> Played:
    """The same as arrays."""
    count = len(found)
    shares, ends = np.zeros((count, models)), np.zeros((count, len(End)))
    rows = np.full((count, len(FIGURES)), np.nan)
    for query, each in enumerate(found):
        if each.observed:
            rows[query] = list(_figures(each))
            ends[query, each.end] = 1.0
            if each.served is not None:
                shares[query, each.columns[each.served]] = 1.0
    observed = np.array([each.observed for each in found], np.bool_)
    spell = Spell(observed.astype(np.float64), np.nan_to_num(rows[:, FIGURES.index("seconds")]))
    figures = dict(zip(FIGURES, rows.T, strict=True))
    return Played(observed, **figures, shares=shares, ends=ends, spells=(spell,))


def _figures(each: _End) -> Iterator[float]:
    """In the order of `FIGURES`."""
    history = each.history
    served = None if each.served is None else history[each.served]
    cost = sum(attempt.cost_nanousd for attempt in history)
    seconds = history[-1].ended_at if history else 0.0
    yield float(each.right)
    yield float(cost)
    yield seconds if each.timed else np.nan
    yield float(len(history))
    yield float(_escalated(history))
    yield float(bool(history) and history[0].tier != each.steps[-1])
    yield float(cost - (served.cost_nanousd if served else 0))
    yield seconds - (served.seconds if served else 0.0) if each.timed else np.nan
    yield 0.0 if served else float(cost)


def _escalated(history: History) -> bool:
    """As `core.outcome.Outcome` has it."""
    return any(
        attempt.answer is not None and later.tier != attempt.tier
        for attempt, later in pairwise(history)
    )
