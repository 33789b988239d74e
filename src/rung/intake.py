"""One request through the cascade: choose its ladder, plan it, run it, book it.

Every face comes through here: the gateway, the library, the command line. An answer leaves only
after its outcome is safely in the ledger.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from rung.core.engine import Accept, Exhausted
from rung.core.errors import RequestError
from rung.core.features import Features, features
from rung.core.nearest import nearest
from rung.core.outcome import Outcome
from rung.core.plan import OnExhausted, Plan, Policy, Terms, plan
from rung.core.types import (
    MOST_CHOICES,
    Attempt,
    Check,
    EndedBy,
    History,
    Kind,
    Need,
    Request,
    Usage,
    Weight,
)
from rung.core.vote import AGREEMENT
from rung.providers.base import Delta
from rung.runner import Clock, Order, Pricer, Run, Sink, Tier
from rung.verifiers.base import Verifier

FEEDBACK_TOKENS = 2048
"""The most that a repair's account of what was wrong adds to its prompt."""

LADDER_PREFIX = "rung/"
TIER_PREFIX = "tier:"
RETRIES_A_REQUEST = 0.1
MOST_RETRIES_SAVED = 10.0
UNBOUNDED_OUTPUT_TOKENS = 4096
"""What an answer may cost is bounded by this many tokens when the caller sets no limit."""


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
    """All that requests need, put together once."""

    tiers: Mapping[str, Tier]
    policies: Mapping[str, Policy]
    default_ladder: str
    configured: Mapping[str, Verifier]
    agreement: Verifier
    ladder_checks: Mapping[str, tuple[str, ...]]
    implied: tuple[Verifier, ...]
    schema_verifier: Callable[[Request], Verifier]
    baselines: Baselines
    book: Book | None


@dataclass(frozen=True, slots=True)
class Served:
    """An outcome with the stream of its served attempt, where that was held back until now."""

    outcome: Outcome
    held: tuple[Delta, ...] = ()


class RetryBudget:
    """Lets one request in ten be retried, after a first few: no storm on a provider that is down.

    The state of a process, not of a request: a plan made while it is used up has no retries, and
    so replays without it.
    """

    def __init__(self) -> None:
        self._left = MOST_RETRIES_SAVED

    def earn(self) -> bool:
        """Count one request in; whether it may retry."""
        self._left = min(MOST_RETRIES_SAVED, self._left + RETRIES_A_REQUEST)
        return self._left >= 1

    def spend(self, retries: int) -> None:
        """Count the retries that a request made."""
        self._left -= retries


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
        self._last_words: set[asyncio.Task[None]] = set()

    def order(self, request: Request, extra: tuple[Verifier, ...] = ()) -> Order:
        """Plan a request, calling nothing. Raises RequestError for what cannot be served."""
        _check(request)
        name, pinned = self._way(request)
        verifiers = self._verifiers(request, name, extra)
        seen = features(request)
        policy = self.parts.policies[name]
        terms = Terms(
            checks=tuple(Check(name, each.weight) for name, each in verifiers.items()),
            worst_costs=self._worst_costs(seen, policy, request),
            stream=request.stream,
            may_retry=self._retries.earn(),
            pinned=pinned,
            deadline_seconds=request.directions.deadline_seconds,
            cost_cap_nanousd=request.directions.max_cost_nanousd,
            seed=zlib.crc32(request.id.encode()),
        )
        made = plan(seen, policy, terms)
        if not made.steps:
            raise RequestError(_nowhere(made), code="no_tier_fits")
        checks = {**verifiers, AGREEMENT: self.parts.agreement}
        return Order(request, made, seen.input_tokens, self.parts.tiers, checks)

    async def answer(
        self, request: Request, *, extra: tuple[Verifier, ...] = (), sink: Sink | None = None
    ) -> Served:
        """Serve one request. On cancellation its outcome is booked before CancelledError leaves."""
        order = self.order(request, extra)
        started = self._wall()
        at = datetime.fromtimestamp(started, UTC)
        run = Run(order, at, self._clock, self.new_id, sink)
        try:
            await run.finish()
        except BaseException:
            # The caller left, or a bug: either way what was spent belongs on the bill.
            await self._book_anyway(self._outcome(run, started))
            raise
        outcome = self._outcome(run, started)
        await self._book(outcome)
        served = None if outcome.served is None else outcome.attempts[outcome.served]
        held = run.held.get(served.id, []) if served is not None else []
        return Served(outcome, tuple(held))

    # -------------------------------------------------------------- which way

    def _way(self, request: Request) -> tuple[str, str | None]:
        """The ladder's name and the pinned tier, if any: headers first, then the model name."""
        asked = request.directions
        ladder, tier = asked.ladder, asked.tier
        if ladder is None and request.model.startswith(LADDER_PREFIX):
            ladder = request.model.removeprefix(LADDER_PREFIX)
        if tier is None and request.model.startswith(TIER_PREFIX):
            tier = request.model.removeprefix(TIER_PREFIX)
        if ladder is not None and ladder not in self.parts.policies:
            raise _unknown("ladder", ladder, self.parts.policies)
        if tier is not None and tier not in self.parts.tiers:
            raise _unknown("tier", tier, self.parts.tiers)
        name = ladder or self.parts.default_ladder
        if tier is not None and all(rung.tier != tier for rung in self.parts.policies[name].rungs):
            if ladder is not None:
                said = f"tier {tier!r} does not stand on ladder {ladder!r}."
                raise RequestError(said, param="model", code="tier_not_on_ladder")
            name = self._ladder_of(tier)
        return name, tier

    def _ladder_of(self, tier: str) -> str:
        for name, policy in self.parts.policies.items():
            if any(rung.tier == tier for rung in policy.rungs):
                return name
        message = f"tier {tier!r} stands on no ladder, so no rules are known for it."
        raise RequestError(message, status=404, fix="add it to a ladder in rung.toml")

    def _verifiers(
        self, request: Request, ladder: str, extra: tuple[Verifier, ...]
    ) -> dict[str, Verifier]:
        """By name, in the order they run: hygiene, then what is configured and asked for."""
        found = {each.name: each for each in self.parts.implied if each.weight is Weight.IMPLIED}
        for name in (*self.parts.ladder_checks[ladder], *request.directions.verify):
            if name not in self.parts.configured:
                raise _unknown("verifier", name, self.parts.configured, status=400)
            found[name] = self.parts.configured[name]
        if request.schema is not None:
            schema = self.parts.schema_verifier(request)
            found[_free_name(schema.name, found)] = schema
        for each in extra:
            found[_free_name(each.name, found)] = each
        for each in self.parts.implied:
            found.setdefault(each.name, each)
        return found

    def _worst_costs(
        self, seen: Features, policy: Policy, request: Request
    ) -> Mapping[str, int] | None:
        if policy.cost_cap_nanousd is None and request.directions.max_cost_nanousd is None:
            return None
        limit = request.sampling.max_tokens
        written = UNBOUNDED_OUTPUT_TOKENS if limit is None else limit
        if Need.MANY_CHOICES in request.needs:
            written *= MOST_CHOICES
        return {
            rung.tier: self.parts.tiers[rung.tier].pricer.worst_cost(
                # A repair is also sent the draft and what was wrong with it.
                seen.most_input_tokens + (written + FEEDBACK_TOKENS if rung.repairs else 0),
                written,
                rung.timeout_seconds,
            )
            for rung in policy.rungs
        }

    # -------------------------------------------------------------- the outcome

    def _outcome(self, run: Run, started: float) -> Outcome:
        self._retries.spend(sum(each.kind is Kind.RETRY for each in run.history))
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
        return Outcome(
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
            baselines=self._baselines(request, _least_bad(attempts, decision), run.at),
            inbox=waits,
        )

    def _baselines(self, request: Request, best: Attempt | None, at: datetime) -> dict[str, int]:
        """What the tokens of the best answer would have cost elsewhere, with no cache to help.

        Also where it was turned down: the baseline would not have answered for nothing either. A
        request without an answer counts as nothing saved, with all that was spent on it.
        """
        used = Usage() if best is None else best.usage
        same = Usage(used.input_tokens, used.output_tokens, source=used.source)
        costs = {name: pricer.cost(same, 0.0, at) for name, pricer in self.parts.baselines.named()}
        if request.model and not request.model.startswith((LADDER_PREFIX, TIER_PREFIX)):
            asked = self.parts.baselines.requested(request.model)
            if asked is not None:
                costs["requested"] = asked.cost(same, 0.0, at)
        return costs

    async def _book(self, outcome: Outcome) -> None:
        if self.parts.book is not None:
            await self.parts.book.append(outcome)

    async def close(self) -> None:
        """Wait until the last words of callers who have gone are in the ledger."""
        if self._last_words:
            await asyncio.wait(set(self._last_words))

    async def _book_anyway(self, outcome: Outcome) -> None:
        """Book an outcome whose caller has gone, even if this task is cancelled again."""
        task = asyncio.ensure_future(self._book(outcome))
        self._last_words.add(task)
        task.add_done_callback(self._last_words.discard)
        await asyncio.shield(task)


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
        case Exhausted(reason=reason) if reason in {"deadline", "cost_cap"}:
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


def _unknown(what: str, name: str, known: Iterable[str], status: int = 404) -> RequestError:
    fix = nearest(name, known) or f"add one to rung.toml: [{what}s.NAME]"
    param = "model" if what in {"ladder", "tier"} else None
    shown = name if len(name) <= 80 else name[:77] + "..."
    return RequestError(
        f"there is no {what} {shown!r}.",
        status=status,
        param=param,
        code=f"unknown_{what}",
        fix=fix,
    )


def _nowhere(made: Plan) -> str:
    whys = "; ".join(f"{each.tier}: {each.why}" for each in made.excluded)
    return f"no tier of ladder {made.ladder!r} can serve this request ({whys})."


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """``name``, or with a number: no check may take another's place, nor the engine's own name."""
    names = (name, *(f"{name}-{n}" for n in range(2, len(taken) + 4)))
    return next(each for each in names if each not in taken and each != AGREEMENT)
