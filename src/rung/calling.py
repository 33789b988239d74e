"""One call to one tier, from the asking to the booking; and two at once, where one keeps silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from rung.core.engine import Call
from rung.core.features import estimate_tokens
from rung.core.growth import Delta
from rung.core.saying import said
from rung.core.types import (
    Answer,
    Attempt,
    EndedBy,
    Failure,
    Fault,
    Finish,
    History,
    Phase,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status, Verdict
from rung.delivery import Outlet, Sink, UndeliverableError
from rung.drafting import ask
from rung.orders import Order, Tier
from rung.providers.base import CallError, Done, Event, Standing
from rung.providers.estimating import may_have_read, written
from rung.verifiers.base import Watch, watch
from rung.wire.calls import may_become_call, settled

STOPPING = "this gateway is stopping."
"""The reason given with a cancellation that is not the caller's leaving."""

FAULTS_OF_OURS = {Fault.TIMEOUT: EndedBy.LIMIT, Fault.INTERNAL: EndedBy.INTERNAL}
"""Who ended a call that no provider ended."""

MOST_PENDING = 16
"""Events of a call that are taken before somebody asks for them."""


class CutError(Exception):
    """The call ended with its request, for ``reason``. ``attempt`` has what is known of it."""

    def __init__(self, attempt: Attempt, by: EndedBy, reason: BaseException) -> None:
        super().__init__()
        self.attempt = attempt
        self.by = by
        self.reason = reason


@dataclass(slots=True)
class Progress:
    """How far one call has come.

    ``usage`` is what the provider has told of it on the way. ``doomed`` is the check that broke it
    off, with the reason.
    """

    id: str
    tier: Tier
    action: Call
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
    standing: Standing = field(default_factory=Standing)

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

    def first_token_seconds(self, before: float) -> float | None:
        """From the call's start without load and queue; ``None`` where nothing came."""
        if self.first_at is None:
            return None
        return max(0.0, self.first_at - self.started_at - before)


@dataclass(slots=True)
class Calls:
    """The calls of one running request.

    ``held`` keeps, by attempt id, the deltas of streams that may not leave yet.
    """

    order: Order
    at: datetime
    elapsed: Callable[[], float]
    new_id: Callable[[], str]
    sink: Sink | None = None
    held: dict[str, list[Delta]] = field(default_factory=dict)

    def begin(self, action: Call) -> Progress:
        """Get ready for a call."""
        request = self.order.request
        unsure = may_become_call if request.tools else None
        names = sorted(action.watched) if request.stream else ()
        watches = {name: watch(self.order.verifiers[name], request) for name in names}
        return Progress(
            id=self.new_id(),
            tier=self.order.tiers[action.tier],
            action=action,
            started_at=self.elapsed(),
            outlet=Outlet(action.release, unsure),
            watches={name: each for name, each in watches.items() if each is not None},
        )

    def events(self, call: Progress, history: History) -> AsyncGenerator[Event]:
        """What the tier answers. Nothing of a private request goes further than this machine."""
        order = self.order
        if order.plan.private and not call.tier.local:
            return _refusing(f"the request is private ({order.plan.private})")
        sent = order.sent or order.request
        shown = self._shown(call, history)
        asked = ask(sent, order.plan, call.action, shown, order.verifiers)
        call.standing = asked.standing
        return cast("AsyncGenerator[Event]", call.tier.provider.call(asked))

    def _shown(self, call: Progress, history: History) -> History:
        """The history without the words of local tiers that must not leave with this call."""
        step = self.order.plan.step(call.tier.name)
        if call.tier.local or step is None or not step.carry:
            return history
        return tuple(replace(a, answer=None) if self._keeps(a) else a for a in history)

    def _keeps(self, attempt: Attempt) -> bool:
        if attempt.answer is None or attempt.local is False:
            return False
        return self.order.keeps(said(attempt.answer))

    async def drain(self, call: Progress, events: AsyncGenerator[Event]) -> Attempt:
        """Take the answer to its end, whatever it is. Raises CutError where the request ends."""
        try:
            async with aclosing(events):
                async for event in events:
                    await self._take(event, call)
                    if call.doomed is not None:
                        break
            failure = None if call.done or call.doomed else _ended_without_an_answer()
        except CallError as error:
            failure = error
        except asyncio.CancelledError as cancelled:
            by = EndedBy.GATEWAY if STOPPING in cancelled.args else EndedBy.CLIENT
            attempt = self.booked(call, cancelled_by(call, by), by)
            raise CutError(attempt, by, cancelled) from None
        except UndeliverableError as error:
            client = EndedBy.CLIENT
            attempt = self.booked(call, cancelled_by(call, client), client)
            raise CutError(attempt, client, error) from None
        except Exception as error:  # noqa: BLE001 boundary: a provider's bug must not lose the request
            message = f"{type(error).__name__} inside the provider"
            failure = CallError(Failure(Fault.INTERNAL, message), Phase.CONNECT)
        return self.booked(call, failure)

    async def _take(self, event: Event, call: Progress) -> None:
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
                await self.sink.release(call.tier.name, delta)
            except Exception as error:  # boundary: the face that takes the bytes
                raise UndeliverableError from error

    def booked(
        self, call: Progress, error: CallError | None, by: EndedBy = EndedBy.CLIENT
    ) -> Attempt:
        """One call as an attempt, whatever came of it, with what it used and cost.

        ``by`` is who cancelled it, if it was cancelled.
        """
        ended = self.elapsed()
        done = call.done if error is None else None
        # A call that was cut off after its end has still reported what it used.
        told = call.done or error
        queued = call.standing.queued_seconds
        load = (told.load_seconds if told else 0.0) + call.standing.load_seconds
        worked = max(0.0, ended - call.started_at - load - queued)
        usage = self._usage(call, error)
        pricer = call.tier.pricer
        self.held[call.id] = call.outlet.held
        return Attempt(
            id=call.id,
            tier=call.tier.name,
            kind=call.action.kind,
            started_at=call.started_at,
            ended_at=ended,
            answer=done.answer if done else call.draft() if error is None else None,
            failure=error.failure if error else None,
            usage=usage,
            cost_nanousd=pricer.cost(usage, worked, self.at),
            price=pricer.price,
            load_seconds=load,
            first_token_seconds=call.first_token_seconds(load + queued),
            ended_by=EndedBy.GATEWAY if call.doomed else _ended_by(error, by),
            phase=error.phase if error else Phase.STREAM if call.doomed else Phase.DONE,
            verdicts=() if call.doomed is None else (self._doom(call.doomed, ended),),
            losses=done.losses if done else (),
            released=call.released,
            local=call.tier.local,
            spared_tokens=self.order.spared_tokens,
            queued_seconds=queued,
        )

    def _doom(self, doomed: tuple[str, str], at: float) -> Verdict:
        """The verdict that broke an answer off."""
        name, reason = doomed
        verifier = self.order.verifiers[name]
        return Verdict(name, Status.FAILED, f"broken off: {reason}", verifier.trust, at=at)

    def _usage(self, call: Progress, error: CallError | None) -> Usage:
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


# ------------------------------------------------------------------ two at once


class Line:
    """The events of a call that runs in a task of its own, so that somebody may wait beside it.

    A provider's generator has to begin and end in one task: its time-outs belong to that.
    """

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        self._queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(MOST_PENDING)
        self._first = asyncio.Event()
        self._task = asyncio.ensure_future(self._pump(events))
        self._ending = False
        self.failed_first = False

    async def _pump(self, events: AsyncGenerator[Event]) -> None:
        end: BaseException | None = None
        try:
            async with aclosing(events):
                async for event in events:
                    self._first.set()
                    await self._queue.put(event)
        except Exception as error:  # noqa: BLE001 boundary: told to whoever takes the events
            end = error
        self.failed_first = not self._first.is_set()
        self._first.set()
        await self._queue.put(end)

    @property
    def silent(self) -> bool:
        """Whether nothing came of it yet, not even an end."""
        return not self._first.is_set()

    async def heard(self) -> None:
        """Return when it has given a sign of life, or has ended without one."""
        await self._first.wait()

    async def events(self) -> AsyncGenerator[Event]:
        """Its events from the first on. Closing this ends the call."""
        try:
            while True:
                event = await self._queue.get()
                if event is None:
                    return
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            await self.close()

    def end(self) -> None:
        """Have the call ended; `close` waits until it is."""
        if not self._ending:
            # Once: a second time would break off what it still does to end well.
            self._ending = True
            self._task.cancel()

    async def close(self) -> None:
        """End the call at the other end too."""
        self.end()
        await asyncio.wait({self._task})


async def _refusing(why: str) -> AsyncGenerator[Event]:
    raise CallError(Failure(Fault.INTERNAL, f"not called: {why}"), Phase.PLAN)
    yield  # pragma: no cover - what makes it a generator


# ------------------------------------------------------------------ how it ended


def _ended_by(error: CallError | None, cancelled: EndedBy) -> EndedBy:
    if error is None:
        return EndedBy.UPSTREAM
    if error.failure.fault is Fault.CANCELLED:
        return cancelled
    if error.failure.status is not None:
        return EndedBy.UPSTREAM
    return FAULTS_OF_OURS.get(error.failure.fault, EndedBy.UPSTREAM)


def _ended_without_an_answer() -> CallError:
    message = "the provider ended without an answer"
    return CallError(Failure(Fault.INVALID_RESPONSE, message), Phase.STREAM)


def cancelled_by(call: Progress, by: EndedBy, why: str = "") -> CallError:
    """A call that somebody ended."""
    phase = Phase.STREAM if call.first_at is not None else Phase.FIRST_TOKEN
    if call.standing.waiting:
        phase = Phase.CONNECT
    who = "the caller left" if by is EndedBy.CLIENT else "rung was stopped"
    return CallError(Failure(Fault.CANCELLED, why or f"{who} before the answer"), phase)
