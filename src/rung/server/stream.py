"""One chat completion leaving as events: nothing before the commit point, nothing mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rung.core.engine import Action
from rung.core.types import Attempt, History, Request
from rung.intake import Served
from rung.providers.base import Delta
from rung.server import headers
from rung.server.guard import Send
from rung.wire import chat, sse

EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
HEARTBEAT = sse.COMMENT


class ChatStreamSink:
    """Where released deltas go. Also writes what was held, heartbeats, errors and the end."""

    def __init__(
        self, request: Request, send: Send, *, created: int, models: Mapping[str, str]
    ) -> None:
        self.began = False
        self._request = request
        self._send = send
        self._created = created
        self._models = models
        self._one_at_a_time = asyncio.Lock()
        self._quiet = True
        self._writer: chat.ChunkWriter | None = None
        self._calls = 0

    def watch(self, action: Action, history: History) -> None:  # noqa: ARG002 the protocol's
        """Count the calls, for the headers."""
        self._calls = len(history) + 1

    async def release(self, tier: str, delta: Delta) -> None:
        """Pass on what can no longer be taken back."""
        if not self.began:
            model = self._models[tier]
            await self._begin(headers.of_call(self._request.id, tier, model, self._calls))
        await self._pass_on(delta, self._models[tier])

    async def beat(self) -> None:
        """Tell a caller who has heard nothing lately that the connection lives.

        Comments mean nothing to clients of event streams.
        """
        if not self.began:
            await self._begin(headers.of_request(self._request.id))
        if self._quiet:
            await self._chunk(HEARTBEAT)
        self._quiet = True

    async def finish(self, served: Served) -> None:
        """Write what was held back, then the end."""
        outcome = served.outcome
        assert outcome.served is not None
        attempt = outcome.attempts[outcome.served]
        if not self.began:
            await self._begin(headers.of_outcome(outcome))
        if attempt.released:
            await self._close(attempt)
            return
        if any(delta.raw for delta in served.held):
            for delta in served.held:
                await self._pass_on(delta, self._models[attempt.tier])
            await self._close(attempt)
            return
        assert attempt.answer is not None
        writer = self._write_as(attempt.answer.model)
        payloads = writer.whole(attempt.answer, attempt.usage)
        await self._chunk(b"".join(map(sse.encode, payloads)), last=True)

    async def fail(self, message: str, status: int, code: str | None) -> None:
        """End a stream that has begun with the dialect's error event: never a clean stop."""
        told = chat.encode_error(message, status=status, code=code, request_id=self._request.id)
        await self._chunk(sse.encode(told), last=True)

    async def _pass_on(self, delta: Delta, model: str) -> None:
        if delta.raw and delta.dialect == chat.DIALECT:
            await self._chunk(sse.encode(delta.raw))
            return
        begun = self._writer is not None
        writer = self._write_as(model)
        role = b"" if begun else sse.encode(writer.role())
        await self._chunk(role + sse.encode(writer.text(delta.text)))

    async def _close(self, attempt: Attempt) -> None:
        """The end of a stream whose text has left."""
        ending = b""
        if self._writer is not None and attempt.answer is not None:
            counts = self._writer.counts(attempt.usage)
            ending = sse.encode(self._writer.finish(attempt.answer))
            ending += b"" if counts is None else sse.encode(counts)
        await self._chunk(ending + sse.encode(chat.DONE), last=True)

    def _write_as(self, model: str) -> chat.ChunkWriter:
        if self._writer is None:
            self._writer = chat.ChunkWriter(
                id=f"chatcmpl-{self._request.id}",
                created=self._created,
                model=model,
                usage=self._request.stream_usage,
            )
        return self._writer

    async def _begin(self, told: headers.Headers) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": EVENT_STREAM + told}
        async with self._one_at_a_time:
            if not self.began:
                self.began = True
                await self._send(start)

    async def _chunk(self, data: bytes, *, last: bool = False) -> None:
        body = {"type": "http.response.body", "body": data, "more_body": not last}
        async with self._one_at_a_time:
            self._quiet = False
            await self._send(body)
