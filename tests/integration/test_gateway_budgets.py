"""Budgets through real gateways: never over, and nobody refused while money is free."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from support.budgets import ANSWER_TOKENS, CALL_NANOUSD, PRICE, USED, budget, config, counted
from support.gateway import Gateway, Upstream, Wire, ask, chat, request, rung
from support.openai_server import STREAM_HEAD, Stall, chunk, event, raw, slow, text

FOR_TEN = "0.01"
"""Ten calls' worth of US dollars."""


def patiently(gateway, data):
    """Ask; again where a busy machine had the gateway turn the request away unread."""
    reply = ask(gateway.port, data)
    for _ in range(200):
        if b"was not begun" not in reply.body:
            break
        time.sleep(0.05)
        reply = ask(gateway.port, data)
    return reply


def post(gateway, **more):
    body = chat(**({"max_tokens": ANSWER_TOKENS} | more))
    return patiently(gateway, request(body=body))


def told(reply):
    return json.loads(reply.body)["error"]


def a_hundred(gateways):
    with ThreadPoolExecutor(100) as pool:
        replies = [pool.submit(post, gateways[n % len(gateways)]) for n in range(100)]
        return Counter(reply.result().status for reply in replies)


def test_a_hundred_at_once_on_a_budget_for_ten_make_ten_calls(tmp_path):
    with Upstream() as upstream:
        upstream.say(slow(0.05, text("hi", usage=USED)))
        with Gateway(tmp_path, config(upstream.base_url, more=budget(FOR_TEN))) as gateway:
            statuses = a_hundred([gateway])
        assert statuses == {200: 10, 402: 90}
        assert len(upstream.requests) == 10
    assert counted(gateway.ledger) == (10 * CALL_NANOUSD, 0, 10 * CALL_NANOUSD, 0)


def test_three_gateways_on_one_postgres_make_ten_calls_together(tmp_path, postgres_ledger):
    with Upstream() as upstream, ExitStack() as stack:
        upstream.say(slow(0.05, text("hi", usage=USED)))
        told = config(upstream.base_url, ledger=postgres_ledger, more=budget(FOR_TEN))
        gateways = []
        for name in "xyz":
            (tmp_path / name).mkdir()
            gateways.append(stack.enter_context(Gateway(tmp_path / name, told)))
        statuses = a_hundred(gateways)
        assert statuses == {200: 10, 402: 90}
        assert len(upstream.requests) == 10
        stack.close()
        assert counted(postgres_ledger) == (10 * CALL_NANOUSD, 0, 10 * CALL_NANOUSD, 0)


def test_nobody_is_refused_while_money_may_come_back(tmp_path):
    """Each call reserves four times what it costs: 37 fit into forty, and no 38th ever could."""
    with Upstream() as upstream:
        upstream.say(slow(0.01, text("hi", usage=USED)))
        told = config(upstream.base_url, more=budget("0.04"))
        with Gateway(tmp_path, told) as gateway, ThreadPoolExecutor(100) as pool:
            asked = [pool.submit(post, gateway, max_tokens=4 * ANSWER_TOKENS) for _ in range(100)]
            statuses = Counter(each.result().status for each in asked)
    assert statuses == {200: 37, 402: 63}
    assert counted(gateway.ledger) == (37 * CALL_NANOUSD, 0, 37 * CALL_NANOUSD, 0)


# ------------------------------------------------------------------ one gateway for what follows

MORE = f"""
{budget("1", name="acme", scope="project", of="acme")}
{budget("0", name="broke", scope="project", of="broke")}
{budget("0.0021", name="two", scope="project", of="two")}
[spending]
output_tokens = 300
"""


@pytest.fixture(scope="module")
def upstreams():
    with Upstream() as a, Upstream() as b:
        yield a, b


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, upstreams):
    a, b = upstreams
    price = PRICE.replace('"0"', '"0.001"')  # so that embeddings cost something
    told = config(a.base_url, b.base_url, more=MORE, price=price)
    told = told.replace(price, 'price = "free"', 1)
    paid = '[ladders.paid]\ntiers = ["b"]\n[ladders.default]'
    told = 'embeddings = "b"\n' + told.replace("[ladders.default]", paid)
    with Gateway(tmp_path_factory.mktemp("budgets"), told) as running:
        yield running


def ask_as(gateway, project, *, ladder="paid", path="/v1/chat/completions", body=None, **more):
    headers = [("x-rung-project", project), ("x-rung-ladder", ladder)]
    if body is None:
        body = chat(**({"max_tokens": ANSWER_TOKENS} | more))
    return patiently(gateway, request("POST", path, body=body, headers=headers))


def test_a_refusal_is_a_402_with_the_numbers_that_is_not_to_be_tried_again(gateway, upstreams):
    upstreams[1].say(text("hi", usage=USED))
    reply = ask_as(gateway, "broke")
    assert reply.status == 402
    assert reply.headers["x-should-retry"] == "false"
    error = told(reply)
    assert error["code"] == "budget_exceeded"
    assert "budget 'broke' (project broke) has $0 of $0 spent this month" in error["message"]
    assert "could cost up to $0.00100" in error["message"]
    assert upstreams[1].requests == []
    (attempt,) = gateway.outcome(reply.headers["x-rung-request-id"]).history
    assert (attempt.failure.fault, attempt.phase, attempt.cost_nanousd) == ("budget", "plan", 0)


@pytest.mark.parametrize("streams", [False, True])
def test_each_way_in_is_held_to_the_budget(gateway, upstreams, streams):
    upstreams[1].say(text("hi", usage=USED))
    say = [{"role": "user", "content": "hi"}]
    bodies = {
        "/v1/chat/completions": {"messages": say},
        "/v1/messages": {"messages": say, "max_tokens": 50},
        "/v1/responses": {"input": "hi"},
        "/v1/completions": {"prompt": "hi"},
        "/api/chat": {"messages": say},
    }
    if not streams:
        bodies["/v1/embeddings"] = {"input": "hi"}
    for path, body in bodies.items():
        whole = json.dumps({"model": "rung", "stream": streams} | body).encode()
        if path == "/v1/embeddings":
            whole = json.dumps({"model": "rung"} | body).encode()
        reply = ask_as(gateway, "broke", path=path, body=whole)
        # Clients of Responses take a 402 for a fault to try again.
        assert (path, reply.status) == (path, 400 if path == "/v1/responses" else 402)
        assert b"budget 'broke'" in reply.body
    assert upstreams[1].requests == []


def test_what_is_free_is_served_although_there_is_no_money(gateway, upstreams):
    upstreams[0].say(text("for nothing"))
    reply = ask_as(gateway, "broke", ladder="default")
    assert (reply.status, reply.headers["x-rung-tier"]) == (200, "a")


def test_where_a_free_answer_fails_it_is_said_that_the_next_tier_is_not_paid_for(
    gateway, upstreams
):
    upstreams[0].say(text("no JSON"))
    reply = ask_as(gateway, "broke", ladder="default", response_format={"type": "json_object"})
    assert reply.status == 422
    assert "Not called: b: budget 'broke'" in told(reply)["message"]


def test_a_budget_of_one_project_is_nobody_elses(gateway, upstreams):
    upstreams[1].say(text("hi", usage=USED))
    statuses = [ask_as(gateway, "two").status for _ in range(3)]
    assert statuses == [200, 200, 402]
    assert ask_as(gateway, "acme").status == 200


@pytest.mark.parametrize(("given", "sent"), [({}, 300), ({"max_tokens": 42}, 42)])
def test_under_a_cap_an_answer_has_a_limit(gateway, upstreams, given, sent):
    upstreams[1].say(text("hi", usage=USED))
    body = chat(**given)
    assert ask_as(gateway, "acme", body=body).status == 200
    assert upstreams[1].requests[0].json["max_tokens"] == sent
    assert ask_as(gateway, "unbound", body=body).status == 200
    assert upstreams[1].requests[1].json.get("max_tokens") == given.get("max_tokens")


def test_a_cap_of_the_request_limits_its_answer_too(gateway, upstreams):
    upstreams[1].say(text("hi", usage=USED))
    headers = [("x-rung-ladder", "paid"), ("x-rung-max-usd", "0.05")]
    assert patiently(gateway, request(body=chat(), headers=headers)).status == 200
    assert upstreams[1].requests[0].json["max_tokens"] == 300


def test_a_stream_that_its_caller_leaves_is_settled(gateway, upstreams):
    upstreams[1].say(raw(STREAM_HEAD, event(chunk({"content": "a few words"})), Stall()))
    before = counted(gateway.ledger, "project", "acme")
    body = chat(stream=True, max_tokens=50)
    headers = [("x-rung-project", "acme"), ("x-rung-ladder", "paid")]
    with Wire(gateway.port) as wire:
        wire.send(request(body=body, headers=headers))
        upstreams[1].wait_for_calls(1)
    for _ in range(100):
        after = counted(gateway.ledger, "project", "acme")
        if after != before and after[1] == 0:
            break
        time.sleep(0.02)
    assert after[1] == 0
    assert after[3] == 0


def test_the_commands_show_what_the_gateway_counts(gateway, upstreams):
    upstreams[1].say(text("hi", usage=USED))
    ask_as(gateway, "acme")
    spent, held, *_ = counted(gateway.ledger, "project", "acme")
    listed = json.loads(command(gateway, "list").stdout)
    acme = next(line for line in listed if line["name"] == "acme")
    assert (acme["spent_nanousd"], acme["held_nanousd"], acme["state"]) == (spent, held, "open")
    shown = json.loads(command(gateway, "show", "acme").stdout)
    assert shown[0]["periods"][0]["spent_nanousd"] == spent
    assert json.loads(command(gateway, "reset", "acme").stdout)["reset"]
    assert counted(gateway.ledger, "project", "acme")[:2] == (0, 0)
    assert command(gateway, "show", "acne").returncode == 2


def command(gateway, *arguments):
    return rung(gateway.folder, "budget", *arguments, "--config", str(gateway.config), "--json")


# ------------------------------------------------------------------ hard times


def test_what_a_killed_gateway_had_reserved_is_spent_and_shown_as_unknown(tmp_path):
    with Upstream() as upstream:
        upstream.say(slow(30.0, text("hi", usage=USED)))
        told = config(upstream.base_url, more=budget("1"))
        first = Gateway(tmp_path, told).start()
        with Wire(first.port) as wire:
            wire.send(request(body=chat(max_tokens=ANSWER_TOKENS)))
            upstream.wait_for_calls(1)
            assert counted(first.ledger) == (0, CALL_NANOUSD, 0, 1)
            first.kill()
        with Gateway(tmp_path, told) as second:
            (outcome,) = second.booked(1)
            assert counted(second.ledger) == (CALL_NANOUSD, 0, CALL_NANOUSD, 1)
        (attempt,) = outcome.history
        assert outcome.recovered
        assert (attempt.failure.fault, attempt.cost_nanousd) == ("unknown", CALL_NANOUSD)
        assert (attempt.tier, outcome.plan.ladder) == ("a", "default")


@pytest.mark.parametrize(("away", "status"), [("refuse", 503), ("allow", 200)])
def test_while_postgres_is_away_paid_calls_are_refused_or_on_a_small_allowance(
    tmp_path, own_postgres, away, status
):
    place = own_postgres.url(own_postgres.fresh_ledger())
    more = budget("1") + f'[spending]\nledger_away = "{away}"\n'
    if away == "allow":
        more += 'allowance_usd = "0.0025"\n'
    with Upstream() as upstream:
        upstream.say(text("hi", usage=USED))
        with Gateway(tmp_path, config(upstream.base_url, ledger=place, more=more)) as gateway:
            assert post(gateway).status == 200
            own_postgres.stop()
            replies = [post(gateway) for _ in range(3)]
            assert [reply.status for reply in replies][:2] == [status, status]
            assert replies[2].status == 503
            assert "cannot be counted" in told(replies[2])["message"]
            assert "retry-after" in replies[2].headers
            calls = len(upstream.requests)
            own_postgres.start()
            until = time.monotonic() + 20
            while post(gateway).status != 200:
                assert time.monotonic() < until
                time.sleep(0.2)
        spent, held, rows, left = counted(place)
    assert calls == (3 if away == "allow" else 1)
    assert (held, left) == (0, 0)
    assert spent == rows == (calls + 1) * CALL_NANOUSD
