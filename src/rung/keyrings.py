"""The ledger's virtual keys, held in memory and never older than two seconds.

A small look, once a second while requests come, says whether any key has changed; only then are
they all read again. The request that finds them a second old goes on beside that look; the first
after a pause waits for it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final, Protocol

from rung.core.errors import LedgerError
from rung.core.keyring import Keyring
from rung.ledger.keys import Look

LOOK_SECONDS: Final = 1.0
"""How old the keys may be before they are looked at again."""

LATEST_SECONDS: Final = 2.0
"""How old they may be before a request waits for that look."""

PATIENCE_SECONDS: Final = 1.0
"""How long it waits. A database that is away keeps nobody longer."""

AWAY_SECONDS: Final = 300.0
"""How long keys that were known go on to open while the ledger cannot be read."""

SOONEST_SECONDS: Final = 0.1
"""Between looks on account of unknown keys: a flood of those makes no flood of looks."""

MOST_TRIES: Final = 3


class Shelf(Protocol):
    """Where virtual keys are kept."""

    def look_at_keys(self, known: str | None) -> Look:
        """The keys, where they have changed since that stamp. Blocks; raises LedgerError."""
        ...


class NoShelf:
    """Where there are none, nor ever will be."""

    def look_at_keys(self, known: str | None) -> Look:
        """Nothing."""
        return Look("", None if known == "" else Keyring())


class FreshRing:
    """The keys of a shelf. For one event loop; ``clock`` is monotonic."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float] = time.monotonic) -> None:
        self.ring = Keyring()
        self._shelf = shelf
        self._clock = clock
        self._stamp: str | None = None
        self._seen = self._began = self._failed = -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def up_to_date(self) -> None:
        """Return when the keys are as they were two seconds ago or later.

        Raises LedgerError where they could not be read for too long.
        """
        now = self._clock()
        age = now - self._seen
        if age <= LOOK_SECONDS:
            return
        if self._looking is None and now - self._failed > LOOK_SECONDS:
            self._begin()
        if age > LATEST_SECONDS and self._looking is not None:
            await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
        if self._clock() - self._seen > AWAY_SECONDS:
            raise LedgerError(
                "the keys of this gateway cannot be read.",
                fix="look at its ledger: `rung ledger check`",
            )

    async def anew(self) -> None:
        """Return when they were looked at from now on, if that can be done soon."""
        asked = self._clock()
        for _ in range(MOST_TRIES):
            if self._looking is None:
                await asyncio.sleep(max(0.0, self._began + SOONEST_SECONDS - self._clock()))
            looking = self._looking or self._begin()
            await asyncio.wait({looking}, timeout=PATIENCE_SECONDS)
            if self._seen >= asked or self._failed >= asked:
                return

    async def close(self) -> None:
        """Wait for a look that is under way."""
        if self._looking is not None:
            await asyncio.wait({self._looking})

    def _begin(self) -> asyncio.Task[None]:
        self._began = self._clock()
        self._looking = asyncio.ensure_future(self._look())
        return self._looking

    async def _look(self) -> None:
        began = self._began
        try:
            found = await asyncio.to_thread(self._shelf.look_at_keys, self._stamp)
        except LedgerError:
            self._failed = self._clock()
            return
        finally:
            self._looking = None
        if found.ring is not None:
            self.ring = found.ring
        self._stamp, self._seen = found.stamp, began
