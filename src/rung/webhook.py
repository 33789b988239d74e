"""Telling an address of one's own that a request waits for a human. Never in a caller's way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from rung.core.engine import Exhausted
from rung.core.outcome import Outcome
from rung.core.verdicts import Status, Weight
from rung.providers.registry import is_private_address

if TYPE_CHECKING:
    from rung.providers.http import HttpClient

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
PAUSES_SECONDS = (1.0, 3.0)
"""Before each further try."""

MOST_AT_ONCE = 100
"""Calls under way, above which further ones are not made: the inbox itself has them all."""

HEADERS = {"content-type": "application/json"}


class Webhook:
    """Posts notices to one address. They hold no word of a request or an answer."""

    def __init__(
        self, http: HttpClient, url: str, *, pauses_seconds: tuple[float, ...] = PAUSES_SECONDS
    ) -> None:
        self._http = http
        self._url = url
        self._near = is_private_address(url)
        self._pauses = pauses_seconds
        self._calls: set[asyncio.Task[None]] = set()

    def tell(self, outcome: Outcome) -> None:
        """Begin to tell; what comes of it is only logged.

        Of a private request no address beyond this machine or network is told.
        """
        private = bool(outcome.plan.private)
        self.send(outcome.request.id, notice(outcome), private=private)

    def send(self, name: str, body: bytes, *, private: bool = False) -> None:
        """Begin to tell something, which the log calls by ``name``. Otherwise as `tell`."""
        if private and not self._near:
            logger.info("webhook: %s is private, and is not told", name)
            return
        if len(self._calls) >= MOST_AT_ONCE:
            logger.warning("webhook: too slow, %s is not told", name)
            return
        call = asyncio.ensure_future(self._call(name, body))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Give calls under way their time, then end them."""
        if not self._calls:
            return
        _, late = await asyncio.wait(set(self._calls), timeout=CALL_SECONDS)
        for call in late:
            call.cancel()
        if late:
            await asyncio.wait(late)

    async def _call(self, name: str, body: bytes) -> None:
        wrong = await self._post(body)
        for pause in self._pauses:
            if wrong is None:
                return
            await asyncio.sleep(pause)
            wrong = await self._post(body)
        if wrong is not None:
            logger.warning("webhook: nobody is told of %s: %s", name, wrong)

    async def _post(self, body: bytes) -> str | None:
        """Post once; what went wrong, if anything did."""
        from rung.providers.http import HttpError

        try:
            reply = await self._http.post(self._url, HEADERS, body, timeout_seconds=CALL_SECONDS)
        except HttpError as error:
            return error.message
        # Redirects are not followed: they could lead anywhere.
        return None if 200 <= reply.status < 300 else f"it answered {reply.status}"


def notice(outcome: Outcome) -> bytes:
    """What is told: names and the command that shows the rest."""
    request, decision = outcome.request, outcome.decision
    required = {
        check.name
        for step in outcome.plan.steps
        for check in step.checks
        if check.weight is not Weight.SIGNAL
    }
    best = outcome.best
    verdicts = () if best is None else best.verdicts
    return msgspec.json.encode(
        {
            "event": "inbox",
            "id": request.id,
            "ladder": outcome.plan.ladder,
            "project": request.directions.project,
            "reason": decision.reason.value if isinstance(decision, Exhausted) else None,
            "failed": [
                verdict.verifier
                for verdict in verdicts
                if verdict.verifier in required and verdict.status is not Status.PASSED
            ],
            "tried": list(dict.fromkeys(attempt.tier for attempt in outcome.attempts)),
            "show": f"rung inbox show {request.id}",
        }
    )
