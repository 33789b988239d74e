"""The only io loop: ask the engine, do the action, append to the history, repeat.

The loop owns the clock and nothing else. It never decides: `next_action` does. A caller's
disconnection or ctrl-C arrives as cancellation; what was spent by then is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, cast

from rung.core.engine import Accept, Call, Exhausted, Verify, next_action
from rung.core.features import estimate_tokens
from rung.core.growth import Delta
from rung.core.limits import left
from rung.core.plan import Plan
from rung.core.types import (
    Answer,
    Attempt,
    EndedBy,
    Failure,
    Fault,
    Finish,
    History,
    Phase,
    Price,
    Request,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status, Verdict
from rung.delivery import Outlet, Sink, UndeliverableError
from rung.drafting import ask
from rung.providers.base import CallError, Done, Event, Provider
from rung.providers.estimating import may_have_read, written
from rung.providers.faults import without_secrets
from rung.verifiers.base import Subject, Verifier, Watch, watch
from rung.verifiers.base import run as verify
from rung.wire.calls import may_become_call, settled

STOPPING = "this gateway is stopping."
"""The reason given with a cancellation that is not the caller's leaving."""

FAULTS_OF_OURS = {Fault.TIMEOUT: EndedBy.LIMIT, Fault.INTERNAL: EndedBy.INTERNAL}
"""Who ended a call that no provider ended."""

Clock = Callable[[], float]


class Pricer(Protocol):
    """What a tier's usage costs, in integer nano-dollars."""

    @property
    def price(self) -> Price:
        """The plain figures, stored with each attempt."""
        ...

    def cost(self, usage: Usage, seconds: float, at: datetime) -> int:
        """The price of one call."""
        ...

    def worst_cost(self, input_tokens: int, output_tokens: int, seconds: float = 0.0) -> int:
        """An upper bound of one call's price."""
        ...


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier ready to be called."""

    name: str
    model: str
    local: bool
    provider: Provider
    pricer: Pricer


@dataclass(frozen=True, slots=True)
class Order:
    """A request with its plan and all that the plan names.

    ``input_tokens`` is the estimate that a call is billed by when its provider counts nothing.
    ``secrets`` are the providers' keys, of which no verdict may tell.
    """

    request: Request
    plan: Plan
    input_tokens: int
    tiers: Mapping[str, Tier]
    verifiers: Mapping[str, Verifier]
    secrets: tuple[str, ...] = ()


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
        try:
            return await self._climb()
        except asyncio.CancelledError as cancelled:
            self._learn_who(cancelled)
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

    async def _climb(self) -> Accept | Exhausted:
        while True:
            action = next_action(self.order.plan, self.history)
            if self.sink is not None:
                self.sink.watch(action, self.history)
            match action:
                case Call():
                    self.phase = Phase.CONNECT
                    if action.wait_seconds:
                        await asyncio.sleep(action.wait_seconds)
                    await self._call(action)
                case Verify():
                    self.phase = Phase.VERIFY
                    await self._verify(action)
                case Accept() | Exhausted():
                    self.decision = action
                    self.phase = Phase.DONE
                    return action

    def elapsed(self) -> float:
        """Seconds since the request began."""
        return self.clock() - self.began

    async def _verify(self, action: Verify) -> None:
        *before, last = self.history
        assert last.answer is not None
        siblings = tuple(a for a in before if a.tier == last.tier and a.answer is not None)
        step = self.order.plan.step(last.tier)
        limits = left(self.order.plan, self.history, self.elapsed())
        subject = Subject(self.order.request, last, last.answer, siblings, step, *limits)
        name = action.check.name
        verifier = self.order.verifiers[name]
        verdict = await verify(verifier, subject, name, self.elapsed)
        for text in last.answer.more:
            # Every choice leaves, so every one has to pass.
            if verdict.status is not Status.PASSED:
                break
            other = replace(last.answer, text=text, tool_calls=())
            spent = verdict.cost_nanousd
            limits = left(self.order.plan, self.history, self.elapsed(), spent)
            subject = Subject(self.order.request, last, other, siblings, step, *limits)
            verdict = await verify(verifier, subject, name, self.elapsed)
            verdict = replace(verdict, cost_nanousd=verdict.cost_nanousd + spent)
        self.history = (*before, last.with_verdict(_discreet(verdict, self.order.secrets)))

    async def _call(self, action: Call) -> None:
        tier = self.order.tiers[action.tier]
        call = self._begin(action)
        order = self.order
        asked = ask(order.request, order.plan, action, self.history, order.verifiers)
        events = cast("AsyncGenerator[Event]", tier.provider.call(asked))
        try:
            async with aclosing(events):
                async for event in events:
                    await self._take(event, tier.name, call)
                    if call.doomed is not None:
                        break
            failure = None if call.done or call.doomed else _ended_without_an_answer()
        except CallError as error:
            failure = error
        except asyncio.CancelledError as cancelled:
            self._learn_who(cancelled)
            self._book(tier, action, call, _cancelled(call, self.cancelled_by))
            raise
        except UndeliverableError:
            self._book(tier, action, call, _cancelled(call, EndedBy.CLIENT))
            raise
        except Exception as error:  # noqa: BLE001 boundary: a provider's bug must not lose the request
            message = f"{type(error).__name__} inside the provider"
            failure = CallError(Failure(Fault.INTERNAL, message), Phase.CONNECT)
        self._book(tier, action, call, failure)

    def _begin(self, action: Call) -> _Progress:
        request = self.order.request
        unsure = may_become_call if request.tools else None
        names = sorted(action.watched) if request.stream else ()
        watches = {name: watch(self.order.verifiers[name], request) for name in names}
        return _Progress(
            id=self.new_id(),
            started_at=self.elapsed(),
            outlet=Outlet(action.release, unsure),
            watches={name: each for name, each in watches.items() if each is not None},
        )

    async def _take(self, event: Event, tier: str, call: _Progress) -> None:
        if isinstance(event, Done):
            answer = settled(event.answer, self.order.request)
            # What has left as text stays text.
            keep = answer is event.answer or (call.released and answer.salvaged)
            call.done = event if keep else replace(event, answer=answer)
            return
        if call.first_at is None:
            call.first_at = self.elapsed()
        call.grow(event)
        if not self.order.request.stream:
            return
        free = call.outlet.take(event)
        if not call.released and not free:
            call.doomed = call.seen_through(event)
        if self.sink is None:
            return
        for delta in free:
            call.released = True
            try:
                await self.sink.release(tier, delta)
            except Exception as error:  # boundary: the face that takes the bytes
                raise UndeliverableError from error

    def _book(self, tier: Tier, action: Call, call: _Progress, error: CallError | None) -> None:
        """Put one call into the history, whatever came of it, with what it used and cost."""
        ended = self.elapsed()
        done = call.done if error is None else None
        # A call that was cut off after its end has still reported what it used.
        told = call.done or error
        load = told.load_seconds if told else 0.0
        usage = self._usage(call, error)
        self.held[call.id] = call.outlet.held
        self.history = (
            *self.history,
            Attempt(
                id=call.id,
                tier=tier.name,
                kind=action.kind,
                started_at=call.started_at,
                ended_at=ended,
                answer=done.answer if done else call.draft() if error is None else None,
                failure=error.failure if error else None,
                usage=usage,
                cost_nanousd=tier.pricer.cost(
                    usage, max(0.0, ended - call.started_at - load), self.at
                ),
                price=tier.pricer.price,
                load_seconds=load,
                first_token_seconds=call.first_token_seconds(load),
                ended_by=EndedBy.GATEWAY if call.doomed else self._ended_by(error),
                phase=error.phase if error else Phase.STREAM if call.doomed else Phase.DONE,
                verdicts=() if call.doomed is None else (self._doom(call.doomed, ended),),
                losses=done.losses if done else (),
                released=call.released,
            ),
        )

    def _doom(self, doomed: tuple[str, str], at: float) -> Verdict:
        """The verdict that broke an answer off."""
        name, reason = doomed
        verifier = self.order.verifiers[name]
        return Verdict(name, Status.FAILED, f"broken off: {reason}", verifier.trust, at=at)

    def _learn_who(self, cancelled: asyncio.CancelledError) -> None:
        if STOPPING in cancelled.args:
            self.cancelled_by = EndedBy.GATEWAY

    def _ended_by(self, error: CallError | None) -> EndedBy:
        if error is None:
            return EndedBy.UPSTREAM
        if error.failure.fault is Fault.CANCELLED:
            return self.cancelled_by
        if error.failure.status is not None:
            return EndedBy.UPSTREAM
        return FAULTS_OF_OURS.get(error.failure.fault, EndedBy.UPSTREAM)

    def _usage(self, call: _Progress, error: CallError | None) -> Usage:
        """The provider's own counts, else an estimate said to be one; nothing if it was refused."""
        told = call.done.usage if call.done else error.usage if error else Usage()
        if told.source is not UsageSource.NONE:
            return told
        wrote = written(call.done.answer) if call.done else "".join(call.written)
        worked = call.done is not None or bool(wrote) or may_have_read(error)
        if not worked:
            return told
        known = call.usage or Usage(self.order.input_tokens)
        return replace(
            known,
            output_tokens=max(known.output_tokens, estimate_tokens(wrote)),
            source=UsageSource.ESTIMATED,
        )


@dataclass(slots=True)
class _Progress:
    """How far one call has come.

    ``usage`` is what the provider has told of it on the way. ``doomed`` is the check that broke it
    off, with the reason.
    """

    id: str
    started_at: float
    outlet: Outlet
    watches: Mapping[str, Watch]
    released: bool = False
    text: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    usage: Usage | None = None
    first_at: float | None = None
    doomed: tuple[str, str] | None = None
    done: Done | None = None

    def grow(self, delta: Delta) -> None:
        """Note what came, for the draft and for the bill."""
        if delta.text:
            self.text.append(delta.text)
        self.written += (delta.text, delta.thinking)
        if delta.calls:
            self.written += (text for call in delta.calls for text in (call.name, call.arguments))
        if delta.usage is not None:
            self.usage = delta.usage

    def seen_through(self, delta: Delta) -> tuple[str, str] | None:
        """The check that can no longer pass, with the reason, if there is one."""
        for name, each in self.watches.items():
            reason = each.grow(delta)
            if reason is not None:
                return name, reason
        return None

    def draft(self) -> Answer | None:
        """What an answer that was broken off had come to."""
        return Answer("".join(self.text), Finish.UNKNOWN) if self.doomed else None

    def first_token_seconds(self, load_seconds: float) -> float | None:
        """From the call's start without the load; ``None`` where nothing came."""
        if self.first_at is None:
            return None
        return max(0.0, self.first_at - self.started_at - load_seconds)


def _discreet(verdict: Verdict, secrets: tuple[str, ...]) -> Verdict:
    told = without_secrets(verdict.reason, secrets)
    return verdict if told is verdict.reason else replace(verdict, reason=told)


def _ended_without_an_answer() -> CallError:
    message = "the provider ended without an answer"
    return CallError(Failure(Fault.INVALID_RESPONSE, message), Phase.STREAM)


def _cancelled(call: _Progress, by: EndedBy) -> CallError:
    phase = Phase.STREAM if call.first_at is not None else Phase.FIRST_TOKEN
    who = "the caller left" if by is EndedBy.CLIENT else "rung was stopped"
    return CallError(Failure(Fault.CANCELLED, f"{who} before the answer"), phase)
