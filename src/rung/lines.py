"""A call's events out of a task of its own: to wait beside it, or to hear it after all have left.

A provider's generator has to begin and end in one task: its time-outs belong to that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from rung.providers.base import CallError, Event

STOPPING = "this gateway is stopping."
"""The reason given with a cancellation that is not the caller's leaving."""

MOST_PENDING = 16
"""Events of a call that are taken before somebody asks for them."""


class Line:
    """The events of a call that runs in a task of its own."""

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        self._queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(MOST_PENDING)
        self._first = asyncio.Event()
        self._task = asyncio.ensure_future(self._pump(events))
        self._ending = False
        self.failed_first = False
        self.over = False

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

    async def take(self) -> Event | None:
        """Its next event, ``None`` after the last. Raises what ended the call.

        Being cancelled here neither ends the call nor loses an event.
        """
        event = await self._queue.get()
        self.over = event is None or isinstance(event, BaseException)
        if isinstance(event, BaseException):
            raise event
        return event

    async def events(self) -> AsyncGenerator[Event]:
        """Its events from the first on. Closing this ends the call."""
        try:
            while (event := await self.take()) is not None:
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


async def to_the_end(
    events: AsyncGenerator[Event], unheard: Callable[[Event], None], broken_off: Callable[[], bool]
) -> AsyncGenerator[Event]:
    """The events of a call that is heard to its end though its caller has left.

    Cancelled or closed before the end, it hands what still comes to ``unheard`` first: the provider
    bills that too, and tells at the end how much it was. Not where the call was ``broken_off`` for
    what it said, nor where the gateway stops, which ends the hearing as well.
    """
    line = Line(events)
    caller_left = True
    try:
        while (event := await line.take()) is not None:
            yield event
    except asyncio.CancelledError as cancelled:
        caller_left = STOPPING not in cancelled.args
        raise
    finally:
        try:
            if caller_left and not line.over and not broken_off():
                await _rest(line, unheard)
        finally:
            await line.close()


async def _rest(line: Line, unheard: Callable[[Event], None]) -> None:
    with suppress(CallError):  # what had come by then is known
        while (event := await line.take()) is not None:
            unheard(event)
