"""Calls that wait for their turn at a model that takes only so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from rung.core.parts import Message, Role, Text
from rung.core.types import Answer, Directions, Fault, Lane, Phase, Request, Usage
from rung.providers.base import Ask, CallError, Counting, Done, Event, Health, Residing, Stay
from rung.providers.queueing import Slots, queueing


class Gated:
    """Answers a call when the test lets it; notes which calls have begun."""

    dialect = "gated"

    def __init__(self) -> None:
        self.begun: list[Ask] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.closed: list[str] = []
        self.loads = 0.0

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        self.begun.append(ask)
        try:
            await self.gates.setdefault(ask.request.id, asyncio.Event()).wait()
            yield Done(Answer("yes"), Usage())
        finally:
            self.closed.append(ask.request.id)

    def finish(self, name: str) -> None:
        self.gates.setdefault(name, asyncio.Event()).set()

    def stay(self) -> Stay:
        return Stay(resident=True, loads_seconds=self.loads)

    async def keep(self) -> None: ...

    async def health(self) -> Health:
        return Health(ok=True, message="")

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


class Counts(Gated):
    async def count(self, request: Request) -> int:
        return len(request.id)


def asked(name: str, lane: Lane = Lane.INTERACTIVE, seconds: float = 30.0) -> Ask:
    message = Message(Role.USER, (Text("hi"),))
    request = Request(name, "test", (message,), directions=Directions(lane=lane))
    return Ask(request, (message,), as_it_came=True, stream=False, timeout_seconds=seconds)


def unknown(_: Ask) -> float:
    return 0.0


async def settled() -> None:
    """Until everything that can go on has."""
    for _ in range(20):
        await asyncio.sleep(0)


class Stage:
    def __init__(self, places: int = 1, forecast=unknown) -> None:
        self.inner = Gated()
        self.slots = Slots(places)
        self.provider = queueing(self.inner, self.slots, forecast)
        self.tasks: dict[str, asyncio.Task[Done]] = {}
        self.asks: dict[str, Ask] = {}

    async def ask(self, name: str, lane: Lane = Lane.INTERACTIVE, seconds: float = 30.0) -> None:
        self.asks[name] = asked(name, lane, seconds)
        self.tasks[name] = asyncio.ensure_future(self._done(self.asks[name]))
        await settled()

    async def _done(self, ask: Ask) -> Done:
        [event] = [event async for event in self.provider.call(ask)]
        assert isinstance(event, Done)
        return event

    async def finish(self, name: str) -> Done:
        self.inner.finish(name)
        done = await self.tasks[name]
        await settled()
        return done

    @property
    def begun(self) -> list[str]:
        return [ask.request.id for ask in self.inner.begun]


async def test_only_so_many_run_and_the_rest_follow_in_order():
    stage = Stage(places=2)
    for name in "abcd":
        await stage.ask(name)
    assert stage.begun == ["a", "b"]
    await stage.finish("b")
    assert stage.begun == ["a", "b", "c"]
    for name in "acd":
        await stage.finish(name)
    assert stage.begun == ["a", "b", "c", "d"]
    assert stage.slots.under_way == 0


async def test_a_person_goes_before_background_work_and_that_before_a_batch():
    stage = Stage()
    await stage.ask("first", Lane.BATCH)
    await stage.ask("batch", Lane.BATCH)
    await stage.ask("background", Lane.BACKGROUND)
    await stage.ask("person")
    await stage.ask("person 2")
    for name in ("first", "person", "person 2", "background", "batch"):
        await stage.finish(name)
    assert stage.begun == ["first", "person", "person 2", "background", "batch"]


async def test_who_leaves_the_queue_frees_the_place_and_nothing_is_asked():
    stage = Stage()
    for name in "abc":
        await stage.ask(name)
    stage.tasks["b"].cancel()
    with suppress(asyncio.CancelledError):
        await stage.tasks["b"]
    assert stage.asks["b"].standing.waiting
    assert stage.asks["b"].standing.queued_seconds > 0
    assert stage.slots.under_way == 2
    await stage.finish("a")
    assert stage.begun == ["a", "c"]
    await stage.finish("c")


async def test_who_leaves_while_running_ends_the_call_and_lets_the_next_one_in():
    stage = Stage()
    await stage.ask("a")
    await stage.ask("b")
    stage.tasks["a"].cancel()
    await settled()
    assert stage.inner.closed == ["a"]
    assert not stage.asks["a"].standing.waiting
    assert stage.begun == ["a", "b"]
    await stage.finish("b")


async def test_the_wait_is_bounded_by_the_calls_time_and_says_why():
    stage = Stage()
    await stage.ask("a")
    await stage.ask("b", seconds=0.02)
    with pytest.raises(CallError, match="busy with other calls") as told:
        await stage.tasks["b"]
    assert (told.value.failure.fault, told.value.phase) == (Fault.TIMEOUT, Phase.CONNECT)
    assert stage.begun == ["a"]
    await stage.finish("a")
    assert stage.slots.under_way == 0


async def test_a_models_load_does_not_count_as_waiting():
    stage = Stage()
    await stage.ask("a")
    stage.inner.loads = 0.0
    await stage.ask("b", seconds=0.05)
    stage.inner.loads = 30.0  # the call before it was loading all the while
    await asyncio.sleep(0.1)
    assert not stage.tasks["b"].done()
    await stage.finish("a")
    await stage.finish("b")
    standing = stage.asks["b"].standing
    assert standing.queued_seconds < 0.01
    assert standing.load_seconds > 0.09


@pytest.mark.parametrize(("lane", "whole"), [(Lane.INTERACTIVE, False), (Lane.BACKGROUND, True)])
async def test_a_persons_call_has_what_the_wait_left_and_others_all_of_their_time(lane, whole):
    stage = Stage()
    await stage.ask("a")
    await stage.ask("b", lane)
    await asyncio.sleep(0.05)
    await stage.finish("a")
    assert (stage.inner.begun[1].timeout_seconds == 30.0) is whole
    if not whole:
        assert 25 < stage.inner.begun[1].timeout_seconds < 29.96
    await stage.finish("b")


async def test_the_wait_is_told_beforehand_and_only_of_those_who_go_first():
    stage = Stage(forecast=lambda ask: {"long": 40.0, "short": 2.0}.get(ask.request.id, 0.0))
    assert stage.slots.wait_seconds(Lane.INTERACTIVE) == 0
    await stage.ask("long", Lane.BACKGROUND)
    await stage.ask("short", Lane.BATCH)
    assert stage.slots.wait_seconds(Lane.INTERACTIVE) == pytest.approx(40, abs=1)
    assert stage.slots.wait_seconds(Lane.BACKGROUND) == pytest.approx(40, abs=1)
    assert stage.slots.wait_seconds(Lane.BATCH) == pytest.approx(42, abs=1)
    for name in ("long", "short"):
        await stage.finish(name)


@pytest.mark.parametrize(("lane", "waits"), [(Lane.INTERACTIVE, False), (Lane.BACKGROUND, True)])
async def test_a_person_who_would_wait_too_long_is_told_so_at_once(lane, waits):
    stage = Stage(forecast=lambda _: 16.0)
    await stage.ask("a")
    await stage.ask("b", lane, seconds=30.0)
    if not waits:
        with pytest.raises(CallError, match="16 s until its turn, and the call may wait 15 s") as e:
            await stage.tasks["b"]
        assert e.value.failure.fault is Fault.OVERLOADED
        assert e.value.failure.retry_after_seconds == pytest.approx(1, abs=0.1)
    assert stage.slots.under_way == 1 + waits
    await stage.finish("a")
    if waits:
        await stage.finish("b")


async def test_a_call_whose_turn_comes_too_late_is_not_begun():
    stage = Stage(forecast=lambda ask: 10.0 if ask.request.id == "b" else 0.0)
    await stage.ask("a")
    await stage.ask("b", seconds=5.02)
    await asyncio.sleep(0.05)
    await stage.finish("a")
    with pytest.raises(CallError, match="are too few"):
        await stage.tasks["b"]
    assert stage.begun == ["a"]
    assert stage.slots.under_way == 0


async def test_with_more_places_the_wait_is_until_the_first_is_free():
    stage = Stage(2, forecast=lambda ask: float(ask.request.id))
    for name in ("10", "30", "5"):
        await stage.ask(name)
    assert stage.slots.wait_seconds(Lane.INTERACTIVE) == pytest.approx(15, abs=1)
    for name in ("10", "30", "5"):
        await stage.finish(name)


async def test_a_call_that_fails_gives_its_place_back():
    stage = Stage()

    async def failing(_: Ask) -> AsyncGenerator[Event, None]:
        raise CallError(asked_failure, Phase.HEADERS)
        yield

    asked_failure = (await _failure()).failure
    stage.inner.call = failing  # type: ignore[method-assign]
    for name in "ab":
        await stage.ask(name)
        with pytest.raises(CallError):
            await stage.tasks[name]
    assert stage.slots.under_way == 0


async def _failure() -> CallError:
    stage = Stage()
    await stage.ask("a")
    await stage.ask("b", seconds=0.001)
    with pytest.raises(CallError) as told:
        await stage.tasks["b"]
    await stage.finish("a")
    return told.value


def test_calls_of_a_loop_that_was_closed_over_them_hold_no_place():
    slots = Slots(1)

    async def enter() -> None:
        slots.enter(asked("a"), unknown)

    async def again() -> bool:
        return slots.enter(asked("b"), unknown).granted.done()

    asyncio.run(enter())
    assert asyncio.run(again())


async def test_what_a_provider_can_do_it_can_do_behind_a_queue():
    assert not isinstance(queueing(Gated(), Slots(1), unknown), Counting)
    counting = queueing(Counts(), Slots(1), unknown)
    assert isinstance(counting, Counting)
    assert await counting.count(asked("four").request) == 4
    assert isinstance(counting, Residing)
    assert counting.stay().resident
