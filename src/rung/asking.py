"""What a caller may ask: a prompt and options, made into the one request that every face sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.money import from_usd
from rung.core.nearest import nearest
from rung.core.parts import Message, Role, Text
from rung.core.types import Directions, Request, Sampling, SchemaRequest

Prompt = str | Sequence[Mapping[str, str]]


class Options(msgspec.Struct, kw_only=True):
    """What may be asked for besides the answer; see `rung.library.RunOptions`."""

    verify: Any = ()
    schema: Any = None
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
    system = [Message(Role.SYSTEM, (Text(asked.system),))] if asked.system else []
    return Request(
        id=new_id,
        dialect=dialect,
        messages=(*system, *_messages(prompt)),
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


def _messages(prompt: Prompt) -> list[Message]:
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    try:
        messages = [Message(Role(each["role"]), (Text(each["content"]),)) for each in prompt]
        empty = not any(message.text.strip() for message in messages)
    except (KeyError, ValueError, TypeError) as error:
        raise RequestError(
            f"messages must be a list of {{'role': ..., 'content': text}}: {error}.",
            param="messages",
        ) from None
    if empty:
        raise RequestError("the prompt is empty.", param="messages")
    return messages
