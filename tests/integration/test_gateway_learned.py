"""A running gateway learns that a tier is not worth its try, says so, and goes on looking."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from rung.account import stored_json
from support.gateway import Gateway, Upstream, ask, request
from support.openai_server import text

CONFIG = """
[server]
port = 0
[tiers.a]
provider = "openai_compatible"
model = "model-a"
base_url = "{a}"
price = {{input_usd_per_mtok = 2, output_usd_per_mtok = 8}}
retries = 0
repairs = 0
[tiers.b]
provider = "openai_compatible"
model = "model-b"
base_url = "{b}"
price = {{input_usd_per_mtok = 3, output_usd_per_mtok = 12}}
[ladders.default]
tiers = ["a", "b"]
[routing]
explore = {explore}
"""
SCHEMA = {"type": "object", "required": ["name"]}
TAUGHT = 30


@pytest.fixture
def start(tmp_path):
    with ExitStack() as opened:
        a, b = opened.enter_context(Upstream()), opened.enter_context(Upstream())
        a.say(*[text("I would rather not.")] * 200)
        b.say(*[text('{"name": "Ada"}')] * 200)

        def started(explore: float) -> Gateway:
            config = CONFIG.format(a=a.base_url, b=b.base_url, explore=explore)
            return opened.enter_context(Gateway(tmp_path, config))

        yield started


def post(gateway: Gateway, number: int):
    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    said = f"Extract the name from this line: Ada, aged {number}."
    body = {
        "model": "rung",
        "messages": [{"role": "user", "content": said}],
        "response_format": schema,
    }
    made = request("POST", "/v1/chat/completions", json.dumps(body).encode())
    return ask(gateway.port, made)


def test_a_tier_that_only_costs_is_skipped_and_the_ledger_says_why(start):
    gateway = start(0.0)
    for number in range(TAUGHT):
        assert post(gateway, number).headers["x-rung-tier"] == "b"
    told = post(gateway, TAUGHT)
    assert told.headers["x-rung-attempts"] == "1"
    newest, *_, oldest = gateway.booked(TAUGHT + 1)
    assert [each.tier for each in oldest.history] == ["a", "b"]
    assert [each.tier for each in newest.history] == ["b"]
    (excluded,) = stored_json(newest)["plan"]["excluded"]
    assert excluded["tier"] == "a"
    assert "a passes" in excluded["why"]
    assert "of this kind" in excluded["why"]
    assert newest.plan.route.category == oldest.plan.route.category != ""


def test_a_share_goes_on_starting_at_the_bottom_and_its_chance_is_kept(start):
    gateway = start(0.5)
    for number in range(3 * TAUGHT):
        post(gateway, number)
    booked = gateway.booked(3 * TAUGHT)
    assert {each.plan.route.propensity for each in booked[:10]} == {0.5}
    drawn = [each for each in booked if each.plan.route.propensity == 0.5]
    assert len(drawn) > TAUGHT
    assert {each.history[0].tier for each in drawn} == {"a", "b"}
