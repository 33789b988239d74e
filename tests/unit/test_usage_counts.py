"""Usage as providers tell it: all counters, whatever the dialect; absurd ones are never believed.

What is missing, none or absurd is estimated and flagged: a bill is never nothing by accident, and
never below zero.
"""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.consulting import Consulting
from rung.core.features import Beyond, beyond, features
from rung.core.parts import HostedTool, Message, Role, Text, ToolCall
from rung.core.types import Answer, Need, Price, Request, Usage, UsageSource
from rung.orders import Tier
from rung.pricing import FixedPricer
from rung.providers.base import Done
from rung.providers.estimating import counted, estimated
from rung.wire import chat, messages, responses
from rung.wire.chat.answer import usage_of as of_chat
from rung.wire.counts import MOST_TOKENS
from rung.wire.messages.usage import usage_of as of_messages
from rung.wire.responses.answer import usage_of as of_responses
from rung.wire.sse import SseEvent

PROVIDER, ESTIMATED = UsageSource.PROVIDER, UsageSource.ESTIMATED
REQUEST = Request("r-1", "chat", (Message(Role.USER, (Text("Hi"),)),), stream_usage=True)

# ------------------------------------------------------------------ what is told


def test_chat_tells_all_its_counters() -> None:
    told = {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "total_tokens": 1200,
        "prompt_tokens_details": {
            "cached_tokens": 500,
            "cache_write_tokens": 100,
            "image_tokens": 50,
            "audio_tokens": 40,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 70,
            "audio_tokens": 30,
            "image_tokens": 20,
        },
        "server_tool_use": {"web_search_requests": 2},
    }
    assert of_chat(told, wrote=True) == Usage(
        1000, 200, 500, 100, 70, PROVIDER, 0, 50, 2, 40, 30, 20
    )


def test_messages_tell_what_is_kept_for_an_hour_and_what_was_searched() -> None:
    told = {
        "input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 5},
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 15},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9},
    }
    usage = Usage(60, 40, 20, 30, 15, PROVIDER, cache_write_1h_tokens=5, server_tools=3)
    assert of_messages(told, wrote=True) == usage


def test_what_was_written_to_a_cache_may_be_told_by_its_parts_alone() -> None:
    told = {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_creation": {"ephemeral_1h_input_tokens": 7},
    }
    usage = Usage(8, 1, 0, 7, 0, PROVIDER, cache_write_1h_tokens=7)
    assert of_messages(told, wrote=True) == usage


def test_responses_count_the_searches_of_their_items() -> None:
    body = {
        "status": "completed",
        "output": [
            {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
            {"type": "web_search_call", "action": {"type": "open_page", "url": "y"}},
            {"type": "web_search_call"},
            {"type": "file_search_call"},
            {"type": "message", "content": [{"type": "output_text", "text": "Done"}]},
        ],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    }
    _, usage = responses.BACK.decode_answer(json.dumps(body).encode())
    assert usage == Usage(9, 3, source=PROVIDER, server_tools=3, file_searches=1)


@pytest.mark.parametrize(
    ("model", "searches"),
    [("gpt-4o-search-preview", 1), ("gpt-5-search-api", 1), ("research-1", 0)],
)
def test_models_that_always_search_are_counted_once(model: str, searches: int) -> None:
    told = {"prompt_tokens": 5, "completion_tokens": 5}
    assert of_chat(told, wrote=True, model=model).server_tools == searches


# ------------------------------------------------------------------ what does not agree


def test_thoughts_beside_the_answer_are_found_in_the_total() -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 160}
    told["completion_tokens_details"] = {"reasoning_tokens": 50}
    assert of_chat(told, wrote=True) == Usage(100, 60, 0, 0, 50, PROVIDER)


def test_what_a_total_has_beyond_both_sides_is_billed_as_written_and_flagged() -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 160}
    assert of_chat(told, wrote=True) == Usage(100, 60, source=ESTIMATED)


def test_a_total_below_its_parts_changes_nothing() -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 3}
    assert of_chat(told, wrote=True) == Usage(100, 10, source=PROVIDER)


def test_cached_tokens_beside_the_prompt_are_added_once() -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 5110}
    told["prompt_tokens_details"] = {"cached_tokens": 5000}
    assert of_chat(told, wrote=True) == Usage(5100, 10, 5000, source=ESTIMATED)


ABSURD = ["5", -1, math.nan, math.inf, 1.5, True, [], {"n": 1}, MOST_TOKENS + 1, 10**30]


@pytest.mark.parametrize("value", ABSURD, ids=repr)
def test_an_absurd_part_is_left_out_and_flagged(value: Any) -> None:
    told = {"prompt_tokens": 9, "completion_tokens": 3}
    told["prompt_tokens_details"] = {"cached_tokens": value}
    assert of_chat(told, wrote=True) == Usage(9, 3, source=ESTIMATED)
    told = {
        "input_tokens": 9,
        "output_tokens": 3,
        "server_tool_use": {"web_search_requests": value},
    }
    assert of_messages(told, wrote=True) == Usage(9, 3, source=ESTIMATED)
    told = {
        "input_tokens": 9,
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": value},
    }
    assert of_responses(told, wrote=True) == Usage(9, 3, source=ESTIMATED)


@pytest.mark.parametrize("value", [*ABSURD, None, 0], ids=repr)
@pytest.mark.parametrize("side", [0, 1])
def test_an_absurd_whole_is_no_count_at_all(value: Any, side: int) -> None:
    for read, names in (
        (of_chat, ("prompt_tokens", "completion_tokens")),
        (of_messages, ("input_tokens", "output_tokens")),
        (of_responses, ("input_tokens", "output_tokens")),
    ):
        told = {names[side]: value, names[1 - side]: 5}
        assert read(told, wrote=True) == Usage()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
COUNT = st.integers(0, 10**6) | JSON
DETAILS = st.dictionaries(
    st.sampled_from(
        ["cached_tokens", "cache_write_tokens", "image_tokens", "audio_tokens", "reasoning_tokens"]
    ),
    COUNT,
)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["prompt_tokens", "completion_tokens", "total_tokens"], COUNT),
        **dict.fromkeys(["input_tokens", "output_tokens", "num_search_queries"], COUNT),
        **dict.fromkeys(["cache_read_input_tokens", "cache_creation_input_tokens"], COUNT),
        **dict.fromkeys(["prompt_tokens_details", "completion_tokens_details"], DETAILS | JSON),
        **dict.fromkeys(["input_tokens_details", "output_tokens_details"], DETAILS | JSON),
        "cache_creation": JSON
        | st.dictionaries(
            st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]), COUNT
        ),
        "server_tool_use": JSON | st.fixed_dictionaries({"web_search_requests": COUNT}),
    },
)


@given(told=TOLD | JSON, wrote=st.booleans())
def test_whatever_is_told_each_part_is_within_its_whole(told: Any, wrote: bool) -> None:
    for read in (of_chat, of_messages, of_responses):
        usage = read(told, wrote=wrote)
        assert min(_numbers(usage)) >= 0
        assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert usage.cache_write_1h_tokens <= usage.cache_write_tokens
        assert usage.image_tokens + usage.audio_tokens <= usage.input_tokens
        assert usage.audio_output_tokens + usage.image_output_tokens <= usage.output_tokens
        assert usage.reasoning_tokens <= usage.output_tokens
        assert usage.file_searches <= usage.server_tools
        assert (usage.source is UsageSource.NONE) == (usage == Usage())


def _numbers(usage: Usage) -> list[int]:
    return [
        value
        for name in Usage.__dataclass_fields__
        if isinstance(value := getattr(usage, name), int)
    ]


# ------------------------------------------------------------------ on streams


def chunk(usage: Any = None, text: str = "") -> SseEvent:
    told: dict[str, Any] = {"choices": [], "usage": usage}
    if text:
        told["choices"] = [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]
    return SseEvent("", json.dumps(told).encode())


@pytest.mark.parametrize(
    ("sent", "usage"),
    [
        ([], Usage()),
        ([(5, 1), (5, 2), (5, 3)], Usage(5, 3, source=PROVIDER)),
        ([(5, 3), (5, 3)], Usage(5, 3, source=PROVIDER)),
        ([(5, 3), (0, 0)], Usage(5, 3, source=PROVIDER)),
        ([(5, 3), ("5", None)], Usage(5, 3, source=PROVIDER)),
        ([(5, 0)], Usage()),
    ],
)
def test_of_several_counts_the_last_that_makes_sense_holds_once(sent: Any, usage: Usage) -> None:
    reader = chat.BACK.reader(REQUEST, hides_logprobs=False)
    reader.feed(chunk(text="Hello"))
    for read, written in sent:
        reader.feed(chunk({"prompt_tokens": read, "completion_tokens": written}))
    assert reader.usage() == usage


def test_counts_after_the_end_of_a_stream_still_count() -> None:
    reader = chat.BACK.reader(REQUEST, hides_logprobs=False)
    reader.feed(chunk(text="Hello"))
    reader.feed(SseEvent("", b"[DONE]"))
    read = reader.feed(chunk({"prompt_tokens": 5, "completion_tokens": 3}))
    assert read.delta is None
    assert reader.usage() == Usage(5, 3, source=PROVIDER)


def test_a_broken_stream_of_messages_has_the_searches_that_began() -> None:
    reader = messages.BACK.reader(REQUEST, hides_logprobs=False)
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    search = {"type": "server_tool_use", "name": "web_search", "id": "s"}
    begun = {"type": "content_block_start", "index": 0, "content_block": search}
    last = [reader.feed(SseEvent("", json.dumps(one).encode())) for one in (start, begun)][-1]
    assert last.delta is not None
    assert last.delta.usage is not None
    assert last.delta.usage.server_tools == 1
    assert estimated(50, "abcd", last.delta.usage).server_tools == 1


def test_a_broken_stream_of_responses_has_the_searches_that_ended() -> None:
    reader = responses.BACK.reader(REQUEST, hides_logprobs=False)
    seen = [
        reader.feed(
            SseEvent("", json.dumps({"type": "response.output_item.done", "item": item}).encode())
        )
        for item in ({"type": "web_search_call"}, {"type": "file_search_call"})
    ]
    delta = seen[-1].delta
    assert delta is not None
    assert estimated(50, "", delta.usage) == Usage(
        50, source=ESTIMATED, server_tools=2, file_searches=1
    )


def test_a_response_that_failed_is_billed_by_what_it_says_it_used() -> None:
    reader = responses.BACK.reader(REQUEST, hides_logprobs=False)
    usage = {"input_tokens": 9, "output_tokens": 3}
    inside = {"status": "failed", "error": {"message": "no"}, "usage": usage}
    event = SseEvent("", json.dumps({"type": "response.failed", "response": inside}).encode())
    with pytest.raises(Exception, match="error"):
        reader.feed(event)
    assert reader.usage() == Usage(9, 3, source=PROVIDER)


# ------------------------------------------------------------------ what nobody told


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(0, 5, source=PROVIDER),
        Usage(9, 0, source=PROVIDER),
        Usage(0, 0, source=ESTIMATED),
    ],
)
def test_an_answer_of_words_is_never_billed_as_nothing(usage: Usage) -> None:
    made = counted(usage, 40, Answer("x" * 40))
    assert made.input_tokens in {9, 40}
    assert made.output_tokens == 10
    assert made.source is ESTIMATED


def test_an_answer_of_no_words_may_have_cost_no_output() -> None:
    told = Usage(9, 0, source=PROVIDER)
    assert counted(told, 40, Answer("")) == told
    assert counted(told, 40, Answer("", tool_calls=(ToolCall("1", "f", "{}"),))).output_tokens > 0


# ------------------------------------------------------------------ for callers


def test_callers_of_messages_are_told_the_searches() -> None:
    told = messages.usage.usage_object(
        Usage(9, 3, source=PROVIDER, server_tools=3, file_searches=1)
    )
    assert told["server_tool_use"] == {"web_search_requests": 2}


def test_what_a_request_may_be_billed_beyond_its_words() -> None:
    def hosted(kind: str, **more: Any) -> HostedTool:
        return HostedTool(kind, json.dumps({"type": kind, **more}).encode(), "messages")

    def of(*tools: HostedTool, needs: frozenset[Need] = frozenset()) -> Beyond:
        return beyond(Request("r", "messages", (), tools=tools, needs=needs))

    assert of() == Beyond(media=False, searches=0)
    assert of(hosted("web_search_20250305", max_uses=3)) == Beyond(media=False, searches=3)
    assert of(hosted("web_search"), hosted("file_search")).searches == 20
    assert of(hosted("web_search", max_uses=999_999)).searches == 1000
    assert of(hosted("code_interpreter")).searches == 0
    assert of(needs=frozenset({Need.IMAGES})).media


class Uncounted:
    """A provider that answers and counts nothing."""

    dialect = "chat"

    async def call(self, ask: Any) -> Any:
        yield Done(Answer("x" * 40), Usage())


async def test_a_judge_whose_provider_counts_nothing_is_billed_by_an_estimate() -> None:
    price = Price("configured", 10**9, 2 * 10**9)
    tier = Tier("judge", "m", local=True, provider=Uncounted(), pricer=FixedPricer(price))
    clock = iter(range(100))
    judges = Consulting({"judge": tier}, lambda: float(next(clock)), lambda: 0.0)
    reply = await judges.ask("judge", REQUEST, 5.0)
    read = features(REQUEST).input_tokens
    assert reply.cost_nanousd == read * 1000 + 10 * 2000
