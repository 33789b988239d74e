"""How much a key has used of what it may use in a minute.

Two windows of a minute each: of the one before, as much counts as the last sixty seconds still
reach into it. So no burst at a minute's edge gets twice the limit, and two pairs of numbers a key
are all that gateways have to tell each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 60


class Kind(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class Used(NamedTuple):
    """What was counted in one window."""

    requests: int = 0
    tokens: int = 0

    def plus(self, other: Used) -> Used:
        """Both together."""
        return Used(self.requests + other.requests, self.tokens + other.tokens)


UNUSED: Final = Used()


def window(now: float) -> int:
    """The beginning of the window that a moment is in, in seconds since 1970."""
    return int(now // WINDOW_SECONDS) * WINDOW_SECONDS


class Count:
    """What one key has used in this window and the one before.

    ``shared`` is what all gateways have told of each, ``unsent`` what is known here alone,
    ``coming`` how many tokens are expected of requests that still run.
    """

    __slots__ = ("coming", "shared", "start", "unsent")

    def __init__(self, start: int) -> None:
        self.start = start
        self.shared: Mapping[int, Used] = {}
        self.unsent: dict[int, Used] = {}
        self.coming = 0

    def roll(self, start: int) -> None:
        """Go on to the window of now. A clock that was set back goes on with what there is."""
        if start < self.start:
            moved = start - self.start
            self.shared = {at + moved: used for at, used in self.shared.items()}
            self.unsent = {at + moved: used for at, used in self.unsent.items()}
        self.start = start

    def add(self, more: Used) -> None:
        """Count so much more."""
        self.unsent[self.start] = self.unsent.get(self.start, UNUSED).plus(more)

    def wait_seconds(self, kind: Kind, asked: int, limit: int, into: float) -> float | None:
        """How long until ``asked`` more fit under ``limit``; see `wait_seconds`."""
        place = Used._fields.index(kind.value)
        present = self._used(self.start)[place] + (self.coming if kind is Kind.TOKENS else 0)
        return wait_seconds(
            (self._used(self.start - WINDOW_SECONDS)[place], present), asked, limit, into
        )

    def _used(self, start: int) -> Used:
        return self.shared.get(start, UNUSED).plus(self.unsent.get(start, UNUSED))


def wait_seconds(used: tuple[int, int], asked: int, limit: int, into: float) -> float | None:
    """How long until ``asked`` more fit; 0 where they do now, ``None`` where they never will.

    ``used`` is what was counted in the window before and in this one, which has lasted for ``into``
    seconds.
    """
    if asked > limit:
        return None
    room, (before, present) = limit - asked, used
    if present <= room:
        # Before this window ends, only what still counts of the one before has to shrink.
        return max(0.0, _faded(before, room - present) - into)
    # In the next window, this one is the one before.
    return max(0.0, WINDOW_SECONDS - into) + _faded(present, room)


def _faded(counted: int, room: int) -> float:
    """How many seconds into the next window what still counts of ``counted`` fits into ``room``."""
    return 0.0 if counted <= room else WINDOW_SECONDS * (1 - room / counted)
