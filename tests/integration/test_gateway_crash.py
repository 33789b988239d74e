"""The gateway killed under load: what clients were told is in the ledger, and that is whole."""

import asyncio
import random
import sqlite3
from contextlib import closing, suppress

import pytest

from support.gateway import Gateway, Upstream, chat, fetch, request, toml
from support.openai_server import text

CYCLES = 20
CLIENTS = 8


async def load(port, enough, told):
    """Clients that ask until the gateway is gone; ``told`` gets the ids of whole answers."""

    async def client(who):
        number = 0
        while True:
            reply = await fetch(port, request(body=chat(f"{who}/{number}", stream=number % 4 == 3)))
            if reply.status == 200 and whole(reply):
                told.add(reply.headers["x-rung-request-id"])
                if len(told) >= enough[0]:
                    enough[1].set()
            number += 1

    async def until_gone(who):
        with suppress(OSError, AssertionError, asyncio.IncompleteReadError):
            await client(who)

    await asyncio.gather(*(until_gone(who) for who in range(CLIENTS)))


def whole(reply):
    length = reply.headers.get("content-length")
    if length is None:
        return reply.events[-1:] == [b"[DONE]"]
    return len(reply.body) == int(length)


@pytest.mark.slow
async def test_no_answered_request_is_lost_when_the_gateway_is_killed(tmp_path):
    chance = random.Random(4100)
    told = set()
    with Upstream() as a:
        a.say(lambda call: text(call.json["messages"][0]["content"])(call))
        gateway = Gateway(tmp_path, toml(a.base_url))
        for _ in range(CYCLES):
            gateway.start()
            before = len(told)
            enough = (before + chance.choice([1, 5, 30, 100]), asyncio.Event())
            loading = asyncio.ensure_future(load(gateway.port, enough, told))
            await asyncio.wait_for(enough[1].wait(), 20)
            gateway.kill()
            await loading
            with closing(sqlite3.connect(gateway.ledger)) as ledger:
                assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows = ledger.execute(
                    "SELECT id, (SELECT count(*) FROM attempts a WHERE a.request_id = r.id) "
                    "FROM requests r"
                ).fetchall()
            booked = dict(rows)
            assert told - booked.keys() == set()
            assert set(booked.values()) == {1}
            assert len(told) > before
    assert len(told) > 20 * 10
