"""A closed loop of load over raw sockets: each connection sends its next request after an answer.

A closed loop cannot show queueing at overload; it shows what one request costs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

Operation = Sequence[bytes]
"""Requests sent one after the other, timed together."""

ANSWER_SECONDS = 15.0


@dataclass(slots=True)
class Sample:
    """What one run of load saw. All times in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_chunks: list[float] = field(default_factory=list)


def request(port: int, path: str, body: dict[str, object] | None) -> bytes:
    """One HTTP request as bytes; a GET where there is no body."""
    data = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n"
        f"host: 127.0.0.1:{port}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class _Connection(asyncio.Protocol):
    def __init__(self, operation: Operation, until: float, sample: Sample) -> None:
        self._operation = operation
        self._until = until
        self._sample = sample
        self._place = 0
        self._read = bytearray()
        self._first_at: float | None = None
        self.ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._began = perf_counter()
        self._transport.write(self._operation[0])

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        self._read += data
        if self._first_at is None and b"\ndata: " in self._read:
            self._first_at = now
        if self._whole():
            self._took(now)

    def _whole(self) -> bool:
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._read[:end]).lower()
        _, named, length = head.partition(b"content-length:")
        if named:
            return len(self._read) == end + 4 + int(length.partition(b"\r\n")[0])
        return self._read.endswith(b"\r\n0\r\n\r\n")

    def _took(self, now: float) -> None:
        answer = bytes(self._read)
        if not answer.startswith(b"HTTP/1.1 200 "):
            self.ended.set_exception(RuntimeError(answer[:500].decode("utf-8", "replace")))
            self._transport.close()
            return
        self._read.clear()
        self._place += 1
        if self._place == len(self._operation):
            self._sample.latencies.append(now - self._began)
            if self._first_at is not None:
                self._sample.first_chunks.append(self._first_at - self._began)
            self._place, self._first_at = 0, None
            if now >= self._until:
                self.ended.set_result(answer)
                self._transport.close()
                return
            self._began = perf_counter()
        self._transport.write(self._operation[self._place])


async def run(port: int, operation: Operation, connections: int, seconds: float) -> Sample:
    """Load one server for some time. Raises for any answer but 200."""
    sample = Sample()
    loop = asyncio.get_running_loop()
    began = perf_counter()
    made = [
        await loop.create_connection(
            lambda: _Connection(operation, began + seconds, sample), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + ANSWER_SECONDS):
        await asyncio.gather(*(connection.ended for _, connection in made))
    sample.seconds = perf_counter() - began
    return sample


async def once(port: int, operation: Operation) -> str:
    """The last answer of an operation, head and body."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: _Connection(operation, 0.0, Sample()), "127.0.0.1", port
    )
    async with asyncio.timeout(ANSWER_SECONDS):
        return (await connection.ended).decode()
