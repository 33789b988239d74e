"""`POST /v1/feedback`: what a caller's program found out about an answer afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import msgspec
from msgspec import Meta

from rung.core.errors import RequestError
from rung.core.labels import Label, LabelSource
from rung.ledger import Ledger
from rung.server import headers
from rung.server.access import caller_of
from rung.server.guard import Receive, Scope, Send, read_body
from rung.server.records import Records
from rung.server.replies import send_whole

LONGEST_NOTE = 4000
LONGEST_NAME = 200


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    request_id: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    right: bool
    source: LabelSource = LabelSource.FEEDBACK
    attempt: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    by: Annotated[str, Meta(max_length=LONGEST_NAME)] | None = None
    note: Annotated[str, Meta(max_length=LONGEST_NOTE)] | None = None


_decoder = msgspec.json.Decoder(_Asked)


class FeedbackDoor:
    """The endpoint. Errors leave in the envelope of Chat Completions."""

    def __init__(
        self, ledger: Ledger | None, records: Records, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._wall = wall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store one label: 201, or 200 where its source has said the same before."""
        body = await read_body(receive)
        if self._ledger is None:
            raise RequestError("this gateway keeps no ledger.", status=404)
        given = _read(body, self._wall())
        await self._records.must_see(given.request_id, caller_of(scope))
        stored, new = await asyncio.to_thread(self._ledger.add_label, given)
        told = headers.of_request(stored.request_id)
        await send_whole(send, 201 if new else 200, msgspec.json.encode(asdict(stored)), told)


def _read(body: bytes, now: float) -> Label:
    """The label that a body gives. Raises RequestError that names the field at fault."""
    try:
        asked = _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        what, _, place = str(error).partition(" - at `$")
        field = place.strip("`").removeprefix(".") or None
        raise RequestError(f"{what[:LONGEST_NAME]}.", param=field) from None
    name, source = asked.request_id, asked.source
    return Label(name, asked.right, source, now, asked.attempt, asked.by, asked.note or "")
