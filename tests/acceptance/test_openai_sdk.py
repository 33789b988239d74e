"""OpenAI's own client against the gateway, over a real socket, and the embedded model."""

import asyncio
import json

import pytest
from openai import (
    APIError,
    AsyncOpenAI,
    BadRequestError,
    NotFoundError,
    OpenAI,
    UnprocessableEntityError,
)
from pydantic import BaseModel

from rung.config import BUILT_IN
from support.gateway import Gateway, Upstream
from support.openai_server import chunk, cut_stream, status, stream, text, tool_call

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "Give me a JSON object with name and age of: Ada, 36"}]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def wanted(schema):
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """The ladder of a machine without any configuration."""
    config = BUILT_IN + "\n[server]\nport = 0\n"
    with Gateway(tmp_path_factory.mktemp("sdk"), config) as running:
        yield running


@pytest.fixture
def client(gateway):
    with OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0) as one:
        yield one


@pytest.fixture
async def async_client(gateway):
    async with AsyncOpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0) as one:
        yield one


# ------------------------------------------------------------------ answers


def test_a_plain_answer(client):
    answer = client.chat.completions.create(model="rung", messages=ASK, max_tokens=20)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage.completion_tokens <= 20
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream(client):
    chunks = list(
        client.chat.completions.create(
            model="rung",
            messages=ASK,
            max_tokens=20,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in {"stop", "length"}
    assert chunks[-1].usage.completion_tokens > 0
    assert len({c.id for c in chunks}) == 1


async def test_many_at_once_from_an_event_loop(async_client):
    answers = await asyncio.gather(
        *(
            async_client.chat.completions.create(model="rung", messages=ASK, max_tokens=8)
            for _ in range(4)
        )
    )
    assert all(answer.choices[0].message.content for answer in answers)
    assert len({answer.id for answer in answers}) == 4


async def test_a_stream_from_an_event_loop(async_client):
    # Where there is no tier above, nothing is held back.
    chunks = await async_client.chat.completions.create(
        model="tier:local", messages=ASK, max_tokens=20, stream=True
    )
    said = [choice.delta.content async for chunk in chunks for choice in chunk.choices]
    assert len([piece for piece in said if piece]) > 1


# ------------------------------------------------------------------ the schema is the gate


def test_the_requests_own_schema_makes_it_climb_until_it_is_satisfied(gateway, client):
    raw = client.chat.completions.with_raw_response.create(
        model="rung", messages=ASK, response_format=wanted(SCHEMA), max_tokens=60, temperature=0
    )
    person = json.loads(raw.parse().choices[0].message.content)
    assert (set(person), type(person["age"])) == ({"name", "age"}, int)
    told = raw.headers
    assert told["x-rung-tier"] == "local-careful"
    assert told["x-rung-verified"] == "true"
    assert told["x-rung-cost-usd"] == "0.000000000"
    outcome = gateway.outcome(told["x-rung-request-id"])
    assert int(told["x-rung-attempts"]) == len(outcome.history) >= 2
    first, *_, last = outcome.history
    assert (first.tier, last.tier) == ("local", "local-careful")
    assert [v.status for v in first.verdicts if v.verifier == "json_schema"] == ["failed"]
    assert [v.status for v in last.verdicts if v.verifier == "json_schema"] == ["passed"]


def test_a_stream_under_a_schema_is_one_valid_document(client):
    chunks = client.chat.completions.create(
        model="rung", messages=ASK, response_format=wanted(SCHEMA), max_tokens=60, stream=True
    )
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert set(json.loads(said)) == {"name", "age"}


def test_the_sdk_parses_into_a_class(client):
    answer = client.chat.completions.parse(
        model="rung", messages=ASK, response_format=Person, max_tokens=60
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


# ------------------------------------------------------------------ errors


def test_what_nothing_can_pass_is_an_unprocessable_entity(client):
    with pytest.raises(UnprocessableEntityError) as caught:
        client.chat.completions.create(
            model="rung",
            messages=ASK,
            response_format=wanted({"const": 7, "type": "string"}),
            max_tokens=20,
        )
    assert (caught.value.code, caught.value.type) == ("unverified", "unverified")
    assert caught.value.response.headers["x-rung-verified"] == "false"
    assert caught.value.request_id in str(caught.value)


def test_an_unknown_ladder_is_not_found(client):
    with pytest.raises(NotFoundError) as caught:
        client.chat.completions.create(model="rung/nope", messages=ASK)
    assert (caught.value.code, caught.value.param) == ("unknown_ladder", "model")


def test_a_bad_request_names_its_field(client):
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="rung", messages=ASK, max_tokens=-1)
    assert caught.value.param == "max_tokens"
    with pytest.raises(BadRequestError):
        client.chat.completions.create(
            model="rung", messages=ASK, extra_body={"api_base": "http://127.0.0.1:1"}
        )


def test_what_no_tier_can_carry_says_which_and_why(client):
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="rung", messages=ASK, tools=TOOLS)
    assert caught.value.code == "no_tier_fits"
    assert "local: cannot carry tools" in caught.value.message


def test_the_models_are_listed(client):
    names = {model.id for model in client.models.list()}
    assert names == {"rung", "rung/default", "tier:local", "tier:local-careful"}


# ------------------------------------------------------------------ what only a server can do


@pytest.fixture(scope="module")
def over_a_server(tmp_path_factory):
    with Upstream() as server:
        config = f"""
[tiers.only]
provider = "openai_compatible"
model = "m"
base_url = "{server.base_url}"
price = "free"
retries = 0
repairs = 0
[ladders.default]
tiers = ["only"]
[server]
port = 0
"""
        with (
            Gateway(tmp_path_factory.mktemp("tools"), config) as running,
            OpenAI(base_url=running.base_url, api_key="unused", max_retries=2) as one,
        ):
            yield server, one


def test_tool_calls_arrive_whole(over_a_server):
    server, client = over_a_server
    server.say(tool_call("look", {"where": "up"}))
    plain = client.chat.completions.create(model="rung", messages=ASK, tools=TOOLS)
    with client.chat.completions.stream(model="rung", messages=ASK, tools=TOOLS) as events:
        streamed = events.get_final_completion()
    for answer in (plain, streamed):
        (call,) = answer.choices[0].message.tool_calls
        assert (call.id, call.function.name) == ("call_1", "look")
        assert json.loads(call.function.arguments) == {"where": "up"}


def test_a_stream_that_breaks_is_an_error_of_the_sdk(over_a_server):
    server, client = over_a_server
    for broken in (
        cut_stream("half"),
        stream(chunk({"content": "half"}), {"error": {"message": "gone"}}),
    ):
        server.say(broken)
        chunks = client.chat.completions.create(model="rung", messages=ASK, stream=True)
        assert next(chunks).choices[0].delta.content == "half"
        with pytest.raises(APIError):
            next(chunks)


def test_the_sdk_does_not_try_an_unverified_request_again(over_a_server):
    server, client = over_a_server
    server.say(text("no json"))
    with pytest.raises(UnprocessableEntityError):
        client.chat.completions.create(
            model="rung", messages=ASK, response_format={"type": "json_object"}
        )
    assert len(server.calls) == 1


def test_the_sdk_tries_again_what_passes_by_itself(over_a_server):
    server, client = over_a_server
    server.say(status(503, headers={"retry-after": "1"}), text("at last"))
    answer = client.chat.completions.create(model="rung", messages=ASK)
    assert answer.choices[0].message.content == "at last"
