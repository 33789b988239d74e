"""Ollama's native dialect as callers speak it, what they get: JSON, one object a line in a stream.

The dialect: ``ChatResponse`` in ``api/types.go`` of github.com/ollama/ollama. How long things took
is left out: nobody knows it here, and clients do without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Need, Usage, UsageSource
from rung.wire.chat import json as chat_json
from rung.wire.chat.writer import Unwritten
from rung.wire.front import Reply, Trouble
from rung.wire.ids import ANY, fit, wire_name
from rung.wire.ollama.request import arguments_object

STREAM_TYPE = b"application/x-ndjson"

API_VERSION = "0.12.10"
"""Which Ollama this dialect is of: the first whose tool calls have ids. Clients compare it with
the version that first did what they need."""

HEARTBEAT = (
    b'{"model":"rung","created_at":"0001-01-01T00:00:00Z",'
    b'"message":{"role":"assistant","content":""},"done":false}\n'
)
"""Nothing said by nobody, at the time that Ollama gives to what has none."""

_ONE_LINE = str.maketrans("\r\n", "  ")


def encode_answer(answer: Answer, usage: Usage, reply: Reply) -> bytes:
    """A whole answer. Counts that nobody made are left out."""
    message: dict[str, Any] = {"role": "assistant", "content": _text(answer)}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if answer.tool_calls:
        message["tool_calls"] = _calls(answer, reply)
    return chat_json.encode(_head(reply) | {"message": message} | _end(answer, usage))


class LineWriter:
    """Writes one stream."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._head = chat_json.encode(_head(reply))[:-1]
        self._text = Unwritten()
        self._thinking = Unwritten()

    def text(self, text: str) -> bytes:
        """More text."""
        self._text.add(text)
        return self._line({"content": text})

    def thinking(self, text: str) -> bytes:
        """More of what the model thinks aside."""
        self._thinking.add(text)
        return self._line({"content": "", "thinking": text})

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """All of the answer that has not been written yet, and the object that is done."""
        told = []
        if thought := self._thinking.rest(answer.thinking):
            told.append(self._line({"content": "", "thinking": thought}))
        if text := self._text.rest(_text(answer)):
            told.append(self._line({"content": text}))
        if answer.tool_calls:
            calls = _calls(answer, self._reply)
            told.append(self._line({"content": "", "tool_calls": calls}))
        return b"".join((*told, self._line({"content": ""}, _end(answer, usage))))

    def _line(self, said: Mapping[str, Any], end: Mapping[str, Any] | None = None) -> bytes:
        more = {"message": {"role": "assistant", **said}, **(end or {"done": False})}
        return b"%b,%b\n" % (self._head, chat_json.encode(more)[1:])


def _head(reply: Reply) -> dict[str, Any]:
    return {"model": reply.model, "created_at": _time(reply.created)}


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _end(answer: Answer, usage: Usage) -> dict[str, Any]:
    reason = "length" if answer.finish is Finish.LENGTH else "stop"
    told: dict[str, Any] = {"done": True, "done_reason": reason}
    if usage.source is not UsageSource.NONE:
        told |= {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    return told


def _text(answer: Answer) -> str:
    """The dialect has no other place for words of refusal."""
    return answer.text + (answer.refusal or "")


def _calls(answer: Answer, reply: Reply) -> list[dict[str, Any]]:
    return [_call(call, index, reply) for index, call in enumerate(answer.tool_calls)]


def _call(call: ToolCall, index: int, reply: Reply) -> dict[str, Any]:
    name = wire_name(call.name, call.namespace)
    function = {"index": index, "name": name, "arguments": _arguments(call)}
    # Calls without ids would all answer to the same one.
    called = fit(call.id, ANY) if call.id else f"call_{reply.id}_{index}"
    return {"id": called, "function": function}


def _arguments(call: ToolCall) -> Any:
    told = arguments_object(call)
    if isinstance(told, msgspec.Raw):
        # Line breaks of the model's would end the line; in JSON they are between values only.
        return msgspec.Raw(bytes(told).decode().translate(_ONE_LINE).encode())
    return told


# ------------------------------------------------------------------ errors


def encode_error(trouble: Trouble) -> bytes:
    """The error envelope: clients read nothing but the message."""
    return chat_json.encode({"error": trouble.message})


# ------------------------------------------------------------------ models


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a name. ``can`` is what some tier of it can do."""

    name: str
    can: frozenset[Need] = frozenset()
    context_tokens: int | None = None


_DETAILS = {
    "parent_model": "",
    "format": "",
    "family": "rung",
    "families": ["rung"],
    "parameter_size": "",
    "quantization_level": "",
}
_CAPABILITIES: Mapping[Need, str] = {Need.TOOLS: "tools", Need.IMAGES: "vision"}


def encode_models(names: Iterable[str], created: int) -> bytes:
    """The list of ``/api/tags``."""
    return chat_json.encode({"models": [_listed(name, created) for name in names]})


def _listed(name: str, created: int) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": _time(created),
        "size": 0,
        # Clients show a piece of it, and tell models apart by it.
        "digest": sha256(name.encode("utf-8", "replace")).hexdigest(),
        "details": _DETAILS,
    }


def encode_model(model: Model, created: int) -> bytes:
    """What ``/api/show`` tells of one model."""
    info: dict[str, Any] = {"general.architecture": "rung", "general.basename": model.name}
    if model.context_tokens is not None:
        info["rung.context_length"] = model.context_tokens
    told = {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _DETAILS,
        "model_info": info,
        "capabilities": ["completion", *(w for n, w in _CAPABILITIES.items() if n in model.can)],
        "modified_at": _time(created),
    }
    return chat_json.encode(told)


def encode_loaded(model: str, created: int, *, unloaded: bool = False) -> bytes:
    """The answer to a request without messages: there is nothing to wait for."""
    told = {
        "model": model,
        "created_at": _time(created),
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "unload" if unloaded else "load",
    }
    return chat_json.encode(told)


def encode_version(own: str) -> bytes:
    """What ``/api/version`` tells: the dialect's, and rung's ``own``."""
    return chat_json.encode({"version": API_VERSION, "rung": own})
