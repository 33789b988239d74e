"""Anthropic's own client against the gateway, over tiers that speak another dialect and its own."""

import asyncio
from types import SimpleNamespace

import pytest
from anthropic import (
    Anthropic,
    APIStatusError,
    AsyncAnthropic,
    BadRequestError,
    NotFoundError,
    UnprocessableEntityError,
)

from support.gateway import Gateway
from support.model_dialects import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from support.model_world import (
    HELLO,
    Habits,
    ModelWorld,
    ladder,
)

FORECAST = "snow until Thursday"
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
GREETING = {"role": "user", "content": "Say hello."}
TOOL = {
    "name": "get_weather",
    "description": "The forecast for a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
ASKED = {"model": "rung", "max_tokens": 200}
LADDERS = pytest.mark.parametrize("model", ["tier:small", "tier:large"])
"""A tier of another dialect, whose answers are put into this one, and a tier of this one."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("anthropic")
    with (
        ModelWorld() as small,
        ModelWorld() as large,
        Gateway(folder, ladder(small, large)) as gateway,
    ):
        yield SimpleNamespace(gateway=gateway, small=small, large=large)


@pytest.fixture
def world(running):
    running.small.be(Habits())
    running.large.be(Habits())
    return running


@pytest.fixture
def client(world):
    with Anthropic(base_url=world.gateway.url, api_key="unused", max_retries=0) as one:
        yield one


def finish(create):
    """Call tools until there is an answer: what it says, and how many turns it took."""
    messages, turns = [QUESTION], 0
    while True:
        answer = create(messages)
        turns += 1
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert (answer.stop_reason == "tool_use") == bool(calls)
        if not calls:
            return "".join(block.text for block in answer.content), turns
        assert [call.input for call in calls] == [{"city": "Oslo"}]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": FORECAST} for call in calls
        ]
        messages += [
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": results},
        ]


# ------------------------------------------------------------------ answers


@LADDERS
def test_a_plain_answer_with_its_usage(client, model):
    answer = client.messages.create(**ASKED | {"model": model}, messages=[GREETING])
    assert [block.text for block in answer.content] == [HELLO]
    assert (answer.stop_reason, answer.role) == ("end_turn", "assistant")
    assert answer.usage.input_tokens == INPUT_TOKENS - CACHED_TOKENS
    assert answer.usage.cache_read_input_tokens == CACHED_TOKENS
    assert answer.usage.output_tokens == OUTPUT_TOKENS


@LADDERS
def test_a_stream_is_gathered_into_the_same_message(client, model):
    with client.messages.stream(**ASKED | {"model": model}, messages=[GREETING]) as stream:
        said = list(stream.text_stream)
        answer = stream.get_final_message()
    assert "".join(said) == HELLO == answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == OUTPUT_TOKENS


@LADDERS
def test_a_tool_round_trip(client, model):
    told = ASKED | {"model": model, "tools": [TOOL]}
    said, turns = finish(lambda messages: client.messages.create(**told, messages=messages))
    assert FORECAST in said
    assert turns == 2


@LADDERS
def test_a_streamed_tool_round_trip(client, model):
    told = ASKED | {"model": model, "tools": [TOOL]}

    def create(messages):
        with client.messages.stream(**told, messages=messages) as stream:
            return stream.get_final_message()

    said, turns = finish(create)
    assert FORECAST in said
    assert turns == 2


async def test_many_at_once_from_an_event_loop(world):
    async with AsyncAnthropic(base_url=world.gateway.url, api_key="unused") as client:
        answers = await asyncio.gather(
            *(client.messages.create(**ASKED, messages=[GREETING]) for _ in range(4))
        )
    assert {answer.content[0].text for answer in answers} == {HELLO}
    assert len({answer.id for answer in answers}) == 4


# ------------------------------------------------------------------ the cascade


@pytest.mark.parametrize("breaks", ["arguments", "json", "name"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_call_that_the_first_tier_breaks_is_mended_unseen(world, client, breaks, streams):
    world.small.be(Habits(breaks=breaks))

    def create(messages):
        told = ASKED | {"messages": messages, "tools": [TOOL]}
        if not streams:
            return client.messages.create(**told)
        with client.messages.stream(**told) as stream:
            return stream.get_final_message()

    said, turns = finish(create)
    assert FORECAST in said
    # The turn after a climb starts where that ended: without prices, going down saves nothing.
    assert (turns, [turn.said for turn in world.large.turns]) == (2, ["call", "text"])


def test_headers_tell_who_answered(client, world):
    world.small.be(Habits(errors=[529]))
    raw = client.messages.with_raw_response.create(**ASKED, messages=[GREETING])
    assert (raw.headers["x-rung-tier"], raw.headers["x-rung-attempts"]) == ("large", "2")
    assert raw.headers["request-id"] == raw.headers["x-rung-request-id"]
    assert raw.parse().model == "large-1"
    (outcome, *_) = world.gateway.outcomes()
    assert outcome.request.id == raw.headers["x-rung-request-id"]


def test_tokens_are_counted(client):
    assert client.messages.count_tokens(model="rung", messages=[GREETING]).input_tokens > 0
    counted = client.messages.count_tokens(model="tier:large", messages=[GREETING])
    assert counted.input_tokens == INPUT_TOKENS


def test_the_models_are_listed(client):
    assert {"rung", "tier:small", "tier:large"} <= {model.id for model in client.models.list()}


# ------------------------------------------------------------------ errors


def test_what_nothing_passes_is_an_unprocessable_entity(client, world):
    for tier in (world.small, world.large):
        tier.be(Habits(breaks="name"))
    with pytest.raises(UnprocessableEntityError) as caught:
        client.messages.create(**ASKED, messages=[QUESTION], tools=[TOOL])
    assert "get_weather_that_is_not_there" in caught.value.message
    assert caught.value.request_id


def test_a_bad_request_names_its_field(client):
    with pytest.raises(BadRequestError) as caught:
        client.messages.create(model="rung", max_tokens=-1, messages=[GREETING])
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert "max_tokens" in caught.value.message


def test_an_unknown_ladder_is_not_found(client):
    with pytest.raises(NotFoundError) as caught:
        client.messages.create(**ASKED | {"model": "rung/nope"}, messages=[GREETING])
    assert caught.value.body["error"]["type"] == "not_found_error"


@LADDERS
@pytest.mark.parametrize("cut", ["reset", "clean", "error"])
def test_a_stream_that_breaks_is_an_error_and_never_a_whole_message(client, world, model, cut):
    """Each tier is pinned: there is nobody else to go to."""
    world.small.be(Habits(cut=cut))
    world.large.be(Habits(cut=cut))
    with (
        pytest.raises(APIStatusError),
        client.messages.stream(**ASKED | {"model": model}, messages=[GREETING]) as stream,
    ):
        stream.get_final_message()
