"""`POST /v1/messages/count_tokens`: how long a prompt is, without answering it."""

from __future__ import annotations

from dataclasses import replace

from rung.core.errors import RungError
from rung.intake import Intake
from rung.server import headers
from rung.server.access import caller_of
from rung.server.door import arrival
from rung.server.guard import Receive, Scope, Send, read_body
from rung.server.replies import labels, refuse, send_whole
from rung.wire import messages


class CountDoor:
    """The endpoint. The first tier on the way that counts is asked; else it is an estimate."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one prompt."""
        body = await read_body(receive)
        request_id = self._intake.new_id()
        try:
            caller = caller_of(scope)
            request = messages.decode_count(body, arrival(request_id, scope, caller))
            request = replace(request, caller=caller.digest, key=caller.key)
            counted = await self._intake.count(request)
        except RungError as error:
            await refuse(error, send, messages.FRONT, request_id=request_id)
            return
        told = headers.of_request(request_id) + labels(messages.FRONT, request_id)
        if not counted.exact:
            told = told + headers.ESTIMATED
        await send_whole(send, 200, messages.encode_count(counted.tokens), told)
