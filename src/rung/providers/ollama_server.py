"""The questions one can ask an Ollama server about one model, with its complaints as CallErrors."""

from __future__ import annotations

from rung.core.types import Failure, Fault, Phase
from rung.providers.base import CallError
from rung.providers.http import HttpClient, HttpError
from rung.wire import ollama as wire
from rung.wire import ollama_server as about

LOOK_SECONDS = 2.0
"""How long a question about the server itself may take."""

HEADERS = {"content-type": "application/json"}


class OllamaServer:
    """One model at one server."""

    def __init__(self, http: HttpClient, base_url: str, model: str, keep_alive: str) -> None:
        self.http = http
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.keep_alive = keep_alive

    async def loaded(self) -> about.Loaded | None:
        """The model as it is in memory; ``None`` if it is not, or the server does not tell."""
        try:
            return about.decode_loaded(await self.ask("/api/ps")).get(about.full_name(self.model))
        except wire.OllamaWireError:
            return None
        except CallError as error:
            if error.failure.fault is Fault.CONNECT:
                raise
            return None

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
        options = wire.ChatOptions(self.model, context_tokens, self.keep_alive)
        try:
            await self.ask("/api/chat", wire.encode_load(options), timeout_seconds)
        except CallError as error:
            failure = error.failure
            if failure.fault is Fault.TIMEOUT:
                message = f"{self.model} was not loaded within {timeout_seconds:g} s"
                failure = Failure(Fault.TIMEOUT, message)
            raise CallError(failure, Phase.LOAD) from None

    async def ask(
        self, path: str, body: bytes | None = None, timeout_seconds: float = LOOK_SECONDS
    ) -> bytes:
        """What ``path`` answers, to a POST where there is a ``body``. Raises CallError."""
        url = self.base_url + path
        try:
            if body is None:
                response = await self.http.get(url, {}, timeout_seconds=timeout_seconds)
            else:
                response = await self.http.post(
                    url, HEADERS, body, timeout_seconds=timeout_seconds
                )
        except HttpError as error:
            raise self.unreached(error) from None
        if response.status != 200:
            raise CallError(self.complaint(response.status, response.body), Phase.HEADERS)
        return response.body

    def unreached(self, error: HttpError) -> CallError:
        """A call that HTTP itself could not carry out."""
        if error.fault is not Fault.CONNECT:
            return CallError(Failure(error.fault, error.message), error.phase)
        message = f"nothing listens at {self.base_url}. Fix: start it with `ollama serve`"
        return CallError(Failure(Fault.CONNECT, message), Phase.CONNECT)

    def complaint(self, status: int, body: bytes) -> Failure:
        """What an error answer means, with the fix where there is one."""
        said = about.decode_error(body) or f"HTTP {status}"
        fault = about.fault_of(said, status) or _BY_STATUS.get(status, Fault.SERVER_ERROR)
        return Failure(fault, f"Ollama: {said}{self.fix(fault)}", status)

    def fix(self, fault: Fault) -> str:
        """What mends ``fault``, as the end of a message; "" if nothing does."""
        if fault is Fault.NOT_FOUND:
            return f". Fix: `ollama pull {self.model}`"
        if fault is Fault.CONTEXT_TOO_LONG:
            return (
                ". Fix: raise the tier's context_tokens, as far as the model and the memory go, "
                "or let a tier with a longer context follow it"
            )
        if fault is Fault.UNAVAILABLE:
            return ". Fix: lower the tier's context_tokens, or take a smaller model"
        return ""


_BY_STATUS = {
    400: Fault.REJECTED,
    401: Fault.AUTH,
    403: Fault.AUTH,
    408: Fault.TIMEOUT,
    413: Fault.CONTEXT_TOO_LONG,
    429: Fault.RATE_LIMITED,
    502: Fault.OVERLOADED,
    503: Fault.OVERLOADED,
}
