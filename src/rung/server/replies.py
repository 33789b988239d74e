"""Whole responses: an answer, or an error in the caller's own dialect."""

from __future__ import annotations

from rung.core.errors import ConfigError, RateError, RequestError, RungError, UpstreamError
from rung.server import headers
from rung.server.guard import Send
from rung.wire import chat, messages, ollama_front
from rung.wire.front import Front, Trouble

JSON = (b"content-type", b"application/json")
WITHDRAWN = "rung could not serve this request."


def front_of(path: str) -> Front:
    """The dialect in which to speak to whoever called ``path``, whatever is wrong with it."""
    if path.startswith("/api/"):
        return ollama_front.FRONT
    return messages.FRONT if path.startswith("/v1/messages") else chat.FRONT


def labels(front: Front, request_id: str) -> headers.Headers:
    """The header in which clients of this dialect look for a request's id, beside the common."""
    if front.dialect != messages.DIALECT:
        return []
    return [(b"request-id", headers.safe(request_id))]


async def send_whole(send: Send, status: int, body: bytes, *more: headers.Headers) -> None:
    """One complete response."""
    told = [JSON, (b"content-length", b"%d" % len(body))]
    for each in more:
        told += each
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse(
    error: RungError, send: Send, front: Front, *, request_id: str | None = None
) -> None:
    """An error as a response, with its fix where the caller can do something about it."""
    theirs = isinstance(error, RequestError | UpstreamError)
    message = str(error) if theirs or not isinstance(error, ConfigError) else WITHDRAWN
    body = front.encode_error(
        Trouble(
            message,
            error.status,
            param=error.param if isinstance(error, RequestError) else None,
            code=error.code if isinstance(error, RequestError) else None,
            request_id=request_id,
        )
    )
    told: headers.Headers = []
    if request_id is not None:
        told = headers.of_request(request_id) + labels(front, request_id)
    if error.status in {408, 413, 431}:
        told.append((b"connection", b"close"))
    if isinstance(error, UpstreamError | RateError):
        told += headers.retry_after(error.retry_after_seconds)
    if isinstance(error, RateError) and error.retry_after_seconds is None:
        told += headers.NO_RETRY
    if error.status == 401:
        told.append((b"www-authenticate", b"Bearer"))
    await send_whole(send, front.status(error.status), body, told)


async def refuse_at(error: RungError, send: Send, path: str) -> None:
    """An error of a request that has reached no door."""
    await refuse(error, send, front_of(path))
