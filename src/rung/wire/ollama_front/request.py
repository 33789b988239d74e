"""Ollama's native dialect as callers speak it, requests: the caller's bytes to a `Request`.

The dialect: https://docs.ollama.com/api/chat and ``ChatRequest`` in ``api/types.go`` of
github.com/ollama/ollama.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import Tool
from rung.core.types import Need, Request, Sampling, SchemaRequest
from rung.wire.chat import fields as chat_fields
from rung.wire.chat.fields import FLAG, MAX_STOPS, Rule, between, rule
from rung.wire.chat.schema import outside_reference
from rung.wire.chat.tools import MAX_NAME_CHARACTERS, MAX_TOOLS
from rung.wire.front import Arrival
from rung.wire.jsontext import Field, JsonError, locate
from rung.wire.ollama_front.turns import DIALECT, messages, misshapen

THINK: Mapping[bool | str, str] = {
    False: "none",
    True: "medium",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
}
"""Ollama's words for how hard to think, as efforts. To think, no more said, is a medium one."""

HARMLESS_OPTIONS = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "numa"}
    | {"low_vram", "f16_kv", "logits_all", "vocab_only", "use_mmap", "use_mlock"}
    | {"embedding_only"}
)
"""How a server is to run the model. Tiers have their own windows and settings."""

_OPTION = "options."
_COUNT = rule(between(float, -(2**31), 2**31 - 1), "a 32-bit integer")
_PENALTY = rule(between(float, -2, 2), "a number from -2 to 2")
_STOPS = Annotated[list[str], msgspec.Meta(max_length=MAX_STOPS)]
_RULES: Mapping[str, Rule] = {
    "model": rule(str | None, "a string"),
    "stream": FLAG,
    "think": rule(bool | str | None, "true, false or a word"),
    "logprobs": FLAG,
    "top_logprobs": rule(between(int, 0, 20), "an integer from 0 to 20"),
    # As Ollama does, integers are read from whatever number there is.
    "options.num_predict": _COUNT,
    "options.temperature": rule(between(float, 0, 2), "a number from 0 to 2"),
    "options.top_p": rule(between(float, 0, 1), "a number from 0 to 1"),
    "options.top_k": _COUNT,
    "options.seed": rule(between(float, -(2**62), 2**62), "a 63-bit integer"),
    "options.stop": rule(str | _STOPS | None, f"a list of at most {MAX_STOPS} strings"),
    "options.frequency_penalty": _PENALTY,
    "options.presence_penalty": _PENALTY,
}
_KNOWN = (
    frozenset(_RULES)
    | {"messages", "tools", "format", "options", "keep_alive", "truncate", "shift"}
    | {_OPTION + name for name in HARMLESS_OPTIONS}
)

_LATEST = re.compile(r"(?<!^tier):latest$")
"""The tag that a model's name has where it has none: clients add it and leave it out."""

_AT_ONCE = re.compile(rb'0(?:\.0*)?|"0(?:\.0*)?[a-z]{0,2}"')
"""A ``keep_alive`` of nothing: a number of seconds, or a duration ("0s")."""

_LEADING_OUT = re.compile(rb'[rR]ef"\s*:\s*"[^#"]')
_NO_PARAMETERS = frozenset({b"", b"null"})


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"")


class _Tool(msgspec.Struct):
    function: _Function


_TOOLS: msgspec.json.Decoder[list[_Tool] | None] = msgspec.json.Decoder(list[_Tool] | None)


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. One without messages asks for nothing but that the model be loaded.

    Raises RequestError, naming the field in ``param``; never anything else, whatever the bytes.
    """
    found = chat_fields.located(body)
    found |= _options(found)
    values = chat_fields.read(found, _RULES)
    told, needs = messages(found["messages"].value) if "messages" in found else ((), set[Need]())
    tools = _tools(found)
    if tools:
        needs.add(Need.TOOLS)
    if values.get("logprobs"):
        needs.add(Need.LOGPROBS)
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=told,
        model=chat_fields.model_name(_LATEST.sub("", values.get("model") or "")),
        sampling=_sampling(values),
        schema=_schema(found),
        tools=tools,
        effort=_effort(values.get("think")),
        needs=frozenset(needs),
        extras=_extras(found, values),
        stream=values.get("stream") is not False,
        body=body,
        session=chat_fields.session(arrival),
        directions=arrival.directions,
    )


def unloads(request: Request) -> bool:
    """Whether a request without messages asks that the model be put away, not loaded."""
    found = chat_fields.located(request.body)
    return "keep_alive" in found and _AT_ONCE.fullmatch(found["keep_alive"].value) is not None


def model_of(body: bytes) -> str:
    """The model that ``/api/show`` is asked about. Raises RequestError where none is named."""
    found = chat_fields.located(body)
    # The older clients call it "name".
    values = chat_fields.read(found, dict.fromkeys(("model", "name"), _RULES["model"]))
    asked = values.get("model") or values.get("name") or ""
    if not asked:
        raise RequestError("'model' is missing.", param="model")
    return chat_fields.model_name(_LATEST.sub("", asked))


# ------------------------------------------------------------------ options


def _options(found: Mapping[str, Field]) -> dict[str, Field]:
    """The fields of ``options`` under the names that errors call them by ("options.seed")."""
    if "options" not in found or found["options"].value == b"null":
        return {}
    try:
        inner = locate(found["options"].value)
    except JsonError:
        raise RequestError(
            "'options' must be an object without repeated names.", param="options"
        ) from None
    return {_OPTION + name: field for name, field in inner.items()}


def _sampling(values: Mapping[str, Any]) -> Sampling:
    told = {name.removeprefix(_OPTION): value for name, value in values.items()}
    limit, top_k, seed = (int(told.get(name) or 0) for name in ("num_predict", "top_k", "seed"))
    stop = told.get("stop") or ()
    return Sampling(
        # Below 1 is "without end", or "until the window is full".
        max_tokens=limit if limit > 0 else None,
        temperature=told.get("temperature"),
        top_p=told.get("top_p"),
        top_k=top_k if top_k > 0 else None,
        # For a negative one Ollama draws its own.
        seed=None if told.get("seed") is None or seed < 0 else seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        frequency_penalty=told.get("frequency_penalty"),
        presence_penalty=told.get("presence_penalty"),
    )


def _extras(found: Mapping[str, Field], values: Mapping[str, Any]) -> tuple[str, ...]:
    """What has no place in other dialects, options by their own names."""
    more = {name.removeprefix(_OPTION) for name in chat_fields.extras(found, _KNOWN)}
    if values.get("logprobs"):
        # Answers hold bare numbers, without the tokens that this dialect tells them of.
        more.add("logprobs")
    return tuple(sorted(more))


def _effort(think: bool | str | None) -> str | None:
    if think is None or think == "":
        return None
    if think not in THINK:
        words = ", ".join(word for word in THINK if isinstance(word, str))
        raise RequestError(f"'think' must be true, false or one of {words}.", param="think")
    return THINK[think]


# ------------------------------------------------------------------ the answer's shape


def _schema(found: Mapping[str, Field]) -> SchemaRequest | None:
    value = found["format"].value if "format" in found else b"null"
    try:
        told = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'format' cannot be read.", param="format") from None
    if told is None or told == "":
        return None
    if told == "json":
        return SchemaRequest(None)
    if not isinstance(told, dict):
        raise RequestError("'format' must be \"json\" or a JSON Schema.", param="format")
    _refuse_outside_references("format", told)
    return SchemaRequest(told)


def _tools(found: Mapping[str, Field]) -> tuple[Tool, ...]:
    value = found["tools"].value if "tools" in found else b"null"
    try:
        told = _TOOLS.decode(value) or []
        if _LEADING_OUT.search(value):
            _refuse_outside_references("tools", msgspec.json.decode(value))
    except msgspec.ValidationError as error:
        raise misshapen("tools", str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'tools' cannot be read.", param="tools") from None
    if len(told) > MAX_TOOLS:
        raise RequestError(f"'tools' must be a list of at most {MAX_TOOLS} tools.", param="tools")
    return tuple(_tool(one.function, f"tools[{i}].function") for i, one in enumerate(told))


def _tool(told: _Function, place: str) -> Tool:
    parameters = bytes(told.parameters)
    if parameters in _NO_PARAMETERS:
        parameters = b""
    elif not parameters.startswith(b"{"):
        raise RequestError(f"'{place}.parameters' must be an object.", param=f"{place}.parameters")
    if not 0 < len(told.name) <= MAX_NAME_CHARACTERS:
        raise RequestError(
            f"'{place}.name' must have 1 to {MAX_NAME_CHARACTERS} characters.",
            param=f"{place}.name",
        )
    return Tool(told.name, told.description or "", parameters)


def _refuse_outside_references(name: str, told: Any) -> None:
    if outside_reference(told) is not None:
        raise RequestError(
            f"'{name}' refers to a schema outside of the request, which is never fetched.",
            param=name,
        )
