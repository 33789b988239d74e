"""Requests with an Idempotency-Key: the first is served, all others get what it was served.

Whoever sends a key wants the request done once and its answer whatever becomes of the connection:
so it is seen through though its caller leaves, and who asks again meanwhile waits for it. What is
kept is an answer, or whatever else was paid for. Where neither came of it the key is free again:
a refusal, a provider that is down or a limit that was reached binds nobody to it for a day.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

from rung.core.errors import LedgerError, RequestError, UpstreamError
from rung.core.outcome import Outcome
from rung.ledger import once
from rung.ledger.database import Connection
from rung.ledger.once import Claim, Different, Key, Mine, Result
from rung.ledger.presence import Presence
from rung.server.guard import ClientGoneError, Message, Receive, Scope, Send
from rung.server.headers import Headers, shown_keys

logger = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[Connection], Any]

HEADER: Final = b"idempotency-key"
LONGEST_KEY: Final = 255
REPLAYED: Final = (b"idempotency-replayed", b"true")
COST: Final = b"x-rung-cost-usd"
OURS: Final = b"x-rung-"

WAIT_SECONDS: Final = 600.0
"""How long a request waits for the one that came before it with its key."""

POLL_SECONDS: Final = (0.1, 0.25, 0.5, 1.0)
"""Pauses between looks at a claim that another process holds; the last one for good."""

PATIENCE_SECONDS: Final = 5.0
"""How long the end of an answer is held back until it is kept. It is booked by then."""

AWAY_SECONDS: Final = (0.5, 1.0, 2.0, *[5.0] * 100)
"""Pauses before a claim's end is noted anew, where the ledger is away."""

PRIVATE_SECONDS: Final = 600.0
"""How long the answer to a private request is replayed: from this process's memory alone."""

MOST_PRIVATE_BYTES: Final = 16 * 2**20


class Shelf(Protocol):
    """Where claims and results are kept. Raises LedgerError."""

    async def commit(self, job: Callable[[Connection], T]) -> T:
        """Do something in a transaction of its own and return what it returned."""
        ...

    def reading(self) -> Any:
        """A context of a connection that only reads."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its key, as far as it says which it is and whether it is the same."""

    key: Key
    body_sha256: str


Serve = Callable[[Receive, Send], Awaitable[Outcome | None]]
"""Answers a request; the outcome says what came of it, ``None`` that nothing was begun."""


def asked(scope: Scope, body: bytes, caller: str) -> Asked | None:
    """What a request's Idempotency-Key asks for; ``None`` without one.

    ``caller`` says by whom it came, as far as rung knows callers; whatever keys an unknown one
    shows tell it apart from others. Raises RequestError for a key that is none.
    """
    given = [value.strip() for name, value in scope["headers"] if name.lower() == HEADER]
    if not given:
        return None
    name = given[0]
    if len(given) > 1 or not 0 < len(name) <= LONGEST_KEY or not _printable(name):
        raise RequestError(
            f"Idempotency-Key must be given once, as 1 to {LONGEST_KEY} printable characters.",
            param="Idempotency-Key",
            fix="send a new UUID with each request that is to be done once",
        )
    shown = () if caller else shown_keys(scope["headers"])
    ours = sorted((n.lower(), v) for n, v in scope["headers"] if n.lower().startswith(OURS))
    # The key first: it is a secret of sorts, and makes the hash of a private body no clue to it.
    digest = sha256()
    told = (part for pair in ours for part in pair)
    for part in (name, scope["path"].encode(), scope["query_string"], *told, body):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return Asked(Key.of(f"caller:{caller}", name, *shown), digest.hexdigest())


class Once:
    """All requests with keys that come to this process, ``me``.

    ``clock`` is monotonic, ``wall`` tells seconds since 1970, UTC.
    """

    def __init__(
        self,
        shelf: Shelf,
        me: Presence,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._shelf = shelf
        self._me = me
        self._clock = clock
        self._wall = wall
        self._ends: dict[Key, asyncio.Future[None]] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._private = _Private()

    async def serve(
        self, wanted: Asked, request_id: str, serve: Serve, channel: tuple[Receive, Send]
    ) -> None:
        """Serve a request, or replay what the first one with its key was served.

        Raises RequestError where the key came with another request, where its result is not kept,
        or where waiting for it took too long; LedgerError where no claim can be made.
        """
        receive, send = channel
        until = self._clock() + WAIT_SECONDS
        while True:
            claim = Claim(wanted.key, wanted.body_sha256, request_id, self._me, self._wall())
            found = await self._shelf.commit(partial(once.claim, wish=claim))
            match found:
                case Mine():
                    await self._first(claim, serve, send)
                    return
                case Result() as result:
                    await self._replay(result, wanted.key, send)
                    return
                case Different():
                    raise _different()
                case _:
                    await self._wait(wanted.key, receive, until)

    # -------------------------------------------------------------- the first

    async def _first(self, claim: Claim, serve: Serve, send: Send) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends[claim.key] = end
        recording = Recording(send)
        outcome: Outcome | None = None
        try:
            outcome = await serve(_nobody_leaves, recording)
        finally:
            # Whatever happened: a claim that nobody ends would hold up all who ask again.
            tried = asyncio.Event()
            ending = asyncio.ensure_future(self._close(claim, recording, outcome, tried))
            ending.add_done_callback(lambda _: self._ended(claim.key, end))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            with suppress(TimeoutError):
                await asyncio.wait_for(tried.wait(), PATIENCE_SECONDS)
            await recording.finish()

    async def _close(
        self, claim: Claim, recording: Recording, outcome: Outcome | None, tried: asyncio.Event
    ) -> None:
        """Keep the result, or give the claim back where there is none to keep.

        Again and again while the ledger is away: the answer leaves all the same, once that was
        ``tried``. It is booked, and who asks again meanwhile waits.
        """
        result = recording.result(claim.request_id)
        if outcome is None or result is None or not _binds(outcome):
            job: Job = partial(once.release, wish=claim)
        else:
            if outcome.plan.private:
                self._private.keep(claim.key, result)
                result = replace(result, headers=(), body=None)
            job = partial(once.finish, wish=claim, result=result)
        for pause in AWAY_SECONDS:
            try:
                await self._shelf.commit(job)
            except LedgerError as error:
                if not tried.is_set():
                    logger.warning("an Idempotency-Key cannot be noted yet: %s", error.message)
            else:
                return
            finally:
                tried.set()
            await asyncio.sleep(pause)

    def _ended(self, key: Key, end: asyncio.Future[None]) -> None:
        if self._ends.get(key) is end:
            del self._ends[key]
        if not end.done():
            end.set_result(None)

    # -------------------------------------------------------------- all others

    async def _replay(self, result: Result, key: Key, send: Send) -> None:
        if result.body is None:
            result = self._private.kept(key, result.request_id) or result
        if result.body is None:
            raise RequestError(
                f"request {result.request_id} was answered under this Idempotency-Key, and its "
                "answer is not kept: it was too large, or private and too long ago.",
                status=410,
                param="Idempotency-Key",
                code="idempotent_result_gone",
                fix="use another key to have it done anew",
            )
        headers = [(n, b"0" if n == COST else v) for n, v in result.headers]
        start = {"type": "http.response.start", "status": result.status}
        await send(start | {"headers": [*headers, REPLAYED]})
        await send({"type": "http.response.body", "body": result.body, "more_body": False})

    async def _wait(self, key: Key, receive: Receive, until: float) -> None:
        """Wait until the claim of somebody else has ended. Raises where that takes too long."""
        left = until - self._clock()
        if left <= 0:
            raise UpstreamError(
                "another request with this Idempotency-Key is still being answered.",
                status=409,
                retry_after_seconds=POLL_SECONDS[-1],
            )
        end = self._ends.get(key)
        if end is None:
            end = asyncio.ensure_future(self._watch(key))
            self._ends[key] = end
            end.add_done_callback(lambda done: self._ended(key, done))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({end, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientGoneError
        finally:
            gone.cancel()

    async def _watch(self, key: Key) -> None:
        """Return once another process has ended its claim, or died. One looks for all who wait."""
        for look in range(int(WAIT_SECONDS / POLL_SECONDS[-1])):
            await asyncio.sleep(POLL_SECONDS[min(look, len(POLL_SECONDS) - 1)])
            if not await asyncio.to_thread(self._is_running, key):
                return

    def _is_running(self, key: Key) -> bool:
        with self._shelf.reading() as connection:
            return once.is_running(connection, key, self._me, self._wall())


# ------------------------------------------------------------------ what was sent


class Recording:
    """A send that remembers what went through it, and goes on when nobody takes it any more.

    The last message stays here until `finish`: an answer ends once it is kept.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._size = 0
        self._last: Message | None = None
        self._left = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._keep(message.get("body", b""))
            if not message.get("more_body", False):
                self._last = message
                return
        await self._pass_on(message)

    async def finish(self) -> None:
        """Let the last message go."""
        if self._last is not None:
            await self._pass_on(self._last)

    async def _pass_on(self, message: Message) -> None:
        if self._left:
            return
        try:
            await self._send(message)
        except Exception:  # noqa: BLE001 boundary: the server's own errors of a broken connection
            self._left = True

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= once.MOST_BYTES:
            self._body.append(data)
        else:
            self._body.clear()

    def result(self, request_id: str) -> Result | None:
        """What was answered; ``None`` where that was not brought to its end."""
        if self._last is None:
            return None
        body = b"".join(self._body) if self._size <= once.MOST_BYTES else None
        return Result(request_id, self._status, self._headers, body)


@dataclass(slots=True)
class _Private:
    """Answers that must not leave this machine, not even into a ledger: here for a few minutes."""

    _results: dict[Key, Result] = field(default_factory=dict)
    _size: int = 0

    def keep(self, key: Key, result: Result) -> None:
        """Keep an answer for a while; the oldest make room for it."""
        self._drop(key)
        self._results[key] = result
        self._size += len(result.body or b"")
        while self._size > MOST_PRIVATE_BYTES:
            self._drop(next(iter(self._results)))
        loop = asyncio.get_running_loop()
        loop.call_later(PRIVATE_SECONDS, self._drop, key, result.request_id)

    def kept(self, key: Key, request_id: str) -> Result | None:
        """The answer, if it is still here."""
        result = self._results.get(key)
        return result if result is not None and result.request_id == request_id else None

    def _drop(self, key: Key, request_id: str | None = None) -> None:
        result = self._results.get(key)
        if result is not None and request_id in {None, result.request_id}:
            del self._results[key]
            self._size -= len(result.body or b"")


def _binds(outcome: Outcome) -> bool:
    """Whether an outcome is kept: an answer was made, served or not, or money was spent."""
    return outcome.best is not None or outcome.cost_nanousd > 0


def _printable(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _different() -> RequestError:
    return RequestError(
        "this Idempotency-Key came before, with another request.",
        status=422,
        param="Idempotency-Key",
        code="idempotency_key_reused",
        fix="use a new key for each request; the same one only to send a request again",
    )


async def _nobody_leaves() -> Message:
    """A receive that never tells of a caller who left: its request is seen through."""
    await asyncio.Event().wait()
    raise AssertionError  # pragma: no cover - never set


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
