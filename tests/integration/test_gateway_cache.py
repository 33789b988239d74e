"""Answers served again by a running gateway, to real clients: what is a hit, and what is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from anthropic import Anthropic
from openai import OpenAI

from support.gateway import Gateway, Reply, Upstream, ask, chat, fetch, request, rung, toml
from support.openai_server import text

CONFIG = """
[cache]
max_mb = 1

[verifiers.team]
kind = "label_set"
labels = ["billing", "sales"]

[verifiers.short]
kind = "length"
words = { max = 3 }

[projects.docs]
key_env = ["DOCS_KEY"]

[projects.shop]
key_env = ["SHOP_KEY"]
"""
ENV = {"DOCS_KEY": "docs-client-key", "SHOP_KEY": "shop-client-key"}
ASKED = {"model": "rung", "messages": [{"role": "user", "content": "Which team?"}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Gateway, Upstream]]:
    with ExitStack() as opened:
        upstream = opened.enter_context(Upstream())
        config = toml(upstream.base_url, ladder='verify = ["team"]', more=CONFIG)
        folder = tmp_path_factory.mktemp("cache")
        yield opened.enter_context(Gateway(folder, config, env=ENV)), upstream


@pytest.fixture
def stage(served) -> tuple[Gateway, Upstream]:
    gateway, upstream = served
    upstream.say(text("billing"))
    return gateway, upstream


@pytest.fixture
def prompt(request) -> str:
    """A prompt of the test's own, so that no test meets the answers of another."""
    return f"Which team, {request.node.name}?"


def post(gateway: Gateway, prompt: str, body: dict | None = None, **headers: str) -> Reply:
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ask(gateway.port, request(body=chat(prompt, **(body or {})), headers=more))


def hit(reply: Reply) -> bool:
    assert reply.status == 200, reply.body
    return reply.headers.get("x-rung-cache") == "hit"


# ------------------------------------------------------------------ hits


def test_the_same_request_of_the_openai_client_is_answered_once(stage, prompt):
    gateway, upstream = stage
    client = OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0)
    asked = {"model": "rung", "messages": [{"role": "user", "content": prompt}]}
    replies = [client.chat.completions.with_raw_response.create(**asked) for _ in range(3)]
    first, *again = (each.parse() for each in replies)
    assert len(upstream.requests) == 1
    assert all(each == first for each in again)
    told = replies[1].headers
    assert told["x-rung-cache"] == "hit"
    assert told["x-rung-attempts"] == "0"
    assert told["x-rung-verified"] == "true"
    assert float(told["x-rung-cost-usd"]) == 0
    assert "x-rung-cache" not in replies[0].headers


def test_a_stream_is_answered_by_what_was_given_whole(stage, prompt):
    gateway, upstream = stage
    client = OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0)
    asked = {"model": "rung", "messages": [{"role": "user", "content": prompt}]}
    whole = client.chat.completions.create(**asked)
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options=options))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content == "billing"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens > 0
    assert len(upstream.requests) == 1


def test_a_whole_answer_is_what_was_streamed_before(stage, prompt):
    gateway, upstream = stage
    client = Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    asked = {
        "model": "rung",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": prompt}],
    }
    with client.messages.stream(**asked) as stream:
        first = stream.get_final_message()
    second = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        third = stream.get_final_message()
    assert {one.content[0].text for one in (first, second, third)} == {"billing"}
    assert {one.stop_reason for one in (first, second, third)} == {"end_turn"}
    assert first.usage.input_tokens == second.usage.input_tokens == third.usage.input_tokens > 0
    assert len(upstream.requests) == 1


def test_responses_are_served_again_whole_and_as_a_stream(stage, prompt):
    gateway, upstream = stage
    client = OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0)
    asked = {"model": "rung", "input": prompt, "store": False}
    first, again = client.responses.create(**asked), client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        last = stream.until_done().get_final_response()
    assert first.output_text == again.output_text == last.output_text == "billing"
    assert {each.status for each in (first, again, last)} == {"completed"}
    assert {each.usage.total_tokens for each in (first, again, last)} == {15}
    assert len(upstream.requests) == 1


def test_clients_of_ollama_are_served_again(stage, prompt):
    gateway, upstream = stage
    messages = [{"role": "user", "content": prompt}]
    told = []
    for streams in (False, True, False):
        body = json.dumps({"model": "rung", "messages": messages, "stream": streams}).encode()
        reply = ask(gateway.port, request(path="/api/chat", body=body))
        lines = [json.loads(line) for line in reply.body.splitlines() if line.strip()]
        told.append((hit(reply), "".join(line["message"]["content"] for line in lines)))
        assert lines[-1]["done"]
    assert told == [(False, "billing"), (True, "billing"), (True, "billing")]
    assert len(upstream.requests) == 1


def test_top_level_fields_may_stand_in_any_order(stage, prompt):
    gateway, upstream = stage
    messages = json.dumps([{"role": "user", "content": prompt}])
    one = f'{{"model":"rung","messages":{messages},"max_tokens":9}}'
    other = f'{{ "max_tokens": 9,\n "messages": {messages}, "stream": false, "model": "rung"}}'
    replies = [ask(gateway.port, request(body=body.encode())) for body in (one, other)]
    assert [hit(reply) for reply in replies] == [False, True]
    assert replies[0].body == replies[1].body
    assert len(upstream.requests) == 1


def test_bypass_calls_and_keeps_the_newer_answer(stage, prompt):
    gateway, upstream = stage
    upstream.say(text("billing"), text("sales"))
    post(gateway, prompt)
    fresh = post(gateway, prompt, x_rung_cache="bypass")
    after = post(gateway, prompt)
    said = [reply.json["choices"][0]["message"]["content"] for reply in (fresh, after)]
    assert said == ["sales", "sales"]
    assert [hit(fresh), hit(after)] == [False, True]


def test_a_header_that_says_anything_but_bypass_is_refused(stage, prompt):
    gateway, upstream = stage
    refused = post(gateway, prompt, x_rung_cache="no-store")
    assert refused.status == 400
    assert "bypass" in refused.json["error"]["message"]
    assert upstream.requests == []


# ------------------------------------------------------------------ what is none


@pytest.mark.parametrize(
    "other",
    [
        {"x_rung_project": "docs"},
        {"x_rung_project": "nobody"},
        {"authorization": "Bearer docs-client-key"},
        {"authorization": "Bearer another"},
        {"x_api_key": "docs-client-key"},
        {"x_rung_private": "true"},
        {"x_rung_verify": "short"},
        {"x_rung_tier": "a"},
        {"x_rung_ceiling": "a"},
        {"x_rung_ladder": "default"},
    ],
    ids=str,
)
def test_what_is_asked_in_headers_keeps_answers_apart(stage, prompt, other):
    gateway, upstream = stage
    told = [post(gateway, prompt), post(gateway, prompt, **other), post(gateway, prompt)]
    alone = [post(gateway, prompt, **other)]
    ladder = "x_rung_ladder" in other  # names what is climbed anyway
    assert [hit(reply) for reply in (*told, *alone)] == [False, ladder, True, True]
    assert len(upstream.requests) == (1 if ladder else 2)


def test_two_keys_of_one_project_do_not_share_with_its_header_alone(stage, prompt):
    gateway, upstream = stage
    assert not hit(post(gateway, prompt, authorization="Bearer docs-client-key"))
    assert not hit(post(gateway, prompt, x_rung_project="docs"))
    assert not hit(post(gateway, prompt, authorization="Bearer shop-client-key"))
    assert hit(post(gateway, prompt, authorization="bearer docs-client-key"))
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"model": "gpt-6.1-sol"},
        {"max_tokens": 9},
        {"temperature": 0},
        {"user": "b"},
        {"stop": ["."]},
        {"reasoning_effort": "low"},
        {"response_format": {"type": "text"}},
        {"messages": [{"content": "Which team?", "role": "user"}]},
        {"messages": [{"role": "system", "content": ""}, ASKED["messages"][0]]},
    ],
    ids=str,
)
def test_what_is_asked_in_the_body_keeps_answers_apart(stage, other):
    gateway, upstream = stage
    bodies = [ASKED | {"metadata": {"test": str(other)}}]
    bodies.append(bodies[0] | other)
    told = [ask(gateway.port, request(body=json.dumps(body).encode())) for body in bodies * 2]
    assert [hit(reply) for reply in told] == [False, False, True, True]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    "drawn",
    [
        {"temperature": 0.7},
        {"top_p": 0.5},
        {"top_k": 40},
        {"seed": 1},
        {"n": 2},
        {"logprobs": True},
        {"verbosity": "low"},
        {"web_search_options": {}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"},
    ],
    ids=str,
)
def test_sampled_and_tool_requests_are_neither_kept_nor_served_again(stage, prompt, drawn):
    gateway, upstream = stage
    for _ in range(2):
        assert "x-rung-cache" not in post(gateway, prompt, drawn).headers
    assert len(upstream.requests) >= 2


def test_a_conversation_with_results_of_tools_is_not_served_again(stage, prompt):
    gateway, upstream = stage
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    for _ in range(2):
        assert not hit(post(gateway, prompt, {"messages": turns}))
    assert len(upstream.requests) == 2


def test_a_picture_by_its_address_may_change_and_one_in_the_request_may_not(stage, prompt):
    gateway, _ = stage

    def showing(url: str) -> dict:
        parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return {"messages": [{"role": "user", "content": parts}]}

    replies = [post(gateway, prompt, showing("http://127.0.0.1:9/a.png")) for _ in range(2)]
    assert [hit(reply) for reply in replies] == [False, False]
    inside = showing("data:image/png;base64,iVBORw0KGgo=")
    assert [hit(post(gateway, prompt, inside)) for _ in range(2)] == [False, True]


@pytest.mark.parametrize("reply", [text("billing", finish="length"), text("nonsense")])
def test_what_was_cut_off_or_did_not_pass_is_not_kept(stage, prompt, reply):
    gateway, upstream = stage
    upstream.say(reply)
    first = post(gateway, prompt)
    upstream.say(text("sales"))
    second = post(gateway, prompt)
    assert "x-rung-cache" not in first.headers
    assert not hit(second)
    assert second.json["choices"][0]["message"]["content"] == "sales"


def test_beta_headers_keep_answers_apart(stage, prompt):
    gateway, upstream = stage
    client = Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    asked = {
        "model": "rung",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": prompt}],
    }
    for beta in ("one-2026-01-01", "two-2026-01-01", "one-2026-01-01"):
        client.messages.create(**asked, extra_headers={"anthropic-beta": beta})
    assert len(upstream.requests) == 2


# ------------------------------------------------------------------ what is said of them


@pytest.mark.parametrize("about", [0, 1], ids=["the first request", "the one served again"])
@pytest.mark.parametrize("how", ["feedback", "command"])
def test_an_answer_that_somebody_calls_wrong_is_not_served_again(stage, prompt, about, how):
    gateway, upstream = stage
    replies = [post(gateway, prompt), post(gateway, prompt)]
    assert [hit(reply) for reply in replies] == [False, True]
    name = replies[about].headers["x-rung-request-id"]
    if how == "feedback":
        said = json.dumps({"request_id": name, "right": False}).encode()
        assert ask(gateway.port, request(path="/v1/feedback", body=said)).status == 201
    else:
        done = rung(gateway.folder, "label", name, "wrong", "--config", str(gateway.config))
        assert done.returncode == 0, done.stderr
    upstream.say(text("sales"))
    assert not hit(post(gateway, prompt))
    assert hit(post(gateway, prompt))
    first = gateway.outcome(replies[0].headers["x-rung-request-id"])
    assert [label.right for label in first.labels] == [False]


def test_the_bill_counts_what_was_served_again_and_no_call_of_it(tmp_path):
    with Upstream() as upstream:
        price = "price = { input_usd_per_mtok = 1, output_usd_per_mtok = 10 }"
        config = toml(upstream.base_url, ladder='verify = ["team"]', more=CONFIG)
        config = 'baseline = "a"\n' + config.replace('price = "free"', price)
        with Gateway(tmp_path, config, env=ENV) as gateway:
            upstream.say(text("billing"))
            replies = [post(gateway, "Which team?") for _ in range(4)]
            first, last = (reply.headers["x-rung-request-id"] for reply in (replies[0], replies[3]))
        args = ("--config", str(gateway.config), "--json")
        bill = json.loads(rung(tmp_path, "bill", *args, env=ENV).stdout)
        told = json.loads(rung(tmp_path, "explain", last, *args, env=ENV).stdout)
        people = rung(tmp_path, "bill", "--config", str(gateway.config), env=ENV).stdout
        report = json.loads(rung(tmp_path, "verifiers", *args, env=ENV).stdout)
    total, (tier,) = bill["total"], bill["tiers"]
    cost = tier["spend_nanousd"]
    assert cost > 0
    assert (total["requests"], total["verified"], total["served_again"]) == (4, 4, 3)
    assert (total["attempts"], tier["attempts"], tier["served"]["hits"]) == (1, 1, 1)
    assert (tier["passed"]["hits"], tier["passed"]["trials"]) == (1, 1)
    assert total["spend_nanousd"] == cost
    assert total["spared_nanousd"] == 3 * cost
    assert total["savings"][0]["baseline_nanousd"] >= 4 * cost
    assert total["wasted_nanousd"] == 0
    assert "3 of 4 requests" in people
    assert told["cached_of"] == first
    assert told["why"] == [
        f"Nothing was called: answered from the cache of {first}, where a gave the answer."
    ]
    (attempt,) = told["attempts"]
    assert (attempt["cost_nanousd"], attempt["usage"]["source"]) == (0, "none")
    assert [v["verifier"] for v in attempt["verdicts"] if v["passed"]]
    runs = {line["verifier"]: line["runs"] for line in report["verifiers"]}
    assert runs["team"] == 1


# ------------------------------------------------------------------ trouble


def test_no_answer_outlives_the_process(tmp_path):
    with Upstream() as upstream:
        config = toml(upstream.base_url, ladder='verify = ["team"]', more=CONFIG)
        for _ in range(2):
            upstream.say(text("billing"))
            with Gateway(tmp_path, config, env=ENV) as gateway:
                assert not hit(post(gateway, "Which team?"))


def test_without_its_table_nothing_is_served_again(tmp_path):
    with Upstream() as upstream:
        more = CONFIG.replace("[cache]\nmax_mb = 1\n", "")
        config = toml(upstream.base_url, ladder='verify = ["team"]', more=more)
        with Gateway(tmp_path, config, env=ENV) as gateway:
            upstream.say(text("billing"))
            assert [hit(post(gateway, "Which team?")) for _ in range(2)] == [False, False]


def test_without_a_gate_that_was_asked_for_nothing_is_served_again(tmp_path):
    with ExitStack() as opened:
        upstream = opened.enter_context(Upstream())
        config = toml(upstream.base_url, more=CONFIG)
        gateway = opened.enter_context(Gateway(tmp_path, config, env=ENV))
        upstream.say(text("billing"))
        assert [hit(post(gateway, "Which team?")) for _ in range(2)] == [False, False]
        upstream.say(text('{"a": 1}'))
        schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
        asked = {"response_format": schema}
        assert [hit(post(gateway, "Which?", asked)) for _ in range(2)] == [False, True]


def test_a_command_looks_at_more_than_the_answer_and_is_run_again(tmp_path):
    with Upstream() as upstream:
        config = toml(
            upstream.base_url, ladder='verify = ["grep -q billing answer.txt"]', more=CONFIG
        )
        config += "[sandbox]\nallow_unsandboxed = true\n"
        with Gateway(tmp_path, config, env=ENV) as gateway:
            upstream.say(text("billing"))
            replies = [post(gateway, "Which team?") for _ in range(2)]
            assert [r.headers["x-rung-verified"] for r in replies] == ["true", "true"]
            assert [hit(reply) for reply in replies] == [False, False]


def test_equal_requests_at_once_are_all_answered(stage, prompt):
    gateway, upstream = stage

    async def together() -> list[Reply]:
        body = request(body=chat(prompt))
        return await asyncio.gather(*(fetch(gateway.port, body) for _ in range(20)))

    for replies in (asyncio.run(together()), asyncio.run(together())):
        assert {reply.json["choices"][0]["message"]["content"] for reply in replies} == {"billing"}
    assert all(hit(reply) for reply in replies)
    assert len(upstream.requests) <= 20


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"rung","model":"rung","messages":[]}',
        b'{"model":"rung","messages":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"model":"rung","messages":[{"role":"user","content":"\xff"}]}',
        b"{",
        b"",
    ],
)
def test_bodies_that_are_none_are_refused_as_ever(stage, body):
    gateway, upstream = stage
    for _ in range(2):
        assert ask(gateway.port, request(body=body)).status == 400
    assert upstream.requests == []


def test_keys_of_clients_are_nowhere(stage, prompt):
    gateway, _ = stage
    key = {"authorization": "Bearer docs-client-key"}
    assert post(gateway, prompt, **key).headers["x-rung-verified"] == "true"
    refused = post(gateway, prompt, x_rung_project="shop", **key)
    assert refused.status == 403
    assert b"docs-client-key" not in refused.raw
    assert "docs-client-key" not in gateway.said
    for file in gateway.ledger.parent.iterdir():
        assert b"docs-client-key" not in file.read_bytes()
