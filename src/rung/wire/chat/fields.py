"""The top-level fields of OpenAI's request bodies: how each is read, and which are refused.

What is common to Chat Completions and the older Completions. Nothing here knows of messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rung.core.errors import RequestError
from rung.core.types import MOST_CHOICES, Sampling
from rung.wire.front import Arrival
from rung.wire.jsontext import Field, JsonError, fields

MAX_STOPS = 128
MAX_MODEL_CHARACTERS = 256
MAX_EFFORT_CHARACTERS = 32
MAX_SESSION_CHARACTERS = 256
MAX_EXTRAS = 64
MAX_EXTRA_CHARACTERS = 64

ROUTING_FIELDS = frozenset({"api_base", "api_key", "base_url", "extra_headers", "user_config"})
"""Fields by which a caller could steer some gateways to another host or key (CVE-2024-6587). No
provider documents them for this endpoint, and a gateway behind rung might obey them: refused."""

BOOKKEEPING = frozenset(
    {
        "metadata",
        "user",
        "store",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "service_tier",
        "safety_identifier",
        "stream_options",
    }
)
"""Fields whose absence no answer shows."""

_SESSION_HEADERS = ("x-session-id", "x-session-affinity")
_EMPTY = frozenset({b"null", b"{}", b"[]"})
_ODD = re.compile(r"[^A-Za-z0-9_.-]")


class StreamOptions(msgspec.Struct):
    """What a caller wants of a stream beside the answer."""

    include_usage: bool | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How one top-level field is read, and what it has to be in words."""

    decoder: msgspec.json.Decoder[Any]
    what: str


def rule(kind: Any, what: str) -> Rule:
    """A rule for values of a type."""
    return Rule(msgspec.json.Decoder(kind), what)


def between(kind: type, low: float, high: float) -> Any:
    """A number in a range, or null."""
    return Annotated[kind, msgspec.Meta(ge=low, le=high)] | None


FLAG = rule(bool | None, "true or false")
_TOKENS = rule(between(int, 0, 2**31 - 1), "an integer from 0 to 2147483647")
_PENALTY = rule(between(float, -2, 2), "a number from -2 to 2")
_STOPS = Annotated[list[str], msgspec.Meta(max_length=MAX_STOPS)]
RULES: Mapping[str, Rule] = {
    "model": rule(str | None, "a string"),
    "stream": FLAG,
    "stream_options": rule(StreamOptions | None, "an object"),
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "temperature": rule(between(float, 0, 2), "a number from 0 to 2"),
    "top_p": rule(between(float, 0, 1), "a number from 0 to 1"),
    "top_k": rule(between(int, -1, 2**31 - 1), "an integer from -1 to 2147483647"),
    "seed": rule(between(int, -(2**63), 2**63 - 1), "a 64-bit integer"),
    "stop": rule(str | _STOPS | None, f"a string or a list of at most {MAX_STOPS} strings"),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "n": rule(between(int, 1, MOST_CHOICES), f"an integer from 1 to {MOST_CHOICES}"),
}


def located(body: bytes) -> dict[str, Field]:
    """The fields of a body. Raises RequestError for no object, and for what steers gateways."""
    try:
        found = fields(body)
    except JsonError as error:
        raise RequestError(f"{error.message}.", param=error.field) from None
    for name in sorted(ROUTING_FIELDS & found.keys()):
        raise RequestError(
            f"'{name}' is refused: a request cannot choose where it is sent or with which key.",
            param=name,
            fix="set the address and the key of the tier in rung.toml.",
        )
    return found


def read(found: Mapping[str, Field], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The values of the fields that have a rule. Raises RequestError, naming the field."""
    values: dict[str, Any] = {}
    for name, field in found.items():
        known = rules.get(name)
        if known is None:
            continue
        try:
            values[name] = known.decoder.decode(field.value)
        except (msgspec.DecodeError, RecursionError):
            raise RequestError(f"'{name}' must be {known.what}.", param=name) from None
    return values


def model_name(name: str | None) -> str:
    """The model asked for; a name that none can have is not found."""
    name = name or ""
    if len(name) > MAX_MODEL_CHARACTERS or not name.isprintable():
        raise RequestError(
            "There is no model of that name.", status=404, param="model", code="model_not_found"
        )
    return name


def sampling(values: Mapping[str, Any]) -> Sampling:
    """How the answer is to be drawn. Limits of 0 (SDK examples send it) are no limits."""
    stop = values.get("stop") or ()
    top_k = values.get("top_k") or 0
    newer = values.get("max_completion_tokens")
    return Sampling(
        max_tokens=(values.get("max_tokens") if newer is None else newer) or None,
        temperature=values.get("temperature"),
        top_p=values.get("top_p"),
        top_k=top_k if top_k > 0 else None,
        seed=values.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        frequency_penalty=values.get("frequency_penalty"),
        presence_penalty=values.get("presence_penalty"),
    )


def streaming(values: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the caller wants a stream, and its usage at the end of it."""
    streams = bool(values.get("stream"))
    options = values.get("stream_options")
    return streams, streams and options is not None and bool(options.include_usage)


def extras(found: Mapping[str, Field], known: frozenset[str]) -> tuple[str, ...]:
    """The names of fields that mean something to this dialect alone, fit for a log or a header."""
    unknown = found.keys() - known
    if not unknown:
        return ()
    told = {name for name in unknown if found[name].value not in _EMPTY}
    return tuple(sorted({_ODD.sub("_", name[:MAX_EXTRA_CHARACTERS]) for name in told}))[:MAX_EXTRAS]


def session(arrival: Arrival) -> str:
    """The client's own name for the conversation, from the headers that clients send it in."""
    for header in _SESSION_HEADERS:
        if name := arrival.headers.get(header):
            return name[:MAX_SESSION_CHARACTERS]
    return ""
