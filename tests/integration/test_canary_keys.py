"""Keys planted in every place where one can be, and looked for in all that real processes write.

Each place has a key of its own, of no provider's shape, so that nothing finds it by its looks. It
counts as found whole, by its beginning or its end, percent-encoded, in hex or in base64.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from rung.cli.main import COMMANDS
from rung.core.rights import May
from rung.ledger import Ledger
from rung.ledger.keys import add as add_key
from rung.minting import Asked, Known, mint
from support.collector import Collector
from support.gateway import Gateway, Reply, Upstream, ask, chat, request, rung, toml
from support.openai_server import (
    Call,
    OpenAIServer,
    Step,
    chunk,
    raw,
    stream,
    text,
    whole,
)
from support.postgres import GUARDED, PASSWORD

PART = 10
"""As much of a key's beginning or end is too much."""

BODY_KEY = "sk-ant-api03-Zx8Cv7Bn6Mq5Ws4Ed3Rf2Tg1Yh0Uj9Ik8Ol7Pa-AA"
"""In the text of requests a key can only be told by its shape."""


def forms(key: str) -> set[bytes]:
    """What of a key must be nowhere."""
    plain = key.encode()
    found = {plain, plain[:PART], plain[-PART:], quote(key, safe="").encode(), plain.hex().encode()}
    for shift in range(3):
        # In base64 the same bytes look three ways, by where they begin; the edges depend on others.
        coded = base64.b64encode(b"\0" * shift + plain)
        found.add(coded[4:-4])
    return found


@dataclass
class Planted:
    """Keys by where they were put, and what was written by where it was found."""

    keys: dict[str, str] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)

    def key(self, place: str) -> str:
        """A new key for a place; never one that could be told by its shape."""
        return self.keys.setdefault(place, f"cn{secrets.token_hex(18)}")

    def keep(self, name: str, data: bytes | str) -> None:
        self.written[name] = data.encode() if isinstance(data, str) else data

    def hits(self, where: Mapping[str, bytes] | None = None) -> list[str]:
        """Which key was found where."""
        looked = self.written if where is None else where
        return sorted(
            f"{place} in {name}"
            for place, key in self.keys.items()
            for name, data in looked.items()
            if any(form in data for form in forms(key))
        )


# ------------------------------------------------------------------ providers that echo


def told(call: Call) -> str:
    """All that a provider was told of keys, in words."""
    heads = "; ".join(f"{name}: {value}" for name, value in call.headers.items())
    return f"your request was {heads} at {call.path}"


def refusal(call: Call) -> list[Step]:
    error = {"message": told(call), "type": "invalid_request_error", "code": told(call)}
    return [whole(401, json.dumps({"error": error}).encode(), headers={"x-echo": told(call)})]


def plain_refusal(call: Call) -> list[Step]:
    return [whole(500, told(call).encode(), content_type="text/html")]


def error_inside(call: Call) -> list[Step]:
    return [whole(200, json.dumps({"error": {"message": told(call), "code": 429}}).encode())]


def model_name(call: Call) -> list[Step]:
    answer = json.loads(next(iter(text("hello")(call))).partition(b"\r\n\r\n")[2])
    key = call.headers.get("authorization", "").rpartition(" ")[2]
    return [whole(200, json.dumps(answer | {"model": f"m-{key}", "id": key}).encode())]


def redirect(call: Call) -> list[Step]:
    return [whole(302, b"", headers={"location": f"http://127.0.0.1:9/?{told(call)}"})]


def broken_stream(call: Call) -> Iterable[Step]:
    said = {"error": {"message": told(call), "type": "server_error"}}
    return stream(chunk({"content": "hel"}), said)(call)


ECHOES = (refusal, plain_refusal, error_inside, redirect)


# ------------------------------------------------------------------ the stage


@dataclass
class Stage:
    planted: Planted
    gateway: Gateway
    tiers: dict[str, Upstream]
    collector: Collector
    hooks: OpenAIServer
    env: dict[str, str]

    def post(self, *headers: tuple[str, str], path: str = "", body: bytes | None = None) -> Reply:
        """One request with a key in every header that could hold one."""
        key = self.planted.key
        more = [
            ("authorization", f"Bearer {key('a client, in authorization')}"),
            ("cookie", f"session={key('a cookie')}"),
            ("proxy-authorization", f"Basic {key('proxy-authorization')}"),
            ("x-goog-api-key", key("a header of another provider's")),
            ("idempotency-key", f"{key('Idempotency-Key')}-{secrets.token_hex(2)}"),
            ("traceparent", f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"),
            ("tracestate", f"vendor={key('tracestate')}"),
            ("user-agent", f"client/{key('user-agent')}"),
        ]
        given = {name for name, _ in headers}
        more = [*headers, *(each for each in more if each[0] not in given)]
        where = f"/v1/chat/completions?key={key('the query of a request')}"
        sent = request(path=path or where, body=body or chat(), headers=more)
        reply = ask(self.gateway.port, sent)
        self.planted.keep(f"response {len(self.planted.written)}", reply.raw)
        return reply

    def get(self, path: str) -> Reply:
        shown = [("authorization", f"Bearer {self.planted.key('a client, in authorization')}")]
        reply = ask(self.gateway.port, request("GET", path, headers=shown))
        self.planted.keep(f"GET {path}, {reply.status}", reply.raw)
        return reply

    def run(self, *command: str) -> None:
        done = rung(self.gateway.folder, *command, env=self.env)
        self.planted.keep(f"rung {' '.join(command)}", done.stdout + done.stderr)


def config(planted: Planted, tiers: Mapping[str, Upstream], hook: str, collector: str) -> str:
    def at(base: str, place: str) -> str:
        return base.replace("http://", f"http://user:{planted.key(f'password in {place}')}@")

    hooked = f"{at(hook, 'inbox_webhook')}/{planted.key('path of inbox_webhook')}"
    spent = f"{at(hook, 'spending.webhook')}/?k={planted.key('query of spending.webhook')}"
    collecting = at(collector, "otlp_endpoint")
    return f"""
inbox_webhook = "{hooked}"
[tiers.keyed]
provider = "openai_compatible"
model = "m"
base_url = "{tiers["keyed"].base_url}"
api_key_env = "TIER_KEY"
price = {{ input_usd_per_mtok = 1, output_usd_per_mtok = 10 }}
retries = 0
[tiers.login]
provider = "openai_compatible"
model = "m"
base_url = "{at(tiers["login"].base_url, "base_url")}"
price = "free"
retries = 0
[tiers.claude]
provider = "anthropic"
model = "m"
base_url = "{tiers["claude"].base_url}"
api_key_env = "CLAUDE_KEY"
price = "free"
retries = 0
[tiers.ollama]
provider = "ollama"
model = "m"
base_url = "{at(tiers["login"].base_url, "an Ollama base_url")}"
[ladders.default]
tiers = ["keyed", "login", "claude"]
[ladders.raising]
tiers = ["keyed"]
verify = ["raising"]
on_exhausted = "inbox"
[ladders.shape]
tiers = ["keyed"]
verify = ["shape"]
on_exhausted = "error"
[verifiers.raising]
kind = "python"
function = "canary_checks:raising"
[verifiers.shape]
kind = "json_schema"
schema = "canary.json"
[projects.shop]
key_env = ["SHOP_KEY"]
[breakers]
off = true
[spending]
webhook = "{spent}"
[server]
port = 0
[telemetry]
logs = "json"
otlp_endpoint = "{collecting}"
"""


CHECKS = """
import os

def raising(text):
    raise RuntimeError("it was " + os.environ["TIER_KEY"])
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    planted = Planted()
    folder: Path = tmp_path_factory.mktemp("canaries")
    (folder / "canary_checks.py").write_text(CHECKS)
    (folder / "canary.json").write_text('{"enum": ["yes", "no"]}')
    headers = f"authorization=Bearer%20{planted.key('OTLP header')},x-k={planted.key('OTLP key')}"
    env = {
        "TIER_KEY": planted.key("a provider's key"),
        "CLAUDE_KEY": planted.key("another provider's key"),
        "SHOP_KEY": planted.key("a project's key"),
        "OPENAI_API_KEY": planted.key("a key that nobody uses"),
        "OTEL_EXPORTER_OTLP_HEADERS": headers,
        "RUNG_LEDGER_PASSWORD": planted.key("the ledger's password"),
        "PGPASSWORD": planted.key("PGPASSWORD"),
        "PYTHONPATH": str(folder),
    }
    with ExitStack() as opened:
        tiers = {name: opened.enter_context(Upstream()) for name in ("keyed", "login", "claude")}
        hooks = opened.enter_context(OpenAIServer(raw(whole(200, b"{}"))))
        collector = opened.enter_context(Collector())
        written = config(planted, tiers, hooks.base_url, collector.url)
        gateway = opened.enter_context(Gateway(folder, written, env=env))
        yield Stage(planted, gateway, tiers, collector, hooks, env)


def all_say(stage: Stage, *replies) -> None:
    for tier in stage.tiers.values():
        tier.say(*replies)


# ------------------------------------------------------------------ the test


@pytest.mark.slow
def test_no_key_is_in_anything_that_rung_writes(stage):
    planted = stage.planted
    requests_of(stage)
    pages_of(stage)
    virtual_keys_of(stage)
    commands_of(stage)
    stage.gateway.stop()
    planted.keep("standard error", stage.gateway.process.err)
    planted.keep("standard output", stage.gateway.process.out)
    for path in sorted(stage.gateway.folder.rglob("*")):
        if path.is_file() and not path.name.startswith(OURS):
            planted.keep(path.name, path.read_bytes())
    for call in stage.collector.requests:
        planted.keep(f"spans {len(planted.written)}", call.body)
    for call in stage.hooks.requests:
        planted.keep(f"webhook {len(planted.written)}", call.body)
    looked_at_enough(stage)
    found = planted.hits()
    assert not found, "\n".join(found)
    assert BODY_KEY.encode() not in b"".join(
        data for name, data in planted.written.items() if not name.startswith("response")
    )
    sent_to_others(stage)


def requests_of(stage: Stage) -> None:
    """Requests that end in every way, with keys in all of their headers."""
    for echo in ECHOES:
        all_say(stage, echo)
        stage.post()
        stage.post(body=chat(stream=True))
    all_say(stage, broken_stream)
    stage.post(body=chat(stream=True))
    for name in ("keyed", "login"):
        all_say(stage, model_name)
        stage.post(("x-rung-tier", name))
    all_say(stage, text("hello"))
    stage.post()
    stage.post(("x-api-key", stage.planted.key("a client, in x-api-key")))
    stage.post(("authorization", f"Bearer {stage.env['SHOP_KEY']}"))
    two = ("authorization", f"Bearer {stage.env['SHOP_KEY']}"), ("x-rung-project", "other")
    stage.post(*two)
    stage.post(("x-rung-ladder", "raising"))
    for broken in (b"{", b'{"model": 7}', json.dumps({"api_key": stage.env["TIER_KEY"]}).encode()):
        stage.post(body=broken)
    stage.post(path="/v1/messages", body=chat(max_tokens=9))
    stage.post(path="/v1/embeddings", body=b'{"model": "x", "input": "y"}')
    stage.post(("x-rung-nonsense", stage.planted.key("a header that there is none of")))
    body_keys(stage)


def body_keys(stage: Stage) -> None:
    """A key in the text of a request, which the provider quotes in answers and errors."""
    said = f"my key is {BODY_KEY}, is it safe?"
    all_say(stage, text(json.dumps(f"no: {BODY_KEY} is not")))
    assert stage.post(body=chat(said)).status == 200
    assert stage.post(("x-rung-ladder", "shape"), body=chat(said)).status == 422
    error = json.dumps({"error": {"message": f"cannot read: {said}"}}).encode()
    all_say(stage, raw(whole(400, error)))
    stage.post(body=chat(said))


def pages_of(stage: Stage) -> None:
    for tier in stage.tiers.values():
        tier.say(refusal)
    ids = [outcome.request.id for outcome in stage.gateway.outcomes()]
    assert len(ids) >= 12
    for path in ("/", "/metrics", "/healthz", "/readyz", "/v1/models", "/api/tags", "/v1/keys"):
        stage.get(path)
    for each in ids:
        assert stage.get(f"/v1/requests/{each}").status == 200


def virtual_keys_of(stage: Stage) -> None:
    """Keys that rung itself makes: told once, to whoever asked for them."""
    stage.planted.keys["a virtual key"] = first = made_key(stage, "first", [*May])
    all_say(stage, text("hello"))

    def with_key(key: str, *more: str, body: bytes | None = None) -> Reply:
        return stage.post(("authorization", f"Bearer {key}"), *more, body=body)

    def about_keys(method: str, path: str, body: bytes | None = None) -> Reply:
        """Its answer is the one place where a new secret may be: the caller keeps it apart."""
        shown = [("x-api-key", first)]
        return ask(stage.gateway.port, request(method, path, body, headers=shown))

    assert with_key(first).status == 200
    made = about_keys("POST", "/v1/keys", b'{"name": "child"}').json
    stage.planted.keys["a virtual key's child"] = made["secret"]
    assert with_key(made["secret"]).status == 200
    child = f"/v1/keys/{made['key']['id']}"
    rotated = about_keys("POST", f"{child}/rotate", b"{}").json
    stage.planted.keys["a rotated virtual key"] = rotated["secret"]
    assert with_key(rotated["secret"]).status == 200
    for path in ("/v1/keys", child, "/metrics", "/readyz", "/v1/models"):
        stage.planted.keep(f"GET {path} by key", about_keys("GET", path).raw)
    stage.planted.keep("DELETE of a key", about_keys("DELETE", child).raw)
    for refused in (rotated["secret"], first[:-1], f"{first}x", first * 100):
        assert with_key(refused).status in {401, 431}
    assert stage.get("/metrics").status == 401
    all_say(stage, refusal)
    with_key(first)
    with_key(first, body=b'{"model": 7}')


def made_key(stage: Stage, name: str, may: list[May]) -> str:
    """A key of the operator's own making."""
    made = mint(Asked(name=name, may=may), Known((), ()), None, time.time())
    with Ledger.open(stage.gateway.ledger) as ledger:
        assert ledger.enqueue(lambda connection: add_key(connection, made.key)).result(10) is None
    return made.secret


OURS = ("rung.toml", "broken", "canary")
"""Files that the test itself wrote."""

COMMANDS_RUN = (
    ("config", "show"),
    ("config", "show", "--json"),
    ("config", "check"),
    ("doctor",),
    ("doctor", "--json"),
    ("bill",),
    ("bill", "--json"),
    ("bill", "--by", "key"),
    ("explain", "--json"),
    ("inbox", "list", "--json"),
    ("inbox", "export"),
    ("private", "report", "--json"),
    ("conversation", "--json"),
    ("verifiers", "--json"),
    ("repairs", "--json"),
    ("keys", "list", "--json"),
    ("budget", "show", "--json"),
    ("ledger", "check", "--json"),
    ("ledger", "info", "--json"),
    ("ledger", "export", "out.jsonl"),
    ("ledger", "export", "out.csv"),
    ("ledger", "export", "out.parquet"),
    ("probe", "keyed", "--yes", "--json"),
    ("init", "--path", "found.toml"),
    ("ask", "hello", "--tier", "keyed"),
    ("ask", "hello", "--tier", "login", "--json"),
)

BROKEN = (
    "base_url = 7\n",
    '[telemetry]\notlp_endpoint = "ftp://u:{}@127.0.0.1"\n',
    '[tiers.x]\nprovider = "openai_compatible"\nmodel = "m"\nbase_url = "ftp://u:{}@h"\n',
    'ledger = ["postgresql://u:{}@h/db"]\n',
    'ledger = "postgresql://u:{}@127.0.0.1:9/db"\n',
    'inbox_webhook = "ftp://u:{}@h"\n',
    '[tiers.x]\nprovider = "openai"\nmodel = "m"\napi_key = "{}"\n',
    'ledger = "{}\n',
)
"""Files that are no configuration, each with a key where somebody may put one."""


def commands_of(stage: Stage) -> None:
    for command in COMMANDS_RUN:
        known = COMMANDS.get(command[0])
        if known is None or (known.parts and command[1] not in known.parts):
            continue
        stage.run(*command)
    for number, broken in enumerate(BROKEN):
        path = stage.gateway.folder / f"broken{number}.toml"
        key = stage.planted.key(f"broken configuration {number}")
        tail = '[ladders.default]\ntiers = ["e"]\n[tiers.e]\nprovider = "embedded"\n'
        path.write_text(broken.format(key) + tail)
        command = ("config", "check") if number % 2 else ("doctor",)
        stage.run(*command, "--config", str(path))


def looked_at_enough(stage: Stage) -> None:
    """What was looked through is what it should be."""
    written = stage.planted.written
    assert any(name.startswith("ledger.db") for name in written)
    assert sum(name.startswith("spans") for name in written) >= 1
    assert sum(name.startswith("webhook") for name in written) >= 1
    assert re.search(rb'"event":"request"', written["standard error"])
    commands = {name: data for name, data in written.items() if name.startswith("rung ")}
    assert [name for name, data in commands.items() if b"Traceback" in data] == []
    assert b"rung_requests_total{" in written["GET /metrics, 200"]
    assert b"[key]" in b"".join(written.values())
    with sqlite3.connect(stage.gateway.ledger) as ledger:
        [(count,)] = ledger.execute("SELECT count(*) FROM attempts")
    assert count >= 20


def sent_to_others(stage: Stage) -> None:
    """A provider is told its own key and no other's; keys of clients go nowhere."""
    own = {
        "keyed": {"a provider's key"},
        "login": {"password in base_url", "password in an Ollama base_url"},
        "claude": {"another provider's key"},
    }
    for name, tier in stage.tiers.items():
        heard = b"\n".join(
            json.dumps([call.path, call.headers]).encode() + call.body for call in tier.requests
        )
        found = {hit.rpartition(" in ")[0] for hit in stage.planted.hits({name: heard})}
        assert found <= own[name]


# ------------------------------------------------------------------ a database's password


@pytest.mark.slow
def test_a_databases_password_is_in_nothing_that_rung_writes(own_postgres, tmp_path):
    """In the environment, in the URL, wrong, and while the database goes and comes back."""
    planted = Planted(keys={"the environment": PASSWORD})
    name = own_postgres.fresh()
    url = own_postgres.url(name, user=GUARDED)
    bad = planted.key("a wrong password")
    with Upstream() as tier:
        tier.say(text("hello"))
        written = toml(tier.base_url, more='[telemetry]\nlogs = "json"')
        env = {"RUNG_LEDGER_PASSWORD": PASSWORD}
        in_url = url.replace(f"{GUARDED}@", f"{GUARDED}:{PASSWORD}@")
        wrong = url.replace(f"{GUARDED}@", f"{GUARDED}:{bad}@")
        with Gateway(tmp_path, f'ledger = "{url}"\n{written}', env=env) as gateway:
            assert ask(gateway.port, request(body=chat())).status == 200
            own_postgres.kill()
            for path in ("/v1/requests/01", "/metrics", "/readyz"):
                planted.keep(path, ask(gateway.port, request("GET", path)).raw)
            planted.keep("away", ask(gateway.port, request(body=chat())).raw)
            commands(planted, tmp_path, gateway.config, env)
            own_postgres.start()
            planted.keep("back", ask(gateway.port, request(body=chat())).raw)
        planted.keep("its log", gateway.said)
    assert b"ledger" in planted.written["its log"]
    for place, given in (("in its URL", in_url), ("wrong", wrong)):
        path = tmp_path / f"{place}.toml"
        path.write_text(f'ledger = "{given}"\n{written}')
        commands(planted, tmp_path, path, {})
    found = planted.hits()
    assert not found, "\n".join(found)


def commands(planted: Planted, folder: Path, path: Path, env: Mapping[str, str]) -> None:
    for command in (("config", "show"), ("doctor",), ("bill",), ("bill", "--json")):
        done = rung(folder, *command, "--config", str(path), env=env)
        planted.keep(f"rung {command} --config {path}", done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
