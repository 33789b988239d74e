"""Asking the next tier beside one that keeps silent: who goes on, what is billed, what is kept."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rung.assemble import assemble
from rung.config import parse
from rung.core.engine import Accept, next_action
from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text
from rung.core.types import (
    Answer,
    Directions,
    EndedBy,
    Failure,
    Fault,
    Kind,
    Lane,
    Phase,
    Request,
    Usage,
    UsageSource,
)
from rung.fittings import READY_MADE
from rung.intake import Intake
from rung.providers.base import CallError, Done

AFTER = 0.05
COUNTED = Usage(10, 5, source=UsageSource.PROVIDER)


class Tier:
    """Waits until it is let go, then says what it has to say. Knows whether it was cut off."""

    dialect = "scripted"

    def __init__(self, *events):
        self.events = events
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.asked = 0
        self.cut = 0

    async def call(self, ask):
        self.asked += 1
        self.begun.set()
        try:
            async with asyncio.timeout(30):
                await self.go.wait()
                for event in self.events:
                    if isinstance(event, Exception):
                        raise event
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cut += 1
            raise


class Ready(Tier):
    def __init__(self, *events):
        super().__init__(*events)
        self.go.set()


def says(text):
    return Done(Answer(text, model="m"), COUNTED)


def broken(fault=Fault.CONNECT):
    return CallError(Failure(fault, "it broke"), Phase.CONNECT)


class Sink:
    def __init__(self):
        self.released = []

    async def release(self, tier, delta):
        self.released.append((tier, delta.text))

    def watch(self, action, history):
        pass


def stage(*tiers, after=AFTER, ladder=""):
    names = [chr(ord("a") + n) for n in range(len(tiers))]
    price = "price = {input_usd_per_mtok = 1, output_usd_per_mtok = 1}"
    rows = f'provider = "{READY_MADE}"\nretries = 1\nrepairs = 0\n{price}\n'
    text = "".join(f"[tiers.{n}]\n{rows}" for n in names)
    text += f"[ladders.default]\ntiers = {names}\nhedge_seconds = {after}\n{ladder}"
    parts = assemble(
        parse(text, Path("rung.toml"), {}),
        ledger=False,
        ready=dict(zip(names, tiers, strict=True)),
    ).intake.parts
    numbers = iter(range(10_000))
    return Intake(
        parts,
        clock=asyncio.get_running_loop().time,
        wall=lambda: 1_700_000_000.0,
        new_id=lambda: f"id-{next(numbers)}",
    )


def request(**changes):
    return Request("r-1", "library", (Message(Role.USER, (Text("hi"),)),), **changes)


async def answered(intake, sink=None, **changes):
    async with asyncio.timeout(10):
        return (await intake.answer(request(**changes), sink=sink)).outcome


def told(outcome):
    return [(each.tier, each.beside, each.answer is not None) for each in outcome.attempts]


def replays(outcome):
    """The decisions that were made, made again from what is stored."""
    plan, history = outcome.plan, outcome.attempts
    calls = [n for n, each in enumerate(history) if not each.beside]
    for before, place in zip([-1, *calls], calls, strict=False):
        action = next_action(plan, history[: before + 1])
        assert (action.tier, action.kind) == (history[place].tier, history[place].kind)
    assert next_action(plan, history) == outcome.decision


async def test_a_tier_that_speaks_in_time_is_asked_alone():
    first, second = Ready(says("hello")), Tier(says("no"))
    outcome = await answered(stage(first, second, after=20))
    assert told(outcome) == [("a", False, True)]
    assert second.asked == 0


async def test_where_a_tier_keeps_silent_the_one_beside_it_answers():
    first, second = Tier(says("late")), Ready(says("hello"))
    outcome = await answered(stage(first, second))
    assert outcome.answer.text == "hello"
    assert told(outcome) == [("a", False, False), ("b", False, True)]
    lost = outcome.attempts[0]
    assert lost.failure.fault is Fault.CANCELLED
    assert "b was asked beside it, and answered first" in lost.failure.message
    assert lost.ended_by is EndedBy.GATEWAY
    assert first.cut == 1
    assert not outcome.escalated
    replays(outcome)


async def test_what_the_lost_call_cost_is_on_the_bill():
    first, second = Tier(says("late")), Ready(says("hello"))
    outcome = await answered(stage(first, second))
    lost, served = outcome.attempts
    assert lost.usage.source is UsageSource.ESTIMATED
    assert lost.cost_nanousd > 0
    assert outcome.cost_nanousd == lost.cost_nanousd + served.cost_nanousd


async def test_a_tier_that_speaks_before_the_one_beside_it_goes_on():
    first, second = Tier(says("hello")), Tier(says("no"))

    async def let_the_first_go():
        await second.begun.wait()
        first.go.set()

    waiting = asyncio.ensure_future(let_the_first_go())
    outcome = await answered(stage(first, second))
    await waiting
    assert outcome.answer.text == "hello"
    assert told(outcome) == [("b", True, False), ("a", False, True)]
    assert outcome.decision == Accept(1, None)
    assert second.cut == 1
    assert not outcome.escalated
    replays(outcome)


async def test_when_the_first_tier_fails_the_one_beside_it_is_the_next():
    first, second = Tier(broken()), Tier(says("hello"))

    async def end_the_first():
        await second.begun.wait()
        first.go.set()
        second.go.set()

    waiting = asyncio.ensure_future(end_the_first())
    outcome = await answered(stage(first, second))
    await waiting
    assert outcome.answer.text == "hello"
    assert second.asked == 1
    assert told(outcome)[-1] == ("b", False, True)
    replays(outcome)


async def test_when_the_first_tier_is_worth_another_try_the_one_beside_it_is_let_go():
    first, second = Tier(broken(Fault.SERVER_ERROR)), Tier(says("no"))

    async def end_the_first():
        await second.begun.wait()
        first.go.set()

    waiting = asyncio.ensure_future(end_the_first())
    intake = stage(first, second)
    answering = asyncio.ensure_future(answered(intake))
    await waiting
    second.go.set()
    outcome = await answering
    assert told(outcome)[:2] == [("b", True, False), ("a", False, False)]
    assert [each.kind for each in outcome.attempts][2] is Kind.RETRY
    replays(outcome)


async def test_when_the_one_beside_it_fails_the_first_is_waited_for():
    first, second = Tier(says("hello")), Ready(broken())

    async def let_the_first_go():
        await second.begun.wait()
        await asyncio.sleep(0.05)
        first.go.set()

    waiting = asyncio.ensure_future(let_the_first_go())
    outcome = await answered(stage(first, second))
    await waiting
    assert outcome.answer.text == "hello"
    assert told(outcome) == [("b", True, False), ("a", False, True)]
    replays(outcome)


async def test_a_stream_is_of_one_tier_alone():
    first = Tier(Delta("late"), says("late"))
    second = Ready(Delta("hel"), Delta("lo"), says("hello"))
    sink = Sink()
    outcome = await answered(stage(first, second), sink=sink, stream=True)
    assert outcome.answer.text == "hello"
    assert {tier for tier, _ in sink.released} == {"b"}
    assert first.cut == 1


async def test_an_answer_that_fails_its_check_climbs_from_the_tier_that_gave_it():
    first, second, third = Tier(says("late")), Ready(says("")), Ready(says("hello"))
    outcome = await answered(stage(first, second, third))
    assert outcome.answer.text == "hello"
    assert told(outcome) == [("a", False, False), ("b", False, True), ("c", False, True)]
    replays(outcome)


@pytest.mark.parametrize("lane", [Lane.BACKGROUND, Lane.BATCH])
async def test_nobody_is_asked_beside_a_tier_where_nobody_waits(lane):
    first, second = Tier(says("hello")), Ready(says("no"))
    answering = asyncio.ensure_future(
        answered(stage(first, second), directions=Directions(lane=lane))
    )
    await asyncio.sleep(4 * AFTER)
    first.go.set()
    assert told(await answering) == [("a", False, True)]
    assert second.asked == 0


async def test_both_calls_have_to_fit_under_the_cap():
    first, second = Tier(says("hello")), Ready(says("no"))
    intake = stage(first, second)
    worst = intake.order(request(directions=Directions(max_cost_nanousd=10**12))).plan
    both = sum(step.worst_cost_nanousd for step in worst.steps)
    capped = replace(Directions(), max_cost_nanousd=both - 1)
    answering = asyncio.ensure_future(answered(intake, directions=capped))
    await asyncio.sleep(4 * AFTER)
    first.go.set()
    assert told(await answering) == [("a", False, True)]
    assert second.asked == 0


async def test_a_caller_who_leaves_ends_both_calls_and_both_are_booked():
    first, second = Tier(says("late")), Tier(says("late"))
    intake = stage(first, second)
    kept = []

    class Book:
        async def append(self, outcome):
            kept.append(outcome)

    intake.parts = replace(intake.parts, book=Book())
    answering = asyncio.ensure_future(intake.answer(request()))
    await second.begun.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert (first.cut, second.cut) == (1, 1)
    (outcome,) = kept
    assert told(outcome) == [("b", True, False), ("a", False, False)]
    assert {each.failure.fault for each in outcome.attempts} == {Fault.CANCELLED}
    assert outcome.ended_by is EndedBy.CLIENT


class Lingering(Tier):
    """Takes its time to end when it is cut off."""

    def __init__(self, *events):
        super().__init__(*events)
        self.ending = asyncio.Event()
        self.ended = asyncio.Event()
        self.well = False

    async def call(self, ask):
        try:
            async for event in super().call(ask):
                yield event
        finally:
            self.ending.set()
            await self.ended.wait()
            self.well = True


class Speaking(Tier):
    """Begins to speak once another is asked, and never ends."""

    after: asyncio.Event

    async def call(self, ask):
        self.begun.set()
        try:
            await self.after.wait()
            yield Delta(text="hel")
            await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.cut += 1
            raise


@pytest.mark.parametrize("lost", ["first", "second"])
async def test_a_caller_who_leaves_while_the_lost_call_is_ended_leaves_no_call_behind(lost):
    speaks, lingers = Speaking(), Lingering(says("late"))
    tiers = [lingers, speaks] if lost == "first" else [speaks, lingers]
    intake, kept = stage(*tiers), []
    speaks.after = tiers[1].begun

    class Book:
        async def append(self, outcome):
            kept.append(outcome)

    intake.parts = replace(intake.parts, book=Book())
    answering = asyncio.ensure_future(intake.answer(request()))
    await lingers.ending.wait()
    answering.cancel()
    await asyncio.sleep(0)
    lingers.ended.set()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert (speaks.cut, lingers.cut, lingers.well) == (1, 1, True)
    (outcome,) = kept
    assert sorted(each.tier for each in outcome.attempts) == ["a", "b"]
    assert {each.failure.fault for each in outcome.attempts} == {Fault.CANCELLED}


async def test_a_deadline_that_leaves_no_time_for_another_asks_nobody_beside():
    first, second = Tier(says("hello")), Ready(says("no"))
    outcome_of = answered(
        stage(first, second, after=5), directions=Directions(deadline_seconds=0.2)
    )
    first.go.set()
    assert told(await outcome_of) == [("a", False, True)]
