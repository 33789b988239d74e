"""Turning requests away while there are more than this process can serve."""

from __future__ import annotations

import asyncio
import json
import random
import resource
from typing import Any

import pytest

from rung.server.replies import refuse_at
from rung.server.shedding import (
    FEW,
    LEAST_LET_IN,
    MANY,
    MOST_RUNNING,
    TARGET_SECONDS,
    TICK_SECONDS,
    Shedding,
    most_running,
)


class Held:
    """An application whose requests run until they are let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        await self.go.wait()


class Stage:
    def __init__(self, most: int = MOST_RUNNING) -> None:
        self.held = Held()
        self.door = Shedding(self.held, refuse_at, random.Random(3).random, most)
        self.tasks: list[asyncio.Task[list]] = []

    async def ask(
        self, count: int = 1, *, method: str = "POST", path: str = "/v1/messages", lane: str = ""
    ) -> list[list]:
        """The messages of those that were turned away."""
        sent: list[list] = []
        for _ in range(count):
            messages: list = []
            sent.append(messages)
            headers = [(b"X-Rung-Lane", lane.encode())] if lane else []
            scope = {"type": "http", "method": method, "path": path, "headers": headers}
            self.tasks.append(asyncio.ensure_future(self._ask(scope, messages)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [messages for messages in sent if messages]

    async def _ask(self, scope: Any, messages: list) -> None:
        async def send(message: Any) -> None:
            messages.append(message)

        await self.door(scope, None, send)  # type: ignore[arg-type]

    def late(self, seconds: float, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.door.note(TICK_SECONDS + seconds)

    async def end(self) -> None:
        self.held.go.set()
        await asyncio.gather(*self.tasks)


async def test_while_the_loop_has_time_all_are_let_in():
    stage = Stage()
    stage.late(TARGET_SECONDS / 2, ticks=500)
    assert await stage.ask(1000) == []
    await stage.end()


async def test_a_rush_of_less_than_a_second_is_served():
    stage = Stage()
    stage.late(0.9)
    stage.late(0.0)
    stage.late(0.9)
    assert await stage.ask(MANY) == []
    assert len(await stage.ask(100)) == 100
    stage.late(0.0)
    assert await stage.ask(100) == []
    await stage.end()


async def test_a_few_at_once_are_no_rush_however_late_the_loop_is():
    stage = Stage()
    stage.late(5.0, ticks=20)
    assert await stage.ask(FEW) == []
    assert len(await stage.ask(200)) > 180
    await stage.end()
    assert await stage.ask(FEW) == []


async def test_what_is_turned_away_is_told_when_to_come_back_in_its_dialect():
    stage = Stage(most=FEW)
    await stage.ask(FEW)
    for path, status in (("/v1/messages", 529), ("/v1/chat/completions", 503)):
        [(start, body)] = await stage.ask(path=path)
        assert start["status"] in {503, status}
        assert dict(start["headers"])[b"retry-after"] in {b"1", b"2", b"3"}
        assert "more requests than it can serve" in json.loads(body["body"])["error"]["message"]
    assert stage.held.begun == FEW
    assert stage.door.shed == 2
    await stage.end()


async def test_not_all_are_told_the_same_time():
    stage = Stage(most=FEW)
    await stage.ask(FEW)
    told = [dict(start["headers"])[b"retry-after"] for start, _ in await stage.ask(30)]
    assert {told.count(each) for each in (b"1", b"2", b"3")} == {10}
    await stage.end()


async def test_work_for_which_nobody_waits_goes_first():
    stage = Stage()
    await stage.ask(FEW)
    stage.late(3 * TARGET_SECONDS, ticks=14)
    assert 0.05 < stage.door.chance < 0.5
    assert len(await stage.ask(50, lane="background")) == 50
    assert len(await stage.ask(50, lane="BATCH")) == 50
    assert len(await stage.ask(50, lane="interactive")) < 40
    await stage.end()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_looks_at_health_and_metrics_are_never_turned_away(method):
    stage = Stage(most=FEW)
    await stage.ask(FEW)
    assert await stage.ask(100, method=method) == []
    await stage.end()


async def test_the_share_follows_within_a_second_and_comes_back_within_ten():
    stage = Stage()
    stage.late(0.5, ticks=7)
    assert stage.door.chance > 0.9
    stage.late(5.0, ticks=50)
    assert stage.door.chance == pytest.approx(1 - LEAST_LET_IN)
    stage.late(0.0, ticks=round(10 / TICK_SECONDS))
    assert stage.door.chance == 0


async def test_the_measuring_rests_while_nobody_asks():
    stage = Stage()
    assert not stage.door._ticking
    await stage.ask()
    assert stage.door._ticking
    await stage.end()
    until = asyncio.get_running_loop().time() + 5
    while stage.door._ticking:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(TICK_SECONDS / 2)


def test_as_many_may_run_as_there_are_files_for(monkeypatch):
    limits = {"now": (1024, 1024)}
    monkeypatch.setattr("rung.server.shedding.getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(
        "rung.server.shedding.setrlimit", lambda _, wanted: limits.update(now=wanted)
    )
    assert most_running() == 412
    limits["now"] = (1024, 1_048_576)
    assert most_running() == MOST_RUNNING
    limits["now"] = (64, 64)
    assert most_running() == FEW


def test_more_files_are_asked_for_and_none_given_up():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most_running()
    after = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert after[0] >= before[0]
    assert after[1] == before[1]
