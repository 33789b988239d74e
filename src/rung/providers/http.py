"""The one HTTP client of all providers, and the only file that knows the library behind it.

The library is pyqwest (Rust's reqwest). What decided: cancelling a call has to close the upstream
connection at once in every phase, or an abandoned request goes on generating and billing. pyreqwest
is faster (23 us of CPU a request against 60) and leaves a request running that is cancelled before
its headers have come.

Redirects are never followed, so that a key is sent nowhere but where it was meant for. The
environment's proxies are not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from pyqwest import (
    ConnectTimeout,
    Headers,
    HTTPTransport,
    Proxy,
    ReadError,
    RemoteProtocolError,
    Request,
    Response,
    WriteError,
)

from rung.core.types import Fault, Phase

CONNECT_TIMEOUT_SECONDS = 5.0
"""Name lookup, TCP and TLS together."""

IDLE_TIMEOUT_SECONDS = 60.0
"""Longest silence between two chunks of a body. Before the first, only the deadline counts: a local
model may read its prompt for minutes."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Largest body that is read, decompressed."""

MOST_DRAINED = 64 * 1024
"""What is read of a body behind its end."""

IDLE_CONNECTIONS = 64
"""Connections a host that are kept for the next request."""

_NEVER = Proxy("http://127.0.0.1:9", no_proxy="*,0.0.0.0/0,::/0")
"""A proxy that applies to no host. Without any, the library reads the environment's."""

_CAUSES: tuple[tuple[str, str], ...] = (
    ("refused", "nothing listens at {origin}"),
    ("dns error", "the host of {origin} has no known address"),
    ("certificate", "the TLS certificate of {origin} is not trusted"),
    ("tls", "no TLS connection to {origin}"),
)


class HttpError(Exception):
    """A request got no whole answer. The message holds no header, and only an address's origin."""

    def __init__(self, fault: Fault, phase: Phase, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.phase = phase
        self.message = message


class HttpResponse(NamedTuple):
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Pooled connections to all hosts. Safe for concurrent use, in any loop; closed once."""

    def __init__(
        self,
        *,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self.connect_timeout_seconds = connect_timeout_seconds
        self.idle_timeout_seconds = idle_timeout_seconds
        self.max_body_bytes = max_body_bytes
        self._transport = _transport(connect_timeout_seconds)

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout_seconds: float
    ) -> HttpResponse:
        """GET a whole answer. Raises HttpError."""
        return await self._whole(_request("GET", url, headers, None), timeout_seconds)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float
    ) -> HttpResponse:
        """POST ``body`` and read the whole answer within the time. Raises HttpError.

        Whatever the status, it is returned: what it means is the provider's part.
        """
        return await self._whole(_request("POST", url, headers, body), timeout_seconds)

    def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float
    ) -> HttpStream:
        """POST ``body`` and read the answer as it comes, inside of ``async with``.

        ``timeout_seconds`` bounds everything from connecting to the last byte.
        """
        return HttpStream(self, _request("POST", url, headers, body), timeout_seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _whole(self, request: Request, timeout_seconds: float) -> HttpResponse:
        async with HttpStream(self, request, timeout_seconds) as stream:
            return HttpResponse(stream.status, stream.headers, await stream.read())


class HttpStream:
    """One answer on its way. Entering waits for its headers, leaving closes what is unread."""

    def __init__(self, client: HttpClient, request: Request, timeout_seconds: float) -> None:
        self._client = client
        self._request = request
        self._timeout = timeout_seconds
        self._response: Response
        self._chunks: AsyncIterator[bytes | bytearray | memoryview]
        self._whole = False
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        self._deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(self._deadline):
                self._response = await self._client._transport.execute(self._request)  # noqa: SLF001
        except (OSError, ReadError, WriteError, RemoteProtocolError) as error:
            raise self._before_headers(error) from None
        except RuntimeError as error:  # the library's word for a closed client and a bad scheme
            raise HttpError(
                Fault.INTERNAL, Phase.CONNECT, f"no request can be sent to {self._origin}"
            ) from error
        self.status = self._response.status
        self.headers = dict(self._response.headers.items())
        self._chunks = self._response.content
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._whole:
            await self._response.aclose()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body's bytes as they come, decompressed. Raises HttpError."""
        length = self._length()
        limit = self._client.max_body_bytes
        if length is not None and length > limit:
            raise self._too_large()
        read = 0
        until = self._deadline
        while read != length:
            chunk = await self._next(until)
            if chunk is None:
                break
            read += len(chunk)
            if read > limit:
                raise self._too_large()
            yield chunk
            until = asyncio.get_running_loop().time() + self._client.idle_timeout_seconds
            until = min(until, self._deadline)
        self._whole = True

    async def drain(self, seconds: float) -> bytes:
        """Wait this long at most for the end, so that the connection can be used again.

        Returns what still came.
        """
        until = min(self._deadline, asyncio.get_running_loop().time() + seconds)
        came = bytearray()
        with suppress(HttpError):
            while not self._whole and len(came) < MOST_DRAINED:
                chunk = await self._next(until)
                self._whole = chunk is None
                came += chunk or b""
        return bytes(came)

    async def read(self) -> bytes:
        """The rest of the body at once. Raises HttpError."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def _next(self, until: float) -> bytes | None:
        try:
            async with asyncio.timeout_at(until):
                return bytes(await anext(self._chunks))
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise self._too_slow(until) from None
        except (OSError, ReadError, RemoteProtocolError):
            raise HttpError(
                Fault.CUT_STREAM,
                Phase.STREAM,
                f"{self._origin} broke off before its answer was complete",
            ) from None

    @property
    def _origin(self) -> str:
        return _origin(self._request.url)

    def _length(self) -> int | None:
        """The body's length if known; the library drops the header when it decompresses."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isascii() and told.isdigit() else None

    def _before_headers(self, error: Exception) -> HttpError:
        origin = self._origin
        wait = self._client.connect_timeout_seconds
        if isinstance(error, ConnectTimeout):
            return HttpError(
                Fault.TIMEOUT, Phase.CONNECT, f"no connection to {origin} within {wait:g} s"
            )
        if isinstance(error, TimeoutError):
            return HttpError(
                Fault.TIMEOUT, Phase.HEADERS, f"no answer from {origin} within {self._timeout:g} s"
            )
        told = str(error).lower()
        if isinstance(error, ConnectionError):
            cause = next(
                (text for word, text in _CAUSES if word in told), "no connection to {origin}"
            )
            return HttpError(Fault.CONNECT, Phase.CONNECT, cause.format(origin=origin))
        if "invalid" in told or "parse" in told:
            return HttpError(
                Fault.INVALID_RESPONSE, Phase.HEADERS, f"the answer of {origin} is not HTTP"
            )
        return HttpError(
            Fault.CONNECT, Phase.HEADERS, f"{origin} closed the connection without an answer"
        )

    def _too_slow(self, until: float) -> HttpError:
        if until < self._deadline:
            silence = self._client.idle_timeout_seconds
            message = f"{self._origin} sent nothing for {silence:g} s in the middle of its answer"
        else:
            message = f"the answer of {self._origin} was not complete within {self._timeout:g} s"
        return HttpError(Fault.TIMEOUT, Phase.STREAM, message)

    def _too_large(self) -> HttpError:
        return HttpError(
            Fault.INVALID_RESPONSE,
            Phase.STREAM,
            f"the answer of {self._origin} is larger than {self._client.max_body_bytes} bytes",
        )


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Request:
    try:
        return Request(method, url, Headers(headers.items()), body)
    except ValueError:
        # Neither the value nor the library's words may pass: both can hold a key.
        raise HttpError(
            Fault.INTERNAL,
            Phase.CONNECT,
            f"{_origin(url)} cannot be called: its address or a header is malformed",
        ) from None


def _transport(connect_timeout_seconds: float) -> HTTPTransport:
    def build(*, system_certificates: bool) -> HTTPTransport:
        return HTTPTransport(
            tls_include_system_certs=system_certificates,
            proxy=_NEVER,
            connect_timeout=connect_timeout_seconds,
            pool_max_idle_per_host=IDLE_CONNECTIONS,
            # The library's own resolver does not read every system's configuration.
            use_system_dns=True,
            follow_redirects=False,
            enable_otel=False,
        )

    try:
        return build(system_certificates=True)
    except RuntimeError:
        # A machine without certificates can still call plain HTTP; TLS fails with its own message.
        return build(system_certificates=False)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "the address"
