"""Ollama's native dialect, requests on their way out.

The dialect: https://docs.ollama.com/api/chat and ``api/types.go`` of github.com/ollama/ollama.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from rung.core.parts import (
    Choice,
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from rung.core.types import Need, Sampling, SchemaRequest
from rung.wire.back import Encoded, Outgoing
from rung.wire.ids import ANY, fit, wire_name
from rung.wire.ollama.window import PromptSize, offered

DIALECT = "ollama"

OLLAMA_LACKS = frozenset(Need) - {Need.TOOLS, Need.IMAGES}
"""What this dialect does not carry for rung.

Log-probabilities, which it has from 0.12.11 on, come without a place for their tokens in an
`Answer`: checks can read them, callers cannot have them. Whether a last turn of the
assistant is gone on with is up to the model's template
(https://github.com/ollama/ollama/issues/5775).
"""

LEAST_ANSWER_TOKENS = 256
"""What an answer may have even where the prompt seems to fill the window: sizes are estimates."""

THINK: Mapping[str, str | bool] = MappingProxyType(
    {
        "none": False,
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "high",
        "max": "high",
    }
)
"""Ollama's word for how hard to think. It had no more than three until it learnt "max", which older
servers answer with 400."""

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
_FORCED = frozenset({Choice.REQUIRED, Choice.NAMED})
_ANY_ARGUMENTS = {"type": "object", "properties": {}}
_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How a model is to be run. ``context_tokens`` is the window to load it with.

    ``thinks`` says that it can be told how hard to think; any other refuses to be.
    """

    context_tokens: int
    keep_alive: str
    thinks: bool = False


def encode_chat(sent: Outgoing, size: PromptSize, options: ChatOptions) -> Encoded:
    """The body of ``POST /api/chat`` for what measures ``size``.

    ``truncate`` is off, so that a prompt that does not fit is an error and not a shorter prompt.
    ``shift`` is left alone: a value that differs from other clients' reloads the model.
    """
    lost: set[str] = set()
    tools = _tools(sent, lost)
    told: dict[str, Any] = {
        "model": sent.model,
        "messages": _Turns(lost).told(sent.messages),
        "stream": sent.stream,
        "truncate": False,
        "keep_alive": options.keep_alive,
        "options": _options(sent.sampling, size, options.context_tokens),
    }
    optional = {
        "tools": tools or None,
        "format": _format(sent.schema, tools=bool(tools), lost=lost),
        "think": _think(sent.effort, options, lost),
    }
    told |= {name: value for name, value in optional.items() if value is not None}
    if sent.logprobs:
        # Servers that do not know it ignore it:
        # https://github.com/ollama/ollama/releases/tag/v0.12.11
        told["logprobs"] = True
    return Encoded(_json(told), tuple(sorted(lost)))


def encode_load(model: str, options: ChatOptions) -> bytes:
    """The body of the ``POST /api/chat`` that loads a model and answers nothing."""
    return msgspec.json.encode(
        {
            "model": model,
            "messages": [],
            "stream": False,
            "keep_alive": options.keep_alive,
            "options": {"num_ctx": options.context_tokens},
        }
    )


def encode_model(model: str) -> bytes:
    """The body of ``POST /api/show``."""
    return msgspec.json.encode({"model": model})


def _json(told: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(told)
    except UnicodeEncodeError:
        # Half a surrogate pair is no UTF-8; as an escape, Ollama reads it as a replacement mark.
        return json.dumps(told, default=lambda raw: json.loads(bytes(raw))).encode()


# ------------------------------------------------------------------ messages


@dataclass(slots=True)
class _Turn:
    """One message while its parts are put into it."""

    texts: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    def told(self, role: Role) -> dict[str, Any]:
        told: dict[str, Any] = {"role": role.value, "content": "\n".join(self.texts)}
        if self.images:
            told["images"] = self.images
        if self.calls:
            told["tool_calls"] = self.calls
        return told | self.answers

    @property
    def blank(self) -> bool:
        return not (any(self.texts) or self.images or self.calls)


class _Turns:
    """Writes a conversation. Remembers which call was of which tool, for the results."""

    def __init__(self, lost: set[str]) -> None:
        self._lost = lost
        self._names: dict[str, str] = {}

    def told(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for role, turn in self._joined(messages):
            if role is not Role.ASSISTANT or not turn.blank:
                told.append(turn.told(role))
        return told

    def _joined(self, messages: Iterable[Message]) -> list[tuple[Role, _Turn]]:
        """One turn a message, but one for all that the assistant says without a break.

        Ollama joins the text of neighbours of one role and drops the later one's calls:
        ``collate`` in ``template/template.go``.
        """
        turns: list[tuple[Role, _Turn]] = []
        for message in messages:
            again = message.role is Role.ASSISTANT and turns and turns[-1][0] is Role.ASSISTANT
            turn = turns[-1][1] if again else _Turn()
            if not again:
                turns.append((message.role, turn))
            for part in message.parts:
                self._add(turn, part)
        return turns

    def _add(self, turn: _Turn, part: Part) -> None:
        match part:
            case Text() | Refusal():
                turn.texts.append(part.text)
            case Image():
                self._picture(turn, part)
            case File():
                self._lost.add("files")
            case Opaque():
                self._lost.add(part.loss)
            case ToolCall():
                self._call(turn, part)
            case ToolResult():
                self._result(turn, part)

    def _picture(self, turn: _Turn, image: Image) -> None:
        if image.data:
            turn.images.append(image.data)
        else:
            self._lost.add("image_url")

    def _call(self, turn: _Turn, call: ToolCall) -> None:
        name = wire_name(call.name, call.namespace)
        self._names[call.id] = name
        function = {"name": name, "arguments": arguments_object(call)}
        turn.calls.append({"id": fit(call.id, ANY), "function": function})

    def _result(self, turn: _Turn, result: ToolResult) -> None:
        before = len(turn.texts)
        for part in result.parts:
            self._add(turn, part)
        if result.is_error:
            turn.texts[before:] = ["Error: " + "\n".join(turn.texts[before:])]
        name = self._names.get(result.call_id) or (result.name and wire_name(result.name))
        turn.answers = {"tool_name": name} if name else {}
        turn.answers["tool_call_id"] = fit(result.call_id, ANY)


def arguments_object(call: ToolCall) -> msgspec.Raw | dict[str, str]:
    """What a call was made with, as the object that Ollama insists on."""
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        if isinstance(msgspec.json.decode(call.arguments), dict):
            return msgspec.Raw(call.arguments.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return {"_arguments": call.arguments}


# ------------------------------------------------------------------ tools and the rest


def _tools(sent: Outgoing, lost: set[str]) -> list[dict[str, Any]]:
    """The tools, in OpenAI's shape. That one has to be called cannot be said."""
    choice = sent.tool_choice.mode
    if choice is not Choice.NONE:
        lost |= {f"hosted_tool:{tool.kind}" for tool in sent.tools if isinstance(tool, HostedTool)}
    tools = offered(sent.tools, sent.tool_choice)
    if choice in _FORCED:
        lost.add("forced_tool_choice")
    if tools and sent.parallel_tool_calls is False:
        lost.add("parallel_tool_calls")
    if any(tool.format for tool in tools):
        lost.add("tool_format")
    return [_tool(tool) for tool in tools]


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": wire_name(tool.name, tool.namespace)}
    if tool.description:
        function["description"] = tool.description
    parameters = bytes(tool.parameters)
    if tool.custom:
        function["parameters"] = _FREE_TEXT
    elif parameters.lstrip().startswith(b"{"):
        function["parameters"] = msgspec.Raw(parameters)
    else:
        function["parameters"] = _ANY_ARGUMENTS
    return {"type": "function", "function": function}


def _options(sampling: Sampling, size: PromptSize, window: int) -> dict[str, Any]:
    # Ollama writes without end otherwise, and past the window it forgets the prompt's start.
    room = max(LEAST_ANSWER_TOKENS, window - size.likely_tokens)
    limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
    options: dict[str, Any] = {"num_ctx": window, "num_predict": limit}
    for name in _SAMPLING:
        value = getattr(sampling, name)
        if value is not None:
            options[name] = value
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    return options


def _format(
    schema: SchemaRequest | None, *, tools: bool, lost: set[str]
) -> str | dict[str, Any] | None:
    if schema is None or isinstance(schema.schema, bool):
        return None  # `true` and `false` shape nothing; the verifier decides
    if tools:
        # A grammar leaves no way to call a tool, and some versions answer 400:
        # https://github.com/ollama/ollama/issues/17957
        lost.add("schema")
        return None
    return "json" if schema.schema is None else dict(schema.schema)


def _think(effort: str | None, options: ChatOptions, lost: set[str]) -> str | bool | None:
    think = None if effort is None else THINK.get(effort)
    if think is not None and options.thinks:
        return think
    if effort is not None and think is not False:
        lost.add("effort")
    return None
