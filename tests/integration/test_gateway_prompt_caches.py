"""Prompt caches and shortened tool output through a running gateway: bytes, hits and the bill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rung.core.shrinking import shrunk
from support.anthropic_server import AnthropicServer
from support.gateway import Gateway, ask, request, rung
from support.openai_server import OpenAIServer
from support.openai_server import text as openai_text
from support.prompt_cache import PromptCache
from support.tool_outputs import docker_pull, service_log

PRICE = (
    "price = { input_usd_per_mtok = 2, output_usd_per_mtok = 10,"
    " cache_read_usd_per_mtok = 0.1, cache_write_usd_per_mtok = 2.5 }"
)
SYSTEM = "You are an agent that builds things. " * 200
OUTPUTS = [docker_pull().text, "ok", service_log().text, "ok", docker_pull().text]
TOOL = {"name": "run", "description": "Runs a command.", "input_schema": {"type": "object"}}


def config(base_url: str, *, tier: str = "", ladder: str = "", kind: str = "anthropic") -> str:
    model = "claude-sonnet-5-5" if kind == "anthropic" else "gpt-6.1-sol"
    return f"""
[server]
port = 0
[tiers.top]
provider = "{kind}"
model = "{model}"
base_url = "{base_url}"
{PRICE}
repairs = 0
{tier}
[ladders.default]
tiers = ["top"]
{ladder}
"""


@contextmanager
def served(folder: Path, **more: str) -> Iterator[tuple[Gateway, AnthropicServer, PromptCache]]:
    cache = PromptCache()
    with (
        AnthropicServer(cache.reply(), models=("claude-sonnet-5-5",)) as server,
        Gateway(folder, config(server.base_url, **more)) as gateway,
    ):
        yield gateway, server, cache


def post(gateway: Gateway, path: str, body: dict[str, Any]) -> Any:
    sent = request(path=path, body=json.dumps(body).encode(), headers=[("x-session-id", "s-1")])
    reply = ask(gateway.port, sent)
    assert reply.status == 200, reply.body
    return reply.json


def chat_history(turns: int) -> dict[str, Any]:
    """An agent's request in Chat Completions after so many of its turns."""
    function = {"name": "run", "description": "Runs a command.", "parameters": {"type": "object"}}
    said: list[dict[str, Any]] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Build it."},
    ]
    for number, output in enumerate(OUTPUTS[:turns]):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "run"}}
        call["function"]["arguments"] = "{}"
        said.append({"role": "assistant", "content": None, "tool_calls": [call]})
        said.append({"role": "tool", "tool_call_id": f"c{number}", "content": output})
    return {
        "model": "rung",
        "messages": said,
        "tools": [{"type": "function", "function": function}],
    }


def messages_history(turns: int) -> dict[str, Any]:
    """The same in Messages, with markers and thinking of the client's own."""
    marker = {"type": "ephemeral", "ttl": "1h"}
    said: list[dict[str, Any]] = [{"role": "user", "content": "Build it."}]
    for number, output in enumerate(OUTPUTS[:turns]):
        thought = {"type": "thinking", "thinking": "Hm \u00e9.", "signature": f"c2ln{number}=="}
        use = {"type": "tool_use", "id": f"t{number}", "name": "run", "input": {"a": 1.0}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": output}
        said.append({"role": "assistant", "content": [thought, use]})
        said.append({"role": "user", "content": [result]})
    last = said[-1]
    if isinstance(last["content"], list):
        last["content"][-1]["cache_control"] = marker
    system = [{"type": "text", "text": SYSTEM, "cache_control": marker}]
    return {
        "model": "rung",
        "max_tokens": 99,
        "system": system,
        "tools": [TOOL],
        "messages": said,
    }


def bill_of(gateway: Gateway) -> Any:
    done = rung(gateway.folder, "bill", "--json", "--by", "tier")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_agent_of_another_dialect_reads_all_of_its_history_from_the_cache(tmp_path):
    with served(tmp_path) as (gateway, server, cache):
        for turns in range(5):
            post(gateway, "/v1/chat/completions", chat_history(turns))
        first, *later = cache.usages
        assert first["cache_read_input_tokens"] == 0
        for before, after in zip(cache.usages, later, strict=False):
            kept = before["cache_read_input_tokens"] + before["cache_creation_input_tokens"]
            assert after["cache_read_input_tokens"] == kept
        assert all(b"cache_control" in call.body for call in server.calls)
        told = bill_of(gateway)
    read = sum(one["cache_read_input_tokens"] for one in cache.usages)
    wrote = sum(one["cache_creation_input_tokens"] for one in cache.usages)
    sent = read + wrote + sum(one["input_tokens"] for one in cache.usages)
    for line in (told["total"], told["lines"][0]):
        assert line["cache"]["hit_rate"] == pytest.approx(read / sent)
        assert line["cache"]["saved_nanousd"] == read * 1_900 - wrote * 500
    assert told["total"]["cache"]["hit_rate"] > 0.5


def test_an_operator_can_do_without_markers(tmp_path):
    with served(tmp_path, tier='cache = "off"') as (gateway, server, cache):
        post(gateway, "/v1/chat/completions", chat_history(1))
        assert b"cache_control" not in server.calls[0].body
    assert cache.usages[0]["cache_creation_input_tokens"] == 0


def test_markers_and_bytes_of_a_client_of_the_same_dialect_arrive_as_they_left(tmp_path):
    with served(tmp_path) as (gateway, server, cache):
        body = messages_history(2)
        post(gateway, "/v1/messages", body)
        sent = json.dumps(body).encode().replace(b'"rung"', b'"claude-sonnet-5-5"', 1)
        assert server.calls[0].body == sent
        [attempt] = gateway.outcomes()[0].history
    wrote = cache.usages[0]["cache_creation_input_tokens"]
    assert attempt.usage.cache_write_1h_tokens == wrote > 0


def test_shortened_output_stays_shortened_and_its_prefix_in_the_cache(tmp_path):
    with served(tmp_path, ladder="compress = true") as (gateway, server, cache):
        for turns in range(1, 6):
            post(gateway, "/v1/messages", messages_history(turns))
        bodies = [call.json for call in server.calls]
        told = bill_of(gateway)
    outputs = [text if (short := shrunk(text)) is None else short for text in OUTPUTS]
    for turns, body in enumerate(bodies, 1):
        results = [
            block["content"]
            for turn in body["messages"][2::2]
            for block in turn["content"]
            if block["type"] == "tool_result"
        ]
        assert results == outputs[:turns]
    for before, after in zip(cache.usages, cache.usages[1:], strict=False):
        kept = before["cache_read_input_tokens"] + before["cache_creation_input_tokens"]
        assert after["cache_read_input_tokens"] == kept
    shortened = told["total"]["shortened"]
    assert shortened["tokens"] > 20_000
    # Most of it would have been read from the cache, at a twentieth of the price.
    assert 0 < shortened["saved_nanousd"] < shortened["tokens"] * 2_000


def test_without_the_key_nothing_is_shortened(tmp_path):
    with served(tmp_path) as (gateway, server, _):
        post(gateway, "/v1/messages", messages_history(1))
        assert json.dumps(OUTPUTS[0]).encode() in server.calls[0].body
        assert bill_of(gateway)["total"]["shortened"]["tokens"] == 0


def test_other_servers_get_a_key_only_where_the_client_sent_it(tmp_path):
    with (
        OpenAIServer(openai_text("Done."), models=("gpt-6.1-sol",)) as server,
        Gateway(tmp_path, config(server.base_url, kind="openai_compatible")) as gateway,
    ):
        post(gateway, "/v1/messages", messages_history(1))
        post(gateway, "/v1/chat/completions", chat_history(0) | {"prompt_cache_key": "mine"})
        first, second = (call.json for call in server.calls)
    assert "prompt_cache_key" not in first
    assert second["prompt_cache_key"] == "mine"


LABELS = """
[verifiers.word]
kind = "label_set"
labels = ["Done"]
"""


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_repair_reads_all_that_the_first_call_wrote(tmp_path, path):
    cache = PromptCache()
    body = (messages_history if path == "/v1/messages" else chat_history)(1)
    made = config("BASE", ladder=f'compress = true\nverify = ["word"]\n{LABELS}')
    with AnthropicServer(cache.reply("no"), cache.reply("Done")) as server:
        made = made.replace("repairs = 0", "repairs = 1").replace("BASE", server.base_url)
        with Gateway(tmp_path, made) as gateway:
            post(gateway, path, body)
    first, second = (call.body for call in server.calls)
    asked, again = json.loads(first)["messages"], json.loads(second)["messages"]
    assert again[: len(asked)] == asked
    assert len(again) == len(asked) + 2
    if path == "/v1/messages":
        assert second.startswith(first[: first.rindex(b"]")])
    before, after = cache.usages
    assert after["cache_read_input_tokens"] == before["cache_creation_input_tokens"] > 0
    assert after["cache_creation_input_tokens"] == 0
