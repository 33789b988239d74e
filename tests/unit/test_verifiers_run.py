"""`run`: whatever a check does, one sound verdict comes out, in time."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers import base
from rung.verifiers.base import LONGEST_REASON, Finding, passed, run, shown
from support.subjects import subject


@dataclass
class Check:
    """A verifier that does what a test gives it to do."""

    check: Any
    inline: bool = False
    timeout_seconds: float = 5.0
    name: str = "given"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.CODE


def raising(error: BaseException):
    def check(_):
        raise error

    return check


def raising_async(error: BaseException):
    async def check(_):
        raise error

    return check


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


CRASHES = [ValueError("bad"), SystemExit(3), GeneratorExit(), TimeoutError("own"), StopIteration(1)]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("error", [*CRASHES, UnprintableError()], ids=lambda e: type(e).__name__)
async def test_a_plain_check_that_raises_abstains(error, inline):
    verdict = await run(Check(raising(error), inline), subject())
    assert verdict.status is Status.ABSTAINED
    assert type(error).__name__ in verdict.reason


@pytest.mark.parametrize(
    "error", [ValueError("bad"), SystemExit(3), TimeoutError("own")], ids=lambda e: type(e).__name__
)
async def test_an_async_check_that_raises_abstains(error):
    verdict = await run(Check(raising_async(error)), subject())
    assert verdict.status is Status.ABSTAINED
    assert f"crashed: {type(error).__name__}" in verdict.reason


@pytest.mark.parametrize("inline", [True, False])
def test_a_keyboard_interrupt_is_not_swallowed(inline):
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run(Check(raising(KeyboardInterrupt()), inline), subject()))


async def test_a_check_that_cancels_itself_abstains():
    verdict = await run(Check(raising_async(asyncio.CancelledError())), subject())
    assert verdict.status is Status.ABSTAINED
    verdict = await run(Check(raising(asyncio.CancelledError())), subject())
    assert verdict.status is Status.ABSTAINED


async def test_a_check_that_blocks_abstains_in_time_and_leaves_the_loop_free():
    release, ticks = threading.Event(), 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.perf_counter()
    verdict = await run(Check(lambda _: release.wait(), timeout_seconds=0.3), subject())
    took = time.perf_counter() - began
    ticking.cancel()
    release.set()
    assert verdict.status is Status.ABSTAINED
    assert "did not end within 0.3 s" in verdict.reason
    assert 0.25 < took < 2
    assert ticks > 3


async def test_an_async_check_that_swallows_its_cancellation_is_left_behind():
    release = asyncio.Event()

    async def stubborn(_):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("late")

    verdict = await asyncio.wait_for(run(Check(stubborn, timeout_seconds=0.1), subject()), 2)
    release.set()
    await asyncio.sleep(0.01)
    assert verdict.status is Status.ABSTAINED
    assert "did not end" in verdict.reason


async def test_cancelling_the_request_cancels_the_check():
    started, ended = asyncio.Event(), asyncio.Event()

    async def check(_):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(run(Check(check), subject()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 2)


async def test_a_check_that_hangs_for_ever_is_not_started_without_end(monkeypatch):
    monkeypatch.setattr(base, "MOST_THREADS", 3)
    release = threading.Event()
    hanging = Check(lambda _: release.wait(), timeout_seconds=0.05, name="hanging")
    reasons = [(await run(hanging, subject())).reason for _ in range(5)]
    other = await run(Check(lambda _: passed("fine")), subject())
    release.set()
    assert sum("have not ended" in reason for reason in reasons) == 2
    assert other.status is Status.PASSED


def test_a_hanging_check_does_not_keep_the_process_alive():
    script = """
import asyncio, sys, time
from dataclasses import dataclass, replace
sys.path[:0] = [{paths}]
from support.subjects import subject
from rung.verifiers.base import run
from rung.verifiers.function import function
hang = function(lambda text: time.sleep(600), timeout_seconds=0.2)
print(asyncio.run(run(hang, subject())).status.value)
"""
    paths = ", ".join(repr(path) for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", script.replace("{paths}", paths)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "abstained"


async def test_a_plain_check_sees_the_context_of_its_request():
    name = contextvars.ContextVar("name", default="none")
    name.set("request")
    verdict = await run(Check(lambda _: passed(name.get())), subject())
    assert verdict.reason == "request"


async def test_a_verdict_has_the_plans_name_for_the_check_and_the_time_of_its_end():
    verdict = await run(Check(lambda _: passed("so it is")), subject(), "given-2", lambda: 1.5)
    assert (verdict.verifier, verdict.at) == ("given-2", 1.5)


async def test_a_plain_check_may_return_an_awaitable():
    async def later(_):
        return passed("later")

    def check(given):
        return later(given)

    for inline in (True, False):
        assert (await run(Check(check, inline), subject())).reason == "later"


@pytest.mark.parametrize("found", [None, True, "passed", object(), Finding])
async def test_what_is_no_finding_abstains(found):
    assert (await run(Check(lambda _: found), subject())).status is Status.ABSTAINED


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.5, "0.5"])
async def test_a_score_that_is_no_probability_abstains(score):
    verdict = await run(Check(lambda _: passed("fine", score)), subject())
    assert verdict.status is Status.ABSTAINED
    assert verdict.score is None


@pytest.mark.parametrize("finding", [Finding("passed", "text"), Finding(Status.PASSED, None)])
async def test_a_finding_of_wrong_types_abstains(finding):
    assert (await run(Check(lambda _: finding), subject())).status is Status.ABSTAINED


@pytest.mark.parametrize("says", ["", "x" * 201, "a\nb", "\0", "\ud800", 5, b"x"])
async def test_a_meaning_that_the_ledger_could_not_keep_abstains(says):
    finding = Finding(Status.PASSED, "fine", vacuous=True, says=says)
    verdict = await run(Check(lambda _: finding), subject())
    assert (verdict.status, verdict.says) == (Status.ABSTAINED, None)
    fine = replace(finding, says="x" * 200)
    assert (await run(Check(lambda _: fine), subject())).says == "x" * 200


async def test_reasons_are_bounded_and_printable():
    hostile = "\x1b[2J\u202e\x00\ud800\n" + "x" * 10_000
    verdict = await run(Check(lambda _: passed(hostile)), subject())
    assert len(verdict.reason) == LONGEST_REASON
    assert verdict.reason.isprintable()
    assert verdict.reason.encode()


async def test_a_flood_inside_an_error_is_bounded():
    verdict = await run(Check(raising(ValueError("y" * 1_000_000))), subject())
    assert len(verdict.reason) == LONGEST_REASON


def test_shown_keeps_what_can_be_shown():
    assert shown("Größe: 3 m² 漢字") == "Größe: 3 m² 漢字"
    assert shown("two\nlines\t.") == "two lines ."
    assert shown("abcdef", 4) == "abc…"
