"""The way to one model at one HTTP endpoint: where requests go, with which key, what failures mean.

Where and with which key is decided here alone: nothing in a request's body can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from rung.core.addresses import without_login
from rung.core.types import Answer, Failure, Fault, Phase
from rung.providers.base import CallError, Health
from rung.providers.faults import clean, error_failure, status_failure
from rung.providers.http import HttpClient, HttpError, HttpResponse, HttpStream
from rung.wire.quirks import Quirks

HEALTH_TIMEOUT_SECONDS = 5.0

LEAST_KEY = 16
"""Characters of a key that is cut out of answers. A shorter one may be a word of theirs."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one model is served.

    ``base_url`` ends before the dialect's own path (``/chat/completions``). ``key_name`` is where
    the operator keeps the key, to be named in advice; the key itself is in no message. ``quirks``
    are the server's, whatever the model. ``caches``: the provider is to keep prompts where it has
    to be told to.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    key_name: str | None = None
    quirks: Quirks = field(default_factory=Quirks)
    caches: bool = True


def utc_now() -> datetime:
    """The wall clock, for dates in headers."""
    return datetime.now(UTC)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Line:
    """Calls to one endpoint. ``headers`` are sent with each, the key among them."""

    def __init__(
        self,
        http: HttpClient,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.model = endpoint.model
        self.caches = endpoint.caches
        self._http = http
        self._base_url = endpoint.base_url.rstrip("/")
        self._place = without_login(self._base_url)
        self._secret = endpoint.api_key
        key = endpoint.api_key or ""
        self._echo = key.encode() if len(key) >= LEAST_KEY else b""
        self._key_name = endpoint.key_name
        self._headers = {"content-type": "application/json", "user-agent": "rung", **headers}
        self._now = now

    # -------------------------------------------------------------- calls

    async def post(
        self, path: str, body: bytes, *, timeout_seconds: float, headers: Mapping[str, str]
    ) -> bytes:
        """The whole body that comes back. Raises CallError for any status but 200."""
        try:
            got = await self._http.post(
                self._base_url + path,
                {**self._headers, **headers},
                body,
                timeout_seconds=timeout_seconds,
            )
        except HttpError as error:
            fault = Fault.INVALID_RESPONSE if error.fault is Fault.CUT_STREAM else error.fault
            raise CallError(Failure(fault, error.message), error.phase) from None
        return self.accepted(got)

    def stream(
        self, path: str, body: bytes, *, timeout_seconds: float, headers: Mapping[str, str]
    ) -> HttpStream:
        """The answer as it comes, inside of ``async with``. Raises HttpError."""
        return self._http.stream(
            self._base_url + path,
            {**self._headers, **headers},
            body,
            timeout_seconds=timeout_seconds,
        )

    def accepted(self, got: HttpResponse) -> bytes:
        """The body of an answer with status 200. Raises CallError for any other."""
        if got.status != 200:
            raise CallError(self._refusal(got), Phase.HEADERS)
        return self.discreet(got.body)

    def discreet(self, data: bytes) -> bytes:
        """What came without the key: some servers echo headers, and callers get these bytes."""
        return data.replace(self._echo, b"[key]") if self._echo and self._echo in data else data

    # -------------------------------------------------------------- what failures mean

    def _refusal(self, got: HttpResponse) -> Failure:
        return status_failure(
            got.status, got.headers, got.body, secret=self._secret, now=self._now()
        )

    def failure(self, error: Any) -> Failure:
        """What an error object inside of an answer means."""
        return error_failure(error, secret=self._secret)

    def named(self, answer: Answer) -> Answer:
        """The answer with no key in its model's name: that goes into headers and the ledger."""
        if self._secret is None or self._secret not in answer.model:
            return answer
        return replace(answer, model=clean(answer.model, self._secret))

    # -------------------------------------------------------------- health

    async def health(self, query: str = "") -> Health:
        """Ask for the list of models, which costs nothing."""
        try:
            answer = await self._get(f"/models{query}")
        except HttpError as error:
            return Health(ok=False, message=error.message, fix=self._fix(error.fault))
        if answer.status != 200:
            failure = self._refusal(answer)
            return Health(ok=False, message=failure.message, fix=self._fix(failure.fault))
        return self._listed(answer.body)

    async def knows(self, path: str) -> bool:
        """Whether a GET of ``path`` is answered with status 200."""
        try:
            return (await self._get(path)).status == 200
        except HttpError:
            return False

    async def _get(self, path: str) -> HttpResponse:
        return await self._http.get(
            self._base_url + path, self._headers, timeout_seconds=HEALTH_TIMEOUT_SECONDS
        )

    def _listed(self, body: bytes) -> Health:
        try:
            listed = msgspec.json.decode(body, type=_Models)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Health(
                ok=False,
                message=f"{self._place}/models answers, but not with a list of models",
                fix="check that base_url names an endpoint of this dialect; most end in /v1.",
            )
        names = tuple(sorted(model.id for model in listed.data))
        if not self.model or self.model in names:
            return self.serving(names)
        return Health(
            ok=False,
            message=f"{self._place} does not list {self.model}",
            fix=f"name one that it lists: {', '.join(names[:8]) or 'it lists none'}.",
            models=names,
        )

    def serving(self, names: tuple[str, ...]) -> Health:
        """The model is there, among ``names``."""
        return Health(ok=True, message=f"{self._place} serves {self.model}", models=names)

    def _fix(self, fault: Fault) -> str:
        key = self._key_name or "the key"
        match fault:
            case Fault.CONNECT | Fault.TIMEOUT:
                return f"start the server, or correct base_url ({self._place})."
            case Fault.AUTH if self._secret is None:
                return f"set {key}: the endpoint wants a key and none is set."
            case Fault.AUTH:
                return f"the key in {key} was refused: put in a valid one."
            case Fault.BILLING:
                return "add credit to the provider's account, or raise its limit."
            case Fault.NOT_FOUND:
                return f"check base_url ({self._place}); most end in /v1."
            case _:
                return "try again; if it stays, look at the provider's status page or log."
