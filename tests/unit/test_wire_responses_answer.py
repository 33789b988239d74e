"""OpenAI Responses, plain answers: read from providers, written for callers, and errors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Tool, ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire.back import UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.front import Reply, Trouble
from rung.wire.responses import BACK, FRONT
from support.conversations import answers, usages
from support.responses_bodies import AGENT, asked, decoded, valid_response

REPLY = Reply("r1", 1_700_000_000, "local-1")
USAGE = Usage(100, 20, 60, 10, 5, UsageSource.PROVIDER)
TOLD: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-6-luna",
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [
                {"type": "summary_text", "text": "First."},
                {"type": "summary_text", "text": "Second."},
            ],
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "Two ",
                    "annotations": [],
                    "logprobs": [{"token": "Two ", "logprob": -0.5}],
                },
                {
                    "type": "output_text",
                    "text": "parts.",
                    "annotations": [],
                    "logprobs": [{"token": "parts.", "logprob": -0.25}],
                },
            ],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "wait",
            "namespace": "team",
            "arguments": "{}",
        },
        {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "***"},
    ],
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    },
}


def read(**changed: Any) -> tuple[Answer, Usage]:
    return BACK.decode_answer(msgspec.json.encode(TOLD | changed))


# ------------------------------------------------------------------ from providers


def test_a_providers_answer_is_read() -> None:
    body = msgspec.json.encode(TOLD)
    answer, usage = BACK.decode_answer(body)
    assert answer == Answer(
        text="Two parts.",
        finish=Finish.TOOL_CALLS,
        model="gpt-6-luna",
        tool_calls=(
            ToolCall("call_1", "wait", "{}", "team"),
            ToolCall("call_2", "patch", "***", custom=True),
        ),
        thinking="First.\n\nSecond.",
        logprobs=(-0.5, -0.25),
        dialect="responses",
        body=body,
    )
    assert usage == replace(USAGE, server_tools=1)


@pytest.mark.parametrize(
    ("changed", "finish"),
    [
        ({"output": []}, Finish.STOP),
        ({"status": None, "output": []}, Finish.STOP),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Finish.LENGTH,
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Finish.REFUSAL,
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": ["x"]}}, Finish.UNKNOWN),
        ({"status": "incomplete"}, Finish.UNKNOWN),
    ],
)
def test_why_it_ended(changed: dict[str, Any], finish: Finish) -> None:
    assert read(**changed)[0].finish is finish


def test_words_of_refusal_are_a_refusal() -> None:
    content = [{"type": "refusal", "refusal": "I "}, {"type": "refusal", "refusal": "won't."}]
    answer, _ = read(output=[{"type": "message", "content": content}])
    assert (answer.text, answer.refusal, answer.finish) == ("", "I won't.", Finish.REFUSAL)


def test_arguments_that_came_as_an_object_are_json_text() -> None:
    item = {"type": "function_call", "id": "fc_1", "name": "f", "arguments": {"a": 1}}
    answer, _ = read(output=[item])
    assert answer.tool_calls == (ToolCall("fc_1", "f", '{"a":1}'),)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"input_tokens": 0, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 0},
        {"input_tokens": "5", "output_tokens": 5},
        {"input_tokens": -5, "output_tokens": 5},
        {"input_tokens": True, "output_tokens": 5},
        {"input_tokens": 10**12, "output_tokens": 5},
    ],
)
def test_counts_that_make_no_sense_are_none(usage: Any) -> None:
    assert read(usage=usage)[1] == Usage()


def test_a_part_greater_than_its_whole_was_counted_beside_it() -> None:
    inside = {"cached_tokens": 80, "cache_write_tokens": 80}
    told = {"input_tokens": 100, "output_tokens": 5, "input_tokens_details": inside}
    told["output_tokens_details"] = {"reasoning_tokens": 9}
    assert read(usage=told)[1] == Usage(180, 14, 80, 80, 9, UsageSource.ESTIMATED, server_tools=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed"},
        {"status": "cancelled"},
        {"status": "failed", "error": {"code": "server_error", "message": "x"}},
        {"error": {"message": "x"}},
        {"error": "x", "output": None},
    ],
)
def test_a_failed_response_is_the_providers_fault(changed: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFaultError) as caught:
        read(**changed)
    assert caught.value.error == changed.get("error", caught.value.error)


@pytest.mark.parametrize(
    "changed",
    [
        {"output": None},
        {"output": {}},
        {"output": ["text"]},
        {"output": [{"type": "message"}] * 1025},
        {"status": "in_progress"},
        {"status": "queued"},
        {"status": ["completed"]},
    ],
)
def test_what_is_no_finished_answer_is_an_error(changed: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(**changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "text", "summary", "arguments", "name", "logprob"]),
            inner | st.sampled_from(["message", "function_call", "output_text", "reasoning"]),
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*TOLD, "error", "incomplete_details"]), JSON))
def test_any_object_is_read_or_an_error_of_the_wire(changed: dict[str, Any]) -> None:
    try:
        answer, usage = BACK.decode_answer(json.dumps(TOLD | changed).encode())
    except WireError:
        return
    assert isinstance(answer, Answer)
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens


@given(st.binary(max_size=40) | st.sampled_from([b"[" * 10_000, b'{"output":' + b"[" * 10_000]))
def test_any_bytes_are_an_error_of_the_wire(body: bytes) -> None:
    with pytest.raises(WireError):
        BACK.decode_answer(body)


# ------------------------------------------------------------------ for callers


@given(answers(), usages())
def test_what_is_written_for_callers_is_read_back_the_same(answer: Answer, usage: Usage) -> None:
    body = FRONT.encode_answer(answer, usage, REPLY, asked())
    valid_response(body)
    read_answer, read_usage = BACK.decode_answer(body)
    # This dialect tells a limit by the status, whatever else there is.
    assert (read_answer.text, read_answer.tool_calls) == (answer.text, answer.tool_calls)
    assert (read_answer.finish, read_answer.model) == (answer.finish, "local-1")
    assert read_usage == usage


def test_a_response_repeats_its_request() -> None:
    body = FRONT.encode_answer(Answer("Done."), USAGE, REPLY, decoded(AGENT))
    told = msgspec.json.decode(body)
    for name in ("parallel_tool_calls", "reasoning", "tool_choice", "prompt_cache_key"):
        assert told[name] == AGENT[name]
    assert [tool["type"] for tool in told["tools"]] == [tool["type"] for tool in AGENT["tools"]]
    assert (told["id"], told["object"], told["store"]) == ("resp_r1", "response", False)
    assert (told["created_at"], told["model"]) == (1_700_000_000, "local-1")


def test_what_the_caller_said_is_told_back_in_its_own_words() -> None:
    said: dict[str, Any] = {
        "instructions": "Be brief.",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 50,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "truncation": "auto",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    }
    told = valid_response(FRONT.encode_answer(Answer("{}"), USAGE, REPLY, asked(**said)))
    tools = said.pop("tools")
    assert {name: told[name] for name in said} == said
    assert told["tools"] == [tools[0] | {"strict": False}]


def test_a_request_without_a_body_is_repeated_from_its_parts() -> None:
    request = Request("r1", "responses", (), tools=(Tool("f"),))
    told = valid_response(FRONT.encode_answer(Answer("Hi"), USAGE, REPLY, request))
    assert (told["tool_choice"], told["tools"][0]["name"]) == ("auto", "f")


def test_calls_are_items_with_fitted_ids() -> None:
    calls = (
        ToolCall("x" * 100, "wait", "{}", "team"),
        ToolCall("call_2", "patch", "***", custom=True),
    )
    answer = Answer("", Finish.TOOL_CALLS, tool_calls=calls)
    told = valid_response(FRONT.encode_answer(answer, USAGE, REPLY, asked()))
    function, custom = told["output"]
    assert len(function["call_id"]) <= 64
    assert function["id"].startswith("fc_")
    assert (function["type"], function["namespace"]) == ("function_call", "team")
    assert (custom["type"], custom["input"]) == ("custom_tool_call", "***")


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (Answer("Hi"), "completed", None),
        (Answer(""), "completed", None),
        (Answer("Hi", Finish.UNKNOWN), "completed", None),
        (Answer("Hi", Finish.LENGTH), "incomplete", "max_output_tokens"),
        (Answer("Hi", Finish.REFUSAL), "incomplete", "content_filter"),
        (Answer("", Finish.REFUSAL, refusal="No."), "completed", None),
    ],
)
def test_how_it_ended_is_the_status(answer: Answer, status: str, reason: str | None) -> None:
    told = valid_response(FRONT.encode_answer(answer, USAGE, REPLY, asked()))
    assert (told["status"], told["output"][-1]["status"]) == (status, status)
    details = None if reason is None else {"reason": reason}
    assert told["incomplete_details"] == details


def test_usage_that_nobody_counted_is_null_and_thinking_is_not_forged() -> None:
    answer = Answer("Hi", thinking="Hm.")
    told = valid_response(FRONT.encode_answer(answer, Usage(), REPLY, asked()))
    assert told["usage"] is None
    assert [item["type"] for item in told["output"]] == ["message"]


# ------------------------------------------------------------------ errors


def test_an_error_has_openais_envelope() -> None:
    told = json.loads(FRONT.encode_error(Trouble("Wrong.", 400, param="input", code="x")))
    assert told["error"]["message"] == "Wrong."
    assert (told["error"]["param"], told["error"]["code"]) == ("input", "x")
    assert FRONT.status(503) == 503
