"""Hypothesis strategies for what every dialect can say: conversations, tools, calls, answers.

All of it is normal: writing it in a dialect and reading it back gives the same. A message has at
most one text, and that is not blank; the text comes before the tool calls; arguments and schemas
are compact JSON objects; ids and names are of the characters that all dialects take; every call
has its result, in order; the conversation does not end with the assistant.
"""

from __future__ import annotations

import base64
import string
from typing import Any

import msgspec
from hypothesis import strategies as st

from rung.core.parts import (
    Choice,
    Image,
    Message,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Answer, Finish, Sampling, Usage, UsageSource
from rung.wire.back import Outgoing
from rung.wire.quirks import Quirks

_NAME_LETTERS = string.ascii_letters + string.digits + "_-"
_ROUNDS = 3
_CALLS = 3

TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip()))
NAMES = st.text(_NAME_LETTERS, min_size=1, max_size=40)
# What rung wraps itself is unwrapped on the way out.
IDS = NAMES.filter(lambda name: not name.startswith("rung_"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def json_objects() -> st.SearchStrategy[str]:
    """Compact JSON text of an object."""
    objects = st.dictionaries(st.text(max_size=8), JSON, max_size=3)
    return objects.map(lambda told: msgspec.json.encode(told).decode())


def images() -> st.SearchStrategy[Image]:
    """Pictures with their bytes inside."""
    encoded = st.binary(min_size=1, max_size=8).map(lambda data: base64.b64encode(data).decode())
    return st.builds(Image, st.sampled_from(["image/png", "image/jpeg"]), encoded)


def calls() -> st.SearchStrategy[ToolCall]:
    """Calls of function tools with valid arguments."""
    return st.builds(ToolCall, IDS, NAMES, json_objects())


def several_calls(least: int = 1) -> st.SearchStrategy[tuple[ToolCall, ...]]:
    """Up to three calls with ids of their own."""
    found = st.lists(calls(), min_size=least, max_size=_CALLS, unique_by=lambda call: call.id)
    return found.map(tuple)


@st.composite
def _rounds(draw: Any, taken: set[str], *, errors: bool, pictures: bool) -> list[Message]:
    """The assistant's turn and what answers it."""
    made = draw(several_calls(least=0).filter(lambda found: not taken & {c.id for c in found}))
    taken |= {call.id for call in made}
    said: tuple[Part, ...] = (Text(draw(TEXTS)),) if not made or draw(st.booleans()) else ()
    turn = [Message(Role.ASSISTANT, (*said, *made))]
    for call in made:
        failed = errors and draw(st.booleans())
        result = ToolResult(call.id, (Text(draw(TEXTS)),), is_error=failed)
        turn.append(Message(Role.TOOL, (result,)))
    if not made or draw(st.booleans()):
        turn.append(draw(_user(pictures=pictures)))
    return turn


@st.composite
def _user(draw: Any, *, pictures: bool) -> Message:
    shown = draw(st.lists(images(), max_size=2)) if pictures else []
    return Message(Role.USER, (Text(draw(TEXTS)), *shown))


@st.composite
def messages(draw: Any, *, errors: bool = False, pictures: bool = False) -> tuple[Message, ...]:
    """A conversation. ``errors`` lets tools fail, ``pictures`` lets the user show some."""
    told: list[Message] = []
    if draw(st.booleans()):
        told.append(Message(Role.SYSTEM, (Text(draw(TEXTS)),)))
    told.append(draw(_user(pictures=pictures)))
    taken: set[str] = set()
    for _ in range(draw(st.integers(0, _ROUNDS))):
        told += draw(_rounds(taken, errors=errors, pictures=pictures))
    return tuple(told)


@st.composite
def _tool(draw: Any) -> Tool:
    properties = draw(st.dictionaries(NAMES, st.just({"type": "string"}), max_size=3))
    schema = {"type": "object", "properties": properties, "required": sorted(properties)}
    return Tool(draw(NAMES), draw(st.just("") | TEXTS), msgspec.json.encode(schema))


def tools(least: int = 0) -> st.SearchStrategy[tuple[Tool, ...]]:
    """Up to four function tools with names of their own."""
    found = st.lists(_tool(), min_size=least, max_size=4, unique_by=lambda tool: tool.name)
    return found.map(tuple)


def choices(offered: tuple[Tool, ...]) -> st.SearchStrategy[ToolChoice]:
    """A choice that makes sense for the tools offered: without any, only the default one."""
    if not offered:
        return st.just(ToolChoice())
    modes = st.sampled_from([Choice.AUTO, Choice.NONE, Choice.REQUIRED]).map(ToolChoice)
    named = st.sampled_from(offered).map(lambda tool: ToolChoice(Choice.NAMED, tool.name))
    return modes | named


def samplings() -> st.SearchStrategy[Sampling]:
    """What all dialects can say of sampling; the limit is always there."""
    share = st.none() | st.integers(1, 100).map(lambda hundredths: hundredths / 100)
    return st.builds(Sampling, max_tokens=st.integers(1, 100_000), temperature=share, top_p=share)


@st.composite
def outgoing(
    draw: Any, *, errors: bool = False, pictures: bool = False, quirks: Quirks | None = None
) -> Outgoing:
    """A call to a provider with tools, a choice of them, and a limit."""
    offered = draw(tools())
    return Outgoing(
        model=draw(NAMES),
        messages=draw(messages(errors=errors, pictures=pictures)),
        sampling=draw(samplings()),
        tools=offered,
        tool_choice=draw(choices(offered)),
        quirks=quirks or Quirks(),
    )


@st.composite
def answers(draw: Any) -> Answer:
    """Answers of text, of calls, or of both, with the reason that fits."""
    made = draw(several_calls(least=0))
    text = draw(st.just("") | TEXTS) if made else draw(TEXTS)
    finish = Finish.TOOL_CALLS if made else draw(st.sampled_from([Finish.STOP, Finish.LENGTH]))
    return Answer(text, finish, draw(NAMES), tool_calls=made)


def usages() -> st.SearchStrategy[Usage]:
    """Counts that a provider could give; cached, written and thought tokens are inside."""
    count = st.integers(0, 10**6)
    return st.builds(
        lambda fresh, cached, said, thought: Usage(
            fresh + cached + 1, said + thought + 1, cached, 0, thought, UsageSource.PROVIDER
        ),
        count,
        count,
        count,
        count,
    )
