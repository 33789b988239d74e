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

from rung.core.features import estimate_tokens
from rung.core.types import (
    Failure,
    Fault,
    Need,
    Phase,
    Sampling,
    Usage,
    UsageSource,
)
from rung.providers.base import Ask, CallError, Done, Event, Health, Stay, traced
from rung.providers.http import HttpClient, HttpError
from rung.providers.keeping import KEEP_ALIVE
from rung.providers.ollama_health import examine
from rung.providers.ollama_loading import LOAD_SECONDS, Loading, Residence
from rung.providers.ollama_server import FIXES, HEADERS, Complaint, OllamaError, OllamaServer
from rung.wire import ollama as wire
from rung.wire.back import Encoded, Outgoing
from rung.wire.ollama import OLLAMA_LACKS
from rung.wire.ollama import server as about

__all__ = ["LOAD_SECONDS", "OLLAMA_LACKS", "OllamaProvider"]


class OllamaProvider:
    """One model of one Ollama server.

    ``context_tokens`` is the largest window to load it with, its trained one where it is ``None``;
    ``keep_alive`` how long it stays in memory after a call. What the model cannot do is refused
    before it is loaded.
    """

    dialect = wire.DIALECT

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str = "http://127.0.0.1:11434",
        model: str,
        context_tokens: int | None = None,
        keep_alive: str = KEEP_ALIVE,
    ) -> None:
        self._server = OllamaServer(http, base_url, model, keep_alive)
        self.loading = Loading(self._server, context_tokens)
        self._context_tokens = context_tokens

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """Answer ``ask``, once the model is in memory."""
        sent = self._outgoing(ask)
        size = wire.prompt_size(sent)
        try:
            shown = await self.loading.shown()
            self._refuse(ask, size, shown)
            home = await self.loading.ready(wire.needed_tokens(size, sent.sampling))
            call = _Call(ask, home, size, self._encoded(sent, size, home, shown))
            async with aclosing(self._events(call)) as events:
                async for event in events:
                    yield event
        except CallError as error:
            if error.failure.fault is not Fault.REJECTED:
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

    def stay(self) -> Stay:
        """Whether the model is in memory, as far as was last heard."""
        return self.loading.stay()

    async def keep(self) -> None:
        """Load the model, or have it stay for another `keep_alive`. Raises CallError."""
        try:
            await self.loading.keep()
        except CallError:
            self.loading.doubt()
            raise

    async def close(self) -> None:
        """Give up a load that is under way; the HTTP client belongs to who made it."""
        await self.loading.close()

    # -------------------------------------------------------------- one call

    def _outgoing(self, ask: Ask) -> Outgoing:
        request = ask.request
        return Outgoing(
            model=self._server.model,
            messages=ask.messages,
            sampling=_sampling(ask),
            tools=request.tools,
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            schema=ask.schema,
            effort=request.effort,
            stream=ask.stream,
            logprobs=ask.logprobs,
        )

    def _refuse(self, ask: Ask, size: wire.PromptSize, shown: about.Shown) -> None:
        """Raise CallError for what this model could only answer wrongly."""
        able, model = shown.capabilities, self._server.model
        refusals = (
            (Need.STATE in ask.request.needs, "does not have what another provider keeps"),
            (size.links > 0, "takes pictures only as data, not as links"),
            (size.uses_tools and bool(able) and "tools" not in able, "has no tools"),
            (size.images > 0 and bool(able) and "vision" not in able, "sees no pictures"),
        )
        for refused, why in refusals:
            if refused:
                raise CallError(Failure(Fault.REJECTED, f"{model} {why}"), Phase.CONNECT)

    def _encoded(
        self, sent: Outgoing, size: wire.PromptSize, home: Residence, shown: about.Shown
    ) -> Encoded:
        thinks = "thinking" in shown.capabilities
        options = wire.ChatOptions(home.asked_tokens, self._server.keep_alive, thinks)
        return wire.encode_chat(sent, size, options)

    async def _events(self, call: _Call) -> AsyncGenerator[Event, None]:
        pieces = self._streamed(call) if call.ask.stream else self._plain(call)
        try:
            async with aclosing(pieces):
                async for raw in pieces:
                    part = self._part(raw)
                    grown = call.reader.feed(part)
                    if call.ask.stream and grown is not None:
                        yield grown
                    if part.done:
                        yield self._done(call, part, raw)
                        return
        except wire.OllamaWireError as error:
            raise call.failed(Fault.INVALID_RESPONSE, str(error)) from None
        except CallError as error:
            raise call.after(error) from None
        raise call.failed(Fault.CUT_STREAM, "the answer broke off before its end")

    async def _plain(self, call: _Call) -> AsyncGenerator[bytes, None]:
        ask = call.ask
        yield await self._server.ask(
            "/api/chat", call.sent.body, ask.timeout_seconds, more=traced(ask)
        )

    async def _streamed(self, call: _Call) -> AsyncGenerator[bytes, None]:
        """The lines of a streamed answer."""
        server, lines = self._server, wire.Lines()
        seconds = call.ask.timeout_seconds
        try:
            async with server.http.stream(
                server.base_url + "/api/chat",
                HEADERS | traced(call.ask),
                call.sent.body,
                timeout_seconds=seconds,
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

    def _part(self, raw: bytes) -> wire.Part:
        part = wire.decode_part(raw)
        if part.error is not None:
            raise OllamaError(self._server.complaint(part.error), Phase.FIRST_TOKEN)
        return part

    def _done(self, call: _Call, part: wire.Part, raw: bytes) -> Done:
        if part.loaded:
            raise call.failed(Fault.INVALID_RESPONSE, "it loaded the model and answered nothing")
        read, window = part.usage.input_tokens, call.home.window_tokens
        if wire.cut_prompt(call.size.text_bytes, read, window):
            told = f"the prompt was cut: {read} tokens of it were read, in a window of {window}"
            raise call.failed(Fault.CONTEXT_TOO_LONG, told, part.usage)
        answer = call.reader.answer(part, self._server.model)
        if not call.ask.stream:
            answer = replace(answer, body=raw)
        waited = call.home.waited_seconds + part.load_seconds
        return Done(answer, part.usage, waited, call.losses)


@dataclass(slots=True)
class _Call:
    """One call under way: where its model lives, what it is sent, and what of the answer came."""

    ask: Ask
    home: Residence
    size: wire.PromptSize
    sent: Encoded
    reader: wire.ChatReader = field(default_factory=wire.ChatReader)

    @property
    def losses(self) -> tuple[str, ...]:
        request = self.ask.request
        lacking = {need.value for need in request.needs & OLLAMA_LACKS}
        return tuple(sorted({*self.sent.losses, *request.extras, *lacking}))

    def failed(self, fault: Fault, message: str, usage: Usage | None = None) -> CallError:
        """The end of a call that had begun."""
        complaint = Complaint(fault, f"Ollama: {message}", FIXES.get(fault))
        return self.after(CallError(complaint.failure, Phase.FIRST_TOKEN, usage=usage))

    def after(self, error: CallError) -> CallError:
        """``error`` with what had come before it."""
        usage, begun = error.usage, self.reader.begun
        if begun and usage.source is UsageSource.NONE:
            written = estimate_tokens(self.reader.written)
            usage = Usage(self.size.likely_tokens, written, source=UsageSource.ESTIMATED)
        return CallError(
            error.failure,
            Phase.STREAM if begun else error.phase,
            usage=usage,
            load_seconds=self.home.waited_seconds,
        )


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
