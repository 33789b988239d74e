"""`POST /v1/chat/completions`: a request in, the accepted answer out, plain or as a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rung.core.errors import RungError
from rung.core.outcome import Outcome
from rung.core.types import Request
from rung.intake import Intake, Served
from rung.runner import STOPPING
from rung.server import headers
from rung.server.guard import UNEXPECTED, ClientGoneError, Receive, Scope, Send, read_body
from rung.server.replies import refuse, send_whole
from rung.server.stream import ChatStreamSink
from rung.trouble import Trouble, trouble
from rung.wire import chat

HEARTBEAT_SECONDS = 10.0


class ChatDoor:
    """The endpoint. One call of it is one request."""

    def __init__(
        self,
        intake: Intake,
        *,
        wall: Callable[[], float] = time.time,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._intake = intake
        self._models = {name: tier.model for name, tier in intake.parts.tiers.items()}
        self._wall = wall
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong leaves as the dialect's own error."""
        body = await read_body(receive)
        request_id = self._intake.new_id()
        try:
            asked = headers.directions(scope["headers"])
            request = chat.decode_request(body, id=request_id, directions=asked)
            if request.stream:
                await self._stream(request, receive, send)
            else:
                await self._plain(request, receive, send)
        except RungError as error:
            await refuse(error, send, request_id=request_id)

    async def _plain(self, request: Request, receive: Receive, send: Send) -> None:
        answering = asyncio.ensure_future(self._intake.answer(request))
        await _until(answering, receive)
        outcome = answering.result().outcome
        if (wrong := trouble(outcome)) is not None:
            await _tell(wrong, outcome, send)
            return
        await send_whole(send, 200, self._body(outcome), headers.of_outcome(outcome))

    def _body(self, outcome: Outcome) -> bytes:
        """The provider's own bytes where it spoke this dialect; else the answer put into it."""
        assert outcome.served is not None
        served = outcome.attempts[outcome.served]
        assert served.answer is not None
        if served.answer.dialect == chat.DIALECT and served.answer.body:
            return served.answer.body
        return chat.encode_answer(
            served.answer,
            served.usage,
            id=f"chatcmpl-{outcome.request.id}",
            created=int(self._wall()),
            model=served.answer.model,
        )

    async def _stream(self, request: Request, receive: Receive, send: Send) -> None:
        created = int(self._wall())
        sink = ChatStreamSink(request, send, created=created, models=self._models)
        answering = asyncio.ensure_future(self._intake.answer(request, sink=sink))
        try:
            await _until(answering, receive, (self._heartbeat_seconds, sink.beat))
            served = answering.result()
        except RungError as error:
            if not sink.began:
                raise
            await sink.fail(error.message, error.status, None)
            return
        except asyncio.CancelledError:
            if sink.began:
                await sink.fail(STOPPING, 503, None)
            raise
        except ClientGoneError:
            raise
        except Exception:  # boundary: what is broken by a bug must not look complete either
            if sink.began:
                await sink.fail(UNEXPECTED, 500, None)
            raise
        await self._end_stream(served, sink, send)

    async def _end_stream(self, served: Served, sink: ChatStreamSink, send: Send) -> None:
        wrong = trouble(served.outcome)
        if wrong is None:
            await sink.finish(served)
        elif sink.began:
            await sink.fail(wrong.message, wrong.status, wrong.code)
        else:
            await _tell(wrong, served.outcome, send)


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
        if not answering.done():
            answering.cancel(reason)
            await asyncio.wait({answering})


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _tell(wrong: Trouble, outcome: Outcome, send: Send) -> None:
    body = chat.encode_error(
        wrong.message,
        status=wrong.status,
        type="unverified" if wrong.code == "unverified" else None,
        code=wrong.code,
        request_id=outcome.request.id,
    )
    wait = headers.retry_after(wrong.retry_after_seconds)
    await send_whole(send, wrong.status, body, headers.of_outcome(outcome), wait)
