"""A tier that keeps silent in a running gateway: the next one is asked beside it."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from rung.account import reasons
from support.gateway import Gateway, Upstream, ask, request, toml
from support.openai_server import chunk, raw, slow, stream, text, whole

BODY = {"model": "rung", "messages": [{"role": "user", "content": "Hi there!"}]}
LATE_SECONDS = 20


@pytest.fixture
def stage(tmp_path):
    with ExitStack() as opened:
        a, b = opened.enter_context(Upstream()), opened.enter_context(Upstream())
        config = toml(a.base_url, b.base_url, ladder="hedge_seconds = 0.2")
        yield opened.enter_context(Gateway(tmp_path, config)), a, b


def post(gateway: Gateway, headers: dict[str, str] | None = None, **more: object):
    made = request(
        "POST",
        "/v1/chat/completions",
        json.dumps(BODY | more).encode(),
        headers=list((headers or {}).items()),
    )
    return ask(gateway.port, made)


def test_the_one_beside_a_silent_tier_answers_and_the_silent_call_is_ended(stage):
    gateway, a, b = stage
    a.say(slow(LATE_SECONDS, text("late")))
    b.say(text("hello"))
    told = post(gateway)
    assert (told.status, told.headers["x-rung-tier"]) == (200, "b")
    assert b"late" not in told.body
    (stored,) = gateway.booked(1)
    assert [(each.tier, each.beside) for each in stored.history] == [("a", False), ("b", False)]
    assert stored.seconds < LATE_SECONDS / 2
    assert not stored.escalated
    first, second = reasons(stored)
    assert "so b was asked instead" in first
    assert "served" in second


def test_a_stream_goes_to_whoever_speaks_first(stage):
    gateway, a, b = stage
    a.say(slow(LATE_SECONDS, stream(chunk({"content": "late"}))))
    b.say(stream(chunk({"content": "hel"}), chunk({"content": "lo"}), chunk(finish="stop")))
    told = post(gateway, stream=True)
    assert told.status == 200
    assert b"hel" in told.body
    assert b"late" not in told.body
    assert told.headers["x-rung-tier"] == "b"


def test_a_tier_that_speaks_after_all_is_told_apart_from_the_one_beside_it(stage):
    gateway, a, b = stage
    a.say(slow(0.6, text("hello")))
    b.say(slow(LATE_SECONDS, text("no")))
    told = post(gateway)
    assert told.headers["x-rung-tier"] == "a"
    (stored,) = gateway.booked(1)
    assert [(each.tier, each.beside) for each in stored.history] == [("b", True), ("a", False)]
    first, _ = reasons(stored)
    assert first == "a kept silent, so it was asked too; a answered first."


def test_nobody_is_asked_twice_where_nobody_waits(stage):
    gateway, a, b = stage
    a.say(slow(0.6, text("hello")))
    told = post(gateway, {"x-rung-lane": "background"})
    assert told.headers["x-rung-tier"] == "a"
    assert b.requests == []


def test_where_both_fail_the_caller_is_told_of_both(stage):
    gateway, a, b = stage
    a.say(slow(0.6, raw(whole(500, b"{}"))))
    b.say(raw(whole(500, b"{}")))
    told = post(gateway)
    assert told.status == 502
    assert {"a:", "b:"} <= set(told.body.decode().replace("(", " ").split())
