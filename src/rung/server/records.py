"""What a caller may see of finished requests: its own, and those of the keys that it made."""

from __future__ import annotations

import asyncio

from rung.callers import Caller, Callers
from rung.core.errors import RequestError
from rung.core.rights import May
from rung.ledger import Ledger, StoredOutcome


class Records:
    """The finished requests of a gateway's ledger."""

    def __init__(self, ledger: Ledger | None, callers: Callers) -> None:
        self._ledger = ledger
        self._callers = callers

    async def find(self, name: str, caller: Caller) -> StoredOutcome:
        """One request. Raises RequestError (404): of others' the same as of one that is none.

        Whoever may see all may also give the beginning of an id, and is told of ids nearby.
        """
        if May.READ in caller.may:
            return await asyncio.to_thread(self._open().find, name)
        found = await asyncio.to_thread(self._open().exact, name)
        if not self._callers.sees(caller, found.request.key, found.request.project):
            raise RequestError(f"No request {name!r}.", status=404, param="request_id")
        return found

    async def must_see(self, name: str, caller: Caller) -> None:
        """Raises RequestError (404) where that request is none of this caller's."""
        if May.READ not in caller.may:
            await self.find(name, caller)

    def _open(self) -> Ledger:
        if self._ledger is None:
            raise RequestError("this gateway keeps no ledger.", status=404)
        return self._ledger
