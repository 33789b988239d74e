"""When a tier is left alone because its calls fail, and when one is let through to look again.

Closed, calls go through. So many failures in a row open it, and so does one that will come again: a
wrong key, an empty account, a rate limit. Open, nothing is called until its time is over; then one
call is let through to look, and what comes of that closes it or opens it for longer.

The caller brings the time, in seconds of a clock that never goes back, and the draws of chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any

from rung.core.throttle import Throttle
from rung.core.types import Failure, Fault

MOST_OPEN_SECONDS = 60.0
"""The longest pause between two looks at a tier that keeps failing; it doubles up to here."""

LASTING_SECONDS = 300.0
"""The pause after a fault that a person has to mend."""

UNTOLD_SECONDS = 1.0
"""The first pause after a rate limit that does not say how long it lasts. It doubles, too."""

RUN_SECONDS = 300.0
"""A failure that is older than this is no part of a row any more."""

SUSTAINED_SECONDS = 1.0
"""A row of failures that has lasted as long needs only some of them: one hiccup can hit many calls
at once, and does not last."""

JITTER = 0.2
"""How much of a pause chance may take off, so that replicas do not all look at once."""

LEAST_REQUESTS = 2
"""Whose calls have to be among the failures: one that is tried again may itself be the reason."""

EARLY_SECONDS = 0.005
"""Timers of event loops ring early by a little."""


RESTING = "it is left alone"
"""How each reason begins that a breaker gives."""


class State(StrEnum):
    """What a breaker does with calls. PROBING: one is under way to look."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Gravity(Enum):
    """What a fault says of the tier.

    NONE: nothing, it is the request's own, or ours. COUNTS: so many in a row open. SAYS_WHEN: opens
    until then. LASTS: opens for long.
    """

    NONE = auto()
    COUNTS = auto()
    SAYS_WHEN = auto()
    LASTS = auto()


GRAVITY: Mapping[Fault, Gravity] = {
    Fault.CONNECT: Gravity.COUNTS,
    Fault.TIMEOUT: Gravity.COUNTS,
    Fault.OVERLOADED: Gravity.COUNTS,
    Fault.SERVER_ERROR: Gravity.COUNTS,
    Fault.INVALID_RESPONSE: Gravity.COUNTS,
    Fault.CUT_STREAM: Gravity.COUNTS,
    Fault.NOT_FOUND: Gravity.COUNTS,
    Fault.UNAVAILABLE: Gravity.COUNTS,
    Fault.RATE_LIMITED: Gravity.SAYS_WHEN,
    Fault.AUTH: Gravity.LASTS,
    Fault.BILLING: Gravity.LASTS,
    Fault.REJECTED: Gravity.NONE,
    Fault.CONTEXT_TOO_LONG: Gravity.NONE,
    Fault.CANCELLED: Gravity.NONE,
    Fault.INTERNAL: Gravity.NONE,
    Fault.BUDGET: Gravity.NONE,
    Fault.UNKNOWN: Gravity.NONE,
}

OWN = frozenset({Fault.AUTH})
"""Faults of this process's own settings: others may have the right key, and a new process too."""


def gravity(failure: Failure) -> Gravity:
    """What a failed call says of its tier."""
    if failure.fault is Fault.AUTH and failure.status == 403:
        # Some providers answer so to what a request says: one alone must not keep others out.
        return Gravity.COUNTS
    return GRAVITY[failure.fault]


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many failures in a row it opens, and for how many seconds at first."""

    failures: int = 5
    open_seconds: float = 10.0

    @property
    def sustained(self) -> int:
        """How many are enough where they have gone on for a while."""
        return max(1, (self.failures + 1) // 2)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not made, and the seconds until one may be."""

    why: str
    seconds: float


@dataclass(slots=True, eq=False)
class Entry:
    """One call that was let through, of the request ``about``.

    ``round`` counts how often the breaker had changed by then: what is older says nothing.
    """

    about: str
    round: int
    probe: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What one process tells the others of a breaker. ``seconds``: how long this holds from now.

    ``fault`` and ``status`` are why it is open; without a status nobody knows at whose end it is.
    """

    state: State
    seconds: float = 0.0
    times: int = 0
    fault: Fault | None = None
    status: int | None = None

    def value(self) -> dict[str, Any]:
        """As plain JSON, without the seconds: a moment of the wall clock says them to others."""
        fault = None if self.fault is None else self.fault.value
        return {"state": self.state.value, "times": self.times, "fault": fault} | (
            {} if self.status is None else {"status": self.status}
        )

    @classmethod
    def read(cls, value: Mapping[str, Any], seconds: float) -> News:
        """What `value` gave. Raises ValueError, TypeError or KeyError for anything else."""
        fault, status = value["fault"], value.get("status")
        return cls(
            State(value["state"]),
            min(max(0.0, float(seconds)), LASTING_SECONDS),
            min(max(0, int(value["times"])), _MOST_DOUBLINGS),
            None if fault is None else Fault(fault),
            None if status is None else int(status),
        )


_MOST_DOUBLINGS = 16


class Breaker:
    """The breaker of one tier. Methods that may change its state return whether they did."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.state = State.CLOSED
        self.fault: Fault | None = None
        self.status: int | None = None
        self.failures = 0
        self.throttle = Throttle()
        self._until = 0.0
        self._told = False
        self._heard = False
        self._times = 0
        self._round = 0
        self._pause = 0.0
        self._run_began = 0.0
        self._failed_at = 0.0
        self._failing: set[str] = set()
        self._under_way = 0

    # -------------------------------------------------------------- before a call

    def refusal(self, now: float) -> Refusal | None:
        """Why no call may be made now, if so. Changes nothing."""
        left = self._until - now
        if self.state is State.CLOSED or left <= EARLY_SECONDS:
            return None
        if self.state is State.PROBING:
            why = f"{RESTING} while one call looks whether it works again, after {self._said()}"
        else:
            why = f"{RESTING} for {_told(left)} after {self._said()}"
        return Refusal(why, left)

    def enter(self, about: str, now: float, draw: float) -> Entry | Refusal:
        """Let a call through, or not. After a pause the first one that comes is the look."""
        refused = self.refusal(now)
        if refused is not None:
            return refused
        if self.state is State.OPEN and self._told:
            self._close(now)
        if self.state is State.CLOSED:
            trusted = self._under_way if not self.failures else 0
            if self.throttle.holds_back(now, draw, trusted):
                return Refusal(f"{RESTING} now and then: most calls failed", UNTOLD_SECONDS)
            self.throttle.sent(now)
        probe = self.state is not State.CLOSED
        if probe:
            self.state = State.PROBING
            # A look that hears nothing for as long keeps the next one out no longer.
            self._until = now + self._pause
        self._under_way += 1
        return Entry(about, self._round, probe)

    # -------------------------------------------------------------- what came of it

    def spoke(self, entry: Entry, now: float) -> bool:
        """The first of an answer came. A look needs no more, but the next failure opens again."""
        if not entry.probe or self._is_old(entry):
            return False
        self._close(now, failures=self.limits.failures - 1)
        entry.round, entry.probe = self._round, False
        return True

    def answered(self, entry: Entry, now: float) -> bool:
        """The answer is complete."""
        if not self._settle(entry, now, accepted=True):
            return False
        if self.state is not State.CLOSED:
            self._close(now)
            return True
        self.failures = self._times = 0
        self._failing.clear()
        return False

    def left(self, entry: Entry, now: float) -> bool:
        """It ended in a way that says nothing of the tier. The next call may look at once."""
        if not self._settle(entry, now, accepted=True) or not entry.probe:
            return False
        if self.state is State.PROBING:
            self.state, self._until = State.OPEN, now
        return False

    def failed(self, entry: Entry, failure: Failure, now: float, draw: float) -> bool:
        """It failed."""
        grave = gravity(failure)
        if grave is Gravity.NONE:
            return self.left(entry, now)
        if not self._settle(entry, now, accepted=False):
            return False
        self._count(entry.about, now)
        if not (grave is not Gravity.COUNTS or entry.probe or self._is_enough(now)):
            return False
        self._open(failure, now, self._seconds(failure, draw))
        self._told = failure.fault is Fault.RATE_LIMITED and failure.retry_after_seconds is not None
        return True

    def _count(self, about: str, now: float) -> None:
        if now - self._failed_at > RUN_SECONDS:
            self.failures = 0
        if not self.failures:
            self._run_began = now
            self._failing.clear()
        self.failures, self._failed_at = self.failures + 1, now
        if len(self._failing) < LEAST_REQUESTS:
            self._failing.add(about)

    def _is_enough(self, now: float) -> bool:
        limits = self.limits
        if len(self._failing) < min(LEAST_REQUESTS, limits.failures):
            return False
        lasted = now - self._run_began >= SUSTAINED_SECONDS
        return self.failures >= (limits.sustained if lasted else limits.failures)

    def _settle(self, entry: Entry, now: float, *, accepted: bool) -> bool:
        """Count the end of a call, once; whether it says something of how things stand now."""
        if entry.settled:
            return False
        entry.settled = True
        self._under_way -= 1
        if accepted:
            self.throttle.accepted(now)
        else:
            self.throttle.turned_away()
        return not self._is_old(entry)

    def _is_old(self, entry: Entry) -> bool:
        return entry.round != self._round

    # -------------------------------------------------------------- opening and closing

    def _seconds(self, failure: Failure, draw: float) -> float:
        """How long to leave it alone."""
        told = failure.retry_after_seconds
        if failure.fault is Fault.RATE_LIMITED and told is not None:
            return told
        if failure.fault in {Fault.AUTH, Fault.BILLING}:
            return LASTING_SECONDS * (1 - JITTER * draw)
        limited = failure.fault is Fault.RATE_LIMITED
        first = min(UNTOLD_SECONDS, self.limits.open_seconds) if limited else 0.0
        first = first or self.limits.open_seconds
        most = max(self.limits.open_seconds, MOST_OPEN_SECONDS)
        grown = min(first * 2.0 ** min(self._times, _MOST_DOUBLINGS), most)
        return max(grown * (1 - JITTER * draw), min(told or 0.0, most))

    def _open(self, failure: Failure, now: float, seconds: float) -> None:
        self.state, self.fault, self.status = State.OPEN, failure.fault, failure.status
        self._until, self._pause = now + seconds, max(seconds, self.limits.open_seconds)
        self._told = self._heard = False
        self._times = min(self._times + 1, _MOST_DOUBLINGS)
        self._round += 1

    def _close(self, now: float, failures: int = 0) -> None:
        """Let calls through. After so many ``failures`` in a row one more may open it again."""
        self.state = State.CLOSED
        self.throttle = Throttle()
        self._suspect(now, failures)
        self._round += 1
        if not failures:
            self._times = 0

    def _suspect(self, now: float, failures: int) -> None:
        """Go on as if there had been so many failures in a row, of several requests."""
        self.failures, self._run_began, self._failed_at = failures, now, now
        self._failing = {str(each) for each in range(LEAST_REQUESTS)}

    # -------------------------------------------------------------- other processes

    def news(self, now: float) -> News:
        """How it stands, for the others."""
        left = max(0.0, self._until - now)
        if self.state is State.CLOSED:
            return News(State.CLOSED)
        return News(self.state, left, self._times, self.fault, self.status)

    def heed(self, news: News, now: float) -> None:
        """Take up what another process found.

        What a provider itself answered holds for all. Where nothing came back, the fault may lie at
        the other process's end: then a single failure of our own is enough.
        """
        closed = self.state is State.CLOSED
        if news.state is State.CLOSED:
            if not closed and self.fault not in OWN:
                self._close(now, failures=self.limits.failures - 1)
        elif news.fault is None or news.fault in OWN or not news.seconds:
            return
        elif news.status is None:
            if closed and self.failures < self.limits.failures - 1:
                self._suspect(now, self.limits.failures - 1)
        elif closed:
            self._open(Failure(news.fault, "", news.status), now, news.seconds)
            self._times, self._heard = news.times, True
        elif self.fault not in OWN:
            self.state = news.state
            self._until = max(self._until, now + news.seconds)

    def _said(self) -> str:
        """Why it is open, in words that say nothing of anybody's request."""
        named = "an error" if self.fault is None else self.fault.value.replace("_", " ")
        status = "" if self.status is None else f", {self.status}"
        if self._heard:
            return f"what another process found ({named}{status})"
        times = f"{self.failures} failures in a row" if self.failures > 1 else "a failure"
        return f"{times} ({named}{status})"


def _told(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
