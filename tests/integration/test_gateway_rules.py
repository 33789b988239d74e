"""Rules in a running gateway: where requests start, and what becomes of them there."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from support.gateway import Gateway, Upstream, ask, request, toml
from support.openai_server import raw, text, whole

RULES = """
[[rules]]
name = "code"
category = ["coding"]
entry = "b"

[[rules]]
name = "docs"
project = ["docs"]
ceiling = "a"
"""


@pytest.fixture
def stage(tmp_path):
    with ExitStack() as opened:
        a, b = opened.enter_context(Upstream()), opened.enter_context(Upstream())
        config = toml(a.base_url, b.base_url, more=RULES)
        yield opened.enter_context(Gateway(tmp_path, config)), a, b


def post(gateway: Gateway, prompt: str, **headers: str):
    body = {"model": "rung", "messages": [{"role": "user", "content": prompt}]}
    path = "/v1/chat/completions"
    made = request("POST", path, json.dumps(body).encode(), headers=list(headers.items()))
    return ask(gateway.port, made)


def test_code_starts_above_and_the_rest_below(stage):
    gateway, a, b = stage
    a.say(text("hello"))
    b.say(text("def f(): ..."))
    assert post(gateway, "Hi there!").headers["x-rung-tier"] == "a"
    coded = post(gateway, "Implement a thread-safe queue in Python.")
    assert coded.headers["x-rung-tier"] == "b"
    assert len(a.requests) == 1
    (second, first) = gateway.booked(2)
    assert (first.plan.route.rule, second.plan.route.rule) == (None, "code")
    assert (second.plan.route.category, second.plan.route.entry) == ("coding", "b")
    assert [each.tier for each in second.plan.excluded] == ["a"]


def test_a_ceiling_holds_where_the_tier_below_it_fails(stage):
    gateway, a, b = stage
    a.say(raw(whole(500, b"{}")))
    told = post(gateway, "Hi there!", **{"x-rung-project": "docs"})
    assert told.status >= 500
    assert b.requests == []
