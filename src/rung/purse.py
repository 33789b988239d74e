"""Who pays for calls: reserves in the ledger before each, waits for money that comes back, settles.

A call that fits under all caps is held in the one transaction that looked. One that would fit if
what other calls hold came back stands in line for it, first come, first served, each line behind
the counter that is short. One that no longer fits at all is refused at once, with the numbers.

Settling is never waited for: the ledger does it in order, before the request's own row. Where the
ledger cannot be reached nothing paid is called, but for a small allowance where that is configured.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeVar

from rung.core.budgets import (
    Account,
    Budget,
    Cap,
    Counter,
    Fit,
    Level,
    Mark,
    Payer,
    caps_of,
    period,
)
from rung.core.errors import LedgerError
from rung.core.types import Lane, Request
from rung.ledger import holds
from rung.ledger.database import Connection
from rung.ledger.holds import Claim, Denied, Granted, Reached, Settled
from rung.orders import Hold, Purse, Refused, Tier, Wish
from rung.refusals import away, refusal

T = TypeVar("T")

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.1
"""How often the first in line looks for money that another process gave back."""

OWED_SECONDS: Final = 5.0
"""How long to wait before settling again what the ledger could not take."""

MOST_LEVELS: Final = 10_000
"""Counters whose level is remembered, at about 300 bytes each."""


class Books(Protocol):
    """Where money is counted."""

    async def commit(self, job: Callable[[Connection], T], /) -> T:
        """What ``job`` returned, once that is durable. Raises LedgerError."""
        ...

    def enqueue(self, job: Callable[[Connection], T], /) -> Future[T]:
        """Have ``job`` done after all that came before. Raises LedgerError."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How paid calls are let through: the tables ``[[budgets]]`` and ``[spending]``.

    ``output_tokens`` limits answers under a cap whose callers set no limit, ``wait_seconds`` how
    long a call stands in line. ``allowance_nanousd`` is what may be spent while the ledger cannot
    be reached; ``None``: nothing is let through then.
    """

    budgets: tuple[Budget, ...] = ()
    output_tokens: int = 16_384
    wait_seconds: float = 30.0
    allowance_nanousd: int | None = None


def no_accounts(key: str | None) -> tuple[Account, ...]:
    """Where there are no virtual keys with caps of their own."""
    return () if key is None else (Account(key),)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a purse needs beside the ledger.

    ``process_id`` is who answers for what is held. ``wall`` is seconds since 1970. ``accounts``
    are those that a virtual key's calls count for. ``tell`` is told of each mark that is reached;
    it returns at once.
    """

    process_id: str
    wall: Callable[[], float]
    accounts: Callable[[str | None], Sequence[Account]] = no_accounts
    tell: Callable[[Reached], None] | None = None


@dataclass(slots=True)
class _Open:
    """A hold that is not settled yet. ``claim`` is kept of one that the ledger does not know."""

    caps: tuple[Cap, ...]
    claim: Claim | None = None


@dataclass(slots=True)
class _Line:
    """Those who wait for money of one counter; ``turn`` goes from one to the next in order."""

    cap: Cap
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    standing: int = 0


class LedgerPurse(Purse):
    """Pays out of budgets that the ledger counts. Of one event loop."""

    def __init__(self, books: Books, terms: Terms, around: Surroundings) -> None:
        self.spares = any(Mark.DEGRADE in budget.marks for budget in terms.budgets)
        self._books = books
        self._terms = terms
        self._around = around
        self._open: dict[str, _Open] = {}
        self._lines: dict[Counter, _Line] = {}
        self._freed = asyncio.Event()
        self._levels: dict[Counter, Level] = {}
        self._told: dict[tuple[str, str], Reached] = {}
        self._owed: deque[Callable[[Connection], Settled]] = deque()
        self._allowance = terms.allowance_nanousd or 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._astray: dict[str, int] = {}
        self._asides: dict[str, list[Callable[[], int]]] = {}

    @property
    def open_holds(self) -> int:
        """How many calls hold money now."""
        return len(self._open)

    # -------------------------------------------------------------- what a plan asks

    def caps(self, request: Request) -> tuple[Cap, ...]:
        """All caps that bind a request."""
        if not self._terms.budgets and request.key is None:
            return ()
        asked = request.directions
        payer = Payer(
            asked.project,
            tuple(self._around.accounts(request.key)),
            request.conversation,
            asked.lane is not Lane.INTERACTIVE,
        )
        return caps_of(self._terms.budgets, payer)

    def output_limit(self, request: Request, *, capped: bool) -> int | None:
        """See `Purse.output_limit`."""
        return self._terms.output_tokens if capped or self.caps(request) else None

    def passed_over(self, request: Request, tiers: Mapping[str, Tier]) -> Mapping[str, str]:
        """See `Purse.passed_over`: the dearest, while a budget is past its `degrade` mark."""
        tight = next((cap for cap in self.caps(request) if self._is_tight(cap)), None)
        if tight is None:
            return {}
        prices = {name: _dearness(tier) for name, tier in tiers.items()}
        dearest = max(prices.values(), default=0)
        if dearest == min(prices.values(), default=0):
            return {}
        why = f"budget {tight.budget.name!r} is nearly spent, and it is the dearest tier"
        return {name: why for name, price in prices.items() if price == dearest}

    def _is_tight(self, cap: Cap) -> bool:
        mark = cap.budget.marks.get(Mark.DEGRADE)
        level = None if mark is None else self._levels.get(cap.counter)
        if mark is None or level is None or level.spent_nanousd < mark:
            return False
        start = period(cap.counter.per, self._around.wall(), level.start_unix)
        return start == level.start_unix

    # -------------------------------------------------------------- before a call

    async def reserve(self, wish: Wish) -> Hold | Refused:
        """See `Purse.reserve`."""
        self._loop = asyncio.get_running_loop()
        request = wish.request
        claim = Claim(
            wish.id,
            request.id,
            self._around.process_id,
            wish.worst_nanousd,
            self.caps(request),
            wish.about,
            request.directions.lane is not Lane.INTERACTIVE,
        )
        try:
            found = await self._claimed(claim, min(wish.wait_seconds, self._terms.wait_seconds))
        except LedgerError as error:
            self._give_back(claim)
            return self._on_allowance(claim, error)
        except BaseException:
            # The caller left while the ledger may have been at it.
            self._give_back(claim)
            raise
        if isinstance(found, Denied):
            self._give_back(claim)
            return self._refused(claim, found)
        self._back_in_reach()
        self._learn(found.levels)
        self._open[claim.id] = _Open(claim.caps)
        return Hold(claim.id, claim.amount_nanousd)

    async def _claimed(self, claim: Claim, seconds: float) -> Granted | Denied:
        """Held at once where nobody stands in line for the same money, else in turn."""
        line = self._line_before(claim)
        if line is None:
            found = await self._tried(claim)
            if isinstance(found, Granted) or found.fit is Fit.SPENT or seconds <= 0:
                return found
            line = self._lines.setdefault(found.cap.counter, _Line(found.cap))
        with self._standing_in(line):
            return await self._in_turn(line, claim, seconds)

    async def _in_turn(self, line: _Line, claim: Claim, seconds: float) -> Granted | Denied:
        level = self._levels.get(line.cap.counter, Level(0, 0, 0))
        found: Granted | Denied = Denied(line.cap, level, Fit.HELD)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), line.turn:
                while True:
                    freed = self._freed
                    found = await self._tried(claim)
                    if isinstance(found, Granted) or found.fit is Fit.SPENT:
                        return found
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await freed.wait()
        return found

    async def _tried(self, claim: Claim) -> Granted | Denied:
        now = self._around.wall()
        return await self._books.commit(partial(holds.reserve, claim=claim, now=now))

    def _line_before(self, claim: Claim) -> _Line | None:
        for cap in claim.caps:
            line = self._lines.get(cap.counter)
            if line is not None:
                return line
        return None

    @contextmanager
    def _standing_in(self, line: _Line) -> Iterator[None]:
        line.standing += 1
        try:
            yield
        finally:
            line.standing -= 1
            if not line.standing:
                self._lines.pop(line.cap.counter, None)

    def _refused(self, claim: Claim, denied: Denied) -> Refused:
        if denied.first:
            self._announce((Reached(denied.cap, denied.mark, denied.level),))
        return refusal(denied, claim.amount_nanousd)

    # -------------------------------------------------------------- after it

    def settle(self, hold: Hold, cost_nanousd: int) -> None:
        """See `Purse.settle`."""
        opened = self._open.pop(hold.id, None)
        if opened is None:
            return
        now = self._around.wall()
        if opened.claim is not None:
            self._allowance += max(0, hold.amount_nanousd - cost_nanousd)
            self._owed.append(partial(holds.book, claim=opened.claim, cost=cost_nanousd, now=now))
            self._pay_later()
            return
        watched = holds.Watched(opened.caps, self._told)
        self._pay(
            partial(
                holds.settle, hold_id=hold.id, cost_nanousd=cost_nanousd, now=now, watched=watched
            )
        )

    @contextmanager
    def aside(self, request_id: str, cut: Callable[[], int]) -> Iterator[None]:
        """See `Purse.aside`."""
        under_way = self._asides.setdefault(request_id, [])
        under_way.append(cut)
        try:
            yield
        finally:
            if cut in under_way:
                under_way.remove(cut)
            if not under_way and self._asides.get(request_id) is under_way:
                del self._asides[request_id]

    def astray(self, request_id: str, cost_nanousd: int) -> None:
        """See `Purse.astray`."""
        if cost_nanousd:
            self._astray[request_id] = self._astray.get(request_id, 0) + cost_nanousd

    def strayed(self, request_id: str) -> int:
        """See `Purse.strayed`."""
        cost = self._astray.pop(request_id, 0) if self._astray else 0
        # Nobody waits for a check that was given up: it ends when its request has been booked.
        for cut in self._asides.pop(request_id, ()):
            cost += cut()
        return cost

    def _give_back(self, claim: Claim) -> None:
        """Whatever the ledger may have held of a claim: it comes after the claim there."""
        self._pay(partial(holds.release, hold_id=claim.id, now=self._around.wall()))

    def _pay(self, job: Callable[[Connection], Settled]) -> None:
        try:
            future = self._books.enqueue(job)
        except LedgerError:
            self._owe(job)
            return
        future.add_done_callback(partial(self._paid, job))

    def _paid(self, job: Callable[[Connection], Settled], future: Future[Settled]) -> None:
        """Called by the ledger's thread once a settlement is durable, or has failed."""
        if future.cancelled() or self._loop is None:
            return
        error = future.exception()
        after = partial(self._owe, job) if error else partial(self._after, future.result())
        if error is not None or self._lines or future.result().reached:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(after)
        else:
            self._learn(future.result().levels)

    def _after(self, settled: Settled) -> None:
        self._learn(settled.levels)
        self._announce(settled.reached)
        freed, self._freed = self._freed, asyncio.Event()
        freed.set()

    def _learn(self, levels: Mapping[Counter, Level]) -> None:
        if len(self._levels) > MOST_LEVELS:
            self._levels = {}
        self._levels.update(levels)
        for event, reached in tuple(self._told.items()):
            level = levels.get(reached.cap.counter)
            if level is not None and level.spent_nanousd < reached.level.spent_nanousd:
                del self._told[event]  # somebody has started the budget anew

    def _announce(self, reached: Sequence[Reached]) -> None:
        for each in reached:
            self._told[holds.event_of(each)] = each
            logger.warning("budget %s: %s", each.cap.budget.name, each.mark.value)
            if self._around.tell is not None:
                self._around.tell(each)

    # -------------------------------------------------------------- without the ledger

    def _on_allowance(self, claim: Claim, error: LedgerError) -> Hold | Refused:
        """What may be spent while nobody can count: it is counted once the ledger is back."""
        if self._terms.allowance_nanousd is None or claim.amount_nanousd > self._allowance:
            return away(error, self._terms.allowance_nanousd, claim.amount_nanousd)
        self._allowance -= claim.amount_nanousd
        self._open[claim.id] = _Open(claim.caps, claim)
        return Hold(claim.id, claim.amount_nanousd)

    def _owe(self, job: Callable[[Connection], Settled]) -> None:
        self._owed.append(job)
        self._pay_later()

    def _pay_later(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_later(OWED_SECONDS, self._pay_owed)

    def _pay_owed(self) -> None:
        owed, self._owed = self._owed, deque()
        for job in owed:
            self._pay(job)

    def _back_in_reach(self) -> None:
        if self._owed:
            self._pay_owed()
        if not any(opened.claim for opened in self._open.values()):
            self._allowance = self._terms.allowance_nanousd or 0

    def close(self) -> None:
        """Hand over to the ledger what is still owed. What it cannot take stays held there."""
        self._pay_owed()


def _dearness(tier: Tier) -> int:
    """By what tiers are compared: their plain figures, and a minute of their time."""
    price = tier.pricer.price
    tokens = price.input_nanousd_per_mtok + price.output_nanousd_per_mtok
    return tokens + 60 * price.nanousd_per_second
