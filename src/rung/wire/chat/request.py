"""OpenAI Chat Completions, requests: the caller's bytes to a `Request`.

What rung needs of a body is read and checked; the rest stays raw, is never built into objects, and
leaves as it came. The dialect: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from rung.core.parts import Choice, HostedTool, Tool, ToolChoice
from rung.core.types import Need, Request
from rung.wire.chat import fields as chat_fields
from rung.wire.chat.fields import FLAG, MAX_EFFORT_CHARACTERS, Rule, between, rule
from rung.wire.chat.schema import schema_request
from rung.wire.chat.tools import tool_choice, tools
from rung.wire.chat.turns import DIALECT, messages
from rung.wire.front import Arrival

_EFFORT = Annotated[str, msgspec.Meta(max_length=MAX_EFFORT_CHARACTERS)] | None
_MODALITIES = Annotated[list[str], msgspec.Meta(max_length=16)] | None
RULES: Mapping[str, Rule] = {
    **chat_fields.RULES,
    "logprobs": FLAG,
    "top_logprobs": rule(between(int, 0, 20), "an integer from 0 to 20"),
    "parallel_tool_calls": FLAG,
    "reasoning_effort": rule(_EFFORT, f"a word of at most {MAX_EFFORT_CHARACTERS} characters"),
    "modalities": rule(_MODALITIES, "a list of words"),
}
_KNOWN = (
    frozenset(RULES)
    | chat_fields.BOOKKEEPING
    | {"messages", "tools", "functions", "tool_choice", "function_call", "response_format"}
)


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. ``body`` stays on it, so that unknown fields survive.

    Raises RequestError, naming the field in ``param``, for what no provider could serve; never
    anything else, whatever the bytes.
    """
    found = chat_fields.located(body)
    values = chat_fields.read(found, RULES)
    told, needs = messages(found)
    offered = tools(found)
    choice, more = tool_choice(found)
    streams, usage = chat_fields.streaming(values)
    extras = chat_fields.extras(found, _KNOWN)
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=told,
        model=chat_fields.model_name(values.get("model")),
        sampling=chat_fields.sampling(values),
        schema=schema_request(found),
        tools=offered,
        tool_choice=choice,
        parallel_tool_calls=values.get("parallel_tool_calls"),
        effort=values.get("reasoning_effort") or None,
        needs=frozenset(needs | _needs(values, offered, choice)),
        extras=tuple(sorted({*extras, "tool_choice"})) if more else extras,
        stream=streams,
        stream_usage=usage,
        body=body,
        session=chat_fields.session(arrival),
        directions=arrival.directions,
    )


def _needs(
    values: Mapping[str, Any], offered: tuple[Tool | HostedTool, ...], choice: ToolChoice
) -> set[Need]:
    needs = set()
    if offered and choice.mode is not Choice.NONE:
        needs.add(Need.TOOLS)
    if values.get("logprobs"):
        needs.add(Need.LOGPROBS)
    if (values.get("n") or 1) > 1:
        needs.add(Need.MANY_CHOICES)
    if "audio" in (values.get("modalities") or ()):
        needs.add(Need.AUDIO)
    return needs
