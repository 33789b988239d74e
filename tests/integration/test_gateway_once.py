"""Idempotency-Key at a real gateway: one call upstream, whatever becomes of the connections."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from support.gateway import Gateway, Reply, Upstream, Wire, ask, chat, fetch, request, toml
from support.openai_server import Call, Pause, Step, cut_stream, status, text

PRICE = "price = { input_usd_per_mtok = 1, output_usd_per_mtok = 2 }"


class Held(Upstream):
    """Answers once it is let go; counts who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.say(self._held)

    def _held(self, call: Call) -> Iterator[Step]:
        while not self.free.is_set():
            yield Pause(0.01)
        yield from text("late, but here")(call)


def keyed(body: bytes, key: str = "k-1", path: str = "/v1/chat/completions", **more: str) -> bytes:
    headers = [("Idempotency-Key", key), *((n.replace("_", "-"), v) for n, v in more.items())]
    return request(path=path, body=body, headers=headers)


def same(one: Reply, other: Reply) -> None:
    assert other.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in one.headers
    assert (one.status, one.body) == (other.status, other.body)
    for name in ("content-type", "x-rung-request-id"):
        assert one.headers[name] == other.headers[name]
    assert other.headers.get("x-rung-cost-usd", "0") == "0"


BODIES = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "messages": (
        "/v1/messages",
        {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    ),
    "responses": ("/v1/responses", {"input": "hi"}),
    "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "hi"}]}),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Upstream() as upstream:
        config = toml(upstream.base_url).replace('price = "free"', PRICE)
        with Gateway(tmp_path_factory.mktemp("once"), config) as gateway:
            yield gateway, upstream


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("dialect", BODIES)
def test_what_was_answered_once_is_answered_again_for_nothing(stage, dialect, streams):
    gateway, upstream = stage
    upstream.say(text("hello"))
    booked = len(gateway.outcomes())
    path, body = BODIES[dialect]
    sent = keyed(
        json.dumps({"model": "rung", **body, "stream": streams}).encode(),
        f"{dialect}-{streams}",
        path,
    )
    one, other = ask(gateway.port, sent), ask(gateway.port, sent)
    assert one.status == 200
    assert b"hello" in one.body
    same(one, other)
    assert len(upstream.requests) == 1
    assert len(gateway.outcomes()) == booked + 1


def test_another_request_with_the_same_key_is_refused(stage):
    gateway, upstream = stage
    upstream.say(text("hello"))
    ask(gateway.port, keyed(chat("one"), "used"))
    for other in (
        keyed(chat("two"), "used"),
        keyed(chat("one", stream=True), "used"),
        keyed(chat("one"), "used", x_rung_tier="a"),
    ):
        refused = ask(gateway.port, other)
        assert (refused.status, refused.json["error"]["code"]) == (422, "idempotency_key_reused")
    assert len(upstream.requests) == 1


def test_each_caller_has_keys_of_its_own(stage):
    gateway, upstream = stage
    upstream.say(text("hello"))
    for authorization in ("Bearer one", "Bearer two"):
        reply = ask(gateway.port, keyed(chat(), "shared", authorization=authorization))
        assert "idempotency-replayed" not in reply.headers
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "kl\xe9"])
def test_a_key_that_is_none_is_refused(stage, key):
    gateway, upstream = stage
    upstream.say(text("hello"))
    refused = ask(gateway.port, keyed(chat(), key))
    assert refused.status == 400
    assert refused.json["error"]["param"] == "Idempotency-Key"
    assert upstream.requests == []


def test_two_keys_are_none(stage):
    gateway, upstream = stage
    upstream.say(text("hello"))
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert ask(gateway.port, request(body=chat(), headers=twice)).status == 400


def test_what_was_refused_before_anything_was_called_is_not_kept(stage):
    gateway, upstream = stage
    upstream.say(text("hello"))
    assert ask(gateway.port, keyed(b'{"model": "rung"}', "refused")).status == 400
    assert ask(gateway.port, keyed(chat(model="tier:none"), "refused")).status == 404
    assert ask(gateway.port, keyed(chat(), "refused")).status == 200


def test_a_provider_that_was_down_binds_nobody(stage):
    gateway, upstream = stage
    upstream.say(status(503), text("hello"))
    assert ask(gateway.port, keyed(chat(), "down")).status == 503
    assert ask(gateway.port, keyed(chat(), "down")).status == 200


def test_an_answer_that_did_not_pass_is_not_paid_for_again(stage):
    gateway, upstream = stage
    upstream.say(text("no json"))
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    sent = keyed(chat(response_format=schema), "wrong")
    one, other = ask(gateway.port, sent), ask(gateway.port, sent)
    assert one.status == 422
    same(one, other)
    assert len(upstream.requests) == 1


def test_a_stream_that_broke_and_was_paid_for_is_told_as_it_was(stage):
    gateway, upstream = stage
    upstream.say(cut_stream("so far ", "so good"))
    sent = keyed(chat("cut", stream=True), "cut")
    one, other = ask(gateway.port, sent), ask(gateway.port, sent)
    same(one, other)
    assert b'"error"' in one.body
    assert len(upstream.requests) == 1


# ------------------------------------------------------------------ at the same time


async def test_who_asks_meanwhile_waits_and_gets_the_same(tmp_path):
    with Held() as upstream, Gateway(tmp_path, toml(upstream.base_url)) as gateway:
        sent = keyed(chat())
        asking = [asyncio.ensure_future(fetch(gateway.port, sent)) for _ in range(20)]
        await asyncio.to_thread(upstream.wait_for_calls, 1)
        await asyncio.sleep(0.05)
        upstream.free.set()
        replies = await asyncio.gather(*asking)
        assert {reply.status for reply in replies} == {200}
        assert len({reply.body for reply in replies}) == 1
        assert sum("idempotency-replayed" in reply.headers for reply in replies) == 19
        assert len(upstream.requests) == len(gateway.outcomes()) == 1


def test_a_request_with_a_key_is_seen_through_though_its_caller_leaves(tmp_path):
    with Held() as upstream, Gateway(tmp_path, toml(upstream.base_url)) as gateway:
        sent = keyed(chat(stream=True))
        with Wire(gateway.port) as wire:
            wire.send(sent)
            upstream.wait_for_calls(1)
            wire.reset()
        upstream.free.set()
        reply = ask(gateway.port, sent)
        assert reply.text == "late, but here"
        assert reply.headers["idempotency-replayed"] == "true"
        assert len(upstream.requests) == 1
        assert gateway.outcomes()[0].served == 0


def test_who_waits_and_leaves_disturbs_nobody(tmp_path):
    with Held() as upstream, Gateway(tmp_path, toml(upstream.base_url)) as gateway:
        sent = keyed(chat())
        with Wire(gateway.port) as first, Wire(gateway.port) as second:
            first.send(sent)
            upstream.wait_for_calls(1)
            second.send(sent)
            second.reset()
            upstream.free.set()
            assert first.reply().status == 200
        assert ask(gateway.port, sent).headers["idempotency-replayed"] == "true"
        assert len(upstream.requests) == 1


# ------------------------------------------------------------------ other processes


def test_a_result_is_kept_over_a_restart(tmp_path):
    with Upstream() as upstream:
        upstream.say(text("hello"))
        config = toml(upstream.base_url)
        with Gateway(tmp_path, config) as gateway:
            one = ask(gateway.port, keyed(chat()))
        with Gateway(tmp_path, config) as gateway:
            same(one, ask(gateway.port, keyed(chat())))
        assert len(upstream.requests) == 1


def test_the_claim_of_a_gateway_that_was_killed_holds_up_nobody(tmp_path):
    with Held() as upstream:
        config = toml(upstream.base_url)
        gateway = Gateway(tmp_path, config).start()
        with Wire(gateway.port) as wire:
            wire.send(keyed(chat()))
            upstream.wait_for_calls(1)
            gateway.kill()
        upstream.free.set()
        with Gateway(tmp_path, config) as gateway:
            reply = ask(gateway.port, keyed(chat()))
            assert reply.status == 200
            assert "idempotency-replayed" not in reply.headers
        assert len(upstream.requests) == 2


def test_a_gateway_that_is_stopped_gives_its_claims_back(tmp_path):
    with Held() as upstream, Upstream() as other:
        other.say(text("hello"))
        gateway = Gateway(tmp_path, toml(upstream.base_url)).start()
        with Wire(gateway.port) as wire:
            wire.send(keyed(chat()))
            upstream.wait_for_calls(1)
            gateway.process.child.terminate()
            while ask(gateway.port, request("GET", "/healthz")).status == 200:
                pass
            gateway.process.child.terminate()
            gateway.process.wait()
        with Gateway(tmp_path, toml(other.base_url)) as gateway:
            assert ask(gateway.port, keyed(chat())).status == 200
        upstream.free.set()


async def test_of_several_gateways_on_one_database_one_calls(tmp_path, postgres_url):
    with Held() as upstream, ExitStack() as stack:
        config = f'ledger = "{postgres_url}"\n{toml(upstream.base_url)}'
        gateways = []
        for name in ("one", "two", "three"):
            (tmp_path / name).mkdir()
            gateways.append(stack.enter_context(Gateway(tmp_path / name, config)))
        asking = [
            asyncio.ensure_future(fetch(gateway.port, keyed(chat())))
            for gateway in gateways
            for _ in range(4)
        ]
        await asyncio.to_thread(upstream.wait_for_calls, 1)
        await asyncio.sleep(0.3)
        upstream.free.set()
        replies = await asyncio.gather(*asking)
        assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
        assert sum("idempotency-replayed" in reply.headers for reply in replies) == 11
        assert len(upstream.requests) == 1


# ------------------------------------------------------------------ private


def test_an_answer_to_a_private_request_is_replayed_from_memory_alone(tmp_path):
    with Upstream() as upstream:
        upstream.say(text("the secret word is heliotrope"))
        config = toml(upstream.base_url)
        with Gateway(tmp_path, config) as gateway:
            sent = keyed(chat(), "private", x_rung_private="true")
            same(ask(gateway.port, sent), ask(gateway.port, sent))
        for file in gateway.ledger.parent.iterdir():
            assert b"heliotrope" not in file.read_bytes()
        with Gateway(tmp_path, config) as gateway:
            gone = ask(gateway.port, sent)
            assert (gone.status, gone.json["error"]["code"]) == (410, "idempotent_result_gone")
        assert len(upstream.requests) == 1
