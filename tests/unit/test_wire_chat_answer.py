from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire import chat
from rung.wire.back import UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.sse import SseEvent


def completion(message: Any = None, **told: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message or {"content": "hi"}, "finish_reason": "stop"}
    return {"id": "x", "model": "m-1", "choices": [choice]} | told


def decode(told: Any) -> tuple[Answer, Usage]:
    return chat.BACK.decode_answer(told if isinstance(told, bytes) else json.dumps(told).encode())


def test_an_answer_is_read_and_keeps_its_bytes() -> None:
    body = json.dumps(completion(usage={"prompt_tokens": 3, "completion_tokens": 2})).encode()
    answer, usage = decode(body)
    assert answer == Answer("hi", Finish.STOP, "m-1", dialect="chat", body=body)
    assert usage == Usage(3, 2, source=UsageSource.PROVIDER)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("length", Finish.LENGTH),
        ("max_tokens", Finish.LENGTH),
        ("tool_calls", Finish.TOOL_CALLS),
        ("function_call", Finish.TOOL_CALLS),
        ("content_filter", Finish.REFUSAL),
        ("something new", Finish.UNKNOWN),
        (None, Finish.UNKNOWN),
        (5, Finish.UNKNOWN),
        (["stop"], Finish.UNKNOWN),
    ],
)
def test_reasons_are_put_into_one_vocabulary(reason, finish) -> None:
    told = completion()
    told["choices"][0]["finish_reason"] = reason
    assert decode(told)[0].finish is finish


def test_words_of_refusal_are_a_refusal_although_the_reason_is_stop() -> None:
    answer, _ = decode(completion({"content": None, "refusal": "I cannot"}))
    assert (answer.text, answer.refusal, answer.finish) == ("", "I cannot", Finish.REFUSAL)


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, {"text": "b"}, 5]
    assert decode(completion({"content": parts}))[0].text == "ab"


def test_what_the_model_thought_aside_is_kept_apart() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    details = [
        {"type": "reasoning.text", "text": "h"},
        {"type": "reasoning.summary", "summary": "m"},
    ]
    for message in (
        {"content": "a", "reasoning_content": "hm"},
        {"content": "a", "reasoning": "hm"},
        {"content": "a", "reasoning": "hm", "reasoning_details": details},
        {"content": "a", "reasoning_details": details},
        {"content": [thought, {"type": "text", "text": "a"}]},
    ):
        answer, _ = decode(completion(message))
        assert (answer.text, answer.thinking) == ("a", "hm")


def test_thoughts_alone_were_written_too() -> None:
    told = completion({"content": "", "reasoning": "hm"}, usage={"prompt_tokens": 5})
    told["usage"]["completion_tokens"] = 0
    assert decode(told)[1] == Usage()


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (
            {"id": "functions.f:0", "function": {"name": "f", "arguments": '{"a" :1}'}},
            ToolCall("functions.f:0", "f", '{"a" :1}'),
        ),
        (
            {"id": "a", "function": {"name": "f", "arguments": {"a": 1}}},
            ToolCall("a", "f", '{"a":1}'),
        ),
        ({"id": "a", "function": {"name": "f", "arguments": None}}, ToolCall("a", "f", "")),
        ({"id": None, "function": {"name": "f"}}, ToolCall("", "f", "")),
        ({"id": 5, "function": {"name": "f"}}, ToolCall("5", "f", "")),
        (
            {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}},
            ToolCall("a", "f", "x", custom=True),
        ),
        ({"id": "a"}, ToolCall("a", "", "")),
    ],
)
def test_tool_calls_are_read_as_servers_write_them(told, read) -> None:
    answer, _ = decode(completion({"content": None, "tool_calls": [told]}))
    assert answer.tool_calls == (read,)


def test_an_older_function_call_is_a_call_without_an_id() -> None:
    old = {"name": "f", "arguments": "{}"}
    answer, _ = decode(completion({"content": None, "function_call": old}))
    assert answer.tool_calls == (ToolCall("", "f", "{}"),)


def test_an_answer_that_stopped_with_calls_stopped_for_them() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    assert decode(completion({"tool_calls": calls}))[0].finish is Finish.TOOL_CALLS
    cut = completion({"tool_calls": calls})
    cut["choices"][0]["finish_reason"] = "length"
    assert decode(cut)[0].finish is Finish.LENGTH


@pytest.mark.parametrize(
    ("content", "logprobs"),
    [
        ([{"logprob": -0.5}, {"logprob": 0}], (-0.5, 0.0)),
        ([{"logprob": 1e-9}], (0.0,)),
        ([{"logprob": -0.5}, {"token": "x"}], ()),
        ([{"logprob": "x"}], ()),
        ("x", ()),
        (None, ()),
    ],
)
def test_log_probabilities_are_all_there_or_none(content, logprobs) -> None:
    told = completion()
    told["choices"][0]["logprobs"] = {"content": content}
    assert decode(told)[0].logprobs == logprobs


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (None, Usage()),
        ({}, Usage()),
        ([], Usage()),
        ({"prompt_tokens": 5}, Usage()),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": 0, "completion_tokens": 5}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": -2}, Usage()),
        ({"prompt_tokens": "5", "completion_tokens": "2"}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": 5.5, "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": math.nan, "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": math.inf, "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": 10**12, "completion_tokens": 2}, Usage()),
        (
            {"prompt_tokens": 5.0, "completion_tokens": 2},
            Usage(5, 2, source=UsageSource.PROVIDER),
        ),
        ({"prompt_tokens": 5, "total_tokens": 7}, Usage(5, 2, source=UsageSource.PROVIDER)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 99, "cache_write_tokens": 99},
                "completion_tokens_details": {"reasoning_tokens": 99},
            },
            Usage(5 + 99 + 99, 2 + 99, 99, 99, 99, UsageSource.ESTIMATED),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": -1, "cache_write_tokens": 3},
                "completion_tokens_details": None,
            },
            Usage(5, 2, 0, 3, 0, UsageSource.ESTIMATED),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4},
            Usage(5, 2, 4, source=UsageSource.PROVIDER),
        ),
    ],
)
def test_counts_that_make_no_sense_are_no_counts(told, usage) -> None:
    assert decode(completion(usage=told))[1] == usage


def test_an_answer_of_nothing_may_have_cost_no_output() -> None:
    told = completion({"content": ""}, usage={"prompt_tokens": 5, "completion_tokens": 0})
    assert decode(told)[1] == Usage(5, 0, source=UsageSource.PROVIDER)


def test_what_is_json_only_to_python_is_mended_before_it_is_passed_on() -> None:
    told = completion(usage={"prompt_tokens": math.nan}, odd=1)
    answer, usage = decode(told)
    assert usage == Usage()
    assert json.loads(answer.body, parse_constant=pytest.fail) == told | {
        "usage": {"prompt_tokens": None}
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"5",
        b'"hi"',
        b"{}",
        b'{"choices":null}',
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":[{"message":null}]}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"tool_calls":"x"}}]}',
        b'{"choices":[{"message":{"tool_calls":["x"]}}]}',
        b'{"choices":[{"message":{"tool_calls":[' + b"{}," * 1024 + b"{}]}}]}",
        b'{"choices":[{"message":{"content":"\\ud800"}}]}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"message":{"content":"hi"}}]',
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b',"x":NaN}',
    ],
    ids=range(19),
)
def test_what_is_no_answer_is_told_apart(body) -> None:
    with pytest.raises(WireError):
        chat.BACK.decode_answer(body)


def test_an_error_inside_of_an_answer_is_an_error() -> None:
    with pytest.raises(UpstreamFaultError) as caught:
        decode({"error": {"message": "no"}, "choices": []})
    assert caught.value.error == {"message": "no"}


def test_an_error_of_an_older_server_is_an_error_too() -> None:
    with pytest.raises(UpstreamFaultError) as caught:
        decode({"object": "error", "message": "no", "type": "BadRequestError", "code": 400})
    assert caught.value.error == {"message": "no", "type": "BadRequestError", "code": 400}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
COUNTS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.integers(-3, 20)
        for name in (
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_cache_hit_tokens",
        )
    }
    | {
        "prompt_tokens_details": JSON | st.dictionaries(st.just("cached_tokens"), JSON),
        "completion_tokens_details": JSON | st.dictionaries(st.just("reasoning_tokens"), JSON),
    },
)


@given(
    st.binary()
    | JSON.map(lambda told: json.dumps(told).encode())
    | st.builds(
        lambda message, usage, logprobs: json.dumps(
            {"choices": [{"message": message, "logprobs": logprobs}], "usage": usage}
        ).encode(),
        st.dictionaries(
            st.sampled_from(["content", "refusal", "tool_calls", "function_call", "reasoning"]),
            JSON | st.lists(st.dictionaries(st.sampled_from(["id", "function", "custom"]), JSON)),
        ),
        COUNTS | JSON,
        JSON,
    )
)
def test_whatever_the_bytes_an_answer_or_a_wire_error_comes_of_them(body) -> None:
    try:
        answer, usage = chat.BACK.decode_answer(body)
    except WireError:
        return
    assert answer.text.encode() is not None
    assert min(usage.input_tokens, usage.output_tokens, usage.cache_write_tokens) >= 0
    assert 0 <= usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    assert (usage.source is UsageSource.NONE) == (usage == Usage())


def test_further_choices_are_kept_for_the_checks() -> None:
    told = completion({"content": "one"})
    told["choices"] += [{"index": 1, "message": {"content": "two"}, "finish_reason": "stop"}]
    answer, _ = decode(told)
    assert (answer.text, answer.more) == ("one", ("two",))


def test_arguments_that_came_as_an_object_are_told_as_the_text_that_clients_parse() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": {"at": 1}}}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}}]}).encode()
    answer, _ = chat.BACK.decode_answer(body)
    assert (answer.tool_calls[0].arguments, answer.body) == ('{"at":1}', b"")


def test_events_whose_arguments_came_as_an_object_go_on_with_them_as_a_text() -> None:
    call = {"id": "c", "function": {"name": "look", "arguments": {"at": 1}}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    reader = chat.BACK.reader(Request("r", "chat", ()))
    read = reader.feed(SseEvent("", json.dumps({"choices": [choice]}).encode()))
    assert read.delta is not None
    told = json.loads(read.delta.raw.removeprefix(b"data: "))["choices"][0]
    (call,) = told["delta"]["tool_calls"]
    assert (call["function"]["arguments"], told["finish_reason"]) == ('{"at":1}', "tool_calls")
