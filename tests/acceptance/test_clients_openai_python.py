"""OpenAI's own Python client against the gateway: both of its dialects, over tiers of others."""

import json
from types import SimpleNamespace

import pytest
from openai import APIError, OpenAI, UnprocessableEntityError
from pydantic import BaseModel

from support.gateway import Gateway
from support.model_dialects import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from support.model_world import (
    HELLO,
    TITLE,
    Habits,
    ModelWorld,
    ladder,
)

FORECAST = "snow until Thursday"
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "The forecast for a city", "parameters": SCHEMA}
TIERS = pytest.mark.parametrize("model", ["tier:small", "tier:large"])


class Title(BaseModel):
    title: str


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openai")
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
    with OpenAI(base_url=world.gateway.base_url, api_key="unused", max_retries=0) as one:
        yield one


# ------------------------------------------------------------------ one turn in each dialect


class ChatTalk:
    """A conversation over Chat Completions."""

    def __init__(self, client, model, streams):
        self._client, self._model, self._streams = client, model, streams
        self._messages = [QUESTION]

    def turn(self):
        """What it says, and its calls by id."""
        told = {
            "model": self._model,
            "messages": self._messages,
            "tools": [{"type": "function", "function": FUNCTION}],
        }
        if self._streams:
            with self._client.chat.completions.stream(**told) as events:
                answer = events.get_final_completion()
        else:
            answer = self._client.chat.completions.create(**told)
        (choice,) = answer.choices
        calls = choice.message.tool_calls or []
        assert choice.finish_reason == ("tool_calls" if calls else "stop")
        self._messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed"}))
        return choice.message.content, {call.id: call.function.arguments for call in calls}

    def tell(self, call_id, result):
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": result})


class ResponsesTalk:
    """The same over Responses."""

    def __init__(self, client, model, streams):
        self._client, self._model, self._streams = client, model, streams
        self._input = [QUESTION]

    def turn(self):
        told = {
            "model": self._model,
            "input": self._input,
            "tools": [{"type": "function", "strict": True, **FUNCTION}],
            "store": False,
        }
        if self._streams:
            with self._client.responses.stream(**told) as events:
                answer = events.get_final_response()
        else:
            answer = self._client.responses.create(**told)
        assert answer.status == "completed"
        calls = [item for item in answer.output if item.type == "function_call"]
        self._input += [item.model_dump(exclude_none=True) for item in answer.output]
        return answer.output_text, {call.call_id: call.arguments for call in calls}

    def tell(self, call_id, result):
        self._input.append({"type": "function_call_output", "call_id": call_id, "output": result})


TALKS = pytest.mark.parametrize("talk", [ChatTalk, ResponsesTalk], ids=["chat", "responses"])
STREAMS = pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])


def finish(talk):
    """Call tools until there is an answer: what it says, and how many turns it took."""
    said, calls = talk.turn()
    turns = 1
    while calls:
        for call_id, arguments in calls.items():
            assert json.loads(arguments) == {"city": "Oslo"}
            talk.tell(call_id, FORECAST)
        said, calls = talk.turn()
        turns += 1
    return said, turns


@TALKS
@STREAMS
@TIERS
def test_a_tool_round_trip(client, talk, streams, model):
    said, turns = finish(talk(client, model, streams))
    assert FORECAST in said
    assert turns == 2


@TALKS
@STREAMS
@pytest.mark.parametrize("breaks", ["arguments", "json", "name"])
def test_a_call_that_the_first_tier_breaks_is_mended_unseen(world, client, talk, streams, breaks):
    world.small.be(Habits(breaks=breaks))
    said, turns = finish(talk(client, "rung", streams))
    assert FORECAST in said
    # The turn after a climb starts where that ended: without prices, going down saves nothing.
    assert (turns, [turn.said for turn in world.large.turns]) == (2, ["call", "text"])


@TALKS
@STREAMS
def test_what_nothing_passes_is_an_error(world, client, talk, streams):
    for tier in (world.small, world.large):
        tier.be(Habits(breaks="name"))
    with pytest.raises(APIError, match="get_weather_that_is_not_there"):
        talk(client, "rung", streams).turn()


# ------------------------------------------------------------------ Responses


@TIERS
def test_a_plain_response_with_its_usage(client, model):
    answer = client.responses.create(model=model, input="Say hello.", store=False)
    assert (answer.output_text, answer.status, answer.error) == (HELLO, "completed", None)
    assert answer.usage.input_tokens == INPUT_TOKENS
    assert answer.usage.input_tokens_details.cached_tokens == CACHED_TOKENS
    assert answer.usage.output_tokens == OUTPUT_TOKENS


@TIERS
def test_the_events_of_a_response_come_in_order(client, model):
    events = list(client.responses.create(model=model, input="Say hello.", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(said) == HELLO == events[-1].response.output_text


@TIERS
def test_a_response_is_parsed_into_a_class(client, model):
    answer = client.responses.parse(model=model, input="A title, please.", text_format=Title)
    assert answer.output_parsed == Title(title=TITLE)


def test_a_conversation_that_another_server_keeps_is_refused(client):
    with pytest.raises(APIError) as caught:
        client.responses.create(model="rung", input="Go on.", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"


@TIERS
@pytest.mark.parametrize("cut", ["reset", "clean", "error"])
def test_a_response_that_breaks_is_never_completed(client, world, model, cut):
    world.small.be(Habits(cut=cut))
    world.large.be(Habits(cut=cut))
    kinds = [
        event.type for event in client.responses.create(model=model, input="Hello", stream=True)
    ]
    assert "response.completed" not in kinds
    assert kinds[-1] in {"error", "response.failed"}


# ------------------------------------------------------------------ Chat Completions


@TIERS
@pytest.mark.parametrize("cut", ["reset", "clean", "error"])
def test_a_chat_that_breaks_is_an_error(client, world, model, cut):
    world.small.be(Habits(cut=cut))
    world.large.be(Habits(cut=cut))
    chunks = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    with pytest.raises(APIError):
        list(chunks)


def test_chat_still_says_unprocessable_to_what_nothing_passed(client, world):
    for tier in (world.small, world.large):
        tier.be(Habits(breaks="name"))
    with pytest.raises(UnprocessableEntityError):
        ChatTalk(client, "rung", streams=False).turn()
