"""Asking a tier beside the cascade: for a judge, for a second look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import cast

from rung.core.errors import RungError
from rung.core.features import features
from rung.core.guidance import NOTHING_KNOWN
from rung.core.money import exact
from rung.core.types import Request, Usage, UsageSource
from rung.guides import Privacy
from rung.orders import NO_PURSE, Clock, Purse, Tier, Wish
from rung.paying import Payment, about, bounds_of
from rung.providers.base import Ask, CallError, Done, Event
from rung.providers.estimating import counted, may_have_read
from rung.verifiers.kit import Reply

LONGEST_REPLY_TOKENS = 4096
"""What a reply may come to is bounded by this many tokens where the question sets no limit."""

PATIENCE_SECONDS = 0.1
"""A provider's own time-out comes first: it knows how far the call had come."""


@dataclass(frozen=True, slots=True)
class Consulting:
    """The configured tiers, asked one plain call at a time, priced, and paid for by ``purse``."""

    tiers: Mapping[str, Tier]
    clock: Clock
    wall: Callable[[], float]
    privacy: Privacy = field(default_factory=Privacy)
    purse: Callable[[], Purse] = lambda: NO_PURSE
    _numbers: Iterator[int] = field(default_factory=count)

    async def ask(self, tier: str, request: Request, seconds: float) -> Reply:
        """One plain call. Raises RungError where there is no answer within ``seconds``.

        Nothing is called that could cost more than the request's own cap or that its budgets leave,
        and nothing of a private request leaves this machine. What a call without an answer cost is
        in the error's ``cost_nanousd``, whether it left all the same in its ``left``.
        """
        asked = self.tiers.get(tier)
        if asked is None:
            raise RungError(f"there is no tier {tier!r}", fix="name one of rung.toml")
        if not asked.local and (why := await self._private(request)):
            raise RungError(f"what is asked is private ({why}), and {tier} is not on this machine")
        call = self._begun(asked, request, seconds)
        try:
            with self.purse().aside(request.id, call.cut):
                async with asyncio.timeout(seconds + PATIENCE_SECONDS):
                    done = await _done(call)
        except CallError as error:
            cost, left = call.billed(_used(call.ask.request, error)), call.left
            raise ConsultingError(f"{tier}: {error.failure.message}", cost, left=left) from None
        except TimeoutError:
            cost, left = call.billed(call.read), call.left
            said = f"{tier} did not answer within {round(seconds, 2):g} s"
            raise ConsultingError(said, cost, left=left) from None
        used = counted(done.usage, features(request).input_tokens, done.answer)
        cost = call.billed(used, done.load_seconds)
        return Reply(done.answer, cost, self.clock() - call.began, left=not asked.local)

    def _begun(self, tier: Tier, request: Request, seconds: float) -> _Call:
        """A call, ready to be made. Raises RungError where it could cost more than the cap."""
        at = datetime.fromtimestamp(self.wall(), UTC)
        limit = request.sampling.max_tokens or LONGEST_REPLY_TOKENS
        sampling = replace(request.sampling, max_tokens=limit)
        # What is asked beside a conversation is none of its turns; its budgets pay all the same.
        sent = replace(request, conversation="", sampling=sampling)
        ask = Ask(sent, sent.messages, True, False, seconds, sent.schema)  # noqa: FBT003 as it came, plain
        if tier.pricer.price.free:
            return _Call(tier, ask, at, self.clock, self.clock())
        worst = bounds_of(ask, at).worst_cost(tier)
        cap = request.directions.max_cost_nanousd
        if cap is not None and worst > cap:
            raise RungError(
                f"{tier.name} could cost ${exact(worst)}, and the request's cap leaves "
                f"${exact(cap)}"
            )
        tokens = features(request).input_tokens
        told = about(request, tier, at, kind="check", input_tokens=tokens)
        wish = Wish(f"{request.id}.check{next(self._numbers)}", request, worst, seconds, told)
        payment = Payment(self.purse(), wish, ask.standing, self.clock)
        return _Call(tier, ask, at, self.clock, self.clock(), payment)

    async def _private(self, request: Request) -> str:
        """Why it must not leave. It may hold more than the request that it is about: an answer."""
        await self.privacy.look(request)
        return self.privacy.of(request, NOTHING_KNOWN)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call under way."""

    tier: Tier
    ask: Ask
    at: datetime
    clock: Clock
    began: float
    payment: Payment | None = None

    def events(self) -> AsyncGenerator[Event]:
        """What the tier answers, once there is money for it."""
        call = self.tier.provider.call
        if self.payment is None:
            return cast("AsyncGenerator[Event]", call(self.ask))
        return self.payment.events(self.ask, call, patient=False)

    def billed(self, used: Usage, load_seconds: float = 0.0) -> int:
        """What it cost, settled. Time in a queue or in line for money is not the tier's."""
        standing = self.ask.standing
        waited = standing.queued_seconds + standing.load_seconds + load_seconds
        if self.payment is not None:
            waited += self.payment.waited_seconds
        worked = max(0.0, self.clock() - self.began - waited)
        cost = self.tier.pricer.cost(used, worked, self.at)
        if self.payment is not None:
            self.payment.settle(cost)
        return cost

    def cut(self) -> int:
        """What it cost so far, settled at that."""
        return self.billed(self.read)

    @property
    def read(self) -> Usage:
        """What it may have used by now, if nobody tells."""
        return Usage() if self.ask.standing.waiting else _read(self.ask.request)

    @property
    def left(self) -> bool:
        """Whether it may have reached another machine."""
        unpaid = self.payment is not None and self.payment.hold is None
        return not (self.tier.local or unpaid)


class ConsultingError(RungError):
    """A tier gave no answer.

    ``cost_nanousd`` is what that was billed all the same; ``left`` says that the tier is not on
    this machine, and may have been reached.
    """

    def __init__(self, message: str, cost_nanousd: int, *, left: bool) -> None:
        super().__init__(message)
        self.cost_nanousd = cost_nanousd
        self.left = left


def _used(request: Request, error: CallError) -> Usage:
    """What a failed call used: as reported, else what its provider may have read."""
    untold = error.usage.source is UsageSource.NONE
    return _read(request) if untold and may_have_read(error) else error.usage


def _read(request: Request) -> Usage:
    return Usage(features(request).input_tokens, source=UsageSource.ESTIMATED)


async def _done(call: _Call) -> Done:
    async with aclosing(call.events()) as events:
        async for event in events:
            if isinstance(event, Done):
                return event
    raise RungError(f"{call.tier.name} ended without an answer")
