from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire import messages
from rung.wire.back import UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.front import Reply, Trouble
from rung.wire.ids import ANTHROPIC, fit
from support import conversations

REPLY = Reply("r-1", 1_700_000_000, "m-1")
REQUEST = Request("r-1", "messages", ())
USAGE = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 3,
    "output_tokens": 7,
}
COUNTED = Usage(10, 7, 3, 2, 0, UsageSource.PROVIDER)


def message(*content: Any, reason: Any = "end_turn", usage: Any = USAGE, **more: Any) -> bytes:
    told = {"id": "msg_1", "type": "message", "model": "m-1", "content": list(content)}
    return json.dumps(told | {"stop_reason": reason, "usage": usage} | more).encode()


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def read(body: bytes) -> Answer:
    return messages.BACK.decode_answer(body)[0]


def counted(usage: Any, *content: Any) -> Usage:
    return messages.BACK.decode_answer(message(*content, usage=usage))[1]


def written(answer: Answer, usage: Usage | None = None) -> Any:
    return json.loads(messages.FRONT.encode_answer(answer, usage or Usage(), REPLY, REQUEST))


# ------------------------------------------------------------------ from providers


def test_an_answer_keeps_its_bytes() -> None:
    body = message(
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        text("a"),
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        text("b"),
        reason="end_turn",
    )
    answer, usage = messages.BACK.decode_answer(body)
    assert answer == Answer("ab", Finish.STOP, "m-1", thinking="hm", dialect="messages", body=body)
    assert usage == COUNTED


def test_calls_keep_the_spelling_of_their_arguments() -> None:
    block = b'{"type":"tool_use","id":"t","name":"f","input":{"b": 1.0, "a": []}}'
    body = b'{"content":[%b,%b],"stop_reason":"tool_use"}' % (block, block.replace(b'"t"', b"null"))
    assert read(body).tool_calls == (
        ToolCall("t", "f", '{"b":1.0,"a":[]}'),
        ToolCall("", "f", '{"b":1.0,"a":[]}'),
    )
    assert read(body).finish is Finish.TOOL_CALLS


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("stop_sequence", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("tool_use", Finish.TOOL_CALLS),
        ("refusal", Finish.REFUSAL),
        ("pause_turn", Finish.UNKNOWN),
        ("from_the_future", Finish.UNKNOWN),
        (None, Finish.UNKNOWN),
        ([], Finish.UNKNOWN),
    ],
)
def test_every_reason_has_a_meaning(reason: Any, finish: Finish) -> None:
    assert read(message(text("a"), reason=reason)).finish is finish


def test_a_call_at_the_end_of_a_turn_is_one() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert read(message(call)).finish is Finish.TOOL_CALLS
    assert read(message(call, reason="max_tokens")).finish is Finish.LENGTH


def test_the_words_of_a_refusal_are_kept() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "not that"}
    assert read(message(reason="refusal", stop_details=details)).refusal == "not that"
    assert read(message(text("a"), reason="refusal", stop_details=None)).refusal is None
    assert read(message(text("a"), stop_details=details)).refusal is None


def test_json_by_pythons_standards_is_mended() -> None:
    answer = read(b'{"content":[{"type":"text","text":"a"}],"score":NaN}')
    assert (answer.text, json.loads(answer.body)["score"]) == ("a", None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}',
        b'{"error":{"message":"m"}}',
        b'{"type":"error"}',
    ],
)
def test_an_error_with_status_200_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamFaultError) as caught:
        read(body)
    assert caught.value.error == json.loads(body).get("error")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"content":"a"}',
        b'{"content":[5]}',
        b'{"content":null}',
        b'{"content":[{"type":"text","text":"\\ud800"}]}',
        b'{"content":' + b"[" * 100_000,
        message(*[{"type": "tool_use", "input": {}}] * 1025),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(WireError):
        read(body)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "content", "stop_reason", "stop_details", "model", "usage"]),
        ODD
        | st.lists(
            st.dictionaries(st.sampled_from(["type", "text", "id", "name", "input"]), ODD),
            max_size=3,
        ),
    ),
    st.binary(max_size=3),
)
def test_odd_answers_are_read_or_refused_and_never_anything_else(told: Any, noise: bytes) -> None:
    try:
        answer, usage = messages.BACK.decode_answer(json.dumps(told).encode() + noise)
    except WireError:
        return
    assert isinstance(answer.text, str)
    assert usage.input_tokens >= 0


# ------------------------------------------------------------------ counters


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, COUNTED),
        ({"input_tokens": 5, "output_tokens": 7}, Usage(5, 7, source=UsageSource.PROVIDER)),
        (
            USAGE | {"cache_read_input_tokens": None},
            replace(COUNTED, input_tokens=7, cache_read_tokens=0),
        ),
        (
            {"input_tokens": 0, "cache_read_input_tokens": 9, "output_tokens": 1},
            Usage(9, 1, 9, source=UsageSource.PROVIDER),
        ),
        (
            USAGE | {"output_tokens_details": {"thinking_tokens": 4}},
            replace(COUNTED, reasoning_tokens=4),
        ),
        (
            USAGE | {"output_tokens_details": {"thinking_tokens": 40}},
            replace(COUNTED, output_tokens=47, reasoning_tokens=40, source=UsageSource.ESTIMATED),
        ),
        ("none", Usage()),
        ({}, Usage()),
        ({"input_tokens": 5}, Usage()),
        (USAGE | {"input_tokens": -5}, Usage()),
        (USAGE | {"input_tokens": "5"}, Usage()),
        (USAGE | {"output_tokens": 0}, Usage()),
        (USAGE | {"output_tokens": True}, Usage()),
        (USAGE | {"cache_read_input_tokens": -3}, Usage()),
        (USAGE | {"cache_creation_input_tokens": "2"}, Usage()),
        (USAGE | {"input_tokens": 10**10}, Usage()),
        ({"input_tokens": 0, "output_tokens": 3}, Usage()),
    ],
)
def test_only_counts_that_make_sense_are_the_providers(usage: Any, expected: Usage) -> None:
    assert counted(usage, text("a")) == expected


def test_an_answer_of_nothing_may_count_none() -> None:
    assert counted(USAGE | {"output_tokens": 0}) == replace(COUNTED, output_tokens=0)


# ------------------------------------------------------------------ for callers


@given(conversations.answers(), conversations.usages())
def test_what_is_written_reads_the_same(answer: Answer, usage: Usage) -> None:
    body = messages.FRONT.encode_answer(answer, usage, replace(REPLY, model=answer.model), REQUEST)
    assert messages.BACK.decode_answer(body) == (
        replace(answer, dialect="messages", body=body),
        usage,
    )


def test_a_message_has_all_its_fields() -> None:
    assert written(Answer("a"), COUNTED) == {
        "id": "msg_r-1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [text("a")],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def test_counts_that_nobody_made_are_there_all_the_same() -> None:
    assert set(written(Answer("a"))["usage"].values()) == {0}


@pytest.mark.parametrize(
    ("answer", "reason", "content"),
    [
        (Answer("a", Finish.LENGTH), "max_tokens", [text("a")]),
        (Answer("a", Finish.UNKNOWN), "end_turn", [text("a")]),
        (Answer("", Finish.REFUSAL), "refusal", []),
        (Answer("", Finish.STOP, refusal="no"), "refusal", [text("no")]),
        (Answer("a", Finish.REFUSAL, refusal="no"), "refusal", [text("a"), text("no")]),
    ],
)
def test_why_it_ended(answer: Answer, reason: str, content: list[Any]) -> None:
    told = written(answer)
    assert (told["stop_reason"], told["content"]) == (reason, content)


def test_calls_are_whole_and_honest() -> None:
    calls = (
        ToolCall("functions.f:0", "f", '{"n": 1.0}'),
        ToolCall("b", "f", "{broken"),
        ToolCall("c", "f", ""),
    )
    answer = Answer("", Finish.TOOL_CALLS, tool_calls=calls)
    body = messages.FRONT.encode_answer(answer, Usage(), REPLY, REQUEST)
    assert b'"input":{"n": 1.0}' in body
    blocks = json.loads(body)["content"]
    assert [one["id"] for one in blocks] == [fit("functions.f:0", ANTHROPIC), "b", "c"]
    assert [one["input"] for one in blocks] == [{"n": 1.0}, {"_arguments": "{broken"}, {}]


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, "invalid_request_error", 400),
        (401, "authentication_error", 401),
        (402, "billing_error", 402),
        (403, "permission_error", 403),
        (404, "not_found_error", 404),
        (413, "request_too_large", 413),
        (415, "invalid_request_error", 415),
        (429, "rate_limit_error", 429),
        (500, "api_error", 500),
        (502, "api_error", 502),
        (503, "overloaded_error", 529),
        (504, "timeout_error", 504),
    ],
)
def test_errors(status: int, kind: str, told: int) -> None:
    trouble = Trouble("m", status, request_id="r-1")
    envelope = {
        "type": "error",
        "error": {"type": kind, "message": "m"},
        "request_id": "r-1",
    }
    assert json.loads(messages.FRONT.encode_error(trouble)) == envelope
    assert messages.FRONT.status(status) == told


def test_an_error_may_have_a_type_of_its_own_and_end_a_stream() -> None:
    trouble = Trouble("m", 502, type="overloaded_error")
    head, _, data = messages.FRONT.error_event(trouble, REPLY).partition(b"data: ")
    assert head == b"event: error\n"
    assert json.loads(data)["error"] == {"type": "overloaded_error", "message": "m"}


def test_models_are_listed_on_one_page() -> None:
    told = json.loads(messages.encode_models(["a", "b"], 1_700_000_000))
    one = json.loads(messages.encode_model("a", 1_700_000_000))
    assert one == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "2023-11-14T22:13:20Z",
    }
    assert told == {
        "data": [one, one | {"id": "b", "display_name": "b"}],
        "has_more": False,
        "first_id": "a",
        "last_id": "b",
    }
    assert json.loads(messages.encode_models([], 0))["first_id"] is None


def test_a_count_is_one_number() -> None:
    assert json.loads(messages.encode_count(7)) == {"input_tokens": 7}
