"""Slow and busy tiers in a running gateway: who is sent past them, who waits, and who is told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from rung.core.types import EndedBy, Phase, Usage
from support.gateway import Gateway, Upstream, Wire, ask, request, rung, toml
from support.openai_server import text
from support.slow_reader import ANSWER, SlowReader

READS = 5000
"""Tokens a second: 20,000 tokens take four."""

PATH = "/v1/chat/completions"


def words(tokens: int) -> str:
    return "word" * tokens


def post(prompt: str, *, stream: bool = False, schema: bool = False, **headers: str) -> bytes:
    body = {"model": "rung", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    if schema:
        body["response_format"] = {"type": "json_object"}
    named = [("x-rung-" + name.replace("_", "-"), value) for name, value in headers.items()]
    return request("POST", PATH, json.dumps(body).encode(), headers=named)


def settle(gateway: Gateway) -> None:
    """Until the gateway has taken what was sent before: it answers in order of arrival."""
    for _ in range(3):
        assert ask(gateway.port, request("GET", "/healthz")).status == 200


def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def learn(gateway: Gateway) -> None:
    """A few requests of usual size: what they took is all that is known of the tier."""
    for number, tokens in enumerate((400, 900, 1500, 700, 2000, 1200)):
        reply = ask(gateway.port, post(words(tokens), stream=number % 2 == 1))
        assert reply.headers["x-rung-tier"] == "a"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with ExitStack() as opened:
        slow = opened.enter_context(SlowReader(READS))
        quick = opened.enter_context(Upstream())
        quick.say(text("quick"))
        config = toml(slow.base_url, quick.base_url, tier="slots = 1\n")
        gateway = opened.enter_context(Gateway(tmp_path_factory.mktemp("latency"), config))
        learn(gateway)
        yield gateway, slow, quick


def test_a_long_prompt_that_cannot_wait_goes_past_a_slow_reader_and_says_so(stage):
    gateway, slow, quick = stage
    slow.requests.clear()
    quick.requests.clear()
    reply = ask(gateway.port, post(words(20_000), deadline_ms="1000"))
    assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")
    assert slow.calls == []
    told = rung(gateway.folder, "explain", reply.headers["x-rung-request-id"])
    why = r"not on it: a \(about [345][.\d]* s to read 20,004 tokens at [\d,]+ tokens/s: past the"
    assert re.search(why + " deadline of 1 s", told.stdout), told.stdout


def test_the_same_prompt_in_the_background_stays_and_is_served_late(stage):
    gateway, _, quick = stage
    quick.requests.clear()
    began = time.monotonic()
    sent = post(words(20_000), deadline_ms="1000", lane="background")
    reply = ask(gateway.port, sent)
    assert time.monotonic() - began > 3.9
    assert (reply.status, reply.headers["x-rung-tier"]) == (200, "a")
    assert reply.json["choices"][0]["message"]["content"] == ANSWER
    assert quick.calls == []
    told = json.loads(
        rung(gateway.folder, "explain", reply.headers["x-rung-request-id"], "--json").stdout
    )
    assert told["plan"]["excluded"] == []
    expected = told["plan"]["steps"][0]["expected"]
    assert expected["seconds"] == pytest.approx(20_000 / READS, rel=0.4)


def test_an_answer_that_comes_late_in_the_background_is_checked_before_it_is_served(stage):
    gateway, _, quick = stage
    quick.requests.clear()
    sent = post(words(2000), deadline_ms="200", lane="batch", schema=True)
    reply = ask(gateway.port, sent)
    # It is no JSON, which only a check can tell, and nothing more is begun.
    assert reply.status == 422
    assert "json" in reply.json["error"]["message"].lower()
    assert quick.calls == []


def test_a_short_prompt_with_the_same_deadline_stays(stage):
    gateway, _, _ = stage
    reply = ask(gateway.port, post(words(300), deadline_ms="1000"))
    assert reply.headers["x-rung-tier"] == "a"


def test_a_pinned_request_goes_where_it_is_sent_whatever_that_takes(stage):
    gateway, slow, _ = stage
    slow.requests.clear()
    reply = ask(gateway.port, post(words(20_000), deadline_ms="1000", tier="a"))
    assert reply.status == 504
    assert len(slow.calls) == 1


def test_a_gateway_that_starts_anew_knows_from_its_ledger(tmp_path):
    with SlowReader(READS, model="model-a-v1") as slow, Upstream() as quick:
        quick.say(text("quick"))
        config = toml(slow.base_url, quick.base_url)
        with Gateway(tmp_path, config) as gateway:
            learn(gateway)
        slow.requests.clear()
        with Gateway(tmp_path, config) as gateway:
            reply = ask(gateway.port, post(words(20_000), deadline_ms="1000"))
            assert reply.headers["x-rung-tier"] == "b"
        assert slow.calls == []


# ------------------------------------------------------------------ a tier that is busy


@contextmanager
def occupied(gateway: Gateway, slow: SlowReader) -> Iterator[Wire]:
    """Tier a reads a prompt that takes it 20 seconds, for a batch that hangs up in the end."""
    slow.requests.clear()
    with Wire(gateway.port) as wire:
        wire.send(post(words(100_000), lane="batch"))
        slow.wait_for_calls(1)
        yield wire


def test_a_person_is_sent_past_a_busy_tier_and_told_why(stage):
    gateway, slow, _ = stage
    with occupied(gateway, slow):
        reply = ask(gateway.port, post("hi"))
        assert reply.headers["x-rung-tier"] == "b"
    told = rung(gateway.folder, "explain", reply.headers["x-rung-request-id"])
    assert "until calls before it are served" in told.stdout


def test_background_work_waits_for_its_turn_and_says_how_long(stage):
    gateway, slow, quick = stage
    quick.requests.clear()
    with occupied(gateway, slow) as big, Wire(gateway.port) as small:
        small.send(post("hi", lane="background"))
        settle(gateway)
        assert len(slow.calls) == 1
        big.reset()
        reply = small.reply()
    assert reply.headers["x-rung-tier"] == "a"
    assert quick.calls == []
    found = gateway.outcome(reply.headers["x-rung-request-id"])
    [attempt] = found.history
    assert attempt.queued_seconds > 0
    assert attempt.seconds - attempt.queued_seconds < 1
    told = rung(gateway.folder, "explain", reply.headers["x-rung-request-id"]).stdout
    assert "waiting for its turn" in told


def test_who_leaves_the_queue_costs_nothing_and_holds_up_nobody(stage):
    gateway, slow, _ = stage
    with occupied(gateway, slow) as big:
        before = len(gateway.outcomes())
        with Wire(gateway.port) as first, Wire(gateway.port) as second:
            first.send(post("one", lane="background"))
            settle(gateway)
            second.send(post("two", lane="background"))
            settle(gateway)
            first.reset()
            until(lambda: len(gateway.outcomes()) > before)
            big.reset()
            assert second.reply().headers["x-rung-tier"] == "a"
    assert [call.json["messages"][0]["content"] for call in slow.calls[1:]] == ["two"]
    left = next(
        each
        for each in gateway.outcomes()
        if each.ended_by is EndedBy.CLIENT and each.history[0].phase is Phase.CONNECT
    )
    [attempt] = left.history
    assert attempt.usage == Usage()
    assert attempt.cost_nanousd == 0
    assert attempt.queued_seconds == pytest.approx(attempt.seconds, abs=0.05)
