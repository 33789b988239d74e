"""Anthropic Messages, requests on their way out: a new body for what came from elsewhere.

`rung.wire.messages.forward` is for bodies that came in this dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rung.core.parts import Choice, Tool
from rung.core.types import Sampling, SchemaRequest
from rung.wire import ids
from rung.wire.back import Encoded, Outgoing
from rung.wire.chat import json as chat_json
from rung.wire.chat.tools import ANY_OBJECT, FREE_TEXT
from rung.wire.messages.marking import marked
from rung.wire.messages.parts import DIALECT
from rung.wire.messages.turns import conversation, system_blocks

WARMEST = 1.0
"""The highest temperature of the dialect."""

FIELDS: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
}
"""The fields of sampling by their canonical names."""

EFFORTS: Mapping[str, str] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
"""Other dialects' words for how hard to think, and this one's."""

TYPES: Mapping[Choice, str] = {
    Choice.AUTO: "auto",
    Choice.NONE: "none",
    Choice.REQUIRED: "any",
    Choice.NAMED: "tool",
}
FORCED = frozenset({Choice.REQUIRED, Choice.NAMED})

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode(sent: Outgoing) -> Encoded:
    """A body for a request that came from elsewhere than this dialect."""
    losses: set[str] = set()
    refuses = sent.quirks.refuses
    told: dict[str, Any] = {
        "model": sent.model,
        "max_tokens": sent.sampling.max_tokens or sent.quirks.most_output_tokens,
    }
    if system := system_blocks(sent.messages, losses):
        told["system"] = system
    told["messages"] = conversation(sent.messages, losses, prefill="prefill" not in refuses)
    told |= _tools(sent, losses)
    told |= _sampling(sent.sampling, refuses, losses)
    if config := _output_config(sent.schema, sent.effort, refuses, losses):
        told["output_config"] = config
    if sent.stream:
        told["stream"] = True
    body = chat_json.encode(told)
    if sent.caches and sent.quirks.least_cached_tokens is not None:
        body = chat_json.encode(marked(told, sent, body))
    return Encoded(body, tuple(sorted(losses)))


def _sampling(sampling: Sampling, refuses: frozenset[str], losses: set[str]) -> dict[str, Any]:
    temperature = sampling.temperature
    if temperature is not None and temperature > WARMEST:
        losses.add("temperature")
        temperature = WARMEST
    # Only stops with something to see in them are allowed.
    stop = [one for one in sampling.stop if one.strip()]
    if len(stop) < len(sampling.stop):
        losses.add("stop")
    # A penalty of 0 is none.
    penalties = {"frequency_penalty", "presence_penalty"}
    losses |= {name for name in penalties if getattr(sampling, name)}
    losses |= set() if sampling.seed is None else {"seed"}
    wanted: dict[str, Any] = {
        "temperature": temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop": stop or None,
    }
    wanted = {name: value for name, value in wanted.items() if value is not None}
    losses |= refuses & wanted.keys()
    return {FIELDS[name]: value for name, value in wanted.items() if name not in refuses}


def _output_config(
    schema: SchemaRequest | None, effort: str | None, refuses: frozenset[str], losses: set[str]
) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if effort is not None:
        known = EFFORTS.get(effort)
        if known != effort or "effort" in refuses:
            losses.add("effort")
        if known is not None and "effort" not in refuses:
            config["effort"] = known
    if schema is not None:
        if (wanted := output_format(schema)) is None or "schema" in refuses:
            losses.add("schema")
        else:
            config["format"] = wanted
    return config


def output_format(schema: SchemaRequest | None) -> dict[str, Any] | None:
    """``output_config.format`` for a schema; ``None`` where the dialect cannot say it."""
    if schema is None or schema.schema is None or isinstance(schema.schema, bool):
        return None
    return {"type": "json_schema", "schema": dict(schema.schema)}


# ------------------------------------------------------------------ tools


def _tools(sent: Outgoing, losses: set[str]) -> dict[str, Any]:
    tools: list[Any] = []
    for tool in sent.tools:
        if isinstance(tool, Tool):
            tools.append(_tool(tool, losses, strict="schema" not in sent.quirks.refuses))
        elif tool.dialect == DIALECT:
            tools.append(msgspec.Raw(tool.raw))
        else:
            losses.add(f"hosted_tool:{tool.kind}")
    choice = _choice(sent, tools, losses)
    if not tools:
        return {}
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _tool(tool: Tool, losses: set[str], *, strict: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": ids.wire_name(tool.name, tool.namespace)}
    if tool.description:
        told["description"] = tool.description
    if tool.custom:
        if tool.format:
            losses.add("tool_format")
        return told | {"input_schema": msgspec.Raw(FREE_TEXT)}
    told["input_schema"] = _parameters(tool.parameters)
    if tool.strict is not None and strict:
        told["strict"] = tool.strict
    return told


def _parameters(schema: bytes) -> msgspec.Raw:
    """The schema as it came, said to be one of an object, as it has to be."""
    if not schema:
        return msgspec.Raw(ANY_OBJECT)
    try:
        found = _OBJECT.decode(schema)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(ANY_OBJECT)
    if "type" in found:
        return msgspec.Raw(schema)
    return msgspec.Raw(chat_json.encode({"type": "object"} | found))


def _choice(sent: Outgoing, tools: list[Any], losses: set[str]) -> dict[str, Any] | None:
    """``tool_choice``; ``None`` where there is nothing to say beyond what holds anyway."""
    refuses, parallel = sent.quirks.refuses, sent.parallel_tool_calls
    mode = sent.tool_choice.mode
    name = ids.wire_name(sent.tool_choice.name, sent.tool_choice.namespace)
    if mode in FORCED and ("forced_tool_choice" in refuses or not _offers(tools, mode, name)):
        losses.add("forced_tool_choice")
        mode = Choice.AUTO
    if parallel is not None and "parallel_tool_calls" in refuses:
        losses |= set() if parallel else {"parallel_tool_calls"}
        parallel = None
    told: dict[str, Any] = {"type": TYPES[mode]}
    if mode is Choice.NAMED:
        told["name"] = name
    if parallel is not None and mode is not Choice.NONE:
        told["disable_parallel_tool_use"] = not parallel
    return None if told == {"type": "auto"} else told


def _offers(tools: list[Any], mode: Choice, name: str) -> bool:
    """Whether there is a tool that this choice can be about."""
    if mode is not Choice.NAMED:
        return bool(tools)
    return any(not isinstance(tool, dict) or tool["name"] == name for tool in tools)
