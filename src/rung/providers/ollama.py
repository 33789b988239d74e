"""Ollama in its own dialect, so that the context size is set and no prompt is cut unseen.

Time limits: a model that is not in memory is loaded first, by a request of its own that all callers
share and none can cancel, for at most `LOAD_SECONDS`. Only then does the time of a call begin. If
Ollama drops the model between the two (another program needed the memory), that load falls into
the call's time; `Done.load_seconds` has it all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from rung.core.features import MESSAGE_TOKENS, estimate_tokens
from rung.core.types import Answer, Failure, Fault, Phase, Sampling, Usage, UsageSource
from rung.providers.base import Ask, CallError, Delta, Done, Event, Health
from rung.providers.http import HttpClient, HttpError
from rung.providers.ollama_health import examine
from rung.providers.ollama_loading import LOAD_SECONDS, Loading, Residence
from rung.providers.ollama_server import HEADERS, OllamaServer
from rung.wire import ollama as wire
from rung.wire import ollama_server as about
from rung.wire.ollama import OLLAMA_LACKS

__all__ = ["LOAD_SECONDS", "OLLAMA_LACKS", "OllamaProvider"]


class OllamaProvider:
    """One model of one Ollama server.

    ``context_tokens`` is the largest window to load it with, its trained one where it is ``None``;
    ``keep_alive`` how long it stays in memory after a call; ``think`` whether a model that can think
    does, ``None`` for its own default. What it thinks is not part of the answer.
    """

    dialect = wire.DIALECT

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str = "http://127.0.0.1:11434",
        model: str,
        context_tokens: int | None = None,
        keep_alive: str = "30m",
        think: bool | None = None,
    ) -> None:
        self._server = OllamaServer(http, base_url, model, keep_alive)
        self.loading = Loading(self._server, context_tokens)
        self._context_tokens = context_tokens
        self._think = think

    async def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``, once the model is in memory."""
        sampling = _sampling(ask)
        try:
            home = await self.loading.ready(wire.needed_tokens(ask.messages, sampling))
            call = _Call(ask, home)
            body = self._encoded(ask, sampling, home)
            async with aclosing(self._events(call, body)) as events:
                async for event in events:
                    yield event
        except CallError as error:
            self.loading.doubt()
            raise await self._explained(error) from None
        self.loading.answered()

    async def health(self) -> Health:
        """Look at the server, the model and the window it is loaded with."""
        return await examine(self._server, self._context_tokens)

    async def warm(self) -> None:
        """Load the model with the smallest window. Never raises: the first call tells what is wrong."""
        try:
            await self.loading.ready(1)
        except CallError:
            self.loading.doubt()

    async def close(self) -> None:
        """Give up a load that is under way; the HTTP client belongs to who made it."""
        await self.loading.close()

    # -------------------------------------------------------------- one call

    def _encoded(self, ask: Ask, sampling: Sampling, home: Residence) -> bytes:
        server = self._server
        options = wire.ChatOptions(
            server.model, home.asked_tokens, server.keep_alive, self._think, ask.stream
        )
        return wire.encode_chat(ask.messages, sampling, ask.schema, options)

    async def _events(self, call: _Call, body: bytes) -> AsyncIterator[Event]:
        pieces = self._streamed(call, body) if call.ask.stream else self._plain(call, body)
        try:
            async with aclosing(pieces):
                async for raw in pieces:
                    part = self._part(call, raw)
                    if part.text or part.thinking:
                        yield Delta(part.text, raw, wire.DIALECT, real=bool(part.text))
                    if part.done:
                        yield self._done(call, part, raw)
                        return
        except wire.OllamaWireError as error:
            raise call.failed(Fault.INVALID_RESPONSE, str(error)) from None
        raise call.failed(Fault.CUT_STREAM, "the answer broke off before its end")
