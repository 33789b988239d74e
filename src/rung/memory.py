"""The little that a process remembers from one request to the next. Losing it loses no answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from rung.core.outcome import Outcome
from rung.core.types import Request
from rung.wire.jsontext import JsonError, locate

RETRIES_A_REQUEST = 0.1
MOST_RETRIES_SAVED = 10.0

RESEND_SECONDS = 900.0
"""How long after a broken stream its repetition is recognised. Clients repeat at once, but their
own time-out may have to pass first."""

MOST_BROKEN = 64


class RetryBudget:
    """Lets one request in ten be retried, after a first few: no storm on a provider that is down.

    The state of a process, not of a request: a plan made while it is used up has no retries, and
    so replays without it.
    """

    def __init__(self) -> None:
        self._left = MOST_RETRIES_SAVED

    def earn(self) -> bool:
        """Count one request in; whether it may retry."""
        self._left = min(MOST_RETRIES_SAVED, self._left + RETRIES_A_REQUEST)
        return self._left >= 1

    def spend(self, retries: int) -> None:
        """Count the retries that a request made."""
        self._left -= retries


class BrokenStreams:
    """Recognises a client that asks again, without a stream, for what a broken stream owed it.

    Claude Code does so (https://code.claude.com/docs/en/env-vars, its variable
    CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK turns it off). Such a request is served like any
    other; that it is no new work is for the bill to know. Where every tier had answered and none
    had passed, it is told so again: the same climb would be paid for twice. Only clients that
    name their conversation are recognised: two users may well ask the same.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._broken: OrderedDict[bytes, tuple[Outcome, float]] = OrderedDict()

    def note(self, outcome: Outcome) -> None:
        """Remember a stream that ended without an answer."""
        key = _key(outcome.request)
        if not outcome.request.stream or outcome.served is not None or key is None:
            return
        self._broken[key] = (outcome, self._wall())
        while len(self._broken) > MOST_BROKEN:
            self._broken.popitem(last=False)

    def repeated_by(self, request: Request) -> Outcome | None:
        """What became of the request that this one repeats, told once."""
        if request.stream or not self._broken:
            return None
        key = _key(request)
        found = None if key is None else self._broken.pop(key, None)
        if found is None or self._wall() - found[1] > RESEND_SECONDS:
            return None
        return found[0]


def _key(request: Request) -> bytes | None:
    """What stays the same when a client asks again: who asks, and the conversation's bytes.

    A client chooses its session's name: of another project or with another key it is another one.
    """
    if not request.session or not request.body:
        return None
    try:
        found = locate(request.body)
    except JsonError:
        return None
    asking = (request.session, request.directions.project, request.caller)
    digest = blake2b(repr(asking).encode("utf-8", "surrogatepass"), digest_size=16)
    for name in ("messages", "input"):
        if name in found:
            digest.update(b"\0%b\0%b" % (name.encode(), found[name].value))
    return digest.digest()
