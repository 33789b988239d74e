from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rung import config
from rung.assemble import assemble
from rung.core.errors import ConfigError
from rung.core.parts import Message, Role, Text, Tool
from rung.core.types import (
    Fault,
    Finish,
    Need,
    Phase,
    Request,
    Sampling,
    Usage,
    UsageSource,
)
from rung.inspection import problems
from rung.providers.base import Done
from rung.providers.http import HttpClient
from rung.providers.line import Endpoint
from rung.providers.openai_compatible import OpenAICompatible
from rung.wire import chat, embeddings, responses
from rung.wire.quirks import Quirks
from support.openai_server import (
    CUT,
    STREAM_END,
    STREAM_HEAD,
    OpenAIServer,
    Reply,
    piece,
    raw,
    status,
    text,
    whole,
)
from support.provider_calls import KEY, ask_of, decoded, done_of, error_of, events_of

COUNTED = Usage(10, 5, 4, 0, 2, UsageSource.PROVIDER)


@pytest.fixture
async def http():
    client = HttpClient(connect_timeout_seconds=1.0, idle_timeout_seconds=0.3)
    yield client
    await client.close()


def request_of(**told: Any) -> Request:
    body = {"model": "anything", "messages": [{"role": "user", "content": "hi"}]} | told
    return decoded(chat.FRONT, body)


def provider_at(
    server: OpenAIServer, http: HttpClient, *, responses_too: bool = False, **settings: Any
) -> OpenAICompatible:
    settings = {"model": "m", "api_key": KEY, "key_name": "ACME_API_KEY"} | settings
    endpoint = Endpoint(server.base_url, **settings)
    return OpenAICompatible(http, endpoint, responses_too=responses_too)


# ------------------------------------------------------------------ other dialects

ASKED = (Message(Role.USER, (Text("hi"),)),)
WEATHER = Tool("get_weather", parameters=b'{"type":"object"}')


async def test_what_could_not_be_said_is_told_once_and_in_order(http) -> None:
    sampling = Sampling(top_k=3, temperature=0.2)
    foreign = Request("r", "messages", ASKED, sampling=sampling, extras=("thinking", "container"))
    with OpenAIServer(text("hello"), text(["hel", "lo"])) as server:
        provider = provider_at(server, http)
        plain = await done_of(provider, ask_of(foreign))
        streamed = await done_of(provider, ask_of(replace(foreign, stream=True)))
    assert plain.losses == streamed.losses == tuple(sorted(set(plain.losses)))
    assert {"container", "thinking"} <= set(plain.losses)
    assert "top_k" in plain.losses or server.calls[0].json["top_k"] == 3
    assert server.calls[0].json["temperature"] == 0.2


async def test_extras_of_a_body_that_is_forwarded_are_no_losses(http) -> None:
    with OpenAIServer(text("hello")) as server:
        request = replace(request_of(logit_bias={"1": 2}), extras=("logit_bias",))
        done = await done_of(provider_at(server, http), ask_of(request))
    assert done.losses == ()
    assert server.calls[0].json["logit_bias"] == {"1": 2}


async def test_what_the_model_refuses_is_taken_out_of_the_callers_body_and_told(http) -> None:
    request = request_of(temperature=0.5, max_tokens=9, reasoning_effort="low")
    with OpenAIServer(text("hello")) as server:
        done = await done_of(provider_at(server, http, model="o3"), ask_of(request))
    sent = server.calls[0].json
    assert done.losses == ("temperature",)
    assert "temperature" not in sent
    assert sent["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"quirks": Quirks(limit_field="max_completion_tokens")}, "max_completion_tokens"),
        ({"model": "o3"}, "max_completion_tokens"),
        ({}, "max_tokens"),
    ],
)
async def test_the_limit_is_named_as_the_server_or_the_model_wants_it(
    http, settings, field
) -> None:
    foreign = Request("r", "messages", ASKED, sampling=Sampling(max_tokens=9))
    with OpenAIServer(text("hello")) as server:
        await events_of(provider_at(server, http, **settings), ask_of(foreign))
    sent = server.calls[0].json
    assert {name: sent[name] for name in sent if name.startswith("max")} == {field: 9}


async def test_a_conversation_kept_elsewhere_is_not_asked_for_here(http) -> None:
    kept = Request("r", "messages", ASKED, needs=frozenset({Need.STATE}), body=b"{}")
    with OpenAIServer(text("hello")) as server:
        error = await error_of(provider_at(server, http), ask_of(kept))
    assert (error.failure.fault, error.phase) == (Fault.REJECTED, Phase.CONNECT)
    assert server.calls == []


# ------------------------------------------------------------------ responses

COUNTED_THERE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}
SAID = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "hello", "annotations": []}],
}


def response(state: str = "completed", *output: Any) -> dict[str, Any]:
    told = {"id": "resp_1", "object": "response", "created_at": 1, "model": "scripted-1"}
    return told | {"status": state, "error": None, "output": list(output), "usage": COUNTED_THERE}


def named(kind: str, number: int, **told: Any) -> bytes:
    """One event of the Responses dialect as it stands in a stream."""
    data = json.dumps({"type": kind, "sequence_number": number, **told})
    return f"event: {kind}\ndata: {data}\n\n".encode()


PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
BLANK = SAID | {"status": "in_progress", "content": []}
BEGUN = named("response.created", 0, response=response("in_progress"))
GROWN = (
    named("response.output_item.added", 1, output_index=0, item=BLANK),
    named("response.content_part.added", 2, **PLACE, part={"type": "output_text", "text": ""}),
    named("response.output_text.delta", 3, **PLACE, delta="hel"),
    named("response.output_text.delta", 4, **PLACE, delta="lo"),
    named("response.output_text.done", 5, **PLACE, text="hello"),
    named("response.output_item.done", 6, output_index=0, item=SAID),
)
ENDED = named("response.completed", 7, response=response("completed", SAID))


def responding(*events: bytes, end: Any = STREAM_END) -> Reply:
    return raw(STREAM_HEAD, *map(piece, events), end)


def responses_of(**told: Any) -> Request:
    return decoded(responses.FRONT, {"model": "x", "input": "hi", "store": False} | told)


async def test_a_response_is_asked_for_and_comes_back_byte_for_byte(http) -> None:
    body = b'{ "model":"x", "input" : "hi",  "store": false, "include":["reasoning.x"] }'
    told = json.dumps(response("completed", SAID), indent=1).encode()
    with OpenAIServer(raw(whole(200, told))) as server:
        provider = provider_at(server, http, responses_too=True)
        done = await done_of(provider, ask_of(decoded(responses.FRONT, body)))
    (call,) = server.calls
    assert (call.path, call.body) == ("/v1/responses", body.replace(b'"x"', b'"m"', 1))
    assert (done.answer.text, done.answer.dialect) == ("hello", "responses")
    assert done.answer.body == told
    assert done.usage == COUNTED
    assert done.losses == ()


async def test_a_streamed_response_leaves_as_it_came_but_for_its_end(http) -> None:
    with OpenAIServer(responding(BEGUN, *GROWN, ENDED)) as server:
        provider = provider_at(server, http, responses_too=True)
        *deltas, done = await events_of(provider, ask_of(responses_of(stream=True)))
    assert isinstance(done, Done)
    assert b"".join(delta.raw for delta in deltas) == BEGUN + b"".join(GROWN)
    assert done.answer.ending == ENDED
    assert "".join(delta.text for delta in deltas) == done.answer.text == "hello"
    assert done.usage == COUNTED


@pytest.mark.parametrize("count", [0, 1, 4, 7])
async def test_a_response_that_is_cut_is_never_an_answer(http, count) -> None:
    said = (BEGUN, *GROWN)[:count]
    with OpenAIServer(responding(*said), responding(*said, end=CUT)) as server:
        provider = provider_at(server, http, responses_too=True)
        for _ in range(2):
            error = await error_of(provider, ask_of(responses_of(stream=True)))
            assert error.failure.fault is Fault.CUT_STREAM
            assert error.phase is (Phase.STREAM if count >= 4 else Phase.FIRST_TOKEN)


@pytest.mark.parametrize("before", [(), (BEGUN,), (BEGUN, *GROWN)])
async def test_a_response_that_fails_says_why(http, before) -> None:
    failed = response("failed") | {"error": {"code": "rate_limit_exceeded", "message": "slowly"}}
    ending = named("response.failed", 9, response=failed)
    with OpenAIServer(responding(*before, ending)) as server:
        provider = provider_at(server, http, responses_too=True)
        error = await error_of(provider, ask_of(responses_of(stream=True)))
    assert error.failure.fault is Fault.RATE_LIMITED
    assert "slowly" in error.failure.message


async def test_where_responses_are_not_spoken_chat_is(http) -> None:
    with OpenAIServer(text("hello")) as server:
        done = await done_of(provider_at(server, http), ask_of(responses_of()))
    assert server.calls[0].path == "/v1/chat/completions"
    assert server.calls[0].json["messages"] == [{"role": "user", "content": "hi"}]
    assert (done.answer.text, done.answer.dialect) == ("hello", "chat")


@pytest.mark.parametrize(
    ("model", "effort", "path"),
    [
        ("gpt-5.4", "high", "/v1/responses"),
        ("gpt-5.4", None, "/v1/chat/completions"),
        ("gpt-4o", "high", "/v1/chat/completions"),
    ],
)
async def test_tools_with_an_effort_go_where_both_are_taken(http, model, effort, path) -> None:
    foreign = Request("r", "messages", ASKED, tools=(WEATHER,), effort=effort)
    with OpenAIServer(status(503)) as server:
        provider = provider_at(server, http, responses_too=True, model=model)
        await error_of(provider, ask_of(foreign))
    (call,) = server.calls
    assert call.path == path
    assert len(call.json["tools"]) == 1
    assert ("high" in json.dumps(call.json)) is (effort == "high")


async def test_in_chat_alone_the_tools_are_kept_and_the_effort_is_lost(http) -> None:
    request = request_of(
        reasoning_effort="high", tools=[{"type": "function", "function": {"name": "f"}}]
    )
    with OpenAIServer(text("hello")) as server:
        done = await done_of(provider_at(server, http, model="gpt-5.4"), ask_of(request))
    assert "reasoning_effort" not in server.calls[0].json
    assert len(server.calls[0].json["tools"]) == 1
    assert done.losses == ("effort",)


# ------------------------------------------------------------------ embeddings


def embedding_of(body: bytes) -> Request:
    return decoded(embeddings.FRONT, body)


async def test_embeddings_are_forwarded_and_come_back_byte_for_byte(http) -> None:
    body = b'{ "model" : "x", "input":["a","b"],  "encoding_format":"base64", "odd":1.50 }'
    told = json.dumps(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": 0, "embedding": "AACAPw=="},
                {"object": "embedding", "index": 1, "embedding": "AAAAAA=="},
            ],
            "model": "embedder-1",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        indent=2,
    ).encode()
    with OpenAIServer(raw(whole(200, told))) as server:
        (done,) = await events_of(provider_at(server, http), ask_of(embedding_of(body)))
    (call,) = server.calls
    assert (call.path, call.body) == ("/v1/embeddings", body.replace(b'"x"', b'"m"'))
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert isinstance(done, Done)
    assert (done.answer.body, done.answer.dialect) == (told, "embeddings")
    assert (done.answer.model, done.answer.finish) == ("embedder-1", Finish.STOP)
    assert done.usage == Usage(8, source=UsageSource.PROVIDER)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 5, "total_tokens": 7}, Usage(5, 2, source=UsageSource.PROVIDER)),
        ({"prompt_tokens": 5}, Usage(5, source=UsageSource.PROVIDER)),
        ({"prompt_tokens": 5, "total_tokens": 3}, Usage(5, source=UsageSource.PROVIDER)),
        ({"prompt_tokens": 0}, Usage()),
        ({"prompt_tokens": 10**12}, Usage()),
        ({"prompt_tokens": -5}, Usage()),
        ({"prompt_tokens": "5"}, Usage()),
        ({"prompt_tokens": True}, Usage()),
        ([], Usage()),
        (None, Usage()),
    ],
)
async def test_what_embeddings_used_is_believed_only_where_it_can_be(http, usage, counted) -> None:
    with OpenAIServer(status(200, {"data": [{"embedding": []}], "usage": usage})) as server:
        done = await done_of(provider_at(server, http), ask_of(embedding_of(b'{"input":"a"}')))
    assert done.usage == counted


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (status(404), Fault.NOT_FOUND),
        (status(429), Fault.RATE_LIMITED),
        (status(200, {"error": {"message": "x", "code": 429}}), Fault.RATE_LIMITED),
        (status(200, {"data": "x"}), Fault.INVALID_RESPONSE),
        (status(200, {"data": []}), Fault.INVALID_RESPONSE),
        (status(200, {"data": [{"embedding": []}] * 2}), Fault.INVALID_RESPONSE),
        (status(200, {"object": "list"}), Fault.INVALID_RESPONSE),
        (raw(whole(200, b"<html>")), Fault.INVALID_RESPONSE),
    ],
)
async def test_what_is_no_list_of_embeddings_is_a_fault(http, reply, fault) -> None:
    with OpenAIServer(reply) as server:
        error = await error_of(
            provider_at(server, http), ask_of(embedding_of(b'{"input":"a","model":"x"}'))
        )
    assert error.failure.fault is fault


# ------------------------------------------------------------------ from a configuration

FILE = """\
[tiers.own]
provider = "{provider}"
model = "gpt-4o"
base_url = "{url}"
api_key_env = "ACME_API_KEY"
price = "free"
{more}

[ladders.default]
tiers = ["own"]
"""


@pytest.mark.parametrize(
    ("provider", "more", "path"),
    [
        ("openai_compatible", "responses = true", "/v1/responses"),
        ("openai_compatible", "", "/v1/chat/completions"),
        ("openai", "", "/v1/chat/completions"),
        ("openai", "responses = true", "/v1/responses"),
        ("anthropic", "", "/v1/messages"),
    ],
)
async def test_a_tier_of_the_configuration_speaks_what_it_says(
    tmp_path, provider, more, path
) -> None:
    with OpenAIServer(status(503)) as server:
        said = FILE.format(provider=provider, url=server.base_url, more=more)
        env = {"ACME_API_KEY": KEY}
        settings = config.parse(said, tmp_path / "rung.toml", env, problems)
        made = assemble(settings, ledger=False)
        try:
            await error_of(made.tiers["own"].provider, ask_of(responses_of()))
        finally:
            await made.close()
    (call,) = server.calls
    assert call.path == path
    assert KEY in call.headers["x-api-key" if provider == "anthropic" else "authorization"]
    assert made.tiers["own"].local


@pytest.mark.parametrize(
    ("provider", "more", "fault"),
    [
        ("anthropic", "responses = true", "does nothing for provider 'anthropic'"),
        ("anthropic", 'keep_alive = "1m"', "does nothing for provider 'anthropic'"),
        ("openai", "responses = 3", "responses"),
    ],
)
def test_a_key_that_does_nothing_there_is_a_fault(tmp_path, provider, more, fault) -> None:
    said = FILE.format(provider=provider, url="http://127.0.0.1:1/v1", more=more)
    with pytest.raises(ConfigError, match=fault):
        config.parse(said, tmp_path / "rung.toml", {"ACME_API_KEY": KEY}, problems)


def test_anthropic_needs_its_key_and_a_model(tmp_path) -> None:
    said = '[tiers.own]\nprovider = "anthropic"\n[ladders.default]\ntiers = ["own"]\n'
    with pytest.raises(ConfigError, match="model"):
        config.parse(said, tmp_path / "rung.toml", {}, problems)
    named = said.replace("anthropic", 'anthropic"\nmodel = "claude-haiku-5-5', 1)
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY is not set"):
        config.parse(named, tmp_path / "rung.toml", {}, problems)
    env = {"ANTHROPIC_API_KEY": "sk-ant-x"}
    assert config.parse(named, tmp_path / "rung.toml", env, problems).file.tiers["own"].model
