"""OpenAI Responses, requests on their way out: the caller's bytes hardly changed, or new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rung.core.parts import Choice, HostedTool, Role, ToolCall
from rung.core.types import SchemaRequest
from rung.wire.back import Changes, Encoded, Outgoing
from rung.wire.chat.json import encode as encode_json
from rung.wire.chat.schema import response_format
from rung.wire.jsontext import Field, locate, splice
from rung.wire.responses.items import item_objects
from rung.wire.responses.request import LOGPROBS
from rung.wire.responses.tools import DIALECT, choice_object, tool_objects

LEAST_OUTPUT_TOKENS = 16
"""OpenAI answers 400 to a lower limit."""

_UNKNOWN_SAMPLING = ("top_k", "seed", "frequency_penalty", "presence_penalty")
_FORCED = frozenset({Choice.REQUIRED, Choice.NAMED})


def encode(sent: Outgoing) -> Encoded:
    """A body for a request that came in another dialect; the provider keeps nothing of it."""
    losses: set[str] = set()
    told: dict[str, Any] = {
        "model": sent.model,
        "input": _input(sent, losses),
        "store": False,
    }
    for name, field, value in _settings(sent, losses):
        if value is None:
            continue
        if name in sent.quirks.refuses:
            losses.add(name)
        else:
            told[field] = value
    if sent.tools:
        told |= _tools(sent, losses)
    if sent.cache_key:
        told["prompt_cache_key"] = sent.cache_key
    if sent.stream:
        told["stream"] = True
    asks = sent.logprobs and "logprobs" not in sent.quirks.refuses
    if asks:
        told["include"] = [LOGPROBS]
    return Encoded(encode_json(told), tuple(sorted(losses)), logprobs=asks)


def _input(sent: Outgoing, losses: set[str]) -> list[Any]:
    messages = sent.messages
    last = messages[-1] if messages else None
    if last is not None and last.role is Role.ASSISTANT:
        called = any(isinstance(part, ToolCall) for part in last.parts)
        if not called:
            losses.add("prefill")
            messages = messages[:-1] if "prefill" in sent.quirks.refuses else messages
    return item_objects(
        messages, losses, ids=sent.quirks.ids, system_first=sent.quirks.system_first
    )


def _settings(sent: Outgoing, losses: set[str]) -> tuple[tuple[str, str, Any], ...]:
    """Canonical name, field and value of what is a field by itself."""
    sampling = sent.sampling
    losses.update(name for name in _UNKNOWN_SAMPLING if getattr(sampling, name) is not None)
    if sampling.stop:
        losses.add("stop")
    limit = sampling.max_tokens
    if limit is not None and limit < LEAST_OUTPUT_TOKENS:
        losses.add("max_tokens")
        limit = LEAST_OUTPUT_TOKENS
    return (
        ("max_tokens", "max_output_tokens", limit),
        ("temperature", "temperature", sampling.temperature),
        ("top_p", "top_p", sampling.top_p),
        ("effort", "reasoning", None if sent.effort is None else {"effort": sent.effort}),
        ("schema", "text", _text(sent.schema, losses)),
    )


def _text(schema: SchemaRequest | None, losses: set[str]) -> dict[str, Any] | None:
    wanted = None if schema is None else format_object(schema)
    if schema is not None and wanted is None:
        losses.add("schema")
    return None if wanted is None else {"format": wanted}


def format_object(schema: SchemaRequest) -> dict[str, Any] | None:
    """The ``text.format`` for ``schema``; ``None`` where the dialect cannot say it."""
    wanted = response_format(schema)
    if wanted is None:
        return None
    return {"type": wanted["type"], **wanted.get("json_schema", {})}


def _tools(sent: Outgoing, losses: set[str]) -> dict[str, Any]:
    losses.update(
        f"hosted_tool:{tool.kind}"
        for tool in sent.tools
        if isinstance(tool, HostedTool) and tool.dialect != DIALECT
    )
    offered = tool_objects(sent.tools)
    if not offered:
        return {}
    told: dict[str, Any] = {"tools": offered}
    if sent.tool_choice.mode in _FORCED and "forced_tool_choice" in sent.quirks.refuses:
        losses.add("forced_tool_choice")
    elif sent.tool_choice.mode is not Choice.AUTO:
        told["tool_choice"] = choice_object(sent.tool_choice, sent.tools)
    if sent.parallel_tool_calls is None:
        return told
    if "parallel_tool_calls" in sent.quirks.refuses:
        losses.add("parallel_tool_calls")
        return told
    return told | {"parallel_tool_calls": sent.parallel_tool_calls}


# ------------------------------------------------------------------ the caller's own bytes

_Edits = dict[str, bytes | None]


def forward(body: bytes, changes: Changes) -> Encoded:
    """The caller's bytes with ``changes``; everything else keeps its bytes, ``store`` too.

    Raises JsonError for a body that `rung.wire.responses.request.decode_request` would refuse.
    """
    found = locate(body)
    losses: set[str] = set()
    edits: _Edits = {"model": encode_json(changes.model)}
    if changes.temperature is not None:
        edits["temperature"] = encode_json(changes.temperature)
    if changes.seed is not None:
        losses.add("seed")
    if changes.stream is not None:
        edits |= _streaming(found, stream=changes.stream)
    if changes.schema is not None:
        edits |= _formatted(found, changes.schema, losses)
    if changes.appended:
        edits["input"] = _longer(found, changes, losses)
    edits |= _limit(found, changes)
    asked = _asking_for_logprobs(found, changes)
    edits |= asked
    _refuse(found, changes.quirks.refuses, edits, losses)
    return Encoded(splice(body, edits, found), tuple(sorted(losses)), logprobs=bool(asked))


def _limit(found: Mapping[str, Field], changes: Changes) -> _Edits:
    """Rung's limit where the caller sets none. One of 0 is none and goes."""
    told = found["max_output_tokens"].value if "max_output_tokens" in found else b"null"
    if told not in {b"0", b"null"}:
        return {}
    if changes.max_tokens is not None:
        return {"max_output_tokens": encode_json(max(changes.max_tokens, LEAST_OUTPUT_TOKENS))}
    return {"max_output_tokens": None} if told == b"0" else {}


def _streaming(found: Mapping[str, Field], *, stream: bool) -> _Edits:
    streams = "stream" in found and found["stream"].value == b"true"
    edits: _Edits = {} if stream is streams else {"stream": b"true" if stream else b"false"}
    # Providers refuse it without a stream.
    return edits | ({} if stream or "stream_options" not in found else {"stream_options": None})


def _asking_for_logprobs(found: Mapping[str, Field], changes: Changes) -> _Edits:
    """Nothing where the model refuses them, or the caller asks itself."""
    if not changes.logprobs or "logprobs" in changes.quirks.refuses:
        return {}
    told = found["include"].value if "include" in found else b"null"
    included = msgspec.json.decode(told) or []
    if not isinstance(included, list) or LOGPROBS in included:
        return {}
    return {"include": encode_json([*included, LOGPROBS])}


def _formatted(found: Mapping[str, Field], schema: SchemaRequest, losses: set[str]) -> _Edits:
    wanted = format_object(schema)
    if wanted is None:
        losses.add("schema")
        return {}
    return {"text": encode_json(_object(found, "text") | {"format": wanted})}


def _object(found: Mapping[str, Field], name: str) -> dict[str, Any]:
    """A field's value with the values inside as they came; an empty one where it is none."""
    try:
        told = _OBJECT.decode(found[name].value) if name in found else None
    except (msgspec.DecodeError, RecursionError):
        return {}
    return dict(told or {})


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def _longer(found: Mapping[str, Field], changes: Changes, losses: set[str]) -> bytes:
    items = item_objects(changes.appended, losses, ids=changes.quirks.ids)
    more = encode_json(items)[1:-1]
    said = found["input"].value
    if said.startswith(b'"'):
        said = b'[{"role":"user","content":%b}]' % said
    kept = said.rstrip()[:-1]
    comma = b"," if more and kept.strip() != b"[" else b""
    return b"%b%b%b]" % (kept, comma, more)


def _refuse(
    found: Mapping[str, Field], refuses: frozenset[str], edits: _Edits, losses: set[str]
) -> None:
    """Takes out what the model refuses. Only what was the caller's is a loss."""
    for name in refuses & _REMOVALS.keys():
        field, remove = _REMOVALS[name]
        told = edits.get(field) or (found[field].value if field in found else b"null")
        left = remove(told)
        if told in (b"null", left):
            continue
        if field in found:
            losses.add(name)
            edits[field] = left
        else:
            del edits[field]


def _whole(_: bytes) -> None:
    """Nothing is left of the field."""


def _without(inner: str) -> Callable[[bytes], bytes | None]:
    """What is left of an object without one of its fields; nothing if that was all."""

    def remove(told: bytes) -> bytes | None:
        value = msgspec.json.decode(told)
        if not isinstance(value, dict) or value.get(inner) is None:
            return told
        left = {name: one for name, one in value.items() if name != inner}
        return encode_json(left) if left else None

    return remove


def _unforced(told: bytes) -> bytes | None:
    value = msgspec.json.decode(told)
    free = value in ("auto", "none") or (isinstance(value, dict) and value.get("mode") == "auto")
    return told if free else None


def _without_logprobs(told: bytes) -> bytes | None:
    value = msgspec.json.decode(told)
    if not isinstance(value, list) or LOGPROBS not in value:
        return told
    left = [name for name in value if name != LOGPROBS]
    return encode_json(left) if left else None


def _untexted(told: bytes) -> bytes | None:
    value = msgspec.json.decode(told)
    form = value.get("format") if isinstance(value, dict) else None
    plain = not isinstance(form, dict) or form.get("type") == "text"
    return told if plain else _without("format")(told)


_REMOVALS: Mapping[str, tuple[str, Callable[[bytes], bytes | None]]] = {
    "temperature": ("temperature", _whole),
    "top_p": ("top_p", _whole),
    "top_k": ("top_k", _whole),
    "seed": ("seed", _whole),
    "stop": ("stop", _whole),
    "frequency_penalty": ("frequency_penalty", _whole),
    "presence_penalty": ("presence_penalty", _whole),
    "parallel_tool_calls": ("parallel_tool_calls", _whole),
    "forced_tool_choice": ("tool_choice", _unforced),
    "effort": ("reasoning", _without("effort")),
    "schema": ("text", _untexted),
    "logprobs": ("include", _without_logprobs),
}
