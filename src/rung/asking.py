"""What a caller may ask: a prompt and options, made into the one request that every face sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal, TypedDict

import msgspec

from rung.core.errors import RequestError
from rung.core.money import from_usd
from rung.core.nearest import nearest
from rung.core.parts import Message, Role, Text
from rung.core.types import Directions, Lane, Request, Sampling, SchemaRequest
from rung.wire import chat
from rung.wire.front import Arrival

Prompt = str | Sequence[Mapping[str, Any]]
"""Text, or messages of Chat Completions: with pictures, tool calls and their results."""


class LadderRules(TypedDict, total=False):
    """The further rules of a `Cascade`: the keys of a ladder in rung.toml, and the baseline."""

    baseline: str | None
    on_exhausted: Literal["inbox", "best", "error"]
    min_confidence: float
    compare: Literal["auto", "exact", "number", "fields", "text"]
    compare_fields: Sequence[str]
    vote_certainty: float
    max_wait_seconds: float
    deadline_seconds: float | None
    max_usd: Decimal | str | float | None
    audit: str | float
    audit_by: str | None
    hedge_seconds: float | None
    compress: bool
    limits: Mapping[str, Mapping[str, Any]]


class Options(msgspec.Struct, kw_only=True):
    """What may be asked for besides the answer; see `rung.library.RunOptions`."""

    verify: Any = ()
    schema: Any = None
    tools: Any = None
    tool_choice: Any = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: str | list[str] = msgspec.field(default_factory=list)
    ladder: str | None = None
    tier: str | None = None
    project: str | None = None
    deadline_seconds: float | None = None
    max_usd: Any = None
    ceiling: str | None = None
    lane: Lane = Lane.INTERACTIVE
    private: bool = False
    fresh: bool = False
    sink: Any = None


def read(given: Mapping[str, Any]) -> Options:
    """Check options by name and type. Raises RequestError that names the one at fault."""
    for name in sorted(given.keys() - set(Options.__struct_fields__)):
        fix = nearest(name, Options.__struct_fields__)
        raise RequestError(f"run() has no option {name!r}.", param=name, fix=fix)
    try:
        return msgspec.convert(dict(given), Options)
    except msgspec.ValidationError as error:
        told, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        raise RequestError(f"run({name}=...): {told.lower()}.", param=name) from None


def request(
    new_id: str,
    prompt: Prompt,
    asked: Options,
    *,
    dialect: str = "library",
    verify: Sequence[str] = (),
) -> Request:
    """A request of a face's own; ``verify`` names configured verifiers.

    Raises RequestError for what is none.
    """
    system = (Message(Role.SYSTEM, (Text(asked.system),)),) if asked.system else ()
    told = _told(new_id, prompt, asked)
    return replace(
        told,
        id=new_id,
        dialect=dialect,
        body=b"",
        messages=(*system, *told.messages),
        schema=None if asked.schema is None else SchemaRequest(asked.schema),
        sampling=Sampling(
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            seed=asked.seed,
            stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop),
        ),
        directions=Directions(
            ladder=asked.ladder,
            tier=asked.tier,
            verify=tuple(verify),
            project=asked.project,
            deadline_seconds=asked.deadline_seconds,
            max_cost_nanousd=_cap(asked.max_usd),
            ceiling=asked.ceiling,
            lane=asked.lane,
            private=asked.private,
            fresh=asked.fresh,
        ),
    )


def _cap(max_usd: object) -> int | None:
    """An amount in US dollars as nano-dollars."""
    if max_usd is None:
        return None
    try:
        return from_usd(str(max_usd))
    except ValueError as error:
        fix = 'give an amount such as "0.05"'
        raise RequestError(f"max_usd: {error}.", param="max_usd", fix=fix) from None


def _told(new_id: str, prompt: Prompt, asked: Options) -> Request:
    """The prompt and its tools, read as Chat Completions has them. Raises RequestError."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise RequestError("the prompt is empty.", param="messages")
        prompt = [{"role": "user", "content": prompt}]
    given = {"messages": prompt, "tools": asked.tools, "tool_choice": asked.tool_choice}
    try:
        body = msgspec.json.encode({key: value for key, value in given.items() if value})
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(
            f"messages and tools must be JSON as of Chat Completions: {error}.", param="messages"
        ) from None
    told = chat.FRONT.decode_request(body, Arrival(new_id, Directions(), {}))
    if not any(message.parts and _says(message) for message in told.messages):
        raise RequestError("the prompt is empty.", param="messages")
    return told


def _says(message: Message) -> bool:
    return any(not isinstance(part, Text) or bool(part.text.strip()) for part in message.parts)
