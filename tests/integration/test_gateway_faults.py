"""The gateway as a process, when servers die, keys leak and disks fail."""

import asyncio
import json
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rung.core.types import EndedBy
from support.gateway import Gateway, Upstream, ask, chat, fetch, request, rung, toml
from support.openai_server import raw, slow, status, stream, text, whole

CANARY = "sk-canary-Zq8Xw7Vu6Ts5Rr4"
KEYED = 'api_key_env = "CANARY_API_KEY"'
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
WANTED = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}


def post(gateway, body=None, **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ask(gateway.port, request(body=chat() if body is None else body, headers=named))


def tiers_of(gateway, reply):
    outcome = gateway.outcome(reply.headers["x-rung-request-id"])
    return [attempt.tier for attempt in outcome.history]


def faults_of(gateway, reply):
    outcome = gateway.outcome(reply.headers["x-rung-request-id"])
    return [attempt.failure and attempt.failure.fault.value for attempt in outcome.history]


@pytest.fixture
def deaf():
    """The address of a port whose queue is full: connecting to it neither works nor fails."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.settimeout(0)
            one.connect_ex(address)
            waiting.append(one)
        yield f"http://127.0.0.1:{address[1]}/v1"
        for one in waiting:
            one.close()


@contextmanager
def ending(gateway):
    """End a gateway that was started by hand."""
    try:
        yield
    finally:
        gateway.__exit__(None)


# ------------------------------------------------------------------ servers that die


@pytest.mark.parametrize("streams", [False, True])
def test_when_a_server_dies_the_next_one_answers_without_a_pause(tmp_path, streams):
    body = chat(stream=streams)
    with Upstream() as b:
        b.say(text("from b"))
        with Upstream() as a:
            a.say(text("from a"))
            config = toml(a.base_url, b.base_url)
            gateway = Gateway(tmp_path, config).start()
            assert post(gateway, body).headers["x-rung-tier"] == "a"
        with ending(gateway):
            began = time.monotonic()
            reply = post(gateway, body)
            assert time.monotonic() - began < 1.0
            assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")
            assert faults_of(gateway, reply) == ["connect", None]
            assert gateway.outcome(reply.headers["x-rung-request-id"]).escalated is False
        assert (len(a.calls), len(b.calls)) == (1, 1)


def test_a_server_that_does_not_accept_costs_its_connect_timeout_and_no_more(tmp_path, deaf):
    with Upstream() as b:
        b.say(text("from b"))
        config = toml(deaf, b.base_url, tier="connect_timeout_seconds = 0.5")
        with Gateway(tmp_path, config) as gateway:
            began = time.monotonic()
            reply = post(gateway)
            took = time.monotonic() - began
            assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")
            assert 0.5 <= took < 1.5
            assert faults_of(gateway, reply) == ["timeout", None]


def test_a_server_that_never_answers_costs_its_timeout_and_no_more(tmp_path):
    with Upstream() as a, Upstream() as b:
        a.say(slow(20, text("too late")))
        b.say(text("from b"))
        with Gateway(tmp_path, toml(a.base_url, b.base_url, tier="timeout_seconds = 0.5")) as g:
            began = time.monotonic()
            reply = post(g)
            assert time.monotonic() - began < 1.5
            assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")
            assert faults_of(g, reply) == ["timeout", None]
        assert a.calls[0].left.wait(1)


@pytest.mark.model
def test_when_all_servers_are_dead_the_embedded_model_still_answers(tmp_path):
    with Upstream() as a, Upstream() as b:
        config = toml(a.base_url, b.base_url, embedded=True)
    with Gateway(tmp_path, config) as gateway:
        plain = post(gateway, chat("Give a person as JSON.", response_format=WANTED, max_tokens=60))
        assert plain.status == 200
        assert isinstance(json.loads(plain.json["choices"][0]["message"]["content"])["age"], int)
        assert plain.headers["x-rung-verified"] == "true"
        assert tiers_of(gateway, plain) == ["a", "b", "embedded"]
        streamed = post(gateway, chat("Say hi.", stream=True, max_tokens=8))
        assert (streamed.status, streamed.events[-1]) == (200, b"[DONE]")
        assert streamed.text
        assert tiers_of(gateway, streamed) == ["a", "b", "embedded"]


def test_when_every_server_is_dead_the_client_is_told_which_and_why(tmp_path):
    with Upstream() as a, Upstream() as b:
        config = toml(a.base_url, b.base_url)
    with Gateway(tmp_path, config) as gateway:
        reply = post(gateway)
        assert reply.status == 502
        said = reply.json["error"]["message"]
        assert f"a: nothing listens at {a.base_url.removesuffix('/v1')}" in said
        assert "b: nothing listens at" in said
        outcome = gateway.outcome(reply.headers["x-rung-request-id"])
        assert (outcome.served, outcome.ended_by) == (None, EndedBy.UPSTREAM)


STATUSES = [
    ([status(429, headers={"retry-after": "7"})] * 2, 429, "7"),
    ([status(503)] * 2, 503, None),
    ([status(500)] * 2, 502, None),
    ([status(401)] * 2, 502, None),
    ([status(400, "no such field")] * 2, 400, None),
    ([status(500), status(400, "no such field")], 502, None),
    ([raw(whole(200, b"<html>", content_type="text/html"))] * 2, 502, None),
    ([status(302, headers={"location": "http://169.254.169.254/"})] * 2, 502, None),
    ([stream({"error": {"message": "overloaded", "code": 503}})] * 2, 502, None),
]


def test_the_status_tells_whose_fault_it_was(tmp_path):
    with Upstream() as a, Upstream() as b, Gateway(tmp_path, toml(a.base_url, b.base_url)) as g:
        for (of_a, of_b), expected, wait in STATUSES:
            a.say(of_a)
            b.say(of_b)
            reply = post(g)
            assert (reply.status, reply.headers.get("retry-after")) == (expected, wait)
            assert (len(a.calls), len(b.calls)) == (1, 1)


def test_a_passing_fault_is_retried_within_the_tiers_limit(tmp_path):
    with Upstream() as a:
        config = toml(a.base_url).replace("retries = 0", "retries = 2")
        with Gateway(tmp_path, config) as gateway:
            a.say(status(500), status(500), text("at last"))
            reply = post(gateway)
            assert (reply.status, reply.headers["x-rung-attempts"]) == (200, "3")
            a.say(status(500))
            assert post(gateway).status == 502
            assert len(a.calls) == 3


async def test_a_server_that_is_down_is_not_stormed_with_retries(tmp_path):
    with Upstream() as a:
        a.say(status(500))
        config = toml(a.base_url).replace("retries = 0", "retries = 2")
        with Gateway(tmp_path, config) as gateway:
            body = request(body=chat())
            for _ in range(10):
                replies = await asyncio.gather(*(fetch(gateway.port, body) for _ in range(30)))
                assert {reply.status for reply in replies} == {502}
            booked = sum(len(outcome.history) for outcome in gateway.outcomes())
        assert len(a.calls) == booked
        assert 300 < len(a.calls) <= 1.2 * 300


# ------------------------------------------------------------------ keys


COMMANDS = ["explain", "explain --json", "config show", "config show --json", "config check"]
COMMANDS += ["doctor", "doctor --json", "ask hi", "ask hi --json", "bill --json"]


def test_a_key_never_leaves_for_anywhere_but_its_provider(tmp_path):
    def echo(call):
        told = (
            f"wrong key: {call.headers['authorization']}; {CANARY}; {CANARY[:12]}***{CANARY[-4:]}"
        )
        return status(401, told)(call)

    with Upstream() as a, Upstream() as b:
        a.say(echo)
        b.say(echo)
        env = {"CANARY_API_KEY": CANARY, "OPENAI_API_KEY": CANARY}
        heard = []
        with Gateway(tmp_path, toml(a.base_url, b.base_url, tier=KEYED), env=env) as gateway:
            for body in (chat(), chat(stream=True), chat(model="tier:a"), b"{"):
                reply = post(gateway, body)
                heard.append(reply.raw)
                name = reply.headers["x-rung-request-id"]
                heard.append(ask(gateway.port, request("GET", f"/v1/requests/{name}")).raw)
            heard.append(ask(gateway.port, request("GET", "/readyz")).raw)
            heard += [path.read_bytes() for path in gateway.ledger.parent.iterdir()]
        assert {call.headers["authorization"] for call in a.calls + b.calls} == {f"Bearer {CANARY}"}
        with ThreadPoolExecutor(4) as pool:
            for said in pool.map(lambda one: rung(tmp_path, *one.split(), env=env), COMMANDS):
                assert "Traceback" not in said.stderr
                heard.append((said.stdout + said.stderr).encode())
        heard.append(gateway.said.encode())
        heard.append(gateway.ledger.read_bytes())
    assert len(heard) > 20
    assert all(CANARY.encode() not in each for each in heard)
    assert all(CANARY[:12].encode() not in each for each in heard)


def test_a_key_that_is_missing_is_named_before_anything_starts(tmp_path):
    (tmp_path / "rung.toml").write_text(toml("http://127.0.0.1:9/v1", tier=KEYED))
    said = rung(tmp_path, "serve")
    assert said.returncode == 2
    assert "the environment variable CANARY_API_KEY is not set" in said.stderr
    assert "export CANARY_API_KEY=" in said.stderr


# ------------------------------------------------------------------ the ledger fails


def test_an_answer_that_cannot_be_booked_does_not_leave_and_the_gateway_recovers(tmp_path):
    with Upstream() as a, Gateway(tmp_path, toml(a.base_url)) as gateway:
        a.say(text("from a"))
        assert post(gateway).status == 200
        with sqlite3.connect(gateway.ledger) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON requests "
                "BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        other.close()
        for body in (chat(), chat(stream=True, response_format=WANTED)):
            reply = post(gateway, body)
            assert reply.status == 503
            assert b"from a" not in reply.raw
        released = post(gateway, chat(stream=True))
        assert (released.status, b"[DONE]" in released.events) == (200, False)
        with sqlite3.connect(gateway.ledger) as other:
            other.execute("DROP TRIGGER full")
        other.close()
        assert post(gateway).status == 200
        assert len(gateway.outcomes()) == 2


def test_a_ledger_that_cannot_be_made_is_said_at_the_start_with_the_fix(tmp_path):
    (tmp_path / "rung.toml").write_text(toml("http://127.0.0.1:9/v1"))
    blocked = tmp_path / "a-file"
    blocked.touch()
    for command in (("serve",), ("ask", "hi")):
        said = rung(tmp_path, *command, env={"XDG_DATA_HOME": str(blocked)})
        assert said.returncode == 5
        assert "Traceback" not in said.stderr
        assert str(blocked) in said.stderr
        assert "fix:" in said.stderr
