"""`GET /metrics`, and the counting of what leaves the gateway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rung.server.guard import App, Message, Receive, Scope, Send
from rung.telemetry import catalogue as names
from rung.telemetry.panel import Panel, Sample, add

logger = logging.getLogger("rung.http")

PATH = "/metrics"
OTHER = "other"
GONE = 499
"""Counted where the caller left before a response began, as nginx does."""

METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})


class Measuring:
    """An ASGI application around another that counts its responses, by route and status.

    Routes are those of the router as they are written there. Whatever else is asked for is one.
    """

    def __init__(self, app: App, panel: Panel, routes: Iterable[Route]) -> None:
        self._app = app
        self._metrics = panel.metrics
        self._routes = Routes(route.path for route in routes)
        self._under_way = 0
        panel.live.append(self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count."""
        if scope["type"] != "http" or scope["path"] == PATH:
            await self._app(scope, receive, send)
            return
        seen, began = _Seen(send), time.perf_counter()
        self._under_way += 1
        try:
            await self._app(scope, receive, seen)
        finally:
            self._under_way -= 1
            route = self._routes.of(scope["path"])
            self._metrics.count(names.RESPONSES, (route, str(seen.status)))
            if logger.isEnabledFor(logging.INFO):
                _log(scope["method"], route, seen, time.perf_counter() - began)

    def _in_flight(self) -> Iterator[Sample]:
        yield Sample(names.IN_FLIGHT, (), self._under_way)


class Routes:
    """Which route a path is of: names of nobody's choosing, however many paths are asked for."""

    def __init__(self, paths: Iterable[str]) -> None:
        paths = list(paths)
        self._whole = frozenset(path for path in paths if "{" not in path)
        parts = ((path.partition("{")[0], path) for path in paths if "{" in path)
        self._beginnings = tuple(sorted(parts, reverse=True))

    def of(self, path: str) -> str:
        """The route of a path, ``other`` where there is none."""
        if path in self._whole:
            return path
        for beginning, route in self._beginnings:
            if path.startswith(beginning) and len(path) > len(beginning):
                return route
        return OTHER


class _Seen:
    """A send that remembers with which status a response began, and for which request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = GONE
        self.request_id: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == b"x-rung-request-id":
                    self.request_id = value.decode("latin-1")
        await self._send(message)


def _log(method: str, route: str, seen: _Seen, seconds: float) -> None:
    told = {
        "event": "response",
        "request_id": seen.request_id,
        "method": method if method in METHODS else OTHER,
        "route": route,
        "status": seen.status,
        "seconds": round(seconds, 6),
    }
    logger.info("a response ended", extra=told)


class MetricsDoor:
    """The endpoint."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    async def __call__(self, request: Request) -> Response:
        """All metrics, in the text that the scraper asks for."""
        from rung.telemetry.exposition import exposed

        reading = self._panel.read()
        accept = request.headers.get("accept", "")

        def told() -> tuple[bytes, str]:
            add(reading, self._panel.stored)
            return exposed(reading, accept)

        body, media_type = await asyncio.to_thread(told)
        return Response(body, media_type=None, headers={"content-type": media_type})
