"""A mock provider: answers chat completions from prepared bytes, so that it costs next to nothing.

Under `/bad` it breaks the schema that a request asks for. A stream has as many chunks as its
request allows tokens, one each pace.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re

import uvloop

WORDS = "The quick brown fox jumps over the lazy dog. " * 6
JSON = b"application/json"


def _completion(content: str) -> bytes:
    message = {"role": "assistant", "content": content}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "mock",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 256, "completion_tokens": 64, "total_tokens": 320},
        }
    ).encode()


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "mock",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return _chunk(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(body: bytes, kind: bytes = JSON) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


PLAIN = _whole(_completion(WORDS))
RIGHT = _whole(_completion(json.dumps({"city": "Oslo", "inhabitants": 717_710, "note": WORDS})))
WRONG = _whole(_completion(json.dumps({"city": "Oslo", "inhabitants": "many", "note": WORDS})))
MODELS = _whole(json.dumps({"object": "list", "data": [{"id": "mock"}]}).encode())
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
WORD = _event({"content": " fox"})
TOKENS = re.compile(rb'"max_tokens": ?(\d+)')
STREAM_END = _event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, pace_seconds: float) -> None:
        self._pace = pace_seconds
        self._read = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (request := self._next()) is not None:
            self._answer(*request)

    def _next(self) -> tuple[bytes, bytes] | None:
        """The head and the body of a whole request."""
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return None
        _, named, length = head.lower().partition(b"content-length:")
        size = int(length.partition(b"\r\n")[0]) if named else 0
        if len(rest) < size:
            return None
        self._read = rest[size:]
        return head, rest[:size]

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._transport.write(MODELS)
        elif b'"stream":true' in body.replace(b" ", b""):
            allowed = TOKENS.search(body)
            self._transport.write(STREAM_HEAD)
            self._stream(1 if allowed is None else int(allowed[1]))
        elif b"response_format" in body:
            self._transport.write(WRONG if head.startswith(b"POST /bad/") else RIGHT)
        else:
            self._transport.write(PLAIN)

    def _stream(self, left: int, due: float | None = None) -> None:
        """Write the next chunk, and the rest at its pace, not later for what each write took."""
        loop = asyncio.get_running_loop()
        due = loop.time() if due is None else due
        if left == 1:
            self._transport.write(WORD + STREAM_END)
            return
        self._transport.write(WORD)
        due += self._pace
        self._timer = loop.call_at(due, self._stream, left - 1, due)


async def _serve(port: int, pace_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(pace_seconds), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace-seconds", type=float, required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.pace_seconds))
