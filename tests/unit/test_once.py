"""Requests with keys in one process, also where the ledger is away or slow."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import LedgerError, RequestError, UpstreamError
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import Answer, Attempt, Kind, Request
from rung.ledger import Ledger
from rung.ledger.once import MOST_BYTES
from rung.ledger.presence import Presence
from rung.server import once
from rung.server.guard import ClientGoneError
from rung.server.once import Once, asked

HEADERS = [(b"content-type", b"application/json"), (b"x-rung-cost-usd", b"0.5")]


def scope(*headers: tuple[bytes, bytes], path: str = "/v1/chat/completions") -> dict[str, Any]:
    return {"headers": list(headers), "path": path, "query_string": b""}


def wanted(name: bytes = b"k-1", body: bytes = b"{}", caller: str = "project shop"):
    found = asked(scope((b"Idempotency-Key", name)), body, caller)
    assert found is not None
    return found


def served(*, private: str = "") -> Outcome:
    attempt = Attempt("a-1", "a", Kind.FIRST, 0.0, 1.0, Answer("hi"))
    plan = Plan("l", (), private=private)
    return Outcome(Request("r-1", "chat", ()), plan, (attempt,), None, 0, None, 0.0, 1.0)


def unserved(cost_nanousd: int) -> Outcome:
    attempt = Attempt("a-1", "a", Kind.FIRST, 0.0, 1.0, cost_nanousd=cost_nanousd)
    ended = Exhausted(Exhaustion.TOP_REACHED, None)
    return Outcome(Request("r-1", "chat", ()), Plan("l", ()), (attempt,), ended, None, None, 0, 1)


class Shelf:
    """A ledger that is away for as many commits as it is told."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.away = 0
        self.back = asyncio.Event()

    async def commit(self, job):
        if self.away:
            self.away -= 1
            if not self.away:
                self.back.set()
            raise LedgerError("The ledger is away.", passing=True)
        return await self._ledger.commit(job)

    def reading(self):
        return self._ledger.reading()


class Stage:
    def __init__(self, ledger: Ledger) -> None:
        self.shelf = Shelf(ledger)
        self.once = Once(self.shelf, Presence.of("p-1"))
        self.served = 0
        self.outcome: Outcome | None = served()
        self.body = b'{"said": "hi"}'
        self.free = asyncio.Event()
        self.free.set()
        self.begun = asyncio.Event()

    async def _serve(self, receive, send) -> Outcome | None:
        self.served += 1
        self.begun.set()
        await self.free.wait()
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": self.body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[5:], "more_body": False})
        return self.outcome

    async def ask(self, key=None, receive=None) -> SimpleNamespace:
        got = SimpleNamespace(headers=None, body=b"", whole=False)

        async def send(message) -> None:
            got.headers = dict(message.get("headers", got.headers or ()))
            got.body += message.get("body", b"")
            got.whole = "body" in message and not message["more_body"]

        channel = (receive or stays, send)
        await self.once.serve(key or wanted(), f"r-{self.served}", self._serve, channel)
        return got


async def stays():
    await asyncio.Event().wait()


async def leaves():
    return {"type": "http.disconnect"}


@pytest.fixture
async def stage(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield Stage(ledger)


async def test_what_was_sent_is_sent_again_as_it_was_for_nothing(stage):
    one, other = await stage.ask(), await stage.ask()
    assert (one.body, one.whole) == (other.body, other.whole) == (stage.body, True)
    assert other.headers[b"idempotency-replayed"] == b"true"
    assert (one.headers[b"x-rung-cost-usd"], other.headers[b"x-rung-cost-usd"]) == (b"0.5", b"0")
    assert stage.served == 1


@pytest.mark.parametrize(
    ("outcome", "times"),
    [(served(), 1), (unserved(1), 1), (unserved(0), 2), (None, 2)],
    ids=["an answer", "what cost something", "what cost nothing", "nothing"],
)
async def test_what_is_kept_is_an_answer_or_what_was_paid_for(stage, outcome, times):
    stage.outcome = outcome
    await stage.ask()
    await stage.ask()
    assert stage.served == times


async def test_a_bug_gives_the_key_back(stage, monkeypatch):
    async def fails(receive, send):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await stage.once.serve(wanted(), "r-0", fails, (stays, stays))
    assert (await stage.ask()).whole


async def test_without_a_ledger_no_claim_is_made_and_nothing_is_called(stage):
    stage.shelf.away = 1
    with pytest.raises(LedgerError):
        await stage.ask()
    assert stage.served == 0


async def test_a_ledger_that_is_away_at_the_end_keeps_no_answer_back(stage, monkeypatch, caplog):
    monkeypatch.setattr(once, "AWAY_SECONDS", (0.01,) * 10)
    stage.free.clear()
    asking = asyncio.ensure_future(stage.ask())
    await stage.begun.wait()
    stage.shelf.away = 3
    stage.free.set()
    assert (await asking).body == stage.body
    await asyncio.wait_for(stage.shelf.back.wait(), 5)
    other = await stage.ask()
    assert other.headers[b"idempotency-replayed"] == b"true"
    assert stage.served == 1
    assert caplog.text.count("cannot be noted yet") == 1


async def test_the_end_of_an_answer_leaves_once_it_is_kept(stage):
    kept = asyncio.Event()
    commit = stage.shelf.commit

    async def slow(job):
        if stage.served:
            await kept.wait()
        return await commit(job)

    stage.shelf.commit = slow
    asking = asyncio.ensure_future(stage.ask())
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert not asking.done()
    kept.set()
    assert (await asking).whole


async def test_who_waits_too_long_is_told_to_come_back(stage, monkeypatch):
    monkeypatch.setattr(once, "WAIT_SECONDS", 0.05)
    stage.free.clear()
    first = asyncio.ensure_future(stage.ask())
    await stage.begun.wait()
    with pytest.raises(UpstreamError) as told:
        await stage.ask()
    assert (told.value.status, told.value.retry_after_seconds) == (409, 1.0)
    stage.free.set()
    await first


async def test_who_leaves_while_waiting_is_gone(stage):
    stage.free.clear()
    first = asyncio.ensure_future(stage.ask())
    await stage.begun.wait()
    with pytest.raises(ClientGoneError):
        await stage.ask(receive=leaves)
    stage.free.set()
    assert (await first).whole


async def test_of_an_answer_too_large_to_keep_it_is_said_so(stage):
    stage.body = b"x" * (MOST_BYTES + 1)
    assert (await stage.ask()).body == stage.body
    with pytest.raises(RequestError) as told:
        await stage.ask()
    assert (told.value.status, told.value.code) == (410, "idempotent_result_gone")
    assert "r-0" in told.value.message
    assert stage.served == 1


async def test_a_private_answer_is_forgotten_after_a_while(stage, monkeypatch):
    monkeypatch.setattr(once, "PRIVATE_SECONDS", 0.05)
    stage.outcome = served(private="it says so")
    await stage.ask()
    assert (await stage.ask()).body == stage.body
    await asyncio.sleep(0.06)
    with pytest.raises(RequestError, match="private and too long ago"):
        await stage.ask()


async def test_private_answers_take_no_more_memory_than_they_may(stage, monkeypatch):
    monkeypatch.setattr(once, "MOST_PRIVATE_BYTES", 2 * len(stage.body))
    stage.outcome = served(private="it says so")
    for name in (b"a", b"b", b"c"):
        await stage.ask(wanted(name))
    with pytest.raises(RequestError):
        await stage.ask(wanted(b"a"))
    assert (await stage.ask(wanted(b"b"))).whole
    assert (await stage.ask(wanted(b"c"))).whole


# ------------------------------------------------------------------ keys


def test_without_a_key_nothing_is_asked_for():
    assert asked(scope((b"x-other", b"1")), b"{}", "") is None


def test_callers_that_rung_knows_go_by_their_names_all_others_by_what_they_show():
    def of(caller: str, shown: bytes):
        found = asked(
            scope((b"idempotency-key", b"k"), (b"authorization", b"Bearer " + shown)), b"", caller
        )
        assert found is not None
        return found.key

    assert of("key k-1", b"old") == of("key k-1", b"rotated")
    assert of("", b"one") != of("", b"two")
    assert len({of("key 1", b""), of("project 1", b""), of("", b"")}) == 3


def test_what_is_stored_of_a_key_and_a_body_gives_neither_away():
    found = asked(scope((b"idempotency-key", b"order 12")), b"a secret", "")
    assert "order" not in str(found)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    "other",
    [
        asked(scope((b"idempotency-key", b"k")), b"b", ""),
        asked(scope((b"idempotency-key", b"k"), path="/v1/messages"), b"a", ""),
        asked(scope((b"idempotency-key", b"k"), (b"X-Rung-Tier", b"top")), b"a", ""),
    ],
)
def test_what_makes_a_request_another_one(other):
    first = asked(scope((b"idempotency-key", b"k"), (b"user-agent", b"x")), b"a", "")
    assert first == asked(scope((b"idempotency-key", b"k"), (b"user-agent", b"y")), b"a", "")
    assert first.key == other.key
    assert first.body_sha256 != other.body_sha256


def test_looking_for_a_key_costs_next_to_nothing():
    plain = scope(*[(b"x-header-%d" % n, b"value") for n in range(20)])
    began = time.perf_counter()
    for _ in range(1_000):
        asked(plain, b"{}", "")
    assert (time.perf_counter() - began) / 1_000 < 0.0001
