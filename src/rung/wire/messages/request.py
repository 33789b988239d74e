"""Anthropic Messages, requests: the caller's bytes to a `Request`.

What rung needs of a body is read and checked; the rest stays raw and leaves as it came. The
dialect: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import FREE_CHOICE, Choice, HostedTool, Role, Tool, ToolChoice
from rung.core.types import Need, Request, Sampling, SchemaRequest
from rung.wire.chat import fields as chat_fields
from rung.wire.chat.fields import MAX_EFFORT_CHARACTERS, MAX_EXTRAS, MAX_STOPS, Rule, between, rule
from rung.wire.chat.schema import outside_reference
from rung.wire.chat.tools import MAX_TOOLS
from rung.wire.front import Arrival
from rung.wire.jsontext import Field
from rung.wire.messages.parts import DIALECT, Findings, conversation, guarded

PASSED_ON = ("anthropic-beta", "anthropic-version")
BETA_QUERY = "beta=true"
SESSION_HEADER = "x-claude-code-session-id"
MOST_NAME_CHARACTERS = 100

CANONICAL = frozenset(
    {
        "messages",
        "model",
        "output_config",
        "output_format",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
HARMLESS = frozenset(
    {
        "billing_policy",
        "cache_control",
        "diagnostics",
        "fallback_credit_token",
        "metadata",
        "service_tier",
        "speed",
        "user_profile_id",
        "workspace_id",
    }
)
"""Fields that change nothing about what is answered."""

CHOICES: Mapping[str, Choice] = {
    "auto": Choice.AUTO,
    "any": Choice.REQUIRED,
    "tool": Choice.NAMED,
    "none": Choice.NONE,
}

_FORMAT = "output_config.format"
_LEADING_OUT = re.compile(rb'[rR]ef"\s*:\s*"[^#"]')
_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_DATE = re.compile(r"_\d{8}$")
_SANE = re.compile(r"[A-Za-z0-9,._ -]{1,2000}")
_SESSION = re.compile(r"[!-~]{1,200}")
_SESSION_IN_ID = re.compile(r"_session_([0-9A-Za-z-]{1,100})$")


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Tool(msgspec.Struct):
    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None


class _Typed(msgspec.Struct):
    type: Any = None
    budget_tokens: Any = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _Management(msgspec.Struct):
    edits: list[_Typed] | None = None


class _User(msgspec.Struct):
    user_id: Any = None
    session_id: Any = None


_STOPS = Annotated[list[str], msgspec.Meta(max_length=MAX_STOPS)]
_RULES: Mapping[str, Rule] = {
    "model": rule(str | None, "a string"),
    "max_tokens": rule(between(int, 0, 2**31 - 1), "an integer from 0 to 2147483647"),
    "stream": rule(bool | None, "true or false"),
    # The dialect ends at 1; callers of other models write more.
    "temperature": rule(between(float, 0, 2), "a number from 0 to 2"),
    "top_p": rule(between(float, 0, 1), "a number from 0 to 1"),
    "top_k": rule(between(int, 0, 2**31 - 1), "an integer from 0 to 2147483647"),
    "stop_sequences": rule(_STOPS | None, f"a list of at most {MAX_STOPS} strings"),
    "tool_choice": rule(_Choice | None, "an object with a 'type'"),
    "thinking": rule(_Typed | None, "an object"),
    "thread": rule(_Typed | None, "an object"),
    "output_config": rule(dict[str, msgspec.Raw] | None, "an object"),
    "output_format": rule(_Format | None, "an object with a 'type' and a 'schema'"),
}
_FORMAT_RULE = _RULES["output_format"]
_EFFORT_RULE = rule(
    Annotated[str, msgspec.Meta(max_length=MAX_EFFORT_CHARACTERS)] | None, "a short string"
)
_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_MANAGEMENT = msgspec.json.Decoder(_Management)
_USER = msgspec.json.Decoder(_User)


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. ``body`` stays on it, so that unknown fields survive.

    Raises RequestError, naming the field in ``param``; never anything else, whatever the bytes.
    """
    found = chat_fields.located(body)
    if "max_tokens" not in found:
        raise RequestError("'max_tokens' is missing.", param="max_tokens")
    return _request(found, body, arrival)


def decode_count(body: bytes, arrival: Arrival) -> Request:
    """Read a request to count the tokens of: as `decode_request`, no ``max_tokens`` needed."""
    return _request(chat_fields.located(body), body, arrival)


def _request(found: Mapping[str, Field], body: bytes, arrival: Arrival) -> Request:
    values = chat_fields.read(found, _RULES)
    findings = Findings()
    messages = conversation(found, findings)
    tools = _tools(found)
    choice, parallel = _choice(values.get("tool_choice"))
    if tools and choice.mode is not Choice.NONE:
        findings.needs.add(Need.TOOLS)
    if messages[-1].role is Role.ASSISTANT:
        findings.needs.add(Need.PREFILL)
    config = values.get("output_config") or {}
    _note_fields(found, values, findings)
    streams = bool(values.get("stream"))
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=messages,
        model=chat_fields.model_name(values.get("model")),
        sampling=_sampling(values),
        schema=_schema(config, values.get("output_format")),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        effort=_effort(config),
        needs=frozenset(findings.needs),
        extras=tuple(sorted(findings.extras)[:MAX_EXTRAS]),
        stream=streams,
        stream_usage=streams,
        body=body,
        passed_on=_passed_on(arrival),
        session=_session(found, arrival),
        directions=arrival.directions,
    )


def _read(name: str, rule: Rule, value: bytes | msgspec.Raw) -> Any:
    try:
        return rule.decoder.decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError(f"'{name}' must be {rule.what}.", param=name) from None


def _sampling(values: Mapping[str, Any]) -> Sampling:
    return Sampling(
        # 0 only fills the provider's cache: no limit that another could keep.
        max_tokens=values.get("max_tokens") or None,
        temperature=values.get("temperature"),
        top_p=values.get("top_p"),
        top_k=values.get("top_k"),
        stop=tuple(values.get("stop_sequences") or ()),
    )


# ------------------------------------------------------------------ tools


def _tools(found: Mapping[str, Field]) -> tuple[Tool | HostedTool, ...]:
    value = found["tools"].value if "tools" in found else b"null"
    told: list[_Tool] = guarded("tools", lambda: _TOOLS.decode(value)) or []
    if len(told) > MAX_TOOLS:
        raise RequestError(f"'tools' must be a list of at most {MAX_TOOLS} tools.", param="tools")
    # The plain search takes a tenth of the time, and finds nothing in nearly all tools.
    if b'ef"' in value and _LEADING_OUT.search(value):
        _refuse_outside_references("tools", guarded("tools", lambda: msgspec.json.decode(value)))
    raws = None
    tools: list[Tool | HostedTool] = []
    for index, tool in enumerate(told):
        if tool.type in {None, "custom"}:
            tools.append(_tool(tool, f"tools[{index}]"))
        else:
            raws = raws or _RAWS.decode(value)
            kind = _DATE.sub("", tool.type)[:MOST_NAME_CHARACTERS]
            tools.append(HostedTool(kind, bytes(raws[index]), DIALECT))
    return tuple(tools)


def _tool(told: _Tool, place: str) -> Tool:
    if not told.name:
        raise RequestError(f"'{place}.name' is missing.", param=f"{place}.name")
    schema = bytes(told.input_schema)
    if not schema.startswith(b"{"):
        param = f"{place}.input_schema"
        raise RequestError(f"'{param}' must be an object.", param=param)
    return Tool(told.name, told.description or "", schema, told.strict)


def _refuse_outside_references(param: str, schema: Any) -> None:
    if outside_reference(schema) is not None:
        raise RequestError(
            f"'{param}' refers to a schema outside of the request, which is never fetched.",
            param=param,
        )


def _choice(told: _Choice | None) -> tuple[ToolChoice, bool | None]:
    if told is None:
        return FREE_CHOICE, None
    if told.type not in CHOICES:
        param = "tool_choice.type"
        raise RequestError(f"'{param}' must be one of {', '.join(CHOICES)}.", param=param)
    mode = CHOICES[told.type]
    if mode is Choice.NAMED and not told.name:
        raise RequestError("'tool_choice.name' is missing.", param="tool_choice.name")
    name = told.name or "" if mode is Choice.NAMED else ""
    once = told.disable_parallel_tool_use
    return ToolChoice(mode, name), None if once is None else not once


# ------------------------------------------------------------------ output


def _schema(config: Mapping[str, msgspec.Raw], older: _Format | None) -> SchemaRequest | None:
    told, param = older, "output_format"
    if "format" in config:
        told, param = _read(_FORMAT, _FORMAT_RULE, config["format"]) or older, _FORMAT
    if told is None:
        return None
    if told.type != "json_schema":
        raise RequestError(f"'{param}.type' must be json_schema.", param=f"{param}.type")
    if told.schema is None:
        raise RequestError(f"'{param}.schema' is missing.", param=f"{param}.schema")
    _refuse_outside_references(f"{param}.schema", told.schema)
    return SchemaRequest(told.schema)


def _effort(config: Mapping[str, msgspec.Raw]) -> str | None:
    if "effort" not in config:
        return None
    effort: str | None = _read("output_config.effort", _EFFORT_RULE, config["effort"])
    return effort or None


# ------------------------------------------------------------------ the rest


def _note_fields(found: Mapping[str, Field], values: Mapping[str, Any], findings: Findings) -> None:
    """Note the fields that mean something to this dialect alone."""
    special = {
        "context_management": _edits_more_than_thinking(found),
        # It fills the provider's cache and gives no answer.
        "max_tokens": values.get("max_tokens") == 0,
        "thinking": _thinks_by_budget(values.get("thinking")),
        "thread": _begins_thread(values.get("thread"), findings),
    }
    findings.extras |= {name for name, meant in special.items() if meant}
    findings.extras.update(chat_fields.extras(found, CANONICAL | HARMLESS | special.keys()))
    more = (values.get("output_config") or {}).keys() - {"effort", "format"}
    findings.extras |= {
        f"output_config.{_ODD.sub('_', name)}"[:MOST_NAME_CHARACTERS] for name in more
    }


def _thinks_by_budget(told: _Typed | None) -> bool:
    return told is not None and told.type == "enabled" and told.budget_tokens is not None


def _begins_thread(told: _Typed | None, findings: Findings) -> bool:
    if told is not None and told.type == "continue":
        findings.needs.add(Need.STATE)
        return False
    return told is not None


def _edits_more_than_thinking(found: Mapping[str, Field]) -> bool:
    """Whether ``context_management`` asks for more than to forget thinking, as others do anyway."""
    if "context_management" not in found:
        return False
    try:
        edits = _MANAGEMENT.decode(found["context_management"].value).edits or []
    except (msgspec.DecodeError, RecursionError):
        return True
    return any(not str(edit.type).startswith("clear_thinking_") for edit in edits)


def _passed_on(arrival: Arrival) -> tuple[tuple[str, str], ...]:
    sent = [(name, arrival.headers.get(name, "")) for name in PASSED_ON]
    passed = [(name, value) for name, value in sent if _SANE.fullmatch(value)]
    if BETA_QUERY in arrival.query.split("&"):
        passed.append(("?beta", "true"))
    return tuple(passed)


def _session(found: Mapping[str, Field], arrival: Arrival) -> str:
    named = arrival.headers.get(SESSION_HEADER, "")
    if not named and "metadata" in found:
        named = _session_of_user(found["metadata"].value)
    return named if _SESSION.fullmatch(named) else chat_fields.session(arrival)


def _session_of_user(metadata: bytes) -> str:
    """The session in ``metadata.user_id``: JSON in a string, or the end of an older one."""
    try:
        user = _USER.decode(metadata).user_id
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(user, str):
        return ""
    if older := _SESSION_IN_ID.search(user):
        return older.group(1)
    try:
        session = _USER.decode(user).session_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return session if isinstance(session, str) else ""
