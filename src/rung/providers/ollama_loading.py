"""Having an Ollama model in memory before it is asked: one load for all who wait for it.

Ollama gives a load up when its client hangs up, so a load that is tied to an impatient caller never
ends (https://github.com/ollama/ollama/issues/7408). Here a load is a task of its own: callers wait
for it, and their leaving does not touch it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from rung.core.types import Fault
from rung.providers.base import CallError, Stay
from rung.providers.keeping import kept_seconds
from rung.providers.ollama_server import OllamaServer
from rung.wire import ollama as wire
from rung.wire.ollama import server as about

LOAD_SECONDS = 180.0
"""How long a load may take before its callers are told that it failed."""

TRUST_SECONDS = 5.0
"""How long a model that was seen in memory, or has answered, is taken to be there still."""


@dataclass(frozen=True, slots=True)
class Residence:
    """A model in memory.

    ``asked_tokens`` is the window to name in a request, so that it does not reload the model;
    ``window_tokens`` the one it has, which is smaller on a server that does as it likes.
    ``waited_seconds`` is what the caller spent on a load.
    """

    asked_tokens: int
    window_tokens: int
    waited_seconds: float = 0.0


class Loading:
    """Keeps one model at one server in memory, with one window for all its callers.

    The window is a bucket that holds what was needed. It only grows while the model is in memory,
    because every change is a reload; a larger one that another program asked for is taken over. It
    never exceeds ``context_tokens`` nor what the model was trained for.
    """

    def __init__(self, server: OllamaServer, context_tokens: int | None) -> None:
        self._server = server
        self._configured = context_tokens
        self._most: int | None = None
        self._shown: about.Shown | None = None
        self._known: Residence | None = None
        self._trusted_until = 0.0
        self._task: asyncio.Task[bool] | None = None
        self._task_needed = 0
        self._tasks: set[asyncio.Task[bool]] = set()
        self._heard: float | None = None
        self._began: float | None = None
        self._spent = 0.0
        self.load_seconds = LOAD_SECONDS

    async def shown(self) -> about.Shown:
        """What is known of the model; asked for until the server tells. Raises CallError."""
        shown = self._shown or await self._server.shown()
        if shown != about.Shown():
            self._shown = shown
        return shown

    async def ready(self, needed_tokens: int) -> Residence:
        """Wait until the model is in memory with room for ``needed_tokens``, or as much as it has.

        Raises CallError in the phase LOAD, with the time spent.
        """
        loop = asyncio.get_running_loop()
        known = self._known
        if known is not None and loop.time() < self._trusted_until and self._holds(needed_tokens):
            return known
        started = loop.time()
        try:
            loaded = await asyncio.shield(self._shared(needed_tokens))
        except CallError as error:
            waited = loop.time() - started
            raise CallError(error.failure, error.phase, load_seconds=waited) from None
        assert self._known is not None
        return replace(self._known, waited_seconds=loop.time() - started if loaded else 0.0)

    def answered(self) -> None:
        """The model has just answered, so it is in memory."""
        self._heard = asyncio.get_running_loop().time()
        self._trusted_until = self._heard + TRUST_SECONDS

    def doubt(self) -> None:
        """A call went wrong: look again before the next."""
        self._trusted_until = 0.0
        self._heard = None

    def stay(self) -> Stay:
        """Whether the model is in memory, as far as was last heard of it."""
        if self._began is None and self._heard is None:
            return Stay(loads_seconds=self._spent)
        now = asyncio.get_running_loop().time()
        if self._began is not None:
            loading = now - self._began
            return Stay(
                resident=False, loading_seconds=loading, loads_seconds=self._spent + loading
            )
        there = now - (self._heard or 0.0) < kept_seconds(self._server.keep_alive)
        return Stay(resident=there, loads_seconds=self._spent)

    async def keep(self) -> None:
        """Load the model, or have it stay for another while. Raises CallError."""
        home = await self.ready(1)
        under_way = self._task is not None and not self._task.done()
        if not (home.waited_seconds or under_way):
            # The same window again loads nothing, and its keep_alive begins anew.
            await self._server.load(home.asked_tokens, self.load_seconds)
            self.answered()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -------------------------------------------------------------- the shared task

    def _shared(self, needed: int) -> asyncio.Task[bool]:
        """The load under way if it is large enough, else one that begins when that has ended."""
        before = self._task if self._task is not None and not self._task.done() else None
        if before is not None and self._task_needed >= needed:
            return before
        self._task = asyncio.create_task(self._settle(needed, before))
        self._task_needed = needed
        self._tasks.add(self._task)
        self._task.add_done_callback(self._ended)
        return self._task

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken notice of, should all who waited for it have left

    async def _settle(self, needed: int, before: asyncio.Task[bool] | None) -> bool:
        """Load the model unless it is in memory and large enough. Returns whether it had to."""
        if before is not None:
            await asyncio.wait({before})
        most = await self._limit()
        wanted = wire.bucket(needed, most)
        found = await self._look()
        if found is None:
            self._known = None
        loaded = not self._keep(found, wanted, most)
        if loaded:
            await self._load(wanted)
            found = await self._look()
            told = 0 if found is None else found.context_tokens
            self._known = Residence(wanted, told or wanted)
        self.answered()
        return loaded

    async def _load(self, wanted: int) -> None:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        try:
            await self._server.load(wanted, self.load_seconds)
        finally:
            self._spent += loop.time() - self._began
            self._began = None

    async def _look(self) -> about.Loaded | None:
        """The model in memory. What the server does not tell is taken to be as it was.

        Of a server that never told anything and does not answer now, nobody waits for a load.
        """
        try:
            return await self._server.loaded()
        except wire.OllamaWireError:
            pass
        except CallError as error:
            silent = error.failure.fault is Fault.TIMEOUT and self._known is None
            if silent or error.failure.fault is Fault.CONNECT:
                raise
        return None if self._known is None else about.Loaded(self._server.model)

    def _keep(self, found: about.Loaded | None, wanted: int, most: int) -> bool:
        """Whether what is in memory will do; remembers it if so."""
        if found is None:
            return False
        known, told = self._known, found.context_tokens
        if known is not None and known.asked_tokens >= wanted and told in {0, known.window_tokens}:
            return True
        if wanted <= told <= most:
            self._known = Residence(told, told)
            return True
        return False

    def _holds(self, needed: int) -> bool:
        if self._known is None or self._most is None:
            return False
        return self._known.asked_tokens >= wire.bucket(needed, self._most)

    async def _limit(self) -> int:
        """The most tokens a window may have: configured, trained, or the largest bucket."""
        limits = (self._configured, (await self.shown()).trained_tokens)
        self._most = min((n for n in limits if n is not None), default=wire.BUCKETS[-1])
        return self._most
