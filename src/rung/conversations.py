"""What a process remembers of conversations, and where that sends their next turn.

A conversation that sits on the lowest tier stays there. Above it, and where that is decided anew
(when the cache has expired, when its prompt was compacted, after a tier could not answer), the
expected costs of starting at each tier are compared: with what their caches hold, and with how
often turns have climbed. Forgetting costs money and no answer: what is not remembered here is read
from the ledger.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Protocol

from rung.core import switching
from rung.core.climbs import Climbs, Hazard, Kind, hazard
from rung.core.conversation import key, opening, scope, turns_before
from rung.core.environment import Trouble, trouble
from rung.core.features import Features, features
from rung.core.guidance import NOTHING_KNOWN, Known
from rung.core.money import NANOUSD
from rung.core.outcome import Outcome
from rung.core.plan import NO_LEAD, Lead, Policy
from rung.core.standing import Move, Standing, Turn
from rung.core.switching import LEAST_CACHED, Outlook, Seat, TurnCost
from rung.core.types import Lane, Request, Usage
from rung.file_tables import ConversationsTable
from rung.guides import Conversations
from rung.marks import PrivateMarks
from rung.orders import Pricer
from rung.ways import TIER_PREFIX, Ways

MOST_REMEMBERED = 10_000
"""Conversations, at about 1 KB each."""

LOOKED_BACK = 20
"""Turns that are read of a conversation that is not remembered."""

LEAST_EVIDENCE = 30
"""Turns that a tier must have begun before a conversation's first turn may start above it."""


class Archive(Protocol):
    """What the ledger remembers of a conversation."""

    def conversation(self, key: str, limit: int) -> tuple[Sequence[Turn], bool]:
        """Its newest turns, oldest first, and whether any of its session's was private."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """The table ``[conversations]``.

    Whether they stay where they sit, after how many troubles the next turn starts a tier higher (0:
    never), how long a provider keeps what it has read, and the price of a second that somebody
    waits.
    """

    sticky: bool = True
    raise_after: int = 3
    cache_seconds: float = 300.0
    second_nanousd: float = 0.0


@dataclass(frozen=True, slots=True)
class Tiers:
    """Each ladder's tiers in order, and what a call of a tier costs."""

    ladders: Mapping[str, Sequence[str]]
    costs: Mapping[str, TurnCost]


class Remembered(Conversations):
    """The conversations of this process. All but `recall` is for the event loop's thread alone."""

    def __init__(
        self,
        settings: Settings,
        tiers: Tiers,
        wall: Callable[[], float],
        archive: Archive | None = None,
        private: PrivateMarks | None = None,
    ) -> None:
        self._settings = settings
        self._tiers = tiers
        self._wall = wall
        self._archive = archive
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._private = PrivateMarks() if private is None else private
        self._counts: dict[Kind, Climbs] = defaultdict(Climbs)
        self._reading: dict[str, asyncio.Future[None]] = {}

    # -------------------------------------------------------------- what is known

    def named(self, request: Request) -> Request:
        """See `Conversations.named`."""
        return request if request.conversation else request.in_conversation(key(request))

    async def recall(self, request: Request) -> None:
        """See `Conversations.recall`. Raises LedgerError: what could be private is not served on.

        Nothing is read of what this process has seen whole. The request itself tells how often
        the assistant has spoken: where that is more than was seen here, another process answered.
        """
        name = request.conversation or key(request)
        before = turns_before(request)
        known = self._standings.get(name)
        if self._archive is None or not name:
            return
        if not before:
            if request.session and known is None:
                await self._recall_privacy(name)
            return
        if known is not None and before <= known.spoken:
            return
        reading = self._reading.get(name)
        if reading is None:
            reading = asyncio.ensure_future(self._read(name, request))
            self._reading[name] = reading
            reading.add_done_callback(lambda _: self._reading.pop(name, None))
        await asyncio.shield(reading)

    async def _recall_privacy(self, name: str) -> None:
        """Whether anything was private in a session that begins anew, or goes on elsewhere."""
        assert self._archive is not None
        if scope(name) not in self._private:
            _, private = await asyncio.to_thread(self._archive.conversation, name, 0)
            if private:
                self._private.add(scope(name), told=True)

    async def _read(self, name: str, request: Request) -> None:
        assert self._archive is not None
        before = turns_before(request)
        turns, private = await asyncio.to_thread(self._archive.conversation, name, LOOKED_BACK)
        standing = Standing()
        for turn in turns:
            recent = self._recent(turn, standing, request)
            standing.take(turn, self._ranks(turn.ladder), recent)
        standing.spoken = before
        if private:
            self._private.add(scope(name), told=True)
        # A turn that ended while the ledger was read knows more of the conversation than that.
        current = self._standings.get(name)
        if current is None or current.turns <= standing.turns:
            self._keep(name, standing)
        else:
            current.spoken = max(current.spoken, before)

    def known(self, request: Request) -> Known:
        """See `Conversations.known`."""
        name = request.conversation
        if not name:
            return NOTHING_KNOWN
        # Without a session, one that only begins like a private one is another conversation; once
        # it has gone on for a turn, nothing tells the two apart.
        private = scope(name) in self._private and _goes_on(request)
        standing = self._standing(request)
        if standing is None:
            return Known(private=True) if private else NOTHING_KNOWN
        seconds, now = self._settings.cache_seconds, self._wall()
        cached = {
            tier: held for tier in standing.holds if (held := standing.held(tier, now, seconds))
        }
        return Known(
            standing.home, private, standing.turns, cached, max(cached.values(), default=0)
        )

    def _standing(self, request: Request) -> Standing | None:
        """Where the request's conversation stands; ``None`` where this is its beginning.

        Without a session, conversations that begin alike are told apart by that alone.
        """
        standing = self._standings.get(request.conversation)
        if standing is None or not _goes_on(request):
            return None
        return standing

    # -------------------------------------------------------------- where it goes

    def lead(
        self,
        known: Known,  # noqa: ARG002 what is remembered says more
        request: Request,
        policy: Policy,
        seen: Features,
    ) -> Lead:
        """See `Conversations.lead`. Changes nothing: it is asked for requests nobody sends, too."""
        if not request.conversation or _pinned(request):
            return NO_LEAD
        ladder = [rung.tier for rung in policy.rungs]
        standing = self._standing(request)
        raised = self._raised(standing, request, ladder)
        if raised is not None or not self._settings.sticky:
            return raised or NO_LEAD
        if standing is None or standing.home not in ladder:
            return self._first(request, policy, seen)
        return self._next(standing, request, policy, seen)

    def _raised(
        self, standing: Standing | None, request: Request, ladder: Sequence[str]
    ) -> Lead | None:
        """One tier up, where the environment says that this one gets nowhere."""
        after = self._settings.raise_after
        if not after or standing is None or standing.home not in ladder[:-1]:
            return None
        seen = trouble(request)
        if not standing.due(seen.count, after):
            return None
        above = ladder[ladder.index(standing.home) + 1]
        return Lead(above, f"raised from {standing.home} to {above}: {seen.words}")

    def _first(self, request: Request, policy: Policy, seen: Features) -> Lead:
        """Where a conversation begins: low, unless climbs are known to be that frequent."""
        ladder = [rung.tier for rung in policy.rungs]
        kinds = [Kind.of(request, policy.ladder, tier) for tier in ladder]
        tries = self._counts.get(kinds[0], Climbs()).tries
        if tries < LEAST_EVIDENCE or seen.input_tokens < LEAST_CACHED:
            return NO_LEAD
        outlook = Outlook(seen.input_tokens, turns=switching.horizon(0))
        seats = [self._seat(kind) for kind in kinds]
        best = switching.best_start(seats, outlook)
        if not best.place:
            return NO_LEAD
        return Lead(ladder[best.place], switching.starting(seats, best, outlook))

    def _next(self, standing: Standing, request: Request, policy: Policy, seen: Features) -> Lead:
        """Where a later turn starts."""
        ladder = [rung.tier for rung in policy.rungs]
        place, floor = ladder.index(standing.home or ""), _place(standing.floor, ladder)
        outlook = standing.outlook(seen.input_tokens, self._wall(), self._settings.cache_seconds)
        small = outlook.tokens < LEAST_CACHED
        why = "" if small else self._reopened(standing, request, seen.input_tokens)
        if not place and not why:
            seat = self._seat(Kind.of(request, policy.ladder, ladder[0]), standing)
            return NO_LEAD if small else Lead(seat.tier, switching.staying(seat, outlook))
        seats = [self._seat(Kind.of(request, policy.ladder, tier), standing) for tier in ladder]
        if small:
            seats = [replace(seat, held=0, caches=False) for seat in seats]
        best = switching.best_start(seats, outlook, place, floor)
        if small and not best.place:
            return NO_LEAD
        if best.place != place or why or not place:
            told = switching.deciding(seats, place, best, outlook, why)
        elif place == floor:
            told = f"{switching.staying(seats[place], outlook)}; {standing.raised_words}"
        else:
            told = switching.staying(seats[place], outlook, seats[place - 1])
            told = f"{told}; {switching.expecting(seats, best, outlook)}"
        return Lead(ladder[best.place], told)

    def _reopened(self, standing: Standing, request: Request, tokens: int) -> str:
        seconds = self._settings.cache_seconds
        return standing.reopened(tokens, opening(request), self._wall(), seconds)

    def _seat(self, kind: Kind, standing: Standing | None = None) -> Seat:
        cost, chance = self._tiers.costs[kind.tier], self._hazard(kind, standing)
        if standing is None:
            return Seat(kind.tier, cost, 0, chance)
        now, seconds = self._wall(), self._settings.cache_seconds
        waits = kind.lane is Lane.INTERACTIVE
        return Seat(
            kind.tier,
            cache(cost),  # a decision asks for the same figures several times
            standing.held(kind.tier, now, seconds),
            chance,
            standing.caches(kind.tier),
            standing.left(kind.tier, now, seconds),
            standing.recent(kind.tier, chance),
            self._settings.second_nanousd * standing.took.get(kind.tier, 0.0) if waits else 0.0,
        )

    def _hazard(self, kind: Kind, standing: Standing | None) -> Hazard:
        counts = self._counts.get(kind, Climbs())
        own = Climbs() if standing is None else standing.tried.get(kind.tier, Climbs())
        return hazard(counts, own)

    # -------------------------------------------------------------- what is remembered

    def keep_here(self, request: Request) -> None:
        """See `Conversations.keep_here`."""
        if request.conversation:
            self._private.add(scope(request.conversation))

    def note(self, outcome: Outcome) -> None:
        """See `Conversations.note`."""
        request = outcome.request
        name = request.conversation
        if not name or outcome.cached_of is not None:
            return
        standing = self._standing(request) or Standing()
        turn = turn_of(outcome)
        recent = self._recent(turn, standing, request)
        self._count(turn, recent, request)
        move = standing.take(turn, self._ranks(outcome.plan.ladder), recent)
        self._heed(standing, move, request)
        standing.spoken = turns_before(request) + (outcome.served is not None)
        standing.opening = hash(opening(request))
        self._keep(name, standing)

    def _recent(self, turn: Turn, before: Standing, request: Request) -> dict[str, float]:
        """For each tier that a turn tried, the chance that the turn before would have climbed."""
        kinds = [Kind.of(request, turn.ladder, tier) for tier in turn.tries]
        return {kind.tier: before.recent(kind.tier, self._hazard(kind, before)) for kind in kinds}

    def _count(self, turn: Turn, recent: Mapping[str, float], request: Request) -> None:
        for tier, climbed in turn.tries.items():
            kind = Kind.of(request, turn.ladder, tier)
            self._counts[kind] = self._counts[kind].with_(recent[tier], climbed=climbed)

    def _heed(self, standing: Standing, move: Move, request: Request) -> None:
        """Remember at which trouble it was raised, so that the same trouble raises it once."""
        after = self._settings.raise_after
        if not after or (move is not Move.UP and not standing.heeded):
            return
        seen: Trouble = trouble(request)
        if move is Move.UP and seen.count >= after:
            standing.heeded = seen.count
        elif seen.count < standing.heeded:
            standing.heeded = 0

    def _ranks(self, ladder: str) -> Mapping[str, int]:
        return {tier: place for place, tier in enumerate(self._tiers.ladders.get(ladder, ()))}

    def _keep(self, name: str, standing: Standing) -> None:
        self._standings[name] = standing
        self._standings.move_to_end(name)
        while len(self._standings) > MOST_REMEMBERED:
            self._standings.popitem(last=False)


def remembered(
    table: ConversationsTable,
    ways: Ways,
    wall: Callable[[], float],
    archive: Archive | None,
    second_usd: float = 0.0,
    private: PrivateMarks | None = None,
) -> Remembered:
    """The conversations of a configuration. ``second_usd`` is the price of a second's waiting."""
    return Remembered(
        Settings(table.sticky, table.raise_after, table.cache_seconds, NANOUSD * second_usd),
        Tiers(
            {name: [rung.tier for rung in each.rungs] for name, each in ways.policies.items()},
            {name: cost_of(tier.pricer, wall) for name, tier in ways.tiers.items()},
        ),
        wall,
        archive,
        private,
    )


def cost_of(pricer: Pricer, wall: Callable[[], float]) -> TurnCost:
    """What calls of a tier cost by its own price, context steps included."""

    def cost(cached: int, new: int, written: int, caching: bool) -> int:
        used = Usage(cached + new, written, cached, new if caching else 0)
        return pricer.cost(used, 0.0, datetime.fromtimestamp(wall(), UTC))

    return cost


def turn_of(outcome: Outcome) -> Turn:
    """What a conversation has to know of a finished request."""
    return Turn.of(
        outcome.plan,
        outcome.attempts,
        outcome.served,
        started_unix=outcome.started_unix,
        tokens=features(outcome.request).input_tokens,
        pinned=_pinned(outcome.request),
    )


def _place(tier: str | None, ladder: Sequence[str]) -> int:
    return ladder.index(tier) if tier in ladder else 0


def _goes_on(request: Request) -> bool:
    """Whether it is known to belong to what came before, and does not only begin alike."""
    return bool(request.session) or turns_before(request) > 0


def _pinned(request: Request) -> bool:
    return request.directions.tier is not None or request.model.startswith(TIER_PREFIX)
