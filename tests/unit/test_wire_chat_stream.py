from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import ToolCall
from rung.core.types import (
    Answer,
    Finish,
    Need,
    Request,
    Usage,
    UsageSource,
)
from rung.wire import chat, sse
from rung.wire.back import Read, Reader, UpstreamFaultError
from rung.wire.chat.stream import ChatReader
from rung.wire.errors import WireError
from rung.wire.front import Reply
from rung.wire.sse import Parser, SseEvent
from support import conversations

ASKED = Request("1", "chat", (), stream=True, stream_usage=True)
UNASKED = Request("1", "chat", (), stream=True)
ELSEWHERE = Request("1", "messages", (), stream=True)
END = b"data: [DONE]\n\n"


def chunk(delta: Any = None, finish: Any = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return json.dumps({"model": "m-1", "choices": [choice]} | more).encode()


def feed(*payloads: bytes, request: Request = ASKED) -> Reader:
    reader = chat.BACK.reader(request)
    for payload in payloads:
        reader.feed(SseEvent("", payload))
    return reader


def test_text_adds_up_and_the_reason_is_kept() -> None:
    reader = feed(
        chunk({"role": "assistant"}), chunk({"content": "a"}), chunk({"content": "b"}, "length")
    )
    assert reader.complete
    assert reader.answer() == Answer("ab", Finish.LENGTH, "m-1", dialect="chat", ending=END)


COUNTED = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}'


@pytest.mark.parametrize(
    ("payload", "delta", "real"),
    [
        (chunk({"role": "assistant", "content": ""}), Delta(), False),
        (chunk({"role": "assistant", "content": None}), Delta(), False),
        (chunk(None), Delta(), False),
        (chunk({"content": "x"}), Delta("x"), True),
        (chunk({"content": [{"text": "x"}]}), Delta("x"), True),
        (chunk({"reasoning_content": "hm"}), Delta(thinking="hm"), True),
        (chunk({"refusal": "no"}), Delta(), True),
        (
            chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}),
            Delta(calls=(CallGrowth(0, "f"),)),
            True,
        ),
        (chunk({"function_call": {"name": "f"}}), Delta(calls=(CallGrowth(0, "f"),)), True),
        (chunk({}, "stop"), Delta(), True),
        (chunk({"content": "other"}, index=1), Delta(), True),
        (COUNTED, Delta(usage=Usage(1, 0, source=UsageSource.PROVIDER)), False),
        (b"{}", Delta(), False),
    ],
)
def test_every_event_says_what_it_brought_and_is_passed_on(payload, delta, real) -> None:
    read = chat.BACK.reader(ASKED).feed(SseEvent("", payload))
    raw = b"data: %b\n\n" % payload
    assert read == Read(
        Delta(delta.text, delta.thinking, delta.calls, raw, "chat", delta.usage), real
    )


def test_callers_who_did_not_ask_do_not_get_the_usage_nor_the_end() -> None:
    reader = chat.BACK.reader(UNASKED)
    assert reader.feed(SseEvent("", COUNTED)) == Read()
    assert reader.feed(SseEvent("", b"[DONE]")) == Read()
    assert reader.usage() == Usage(1, 0, source=UsageSource.PROVIDER)
    assert chat.BACK.reader(ASKED).feed(SseEvent("", b" [DONE] ")) == Read()


def test_callers_of_other_dialects_get_no_events_of_this_one() -> None:
    reader = chat.BACK.reader(ELSEWHERE)
    assert reader.feed(SseEvent("", chunk({"role": "assistant"}))) == Read()
    told = reader.feed(SseEvent("", chunk({"content": "x"})))
    assert told == Read(Delta("x", dialect="chat"), real=True)
    assert reader.feed(SseEvent("", chunk({}, "stop"))) == Read(None, real=True)


@pytest.mark.parametrize(
    ("payloads", "complete"),
    [
        ([], False),
        ([b"[DONE]"], False),
        ([chunk({"content": "a"})], False),
        ([chunk({"content": "a"}), b"[DONE]"], False),
        ([chunk({"content": "a"}, "")], False),
        ([chunk({"content": "a"}), chunk({}, "stop")], True),
        ([chunk({"content": "a"}, "stop"), b"[DONE]"], True),
        ([chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)], False),
        ([chunk({}, "stop"), chunk({}, "stop", index=1)], True),
    ],
)
def test_only_a_reason_for_every_choice_ends_a_stream(payloads, complete) -> None:
    reader = feed(*payloads)
    assert reader.complete is complete
    assert reader.done is (b"[DONE]" in payloads)
    assert reader.answer().ending == (END if complete else b"")


# ------------------------------------------------------------------ tool calls


def called(*pieces: dict[str, Any]) -> tuple[ToolCall, ...]:
    """The calls that come of pieces, an event each."""
    return feed(*(chunk({"tool_calls": [piece]}) for piece in pieces)).answer().tool_calls


def test_parallel_tool_calls_are_put_together_by_index() -> None:
    assert called(
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": '{"y":'}},
        {"index": 1, "function": {"arguments": ":1}"}},
        {"index": 0, "id": None, "function": {"name": None, "arguments": "2}"}},
    ) == (ToolCall("a", "f", '{"y":2}'), ToolCall("b", "g", '{"x":1}'))


def test_growth_is_told_by_call_with_the_name_first() -> None:
    reader = chat.BACK.reader(ELSEWHERE)
    grown = []
    for piece in (
        {"index": 3, "id": "a", "function": {"name": "f", "arguments": "{"}},
        {"index": 3, "function": {"name": "f", "arguments": "}"}},
        {"index": 5, "id": "b", "function": {"name": "f", "arguments": ""}},
    ):
        read = reader.feed(SseEvent("", chunk({"tool_calls": [piece]})))
        assert read.delta is not None
        grown += read.delta.calls
    assert grown == [CallGrowth(0, "f", "{"), CallGrowth(0, "", "}"), CallGrowth(1, "f", "")]


def whole(name: str, arguments: Any, **told: Any) -> dict[str, Any]:
    return told | {"function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        pytest.param(
            [whole("f", "{}", id="a"), whole("f", "{}", id="b")],
            [ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")],
            id="no index, ids",
        ),
        pytest.param(
            [whole("f", "{}"), whole("f", '{"x":1}'), whole("g", "")],
            [ToolCall("", "f", "{}"), ToolCall("", "f", '{"x":1}'), ToolCall("", "g", "")],
            id="no index, no ids",
        ),
        pytest.param(
            [whole("f", '{"x"', id="a"), {"function": {"arguments": ":1}"}}],
            [ToolCall("a", "f", '{"x":1}')],
            id="no index, pieces",
        ),
        pytest.param(
            [
                whole("f", '{"x"', id="a"),
                whole("g", '{"y"', id="b"),
                {"id": "a", "function": {"arguments": ":1}"}},
                {"id": "b", "function": {"arguments": ":2}"}},
            ],
            [ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}')],
            id="no index, pieces told apart by id",
        ),
        pytest.param(
            [whole("f", '{"x":{}', index=0, id="a"), whole("f", "}", index=0, id="a")],
            [ToolCall("a", "f", '{"x":{}}')],
            id="name and id repeated",
        ),
        pytest.param(
            [whole("f", '{"x":{}', index=0, id="a"), whole("f", "}", index=0, id="z")],
            [ToolCall("a", "f", '{"x":{}}')],
            id="a new id with every piece",
        ),
        pytest.param(
            [whole("f", "{}", index=0, id="a"), whole("f", "", index=0, id="a")],
            [ToolCall("a", "f", "{}")],
            id="name repeated at the end",
        ),
        pytest.param(
            [whole("f", "{}", index=0, id="a"), whole("f", "{}", index=0, id="b")],
            [ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")],
            id="all are number 0",
        ),
        pytest.param(
            [whole("f", "", index=0, id="a"), whole("g", "", index=0, id="b")],
            [ToolCall("a", "f", ""), ToolCall("b", "g", "")],
            id="all are number 0, without arguments",
        ),
        pytest.param(
            [whole("f", {"x": 1}, index=0, id="a")],
            [ToolCall("a", "f", '{"x":1}')],
            id="an object for its text",
        ),
        pytest.param(
            [{"index": 0, "id": "a"}, {"index": 0, "function": {"name": "f"}}],
            [ToolCall("a", "f", "")],
            id="the name after the id",
        ),
        pytest.param(
            [
                {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "x"}},
                {"index": 0, "custom": {"input": "y"}},
            ],
            [ToolCall("a", "p", "xy", custom=True)],
            id="free text",
        ),
    ],
)
def test_calls_are_put_together_however_a_server_tells_them_apart(pieces, read) -> None:
    assert called(*pieces) == tuple(read)
    at_once = feed(chunk({"tool_calls": pieces})).answer().tool_calls
    assert at_once == tuple(read)


def test_an_older_function_call_is_a_call_without_an_id() -> None:
    reader = feed(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}, "function_call"),
    )
    assert reader.answer().tool_calls == (ToolCall("", "f", "{}"),)
    assert reader.answer().finish is Finish.TOOL_CALLS


def test_names_repeated_for_ever_do_not_cost_ever_more() -> None:
    piece = chunk({"tool_calls": [whole("f", '{"x":"}', index=0)]})
    assert len(feed(*[piece] * 3000).answer().tool_calls) == 1


# ------------------------------------------------------------------ the rest


def test_thoughts_add_up_apart_from_the_text() -> None:
    answer = feed(
        chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "m"}]}),
        chunk({"content": "a"}, "stop"),
    ).answer()
    assert (answer.text, answer.thinking) == ("a", "hm")


def test_refusals_and_log_probabilities_add_up() -> None:
    def scored(*values: float) -> dict[str, Any]:
        return {"content": [{"logprob": value} for value in values]}

    one = {"index": 0, "delta": {"content": "a"}, "logprobs": scored(-1, -2)}
    two = {"index": 0, "delta": {"refusal": "no"}, "logprobs": scored(-3), "finish_reason": "stop"}
    answer = feed(*(json.dumps({"choices": [one_]}).encode() for one_ in (one, two))).answer()
    assert answer.logprobs == (-1, -2, -3)
    assert (answer.refusal, answer.finish) == ("no", Finish.REFUSAL)


def test_the_last_counters_win_wherever_they_come() -> None:
    def counted(written: int) -> dict[str, int]:
        return {"prompt_tokens": 5, "completion_tokens": written}

    reader = feed(
        chunk({"content": "a"}, usage=counted(1)),
        chunk({"content": "b"}, "stop", usage=None),
        b"[DONE]",
        json.dumps({"choices": [], "usage": counted(2)}).encode(),
    )
    assert reader.usage() == Usage(5, 2, source=UsageSource.PROVIDER)
    assert feed(chunk({"content": "a"}, "stop")).usage() == Usage()


def test_an_error_event_is_an_error() -> None:
    with pytest.raises(UpstreamFaultError) as caught:
        feed(b'{"error":{"message":"busy","type":"overloaded_error"}}')
    assert caught.value.error["type"] == "overloaded_error"
    for event in (
        SseEvent("error", b'{"message":"busy","odd":1e999}'),
        SseEvent("", b'{"object":"error","message":"busy"}'),
    ):
        with pytest.raises(UpstreamFaultError) as caught:
            chat.BACK.reader(ASKED).feed(event)
        assert caught.value.error["message"] == "busy"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x",
        b"[]",
        b'{"choices":5}',
        b'{"choices":[{"index":-1,"delta":{}}]}',
        b'{"choices":[{"index":1000,"delta":{}}]}',
        b'{"choices":[{"delta":{"content":5}}]}',
        b'{"choices":[{"delta":{"tool_calls":[5]}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"index":99999}]}}]}',
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_what_is_no_chunk_is_told_apart(payload) -> None:
    with pytest.raises(WireError):
        chat.BACK.reader(ASKED).feed(SseEvent("", payload))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
DELTAS = st.dictionaries(
    st.sampled_from(["content", "refusal", "tool_calls", "function_call", "reasoning"]),
    JSON
    | st.lists(
        st.dictionaries(
            st.sampled_from(["index", "id", "function", "custom"]),
            JSON | st.dictionaries(st.sampled_from(["name", "arguments", "input"]), JSON),
        )
    ),
)
PAYLOADS = st.one_of(
    st.binary(),
    JSON.map(lambda told: json.dumps(told).encode()),
    st.builds(chunk, DELTAS | JSON, JSON, st.integers(-1, 3), usage=JSON),
)


@given(st.lists(PAYLOADS, max_size=6), st.sampled_from([ASKED, UNASKED, ELSEWHERE]))
def test_whatever_comes_a_stream_reads_it_or_raises_a_wire_error(payloads, request) -> None:
    reader = chat.BACK.reader(request)
    text = ""
    for payload in payloads:
        try:
            read = reader.feed(SseEvent("", payload))
        except WireError:
            return
        text += read.delta.text if read.delta else ""
    assert reader.answer().text == text
    reader.usage()


def test_further_choices_of_a_stream_are_kept_for_the_checks() -> None:
    pieces = ((0, "o"), (1, "tw"), (0, "ne"), (1, "o"))
    answer = feed(*(chunk({"content": text}, index=index) for index, text in pieces)).answer()
    assert (answer.text, answer.more) == ("one", ("two",))


# ------------------------------------------------------------------ written streams

ANSWERS = st.one_of(
    conversations.answers(),
    st.builds(Answer, st.just(""), st.just(Finish.REFUSAL), refusal=st.text(min_size=1)),
    st.builds(Answer, st.text(), more=st.lists(st.text(), min_size=1, max_size=2).map(tuple)),
)


def stream_of(answer: Answer, usage: Usage, request: Request, cuts: tuple[int, int]) -> bytes:
    """The whole of an answer, with the text and thoughts before ``cuts`` written as they grew."""
    writer = chat.FRONT.writer(Reply("1", 7, answer.model), request)
    told = b""
    if thought := answer.thinking[: cuts[0]]:
        told += writer.thinking(thought)
    for letter in answer.text[: cuts[1]]:
        told += writer.text(letter)
    return told + writer.finish(answer, usage)


def read_back(told: bytes, request: Request, places: list[int]) -> ChatReader:
    """What a reader makes of bytes that arrive cut at ``places``."""
    parser, reader = Parser(), ChatReader(request)
    edges = [0, *sorted(place % (len(told) + 1) for place in places), len(told)]
    for start, end in pairwise(edges):
        for event in parser.feed(told[start:end]):
            reader.feed(event)
    return reader


@given(
    ANSWERS,
    st.text(),
    st.just(Usage()) | conversations.usages(),
    st.sampled_from([ASKED, UNASKED]),
    st.tuples(st.integers(0, 8), st.integers(0, 8)),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_a_written_stream_reads_back_as_the_same_answer_wherever_it_is_cut(
    answer, thinking, usage, request, cuts, places
) -> None:
    answer = replace(answer, thinking=thinking)
    told = stream_of(answer, usage, request, cuts)
    reader = read_back(told, request, places)
    assert reader.complete
    assert reader.done
    assert reader.answer() == replace(answer, dialect="chat", ending=END)
    assert reader.usage() == (usage if request.stream_usage else Usage())


@given(ANSWERS, conversations.usages(), st.integers(0, 10**6))
def test_a_stream_is_complete_from_its_last_reason_on_and_done_at_its_end(
    answer, usage, place
) -> None:
    told = stream_of(answer, usage, ASKED, (0, 0))
    ended = told.index(b"\n\n", told.rindex(b'"finish_reason":"')) + 2
    cut = told[: place % len(told)]
    reader = read_back(cut, ASKED, [])
    assert reader.complete is (len(cut) >= ended)
    assert not reader.done


def test_several_choices_are_complete_only_at_the_end() -> None:
    request = replace(ASKED, needs=frozenset({Need.MANY_CHOICES}))
    pieces = (chunk({"content": "a"}), chunk({}, "stop"))
    assert not feed(*pieces, request=request).complete
    assert feed(*pieces, b"[DONE]", request=request).complete
    assert not feed(*pieces, chunk({}, index=1), b"[DONE]", request=request).complete


def test_a_stream_has_the_form_that_clients_enforce() -> None:
    calls = (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))
    usage = Usage(9, 4, 3, 0, 1, UsageSource.PROVIDER)
    told = stream_of(Answer("hi", Finish.TOOL_CALLS, "m", None, calls), usage, ASKED, (0, 1))
    *events, last = Parser().feed(told)
    assert last.data == b"[DONE]"
    chunks = [json.loads(event.data) for event in events]
    assert {(one["id"], one["object"], one["created"], one["model"]) for one in chunks} == {
        ("chatcmpl-1", "chat.completion.chunk", 7, "m")
    }
    deltas = [one["choices"][0]["delta"] for one in chunks[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta.get("content") for delta in deltas[1:3]] == ["h", "i"]
    assert [call["index"] for call in deltas[3]["tool_calls"]] == [0, 1]
    assert [one["choices"][0]["finish_reason"] for one in chunks[:-1]] == [
        *[None] * 4,
        "tool_calls",
    ]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 13)


def test_text_that_was_rewritten_after_it_left_is_not_written_again() -> None:
    writer = chat.FRONT.writer(Reply("1", 7, "m"), UNASKED)
    left = writer.text("<tool>")
    ended = writer.finish(
        Answer("", Finish.TOOL_CALLS, tool_calls=(ToolCall("a", "f", "{}"),)), Usage()
    )
    answer = read_back(left + ended, UNASKED, []).answer()
    assert (answer.text, answer.tool_calls) == ("<tool>", (ToolCall("a", "f", "{}"),))


EVENTS = st.builds(
    SseEvent,
    st.sampled_from(["", "chunk"]),
    st.sampled_from([chunk({"content": "a"}), chunk({}, "stop"), COUNTED, b"{}", b"{\n}"]),
)


@given(st.lists(EVENTS))
def test_what_callers_of_this_dialect_get_is_what_the_provider_sent(events) -> None:
    reader = chat.BACK.reader(ASKED)
    sent = b"".join(sse.encode(event.data, event.event or None) for event in events)
    passed = b""
    for event in Parser().feed(sent):
        delta = reader.feed(event).delta
        passed += delta.raw if delta else b""
    assert passed == sent
