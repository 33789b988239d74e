"""What the fuzzer begins with: well-formed inputs of every dialect, and ways to break them.

Streams, answers and requests are written by rung's own writers and encoders; the few further ones
have the shapes that only providers send.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rung.core.parts import Image, Message, Role, Text, Tool, ToolCall, ToolChoice, ToolResult
from rung.core.types import (
    Answer,
    Finish,
    Request,
    Sampling,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.wire import chat, completions, messages, ollama, ollama_front, responses
from rung.wire.back import Back, Outgoing
from rung.wire.front import Front, Reply

LARGEST = 64 * 1024
"""Bytes of the largest input."""

BACKS: Mapping[str, Back] = {
    "chat": chat.BACK,
    "messages": messages.BACK,
    "responses": responses.BACK,
}
FRONTS: Mapping[str, Front] = {
    "chat": chat.FRONT,
    "messages": messages.FRONT,
    "responses": responses.FRONT,
    "completions": completions.FRONT,
    "ollama": ollama_front.FRONT,
}
REPLY = Reply("r1", 1_700_000_000, "model-1")
SCHEMA = b'{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}'
TOOLS = (
    Tool("look", "Looks at a city.", SCHEMA),
    Tool("patch", "Takes free text.", custom=True),
    Tool("wait", "", SCHEMA, namespace="team"),
)
CALLED = ToolCall("call_1", "look", '{"city":"K\\u00f6ln","days":3}')
ASKED = Request("r1", "chat", (), tools=TOOLS, stream=True, stream_usage=True)
USAGE = Usage(31, 17, 5, 2, 3, UsageSource.PROVIDER)

ANSWERS = (
    Answer("Grüße aus Köln 👋\nand\tmore"),
    Answer("cut off here", Finish.LENGTH),
    Answer("", Finish.STOP, refusal="I would rather not."),
    Answer("thought", thinking="first a, then b"),
    Answer("", Finish.TOOL_CALLS, tool_calls=(CALLED,)),
    Answer(
        "Looking.",
        Finish.TOOL_CALLS,
        tool_calls=(CALLED, ToolCall("a b/c", "patch", "*** Begin", custom=True)),
    ),
    Answer('{"city": "Bonn", "days": 2}'),
    Answer("x" * 200),
)

_SPOKEN = (
    Message(Role.SYSTEM, (Text("Be brief."),)),
    Message(Role.USER, (Text("Where am I?"), Image("image/png", "iVBORw0KGgo="))),
    Message(Role.ASSISTANT, (Text("I look."), CALLED)),
    Message(Role.TOOL, (ToolResult("call_1", (Text("Bonn"),), is_error=True),)),
    Message(Role.USER, (Text("And now? 👋"),)),
)
SENT = (
    Outgoing("m", _SPOKEN[1:2], stream=True),
    Outgoing("m", _SPOKEN, Sampling(100, 0.5, 0.9, stop=("END",)), TOOLS, stream=True),
    Outgoing("m", _SPOKEN[:2], tools=TOOLS[:1], tool_choice=ToolChoice(), effort="low"),
    Outgoing("m", _SPOKEN[1:2], schema=SchemaRequest({"type": "object"}, strict=True)),
)


class Stream(NamedTuple):
    """A well-formed stream; at ``whole`` bytes of it the provider has said why it ended."""

    data: bytes
    whole: int


# ------------------------------------------------------------------ streams


def _event(told: Any, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(told).encode() + b"\n\n"


def _written(front: Front, answer: Answer) -> bytes:
    """A stream in which the text grows in pieces of seven characters."""
    writer = front.writer(REPLY, ASKED)
    pieces = [answer.text[at : at + 7] for at in range(0, len(answer.text), 7)]
    return b"".join(map(writer.text, pieces)) + writer.finish(answer, USAGE)


_LAST = {
    "chat": b'"finish_reason":"',
    "messages": b'"stop_reason":"',
    "responses": b"event: response.completed",
}


def _marked(dialect: str, data: bytes) -> Stream:
    last = data.find(_LAST[dialect])
    if last < 0:
        last = data.index(b"event: response.incomplete")
    return Stream(data, data.index(b"\n\n", last) + 2)


def _chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({"id": "c", "model": "m", "choices": [choice]} | more)


_LOGPROBS = [{"token": "Bo", "logprob": -0.5, "bytes": None, "top_logprobs": []}]


def _scored_chunk(text: str, logprobs: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": logprobs}
    return _event({"id": "c", "model": "m", "choices": [choice | {"finish_reason": None}]})


def _called(**told: Any) -> bytes:
    return _chunk({"tool_calls": [told]})


_CHAT = (
    (
        _chunk({"role": "assistant", "content": None})
        + _called(index=0, id="call_1", type="function", function={"name": "look"})
        + _called(index=0, function={"arguments": '{"city"'})
        + _called(index=1, id="call_2", function={"name": "look", "arguments": ""})
        + _called(index=0, function={"arguments": ':"Bonn"}'})
        + _called(index=1, function={"arguments": "{}"}),
        _chunk({}, "tool_calls"),
        _event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})
        + b"data: [DONE]\n\n",
    ),
    (
        _chunk({"reasoning_content": "hm"})
        + _chunk({"content": [{"type": "text", "text": "part"}]})
        + _chunk({"function_call": {"name": "look", "arguments": "{}"}}),
        _chunk({"content": "!"}, "function_call"),
        b"data: [DONE]\n\n",
    ),
    (
        b": keep-alive\n\n"
        + _chunk({"content": "a"}, logprobs=None)
        + _called(function={"name": "look", "arguments": {"city": "Bonn"}}),
        _chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ),
    (
        _scored_chunk("Bo", {"content": _LOGPROBS})
        + _scored_chunk("nn", {"content": _LOGPROBS, "refusal": None})
        + _scored_chunk("!", {"tokens": ["!"], "token_logprobs": [-1.5]}),
        _chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ),
)


def _named(kind: str, **told: Any) -> bytes:
    return _event({"type": kind} | told, kind)


def _grown(index: int, **delta: Any) -> bytes:
    return _named("content_block_delta", index=index, delta=delta)


_MESSAGES = (
    (
        _named("message_start", message={"model": "m", "usage": {"input_tokens": 9}})
        + _named("ping")
        + _named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        + _grown(0, type="thinking_delta", thinking="hm")
        + _grown(0, type="signature_delta", signature="c2ln")
        + _named("content_block_stop", index=0)
        + _named("content_block_start", index=1, content_block={"type": "text", "text": ""})
        + _grown(1, type="text_delta", text="I look. ")
        + _named("content_block_stop", index=1)
        + _named(
            "content_block_start",
            index=2,
            content_block={"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
        )
        + _grown(2, type="input_json_delta", partial_json='{"city"')
        + _grown(2, type="input_json_delta", partial_json=':"Bonn"}')
        + _named("content_block_stop", index=2),
        _named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9}),
        _named("message_stop"),
    ),
)


def _item(kind: str, item: Mapping[str, Any], index: int = 0) -> bytes:
    return _named(f"response.output_item.{kind}", output_index=index, item=item)


_CALL_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look"}
_THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
_SAID = {"type": "output_text", "text": "Bo", "annotations": [], "logprobs": _LOGPROBS}
_MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": [_SAID]}
_RESPONSES = (
    (
        _named("response.created", response={"id": "resp_1", "model": "m", "status": "in_progress"})
        + _named("response.output_text.delta", output_index=0, delta="Bo", logprobs=_LOGPROBS)
        + _named("response.output_text.done", output_index=0, text="Bo", logprobs=_LOGPROBS)
        + _named("response.content_part.done", output_index=0, part=_SAID)
        + _item("done", _MESSAGE),
        _named(
            "response.completed",
            response={
                "model": "m",
                "status": "completed",
                "output": [_MESSAGE],
                "usage": {"input_tokens": 9, "output_tokens": 1},
            },
        ),
        b"",
    ),
    (
        _named("response.created", response={"id": "resp_1", "model": "m", "status": "in_progress"})
        + _item("added", _THOUGHT | {"summary": []})
        + _named("response.reasoning_summary_part.added", output_index=0)
        + _named("response.reasoning_summary_text.delta", output_index=0, delta="hm")
        + _item("done", _THOUGHT)
        + _item("added", _CALL_ITEM | {"arguments": ""}, 1)
        + _named("response.function_call_arguments.delta", output_index=1, delta='{"city"')
        + _named("response.function_call_arguments.delta", output_index=1, delta=':"Bonn"}')
        + _item("done", _CALL_ITEM | {"arguments": '{"city":"Bonn"}'}, 1),
        _named(
            "response.completed",
            response={
                "model": "m",
                "status": "completed",
                "output": [_THOUGHT, _CALL_ITEM | {"arguments": '{"city":"Bonn"}'}],
                "usage": {"input_tokens": 9, "output_tokens": 4},
            },
        ),
        b"",
    ),
)


def _streams(dialect: str, more: Iterable[tuple[bytes, bytes, bytes]]) -> tuple[Stream, ...]:
    own = [Stream(before + end + after, len(before + end)) for before, end, after in more]
    own += [_marked(dialect, _written(FRONTS[dialect], answer)) for answer in ANSWERS]
    return tuple(own)


STREAMS: Mapping[str, tuple[Stream, ...]] = {
    "chat": _streams("chat", _CHAT),
    "messages": _streams("messages", _MESSAGES),
    "responses": _streams("responses", _RESPONSES),
}


def _lines(said: Iterable[Mapping[str, Any]], **last: Any) -> Stream:
    told: list[Any] = [{"model": "m", "message": one, "done": False} for one in said]
    told.append({"model": "m", "message": {"content": ""}, "done": True} | last)
    lines = [json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in told]
    # The last line may go without its end.
    return Stream(b"".join(lines), len(b"".join(lines)) - 1)


_COUNTS = {"prompt_eval_count": 9, "eval_count": 4, "load_duration": 5, "done_reason": "stop"}
OLLAMA = (
    _lines([{"content": "Grüße "}, {"content": "👋"}], **_COUNTS),
    _lines([{"content": "<think>hm"}, {"content": "</thi"}, {"content": "nk> yes"}], **_COUNTS),
    _lines(
        [
            {"content": "", "thinking": "hm"},
            {"content": "", "tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}]},
        ],
        **_COUNTS,
    ),
    _lines([{"content": "cut"}], done_reason="length"),
    _lines([{"content": "Bo"}], logprobs=_LOGPROBS, done_reason="stop"),
)

# ------------------------------------------------------------------ bodies and texts

_SCORED: Mapping[str, Any] = {
    "chat": {
        "choices": [
            {"index": 0, "message": {"content": "Bo"}, "logprobs": {"content": _LOGPROBS}},
            {"index": 1, "message": {"content": "nn"}, "logprobs": {"token_logprobs": [-1]}},
        ]
    },
    "responses": {"model": "m", "status": "completed", "output": [_MESSAGE]},
    "messages": {"content": [{"type": "text", "text": "Bo", "logprobs": _LOGPROBS}]},
}
BODIES: Mapping[str, tuple[bytes, ...]] = {
    dialect: (
        *(FRONTS[dialect].encode_answer(one, USAGE, REPLY, ASKED) for one in ANSWERS),
        json.dumps(_SCORED[dialect]).encode(),
    )
    for dialect in BACKS
}
_OPTIONS = ollama.ChatOptions(4096, "30m", thinks=True)
REQUESTS: Mapping[str, tuple[bytes, ...]] = {
    **{dialect: tuple(back.encode(one).body for one in SENT) for dialect, back in BACKS.items()},
    "ollama": tuple(
        ollama.encode_chat(one, ollama.prompt_size(one), _OPTIONS).body for one in SENT
    ),
    "completions": (
        b'{"model":"m","prompt":"Say hi","max_tokens":9,"stop":["a"],"stream":true}',
        b'{"model":"m","prompt":["Say hi"],"temperature":0.5,"user":"u"}',
    ),
    "embeddings": (
        b'{"model":"m","input":["a","b"],"encoding_format":"base64"}',
        b'{"model":"m","input":[[1,2],[3]],"dimensions":4}',
        b'{"model":"m","input":"text"}',
    ),
}
EMBEDDED = b'{"object":"list","data":[{"index":0,"embedding":[0.5,-1,2e-3]}],"model":"m"}'

_CALL = '{"name": "look", "arguments": {"city": "Bonn", "days": 2}}'
NOTED = (
    f"I look.\n<tool_call>\n{_CALL}\n</tool_call>",
    f"<tool_call>{_CALL}</tool_call>\n<tool_call>{_CALL}</tool_call>",
    '<function=look>{"city": "Bonn"}</function>',
    "<tool_call>\n<function=look>\n<parameter=city>\nBonn\n</parameter>\n</function>\n</tool_call>",
    f"[TOOL_CALLS][{_CALL}]",
    '[TOOL_CALLS]look[ARGS]{"city": "Bonn"}',
    '<|python_tag|>{"name": "look", "parameters": {"city": "Bonn"}}',
    f"Well:\n```tool_call\n{_CALL}\n```",
    f"```json\n{_CALL}\n```",
    _CALL,
    '{"function": {"name": "team__wait", "arguments": "{\\"days\\": 1,}"}}',
    (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0"
        '<|tool_call_argument_begin|>{"city": True}<|tool_call_end|><|tool_calls_section_end|>'
    ),
    (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n"  # noqa: RUF001
        '```json\n{"city": "Bonn"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'  # noqa: RUF001
    ),
)

# ------------------------------------------------------------------ ways to break bytes

TOKENS = (
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8", b"\xc3"),
    *(b"data:", b"data: [DONE]\n\n", b"event: error\n", b"event: message_stop\n", b": c\n\n"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-", b"1e999", b"NaN"),
    *(b"\\ud800", b"\\u0000", b"\xed\xa0\x80", b"9" * 400, b"[" * 200, b'{"a":' * 200),
    *(b"</tool_call>", b"<tool_call>", b"<function=", b"</parameter>", b"```", b"<think>"),
    b'data: {"error":{"message":"x"}}\n\n',
    b'data: {"choices":[{"finish_reason":"stop"}]}\n\n',
)


def _flip(rng: random.Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    places = [rng.randrange(len(data)) for _ in range(rng.randint(1, 4))] if data else []
    for place in places:
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _truncate(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _repeat(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    most = LARGEST // max(1, end - start) if rng.random() < 0.05 else 4
    times = rng.randint(2, max(2, most))
    return data[:start] + data[start:end] * times + data[end:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _swap(rng: random.Random, data: bytes, _: bytes) -> bytes:
    mark = b"\n\n" if b"\n\n" in data else b","
    parts = data.split(mark)
    a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[a], parts[b] = parts[b], parts[a]
    return mark.join(parts)


def _line_ends(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r")))


def _marked_order(_: random.Random, data: bytes, __: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 8, 64, 512)))


_WAYS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    *(_flip, _insert, _insert, _truncate, _remove, _repeat, _splice, _swap),
    *(_line_ends, _marked_order),
)

# ------------------------------------------------------------------ ways to break JSON

_FIELDS = ("type", "index", "content", "error", "usage", "id")
_RAW = "\x01raw"
"""Marks what is written into the JSON text as it is."""

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**53, 2**63, 2**64, -(2**70), "", "x", [], {}, [[]]),
    *([{}], {"": ""}, "\ud800", "\0", "\ufeff", "a" * 3000, [1] * 300, {"type": "text"}, "error"),
    *(["a", 1], {"text": 3}, float("nan"), float("inf"), "[DONE]", "tool_use", "2e9", " "),
    *(_RAW + "1e400", _RAW + "9" * 500, _RAW + "-0", _RAW + "[" * 150 + "]" * 150),
    *(_RAW + '{"a":' * 150 + "1" + "}" * 150, _RAW + "[" * 3000 + "]" * 3000, _RAW + "0.1e-9"),
    *(_RAW + '"\\ud83d"', _RAW + '"\\udc00\\ud800"', _RAW + '{"a":1,"a":2}'),
)


def _json_broken(rng: random.Random, told: Any) -> str:
    """One value somewhere in ``told`` replaced, removed, moved, or its key doubled."""
    told = _changed(rng, told)
    text = json.dumps(told, ensure_ascii=rng.random() < 0.5)
    while (at := text.find(json.dumps(_RAW)[1:-1])) >= 0:
        end = text.index('"', _past_escapes(text, at))
        raw = json.loads(text[at - 1 : end + 1])[len(_RAW) :]
        text = text[: at - 1] + raw + text[end + 1 :]
    return text


def _past_escapes(text: str, at: int) -> int:
    """The place of the quote that ends the string around ``at``."""
    while text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at


def _changed(rng: random.Random, told: Any) -> Any:
    if not isinstance(told, dict | list) or not told or rng.random() < 0.12:
        return rng.choice(_ODD)
    keys = list(told) if isinstance(told, dict) else range(len(told))
    key = rng.choice(list(keys))
    copy = dict(told) if isinstance(told, dict) else list(told)
    match rng.randrange(12):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            copy[key] = f"{_RAW}1,{json.dumps(key)}:{json.dumps(copy[key])}"
        case 2:
            copy[key] = copy[rng.choice(list(keys))]
        case 3 if isinstance(copy, dict):
            copy[rng.choice(_FIELDS)] = rng.choice(_ODD)
        case 4 if isinstance(copy, list):
            copy += copy * rng.choice((1, 3, 200))
        case _:
            copy[key] = _changed(rng, copy[key])
    return copy


def break_json(rng: random.Random, data: bytes) -> bytes:
    """One JSON text of ``data`` (all of it, or an event or a line of it) with something changed."""
    whole = data[:1] == b"{" and b"\n" not in data.rstrip()
    lines = [data] if whole else data.split(b"\n")
    places = [i for i, line in enumerate(lines) if b"{" in line]
    if not places:
        return data
    place = rng.choice(places)
    head, brace, rest = lines[place].partition(b"{")
    try:
        told = json.loads(brace + rest)
        lines[place] = head + _json_broken(rng, told).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return data
    return b"\n".join(lines)


def broken(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """``data`` with up to four faults; ``other`` is another input to splice from."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        way = rng.choice(_WAYS) if rng.random() < 0.5 else None
        data = break_json(rng, data) if way is None else way(rng, data, other)
        data = data[:LARGEST]
    return data


def sliced(rng: random.Random, data: bytes) -> list[bytes]:
    """``data`` in pieces, some of them empty."""
    if rng.random() < 0.1 and len(data) < 2000:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.choice((1, 2, 5, 20))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def packed(numbers: Iterable[float]) -> bytes:
    """What a caller reads out of base64: little-endian single floats."""
    told = list(numbers)
    return struct.pack(f"<{len(told)}f", *told)
