"""Runaway agents: who is in a circle, and what is done about it.

A circle is read off a conversation, so any process sees it, also after a restart. What a process
remembers beside is how fast turns follow each other: words that go to and fro once an hour are no
runaway. That is its own, and so is which request was answered again and again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from rung.core.errors import RateError, RequestError
from rung.core.loops import PATIENCE, loop
from rung.core.outcome import Outcome
from rung.core.parts import Role
from rung.core.types import Request
from rung.guides import Loops

logger = logging.getLogger(__name__)

TOPIC: Final = "loops"

HOT_SECONDS: Final = 60.0
"""A turn that begins sooner after the last one's end had nobody's leisure in between."""

TOLD_SECONDS: Final = 3_600.0
"""How long one circle is told of once."""

PAUSE_SECONDS: Final = (60.0, 3_600.0)
"""The first pause, which doubles with each further one, and the longest."""

MOST_REMEMBERED: Final = 10_000
"""Conversations, at about 300 bytes each."""

END_CHARS: Final = 1_600
"""What is read of a request's last message to know it again."""


class Then(StrEnum):
    """What is done about a circle."""

    WARN = "warn"
    PAUSE = "pause"
    STOP = "stop"


class Board(Protocol):
    """Where processes that share a ledger tell each other things."""

    def follow(self, topic: str, heed: Callable[[Any], None]) -> None:
        """Have ``heed`` called with each notice of a topic, in any thread."""
        ...

    def tell(self, topic: str, name: str, value: Mapping[str, Any]) -> None:
        """Tell the others, soon. Never waits, never raises."""
        ...


@dataclass(slots=True)
class _Pace:
    """How the turns of one conversation follow each other.

    ``ended_at`` is when one last ended, ``open`` whether none has since one last began. ``hot`` is
    how many in a row began soon after the one before had ended, ``same`` how many of those asked
    the very same.
    """

    ended_at: float
    open: bool = False
    hot: int = 0
    same: int = 0
    asked: int = 0
    served: bool = False


@dataclass(frozen=True, slots=True)
class _Pause:
    """``seconds`` from the first request that was turned away. ``passed``: one was let through."""

    until: float
    seconds: float
    passed: bool = False


class WatchedLoops(Loops):
    """Looks out for circles. ``clock`` is monotonic; ``tell`` is told of each, and returns at once.

    All but what the board tells is for the event loop's thread alone.
    """

    def __init__(
        self,
        same_calls: int,
        then: Then,
        clock: Callable[[], float],
        tell: Callable[[Request], None] | None = None,
    ) -> None:
        self._same_calls = same_calls
        self._then = then
        self._clock = clock
        self._tell = tell
        self._board: Board | None = None
        self._paces: OrderedDict[str, _Pace] = OrderedDict()
        self._told: OrderedDict[str, float] = OrderedDict()
        self._pauses: OrderedDict[str, _Pause] = OrderedDict()

    def share(self, board: Board) -> None:
        """Share pauses with other processes from now on."""
        self._board = board
        board.follow(TOPIC, self._heed)

    # -------------------------------------------------------------- a request

    def checked(self, request: Request) -> Request:
        """See `Loops.checked`."""
        if not request.conversation:
            return request
        pace = self._paced(request)
        found = loop(request, self._same_calls)
        if found is not None and found.talk and pace.hot < self._same_calls:
            found = None
        words = found.words if found is not None else self._asked_again(pace)
        if not words:
            return request
        request = replace(request, loop=words)
        self._noticed(request)
        if self._then is Then.STOP:
            raise _stopped(words)
        if self._then is Then.PAUSE:
            self._paused(request)
        return request

    def note(self, outcome: Outcome) -> None:
        """See `Loops.note`."""
        pace = self._paces.get(outcome.request.conversation)
        if pace is not None:
            pace.open, pace.ended_at = False, self._clock()
            pace.served = outcome.served is not None

    def _paced(self, request: Request) -> _Pace:
        """How this turn follows those before it."""
        now, name = self._clock(), request.conversation
        pace = self._paces.get(name)
        if pace is None:
            pace = self._paces[name] = _Pace(now - HOT_SECONDS)
            _bound(self._paces)
        asked = _asked(request)
        # Who asks several at once draws answers, and waits for none of them.
        soon = not pace.open and now - pace.ended_at < HOT_SECONDS
        pace.hot = pace.hot + 1 if soon else 0
        pace.same = pace.same + 1 if soon and pace.served and asked == pace.asked else 0
        pace.asked, pace.open = asked, True
        self._paces.move_to_end(name)
        return pace

    def _asked_again(self, pace: _Pace) -> str:
        """Of an agent's very same request, which was answered over and over. Else empty."""
        if not pace.asked or pace.same < self._same_calls * PATIENCE:
            return ""
        return f"the same request was answered {pace.same} times in a row"

    # -------------------------------------------------------------- what is done

    def _noticed(self, request: Request) -> None:
        """Tell of a circle, once an hour."""
        now, name = self._clock(), request.conversation
        if now - self._told.get(name, -TOLD_SECONDS) < TOLD_SECONDS:
            return
        self._told[name] = now
        self._told.move_to_end(name)
        _bound(self._told)
        logger.warning("request %s: an agent goes round in circles: %s", request.id, request.loop)
        if self._tell is not None:
            self._tell(request)

    def _paused(self, request: Request) -> None:
        """Turn a request away while its conversation pauses; let one through after each pause."""
        now, name = self._clock(), request.conversation
        pause = self._pauses.get(name)
        if pause is not None and now >= pause.until and not pause.passed:
            self._pauses[name] = _Pause(pause.until, pause.seconds, passed=True)
            return
        if pause is None or now >= pause.until:
            seconds = (
                PAUSE_SECONDS[0] if pause is None else min(2 * pause.seconds, PAUSE_SECONDS[1])
            )
            pause = self._begin(name, _Pause(now + seconds, seconds))
            if self._board is not None:
                self._board.tell(TOPIC, name, {"seconds": seconds})
        raise _asked_to_wait(request.loop, pause.until - now)

    def _begin(self, name: str, pause: _Pause) -> _Pause:
        self._pauses[name] = pause
        _bound(self._pauses)
        return pause

    def _heed(self, notice: Any) -> None:
        """Another process has begun a pause."""
        seconds = min(float(notice.value["seconds"]), PAUSE_SECONDS[1])
        left = seconds - notice.age_seconds
        if left > 0:
            self._begin(str(notice.name), _Pause(self._clock() + left, seconds))


def _asked(request: Request) -> int:
    """What is the same for the same turn of an agent's; 0 where it is none's."""
    if not request.tools or len(request.messages) < 2:
        return 0
    last = request.messages[-1]
    if all(message.role is not Role.ASSISTANT for message in request.messages[-3:]):
        return 0
    return hash((len(request.messages), len(request.body), last.role, last.text[-END_CHARS:]))


def _bound(remembered: OrderedDict[str, Any]) -> None:
    while len(remembered) > MOST_REMEMBERED:
        remembered.popitem(last=False)


def _stopped(words: str) -> RequestError:
    return RequestError(
        f"this agent goes round in circles: {words}. rung was told to stop such agents.",
        status=422,
        code="agent_loop",
        fix="tell the agent something new, or see [loops] in rung.toml",
    )


def _asked_to_wait(words: str, seconds: float) -> RateError:
    return RateError(
        f"this agent goes round in circles: {words}. rung was told to have such agents pause.",
        retry_after_seconds=max(1.0, seconds),
        code="agent_loop",
        fix="tell the agent something new, or see [loops] in rung.toml",
    )


def notice(request: Request, then: Then) -> bytes:
    """What a webhook is told of a circle: names alone."""
    return msgspec.json.encode(
        {
            "event": "loop",
            "id": request.id,
            "conversation": request.conversation,
            "project": request.directions.project,
            "key": request.key,
            "loop": request.loop,
            "then": then.value,
        }
    )
