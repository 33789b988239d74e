"""Asking every tier of a ladder the same requests on purpose, each answer judged as traffic's are.

A ladder that climbs shows a dearer tier only what cheaper ones failed. To choose between ladders
one has to know what each tier makes of the same requests. Each call goes through the one pipeline,
with the ladder's own checks, to one tier alone. It is booked as a second look at the request that
it repeats: spent, but no traffic. What was asked is in the ledger, so nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rung.assemble import Assembly, new_id
from rung.audits import NoBaselines
from rung.core.errors import RequestError, RungError
from rung.core.features import features
from rung.core.outcome import Outcome
from rung.core.parts import HostedTool
from rung.core.plan import OnExhausted, Policy, Rung
from rung.core.types import Directions, Fault, Lane, Need, Request, Usage, UsageSource
from rung.intake import Intake, Parts
from rung.ledger.observed import model_of
from rung.ledger.speeds import PROBES, PROJECT
from rung.orders import Hold, Purse, Refused, Wish
from rung.paying import UNLIMITED_OUTPUT_TOKENS
from rung.planning import Guides
from rung.ways import Ways, unknown

WRITTEN_TOKENS = 400.0
"""How long answers of a tier are taken to be of which the ledger has none."""

MOST_FAILURES = 5
"""A tier that gives no answer so many times in a row is not asked any more."""


@dataclass(frozen=True, slots=True)
class Query:
    """A request to measure by. ``id`` is the stored request's, or a name for what a file asks."""

    id: str
    request: Request
    category: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One tier to be asked one query."""

    query: Query
    tier: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What asking a tier is about to take. Money is nano-dollars; checks that ask models not in it.

    ``expected_nanousd`` is by the mean length of its answers, ``worst_nanousd`` with every answer
    as long as it may be, and every retry and repair made.
    """

    tier: str
    local: bool
    calls: int
    input_tokens: int
    output_tokens: int
    expected_nanousd: int
    worst_nanousd: int


@dataclass(slots=True)
class Measured:
    """What came of a run. ``stopped`` says why it ended before its end, empty where it did not.

    ``passed``, ``failed`` and ``unjudged`` count answers by what the checks said; ``unanswered``
    are calls without one, which say nothing; ``refused`` could not be sent at all, by the reason.
    """

    passed: int = 0
    failed: int = 0
    unjudged: int = 0
    unanswered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    spent_nanousd: int = 0
    stopped: str = ""

    @property
    def answered(self) -> int:
        """Calls that gave an answer."""
        return self.passed + self.failed + self.unjudged

    @property
    def asked(self) -> int:
        """Calls that were made."""
        return self.answered + self.unanswered


def unfit(request: Request) -> str | None:
    """Why a request cannot be asked again, if so."""
    needs = request.needs
    reasons = {
        "two models' embeddings do not compare": Need.EMBEDDINGS in needs,
        "a part of its conversation is kept by its provider": Need.STATE in needs,
        "its provider runs its tools, and would again": any(
            isinstance(tool, HostedTool) for tool in request.tools
        ),
    }
    return next((why for why, holds in reasons.items() if holds), None)


# ------------------------------------------------------------------ money


class Capped(Purse):
    """Another purse, out of which no more than so much is spent; ``None``: as much as it gives."""

    def __init__(self, inner: Purse, most_nanousd: int | None) -> None:
        self._inner = inner
        self._most = most_nanousd
        self._held: dict[str, int] = {}
        self.spent_nanousd = 0

    def covers(self, amount_nanousd: int) -> bool:
        """Whether so much is left, of which some may be held by now."""
        return self._most is None or self.spent_nanousd + amount_nanousd <= self._most

    def output_limit(self, request: Request, *, capped: bool) -> int | None:
        """See `Purse.output_limit`."""
        return self._inner.output_limit(request, capped=capped or self._most is not None)

    async def reserve(self, wish: Wish) -> Hold | Refused:
        """See `Purse.reserve`."""
        worst, held = wish.worst_nanousd, sum(self._held.values())
        if worst and not self.covers(held + worst):
            return Refused("what is left of the budget does not cover the worst of this call.")
        self._held[wish.id] = worst
        granted = False
        try:
            found = await self._inner.reserve(wish)
            granted = isinstance(found, Hold)
        finally:
            if not granted:
                del self._held[wish.id]
        return found

    def settle(self, hold: Hold, cost_nanousd: int) -> None:
        """See `Purse.settle`."""
        if self._held.pop(hold.id, None) is not None:
            self.spent_nanousd += cost_nanousd
        self._inner.settle(hold, cost_nanousd)

    @contextmanager
    def aside(self, request_id: str, cut: Callable[[], int]) -> Iterator[None]:
        """See `Purse.aside`."""
        with self._inner.aside(request_id, cut):
            yield

    def astray(self, request_id: str, cost_nanousd: int) -> None:
        """See `Purse.astray`."""
        self._inner.astray(request_id, cost_nanousd)

    def strayed(self, request_id: str) -> int:
        """See `Purse.strayed`."""
        return self._inner.strayed(request_id)

    def close(self) -> None:
        """See `Purse.close`."""
        self._inner.close()


# ------------------------------------------------------------------ asking


class Measuring:
    """Asks the tiers of one ladder. ``most_nanousd`` is never passed, whatever a call costs."""

    def __init__(
        self, parts: Assembly, ladder: str, tiers: Sequence[str], most_nanousd: int | None = None
    ) -> None:
        self._parts = parts
        self._ladder = ladder
        self._rungs = {tier: _rung(parts, ladder, tier) for tier in tiers}
        # Checks that ask a model pay out of the workshop's: they have to hold to the budget too.
        self._purse = Capped(parts.workshop.purse, most_nanousd)
        parts.workshop.purse = self._purse
        self._intakes = {tier: self._intake(rung) for tier, rung in self._rungs.items()}
        self._in_a_row: Counter[str] = Counter()

    def calls(self, queries: Sequence[Query], known: set[tuple[str, str]]) -> list[Call]:
        """What is to be asked, query by query: all but what is known, and what must not leave."""
        wanted = (Call(query, tier) for query in queries for tier in self._rungs)
        return [call for call in wanted if (call.query.id, call.tier) not in known]

    def estimates(
        self, calls: Sequence[Call], written: Mapping[str, float]
    ) -> tuple[Estimate, ...]:
        """What these calls are about to take, by tier; ``written``: tokens of a tier's answers."""
        return tuple(
            self._estimate(tier, [call for call in calls if call.tier == tier], written)
            for tier in self._rungs
        )

    async def run(
        self, calls: Sequence[Call], at_once: int, tell: Callable[[Measured], None]
    ) -> Measured:
        """Ask, ``at_once`` at a time. Cancelled, what was asked is booked, and all else is not."""
        found, running = Measured(), dict[asyncio.Task[None], int]()
        try:
            for call in calls:
                worst = self._worst(call)
                while running and (len(running) >= at_once or not self._fits(worst, running)):
                    await self._one_ended(running, found, tell)
                if not found.stopped and not self._fits(worst, running):
                    said = "what is left of the budget does not cover the worst of asking"
                    found.stopped = f"{said} {call.tier} once more"
                if found.stopped:
                    break
                if self._in_a_row[call.tier] < MOST_FAILURES:
                    running[asyncio.ensure_future(self._ask(call, found))] = worst
            while running:
                await self._one_ended(running, found, tell)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            found.spent_nanousd = self._purse.spent_nanousd
        return found

    def _fits(self, worst: int, running: Mapping[asyncio.Task[None], int]) -> bool:
        """Whether a call may be made beside those that run, of which some hold nothing yet."""
        return not worst or self._purse.covers(worst + sum(running.values()))

    @property
    def silent(self) -> tuple[str, ...]:
        """The tiers that were given up, because they gave no answer."""
        return tuple(t for t, count in self._in_a_row.items() if count >= MOST_FAILURES)

    async def _one_ended(
        self,
        running: dict[asyncio.Task[None], int],
        found: Measured,
        tell: Callable[[Measured], None],
    ) -> None:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del running[task]
            task.result()
        found.spent_nanousd = self._purse.spent_nanousd
        tell(found)

    async def _ask(self, call: Call, found: Measured) -> None:
        try:
            served = await self._intakes[call.tier].answer(self._request(call))
        except RequestError as error:
            found.refused[error.code or error.message] += 1
        except RungError as error:
            # The tier is not called now, or the ledger is away: another one may be.
            self._in_a_row[call.tier] += 1
            found.refused[error.message] += 1
        else:
            self._note(call.tier, served.outcome, found)

    def _note(self, tier: str, outcome: Outcome, found: Measured) -> None:
        last = outcome.attempts[-1] if outcome.attempts else None
        if any(attempt.answer is not None for attempt in outcome.attempts):
            self._in_a_row[tier] = 0
            found.passed += outcome.verified is True
            found.failed += outcome.verified is False
            found.unjudged += outcome.verified is None
            return
        found.unanswered += 1
        if last is not None and last.failure is not None and last.failure.fault is Fault.BUDGET:
            found.stopped = last.failure.message
        else:
            self._in_a_row[tier] += 1

    def _request(self, call: Call) -> Request:
        asked = call.query.request
        return replace(
            asked,
            id=new_id(),
            model=model_of(self._ladder),
            stream=False,
            stream_usage=False,
            session="",
            conversation="",
            resend_of=None,
            audit_of=call.query.id,
            key=None,
            directions=Directions(
                ladder=PROBES,
                project=PROJECT,
                lane=Lane.BACKGROUND,
                private=asked.directions.private,
            ),
        )

    def _intake(self, rung: Rung) -> Intake:
        main = self._parts.intake.parts
        there = main.ways.policies[self._ladder]
        policy = Policy(
            PROBES,
            (rung,),
            on_exhausted=OnExhausted.ERROR,
            min_confidence=there.min_confidence,
            vote=there.vote,
            max_wait_seconds=there.max_wait_seconds,
        )
        checks = {PROBES: main.gates.by_ladder.get(self._ladder, ())}
        own = Parts(
            ways=Ways(main.ways.tiers, {PROBES: policy}, PROBES),
            gates=replace(main.gates, by_ladder=checks),
            baselines=NoBaselines(),
            book=main.book,
            equipped=main.equipped,
            guides=Guides(privacy=main.guides.privacy, purse=self._purse),
            secrets=main.secrets,
        )
        return Intake(own, clock=time.perf_counter, wall=time.time, new_id=new_id)

    # -------------------------------------------------------------- what it takes

    def _estimate(self, tier: str, calls: Sequence[Call], written: Mapping[str, float]) -> Estimate:
        rung, there = self._rungs[tier], self._parts.tiers[tier]
        most = (rung.samples + rung.repairs) * (1 + rung.retries)
        wrote, now = round(written.get(tier, WRITTEN_TOKENS)), datetime.now(UTC)
        read = expected = 0
        for call in calls:
            tokens = features(call.query.request).input_tokens
            usage = Usage(tokens, wrote, source=UsageSource.ESTIMATED)
            expected += there.pricer.cost(usage, 0.0, now)
            read += tokens
        return Estimate(
            tier,
            there.local,
            len(calls),
            read,
            wrote * len(calls),
            expected,
            most * sum(map(self._worst, calls)),
        )

    def _worst(self, call: Call) -> int:
        """The most that one call can cost."""
        request = call.query.request
        most = request.sampling.max_tokens or self._purse.output_limit(request, capped=False)
        return self._parts.tiers[call.tier].pricer.worst_cost(
            features(request).most_input_tokens,
            most or UNLIMITED_OUTPUT_TOKENS,
            self._rungs[call.tier].timeout_seconds,
        )


def _rung(parts: Assembly, ladder: str, tier: str) -> Rung:
    """The tier as the ladder has it, else as another one has it, reached whatever was spent.

    Raises RequestError for one that is not configured, or stands on no ladder.
    """
    ways = parts.intake.parts.ways
    if tier not in ways.tiers:
        raise unknown("tier", tier, ways.tiers)
    for policy in (ways.policies[ladder], *ways.policies.values()):
        for rung in policy.rungs:
            if rung.tier == tier:
                return replace(rung, carry=False, reach=1.0, most_spent_nanousd=None)
    said = f"tier {tier!r} stands on no ladder, so no rules are known for it."
    raise RequestError(said, status=404, fix="add it to a ladder in rung.toml")
