"""Letting only so many calls at once through to a model; the others wait for their turn.

A person's call goes before background work, and that before a batch. How long the wait will be is
told beforehand, so that a request may go elsewhere instead.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from heapq import heapify, heapreplace
from typing import cast

from rung.core.types import Failure, Fault, Lane, Phase, Request
from rung.providers.base import (
    Ask,
    CallError,
    Counting,
    Event,
    Health,
    Provider,
    Residing,
    Standing,
    Stay,
)

RANKS = {Lane.INTERACTIVE: 0, Lane.BACKGROUND: 1, Lane.BATCH: 2}
"""Who goes first."""

OVERDUE = 0.25
"""A call beyond its time is taken to need this share more of what it has taken."""

LEAST_SECONDS = 0.001

WAITED_SHARE = 0.5
"""Of a person's call's time may pass in the queue; else it is turned away at once. Calls whose turn
comes when no time is left take it from those that could still be answered."""

HOPELESS_SHARE = 0.5
"""Of the time that a call should take: with less left, it is not begun."""

Forecast = Callable[[Ask], float]
"""How many seconds a call should take; 0 where nobody knows."""


@dataclass(slots=True, eq=False)
class _Turn:
    """One call's place: waiting until ``granted``, running since ``began``."""

    rank: int
    ask: Ask
    forecast: Forecast
    granted: asyncio.Future[None]
    began: float | None = None
    _seconds: float | None = field(default=None)

    @property
    def seconds(self) -> float:
        """What it should take, worked out when it is first asked for: most calls meet nobody."""
        if self._seconds is None:
            self._seconds = self.forecast(self.ask)
        return self._seconds

    def left(self, now: float) -> float:
        """How many seconds more it should take."""
        if self.began is None:
            return self.seconds
        spent = max(0.0, now - self.began)
        # Of a call of which nothing is known: as long again as it has taken.
        return max(self.seconds - spent, spent * OVERDUE) if self.seconds else spent


class Slots:
    """So many places for calls at once, shared by all tiers whose calls meet at one model."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._running: list[_Turn] = []
        self._waiting: list[_Turn] = []

    @property
    def running(self) -> int:
        """Calls that run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """Calls that run or wait."""
        return self.running + self.waiting

    def wait_seconds(self, lane: Lane) -> float:
        """How long a call of this lane would wait if it came now."""
        if len(self._running) < self.places:
            return 0.0
        now = asyncio.get_running_loop().time()
        free_in = [turn.left(now) for turn in self._running]
        heapify(free_in)
        for turn in self._waiting:
            if turn.rank <= RANKS[lane]:
                heapreplace(free_in, free_in[0] + turn.seconds)
        return free_in[0]

    def enter(self, ask: Ask, forecast: Forecast) -> _Turn:
        """A place for a call; it may run once ``granted``."""
        self._forget_the_dead()
        loop = asyncio.get_running_loop()
        rank = RANKS[ask.request.directions.lane]
        turn = _Turn(rank, ask, forecast, loop.create_future())
        insort(self._waiting, turn, key=lambda each: each.rank)
        self._advance()
        return turn

    def leave(self, turn: _Turn) -> None:
        """The call has ended, or nobody waits for it any longer."""
        turns = self._waiting if turn.began is None else self._running
        if turn in turns:
            turns.remove(turn)
        self._advance()

    def _advance(self) -> None:
        while self._waiting and len(self._running) < self.places:
            turn = self._waiting.pop(0)
            turn.began = asyncio.get_running_loop().time()
            self._running.append(turn)
            turn.granted.set_result(None)

    def _forget_the_dead(self) -> None:
        """Calls of an event loop that was closed over them will never leave."""
        for turns in (self._running, self._waiting):
            turns[:] = [turn for turn in turns if not turn.granted.get_loop().is_closed()]


class Queueing:
    """A provider whose calls wait for a place among ``slots``.

    The wait is bounded by the call's own time, in which a model's load does not count. A person's
    call has what is left of that for its answer; any other has all of it, from its turn on.
    """

    def __init__(self, inner: Provider, slots: Slots, forecast: Forecast) -> None:
        self.inner = inner
        self.slots = slots
        self.dialect = inner.dialect
        self._forecast = forecast
        self._residing = inner if isinstance(inner, Residing) else None

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """Answer ``ask`` when its turn comes. Leaving the queue costs nothing."""
        self._turn_away(ask)
        turn = self.slots.enter(ask, self._forecast)
        try:
            if not turn.granted.done():
                await self._wait(turn, ask)
                ask = _with_what_is_left(ask, turn)
            events = cast("AsyncGenerator[Event]", self.inner.call(ask))
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self.slots.leave(turn)

    def _turn_away(self, ask: Ask) -> None:
        """Raises CallError where somebody would wait too long; other work may as well."""
        if ask.request.directions.lane is not Lane.INTERACTIVE:
            return
        wait, most = self.slots.wait_seconds(Lane.INTERACTIVE), ask.timeout_seconds * WAITED_SHARE
        if wait > most:
            said = f"it is busy: {wait:.3g} s until its turn, and the call may wait {most:.3g} s"
            busy = Failure(Fault.OVERLOADED, said, retry_after_seconds=wait - most)
            raise CallError(busy, Phase.CONNECT)

    async def _wait(self, turn: _Turn, ask: Ask) -> None:
        """Until it is this call's turn. Raises CallError when its time is up."""
        loop, standing = asyncio.get_running_loop(), ask.standing
        began, loads = loop.time(), self.stay().loads_seconds
        standing.waiting = True
        try:
            while not turn.granted.done():
                left = ask.timeout_seconds - standing.queued_seconds
                if left <= 0:
                    said = f"it was busy with other calls for {standing.queued_seconds:.3g} s"
                    raise CallError(Failure(Fault.TIMEOUT, said), Phase.CONNECT)
                await asyncio.wait({turn.granted}, timeout=left)
                self._note(standing, loop.time() - began, loads)
            standing.waiting = False
        finally:
            self._note(standing, loop.time() - began, loads)

    def _note(self, standing: Standing, waited: float, loads_before: float) -> None:
        standing.load_seconds = min(waited, self.stay().loads_seconds - loads_before)
        standing.queued_seconds = waited - standing.load_seconds

    def stay(self) -> Stay:
        """As the provider knows it."""
        return Stay() if self._residing is None else self._residing.stay()

    async def keep(self) -> None:
        """As the provider does it. Raises CallError."""
        if self._residing is not None:
            await self._residing.keep()

    async def health(self) -> Health:
        """Look whether a call could work; a look waits for no turn."""
        return await self.inner.health()

    async def warm(self) -> None:
        """Load what has to be loaded."""
        await self.inner.warm()

    async def close(self) -> None:
        """Close the provider."""
        await self.inner.close()


class CountingQueueing(Queueing):
    """The same for a provider that counts tokens, which takes no turn."""

    async def count(self, request: Request) -> int:
        """The tokens of a prompt. Raises CallError."""
        assert isinstance(self.inner, Counting)
        return await self.inner.count(request)


def queueing(inner: Provider, slots: Slots, forecast: Forecast) -> Queueing:
    """``inner`` behind ``slots``; it can do all that ``inner`` can."""
    kind = CountingQueueing if isinstance(inner, Counting) else Queueing
    return kind(inner, slots, forecast)


def _with_what_is_left(ask: Ask, turn: _Turn) -> Ask:
    """The call with the time that its wait has left it. Raises CallError where that is none."""
    if ask.request.directions.lane is not Lane.INTERACTIVE:
        return ask
    queued = ask.standing.queued_seconds
    left = ask.timeout_seconds - queued
    if left < HOPELESS_SHARE * turn.seconds:
        said = f"it was busy with other calls for {queued:.3g} s, and {left:.3g} s are too few"
        raise CallError(Failure(Fault.TIMEOUT, said), Phase.CONNECT)
    return replace(ask, timeout_seconds=max(left, LEAST_SECONDS))
