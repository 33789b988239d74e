"""Asking a tier beside the cascade: for a judge, for a second look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from rung.core.errors import RungError
from rung.core.types import Request
from rung.providers.base import Ask, CallError, Done, Event
from rung.runner import Clock, Tier
from rung.verifiers.kit import Reply


@dataclass(frozen=True, slots=True)
class Consulting:
    """The configured tiers, asked one plain call at a time, and priced."""

    tiers: Mapping[str, Tier]
    clock: Clock
    wall: Callable[[], float]

    async def ask(self, tier: str, request: Request, seconds: float) -> Reply:
        """One plain call. Raises RungError where there is no answer within ``seconds``.

        What a call without an answer cost is in the error's ``cost_nanousd``.
        """
        asked = self.tiers.get(tier)
        if asked is None:
            raise RungError(f"there is no tier {tier!r}", fix="name one of rung.toml")
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
            async with asyncio.timeout(seconds):
                done = await _done(asked, call)
        except CallError as error:
            cost = asked.pricer.cost(error.usage, self.clock() - began, at)
            raise ConsultingError(f"{tier}: {error.failure.message}", cost) from None
        except TimeoutError:
            raise ConsultingError(f"{tier} did not answer within {seconds:g} s", 0) from None
        spent = self.clock() - began
        cost = asked.pricer.cost(done.usage, max(0.0, spent - done.load_seconds), at)
        return Reply(done.answer, cost, spent)


class ConsultingError(RungError):
    """A tier gave no answer; ``cost_nanousd`` is what that was billed all the same."""

    def __init__(self, message: str, cost_nanousd: int) -> None:
        super().__init__(message)
        self.cost_nanousd = cost_nanousd


async def _done(tier: Tier, ask: Ask) -> Done:
    async with aclosing(cast("AsyncGenerator[Event]", tier.provider.call(ask))) as events:
        async for event in events:
            if isinstance(event, Done):
                return event
    raise RungError(f"{tier.name} ended without an answer")
