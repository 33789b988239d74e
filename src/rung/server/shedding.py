"""Turning requests away at once while there are more than this process can serve.

What shows it is the event loop's lateness: a timer that rings late waited behind work that was
ready, and so does every request. Above a target, a share of the requests is refused before anything
of them is read, and grows until the lateness falls; refusing costs a hundredth of serving, so that
those who are let in are served as fast as ever. Work for which nobody waits goes first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from math import exp
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

from rung.core.errors import UpstreamError
from rung.server.guard import App, Message, Receive, Refuse, Scope, Send

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.02
"""How often the lateness is measured."""

TARGET_SECONDS = 0.01
"""The lateness that is put up with. A loop that has time is late by a millisecond or two; one that
has none is soon late by hundreds, with little in between."""

GAIN = 0.5
"""How fast the share that is let in follows: its logarithm falls by so much a second at twice the
target, and rises by so much where nothing is late at all. So it swings as little at twenty times
too many requests as at two."""

MOST_EXCESS = 8.0
"""How much of an excess counts, in targets."""

CALM_SECONDS = 1.0
MOST_CALM_SECONDS = 4.0
"""Where nothing is late for longer, the share rises as many times as fast."""

PATIENCE_SECONDS = 0.5
"""A rush that is over sooner is served, if a little later, as far as it has no more than MANY."""

LONGEST_TICK_SECONDS = 0.25
"""How much of one tick counts: what piled up before must not close the door for long."""

LEAST_LET_IN = 0.02
"""Without a few that are let in nobody would see that the rush is over."""

ALL = 0.995
"""From this share on all are let in."""

SERIOUS = 0.05
"""The share from which work for which nobody waits is refused altogether."""

MOST_PATHS = 16
LANES_LATER = frozenset({b"background", b"batch"})
FEW = 64
"""So many requests at once are no rush, however late the loop is: it gets through them in a moment,
and work that is at hand keeps it busy while others are refused."""

MANY = 512
"""More at once are let in only while the loop has time: streams that wait for slow models."""

MOST_RUNNING = 4096
MOST_FILES = 16_384
OTHER_FILES = 200
FILES_A_REQUEST = 2
"""Its own connection and its tier's."""

RETRY_SECONDS = (1, 2, 3)
"""When to come back, in turns: not all at once."""


def most_running() -> int:
    """How many requests may run at once, by the files that this process may open.

    Asks for as many as it may have: the usual 1,024 are enough for some 400 requests.
    """
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft < MOST_FILES:
        with suppress(ValueError, OSError):
            setrlimit(RLIMIT_NOFILE, (min(hard, MOST_FILES), hard))
        soft, _ = getrlimit(RLIMIT_NOFILE)
    return max(FEW, min(MOST_RUNNING, (soft - OTHER_FILES) // FILES_A_REQUEST))


class Shedding:
    """An ASGI application in front of another. Only POST is ever refused.

    ``draw`` gives numbers from 0 to 1 by chance. ``most`` is how many requests may run at once.
    """

    def __init__(self, app: App, refuse: Refuse, draw: Callable[[], float], most: int) -> None:
        self._app = app
        self._refuse = refuse
        self._draw = draw
        self._most = most
        self._running = 0
        self._ticking = False
        self._told: dict[str, list[list[Message]]] = {}
        self._calm = self._late = 0.0
        self.chance = 0.0
        self.shed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if not self._ticking:
            self._begin()
        if self._running >= FEW and (self._running >= self._most or self._is_unlucky(scope)):
            self.shed += 1
            for message in await self._refusal(scope["path"]):
                await send(message)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1

    def _is_unlucky(self, scope: Scope) -> bool:
        if self._late and self._running >= MANY:
            return True
        if not self.chance:
            return False
        if self.chance >= SERIOUS and any(
            name.lower() == b"x-rung-lane" and value.strip().lower() in LANES_LATER
            for name, value in scope["headers"]
        ):
            return True
        return self._draw() < self.chance

    async def _refusal(self, path: str) -> list[Message]:
        """The messages of a refusal, made once for each path and time to come back."""
        kinds = self._told.get(path)
        if kinds is None:
            kinds = [await self._made(path, seconds) for seconds in RETRY_SECONDS]
            if len(self._told) < MOST_PATHS:
                self._told[path] = kinds
        return kinds[self.shed % len(kinds)]

    async def _made(self, path: str, seconds: float) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        said = "This gateway has more requests than it can serve: this one was not begun."
        error = UpstreamError(said, status=503, retry_after_seconds=seconds)
        await self._refuse(error, keep, path)
        return messages

    # -------------------------------------------------------------- how late it is

    def _begin(self) -> None:
        self._ticking = True
        loop = asyncio.get_running_loop()
        loop.call_later(TICK_SECONDS, self._tick, loop, loop.time())

    def _tick(self, loop: asyncio.AbstractEventLoop, began: float) -> None:
        now = loop.time()
        self.note(now - began)
        if not self._running and not self.chance:
            self._ticking = False  # until the next request
            return
        loop.call_later(TICK_SECONDS, self._tick, loop, now)

    def note(self, seconds: float) -> None:
        """Take into account that a tick took so long."""
        counted = min(seconds, LONGEST_TICK_SECONDS)
        excess = max(0.0, seconds - TICK_SECONDS) / TARGET_SECONDS - 1.0
        self._late = self._late + counted if excess > 0 else 0.0
        self._calm = 0.0 if excess > 0 else min(self._calm + counted, MOST_CALM_SECONDS)
        before = self.chance
        if not before and self._late < PATIENCE_SECONDS:
            return
        step = GAIN * max(CALM_SECONDS, self._calm) * counted * min(excess, MOST_EXCESS)
        let_in = (1.0 - before) * exp(-step)
        self.chance = 0.0 if let_in >= ALL else 1.0 - max(LEAST_LET_IN, let_in)
        if before < SERIOUS <= self.chance:
            logger.warning("there are more requests than this process can serve: some are refused")
