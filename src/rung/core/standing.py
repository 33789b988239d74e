"""Where one conversation stands: the tier it sits on, and what each tier's cache holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rung.core.climbs import Climbs, Hazard
from rung.core.plan import Plan
from rung.core.switching import (
    ANSWER_TOKENS,
    LEAST_CACHED,
    NEW_TOKENS,
    Outlook,
    horizon,
)
from rung.core.types import Attempt, History, Price, Usage

RAISED_TURNS = 10
"""For how many turns nothing starts below where it was raised without an answer that failed."""

LEAST_GAP_SECONDS = 0.001
"""Turns that follow each other in no time still take some."""

SHRUNK = 0.7
"""A prompt that is this much of the one before, or less, was compacted."""

STILL_THERE = 0.9
"""The share of what a cache should hold that has to be read from it, to show that it lasted."""

MOST_CACHE_SECONDS = 86_400.0
"""No cache is believed to last longer, whatever a provider reports."""


class Move(StrEnum):
    """What a turn did to where the conversation sits."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished request, as far as its conversation goes.

    ``entry`` is the tier called first, ``served`` the one that answered at last (served or not),
    ``chosen`` the entry that somebody decided on. ``climbed``: an answer was turned down on the
    way, at each of the tiers ``failed``. ``answered`` says that anything came at all. ``tokens``
    are the prompt's, as estimated.
    ``pinned``: to one tier, whatever it sits on. ``capped``: the entry is as high as a rule allows.
    """

    ladder: str
    entry: str
    served: str
    started_unix: float
    tokens: int
    history: History
    chosen: str | None = None
    failed: tuple[str, ...] = ()
    answered: bool = True
    pinned: bool = False
    capped: bool = False

    @classmethod
    def of(
        cls,
        plan: Plan,
        history: History,
        served: int | None,
        *,
        started_unix: float,
        tokens: int,
        pinned: bool = False,
    ) -> Turn:
        """What a plan and its history come to. A hedge that lost answered nothing."""
        told = [attempt for attempt in history if not attempt.beside]
        answers = [attempt for attempt in told if attempt.answer is not None]
        last = history[served] if served is not None else answers[-1] if answers else None
        entry = told[0].tier if told else ""
        return cls(
            ladder=plan.ladder,
            entry=entry,
            served=entry if last is None else last.tier,
            started_unix=started_unix,
            tokens=tokens,
            history=history,
            chosen=plan.route.entry,
            failed=() if last is None else _failed(answers, last),
            answered=last is not None,
            pinned=pinned,
            capped=plan.route.ceiling == entry,
        )

    @property
    def climbed(self) -> bool:
        """Whether an answer was turned down on the way."""
        return bool(self.failed)

    @property
    def tries(self) -> Mapping[str, bool]:
        """The tiers whose answers were judged, and whether they climbed."""
        told = dict.fromkeys(self.failed, True)
        return {**told, self.served: False} if self.answered else told


def _failed(answers: list[Attempt], last: Attempt) -> tuple[str, ...]:
    tiers = (attempt.tier for attempt in answers[: answers.index(last)])
    return tuple(dict.fromkeys(tier for tier in tiers if tier != last.tier))


@dataclass(slots=True)
class Hold:
    """What a tier's cache holds: so many tokens, since when, and how long it is known to last.

    ``caches`` is ``None`` until the provider has told.
    """

    tokens: int = 0
    at_unix: float = 0.0
    lasted_seconds: float = 0.0
    caches: bool | None = None


@dataclass(slots=True)
class Standing:
    """One conversation. ``home`` is the tier it sits on.

    ``spoken`` is how often the assistant had spoken by the end of the last turn, ``opening`` a hash
    of how it began, ``heeded`` the trouble at which it was raised, ``raised`` the tier and the turn
    of that. ``gap_seconds`` is what passes from turn to turn. ``tried`` counts each tier's tries,
    ``last_try`` has the turn of the last and whether it climbed, ``took`` the seconds of one.
    """

    home: str | None = None
    turns: int = 0
    spoken: int = 0
    opening: int = 0
    raised: tuple[str, int] | None = None
    gap_seconds: float = 0.0
    at_unix: float = 0.0
    heeded: int = 0
    away: bool = False
    estimate: int = 0
    counted: int = 0
    growth: int = NEW_TOKENS
    written: int = ANSWER_TOKENS
    holds: dict[str, Hold] = field(default_factory=dict)
    tried: dict[str, Climbs] = field(default_factory=dict)
    last_try: dict[str, tuple[int, bool]] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    # -------------------------------------------------------------- caches

    def held(self, tier: str, now: float, seconds: float) -> int:
        """How many tokens a tier's cache still holds."""
        hold = self.holds.get(tier)
        if hold is None or now - hold.at_unix > max(seconds, hold.lasted_seconds):
            return 0
        return hold.tokens

    def left(self, tier: str, now: float, seconds: float) -> float:
        """For how many turns from now on a tier's cache keeps what it holds."""
        hold = self.holds.get(tier)
        if hold is None:
            return 0.0
        rest = hold.at_unix + max(seconds, hold.lasted_seconds) - now
        return max(0.0, 1 + rest / self.gap(now))

    def gap(self, now: float) -> float:
        """What passes from turn to turn, in seconds: from the second one on, what has passed."""
        return max(self.gap_seconds or now - self.at_unix, LEAST_GAP_SECONDS)

    def caches(self, tier: str) -> bool:
        """Whether a tier keeps what it reads, as far as is known."""
        hold = self.holds.get(tier)
        return hold is None or hold.caches is not False

    def outlook(self, estimate: int, now: float, seconds: float) -> Outlook:
        """What lies ahead of a prompt of so many tokens by estimate."""
        tokens = estimate * self.counted // self.estimate if self.estimate else estimate
        lives = seconds / self.gap(now)
        return Outlook(tokens, self.growth, self.written, horizon(self.turns), lives)

    # -------------------------------------------------------------- decisions

    def due(self, count: int, after: int) -> bool:
        """Whether so much trouble raises it, beyond what it was raised for already."""
        heeded = self.heeded if count >= self.heeded else 0
        return count - heeded >= after

    def recent(self, tier: str, hazard: Hazard) -> float:
        """The chance (0..1) that the last turn climbed from a tier, or would have."""
        turn, climbed = self.last_try.get(tier, (0, False))
        return hazard.unseen(float(climbed), self.turns - turn)

    @property
    def floor(self) -> str | None:
        """The tier below which nothing starts, as it was raised there of late."""
        if self.raised is None or self.turns - self.raised[1] >= RAISED_TURNS:
            return None
        return self.raised[0]

    @property
    def raised_words(self) -> str:
        """When it was raised to where nothing starts below, in words."""
        ago = self.turns - (self.turns if self.raised is None else self.raised[1]) + 1
        when = "on the turn before" if ago == 1 else f"{ago} turns ago"
        return f"it was raised there {when}, and stays for {RAISED_TURNS} turns"

    def reopened(self, estimate: int, begun: str, now: float, seconds: float) -> str:
        """Why it is decided anew where it sits; empty where it is not."""
        if self.estimate and estimate <= SHRUNK * self.estimate:
            return "its prompt was compacted"
        if self.opening and hash(begun) != self.opening:
            return "it begins otherwise than before"
        if self.away:
            return f"{self.home} could not answer the turn before"
        if self.home is not None and not self.held(self.home, now, seconds):
            return f"{self.home} holds nothing of it any more"
        return ""

    # -------------------------------------------------------------- what happened

    def take(
        self,
        turn: Turn,
        ranks: Mapping[str, int] | None = None,
        recent: Mapping[str, float] | None = None,
    ) -> Move:
        """Remember a turn. ``ranks`` are the places of the ladder's tiers.

        ``recent`` is what `recent` said of those that it tried.
        """
        for attempt in turn.history:
            self._hold(attempt, turn.started_unix)
        if not turn.answered:
            return Move.NONE
        self._pace(turn)
        self.turns += 1
        self.estimate = turn.tokens
        self._count(turn, recent or {})
        move = self._move(turn, ranks or {})
        if move is Move.UP and not turn.climbed:
            self.raised = (turn.entry, self.turns)
        return move

    def _count(self, turn: Turn, recent: Mapping[str, float]) -> None:
        for tier, climbed in turn.tries.items():
            before = self.tried.get(tier, Climbs())
            self.tried[tier] = before.with_(recent.get(tier, 0.0), climbed=climbed)
            self.last_try[tier] = (self.turns, climbed)
            calls = (each for each in turn.history if each.tier == tier)
            seconds = sum(each.ended_at - each.started_at for each in calls)
            known = self.took.get(tier)
            self.took[tier] = seconds if known is None else (known + seconds) / 2

    def _pace(self, turn: Turn) -> None:
        gap = turn.started_unix - self.at_unix
        if self.turns and gap > 0:
            self.gap_seconds = (self.gap_seconds + gap) / 2 if self.gap_seconds else gap
        self.at_unix = turn.started_unix

    def _move(self, turn: Turn, ranks: Mapping[str, int]) -> Move:
        before = self.home
        lower = ranks.get(turn.entry, 0) < ranks.get(before or "", 0)
        kept_from_it = turn.chosen is not None and turn.entry != turn.chosen
        if turn.climbed:
            self.home, self.away = turn.served, False
        elif before is not None and (turn.pinned or kept_from_it or (turn.capped and lower)):
            self.away = turn.served != before
        else:
            self.home, self.away = turn.entry, turn.served != turn.entry
        was, now = ranks.get(before or "", -1), ranks.get(self.home or "", -1)
        if before is None or was == now:
            return Move.NONE
        return Move.UP if now > was else Move.DOWN

    def _hold(self, attempt: Attempt, started_unix: float) -> None:
        """Learn from one call what its tier's cache holds now."""
        usage = attempt.usage
        if attempt.answer is None or not usage.input_tokens:
            return
        hold = self.holds.setdefault(attempt.tier, Hold())
        called = started_unix + attempt.started_at
        if hold.tokens and usage.cache_read_tokens >= STILL_THERE * hold.tokens:
            lasted = min(called - hold.at_unix, MOST_CACHE_SECONDS)
            hold.lasted_seconds = max(hold.lasted_seconds, lasted)
        hold.tokens, hold.caches = _kept(usage, attempt.price, hold)
        hold.at_unix = started_unix + attempt.ended_at
        self._measure(usage)

    def _measure(self, usage: Usage) -> None:
        grown = usage.input_tokens - self.counted
        if self.counted and 0 < grown < self.counted:
            self.growth = (self.growth + grown) // 2
        self.written = (
            (self.written + usage.output_tokens) // 2
            if self.counted
            else (usage.output_tokens or ANSWER_TOKENS)
        )
        self.counted = usage.input_tokens


def _kept(usage: Usage, price: Price | None, hold: Hold) -> tuple[int, bool | None]:
    """What is in a cache after a call, and whether there is one.

    Providers that bill writes report them: nothing written is nothing kept. Those that cache by
    themselves report reads alone, so the first call tells nothing and the second all.
    """
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    if written or (read and _bills_writes(price)):
        return read + written, True
    if read:
        return usage.input_tokens, True
    if _bills_writes(price) or not _discounts(price) or usage.input_tokens < LEAST_CACHED:
        return 0, hold.caches if usage.input_tokens < LEAST_CACHED else False
    return (usage.input_tokens, None) if not hold.tokens else (0, False)


def _bills_writes(price: Price | None) -> bool:
    if price is None or price.cache_write_nanousd_per_mtok is None:
        return False
    return price.cache_write_nanousd_per_mtok > price.input_nanousd_per_mtok


def _discounts(price: Price | None) -> bool:
    if price is None or price.cache_read_nanousd_per_mtok is None:
        return False
    return price.cache_read_nanousd_per_mtok < price.input_nanousd_per_mtok
