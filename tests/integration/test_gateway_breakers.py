"""Tiers that fail are left alone: by one gateway, and by all that share a ledger."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import ExitStack

import pytest

from rung.ledger.notices import LOOK_SECONDS
from support.gateway import Gateway, Upstream, ask, chat, fetch, request, toml
from support.openai_server import Pause, status, text

OPEN_SECONDS = 2.0
BREAKERS = f"open_seconds = {OPEN_SECONDS}"
PATIENCE_SECONDS = 10.0
OPEN = re.compile("breaker of a: open")
BODY = request(body=chat())


@pytest.fixture
def upstream():
    with Upstream() as made:
        yield made


def answered(gateway: Gateway):
    return ask(gateway.port, BODY)


async def asked(gateway: Gateway, count: int) -> list:
    return await asyncio.gather(*(fetch(gateway.port, BODY) for _ in range(count)))


def until(done, what: str) -> float:
    """Wait until it is so; how long that took."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < PATIENCE_SECONDS, what
        time.sleep(0.01)
    return time.monotonic() - began


# ------------------------------------------------------------------ one gateway


def test_after_five_failures_callers_are_told_at_once_and_nothing_is_called(tmp_path, upstream):
    upstream.say(status(500))
    with Gateway(tmp_path, toml(upstream.base_url, breakers="")) as gateway:
        assert [answered(gateway).status for _ in range(5)] == [502] * 5
        seconds = []
        for _ in range(50):
            began = time.perf_counter()
            reply = answered(gateway)
            seconds.append(time.perf_counter() - began)
            assert reply.status == 503
            assert 1 <= int(reply.headers["retry-after"]) <= 10
        assert "left alone" in reply.json["error"]["message"]
        assert len(upstream.calls) == 5
        assert max(seconds) < 0.25


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_every_dialect_is_told_when_to_come_back(tmp_path, upstream, path):
    upstream.say(status(500))
    with Gateway(tmp_path, toml(upstream.base_url, breakers="failures = 1")) as gateway:
        answered(gateway)
        body = {"model": "rung", "max_tokens": 9, "stream": True}
        body |= {"input": "hi"} if "resp" in path else {"messages": json.loads(chat())["messages"]}
        reply = ask(gateway.port, request(path=path, body=json.dumps(body).encode()))
        assert reply.status in {503, 529}
        assert "retry-after" in reply.headers
        assert len(upstream.calls) == 1


async def test_at_full_failure_the_provider_gets_no_more_than_its_share(tmp_path, upstream):
    upstream.say(status(500))
    config = toml(upstream.base_url, breakers="", tier="").replace("retries = 0", "retries = 2")
    with Gateway(tmp_path, config) as gateway:
        statuses = [reply.status for _ in range(20) for reply in await asked(gateway, 20)]
    assert set(statuses) <= {502, 503}
    assert statuses.count(503) > 350
    assert len(upstream.calls) <= 1.2 * len(statuses)
    assert len(upstream.calls) < 60


def test_what_a_provider_refuses_of_a_request_leaves_it_open_to_others(tmp_path, upstream):
    upstream.say(status(400))
    with Gateway(tmp_path, toml(upstream.base_url, breakers="failures = 1")) as gateway:
        assert [answered(gateway).status for _ in range(8)] == [400] * 8
        assert len(upstream.calls) == 8


def test_a_callers_own_short_deadline_says_nothing_of_the_tier(tmp_path, upstream):
    def slowly(call):
        return [Pause(0.3), *text("late")(call)]

    upstream.say(slowly)
    with Gateway(tmp_path, toml(upstream.base_url, breakers="failures = 1")) as gateway:
        short = request(body=chat(), headers=[("x-rung-deadline-ms", "50")])
        assert {ask(gateway.port, short).status for _ in range(4)} == {504}
        assert answered(gateway).status == 200


def test_one_call_looks_and_when_it_is_answered_all_are_served_again(tmp_path, upstream):
    upstream.say(status(500))
    with Gateway(tmp_path, toml(upstream.base_url, breakers=BREAKERS)) as gateway:
        for _ in range(5):
            answered(gateway)
        opened = time.monotonic()
        upstream.say(text("back"))
        until(lambda: answered(gateway).status == 200, "it is never asked again")
        assert time.monotonic() - opened < OPEN_SECONDS + 0.5
        assert {answered(gateway).status for _ in range(10)} == {200}


async def test_of_many_that_come_when_it_is_time_one_alone_is_sent(tmp_path, upstream):
    def slowly_failing(call):
        return [Pause(0.5), *status(500)(call)]

    upstream.say(status(500))
    with Gateway(tmp_path, toml(upstream.base_url, breakers=BREAKERS)) as gateway:
        for _ in range(5):
            await fetch(gateway.port, BODY)
        upstream.say(slowly_failing)
        await asyncio.sleep(OPEN_SECONDS)
        replies = await asked(gateway, 20)
        assert len(upstream.calls) == 1
        assert sorted(reply.status for reply in replies) == [502] + [503] * 19


def test_the_tier_above_answers_while_one_is_left_alone(tmp_path, upstream):
    upstream.say(status(500))
    with Upstream() as above:
        above.say(text("from above"))
        config = toml(upstream.base_url, above.base_url, breakers="")
        with Gateway(tmp_path, config) as gateway:
            replies = [answered(gateway) for _ in range(8)]
            assert {reply.status for reply in replies} == {200}
            assert len(upstream.calls) == 5
            found = gateway.outcome(replies[-1].headers["x-rung-request-id"])
        assert [each.tier for each in found.plan.excluded] == ["a"]
        assert "5 failures in a row (server error, 500)" in found.plan.excluded[0].why
        assert len(found.history) == 1


def test_a_rate_limit_holds_until_the_provider_said_and_no_longer(tmp_path, upstream):
    upstream.say(status(429, headers={"retry-after": "2"}), text("now"))
    with Gateway(tmp_path, toml(upstream.base_url, breakers="")) as gateway:
        assert answered(gateway).status == 429
        reply = answered(gateway)
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        took = until(lambda: answered(gateway).status == 200, "it is never asked again")
        assert 1.5 < took < 3
        assert len(upstream.calls) == 2


@pytest.mark.parametrize("code", [401, 402])
def test_a_wrong_key_or_an_empty_account_is_tried_once(tmp_path, upstream, code):
    upstream.say(status(code))
    with Gateway(tmp_path, toml(upstream.base_url, breakers="open_seconds = 0.1")) as gateway:
        assert answered(gateway).status == 502
        time.sleep(0.3)
        reply = answered(gateway)
        assert reply.status == 503
        assert 200 < int(reply.headers["retry-after"]) <= 300
        assert len(upstream.calls) == 1


def test_without_breakers_every_call_is_made(tmp_path, upstream):
    upstream.say(status(500))
    with Gateway(tmp_path, toml(upstream.base_url)) as gateway:
        assert [answered(gateway).status for _ in range(9)] == [502] * 9
        assert len(upstream.calls) == 9


# ------------------------------------------------------------------ two that share a ledger


@pytest.fixture
def two(tmp_path, ledger_place, upstream):
    """Two gateways on one ledger, and one server that both call."""
    config = f'ledger = "{ledger_place}"\n' + toml(upstream.base_url, breakers=BREAKERS)
    with ExitStack() as stack:
        made = []
        for name in ("one", "other"):
            folder = tmp_path / name
            folder.mkdir()
            made.append(stack.enter_context(Gateway(folder, config)))
        yield made


def test_what_one_gateway_finds_the_other_knows(two, upstream):
    one, other = two
    upstream.say(status(500))
    for _ in range(5):
        answered(one)
    other.process.until(OPEN)
    assert {answered(each).status for each in two for _ in range(5)} == {503}
    assert len(upstream.calls) == 5


def test_when_one_gateway_finds_it_well_the_other_uses_it_at_once(two, upstream):
    one, other = two
    upstream.say(status(500))
    for _ in range(5):
        answered(one)
    other.process.until(OPEN)
    upstream.say(text("back"))
    until(lambda: answered(one).status == 200, "it is never asked again")
    assert until(lambda: answered(other).status == 200, "the other never hears of it") < 2


def test_one_that_starts_later_knows_what_was_found_before(tmp_path, ledger_place, upstream):
    config = f'ledger = "{ledger_place}"\n' + toml(upstream.base_url, breakers="open_seconds = 60")
    upstream.say(status(500))
    folders = [tmp_path / name for name in ("early", "late")]
    for folder in folders:
        folder.mkdir()
    with Gateway(folders[0], config) as early:
        for _ in range(5):
            answered(early)
    with Gateway(folders[1], config) as late:
        late.process.until(OPEN)
        assert answered(late).status == 503
        assert len(upstream.calls) == 5


def test_a_server_that_one_gateway_cannot_reach_is_tried_once_by_the_other(tmp_path, ledger_place):
    with Upstream() as dead:
        address = dead.base_url
    config = f'ledger = "{ledger_place}"\n' + toml(address, breakers="open_seconds = 60")
    with ExitStack() as stack:
        gateways = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            gateways.append(stack.enter_context(Gateway(tmp_path / name, config)))
        one, other = gateways
        for _ in range(6):
            answered(one)
        time.sleep(2 * LOOK_SECONDS)
        assert [answered(other).status for _ in range(3)] == [502, 503, 503]


def test_with_the_database_away_each_gateway_goes_by_what_it_finds_itself(
    tmp_path, own_postgres, upstream
):
    place = own_postgres.url(own_postgres.fresh_ledger())
    more = "[spending]\nledger_away = 'allow'\n"
    config = f'ledger = "{place}"\n' + toml(upstream.base_url, breakers=BREAKERS, more=more)
    upstream.say(status(500))
    with Gateway(tmp_path, config) as gateway:
        own_postgres.kill()
        replies = [answered(gateway) for _ in range(12)]
        own_postgres.start()
        assert replies[-1].status == 503
        assert len(upstream.calls) <= 5


def test_a_session_that_is_private_at_one_gateway_is_so_at_the_other_at_once(
    tmp_path, ledger_place, upstream
):
    # Refused, it leaves no outcome: only the notice can tell of it.
    upstream.say(text("from afar"))
    config = f'ledger = "{ledger_place}"\n' + toml(upstream.base_url, tier="local = false\n")
    session = [("x-session-id", "one and the same")]
    plain = request(body=chat(), headers=session)
    private = request(body=chat(), headers=[*session, ("x-rung-private", "true")])
    with ExitStack() as stack:
        gateways = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            gateways.append(stack.enter_context(Gateway(tmp_path / name, config)))
        one, other = gateways
        assert ask(other.port, plain).status == 200
        assert ask(one.port, private).status == 403
        until(lambda: ask(other.port, plain).status == 403, "the other never hears of it")


# ------------------------------------------------------------------ more than a tier can serve


async def test_at_five_times_what_a_tier_takes_it_serves_as_much_and_turns_the_rest_away(
    tmp_path, upstream
):
    places, seconds, spell = 4, 0.1, 3.0
    capacity = places / seconds

    def slowly(call):
        return [Pause(seconds), *text("yes")(call)]

    async def after(wait: float):
        await asyncio.sleep(wait)
        began = time.perf_counter()
        return await fetch(gateway.port, BODY), time.perf_counter() - began

    upstream.say(slowly)
    tier = f"slots = {places}\ntimeout_seconds = 2"
    with Gateway(tmp_path, toml(upstream.base_url, tier=tier, breakers="")) as gateway:
        for _ in range(3):
            await asked(gateway, places)
        count = int(5 * capacity * spell)
        found = await asyncio.gather(*(after(spell * each / count) for each in range(count)))
    served = [took for reply, took in found if reply.status == 200]
    refused = [(reply, took) for reply, took in found if reply.status == 503]
    assert len(served) + len(refused) >= 0.98 * count
    # With what still stood in the queue at the end.
    assert len(served) >= 0.9 * capacity * spell
    assert max(served) < 2 + seconds
    assert all("retry-after" in reply.headers for reply, _ in refused)
    waits = sorted(took for _, took in refused)
    assert waits[len(waits) // 2] < 0.05
