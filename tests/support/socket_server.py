"""A small HTTP/1.1 server on a real socket, for fakes that misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Exchange:
    """One request and the way to answer it. One connection carries one exchange."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chunked: bool = field(default=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    async def reply(
        self, status: int, body: Any, content_type: str = "application/json; charset=utf-8"
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(status, content_type, f"Content-Length: {len(raw)}")
        self.writer.write(raw)
        await self.writer.drain()

    async def begin(self, content_type: str) -> None:
        self.chunked = True
        self._head(200, content_type, "Transfer-Encoding: chunked")
        await self.writer.drain()

    async def send(self, piece: bytes) -> None:
        self.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await self.writer.drain()

    async def finish(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def break_off(self) -> None:
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """Return when the other end has hung up."""
        while await self.reader.read(1024):
            pass

    def _head(self, status: int, content_type: str, length: str) -> None:
        lines = (
            f"HTTP/1.1 {status} Fake",
            f"Content-Type: {content_type}",
            length,
            "Connection: close",
        )
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")


class SocketServer:
    """Serves ``answer`` on a free port of 127.0.0.1 while the context lasts."""

    def __init__(self, answer: Callable[[Exchange], Awaitable[None]]) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            exchange = await _read(reader, writer)
            if exchange is not None:
                await self._answer(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
    start = (await reader.readline()).decode().split()
    if len(start) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(start[0], start[1], headers, body, reader, writer)


def routes(answers: dict[str, Any]) -> Callable[[Exchange], Awaitable[None]]:
    """A server that answers each path with its JSON value, and 404 elsewhere."""

    async def answer(exchange: Exchange) -> None:
        if exchange.path in answers:
            await exchange.reply(200, answers[exchange.path])
        else:
            await exchange.reply(404, b"404 page not found", "text/plain")

    return answer


async def silent(exchange: Exchange) -> None:
    """A server that takes a request and never answers."""
    await exchange.until_gone()
