"""Where requests that nothing passed meet a human: told of them, waited for, their answer taken.

The ledger's outcome stays as it was booked. The human's answer is a record of its own, durable
before it is seen here; the caller who waited gets it as if one more tier had been asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from rung.core.errors import LedgerError
from rung.core.labels import Closing
from rung.core.outcome import Outcome
from rung.core.types import Answer, Attempt, EndedBy, Kind

logger = logging.getLogger(__name__)

HUMAN = "human"
"""The tier and the model of such an answer, where callers look for them."""

POLL_SECONDS = 0.5
"""How often the ledger is asked, once for all who wait. The answer comes from another process."""


class Inbox(Protocol):
    """Where entries are closed."""

    def closings(self, ids: Collection[str], /) -> Mapping[str, Closing]:
        """How those of these entries were closed that are. Blocks; raises LedgerError."""
        ...


@dataclass(slots=True, eq=False)
class _Waiter:
    request_id: str
    closed: asyncio.Future[Closing | None]


@dataclass(slots=True)
class Desk:
    """Waits for humans.

    ``patience`` is how many seconds callers wait, by ladder; those of other ladders do not wait.
    ``bell`` tells somebody that an entry waits; it returns at once. ``clock`` counts seconds.
    """

    inbox: Inbox
    clock: Callable[[], float]
    patience: Mapping[str, float] = field(default_factory=dict)
    bell: Callable[[Outcome], None] | None = None
    close_bell: Callable[[], Awaitable[None]] | None = None
    poll_seconds: float = POLL_SECONDS
    _waiters: set[_Waiter] = field(default_factory=set)
    _looking: asyncio.Task[None] | None = None
    _ending: bool = False

    async def answered(self, outcome: Outcome, *, told: bool = False) -> Outcome:
        """The outcome as its caller is to see it, once a human has answered or patience has ended.

        Returns at once what no human is asked about. ``told`` says that the bell has rung for it.
        """
        if not outcome.inbox:
            return outcome
        if self.bell is not None and not told:
            self.bell(outcome)
        seconds = self._patience(outcome)
        if seconds <= 0 or self._ending:
            return outcome
        began = self.clock()
        closing = await self._closing(outcome.request.id, seconds)
        if closing is None:
            return outcome
        if not closing.answered:
            return replace(outcome, inbox=False)
        return with_answer(outcome, closing, self.clock() - began)

    def let_go(self) -> None:
        """End all waits, and begin no more: whoever waits is told at once where the request is."""
        self._ending = True
        for waiter in self._waiters:
            if not waiter.closed.done():
                waiter.closed.set_result(None)

    async def close(self) -> None:
        """Let the bell ring out and stop looking."""
        if self.close_bell is not None:
            await self.close_bell()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _patience(self, outcome: Outcome) -> float:
        if any(attempt.released for attempt in outcome.attempts):
            return 0.0  # what has left of a draft must not be mixed with another answer
        seconds = self.patience.get(outcome.plan.ladder, 0.0)
        limit = outcome.request.directions.deadline_seconds
        return seconds if limit is None else min(seconds, limit - outcome.seconds)

    async def _closing(self, request_id: str, seconds: float) -> Closing | None:
        waiter = _Waiter(request_id, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        try:
            async with asyncio.timeout(seconds):
                return await waiter.closed
        except TimeoutError:
            return None
        finally:
            self._waiters.discard(waiter)

    async def _look(self) -> None:
        """Ask the ledger for all who wait, until nobody does."""
        while self._waiters:
            ids = {waiter.request_id for waiter in self._waiters}
            try:
                found = await asyncio.to_thread(self.inbox.closings, ids)
            except LedgerError as error:
                logger.warning("cannot look for answers: %s", error.message)
                found = {}
            for waiter in self._waiters:
                closing = found.get(waiter.request_id)
                if closing is not None and not waiter.closed.done():
                    waiter.closed.set_result(closing)
            await asyncio.sleep(self.poll_seconds)


def with_answer(outcome: Outcome, closing: Closing, waited_seconds: float) -> Outcome:
    """The outcome with the human's answer served, as one more attempt that cost nothing."""
    drafted = None if closing.attempt is None else outcome.attempts[closing.attempt].answer
    served = Attempt(
        id=f"{outcome.request.id}.{HUMAN}",
        tier=HUMAN,
        kind=Kind.FIRST,
        started_at=outcome.seconds,
        ended_at=outcome.seconds + waited_seconds,
        answer=drafted or Answer(closing.text or "", model=HUMAN),
    )
    return replace(
        outcome,
        attempts=(*outcome.attempts, served),
        served=len(outcome.attempts),
        verified=closing.verified,
        ended_by=EndedBy.UPSTREAM,
        inbox=False,
    )
