"""The gateway as a process, plain answers: what goes up, what comes back, what is booked."""

import asyncio
import json

import pytest

from support.gateway import Gateway, Upstream, Wire, ask, chat, fetch, request, rung, toml
from support.openai_server import raw, slow, status, text, whole

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WANTED = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
GOOD = '{"name": "Ada", "age": 36}'
WRONG = '{"name": "Ada", "age": "thirty-six"}'

PRICED = "[tiers.{0}.price]\ninput_usd_per_mtok = 1.0\noutput_usd_per_mtok = {1}"
MORE = """
[verifiers.object]
kind = "json_schema"
schema = {type = "object"}

[ladders.checked]
tiers = ["a", "b"]
verify = ["object"]

[ladders.lenient]
tiers = ["a", "b"]
on_exhausted = "best"

[ladders.single]
tiers = ["a"]
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A gateway over two servers, a below b."""
    with Upstream() as a, Upstream() as b:
        config = toml(a.base_url, b.base_url, more=MORE)
        with Gateway(tmp_path_factory.mktemp("chat"), config) as gateway:
            yield gateway, a, b


@pytest.fixture
def gateway(stage):
    return stage[0]


@pytest.fixture
def a(stage):
    stage[1].say(text("from a"))
    return stage[1]


@pytest.fixture
def b(stage):
    stage[2].say(text("from b"))
    return stage[2]


def post(gateway, body=None, **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ask(gateway.port, request(body=chat() if body is None else body, headers=named))


def attempted(gateway, reply):
    """The tiers that the ledger says were called for a request, in order."""
    outcome = gateway.outcome(reply.headers["x-rung-request-id"])
    return [attempt.tier for attempt in outcome.history]


# ------------------------------------------------------------------ through and back


def test_the_providers_own_bytes_come_back(gateway, a, b):
    odd = b'{ "choices" : [{"message":{"content":"\\u0068i"},"extra":[1.50]}] ,\t"x":1}\n'
    a.say(raw(whole(200, odd)))
    reply = post(gateway)
    assert (reply.status, reply.body) == (200, odd)
    assert b.calls == []


def test_the_callers_bytes_go_on_but_for_the_model(gateway, a, b):
    body = (
        b'{\n  "x_vendor": {"k": [1.50, 1e3, null]},  "messages" :[{"role":"user",'
        b'"content":"caf\\u00e9 \xc3\xa9","cache_control":{"type":"ephemeral"}}],\t"model":"gpt-9",'
        b'"temperature":0.70,"metadata":{"a":"model"}}\r\n'
    )
    assert post(gateway, body).status == 200
    assert a.calls[0].body == body.replace(b'"gpt-9"', b'"model-a"')


def test_only_rungs_own_headers_go_on(gateway, a, b):
    sent = {"authorization": "Bearer the-clients-own", "cookie": "c=1", "openai_organization": "o"}
    assert post(gateway, **sent).status == 200
    told = json.dumps(a.calls[0].headers)
    assert "the-clients-own" not in told
    assert "c=1" not in told
    assert a.calls[0].path == "/v1/chat/completions"


def test_the_headers_tell_who_answered(gateway, a, b):
    told = post(gateway).headers
    assert told["x-rung-tier"] == "a"
    assert told["x-rung-model"] == "scripted-1"
    assert told["x-rung-attempts"] == "1"
    assert told["x-rung-verified"] == "none"
    assert told["x-rung-cost-usd"] == "0.000000000"
    assert told["x-request-id"] == told["x-rung-request-id"]


async def test_many_at_once_each_get_their_own(gateway, a, b):
    a.say(lambda call: text(f"echo {call.json['messages'][0]['content']}")(call))
    prompts = [f"prompt {n}" for n in range(60)]
    replies = await asyncio.gather(
        *(fetch(gateway.port, request(body=chat(prompt))) for prompt in prompts)
    )
    said = [reply.json["choices"][0]["message"]["content"] for reply in replies]
    assert said == [f"echo {prompt}" for prompt in prompts]
    ids = {reply.headers["x-rung-request-id"] for reply in replies}
    assert len(ids) == 60
    assert ids <= {outcome.request.id for outcome in gateway.outcomes()}


def test_one_connection_serves_one_request_after_the_other(gateway, a, b):
    kept = request(body=chat()).replace(b"Connection: close\r\n", b"")
    with Wire(gateway.port) as wire:
        for _ in range(3):
            wire.heard = b""
            wire.send(kept).until(b"from a")


# ------------------------------------------------------------------ climbing


def test_an_answer_that_breaks_the_requests_schema_is_replaced_by_the_next_tiers(gateway, a, b):
    a.say(text(WRONG))
    b.say(text(GOOD))
    reply = post(gateway, chat(response_format=WANTED))
    assert reply.status == 200
    assert json.loads(reply.json["choices"][0]["message"]["content"]) == {"name": "Ada", "age": 36}
    told = reply.headers
    assert (told["x-rung-tier"], told["x-rung-attempts"], told["x-rung-verified"]) == (
        "b",
        "2",
        "true",
    )
    assert b"thirty" not in reply.raw


def test_the_ledger_counts_what_the_servers_counted(gateway, a, b):
    a.say(text(WRONG), text(GOOD), text("no json"))
    b.say(text(GOOD))
    body = chat(response_format=WANTED)
    replies = [post(gateway, body) for _ in range(3)]
    assert [attempted(gateway, reply) for reply in replies] == [["a", "b"], ["a"], ["a", "b"]]
    assert (len(a.calls), len(b.calls)) == (3, 2)
    usages = [
        (attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.usage.source.value)
        for reply in replies
        for attempt in gateway.outcome(reply.headers["x-rung-request-id"]).history
    ]
    assert usages == [(10, 5, "provider")] * 5


def test_explain_says_in_words_why_it_climbed(gateway, a, b):
    a.say(text(WRONG))
    b.say(text(GOOD))
    reply = post(gateway, chat(response_format=WANTED))
    told = rung(gateway.folder, "explain", reply.headers["x-rung-request-id"])
    assert told.returncode == 0
    assert "Its answer was turned down (json_schema failed), so it climbed to b." in told.stdout
    assert "No check spoke against it: it was served, verified." in told.stdout
    assert "thirty-six" in told.stdout or "integer" in told.stdout


def test_the_same_is_told_over_http(gateway, a, b):
    a.say(text(WRONG))
    b.say(text(GOOD))
    name = post(gateway, chat(response_format=WANTED)).headers["x-rung-request-id"]
    over_http = ask(gateway.port, request("GET", f"/v1/requests/{name}")).json
    by_command = json.loads(rung(gateway.folder, "explain", name, "--json").stdout)
    assert over_http == by_command
    assert [attempt["tier"] for attempt in over_http["attempts"]] == ["a", "b"]
    assert over_http["attempts"][0]["verdicts"][-1]["passed"] is False


def test_a_configured_verifier_gates_its_ladder_only(gateway, a, b):
    a.say(text("prose"))
    b.say(text("{}"))
    assert post(gateway).headers["x-rung-tier"] == "a"
    checked = post(gateway, x_rung_ladder="checked")
    assert (checked.headers["x-rung-tier"], checked.headers["x-rung-verified"]) == ("b", "true")
    named = post(gateway, x_rung_verify="object")
    assert (named.headers["x-rung-tier"], named.headers["x-rung-verified"]) == ("b", "true")


def test_an_empty_answer_climbs(gateway, a, b):
    a.say(text(""))
    assert post(gateway).headers["x-rung-tier"] == "b"


def test_a_refusal_climbs_and_is_served_where_nothing_is_above(gateway, a, b):
    refused = text("I'm sorry, but I can't help with that.")
    a.say(refused)
    assert post(gateway).headers["x-rung-tier"] == "b"
    b.say(refused)
    reply = post(gateway)
    assert (reply.status, reply.headers["x-rung-tier"]) == (200, "b")


# ------------------------------------------------------------------ nothing passed


def test_nothing_passed_is_a_422_that_names_the_inbox(gateway, a, b):
    a.say(text(WRONG))
    b.say(text("no json at all"))
    reply = post(gateway, chat(response_format=WANTED))
    assert reply.status == 422
    error = reply.json["error"]
    assert (error["type"], error["code"]) == ("unverified", "unverified")
    name = reply.headers["x-rung-request-id"]
    assert error["request_id"] == name
    assert name in error["message"]
    assert "json_schema failed" in error["message"]
    assert "Tried: a, b." in error["message"]
    assert "inbox" in error["message"]
    assert reply.headers["x-rung-verified"] == "false"
    assert "x-rung-tier" not in reply.headers
    assert gateway.outcome(name).inbox is True


def test_a_lenient_ladder_serves_the_least_bad_answer_flagged(gateway, a, b):
    a.say(text("prose"))
    b.say(text(WRONG))
    reply = post(gateway, chat(response_format=WANTED), x_rung_ladder="lenient")
    assert (reply.status, reply.headers["x-rung-verified"]) == (200, "false")


# ------------------------------------------------------------------ what callers may ask for


def test_a_tier_can_be_pinned_by_model_or_header(gateway, a, b):
    assert post(gateway, chat(model="tier:b")).headers["x-rung-tier"] == "b"
    assert post(gateway, x_rung_tier="b").headers["x-rung-tier"] == "b"
    assert a.calls == []


def test_a_pinned_tier_that_fails_is_not_replaced(gateway, a, b):
    a.say(status(500))
    assert post(gateway, chat(model="tier:a")).status == 502
    assert b.calls == []


def test_a_ladder_can_be_named_by_model_or_header(gateway, a, b):
    a.say(status(500))
    assert post(gateway, chat(model="rung/single")).status == 502
    assert post(gateway, x_rung_ladder="single").status == 502
    assert b.calls == []


@pytest.mark.parametrize(
    "case",
    [
        (chat(model="rung/nope"), {}, 404, "there is no ladder 'nope'"),
        (chat(model="tier:z"), {}, 404, "there is no tier 'z'"),
        (chat(), {"x_rung_ladder": "nope"}, 404, "there is no ladder"),
        (chat(), {"x_rung_verify": "nope"}, 400, "there is no verifier 'nope'"),
        (chat(), {"x_rung_privat": "true"}, 400, "there is no header x-rung-privat"),
        (chat(), {"x_rung_private": "yes"}, 400, "x-rung-private must be true or false"),
        (chat(), {"x_rung_cache": "no"}, 400, "x-rung-cache can only be `bypass`"),
        (chat(), {"x_rung_ceiling": "z"}, 404, "there is no tier 'z'"),
        (chat(), {"x_rung_deadline_ms": "soon"}, 400, "x-rung-deadline-ms"),
        (chat(), {"x_rung_max_usd": "-1"}, 400, "x-rung-max-usd"),
        (chat(), {"x_rung_lane": "fast"}, 400, "interactive, background, batch"),
        (b"", {}, 400, ""),
        (b"[]", {}, 400, ""),
        (b'{"model":"rung"}', {}, 400, "messages"),
        (b'{"model":"rung","messages":[],"model":"x"}', {}, 400, "model"),
        (chat(max_tokens=-1), {}, 400, "max_tokens"),
        (chat(api_base="http://169.254.169.254"), {}, 400, "api_base"),
        (chat(model="m" * 10_000), {}, 404, "model"),
        (b"[" * 100_000, {}, 400, ""),
        (chat(response_format={"type": "json_schema"}), {}, 400, "response_format"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name_and_calls_no_one(gateway, a, b, case):
    body, headers, expected, said = case
    before = len(gateway.outcomes()) if gateway.ledger.exists() else 0
    reply = post(gateway, body, **headers)
    assert reply.status == expected
    assert said in reply.json["error"]["message"]
    assert reply.json["error"]["request_id"] == reply.headers["x-rung-request-id"]
    assert a.calls == b.calls == []
    assert len(gateway.outcomes()) == before


def test_the_deadline_ends_a_request(gateway, a, b):
    a.say(slow(20, text("too late")))
    reply = post(gateway, x_rung_deadline_ms="300")
    assert reply.status == 504
    assert b.calls == []
    assert gateway.outcome(reply.headers["x-rung-request-id"]).ended_by.value == "limit"


def test_without_money_nothing_that_costs_is_called(tmp_path):
    with Upstream() as a, Upstream() as b:
        a.say(text("from a"))
        b.say(text("from b"))
        config = toml(a.base_url, b.base_url).replace(
            'price = "free"', "price = {input_usd_per_mtok = 1.0, output_usd_per_mtok = 2.0}"
        )
        with Gateway(tmp_path, config) as gateway:
            paid = post(gateway, chat(max_tokens=10), x_rung_max_usd="1")
            assert paid.headers["x-rung-cost-usd"] == "0.000020000"
            broke = post(gateway, chat(max_tokens=10), x_rung_max_usd="0")
            assert (broke.status, broke.json["error"]["code"]) == (402, "no_answer_cost_cap")
        assert (len(a.calls), len(b.calls)) == (1, 0)


def test_the_model_a_client_asked_for_is_a_baseline(gateway, a, b):
    reply = post(gateway, chat(model="gpt-4o"))
    assert float(reply.headers["x-rung-baseline-usd"]) > 0
    assert "requested" in gateway.outcome(reply.headers["x-rung-request-id"]).baselines


# ------------------------------------------------------------------ repair


def test_a_repair_shows_the_tier_exactly_what_was_rejected(tmp_path):
    with Upstream() as a:
        a.say(text(WRONG), text(GOOD))
        with Gateway(tmp_path, toml(a.base_url, tier="repairs = 1")) as gateway:
            reply = post(gateway, chat(response_format=WANTED))
        assert (reply.status, reply.headers["x-rung-attempts"]) == (200, "2")
        first, second = (call.json for call in a.calls)
        assert second["messages"][0] == first["messages"][0]
        assert second["messages"][1] == {"role": "assistant", "content": WRONG}
        assert "json_schema" in second["messages"][2]["content"]
        assert {k: v for k, v in second.items() if k != "messages"} == {
            k: v for k, v in first.items() if k != "messages"
        }


# ------------------------------------------------------------------ the small endpoints


def test_the_models_are_the_names_a_client_may_send(gateway, a, b):
    listed = ask(gateway.port, request("GET", "/v1/models")).json
    names = {each["id"] for each in listed["data"]}
    assert names >= {"rung", "rung/default", "rung/checked", "tier:a", "tier:b"}


def test_health_and_readiness(gateway, a, b):
    assert ask(gateway.port, request("GET", "/healthz")).json == {"status": "ok"}
    ready = ask(gateway.port, request("GET", "/readyz"))
    # The servers list no "model-a": neither tier could serve.
    assert ready.status == 503
    assert set(ready.json["tiers"]) == {"a", "b"}


def test_an_unknown_request_id_is_a_404(gateway, a, b):
    reply = ask(gateway.port, request("GET", "/v1/requests/zzzz"))
    assert reply.status == 404
    assert reply.json["error"]["type"] == "not_found_error"
