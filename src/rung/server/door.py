"""The front doors: a request of any dialect in, the accepted answer out, plain or as a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rung.callers import Caller, entered
from rung.core.errors import RungError
from rung.core.features import features
from rung.core.outcome import Outcome
from rung.core.traces import trace_of
from rung.core.types import Answer, Request
from rung.intake import Intake, Served
from rung.lines import STOPPING
from rung.server import headers
from rung.server.access import caller_of, visit_of
from rung.server.guard import UNEXPECTED, ClientGoneError, Receive, Scope, Send, read_body
from rung.server.once import Once, asked
from rung.server.replies import labels, refuse, send_whole
from rung.server.stream import StreamSink
from rung.trouble import Trouble, trouble
from rung.wire import front as wire
from rung.wire.embeddings import as_asked

HEARTBEAT_SECONDS = 10.0


class Door:
    """One endpoint in the dialect of ``front``. One call of it is one request."""

    def __init__(
        self,
        front: wire.Front,
        intake: Intake,
        *,
        once: Once | None = None,
        wall: Callable[[], float] = time.time,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._front = front
        self._intake = intake
        self._once = once
        self._models = {name: tier.model for name, tier in intake.parts.ways.tiers.items()}
        self._wall = wall
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong leaves as the dialect's own error."""
        body = await read_body(receive)
        request_id = self._intake.new_id()
        try:
            caller, visit = caller_of(scope), visit_of(scope)
            request = self._front.decode_request(body, arrival(request_id, scope, caller))
            if caller.digest or caller.key:
                request = replace(request, caller=caller.digest, key=caller.key)
            if visit.counts_tokens:
                visit.expect(features(request).input_tokens)
            if (share := self._intake.parts.traced) is not None:
                given = headers.trace(scope["headers"])
                request = replace(request, trace=trace_of(request_id, given, share))
            wanted = None if self._once is None else asked(scope, body, _name_of(caller))
            if wanted is None or self._once is None:
                await self._serve(request, receive, send)
            else:
                serve = partial(self._serve, request)
                await self._once.serve(wanted, request_id, serve, (receive, send))
        except RungError as error:
            await refuse(error, send, self._front, request_id=request_id)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> Outcome | None:
        """Answer a request; what came of it, as far as that was told to its end."""
        answer = self._stream if request.stream else self._plain
        return await answer(request, receive, send)

    async def _plain(self, request: Request, receive: Receive, send: Send) -> Outcome | None:
        answering = asyncio.ensure_future(self._intake.answer(request))
        await _until(answering, receive)
        found = answering.result()
        outcome = found.outcome
        if (wrong := trouble(outcome)) is not None:
            await self._tell(wrong, outcome, send)
            return outcome
        told = labels(self._front, request.id) + headers.of_outcome(outcome)
        await send_whole(send, 200, self._body(found), told)
        return outcome

    def _body(self, found: Served) -> bytes:
        """The provider's own bytes where it spoke this dialect; else the answer put into it."""
        outcome = found.outcome
        assert outcome.served is not None
        served = outcome.attempts[outcome.served]
        assert served.answer is not None
        if served.answer.dialect == self._front.dialect and served.answer.body:
            return self._own(served.answer, outcome.request)
        reply = wire.Reply(outcome.request.id, int(self._wall()), served.answer.model)
        usage = found.usage or served.usage
        return self._front.encode_answer(served.answer, usage, reply, outcome.request)

    def _own(self, answer: Answer, request: Request) -> bytes:  # noqa: ARG002 embeddings look at it
        return answer.body

    async def _stream(self, request: Request, receive: Receive, send: Send) -> Outcome | None:
        sink = StreamSink(
            self._front, request, send, created=int(self._wall()), models=self._models
        )
        answering = asyncio.ensure_future(self._intake.answer(request, sink=sink))
        try:
            await _until(answering, receive, (self._heartbeat_seconds, sink.beat))
            served = answering.result()
        except RungError as error:
            if not sink.began:
                raise
            await sink.fail(wire.Trouble(error.message, error.status))
            return None
        except asyncio.CancelledError:
            if sink.began:
                await sink.fail(wire.Trouble(STOPPING, 503))
            raise
        except ClientGoneError:
            raise
        except Exception:  # boundary: what is broken by a bug must not look complete either
            if sink.began:
                await sink.fail(wire.Trouble(UNEXPECTED, 500))
            raise
        await self._end_stream(served, sink, send)
        return served.outcome

    async def _end_stream(self, served: Served, sink: StreamSink, send: Send) -> None:
        wrong = trouble(served.outcome)
        if wrong is None:
            await sink.finish(served)
        elif sink.began:
            await sink.fail(_told(wrong, served.outcome))
        else:
            await self._tell(wrong, served.outcome, send)

    async def _tell(self, wrong: Trouble, outcome: Outcome, send: Send) -> None:
        body = self._front.encode_error(_told(wrong, outcome))
        told = labels(self._front, outcome.request.id) + headers.of_outcome(outcome)
        wait = headers.retry_after(wrong.retry_after_seconds)
        told += headers.NO_RETRY if wrong.lasting else wait
        await send_whole(send, self._front.status(wrong.status), body, told)


class EmbeddingsDoor(Door):
    """`POST /v1/embeddings`: no climbing, since two models' embeddings do not compare."""

    def _own(self, answer: Answer, request: Request) -> bytes:
        return as_asked(answer.body, request)


def _name_of(caller: Caller) -> str:
    """A name that no other caller has; empty for those that rung does not know apart."""
    if caller.key is not None:
        return f"key {caller.key}"
    return "" if caller.project is None else f"project {caller.project}"


def arrival(request_id: str, scope: Scope, caller: Caller) -> wire.Arrival:
    """What came beside the body. Raises RequestError for headers that make no sense."""
    given = scope["headers"]
    query = scope["query_string"].decode("latin-1")
    directions = entered(headers.directions(given), caller)
    return wire.Arrival(request_id, directions, headers.known(given), query)


def _told(wrong: Trouble, outcome: Outcome) -> wire.Trouble:
    return wire.Trouble(
        wrong.message,
        wrong.status,
        type="unverified" if wrong.code == "unverified" else None,
        code=wrong.code,
        request_id=outcome.request.id,
    )


async def _until(
    answering: asyncio.Future[Served],
    receive: Receive,
    beat: tuple[float, Callable[[], Awaitable[None]]] | None = None,
) -> None:
    """Wait for the answer; when the caller leaves first, cancel it and wait for its booking.

    ``beat`` is what to call every so many seconds while the caller of a stream waits.
    """
    gone = asyncio.ensure_future(_disconnection(receive))
    both: set[asyncio.Future[Any]] = {answering, gone}
    reason: str | None = None
    try:
        while not answering.done():
            done, _ = await asyncio.wait(
                both,
                timeout=None if beat is None else beat[0],
                return_when=asyncio.FIRST_COMPLETED,
            )
            if gone in done and not answering.done():
                raise ClientGoneError
            if not done and beat is not None:
                await beat[1]()
    except asyncio.CancelledError:
        reason = STOPPING
        raise
    finally:
        gone.cancel()
        await _ended(answering, reason)


async def _ended(answering: asyncio.Future[Served], reason: str | None) -> None:
    """Cancel what runs and wait for its end: where a tier is heard out, until rung stops."""
    while not answering.done():
        answering.cancel(reason)
        try:
            await asyncio.wait({answering})
        except asyncio.CancelledError:
            reason = STOPPING


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
