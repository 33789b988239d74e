"""Anthropic Messages, requests on their way out: the caller's bytes, hardly changed.

Providers hold a conversation to its bytes: cached prefixes and signed thinking have to come back as
they were. So only fields that must differ are exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rung.core.parts import Message, Role
from rung.wire.back import Changes, Encoded
from rung.wire.chat import json as chat_json
from rung.wire.jsontext import Field, locate, splice
from rung.wire.messages.encode import FIELDS, WARMEST, output_format
from rung.wire.messages.parts import BILLING_HEADER
from rung.wire.messages.turns import appended

THINKING: Mapping[str, str] = {
    "adaptive": "thinking_adaptive",
    "disabled": "thinking_disabled",
    "enabled": "thinking_budget",
}
"""The canonical names of what ``thinking.type`` asks for."""

_CONFIG = (("effort", "effort"), ("schema", "format"))
_FORGETS_THINKING = "clear_thinking_"
_HEAD_BYTES = 400
"""Where in a prompt its first block begins to be read."""

Edits = dict[str, bytes | None]


class _Typed(msgspec.Struct):
    type: Any = None


class _Text(msgspec.Struct):
    text: Any = None


class _Turn(msgspec.Struct):
    content: list[_Typed]


_TYPED = msgspec.json.Decoder(_Typed)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(_Text)
_TURN = msgspec.json.Decoder(_Turn)
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def forward(body: bytes, changes: Changes) -> Encoded:
    """The caller's bytes with ``changes``; everything else keeps its own.

    A seed is not sent: the dialect has none. Raises JsonError for a body that
    `rung.wire.messages.request.decode_request` would refuse.
    """
    found = locate(body)
    losses: set[str] = set()
    refuses = changes.quirks.refuses
    edits: Edits = {"model": chat_json.encode(changes.model)}
    if changes.stream is not None and changes.stream is not _streams(found):
        edits["stream"] = b"true" if changes.stream else b"false"
    edits |= _thinking(found, changes, losses)
    # Models that think take no temperature but 1.
    if changes.temperature is not None and not _thinks(found, edits):
        edits["temperature"] = chat_json.encode(min(changes.temperature, WARMEST))
    edits |= _config(found, changes, losses)
    edits |= _without_sampling(found, edits, refuses, losses)
    edits |= _unforced(found, refuses, losses)
    if "system" in found and not changes.quirks.billing_header:
        edits |= _without_billing_header(found["system"].value)
    if changes.appended:
        edits["messages"] = _longer(found["messages"].value, changes.appended, losses)
    return Encoded(splice(body, edits, found), tuple(sorted(losses)))


def _streams(found: Mapping[str, Field]) -> bool:
    return "stream" in found and found["stream"].value == b"true"


def _longer(messages: bytes, more: Sequence[Message], losses: set[str]) -> bytes:
    spoken = messages.rstrip()[:-1].rstrip()
    turns = [chat_json.encode(turn) for turn in appended(more, losses)]
    return b",".join([spoken, *turns]) + b"]"


# ------------------------------------------------------------------ thinking


def _thinking(found: Mapping[str, Field], changes: Changes, losses: set[str]) -> Edits:
    """What is refused of ``thinking``. A model that knows no budgets thinks as it likes."""
    refused = THINKING.get(_type_of(found, "thinking"))
    if refused is None:
        return {}
    budget, refuses = refused == "thinking_budget", changes.quirks.refuses
    if refused not in refuses and not (budget and _acted_unthinkingly(found, changes.appended)):
        return {}
    losses.add(refused)
    if budget and refused in refuses and "thinking_adaptive" not in refuses:
        thinking = _object(found, "thinking")
        thinking.pop("budget_tokens", None)
        return {"thinking": chat_json.encode(thinking | {"type": "adaptive"})}
    return {"thinking": None} | _without_forgetting(found)


def _acted_unthinkingly(found: Mapping[str, Field], appended: Sequence[Message]) -> bool:
    """Whether the call whose result comes now was made without a thought to show for it.

    So are those of other dialects' models, and drafts that are to be mended. With a budget for
    thinking, it is refused: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
    """
    if appended:
        return any(message.role is Role.TOOL for message in appended)
    try:
        *_, acted, result = _RAWS.decode(found["messages"].value)
        turns = [_TURN.decode(raw) for raw in (acted, result)]
    except (ValueError, msgspec.DecodeError, RecursionError):
        return False
    before, now = ([block.type for block in turn.content] for turn in turns)
    return "tool_use" in before and "tool_result" in now and before[0] not in _THOUGHTS


def _without_forgetting(found: Mapping[str, Field]) -> Edits:
    """``context_management`` that forgets no thinking: without any, asking for it is an error."""
    management = _object(found, "context_management")
    try:
        edits = [(_TYPED.decode(raw).type, raw) for raw in _RAWS.decode(management["edits"])]
    except (KeyError, msgspec.DecodeError, RecursionError):
        return {}
    kept = [raw for kind, raw in edits if not str(kind).startswith(_FORGETS_THINKING)]
    if len(kept) == len(edits):
        return {}
    told = chat_json.encode(management | {"edits": kept}) if kept else None
    return {"context_management": told}


def _thinks(found: Mapping[str, Field], edits: Edits) -> bool:
    gone = "thinking" in edits and edits["thinking"] is None
    return not gone and _type_of(found, "thinking") not in {"", "disabled"}


# ------------------------------------------------------------------ other fields


def _config(found: Mapping[str, Field], changes: Changes, losses: set[str]) -> Edits:
    """``output_config`` with another schema, or without what the model refuses in it."""
    refuses = changes.quirks.refuses
    config = _object(found, "output_config")
    before = dict(config)
    edits: Edits = {}
    for name, part in _CONFIG:
        if name in refuses and config.pop(part, None) is not None:
            losses.add(name)
    if changes.schema is not None or "schema" in refuses:
        if "output_format" in found:
            edits["output_format"] = None
            losses |= {"schema"} & refuses
        wanted = output_format(changes.schema)
        if wanted is not None and "schema" not in refuses:
            config["format"] = wanted
        elif changes.schema is not None:
            losses.add("schema")
    if config != before:
        edits["output_config"] = chat_json.encode(config) if config else None
    return edits


def _without_sampling(
    found: Mapping[str, Field], edits: Edits, refuses: frozenset[str], losses: set[str]
) -> Edits:
    gone: Edits = {}
    for name, field in FIELDS.items():
        if name in refuses and (field in found or field in edits):
            gone[field] = None
            losses |= {name} if field in found else set()
    return gone


def _unforced(found: Mapping[str, Field], refuses: frozenset[str], losses: set[str]) -> Edits:
    if "forced_tool_choice" not in refuses or _type_of(found, "tool_choice") not in {"any", "tool"}:
        return {}
    losses.add("forced_tool_choice")
    choice = _object(found, "tool_choice")
    choice.pop("name", None)
    return {"tool_choice": chat_json.encode(choice | {"type": "auto"})}


def _without_billing_header(system: bytes) -> Edits:
    """``system`` without Claude Code's first block, which changes with every build of it.

    Servers that keep the prompts they read would have to read all of it anew.
    """
    if BILLING_HEADER.encode() not in system[:_HEAD_BYTES]:
        return {}
    try:
        blocks = [bytes(raw) for raw in _RAWS.decode(system)]
        first = _TEXT.decode(blocks[0]).text if blocks else None
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(first, str) or not first.startswith(BILLING_HEADER):
        return {}
    if len(blocks) == 1:
        return {"system": None}
    behind = system.index(blocks[0]) + len(blocks[0])
    return {"system": b"[" + system[system.index(blocks[1], behind) :]}


def _object(found: Mapping[str, Field], name: str) -> dict[str, Any]:
    """A field that is an object, its values raw; empty where it is none."""
    if name not in found:
        return {}
    try:
        return dict(_OBJECT.decode(found[name].value))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _type_of(found: Mapping[str, Field], name: str) -> str:
    """The ``type`` of a field that is an object; empty where it has none."""
    if name not in found:
        return ""
    try:
        told = _TYPED.decode(found[name].value).type
    except (msgspec.DecodeError, RecursionError):
        return ""
    return told if isinstance(told, str) else ""
