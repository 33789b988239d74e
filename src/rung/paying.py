"""Paying for one call: its worst cost is set aside before it is made, what it did cost settled."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from rung.core.features import ANYTHING, Beyond, beyond, features, may_keep_an_hour, message_tokens
from rung.core.types import (
    MOST_CHOICES,
    Failure,
    Fault,
    Need,
    Phase,
    Request,
    Usage,
    UsageSource,
)
from rung.orders import Hold, Purse, Refused, Tier, Wish
from rung.providers.base import Ask, CallError, Event, Standing

UNLIMITED_OUTPUT_TOKENS = 16_384
"""What an answer is bounded by where neither its caller nor a purse sets a limit."""

LEAST_SECONDS = 0.001
SHORT_SECONDS = 0.05
"""A wait for money that takes nothing off the time for the answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call can use at the most; ``at`` is when its request began, for its prices."""

    input_tokens: int
    output_tokens: int
    seconds: float
    at: datetime
    hour: bool = True
    beyond: Beyond = ANYTHING

    def worst_cost(self, tier: Tier) -> int:
        """The most that it can cost there.

        A request is billed by the prices that were in force when it began. Where they have changed
        since, the dearer ones are set aside.
        """
        read, wrote, pricer = self.input_tokens, self.output_tokens, tier.pricer
        now = pricer.worst_cost(read, wrote, self.seconds, hour=self.hour, beyond=self.beyond)
        kept = read if self.hour else 0
        used = Usage(read, wrote, 0, read, 0, UsageSource.ESTIMATED, kept)
        return max(now, pricer.cost(used, self.seconds, self.at))


def bounds_of(ask: Ask, at: datetime) -> Bounds:
    """The bounds of a call whose answer is limited to what its request says."""
    request = ask.request
    own = len(request.messages)
    read = features(request).most_input_tokens + 2 * sum(map(message_tokens, ask.messages[own:]))
    wrote = request.sampling.max_tokens or UNLIMITED_OUTPUT_TOKENS
    if Need.MANY_CHOICES in request.needs:
        wrote *= MOST_CHOICES
    if Need.EMBEDDINGS in request.needs:
        wrote = 0
    hour = may_keep_an_hour(request.body)
    return Bounds(read, wrote, ask.timeout_seconds, at, hour, beyond(request))


def limited(ask: Ask, tier: Tier, at: datetime, most: int | None, left: int | None) -> Ask:
    """The call with a limit on its answer where a cap rests on it and its caller set none.

    ``most`` is a purse's limit in tokens, ``left`` what is left of the request's own cap, in
    nano-dollars: of that the answer gets what the prompt leaves.
    """
    request = ask.request
    if request.sampling.max_tokens is not None or Need.EMBEDDINGS in request.needs:
        return ask
    if left is not None:
        bounds = bounds_of(ask, at)
        choices = MOST_CHOICES if Need.MANY_CHOICES in request.needs else 1
        most = _affordable(bounds, tier, most or UNLIMITED_OUTPUT_TOKENS, choices, left)
    if most is None:
        return ask
    sampling = replace(request.sampling, max_tokens=most)
    return replace(ask, request=replace(request, sampling=sampling))


def _affordable(bounds: Bounds, tier: Tier, most: int, choices: int, left: int) -> int:
    """How long an answer may be for what is left.

    Prices that rise with its length bend upwards: the straight line between none and the most is
    never below them.
    """
    none = replace(bounds, output_tokens=0).worst_cost(tier)
    full = replace(bounds, output_tokens=most * choices).worst_cost(tier)
    if full <= left or full == none:
        return most
    return max(1, most * max(0, left - none) // (full - none))


# ------------------------------------------------------------------ one call


@dataclass(slots=True)
class Payment:
    """One call's money, from the wish to the settlement. ``hold`` is there once it may be made."""

    purse: Purse
    wish: Wish
    standing: Standing
    clock: Callable[[], float]
    hold: Hold | None = None
    waited_seconds: float = 0.0

    async def events(
        self, ask: Ask, call: Callable[[Ask], AsyncIterator[Event]], *, patient: bool
    ) -> AsyncGenerator[Event]:
        """What the provider answers, once there is money for it. Raises CallError if not.

        What was waited for money is taken off the call's time, unless nobody waits for its answer.
        """
        await self.reserve()
        if self.waited_seconds > SHORT_SECONDS and not patient:
            left = max(LEAST_SECONDS, ask.timeout_seconds - self.waited_seconds)
            ask = replace(ask, timeout_seconds=left)
        async with aclosing(cast("AsyncGenerator[Event]", call(ask))) as events:
            async for event in events:
                yield event

    async def reserve(self) -> None:
        """Set aside what the call could cost. Raises CallError where it may not be made."""
        began, self.standing.waiting = self.clock(), True
        try:
            found = await self.purse.reserve(self.wish)
        finally:
            self.waited_seconds = self.clock() - began
        if isinstance(found, Refused):
            raise CallError(_refused(found), Phase.PLAN)
        self.standing.waiting = False
        self.hold = found

    def settle(self, cost_nanousd: int) -> None:
        """Say what it cost, whatever became of it. Once is enough, twice does no harm."""
        if self.hold is not None:
            self.purse.settle(self.hold, cost_nanousd)

    @property
    def reserved_nanousd(self) -> int | None:
        """What was set aside; ``None`` for a call that was not made."""
        return None if self.hold is None else self.hold.amount_nanousd


def _refused(found: Refused) -> Failure:
    wait = found.retry_after_seconds
    return Failure(Fault.BUDGET, found.message, retry_after_seconds=wait)


def about(request: Request, tier: Tier, at: datetime, **more: Any) -> Mapping[str, Any]:
    """What is to be known of a call should its process die: whose it was, where it went."""
    asked = request.directions
    return {
        "tier": tier.name,
        "model": tier.model,
        "local": tier.local,
        "price": tier.pricer.price.source,
        "started_unix": at.timestamp(),
        "dialect": request.dialect,
        "requested_model": request.model,
        "streamed": request.stream,
        "project": asked.project,
        "lane": asked.lane.value,
        "agent": asked.agent,
        "key": request.key,
        "conversation": request.conversation,
        "audit_of": request.audit_of,
        "resend_of": request.resend_of,
        **more,
    }
