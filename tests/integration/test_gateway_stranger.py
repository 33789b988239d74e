"""An agent's turns on a ladder of mixed dialects, and what its caller is told."""

import json

import pytest

from support import anthropic_server, openai_server
from support.gateway import Gateway, Upstream, ask, request

TIER = (
    '[tiers.{}]\nprovider = "{}"\nmodel = "m"\nbase_url = "{}"\n'
    'price = "free"\nretries = 0\nrepairs = 0\n'
)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
BUDGET = {"type": "enabled", "budget_tokens": 2048}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with (
        Upstream() as chat,
        anthropic_server.AnthropicServer(anthropic_server.text("done")) as messages,
    ):
        tiers = TIER.format("small", "openai_compatible", chat.base_url)
        tiers += TIER.format("large", "anthropic", messages.base_url)
        config = f'{tiers}[ladders.default]\ntiers = ["small", "large"]\n[server]\nport = 0\n'
        with Gateway(tmp_path_factory.mktemp("stranger"), config) as gateway:
            yield gateway, chat, messages


def sent(gateway, path, body, tier, *headers):
    told = [("x-rung-tier", tier), *headers]
    raw = request(path=path, body=json.dumps(body).encode(), headers=told)
    reply = ask(gateway.port, raw)
    assert reply.status == 200, reply.body
    return reply


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_ids_that_a_tier_repeats_are_told_apart_for_callers_of_messages(world, stream):
    gateway, chat, messages = world
    chat.say(openai_server.tool_call("f", {"n": 1}, call_id="call_0"))
    turns = [{"role": "user", "content": "go"}]
    tools = [{"name": "f", "input_schema": SCHEMA}]
    body = {"model": "rung", "max_tokens": 9, "tools": tools, "thinking": BUDGET}
    ids = []
    for _ in range(3):
        reply = sent(gateway, "/v1/messages", body | {"messages": turns}, "small")
        called = reply.json["content"][-1]
        ids.append(called["id"])
        result = {"type": "tool_result", "tool_use_id": called["id"], "content": "r"}
        turns += [
            {"role": "assistant", "content": [called]},
            {"role": "user", "content": [result]},
        ]
    assert len(set(ids)) == 3
    sent(gateway, "/v1/messages", body | {"messages": turns, "stream": stream}, "large")
    heard = messages.calls[-1].json
    assert heard["messages"] == turns
    assert "thinking" not in heard  # the tier below showed no thought before its call


def test_ids_that_repeat_in_a_conversation_reach_anthropic_once_each(world):
    gateway, _, messages = world
    call = {"id": "0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [{"role": "user", "content": "go"}]
    for said in ("one", "two"):
        turns += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "0", "content": said},
        ]
    sent(gateway, "/v1/chat/completions", {"model": "rung", "messages": turns}, "large")
    heard = messages.calls[-1].json["messages"]
    pairs = [(heard[at]["content"][0], heard[at + 1]["content"][0]) for at in (1, 3)]
    assert [use["id"] for use, _ in pairs] == [told["tool_use_id"] for _, told in pairs]
    assert len({use["id"] for use, _ in pairs}) == 2
    assert [told["content"] for _, told in pairs] == ["one", "two"]


def test_words_between_a_call_and_its_result_follow_it_where_they_must(world):
    gateway, chat, _ = world
    chat.say(openai_server.text("done"))
    items = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"role": "user", "content": "quick"},
        {"type": "function_call_output", "call_id": "1", "output": "r"},
    ]
    sent(gateway, "/v1/responses", {"model": "rung", "input": items}, "small")
    roles = [turn["role"] for turn in chat.calls[-1].json["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]


def test_a_provider_s_own_items_leave_no_empty_turns_elsewhere(world):
    gateway, chat, _ = world
    chat.say(openai_server.text("done"))
    items = [
        {"role": "user", "content": "go"},
        {"type": "local_shell_call", "call_id": "1", "status": "completed", "action": {}},
        {"type": "local_shell_call_output", "call_id": "1", "output": "r"},
        {"role": "user", "content": "on"},
    ]
    reply = sent(gateway, "/v1/responses", {"model": "rung", "input": items}, "small")
    said = [turn["content"] for turn in chat.calls[-1].json["messages"]]
    assert said == ["go", "on"]
    told = gateway.outcome(reply.headers["x-rung-request-id"]).history[0].losses
    assert told == ("local_shell_call", "local_shell_call_output")


@pytest.mark.parametrize("usage", [openai_server.USAGE, None], ids=["counted", "uncounted"])
def test_tokens_that_rung_counted_itself_are_said_to_be_estimates(world, usage):
    gateway, chat, _ = world
    chat.say(openai_server.text("done", usage=usage))
    body = {"model": "rung", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    reply = sent(gateway, "/v1/messages", body, "small")
    assert reply.json["usage"]["output_tokens"] > 0
    assert reply.headers.get("x-rung-estimated") == (None if usage else "true")


def test_betas_in_several_lines_add_up(world):
    gateway, _, messages = world
    body = {"model": "rung", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    lines = [("anthropic-beta", "one"), ("anthropic-beta", "two,three")]
    sent(gateway, "/v1/messages", body, "large", *lines)
    assert messages.calls[-1].headers["anthropic-beta"] == "one,two,three"
