from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire import messages
from rung.wire.back import Read, Reader, UpstreamFaultError
from rung.wire.errors import WireError
from rung.wire.front import Reply
from rung.wire.sse import Parser, SseEvent, encode
from support import conversations

REPLY = Reply("r-1", 1_700_000_000, "m-1")
REQUEST = Request("r-1", "messages", ())
START_USAGE = {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}


def framed(told: dict[str, Any]) -> bytes:
    return encode(json.dumps(told, separators=(",", ":")).encode(), told["type"])


def start(usage: Any = START_USAGE) -> dict[str, Any]:
    message = {"id": "msg_1", "model": "m-1", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def block(index: int, **told: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": told}


def delta(index: int, **told: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": told}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: Any = "end_turn", usage: Any = None, **more: Any) -> dict[str, Any]:
    told = {"type": "message_delta", "delta": {"stop_reason": reason} | more}
    return told if usage is None else told | {"usage": usage}


STOP = {"type": "message_stop"}
PING = {"type": "ping"}
WORDS = [block(0, type="text", text=""), delta(0, type="text_delta", text="a"), stop(0)]
STREAM = [
    start(),
    PING,
    block(0, type="thinking", thinking=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="s"),
    stop(0),
    block(1, type="text", text=""),
    delta(1, type="text_delta", text="Hé"),
    delta(1, type="text_delta", text="llo"),
    delta(1, type="citations_delta", citation={}),
    stop(1),
    block(2, type="server_tool_use", id="s", name="web_search", input={}),
    delta(2, type="input_json_delta", partial_json="{}"),
    stop(2),
    block(3, type="tool_use", id="t", name="f", input={}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"a": '),
    delta(3, type="input_json_delta", partial_json="1.0}"),
    stop(3),
    block(4, type="tool_use", id="u", name="g", input={}),
    stop(4),
    end("tool_use", {"output_tokens": 9}),
    STOP,
]
BYTES = b"".join(map(framed, STREAM))
ANSWER = Answer(
    "Héllo",
    Finish.TOOL_CALLS,
    "m-1",
    tool_calls=(ToolCall("t", "f", '{"a": 1.0}'), ToolCall("u", "g", "{}")),
    thinking="hm",
    dialect="messages",
    ending=framed(STOP),
)
COUNTED = Usage(8, 9, 3, source=UsageSource.PROVIDER)
SEARCHED = replace(COUNTED, server_tools=1)


def reader() -> Reader:
    return messages.BACK.reader(REQUEST)


def fed(told: Iterable[dict[str, Any]]) -> tuple[Reader, list[Read]]:
    reading = reader()
    return reading, take(reading, map(framed, told))


def take(reading: Reader, chunks: Iterable[bytes]) -> list[Read]:
    parser = Parser()
    return [reading.feed(event) for chunk in chunks for event in parser.feed(chunk)]


# ------------------------------------------------------------------ from providers


def test_a_stream_adds_up() -> None:
    reading, _ = fed(STREAM)
    assert reading.complete
    assert reading.done
    assert reading.answer() == ANSWER
    assert reading.usage() == SEARCHED


def test_what_grows_adds_up_to_the_answer() -> None:
    deltas = [one.delta for one in fed(STREAM)[1] if one.delta]
    calls = [call for one in deltas for call in one.calls]
    assert "".join(one.text for one in deltas) == ANSWER.text
    assert "".join(one.thinking for one in deltas) == ANSWER.thinking
    for index, call in enumerate(ANSWER.tool_calls):
        mine = [one for one in calls if one.index == index]
        assert mine[0].name == call.name
        assert "".join(one.arguments for one in mine) == call.arguments


def test_a_caller_of_the_dialect_gets_the_providers_bytes_and_the_end_last() -> None:
    reading = reader()
    deltas = [one.delta for one in take(reading, [BYTES]) if one.delta]
    assert all(one.dialect == "messages" for one in deltas)
    sent = b"".join(one.raw for one in deltas)
    assert sent + reading.answer().ending == BYTES.replace(framed(PING), b"")
    assert b"message_stop" not in sent


def test_slicing_a_stream_changes_nothing() -> None:
    whole = take(reader(), [BYTES])
    for at in range(len(BYTES)):
        reading = reader()
        assert take(reading, [BYTES[:at], BYTES[at:]]) == whole
        assert reading.answer() == ANSWER
    assert take(reader(), [BYTES[at : at + 1] for at in range(len(BYTES))]) == whole


def test_a_cut_stream_is_never_complete() -> None:
    last = BYTES.index(framed(STREAM[-2])) + len(framed(STREAM[-2]))
    for at in range(len(BYTES)):
        reading = reader()
        take(reading, [BYTES[:at]])
        assert reading.complete is (at >= last)
        assert reading.done is False
        assert reading.usage() == (SEARCHED if at >= last else Usage())


def test_once_it_is_said_why_it_ended_only_form_is_missing() -> None:
    reading, _ = fed(STREAM[:-1])
    assert reading.answer() == ANSWER
    assert fed(STREAM[:-2])[0].answer().ending == b""


@pytest.mark.parametrize(
    ("event", "grown", "real"),
    [
        (block(1, type="text", text=""), Delta(), False),
        (block(1, type="text", text="x"), Delta("x"), True),
        (block(1, type="thinking", thinking=""), Delta(), False),
        (block(1, type="redacted_thinking", data="d"), Delta(), True),
        (block(1, type="tool_use", name="f"), Delta(calls=(CallGrowth(0, "f"),)), True),
        (delta(0, type="text_delta", text="x"), Delta("x"), True),
        (delta(0, type="text_delta", text=""), Delta(), False),
        (delta(0, type="thinking_delta", thinking="x"), Delta(), False),
        (delta(0, type="later_delta", text="x"), Delta(), False),
        (stop(0), Delta(), False),
        (end(None), Delta(usage=Usage(8, 1, 3, source=UsageSource.PROVIDER)), False),
        (
            end("end_turn", {"output_tokens": 4}),
            Delta(usage=Usage(8, 4, 3, source=UsageSource.PROVIDER)),
            True,
        ),
        ({"type": "from_the_future", "index": 9}, Delta(), False),
    ],
)
def test_every_event_says_what_it_brought(event: Any, grown: Delta, real: bool) -> None:
    reading, _ = fed([start(), block(0, type="text", text="")])
    (read,) = take(reading, [framed(event)])
    assert read == Read(replace(grown, raw=framed(event), dialect="messages"), real=real)


def test_the_start_tells_what_was_read_and_is_nothing_of_an_answer() -> None:
    _, (read,) = fed([start()])
    assert not read.real
    assert read.delta
    assert read.delta.usage == Usage(8, 1, 3, source=UsageSource.PROVIDER)


@pytest.mark.parametrize("data", [b"[DONE]", b'{"type":"ping"}'])
def test_what_means_nothing_is_withheld(data: bytes) -> None:
    assert reader().feed(SseEvent("", data)) == Read()


def test_nothing_counts_after_the_end() -> None:
    reading, _ = fed(STREAM)
    assert reading.feed(SseEvent("", b"garbage")) == Read()
    assert reading.answer() == ANSWER


def test_events_without_a_name_get_their_own() -> None:
    reading = reader()
    (read,) = take(reading, [b"data: %b\n\n" % json.dumps(start()).encode()])
    assert read.delta
    assert read.delta.raw.startswith(b"event: message_start\n")
    odd = reading.feed(SseEvent("", b'{"type":"a\\nb"}'))
    assert odd.delta
    assert odd.delta.raw == b'data: {"type":"a\\nb"}\n\n'


def test_arguments_sent_with_the_start_are_taken() -> None:
    reading, reads = fed(
        [start(), block(0, type="tool_use", id="t", name="f", input={"a": 1}), stop(0), end()]
    )
    assert reading.answer().tool_calls == (ToolCall("t", "f", '{"a":1}'),)
    assert reads[2].delta
    assert reads[2].delta.calls == (CallGrowth(0, "", '{"a":1}'),)


def test_broken_arguments_stay_as_the_model_wrote_them() -> None:
    call = block(0, type="tool_use", id="t", name="f", input={})
    pieces = [delta(0, type="input_json_delta", partial_json=one) for one in ('{"a', "b")]
    reading, _ = fed([start(), call, *pieces, stop(0), end("max_tokens")])
    assert reading.answer().tool_calls == (ToolCall("t", "f", '{"ab'),)
    assert reading.answer().finish is Finish.LENGTH


def test_a_refusal_brings_its_words() -> None:
    details = {"type": "refusal", "explanation": "not that"}
    reading, _ = fed([start(), *WORDS, end("refusal", stop_details=details)])
    answer = reading.answer()
    assert (answer.text, answer.refusal, answer.finish) == ("a", "not that", Finish.REFUSAL)


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        (START_USAGE, [{"output_tokens": 4}, {"output_tokens": 9}], COUNTED),
        (START_USAGE, [{"output_tokens": 9, "input_tokens": 0}], COUNTED),
        (START_USAGE, [{"output_tokens": 9, "input_tokens": None}], COUNTED),
        (
            {"input_tokens": 0, "output_tokens": 0},
            [{"input_tokens": 6, "output_tokens": 2}],
            Usage(6, 2, source=UsageSource.PROVIDER),
        ),
        (START_USAGE, [], Usage()),
        (START_USAGE, [{"output_tokens": -1}], Usage()),
        (START_USAGE, [{"output_tokens": "9"}], Usage()),
        (None, [{"output_tokens": 9}], Usage()),
        ("odd", ["odd"], Usage()),
    ],
)
def test_counters_are_running_totals(first: Any, later: list[Any], expected: Usage) -> None:
    reading, _ = fed([start(first), *WORDS, *(end(usage=one) for one in later or [None])])
    assert reading.usage() == expected


# ------------------------------------------------------------------ broken streams


@pytest.mark.parametrize(
    "told",
    [
        [block(0, type="text")],
        [STOP],
        [start(), start()],
        [start(), delta(0, type="text_delta", text="x")],
        [start(), stop(0)],
        [start(), block(-1, type="text")],
        [start(), block(10**6, type="text")],
        [start(), block(0, type="text"), block(0, type="text")],
        [start(), *WORDS, delta(0, type="text_delta", text="x")],
        [start(), *(block(index, type="tool_use", name="f") for index in range(1025))],
    ],
)
def test_events_out_of_order_are_no_stream(told: list[Any]) -> None:
    with pytest.raises(WireError):
        fed(told)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"5", b'{"index":"a"}', b'{"delta":5}', b"\xff", b'"\\ud800"']
)
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    reading, _ = fed([start()])
    with pytest.raises(WireError):
        reading.feed(SseEvent("content_block_delta", data))


@pytest.mark.parametrize("before", [[], [start(), *WORDS]])
def test_an_error_event_is_the_providers(before: list[Any]) -> None:
    reading, _ = fed(before)
    error = {"type": "overloaded_error", "message": "m"}
    with pytest.raises(UpstreamFaultError) as caught:
        reading.feed(SseEvent("error", json.dumps({"type": "error", "error": error}).encode()))
    assert caught.value.error == error


ODD = st.none() | st.integers() | st.text(max_size=4) | st.lists(st.none(), max_size=2)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([one["type"] for one in STREAM]) | ODD},
    optional={
        "index": st.integers(-1, 3) | ODD,
        "message": st.dictionaries(st.sampled_from(["model", "usage"]), ODD) | ODD,
        "content_block": st.dictionaries(
            st.sampled_from(["type", "text", "id", "name", "input"]),
            st.sampled_from(["text", "tool_use", "thinking"]) | ODD,
        )
        | ODD,
        "delta": st.dictionaries(
            st.sampled_from(["type", "text", "partial_json", "stop_reason", "stop_details"]),
            st.sampled_from(["text_delta", "input_json_delta"]) | ODD,
        )
        | ODD,
        "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens"]), ODD) | ODD,
    },
)


@given(st.lists(EVENTS, max_size=6))
def test_odd_streams_are_read_or_refused_and_never_anything_else(told: list[Any]) -> None:
    reading, _ = fed([start()])
    try:
        for one in told:
            reading.feed(SseEvent("", json.dumps(one).encode()))
    except WireError:
        pass
    assert isinstance(reading.answer(), Answer)
    assert reading.usage().output_tokens >= 0


# ------------------------------------------------------------------ for callers


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[at:to] for at, to in pairwise(places)]


def written(
    answer: Answer, usage: Usage, pieces: Iterable[str] = (), *, thinks: bool = False
) -> bytes:
    writer = messages.FRONT.writer(replace(REPLY, model=answer.model or "m-1"), REQUEST)
    out = [writer.thinking("hm")] if thinks else []
    out += [writer.text(piece) for piece in pieces]
    return b"".join([*out, writer.finish(answer, usage)])


def events_of(stream: bytes) -> list[dict[str, Any]]:
    found = Parser().feed(stream)
    told = [json.loads(event.data) for event in found]
    assert [event.event for event in found] == [one["type"] for one in told]
    return told


def assert_order(told: list[dict[str, Any]]) -> None:
    """What clients' own accumulators insist on."""
    kinds = [one["type"] for one in told]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    index, open_ = 0, False
    for one in told[1:-2]:
        assert one["index"] == index
        match one["type"]:
            case "content_block_start":
                assert not open_
                open_ = True
            case "content_block_delta":
                assert open_
            case "content_block_stop":
                assert open_
                index, open_ = index + 1, False
            case other:
                pytest.fail(f"{other} in the middle")
    assert not open_


@given(
    conversations.answers(),
    conversations.usages(),
    st.lists(st.integers(0, 50), max_size=4),
    st.integers(0, 5),
    st.booleans(),
)
def test_what_is_written_reads_the_same(
    answer: Answer, usage: Usage, cuts: list[int], told: int, thinks: bool
) -> None:
    stream = written(answer, usage, pieces_of(answer.text, cuts)[:told], thinks=thinks)
    assert_order(events_of(stream))
    reading = reader()
    take(reading, [stream])
    assert reading.done
    assert reading.usage() == usage
    assert reading.answer() == replace(answer, dialect="messages", ending=framed(STOP))


def test_a_refusal_is_a_block_of_its_own() -> None:
    told = events_of(written(Answer("a", Finish.STOP, refusal="no"), Usage(), ["a"]))
    assert_order(told)
    assert [one["delta"]["text"] for one in told if one["type"] == "content_block_delta"] == [
        "a",
        "no",
    ]
    assert told[-2]["delta"] == {"stop_reason": "refusal", "stop_sequence": None}


def test_a_stream_begins_once_and_never_with_thinking() -> None:
    writer = messages.FRONT.writer(REPLY, REQUEST)
    (begun,) = events_of(writer.thinking("hm"))
    assert begun["message"]["id"] == "msg_r-1"
    assert writer.thinking("hm") == b""
    assert writer.text("") == b""
    assert b"hm" not in writer.text("x")


def test_an_answer_of_nothing_is_a_stream_all_the_same() -> None:
    told = events_of(written(Answer("", Finish.LENGTH), Usage()))
    assert [one["type"] for one in told] == ["message_start", "message_delta", "message_stop"]


def test_text_that_was_taken_back_is_not_written_twice() -> None:
    told = events_of(written(Answer("other"), Usage(), ["a"]))
    assert [one["delta"]["text"] for one in told if one["type"] == "content_block_delta"] == ["a"]


def test_broken_arguments_leave_as_what_they_are() -> None:
    call = ToolCall("b", "f", "{broken")
    told = events_of(written(Answer("", Finish.TOOL_CALLS, tool_calls=(call,)), Usage()))
    assert json.loads(told[2]["delta"]["partial_json"]) == {"_arguments": "{broken"}


def test_a_heartbeat_means_nothing_anywhere() -> None:
    beat = messages.FRONT.heartbeat
    stream = b"".join(beat + framed(one) for one in STREAM) + beat
    reading = reader()
    take(reading, [stream])
    assert reading.answer() == ANSWER
