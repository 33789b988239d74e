"""Asking a tier beside the cascade: for a judge, for a second look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from rung.core.errors import RungError
from rung.core.features import features, may_keep_an_hour
from rung.core.guidance import NOTHING_KNOWN
from rung.core.money import exact
from rung.core.types import Request, Usage, UsageSource
from rung.guides import Privacy
from rung.orders import Clock, Tier
from rung.providers.base import Ask, CallError, Done, Event
from rung.providers.estimating import may_have_read
from rung.verifiers.kit import Reply

LONGEST_REPLY_TOKENS = 4096
"""What a reply may come to is bounded by this many tokens where the question sets no limit."""

PATIENCE_SECONDS = 0.1
"""A provider's own time-out comes first: it knows how far the call had come."""


@dataclass(frozen=True, slots=True)
class Consulting:
    """The configured tiers, asked one plain call at a time, and priced."""

    tiers: Mapping[str, Tier]
    clock: Clock
    wall: Callable[[], float]
    privacy: Privacy = field(default_factory=Privacy)

    async def ask(self, tier: str, request: Request, seconds: float) -> Reply:
        """One plain call. Raises RungError where there is no answer within ``seconds``.

        Nothing is called that could cost more than the request's own cap, and nothing of a private
        request leaves this machine. What a call without an answer cost is in the error's
        ``cost_nanousd``, whether it left all the same in its ``left``.
        """
        asked = self.tiers.get(tier)
        if asked is None:
            raise RungError(f"there is no tier {tier!r}", fix="name one of rung.toml")
        if not asked.local and (why := await self._private(request)):
            raise RungError(f"what is asked is private ({why}), and {tier} is not on this machine")
        _affordable(asked, request, seconds)
        began = self.clock()
        call = Ask(
            request=request,
            messages=request.messages,
            as_it_came=True,
            stream=False,
            timeout_seconds=seconds,
            schema=request.schema,
        )
        at = datetime.fromtimestamp(self.wall(), UTC)
        try:
            async with asyncio.timeout(seconds + PATIENCE_SECONDS):
                done = await _done(asked, call)
        except CallError as error:
            used = _used(request, error)
            cost = asked.pricer.cost(used, _worked(call, self.clock() - began), at)
            raise ConsultingError(
                f"{tier}: {error.failure.message}", cost, left=not asked.local
            ) from None
        except TimeoutError:
            read = Usage() if call.standing.waiting else _read(request)
            cost = asked.pricer.cost(read, _worked(call, self.clock() - began), at)
            raise ConsultingError(
                f"{tier} did not answer within {round(seconds, 2):g} s", cost, left=not asked.local
            ) from None
        spent = self.clock() - began
        worked = max(0.0, _worked(call, spent) - done.load_seconds)
        cost = asked.pricer.cost(done.usage, worked, at)
        return Reply(done.answer, cost, spent, left=not asked.local)

    async def _private(self, request: Request) -> str:
        """Why it must not leave. It may hold more than the request that it is about: an answer."""
        await self.privacy.look(request)
        return self.privacy.of(request, NOTHING_KNOWN)


class ConsultingError(RungError):
    """A tier gave no answer.

    ``cost_nanousd`` is what that was billed all the same; ``left`` says that the tier is not on
    this machine, and may have been reached.
    """

    def __init__(self, message: str, cost_nanousd: int, *, left: bool) -> None:
        super().__init__(message)
        self.cost_nanousd = cost_nanousd
        self.left = left


def _affordable(tier: Tier, request: Request, seconds: float) -> None:
    """Raises RungError where a call could cost more than the request's cap."""
    cap = request.directions.max_cost_nanousd
    if cap is None:
        return
    read, written = features(request).most_input_tokens, request.sampling.max_tokens
    hour = may_keep_an_hour(request.body)
    worst = tier.pricer.worst_cost(read, written or LONGEST_REPLY_TOKENS, seconds, hour=hour)
    if worst > cap:
        raise RungError(
            f"{tier.name} could cost ${exact(worst)}, and the request's cap leaves ${exact(cap)}"
        )


def _used(request: Request, error: CallError) -> Usage:
    """What a failed call used: as reported, else what its provider may have read."""
    untold = error.usage.source is UsageSource.NONE
    return _read(request) if untold and may_have_read(error) else error.usage


def _read(request: Request) -> Usage:
    return Usage(features(request).input_tokens, source=UsageSource.ESTIMATED)


async def _done(tier: Tier, ask: Ask) -> Done:
    async with aclosing(cast("AsyncGenerator[Event]", tier.provider.call(ask))) as events:
        async for event in events:
            if isinstance(event, Done):
                return event
    raise RungError(f"{tier.name} ended without an answer")


def _worked(call: Ask, seconds: float) -> float:
    """Of these seconds, those in which the call did not wait for its turn."""
    return max(0.0, seconds - call.standing.queued_seconds - call.standing.load_seconds)
