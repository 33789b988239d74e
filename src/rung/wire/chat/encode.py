"""OpenAI Chat Completions, requests on their way out: a new body for what came from elsewhere.

`rung.wire.chat.forward` is for bodies that came in this dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rung.core.parts import (
    Choice,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Sampling
from rung.wire.back import Encoded, Outgoing
from rung.wire.chat import json as chat_json
from rung.wire.chat.calls import history_call
from rung.wire.chat.schema import response_format
from rung.wire.chat.tools import choice_value, tool_objects
from rung.wire.chat.turns import DIALECT, MESSAGE_FIELDS, THOUGHTS
from rung.wire.ids import fit, wire_name
from rung.wire.quirks import Quirks

LOGPROBS: Mapping[str, Any] = {"logprobs": True, "top_logprobs": 1}
"""What asks for the log-probability of each token. llama.cpp tells 20 others beside it where it is
not told how many, and none at all for 0."""

_SAMPLED = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
_THINKING = frozenset({*THOUGHTS, "thinking", "redacted_thinking"})
_FORCED = frozenset({Choice.REQUIRED, Choice.NAMED})
_LIKE_AN_ERROR = re.compile(
    r"\W*(?:\w*error|\w*exception|traceback|failed|failure|fatal)\b", re.IGNORECASE
)
_BEGINNING = 80


def encode(sent: Outgoing) -> Encoded:
    """A body for a request that came in another dialect. Raises nothing for what is canonical."""
    losses: set[str] = set()
    refuses = sent.quirks.refuses
    told: dict[str, Any] = {
        "model": sent.model,
        "messages": _conversation(sent, losses),
    }
    for name, field, value in _settings(sent):
        if value is None:
            continue
        if name in refuses:
            losses.add(name)
        else:
            told[field] = value
    _add_schema(sent, told, losses)
    _add_tools(sent, told, losses)
    if sent.cache_key:
        told["prompt_cache_key"] = sent.cache_key
    if sent.stream:
        told |= {"stream": True, "stream_options": {"include_usage": True}}
    asks = sent.logprobs and "logprobs" not in refuses
    if asks:
        told |= LOGPROBS
    return Encoded(chat_json.encode(told), tuple(sorted(losses)), logprobs=asks)


def _settings(sent: Outgoing) -> Iterable[tuple[str, str, Any]]:
    """Canonical name, field and value of what is a field by itself."""
    sampling: Sampling = sent.sampling
    yield "max_tokens", sent.quirks.limit_field, sampling.max_tokens
    for name in _SAMPLED:
        yield name, name, getattr(sampling, name)
    yield "stop", "stop", list(sampling.stop) or None
    yield "effort", "reasoning_effort", sent.effort


def _add_schema(sent: Outgoing, told: dict[str, Any], losses: set[str]) -> None:
    if sent.schema is None:
        return
    wanted = response_format(sent.schema)
    if wanted is None or "schema" in sent.quirks.refuses:
        losses.add("schema")
    else:
        told["response_format"] = wanted


def _add_tools(sent: Outgoing, told: dict[str, Any], losses: set[str]) -> None:
    refuses = sent.quirks.refuses
    offered = tool_objects(sent.tools, losses)
    choice = sent.tool_choice
    if choice.mode in _FORCED and (
        "forced_tool_choice" in refuses or not _can_be_forced(choice, offered)
    ):
        losses.add("forced_tool_choice")
    elif offered and choice.mode is not Choice.AUTO:
        told["tool_choice"] = choice_value(choice)
    if not offered:
        return
    told["tools"] = offered
    if sent.parallel_tool_calls is not None:
        if "parallel_tool_calls" in refuses:
            losses.add("parallel_tool_calls")
        else:
            told["parallel_tool_calls"] = sent.parallel_tool_calls


def _can_be_forced(choice: ToolChoice, offered: list[Any]) -> bool:
    if choice.mode is not Choice.NAMED:
        return bool(offered)
    name = wire_name(choice.name, choice.namespace)
    return any(isinstance(one, dict) and one["function"]["name"] == name for one in offered)


def _conversation(sent: Outgoing, losses: set[str]) -> list[dict[str, Any]]:
    messages = sent.messages
    last = messages[-1] if messages else None
    called = last is not None and any(isinstance(part, ToolCall) for part in last.parts)
    if last is not None and last.role is Role.ASSISTANT and not called:
        losses.add("prefill")
        if "prefill" in sent.quirks.refuses:
            messages = messages[:-1]
    return message_objects(messages, sent.quirks, losses)


# ------------------------------------------------------------------ messages


def message_objects(
    messages: Iterable[Message], quirks: Quirks, losses: set[str]
) -> list[dict[str, Any]]:
    """Messages in this dialect; ``losses`` takes the names of what it cannot say.

    Tools answer with text only: what else a group of results holds follows it as the user's.
    """
    told: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    begun = False
    for message in messages:
        if message.role is Role.TOOL:
            told += _results(message, quirks, losses, shown)
            begun = True
            continue
        if shown:
            told.append({"role": "user", "content": shown})
            shown = []
        role = message.role
        if role is Role.SYSTEM and begun and quirks.system_first:
            role = Role.USER
            losses.add("system_position")
        begun = begun or role is not Role.SYSTEM
        turn = _turn(role, message.parts, quirks, losses)
        if not _emptied(turn, message):
            told.append(turn)
    if shown:
        told.append({"role": "user", "content": shown})
    return told


def _emptied(turn: Mapping[str, Any], message: Message) -> bool:
    """Whether nothing of what was said can be said here: an empty turn is refused by some."""
    bare = turn.keys() == {"role", "content"} and not turn["content"]
    return bare and bool(message.parts) and all(isinstance(one, Opaque) for one in message.parts)


def _results(
    message: Message, quirks: Quirks, losses: set[str], shown: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    told = []
    for result in message.parts:
        if not isinstance(result, ToolResult):
            losses.add(_loss(result))
            continue
        more = [part for part in result.parts if not isinstance(part, Text)]
        shown += _content_parts(more, losses)
        text = result.text
        if result.is_error and not _LIKE_AN_ERROR.match(text[:_BEGINNING]):
            text = f"Error: {text}"
        told.append(
            {"role": "tool", "tool_call_id": fit(result.call_id, quirks.ids), "content": text}
        )
    return told


def _turn(role: Role, parts: tuple[Part, ...], quirks: Quirks, losses: set[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"role": role.value, "content": ""}
    content: list[Part] = []
    for part in parts:
        if isinstance(part, Opaque) and part.dialect == DIALECT and part.kind in MESSAGE_FIELDS:
            told[part.kind] = part.raw
        elif isinstance(part, ToolCall) and role is Role.ASSISTANT:
            told.setdefault("tool_calls", []).append(history_call(part, quirks))
        elif isinstance(part, Refusal):
            told["refusal"] = part.text
        else:
            content.append(part)
    if role is Role.USER:
        told["content"] = _user_content(content, losses)
    else:
        told["content"] = _plain_content(content, losses)
        if role is Role.ASSISTANT and not told["content"]:
            # Servers that know no field for refusals still see the words.
            told["content"] = told.get("refusal") or (None if "tool_calls" in told else "")
    if quirks.unshown_thought and "tool_calls" in told and told.keys().isdisjoint(THOUGHTS):
        told["reasoning_content"] = quirks.unshown_thought
    return told


def _user_content(parts: list[Part], losses: set[str]) -> str | list[dict[str, Any]]:
    told = _content_parts(parts, losses)
    if len(told) == 1 and told[0]["type"] == "text":
        return str(told[0]["text"])
    return told or ""


def _plain_content(parts: list[Part], losses: set[str]) -> str:
    """Content of the system's or the assistant's: many servers take nothing but a string."""
    losses.update(_loss(part) for part in parts if not isinstance(part, Text))
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _content_parts(parts: Iterable[Part], losses: set[str]) -> list[dict[str, Any]]:
    told = []
    for part in parts:
        writer = _WRITERS.get(type(part))
        written = None if writer is None else writer(part)
        if written is None:
            losses.add(_loss(part))
        else:
            told.append(written)
    return told


def _image_part(part: Image) -> dict[str, Any]:
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": url} | detail}


def _file_part(part: File) -> dict[str, Any] | None:
    if not part.data:
        return None
    data = f"data:{part.media_type};base64,{part.data}" if part.media_type else part.data
    return {"type": "file", "file": {"filename": part.name or "file", "file_data": data}}


def _opaque_part(part: Opaque) -> dict[str, Any] | None:
    return {"type": part.kind, part.kind: part.raw} if part.dialect == DIALECT else None


_WRITERS: Mapping[type, Callable[[Any], dict[str, Any] | None]] = {
    Text: lambda part: {"type": "text", "text": part.text},
    Image: _image_part,
    File: _file_part,
    Opaque: _opaque_part,
}
_NAMES: Mapping[type, str] = {
    Image: "images",
    File: "files",
    ToolCall: "tool_calls",
    ToolResult: "tool_results",
    Text: "text",
    Refusal: "refusal",
}


def _loss(part: Part) -> str:
    if isinstance(part, Opaque):
        return "thinking" if part.kind in _THINKING else part.kind
    return _NAMES[type(part)]
