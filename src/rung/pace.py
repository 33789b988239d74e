"""How fast each tier is by its calls so far, and which tiers a request is sent past for that.

Only a person who waits is sent past a tier: background work and batches stay where they are
cheapest, however slow that is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from rung.core.bounds import tighter
from rung.core.features import Features, features
from rung.core.guidance import NO_PACE, Known, Paced
from rung.core.lateness import Work, expected, late, told
from rung.core.outcome import Outcome
from rung.core.plan import Policy
from rung.core.speed import Speed, Timing, Timings
from rung.core.types import Attempt, Lane, Request
from rung.guides import Pace
from rung.ledger.speeds import Probed, Timed, timing_of
from rung.orders import Tier
from rung.providers.base import Ask, Residing, Stay
from rung.providers.queueing import Queueing, Slots

PATIENCE_SECONDS = 10.0
"""How long a person's request waits for its turn at a busy tier, without a deadline of its own and
with a tier above: about as long as attention stays with what one waits for."""

LOOKED_BACK = 1000
"""The newest calls that are read from the ledger."""

KEPT = 60
"""Of these, the newest of each tier that are used: what came before them has faded."""

REFRESH_SECONDS = 60.0
"""How soon what other processes measured is taken up."""

STILL_LOADING = 0.1
"""A load beyond its time is taken to need this share of it still."""


class Archive(Protocol):
    """What the ledger remembers of speeds."""

    def timed(self, limit: int) -> Iterable[Timed]:
        """The newest calls, newest first."""
        ...

    def probed(self, limit: int) -> Iterable[Probed]:
        """The newest probes, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """What is asked of a tier before a request is sent to it; ``model`` is the configured one."""

    model: str
    local: bool
    slots: Slots | None = None
    stay: Callable[[], Stay] | None = None


class MeasuredPace(Pace):
    """Learns from each finished call; predicts those to come.

    ``cold`` is told of a tier that a request was sent past because its model is not in memory, so
    that the next one finds it there. ``used`` is told of each answer of a tier, ``elsewhere`` says
    whether another process has its model in memory. All methods but ``refresh`` are cheap and safe
    on the loop.
    """

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        archive: Archive | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._places = {name: _place(tier) for name, tier in tiers.items()}
        self._archive = archive
        self._clock = clock
        self._due = 0.0
        self._known: dict[str, Timings] = {}
        self._names: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self.cold: Callable[[str], None] = _nobody
        self.used: Callable[[str], None] = _nobody
        self.elsewhere: Callable[[str], bool] = _nowhere

    # -------------------------------------------------------------- before a request

    def of(self, policy: Policy, request: Request, seen: Features, known: Known) -> Paced:
        """What to expect of each tier that was measured, and which are too slow."""
        tiers = [rung.tier for rung in policy.rungs]
        speeds = {tier: self._known[tier].speed() for tier in tiers if tier in self._known}
        if not speeds and all(self._places[tier].slots is None for tier in tiers):
            return NO_PACE
        lane = request.directions.lane
        works = {
            tier: Work(
                read_tokens=seen.input_tokens,
                cached_tokens=known.cached.get(tier, 0),
                most_tokens=request.sampling.max_tokens,
                wait_seconds=self._wait(tier, lane),
                load_seconds=self._load(tier, speeds.get(tier)),
            )
            for tier in tiers
        }
        found = {tier: expected(speed, works[tier]) for tier, speed in speeds.items()}
        if lane is not Lane.INTERACTIVE:
            return Paced(found)
        deadline = tighter(policy.deadline_seconds, request.directions.deadline_seconds)
        if deadline is None:
            return Paced(found, _busy(works))
        passed = late(works, speeds, deadline)
        for tier in passed:
            if works[tier].load_seconds:
                self.cold(tier)
        return Paced(found, passed)

    def forecast(self, tier: str) -> Callable[[Ask], float]:
        """What a call of the tier should take once it runs; 0 while nobody knows."""

        def seconds(ask: Ask) -> float:
            known = self._known.get(tier)
            if known is None:
                return 0.0
            seen, limit = features(ask.request), ask.request.sampling.max_tokens
            return expected(known.speed(), Work(seen.input_tokens, most_tokens=limit)).seconds

        return seconds

    def speed(self, tier: str) -> Speed | None:
        """What is known of a tier, ``None`` while it was never measured."""
        return self._known[tier].speed() if tier in self._known else None

    def _wait(self, tier: str, lane: Lane) -> float:
        slots = self._places[tier].slots
        return 0.0 if slots is None else slots.wait_seconds(lane)

    def _load(self, tier: str, speed: Speed | None) -> float:
        """The seconds until the model is in memory; none where it is, or where nobody knows."""
        stay = self._places[tier].stay
        usual = None if speed is None else speed.load_seconds
        if stay is None or usual is None:
            return 0.0
        found = stay()
        if found.resident is not False:
            return 0.0
        if found.loading_seconds is None and self.elsewhere(tier):
            return 0.0
        return max(usual - (found.loading_seconds or 0.0), usual * STILL_LOADING)

    # -------------------------------------------------------------- after a request

    def note(self, outcome: Outcome) -> None:
        """Learn from a finished request."""
        if outcome.cached_of is not None:
            return
        for attempt in outcome.attempts:
            place = self._places.get(attempt.tier)
            timing = timing_of_attempt(attempt)
            if timing is None or place is None:
                continue
            if attempt.answer is not None:
                self.used(attempt.tier)
            if attempt.answer is not None and attempt.answer.model:
                self._names.setdefault(attempt.tier, set()).add(attempt.answer.model)
            known = self._known.get(attempt.tier)
            if known is None:
                known = self._known[attempt.tier] = Timings(local=place.local)
            known.note(timing)

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        if self._archive is None or self._clock is None or self._clock() < self._due:
            return False
        self._due = self._clock() + REFRESH_SECONDS
        return True

    def refresh(self) -> None:
        """Learn anew from the newest calls of all processes. Raises LedgerError."""
        if self._archive is None:
            return
        with self._lock:
            calls: dict[str, list[tuple[float, Timing]]] = {}
            for timed in self._archive.timed(LOOKED_BACK):
                newest = calls.setdefault(timed.tier, [])
                if len(newest) < KEPT and self._is_its(timed.tier, timed.model):
                    newest.append((timed.started_unix, timed.timing))
            for probe in self._archive.probed(LOOKED_BACK):
                place = self._places.get(probe.tier)
                if place is not None and place.model == probe.model:
                    told_of = calls.setdefault(probe.tier, [])
                    told_of += ((probe.created_unix, timing) for timing in probe.timings)
            fresh = {tier: self._learnt(tier, found) for tier, found in calls.items() if found}
            # What only this process knows, of models whose names nobody else can place, stays.
            self._known = {**self._known, **fresh}

    def _learnt(self, tier: str, found: list[tuple[float, Timing]]) -> Timings:
        timings = Timings(local=self._places[tier].local)
        newest = sorted(found, key=lambda each: each[0], reverse=True)[:KEPT]
        for _, timing in reversed(newest):
            timings.note(timing)
        return timings

    def _is_its(self, tier: str, model: str | None) -> bool:
        """Whether a call of a tier of that name was one of the model that it has now.

        Providers add dates to names and leave owners out. A name with nothing in common is only
        known to be the tier's where this process has heard it from it.
        """
        place = self._places.get(tier)
        if place is None:
            return False
        if model is None or model in self._names.get(tier, ()):
            return model is not None
        mine, other = place.model.lower(), model.lower()
        return bool(other) and (mine in other or other in mine)


def _nobody(tier: str) -> None:
    """Where nobody keeps models in memory."""


def _nowhere(tier: str) -> bool:  # noqa: ARG001 the shape of those that know
    """Where no other process is heard of."""
    return False


def _place(tier: Tier) -> _Place:
    provider = tier.provider
    slots = provider.slots if isinstance(provider, Queueing) else None
    stay = provider.stay if isinstance(provider, Residing) else None
    return _Place(tier.model, tier.local, slots, stay)


def timing_of_attempt(attempt: Attempt) -> Timing | None:
    """What one attempt says of its tier's speed."""
    answer = attempt.answer
    if attempt.beside or attempt.aborted or (answer is not None and answer.more):
        return None
    fault = None if attempt.failure is None else attempt.failure.fault
    figures = {
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "load_seconds": attempt.load_seconds,
        "queued_seconds": attempt.queued_seconds,
        "first_token_seconds": attempt.first_token_seconds,
        "input_tokens": attempt.usage.input_tokens,
        "cache_read_tokens": attempt.usage.cache_read_tokens,
        "output_tokens": attempt.usage.output_tokens,
    }
    return timing_of(figures, fault, attempt.phase)


def _busy(works: Mapping[str, Work]) -> dict[str, str]:
    """Without a deadline: the tiers at which a person would wait too long, while one above is free.

    The last tier is never among them.
    """
    tiers = list(works)
    found: dict[str, str] = {}
    for place, tier in enumerate(tiers):
        wait = works[tier].wait_seconds
        free = any(works[each].wait_seconds <= PATIENCE_SECONDS for each in tiers[place + 1 :])
        if wait > PATIENCE_SECONDS and free:
            until = f"about {told(wait)} until calls before it are served"
            found[tier] = f"{until}: more than the {told(PATIENCE_SECONDS)} that somebody waits"
    return found


def speed_json(speed: Speed) -> dict[str, object]:
    """A speed as plain JSON, without what only the fit needs."""
    return {name: value for name, value in asdict(speed).items() if name != "doubt"}
