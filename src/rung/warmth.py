"""Keeping local models in memory: loaded when the gateway starts, and before they would be dropped.

A load belongs to nobody's request: who waits for one and leaves does not end it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Final, Protocol

from rung.file_tables import TierTable
from rung.orders import Tier
from rung.providers.base import CallError, Provider, Residing
from rung.providers.keeping import kept_seconds

logger = logging.getLogger(__name__)

TOPIC: Final = "warm"

LOOK_SECONDS = 60.0
"""How soon a model is back in memory after its server was away, or another program pushed it out.
Ollama drops a model after minutes, so that this keeps it too."""

LEAST_SECONDS = 1.0


def kept_of(tables: Mapping[str, TierTable]) -> dict[str, float]:
    """The tiers that are to be kept in memory, each with how often to see to it, in seconds."""
    return {
        name: _every(table.keep_alive) for name, table in tables.items() if table.keep_warm is True
    }


def _every(keep_alive: str | None) -> float:
    if keep_alive is None:
        return LOOK_SECONDS
    return max(LEAST_SECONDS, min(LOOK_SECONDS, kept_seconds(keep_alive) / 2))


class Telling(Protocol):
    """Where processes that share a ledger tell each other things."""

    def tell(self, topic: str, name: str, value: Mapping[str, Any]) -> None:
        """Tell the others. Never waits, never raises."""
        ...

    def follow(self, topic: str, heed: Callable[[Any], None]) -> None:
        """Have ``heed`` called with each notice of a topic, in any thread."""
        ...


class SharedStay:
    """Which models other processes have lately used, so that they are in memory.

    ``names`` are those of the tiers whose server other processes call too, each with how long it
    keeps a model after a call, in seconds.
    """

    def __init__(
        self, names: Mapping[str, tuple[str, float]], telling: Telling, clock: Callable[[], float]
    ) -> None:
        self._names = names
        self._telling = telling
        self._clock = clock
        self._told: dict[str, float] = {}
        self._used: dict[str, float] = {}
        if names:
            telling.follow(TOPIC, self._heed)

    def used(self, tier: str) -> None:
        """This process has just had an answer of a tier: tell the others, now and then."""
        if tier not in self._names:
            return
        name, kept = self._names[tier]
        now = self._clock()
        if now - self._told.get(name, -inf) >= min(LOOK_SECONDS, kept / 2):
            self._told[name] = now
            self._telling.tell(TOPIC, name, {})

    def elsewhere(self, tier: str) -> bool:
        """Whether another process has used its model so lately that it is in memory."""
        if tier not in self._names:
            return False
        name, kept = self._names[tier]
        return self._clock() - self._used.get(name, -inf) < kept

    def _heed(self, notice: Any) -> None:
        self._used[str(notice.name)] = self._clock() - float(notice.age_seconds)


class Warmth:
    """One task that loads models and keeps them loaded.

    ``kept`` are the tiers to keep in memory, each with the seconds until it has to be asked for
    again. ``first`` are loaded once, when it begins.
    """

    def __init__(
        self, tiers: Mapping[str, Tier], kept: Mapping[str, float], first: Iterable[str] = ()
    ) -> None:
        self._providers: dict[str, Provider] = {name: tier.provider for name, tier in tiers.items()}
        self._kept = kept
        self._first = tuple(dict.fromkeys((*kept, *first)))
        self._asked: set[str] = set()
        self._woken = asyncio.Event()
        self._failing: set[str] = set()

    def wake(self, tier: str) -> None:
        """Load a tier's model soon, although nobody waits for it."""
        self._asked.add(tier)
        self._woken.set()

    async def run(self) -> None:
        """Load, and keep loaded, until cancelled."""
        loop = asyncio.get_running_loop()
        for tier in self._first:
            await self._keep(tier)
        due = {tier: loop.time() + seconds for tier, seconds in self._kept.items()}
        while True:
            wait = min(due.values(), default=None)
            await self._until(None if wait is None else wait - loop.time())
            asked, self._asked = self._asked, set()
            late = {tier for tier, at in due.items() if at <= loop.time()}
            for tier in sorted(asked | late):
                await self._keep(tier)
                if tier in due:
                    due[tier] = loop.time() + self._kept[tier]

    async def _until(self, seconds: float | None) -> None:
        self._woken.clear()
        if self._asked:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _keep(self, tier: str) -> None:
        """Have it in memory. A failure is logged once, until it has worked again."""
        provider = self._providers[tier]
        try:
            await (provider.keep() if isinstance(provider, Residing) else provider.warm())
        except Exception as error:  # noqa: BLE001 boundary: one tier's fault ends not the others' keep
            if tier not in self._failing:
                # A call's failure is worded for people; any other error's words could hold a key.
                said = (
                    error.failure.message if isinstance(error, CallError) else type(error).__name__
                )
                logger.warning("tier %s could not be loaded: %s", tier, said)
            self._failing.add(tier)
        else:
            if tier in self._failing:
                logger.warning("tier %s is loaded again", tier)
            self._failing.discard(tier)
