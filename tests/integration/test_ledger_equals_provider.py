"""The ledger says what the provider's own books say: every call, every token, every nano-dollar."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress

import pytest

from support.gateway import Gateway, Reply, chat, fetch, request, rung
from support.ledger_rows import rows
from support.provider_books import (
    ATTEMPTS,
    JUDGED,
    REQUESTS,
    Books,
    booked_calls,
    config,
    disagreements,
    shed,
)

AT_ONCE = 12
PLANS = (
    ("gated", "low=right"),
    ("gated", "low=wrong,right"),
    ("gated", "low=wrong high=right"),
    ("gated", "low=wrong high=wrong"),
    ("gated", "low=500,right"),
    ("gated", "low=429 high=right"),
    ("gated", "low=500 high=529"),
    ("gated", "low=400"),
    ("gated", "low=cut high=right"),
    ("gated", "low=untold"),
    ("gated", "low=wrong high=cut"),
    ("voted", "many=right"),
    ("voted", "many=right,wrong,right"),
    ("voted", "many=right,wrong,500 high=right"),
    ("judged", "low=right judge=right"),
    ("judged", "low=right judge=wrong high=right"),
    ("judged", "low=right judge=500"),
    ("hedged", "low=stall high=right"),
    ("hedged", "low=late high=stall"),
    ("audited", "low=right high=right"),
    ("audited", "low=right high=wrong"),
    ("audited", "low=wrong,right high=right"),
    ("audited", "low=right high=500"),
)
"""Ladders, and what the provider does there."""


async def play(gateway: Gateway, books: Books) -> None:
    """Every plan, plain and streamed, embeddings, and callers that leave; many at once."""
    numbers = iter(range(1, 10_000))
    turns = asyncio.Semaphore(AT_ONCE)

    async def answered(told: bytes) -> Reply:
        async with turns:
            for _ in range(100):
                reply = await asyncio.wait_for(fetch(gateway.port, told), 30)
                if not shed(reply):
                    return reply
                await asyncio.sleep(0.1)
            raise AssertionError("turned away a hundred times")

    async def one(ladder: str, script: str, *, stream: bool) -> None:
        body = chat(f"#{next(numbers)} {script}", stream=stream)
        told = request(body=body, headers=[("x-rung-ladder", ladder)])
        reply = await answered(told)
        assert reply.status in {200, 400, 422, 429, 502, 503}, reply.raw

    async def embedding() -> None:
        body = json.dumps({"model": "rung", "input": f"#{next(numbers)} embed=right"}).encode()
        reply = await answered(request(path="/v1/embeddings", body=body))
        assert reply.status == 200, reply.raw

    async def leaver(script: str, *, stream: bool) -> None:
        number = next(numbers)
        async with turns:
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(request(body=chat(f"#{number} {script}", stream=stream)))
            await writer.drain()
            await books.hangs(number)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    jobs = [one(*plan, stream=stream) for plan in PLANS for stream in (False, True)]
    jobs += [embedding() for _ in range(4)]
    jobs += [leaver("low=hang", stream=stream) for stream in (False, True)]
    jobs += [leaver("low=wrong high=hang", stream=stream) for stream in (False, True)]
    await asyncio.gather(*jobs)


async def agreed(books: Books, place: str, seconds: float = 15.0) -> None:
    """Wait until what nobody waits for is booked too: audits, callers that left."""
    until = time.monotonic() + seconds
    while booked_calls(place) != len(books.entries):
        if time.monotonic() > until:
            break  # what is missing is told below
        await asyncio.sleep(0.1)
    assert disagreements(books, place) == []


async def test_every_call_of_a_busy_gateway_is_booked_at_what_the_provider_counted(
    tmp_path, ledger_place
):
    books = Books()
    with books.server() as server:
        with Gateway(tmp_path, config(server.base_url, ledger_place)) as gateway:
            await play(gateway, books)
            await agreed(books, ledger_place)
        await agreed(books, ledger_place)
        bill = json.loads(rung(tmp_path, "bill", "--json").stdout)
    attempts, judged = rows(ledger_place, ATTEMPTS), rows(ledger_place, JUDGED)
    requests = rows(ledger_place, REQUESTS)
    assert bill["total"]["spend_nanousd"] == sum(row["cost"] for row in (*attempts, *judged))
    # All of it has happened, or the agreement says little.
    kinds = Counter(row["kind"] for row in attempts)
    assert min(kinds[kind] for kind in ("first", "retry", "repair", "sample")) > 0
    faults = Counter(row["fault"] for row in attempts)
    for fault in ("cancelled", "server_error", "rate_limited", "rejected", "cut_stream"):
        assert faults[fault], faults
    assert any(row["beside"] for row in attempts)
    assert any(row["cost"] for row in judged)
    assert any(row["audit_of"] for row in requests)
    assert any(row["escalated"] for row in requests)
    assert {"provider", "estimated", "none"} == {row["source"] for row in attempts}
    assert {row["tier"] for row in attempts} == {"low", "many", "high", "embed"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE attempts SET cost_nanousd = cost_nanousd + 1", "its tokens cost"),
        ("UPDATE attempts SET output_tokens = output_tokens + 1", "in the ledger only"),
        ("UPDATE requests SET cost_nanousd = cost_nanousd - 1", "its calls"),
        ("DELETE FROM attempts", "calls by tier"),
    ],
)
async def test_a_ledger_that_is_off_by_one_is_told_apart(tmp_path, change, said):
    place = str(tmp_path / "ledger.db")
    books = Books()
    with (
        books.server() as server,
        Gateway(tmp_path, config(server.base_url, place)) as gateway,
    ):
        await fetch(gateway.port, request(body=chat("#1 low=right")))
        await agreed(books, place)
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute(change)
    assert any(said in one for one in disagreements(books, place))
