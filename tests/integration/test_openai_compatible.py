from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text, ToolCall
from rung.core.types import (
    Fault,
    Finish,
    Phase,
    Request,
    Sampling,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.providers.base import CallError, Done
from rung.providers.http import HttpClient
from rung.providers.line import Endpoint
from rung.providers.openai_compatible import OpenAICompatible
from rung.wire import chat
from support.openai_server import (
    CUT,
    DONE,
    STALL,
    STREAM_END,
    STREAM_HEAD,
    OpenAIServer,
    Pause,
    Reply,
    chunk,
    cut_stream,
    event,
    head,
    piece,
    raw,
    slow,
    stall,
    status,
    stream,
    text,
    tool_call,
    usage_chunk,
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


def provider_at(server: OpenAIServer, http: HttpClient, **settings: Any) -> OpenAICompatible:
    settings = {"model": "m", "api_key": KEY, "key_name": "ACME_API_KEY"} | settings
    return OpenAICompatible(http, Endpoint(server.base_url, **settings))


def payloads(*deltas: Delta) -> list[Any]:
    """What each event holds, as it stands in a stream. One read may bring several."""
    told = b"".join(delta.raw for delta in deltas)
    assert told.endswith(b"\n\n")
    events = told.removesuffix(b"\n\n").split(b"\n\n")
    assert all(event.startswith(b"data: ") for event in events)
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


PLAIN = request_of()
STREAMING = request_of(stream=True)
COUNTING = request_of(stream=True, stream_options={"include_usage": True})

# ------------------------------------------------------------------ what is sent


async def test_the_callers_bytes_are_sent_with_only_the_model_exchanged(http) -> None:
    body = b'{ "model":"x", "messages" : [{"role":"user","content":"hi"}],  "odd": [1.50, {}] }'
    request = decoded(chat.FRONT, body)
    with OpenAIServer(text("hello")) as server:
        await events_of(provider_at(server, http), ask_of(request))
    (call,) = server.calls
    assert call.body == body.replace(b'"x"', b'"m"')
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["content-type"] == "application/json"


async def test_without_a_key_none_is_sent(http) -> None:
    with OpenAIServer(text("hello")) as server:
        await events_of(provider_at(server, http, api_key=None), ask_of(PLAIN))
    assert "authorization" not in server.calls[0].headers


@pytest.mark.parametrize("streams", [False, True])
async def test_a_key_that_comes_back_as_the_models_name_goes_no_further(http, streams) -> None:
    choice = {"index": 0, "delta": {"content": "x"}, "message": {"content": "x"}}
    told = {"model": f"m-{KEY}", "choices": [choice | {"finish_reason": "stop"}]}
    plain = status(200, told)
    with OpenAIServer(stream(told) if streams else plain) as server:
        done = await done_of(provider_at(server, http), ask_of(STREAMING if streams else PLAIN))
    assert KEY not in done.answer.model
    assert "[key]" in done.answer.model


def test_an_endpoint_does_not_show_its_key() -> None:
    assert KEY not in repr(Endpoint("http://127.0.0.1/v1", "m", KEY))


async def test_a_stream_is_always_asked_for_its_usage(http) -> None:
    with OpenAIServer(text("hello")) as server:
        await events_of(provider_at(server, http), ask_of(STREAMING))
    assert server.calls[0].json == json.loads(STREAMING.body) | {
        "model": "m",
        "stream_options": {"include_usage": True},
    }


async def test_a_streaming_caller_can_be_answered_plainly_and_back(http) -> None:
    with OpenAIServer(text("hello")) as server:
        provider = provider_at(server, http)
        plain = await done_of(provider, ask_of(COUNTING, stream=False))
        streamed = await done_of(provider, ask_of(request_of(), stream=True))
    assert plain.answer.text == streamed.answer.text == "hello"
    assert (server.calls[0].streams, server.calls[1].streams) == (False, True)
    assert "stream_options" not in server.calls[0].json


async def test_a_repair_keeps_the_callers_tools(http) -> None:
    request = request_of(tools=[{"type": "function", "function": {"name": "f"}}], unknown=1)
    more = (Message(Role.ASSISTANT, (Text("bad"),)), Message(Role.USER, (Text("fix it"),)))
    with OpenAIServer(text("hello")) as server:
        await events_of(
            provider_at(server, http),
            ask_of(request, messages=request.messages + more, as_it_came=False, temperature=0.7),
        )
    sent = server.calls[0].json
    assert [one["content"] for one in sent["messages"]] == ["hi", "bad", "fix it"]
    assert (sent["unknown"], sent["tools"], sent["temperature"]) == (
        1,
        [{"type": "function", "function": {"name": "f"}}],
        0.7,
    )


async def test_a_request_of_the_library_is_written_in_this_dialect(http) -> None:
    messages = (Message(Role.USER, (Text("hi"),)),)
    request = Request("r", "library", messages, sampling=Sampling(max_tokens=9, temperature=0.0))
    schema = SchemaRequest({"type": "object"})
    with OpenAIServer(text("hello")) as server:
        await events_of(
            provider_at(server, http), ask_of(request, schema=schema, temperature=0.5, seed=3)
        )
    assert server.calls[0].json == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "seed": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": False},
        },
    }


async def test_a_schema_of_the_operator_is_asked_for_but_the_callers_own_stays(http) -> None:
    own = {"type": "json_schema", "json_schema": {"name": "own", "schema": {}, "odd": 1}}
    schema = SchemaRequest({"type": "object"})
    with OpenAIServer(text("{}")) as server:
        provider = provider_at(server, http)
        await events_of(provider, ask_of(request_of(response_format=own), schema=schema))
        await events_of(provider, ask_of(PLAIN, schema=schema))
    assert server.calls[0].json["response_format"] == own
    assert server.calls[1].json["response_format"]["json_schema"]["schema"] == {"type": "object"}


# ------------------------------------------------------------------ answers


async def test_a_plain_answer_keeps_the_providers_bytes(http) -> None:
    body = json.dumps(
        {
            "id": "x",
            "choices": [{"message": {"content": "hi", "odd": 1}, "finish_reason": "length"}],
            "model": "m-2026",
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            "odd": [1.50],
        },
        indent=3,
    ).encode()
    with OpenAIServer(raw(whole(200, body))) as server:
        (event,) = await events_of(provider_at(server, http), ask_of(PLAIN))
    assert isinstance(event, Done)
    assert event.answer.body == body
    assert (event.answer.text, event.answer.finish) == ("hi", Finish.LENGTH)
    assert (event.answer.model, event.answer.dialect) == ("m-2026", "chat")
    assert event.usage == Usage(3, 2, source=UsageSource.PROVIDER)


async def test_a_stream_arrives_piece_by_piece_with_its_payloads(http) -> None:
    pieces = (chunk({"content": "hel"}), Pause(0.1), chunk({"content": "lo"}))
    with OpenAIServer(stream(*pieces, Pause(0.1), chunk({}, "stop"), end=[DONE])) as server:
        *deltas, _ = await events_of(provider_at(server, http), ask_of(COUNTING))
    assert [delta.text for delta in deltas] == ["hel", "lo", ""]
    assert [payloads(delta) for delta in deltas] == [[pieces[0]], [pieces[2]], [chunk({}, "stop")]]


async def test_what_came_in_one_read_is_passed_on_at_once(http) -> None:
    words = [chunk({"content": word}) for word in ("a", "b", "c")]
    told = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in words)
    with OpenAIServer(raw(STREAM_HEAD, piece(told), STALL)) as server:
        async with aclosing(provider_at(server, http).call(ask_of(STREAMING))) as events:
            first = await anext(events)
    assert (first.text, payloads(first)) == ("abc", words)


async def test_what_came_before_a_fault_in_one_read_is_passed_on(http) -> None:
    told = b"data: %b\n\ndata: oops\n\n" % json.dumps(chunk({"content": "a"})).encode()
    with OpenAIServer(raw(STREAM_HEAD, piece(told), STALL)) as server:
        async with aclosing(provider_at(server, http).call(ask_of(STREAMING))) as events:
            assert (await anext(events)).text == "a"
            with pytest.raises(CallError) as caught:
                await anext(events)
    assert caught.value.failure.fault is Fault.INVALID_RESPONSE


async def test_the_events_of_a_stream_keep_their_order(http) -> None:
    with OpenAIServer(text(["hel", "lo"])) as server:
        *deltas, done = await events_of(provider_at(server, http), ask_of(COUNTING))
    assert "".join(delta.text for delta in deltas) == "hello"
    told = payloads(*deltas)
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    assert told[3]["choices"][0]["finish_reason"] == "stop"
    assert told[4]["choices"] == []
    assert done == Done(replace(done.answer, text="hello", finish=Finish.STOP), COUNTED)
    assert done.answer.model == "scripted-1"


async def test_usage_that_the_caller_did_not_ask_for_is_counted_and_withheld(http) -> None:
    with OpenAIServer(text("hello")) as server:
        *deltas, done = await events_of(provider_at(server, http), ask_of(STREAMING))
    assert all(told["choices"] for told in payloads(*deltas))
    assert done.usage == COUNTED


async def test_nothing_is_passed_on_before_something_real_has_come(http) -> None:
    role = chunk({"role": "assistant", "content": ""})
    with OpenAIServer(
        stream(role, role, Pause(0.15), chunk({"content": "x"}), end=[STALL])
    ) as server:
        async with aclosing(provider_at(server, http).call(ask_of(STREAMING))) as events:
            began = time.monotonic()
            first = await anext(events)
            assert time.monotonic() - began > 0.1
            assert (first.text, payloads(first)) == ("x", [role, role, chunk({"content": "x"})])


async def test_an_error_after_the_role_is_unseen_by_the_caller(http) -> None:
    overloaded = {"error": {"message": "busy", "type": "overloaded_error"}}
    with OpenAIServer(stream(chunk({"role": "assistant"}), overloaded)) as server:
        events = provider_at(server, http).call(ask_of(STREAMING))
        with pytest.raises(CallError) as caught:
            await anext(events)
    assert (caught.value.failure.fault, caught.value.phase) == (Fault.OVERLOADED, Phase.FIRST_TOKEN)


@pytest.mark.parametrize("streams", [False, True])
async def test_tool_calls_are_put_together(http, streams) -> None:
    with OpenAIServer(tool_call("get_weather", {"city": "Oslo"}, call_id="call_9")) as server:
        done = await done_of(provider_at(server, http), ask_of(request_of(stream=streams)))
    assert done.answer.finish is Finish.TOOL_CALLS
    assert done.answer.text == ""
    assert done.answer.tool_calls == (ToolCall("call_9", "get_weather", '{"city": "Oslo"}'),)


async def test_a_stream_that_is_answered_plainly_is_taken(http) -> None:
    plain = json.dumps(
        {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    ).encode()
    with OpenAIServer(raw(whole(200, plain))) as server:
        (event,) = await events_of(provider_at(server, http), ask_of(STREAMING))
    assert isinstance(event, Done)
    assert (event.answer.text, event.answer.body) == ("hi", plain)
    assert event.usage.source is UsageSource.NONE


async def test_a_stream_without_done_but_with_a_reason_is_whole(http) -> None:
    reply = stream(chunk({"content": "hi"}), chunk({}, "stop"), end=[STREAM_END])
    lost = stream(chunk({"content": "hi"}), chunk({}, "stop"), end=[Pause(0.02), CUT])
    with OpenAIServer(reply, lost) as server:
        provider = provider_at(server, http)
        for _ in range(2):
            assert (await done_of(provider, ask_of(STREAMING))).answer.text == "hi"


async def test_a_stream_that_stays_open_after_done_does_not_hold_the_caller(http) -> None:
    reply = stream(chunk({"content": "hi"}), chunk({}, "stop"), end=[DONE, STALL])
    with OpenAIServer(reply) as server:
        began = time.monotonic()
        assert (await done_of(provider_at(server, http), ask_of(STREAMING))).answer.text == "hi"
        assert time.monotonic() - began < 1
        assert await server.left(server.calls[0], 1)


async def test_the_connection_is_used_again_after_a_stream(http) -> None:
    with OpenAIServer(text(["a", "b"])) as server:
        provider = provider_at(server, http)
        for _ in range(30):
            await events_of(provider, ask_of(STREAMING))
    # A connection goes back to the pool a moment after its answer: now and then one more is opened.
    assert server.connections <= 5


async def test_the_last_usage_counts_once(http) -> None:
    def counts(written: int) -> dict[str, int]:
        return {"prompt_tokens": 7, "completion_tokens": written}

    reply = stream(
        chunk({"content": "a"}) | {"usage": counts(1)},
        chunk({"content": "b"}, "stop") | {"usage": counts(2)},
        usage_chunk(counts(3)),
        usage_chunk(None),
    )
    with OpenAIServer(reply) as server:
        done = await done_of(provider_at(server, http), ask_of(STREAMING))
    assert done.usage == Usage(7, 3, source=UsageSource.PROVIDER)


async def test_usage_that_comes_after_done_still_counts(http) -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 3}
    late = [DONE, Pause(0.01), event(usage_chunk(counts)), STREAM_END]
    with OpenAIServer(stream(chunk({"content": "hi"}), chunk({}, "stop"), end=late)) as server:
        done = await done_of(provider_at(server, http), ask_of(STREAMING))
    assert done.usage == Usage(7, 3, source=UsageSource.PROVIDER)


# ------------------------------------------------------------------ refusals

FAULTS = [
    (status(301, headers={"location": "http://169.254.169.254/"}), Fault.INVALID_RESPONSE),
    (status(400, "no such parameter"), Fault.REJECTED),
    (
        status(400, {"error": {"message": "x", "code": "context_length_exceeded"}}),
        Fault.CONTEXT_TOO_LONG,
    ),
    (
        status(400, {"error": {"message": "x", "type": "exceed_context_size_error"}}),
        Fault.CONTEXT_TOO_LONG,
    ),
    (status(400, "This model's maximum context length is 8192 tokens."), Fault.CONTEXT_TOO_LONG),
    (status(401, "bad key"), Fault.AUTH),
    (status(402, "pay"), Fault.BILLING),
    (status(403, "no"), Fault.AUTH),
    (status(404, "gone"), Fault.NOT_FOUND),
    (status(408), Fault.TIMEOUT),
    (status(413), Fault.REJECTED),
    (status(422), Fault.REJECTED),
    (status(429), Fault.RATE_LIMITED),
    (status(429, {"error": {"message": "x", "code": "insufficient_quota"}}), Fault.BILLING),
    (
        status(429, {"error": {"message": "x", "code": "enforced_spend_limit_reached"}}),
        Fault.BILLING,
    ),
    (status(500, b"<html>oops</html>", content_type="text/html"), Fault.SERVER_ERROR),
    (status(502), Fault.SERVER_ERROR),
    (status(503), Fault.OVERLOADED),
    (status(504), Fault.TIMEOUT),
    (status(529), Fault.OVERLOADED),
    (status(204, b""), Fault.INVALID_RESPONSE),
    (raw(whole(200, b"<html>hello</html>", content_type="text/html")), Fault.INVALID_RESPONSE),
    (raw(whole(200, b"")), Fault.INVALID_RESPONSE),
    (raw(whole(200, b'{"choices":[{"mess')), Fault.INVALID_RESPONSE),
    (raw(whole(200, b'{"choices":[]}')), Fault.INVALID_RESPONSE),
    (raw(head(200, {"content-length": "50"}), b'{"choices":', CUT), Fault.INVALID_RESPONSE),
    (raw(whole(200, b'{"error":{"message":"x","code":429}}')), Fault.RATE_LIMITED),
    (raw(whole(200, b'{"error":{"message":"x","type":"server_error"}}')), Fault.SERVER_ERROR),
    (raw(whole(200, b'[{"error":{"message":"x"}}]')), Fault.INVALID_RESPONSE),
    (raw(b"nonsense\r\n\r\n", CUT), Fault.INVALID_RESPONSE),
    (raw(CUT), Fault.CONNECT),
]


@pytest.mark.parametrize(("reply", "fault"), FAULTS, ids=range(len(FAULTS)))
async def test_every_refusal_has_its_fault_and_costs_one_call(http, reply: Reply, fault) -> None:
    with OpenAIServer(reply) as server:
        error = await error_of(provider_at(server, http), ask_of(PLAIN))
    assert error.failure.fault is fault
    assert len(server.calls) == 1


async def test_a_plain_answer_that_is_cut_was_being_written(http) -> None:
    reply = raw(head(200, {"content-length": "50"}), b'{"choices":', CUT)
    with OpenAIServer(reply) as server:
        error = await error_of(provider_at(server, http), ask_of(PLAIN))
    assert (error.failure.fault, error.phase) == (Fault.INVALID_RESPONSE, Phase.STREAM)


@pytest.mark.parametrize("number", [1, 5, 12, 15, 17])
async def test_a_stream_that_is_refused_has_the_same_faults(http, number) -> None:
    reply, fault = FAULTS[number]
    with OpenAIServer(reply) as server:
        error = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (error.failure.fault, error.phase) == (fault, Phase.HEADERS)


async def test_a_wait_that_the_provider_asks_for_is_passed_on(http) -> None:
    with OpenAIServer(status(429, "slow down", headers={"Retry-After": "7"})) as server:
        error = await error_of(provider_at(server, http), ask_of(PLAIN))
    assert error.failure.retry_after_seconds == 7
    assert error.failure.status == 429
    assert error.failure.message == "the provider answered 429: slow down"


@pytest.mark.parametrize("streams", [False, True])
async def test_no_key_comes_back_in_any_message(http, streams) -> None:
    said = f"Incorrect API key provided: {KEY}. Also sk-proj-****abcd and Bearer {KEY}\x1b[31m"
    in_stream = stream({"error": {"message": said}})
    with OpenAIServer(in_stream if streams else status(401, said)) as server:
        error = await error_of(provider_at(server, http), ask_of(request_of(stream=streams)))
    assert "Incorrect API key provided: [key]" in str(error)
    assert "secret" not in str(error)
    assert "abcd" not in str(error)
    assert "\x1b" not in str(error)


# ------------------------------------------------------------------ time and hanging up


@pytest.mark.parametrize(
    ("reply", "streams", "phase"),
    [
        (stall, False, Phase.HEADERS),
        (stall, True, Phase.HEADERS),
        (slow(3, text("late")), False, Phase.HEADERS),
        (raw(head(200, {"content-length": "9"}), b"{", STALL), False, Phase.STREAM),
        (raw(STREAM_HEAD, STALL), True, Phase.FIRST_TOKEN),
        (stream(chunk({"role": "assistant"}), end=[STALL]), True, Phase.FIRST_TOKEN),
        (
            raw(STREAM_HEAD, *[piece(b": keep-alive\n\n"), Pause(0.05)] * 60),
            True,
            Phase.FIRST_TOKEN,
        ),
        (stream(chunk({"content": "a"}), end=[STALL]), True, Phase.STREAM),
        (
            stream(*[chunk({"content": "a"}), Pause(0.05)] * 60, end=[STALL]),
            True,
            Phase.STREAM,
        ),
    ],
)
async def test_every_hang_meets_the_deadline_and_says_where_it_was(
    http, reply, streams, phase
) -> None:
    with OpenAIServer(reply) as server:
        began = time.monotonic()
        error = await error_of(
            provider_at(server, http), ask_of(request_of(stream=streams), timeout_seconds=0.5)
        )
        assert time.monotonic() - began < 1.5
        assert (error.failure.fault, error.phase) == (Fault.TIMEOUT, phase)
        assert await server.left(server.calls[0], 1)


@pytest.mark.parametrize("hard", [False, True])
async def test_a_stream_cut_before_anything_is_told_from_one_cut_later(http, hard) -> None:
    with OpenAIServer(cut_stream(hard=hard), cut_stream("Once upon", hard=hard)) as server:
        provider = provider_at(server, http)
        early = await error_of(provider, ask_of(STREAMING))
        late = await error_of(provider, ask_of(STREAMING))
    assert early.failure.fault is late.failure.fault is Fault.CUT_STREAM
    assert (early.phase, late.phase) == (Phase.FIRST_TOKEN, Phase.STREAM)


async def test_done_without_a_reason_is_a_cut(http) -> None:
    with OpenAIServer(stream(chunk({"content": "Once"}))) as server:
        error = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert (error.failure.fault, error.phase) == (Fault.CUT_STREAM, Phase.STREAM)


async def test_an_error_in_the_middle_keeps_what_was_said_and_counted(http) -> None:
    failing = {"error": {"message": "GPU on fire", "type": "server_error"}}
    counted = chunk({"content": "Once"}) | {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    with OpenAIServer(stream(counted, failing)) as server:
        error = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert error.failure.fault is Fault.SERVER_ERROR
    assert "GPU on fire" in error.failure.message
    assert error.phase is Phase.STREAM
    assert error.usage == Usage(5, 1, source=UsageSource.PROVIDER)


@pytest.mark.parametrize(
    "junk", [b"{oops", b"[1,2]", b"5", b'{"choices":[{"index":-1}]}', b'{"choices":"x"}']
)
async def test_an_event_that_is_no_chunk_ends_the_call(http, junk) -> None:
    with OpenAIServer(stream(chunk({"content": "a"}), junk)) as server:
        error = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert error.failure.fault is Fault.INVALID_RESPONSE


async def test_an_endless_event_ends_the_call(http) -> None:
    with OpenAIServer(raw(STREAM_HEAD, *[piece(b"data: " + b"x" * 300_000)] * 5, STALL)) as server:
        error = await error_of(provider_at(server, http), ask_of(STREAMING))
    assert error.failure.fault is Fault.INVALID_RESPONSE


async def test_a_stream_in_single_bytes_is_read_alike(http) -> None:
    said = b"".join(
        b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\r\n\r\n"
        for one in (chunk({"content": "zażółć 😀"}), chunk({}, "stop"))
    )
    slices = [piece(said[i : i + 1]) for i in range(len(said))]
    with OpenAIServer(raw(STREAM_HEAD, *slices, STREAM_END)) as server:
        done = await done_of(provider_at(server, http), ask_of(STREAMING))
    assert done.answer.text == "zażółć 😀"


@pytest.mark.parametrize(
    ("reply", "streams"),
    [
        (stall, False),
        (stall, True),
        (raw(STREAM_HEAD, STALL), True),
        (stream(chunk({"content": "a"}), end=[STALL]), True),
    ],
)
async def test_a_cancelled_call_hangs_up_within_a_second(http, reply, streams) -> None:
    with OpenAIServer(reply) as server:
        provider = provider_at(server, http)
        task = asyncio.create_task(
            events_of(provider, ask_of(request_of(stream=streams), timeout_seconds=60))
        )
        (call,) = await server.arrived(1)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        task.cancel()
        assert await server.left(call)
        assert call.left_at is not None
        assert call.left_at - began < 1
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_the_iterator_hangs_up(http) -> None:
    with OpenAIServer(stream(chunk({"content": "a"}), end=[STALL])) as server:
        events = provider_at(server, http).call(ask_of(STREAMING, timeout_seconds=60))
        assert (await anext(events)).text == "a"
        await events.aclose()
        assert await server.left(server.calls[0], 1)


async def test_concurrent_calls_do_not_mix(http) -> None:
    def echo(call: Any) -> Any:
        return text([call.json["messages"][0]["content"], "!"])(call)

    with OpenAIServer(echo) as server:
        provider = provider_at(server, http)
        asks = [
            ask_of(request_of(stream=i % 2 == 0, messages=[{"role": "user", "content": str(i)}]))
            for i in range(40)
        ]
        done = await asyncio.gather(*(done_of(provider, ask) for ask in asks))
    assert [one.answer.text for one in done] == [f"{i}!" for i in range(40)]


# ------------------------------------------------------------------ health


async def test_health_finds_the_model(http) -> None:
    with OpenAIServer(models=("m", "other")) as server:
        health = await provider_at(server, http).health()
    assert (health.ok, health.models, health.fix) == (True, ("m", "other"), None)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.calls == []


async def test_health_names_what_is_there_instead_of_a_missing_model(http) -> None:
    with OpenAIServer(models=("llama", "qwen")) as server:
        health = await provider_at(server, http).health()
    assert not health.ok
    assert "does not list m" in health.message
    assert "llama, qwen" in (health.fix or "")


@pytest.mark.parametrize(
    ("reply", "settings", "fix"),
    [
        (status(401, f"bad key {KEY}"), {}, "the key in ACME_API_KEY was refused"),
        (status(401, "no key"), {"api_key": None}, "set ACME_API_KEY"),
        (status(402), {}, "add credit"),
        (status(404), {}, "check base_url"),
        (status(500), {}, "try again"),
        (raw(whole(200, b"<html>")), {}, "check that base_url"),
        (raw(whole(200, b'{"data":[{"id":5}]}')), {}, "check that base_url"),
    ],
)
async def test_health_says_what_would_mend_it(http, reply, settings, fix) -> None:
    with OpenAIServer(models_reply=reply) as server:
        health = await provider_at(server, http, **settings).health()
    assert not health.ok
    assert fix in (health.fix or "")
    assert KEY not in health.message + (health.fix or "")


async def test_health_says_that_nothing_listens(http) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        health = await OpenAICompatible(http, Endpoint(f"{url}/v1", "m")).health()
    assert not health.ok
    assert health.message == f"nothing listens at {url}"
    assert "start the server" in (health.fix or "")


async def test_warming_and_closing_touch_nothing(http) -> None:
    with OpenAIServer() as server:
        provider = provider_at(server, http)
        await provider.warm()
        await provider.close()
        assert (await done_of(provider, ask_of(PLAIN))).answer.text == "hello"
    assert len(server.requests) == 1
