"""What of a streamed answer may leave, and when: the engine's release rule put to work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rung.core.engine import Action
from rung.core.growth import Delta
from rung.core.plan import Plan
from rung.core.release import Release
from rung.core.types import History, Request

PREAMBLE_CHARACTERS = 400
"""What models usually say before they call a tool is shorter: two or three sentences."""


class UndeliverableError(Exception):
    """Released bytes could not be passed on: the caller is as good as gone."""


class Sink(Protocol):
    """Where released bytes go, and who wants to watch."""

    async def release(self, tier: str, delta: Delta) -> None:
        """Pass on bytes that nothing can take back any more."""
        ...

    def watch(self, action: Action, history: History) -> None:
        """Learn of an action before it is done."""
        ...


@runtime_checkable
class Informed(Protocol):
    """What a sink has that wants to know the plan before anything is called."""

    def planned(self, request: Request, plan: Plan) -> None:
        """Learn what may be tried, and what was found out of the request."""
        ...


class Outlet:
    """One streamed answer on its way out: what it may let go, and what it keeps for later.

    ``unsure`` says of a text whether it may still turn out to be a tool call in disguise: such a
    text is kept. Once a tool call has begun, all that follows is kept too, so that nothing
    overtakes it; so is whatever says that the answer is complete.
    """

    def __init__(self, release: Release, unsure: Callable[[str], bool] | None = None) -> None:
        self.held: list[Delta] = []
        self._release = release
        self._unsure = unsure
        self._text = ""
        self._open = release is Release.ALL
        self._shut = release is Release.NOTHING

    def take(self, delta: Delta) -> list[Delta]:
        """Keep ``delta``; what may leave now, in order."""
        self.held.append(delta)
        calls = bool(delta.calls) and self._release is not Release.ALL
        self._shut = self._shut or delta.final or calls
        if self._shut:
            return []
        self._open = self._open or self._may_open(delta)
        if not self._open:
            return []
        free, self.held = self.held, []
        return free

    def _may_open(self, delta: Delta) -> bool:
        if not delta.text and not (delta.thinking and self._release is Release.TEXT):
            return False
        self._text += delta.text
        if self._unsure is not None and self._unsure(self._text):
            return False
        return self._release is Release.TEXT or len(self._text) >= PREAMBLE_CHARACTERS
