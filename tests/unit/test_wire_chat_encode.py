from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import (
    Directions,
    Message,
    Opaque,
    Role,
    Sampling,
    SchemaRequest,
    Text,
)
from rung.wire import chat

MODEL_NAMES = st.text(min_size=1)


def with_model(body: bytes, model: str, **changes: Any) -> bytes:
    return chat.with_changes(body, chat.Changes(model, **changes))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"model":"a","x":1}', b'{"model":"NEW","x":1}'),
        (b' { "x" : [1 , 2], "model" : "a" } ', b' { "x" : [1 , 2], "model" : "NEW" } '),
        (
            b'{"messages":[{"content":"\\"model\\":\\"a\\""}],"metadata":{"model":"b"},"model":"a"}',
            b'{"messages":[{"content":"\\"model\\":\\"a\\""}],"metadata":{"model":"b"},"model":"NEW"}',
        ),
        (b'{"metadata":{"model":"b"}}', b'{"metadata":{"model":"b"},"model":"NEW"}'),
        (b'{"mod\\u0065l":"a"}', b'{"mod\\u0065l":"NEW"}'),
        (b'{"model":null,"temperature":0.10}', b'{"model":"NEW","temperature":0.10}'),
        (b"{}", b'{"model":"NEW"}'),
    ],
)
def test_only_the_top_level_model_is_exchanged(body, wanted) -> None:
    assert with_model(body, "NEW") == wanted


BODIES = st.dictionaries(
    st.sampled_from(["model", "a", "b", "é\n"]),
    st.recursive(
        st.text() | st.just('"model":"x"') | st.integers(),
        lambda inner: st.dictionaries(st.just("model") | st.text(), inner) | st.lists(inner),
        max_leaves=6,
    ),
)


@given(BODIES, MODEL_NAMES, st.sampled_from([None, 1]), st.booleans())
def test_exchanging_the_model_agrees_with_json(told, model, indent, ascii_only) -> None:
    body = json.dumps(told, indent=indent, ensure_ascii=ascii_only).encode()
    changed = with_model(body, model)
    assert json.loads(changed) == told | {"model": model}
    assert list(json.loads(changed)) == list(told | {"model": model})


def changed(told: dict[str, Any], **options: Any) -> dict[str, Any]:
    return json.loads(with_model(json.dumps(told).encode(), "m", **options))


def test_a_stream_is_asked_for_usage_once() -> None:
    body = {"model": "m", "stream": True}
    asked = {"stream_options": {"include_usage": True}}
    assert changed(body, usage=True) == body | asked
    assert changed(body | {"stream_options": None}, usage=True) == body | asked
    kept = changed(body | {"stream_options": {"x": 1, "include_usage": False}}, usage=True)
    assert kept["stream_options"] == {"x": 1, "include_usage": True}
    spaced = b'{"model":"m","stream":true,"stream_options":{ "include_usage" : true }}'
    assert with_model(spaced, "m", usage=True) == spaced


def test_a_plain_request_is_not_asked_for_usage() -> None:
    assert changed({"model": "m"}, usage=True) == {"model": "m"}


def test_a_body_can_be_made_to_stream_and_back() -> None:
    assert changed({"model": "m"}, stream=True, usage=True) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    streaming = {"stream": True, "stream_options": {"include_usage": True}, "model": "m"}
    assert changed(streaming, stream=False) == {"stream": False, "model": "m"}
    assert changed({"model": "m"}, stream=False) == {"model": "m"}


def test_a_repair_keeps_tools_and_unknown_fields_and_the_raw_messages() -> None:
    body = (
        b'{"model":"a","messages":[ {"role":"user","content":"x","odd":1.50} ],'
        b'"tools":[{"type":"function"}],"reasoning_effort":"low"}'
    )
    repair = (
        Message(Role.ASSISTANT, (Text("draft"),)),
        Message(Role.USER, (Text('wrong: "a" is missing'),)),
    )
    wanted = body.replace(b'"a"', b'"m"', 1).replace(
        b' {"role":"user","content":"x","odd":1.50} ]',
        b' {"role":"user","content":"x","odd":1.50} ,{"role":"assistant","content":"draft"},'
        b'{"role":"user","content":"wrong: \\"a\\" is missing"}]',
    )
    assert chat.with_changes(body, chat.Changes("m", appended=repair)) == wanted


def test_a_sample_carries_its_own_temperature_seed_and_schema() -> None:
    body = b'{"model":"a","messages":[],"temperature":0}'
    schema = SchemaRequest({"type": "object"}, "a name!")
    got = json.loads(
        chat.with_changes(body, chat.Changes("m", temperature=0.8, seed=3, schema=schema))
    )
    assert got == {
        "model": "m",
        "messages": [],
        "temperature": 0.8,
        "seed": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a_name_", "schema": {"type": "object"}, "strict": False},
        },
    }


def test_a_request_from_elsewhere_is_written_whole() -> None:
    body = chat.encode_request(
        (Message(Role.SYSTEM, (Text("be brief"),)), Message(Role.USER, (Text("hi"),))),
        model="m",
        sampling=Sampling(5, 0.1, 0.9, 1, ("x",)),
        schema=SchemaRequest(None),
        stream=True,
        limit_field="max_completion_tokens",
    )
    assert json.loads(body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "max_completion_tokens": 5,
        "temperature": 0.1,
        "top_p": 0.9,
        "seed": 1,
        "stop": ["x"],
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_the_caller_left_open_stays_out() -> None:
    body = chat.encode_request((Message(Role.USER, (Text("hi"),)),), model="m", sampling=Sampling())
    assert set(json.loads(body)) == {"model", "messages"}


CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
MESSAGES = st.sampled_from(
    [
        {"role": "system", "content": "s"},
        {"role": "user", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "user", "content": "x", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "assistant", "content": "text", "tool_calls": CALLS},
        {"role": "tool", "content": "out", "tool_call_id": "c"},
    ]
)


@given(st.lists(MESSAGES, min_size=1))
def test_messages_survive_reading_and_writing(messages) -> None:
    body = json.dumps({"model": "m", "messages": messages}).encode()
    request = chat.decode_request(body, id="r", directions=Directions())
    assert [chat.message_object(one) for one in request.messages] == messages


def test_parts_of_another_dialect_are_left_out() -> None:
    message = Message(Role.USER, (Text("a"), Opaque("thinking", "secret")))
    assert chat.message_object(message) == {"role": "user", "content": "a"}
