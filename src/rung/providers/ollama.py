"""Ollama in its own dialect, so that the context size is set and no prompt is cut unseen.

Time limits: a model that is not in memory is loaded first, by a request of its own that all callers
share and none can cancel, for at most `LOAD_SECONDS`. Only then does the time of a call begin. If
Ollama drops the model between the two (another program needed the memory), that load falls into
the call's time; `Done.load_seconds` has it all the same.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from rung.core.features import MESSAGE_TOKENS, estimate_tokens
from rung.core.types import Answer, Failure, Fault, Phase, Sampling, Usage, UsageSource
from rung.providers.base import Ask, CallError, Delta, Done, Event, Health
from rung.providers.http import HttpClient, HttpError
from rung.providers.ollama_health import examine
from rung.providers.ollama_loading import LOAD_SECONDS, Loading, Residence
from rung.providers.ollama_server import FIXES, HEADERS, Complaint, OllamaError, OllamaServer
from rung.wire import ollama as wire
from rung.wire import ollama_server as about
from rung.wire.ollama import OLLAMA_LACKS

__all__ = ["LOAD_SECONDS", "OLLAMA_LACKS", "OllamaProvider"]


class OllamaProvider:
    """One model of one Ollama server.

    ``context_tokens`` is the largest window to load it with, its trained one where it is ``None``;
    ``keep_alive`` how long it stays in memory after a call. What a model thinks is not part of the
    answer.
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
    ) -> None:
        self._server = OllamaServer(http, base_url, model, keep_alive)
        self.loading = Loading(self._server, context_tokens)
        self._context_tokens = context_tokens

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
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
            failure = await self._server.missing(error.failure)
            raise _with_failure(error, failure) from None
        self.loading.answered()

    async def health(self) -> Health:
        """Look at the server, the model and the window it is loaded with."""
        return await examine(self._server, self._context_tokens)

    async def warm(self) -> None:
        """Load the model with the smallest window. Never raises: a call tells what is wrong."""
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
        options = wire.ChatOptions(server.model, home.asked_tokens, server.keep_alive, ask.stream)
        return wire.encode_chat(ask.messages, sampling, ask.schema, options)

    async def _events(self, call: _Call, body: bytes) -> AsyncGenerator[Event, None]:
        pieces = self._streamed(call, body) if call.ask.stream else self._plain(call, body)
        try:
            async with aclosing(pieces):
                async for raw in pieces:
                    part = self._part(call, raw)
                    if call.ask.stream and part.text:
                        yield Delta(part.text, raw, wire.DIALECT)
                    if part.done:
                        yield self._done(call, part, raw)
                        return
        except wire.OllamaWireError as error:
            raise call.failed(Fault.INVALID_RESPONSE, str(error)) from None
        except CallError as error:
            raise call.after(error) from None
        raise call.failed(Fault.CUT_STREAM, "the answer broke off before its end")

    async def _plain(self, call: _Call, body: bytes) -> AsyncGenerator[bytes, None]:
        yield await self._server.ask("/api/chat", body, call.ask.timeout_seconds)

    async def _streamed(self, call: _Call, body: bytes) -> AsyncGenerator[bytes, None]:
        """The lines of a streamed answer."""
        server, lines = self._server, wire.Lines()
        seconds = call.ask.timeout_seconds
        try:
            async with server.http.stream(
                server.base_url + "/api/chat", HEADERS, body, timeout_seconds=seconds
            ) as stream:
                if stream.status != 200:
                    said = about.decode_error(await stream.read())
                    raise OllamaError(server.complaint(said, stream.status), Phase.HEADERS)
                async for piece in stream.chunks():
                    for line in lines.feed(piece):
                        yield line
        except HttpError as error:
            raise server.unreached(error) from None
        last = lines.rest()
        try:
            wire.decode_part(last)
        except wire.OllamaWireError:
            return  # a line cut off, or none: either way there was no end
        yield last

    def _part(self, call: _Call, raw: bytes) -> wire.Part:
        part = wire.decode_part(raw)
        if part.error is not None:
            raise OllamaError(self._server.complaint(part.error), Phase.FIRST_TOKEN)
        call.text.append(part.text)
        call.begun = call.begun or bool(part.text or part.thinking)
        return part

    def _done(self, call: _Call, part: wire.Part, raw: bytes) -> Done:
        if part.loaded:
            raise call.failed(Fault.INVALID_RESPONSE, "it loaded the model and answered nothing")
        if wire.cut_prompt(call.prompt_bytes, part.usage.input_tokens, call.home.window_tokens):
            read, window = part.usage.input_tokens, call.home.window_tokens
            told = f"the prompt was cut: {read} tokens of it were read, in a window of {window}"
            raise call.failed(Fault.CONTEXT_TOO_LONG, told, part.usage)
        answer = Answer(
            text="".join(call.text),
            finish=part.finish,
            model=part.model or self._server.model,
            dialect=wire.DIALECT,
            body=b"" if call.ask.stream else raw,
        )
        waited = call.home.waited_seconds + part.load_seconds
        lost = wire.losses(call.ask.request, call.ask.messages, OLLAMA_LACKS)
        return Done(answer, part.usage, waited, lost)


@dataclass(slots=True)
class _Call:
    """One call under way: where its model lives, and what of the answer has come."""

    ask: Ask
    home: Residence
    text: list[str] = field(default_factory=list)
    begun: bool = False

    @property
    def prompt_bytes(self) -> int:
        return wire.prompt_bytes(self.ask.messages)

    def failed(self, fault: Fault, message: str, usage: Usage | None = None) -> CallError:
        """The end of a call that had begun."""
        complaint = Complaint(fault, f"Ollama: {message}", FIXES.get(fault))
        return self.after(CallError(complaint.failure, Phase.FIRST_TOKEN, usage=usage))

    def after(self, error: CallError) -> CallError:
        """``error`` with what had come before it."""
        usage = error.usage
        if self.begun and usage.source is UsageSource.NONE:
            usage = self._estimated()
        return CallError(
            error.failure,
            Phase.STREAM if self.begun else error.phase,
            usage=usage,
            load_seconds=self.home.waited_seconds,
        )

    def _estimated(self) -> Usage:
        messages = self.ask.messages
        read = sum(estimate_tokens(message.text) + MESSAGE_TOKENS for message in messages)
        return Usage(read, estimate_tokens("".join(self.text)), source=UsageSource.ESTIMATED)


def _with_failure(error: CallError, failure: Failure) -> CallError:
    return CallError(
        failure,
        error.phase,
        usage=error.usage,
        load_seconds=error.load_seconds,
    )


def _sampling(ask: Ask) -> Sampling:
    """The request's own, but for what a sample of several overrides."""
    own = ask.request.sampling
    return replace(
        own,
        temperature=own.temperature if ask.temperature is None else ask.temperature,
        seed=own.seed if ask.seed is None else ask.seed,
    )
