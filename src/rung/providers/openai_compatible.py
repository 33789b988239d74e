"""A model behind an OpenAI-compatible endpoint: OpenAI, OpenRouter, vLLM, llama.cpp, LM Studio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rung.core.types import Answer, Failure, Fault, Phase
from rung.providers.base import Ask, CallError, Delta, Done, Event, Health
from rung.providers.faults import clean, error_failure, status_failure
from rung.providers.http import HttpClient, HttpError, HttpResponse, HttpStream
from rung.wire import chat, sse

HEALTH_TIMEOUT_SECONDS = 5.0

DRAIN_SECONDS = 0.05
"""How long the end of a stream may come after ``[DONE]`` for its connection to be kept."""

LIMIT_FIELDS: Mapping[str, str] = {"api.openai.com": "max_completion_tokens"}
"""Hosts that refuse ``max_tokens`` for their newer models, with their name for it."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one model is served.

    ``base_url`` ends before ``/chat/completions``. ``key_name`` is where the operator keeps the
    key, to be named in advice; the key itself is in no message.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    key_name: str | None = None


class OpenAICompatible:
    """One model at one endpoint.

    Where requests go and with which key is decided here alone: nothing in a request's body can.
    """

    dialect = chat.DIALECT

    def __init__(
        self, http: HttpClient, endpoint: Endpoint, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._http = http
        self._base_url = endpoint.base_url.rstrip("/")
        self._model = endpoint.model
        self._secret = endpoint.api_key
        self._key_name = endpoint.key_name
        self._now = now
        host = urlsplit(endpoint.base_url).hostname or ""
        self._limit_field = LIMIT_FIELDS.get(host, "max_tokens")
        self._headers = {"content-type": "application/json", "user-agent": "rung"}
        if endpoint.api_key:
            self._headers["authorization"] = f"Bearer {endpoint.api_key}"

    async def call(self, ask: Ask) -> AsyncIterator[Event]:
        """Answer ``ask``, within its time from the connection to the last byte.

        A plain answer keeps the provider's bytes. A stream's first event comes when the model has
        said something, never for a role alone: until then another tier can still take over unseen.
        Deltas carry the provider's payloads, but for ``[DONE]`` and, where the caller did not ask
        for it, the usage chunk.
        """
        body = self._body(ask)
        if not ask.stream:
            yield await self._plain(body, ask)
            return
        reading = _Reading(hide_usage=not ask.request.stream_usage)
        try:
            url = f"{self._base_url}/chat/completions"
            async with (
                self._http.stream(
                    url, self._headers, body, timeout_seconds=ask.timeout_seconds
                ) as stream,
                aclosing(self._events(stream, reading)) as events,
            ):
                async for event in events:
                    yield event
        except HttpError as error:
            if not reading.chat.complete:
                raise reading.interrupted(error) from None
            yield self._done(reading)

    async def health(self) -> Health:
        """Ask for the list of models, which costs nothing."""
        try:
            answer = await self._http.get(
                f"{self._base_url}/models", self._headers, timeout_seconds=HEALTH_TIMEOUT_SECONDS
            )
        except HttpError as error:
            return Health(ok=False, message=error.message, fix=self._fix(error.fault))
        if answer.status != 200:
            failure = self._refusal(answer)
            return Health(ok=False, message=failure.message, fix=self._fix(failure.fault))
        return self._listed(answer.body)

    async def warm(self) -> None:
        """Nothing to load: the endpoint loads its models itself."""

    async def close(self) -> None:
        """The HTTP client is shared; whoever made it closes it."""

    # -------------------------------------------------------------- what is sent

    def _body(self, ask: Ask) -> bytes:
        request = ask.request
        own = len(request.messages)
        ours = request.dialect == chat.DIALECT and bool(request.body)
        if not ours or ask.messages[:own] != request.messages:
            sampling = request.sampling
            if ask.temperature is not None:
                sampling = replace(sampling, temperature=ask.temperature)
            if ask.seed is not None:
                sampling = replace(sampling, seed=ask.seed)
            return chat.encode_request(
                ask.messages,
                model=self._model,
                sampling=sampling,
                schema=ask.schema,
                stream=ask.stream,
                limit_field=self._limit_field,
            )
        return chat.with_changes(
            request.body,
            chat.Changes(
                model=self._model,
                stream=ask.stream if ask.stream is not request.stream else None,
                usage=ask.stream,
                appended=() if ask.as_it_came else ask.messages[own:],
                schema=ask.schema if request.schema is None else None,
                temperature=ask.temperature,
                seed=ask.seed,
            ),
        )

    # -------------------------------------------------------------- what comes back

    async def _plain(self, body: bytes, ask: Ask) -> Done:
        url = f"{self._base_url}/chat/completions"
        try:
            got = await self._http.post(
                url, self._headers, body, timeout_seconds=ask.timeout_seconds
            )
        except HttpError as error:
            fault = Fault.INVALID_RESPONSE if error.fault is Fault.CUT_STREAM else error.fault
            raise CallError(Failure(fault, error.message), error.phase) from None
        return self._answered(got)

    def _answered(self, got: HttpResponse) -> Done:
        if got.status != 200:
            raise CallError(self._refusal(got), Phase.HEADERS)
        try:
            answer, usage = chat.decode_answer(got.body)
        except chat.UpstreamFaultError as fault:
            raise CallError(self._error(fault.error), Phase.FIRST_TOKEN) from None
        except chat.WireError as error:
            raise CallError(_invalid(error), Phase.FIRST_TOKEN) from None
        return Done(self._named(answer), usage)

    def _done(self, reading: _Reading) -> Done:
        return Done(self._named(reading.chat.answer()), reading.chat.usage())

    def _named(self, answer: Answer) -> Answer:
        """The answer with no key in its model's name: that goes into headers and the ledger."""
        if self._secret is None or self._secret not in answer.model:
            return answer
        return replace(answer, model=clean(answer.model, self._secret))

    async def _events(self, stream: HttpStream, reading: _Reading) -> AsyncGenerator[Event, None]:
        if stream.status != 200 or "json" in stream.headers.get("content-type", ""):
            # Some servers answer plainly although a stream was asked for.
            yield self._answered(HttpResponse(stream.status, stream.headers, await stream.read()))
            return
        try:
            async with aclosing(_deltas(stream, reading)) as deltas:
                async for delta in deltas:
                    yield delta
        except chat.UpstreamFaultError as fault:
            raise reading.failed(self._error(fault.error)) from None
        except chat.WireError as error:
            raise reading.failed(_invalid(error)) from None
        if not reading.chat.complete:
            cut = Failure(Fault.CUT_STREAM, "the provider's stream ended before its answer did")
            raise reading.failed(cut)
        yield self._done(reading)

    def _refusal(self, got: HttpResponse) -> Failure:
        return status_failure(
            got.status, got.headers, got.body, secret=self._secret, now=self._now()
        )

    def _error(self, error: Any) -> Failure:
        return error_failure(error, secret=self._secret)

    # -------------------------------------------------------------- health

    def _listed(self, body: bytes) -> Health:
        try:
            listed = msgspec.json.decode(body, type=_Models)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Health(
                ok=False,
                message=f"{self._base_url}/models answers, but not with a list of models",
                fix="check that base_url names an OpenAI-compatible endpoint; most end in /v1.",
            )
        names = tuple(sorted(model.id for model in listed.data))
        if not self._model or self._model in names:
            return Health(ok=True, message=f"{self._base_url} serves {self._model}", models=names)
        return Health(
            ok=False,
            message=f"{self._base_url} does not list {self._model}",
            fix=f"name one that it lists: {', '.join(names[:8]) or 'it lists none'}.",
            models=names,
        )

    def _fix(self, fault: Fault) -> str:
        key = self._key_name or "the key"
        match fault:
            case Fault.CONNECT | Fault.TIMEOUT:
                return f"start the server, or correct base_url ({self._base_url})."
            case Fault.AUTH if self._secret is None:
                return f"set {key}: the endpoint wants a key and none is set."
            case Fault.AUTH:
                return f"the key in {key} was refused: put in a valid one."
            case Fault.BILLING:
                return "add credit to the provider's account, or raise its limit."
            case Fault.NOT_FOUND:
                return f"check base_url ({self._base_url}); most end in /v1."
            case _:
                return "try again; if it stays, look at the provider's status page or log."


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


async def _deltas(stream: HttpStream, reading: _Reading) -> AsyncGenerator[Delta, None]:
    parser = sse.Parser()
    async with aclosing(stream.chunks()) as chunks:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                for delta in reading.take(event.data):
                    yield delta
            if reading.chat.done:
                break
    await stream.drain(DRAIN_SECONDS)


def _invalid(error: chat.WireError) -> Failure:
    return Failure(Fault.INVALID_RESPONSE, f"the provider's answer is invalid: {error}")


@dataclass(slots=True)
class _Reading:
    """One stream being read: what has come, and the deltas held until something real is there."""

    hide_usage: bool
    chat: chat.ChatStream = field(default_factory=chat.ChatStream)
    held: list[Delta] = field(default_factory=list)
    begun: bool = False

    def take(self, data: bytes) -> list[Delta]:
        """The deltas that one event sets free."""
        grown = self.chat.feed(data)
        if data == chat.DONE or (grown.bookkeeping and self.hide_usage):
            return []
        self.held.append(Delta(grown.text, data, chat.DIALECT))
        self.begun = self.begun or grown.real
        return self.rest() if self.begun else []

    def rest(self) -> list[Delta]:
        """All that is still held."""
        free, self.held = self.held, []
        return free

    @property
    def phase(self) -> Phase:
        return Phase.STREAM if self.begun else Phase.FIRST_TOKEN

    def failed(self, failure: Failure) -> CallError:
        return CallError(failure, self.phase, usage=self.chat.usage())

    def interrupted(self, error: HttpError) -> CallError:
        failure = Failure(error.fault, error.message)
        if error.phase is not Phase.STREAM:
            return CallError(failure, error.phase)
        return self.failed(failure)
