"""OpenAI Responses, requests: the caller's bytes to a `Request`.

What rung needs of a body is read and checked; the rest stays raw and leaves as it came. rung keeps
no conversations: what refers to one that the provider keeps is refused. The dialect:
https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import (
    FREE_CHOICE,
    Choice,
    HostedTool,
    Message,
    Role,
    Text,
    Tool,
    ToolChoice,
)
from rung.core.types import Need, Request, Sampling, SchemaRequest
from rung.wire.chat.fields import (
    BOOKKEEPING,
    FLAG,
    MAX_EFFORT_CHARACTERS,
    MAX_SESSION_CHARACTERS,
    RULES,
    Rule,
    between,
    extras,
    located,
    model_name,
    read,
    rule,
)
from rung.wire.chat.schema import outside_reference
from rung.wire.front import Arrival
from rung.wire.jsontext import Field
from rung.wire.responses.items import decode_input
from rung.wire.responses.tools import DIALECT, decode_choice, decode_tools

LOGPROBS = "message.output_text.logprobs"
"""What ``include`` holds when the caller wants log-probabilities."""

SESSION_HEADERS = ("session-id", "session_id", "thread-id", "conversation_id")
PASSED_ON = ("openai-beta",)

_STATEFUL: Mapping[str, str] = {
    "previous_response_id": "send the full input: rung keeps no conversations; set store: false.",
    "conversation": "send the full input: rung keeps no conversations; set store: false.",
    "prompt": "send the prompt's text as instructions and input: rung keeps no templates.",
    "background": "leave background out and read the answer as a stream.",
}
_STATELESS_VALUES = frozenset({b"null", b"false"})

_HARMLESS = BOOKKEEPING | {
    "background",
    "background_options",
    "client_metadata",
    "conversation",
    "include",
    "previous_response_id",
    "prompt",
    "prompt_cache_options",
}
_READ = frozenset(
    {
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "stream",
        "truncation",
        "model",
    }
)
_TEXT = "text.format"
_SCHEMA = "text.format.schema"


class _Reasoning(msgspec.Struct):
    effort: str | None = None


_RULES: Mapping[str, Rule] = {
    **{name: RULES[name] for name in ("model", "temperature", "top_p")},
    "stream": FLAG,
    "parallel_tool_calls": FLAG,
    "instructions": rule(str | None, "a string"),
    "max_output_tokens": rule(between(int, 0, 2**31 - 1), "an integer from 0 to 2147483647"),
    "top_logprobs": rule(between(int, 0, 20), "an integer from 0 to 20"),
    "include": rule(list[str] | None, "a list of strings"),
    "reasoning": rule(_Reasoning | None, "an object whose effort is a string"),
    "text": rule(dict[str, Any] | None, "an object"),
    "truncation": rule(str | None, "auto or disabled"),
    "prompt_cache_key": rule(str | None, "a string"),
}


@dataclass(frozen=True, slots=True)
class _Tools:
    offered: tuple[Tool | HostedTool, ...]
    choice: ToolChoice
    choice_said: bool


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. ``body`` stays on it, so that unknown fields survive.

    Raises RequestError, naming the field in ``param``, for what no provider could serve and for
    what needs a conversation that rung would have to keep; never anything else.
    """
    found = located(body)
    _refuse_state(found)
    values = read(found, _RULES)
    if "input" not in found:
        raise RequestError("'input' is missing.", param="input")
    spoken, needs = decode_input(found["input"].value)
    tools = _tools(found)
    text = values.get("text") or {}
    reasoning = values.get("reasoning")
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=_with_instructions(values.get("instructions"), spoken),
        model=model_name(values.get("model")),
        sampling=Sampling(
            max_tokens=values.get("max_output_tokens") or None,
            temperature=values.get("temperature"),
            top_p=values.get("top_p"),
        ),
        schema=_schema(text.get("format")),
        tools=tools.offered,
        tool_choice=tools.choice,
        parallel_tool_calls=values.get("parallel_tool_calls"),
        effort=_effort(reasoning),
        needs=needs | _needs(values, tools),
        extras=_extras(found, values, tools),
        stream=bool(values.get("stream")),
        stream_usage=bool(values.get("stream")),
        body=body,
        passed_on=tuple(
            (name, arrival.headers[name]) for name in PASSED_ON if name in arrival.headers
        ),
        session=_session(arrival) or _cache_named(values),
        directions=arrival.directions,
        session_shared=not _session(arrival) and bool(_cache_named(values)),
    )


def _refuse_state(found: Mapping[str, Field]) -> None:
    for name, fix in _STATEFUL.items():
        if name in found and found[name].value not in _STATELESS_VALUES:
            raise RequestError(
                f"'{name}' is not supported: rung is stateless.",
                param=name,
                code="unsupported_parameter",
                fix=fix,
            )


def _with_instructions(told: str | None, spoken: tuple[Message, ...]) -> tuple[Message, ...]:
    return (Message(Role.SYSTEM, (Text(told),)), *spoken) if told else spoken


def _tools(found: Mapping[str, Field]) -> _Tools:
    offered = decode_tools(found["tools"].value) if "tools" in found else ()
    if "tool_choice" not in found:
        return _Tools(offered, FREE_CHOICE, choice_said=True)
    choice, said = decode_choice(found["tool_choice"].value, offered)
    return _Tools(offered, choice, said)


def _effort(told: _Reasoning | None) -> str | None:
    effort = told.effort if told is not None else None
    if effort is not None and len(effort) > MAX_EFFORT_CHARACTERS:
        raise RequestError(
            f"'reasoning.effort' must be at most {MAX_EFFORT_CHARACTERS} characters.",
            param="reasoning.effort",
        )
    return effort or None


def _needs(values: Mapping[str, Any], tools: _Tools) -> frozenset[Need]:
    needs = set()
    if tools.offered and tools.choice.mode is not Choice.NONE:
        needs.add(Need.TOOLS)
    if values.get("top_logprobs") and LOGPROBS in (values.get("include") or ()):
        needs.add(Need.LOGPROBS)
    return frozenset(needs)


def _extras(
    found: Mapping[str, Field], values: Mapping[str, Any], tools: _Tools
) -> tuple[str, ...]:
    more = set(extras(found, _READ | _HARMLESS))
    if values.get("truncation") == "auto":
        more.add("truncation")
    if (values.get("text") or {}).get("verbosity"):
        more.add("verbosity")
    if not tools.choice_said:
        more.add("tool_choice")
    return tuple(sorted(more))


def _session(arrival: Arrival) -> str:
    named = (arrival.headers.get(header) for header in SESSION_HEADERS)
    return next(filter(None, named), "")[:MAX_SESSION_CHARACTERS]


def _cache_named(values: Mapping[str, Any]) -> str:
    """The name of the prompt's cache: a program may give each conversation one, or all the same."""
    return (values.get("prompt_cache_key") or "")[:MAX_SESSION_CHARACTERS]


# ------------------------------------------------------------------ the schema of the answer


def _schema(told: Any) -> SchemaRequest | None:
    if told is None:
        return None
    if not isinstance(told, dict):
        raise RequestError(f"'{_TEXT}' must be an object.", param=_TEXT)
    match told.get("type"):
        case "text":
            return None
        case "json_object":
            return SchemaRequest(None)
        case "json_schema":
            return _json_schema(told)
        case _:
            raise RequestError(
                f"'{_TEXT}.type' must be text, json_object or json_schema.", param=f"{_TEXT}.type"
            )


def _json_schema(told: Mapping[str, Any]) -> SchemaRequest:
    schema = told.get("schema")
    if not isinstance(schema, dict | bool):
        raise RequestError(f"'{_SCHEMA}' must be an object, true or false.", param=_SCHEMA)
    if outside_reference(schema) is not None:
        raise RequestError(
            f"'{_SCHEMA}' refers to a schema outside of the request, which is never fetched.",
            param=_SCHEMA,
        )
    name = told.get("name")
    return SchemaRequest(
        schema, name if isinstance(name, str) else "answer", told.get("strict") is True
    )
