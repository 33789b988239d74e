"""Projects, keys, ceilings and caps in a running gateway, by real clients and by bare requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from anthropic import Anthropic, PermissionDeniedError
from openai import OpenAI

from support.gateway import Gateway, Reply, Upstream, ask, chat, request, toml
from support.openai_server import raw, text, whole

CONFIG = """
[ladders.side]
tiers = ["c", "b"]

[[rules]]
name = "hard"
category = ["coding"]
entry = "c"

[projects.docs]
key_env = ["DOCS_KEY"]
ceiling = "b"

[projects.pinned]
key_env = ["PIN_KEY"]
tier = "b"

[projects.bound]
ladder = "side"

[projects.poor]
max_usd = 0.000001

[projects.quiet]
private = true
lane = "background"
deadline_seconds = 20
"""
ENV = {"DOCS_KEY": "docs-client-key", "PIN_KEY": "pin-client-key"}
CODE = "Implement a thread-safe queue in Python."
FAILING = raw(whole(500, b"{}"))

Stage = tuple[Gateway, tuple[Upstream, Upstream, Upstream]]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Stage]:
    with ExitStack() as opened:
        tiers = tuple(opened.enter_context(Upstream()) for _ in range(3))
        config = toml(*(tier.base_url for tier in tiers), more=CONFIG)
        price = "price = { input_usd_per_mtok = 1, output_usd_per_mtok = 10 }"
        config = config.replace('price = "free"', price)
        config = 'embeddings = "c"\n' + config
        # What is at a loopback address is local; the last tier says that it is not.
        config = config.replace('model = "model-c"', 'model = "model-c"\nlocal = false')
        folder = tmp_path_factory.mktemp("projects")
        yield opened.enter_context(Gateway(folder, config, env=ENV)), tiers


@pytest.fixture
def stage(served) -> Stage:
    gateway, tiers = served
    for tier, name in zip(tiers, "abc", strict=True):
        tier.say(text(f"from {name}"))
    return gateway, tiers


def post(gateway: Gateway, prompt: str = "Hi there!", model: str = "rung", **headers: str) -> Reply:
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ask(gateway.port, request(body=chat(prompt, model=model), headers=more))


def calls(tiers: tuple[Upstream, ...]) -> list[int]:
    return [len(tier.requests) for tier in tiers]


def test_a_key_says_of_which_project_a_request_is(stage):
    gateway, _ = stage
    openai = OpenAI(base_url=gateway.base_url, api_key="docs-client-key", max_retries=0)
    asked = {"model": "rung", "messages": [{"role": "user", "content": "Hi"}]}
    told = openai.chat.completions.with_raw_response.create(**asked)
    anthropic = Anthropic(base_url=gateway.url, api_key="docs-client-key", max_retries=0)
    other = anthropic.messages.with_raw_response.create(**asked, max_tokens=9)
    for reply in (told, other):
        assert gateway.outcome(reply.headers["x-rung-request-id"]).request.project == "docs"
    unknown = post(gateway, authorization="Bearer unused")
    assert gateway.outcome(unknown.headers["x-rung-request-id"]).request.project is None


def test_another_projects_name_beside_a_key_is_refused_in_each_dialect(stage):
    gateway, tiers = stage
    refused = post(gateway, authorization="Bearer docs-client-key", x_rung_project="pinned")
    assert refused.status == 403
    assert refused.json["error"]["code"] == "other_project"
    client = Anthropic(base_url=gateway.url, api_key="docs-client-key", max_retries=0)
    asked = {"model": "rung", "messages": [{"role": "user", "content": "Hi"}]}
    header = {"x-rung-project": "pinned"}
    for call in (
        lambda: client.messages.create(**asked, max_tokens=9, extra_headers=header),
        lambda: client.messages.count_tokens(**asked, extra_headers=header),
    ):
        with pytest.raises(PermissionDeniedError):
            call()
    both = post(gateway, authorization="Bearer docs-client-key", x_api_key="pin-client-key")
    assert (both.status, both.json["error"]["code"]) == (403, "two_projects")
    assert calls(tiers) == [0, 0, 0]
    same = post(gateway, authorization="Bearer docs-client-key", x_rung_project="docs")
    assert same.status == 200


@pytest.mark.parametrize("who", [{"x_rung_project": "docs"}, {"x_api_key": "docs-client-key"}])
def test_a_rule_starts_no_higher_than_the_ceiling(stage, who):
    gateway, tiers = stage
    assert post(gateway, CODE).headers["x-rung-tier"] == "c"
    assert post(gateway, CODE, **who).headers["x-rung-tier"] in {"a", "b"}
    assert calls(tiers)[2] == 1


def test_nothing_above_a_ceiling_is_ever_called(stage):
    gateway, tiers = stage
    for tier in tiers[:2]:
        tier.say(FAILING)
    for asked in (
        {"x_rung_project": "docs"},
        {"x_rung_project": "docs", "x_rung_ceiling": "c"},
        {"x_rung_project": "docs", "x_rung_tier": "c"},
        {"x_rung_project": "docs", "model": "tier:c"},
        {"x_rung_ceiling": "b"},
        {"x_rung_ceiling": "b", "x_rung_tier": "c"},
        {"x_rung_ceiling": "a"},
    ):
        for prompt in ("Hi there!", CODE):
            assert post(gateway, prompt, **asked).status >= 400
    assert calls(tiers)[2] == 0


def test_a_ceiling_of_the_request_lowers_its_projects(stage):
    gateway, tiers = stage
    tiers[0].say(FAILING)
    who = {"x_rung_project": "docs"}
    assert post(gateway, **who).headers["x-rung-tier"] == "b"
    assert post(gateway, **who, x_rung_ceiling="a").status >= 500
    assert calls(tiers) == [2, 1, 0]


def test_a_ceiling_that_is_no_tier_is_not_found_and_one_off_the_ladder_refused(stage):
    gateway, tiers = stage
    unknown = post(gateway, x_rung_ceiling="bb")
    assert (unknown.status, unknown.json["error"]["code"]) == (404, "unknown_tier")
    assert "did you mean `b`" in unknown.json["error"]["message"]
    off = post(gateway, x_rung_ceiling="a", x_rung_ladder="side")
    assert off.status == 400
    assert "'a'" in off.json["error"]["message"]
    assert calls(tiers) == [0, 0, 0]


def test_embeddings_have_one_tier_whatever_holds_for_answers(stage):
    gateway, (_, _, last) = stage
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    made = {"object": "list", "model": "e", "data": [vector], "usage": {"prompt_tokens": 1}}
    last.say(raw(whole(200, json.dumps(made).encode())))
    asked = json.dumps({"model": "rung", "input": "hi"}).encode()
    for key in ENV.values():
        told = [("x-api-key", key)]
        reply = ask(gateway.port, request(path="/v1/embeddings", body=asked, headers=told))
        assert (reply.status, reply.headers["x-rung-tier"]) == (200, "c")
    told = [("x-rung-project", "quiet")]
    reply = ask(gateway.port, request(path="/v1/embeddings", body=asked, headers=told))
    assert reply.status == 403


def test_a_pin_of_a_project_cannot_be_escaped(stage):
    gateway, tiers = stage
    who = {"authorization": "Bearer pin-client-key"}
    assert post(gateway, CODE, **who).headers["x-rung-tier"] == "b"
    assert post(gateway, model="tier:b", **who).headers["x-rung-tier"] == "b"
    for escape in ({"x_rung_tier": "c"}, {"model": "tier:a"}):
        refused = post(gateway, **who, **escape)
        assert (refused.status, refused.json["error"]["code"]) == (403, "outside_project")
        assert "'b'" in refused.json["error"]["message"]
    assert calls(tiers) == [0, 2, 0]


def test_a_ladder_of_a_project_is_climbed_and_no_other(stage):
    gateway, tiers = stage
    who = {"x_rung_project": "bound"}
    assert post(gateway, **who).headers["x-rung-tier"] == "c"
    assert post(gateway, model="rung/side", **who).headers["x-rung-tier"] == "c"
    assert post(gateway, model="rung/default", **who).status == 403
    assert post(gateway, **who, x_rung_ladder="default").status == 403
    assert calls(tiers) == [0, 0, 2]


def test_a_cap_that_leaves_no_tier_is_told_with_both_amounts(stage):
    gateway, tiers = stage
    refused = post(gateway, x_rung_project="poor", x_rung_max_usd="5")
    assert refused.status == 402
    assert refused.json["error"]["code"] == "no_answer_cost_cap"
    message = refused.json["error"]["message"]
    assert "the cheapest call could cost up to $0.0" in message
    assert "the cost cap is $0.000001" in message
    assert calls(tiers) == [0, 0, 0]


def test_a_private_project_stays_on_this_machine_and_tightens_the_rest(stage):
    gateway, tiers = stage
    for tier in tiers[:2]:
        tier.say(FAILING)
    refused = post(gateway, CODE, x_rung_project="quiet")
    assert refused.status >= 400
    assert calls(tiers)[2] == 0
    booked = gateway.outcome(refused.headers["x-rung-request-id"])
    assert booked.plan.private
    assert booked.request.lane == "background"
    assert booked.plan.deadline_seconds == 20
