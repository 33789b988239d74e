"""Claude Code asks again, without a stream, for what a broken one owed it: at whatever process."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from support.gateway import Gateway, Reply, Upstream, ask, request, toml
from support.openai_server import cut_stream, text

SESSION = "6f3c0f5e-0000-4000-8000-000000000001"
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}


def asked(*, stream: bool, said: str = "Find the bug.", session: str = SESSION, **more) -> bytes:
    body = {"model": "rung", "max_tokens": 99, "stream": stream, **more}
    body |= {"messages": [{"role": "user", "content": said}]}
    headers = [("x-claude-code-session-id", session), ("anthropic-version", "2023-06-01")]
    return request(path="/v1/messages", body=json.dumps(body).encode(), headers=headers)


def id_of(reply: Reply) -> str:
    return reply.headers["x-rung-request-id"]


@pytest.fixture
def upstream():
    with Upstream() as server:
        yield server


def test_after_a_restart_who_asks_again_is_known(tmp_path, upstream):
    upstream.say(cut_stream("so far ", "so good"), text("all of it"))
    config = toml(upstream.base_url)
    with Gateway(tmp_path, config) as gateway:
        broken = ask(gateway.port, asked(stream=True))
        assert b"error" in broken.body
    with Gateway(tmp_path, config) as gateway:
        again, later = (ask(gateway.port, asked(stream=False)) for _ in range(2))
        assert gateway.outcome(id_of(again)).request.resend_of == id_of(broken)
        assert gateway.outcome(id_of(later)).request.resend_of is None


def test_where_nothing_passed_it_is_told_again_and_not_paid_for_again(tmp_path, upstream):
    upstream.say(text("no json"))
    config = toml(upstream.base_url)
    with Gateway(tmp_path, config) as gateway:
        one = ask(gateway.port, asked(stream=True, output_config={"format": SCHEMA}))
        assert one.status == 422
    with Gateway(tmp_path, config) as gateway:
        other = ask(gateway.port, asked(stream=False, output_config={"format": SCHEMA}))
        assert (other.status, id_of(other)) == (422, id_of(one))
        assert id_of(one) in other.json["error"]["message"]
        assert len(gateway.outcomes()) == len(upstream.requests) == 1


def test_others_are_not_taken_for_whoever_asks_again(tmp_path, upstream):
    upstream.say(cut_stream("so far "), text("all of it"))
    config = toml(upstream.base_url)
    with Gateway(tmp_path, config) as gateway:
        ask(gateway.port, asked(stream=True))
    with Gateway(tmp_path, config) as gateway:
        for other in (
            asked(stream=False, session="another"),
            asked(stream=False, said="Find the other bug."),
            asked(stream=True),
        ):
            reply = ask(gateway.port, other)
            assert gateway.outcome(id_of(reply)).request.resend_of is None


def test_another_replica_knows_at_once(tmp_path, upstream, postgres_url):
    upstream.say(cut_stream("so far "), text("all of it"))
    config = f'ledger = "{postgres_url}"\n{toml(upstream.base_url)}'
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(Gateway(folder, config))
            for name in ("one", "other")
            if (folder := tmp_path / name).mkdir() is None
        )
        broken = ask(one.port, asked(stream=True))
        again = ask(other.port, asked(stream=False))
        told = ask(one.port, request("GET", f"/v1/requests/{id_of(again)}")).json
        assert told["resend_of"] == id_of(broken)
        later = ask(one.port, asked(stream=False))
        told = ask(one.port, request("GET", f"/v1/requests/{id_of(later)}")).json
        assert told["resend_of"] is None
