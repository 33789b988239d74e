"""Callers who leave, and tiers that are heard to their end for the sake of their bill."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rung.assemble import assemble
from rung.config import parse
from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text
from rung.core.types import (
    Answer,
    EndedBy,
    Failure,
    Fault,
    Phase,
    Request,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.fittings import READY_MADE
from rung.intake import Intake
from rung.lines import STOPPING
from rung.providers.base import CallError, Done

TOLD = Usage(1000, 2000, source=UsageSource.PROVIDER)


class Talks:
    """Says a word, waits until it is let go on, and ends with what it used, or as it is told to."""

    dialect = "scripted"

    def __init__(self, end: Done | Exception | None = None) -> None:
        self.end = end or Done(Answer("so far, so good"), TOLD)
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.closed = 0

    async def call(self, ask):
        try:
            if ask.stream:
                yield Delta("so far, ")
            self.begun.set()
            await self.go_on.wait()
            if isinstance(self.end, Exception):
                raise self.end
            yield self.end
        finally:
            self.closed += 1


class Book:
    def __init__(self) -> None:
        self.outcomes: list = []

    async def append(self, outcome) -> None:
        self.outcomes.append(outcome)


class Broken:
    """A sink whose caller hung up."""

    async def release(self, tier, delta) -> None:
        raise ConnectionResetError

    def watch(self, action, history) -> None:
        pass


class Stage:
    def __init__(self, *providers, on_disconnect: str = "drain", ladder: str = "") -> None:
        names = [chr(ord("a") + n) for n in range(len(providers))]
        tier = f'provider = "{READY_MADE}"\non_disconnect = "{on_disconnect}"'
        tier += "\nretries = 0\nrepairs = 0"
        text = "".join(f"[tiers.{n}]\n{tier}\n" for n in names)
        config = parse(f"{text}[ladders.default]\ntiers = {names}\n{ladder}", Path("rung.toml"), {})
        parts = assemble(config, ledger=False, ready=dict(zip(names, providers, strict=True)))
        self.book = Book()
        self.intake = Intake(
            replace(parts.intake.parts, book=self.book),
            clock=asyncio.get_running_loop().time,
            wall=lambda: 1_700_000_000.0,
            new_id=iter(f"id-{n}" for n in range(100)).__next__,
        )

    def ask(self, sink=None, **changes) -> asyncio.Future:
        asked = Request("r-1", "library", (Message(Role.USER, (Text("hi"),)),), **changes)
        return asyncio.ensure_future(self.intake.answer(asked, sink=sink))

    @property
    def attempt(self):
        (outcome,) = self.book.outcomes
        return outcome.attempts[-1]


async def left(asking: asyncio.Future, *reason: str) -> None:
    asking.cancel(*reason)
    for _ in range(5):
        await asyncio.sleep(0)


async def ended(asking: asyncio.Future) -> None:
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_heard_to_its_end_and_billed_as_its_provider_says(stream):
    provider = Talks()
    stage = Stage(provider)
    asking = stage.ask(stream=stream)
    await provider.begun.wait()
    await left(asking)
    assert (provider.closed, asking.done(), stage.book.outcomes) == (0, False, [])
    provider.go_on.set()
    await ended(asking)
    attempt = stage.attempt
    assert (attempt.usage, attempt.drained, provider.closed) == (TOLD, True, 1)
    assert (attempt.failure.fault, attempt.ended_by) == (Fault.CANCELLED, EndedBy.CLIENT)
    assert attempt.answer is None


async def test_without_it_the_call_ends_at_once_and_is_estimated():
    provider = Talks()
    stage = Stage(provider, on_disconnect="cancel")
    asking = stage.ask(stream=True)
    await provider.begun.wait()
    await left(asking)
    await ended(asking)
    attempt = stage.attempt
    assert (attempt.drained, provider.closed) == (False, 1)
    assert attempt.usage.source is UsageSource.ESTIMATED


async def test_who_cannot_be_told_has_left_too():
    provider = Talks()
    stage = Stage(provider)
    asking = stage.ask(Broken(), stream=True)
    await provider.begun.wait()
    provider.go_on.set()
    with pytest.raises(Exception, match=r"^$"):
        await asking
    assert (stage.attempt.usage, stage.attempt.drained) == (TOLD, True)


async def test_a_gateway_that_stops_hears_nobody_out():
    provider = Talks()
    stage = Stage(provider)
    asking = stage.ask(stream=True)
    await provider.begun.wait()
    await left(asking, STOPPING)
    await ended(asking)
    assert (provider.closed, stage.attempt.drained) == (1, False)
    assert stage.attempt.ended_by is EndedBy.GATEWAY


async def test_a_gateway_that_stops_ends_a_call_that_is_being_heard_out():
    provider = Talks()
    stage = Stage(provider)
    asking = stage.ask(stream=True)
    await provider.begun.wait()
    await left(asking)
    await left(asking, STOPPING)
    await ended(asking)
    assert (provider.closed, stage.attempt.drained) == (1, False)
    assert stage.attempt.usage.source is UsageSource.ESTIMATED


async def test_a_call_that_fails_while_it_is_heard_out_is_estimated():
    provider = Talks(CallError(Failure(Fault.CUT_STREAM, "cut"), Phase.STREAM))
    stage = Stage(provider)
    asking = stage.ask(stream=True)
    await provider.begun.wait()
    await left(asking)
    provider.go_on.set()
    await ended(asking)
    assert (stage.attempt.drained, stage.attempt.usage.source) == (False, UsageSource.ESTIMATED)
    assert stage.attempt.failure.fault is Fault.CANCELLED


async def test_nothing_more_is_called_for_whom_nobody_waits():
    first, second = Talks(Done(Answer("no json"), TOLD)), Talks()
    stage = Stage(first, second)
    asking = stage.ask(schema=SchemaRequest({"type": "object"}))
    await first.begun.wait()
    await left(asking)
    first.go_on.set()
    await ended(asking)
    assert not second.begun.is_set()
    assert stage.attempt.drained


async def test_an_answer_that_is_broken_off_for_what_it_says_is_not_heard_out():
    class Babbles:
        dialect = "scripted"
        closed = 0

        async def call(self, ask):
            try:
                for _ in range(1_000_000):
                    yield Delta("nothing like it ")
                    await asyncio.sleep(0)
            finally:
                Babbles.closed += 1

    good = Talks(Done(Answer("{}"), TOLD))
    good.go_on.set()
    stage = Stage(Babbles(), good)
    served = await stage.ask(stream=True, schema=SchemaRequest({"type": "object"}))
    assert served.outcome.attempts[0].aborted
    assert (served.outcome.served, Babbles.closed) == (1, 1)


async def test_a_call_that_may_have_another_asked_beside_it_is_heard_out_too():
    provider, other = Talks(), Talks()
    stage = Stage(provider, other, ladder="hedge_seconds = 30")
    asking = stage.ask(stream=True)
    await provider.begun.wait()
    for _ in range(10):  # until its first word is heard
        await asyncio.sleep(0)
    await left(asking)
    provider.go_on.set()
    await ended(asking)
    assert (stage.attempt.usage, stage.attempt.drained) == (TOLD, True)
    assert (provider.closed, other.begun.is_set()) == (1, False)
