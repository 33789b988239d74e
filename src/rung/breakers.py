"""The breakers of all tiers: what this process's calls tell of them, and what other replicas say.

Tiers that call the same model at the same address with the same key have one breaker. It is shared
through the ledger where there is one; without it, and while it is away, each process has its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from rung.core.breaker import Breaker, Entry, Limits, News, Refusal, State
from rung.core.types import Failure, Fault, Phase
from rung.guides import Breakers
from rung.ledger.notices import Heed, Notice
from rung.providers.base import Ask, CallError, Provider
from rung.providers.guarding import guarded

logger = logging.getLogger(__name__)

TOPIC = "breaker"

FAIR_SHARE = 0.9
"""Of a tier's own time-out: a call that had less was cut short by whoever asked."""

FAIR_CONNECT_SECONDS = 1.0
"""To be connected in. A call that had less says nothing of the tier either."""


class Telling(Protocol):
    """Shares what is known with other processes."""

    def tell(self, topic: str, name: str, value: Mapping[str, object]) -> None:
        """Tell the others. Never waits, never raises."""
        ...

    def follow(self, topic: str, heed: Heed) -> None:
        """Have ``heed`` called with what the others tell, in any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tier's breaker stands, for people and for metrics."""

    state: State
    seconds: float
    why: str


@dataclass(slots=True, eq=False)
class _Place:
    """One model at one address.

    ``name`` is the same in all processes that call it alike, empty for one of this process alone.
    """

    name: str
    breaker: Breaker
    tiers: list[str] = field(default_factory=list)


class SharedBreakers(Breakers):
    """Puts providers behind breakers, and tells the planner which tiers to leave alone.

    ``draw`` gives numbers from 0 to 1 by chance. Safe to use from any thread.
    """

    def __init__(
        self, limits: Limits, clock: Callable[[], float], draw: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._draw = draw
        self._places: dict[str, _Place] = {}
        self._by_tier: dict[str, _Place] = {}
        self._lock = threading.Lock()
        self._tell: Telling | None = None

    def before(
        self, tier: str, inner: Provider, seconds: float, alike: Hashable = None
    ) -> Provider:
        """``inner`` behind a breaker; ``seconds`` is the tier's own time-out.

        Tiers with the same ``alike`` share one, also those of other processes. With ``None`` it is
        this tier's alone.
        """
        place = _Place("" if alike is None else place_name(alike), Breaker(self._limits))
        if place.name:
            place = self._places.setdefault(place.name, place)
        place.tiers.append(tier)
        self._by_tier[tier] = place
        return guarded(inner, _Switch(self, place, seconds))

    def share(self, telling: Telling) -> None:
        """Share with other processes from now on."""
        self._tell = telling
        telling.follow(TOPIC, self._heed)

    # -------------------------------------------------------------- before a request

    def of(self, tiers: Sequence[str]) -> Mapping[str, Refusal]:
        """See `Breakers.of`."""
        found: dict[str, Refusal] = {}
        for tier in tiers:
            place = self._by_tier.get(tier)
            # Without the lock: most are closed, and one that closes just now refuses at worst once.
            if place is not None and place.breaker.state is not State.CLOSED:
                refused = place.breaker.refusal(self._clock())
                if refused is not None:
                    found[tier] = refused
        return found

    def standings(self) -> dict[str, Standing]:
        """How the breaker of each tier stands now."""
        now, found = self._clock(), {}
        for tier, place in self._by_tier.items():
            refused = place.breaker.refusal(now)
            seconds, why = (0.0, "") if refused is None else (refused.seconds, refused.why)
            found[tier] = Standing(place.breaker.state, seconds, why)
        return found

    # -------------------------------------------------------------- calls

    def enter(self, place: _Place, ask: Ask) -> Entry:
        """Let a call through. Raises CallError where it must not be made."""
        with self._lock:
            before = place.breaker.state
            found = place.breaker.enter(ask.request.id, self._clock(), self._draw())
            changed = place.breaker.state is not before
        if isinstance(found, Refusal):
            raise CallError(
                Failure(
                    Fault.UNAVAILABLE,
                    f"not called: {found.why}",
                    retry_after_seconds=found.seconds,
                ),
                Phase.PLAN,
            )
        if changed:
            self._told(place)
        return found

    def spoke(self, place: _Place, entry: Entry) -> None:
        """The first of an answer came."""
        if not entry.probe:
            return
        with self._lock:
            changed = place.breaker.spoke(entry, self._clock())
        self._changed(place, changed)

    def answered(self, place: _Place, entry: Entry) -> None:
        """The answer is complete."""
        with self._lock:
            changed = place.breaker.answered(entry, self._clock())
        self._changed(place, changed)

    def left(self, place: _Place, entry: Entry) -> None:
        """It ended in a way that says nothing of the tier."""
        if entry.settled:
            return
        with self._lock:
            place.breaker.left(entry, self._clock())

    def failed(self, place: _Place, entry: Entry, failure: Failure) -> None:
        """It failed."""
        with self._lock:
            changed = place.breaker.failed(entry, failure, self._clock(), self._draw())
        self._changed(place, changed)

    def now(self) -> float:
        """The clock that breakers go by."""
        return self._clock()

    # -------------------------------------------------------------- other processes

    def _changed(self, place: _Place, changed: bool) -> None:
        if not changed:
            return
        said = self._standing(place)
        logger.warning("breaker of %s: %s", ", ".join(place.tiers), said)
        self._told(place)

    def _standing(self, place: _Place) -> str:
        if place.breaker.state is State.CLOSED:
            return "closed, it answers again"
        refused = place.breaker.refusal(self._clock())
        return "open" if refused is None else f"open, {refused.why}"

    def _told(self, place: _Place) -> None:
        if self._tell is None or not place.name:
            return
        news = place.breaker.news(self._clock())
        self._tell.tell(TOPIC, place.name, {**news.value(), "seconds": round(news.seconds, 3)})

    def _heed(self, notice: Notice) -> None:
        """Take up what another process told. Raises ValueError, TypeError or KeyError for junk."""
        place = self._places.get(notice.name)
        if place is None:
            return
        news = News.read(notice.value, float(notice.value["seconds"]) - notice.age_seconds)
        with self._lock:
            before = place.breaker.state
            place.breaker.heed(news, self._clock())
            changed = place.breaker.state is not before
        if changed:
            logger.warning("breaker of %s: %s", ", ".join(place.tiers), self._standing(place))


def place_name(alike: Hashable) -> str:
    """A name that says nothing: an address may hold a password."""
    return blake2b(repr(alike).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class _Switch:
    """One tier's way to its breaker."""

    breakers: SharedBreakers
    place: _Place
    seconds: float

    def enter(self, ask: Ask) -> _Watched:
        """Let a call through. Raises CallError where it must not be made."""
        entry = self.breakers.enter(self.place, ask)
        return _Watched(self, entry, ask.timeout_seconds, self.breakers.now())


@dataclass(slots=True)
class _Watched:
    """One call that was let through, ``given`` so many seconds."""

    switch: _Switch
    entry: Entry
    given: float
    began: float

    def spoke(self) -> None:
        """The first of an answer came."""
        self.switch.breakers.spoke(self.switch.place, self.entry)

    def answered(self) -> None:
        """The answer is complete."""
        self.switch.breakers.answered(self.switch.place, self.entry)

    def failed(self, error: CallError) -> None:
        """It failed; a call that was given no fair time was left."""
        if error.failure.fault is Fault.TIMEOUT and not self._was_fair(error):
            self.left()
        else:
            self.switch.breakers.failed(self.switch.place, self.entry, error.failure)

    def left(self) -> None:
        """Nobody waits for it any longer."""
        self.switch.breakers.left(self.switch.place, self.entry)

    def _was_fair(self, error: CallError) -> bool:
        """Whether a time-out is the tier's own doing, and not the caller's short deadline."""
        if error.failure.status is not None or self.given >= FAIR_SHARE * self.switch.seconds:
            return True
        spent = self.switch.breakers.now() - self.began
        return error.phase is Phase.CONNECT and spent >= FAIR_CONNECT_SECONDS
