"""A dialogue with one job: frames to and fro while it runs, under the limits that hold for any job.

A frame is its length (4 bytes, big-endian) and that many bytes. What a job writes is hostile: a
frame longer than is allowed ends it, one that never comes to its end is never heard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

from rung.sandbox.running import Running
from rung.sandbox.shape import MEBIBYTE, Ended, Ran

LONGEST_FRAME = 8 * MEBIBYTE
"""Bytes of one frame, either way."""

_HEAD = 4


class Talk:
    """Entered, it follows the job; left, the job is killed. One side of it, for one task."""

    def __init__(self, running: Running, first: bytes = b"") -> None:
        self._running = running
        self._first = first
        self._heard = bytearray()
        self._frames: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._run: asyncio.Task[Ran] | None = None

    async def __aenter__(self) -> Self:
        self._run = asyncio.create_task(self._running.converse(self._hear))
        self._run.add_done_callback(lambda _: self._news.set())
        if self._first:
            self._running.say(self._first)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._run is not None
        self._run.cancel()
        # Whatever became of it has been told, or nobody wants to know.
        with suppress(asyncio.CancelledError):
            await asyncio.wait({self._run})
        if not self._run.cancelled():
            self._run.exception()

    @property
    def sandboxed(self) -> bool:
        return self._running.sandboxed

    @property
    def ran(self) -> Ran | None:
        """How it ended, once it has. Raises UnavailableError if there never was a job."""
        assert self._run is not None
        return self._run.result() if self._run.done() else None

    def kill(self) -> None:
        """End the job; leaving the dialogue then takes no time."""
        self._running.kill()

    def send(self, frame: bytes) -> None:
        """Send one frame; a job that has ended, or does not read, never gets it."""
        if len(frame) > LONGEST_FRAME:
            raise ValueError(f"a frame of {len(frame):,} bytes is longer than is allowed")
        self._running.say(len(frame).to_bytes(_HEAD, "big") + frame)

    async def receive(self) -> bytes | None:
        """The next frame; None when the job has ended and nothing is left to hear.

        Raises UnavailableError if there never was a job.
        """
        while not self._frames:
            if self.ran is not None:
                return None
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()

    def _hear(self, chunk: bytes) -> None:
        self._heard += chunk
        while len(self._heard) >= _HEAD:
            length = int.from_bytes(self._heard[:_HEAD], "big")
            if length > LONGEST_FRAME:
                self._heard.clear()
                self._running.end(Ended.OUTPUT)
                return
            if len(self._heard) < _HEAD + length:
                return
            self._frames.append(bytes(self._heard[_HEAD : _HEAD + length]))
            del self._heard[: _HEAD + length]
            self._news.set()
