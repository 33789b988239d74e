"""The one loop that does things: ask the engine, do the action, append, repeat.

No decision is made here. What is done is exactly what `next_action` returned, and what is appended
is exactly what happened, so a stored history replays to the same actions. A caller's disconnection
or ctrl-C arrives as cancellation; what was spent by then is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from rung.calling import Calls, CutError, Progress, cancelled_by
from rung.core.engine import Accept, Action, Call, Exhausted, Hedge, Verify, next_action
from rung.core.growth import Delta
from rung.core.limits import left, tried_enough
from rung.core.types import Attempt, EndedBy, History, Kind, Phase
from rung.core.verdicts import Status, Verdict
from rung.delivery import Sink, UndeliverableError
from rung.lines import STOPPING, Line
from rung.orders import Clock, Order
from rung.providers.faults import without_keys, without_secrets
from rung.verifiers.base import Subject
from rung.verifiers.base import run as verify


@dataclass(slots=True)
class Run:
    """One running request.

    ``at`` is when it began, for prices that change. ``held`` keeps, by attempt id, the deltas of
    streams that may not leave yet.
    """

    order: Order
    at: datetime
    clock: Clock
    new_id: Callable[[], str]
    sink: Sink | None = None
    history: History = ()
    decision: Accept | Exhausted | None = None
    held: dict[str, list[Delta]] = field(default_factory=dict)
    phase: Phase = Phase.PLAN
    began: float = 0.0
    cancelled_by: EndedBy = EndedBy.CLIENT

    async def finish(self) -> Accept | Exhausted:
        """Drive the request to its end.

        On cancellation the interrupted call is already in ``history``, with what it is known to
        have used, when CancelledError leaves here.
        """
        self.began = self.clock()
        calls = Calls(self.order, self.at, self.elapsed, self.new_id, self.sink, self.held)
        try:
            return await self._climb(calls)
        except asyncio.CancelledError as cancelled:
            if STOPPING in cancelled.args:
                self.cancelled_by = EndedBy.GATEWAY
            raise
        except Exception as error:  # boundary: a bug of ours or of a face; told apart and booked
            if not isinstance(error, UndeliverableError):
                self.cancelled_by = EndedBy.INTERNAL
            raise

    @property
    def reached(self) -> Phase:
        """How far the request has come: as far as its last call where that was cut off."""
        last = self.history[-1] if self.history else None
        cut = last is not None and last.failure is not None and self.decision is None
        if last is not None and cut and self.phase is Phase.CONNECT:
            return last.phase
        return self.phase

    async def _climb(self, calls: Calls) -> Accept | Exhausted:
        while True:
            action = self._next(calls)
            self._announce(action)
            match action:
                case Call():
                    self.phase = Phase.CONNECT
                    if action.wait_seconds:
                        await asyncio.sleep(action.wait_seconds)
                    await self._call(calls, action)
                case Verify():
                    self.phase = Phase.VERIFY
                    await self._verify(action)
                case Accept() | Exhausted():
                    self.decision = action
                    self.phase = Phase.DONE
                    return action

    def _next(self, calls: Calls) -> Action:
        """What the engine says; once more where that is a retry and there are too many of them."""
        action = next_action(self.order.plan, self.history)
        if not isinstance(action, Call) or action.kind is not Kind.RETRY or self.order.may_retry():
            return action
        made = tried_enough(self.order.plan, self.history, action.tier)
        self.order = calls.order = replace(self.order, plan=made)
        return next_action(made, self.history)

    def elapsed(self) -> float:
        """Seconds since the request began."""
        return self.clock() - self.began

    def _announce(self, action: Call | Verify | Accept | Exhausted) -> None:
        if self.sink is not None:
            self.sink.watch(action, self.history)

    # -------------------------------------------------------------- checks

    async def _verify(self, action: Verify) -> None:
        name, purse, request = action.check.name, self.order.purse, self.order.request
        *before, last = self.history
        try:
            verdict = await self._verdict(name)
        except asyncio.CancelledError:
            if spent := purse.strayed(request.id):
                trust = self.order.verifiers[name].trust
                said = "cut off with its request"
                cut = Verdict(name, Status.ABSTAINED, said, trust, cost_nanousd=spent, left=True)
                self.history = (*before, last.with_verdict(cut))
            raise
        if spent := purse.strayed(request.id):
            verdict = replace(verdict, cost_nanousd=verdict.cost_nanousd + spent)
        self.history = (*before, last.with_verdict(_discreet(verdict, self.order.secrets)))

    async def _verdict(self, name: str) -> Verdict:
        """What the check says of the last attempt."""
        *before, last = self.history
        assert last.answer is not None
        siblings = tuple(a for a in before if a.tier == last.tier and a.answer is not None)
        step = self.order.plan.step(last.tier)
        limits = left(self.order.plan, self.history, self.elapsed())
        subject = Subject(self.order.request, last, last.answer, siblings, step, *limits)
        verifier = self.order.verifiers[name]
        verdict = await verify(verifier, subject, name, self.elapsed)
        for text in last.answer.more:
            # Every choice leaves, so every one has to pass.
            if verdict.status is not Status.PASSED:
                break
            other = replace(last.answer, text=text, tool_calls=())
            spent, left_before = verdict.cost_nanousd, verdict.left
            limits = left(self.order.plan, self.history, self.elapsed(), spent)
            subject = Subject(self.order.request, last, other, siblings, step, *limits)
            try:
                verdict = await verify(verifier, subject, name, self.elapsed)
            except asyncio.CancelledError:
                self.order.purse.astray(self.order.request.id, spent)
                raise
            verdict = replace(
                verdict, cost_nanousd=verdict.cost_nanousd + spent, left=verdict.left or left_before
            )
        return verdict

    # -------------------------------------------------------------- calls

    async def _call(self, calls: Calls, action: Call) -> None:
        try:
            if action.hedge is None:
                call = calls.begin(action)
                self._add(await calls.drain(call, calls.events(call, self.history)))
            else:
                await self._race(calls, action)
        except CutError as cut:
            self._add(cut.attempt)
            if cut.by is EndedBy.GATEWAY:
                self.cancelled_by = cut.by
            raise cut.reason from None

    def _add(self, *attempts: Attempt) -> None:
        self.history = (*self.history, *attempts)

    async def _race(self, calls: Calls, action: Call) -> None:
        """Ask the tier; where it keeps silent, the next one beside it, and go on with one of them.

        In the history the call that is gone on with comes last, so that what follows is decided as
        if it had been the only one.
        """
        assert action.hedge is not None
        race = _Race(calls, self.history)
        try:
            await self._run(race, action, action.hedge)
        except asyncio.CancelledError as cancelled:
            by = EndedBy.GATEWAY if STOPPING in cancelled.args else EndedBy.CLIENT
            self._add(*race.cut(by))
            raise
        except CutError as cut:
            self._add(*race.cut(cut.by))
            raise
        finally:
            await race.close()

    async def _run(self, race: _Race, action: Call, hedge: Hedge) -> None:
        first = race.begin(action)
        if await _heard(hedge.after_seconds, first.line):
            self._add(await race.drained(first))
            return
        second = race.begin(hedge.call, beside=True)
        await _heard(None, first.line, second.line)
        if first.line.silent:
            await self._switch(race, first, second)
        else:
            await self._go_on(race, first, second)

    async def _go_on(self, race: _Race, first: _Side, second: _Side) -> None:
        """The first tier spoke, or failed: the one beside it is used only where it is next."""
        lost = f"asked beside {first.call.tier.name}, which answered first"
        if not first.line.failed_first:
            self._add(await race.ended(second, lost))
            self._add(await race.drained(first))
            return
        attempt = await race.drained(first)
        following = next_action(self.order.plan, (*self.history, attempt))
        if isinstance(following, Call) and _same(following, second.call.action):
            self._add(attempt)
            self._announce(following)
            self._add(replace(await race.drained(second), beside=False))
            return
        try:
            self._add(await race.ended(second, lost))
        finally:
            self._add(attempt)

    async def _switch(self, race: _Race, first: _Side, second: _Side) -> None:
        """The tier beside spoke first, or failed first."""
        if second.line.failed_first:
            self._add(await race.drained(second))
            self._add(await race.drained(first))
            return
        silent = f"no sign of life for {second.call.started_at - first.call.started_at:.1f} s"
        why = f"{silent}: {second.call.tier.name} was asked beside it, and answered first"
        self._add(await race.ended(first, why))
        self._announce(second.call.action)
        self._add(replace(await race.drained(second), beside=False))


@dataclass(slots=True, eq=False)
class _Side:
    """One of two calls at once. ``beside``: it is the one that was asked beside the other."""

    call: Progress
    line: Line
    beside: bool


@dataclass(slots=True)
class _Race:
    """Two calls at once. ``open`` are those that are not booked yet: whatever happens, they end."""

    calls: Calls
    history: History
    open: list[_Side] = field(default_factory=list)

    def begin(self, action: Call, *, beside: bool = False) -> _Side:
        """Make a call."""
        call = self.calls.begin(action)
        call.hasty = beside
        side = _Side(call, Line(self.calls.events(call, self.history)), beside)
        self.open.append(side)
        return side

    async def drained(self, side: _Side) -> Attempt:
        """A call taken to its end. Raises CutError where the request ends."""
        try:
            attempt = await self.calls.drain(side.call, side.line.events())
        finally:
            self.open.remove(side)
        return replace(attempt, beside=side.beside)

    async def ended(self, side: _Side, why: str) -> Attempt:
        """A call broken off for the other one."""
        await side.line.close()
        self.open.remove(side)
        return self._broken_off(side, EndedBy.GATEWAY, why)

    def cut(self, by: EndedBy) -> list[Attempt]:
        """What is still under way, broken off with the request. Awaits nothing, so it is sure."""
        for side in self.open:
            side.line.end()
        return [self._broken_off(side, by) for side in reversed(self.open)]

    async def close(self) -> None:
        """Wait until what was broken off has ended at the other end too."""
        for side in self.open:
            side.line.end()
        for side in self.open:
            await side.line.close()

    def _broken_off(self, side: _Side, by: EndedBy, why: str = "") -> Attempt:
        attempt = self.calls.booked(side.call, cancelled_by(side.call, by, why), by)
        return replace(attempt, beside=side.beside)


def _same(one: Call, other: Call) -> bool:
    return one.tier == other.tier and one.kind is Kind.FIRST and not one.wait_seconds


async def _heard(seconds: float | None, *lines: Line) -> bool:
    """Whether one of the calls gives a sign of life, or ends, within so many seconds."""
    waits = {asyncio.ensure_future(line.heard()) for line in lines}
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)


def _discreet(verdict: Verdict, secrets: tuple[str, ...]) -> Verdict:
    told = without_secrets(verdict.reason, secrets)
    if verdict.status is not Status.PASSED:
        told = without_keys(told)
    return verdict if told is verdict.reason else replace(verdict, reason=told)
