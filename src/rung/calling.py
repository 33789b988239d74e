"""One call to one tier, from the asking to the booking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from rung.core.engine import Call
from rung.core.growth import Delta
from rung.core.limits import left
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
from rung.lines import STOPPING, to_the_end
from rung.orders import Order, Tier, Wish
from rung.paying import Payment, about, bounds_of, limited
from rung.providers.base import Ask, CallError, Done, Event, Standing
from rung.providers.estimating import counted, estimated, may_have_read
from rung.providers.faults import without_keys, without_secrets
from rung.verifiers.base import Watch, watch
from rung.wire.calls import may_become_call, settled

FAULTS_OF_OURS = {
    Fault.TIMEOUT: EndedBy.LIMIT,
    Fault.BUDGET: EndedBy.LIMIT,
    Fault.INTERNAL: EndedBy.INTERNAL,
}
"""Who ended a call that no provider ended."""


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
    off, with the reason. ``unheard``: what came last is nobody's, whose caller has left;
    ``stopped``: the gateway itself is about to end. ``hasty``: it does not stand in line for money.
    ``payment`` is there where the call costs any.
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
    unheard: bool = False
    stopped: bool = False
    standing: Standing = field(default_factory=Standing)
    hasty: bool = False
    payment: Payment | None = None

    def grow(self, delta: Delta) -> None:
        """Note what came, for the draft and for the bill."""
        if delta.text:
            self.text.append(delta.text)
        self.written += (delta.text, delta.thinking)
        if delta.calls:
            self.written += (text for call in delta.calls for text in (call.name, call.arguments))
        if delta.usage is not None:
            self.usage = delta.usage

    def grow_unheard(self, event: Event) -> None:
        """Note what came after the caller had left: for the bill alone."""
        self.unheard = True
        if isinstance(event, Done):
            self.done = event
        else:
            self.grow(event)

    @property
    def ends(self) -> bool:
        """Whether it is to end at once: its tier's whole answer is of no use, or was not begun."""
        return self.doomed is not None or self.stopped or self.standing.waiting

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
        if order.request.trace is not None:
            asked = replace(asked, trace=order.request.trace.header(call.id))
        call.standing = asked.standing
        if not call.tier.pricer.price.free:
            return self._paid(call, asked, history)
        return cast("AsyncGenerator[Event]", call.tier.provider.call(asked))

    def _paid(self, call: Progress, asked: Ask, history: History) -> AsyncGenerator[Event]:
        """What the tier answers once there is money for it."""
        order, plan = self.order, self.order.plan
        request, tier = order.request, call.tier
        money = left(plan, history, 0.0)[1]
        most = order.purse.output_limit(request, capped=money is not None)
        asked = limited(asked, tier, self.at, most, money)
        seconds = max(0.0, left(plan, history, self.elapsed())[0])
        wish = Wish(
            call.id,
            request,
            bounds_of(asked, self.at).worst_cost(tier),
            0.0 if call.hasty else seconds,
            self._about(call),
        )
        call.payment = Payment(order.purse, wish, call.standing, self.elapsed)
        return call.payment.events(asked, tier.provider.call, patient=plan.patient)

    def _about(self, call: Progress) -> Mapping[str, Any]:
        """What is to be known of a call should this process die."""
        order, plan = self.order, self.order.plan
        return about(
            order.request,
            call.tier,
            self.at,
            ladder=plan.ladder,
            kind=call.action.kind.value,
            private=plan.private,
            input_tokens=order.input_tokens,
        )

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
        if call.tier.drains:
            events = to_the_end(events, call.grow_unheard, lambda: call.ends)
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
        if self.sink is not None and free:
            await self._release(free, call, self.sink)

    async def _release(self, free: Sequence[Delta], call: Progress, sink: Sink) -> None:
        try:
            for delta in free:
                call.released = True
                await sink.release(call.tier.name, delta)
        except asyncio.CancelledError as cancelled:
            call.stopped = STOPPING in cancelled.args
            raise
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
        payment = call.payment
        queued = call.standing.queued_seconds + (payment.waited_seconds if payment else 0.0)
        load = (told.load_seconds if told else 0.0) + call.standing.load_seconds
        worked = max(0.0, ended - call.started_at - load - queued)
        usage = self._usage(call, error)
        pricer = call.tier.pricer
        cost = pricer.cost(usage, worked, self.at)
        if payment is not None:
            payment.settle(cost)
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
            cost_nanousd=cost,
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
            drained=call.unheard and call.done is not None,
            reserved_nanousd=None if payment is None else payment.reserved_nanousd,
        )

    def _doom(self, doomed: tuple[str, str], at: float) -> Verdict:
        """The verdict that broke an answer off."""
        name, reason = doomed
        verifier = self.order.verifiers[name]
        told = f"broken off: {without_keys(without_secrets(reason, self.order.secrets))}"
        return Verdict(name, Status.FAILED, told, verifier.trust, at=at)

    def _usage(self, call: Progress, error: CallError | None) -> Usage:
        """The provider's own counts, else an estimate said to be one; nothing if it was refused."""
        if call.done is not None:
            return counted(call.done.usage, self.order.input_tokens, call.done.answer)
        told = error.usage if error else Usage()
        if told.source is not UsageSource.NONE:
            return told
        wrote = "".join(call.written)
        if not (wrote or may_have_read(error)):
            return told
        return estimated(self.order.input_tokens, wrote, call.usage)


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
