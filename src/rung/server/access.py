"""Who may ask which path: every route has a class of access, and none is open by being forgotten.

It is decided where the router has already chosen, by what it chose: no path is read a second time.
Nothing of a request is read but its headers before its key is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rung.callers import NOBODY, Caller, Callers
from rung.core.rights import May
from rung.rates import UNCOUNTED, Visit
from rung.server import headers
from rung.server.guard import App, Receive, Scope, Send
from rung.ways import LADDER_PREFIX, TIER_PREFIX, Ways

CALLER: Final = "rung.caller"
VISIT: Final = "rung.visit"


class Access(StrEnum):
    """Who may ask.

    OPEN: anybody, without a key. ANY: whoever has a key. CALL, READ: whose key may do that. KEYS:
    the same, and there has to be a key. READ_BY_KEY: as READ, and there has to be one. All but the
    last two are open to everybody where the gateway asks for no keys.
    """

    OPEN = "open"
    ANY = "any"
    CALL = "call"
    READ = "read"
    READ_BY_KEY = "read by key"
    KEYS = "keys"


_NEEDS: Final[Mapping[Access, May | None]] = {
    Access.ANY: None,
    Access.CALL: May.CALL,
    Access.READ: May.READ,
    Access.READ_BY_KEY: May.READ,
    Access.KEYS: May.KEYS,
}
_BY_KEY: Final = frozenset({Access.READ_BY_KEY, Access.KEYS})
_COUNTED: Final = frozenset({Access.CALL, Access.KEYS})
"""What counts as a request of those that a key may make in a minute."""


class Gate:
    """All that stands at one path. Each method is an application; ``access`` holds for all."""

    def __init__(self, access: Access, callers: Callers, methods: Mapping[str, App]) -> None:
        self.access = access
        self.methods = methods
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or raise RequestError."""
        caller, visit = NOBODY, UNCOUNTED
        if self.access is not Access.OPEN:
            need, by_key = _NEEDS[self.access], self.access in _BY_KEY
            shown = headers.shown_keys(scope["headers"])
            caller = await self._callers.admitted(shown, need, by_key=by_key)
        app = self.methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if app is None:
            raise HTTPException(405)
        if self.access in _COUNTED:
            visit = self._callers.visit(caller)
        scope[CALLER], scope[VISIT] = caller, visit
        try:
            await app(scope, receive, send)
        finally:
            visit.leave()


@dataclass(frozen=True, slots=True)
class Gates:
    """Makes the routes of a gateway."""

    callers: Callers

    def route(self, path: str, access: Access, **methods: App) -> Route:
        """One path, with what answers each of its methods."""
        return Route(path, Gate(access, self.callers, methods))


def answers(endpoint: Callable[[Request], Awaitable[Response]]) -> App:
    """An endpoint that is told a request and gives a response, as an application."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def caller_of(scope: Scope) -> Caller:
    """Who was let in with a request."""
    caller: Caller = scope[CALLER]
    return caller


def visit_of(scope: Scope) -> Visit:
    """What is counted of it while it runs."""
    visit: Visit = scope[VISIT]
    return visit


def named(names: Iterable[str], caller: Caller, ways: Ways) -> tuple[str, ...]:
    """Of the names of models, those that mean something to a caller."""
    if caller.holder is None:
        return tuple(names)
    rights = caller.holder.rights
    climbed = [each for each in ways.policies.values() if _among(each.ladder, rights.ladders)]
    reached = {rung.tier for policy in climbed for rung in policy.rungs}
    allowed = {LADDER_PREFIX + policy.ladder for policy in climbed}
    allowed |= {TIER_PREFIX + tier for tier in reached if _among(tier, rights.tiers)}
    kinds = (LADDER_PREFIX, TIER_PREFIX)
    return tuple(name for name in names if not name.startswith(kinds) or name in allowed)


def _among(name: str, allowed: tuple[str, ...] | None) -> bool:
    return allowed is None or name in allowed
