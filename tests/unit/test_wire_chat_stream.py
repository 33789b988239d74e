from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import Answer, Finish, Usage, UsageSource
from rung.wire import chat


def chunk(delta: Any = None, finish: Any = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return json.dumps({"model": "m-1", "choices": [choice]} | more).encode()


def feed(*payloads: bytes) -> chat.ChatStream:
    stream = chat.ChatStream()
    for payload in payloads:
        stream.feed(payload)
    return stream


def test_text_adds_up_and_the_reason_is_kept() -> None:
    stream = feed(
        chunk({"role": "assistant"}), chunk({"content": "a"}), chunk({"content": "b"}, "length")
    )
    assert stream.complete
    assert stream.answer() == Answer("ab", Finish.LENGTH, "m-1", dialect="chat")


@pytest.mark.parametrize(
    ("payload", "grown"),
    [
        (chunk({"role": "assistant", "content": ""}), chat.Grown()),
        (chunk({"role": "assistant", "content": None}), chat.Grown()),
        (chunk(None), chat.Grown()),
        (chunk({"content": "x"}), chat.Grown("x", real=True)),
        (chunk({"content": [{"text": "x"}]}), chat.Grown("x", real=True)),
        (chunk({"reasoning_content": "hm"}), chat.Grown(real=True)),
        (chunk({"refusal": "no"}), chat.Grown(real=True)),
        (chunk({"tool_calls": [{"index": 0, "id": "c"}]}), chat.Grown(real=True)),
        (chunk({}, "stop"), chat.Grown(real=True)),
        (chunk({"content": "other"}, index=1), chat.Grown(real=True)),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', chat.Grown(bookkeeping=True)),
        (b"{}", chat.Grown(bookkeeping=True)),
        (b"[DONE]", chat.Grown(bookkeeping=True)),
    ],
)
def test_every_event_says_what_it_brought(payload, grown) -> None:
    assert chat.ChatStream().feed(payload) == grown


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
    stream = feed(*payloads)
    assert stream.complete is complete
    assert stream.done is (b"[DONE]" in payloads)


def test_parallel_tool_calls_are_put_together_by_index() -> None:
    def call(index: int, **told: Any) -> bytes:
        return chunk({"tool_calls": [{"index": index} | told]})

    stream = feed(
        call(0, id="a", type="function", function={"name": "f", "arguments": ""}),
        call(1, id="b", type="function", function={"name": "g", "arguments": '{"x"'}),
        call(0, function={"arguments": '{"y":'}),
        call(1, function={"arguments": ":1}"}),
        call(0, id=None, function={"name": None, "arguments": "2}"}),
        chunk({}, "tool_calls"),
    )
    assert stream.answer().tool_calls == (
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"y":2}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
    )
    assert stream.answer().finish is Finish.TOOL_CALLS


def test_tool_calls_without_an_index_are_each_their_own() -> None:
    told = [{"id": i, "function": {"name": "f", "arguments": "{}"}} for i in ("a", "b")]
    stream = feed(chunk({"tool_calls": told}), chunk({}, "stop"))
    assert [one["id"] for one in stream.answer().tool_calls] == ["a", "b"]


def test_a_call_keeps_what_this_dialect_does_not_know() -> None:
    signed = {"index": 0, "id": "a", "extra_content": {"google": {"thought_signature": "s"}}}
    (call,) = feed(chunk({"tool_calls": [signed]})).answer().tool_calls
    assert call["extra_content"] == {"google": {"thought_signature": "s"}}


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

    stream = feed(
        chunk({"content": "a"}, usage=counted(1)),
        chunk({"content": "b"}, "stop", usage=None),
        b"[DONE]",
        json.dumps({"choices": [], "usage": counted(2)}).encode(),
    )
    assert stream.usage() == Usage(5, 2, source=UsageSource.PROVIDER)
    assert feed(chunk({"content": "a"}, "stop")).usage() == Usage()


def test_an_error_event_is_an_error() -> None:
    with pytest.raises(chat.UpstreamFaultError) as caught:
        feed(b'{"error":{"message":"busy","type":"overloaded_error"}}')
    assert caught.value.error["type"] == "overloaded_error"


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
    with pytest.raises(chat.WireError):
        chat.ChatStream().feed(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
DELTAS = st.dictionaries(
    st.sampled_from(["content", "refusal", "tool_calls", "function_call", "reasoning"]),
    JSON | st.lists(st.dictionaries(st.sampled_from(["index", "id", "function"]), JSON)),
)
PAYLOADS = st.one_of(
    st.binary(),
    JSON.map(lambda told: json.dumps(told).encode()),
    st.builds(chunk, DELTAS | JSON, JSON, st.integers(-1, 3), usage=JSON),
)


@given(st.lists(PAYLOADS, max_size=6))
def test_whatever_comes_a_stream_reads_it_or_raises_a_wire_error(payloads) -> None:
    stream = chat.ChatStream()
    for payload in payloads:
        try:
            stream.feed(payload)
        except chat.WireError:
            break
    answer = stream.answer()
    assert answer.text == stream.text
    json.dumps(answer.tool_calls)
    stream.usage()


CALLS = (
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
)


@given(
    st.text(),
    st.sampled_from([(), CALLS]),
    st.sampled_from([None, "I cannot"]),
    st.sampled_from([Finish.STOP, Finish.LENGTH]),
    st.booleans(),
)
def test_a_written_stream_reads_back_as_the_same_answer(
    text, calls, refusal, finish, asked
) -> None:
    finish = Finish.TOOL_CALLS if calls else Finish.REFUSAL if refusal else finish
    refusal = None if calls else refusal
    answer = Answer(text, finish, "m", refusal, calls, dialect="chat")
    usage = Usage(9, 4, 3, 0, 1, UsageSource.PROVIDER)
    payloads = chat.ChunkWriter("id-1", 7, "m", asked).whole(answer, usage)
    stream = feed(*payloads)
    assert stream.complete
    assert stream.done
    assert stream.answer() == answer
    assert stream.usage() == (usage if asked else Usage())
    told = [json.loads(payload) for payload in payloads[:-1]]
    assert {(one["id"], one["object"], one["created"]) for one in told} == {
        ("id-1", "chat.completion.chunk", 7)
    }
    assert [not one["choices"] for one in told] == [False] * (len(told) - asked) + [True] * asked


def test_further_choices_of_a_stream_are_kept_for_the_checks() -> None:
    stream = chat.ChatStream()
    for index, text in ((0, "o"), (1, "tw"), (0, "ne"), (1, "o")):
        chunk = {"choices": [{"index": index, "delta": {"content": text}}]}
        stream.feed(json.dumps(chunk).encode())
    answer = stream.answer()
    assert (answer.text, answer.more) == ("one", ("two",))
