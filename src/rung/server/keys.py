"""`/v1/keys`: keys that make keys, without anybody at the gateway's own machine.

A key sees and changes those below itself alone; others' are told of as if there were none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rung import minting
from rung.callers import Callers
from rung.core.errors import RequestError
from rung.core.keyring import Holder, Key
from rung.core.rights import May
from rung.ledger import Ledger, keys
from rung.minting import Asked, Exchange, Known
from rung.server.access import Access, Gates, answers, caller_of
from rung.server.guard import read_body
from rung.server.replies import JSON

PATH = "/v1/keys"
JSON_TYPE = JSON[1].decode()


def routes(ledger: Ledger | None, gates: Gates, known: Known) -> list[Route]:
    """All of them."""
    ways = KeyWays(ledger, gates.callers, known)
    one = PATH + "/{id}"
    return [
        gates.route(PATH, Access.KEYS, POST=answers(ways.create), GET=answers(ways.list)),
        gates.route(one, Access.KEYS, GET=answers(ways.show), DELETE=answers(ways.revoke)),
        gates.route(one + "/rotate", Access.KEYS, POST=answers(ways.rotate)),
    ]


class KeyWays:
    """What can be done with keys by a key."""

    def __init__(
        self,
        ledger: Ledger | None,
        callers: Callers,
        known: Known,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._callers = callers
        self._known = known
        self._wall = wall

    async def create(self, asked: Request) -> Response:
        """A new key below the one that asks: 201, with its secret."""
        maker = _maker(asked)
        wanted = minting.read(await read_body(asked.receive), Asked)
        made = minting.mint(wanted, self._known, maker, self._wall())
        why = await self._open().commit(lambda connection: keys.add(connection, made.key))
        if why is not None:
            said = f"no key was made: {why}."
            raise RequestError(said, status=409, code="cannot_make")
        await self._callers.anew()
        return _secretly({"secret": made.secret, "key": self._shown(made.key)}, 201)

    async def list(self, asked: Request) -> Response:
        """The key that asks and all below it, oldest first."""
        maker, ring = _maker(asked), self._callers.ring
        below = [key for key in ring.all() if ring.is_below(key.id, maker.id)]
        return _secretly({"keys": [self._shown(key) for key in below]})

    async def show(self, asked: Request) -> Response:
        """One key, with what was booked under it."""
        key = self._chosen(asked)
        used = await asyncio.to_thread(self._use, key)
        return _secretly(minting.shown(key, self._callers.ring, self._wall(), used))

    async def revoke(self, asked: Request) -> Response:
        """End a key, and all that were made with it. Again is no error."""
        key, now = self._chosen(asked), self._wall()
        await self._open().commit(lambda connection: keys.revoke(connection, key.id, now))
        await self._callers.anew()
        return _secretly(self._shown(key))

    async def rotate(self, asked: Request) -> Response:
        """A new secret for the same key, with its own of before for a while."""
        key = self._chosen(asked)
        wanted = minting.read(await read_body(asked.receive), Exchange)
        change, secret = minting.exchange(key, wanted.grace_seconds, self._wall())
        done = await self._open().commit(lambda connection: keys.rotate(connection, change))
        if not done:
            said = "the key was revoked, or its secret exchanged by somebody else."
            raise RequestError(said, status=409, code="not_exchanged")
        await self._callers.anew()
        return _secretly({"secret": secret, "key": self._shown(key)})

    def _chosen(self, asked: Request) -> Key:
        name, ring = asked.path_params["id"], self._callers.ring
        key = ring.key(name)
        if key is None or not ring.is_below(key.id, _maker(asked).id):
            raise RequestError("there is no such key below yours.", status=404, param="id")
        return key

    def _shown(self, key: Key) -> dict[str, Any]:
        ring = self._callers.ring
        return minting.shown(ring.key(key.id) or key, ring, self._wall())

    def _use(self, key: Key) -> keys.KeyUse:
        with self._open().reading() as connection:
            return keys.use(connection, [key.id]).get(key.id, keys.KeyUse())

    def _open(self) -> Ledger:
        if self._ledger is None:
            raise RequestError("this gateway keeps no ledger.", status=404)
        return self._ledger


def _maker(asked: Request) -> Holder:
    """The key that asks. The gate lets nobody in without one."""
    holder = caller_of(asked.scope).holder
    if holder is None or May.KEYS not in holder.rights.may:
        raise RequestError("only keys make keys.", status=403)
    return holder


def _secretly(document: object, status: int = 200) -> Response:
    """A document that no cache keeps."""
    body = msgspec.json.encode(document)
    told = {"cache-control": "no-store"}
    return Response(body, status_code=status, media_type=JSON_TYPE, headers=told)
