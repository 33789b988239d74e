"""A model behind the Anthropic Messages dialect: Anthropic itself, proxies, llama.cpp.

The dialect: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

import msgspec

from rung.core.types import Failure, Fault, Phase, Request
from rung.providers.base import Ask, CallError, Event, Health
from rung.providers.http import HttpClient
from rung.providers.line import Endpoint, Line, utc_now
from rung.providers.speaking import Speaker
from rung.wire import messages
from rung.wire.jsontext import locate, splice

VERSION = "2023-06-01"
"""Of the API, sent where the caller names none."""

COUNT_SECONDS = 10.0

NOT_COUNTED = (
    *("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences"),
    *("metadata", "service_tier", "inference_geo", "container"),
)
"""Fields of a message that the counting of its tokens refuses:
https://platform.claude.com/docs/en/api/messages-count-tokens"""


class _Count(msgspec.Struct):
    input_tokens: int


class Anthropic:
    """One model at one endpoint."""

    def __init__(
        self,
        http: HttpClient,
        endpoint: Endpoint,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        headers = {"anthropic-version": VERSION}
        if endpoint.api_key:
            headers["x-api-key"] = endpoint.api_key
        self._line = Line(http, endpoint, headers, now)
        self._speaker = Speaker(self._line, (messages.BACK,), endpoint.quirks)
        self.dialect = self._speaker.dialect

    def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``, within its time from the connection to the last byte."""
        return self._speaker.call(ask)

    async def count(self, request: Request, *, timeout_seconds: float = COUNT_SECONDS) -> int:
        """How many tokens the model would read. Raises CallError where it does not tell."""
        ask = Ask(
            request=replace(request, stream=False),
            messages=request.messages,
            as_it_came=True,
            stream=False,
            timeout_seconds=timeout_seconds,
            schema=request.schema,
        )
        sent = self._speaker.sent(ask)
        path, _, query = sent.path.partition("?")
        body = await self._line.post(
            f"{path}/count_tokens" + (f"?{query}" if query else ""),
            _countable(sent.body),
            timeout_seconds=timeout_seconds,
            headers=sent.headers,
        )
        try:
            counted = msgspec.json.decode(body, type=_Count).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            counted = -1
        if counted < 0:
            said = "the provider's answer is invalid: it has no count of tokens"
            raise CallError(Failure(Fault.INVALID_RESPONSE, said), Phase.FIRST_TOKEN)
        return counted

    async def health(self) -> Health:
        """Ask for the list of models, which costs nothing."""
        found = await self._line.health("?limit=1000")
        # The list has no aliases, and a name that is none of them may be one.
        if found.ok or not found.models:
            return found
        if await self._line.knows(f"/models/{quote(self._line.model, safe='')}"):
            return self._line.serving(found.models)
        return found

    async def warm(self) -> None:
        """Nothing to load: the endpoint loads its models itself."""

    async def close(self) -> None:
        """The HTTP client is shared; whoever made it closes it."""


def _countable(body: bytes) -> bytes:
    """The body of a message as its counting takes it."""
    found = locate(body)
    return splice(body, {name: None for name in NOT_COUNTED if name in found}, found)
