"""How much each key asks in a minute, and that it is no more than it may.

Counted here at once, so that one gateway keeps to a limit exactly; told to the ledger once a
second for as long as any of it counts, which is how much later the gateways that share it know of
each other's. A key that is new here has asked nothing elsewhere as far as is known in that second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Protocol

from rung.core.errors import LedgerError, RateError
from rung.core.keyring import Key
from rung.core.rates import WINDOW_SECONDS, Count, Kind, Used, window
from rung.ledger.keys import Windows

SHARE_SECONDS: Final = 1.0


class RateBook(Protocol):
    """Where the gateways of one ledger tell each other what they have counted."""

    async def count_rates(self, more: Windows, ids: Collection[str], since: int) -> Windows:
        """Add to what all have counted since then, and get that back. Raises LedgerError."""
        ...


class Visit:
    """One request of a key with limits, from the door until it has left."""

    __slots__ = ("_expected", "_keys", "_rates")

    def __init__(self, rates: Rates | None = None, keys: Sequence[Key] = ()) -> None:
        self._rates = rates
        self._keys = [key for key in keys if _limit(key, Kind.TOKENS) is not None]
        self._expected = 0

    @property
    def counts_tokens(self) -> bool:
        """Whether it has to be said how many are expected."""
        return bool(self._keys)

    def expect(self, tokens: int) -> None:
        """Say how many tokens it will take at least. Raises RateError where they do not fit."""
        if self._rates is not None and self._keys:
            self._rates.expect(self._keys, tokens)
            self._expected += tokens

    def leave(self) -> None:
        """Expect nothing any more. What it did take was noted."""
        if self._rates is not None and self._expected:
            self._rates.forgo(self._keys, self._expected)
            self._expected = 0


UNCOUNTED: Final = Visit()


class Rates:
    """Counts for all keys that have limits. For one event loop; ``wall`` is seconds since 1970."""

    def __init__(self, book: RateBook | None, wall: Callable[[], float]) -> None:
        self._book = book
        self._wall = wall
        self._counts: dict[str, Count] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sharing: asyncio.Task[None] | None = None

    def enter(self, line: Iterable[Key]) -> Visit:
        """Count one request, for its key and its makers. Raises RateError where it is too many."""
        keys = [key for key in line if any(_limit(key, kind) is not None for kind in Kind)]
        if not keys:
            return UNCOUNTED
        self._must_fit(keys, Kind.REQUESTS, 1)
        self._add(keys, Used(requests=1))
        return Visit(self, keys)

    def note(self, line: Iterable[Key], tokens: int) -> None:
        """Count the tokens that a request took."""
        keys = [key for key in line if _limit(key, Kind.TOKENS) is not None]
        if keys and tokens:
            self._add(keys, Used(tokens=tokens))

    def expect(self, keys: Sequence[Key], tokens: int) -> None:
        """Count tokens that are on their way. Raises RateError where they do not fit."""
        self._must_fit(keys, Kind.TOKENS, tokens)
        for key in keys:
            self._counts[key.id].coming += tokens

    def forgo(self, keys: Sequence[Key], tokens: int) -> None:
        """Count them no longer."""
        for key in keys:
            if (count := self._counts.get(key.id)) is not None:
                count.coming -= tokens

    async def close(self) -> None:
        """Tell the ledger what it does not know yet."""
        if self._sharing is not None:
            await asyncio.wait({self._sharing})
        if self._timer is not None:
            self._timer.cancel()
        await self._share()

    # -------------------------------------------------------------- counting

    def _must_fit(self, keys: Sequence[Key], kind: Kind, asked: int) -> None:
        """Look at all limits before anything is counted."""
        now = self._wall()
        for key in keys:
            limit, count = _limit(key, kind), self._count(key.id, now)
            if limit is None:
                continue
            wait = count.wait_seconds(kind, asked, limit, now - count.start)
            if wait != 0:
                raise _too_many(kind, asked, limit, wait)

    def _add(self, keys: Sequence[Key], more: Used) -> None:
        now = self._wall()
        for key in keys:
            self._count(key.id, now).add(more)
        self._later()

    def _count(self, key_id: str, now: float) -> Count:
        start = window(now)
        count = self._counts.get(key_id)
        if count is None:
            count = self._counts[key_id] = Count(start)
        elif count.start != start:
            count.roll(start)
        return count

    # -------------------------------------------------------------- telling

    def _later(self) -> None:
        if self._timer is None and self._sharing is None and self._book is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SHARE_SECONDS, self._begin_to_share)

    def _begin_to_share(self) -> None:
        self._timer = None
        self._sharing = asyncio.ensure_future(self._go_on())

    async def _go_on(self) -> None:
        """Share, and again in a second: also what others count may be in the way of a request."""
        try:
            await self._share()
        finally:
            self._sharing = None
        if self._counts:
            self._later()

    async def _share(self) -> None:
        """Tell what was counted here, and hear what was counted everywhere."""
        if self._book is None or not self._counts:
            return
        since = window(self._wall()) - WINDOW_SECONDS
        counts = dict(self._counts)
        sent = {(name, at): used for name, c in counts.items() for at, used in c.unsent.items()}
        try:
            found = await self._book.count_rates(sent, list(counts), since)
        except LedgerError:
            return  # What is not told now is told next time; until then it counts here.
        for name, count in counts.items():
            _take(count, name, sent, found)
        self._drop(since)

    def _drop(self, since: int) -> None:
        """Forget keys that have not asked for as long as anything counts."""
        for name, count in list(self._counts.items()):
            if count.start < since and not count.unsent and not count.coming:
                del self._counts[name]


def _take(count: Count, name: str, sent: Windows, found: Windows) -> None:
    """Put what all have counted in the place of what was known before."""
    count.shared = {at: used for (key_id, at), used in found.items() if key_id == name}
    for at in list(count.unsent):
        told, known = sent.get((name, at), Used()), count.unsent[at]
        left = Used(known.requests - told.requests, known.tokens - told.tokens)
        if any(left):
            count.unsent[at] = left
        else:
            del count.unsent[at]


def _limit(key: Key, kind: Kind) -> int | None:
    if key.rights is None:
        return None
    requests = kind is Kind.REQUESTS
    return key.rights.requests_per_minute if requests else key.rights.tokens_per_minute


def _too_many(kind: Kind, asked: int, limit: int, wait: float | None) -> RateError:
    if wait is None:
        return RateError(
            f"this request takes about {asked:,} {kind.value}, and its key may use {limit:,} a"
            " minute.",
            fix="send less at once, or ask for a key with a higher limit",
        )
    said = f"the key of this request may use {limit:,} {kind.value} a minute, and has."
    return RateError(said, retry_after_seconds=wait, fix="wait, or ask for a higher limit")
