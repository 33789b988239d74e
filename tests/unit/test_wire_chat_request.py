from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.parts import (
    Choice,
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import (
    Directions,
    Lane,
    Need,
    Request,
    Sampling,
    SchemaRequest,
)
from rung.wire import chat
from rung.wire.back import Changes
from rung.wire.chat import request as chat_request
from rung.wire.front import Arrival

HELLO = [{"role": "user", "content": "hello"}]


TOOL = {"type": "function", "function": {"name": "f"}}


def decode(body: bytes | dict[str, Any], **headers: str) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return chat.FRONT.decode_request(raw, Arrival("r1", Directions(lane=Lane.BATCH), headers))


def said(**message: Any) -> tuple[Any, ...]:
    """The parts of one message."""
    return decode({"messages": [message]}).messages[0].parts


def refusal(body: bytes | dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode(body)
    return caught.value


def test_a_plain_request_is_read_and_its_bytes_are_kept() -> None:
    body = json.dumps(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "be brief"},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
            ],
            "max_tokens": 10,
            "temperature": 0,
            "top_p": 0.5,
            "seed": 7,
            "stop": "END",
            "top_k": 40,
            "frequency_penalty": -1,
            "presence_penalty": 0.5,
            "reasoning_effort": "low",
            "parallel_tool_calls": False,
            "unheard_of": {"model": "inner"},
        }
    ).encode()
    request = decode(body)
    assert request == Request(
        id="r1",
        dialect="chat",
        model="m",
        messages=(
            Message(Role.SYSTEM, (Text("be brief"),)),
            Message(Role.USER, (Text("a"), Text("b"))),
        ),
        sampling=Sampling(10, 0.0, 0.5, 40, 7, ("END",), -1.0, 0.5),
        effort="low",
        parallel_tool_calls=False,
        extras=("unheard_of",),
        body=body,
        directions=Directions(lane=Lane.BATCH),
    )


def test_null_is_the_same_as_absent() -> None:
    names = [
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "n",
        "stream",
        "tools",
        "logprobs",
    ]
    names += ["stream_options", "response_format", "model", "max_completion_tokens", "functions"]
    names += ["top_k", "frequency_penalty", "tool_choice", "function_call", "reasoning_effort"]
    names += ["parallel_tool_calls", "modalities", "logit_bias"]
    request = decode({"messages": HELLO} | dict.fromkeys(names))
    assert request.sampling == Sampling()
    assert (request.model, request.stream, request.needs) == ("", False, frozenset())
    assert (request.tools, request.tool_choice, request.extras) == ((), ToolChoice(), ())


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_nothing_is_no_limit(name) -> None:
    assert decode({"messages": HELLO, name: 0}).sampling == Sampling()


@pytest.mark.parametrize("value", [-1, 0])
def test_a_top_k_that_keeps_everything_is_none(value) -> None:
    assert decode({"messages": HELLO, "top_k": value}).sampling.top_k is None


def test_the_newer_name_of_the_limit_wins() -> None:
    told = {"messages": HELLO, "max_tokens": 5, "max_completion_tokens": 9}
    assert decode(told).sampling.max_tokens == 9


@pytest.mark.parametrize(
    ("options", "stream", "asked"),
    [
        ({}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
        ({"stream": False, "stream_options": {"include_usage": True}}, False, False),
    ],
)
def test_a_stream_and_its_usage_are_recognised(options, stream, asked) -> None:
    request = decode({"messages": HELLO} | options)
    assert (request.stream, request.stream_usage) == (stream, asked)


CALLED = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    ("extra", "needs"),
    [
        ({"tools": [TOOL]}, {Need.TOOLS}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {Need.TOOLS}),
        ({"tools": [TOOL], "tool_choice": "none"}, set()),
        ({"tools": [TOOL], "tool_choice": "none", "messages": [*HELLO, CALLED]}, {Need.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Need.TOOLS}),
        ({"functions": [{"name": "f"}], "function_call": "none"}, set()),
        ({"tools": []}, set()),
        ({"logprobs": True}, {Need.LOGPROBS}),
        ({"logprobs": False}, set()),
        ({"n": 2}, {Need.MANY_CHOICES}),
        ({"n": 1}, set()),
        ({"modalities": ["text", "audio"]}, {Need.AUDIO}),
        ({"modalities": ["text"]}, set()),
    ],
)
def test_needs_follow_from_fields(extra, needs) -> None:
    assert decode({"messages": HELLO} | extra).needs == needs


# ------------------------------------------------------------------ parts

PICTURE = "data:image/png;base64,iVBO"


@pytest.mark.parametrize(
    ("part", "read", "need"),
    [
        ({"image_url": {"url": PICTURE}}, Image("image/png", "iVBO"), Need.IMAGES),
        (
            {"image_url": {"url": PICTURE, "detail": "low"}},
            Image("image/png", "iVBO", detail="low"),
            Need.IMAGES,
        ),
        (
            {"image_url": {"url": "data:image/png;charset=x;base64,AA"}},
            Image("image/png", "AA"),
            Need.IMAGES,
        ),
        ({"image_url": {"url": "https://a/b"}}, Image(url="https://a/b"), Need.IMAGES),
        ({"image_url": {"url": "data:,a"}}, Image(url="data:,a"), Need.IMAGES),
        ({"image_url": "https://a/b"}, Image(url="https://a/b"), Need.IMAGES),
        (
            {"input_audio": {"data": "AA", "format": "wav"}},
            Opaque("input_audio", {"data": "AA", "format": "wav"}, "chat"),
            Need.AUDIO,
        ),
        ({"file": {"file_id": "f"}}, Opaque("file", {"file_id": "f"}, "chat"), Need.FILES),
        (
            {"file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            File("application/pdf", "JVBE", name="a.pdf"),
            Need.FILES,
        ),
        ({"file": {"file_data": "JVBE"}}, File(data="JVBE"), Need.FILES),
        ({"file": {"file_data": "https://a/b"}}, File(url="https://a/b"), Need.FILES),
    ],
)
def test_parts_that_are_not_text_are_read_and_need_a_capability(part, read, need) -> None:
    (kind,) = part
    request = decode({"messages": [{"role": "user", "content": [{"type": kind} | part]}]})
    assert request.messages[0].parts == (read,)
    assert request.needs == {need}


def test_a_turn_with_tools_keeps_calls_and_results() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a" : 1}'}},
        {"id": "call_2", "type": "custom", "custom": {"name": "g", "input": "free"}},
        {"function": {"name": "h", "arguments": {"b": 2}}},
    ]
    pictured = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": PICTURE}]
    request = decode(
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny", "name": "f"},
                {"role": "tool", "tool_call_id": "call_2", "content": pictured},
            ]
        }
    )
    assert request.messages[1:] == (
        Message(
            Role.ASSISTANT,
            (
                ToolCall("call_1", "f", '{"a" : 1}'),
                ToolCall("call_2", "g", "free", custom=True),
                ToolCall("", "h", '{"b":2}'),
            ),
        ),
        Message(Role.TOOL, (ToolResult("call_1", (Text("sunny"),), name="f"),)),
        Message(Role.TOOL, (ToolResult("call_2", (Text("see"), Image("image/png", "iVBO"))),)),
    )
    assert request.needs == {Need.TOOLS, Need.IMAGES}


def test_the_older_kind_of_call_and_result_has_no_id() -> None:
    request = decode({"messages": [CALLED, {"role": "function", "name": "f", "content": "old"}]})
    assert request.messages == (
        Message(Role.ASSISTANT, (ToolCall("", "f", ""),)),
        Message(Role.TOOL, (ToolResult("", (Text("old"),), name="f"),)),
    )
    assert request.needs == {Need.TOOLS}


def test_what_the_assistant_thought_said_and_refused_is_kept_apart() -> None:
    assert said(role="assistant", content="a", reasoning_content="hm") == (
        Opaque("reasoning_content", "hm", "chat"),
        Text("a"),
    )
    assert said(role="assistant", content=None, refusal="no") == (Refusal("no"),)
    assert said(role="assistant", content="no", refusal="no") == (Refusal("no"),)
    assert said(role="assistant", content="so", refusal="no") == (Text("so"), Refusal("no"))
    assert said(role="assistant", content=[{"type": "refusal", "refusal": "no"}]) == (
        Refusal("no"),
    )
    thought = [{"type": "text", "text": "hm"}]
    assert said(role="assistant", content=[{"type": "thinking", "thinking": thought}]) == (
        Opaque("thinking", thought, "chat"),
    )


def test_an_assistant_may_have_said_nothing_in_words() -> None:
    assert said(role="assistant", content="") == (Text(""),)
    assert said(role="assistant", content=None, audio={"id": "a"}) == (
        Opaque("audio", {"id": "a"}, "chat"),
    )
    assert said(role="assistant", reasoning="hm", content="") == (
        Opaque("reasoning", "hm", "chat"),
    )


def test_a_name_alone_needs_no_tools() -> None:
    request = decode({"messages": [{"role": "user", "content": "x", "name": "ann"}]})
    assert request.messages[0].parts == (Text("x"), Opaque("name", "ann", "chat"))
    assert request.needs == frozenset()


# ------------------------------------------------------------------ tools


def test_tools_keep_the_text_of_their_schemas() -> None:
    body = (
        b'{"messages":[{"role":"user","content":"x"}],"tools":['
        b'{"type":"function","function":{"name":"f","description":"d","strict":true,'
        b'"parameters":{ "type" : "object" , "x": 1.50}}},'
        b'{"type":"custom","custom":{"name":"g","format":{"type":"text"}}},'
        b'{"type":"web_search", "web_search":{}}],'
        b'"functions":[{"name":"old","parameters":null}]}'
    )
    assert decode(body).tools == (
        Tool("f", "d", b'{ "type" : "object" , "x": 1.50}', strict=True),
        Tool("g", custom=True, format=b'{"type":"text"}'),
        HostedTool("web_search", b'{"type":"web_search", "web_search":{}}', "chat"),
        Tool("old"),
    )


NAMED = ToolChoice(Choice.NAMED, "f")


@pytest.mark.parametrize(
    ("told", "choice", "extras"),
    [
        ({"tool_choice": "auto"}, ToolChoice(), ()),
        ({"tool_choice": "none"}, ToolChoice(Choice.NONE), ()),
        ({"tool_choice": "required"}, ToolChoice(Choice.REQUIRED), ()),
        ({"tool_choice": "any"}, ToolChoice(Choice.REQUIRED), ()),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, NAMED, ()),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, NAMED, ()),
        ({"tool_choice": {"type": "function", "name": "f"}}, NAMED, ()),
        ({"function_call": {"name": "f"}}, NAMED, ()),
        ({"function_call": "none"}, ToolChoice(Choice.NONE), ()),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}},
            ToolChoice(Choice.REQUIRED),
            ("tool_choice",),
        ),
        ({"tool_choice": {"type": "unheard_of"}}, ToolChoice(), ("tool_choice",)),
    ],
)
def test_the_choice_of_tools_is_read(told, choice, extras) -> None:
    request = decode({"messages": HELLO, "tools": [TOOL]} | told)
    assert (request.tool_choice, request.extras) == (choice, extras)


def test_only_fields_that_mean_something_are_extras() -> None:
    told = {
        "messages": HELLO,
        "user": "u",
        "metadata": {"a": "b"},
        "store": True,
        "prompt_cache_key": "k",
        "service_tier": "auto",
        "logit_bias": {"5": 1},
        "web_search_options": {"search_context_size": "low"},
        "prediction": None,
        "od\nd \u00e9": 1,
    }
    assert decode(told).extras == ("logit_bias", "od_d__", "web_search_options")
    many = {f"field_{i}" * 20: 1 for i in range(1000)}
    extras = decode({"messages": HELLO} | many).extras
    assert (len(extras), max(map(len, extras))) == (64, 64)


def test_the_conversation_has_the_name_that_the_client_gave_it() -> None:
    assert decode({"messages": HELLO}, **{"x-session-id": "ses_1"}).session == "ses_1"
    assert decode({"messages": HELLO}, **{"x-session-affinity": "ses_2"}).session == "ses_2"
    assert decode({"messages": HELLO}).session == ""


# ------------------------------------------------------------------ schemas

SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}}


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, SchemaRequest(None)),
        ({"type": "json_object", "schema": SCHEMA}, SchemaRequest(SCHEMA)),
        (
            {"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": SCHEMA}},
            SchemaRequest(SCHEMA, "p", strict=True),
        ),
        ({"type": "json_schema", "json_schema": {"schema": False}}, SchemaRequest(schema=False)),
    ],
)
def test_the_schema_asked_for_is_read(wanted, schema) -> None:
    assert decode({"messages": HELLO, "response_format": wanted}).schema == schema


OUTSIDE = {"$ref": "http://example.com/s.json"}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": 5, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": None}]}, "messages[1].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "user", "content": "x", "tool_calls": 1}]},
            "messages[0].tool_calls",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [TOOL] * 1025}]},
            "messages[0].tool_calls",
        ),
        *(
            (
                {"messages": [{"role": "user", "content": [{"type": "image_url"} | image]}]},
                "messages[0].content[0].image_url.url",
            )
            for image in ({"image_url": {}}, {"image_url": 5}, {"image_url": {"url": 5}})
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": "x"}]}]},
            "messages[0].content[0].file",
        ),
        ({"messages": [{"role": "assistant", "name": "ann"}]}, "messages[0].content"),
        *(({"max_tokens": v}, "max_tokens") for v in (-1, 1.5, "10", True, 1e9, 10**12, [1])),
        *(({"max_completion_tokens": v}, "max_completion_tokens") for v in (-1, 1.5, "10", True)),
        *(({"temperature": v}, "temperature") for v in (-0.1, 2.1, "1", True)),
        *(({"top_p": v}, "top_p") for v in (-0.1, 1.1, "1")),
        *(({"n": v}, "n") for v in (0, 9, 1000, 1.5, True)),
        *(({"top_k": v}, "top_k") for v in (-2, 1.5, "1")),
        *(({"frequency_penalty": v}, "frequency_penalty") for v in (-2.1, 2.1, "1")),
        *(({"presence_penalty": v}, "presence_penalty") for v in (-2.1, 2.1, "1")),
        *(({"reasoning_effort": v}, "reasoning_effort") for v in (1, "x" * 33)),
        *(({"parallel_tool_calls": v}, "parallel_tool_calls") for v in (1, "no")),
        *(({"tool_choice": v}, "tool_choice") for v in ("maybe", 5, [], True)),
        *(({"function_call": v}, "function_call") for v in ("maybe", 5, [])),
        *(({"seed": v}, "seed") for v in (1.5, 2**63, "1")),
        *(({"stop": v}, "stop") for v in (["x"] * 129, 5, [5], {})),
        *(({"stream": v}, "stream") for v in ("true", 1)),
        *(({"stream_options": v}, "stream_options") for v in (True, {"include_usage": "yes"})),
        *(({"logprobs": v}, "logprobs") for v in (5, "x")),
        *(({"top_logprobs": v}, "top_logprobs") for v in (-1, 21, 10**6)),
        *(({"tools": v}, "tools") for v in ({}, "x", [TOOL] * 1025)),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [TOOL, {}]}, "tools[1].function"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"function": {}}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "x" * 257}}]}, "tools[0].function.name"),
        (
            {"tools": [{"function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"functions": [{"name": 5}]}, "functions[0].name"),
        ({"functions": [{"name": "f", "parameters": "x"}]}, "functions[0].parameters"),
        ({"tools": [{"function": {"name": "f", "parameters": OUTSIDE}}]}, "tools"),
        (
            {"functions": [{"name": "f", "parameters": {"$ref": "file:///etc/passwd"}}]},
            "functions",
        ),
        *(({"model": v}, "model") for v in (5, ["m"], "x" * 10_000, "a\nb", "\x00")),
        *(({"response_format": v}, "response_format") for v in ("json", [], 5)),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        *(
            (
                {"response_format": {"type": "json_schema", "json_schema": {"schema": v}}},
                "response_format.json_schema.schema",
            )
            for v in (None, 5, "x", [], OUTSIDE, {"a": [{"$dynamicRef": "//evil/x"}]})
        ),
        *(
            ({name: "x"}, name)
            for name in ("api_base", "api_key", "base_url", "extra_headers", "user_config")
        ),
    ],
)
def test_what_no_provider_could_serve_is_refused_by_the_name_of_its_field(extra, param) -> None:
    error = refusal({"model": "m", "messages": HELLO} | extra)
    assert error.param == param
    assert error.status == (404 if error.code == "model_not_found" else 400)
    assert len(error.message) < 500


def test_a_missing_field_is_named_too() -> None:
    assert refusal({"model": "m"}).param == "messages"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}',
        b'{"temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
        b'{"temperature":1e999,"messages":[{"role":"user","content":"x"}]}',
        b'{"seed":' + b"9" * 5000 + b',"messages":[{"role":"user","content":"x"}]}',
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b'{"messages":[{"role":"assistant","tool_calls":[{"a":' + b"9" * 5000 + b"}]}]}",
        b'{"messages":' + b"[" * 100_000,
        b'{"messages":[{"role":"user","content":"x"}],"z":' + b"[" * 200 + b"]" * 200 + b"}",
    ],
    ids=range(12),
)
def test_bodies_that_parsers_disagree_about_are_refused(body) -> None:
    assert refusal(body).status == 400


def test_a_zero_character_in_text_is_kept() -> None:
    request = decode(b'{"messages":[{"role":"user","content":"a\\u0000b"}]}')
    assert request.question == "a\x00b"


def test_a_reference_to_an_identifier_of_its_own_stays_inside() -> None:
    schema = {"$id": "http://x.org/s", "$ref": "http://x.org/s#/definitions/a"}
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    assert decode({"messages": HELLO, "response_format": wanted}).schema is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(chat_request._KNOWN | {"api_key", "odd"}))
KEYS = ["type", "text", "image_url", "file", "url", "name", "function", "custom", "parameters"]
OBJECTS = st.dictionaries(st.sampled_from(KEYS), st.just("text") | st.just("function") | JSON)
MESSAGES = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "name", "refusal", "function_call"]),
        st.sampled_from(["user", "assistant", "tool"]) | st.lists(OBJECTS) | OBJECTS | JSON,
    )
)
VALUES = JSON | MESSAGES | st.lists(OBJECTS) | OBJECTS
BODIES = st.dictionaries(FIELDS, VALUES) | st.builds(
    lambda told, messages: told | {"messages": messages}, st.dictionaries(FIELDS, VALUES), MESSAGES
)


@given(st.binary() | BODIES.map(lambda told: json.dumps(told).encode()))
def test_whatever_the_bytes_a_request_or_a_request_error_comes_of_them(body) -> None:
    try:
        request = decode(body)
    except RequestError as refused:
        error = refused
    else:
        assert request.body == body
        chat.BACK.forward(body, Changes("m", stream=True, usage=True))
        return
    assert 400 <= error.status < 500
