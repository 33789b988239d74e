"""Audits through a real gateway: bad gates are found out, sound ones not, callers see nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from support import audit_world
from support.gateway import Gateway, ask, chat, request, rung
from support.openai_server import OpenAIServer

REQUESTS = 120
"""By each of the three ladders."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Iterator[tuple[Gateway, list[int]]]:
    """A gateway that has answered and audited everything."""
    folder = tmp_path_factory.mktemp("audits")
    env = audit_world.checks(folder)
    with OpenAIServer(audit_world.cheap) as cheap, OpenAIServer(audit_world.top) as top:
        config = audit_world.config(cheap.base_url, top.base_url, "100%")
        with Gateway(folder, config, env=env) as gateway, ThreadPoolExecutor(2) as pool:
            statuses = []
            for place, gate in enumerate(audit_world.GATES, 1):
                statuses += list(pool.map(lambda n, g=gate: answer(gateway, g, n), range(REQUESTS)))
                wait_for_labels(gateway, place * REQUESTS)
            yield gateway, statuses


def answer(gateway: Gateway, ladder: str, number: int) -> int:
    headers = [("x-rung-ladder", ladder)]
    return ask(gateway.port, request(body=chat(str(number)), headers=headers)).status


def wait_for_labels(gateway: Gateway, count: int, seconds: float = 30.0) -> None:
    """Until so many requests have a label: audits end after their callers have been answered."""
    until = time.monotonic() + seconds
    while rows(gateway, "SELECT count(DISTINCT request_id) FROM labels")[0][0] < count:
        assert time.monotonic() < until, rows(gateway, "SELECT count(*) FROM labels")
        time.sleep(0.05)


def rows(gateway: Gateway, query: str) -> list[tuple]:
    with closing(sqlite3.connect(gateway.ledger)) as connection:
        return connection.execute(query).fetchall()


def told(gateway: Gateway, *arguments: str) -> dict:
    done = rung(gateway.folder, *arguments, "--json", "--config", str(gateway.config))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def line(gateway: Gateway, verifier: str, tier: str = "a") -> dict:
    lines = told(gateway, "verifiers")["verifiers"]
    return next(each for each in lines if (each["verifier"], each["tier"]) == (verifier, tier))


def within(rate: dict, true: float) -> bool:
    return rate["low"] <= true <= rate["high"]


def test_a_gate_that_passes_everything_is_found_out(run) -> None:
    gateway, _ = run
    blind = line(gateway, "blind")
    assert blind["found"] == ["passes_wrong"]
    assert blind["false_accepts"]["low"] > 0.9
    assert within(blind["wrong_passed"], audit_world.wrong_share(range(REQUESTS)))
    assert blind["passed"]["drawn"] == REQUESTS


def test_a_gate_that_fails_half_of_what_is_right_is_found_out(run) -> None:
    gateway, _ = run
    harsh = line(gateway, "harsh")
    assert harsh["found"] == ["fails_right"]
    assert within(harsh["false_rejects"], 0.5)
    assert harsh["false_accepts"]["value"] == 0


def test_a_sound_gate_is_not(run) -> None:
    gateway, _ = run
    sound = line(gateway, "sound")
    assert sound["found"] == []
    assert (sound["false_accepts"]["value"], sound["false_rejects"]["value"]) == (0, 0)
    assert sound["false_accepts"]["high"] < 0.12


def test_people_are_told_which_gate_not_to_rely_on(run) -> None:
    gateway, _ = run
    done = rung(gateway.folder, "verifiers", "--since", "1d", "--config", str(gateway.config))
    assert "blind at a passes wrong answers: 100% [" in done.stdout
    assert "harsh at a fails right answers: " in done.stdout
    assert "sound at a passes" not in done.stdout
    assert f"Audits: {3 * REQUESTS} requests" in done.stdout


def test_audits_are_spent_and_are_no_requests(run) -> None:
    gateway, _ = run
    total = told(gateway, "bill")["total"]
    assert total["requests"] == 3 * REQUESTS
    assert total["audited"] == 3 * REQUESTS
    (audits,) = rows(gateway, "SELECT count(*) FROM requests WHERE audit_of IS NOT NULL")
    assert total["audit_calls"] == audits[0] > 3 * REQUESTS / 2
    # Only what was turned down has escalated: an audit climbs nowhere.
    wrong = round(REQUESTS * audit_world.wrong_share(range(REQUESTS)))
    assert total["escalation"]["trials"] == 3 * REQUESTS
    assert total["escalation"]["hits"] >= 2 * wrong
    assert told(gateway, "explain", "last")["audit_of"] is None


def test_callers_see_nothing_of_it(run) -> None:
    _, statuses = run
    failed = sum(status != 200 for status in statuses)
    # Where the harsh gate fails the right answer too, nothing passes.
    assert set(statuses) == {200, 422}
    assert 0 < failed < REQUESTS
