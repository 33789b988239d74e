"""The gateway and a human in another process: feedback, waiting callers, the webhook."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from rung import ScriptedProvider
from rung.assemble import assemble
from rung.config import parse as parse_config
from rung.core.labels import Closing, InboxState
from rung.fittings import READY_MADE
from rung.server.door import Door
from rung.wire import chat as chats
from rung.wire import messages, responses
from support.gateway import Gateway, Upstream, Wire, ask, chat, let_in, parse, request, rung, toml
from support.openai_server import OpenAIServer, raw, text, whole

SCHEMA = {"type": "object", "required": ["total"], "additionalProperties": False}
SCHEMA["properties"] = {"total": {"type": "integer"}}
WANTED = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
FORMAT = {"type": "json_schema", "name": "sum", "schema": SCHEMA}
SAID = [{"role": "user", "content": "how much?"}]
GOOD = '{"total": 12}'
ENTRY = re.compile(r"[0-9a-f]{22}")

MORE = """
[ladders.patient]
tiers = ["a"]
wait_seconds = 60

[ladders.brief]
tiers = ["a"]
wait_seconds = 0.3
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A gateway over one server that never passes, and the server that is told of it."""
    with Upstream() as a, OpenAIServer(raw(whole(204, b""))) as hook:
        a.say(text("twelve"))
        folder = tmp_path_factory.mktemp("inbox")
        top = f'inbox_webhook = "{hook.base_url}/inbox"\n'
        with Gateway(folder, top + toml(a.base_url, more=MORE)) as gateway:
            yield gateway, hook


@pytest.fixture
def gateway(stage) -> Gateway:
    return stage[0]


@pytest.fixture
def hook(stage) -> OpenAIServer:
    stage[1].requests.clear()
    return stage[1]


@pytest.fixture
def pool():
    with ThreadPoolExecutor() as made:
        yield made


def asked(ladder: str, path: str = "/v1/chat/completions", **more: Any) -> bytes:
    body = chat(response_format=WANTED, **more)
    return request(path=path, body=body, headers=[("x-rung-ladder", ladder)])


def waits(hook: OpenAIServer, count: int = 1) -> str:
    """The id of what waits, as the webhook was told."""
    told = hook.wait_for_calls(count)[-1].json
    assert told["show"] == f"rung inbox show {told['id']}"
    return str(told["id"])


def by_hand(gateway: Gateway, *arguments: str) -> str:
    done = rung(gateway.folder, *arguments, "--config", str(gateway.config))
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ waiting callers


def test_a_caller_who_waits_gets_the_humans_answer(gateway, hook, pool) -> None:
    caller: Future[Any] = pool.submit(ask, gateway.port, asked("patient"))
    name = waits(hook)
    assert not caller.done()
    by_hand(gateway, "inbox", "answer", name, "--text", GOOD, "--by", "ann")
    reply = caller.result(30)
    assert reply.status == 200
    assert reply.json["choices"][0]["message"]["content"] == GOOD
    assert reply.headers["x-rung-tier"] == "human"
    assert reply.headers["x-rung-verified"] == "true"
    stored = gateway.outcome(name)
    assert [attempt.tier for attempt in stored.history] == ["a"]
    assert (stored.served, stored.closing.by, stored.closing.text) == (None, "ann", GOOD)
    told = ask(gateway.port, request("GET", f"/v1/requests/{name}")).json
    assert (told["human"]["text"], told["labels"][0]["right"]) == (GOOD, False)


def test_a_stream_that_waits_gets_the_humans_answer(gateway, hook, pool) -> None:
    with Wire(gateway.port) as wire:
        wire.send(asked("patient", stream=True))
        name = waits(hook)
        by_hand(gateway, "inbox", "answer", name, "--text", GOOD)
        reply = parse(wire.rest())
    assert (reply.status, reply.text, reply.events[-1]) == (200, GOOD, b"[DONE]")
    assert reply.headers["x-rung-tier"] == "human"


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (
            "/v1/messages",
            {"max_tokens": 64, "messages": SAID, "output_config": {"format": FORMAT}},
            lambda told: told["content"][0]["text"],
        ),
        (
            "/v1/responses",
            {"input": SAID, "text": {"format": FORMAT}},
            lambda told: told["output"][0]["content"][0]["text"],
        ),
    ],
)
def test_callers_of_other_dialects_get_it_in_theirs(gateway, hook, pool, path, body, found):
    data = json.dumps({"model": "rung", **body}).encode()
    headers = [("x-rung-ladder", "patient")]
    caller = pool.submit(ask, gateway.port, request(path=path, body=data, headers=headers))
    by_hand(gateway, "inbox", "answer", waits(hook), "--text", GOOD)
    reply = caller.result(30)
    assert (reply.status, found(reply.json)) == (200, GOOD)


def test_an_accepted_draft_comes_flagged(gateway, hook, pool) -> None:
    caller = pool.submit(ask, gateway.port, asked("patient"))
    by_hand(gateway, "inbox", "answer", waits(hook), "--accept", "1")
    reply = caller.result(30)
    assert reply.json["choices"][0]["message"]["content"] == "twelve"
    assert (reply.headers["x-rung-tier"], reply.headers["x-rung-verified"]) == ("human", "false")


def test_a_dismissal_is_the_422_at_once(gateway, hook, pool) -> None:
    caller = pool.submit(ask, gateway.port, asked("patient"))
    by_hand(gateway, "inbox", "dismiss", waits(hook), "--note", "a test")
    reply = caller.result(30)
    assert (reply.status, reply.json["error"]["code"]) == (422, "unverified")
    assert "inbox" not in reply.json["error"]["message"]


@pytest.mark.parametrize("ladder", ["default", "brief"])
def test_a_caller_whose_patience_ends_gets_the_422_and_the_entry_stays(gateway, hook, ladder):
    reply = ask(gateway.port, asked(ladder))
    assert reply.status == 422
    name = ENTRY.search(reply.json["error"]["message"])[0]
    by_hand(gateway, "inbox", "answer", name, "--text", GOOD)
    assert gateway.outcome(name).closing.verified is True


def test_a_caller_who_leaves_while_waiting_leaves_the_entry_open(gateway, hook) -> None:
    with Wire(gateway.port) as wire:
        wire.send(asked("patient"))
        name = waits(hook)
    by_hand(gateway, "inbox", "answer", name, "--text", GOOD)
    assert gateway.outcome(name).closing.answered


def test_a_gateway_that_is_stopped_sends_waiting_callers_home(tmp_path, pool) -> None:
    with Upstream() as a:
        a.say(text("twelve"))
        config = toml(a.base_url, ladder="wait_seconds = 600")
        with Gateway(tmp_path, config) as gateway:
            caller = pool.submit(ask, gateway.port, request(body=chat(response_format=WANTED)))
            gateway.booked(1)
            assert gateway.stop(10) == 0
            assert caller.result(10).status == 422


def test_the_webhook_hears_no_word_of_the_request(gateway, hook) -> None:
    ask(gateway.port, request(body=chat("the secret question", response_format=WANTED)))
    (call,) = hook.wait_for_calls(1)
    assert b"secret" not in call.body
    assert b"twelve" not in call.body
    assert (call.json["ladder"], call.json["failed"]) == ("default", ["json_schema"])


# ------------------------------------------------------------------ feedback


def feedback(gateway: Gateway, given: Any) -> Any:
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return ask(gateway.port, request(path="/v1/feedback", body=body))


@pytest.fixture
def served(gateway) -> str:
    return str(ask(gateway.port, request(body=chat())).headers["x-rung-request-id"])


def test_feedback_is_a_label_of_the_served_answer(gateway, served) -> None:
    first = feedback(gateway, {"request_id": served, "right": True, "note": "it ran"})
    assert (first.status, first.json["attempt"], first.json["source"]) == (201, 0, "feedback")
    again = feedback(gateway, {"request_id": served, "right": True, "note": "it ran"})
    assert (again.status, again.json) == (200, first.json)
    audit = {"request_id": served, "right": False, "source": "audit", "attempt": 0, "by": "nightly"}
    assert feedback(gateway, audit).status == 201
    stored = gateway.outcome(served).labels
    assert [(each.right, each.source.value) for each in stored] == [
        (True, "feedback"),
        (False, "audit"),
    ]


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"request_id": "nobody"}, 404, "request_id"),
        ({"request_id": ""}, 400, "request_id"),
        ({"request_id": 7}, 400, "request_id"),
        ({"right": None}, 400, "right"),
        ({"right": "yes"}, 400, "right"),
        ({"source": "rumour"}, 400, "source"),
        ({"attempt": 1}, 400, "attempt"),
        ({"attempt": -1}, 400, "attempt"),
        ({"attempt": "0"}, 400, "attempt"),
        ({"note": "x" * 5000}, 400, "note"),
        ({"rating": 5}, 400, None),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(gateway, served, change, status, param) -> None:
    reply = feedback(gateway, {"request_id": served, "right": True, **change})
    assert (reply.status, reply.json["error"]["param"]) == (status, param)
    assert reply.json["error"]["message"]
    assert gateway.outcome(served).labels == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"right": true}', b"\xff" * 9, b"null"])
def test_feedback_that_is_no_object_is_refused(gateway, body) -> None:
    reply = feedback(gateway, body)
    assert reply.status == 400
    assert len(reply.json["error"]["message"]) < 300


# ------------------------------------------------------------------ streams that wait for long


FRONTS = [
    (chats.FRONT, {"response_format": WANTED}, b"[DONE]"),
    (messages.FRONT, {"max_tokens": 64, "output_config": {"format": FORMAT}}, b"message_stop"),
    (responses.FRONT, {"text": {"format": FORMAT}}, b"response.completed"),
]


@pytest.mark.parametrize(("front", "more", "end"), FRONTS, ids=["chat", "messages", "responses"])
async def test_a_long_wait_on_a_stream_is_filled_with_heartbeats(tmp_path, front, more, end):
    ladder = f'ledger = "l.db"\n[tiers.a]\nprovider = "{READY_MADE}"\n[ladders.default]\n'
    found = parse_config(f'{ladder}tiers = ["a"]\nwait_seconds = 60', tmp_path / "rung.toml", {})
    parts = assemble(found, ready={"a": ScriptedProvider("twelve")})
    door = Door(front, parts.intake, heartbeat_seconds=0.02)
    field = "input" if front is responses.FRONT else "messages"
    body = json.dumps({"model": "rung", "stream": True, field: SAID, **more}).encode()
    heard: list[bytes] = []
    arriving = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        return next(arriving, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        heard.append(message.get("body", b""))
        if len(heard) == 4:
            (item,) = parts.ledger.inbox_items()
            closed = Closing(item.request_id, InboxState.ANSWERED, 1.0, GOOD, verified=True)
            await asyncio.to_thread(parts.ledger.close_entry, closed)

    await door(let_in(), receive, send)
    await parts.close()
    assert b"".join(heard[1:4]) == front.heartbeat * 3
    told = b"".join(heard[4:]).replace(front.heartbeat, b"")
    assert json.dumps(GOOD)[1:-1].encode() in told
    assert end in told
