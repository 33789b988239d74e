"""A model behind an OpenAI-compatible endpoint: OpenAI, OpenRouter, vLLM, llama.cpp, LM Studio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import msgspec

from rung.core.types import (
    Answer,
    Failure,
    Fault,
    Phase,
    Usage,
    UsageSource,
)
from rung.providers.base import Ask, CallError, Done, Event, Health, traced
from rung.providers.http import HttpClient
from rung.providers.line import Endpoint, Line, utc_now
from rung.providers.speaking import Speaker
from rung.wire import chat, embeddings, responses
from rung.wire.counts import count
from rung.wire.jsontext import splice


class OpenAICompatible:
    """One model at one endpoint, in Chat Completions and, with ``responses``, in Responses too.

    Embeddings are forwarded as they came.
    """

    def __init__(
        self,
        http: HttpClient,
        endpoint: Endpoint,
        *,
        responses_too: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        key = endpoint.api_key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        backs = (chat.BACK, responses.BACK) if responses_too else (chat.BACK,)
        self._line = Line(http, endpoint, headers, now)
        self._speaker = Speaker(self._line, backs, endpoint.quirks)
        self.dialect = self._speaker.dialect

    def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``, within its time from the connection to the last byte."""
        if ask.request.dialect == embeddings.DIALECT:
            return self._embed(ask)
        return self._speaker.call(ask)

    async def health(self) -> Health:
        """Ask for the list of models, which costs nothing."""
        return await self._line.health()

    async def warm(self) -> None:
        """Nothing to load: the endpoint loads its models itself."""

    async def close(self) -> None:
        """The HTTP client is shared; whoever made it closes it."""

    async def _embed(self, ask: Ask) -> AsyncIterator[Event]:
        model = msgspec.json.encode(self._line.model)
        body = await self._line.post(
            "/embeddings",
            splice(ask.request.body, {"model": model}),
            timeout_seconds=ask.timeout_seconds,
            headers=traced(ask),
        )
        try:
            read = _EMBEDDINGS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            read = _Embeddings()
        if read.error is not None:
            raise CallError(self._line.failure(read.error), Phase.FIRST_TOKEN)
        if read.data is None:
            said = "the provider's answer is invalid: it has no list of embeddings"
            raise CallError(Failure(Fault.INVALID_RESPONSE, said), Phase.FIRST_TOKEN)
        asked = sum(len(message.parts) for message in ask.request.messages)
        if len(read.data) != asked:
            said = f"the provider's answer is invalid: {len(read.data)} embeddings of {asked} texts"
            raise CallError(Failure(Fault.INVALID_RESPONSE, said), Phase.FIRST_TOKEN)
        answer = Answer("", model=_word(read.model), dialect=embeddings.DIALECT, body=body)
        yield Done(self._line.named(answer), _counted(read.usage))


class _Embeddings(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)


def _word(told: Any) -> str:
    return told if isinstance(told, str) else ""


def _counted(told: Any) -> Usage:
    """What was read; what the total has beyond that was written. None where that is nothing."""
    read = count(told.get("prompt_tokens")) if isinstance(told, dict) else None
    if not read:
        return Usage()
    written = max(0, (count(told.get("total_tokens")) or 0) - read)
    return Usage(read, written, source=UsageSource.PROVIDER)
