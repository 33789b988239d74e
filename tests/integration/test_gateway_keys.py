"""Virtual keys in a running gateway: by real clients, bare requests, and on two replicas."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from anthropic import Anthropic, AuthenticationError
from openai import OpenAI, PermissionDeniedError

from support.gateway import Gateway, Reply, Upstream, ask, chat, request, rung, toml
from support.openai_server import text

MORE = """
[ladders.side]
tiers = ["b"]

[projects.docs]
key_env = ["DOCS_KEY"]
"""
ENV = {"DOCS_KEY": "a-key-of-the-project-docs"}
DOORS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions", "/api/chat")
SECRET = re.compile(r"rung_[A-Za-z0-9]{43}")


@dataclass
class Stage:
    gateway: Gateway
    tiers: tuple[Upstream, Upstream]

    def key(self, name: str, *options: str, parent: str | None = None) -> str:
        """A new key's secret."""
        made = self.keys("create", name, *options, *(["--parent", parent] if parent else []))
        return json.loads(made)["secret"]

    def keys(self, *arguments: str) -> str:
        done = rung(self.gateway.folder, "keys", *arguments, "--json", env=ENV)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(
        self, secret: str = "", body: object = None, path: str = DOORS[0], method: str = "POST"
    ) -> Reply:
        """One bare request with this key."""
        data = None if method != "POST" else chat() if body is None else json.dumps(body).encode()
        shown = [("Authorization", f"Bearer {secret}")] if secret else []
        return ask(self.gateway.port, request(method, path, data, headers=shown))

    def get(self, path: str, secret: str = "") -> Reply:
        return self.ask(secret, path=path, method="GET")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Stage]:
    with ExitStack() as opened:
        tiers = opened.enter_context(Upstream()), opened.enter_context(Upstream())
        config = toml(*(tier.base_url for tier in tiers), more=MORE)
        price = "price = { input_usd_per_mtok = 1, output_usd_per_mtok = 10 }"
        folder = tmp_path_factory.mktemp("keys")
        gateway = Gateway(folder, config.replace('price = "free"', price), env=ENV)
        rung(folder, "keys", "create", "first", env=ENV)
        yield Stage(opened.enter_context(gateway), tiers)
    assert not SECRET.search(gateway.said)


@pytest.fixture
def stage(served: Stage) -> Stage:
    for tier in served.tiers:
        tier.say(text("Hello there."))
    return served


def until(holds: Callable[[], bool], seconds: float) -> float:
    """How long it took until something held."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


# ------------------------------------------------------------------ who is let in


def test_real_clients_ask_with_a_key_and_are_refused_without(stage):
    secret = stage.key("sdk")
    base = stage.gateway.url
    question = [{"role": "user", "content": "hi"}]
    with OpenAI(base_url=f"{base}/v1", api_key=secret, max_retries=0) as client:
        said = client.chat.completions.create(model="rung", messages=question)
        assert said.choices[0].message.content == "Hello there."
    with Anthropic(base_url=base, api_key=secret, max_retries=0) as client:
        answer = client.messages.create(model="rung", max_tokens=9, messages=question)
        assert answer.content[0].text == "Hello there."
    with (
        Anthropic(base_url=base, api_key="sk-ant-any", max_retries=0) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.messages.create(model="rung", max_tokens=9, messages=question)
    assert caught.value.body["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("path", [*DOORS, "/v1/embeddings", "/v1/messages/count_tokens"])
def test_no_door_is_open_without_a_key(stage, path):
    for secret in ("", "nope", "rung_" + "x" * 43):
        reply = stage.ask(secret, path=path)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == "Bearer"
    assert not any(tier.requests for tier in stage.tiers)


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/v1/requests/last", "/v1/keys", "/x"])
def test_nothing_else_is_open_either(stage, path):
    for method in ("GET", "DELETE", "PUT"):
        assert stage.ask(path=path, method=method).status == 401


@pytest.mark.parametrize(
    "path",
    ["/healthz/../v1/keys", "//v1/keys", "/v1//keys", "/%2e%2e/v1/keys", "/healthz;/v1/keys"],
)
def test_no_spelling_of_a_path_gets_around_its_gate(stage, path):
    assert stage.get(path).status in {400, 401, 404}
    absolute = request("GET", f"http://127.0.0.1{path}")
    assert ask(stage.gateway.port, absolute).status in {400, 401, 404}


def test_probes_need_no_key_and_learn_nothing(stage):
    assert stage.get("/healthz").json == {"status": "ok"}
    assert set(stage.get("/readyz").json) == {"status"}
    assert "0." not in str(stage.get("/").json)


def test_all_bad_keys_get_the_same_answer_in_about_the_same_time(stage):
    ended, gone = stage.key("ended"), stage.key("gone")
    stage.keys("revoke", "gone")
    stage.keys("rotate", "ended", "--grace", "0s")
    bad = {
        "unknown": "rung_" + "x" * 43,
        "revoked": gone,
        "exchanged": ended,
        "sql": "' OR 1=1; DROP TABLE keys --",
        "long": "x" * 20_000,
    }
    bodies, times = set(), {}
    for name, secret in bad.items():
        took = []
        for _ in range(3):
            began = time.perf_counter()
            reply = stage.ask(secret)
            took.append(time.perf_counter() - began)
            bodies.add((reply.status, reply.body))
        times[name] = statistics.median(took)
    assert len(bodies) == 1
    assert max(times.values()) - min(times.values()) < 0.15
    assert json.loads(stage.keys("list"))


def test_a_key_of_a_megabyte_is_refused_before_it_is_looked_at(stage):
    reply = stage.ask("x" * 1_000_000)
    assert reply.status in {400, 401, 431}
    assert stage.get("/healthz").status == 200


def test_a_large_body_is_not_read_of_a_caller_without_a_key(stage):
    head = request(headers=[("Content-Type", "application/json"), ("Content-Length", "30000000")])
    began = time.monotonic()
    assert ask(stage.gateway.port, head + b"{").status == 401
    assert time.monotonic() - began < 5


def test_a_projects_key_opens_too(stage):
    reply = stage.ask(ENV["DOCS_KEY"])
    assert reply.status == 200
    mine = f"/v1/requests/{reply.headers['x-rung-request-id']}"
    assert stage.get(mine, ENV["DOCS_KEY"]).json["project"] == "docs"
    assert stage.get("/v1/keys", ENV["DOCS_KEY"]).status == 403


# ------------------------------------------------------------------ what it may do


def test_ladders_and_tiers_hold_at_every_door(stage):
    secret = stage.key("side", "--ladder", "side")
    assert stage.ask(secret).headers["x-rung-tier"] == "b"
    for model in ("rung/default", "tier:a"):
        for path in ("/v1/chat/completions", "/v1/messages"):
            body = json.loads(chat()) | {"model": model, "max_tokens": 9}
            assert stage.ask(secret, body, path).status == 403
    local = stage.key("a-only", "--tier", "a")
    assert stage.ask(local).headers["x-rung-tier"] == "a"
    assert stage.ask(local, json.loads(chat()) | {"model": "rung/side"}).status in {400, 403}
    assert {each["id"] for each in stage.get("/v1/models", local).json["data"]} == {
        *("rung", "rung/default", "rung/side", "tier:a")
    }
    assert {each["id"] for each in stage.get("/v1/models", secret).json["data"]} == {
        *("rung", "rung/side", "tier:b")
    }


def test_a_request_is_booked_under_its_key_and_seen_by_it_and_its_makers_alone(stage):
    maker = stage.key("maker", "--may", "call", "--may", "keys")
    made = stage.ask(maker, {"name": "kid"}, "/v1/keys")
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    kid, other = made.json["secret"], stage.key("other")
    reply = stage.ask(kid)
    mine = f"/v1/requests/{reply.headers['x-rung-request-id']}"
    assert stage.get(mine, kid).json["key"] == made.json["key"]["id"]
    assert stage.get(mine, maker).status == 200
    unknown = stage.get("/v1/requests/nothing", other)
    assert stage.get(mine, other).status == unknown.status == 404
    right = {"request_id": reply.headers["x-rung-request-id"], "right": True}
    assert stage.ask(other, right, "/v1/feedback").status == 404
    assert stage.ask(kid, right, "/v1/feedback").status == 201
    reader = stage.key("reader", "--may", "read")
    assert stage.get(mine, reader).status == 200
    assert stage.get("/metrics", reader).status == 200
    assert stage.get("/metrics", other).status == 403
    assert stage.ask(reader).status == 403


def test_a_key_makes_keys_within_its_own_rights_and_ends_them(stage):
    maker = stage.key(
        "team", "--may", "call", "--may", "keys", "--usd-per-day", "5", "--ladder", "side"
    )
    assert stage.ask(maker, {"name": "x", "caps": {"day": 6}}, "/v1/keys").status == 403
    assert stage.ask(maker, {"name": "x", "ladders": ["default"]}, "/v1/keys").status == 403
    assert stage.ask(maker, {"name": "x", "may": ["read"]}, "/v1/keys").status == 403
    assert stage.ask(maker, {"name": "x", "parent": "k1"}, "/v1/keys").status == 400
    assert stage.ask(maker, {"name": "x", "ladders": ["sied"]}, "/v1/keys").status == 400
    kid = stage.ask(maker, {"name": "kid", "caps": {"day": "2"}}, "/v1/keys").json
    assert stage.ask(kid["secret"]).headers["x-rung-tier"] == "b"
    assert stage.ask(kid["secret"], {"name": "x"}, "/v1/keys").status == 403
    one = f"/v1/keys/{kid['key']['id']}"
    assert stage.get(one, maker).json["use"]["requests"] == 1
    rotated = stage.ask(maker, {"grace_seconds": 0}, f"{one}/rotate").json["secret"]
    assert [stage.ask(kid["secret"]).status, stage.ask(rotated).status] == [401, 200]
    stranger = stage.key("stranger", "--may", "call", "--may", "keys")
    assert stage.get(one, stranger).status == 404
    assert stage.ask(stranger, path=one, method="DELETE").status == 404
    assert stage.ask(maker, path=one, method="DELETE").json["state"] == "revoked"
    assert stage.ask(rotated).status == 401
    listed = stage.get("/v1/keys", maker).json["keys"]
    assert [each["name"] for each in listed] == ["team", "kid"]
    assert not SECRET.search(json.dumps(listed))


def test_whoever_is_revoked_takes_those_below_along(stage):
    maker = stage.key("boss", "--may", "call", "--may", "keys")
    kid = stage.ask(maker, {"name": "kid of boss"}, "/v1/keys").json["secret"]
    assert stage.ask(kid).status == 200
    stage.keys("revoke", "boss")
    took = until(lambda: stage.ask(kid).status == 401, 4)
    assert took < 3
    assert stage.ask(maker, {"name": "x"}, "/v1/keys").status == 401


def test_more_than_its_rate_is_told_when_to_come_back(stage):
    secret = stage.key("slow", "--requests-per-minute", "3")
    statuses = [stage.ask(secret).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    reply = stage.ask(secret)
    assert 1 <= int(reply.headers["retry-after"]) <= 120
    assert reply.json["error"]["code"] == "rate_limited"
    with (
        OpenAI(base_url=stage.gateway.base_url, api_key=secret, max_retries=0) as client,
        pytest.raises(Exception, match="3 requests a minute"),
    ):
        client.chat.completions.create(model="rung", messages=[{"role": "user", "content": "hi"}])


def test_tokens_a_minute_hold_for_what_was_used_and_for_what_never_fits(stage):
    secret = stage.key("few", "--tokens-per-minute", "100")
    large = stage.ask(secret, json.loads(chat("word " * 2000)))
    assert large.status == 429
    assert large.headers["x-should-retry"] == "false"
    usage = {"prompt_tokens": 60, "completion_tokens": 60, "total_tokens": 120}
    stage.tiers[0].say(text("Hello there.", usage=usage))
    assert stage.ask(secret).status == 200
    assert stage.ask(secret).status == 429


def test_caps_hold_for_a_key_and_for_all_below_it_together(stage):
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    stage.tiers[0].say(text("Hello there.", usage=usage))
    body = json.loads(chat()) | {"max_tokens": 1000}
    poor = stage.key("poor", "--usd-per-day", "0.005")
    refused = stage.ask(poor, body)
    assert refused.status == 402
    assert "poor" in refused.json["error"]["message"]
    top = stage.key("top", "--may", "call", "--may", "keys", "--usd-ever", "0.025")
    kids = [stage.ask(top, {"name": f"kid {n}"}, "/v1/keys").json["secret"] for n in range(3)]
    # Each call costs 0.01001; a third one could not be paid any more.
    assert [stage.ask(kid, body).status for kid in kids] == [200, 200, 402]
    assert stage.ask(top, body).status == 402


def test_two_sessions_of_one_name_are_two_conversations(stage):
    ids = set()
    for name in ("one", "two"):
        secret = stage.key(f"session {name}")
        sent = [("Authorization", f"Bearer {secret}"), ("x-session-id", "same")]
        reply = ask(stage.gateway.port, request(body=chat(), headers=sent))
        ids.add(stage.gateway.outcome(reply.headers["x-rung-request-id"]).request.conversation)
    assert len(ids) == 2


def test_a_key_that_is_bound_to_a_project_names_no_other(stage):
    secret = stage.key("bound", "--project", "shop")
    reply = stage.ask(secret)
    assert stage.gateway.outcome(reply.headers["x-rung-request-id"]).request.project == "shop"
    sent = [("Authorization", f"Bearer {secret}"), ("x-rung-project", "docs")]
    assert ask(stage.gateway.port, request(body=chat(), headers=sent)).status == 403
    with (
        OpenAI(base_url=stage.gateway.base_url, api_key=secret, max_retries=0) as client,
        pytest.raises(PermissionDeniedError),
    ):
        client.chat.completions.create(
            model="rung",
            messages=[{"role": "user", "content": "hi"}],
            extra_headers={"x-rung-project": "docs"},
        )


# ------------------------------------------------------------------ where it listens


def test_other_machines_may_connect_only_where_there_is_a_key(tmp_path, stage):
    config = toml(stage.tiers[0].base_url).replace("[server]", '[server]\nhost = "0.0.0.0"')
    (tmp_path / "rung.toml").write_text(config)
    refused = rung(tmp_path, "serve")
    assert refused.returncode == 2
    assert "no key is in force" in refused.stderr
    off = rung(tmp_path, "serve", "--config", _with(tmp_path, config, 'keys = "off"'))
    assert off.returncode == 2
    assert "`keys` is off" in off.stderr
    secret = json.loads(rung(tmp_path, "keys", "create", "first", "--json").stdout)["secret"]
    with Gateway(tmp_path, config) as gateway:
        gateway.process.until(re.compile(r"whoever shows a key \(1 in force\)"))
        open_to_all = Stage(gateway, stage.tiers)
        assert open_to_all.ask().status == 401
        assert open_to_all.ask(secret).status == 200
    rung(tmp_path, "keys", "revoke", "first")
    assert rung(tmp_path, "serve").returncode == 2


def test_a_projects_key_that_can_be_guessed_does_not_guard_an_open_address(tmp_path, stage):
    config = toml(stage.tiers[0].base_url, more='[projects.p]\nkey_env = ["P_KEY"]')
    (tmp_path / "rung.toml").write_text(config)
    weak = rung(tmp_path, "serve", "--host", "0.0.0.0", env={"P_KEY": "short"})
    assert weak.returncode == 2
    assert "can be guessed" in weak.stderr
    assert "short" not in weak.stderr


def test_a_gateway_without_keys_serves_this_machine_until_the_first_is_made(tmp_path, stage):
    with Gateway(tmp_path, toml(stage.tiers[0].base_url)) as gateway:
        here = Stage(gateway, stage.tiers)
        gateway.process.until(re.compile("everybody on this machine"))
        assert here.ask("anything").status == here.ask().status == 200
        assert here.ask(body={"name": "x"}, path="/v1/keys").status == 401
        secret = here.key("first")
        until(lambda: here.ask("anything").status == 401, 4)
        assert here.ask(secret).status == 200


def _with(folder, config: str, line: str) -> str:
    path = folder / "other.toml"
    path.write_text(config.replace("[server]", f"[server]\n{line}"))
    return str(path)


# ------------------------------------------------------------------ replicas


def test_what_one_replica_learns_of_a_key_all_of_them_know(tmp_path, stage, postgres_ledger):
    config = f'ledger = "{postgres_ledger}"\n' + toml(stage.tiers[0].base_url)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "rung.toml").write_text(config)
    made = rung(folders[0], "keys", "create", "m", "--may", "call", "--may", "keys", "--json")
    maker = json.loads(made.stdout)["secret"]
    with Gateway(folders[0], config) as first, Gateway(folders[1], config) as second:
        one, two = (Stage(gateway, stage.tiers) for gateway in (first, second))
        kid = one.ask(maker, {"name": "kid", "requests_per_minute": 5}, "/v1/keys").json
        assert two.ask(kid["secret"]).status == 200
        assert [one.ask(kid["secret"]).status for _ in range(3)] == [200] * 3
        # Each tells the other once a second; until then a few more than five may pass.
        until(lambda: two.ask(kid["secret"]).status == 429, 4)
        until(lambda: one.ask(kid["secret"]).status == 429, 4)
        place = f"/v1/keys/{kid['key']['id']}"
        assert one.ask(maker, path=place, method="DELETE").status == 200
        assert one.ask(kid["secret"]).status == 401
        assert until(lambda: two.ask(kid["secret"]).status == 401, 4) < 3
