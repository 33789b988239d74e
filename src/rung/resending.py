"""Clients that ask again for what a broken stream owed them, after a restart and at any replica.

A process remembers the streams that broke in it whole. The ledger has an id and a hash of
each, for a quarter of an hour: enough to know it again elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rung.core.errors import LedgerError, RequestError
from rung.core.outcome import Outcome
from rung.core.types import Request
from rung.ledger import once
from rung.ledger.database import Connection
from rung.ledger.once import BROKEN, Claim, Key
from rung.ledger.presence import Presence
from rung.wire.jsontext import JsonError, locate

if TYPE_CHECKING:
    from rung.ledger.stored import StoredOutcome

T = TypeVar("T")

RESEND_SECONDS = 900.0
"""How long after a broken stream its repetition is recognised. Clients repeat at once, but their
own time-out may have to pass first."""

MOST_BROKEN = 64


class Archive(Protocol):
    """The ledger, as far as it knows streams that broke. Raises LedgerError."""

    def enqueue(self, job: Callable[[Connection], T]) -> Future[T]:
        """Have something written before whatever is written from now on."""
        ...

    def commit(self, job: Callable[[Connection], T]) -> Awaitable[T]:
        """Write something, and return what came of it."""
        ...

    def reading(self) -> AbstractContextManager[Any]:
        """A connection that only reads. Blocks."""
        ...

    def find(self, prefix: str) -> StoredOutcome:
        """One request. Blocks; raises RequestError where there is none."""
        ...


class Resends:
    """Knows who asks again. ``wall`` tells seconds since 1970, UTC."""

    def __init__(
        self, wall: Callable[[], float], archive: Archive | None = None, process_id: str = ""
    ) -> None:
        self._wall = wall
        self._archive = archive
        self._me = Presence.of(process_id)
        self._broken = BrokenStreams(wall)

    def note(self, outcome: Outcome) -> None:
        """Remember a stream that ended without an answer. Before it is booked: then both are."""
        request = outcome.request
        if not request.stream or outcome.served is not None:
            return
        self._broken.note(outcome)
        key = _key(request)
        if self._archive is None or key is None:
            return
        claim = Claim(key, "", request.id, self._me, self._wall())
        with suppress(LedgerError):  # to be told of below, where the outcome is booked
            self._archive.enqueue(partial(once.note_broken, wish=claim, seconds=RESEND_SECONDS))

    async def repeated_by(self, request: Request) -> Outcome | None:
        """What became of the request that this one repeats, told once.

        Where another process knows of it, without the words of its answers.
        """
        if request.stream or not request.session:
            return None
        found = self._broken.repeated_by(request)
        key = None if self._archive is None else _key(request)
        if self._archive is None or key is None:
            return found
        # A ledger that is away is no reason to turn a request down that may well be new.
        with suppress(LedgerError, RequestError):
            return await self._told(found, key, request, self._archive)
        return found

    async def _told(
        self, found: Outcome | None, key: Key, request: Request, archive: Archive
    ) -> Outcome | None:
        """What is remembered here or elsewhere, unless another process has told it already."""
        name = found.request.id if found else await asyncio.to_thread(self._known, key, archive)
        forgets = partial(once.forget_broken, key=key, request_id=name or "")
        if name is None or not await archive.commit(forgets):
            return None
        return found or _without_words(await asyncio.to_thread(archive.find, name), request)

    def _known(self, key: Key, archive: Archive) -> str | None:
        with archive.reading() as connection:
            return once.broken(connection, key, self._wall())


def _noted(connection: Connection, claim: Claim) -> None:
    once.forget(connection, claim.now_unix)
    once.note_broken(connection, claim, RESEND_SECONDS)


def _key(request: Request) -> Key | None:
    """What any process knows the request by; ``None`` where only this one tells callers apart."""
    if request.caller and request.key is None and request.directions.project is None:
        return None
    digest = repeated(request)
    return None if digest is None else Key.of(BROKEN, digest)


def _without_words(stored: StoredOutcome, request: Request) -> Outcome:
    """What the ledger has of an outcome. Of answers it has no words, so none is to be served."""
    # Of a draft that calls tools a human's answer has the words alone: nobody is to wait for that.
    waits = stored.inbox and not any(a.answer and a.answer.tool_calls for a in stored.history)
    was = replace(request, id=stored.request.id, resend_of=stored.request.resend_of)
    return Outcome(
        request=was,
        plan=stored.plan,
        attempts=tuple(replace(attempt, answer=None) for attempt in stored.history),
        decision=stored.decision,
        served=None,
        verified=stored.verified,
        started_unix=stored.started_unix,
        seconds=stored.seconds,
        ended_by=stored.ended_by,
        phase=stored.phase,
        baselines=stored.baselines,
        inbox=waits,
    )


# ------------------------------------------------------------------ in this process


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
        key = repeated(outcome.request, outcome.request.caller)
        if not outcome.request.stream or outcome.served is not None or key is None:
            return
        self._broken[key] = (outcome, self._wall())
        while len(self._broken) > MOST_BROKEN:
            self._broken.popitem(last=False)

    def repeated_by(self, request: Request) -> Outcome | None:
        """What became of the request that this one repeats, told once."""
        if request.stream or not self._broken:
            return None
        key = repeated(request, request.caller)
        found = None if key is None else self._broken.pop(key, None)
        if found is None or self._wall() - found[1] > RESEND_SECONDS:
            return None
        return found[0]


def repeated(request: Request, *caller: str) -> bytes | None:
    """What stays the same when a client asks again: who asks, and the conversation's bytes.

    A client chooses its session's name: of another project or with another key it is another one.
    ``caller`` is what else tells it apart. ``None`` for what cannot be recognised.
    """
    if not request.session or not request.body:
        return None
    try:
        found = locate(request.body)
    except JsonError:
        return None
    asking = (request.session, request.directions.project, request.key, *caller)
    digest = blake2b(repr(asking).encode("utf-8", "surrogatepass"), digest_size=16)
    for name in ("messages", "input"):
        if name in found:
            digest.update(b"\0%b\0%b" % (name.encode(), found[name].value))
    return digest.digest()
