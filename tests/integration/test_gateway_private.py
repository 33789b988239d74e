"""The private lane through a real gateway: what is planted in requests reaches no tier beyond.

A tier on this machine, and two recording servers that the configuration says are elsewhere. They
are also the judge, the auditor, the counter of tokens and the one who is asked when the local tier
is slow, so that everything that could leave would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rung.core.sensitive_kinds import WORDS
from support import anthropic_server
from support.gateway import Gateway, Reply, Upstream, ask, chat, request, rung
from support.judges import right
from support.openai_server import Call, OpenAIServer, raw, text, whole
from support.planted import Planted, clean, planted

CONFIG = """
ledger = "ledger.db"
inbox_webhook = "{hook}/told"
embeddings = "cloud"

[tiers.local]
provider = "openai_compatible"
model = "model-local"
base_url = "{local}"
price = "free"
retries = 0
repairs = 0

[tiers.cloud]
provider = "openai_compatible"
model = "model-cloud"
base_url = "{cloud}"
price = "free"
local = false
retries = 0
repairs = 0

[tiers.claude]
provider = "anthropic"
model = "model-claude"
base_url = "{claude}"
price = "free"
local = false
retries = 0
repairs = 0

[ladders.default]
tiers = ["local", "cloud", "claude"]
hedge_seconds = 0.5
audit = "100%"
audit_by = "cloud"
verify = ["opinion"]

[ladders.away]
tiers = ["cloud", "claude"]

[verifiers.opinion]
kind = "judge"
tier = "cloud"

[private]
detect = true
projects = ["ledgers"]

[projects.quiet]
private = true

[breakers]
off = true

[server]
port = 0
"""
FAILING = raw(whole(500, b"{}"))
ANSWER = text('{"from": "local"}')


def _embedding(call: Call) -> object:
    if "embeddings" not in call.path:
        return text(right(90))(call)
    given = call.json["input"]
    count = len(given) if isinstance(given, list) else 1
    data = [{"object": "embedding", "index": n, "embedding": [0.1]} for n in range(count)]
    told = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1}}
    return [whole(200, json.dumps(told).encode())]


def _count(call: Call) -> object:
    if "count_tokens" in call.path:
        return [whole(200, b'{"input_tokens": 7}')]
    return anthropic_server.text("from claude")(call)


@dataclass
class World:
    """The gateway and everybody whom it could ask."""

    gateway: Gateway
    local: Upstream
    cloud: OpenAIServer
    claude: OpenAIServer

    @property
    def left(self) -> list[Call]:
        """All that reached a server that is not this machine's."""
        return [*self.cloud.calls, *self.claude.calls]

    def send(self, each: Planted, **headers: str) -> Reply:
        given = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return ask(self.gateway.port, request(path=each.path, body=each.body, headers=given))

    def say(self, prompt: str, **headers: str) -> Reply:
        return self.send(Planted("", "/v1/chat/completions", chat(prompt), ""), **headers)


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    with ExitStack() as opened:
        local = opened.enter_context(Upstream())
        cloud = opened.enter_context(OpenAIServer(_embedding))
        claude = opened.enter_context(OpenAIServer(_count))
        hook = opened.enter_context(OpenAIServer(raw(whole(204, b""))))
        local.say(ANSWER)
        config = CONFIG.format(
            hook=hook.base_url,
            local=local.base_url,
            cloud=cloud.base_url,
            claude=claude.base_url,
        )
        yield World(opened.enter_context(Gateway(folder, config)), local, cloud, claude)


@pytest.fixture
def fresh(tmp_path) -> Iterator[World]:
    """A world for a test that stops its gateway."""
    with _world(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[World]:
    with _world(tmp_path_factory.mktemp("private")) as made:
        yield made


@pytest.fixture
def world(shared) -> World:
    shared.local.say(ANSWER)
    shared.cloud.requests.clear()
    shared.claude.requests.clear()
    return shared


def test_nothing_planted_leaves_and_all_of_it_is_answered_here(fresh) -> None:
    requests = list(planted(5))
    assert len(requests) >= 200
    for number, each in enumerate(requests):
        # Of a project of its own: none is private because one before began alike.
        reply = fresh.send(each, x_rung_project=f"p{number}")
        if each.path == "/v1/embeddings":
            # The tier for embeddings is elsewhere.
            assert reply.status == 403, each.name
            assert "private" in reply.json["error"]["message"], each.name
        elif "count_tokens" in each.path:
            assert reply.headers["x-rung-estimated"] == "true", each.name
        else:
            assert reply.status == 200, (each.name, reply.body)
            assert reply.headers["x-rung-tier"] == "local", each.name
            assert reply.headers["x-rung-private"] == "true", each.name
    assert fresh.gateway.stop() == 0
    assert not any(each.secret in fresh.gateway.said for each in requests)
    assert fresh.left == []
    report = json.loads(rung(fresh.gateway.folder, "private", "report", "--json").stdout)
    answered = sum("embeddings" not in r.path and "count" not in r.path for r in requests)
    assert (report["private"]["requests"], report["private"]["left"]) == (answered, 0)
    assert report["verdict"] == f"0 of {answered} private requests left this machine."
    assert set(report["private"]["reasons"]) == set(WORDS.values())


def test_the_same_requests_with_nothing_planted_do_leave(fresh) -> None:
    for each in clean():
        reply = fresh.send(each)
        assert reply.status == 200, (each.name, reply.body)
        assert "x-rung-private" not in reply.headers, each.name
    assert fresh.gateway.stop() == 0
    # Judged, counted, embedded and looked at again by others.
    assert {call.path.rpartition("/")[2] for call in fresh.left} >= {
        "completions",
        "embeddings",
        "count_tokens",
    }
    report = json.loads(rung(fresh.gateway.folder, "private", "report", "--json").stdout)
    assert report["private"]["requests"] == 0
    assert report["others"]["left"] > 20


def test_with_the_local_tier_down_they_fail_and_say_why(world) -> None:
    world.local.say(FAILING)
    failed = 0
    for number, each in enumerate(planted(5)):
        if each.path in {"/v1/embeddings", "/v1/messages/count_tokens"}:
            continue
        reply = world.send(each, x_rung_project=f"p{number}")
        assert reply.status in {502, 503}, (each.name, reply.status, reply.body)
        assert "private" in reply.body.decode(), each.name
        assert "local" in reply.body.decode(), each.name
        assert each.secret not in reply.body.decode(), each.name
        failed += 1
    assert failed > 180
    # The gateway itself is well, and what is not private is answered elsewhere.
    assert world.left == []
    assert world.say("Hello there").status == 200
    assert len(world.left) > 0


def test_a_silent_local_tier_gets_nobody_asked_beside_it_for_a_private_request(world) -> None:
    def slow(call: Call) -> object:
        from support.openai_server import Pause

        return [Pause(1.0), *text("late")(call)]

    world.local.say(slow)
    assert world.say("my card is 4111 1111 1111 1111").headers["x-rung-tier"] == "local"
    assert world.cloud.calls == []
    world.say("what is the weather like")
    assert world.cloud.calls


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x_rung_private": "true"}, "it was asked for"),
        ({"x_rung_project": "ledgers"}, "project ledgers"),
        ({"x_rung_project": "quiet"}, "project quiet"),
        ({"x_rung_project": "ledgers", "x_rung_private": "false"}, "project ledgers"),
    ],
)
def test_who_says_so_is_private_and_is_not_overruled(world, headers, reason) -> None:
    reply = world.say("Hello there", **headers)
    assert reply.headers["x-rung-tier"] == "local"
    told = rung(world.gateway.folder, "explain", reply.headers["x-rung-request-id"], "--json")
    assert json.loads(told.stdout)["private"] == reason
    assert world.left == []


@pytest.mark.parametrize("pin", ["cloud", "claude"])
def test_a_pin_to_a_tier_that_is_elsewhere_is_refused(world, pin) -> None:
    reply = world.say("my card is 4111 1111 1111 1111", x_rung_tier=pin)
    assert reply.status == 403
    error = reply.json["error"]
    assert error["code"] == "private_no_local_tier"
    assert "a card number" in error["message"]
    assert "4111" not in reply.body.decode()
    assert world.left == []
    assert world.say("Hello there", x_rung_tier=pin).status == 200


def test_a_ladder_without_a_local_tier_refuses_what_is_private(world) -> None:
    reply = world.say("Hello there", x_rung_private="true", x_rung_ladder="away")
    assert reply.status == 403
    assert reply.json["error"]["code"] == "private_no_local_tier"
    assert world.left == []


def test_a_conversation_stays_private_also_after_a_restart(fresh) -> None:
    session = {"x_session_id": "0d8f3c2e-private-talk"}
    first = fresh.say("my card is 4111 1111 1111 1111", **session)
    assert first.headers["x-rung-private"] == "true"
    # The client has cut its history: nothing of what was said stands in it any more.
    assert fresh.say("and what now?", **session).headers["x-rung-private"] == "true"
    assert fresh.gateway.stop() == 0
    fresh.gateway.start()
    assert fresh.say("still there?", **session).headers["x-rung-private"] == "true"
    assert fresh.left == []
    other = fresh.say("and what now?", x_session_id="another-talk")
    assert "x-rung-private" not in other.headers


def test_what_comes_after_a_secret_in_a_growing_conversation_is_private(fresh) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    assert "x-rung-private" not in fresh.say("Hi").headers
    before = len(fresh.left)
    turns += [
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "IBAN DE89 3704 0044 0532 0130 00"},
    ]
    for _ in range(3):
        body = json.dumps({"model": "rung", "messages": turns}).encode()
        reply = fresh.send(Planted("", "/v1/chat/completions", body, ""))
        assert reply.headers["x-rung-private"] == "true"
        turns += [{"role": "assistant", "content": "Noted"}, {"role": "user", "content": "And?"}]
    assert fresh.gateway.stop() == 0
    late = [call for call in fresh.left[before:] if b"DE89" in call.body]
    assert late == []
