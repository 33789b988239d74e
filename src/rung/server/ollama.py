"""The endpoints for clients of Ollama's own API: its chat, and what they ask around it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route

from rung.core.outcome import Outcome
from rung.core.types import Need, Request
from rung.intake import Intake
from rung.ledger.codec import rung_version
from rung.server import headers
from rung.server.access import Access, Gates, answers, caller_of, named
from rung.server.door import Door
from rung.server.guard import Receive, Send, read_body
from rung.server.once import Once
from rung.server.replies import JSON, send_whole
from rung.wire import ollama_front

CHAT, TAGS, SHOW, VERSION = "/api/chat", "/api/tags", "/api/show", "/api/version"
SERVED = f"of Ollama's API there are {CHAT}, {TAGS}, {SHOW} and {VERSION} here."

_JSON = JSON[1].decode()


def routes(
    intake: Intake, gates: Gates, names: Sequence[str], created: int, once: Once | None = None
) -> list[Route]:
    """All of them. ``names`` are the models to list, ``created`` when they came to be."""
    models = _Models(intake, names, created)
    return [
        gates.route(CHAT, Access.CALL, POST=ChatDoor(ollama_front.FRONT, intake, once=once)),
        gates.route(TAGS, Access.ANY, GET=answers(models.listed)),
        gates.route(SHOW, Access.ANY, POST=answers(models.shown)),
        gates.route(VERSION, Access.ANY, GET=answers(_version)),
    ]


def fix_of(path: str) -> str | None:
    """What to tell callers of those of Ollama's endpoints that are not offered."""
    if path.startswith("/api/embed"):
        return f"embeddings are at /v1/embeddings; {SERVED}"
    return SERVED if path.startswith("/api/") else None


class ChatDoor(Door):
    """`POST /api/chat`. A request without messages is how clients load a model: done at once."""

    async def _serve(self, request: Request, receive: Receive, send: Send) -> Outcome | None:
        if request.messages:
            return await super()._serve(request, receive, send)
        # A name that means nothing is told of now, and not when the first question comes.
        self._intake.parts.ways.of(request)
        body = ollama_front.encode_loaded(
            request.model, int(self._wall()), unloaded=ollama_front.unloads(request)
        )
        await send_whole(send, 200, body, headers.of_request(request.id))
        return None


class _Models:
    """What is told of models."""

    def __init__(self, intake: Intake, names: Sequence[str], created: int) -> None:
        self._ways = intake.parts.ways
        self._names = names
        self._created = created

    async def listed(self, asked: Asked) -> Response:
        """Every name that means something to rung, for whoever asks."""
        names = named(self._names, caller_of(asked.scope), self._ways)
        return Response(ollama_front.encode_models(names, self._created), media_type=_JSON)

    async def shown(self, asked: Asked) -> Response:
        """What a name can do: of a ladder, what some tier of it can. Any name is served."""
        name = ollama_front.model_of(await read_body(asked.receive))
        policy, pinned = self._ways.of(Request("", ollama_front.DIALECT, (), model=name))
        rungs = [rung for rung in policy.rungs if pinned in {None, rung.tier}]
        windows = [rung.context_tokens for rung in rungs if rung.context_tokens is not None]
        shown = ollama_front.Model(
            name,
            frozenset(need for need in Need if any(need not in rung.lacks for rung in rungs)),
            max(windows, default=None),
        )
        return Response(ollama_front.encode_model(shown, self._created), media_type=_JSON)


async def _version(_: Asked) -> Response:
    return Response(ollama_front.encode_version(rung_version()), media_type=_JSON)
