"""The door: what every request must satisfy before any of its meaning is read.

No Python HTTP server refuses all of these alone. Everything here looks at raw headers and counted
bytes; nothing is decided from a rebuilt URL.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from rung.core.errors import RequestError, RungError, UpstreamError
from rung.exposure import ANY_HOST
from rung.lines import STOPPING

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Refuse = Callable[[RungError, Send, str], Awaitable[None]]
"""Tells of an error, in the dialect that fits the path."""

MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024
BODY_IDLE_SECONDS = 30.0
BODY_SECONDS = 120.0
UNTYPED = "/api/"
"""Where Ollama's clients post. Its server never looks at a body's type, and some send none."""

OWN_SITES = frozenset({b"none", b"same-origin"})
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


UNEXPECTED = "an unexpected error inside rung; its log has the details."


class ClientGoneError(Exception):
    """The caller closed the connection while its answer was being made."""


class BrokenOffError(Exception):
    """A response that has begun cannot be finished: the server has to break the connection."""


def stopping() -> UpstreamError:
    """What callers are told whose request came too late, or took too long to wait for."""
    return UpstreamError(STOPPING, status=503, retry_after_seconds=1)


class Guard:
    """An ASGI application in front of another.

    ``hosts`` are names allowed in the Host header beside the loopback ones, with or without a port:
    anything else may be a page in a browser that was told to resolve to this machine. Where every
    caller has to show a key, which no page has, `*` allows all.
    """

    def __init__(
        self, app: App, refuse: Refuse, *, max_body_bytes: int, hosts: Sequence[str] = ()
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._max_body_bytes = max_body_bytes
        self._hosts = frozenset(name.lower() for name in (*LOOPBACK_NAMES, *hosts))
        self._any_host = ANY_HOST in hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        watched = _Watched(send)
        try:
            length = self._look(scope)
            await self._app(scope, _Counted(receive, self._max_body_bytes, length), watched)
        except RungError as error:
            await self._tell(error, watched, scope["path"])
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            # Only the gateway's own end cancels a request that it has taken.
            if not watched.began:
                await self._refuse(stopping(), watched, scope["path"])
            raise
        except Exception as error:  # noqa: BLE001 boundary: a bug costs one request
            # Its words may quote a request or a key: only its kind and its place are told.
            logger.error("unexpected %s at %s", type(error).__name__, _places(error))  # noqa: TRY400
            if watched.began:
                raise BrokenOffError from None
            await self._refuse(RungError(UNEXPECTED), watched, scope["path"])

    async def _tell(self, error: RungError, watched: _Watched, path: str) -> None:
        """Refuse a request; a response that has begun can only be broken off."""
        if watched.began:
            raise error
        await self._refuse(error, watched, path)

    def _look(self, scope: Scope) -> int | None:
        """Check the headers; the length of the body, where they tell it."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        if len(headers) > MOST_HEADERS:
            raise RequestError(f"more than {MOST_HEADERS} header fields.", status=431)
        if sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
            raise RequestError(f"more than {MOST_HEADER_BYTES} bytes of headers.", status=431)
        seen: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            seen.setdefault(name.lower(), []).append(value)
        self._check_host(seen.get(b"host", []))
        if b"content-length" in seen and b"transfer-encoding" in seen:
            raise RequestError("both Content-Length and Transfer-Encoding are set.")
        length = self._length(seen.get(b"content-length", []))
        if scope["method"] == "POST":
            _check_body_type(seen, scope["path"])
        return length

    def _check_host(self, values: Sequence[bytes]) -> None:
        if len(values) != 1:
            raise RequestError("a request needs exactly one Host header.")
        name = values[0].decode("latin-1").lower()
        bare = name.rpartition(":")[0] if _has_port(name) else name
        if not self._any_host and bare not in self._hosts and name not in self._hosts:
            raise RequestError(
                "this gateway does not answer to that Host.",
                status=421,
                fix="use 127.0.0.1 or localhost, or list the name under [server] hosts",
            )

    def _length(self, values: Sequence[bytes]) -> int | None:
        if not values:
            return None
        if len(values) > 1 or not values[0].isdigit() or len(values[0]) > 15:
            raise RequestError("the Content-Length header is not a length.")
        length = int(values[0])
        if length > self._max_body_bytes:
            raise _too_large(self._max_body_bytes)
        return length


def _has_port(name: str) -> bool:
    host, colon, port = name.rpartition(":")
    return bool(colon) and port.isdigit() and (":" not in host or host.endswith("]"))


def _check_body_type(seen: dict[bytes, list[bytes]], path: str) -> None:
    if any(value.strip().lower() != b"identity" for value in seen.get(b"content-encoding", [])):
        raise RequestError("compressed request bodies are not accepted.", status=415)
    if b"content-type" not in seen and path.startswith(UNTYPED) and not _from_a_page(seen):
        return
    kinds = [value.partition(b";")[0].strip().lower() for value in seen.get(b"content-type", [])]
    if kinds != [b"application/json"]:
        # Also what keeps a form on a web page from posting here.
        raise RequestError("the body must be sent as application/json.", status=415)


def _from_a_page(seen: dict[bytes, list[bytes]]) -> bool:
    """Whether a browser may have sent this for a page of somebody else's.

    A page can send a body without a type (`fetch` and `sendBeacon` of a `Blob` that has none), and
    the browser asks nobody first. But it names the page's origin with every POST, if only as
    ``null``: https://fetch.spec.whatwg.org/#append-a-request-origin-header. Firefox before 70 left
    that out at times; whatever tells `Sec-Fetch-Site` has to tell the truth about it too.
    """
    sites = {value.strip().lower() for value in seen.get(b"sec-fetch-site", [])}
    return b"origin" in seen or not sites <= OWN_SITES


def _too_large(limit: int) -> RequestError:
    return RequestError(f"the body is larger than {limit} bytes.", status=413)


def _places(error: Exception) -> str:
    """Where an error came from, without its words: they may quote a request or a key."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))


class _Watched:
    """A send that remembers whether a response has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False

    async def __call__(self, message: Message) -> None:
        self.began = True
        await self._send(message)


class _Counted:
    """A request's body, with its size and its pace bounded.

    It ends with the last byte of its told ``length``: the server's empty message after that takes
    another round between its threads, 4% of a small request's time.
    """

    def __init__(self, receive: Receive, limit: int, length: int | None = None) -> None:
        self._receive = receive
        self._limit = limit
        self._length = length
        self._read = 0
        self._complete = False
        self._due: float | None = None

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._due = self._due or now + BODY_SECONDS
        try:
            async with asyncio.timeout_at(min(now + BODY_IDLE_SECONDS, self._due)):
                message = await self._receive()
        except TimeoutError:
            slow = (
                f"the body did not come within {BODY_SECONDS:g} s,"
                f" or stood still for {BODY_IDLE_SECONDS:g} s."
            )
            raise RequestError(slow, status=408) from None
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                raise _too_large(self._limit)
            more = message.get("more_body", False) and self._read != self._length
            message["more_body"] = more
            self._complete = not more
        return message


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises RequestError when it breaks off before its end.

    The server tells of a caller that left and of broken chunks alike; the latter's sender listens.
    """
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("the body broke off before its end.")
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
