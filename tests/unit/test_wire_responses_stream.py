"""OpenAI Responses, streams: read from providers, written for callers, and their errors."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth
from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Usage, UsageSource
from rung.wire.back import Reader, UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.front import Pulsing, Reply, Trouble
from rung.wire.responses import BACK, FRONT
from rung.wire.sse import Parser, SseEvent
from support.conversations import answers, usages
from support.responses_bodies import (
    AGENT,
    asked,
    decoded,
    events,
    framed,
    parsed,
    valid_events,
)

REPLY = Reply("r1", 1_700_000_000, "local-1")
USAGE = Usage(100, 20, 60, 10, 5, UsageSource.PROVIDER)

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "wait"}
TEXT = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
OUTPUT = [MESSAGE | {"content": [TEXT]}, CALL | {"arguments": '{"a":1}'}]
COUNTS = {"input_tokens": 10, "output_tokens": 4}
ENDED = {"model": "gpt-6", "status": "completed", "output": OUTPUT, "usage": COUNTS}


def told(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}"} | fields


STREAM = events(
    told("created", response={"model": "gpt-6", "status": "in_progress"}),
    told("in_progress", response={"model": "gpt-6"}),
    told("output_item.added", output_index=0, item={"type": "reasoning", "id": "rs_1"}),
    told("reasoning_summary_part.added", output_index=0, summary_index=0),
    told("reasoning_summary_text.delta", output_index=0, delta="Hm."),
    told("reasoning_summary_part.added", output_index=0, summary_index=1),
    told("reasoning_summary_text.delta", output_index=0, delta="Well."),
    told("output_item.done", output_index=0, item={"type": "reasoning", "id": "rs_1"}),
    told("output_item.added", output_index=1, item=MESSAGE | {"content": []}),
    told("content_part.added", output_index=1, part=TEXT | {"text": ""}),
    told("output_text.delta", output_index=1, delta="Hel"),
    told("output_text.delta", output_index=1, delta="lo"),
    told("output_text.done", output_index=1, text="Hello"),
    told("output_item.done", output_index=1, item=OUTPUT[0]),
    told("output_item.added", output_index=2, item=CALL | {"arguments": ""}),
    told("function_call_arguments.delta", output_index=2, delta='{"a"'),
    told("function_call_arguments.delta", output_index=2, delta=":1}"),
    told("function_call_arguments.done", output_index=2, arguments='{"a":1}'),
    told("output_item.done", output_index=2, item=OUTPUT[1]),
    told("of_tomorrow", anything=1),
    told("completed", response=ENDED),
)


def reader_of(*found: SseEvent) -> Reader:
    reader = BACK.reader(asked(stream=True))
    for event in found:
        reader.feed(event)
    return reader


# ------------------------------------------------------------------ from providers


def test_a_providers_stream_is_read() -> None:
    reader = reader_of(*STREAM)
    assert (reader.complete, reader.done) == (True, True)
    assert reader.answer() == Answer(
        text="Hello",
        finish=Finish.TOOL_CALLS,
        model="gpt-6",
        tool_calls=(ToolCall("call_1", "wait", '{"a":1}'),),
        dialect="responses",
        ending=framed(STREAM[-1:]),
    )
    assert reader.usage() == Usage(10, 4, source=UsageSource.PROVIDER)


def test_all_events_but_the_last_are_passed_on_as_they_came() -> None:
    reader = BACK.reader(asked(stream=True))
    reads = [reader.feed(event) for event in STREAM]
    raw = b"".join(read.delta.raw for read in reads if read.delta is not None)
    assert raw + reader.answer().ending == framed(STREAM)
    assert {read.delta.dialect for read in reads if read.delta} == {"responses"}


def test_what_each_event_brings() -> None:
    reader = BACK.reader(asked(stream=True))
    deltas = [read.delta for read in map(reader.feed, STREAM) if read.delta is not None]
    assert "".join(delta.text for delta in deltas) == "Hello"
    assert "".join(delta.thinking for delta in deltas) == "Hm.\n\nWell."
    assert [call for delta in deltas for call in delta.calls] == [
        CallGrowth(2, "wait"),
        CallGrowth(2, arguments='{"a"'),
        CallGrowth(2, arguments=":1}"),
    ]


def test_only_what_holds_something_of_an_answer_is_real() -> None:
    reader = BACK.reader(asked(stream=True))
    real = [index for index, event in enumerate(STREAM) if reader.feed(event).real]
    kinds = [msgspec.json.decode(STREAM[index].data)["type"] for index in real]
    assert kinds[0] == "response.reasoning_summary_text.delta"
    assert not {"response.created", "response.content_part.added", "response.of_tomorrow"} & {
        *kinds
    }


@given(st.lists(st.integers(0, len(framed(STREAM))), max_size=8))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = framed(STREAM)
    parser, reader = Parser(), BACK.reader(asked(stream=True))
    for start, end in pairwise([0, *sorted(cuts), len(stream)]):
        for event in parser.feed(stream[start:end]):
            reader.feed(event)
    assert reader.answer() == reader_of(*STREAM).answer()


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_cut_stream_is_never_complete(length: int) -> None:
    reader = reader_of(*STREAM[:length])
    assert not reader.complete
    assert reader.answer().finish is Finish.UNKNOWN
    assert reader.answer().ending == b""


def test_the_answer_of_a_cut_stream_is_what_came() -> None:
    answer = reader_of(*STREAM[:16]).answer()
    assert (answer.text, answer.thinking) == ("Hello", "Hm.\n\nWell.")
    assert answer.tool_calls == (ToolCall("call_1", "wait", '{"a"'),)


def test_a_done_of_other_dialects_ends_a_stream_and_completes_none() -> None:
    reader = reader_of(*STREAM[:5], SseEvent("", b"[DONE]"))
    assert (reader.complete, reader.done) == (False, True)


def test_a_last_event_without_items_leaves_what_came() -> None:
    ended = events(told("completed", response=ENDED | {"output": []}))
    answer = reader_of(*STREAM[:-1], *ended).answer()
    assert (answer.text, answer.thinking) == ("Hello", "Hm.\n\nWell.")
    assert answer.tool_calls == (ToolCall("call_1", "wait", '{"a":1}'),)
    assert answer.finish is Finish.TOOL_CALLS


def test_items_that_came_only_whole_count() -> None:
    whole = events(
        told("output_item.done", output_index=0, item=OUTPUT[0]),
        told("output_item.done", output_index=1, item=OUTPUT[1]),
    )
    reader = BACK.reader(asked(stream=True))
    first, second = (reader.feed(event).delta for event in whole)
    assert first is not None
    assert first.text == "Hello"
    assert second is not None
    assert second.calls == (CallGrowth(1, "wait", '{"a":1}'),)
    assert reader.answer().tool_calls == (ToolCall("call_1", "wait", '{"a":1}'),)


def test_a_stream_that_met_its_limit_says_so() -> None:
    details = {"reason": "max_output_tokens"}
    ended = ENDED | {"status": "incomplete", "incomplete_details": details}
    reader = reader_of(*events(told("incomplete", response=ended)))
    assert reader.complete
    assert reader.answer().finish is Finish.LENGTH


def test_events_without_a_name_are_known_by_their_type() -> None:
    nameless = [SseEvent("", event.data) for event in STREAM]
    reader = BACK.reader(asked(stream=True))
    reads = [reader.feed(event) for event in nameless]
    assert reader.complete
    assert reads[0].delta is not None
    assert reads[0].delta.raw.startswith(b"data: ")


@pytest.mark.parametrize(
    "event",
    [
        told("failed", response={"error": {"code": "server_error", "message": "x"}}),
        told("failed", response={}),
        told("failed"),
        told("completed", response=ENDED | {"status": "failed"}),
        told("completed", response=ENDED | {"error": {"message": "x"}}),
        {"type": "error", "code": "server_error", "message": "x"},
        {"type": "error", "error": {"message": "x"}},
        {"error": {"message": "x"}},
    ],
)
def test_an_error_of_the_providers_is_raised(event: dict[str, Any]) -> None:
    reader = reader_of(*STREAM[:12])
    with pytest.raises(UpstreamFaultError) as caught:
        reader.feed(SseEvent("", msgspec.json.encode(event)))
    assert caught.value.error["message"]
    assert not reader.complete


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        b"[" * 10_000,
        b'{"type":"response.output_text.delta","output_index":-1,"delta":"x"}',
        b'{"type":"response.output_text.delta","output_index":99999,"delta":"x"}',
        b'{"type":"response.output_text.delta","output_index":"0","delta":"x"}',
        b'{"type":"response.created","response":[]}',
        b'{"type":"response.completed"}',
        b'{"type":"response.completed","response":5}',
    ],
)
def test_what_is_no_event_is_an_error_of_the_wire(data: bytes) -> None:
    with pytest.raises(WireError):
        reader_of(SseEvent("", data))


JSON = st.none() | st.integers() | st.text(max_size=3) | st.just({}) | st.just([{}])
KINDS = st.sampled_from([msgspec.json.decode(event.data)["type"] for event in STREAM])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": KINDS},
            optional={
                "delta": JSON,
                "item": JSON | st.sampled_from([*OUTPUT, CALL, MESSAGE]),
                "output_index": JSON,
                "response": JSON | st.just(ENDED),
            },
        ),
        max_size=6,
    )
)
def test_any_events_are_read_or_an_error_of_the_wire(found: list[dict[str, Any]]) -> None:
    reader = BACK.reader(asked(stream=True))
    try:
        for one in found:
            reader.feed(SseEvent("", msgspec.json.encode(one)))
    except WireError:
        assert not reader.complete
    assert isinstance(reader.answer(), Answer)
    assert isinstance(reader.usage(), Usage)


# ------------------------------------------------------------------ for callers


def written(answer: Answer, usage: Usage = USAGE, *, cuts: tuple[int, ...] = ()) -> bytes:
    """The stream of an answer whose text came in pieces."""
    writer = FRONT.writer(REPLY, asked(stream=True))
    places = [0, *sorted({min(cut, len(answer.text)) for cut in cuts})]
    pieces = [answer.text[a:b] for a, b in pairwise(places)]
    return b"".join(map(writer.text, filter(None, pieces))) + writer.finish(answer, usage)


def kinds(stream: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in parsed(stream)]


def test_a_text_is_opened_grows_and_is_closed() -> None:
    stream = written(Answer("Hello"), cuts=(3, 5))
    assert kinds(stream) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    valid_events(stream)


def test_calls_follow_the_text_each_opened_and_closed() -> None:
    calls = (ToolCall("a", "f", "{}", "n"), ToolCall("b", "patch", "***", custom=True))
    stream = written(Answer("Hello", Finish.TOOL_CALLS, tool_calls=calls), cuts=(5,))
    assert kinds(stream)[8:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    found = valid_events(stream)
    items = [one["item"] for one in found if one["type"] == "response.output_item.done"]
    assert items == found[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["message", "function_call", "custom_tool_call"]
    places = [one["output_index"] for one in found if one["type"] == "response.output_item.added"]
    assert places == [0, 1, 2]


def test_an_answer_that_only_calls_has_no_message() -> None:
    answer = Answer("", Finish.TOOL_CALLS, tool_calls=(ToolCall("a", "f", "{}"),))
    found = valid_events(written(answer))
    assert [item["type"] for item in found[-1]["response"]["output"]] == ["function_call"]


def test_a_refusal_is_a_part_of_its_own() -> None:
    found = valid_events(written(Answer("", Finish.REFUSAL, refusal="No.")))
    assert found[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    both = valid_events(written(Answer("Well.", Finish.REFUSAL, refusal="No."), cuts=(2,)))
    parts = [one["content_index"] for one in both if one["type"].endswith("content_part.added")]
    assert parts == [0, 1]


def test_an_answer_cut_by_its_limit_ends_incomplete() -> None:
    found = valid_events(written(Answer("Hel", Finish.LENGTH)))
    assert found[-1]["type"] == "response.incomplete"
    assert found[-2]["item"]["status"] == "incomplete"
    assert found[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_the_first_and_the_last_event_repeat_the_request() -> None:
    writer = FRONT.writer(REPLY, decoded(AGENT))
    found = parsed(writer.text("Hi") + writer.finish(Answer("Hi"), USAGE))
    for one in (found[0], found[1], found[-1]):
        assert one["response"]["id"] == "resp_r1"
        assert one["response"]["reasoning"] == AGENT["reasoning"]
    assert found[0]["response"]["status"] == "in_progress"
    assert found[-1]["response"]["usage"]["input_tokens_details"] == {
        "cached_tokens": 60,
        "cache_write_tokens": 10,
    }


def test_thinking_is_not_forged() -> None:
    writer = FRONT.writer(REPLY, asked(stream=True))
    assert writer.thinking("Hm.") == b""


def test_text_that_has_left_stands_where_the_answer_was_trimmed() -> None:
    writer = FRONT.writer(REPLY, asked(stream=True))
    call = ToolCall("a", "f", "{}")
    stream = writer.text("Sure. ") + writer.finish(
        Answer("Sure.", Finish.TOOL_CALLS, tool_calls=(call,)), USAGE
    )
    found = valid_events(stream)
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == "Sure. "


@given(answers(), usages(), st.lists(st.integers(0, 40), max_size=4).map(tuple))
def test_what_is_written_is_read_back_by_the_reader(
    answer: Answer, usage: Usage, cuts: tuple[int, ...]
) -> None:
    stream = written(answer, usage, cuts=cuts)
    valid_events(stream)
    reader = BACK.reader(asked(stream=True))
    deltas = [reader.feed(event).delta for event in Parser().feed(stream)]
    read = reader.answer()
    assert (read.text, read.tool_calls, read.finish) == (
        answer.text,
        answer.tool_calls,
        answer.finish,
    )
    assert "".join(delta.text for delta in deltas if delta) == answer.text
    assert reader.usage() == usage
    assert reader.complete


# ------------------------------------------------------------------ errors


def test_an_error_before_anything_has_begun_begins_a_response_and_fails_it() -> None:
    found = valid_events(FRONT.error_event(Trouble("Broken.", 502, request_id="r1"), None))
    assert [one["type"] for one in found] == ["response.created", "response.failed", "error"]
    created, failed, error = found
    assert created["response"]["id"] == failed["response"]["id"] == "resp_r1"
    assert failed["response"]["error"] == {"code": "server_error", "message": "Broken."}
    assert (error["code"], error["message"]) == ("server_error", "Broken.")
    assert created["sequence_number"] < failed["sequence_number"] < error["sequence_number"]


def test_signs_of_life_are_events_of_the_response_they_belong_to() -> None:
    request = asked(stream=True)
    writer = FRONT.writer(REPLY, request)
    assert isinstance(writer, Pulsing)
    stream = writer.beat() + writer.beat() + writer.finish(Answer("Hello"), Usage())
    kinds = [one["type"] for one in valid_events(stream)]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.in_progress"]
    assert kinds.count("response.created") == 1
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(("status", "told"), [(422, 400), (402, 400), (429, 429), (503, 503)])
def test_what_must_not_be_asked_again_is_told_as_a_bad_request(status: int, told: int) -> None:
    assert FRONT.status(status) == told


def test_an_error_after_the_beginning_fails_the_response_first() -> None:
    begun = FRONT.writer(REPLY, asked(stream=True)).text("Hel")
    stream = begun + FRONT.error_event(Trouble("It broke.", 502), REPLY)
    found = valid_events(stream)
    assert [one["type"] for one in found[-2:]] == ["response.failed", "error"]
    failed = found[-2]["response"]
    assert (failed["id"], failed["status"]) == ("resp_r1", "failed")
    assert failed["error"] == {"code": "server_error", "message": "It broke."}


def test_a_failed_stream_is_read_as_a_fault() -> None:
    reader = BACK.reader(asked(stream=True))
    failed, _ = Parser().feed(FRONT.error_event(Trouble("It broke.", 502), REPLY))
    with pytest.raises(UpstreamFaultError) as caught:
        reader.feed(failed)
    assert caught.value.error["message"] == "It broke."


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble("x", 429), "rate_limit_exceeded"),
        (Trouble("x", 503), "server_is_overloaded"),
        (Trouble("x", 402), "insufficient_quota"),
        (Trouble("x", 500), "server_error"),
        (Trouble("x", 504), "server_error"),
        (Trouble("x", 400), "invalid_prompt"),
        (Trouble("x", 400, code="context_length_exceeded"), "context_length_exceeded"),
        (Trouble("x", 502, code="no_answer_ended"), "server_error"),
    ],
)
def test_codes_are_those_that_clients_act_upon(trouble: Trouble, code: str) -> None:
    *_, last = Parser().feed(FRONT.error_event(trouble, None))
    assert json.loads(last.data)["code"] == code


def test_a_heartbeat_is_no_event() -> None:
    assert Parser().feed(FRONT.heartbeat) == []
