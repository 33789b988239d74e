"""The gateway's routes, put together over one assembly."""

from __future__ import annotations

import asyncio
import random
import time

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from rung.account import stored_json
from rung.assemble import Assembly
from rung.callers import Callers
from rung.config import Config
from rung.core.errors import RequestError
from rung.file_tables import ServerTable
from rung.ledger.codec import rung_version
from rung.ledger.presence import Presence
from rung.minting import Known
from rung.server import keys, ollama
from rung.server.access import Access, Gate, Gates, answers, caller_of, named
from rung.server.counting import CountDoor
from rung.server.door import Door, EmbeddingsDoor
from rung.server.feedback import FeedbackDoor
from rung.server.guard import App, Guard, Receive, Scope, Send
from rung.server.measuring import METHODS, Measuring, MetricsDoor
from rung.server.measuring import PATH as METRICS
from rung.server.once import Once
from rung.server.records import Records
from rung.server.replies import JSON, refuse_at
from rung.server.shedding import Shedding, most_running
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

EMBEDDINGS = "/v1/embeddings"
READY_SECONDS = 2.0
JSON_TYPE = JSON[1].decode()
LONGEST_MODEL = 256


def build(parts: Assembly) -> App:
    """The ASGI application, its guard in front."""
    gates = Gates(parts.intake.parts.callers)
    beyond = Gate(Access.ANY, gates.callers, dict.fromkeys(METHODS, answers(_nowhere)))
    listed = routes(parts, gates)
    router = Router(listed, redirect_slashes=False, default=beyond)
    server = parts.config.file.server
    guard = Guard(
        _Told(router), refuse_at, max_body_bytes=server.max_body_bytes, hosts=_hosts(server)
    )
    shedding = Shedding(guard, refuse_at, random.random, most_running())
    return Measuring(shedding, parts.watching.panel, listed)


def _hosts(server: ServerTable) -> tuple[str, ...]:
    """The names in the Host header of clients: what is configured, and the address itself."""
    own = f"[{server.host}]" if ":" in server.host else server.host
    return (*server.hosts, own)


def routes(parts: Assembly, gates: Gates) -> list[Route]:
    """Every path with its class of access: there is no other way to make one."""
    intake, small = parts.intake, Routes(parts, gates.callers)
    ways, metrics = intake.parts.ways, MetricsDoor(parts.watching.panel)
    once = once_of(parts)
    return [
        *(
            gates.route(path, Access.CALL, POST=Door(front, intake, once=once))
            for path, front in DOORS
        ),
        gates.route(
            EMBEDDINGS, Access.CALL, POST=EmbeddingsDoor(embeddings.FRONT, intake, once=once)
        ),
        gates.route("/v1/messages/count_tokens", Access.CALL, POST=CountDoor(intake)),
        *ollama.routes(intake, gates, small.names, small.created, once),
        gates.route("/", Access.OPEN, GET=answers(small.root)),
        gates.route("/v1/models", Access.ANY, GET=answers(small.models)),
        gates.route("/v1/models/{id:path}", Access.ANY, GET=answers(small.model)),
        gates.route("/v1/requests/{id}", Access.ANY, GET=answers(small.request)),
        gates.route("/v1/feedback", Access.ANY, POST=FeedbackDoor(parts.ledger, small.records)),
        *keys.routes(parts.ledger, gates, Known(ways.policies, ways.tiers)),
        *_scraping(parts.config, gates, metrics),
        gates.route("/healthz", Access.OPEN, GET=answers(small.healthz)),
        gates.route("/readyz", Access.OPEN, GET=answers(small.readyz)),
    ]


def once_of(parts: Assembly) -> Once | None:
    """What recognises requests by their Idempotency-Key, with the others that share the ledger."""
    ledger = parts.ledger
    return None if ledger is None else Once(ledger, Presence.of(parts.workshop.process_id))


def _scraping(config: Config, gates: Gates, metrics: MetricsDoor) -> list[Route]:
    """Who may read the metrics, if anybody."""
    said = config.file.server.metrics
    access = {"open": Access.OPEN, "keys": Access.READ_BY_KEY}.get(said, Access.READ)
    return [] if said == "off" else [gates.route(METRICS, access, GET=answers(metrics))]


async def _nowhere(_: Request) -> Response:
    """What is asked for and is not there. Whoever has to show a key learns it only with one."""
    raise HTTPException(404)


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

    def __init__(self, parts: Assembly, callers: Callers) -> None:
        self._parts = parts
        self._callers = callers
        self.records = Records(parts.ledger, callers)
        self.created = int(time.time())
        self.names = (
            "rung",
            *(LADDER_PREFIX + ladder for ladder in parts.config.file.ladders),
            *(TIER_PREFIX + tier for tier in parts.tiers),
        )

    async def root(self, _: Request) -> Response:
        """What answers here. Claude Code looks with HEAD before its first request."""
        if self._callers.locked:
            return _json({"rung": "keys are asked for here"})
        doors = [path for path, _ in DOORS]
        return _json({"rung": rung_version(), "endpoints": [*doors, EMBEDDINGS, ollama.CHAT]})

    async def models(self, request: Request) -> Response:
        """Every name that means something to rung, in the shape of whoever asks."""
        shape = messages if "anthropic-version" in request.headers else chat
        names = named(self.names, caller_of(request.scope), self._parts.intake.parts.ways)
        return Response(shape.encode_models(names, self.created), media_type=JSON_TYPE)

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
        caller = caller_of(request.scope)
        return _json(stored_json(await self.records.find(request.path_params["id"], caller)))

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
        status = {"status": "ready" if ready else "not ready"}
        # Whoever balances the load shows no key, and so do strangers.
        return _json(status if self._callers.locked else status | {"tiers": told}, ready)


def _json(value: object, ready: bool = True) -> Response:
    status = 200 if ready else 503
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON_TYPE)
