"""Holding back calls of a tier that turns most of them away, but not so many in a row.

With more than ``MULTIPLE`` times as many calls as were accepted, the rest is held back by chance
(Beyer et al., Site Reliability Engineering, chapter 21, "Handling Overload"). Calls count when they
are sent: counted at their end, a tier that hangs would look like one that nobody asks. The book's
window is two minutes; it is shorter here, so that a tier that has recovered is used again soon.
"""

from __future__ import annotations

from collections import deque

MULTIPLE = 2.0
WINDOW_SECONDS = 30.0
SLICE_SECONDS = 3.0
MOST_HELD = 0.9
"""The greatest chance to be held back: a few calls have to see that it has recovered."""

LEAST_CALLS = 20
"""Fewer calls than this tell nothing, and are left to the breaker."""

RECOVERED_CALLS = 20
"""Accepted in a row: with half of the calls turned away, that is a chance of one in a million."""


class Throttle:
    """The calls of the last half a minute, and how many of them were accepted."""

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()
        self._sent = 0
        self._accepted = 0
        self._in_a_row = 0

    def holds_back(self, now: float, draw: float, trusted: int = 0) -> bool:
        """Whether one more call is to be left out, for a ``draw`` from 0 to 1.

        ``trusted`` calls are under way and taken to be accepted: a tier that takes its time has
        done nothing wrong. A call that is held back counts as wanted all the same.
        """
        if not self._sent:
            return False
        self._forget(now)
        if self._sent < LEAST_CALLS:
            return False
        accepted = min(self._sent, self._accepted + trusted)
        chance = (self._sent - MULTIPLE * accepted) / (self._sent + 1)
        held = draw < min(chance, MOST_HELD)
        if held:
            self.sent(now)
        return held

    def sent(self, now: float) -> None:
        """Count a call in."""
        self._count(now, 1, 0)

    def accepted(self, now: float) -> None:
        """Count one that was not turned away. So many in a row, and what was before is past."""
        self._count(now, 0, 1)
        self._in_a_row += 1
        if self._in_a_row == RECOVERED_CALLS:
            self._slices.clear()
            self._sent = self._accepted = self._in_a_row = 0

    def turned_away(self) -> None:
        """Note one that was."""
        self._in_a_row = 0

    def _count(self, now: float, sent: int, accepted: int) -> None:
        if not self._slices or now - self._slices[-1][0] >= SLICE_SECONDS:
            self._slices.append([now, 0, 0])
        newest = self._slices[-1]
        newest[1] += sent
        newest[2] += accepted
        self._sent += sent
        self._accepted += accepted

    def _forget(self, now: float) -> None:
        while self._slices and now - self._slices[0][0] >= WINDOW_SECONDS:
            _, sent, accepted = self._slices.popleft()
            self._sent -= int(sent)
            self._accepted -= int(accepted)
