"""Ollama's native dialect as callers speak it: requests read, answers and streams written."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.parts import (
    Image,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import (
    Answer,
    Directions,
    Finish,
    Need,
    Request,
    Sampling,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.wire import ollama
from rung.wire import ollama_front as wire
from rung.wire.back import Outgoing
from rung.wire.front import Arrival, Reply, Trouble
from rung.wire.ollama_front.request import HARMLESS_OPTIONS
from support import conversations

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"more").decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"more").decode()
HI = [{"role": "user", "content": "hi"}]
REPLY = Reply("1", 1_700_000_000, "m")
TIME = "2023-11-14T22:13:20Z"
ASKED = Request("1", wire.DIALECT, (), stream=True)
COUNTED = Usage(9, 4, source=UsageSource.PROVIDER)


def decode(body: bytes | dict[str, Any]) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.FRONT.decode_request(raw, Arrival("r1", Directions(), {}))


def read(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return decode({"messages": messages}).messages


def call(name: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


# ------------------------------------------------------------------ requests


def test_a_request_is_read_field_by_field() -> None:
    told = {
        "model": "llama:latest",
        "messages": [{"role": "system", "content": "Be brief."}, *HI],
        "tools": [
            {
                "type": "function",
                "function": {"name": "w", "description": "d", "parameters": {"type": "object"}},
            },
            {"function": {"name": "bare", "parameters": None}},
        ],
        "options": {
            "num_predict": 5,
            "temperature": 0.5,
            "top_p": 0.75,
            "top_k": 40,
            "seed": 3,
            "stop": ["x"],
            "frequency_penalty": 0.5,
            "presence_penalty": 1,
            "num_ctx": 8192,
            "min_p": 0.1,
            "repeat_penalty": None,
        },
        "format": {"type": "object"},
        "think": "high",
        "keep_alive": "5m",
        "stream": False,
        "truncate": True,
        "new_field": 1,
    }
    body = json.dumps(told, separators=(",", ":")).encode()
    assert decode(body) == Request(
        id="r1",
        dialect="ollama_front",
        messages=(
            Message(Role.SYSTEM, (Text("Be brief."),)),
            Message(Role.USER, (Text("hi"),)),
        ),
        model="llama",
        sampling=Sampling(5, 0.5, 0.75, 40, 3, ("x",), 0.5, 1.0),
        schema=SchemaRequest({"type": "object"}),
        tools=(Tool("w", "d", b'{"type":"object"}'), Tool("bare")),
        effort="high",
        needs=frozenset({Need.TOOLS}),
        extras=("min_p", "new_field"),
        body=body,
    )


@pytest.mark.parametrize(
    ("told", "streams"),
    [({}, True), ({"stream": None}, True)] + [({"stream": each}, each) for each in (True, False)],
)
def test_an_answer_is_streamed_unless_that_is_declined(told, streams) -> None:
    assert decode({"messages": HI, **told}).stream is streams


@pytest.mark.parametrize(
    ("told", "is_read"),
    [
        ({"num_predict": -1}, Sampling()),
        ({"num_predict": -2}, Sampling()),
        ({"num_predict": 0}, Sampling()),
        ({"num_predict": 128.0}, Sampling(128)),
        ({"top_k": 0}, Sampling()),
        ({"seed": -1}, Sampling()),
        ({"seed": 0}, Sampling(seed=0)),
        ({"stop": "x"}, Sampling(stop=("x",))),
        ({"stop": None, "temperature": None}, Sampling()),
        ({}, Sampling()),
        (None, Sampling()),
    ],
)
def test_options_are_read_as_ollama_reads_them(told, is_read) -> None:
    assert decode({"messages": HI, "options": told}).sampling == is_read


def test_how_a_server_is_to_run_the_model_is_no_loss() -> None:
    told = {"messages": HI, "options": dict.fromkeys(HARMLESS_OPTIONS, 1), "shift": True}
    assert decode(told | {"keep_alive": -1, "truncate": False}).extras == ()


@pytest.mark.parametrize(
    ("think", "effort"),
    [(None, None), ("", None), (True, "medium"), (False, "none"), ("low", "low"), ("max", "max")],
)
def test_thinking_is_an_effort(think, effort) -> None:
    assert decode({"messages": HI, "think": think}).effort == effort


@pytest.mark.parametrize(
    ("told", "schema"),
    [
        (None, None),
        ("", None),
        ("json", SchemaRequest(None)),
        ({}, SchemaRequest({})),
        ({"type": "string"}, SchemaRequest({"type": "string"})),
    ],
)
def test_a_format_is_a_schema(told, schema) -> None:
    assert decode({"messages": HI, "format": told}).schema == schema


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("rung:latest", "rung"),
        ("rung/code:latest", "rung/code"),
        ("tier:a:latest", "tier:a"),
        ("tier:latest", "tier:latest"),
        ("llama3:8b", "llama3:8b"),
        (None, ""),
    ],
)
def test_a_name_with_the_tag_that_every_name_has_is_the_name(name, is_read) -> None:
    assert decode({"messages": HI, "model": name}).model == is_read


def test_logprobs_are_needed_and_said_to_be_lost() -> None:
    request = decode({"messages": HI, "logprobs": True, "top_logprobs": 2})
    assert request.needs == {Need.LOGPROBS}
    assert request.extras == ("logprobs",)
    assert decode({"messages": HI, "logprobs": False}).extras == ()


@pytest.mark.parametrize("told", [{}, {"messages": []}, {"messages": None}])
def test_a_request_without_messages_asks_nothing(told) -> None:
    assert decode(told).messages == ()


@pytest.mark.parametrize(
    ("keep_alive", "unloads"),
    [(0, True), (0.0, True), ("0", True), ("0s", True), ("10m", False), (-1, False), (5, False)],
)
def test_a_model_that_is_to_be_kept_for_no_time_is_put_away(keep_alive, unloads) -> None:
    assert wire.unloads(decode({"keep_alive": keep_alive})) is unloads
    assert not wire.unloads(decode({}))


WRONG: list[tuple[Any, str]] = [
    ({"messages": {}}, "messages"),
    ({"messages": [{"content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "king"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
    ({"messages": [*HI, {"role": "user", "images": [1]}]}, "messages[1].images[0]"),
    ({"messages": [{"role": "user", "images": ["no base64"]}]}, "messages[0].images[0]"),
    ({"messages": [{"role": "user", "images": ["aGVsbG8="]}]}, "messages[0].images[0]"),
    ({"messages": [{"role": "user", "images": [""]}]}, "messages[0].images[0]"),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0]"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [call("w", [1])]}]},
        "messages[0].tool_calls[0].function.arguments",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [call("w", id="x" * 513)]}]},
        "messages[0].tool_calls[0].id",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [call("w")] * 1025}]},
        "messages[0].tool_calls",
    ),
    ({"options": []}, "options"),
    ({"options": {"temperature": "hot"}}, "options.temperature"),
    ({"options": {"temperature": 3}}, "options.temperature"),
    ({"options": {"num_predict": True}}, "options.num_predict"),
    ({"options": {"stop": [1]}}, "options.stop"),
    ({"options": {"stop": ["x"] * 129}}, "options.stop"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "function"}]}, "tools[0]"),
    ({"tools": [{"function": {"name": ""}}]}, "tools[0].function.name"),
    ({"tools": [{"function": {"name": "w", "parameters": 5}}]}, "tools[0].function.parameters"),
    ({"tools": [{"function": {"name": "w", "parameters": {"$ref": "file:///x"}}}]}, "tools"),
    ({"tools": [{"function": {"name": "w"}}] * 1025}, "tools"),
    ({"format": "xml"}, "format"),
    ({"format": True}, "format"),
    ({"format": {"$ref": "http://a.invalid/x"}}, "format"),
    ({"think": "hard"}, "think"),
    ({"think": 1}, "think"),
    ({"stream": "yes"}, "stream"),
    ({"api_base": "http://a.invalid"}, "api_base"),
    (b'{"options":{"seed":1,"seed":2}}', "options"),
    (b'{"messages":[],"messages":[]}', "messages"),
]


@pytest.mark.parametrize(("told", "param"), WRONG, ids=[param for _, param in WRONG])
def test_what_is_wrong_is_refused_by_its_name(told, param) -> None:
    with pytest.raises(RequestError) as caught:
        decode(told if isinstance(told, bytes) else {"messages": HI} | told)
    assert (caught.value.param, caught.value.status) == (param, 400)


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["model", "messages", "options", "tools", "format", "think", "stream"]),
        conversations.JSON
        | st.dictionaries(
            st.sampled_from(["seed", "stop", "top_k"]), conversations.JSON | st.floats()
        )
        | st.lists(
            st.dictionaries(
                st.sampled_from(["role", "content", "images", "tool_calls", "function"]),
                st.sampled_from(["user", "tool", "assistant"]) | conversations.JSON,
            )
        ),
    ).map(lambda told: json.dumps(told).encode())
)
def test_whatever_the_bytes_a_request_or_a_request_error_comes_of_them(body) -> None:
    try:
        request = decode(body)
    except RequestError:
        return
    assert request.dialect == wire.DIALECT
    assert isinstance(wire.unloads(request), bool)


# ------------------------------------------------------------------ turns


def test_pictures_are_of_the_kind_that_their_bytes_are() -> None:
    kinds = {"image/gif": b"GIF89a", "image/webp": b"RIFF\n\r\0\0WEBPVP8 ", "image/bmp": b"BM...."}
    given_ = {kind: base64.b64encode(data).decode() for kind, data in kinds.items()}
    given_ |= {"image/png": PNG, "image/jpeg": JPEG}
    request = decode({"messages": [{"role": "user", "images": list(given_.values())}]})
    assert request.messages[0].parts == tuple(Image(kind, data) for kind, data in given_.items())
    assert request.needs == {Need.IMAGES}


def test_no_pictures_are_no_need() -> None:
    assert decode({"messages": [{"role": "user", "content": "hi", "images": []}]}).needs == set()


def test_thinking_in_the_conversation_is_kept_apart() -> None:
    told = {"role": "assistant", "thinking": "They greet.", "content": "Yes?"}
    [turn] = read(told)
    thought = Opaque("thinking", "They greet.", wire.DIALECT)
    assert turn == Message(Role.ASSISTANT, (thought, Text("Yes?")))
    assert thought.loss == "thinking"


def test_an_empty_turn_is_a_turn() -> None:
    assert read({"role": "User"}) == (Message(Role.USER, (Text(""),)),)


def test_arguments_are_kept_as_they_came_and_may_be_text() -> None:
    body = (
        b'{"messages":[{"role":"assistant","tool_calls":['
        b'{"function":{"name":"a","arguments":{"x": 1.50}}},'
        b'{"function":{"name":"b","arguments":"{\\"y\\":2}"}},'
        b'{"function":{"name":"c","arguments":null}},{"function":{"name":"d"}}]}]}'
    )
    parts = decode(body).messages[0].parts
    made = [part.arguments for part in parts if isinstance(part, ToolCall)]
    assert made == ['{"x": 1.50}', '{"y":2}', "{}", "{}"]


def test_ids_that_are_told_are_kept() -> None:
    request = decode(
        {
            "messages": [
                {"role": "assistant", "tool_calls": [call("w", id="A"), call("w", id="B")]},
                {"role": "tool", "content": "b", "tool_call_id": "B"},
                {"role": "tool", "content": "a", "tool_call_id": "A", "tool_name": "w"},
            ]
        }
    )
    assert request.needs == {Need.TOOLS}
    assert request.messages == (
        Message(Role.ASSISTANT, (ToolCall("A", "w", "{}"), ToolCall("B", "w", "{}"))),
        Message(Role.TOOL, (ToolResult("B", (Text("b"),)),)),
        Message(Role.TOOL, (ToolResult("A", (Text("a"),), name="w"),)),
    )


def answered(*messages: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The ids of calls, and those that results are for."""
    parts = [part for message in read(*messages) for part in message.parts]
    made = [part.id for part in parts if isinstance(part, ToolCall)]
    return made, [part.call_id for part in parts if isinstance(part, ToolResult)]


def test_a_result_without_an_id_answers_the_first_open_call_of_its_tool() -> None:
    made, results = answered(
        {"role": "assistant", "tool_calls": [call("w"), call("t"), call("w")]},
        {"role": "tool", "tool_name": "t"},
        {"role": "tool", "name": "w"},
        {"role": "tool", "content": "of what?"},
    )
    assert made == ["call_0", "call_1", "call_2"]
    assert results == ["call_1", "call_0", "call_2"]


def test_calls_of_neighbouring_turns_are_answered_together_older_ones_never() -> None:
    asks = {"role": "assistant", "tool_calls": [call("w")]}
    result = {"role": "tool", "tool_name": "w"}
    assert answered(asks, asks, result, result) == (["call_0", "call_1"],) * 2
    # The first call was never answered: its result did not come, and does not come later.
    made, results = answered(asks, *HI, asks, result)
    assert (made, results) == (["call_0", "call_1"], ["call_1"])


def test_ids_made_here_are_nobody_elses() -> None:
    made, results = answered(
        {"role": "assistant", "tool_calls": [call("w")]},
        {"role": "tool", "tool_name": "w"},
        {"role": "assistant", "tool_calls": [call("w", id="call_0")]},
        {"role": "tool", "tool_call_id": "call_0"},
    )
    assert made == results == ["call_1", "call_0"]


def test_a_result_with_an_id_that_no_call_has_answers_a_call_all_the_same() -> None:
    asks = {"role": "assistant", "tool_calls": [call("w")]}
    assert answered(asks, {"role": "tool", "tool_call_id": "theirs"}) == (["call_0"], ["call_0"])
    assert answered({"role": "tool", "tool_call_id": "theirs"}) == ([], ["theirs"])
    assert answered({"role": "tool", "content": "x"}) == ([], [""])


def test_ids_stay_when_the_conversation_grows() -> None:
    asks = {"role": "assistant", "tool_calls": [call("w")]}
    result = {"role": "tool", "tool_name": "w"}
    short = read(*HI, asks, result)
    assert read(*HI, asks, result, asks, result)[: len(short)] == short


# ------------------------------------------------------------------ what both sides can say

OPTIONS = ollama.ChatOptions(2**20, "30m")


def as_told(sent: Outgoing) -> dict[str, Any]:
    encoded = ollama.encode_chat(sent, ollama.prompt_size(sent), OPTIONS)
    assert encoded.losses == ()
    told: dict[str, Any] = json.loads(encoded.body)
    return told


def shown(part: Part) -> Part:
    """A picture whose bytes say what it is."""
    if not isinstance(part, Image):
        return part
    head = PNG[:8] if part.media_type == "image/png" else JPEG[:4]
    return Image(part.media_type, head + part.data)


@st.composite
def sayable(draw: Any) -> Outgoing:
    sent = draw(conversations.outgoing(pictures=True))
    turns = tuple(Message(m.role, tuple(map(shown, m.parts))) for m in sent.messages)
    return replace(sent, messages=turns, tool_choice=ToolChoice())


def nameless(message: Message) -> Message:
    parts = (replace(p, name="") if isinstance(p, ToolResult) else p for p in message.parts)
    return Message(message.role, tuple(parts))


@given(sayable(), st.booleans())
def test_what_is_sent_to_ollama_is_read_back_the_same(sent, stream) -> None:
    encoded = ollama.encode_chat(replace(sent, stream=stream), ollama.prompt_size(sent), OPTIONS)
    request = decode(encoded.body)
    assert tuple(map(nameless, request.messages)) == sent.messages
    assert (request.tools, request.sampling, request.stream) == (sent.tools, sent.sampling, stream)
    assert request.extras == encoded.losses == ()


@given(sayable())
def test_without_ids_every_result_still_finds_its_call(sent) -> None:
    told = as_told(sent)
    for message in told["messages"]:
        message.pop("tool_call_id", None)
        for made in message.get("tool_calls", ()):
            del made["id"]
    turns = decode(told).messages

    def pairs(messages: tuple[Message, ...]) -> list[tuple[int, int]]:
        parts = [part for message in messages for part in message.parts]
        ids = [part.id for part in parts if isinstance(part, ToolCall)]
        assert len(set(ids)) == len(ids)
        results = [part.call_id for part in parts if isinstance(part, ToolResult)]
        return [(ids.index(result), at) for at, result in enumerate(results)]

    assert pairs(turns) == pairs(sent.messages)


def heard(*objects: bytes) -> tuple[Answer, Usage]:
    """What rung's own reader of Ollama makes of an answer."""
    reader = ollama.ChatReader()
    parts = [ollama.decode_part(one) for one in objects]
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert not any(part.error for part in parts)
    for part in parts:
        reader.feed(part)
    return reader.answer(parts[-1], "unnamed"), parts[-1].usage


def lines(stream: bytes) -> list[bytes]:
    cut = ollama.Lines()
    found = cut.feed(stream)
    assert cut.rest() == b""
    return found


def thinks(text: str) -> bool:
    """Whether Ollama's reader takes the beginning of ``text`` for thoughts."""
    return text.lstrip().startswith("<")


ANSWERS = conversations.answers().filter(lambda answer: not thinks(answer.text))


@given(ANSWERS, st.just("") | conversations.TEXTS)
def test_an_answer_is_read_back_the_same(answer, thinking) -> None:
    answer = replace(answer, thinking=thinking)
    told = wire.FRONT.encode_answer(answer, COUNTED, replace(REPLY, model=answer.model), ASKED)
    assert heard(told) == (replace(answer, dialect=ollama.DIALECT), COUNTED)


@given(ANSWERS, st.just("") | conversations.TEXTS, st.integers(0, 40), st.integers(0, 40))
def test_a_stream_is_read_back_the_same_wherever_its_pieces_end(answer, thinking, at, cut) -> None:
    answer = replace(answer, thinking=thinking)
    writer = wire.FRONT.writer(replace(REPLY, model=answer.model), ASKED)
    told = writer.thinking(thinking[:at]) if thinking[:at] else b""
    told += writer.text(answer.text[:cut]) if answer.text[:cut] else b""
    told += wire.FRONT.heartbeat + writer.finish(answer, COUNTED)
    assert heard(*lines(told)) == (replace(answer, dialect=ollama.DIALECT), COUNTED)


# ------------------------------------------------------------------ answers


def encoded(answer: Answer, usage: Usage = COUNTED) -> Any:
    return json.loads(wire.FRONT.encode_answer(answer, usage, REPLY, ASKED))


def test_an_answer_has_the_fields_that_clients_read_and_no_durations() -> None:
    assert encoded(Answer("hi", thinking="hm")) == {
        "model": "m",
        "created_at": TIME,
        "message": {"role": "assistant", "content": "hi", "thinking": "hm"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 4,
    }


def test_counts_that_nobody_made_are_left_out() -> None:
    assert not encoded(Answer("hi"), Usage()).keys() & {"prompt_eval_count", "eval_count"}


@pytest.mark.parametrize(
    ("answer", "text", "reason"),
    [
        (Answer("hi", Finish.LENGTH), "hi", "length"),
        (Answer("hi", Finish.UNKNOWN), "hi", "stop"),
        (Answer("", Finish.TOOL_CALLS, tool_calls=(ToolCall("1", "w", "{}"),)), "", "stop"),
        (Answer("", Finish.REFUSAL, refusal="I will not."), "I will not.", "stop"),
    ],
)
def test_the_reason_is_one_of_ollamas(answer, text, reason) -> None:
    told = encoded(answer)
    assert (told["message"]["content"], told["done_reason"]) == (text, reason)
    [*_, last] = lines(wire.FRONT.writer(REPLY, ASKED).finish(answer, COUNTED))
    assert json.loads(last)["done_reason"] == reason


@pytest.mark.parametrize(
    ("made", "function"),
    [
        (ToolCall("", "w", '{\n "city":\r\n "a\\nb"}'), {"city": "a\nb"}),
        (ToolCall("", "w", ""), {}),
        (ToolCall("", "w", "{broken"), {"_arguments": "{broken"}),
        (ToolCall("", "w", "[1]"), {"_arguments": "[1]"}),
        (ToolCall("", "w", "some\nwords", custom=True), {"input": "some\nwords"}),
        (ToolCall("", "w", "\ud800"), {"_arguments": "?"}),
    ],
)
def test_arguments_are_an_object_on_one_line_whatever_the_model_wrote(made, function) -> None:
    answer = Answer("", Finish.TOOL_CALLS, tool_calls=(made, made))
    wanted = [
        {"id": f"call_1_{i}", "function": {"index": i, "name": "w", "arguments": function}}
        for i in (0, 1)
    ]
    assert encoded(answer)["message"]["tool_calls"] == wanted
    said, end = lines(wire.FRONT.writer(REPLY, ASKED).finish(answer, COUNTED))
    assert json.loads(said)["message"] == {
        "role": "assistant",
        "content": "",
        "tool_calls": wanted,
    }
    assert json.loads(end)["message"] == {"role": "assistant", "content": ""}


def test_every_line_of_a_stream_is_labelled() -> None:
    writer = wire.FRONT.writer(REPLY, ASKED)
    told = writer.thinking("hm") + writer.text("hi") + writer.finish(Answer("hi"), COUNTED)
    objects = [json.loads(line) for line in lines(wire.FRONT.heartbeat + told)]
    assert all({"model", "created_at", "message", "done"} <= one.keys() for one in objects)
    assert {one["created_at"] for one in objects[1:]} == {TIME}
    assert [one["done"] for one in objects] == [False, False, False, True]


def test_a_heartbeat_means_nothing_anywhere() -> None:
    part = ollama.decode_part(wire.FRONT.heartbeat)
    assert part == ollama.Part(model="rung")
    assert wire.FRONT.stream_type == b"application/x-ndjson"


def test_an_error_is_one_message_and_never_done() -> None:
    trouble = Trouble('no "tier"\nanswered', 503, param="x", code="c", request_id="r")
    wanted = {"error": 'no "tier"\nanswered'}
    assert json.loads(wire.FRONT.encode_error(trouble)) == wanted
    for begun in (None, REPLY):
        [line] = lines(wire.FRONT.error_event(trouble, begun))
        assert json.loads(line) == wanted
    assert wire.FRONT.status(503) == 503


# ------------------------------------------------------------------ models


def test_models_are_listed_with_what_clients_look_at() -> None:
    told = json.loads(wire.encode_models(["rung", "tier:a"], REPLY.created))["models"]
    assert [one["name"] for one in told] == [one["model"] for one in told] == ["rung", "tier:a"]
    assert {one["modified_at"] for one in told} == {TIME}
    assert len({one["digest"] for one in told}) == 2
    assert all(len(one["digest"]) == 64 for one in told)


def test_a_model_is_shown_with_what_it_can_do() -> None:
    can = frozenset({Need.TOOLS, Need.IMAGES, Need.PREFILL})
    told = json.loads(wire.encode_model(wire.Model("rung", can, 9), REPLY.created))
    assert told["capabilities"] == ["completion", "tools", "vision"]
    # https://docs.ollama.com/api/show: the window is under the architecture's name.
    assert told["model_info"][f"{told['model_info']['general.architecture']}.context_length"] == 9
    bare = json.loads(wire.encode_model(wire.Model("rung"), REPLY.created))
    assert bare["capabilities"] == ["completion"]
    assert not [key for key in bare["model_info"] if key.endswith("context_length")]


@pytest.mark.parametrize("field", ["model", "name"])
def test_the_model_to_show_has_an_older_name_for_its_field(field) -> None:
    assert wire.model_of(json.dumps({field: "rung:latest"}).encode()) == "rung"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":5}', b'{"name":""}'])
def test_no_model_is_shown_where_none_is_named(body) -> None:
    with pytest.raises(RequestError):
        wire.model_of(body)


@pytest.mark.parametrize(("unloaded", "reason"), [(False, "load"), (True, "unload")])
def test_a_loaded_model_has_said_nothing(unloaded, reason) -> None:
    told = json.loads(wire.encode_loaded("rung", REPLY.created, unloaded=unloaded))
    assert (told["done"], told["done_reason"]) == (True, reason)
    assert told["message"] == {"role": "assistant", "content": ""}
