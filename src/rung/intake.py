"""One request through the cascade: choose its ladder, plan it, run it, book it.

Every face comes through here: the gateway, the library, the command line. An answer leaves only
after its outcome is safely in the ledger.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from rung.callers import Callers
from rung.core.engine import Accept, Exhausted
from rung.core.errors import LedgerError, RequestError
from rung.core.features import features
from rung.core.growth import Delta
from rung.core.guidance import Kept
from rung.core.outcome import Outcome
from rung.core.plan import OnExhausted, Plan
from rung.core.types import (
    Attempt,
    EndedBy,
    History,
    Request,
    Usage,
)
from rung.delivery import Informed, Sink
from rung.desk import Desk
from rung.gates import Gates
from rung.guides import Answers, Bodies
from rung.memory import RetryBudget
from rung.orders import Clock, Order, Pricer
from rung.planning import Guides, Planner, Refreshing, as_it_is
from rung.providers.base import CallError, Counting
from rung.resending import Resends
from rung.runner import Run
from rung.verifiers.base import Verifier
from rung.ways import LADDER_PREFIX, TIER_PREFIX, Ways

REFRESH_PATIENCE_SECONDS = 0.1
"""How long a request waits for what is read anew before it is planned."""


class Book(Protocol):
    """Where outcomes are kept."""

    def append(self, outcome: Outcome) -> Awaitable[None]:
        """Store one outcome; returns when it is durable."""
        ...


class Baselines(Protocol):
    """Prices the same tokens elsewhere."""

    def named(self) -> Iterable[tuple[str, Pricer]]:
        """The configured baselines."""
        ...

    def requested(self, model: str) -> Pricer | None:
        """The model that the client asked for by name, if its price is known."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """All that requests need, put together once.

    ``callers`` know clients by their keys, ``resends`` those who ask again; without, it is one of
    the intake's own.
    ``equipped`` gives a check that a caller brought what it needs to run. ``after`` is told of each
    outcome, with those checks, once it is booked; it returns at once and does not raise. ``traced``
    is the share (0..1) of requests whose traces are kept, ``None`` where nobody keeps any.
    """

    ways: Ways
    gates: Gates
    baselines: Baselines
    book: Book | None
    desk: Desk | None = None
    equipped: Callable[[Verifier], Verifier] = as_it_is
    guides: Guides = field(default_factory=Guides)
    answers: Answers = field(default_factory=Answers)
    callers: Callers = field(default_factory=Callers)
    secrets: tuple[str, ...] = ()
    after: Callable[[Outcome, tuple[Verifier, ...]], None] | None = None
    traced: float | None = None
    resends: Resends | None = None
    bodies: Bodies = field(default_factory=Bodies)


@dataclass(frozen=True, slots=True)
class Served:
    """An outcome with the stream of its served attempt, where that was held back until now.

    ``usage`` is what the caller is told where the answer is another request's.
    """

    outcome: Outcome
    held: tuple[Delta, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A prompt's tokens. ``exact`` says that a provider counted them; else they are estimated."""

    tokens: int
    exact: bool


class Intake:
    """Takes requests in and sees each through to the ledger."""

    def __init__(
        self,
        parts: Parts,
        *,
        clock: Clock,
        wall: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self.parts = parts
        self.new_id = new_id
        self._clock = clock
        self._wall = wall
        self._retries = RetryBudget()
        self._planner = Planner(
            parts.ways,
            parts.gates,
            parts.guides,
            parts.secrets,
            parts.equipped,
            self._retries.earn,
            self._retries.spend,
        )
        self._resends = parts.resends or Resends(wall)
        self._last_words: set[asyncio.Future[None]] = set()

    def order(self, request: Request, extra: tuple[Verifier, ...] = ()) -> Order:
        """Plan a request, calling nothing. Raises RequestError for what cannot be served."""
        _check(request)
        return self._planner.order(self._planner.entered(request), extra)

    async def answer(
        self, request: Request, *, extra: tuple[Verifier, ...] = (), sink: Sink | None = None
    ) -> Served:
        """Serve one request. On cancellation its outcome is booked before CancelledError leaves."""
        if (broken := await self._resends.repeated_by(request)) is not None:
            if broken.best is not None:
                return Served(await self._answered(broken, told=True))
            request = replace(request, resend_of=broken.request.resend_of or broken.request.id)
        _check(request)
        request = self.parts.guides.loops.checked(self._planner.entered(request))
        await self._up_to_date(request)
        order = self._planner.order(request, extra)
        key = self.parts.answers.key(order, extra)
        kept = None if key is None else await self.parts.answers.get(key, order)
        if isinstance(sink, Informed):
            sink.planned(order.request, order.plan)
        if kept is not None:
            return Served(await self._again(order, kept), usage=kept.usage)
        run, outcome = await self._run(order, sink)
        if key is not None:
            self.parts.answers.put(key, outcome)
        if self.parts.after is not None:
            self.parts.after(outcome, extra)
        if outcome.inbox:
            outcome = await self._answered(outcome)
        served = None if outcome.served is None else outcome.attempts[outcome.served]
        held = run.held.get(served.id, []) if served is not None else []
        return Served(outcome, tuple(held))

    async def _run(self, order: Order, sink: Sink | None) -> tuple[Run, Outcome]:
        """Do what was ordered, and book it."""
        started = self._wall()
        run = Run(order, datetime.fromtimestamp(started, UTC), self._clock, self.new_id, sink)
        try:
            await run.finish()
        except BaseException:
            # The caller left, or a bug: either way what was spent belongs on the bill.
            await self._book_anyway(self._outcome(run, started))
            raise
        outcome = self._outcome(run, started)
        await self._book(outcome)
        return run, outcome

    async def _again(self, order: Order, kept: Kept) -> Outcome:
        """An outcome that is another one's answer, served once more for nothing."""
        started, attempt = self._wall(), kept.attempt(self.new_id())
        at = datetime.fromtimestamp(started, UTC)
        outcome = Outcome(
            request=order.request,
            plan=order.plan,
            attempts=(attempt,),
            decision=Accept(0, verified=True),
            served=0,
            verified=True,
            started_unix=started,
            seconds=max(0.0, self._wall() - started),
            baselines=self._baselines(order, replace(attempt, usage=kept.usage), at),
            cached_of=kept.of,
        )
        await self._book(outcome)
        # It is a turn of its conversation, and else nothing to learn from.
        self.parts.guides.conversations.note(outcome)
        return outcome

    async def count(self, request: Request) -> Counted:
        """How many tokens a request's prompt has, by the first tier on its ladder that can tell."""
        _check(request)
        guides = self.parts.guides
        request = self._planner.entered(request)
        policy, pinned = self.parts.ways.of(request)
        await guides.conversations.recall(request)
        await guides.privacy.look(request)
        private = guides.privacy.of(request, guides.conversations.known(request))
        if private:
            guides.conversations.keep_here(request)
        for rung in policy.rungs:
            tier = self.parts.ways.tiers[rung.tier]
            provider = tier.provider
            if not isinstance(provider, Counting) or pinned not in {None, rung.tier}:
                continue
            if private and not tier.local:
                continue
            with suppress(CallError):  # its estimate is better than an error for a free question
                return Counted(await provider.count(request), exact=True)
        return Counted(features(request).input_tokens, exact=False)

    # -------------------------------------------------------------- the outcome

    def _outcome(self, run: Run, started: float) -> Outcome:
        decision = run.decision
        served, verified = _serve(run.order.plan, decision)
        attempts = run.history
        waits = (
            self.parts.book is not None
            and isinstance(decision, Exhausted)
            and decision.best is not None
            and run.order.plan.on_exhausted is OnExhausted.INBOX
        )
        request = run.order.request
        last = attempts[-1] if attempts else None
        outcome = Outcome(
            request=request,
            plan=run.order.plan,
            attempts=attempts,
            decision=decision,
            served=served,
            verified=verified,
            started_unix=started,
            seconds=run.elapsed(),
            ended_by=run.cancelled_by if decision is None else _ended_by(decision, last),
            phase=run.reached,
            baselines=self._baselines(run.order, _least_bad(attempts, decision), run.at),
            inbox=waits,
            traits=run.order.traits,
        )
        self._resends.note(outcome)
        self.parts.guides.note(outcome)
        return outcome

    async def _up_to_date(self, request: Request) -> None:
        """Look for what other processes stored, now and then; no request waits long for it."""
        guides = self.parts.guides
        stale = [each for each in guides.refreshing if each.stale()]
        if stale:
            reading = asyncio.ensure_future(asyncio.to_thread(_refreshed, stale))
            self._keep(reading)
            await asyncio.wait({reading}, timeout=REFRESH_PATIENCE_SECONDS)
        await guides.conversations.recall(request)
        await guides.privacy.look(request)

    def _baselines(self, order: Order, best: Attempt | None, at: datetime) -> dict[str, int]:
        """What the tokens of the best answer would have cost elsewhere.

        With what a model that had led the conversation alone would have had in its cache: to leave
        that out would make every saving look greater than it is. Also where the answer was turned
        down: the baseline would not have answered for nothing either. A request without an answer
        counts as nothing saved, with all that was spent on it.
        """
        request, used = order.request, Usage() if best is None else best.usage
        warm = min(order.warm_tokens, used.input_tokens)
        # What it searched for and was shown would have been the same there.
        same = replace(used, cache_read_tokens=warm, cache_write_tokens=0, cache_write_1h_tokens=0)
        costs = {name: pricer.cost(same, 0.0, at) for name, pricer in self.parts.baselines.named()}
        if request.model and not request.model.startswith((LADDER_PREFIX, TIER_PREFIX)):
            asked = self.parts.baselines.requested(request.model)
            if asked is not None:
                costs["requested"] = asked.cost(same, 0.0, at)
        return costs

    async def _book(self, outcome: Outcome) -> None:
        if self.parts.book is not None:
            await self.parts.book.append(outcome)
            self.parts.bodies.note(outcome)

    async def _answered(self, outcome: Outcome, *, told: bool = False) -> Outcome:
        desk = self.parts.desk
        return outcome if desk is None else await desk.answered(outcome, told=told)

    def let_go(self) -> None:
        """Let nobody wait for a human any longer: the process is about to end."""
        if self.parts.desk is not None:
            self.parts.desk.let_go()

    async def close(self) -> None:
        """Wait until the last words of callers who have gone are in the ledger."""
        if self._last_words:
            await asyncio.wait(set(self._last_words))
        await self.parts.bodies.close()
        if self.parts.desk is not None:
            await self.parts.desk.close()

    async def _book_anyway(self, outcome: Outcome) -> None:
        """Book an outcome whose caller has gone, even if this task is cancelled again."""
        task = asyncio.ensure_future(self._book(outcome))
        self._keep(task)
        await asyncio.shield(task)

    def _keep(self, task: asyncio.Future[None]) -> None:
        """Hold on to work that nobody waits for, until it is done."""
        self._last_words.add(task)
        task.add_done_callback(self._last_words.discard)


def _refreshed(stale: Iterable[Refreshing]) -> None:
    for each in stale:
        # What cannot be read now is read the next time, what a newer rung wrote by that one:
        # requests do not depend on it.
        with suppress(LedgerError, ValueError):
            each.refresh()


def _serve(made: Plan, decision: Accept | Exhausted | None) -> tuple[int | None, bool | None]:
    match decision:
        case Accept():
            return decision.index, decision.verified
        case Exhausted(best=best) if made.on_exhausted is OnExhausted.BEST:
            return best, False
        case Exhausted():
            return None, False
        case None:
            return None, None


def _least_bad(attempts: History, decision: Accept | Exhausted | None) -> Attempt | None:
    match decision:
        case Accept(index=index) | Exhausted(best=int(index)):
            return attempts[index]
        case _:
            return None


def _ended_by(decision: Accept | Exhausted, last: Attempt | None) -> EndedBy:
    match decision:
        case Exhausted(reason=reason) if reason in {"deadline", "cost_cap", "gave_up"}:
            return EndedBy.LIMIT
        case Exhausted() if last is not None and last.answer is None:
            return last.ended_by
        case Exhausted():
            return EndedBy.GATEWAY
        case Accept():
            return EndedBy.UPSTREAM


def _check(request: Request) -> None:
    """Refuse limits that are none, whichever face they came by."""
    asked, sampling = request.directions, request.sampling
    limit, cap = asked.deadline_seconds, asked.max_cost_nanousd
    if limit is not None and not 0 < limit < math.inf:
        raise RequestError(f"a deadline of {limit} s is no deadline.", param="deadline_seconds")
    if cap is not None and cap < 0:
        raise RequestError("a cost cap cannot be negative.", param="max_usd")
    if sampling.max_tokens is not None and sampling.max_tokens < 1:
        raise RequestError("max_tokens must be at least 1.", param="max_tokens")
    for name, value, most in (
        ("temperature", sampling.temperature, 2),
        ("top_p", sampling.top_p, 1),
    ):
        if value is not None and not 0 <= value <= most:
            raise RequestError(f"{name} must be a number from 0 to {most}.", param=name)
