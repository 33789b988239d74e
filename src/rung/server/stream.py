"""One answer leaving as events: nothing before the commit point, nothing mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from rung.core.engine import Action, Call
from rung.core.growth import Delta
from rung.core.parts import Choice
from rung.core.plan import Plan
from rung.core.release import Release
from rung.core.types import Attempt, History, Request
from rung.intake import Served
from rung.server import headers
from rung.server.guard import Send
from rung.server.replies import labels
from rung.wire.front import Front, Pulsing, Reply, StreamWriter, Trouble

COMMENTS_ONLY = 12
"""Heartbeats that mean nothing, before they have to be events."""

UNHELD = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""What keeps proxies from collecting a stream."""


class StreamSink:
    """Where released deltas go. Also writes what was held, heartbeats, errors and the end.

    ``models`` are the models' names by tier, for what leaves before the provider has named its own.
    """

    def __init__(
        self,
        front: Front,
        request: Request,
        send: Send,
        *,
        created: int,
        models: Mapping[str, str],
    ) -> None:
        self.began = False
        self._front = front
        self._request = request
        self._send = send
        self._created = created
        self._models = models
        self._one_at_a_time = asyncio.Lock()
        self._quiet = True
        self._beats = 0
        self._reply: Reply | None = None
        self._writer: StreamWriter | None = None
        self._calls = 0
        self._gated = True
        self._told: headers.Headers = []

    def planned(self, request: Request, plan: Plan) -> None:
        """Learn what the headers tell of the request: whether it is private, or in a circle."""
        self._told = headers.of_plan(request, plan)

    def watch(self, action: Action, history: History) -> None:
        """Count the calls, and learn whether the next one is gated, for the headers."""
        self._calls = len(history) + 1
        if isinstance(action, Call):
            self._gated = action.release is not Release.ALL

    async def release(self, tier: str, delta: Delta) -> None:
        """Pass on what can no longer be taken back."""
        model = self._models[tier]
        if not self.began:
            told = headers.of_call(self._request.id, tier, model, self._calls)
            ungated = not self._gated and _asks_for_gates(self._request)
            told += self._told
            await self._begin(told + (headers.UNGATED if ungated else []))
        if delta.raw and delta.dialect == self._front.dialect:
            self._label(model)
            await self._chunk(delta.raw)
        elif delta.text or delta.thinking:
            writer = self._write_as(model)
            thought = writer.thinking(delta.thinking) if delta.thinking else b""
            await self._chunk(thought + (writer.text(delta.text) if delta.text else b""))

    async def beat(self) -> None:
        """Tell a caller who has heard nothing lately that the connection lives."""
        if not self.began:
            told = headers.of_request(self._request.id)
            await self._begin(told + self._told)
        if self._quiet:
            await self._chunk(self._pulse())
        self._quiet = True

    def _pulse(self) -> bytes:
        """A heartbeat; after two minutes of them an event, where clients insist on one.

        Codex gives up after five (its stream_idle_timeout_ms). Not while a provider's own events
        leave: another's must not stand among them.
        """
        self._beats += 1
        passing_on = self._reply is not None and self._writer is None
        if self._beats > COMMENTS_ONLY and not passing_on:
            writer = self._write_as(self._request.model) if self._pulses() else None
            if isinstance(writer, Pulsing):
                return writer.beat()
        return self._front.heartbeat

    def _pulses(self) -> bool:
        reply = Reply(self._request.id, self._created, "")
        return isinstance(self._front.writer(reply, self._request), Pulsing)

    async def finish(self, served: Served) -> None:
        """Write what was held back, then the end."""
        outcome = served.outcome
        assert outcome.served is not None
        attempt = outcome.attempts[outcome.served]
        assert attempt.answer is not None
        if not self.began:
            await self._begin(headers.of_outcome(outcome))
        if self._writer is None and self._has_own_events(attempt, served.held):
            rest = b"".join(delta.raw for delta in served.held)
            await self._chunk(rest + attempt.answer.ending, last=True)
            return
        writer = self._write_as(attempt.answer.model)
        usage = served.usage or attempt.usage
        await self._chunk(writer.finish(attempt.answer, usage), last=True)

    async def fail(self, trouble: Trouble) -> None:
        """End a stream that has begun with the dialect's error event: never a clean stop."""
        told = replace(trouble, request_id=self._request.id)
        await self._chunk(self._front.error_event(told, self._reply), last=True)

    def _has_own_events(self, attempt: Attempt, held: tuple[Delta, ...]) -> bool:
        """Whether the provider's events say all of the answer in the caller's dialect."""
        answer = attempt.answer
        if answer is None or answer.dialect != self._front.dialect or not answer.ending:
            return False
        return attempt.released or bool(held)

    def _label(self, model: str) -> Reply:
        if self._reply is None:
            self._reply = Reply(self._request.id, self._created, model)
        return self._reply

    def _write_as(self, model: str) -> StreamWriter:
        if self._writer is None:
            self._writer = self._front.writer(self._label(model), self._request)
        return self._writer

    async def _begin(self, told: headers.Headers) -> None:
        kind = (b"content-type", self._front.stream_type)
        told = [kind, *UNHELD, *labels(self._front, self._request.id), *told]
        async with self._one_at_a_time:
            if not self.began:
                self.began = True
                await self._send({"type": "http.response.start", "status": 200, "headers": told})

    async def _chunk(self, data: bytes, *, last: bool = False) -> None:
        body = {"type": "http.response.body", "body": data, "more_body": not last}
        async with self._one_at_a_time:
            self._quiet = False
            await self._send(body)


def _asks_for_gates(request: Request) -> bool:
    """Whether the request itself implies gates, which this stream then does without."""
    offers = bool(request.tools) and request.tool_choice.mode is not Choice.NONE
    return offers or request.schema is not None
