"""The gateway as a process, streams: no rejected draft leaves, nothing broken ends clean."""

import asyncio
import json
import time
from contextlib import nullcontext
from dataclasses import replace

import pytest

from rung import Reply, ScriptedProvider
from rung.assemble import assemble
from rung.config import parse
from rung.core.types import EndedBy, Request, UsageSource
from rung.fittings import READY_MADE
from rung.server.door import Door
from rung.server.stream import COMMENTS_ONLY
from rung.wire import chat as wire_chat
from rung.wire import messages, responses
from rung.wire.sse import COMMENT as HEARTBEAT
from rung.wire.sse import Parser
from support.gateway import Gateway, Upstream, Wire, ask, chat, let_in, request, toml
from support.openai_server import (
    RESET,
    STALL,
    STREAM_END,
    STREAM_HEAD,
    USAGE,
    Pause,
    chunk,
    cut_stream,
    piece,
    raw,
    status,
    stream,
    text,
    tool_call,
    whole,
)

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
WANTED = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
GOOD = ['{"age"', ": 36", "}"]
DRAFT = ['{"age": "', "a rejected draft", '"}']
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]

MORE = """
[ladders.single]
tiers = ["b"]
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A gateway over two servers, a below b; ladder `single` has only b: nothing gates there."""
    with Upstream() as a, Upstream() as b:
        config = toml(a.base_url, b.base_url, more=MORE)
        with Gateway(tmp_path_factory.mktemp("streams"), config) as gateway:
            yield gateway, a, b


@pytest.fixture
def gateway(stage):
    return stage[0]


@pytest.fixture
def a(stage):
    stage[1].say(text(["from", " a"]))
    return stage[1]


@pytest.fixture
def b(stage):
    stage[2].say(text(["from", " b"]))
    return stage[2]


def streamed(gateway, model="rung", **more):
    return ask(gateway.port, request(body=chat(stream=True, model=model, **more)))


def ended_clean(reply):
    return reply.events[-1] == b"[DONE]" and reply.raw.endswith(b"0\r\n\r\n")


# ------------------------------------------------------------------ as it came


@pytest.mark.parametrize("model", ["rung", "rung/single"])
def test_a_stream_comes_through_event_by_event(gateway, a, b, model):
    payloads = [
        b'{"id":"x","choices":[{"index":0,"delta":{"role":"assistant"}}],"vendor":[1.50]}',
        b'{"id":"x","choices":[{"index":0,"delta":{"content":"caf\\u00e9"},"finish_reason":null}]}',
        b'{"id":"x","choices":[{"index":0,"delta":{"content":"hi","extra":1}}]}',
        b'{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    ]
    for server in (a, b):
        server.say(stream(*payloads))
    reply = streamed(gateway, model)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.events == [*payloads, b"[DONE]"]
    assert reply.headers["x-rung-tier"] == ("a" if model == "rung" else "b")
    assert ended_clean(reply)


@pytest.mark.parametrize("size", [1, 7])
def test_how_the_upstream_slices_its_bytes_makes_no_difference(gateway, a, b, size):
    payloads = [chunk({"content": one}) for one in ("Grüß", " dich ", "👋")] + [chunk({}, "stop")]
    sent = b"".join(b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in payloads)
    sent = b": a comment\r\n\r\n" + sent.replace(b"\\u", b"\\u") + b"data: [DONE]\r\n\r\n"
    slices = [piece(sent[at : at + size]) for at in range(0, len(sent), size)]
    b.say(raw(STREAM_HEAD, *slices, STREAM_END))
    reply = streamed(gateway, "rung/single")
    assert [json.loads(one) for one in reply.events[:-1]] == payloads
    assert reply.text == "Grüß dich 👋"
    assert ended_clean(reply)


def test_where_nothing_gates_the_first_bytes_do_not_wait_for_the_last(gateway, a, b):
    b.say(stream(chunk({"content": "early"}), STALL, end=()))
    with Wire(gateway.port) as wire:
        wire.send(request(body=chat(stream=True, model="rung/single"))).until(b"early")


def test_tool_calls_come_through_untouched(gateway, a, b):
    a.say(tool_call("look", {"where": 'under the "bed"'}))
    b.say(tool_call("look", {"where": 'under the "bed"'}))
    direct = tool_events({"where": 'under the "bed"'})
    for model, tier in (("rung", "a"), ("rung/single", "b")):
        reply = streamed(gateway, model, tools=TOOLS)
        assert reply.headers["x-rung-tier"] == tier
        assert [json.loads(one) for one in reply.events[:-1]] == direct
        assert ended_clean(reply)
    assert a.calls[0].json["tools"] == TOOLS


def tool_events(arguments):
    class Asked:
        streams = True
        wants_usage = False

    steps = b"".join(tool_call("look", arguments)(Asked()))
    lines = [line for line in steps.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def test_usage_is_told_to_those_who_asked_and_booked_for_all(gateway, a, b):
    asked = streamed(gateway, "rung/single", stream_options={"include_usage": True})
    silent = streamed(gateway, "rung/single")
    counts = [json.loads(one).get("usage") for one in asked.events[:-1]]
    assert [one for one in counts if one] == [USAGE]
    assert all(not json.loads(one).get("usage") for one in silent.events[:-1])
    for reply in (asked, silent):
        (attempt,) = gateway.outcome(reply.headers["x-rung-request-id"]).history
        assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (10, 5)
        assert attempt.usage.source is UsageSource.PROVIDER


# ------------------------------------------------------------------ climbing unseen


def test_nothing_of_a_rejected_draft_leaves(gateway, a, b):
    a.say(text(DRAFT))
    b.say(text(GOOD))
    reply = streamed(gateway, response_format=WANTED)
    assert json.loads(reply.text) == {"age": 36}
    assert b"rejected draft" not in reply.raw
    assert ended_clean(reply)
    told = reply.headers
    assert (told["x-rung-tier"], told["x-rung-verified"], told["x-rung-attempts"]) == (
        "b",
        "true",
        "2",
    )
    assert (len(a.calls), len(b.calls)) == (1, 1)


def test_a_stream_that_passes_nothing_is_a_422_before_any_byte(gateway, a, b):
    a.say(text(DRAFT))
    b.say(text(DRAFT))
    reply = streamed(gateway, response_format=WANTED)
    assert (reply.status, reply.json["error"]["code"]) == (422, "unverified")
    assert reply.headers["content-type"] == "application/json"


FAULTS = {
    "cut before the first byte": raw(STREAM_HEAD, Pause(0.02), RESET),
    "closed without an answer": raw(RESET),
    "cut in the middle": cut_stream("half of a ", "rejected draft"),
    "ended without a finish": stream(chunk({"content": "a rejected draft"})),
    "done without a finish": stream(chunk({"content": "a rejected draft"}), end=(STREAM_END,)),
    "an error event first": stream({"error": {"message": "overloaded", "code": 503}}),
    "an error event later": stream(
        chunk({"content": "a rejected draft"}), {"error": {"message": "x", "code": 500}}
    ),
    "not json": stream(b"<html>a rejected draft</html>"),
    "refused": status(429),
    "html": raw(whole(200, b"<html>a rejected draft", content_type="text/html")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_below_is_unseen(gateway, a, b, fault):
    a.say(FAULTS[fault])
    reply = streamed(gateway)
    assert (reply.status, reply.text) == (200, "from b")
    assert b"rejected draft" not in reply.raw
    assert ended_clean(reply)
    history = gateway.outcome(reply.headers["x-rung-request-id"]).history
    assert [attempt.tier for attempt in history] == ["a", "b"]
    assert history[0].failure is not None


@pytest.mark.parametrize(
    "fault",
    ["cut before the first byte", "closed without an answer", "an error event first", "refused"],
)
def test_at_the_top_a_fault_before_the_first_token_is_a_plain_error(gateway, a, b, fault):
    b.say(FAULTS[fault])
    reply = streamed(gateway, "rung/single")
    assert reply.status in {429, 502, 503}
    assert reply.json["error"]["message"]


@pytest.mark.parametrize(
    "fault",
    [
        cut_stream("half", " of it"),
        cut_stream("half", " of it", hard=True),
        stream(chunk({"content": "half"}), chunk({"content": " of it"})),
        stream(chunk({"content": "half"}), chunk({"content": " of it"}), {"error": "broken"}),
        stream(chunk({"content": "half"}), chunk({"content": " of it"}), b"{"),
    ],
)
def test_what_breaks_after_its_release_ends_in_an_error_event(gateway, a, b, fault):
    b.say(fault)
    reply = streamed(gateway, "rung/single")
    assert reply.status == 200
    *chunks, last = reply.events
    assert "".join(json.loads(one)["choices"][0]["delta"].get("content", "") for one in chunks) == (
        "half of it"
    )
    error = json.loads(last)["error"]
    assert error["message"]
    assert error["request_id"] == reply.headers["x-rung-request-id"]
    outcome = gateway.outcome(error["request_id"])
    assert outcome.served is None
    (attempt,) = outcome.history
    assert attempt.released
    assert attempt.usage.source is UsageSource.ESTIMATED
    assert attempt.usage.output_tokens > 0


def test_a_plain_answer_to_a_stream_becomes_one(gateway, a, b):
    answer = {"choices": [{"message": {"role": "assistant", "content": "all at once"}}]}
    answer["choices"][0]["finish_reason"] = "stop"
    b.say(raw(whole(200, json.dumps(answer).encode())))
    reply = streamed(gateway, "rung/single")
    assert reply.text == "all at once"
    assert ended_clean(reply)


# ------------------------------------------------------------------ callers who leave


@pytest.mark.parametrize("leaving", ["close", "reset"])
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("plain", chat()),
        ("held", chat(stream=True)),
        ("released", chat(stream=True, model="rung/single")),
    ],
)
def test_a_caller_who_leaves_ends_the_call_upstream_and_is_booked(stage, leaving, answer, body):
    gateway, a, b = stage
    said = stream(chunk({"content": "so far so good"}), STALL, end=())
    a.say(said if answer == "held" else raw(STALL))
    b.say(said)
    called, spared = (b, a) if answer == "released" else (a, b)
    before = len(gateway.outcomes())
    with Wire(gateway.port) as wire:
        wire.send(request(body=body))
        (call,) = called.wait_for_calls(1)
        if answer == "released":
            wire.until(b"so far")
        left_at = time.monotonic()
        if leaving == "reset":
            wire.reset()
    assert call.left.wait(5)
    assert call.left_at - left_at < 1.0
    outcome = gateway.booked(before + 1)[0]
    assert (outcome.ended_by, outcome.served) == (EndedBy.CLIENT, None)
    (attempt,) = outcome.history
    assert attempt.ended_by is EndedBy.CLIENT
    assert attempt.usage.source is UsageSource.ESTIMATED
    assert attempt.usage.input_tokens > 0
    assert (len(called.calls), len(spared.calls)) == (1, 0)


# ------------------------------------------------------------------ waiting


class Broken:
    """A ledger with a bug."""

    def __init__(self, bug):
        self.bug = bug

    async def append(self, outcome):
        raise self.bug


@pytest.fixture
async def waited_for(tmp_path):
    """Stream one request, in this process, from a tier that thinks for a while."""
    ladder = f'[tiers.slow]\nprovider = "{READY_MADE}"\n[ladders.default]\ntiers = ["slow"]'
    config = parse(ladder, tmp_path / "rung.toml", {})

    async def play(reply, bug=None, front=wire_chat.FRONT, sent=None, **more):
        parts = assemble(config, ledger=False, ready={"slow": ScriptedProvider(reply)})
        if bug is not None:
            parts.intake.parts = replace(parts.intake.parts, book=Broken(bug))
        door = Door(front, parts.intake, heartbeat_seconds=0.02)
        body = chat(stream=True, **more) if sent is None else json.dumps(sent).encode()
        heard = []
        arriving = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive():
            return next(arriving, None) or await asyncio.Event().wait()

        async def send(message):
            heard.append(message)

        with nullcontext() if bug is None else pytest.raises(type(bug)):
            await door(let_in(), receive, send)
        await parts.close()
        return heard

    return play


async def test_a_waiting_caller_hears_that_the_connection_lives(waited_for):
    start, *rest = await waited_for(Reply(GOOD[0] + GOOD[1] + GOOD[2], seconds=0.15))
    assert start["status"] == 200
    body = b"".join(message["body"] for message in rest)
    assert body.startswith(HEARTBEAT * 2)
    assert body.replace(HEARTBEAT, b"").startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")
    assert [message["more_body"] for message in rest] == [True] * (len(rest) - 1) + [False]


async def test_after_a_heartbeat_what_passed_nothing_ends_in_an_error_event(waited_for):
    slow = Reply("a rejected draft", seconds=0.1)
    start, *rest = await waited_for(slow, response_format=WANTED)
    assert start["status"] == 200
    body = b"".join(message["body"] for message in rest)
    (event,) = body.replace(HEARTBEAT, b"").split(b"\n\n")[:-1]
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "unverified"
    assert rest[-1]["more_body"] is False


LONG_WAIT = Reply("At last.", seconds=0.02 * (COMMENTS_ONLY + 8))
MESSAGES_ASKED = {
    "model": "rung",
    "max_tokens": 9,
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}


async def test_after_two_minutes_of_pings_claude_code_gets_events_that_say_nothing(waited_for):
    _, *rest = await waited_for(LONG_WAIT, front=messages.FRONT, sent=MESSAGES_ASKED)
    body = b"".join(message["body"] for message in rest)
    events = [json.loads(event.data) for event in Parser().feed(body)]
    kinds = [event["type"] for event in events]
    assert kinds[:COMMENTS_ONLY] == ["ping"] * COMMENTS_ONLY
    assert kinds[COMMENTS_ONLY : COMMENTS_ONLY + 2] == ["message_start", "message_delta"]
    assert kinds.count("message_start") == kinds.count("message_stop") == 1
    idle = [event for event in events if event["type"] == "message_delta"]
    assert [event["delta"]["stop_reason"] for event in idle[:-1]] == [None] * (len(idle) - 1)
    assert idle[-1]["delta"]["stop_reason"] == "end_turn"
    reader = messages.BACK.reader(Request("r", "chat", ()))
    for event in Parser().feed(body):
        reader.feed(event)
    assert (reader.answer().text, reader.complete) == ("At last.", True)


async def test_after_two_minutes_of_comments_codex_gets_events_that_say_nothing(waited_for):
    sent = {"model": "rung", "stream": True, "input": "hi"}
    _, *rest = await waited_for(LONG_WAIT, front=responses.FRONT, sent=sent)
    body = b"".join(message["body"] for message in rest)
    assert body.startswith(HEARTBEAT * COMMENTS_ONLY)
    kinds = [json.loads(event.data)["type"] for event in Parser().feed(body)]
    assert kinds[0] == "response.created"
    assert kinds.count("response.created") == 1
    assert kinds.count("response.in_progress") > 2
    assert kinds[-1] == "response.completed"


async def test_a_bug_after_the_first_bytes_ends_in_an_error_event(waited_for):
    heard = await waited_for(Reply("said already", seconds=0.05), bug=ZeroDivisionError("secret"))
    body = b"".join(message.get("body", b"") for message in heard)
    assert b"[DONE]" not in body
    assert b"secret" not in body
    last = body.split(b"\n\n")[-2]
    assert "unexpected" in json.loads(last.removeprefix(b"data: "))["error"]["message"]
    assert heard[-1]["more_body"] is False


# ------------------------------------------------------------------ an orderly end


def until_it_refuses(gateway):
    """A signal is on its way for a moment."""
    while ask(gateway.port, request("GET", "/healthz")).status == 200:
        pass


def test_sigterm_lets_a_stream_finish_and_begins_nothing_new(tmp_path):
    with Upstream() as a:
        a.say(stream(chunk({"content": "first "}), Pause(1.5), chunk({"content": "last"}, "stop")))
        with Gateway(tmp_path, toml(a.base_url)) as gateway, Wire(gateway.port) as wire:
            wire.send(request(body=chat(stream=True))).until(b"first")
            gateway.process.child.terminate()
            until_it_refuses(gateway)
            late = ask(gateway.port, request(body=chat()))
            assert (late.status, late.headers["retry-after"]) == (503, "1")
            assert late.json["error"]["message"] == "this gateway is stopping."
            reply = wire.reply()
            assert reply.text == "first last"
            assert ended_clean(reply)
            assert gateway.stop() == 0
        (outcome,) = gateway.outcomes()
        assert outcome.served == 0
        assert len(a.calls) == 1


@pytest.mark.parametrize("streams", [True, False])
def test_a_second_signal_cuts_the_wait_short_and_books_what_was_running(tmp_path, streams):
    with Upstream() as a:
        a.say(
            stream(chunk({"content": "so far so good"}), STALL, end=()) if streams else raw(STALL)
        )
        with Gateway(tmp_path, toml(a.base_url)) as gateway, Wire(gateway.port) as wire:
            wire.send(request(body=chat(stream=streams)))
            (call,) = a.wait_for_calls(1)
            if streams:
                wire.until(b"so far")
            gateway.process.child.terminate()
            until_it_refuses(gateway)
            gateway.process.child.terminate()
            reply = wire.reply()
            assert gateway.stop(5) == 0
        assert call.left.wait(1)
        error = json.loads(reply.events[-1]) if streams else reply.json
        assert (200 if streams else 503) == reply.status
        assert error["error"]["message"] == "this gateway is stopping."
        (outcome,) = gateway.outcomes()
        assert outcome.ended_by is EndedBy.GATEWAY
        assert outcome.history[0].ended_by is EndedBy.GATEWAY
