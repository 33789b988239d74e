"""OpenAI Chat Completions, requests on their way out: the caller's bytes hardly changed, or new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rung.core.types import Message, Opaque, Role, Sampling, SchemaRequest, Text
from rung.wire.chat_request import MESSAGE_FIELDS, PART_NEEDS
from rung.wire.chat_schema import response_format
from rung.wire.jsontext import Field, locate, splice

_ENCODER = msgspec.json.Encoder()
_OPTIONS = "stream_options"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is exchanged in a caller's body before it goes to a provider.

    ``model`` is added where it is missing. ``None`` leaves a field as it came. A body that no
    longer streams loses ``stream_options``, which providers refuse without it. ``usage`` adds
    ``stream_options.include_usage`` to a body that streams and did not ask for it: the chunk that
    comes of it is not the caller's, and has to be withheld where `Request.stream_usage` is false.
    ``appended`` are messages after the caller's own, ``schema`` replaces its ``response_format``.
    """

    model: str
    stream: bool | None = None
    usage: bool = False
    appended: tuple[Message, ...] = ()
    schema: SchemaRequest | None = None
    temperature: float | None = None
    seed: int | None = None


def with_changes(body: bytes, changes: Changes) -> bytes:
    """The caller's bytes with ``changes``; tools and unknown fields keep theirs.

    Raises JsonError for a body that `rung.wire.chat_request.decode_request` would refuse.
    """
    found = locate(body)
    edits: dict[str, bytes | None] = {"model": _ENCODER.encode(changes.model)}
    for name in ("temperature", "seed"):
        if (value := getattr(changes, name)) is not None:
            edits[name] = _ENCODER.encode(value)
    if changes.schema is not None and (wanted := response_format(changes.schema)) is not None:
        edits["response_format"] = _ENCODER.encode(wanted)
    if changes.stream is not None or changes.usage or changes.appended:
        edits |= _from_the_body(found, changes)
    return splice(body, edits, found)


def _from_the_body(found: Mapping[str, Field], changes: Changes) -> dict[str, bytes | None]:
    edits: dict[str, bytes | None] = {}
    streams = found["stream"].value == b"true" if "stream" in found else False
    if changes.stream is not None and changes.stream is not streams:
        streams = changes.stream
        edits["stream"] = b"true" if streams else b"false"
    if not streams and changes.stream is not None and _OPTIONS in found:
        edits[_OPTIONS] = None
    if streams and changes.usage:
        edits |= _asking_for_usage(found)
    if changes.appended:
        spoken = found["messages"].value.rstrip()[:-1]
        more = b",".join(_ENCODER.encode(message_object(one)) for one in changes.appended)
        edits["messages"] = b"%b,%b]" % (spoken, more)
    return edits


def _asking_for_usage(found: Mapping[str, Field]) -> dict[str, bytes | None]:
    options = msgspec.json.decode(found[_OPTIONS].value) if _OPTIONS in found else None
    options = options if isinstance(options, dict) else {}
    if options.get("include_usage") is True:
        return {}
    return {_OPTIONS: _ENCODER.encode(options | {"include_usage": True})}


def encode_request(
    messages: Sequence[Message],
    *,
    model: str,
    sampling: Sampling,
    schema: SchemaRequest | None = None,
    stream: bool = False,
    limit_field: str = "max_tokens",
) -> bytes:
    """A body for a request that came from elsewhere than this dialect.

    ``limit_field`` is the name for the limit of the answer: OpenAI's own models refuse
    ``max_tokens``, most compatible servers know nothing else.
    """
    told: dict[str, Any] = {"model": model, "messages": [message_object(one) for one in messages]}
    told |= {
        name: value
        for name, value in (
            (limit_field, sampling.max_tokens),
            ("temperature", sampling.temperature),
            ("top_p", sampling.top_p),
            ("seed", sampling.seed),
            ("stop", list(sampling.stop) or None),
            ("response_format", None if schema is None else response_format(schema)),
        )
        if value is not None
    }
    if stream:
        told |= {"stream": True, "stream_options": {"include_usage": True}}
    return _ENCODER.encode(told)


def message_object(message: Message) -> dict[str, Any]:
    """A message in this dialect. Opaque parts of other dialects are left out."""
    told: dict[str, Any] = {"role": message.role.value}
    parts = [part for part in message.parts if isinstance(part, Text) or part.kind in PART_NEEDS]
    if len(parts) == 1 and isinstance(parts[0], Text):
        told["content"] = parts[0].text
    elif parts:
        told["content"] = [_part_object(part) for part in parts]
    else:
        told["content"] = None if message.role is Role.ASSISTANT else ""
    for part in message.parts:
        if isinstance(part, Opaque) and part.kind in MESSAGE_FIELDS:
            told[part.kind] = part.raw
    return told


def _part_object(part: Text | Opaque) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": part.kind, part.kind: part.raw}
