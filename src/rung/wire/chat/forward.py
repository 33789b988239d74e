"""OpenAI Chat Completions, requests on their way out: the caller's bytes, hardly changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from rung.wire.back import Changes, Encoded
from rung.wire.chat import json as chat_json
from rung.wire.chat.encode import LOGPROBS, message_objects
from rung.wire.chat.mend import mended
from rung.wire.chat.schema import response_format
from rung.wire.jsontext import Field, locate, splice

_OPTIONS = "stream_options"
_LIMITS = ("max_completion_tokens", "max_tokens")
"""The newer name wins where a body has both."""

_REFUSED: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "seed": ("seed",),
    "stop": ("stop",),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "logprobs": ("logprobs", "top_logprobs"),
    "many_choices": ("n",),
    "forced_tool_choice": ("tool_choice", "function_call"),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "effort": ("reasoning_effort",),
    "schema": ("response_format",),
}
"""The fields of what a model refuses, by its canonical name."""

_SAYS_NOTHING: Mapping[str, frozenset[bytes]] = {
    "tool_choice": frozenset({b'"auto"', b'"none"'}),
    "function_call": frozenset({b'"auto"', b'"none"'}),
    "logprobs": frozenset({b"false"}),
    "n": frozenset({b"1"}),
    "response_format": frozenset({b'{"type":"text"}'}),
}
"""Values that are kept: no model refuses them."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])

Edits = dict[str, bytes | None]


def forward(body: bytes, changes: Changes) -> Encoded:
    """The caller's bytes with ``changes``; tools and unknown fields keep theirs.

    A body that no longer streams loses ``stream_options``, which providers refuse without it.
    Raises JsonError for a body that `rung.wire.chat.request.decode_request` would refuse.
    """
    found = locate(body)
    losses: set[str] = set()
    edits: Edits = {"model": chat_json.encode(changes.model)}
    for name in ("temperature", "seed"):
        if (value := getattr(changes, name)) is not None:
            edits[name] = chat_json.encode(value)
    if changes.schema is not None and (wanted := response_format(changes.schema)) is not None:
        edits["response_format"] = chat_json.encode(wanted)
    if changes.stream is not None or changes.usage:
        edits |= _stream(found, changes)
    spoken = mended(found["messages"].value, changes.quirks) if "messages" in found else None
    if spoken is not None:
        edits["messages"] = spoken
    if changes.appended:
        edits["messages"] = _appended(spoken or found["messages"].value, changes, losses)
    edits |= _limit(found, changes)
    asked = _asking_for_logprobs(found, changes) if changes.logprobs else {}
    edits |= asked
    if changes.quirks.refuses:
        _refuse(found, changes.quirks.refuses, edits, losses)
    return Encoded(splice(body, edits, found), tuple(sorted(losses)), logprobs=bool(asked))


def _appended(spoken: bytes, changes: Changes, losses: set[str]) -> bytes:
    spoken = spoken.rstrip()[:-1]
    more = message_objects(changes.appended, changes.quirks, losses)
    return b"%b,%b]" % (spoken, b",".join(map(chat_json.encode, more)))


def _stream(found: Mapping[str, Field], changes: Changes) -> Edits:
    edits: Edits = {}
    streams = found["stream"].value == b"true" if "stream" in found else False
    if changes.stream is not None and changes.stream is not streams:
        streams = changes.stream
        edits["stream"] = b"true" if streams else b"false"
    if not streams and changes.stream is not None and _OPTIONS in found:
        edits[_OPTIONS] = None
    if streams and changes.usage:
        edits |= _asking_for_usage(found)
    return edits


def _asking_for_usage(found: Mapping[str, Field]) -> Edits:
    options: dict[str, msgspec.Raw] = {}
    with suppress(msgspec.DecodeError, RecursionError):  # not an object: null, or worse
        options = _OBJECT.decode(found[_OPTIONS].value) if _OPTIONS in found else {}
    if bytes(options.get("include_usage", b"")) == b"true":
        return {}
    return {_OPTIONS: chat_json.encode(options | {"include_usage": True})}


def _asking_for_logprobs(found: Mapping[str, Field], changes: Changes) -> Edits:
    """Nothing where the model refuses them, or the caller asks itself."""
    asked = found["logprobs"].value if "logprobs" in found else b"null"
    if "logprobs" in changes.quirks.refuses or asked == b"true":
        return {}
    return {name: chat_json.encode(value) for name, value in LOGPROBS.items()}


def _limit(found: Mapping[str, Field], changes: Changes) -> Edits:
    """The limit under the name that the model knows. One of 0 is none and goes."""
    field = changes.quirks.limit_field
    sent = {name: found[name].value for name in _LIMITS if name in found}
    told = [value for value in sent.values() if value != b"null"]
    if told and told[0] != b"0":
        edits: Edits = dict.fromkeys(sent)
        return {} if list(sent) == [field] else edits | {field: told[0]}
    if changes.max_tokens is not None:
        return dict.fromkeys(sent) | {field: chat_json.encode(changes.max_tokens)}
    return dict.fromkeys(sent) if told else {}


def _refuse(
    found: Mapping[str, Field], refuses: frozenset[str], edits: Edits, losses: set[str]
) -> None:
    for name in refuses:
        for field in _REFUSED.get(name, ()):
            if field in edits and field not in found:
                # Not the caller's: what rung would have added for itself.
                del edits[field]
            if field not in found or found[field].value in _SAYS_NOTHING.get(field, ()):
                continue
            edits[field] = None
            if found[field].value != b"null":
                losses.add(name)
