from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage
from rung.wire import chat
from rung.wire.front import Reply, Trouble
from support import conversations

REPLY = Reply("1", 7, "m")
ASKED = Request("1", "chat", ())
REFUSALS = st.builds(Answer, st.just(""), st.just(Finish.REFUSAL), refusal=st.text(min_size=1))
FILTERED = st.just(Answer("", Finish.REFUSAL))
ANSWERS = conversations.answers() | REFUSALS | FILTERED


def written(answer: Answer, request: Request = ASKED) -> dict:
    body = chat.FRONT.encode_answer(answer, Usage(), REPLY, request)
    (choice,) = json.loads(body)["choices"]
    return choice


@given(ANSWERS, st.just(Usage()) | conversations.usages(), st.just("") | st.text())
def test_what_is_written_for_callers_reads_back_as_the_same(answer, usage, thinking) -> None:
    reply = Reply("1", 7, answer.model)
    answer = Answer(
        answer.text,
        answer.finish,
        answer.model,
        answer.refusal,
        answer.tool_calls,
        thinking,
        dialect="chat",
    )
    body = chat.FRONT.encode_answer(answer, usage, reply, ASKED)
    again, counted = chat.BACK.decode_answer(body)
    assert again == Answer(
        *(answer.text, answer.finish, answer.model, answer.refusal, answer.tool_calls, thinking),
        dialect="chat",
        body=body,
    )
    assert counted == usage
    told = json.loads(body)
    assert (told["object"], told["created"], told["id"]) == ("chat.completion", 7, "chatcmpl-1")


def test_calls_without_ids_are_told_apart() -> None:
    calls = (ToolCall("", "f", "{}"), ToolCall("", "f", "{}"), ToolCall("own", "f", "{}"))
    told = written(Answer("", Finish.TOOL_CALLS, tool_calls=calls))["message"]
    assert told["content"] is None
    assert [call["id"] for call in told["tool_calls"]] == ["call_1_0", "call_1_1", "own"]


def test_a_call_with_free_text_is_told_as_one() -> None:
    call = ToolCall("c", "patch", "free", custom=True)
    told = written(Answer("", Finish.TOOL_CALLS, tool_calls=(call,)))
    assert told["message"]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "free"}}
    ]


@pytest.mark.parametrize(
    ("body", "older"),
    [
        (b'{"functions":[{"name":"f"}]}', True),
        (b'{"functions":[],"tools":[]}', False),
        (b'{"tools":[{"functions":1}]}', False),
        (b'{"messages":"functions"}', False),
        (b"", False),
    ],
)
def test_callers_of_the_older_kind_get_calls_of_the_older_kind(body, older) -> None:
    answer = Answer("", Finish.TOOL_CALLS, tool_calls=(ToolCall("c", "f", "{}"),))
    request = Request("1", "chat", (), body=body)
    told = written(answer, request)
    assert told["message"].get("function_call") == (
        {"name": "f", "arguments": "{}"} if older else None
    )
    assert ("tool_calls" in told["message"]) is not older
    assert told["finish_reason"] == ("function_call" if older else "tool_calls")
    stream = chat.FRONT.writer(REPLY, request).finish(answer, Usage())
    assert (b'"function_call":{' in stream) is older


def test_further_choices_are_told() -> None:
    body = chat.FRONT.encode_answer(Answer("one", more=("two",)), Usage(), REPLY, ASKED)
    answer, _ = chat.BACK.decode_answer(body)
    assert (answer.text, answer.more) == ("one", ("two",))


def test_words_that_no_encoding_has_are_written_all_the_same() -> None:
    told = written(Answer("a\ud800b"))
    assert told["message"]["content"] == "a?b"


def test_an_error_has_the_dialects_envelope() -> None:
    trouble = Trouble("no", 404, param="model", code="model_not_found", request_id="r1")
    envelope = {
        "error": {
            "message": "no",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
            "request_id": "r1",
        }
    }
    assert json.loads(chat.FRONT.encode_error(trouble)) == envelope
    event = chat.FRONT.error_event(trouble, None)
    assert event == b"data: %b\n\n" % chat.FRONT.encode_error(trouble)
    assert chat.FRONT.status(503) == 503


@pytest.mark.parametrize(
    ("status", "kind"),
    [(418, "invalid_request_error"), (429, "rate_limit_error"), (500, "server_error")],
)
def test_the_type_of_an_error_follows_from_its_status(status, kind) -> None:
    told = json.loads(chat.FRONT.encode_error(Trouble("x", status)))
    assert told["error"]["type"] == kind
    odd = json.loads(chat.FRONT.encode_error(Trouble("x", status, type="odd")))
    assert odd["error"]["type"] == "odd"


def test_models_are_listed() -> None:
    assert json.loads(chat.encode_models(["rung", "tier:a"], 7)) == {
        "object": "list",
        "data": [
            {"id": "rung", "object": "model", "created": 7, "owned_by": "rung"},
            {"id": "tier:a", "object": "model", "created": 7, "owned_by": "rung"},
        ],
    }
