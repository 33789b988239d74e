"""Whole responses: an answer, or an error in the OpenAI envelope."""

from __future__ import annotations

from rung.core.errors import ConfigError, RequestError, RungError, UpstreamError
from rung.server import headers
from rung.server.guard import Send
from rung.wire import chat

JSON = (b"content-type", b"application/json")
WITHDRAWN = "rung could not serve this request."


async def send_whole(send: Send, status: int, body: bytes, *more: headers.Headers) -> None:
    """One complete response."""
    told = [JSON, (b"content-length", b"%d" % len(body))]
    for each in more:
        told += each
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse(error: RungError, send: Send, *, request_id: str | None = None) -> None:
    """An error as a response, with its fix where the caller can do something about it."""
    theirs = isinstance(error, RequestError | UpstreamError)
    message = str(error) if theirs or not isinstance(error, ConfigError) else WITHDRAWN
    body = chat.encode_error(
        message,
        status=error.status,
        param=error.param if isinstance(error, RequestError) else None,
        code=error.code if isinstance(error, RequestError) else None,
        request_id=request_id,
    )
    told = headers.of_request(request_id) if request_id is not None else []
    if error.status in {408, 413, 431}:
        told.append((b"connection", b"close"))
    if isinstance(error, UpstreamError):
        told += headers.retry_after(error.retry_after_seconds)
    await send_whole(send, error.status, body, told)
