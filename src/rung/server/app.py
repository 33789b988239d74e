"""The gateway's routes, put together over one assembly."""

from __future__ import annotations

import asyncio
import time

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from rung.account import stored_json
from rung.assemble import Assembly
from rung.core.errors import RequestError
from rung.ledger.codec import rung_version
from rung.server import ollama
from rung.server.counting import CountDoor
from rung.server.door import Door, EmbeddingsDoor
from rung.server.feedback import FeedbackDoor
from rung.server.guard import App, Guard, Receive, Scope, Send
from rung.server.replies import JSON, refuse_at
from rung.ways import LADDER_PREFIX, TIER_PREFIX
from rung.wire import chat, completions, embeddings, messages, responses
from rung.wire.front import Front

DOORS: tuple[tuple[str, Front], ...] = (
    ("/v1/chat/completions", chat.FRONT),
    ("/v1/responses", responses.FRONT),
    ("/v1/messages", messages.FRONT),
    ("/v1/completions", completions.FRONT),
)
"""Where requests are answered, and in which dialect."""

READY_SECONDS = 2.0
JSON_TYPE = JSON[1].decode()
LONGEST_MODEL = 256


def build(parts: Assembly) -> App:
    """The ASGI application, its guard in front."""
    routes = Routes(parts)
    router = Router(
        [
            *(Route(path, Door(front, parts.intake), methods=["POST"]) for path, front in DOORS),
            Route(
                "/v1/embeddings",
                EmbeddingsDoor(embeddings.FRONT, parts.intake),
                methods=["POST"],
            ),
            Route("/v1/messages/count_tokens", CountDoor(parts.intake), methods=["POST"]),
            *ollama.routes(parts.intake, routes.names, routes.created),
            Route("/", routes.root, methods=["GET"]),
            Route("/v1/models", routes.models, methods=["GET"]),
            Route("/v1/models/{id:path}", routes.model, methods=["GET"]),
            Route("/v1/requests/{id}", routes.request, methods=["GET"]),
            Route("/v1/feedback", FeedbackDoor(parts.ledger), methods=["POST"]),
            Route("/healthz", routes.healthz, methods=["GET"]),
            Route("/readyz", routes.readyz, methods=["GET"]),
        ],
        redirect_slashes=False,
    )
    server = parts.config.file.server
    return Guard(_Told(router), refuse_at, max_body_bytes=server.max_body_bytes, hosts=server.hosts)


class _Told:
    """Puts the router's own refusals (no such path, wrong method) into the error envelope."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette raises these only when an application stands above the router.
        scope["app"] = self
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            message = f"{scope['method']} {scope['path'][:200]}: {error.detail}."
            fix = ollama.fix_of(scope["path"]) if error.status_code == 404 else None
            raise RequestError(message, status=error.status_code, fix=fix) from None


class Routes:
    """The small endpoints."""

    def __init__(self, parts: Assembly) -> None:
        self._parts = parts
        self.created = int(time.time())
        self.names = (
            "rung",
            *(LADDER_PREFIX + ladder for ladder in parts.config.file.ladders),
            *(TIER_PREFIX + tier for tier in parts.tiers),
        )

    async def root(self, _: Request) -> Response:
        """What answers here. Claude Code looks with HEAD before its first request."""
        doors = [path for path, _ in DOORS]
        return _json({"rung": rung_version(), "endpoints": [*doors, "/v1/embeddings", ollama.CHAT]})

    async def models(self, request: Request) -> Response:
        """Every name that means something to rung, in the shape of whoever asks."""
        shape = messages if "anthropic-version" in request.headers else chat
        return Response(shape.encode_models(self.names, self.created), media_type=JSON_TYPE)

    async def model(self, request: Request) -> Response:
        """One model. Any name is served: one that rung does not know, by the default ladder."""
        name = request.path_params["id"]
        if len(name) > LONGEST_MODEL or not name.isprintable():
            said = "there is no model of that name."
            raise RequestError(said, status=404, param="model", code="model_not_found")
        shape = messages if "anthropic-version" in request.headers else chat
        return Response(shape.encode_model(name, self.created), media_type=JSON_TYPE)

    async def request(self, request: Request) -> Response:
        """One finished request, as `rung explain --json` tells it."""
        ledger = self._parts.ledger
        if ledger is None:
            raise RequestError("this gateway keeps no ledger.", status=404)
        found = await asyncio.to_thread(ledger.find, request.path_params["id"])
        return _json(stored_json(found))

    async def healthz(self, _: Request) -> Response:
        """Whether the process answers."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """Whether some tier of the default ladder could answer."""
        ladder = self._parts.config.file.ladders[self._parts.config.default_ladder]
        looks = (self._parts.health(name, READY_SECONDS) for name in ladder.tiers)
        found = await asyncio.gather(*looks)
        ready = any(health.ok for health in found)
        told = {
            name: {"ok": health.ok, "message": health.message, "fix": health.fix}
            for name, health in zip(ladder.tiers, found, strict=True)
        }
        return _json({"status": "ready" if ready else "not ready", "tiers": told}, ready)


def _json(value: object, ready: bool = True) -> Response:
    status = 200 if ready else 503
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON_TYPE)
