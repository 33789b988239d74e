from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.types import (
    Directions,
    Lane,
    Message,
    Need,
    Opaque,
    Request,
    Role,
    Sampling,
    SchemaRequest,
    Text,
)
from rung.wire import chat, chat_request

HELLO = [{"role": "user", "content": "hello"}]


def decode(body: bytes | dict[str, Any]) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return chat.decode_request(raw, id="r1", directions=Directions(lane=Lane.BATCH))


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
        sampling=Sampling(10, 0.0, 0.5, 7, ("END",)),
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
    request = decode({"messages": HELLO} | dict.fromkeys(names))
    assert request.sampling == Sampling()
    assert (request.model, request.stream, request.needs) == ("", False, frozenset())


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


@pytest.mark.parametrize(
    ("extra", "needs"),
    [
        ({"tools": [{"type": "function"}]}, {Need.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Need.TOOLS}),
        ({"tools": []}, set()),
        ({"logprobs": True}, {Need.LOGPROBS}),
        ({"logprobs": False}, set()),
        ({"n": 2}, {Need.MANY_CHOICES}),
        ({"n": 1}, set()),
    ],
)
def test_needs_follow_from_fields(extra, needs) -> None:
    assert decode({"messages": HELLO} | extra).needs == needs


@pytest.mark.parametrize(
    ("part", "need"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}, Need.IMAGES),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, Need.AUDIO),
        ({"type": "file", "file": {"file_id": "f"}}, Need.IMAGES),
    ],
)
def test_parts_that_are_not_text_are_opaque_and_need_a_capability(part, need) -> None:
    request = decode({"messages": [{"role": "user", "content": [part]}]})
    kind = part["type"]
    assert request.messages[0].parts == (Opaque(kind, part[kind]),)
    assert request.needs == {need}


def test_a_turn_with_tools_keeps_calls_and_results() -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    request = decode(
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
                {"role": "function", "name": "f", "content": "old"},
            ]
        }
    )
    assert request.messages[1] == Message(Role.ASSISTANT, (Opaque("tool_calls", calls),))
    assert request.messages[2] == Message(
        Role.TOOL, (Text("sunny"), Opaque("tool_call_id", "call_1"))
    )
    assert request.messages[3].role is Role.TOOL
    assert request.needs == {Need.TOOLS}


def test_a_name_alone_needs_no_tools() -> None:
    assert (
        decode({"messages": [{"role": "user", "content": "x", "name": "ann"}]}).needs == frozenset()
    )


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
        *(({"max_tokens": v}, "max_tokens") for v in (-1, 0, 1.5, "10", True, 1e9, 10**12, [1])),
        *(
            ({"max_completion_tokens": v}, "max_completion_tokens")
            for v in (-1, 0, 1.5, "10", True)
        ),
        *(({"temperature": v}, "temperature") for v in (-0.1, 2.1, "1", True)),
        *(({"top_p": v}, "top_p") for v in (-0.1, 1.1, "1")),
        *(({"n": v}, "n") for v in (0, 9, 1000, 1.5, True)),
        *(({"seed": v}, "seed") for v in (1.5, 2**63, "1")),
        *(({"stop": v}, "stop") for v in (["x"] * 129, 5, [5], {})),
        *(({"stream": v}, "stream") for v in ("true", 1)),
        *(({"stream_options": v}, "stream_options") for v in (True, {"include_usage": "yes"})),
        *(({"logprobs": v}, "logprobs") for v in (5, "x")),
        *(({"top_logprobs": v}, "top_logprobs") for v in (-1, 21, 10**6)),
        *(({"tools": v}, "tools") for v in ({}, "x", [{}] * 1025)),
        ({"tools": [{"function": {"parameters": OUTSIDE}}]}, "tools"),
        ({"functions": [{"parameters": {"$ref": "file:///etc/passwd"}}]}, "functions"),
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
FIELDS = st.sampled_from([*chat_request._RULES, "messages", "response_format", "api_key", "odd"])
MESSAGES = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "name", "refusal"]),
        st.sampled_from(["user", "assistant", "tool"])
        | st.lists(st.dictionaries(st.sampled_from(["type", "text"]), st.just("text") | JSON))
        | JSON,
    )
)


@given(st.binary() | st.dictionaries(FIELDS, JSON | MESSAGES).map(lambda d: json.dumps(d).encode()))
def test_whatever_the_bytes_a_request_or_a_request_error_comes_of_them(body) -> None:
    try:
        request = decode(body)
    except RequestError as refused:
        error = refused
    else:
        assert request.body == body
        chat.with_changes(body, chat.Changes("m", stream=True, usage=True))
        return
    assert 400 <= error.status < 500
