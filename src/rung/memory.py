"""How often a process retries, of all its requests together. Losing it loses no answer."""

from __future__ import annotations

RETRIES_A_REQUEST = 0.1
MOST_RETRIES_SAVED = 10.0


class RetryBudget:
    """Lets one request in ten be retried, after a first few: no storm on a provider that is down.

    The state of a process, not of a request: a plan made while it is used up has no retries, and
    so replays without it. Many requests may be planned before the first of them is retried, so each
    retry is asked for again when it is due.
    """

    def __init__(self) -> None:
        self._left = MOST_RETRIES_SAVED

    def earn(self) -> bool:
        """Count one request in; whether it may retry."""
        self._left = min(MOST_RETRIES_SAVED, self._left + RETRIES_A_REQUEST)
        return self._left >= 1

    def spend(self) -> bool:
        """Count one retry, if it may be made."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
