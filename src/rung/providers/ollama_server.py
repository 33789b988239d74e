"""The questions one can ask an Ollama server about one model, with its complaints as errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rung.core.addresses import without_login
from rung.core.types import Failure, Fault, Phase
from rung.providers.base import CallError
from rung.providers.faults import BY_HUNDRED, BY_STATUS, clean
from rung.providers.http import HttpClient, HttpError
from rung.wire import ollama as wire
from rung.wire.ollama import server as about

LOOK_SECONDS = 2.0
"""How long a question about the server itself may take."""

HEADERS = {"content-type": "application/json"}
NO_MORE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Complaint:
    """What went wrong, and what would mend it where that is known."""

    fault: Fault
    message: str
    fix: str | None = None
    status: int | None = None

    @property
    def failure(self) -> Failure:
        """Both in one message."""
        told = self.message if self.fix is None else f"{self.message}. Fix: {self.fix}"
        return Failure(self.fault, told, self.status)


class OllamaError(CallError):
    """A call that the server did not serve."""

    def __init__(self, complaint: Complaint, phase: Phase) -> None:
        super().__init__(complaint.failure, phase)
        self.complaint = complaint


class OllamaServer:
    """One model at one server."""

    def __init__(self, http: HttpClient, base_url: str, model: str, keep_alive: str) -> None:
        self.http = http
        # Many name the OpenAI-compatible path, which is not the one that is spoken here.
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self.place = without_login(self.base_url)
        self.model = model
        self.keep_alive = keep_alive

    async def loaded(self) -> about.Loaded | None:
        """The model as it is in memory, if it is. Raises CallError or OllamaWireError."""
        return about.decode_loaded(await self.ask("/api/ps")).get(about.full_name(self.model))

    async def shown(self) -> about.Shown:
        """What is known of the model; nothing where the server does not tell."""
        try:
            return about.decode_show(await self.ask("/api/show", wire.encode_model(self.model)))
        except wire.OllamaWireError:
            return about.Shown()
        except CallError as error:
            if error.failure.fault in {Fault.CONNECT, Fault.NOT_FOUND}:
                raise
            return about.Shown()

    async def installed(self) -> tuple[str, ...]:
        """The names of the models it has; none where it does not tell."""
        try:
            return about.decode_tags(await self.ask("/api/tags"))
        except (CallError, wire.OllamaWireError):
            return ()

    async def version(self) -> str:
        """Its version, "" where it does not tell. Raises CallError if nothing answers."""
        try:
            return about.decode_version(await self.ask("/api/version"))
        except wire.OllamaWireError:
            return ""

    async def load(self, context_tokens: int, timeout_seconds: float) -> None:
        """Have the model loaded with that window. Raises CallError in the phase LOAD."""
        options = wire.ChatOptions(context_tokens, self.keep_alive)
        try:
            await self.ask("/api/chat", wire.encode_load(self.model, options), timeout_seconds)
        except CallError as error:
            failure = error.failure
            if failure.fault is Fault.TIMEOUT:
                message = f"{self.model} was not loaded within {timeout_seconds:g} s"
                failure = Failure(Fault.TIMEOUT, message)
            raise CallError(failure, Phase.LOAD) from None

    async def ask(
        self,
        path: str,
        body: bytes | None = None,
        timeout_seconds: float = LOOK_SECONDS,
        more: Mapping[str, str] = NO_MORE,
    ) -> bytes:
        """What ``path`` answers, to a POST where there is a ``body``. Raises OllamaError.

        ``more`` are further headers of a POST.
        """
        url = self.base_url + path
        try:
            if body is None:
                response = await self.http.get(url, {}, timeout_seconds=timeout_seconds)
            else:
                told = {**HEADERS, **more}
                response = await self.http.post(url, told, body, timeout_seconds=timeout_seconds)
        except HttpError as error:
            raise self.unreached(error) from None
        if response.status != 200:
            said = about.decode_error(response.body)
            raise OllamaError(self.complaint(said, response.status), Phase.HEADERS)
        return response.body

    def unreached(self, error: HttpError) -> OllamaError:
        """A call that HTTP itself could not carry out."""
        nobody = error.fault is Fault.CONNECT and error.phase is Phase.CONNECT
        fix = "start Ollama with `ollama serve`" if nobody else None
        return OllamaError(Complaint(error.fault, error.message, fix), error.phase)

    def complaint(self, said: str, status: int | None = None) -> Complaint:
        """What Ollama's own words mean, with the fix where there is one."""
        fault = about.fault_of(said, status) or _by_status(status)
        words = clean(said, None) or f"HTTP {status}"
        if fault is Fault.NOT_FOUND and "model" not in words:
            words = f"{self.place} is not Ollama: {words}"
            return Complaint(fault, words, "correct the tier's base_url", status)
        return Complaint(fault, f"Ollama: {words}", FIXES.get(fault), status)

    async def missing(self, failure: Failure) -> Failure:
        """``failure`` with what is installed and what to do, if it is that the model is not."""
        if failure.fault is not Fault.NOT_FOUND or not failure.message.startswith("Ollama: "):
            return failure
        found = await self.installed()
        told = f"installed: {', '.join(found[:10])}" if found else "no model is"
        message = f"{self.model} is not installed at {self.place} ({clean(told, None)})"
        fix = f"`ollama pull {self.model}`"
        return Complaint(failure.fault, message, fix, failure.status).failure


FIXES = {
    Fault.CONTEXT_TOO_LONG: (
        "raise the tier's context_tokens, as far as model and memory go, "
        "or put a tier with a longer context above it"
    ),
    Fault.UNAVAILABLE: "lower the tier's context_tokens, or take a smaller model",
}


def _by_status(status: int | None) -> Fault:
    if status is None:
        return Fault.SERVER_ERROR
    return BY_STATUS.get(status) or BY_HUNDRED.get(status // 100, Fault.INVALID_RESPONSE)
