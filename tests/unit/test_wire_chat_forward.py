from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Message, Opaque, Role, Text, ToolCall, ToolResult
from rung.core.types import SchemaRequest
from rung.wire import chat
from rung.wire.back import Changes
from rung.wire.ids import MISTRAL
from rung.wire.quirks import Quirks

MODEL_NAMES = st.text(min_size=1)


def with_model(body: bytes, model: str, **changes: Any) -> bytes:
    encoded = chat.BACK.forward(body, Changes(model, **changes))
    assert encoded.losses == ()
    return encoded.body


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
    assert with_model(body, "m", appended=repair) == wanted


def test_a_sample_carries_its_own_temperature_seed_and_schema() -> None:
    body = b'{"model":"a","messages":[],"temperature":0}'
    schema = SchemaRequest({"type": "object"}, "a name!")
    got = json.loads(with_model(body, "m", temperature=0.8, seed=3, schema=schema))
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


def test_what_is_appended_says_what_it_could_not_say() -> None:
    draft = Message(
        Role.ASSISTANT, (Opaque("thinking", {}, "messages"), ToolCall("toolu_01", "f", '{"a":1}'))
    )
    result = Message(Role.TOOL, (ToolResult("toolu_01", (Text("no such file"),), is_error=True),))
    changes = Changes("m", appended=(draft, result), quirks=Quirks(ids=MISTRAL))
    encoded = chat.BACK.forward(b'{"messages":[{"role":"user","content":"x"}]}', changes)
    assert encoded.losses == ("thinking",)
    _, called, told = json.loads(encoded.body)["messages"]
    assert called["tool_calls"][0]["id"] == told["tool_call_id"]
    assert MISTRAL.allows(told["tool_call_id"])
    assert told["content"] == "Error: no such file"


LIMITS = ("max_tokens", "max_completion_tokens")


@pytest.mark.parametrize("wanted", LIMITS)
@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 9, "max_completion_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
        ({"max_tokens": 0}, None),
        ({"max_tokens": None}, None),
        ({}, None),
    ],
)
def test_the_limit_has_the_one_name_that_the_model_knows(sent, limit, wanted) -> None:
    got = changed({"model": "a", "x": 1} | sent, quirks=Quirks(limit_field=wanted))
    assert {name: got[name] for name in LIMITS if got.get(name) is not None} == (
        {wanted: limit} if limit else {}
    )
    assert got["x"] == 1


def test_a_limit_that_has_the_right_name_keeps_its_place() -> None:
    body = b'{"model":"m","max_tokens": 5,"x":1}'
    assert with_model(body, "m") == body


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("temperature", {"temperature": 1}),
        ("top_p", {"top_p": 1}),
        ("top_k", {"top_k": 5}),
        ("seed", {"seed": 5}),
        ("stop", {"stop": "x"}),
        ("frequency_penalty", {"frequency_penalty": 1}),
        ("presence_penalty", {"presence_penalty": 1}),
        ("logprobs", {"logprobs": True, "top_logprobs": 2}),
        ("many_choices", {"n": 2}),
        ("forced_tool_choice", {"tool_choice": "required"}),
        ("forced_tool_choice", {"function_call": {"name": "f"}}),
        ("parallel_tool_calls", {"parallel_tool_calls": False}),
        ("effort", {"reasoning_effort": "low"}),
        ("schema", {"response_format": {"type": "json_object"}}),
    ],
)
def test_what_a_model_refuses_is_taken_out_and_named(name, sent) -> None:
    body = json.dumps({"model": "m", "kept": 1.0} | sent).encode()
    encoded = chat.BACK.forward(body, Changes("m", quirks=Quirks(refuses=frozenset({name}))))
    assert encoded.body == b'{"model": "m", "kept": 1.0}'
    assert encoded.losses == (name,)
    assert chat.BACK.forward(body, Changes("m")).body == body


@pytest.mark.parametrize(
    "sent",
    [{"tool_choice": "auto"}, {"tool_choice": "none"}, {"logprobs": False}, {"n": 1}, {}],
)
def test_what_says_nothing_is_no_loss(sent) -> None:
    refuses = frozenset({"forced_tool_choice", "logprobs", "many_choices", "temperature"})
    assert changed({"model": "m"} | sent, quirks=Quirks(refuses=refuses)) == {"model": "m"} | sent


def test_what_rung_would_have_added_for_itself_is_no_loss() -> None:
    quirks = Quirks(refuses=frozenset({"temperature", "schema", "seed"}))
    schema = SchemaRequest({"type": "object"})
    assert changed({"model": "m"}, temperature=0.7, seed=1, schema=schema, quirks=quirks) == {
        "model": "m"
    }
