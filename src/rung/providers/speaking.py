"""One model, spoken to over HTTP and server-sent events in one dialect or several.

Everything that a dialect does not decide is here: which bytes go out, what of a stream may be
passed on and when, and what a broken one means.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from rung.core.growth import Delta
from rung.core.types import (
    Answer,
    Failure,
    Fault,
    Need,
    Phase,
    Request,
    Sampling,
    Usage,
)
from rung.providers.base import Ask, CallError, Done, Event, traced
from rung.providers.http import HttpError, HttpResponse, HttpStream
from rung.providers.line import Line
from rung.wire import sse
from rung.wire.back import Back, Changes, Encoded, Outgoing, Reader, UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.quirks import TOOLS_OR_EFFORT, Quirks, Settings, narrowed, quirks_of

DRAIN_SECONDS = 0.05
"""How long the end of a stream may come after its last event for its connection to be kept."""

PASSED_ON: Mapping[str, frozenset[str]] = MappingProxyType(
    {"messages": frozenset({"anthropic-beta", "anthropic-version"})}
)
"""Callers' headers that go on to a provider of their dialect."""

PASSED_QUERIES: Mapping[tuple[str, str], str] = MappingProxyType({("?beta", "true"): "?beta=true"})
"""What a caller may add to the address, by its place in `Request.passed_on`."""

_INVALID = frozenset({400, 422})
_LEAST_SECONDS = 0.001

LISTS = frozenset({"anthropic-beta"})
"""Headers whose values add up; of any other the later one holds."""


class Sent(NamedTuple):
    """One call as it leaves. ``logprobs``: it asks for some that the caller did not ask for."""

    back: Back
    path: str
    headers: dict[str, str]
    body: bytes
    losses: tuple[str, ...]
    logprobs: bool = False


class Speaker:
    """One model at one endpoint in the dialects of ``backs``; the first is for foreign requests."""

    def __init__(self, line: Line, backs: tuple[Back, ...], server: Quirks) -> None:
        self._line = line
        self._default = backs[0]
        self._backs = {back.dialect: back for back in backs}
        self._quirks = quirks_of(line.model, server)
        self._has_no_logprobs = False

    @property
    def dialect(self) -> str:
        """The dialect of requests that came in one that it does not speak."""
        return self._default.dialect

    async def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``, within its time from the connection to the last byte.

        A plain answer keeps the provider's bytes. A stream's first event comes when the model has
        said something, never for a role alone: until then another tier can still take over unseen.
        A call that is turned down when it asks for log-probabilities is made once more without: no
        check of rung's may cost a caller its answer.
        """
        sent, began = self.sent(ask), time.monotonic()
        try:
            async with aclosing(self._answer(ask, sent)) as events:
                async for event in events:
                    yield event
        except CallError as error:
            if not (sent.logprobs and _turned_down(error)):
                raise
        else:
            return
        left = max(ask.timeout_seconds - (time.monotonic() - began), _LEAST_SECONDS)
        without = replace(ask, logprobs=False, timeout_seconds=left)
        async with aclosing(self._answer(without, self.sent(without))) as events:
            async for event in events:
                self._has_no_logprobs = True
                yield event

    async def _answer(self, ask: Ask, sent: Sent) -> AsyncGenerator[Event, None]:
        """One call, its events as they come."""
        if not ask.stream:
            body = await self._line.post(
                sent.path, sent.body, timeout_seconds=ask.timeout_seconds, headers=sent.headers
            )
            yield self._answered(ask, sent, body)
            return
        hides = _hides_logprobs(ask, sent)
        reading = _Reading(sent.back.reader(ask.request, hides_logprobs=hides))
        try:
            async with (
                self._line.stream(
                    sent.path, sent.body, timeout_seconds=ask.timeout_seconds, headers=sent.headers
                ) as stream,
                aclosing(self._events(stream, reading, ask, sent)) as events,
            ):
                async for event in events:
                    yield event
        except HttpError as error:
            if not reading.reader.complete:
                raise reading.interrupted(error) from None
            for delta in reading.rest():
                yield delta
            yield self._done(reading.reader.answer(), reading.reader.usage(), sent)

    # -------------------------------------------------------------- what is sent

    def sent(self, ask: Ask) -> Sent:
        """The caller's own bytes where the dialect is spoken here and they still hold, else new.

        Raises CallError where a part of the conversation is kept elsewhere.
        """
        request = ask.request
        back = self._back(request)
        quirks = self._quirks
        if quirks.at_times:
            quirks = narrowed(quirks, _settings(ask, back))
        if _is_own(ask, back):
            told = back.forward(request.body, self._changes(ask, quirks))
            losses = told.losses
        elif Need.STATE in request.needs:
            said = "a part of the conversation is kept by a provider that this one is not"
            raise CallError(Failure(Fault.REJECTED, said), Phase.CONNECT)
        else:
            told = back.encode(self._outgoing(ask, quirks))
            losses = told.losses + request.extras
        query, headers = passed_on(request, back, told)
        headers |= traced(ask)
        losses = tuple(sorted(set(losses)))
        return Sent(back, back.path + query, headers, told.body, losses, told.logprobs)

    def _back(self, request: Request) -> Back:
        """The request's own dialect where it is spoken here, else the one that says it best."""
        if request.dialect in self._backs:
            return self._backs[request.dialect]
        if TOOLS_OR_EFFORT in self._quirks.at_times and request.tools and request.effort:
            return self._backs.get("responses", self._default)
        return self._default

    def _changes(self, ask: Ask, quirks: Quirks) -> Changes:
        request = ask.request
        return Changes(
            model=self._line.model,
            stream=ask.stream if ask.stream is not request.stream else None,
            usage=ask.stream,
            appended=() if ask.as_it_came else ask.messages[len(request.messages) :],
            schema=ask.schema if request.schema is None else None,
            temperature=ask.temperature,
            seed=ask.seed,
            logprobs=ask.logprobs and not self._has_no_logprobs,
            max_tokens=request.sampling.max_tokens,
            quirks=quirks,
        )

    def _outgoing(self, ask: Ask, quirks: Quirks) -> Outgoing:
        request = ask.request
        return Outgoing(
            model=self._line.model,
            messages=ask.messages,
            sampling=_sampling(ask),
            tools=request.tools,
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            schema=ask.schema,
            effort=request.effort,
            stream=ask.stream,
            logprobs=ask.logprobs and not self._has_no_logprobs,
            appended=0 if ask.as_it_came else len(ask.messages) - len(request.messages),
            caches=self._line.caches,
            conversation=request.conversation,
            quirks=quirks,
        )

    # -------------------------------------------------------------- what comes back

    async def _events(
        self, stream: HttpStream, reading: _Reading, ask: Ask, sent: Sent
    ) -> AsyncGenerator[Event, None]:
        if stream.status != 200 or "json" in stream.headers.get("content-type", ""):
            # Some servers answer plainly although a stream was asked for.
            whole = HttpResponse(stream.status, stream.headers, await stream.read())
            yield self._answered(ask, sent, self._line.accepted(whole))
            return
        try:
            async with aclosing(_deltas(stream, reading, self._line)) as deltas:
                async for delta in deltas:
                    yield delta
        except UpstreamFaultError as fault:
            raise reading.failed(self._line.failure(fault.error)) from None
        except WireError as error:
            raise reading.failed(invalid(error)) from None
        if not reading.reader.complete:
            cut = Failure(Fault.CUT_STREAM, "the provider's stream ended before its answer did")
            raise reading.failed(cut)
        for delta in reading.rest():
            yield delta
        yield self._done(reading.reader.answer(), reading.reader.usage(), sent)

    def _answered(self, ask: Ask, sent: Sent, body: bytes) -> Done:
        hides = _hides_logprobs(ask, sent)
        try:
            answer, usage = sent.back.decode_answer(body, hides_logprobs=hides)
        except UpstreamFaultError as fault:
            raise CallError(self._line.failure(fault.error), Phase.FIRST_TOKEN) from None
        except WireError as error:
            raise CallError(invalid(error), Phase.FIRST_TOKEN) from None
        return self._done(answer, usage, sent)

    def _done(self, answer: Answer, usage: Usage, sent: Sent) -> Done:
        return Done(self._line.named(answer), usage, losses=sent.losses)


def passed_on(request: Request, back: Back, told: Encoded) -> tuple[str, dict[str, str]]:
    """What is added to the address, and the headers of one call: the body's and the caller's."""
    query, headers = "", dict(told.headers)
    if request.dialect != back.dialect:
        return query, headers
    allowed = PASSED_ON.get(back.dialect, frozenset())
    for name, value in request.passed_on:
        if name in LISTS & allowed and name in headers:
            headers[name] = f"{value},{headers[name]}"
        elif name in allowed:
            headers[name] = value
        elif allowed:
            query = PASSED_QUERIES.get((name, value), query)
    return query, headers


def invalid(error: WireError) -> Failure:
    """Why an answer that cannot be read is none."""
    return Failure(Fault.INVALID_RESPONSE, f"the provider's answer is invalid: {error}")


def _is_own(ask: Ask, back: Back) -> bool:
    """Whether the caller's bytes can go out in this dialect: what is sent begins with them."""
    request = ask.request
    if request.dialect != back.dialect or not request.body:
        return False
    return ask.messages[: len(request.messages)] == request.messages


def _hides_logprobs(ask: Ask, sent: Sent) -> bool:
    """Whether the provider's bytes may reach the caller, with what it did not ask for."""
    return sent.logprobs and ask.request.dialect == sent.back.dialect


def _turned_down(error: CallError) -> bool:
    """Whether a provider found fault with a request, before anything of an answer had come."""
    failure = error.failure
    early = error.phase in {Phase.HEADERS, Phase.FIRST_TOKEN}
    return early and failure.fault is Fault.REJECTED and failure.status in _INVALID


def _sampling(ask: Ask) -> Sampling:
    sampling = ask.request.sampling
    if ask.temperature is not None:
        sampling = replace(sampling, temperature=ask.temperature)
    if ask.seed is not None:
        sampling = replace(sampling, seed=ask.seed)
    return sampling


def _settings(ask: Ask, back: Back) -> Settings:
    tools = back.dialect == "chat" and bool(ask.request.tools)
    return Settings(_sampling(ask), ask.request.effort, chat_tools=tools)


async def _deltas(stream: HttpStream, reading: _Reading, line: Line) -> AsyncGenerator[Delta, None]:
    parser = sse.Parser()
    async with aclosing(stream.chunks()) as chunks:
        async for chunk in chunks:
            for delta in reading.joined(parser.feed(line.discreet(chunk))):
                yield delta
            if reading.reader.done:
                break
    # Some servers tell what was used after the end. The answer is whole, whatever this is.
    late = await stream.drain(DRAIN_SECONDS)
    with suppress(WireError):
        for event in parser.feed(late):
            reading.reader.feed(event)


@dataclass(slots=True)
class _Reading:
    """One stream being read: what has come, and the deltas held until something real is there."""

    reader: Reader
    held: list[Delta] = field(default_factory=list)
    begun: bool = False

    def take(self, event: sse.SseEvent) -> list[Delta]:
        """The deltas that one event sets free."""
        read = self.reader.feed(event)
        self.begun = self.begun or read.real
        if read.delta is not None:
            final = self.reader.complete
            self.held.append(replace(read.delta, final=True) if final else read.delta)
        return self.rest() if self.begun else []

    def joined(self, events: Iterable[sse.SseEvent]) -> Iterator[Delta]:
        """The deltas that the events of one read set free, those that go together as one.

        What a read brings came at one time: each delta by itself costs a write to the caller.
        """
        waiting: Delta | None = None
        try:
            for event in events:
                for delta in self.take(event):
                    both = None if waiting is None else waiting.joined(delta)
                    if waiting is not None and both is None:
                        yield waiting
                    waiting = both or delta
        except WireError:
            # What came before the fault has come: it counts, and may leave.
            if waiting is not None:
                yield waiting
            raise
        if waiting is not None:
            yield waiting

    def rest(self) -> list[Delta]:
        """All that is still held."""
        free, self.held = self.held, []
        return free

    @property
    def phase(self) -> Phase:
        return Phase.STREAM if self.begun else Phase.FIRST_TOKEN

    def failed(self, failure: Failure) -> CallError:
        return CallError(failure, self.phase, usage=self.reader.usage())

    def interrupted(self, error: HttpError) -> CallError:
        failure = Failure(error.fault, error.message)
        if error.phase is not Phase.STREAM:
            return CallError(failure, error.phase)
        return self.failed(failure)
