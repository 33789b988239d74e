from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text, Tool, ToolCall
from rung.core.types import (
    Fault,
    Finish,
    Phase,
    Request,
    Sampling,
    Usage,
    UsageSource,
)
from rung.providers.anthropic import Anthropic
from rung.providers.base import Done
from rung.providers.http import HttpClient
from rung.providers.line import Endpoint
from rung.wire import chat, messages
from support.anthropic_server import (
    MESSAGE_STOP,
    PING,
    AnthropicServer,
    block_delta,
    block_start,
    error,
    error_event,
    event,
    framed,
    message_delta,
    message_start,
    stream,
    text,
    text_events,
    tool_use,
)
from support.openai_server import (
    CUT,
    RESET,
    STALL,
    STREAM_END,
    STREAM_HEAD,
    Pause,
    head,
    piece,
    raw,
    slow,
    stall,
    status,
    whole,
)
from support.provider_calls import KEY, ask_of, decoded, done_of, error_of, events_of

COUNTED = Usage(10, 5, 3, 1, 0, UsageSource.PROVIDER)
BODY = {"model": "any", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
START = message_start()
WORDS = [
    START,
    block_start(0, {"type": "text", "text": ""}),
    block_delta(0, {"type": "text_delta", "text": "Once"}),
]


@pytest.fixture
async def http():
    client = HttpClient(connect_timeout_seconds=1.0, idle_timeout_seconds=0.3)
    yield client
    await client.close()


def request_of(**told: Any) -> Request:
    return decoded(messages.FRONT, BODY | told)


def provider_at(server: AnthropicServer, http: HttpClient, **settings: Any) -> Anthropic:
    settings = {"model": "m", "api_key": KEY, "key_name": "ACME_API_KEY"} | settings
    return Anthropic(http, Endpoint(server.base_url, **settings))


PLAIN = request_of()
STREAMING = request_of(stream=True)

# ------------------------------------------------------------------ what is sent


async def test_the_callers_bytes_are_sent_with_only_the_model_exchanged(http) -> None:
    body = (
        b'{ "model":"x", "max_tokens": 5, "odd" : [1.50],\n  "thinking":{"type":"adaptive"},'
        b'"messages" : [{"role":"user","content":[{"type":"text","text":"hi",'
        b'"cache_control":{"type":"ephemeral"}}]}]  }'
    )
    with AnthropicServer(text("hello")) as server:
        done = await done_of(provider_at(server, http), ask_of(decoded(messages.FRONT, body)))
    (call,) = server.calls
    assert call.body == body.replace(b'"x"', b'"m"')
    assert call.path == "/v1/messages"
    assert call.headers["x-api-key"] == KEY
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in call.headers
    assert done.losses == ()


async def test_without_a_key_none_is_sent(http) -> None:
    with AnthropicServer() as server:
        await events_of(provider_at(server, http, api_key=None), ask_of(PLAIN))
    assert "x-api-key" not in server.calls[0].headers


PASSED = (
    ("anthropic-beta", "context-management-2025-06-27,effort-2025-11-24"),
    ("anthropic-version", "2024-01-01"),
    ("?beta", "true"),
)


async def test_a_callers_version_and_betas_go_on_to_its_own_dialect(http) -> None:
    with AnthropicServer() as server:
        await events_of(provider_at(server, http), ask_of(replace(PLAIN, passed_on=PASSED)))
    (call,) = server.calls
    assert call.path == "/v1/messages?beta=true"
    assert call.headers["anthropic-beta"] == PASSED[0][1]
    assert call.headers["anthropic-version"] == "2024-01-01"


@pytest.mark.parametrize(
    "passed", [("x-api-key", "mine"), ("host", "evil"), ("?beta", "1&x=2"), ("?x", "true")]
)
async def test_nothing_else_goes_on(http, passed) -> None:
    with AnthropicServer() as server:
        await events_of(provider_at(server, http), ask_of(replace(PLAIN, passed_on=(passed,))))
    (call,) = server.calls
    assert call.path == "/v1/messages"
    assert call.headers["x-api-key"] == KEY
    assert "evil" not in call.headers["host"]


async def test_what_came_in_another_dialect_takes_no_headers_with_it(http) -> None:
    foreign = decoded(chat.FRONT, {"model": "x", "messages": [{"role": "user", "content": "hi"}]})
    with AnthropicServer() as server:
        await events_of(provider_at(server, http), ask_of(replace(foreign, passed_on=PASSED)))
    (call,) = server.calls
    assert call.path == "/v1/messages"
    assert "anthropic-beta" not in call.headers
    assert call.headers["anthropic-version"] == "2023-06-01"


async def test_a_request_of_another_dialect_is_written_in_this_one(http) -> None:
    asked = (Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("hi"),)))
    foreign = Request(
        "r",
        "chat",
        asked,
        sampling=Sampling(temperature=0.2, seed=4, stop=("END",)),
        tools=(Tool("get_weather", "Tells it.", b'{"type":"object"}'),),
        extras=("logit_bias", "seed", "logit_bias"),
    )
    with AnthropicServer(text("hello")) as server:
        done = await done_of(
            provider_at(server, http, model="claude-haiku-4-5"), ask_of(foreign, temperature=0.5)
        )
    sent = server.calls[0].json
    assert sent["model"] == "claude-haiku-4-5"
    assert sent["max_tokens"] == 64_000
    assert sent["temperature"] == 0.5
    assert sent["stop_sequences"] == ["END"]
    assert "Be brief." in json.dumps(sent["system"])
    assert [one["role"] for one in sent["messages"]] == ["user"]
    assert sent["tools"][0]["name"] == "get_weather"
    assert sent["tools"][0]["input_schema"] == {"type": "object"}
    assert done.losses == ("logit_bias", "seed")


async def test_what_the_model_refuses_is_taken_out_and_told(http) -> None:
    request = request_of(temperature=0.5, top_k=3)
    with AnthropicServer() as server:
        done = await done_of(provider_at(server, http, model="claude-sonnet-5-5"), ask_of(request))
    assert server.calls[0].json == BODY | {"model": "claude-sonnet-5-5"}
    assert done.losses == ("temperature", "top_k")


async def test_of_two_that_exclude_each_other_one_is_sent(http) -> None:
    request = request_of(temperature=0.5, top_p=0.9)
    with AnthropicServer() as server:
        done = await done_of(provider_at(server, http, model="claude-opus-4-1"), ask_of(request))
    assert server.calls[0].json == BODY | {"model": "claude-opus-4-1", "temperature": 0.5}
    assert done.losses == ("top_p",)


async def test_a_repair_keeps_the_callers_own_turns(http) -> None:
    request = request_of(tools=[TOOL | {"odd": 1}], unknown=1)
    more = (Message(Role.ASSISTANT, (Text("bad"),)), Message(Role.USER, (Text("fix it"),)))
    with AnthropicServer() as server:
        ask = ask_of(request, messages=request.messages + more, as_it_came=False)
        await events_of(provider_at(server, http), ask)
    sent = server.calls[0].json
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "user"]
    assert "fix it" in json.dumps(sent["messages"][-1])
    assert (sent["unknown"], sent["tools"]) == (1, [TOOL | {"odd": 1}])


# ------------------------------------------------------------------ answers


async def test_a_plain_answer_keeps_the_providers_bytes(http) -> None:
    told = {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "hi", "odd": 1}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    body = json.dumps(told, indent=3).encode()
    with AnthropicServer(raw(whole(200, body))) as server:
        (done,) = await events_of(provider_at(server, http), ask_of(PLAIN))
    assert isinstance(done, Done)
    assert done.answer.body == body
    assert (done.answer.text, done.answer.finish) == ("hi", Finish.LENGTH)
    assert (done.answer.model, done.answer.dialect) == ("claude-x", "messages")
    assert done.usage == Usage(3, 2, source=UsageSource.PROVIDER)


async def test_a_stream_leaves_as_it_came_but_for_its_end(http) -> None:
    events = [START, PING, *text_events(0, "hel", "lo"), message_delta("end_turn")]
    with AnthropicServer(stream(*events, MESSAGE_STOP)) as server:
        *deltas, done = await events_of(provider_at(server, http), ask_of(STREAMING))
    assert isinstance(done, Done)
    sent = b"".join(map(framed, events))
    ended = b"".join(delta.raw for delta in deltas) + done.answer.ending
    assert ended.replace(framed(PING), b"") == (sent + framed(MESSAGE_STOP)).replace(
        framed(PING), b""
    )
    assert done.answer.ending == framed(MESSAGE_STOP)
    assert "".join(delta.text for delta in deltas) == done.answer.text == "hello"
    assert {delta.dialect for delta in deltas} == {"messages"}
    assert (done.answer.finish, done.answer.model) == (Finish.STOP, "scripted-1")
    assert done.usage == COUNTED


@pytest.mark.parametrize("streams", [False, True])
async def test_parallel_tool_calls_are_put_together(http, streams) -> None:
    calls = (("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Łódź"}))
    request = request_of(stream=streams, tools=[TOOL])
    with AnthropicServer(tool_use(*calls, said="Let me look.")) as server:
        done = await done_of(provider_at(server, http), ask_of(request))
    assert done.answer.finish is Finish.TOOL_CALLS
    assert done.answer.text == "Let me look."
    assert [(one.id, one.name, json.loads(one.arguments)) for one in done.answer.tool_calls] == [
        ("toolu_1", "get_weather", {"city": "Oslo"}),
        ("toolu_2", "get_weather", {"city": "Łódź"}),
    ]
    assert all(isinstance(one, ToolCall) for one in done.answer.tool_calls)
    assert done.usage == COUNTED


async def test_the_calls_grow_as_they_come(http) -> None:
    with AnthropicServer(tool_use(("f", {"a": 1}), ("g", {"b": 2}))) as server:
        *deltas, _ = await events_of(
            provider_at(server, http), ask_of(request_of(stream=True, tools=[TOOL]))
        )
    grown: dict[int, str] = {}
    names: dict[int, str] = {}
    for one in (one for delta in deltas if isinstance(delta, Delta) for one in delta.calls):
        grown[one.index] = grown.get(one.index, "") + one.arguments
        names[one.index] = names.get(one.index, "") + one.name
    assert list(map(json.loads, grown.values())) == [{"a": 1}, {"b": 2}]
    assert list(names.values()) == ["f", "g"]


async def test_a_refusal_is_one(http) -> None:
    with AnthropicServer(text("I cannot.", reason="refusal")) as server:
        done = await done_of(provider_at(server, http), ask_of(PLAIN))
    assert done.answer.finish is Finish.REFUSAL


async def test_nothing_is_passed_on_before_something_real_has_come(http) -> None:
    real = block_delta(0, {"type": "text_delta", "text": "x"})
    begun = block_start(0, {"type": "text", "text": ""})
    with AnthropicServer(stream(START, PING, begun, Pause(0.15), real, end=[STALL])) as server:
        async with aclosing(provider_at(server, http).call(ask_of(STREAMING))) as events:
            began = time.monotonic()
            first = await anext(events)
            assert time.monotonic() - began > 0.1
            assert (first.text, first.raw) == ("x", b"".join(map(framed, (START, begun, real))))


async def test_what_is_known_of_the_usage_comes_with_the_deltas(http) -> None:
    with AnthropicServer(text(["a", "b"])) as server:
        *deltas, _ = await events_of(provider_at(server, http), ask_of(STREAMING))
    known = [delta.usage for delta in deltas if isinstance(delta, Delta) and delta.usage]
    assert known[0] == replace(COUNTED, output_tokens=1)
    assert known[-1] == COUNTED


async def test_a_stream_that_is_answered_plainly_is_taken(http) -> None:
    plain = {"type": "message", "content": [{"type": "text", "text": "hi"}]}
    body = json.dumps(plain | {"role": "assistant", "stop_reason": "end_turn"}).encode()
    with AnthropicServer(raw(whole(200, body))) as server:
        (done,) = await events_of(provider_at(server, http), ask_of(STREAMING))
    assert isinstance(done, Done)
    assert (done.answer.text, done.answer.body) == ("hi", body)
    assert done.usage.source is UsageSource.NONE


async def test_a_streaming_caller_can_be_answered_plainly_and_back(http) -> None:
    with AnthropicServer() as server:
        provider = provider_at(server, http)
        plain = await done_of(provider, ask_of(STREAMING, stream=False))
        streamed = await done_of(provider, ask_of(PLAIN, stream=True))
    assert plain.answer.text == streamed.answer.text == "hello"
    assert (server.calls[0].streams, server.calls[1].streams) == (False, True)


@pytest.mark.parametrize("ends", ["\n\n", "\r\n\r\n"])
async def test_a_stream_in_single_bytes_is_read_alike(http, ends) -> None:
    events = [START, *text_events(0, "zażółć 😀"), message_delta("end_turn"), MESSAGE_STOP]
    told = [json.dumps(one, ensure_ascii=False) for one in events]
    said = "".join(
        f"event: {one['type']}{ends[: len(ends) // 2]}data: {data}{ends}"
        for one, data in zip(events, told, strict=True)
    ).encode()
    slices = [piece(said[i : i + 1]) for i in range(len(said))]
    with AnthropicServer(raw(STREAM_HEAD, *slices, STREAM_END)) as server:
        done = await done_of(provider_at(server, http), ask_of(STREAMING))
    assert done.answer.text == "zażółć 😀"


async def test_a_stream_that_stays_open_after_its_end_does_not_hold_the_caller(http) -> None:
    events = [*WORDS, message_delta("end_turn"), MESSAGE_STOP]
    with AnthropicServer(stream(*events, end=[STALL])) as server:
        began = time.monotonic()
        assert (await done_of(provider_at(server, http), ask_of(STREAMING))).answer.text == "Once"
        assert time.monotonic() - began < 1
        assert await server.left(server.calls[0], 1)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_key_that_comes_back_as_the_models_name_goes_no_further(http, streams) -> None:
    name = f"m-{KEY}"
    events = [message_start(name), *text_events(0, "x"), message_delta("end_turn"), MESSAGE_STOP]
    plain = message_start(name)["message"] | {"content": [], "stop_reason": "end_turn"}
    reply = stream(*events) if streams else status(200, plain)
    with AnthropicServer(reply) as server:
        done = await done_of(provider_at(server, http), ask_of(request_of(stream=streams)))
    assert KEY not in done.answer.model
    assert "[key]" in done.answer.model


# ------------------------------------------------------------------ refusals

FAULTS = [
    (error(400, "invalid_request_error", "max_tokens: Field required"), Fault.REJECTED),
    (error(400, "invalid_request_error", "prompt is too long: 9 > 8"), Fault.CONTEXT_TOO_LONG),
    (error(400, "invalid_request_error", "Your credit balance is too low"), Fault.BILLING),
    (error(401, "authentication_error", "invalid x-api-key"), Fault.AUTH),
    (error(402, "billing_error"), Fault.BILLING),
    (error(403, "permission_error"), Fault.AUTH),
    (error(404, "not_found_error", "model: m"), Fault.NOT_FOUND),
    (error(413, "request_too_large"), Fault.CONTEXT_TOO_LONG),
    (error(429, "rate_limit_error"), Fault.RATE_LIMITED),
    (error(500, "api_error"), Fault.SERVER_ERROR),
    (error(529, "overloaded_error"), Fault.OVERLOADED),
    (status(502, b"<html>", content_type="text/html"), Fault.SERVER_ERROR),
    (error(200, "overloaded_error"), Fault.OVERLOADED),
    (raw(whole(200, b"<html>", content_type="text/html")), Fault.INVALID_RESPONSE),
    (raw(whole(200, b"")), Fault.INVALID_RESPONSE),
    (raw(whole(200, b'{"type":"message","content":"x"}')), Fault.INVALID_RESPONSE),
    (raw(head(200, {"content-length": "50"}), b'{"content":', CUT), Fault.INVALID_RESPONSE),
    (raw(CUT), Fault.CONNECT),
]


@pytest.mark.parametrize(("reply", "fault"), FAULTS, ids=range(len(FAULTS)))
async def test_every_refusal_has_its_fault_and_costs_one_call(http, reply, fault) -> None:
    with AnthropicServer(reply) as server:
        failed = await error_of(provider_at(server, http), ask_of(PLAIN))
    assert failed.failure.fault is fault
    assert len(server.calls) == 1


@pytest.mark.parametrize("number", [0, 1, 3, 8, 10])
async def test_a_stream_that_is_refused_has_the_same_faults(http, number) -> None:
    reply, fault = FAULTS[number]
    with AnthropicServer(reply) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (failed.failure.fault, failed.phase) == (fault, Phase.HEADERS)


async def test_a_wait_that_the_provider_asks_for_is_passed_on(http) -> None:
    busy = error(529, "overloaded_error", "Overloaded", headers={"Retry-After": "7"})
    with AnthropicServer(busy) as server:
        failed = await error_of(provider_at(server, http), ask_of(PLAIN))
    assert failed.failure.retry_after_seconds == 7
    assert failed.failure.status == 529
    assert failed.failure.message == "the provider answered 529: Overloaded"


@pytest.mark.parametrize("streams", [False, True])
async def test_no_key_comes_back_in_any_message(http, streams) -> None:
    said = f"invalid x-api-key {KEY}, nor sk-ant-api03-****abcd\x1b[31m"
    in_stream = stream(START, error_event("authentication_error", said))
    reply = in_stream if streams else error(401, "authentication_error", said)
    with AnthropicServer(reply) as server:
        failed = await error_of(provider_at(server, http), ask_of(request_of(stream=streams)))
    assert failed.failure.fault is Fault.AUTH
    assert "invalid x-api-key [key]" in str(failed)
    assert "abcd" not in str(failed)
    assert "\x1b" not in str(failed)


# ------------------------------------------------------------------ broken streams


@pytest.mark.parametrize(
    ("before", "phase", "usage"),
    [
        ([], Phase.FIRST_TOKEN, Usage()),
        ([START, PING], Phase.FIRST_TOKEN, Usage()),
        (WORDS, Phase.STREAM, Usage()),
        ([*WORDS, message_delta("end_turn")], Phase.STREAM, COUNTED),
    ],
)
async def test_an_error_event_says_what_it_says_wherever_it_comes(
    http, before, phase, usage
) -> None:
    failing = error_event("overloaded_error", "Overloaded")
    with AnthropicServer(stream(*before, failing)) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (failed.failure.fault, failed.phase) == (Fault.OVERLOADED, phase)
    assert "Overloaded" in failed.failure.message
    assert failed.usage == usage


@pytest.mark.parametrize("end", [CUT, RESET, STREAM_END], ids=["cut", "reset", "ended"])
@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ([], Phase.FIRST_TOKEN),
        ([START], Phase.FIRST_TOKEN),
        ([*WORDS[:2]], Phase.FIRST_TOKEN),
        (WORDS, Phase.STREAM),
        ([START, *text_events(0, "Once")], Phase.STREAM),
    ],
)
async def test_a_stream_cut_anywhere_is_never_an_answer(http, said, phase, end) -> None:
    with AnthropicServer(stream(*said, end=[Pause(0.02), end])) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (failed.failure.fault, failed.phase) == (Fault.CUT_STREAM, phase)


async def test_an_end_without_a_reason_is_a_cut(http) -> None:
    with AnthropicServer(stream(START, *text_events(0, "Once"), MESSAGE_STOP)) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert failed.failure.fault in {Fault.CUT_STREAM, Fault.INVALID_RESPONSE}


async def test_an_event_cut_in_its_middle_is_a_cut(http) -> None:
    half = framed(block_delta(0, {"type": "text_delta", "text": " upon a time"}))[:-20]
    broken = stream(*WORDS, piece(half), end=[Pause(0.02), CUT])
    with AnthropicServer(broken) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (failed.failure.fault, failed.phase) == (Fault.CUT_STREAM, Phase.STREAM)


@pytest.mark.parametrize(
    "junk",
    [b"{oops", b"[1]", b'{"type":"content_block_delta","index":-1,"delta":{}}'],
)
async def test_an_event_that_is_none_ends_the_call(http, junk) -> None:
    broken = piece(b"event: content_block_delta\ndata: " + junk + b"\n\n")
    with AnthropicServer(stream(*WORDS, broken)) as server:
        failed = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert failed.failure.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("reply", "streams", "phase"),
    [
        (stall, False, Phase.HEADERS),
        (stall, True, Phase.HEADERS),
        (slow(3, text("late")), False, Phase.HEADERS),
        (raw(STREAM_HEAD, STALL), True, Phase.FIRST_TOKEN),
        (stream(START, end=[STALL]), True, Phase.FIRST_TOKEN),
        (raw(STREAM_HEAD, event(START), *[event(PING), Pause(0.05)] * 60), True, Phase.FIRST_TOKEN),
        (stream(*WORDS, end=[STALL]), True, Phase.STREAM),
    ],
)
async def test_every_hang_meets_the_deadline_and_says_where_it_was(
    http, reply, streams, phase
) -> None:
    with AnthropicServer(reply) as server:
        began = time.monotonic()
        failed = await error_of(
            provider_at(server, http), ask_of(request_of(stream=streams), timeout_seconds=0.5)
        )
        assert time.monotonic() - began < 1.5
        assert (failed.failure.fault, failed.phase) == (Fault.TIMEOUT, phase)
        assert await server.left(server.calls[0], 1)


@pytest.mark.parametrize(
    ("reply", "streams"),
    [(stall, False), (stall, True), (stream(*WORDS, end=[STALL]), True)],
)
async def test_a_cancelled_call_hangs_up_within_a_second(http, reply, streams) -> None:
    with AnthropicServer(reply) as server:
        provider = provider_at(server, http)
        ask = ask_of(request_of(stream=streams), timeout_seconds=60)
        task = asyncio.create_task(events_of(provider, ask))
        (call,) = await server.arrived(1)
        task.cancel()
        assert await server.left(call, 1)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_the_iterator_hangs_up(http) -> None:
    with AnthropicServer(stream(*WORDS, end=[STALL])) as server:
        events = provider_at(server, http).call(ask_of(STREAMING, timeout_seconds=60))
        assert isinstance(await anext(events), Delta)
        await events.aclose()
        assert await server.left(server.calls[0], 1)


# ------------------------------------------------------------------ counting


async def test_the_callers_bytes_are_counted(http) -> None:
    body = b'{ "model":"x", "messages" : [{"role":"user","content":"hi"}],  "odd": [1.50] }'
    request = replace(PLAIN, body=body, passed_on=PASSED)
    with AnthropicServer() as server:
        assert await provider_at(server, http).count(request) == 11
    (call,) = server.counts
    assert call.body == body.replace(b'"x"', b'"m"')
    assert call.path == "/v1/messages/count_tokens?beta=true"
    assert call.headers["anthropic-beta"] == PASSED[0][1]
    assert server.calls == []


async def test_what_only_concerns_the_answer_is_not_counted(http) -> None:
    request = request_of(stream=True, temperature=0.1, stop_sequences=["x"], tools=[TOOL])
    with AnthropicServer() as server:
        await provider_at(server, http).count(request)
    kept = {"messages": BODY["messages"], "tools": [TOOL]}
    assert server.counts[0].json == kept | {"model": "m"}


async def test_a_request_of_another_dialect_is_counted_too(http) -> None:
    told = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
    with AnthropicServer() as server:
        assert await provider_at(server, http).count(decoded(chat.FRONT, told)) == 11
    sent = server.counts[0].json
    assert sent["model"] == "m"
    assert set(sent) == {"model", "messages"}


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (error(529, "overloaded_error"), Fault.OVERLOADED),
        (error(404, "not_found_error"), Fault.NOT_FOUND),
        (raw(whole(200, b"{}")), Fault.INVALID_RESPONSE),
        (raw(whole(200, b'{"input_tokens":-1}')), Fault.INVALID_RESPONSE),
        (raw(whole(200, b'{"input_tokens":"9"}')), Fault.INVALID_RESPONSE),
        (raw(whole(200, b"<html>")), Fault.INVALID_RESPONSE),
        (stall, Fault.TIMEOUT),
    ],
)
async def test_what_is_no_count_is_a_fault(http, reply, fault) -> None:
    from rung.providers.base import CallError

    with AnthropicServer(count=reply) as server, pytest.raises(CallError) as caught:
        await provider_at(server, http).count(PLAIN, timeout_seconds=0.3)
    assert caught.value.failure.fault is fault


# ------------------------------------------------------------------ health


async def test_health_finds_the_model_and_its_aliases(http) -> None:
    with AnthropicServer(models=("m", "other"), aliases=("m-latest",)) as server:
        listed = await provider_at(server, http).health()
        alias = await provider_at(server, http, model="m-latest").health()
    assert (listed.ok, listed.models, listed.fix) == (True, ("m", "other"), None)
    assert (alias.ok, alias.models) == (True, ("m", "other"))
    assert server.requests[0].path == "/v1/models?limit=1000"
    assert server.requests[0].headers["x-api-key"] == KEY
    assert server.calls == []


async def test_health_names_what_is_there_instead_of_a_missing_model(http) -> None:
    with AnthropicServer(models=("a", "b")) as server:
        health = await provider_at(server, http, model="../x").health()
    assert not health.ok
    assert "a, b" in (health.fix or "")
    assert server.requests[-1].path == "/v1/models/..%2Fx"


@pytest.mark.parametrize(
    ("reply", "settings", "fix"),
    [
        (error(401, "authentication_error", KEY), {}, "the key in ACME_API_KEY was refused"),
        (error(401, "authentication_error"), {"api_key": None}, "set ACME_API_KEY"),
        (error(404, "not_found_error"), {}, "check base_url"),
        (error(529, "overloaded_error"), {}, "try again"),
        (raw(whole(200, b"<html>")), {}, "check that base_url"),
    ],
)
async def test_health_says_what_would_mend_it(http, reply, settings, fix) -> None:
    with AnthropicServer(models_reply=reply) as server:
        health = await provider_at(server, http, **settings).health()
    assert not health.ok
    assert fix in (health.fix or "")
    assert KEY not in health.message + (health.fix or "")


async def test_warming_and_closing_touch_nothing(http) -> None:
    with AnthropicServer() as server:
        provider = provider_at(server, http)
        await provider.warm()
        await provider.close()
        assert (await done_of(provider, ask_of(PLAIN))).answer.text == "hello"
    assert len(server.requests) == 1
