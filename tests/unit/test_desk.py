"""Waiting for a human: no longer than asked, with one look at the ledger for all who wait."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.errors import LedgerError
from rung.core.labels import Closing, InboxState
from rung.core.outcome import Outcome
from rung.core.types import Answer, Directions
from rung.desk import Desk
from rung.trouble import trouble
from support.outcomes import outcome

LONG = 60.0


class Closings:
    """A ledger's closings, with every look at them."""

    def __init__(self) -> None:
        self.closed: dict[str, Closing] = {}
        self.looks: list[set[str]] = []
        self.looked = threading.Event()
        self.broken = False

    def __call__(self, ids):
        self.looks.append(set(ids))
        self.looked.set()
        if self.broken:
            self.broken = False
            raise LedgerError("locked")
        return {name: self.closed[name] for name in ids if name in self.closed}

    closings = __call__

    async def seen(self, times: int = 1) -> None:
        for _ in range(times):
            assert await asyncio.to_thread(self.looked.wait, 5)
            self.looked.clear()


def waiting(name: str = "wait-1", **changed) -> Outcome:
    made = outcome(name)
    return replace(
        made,
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        inbox=True,
        **changed,
    )


def answered(name: str = "wait-1", text: str = "from a human", **more) -> Closing:
    return Closing(name, InboxState.ANSWERED, 1.0, text, **more)


@pytest.fixture
def inbox() -> Closings:
    return Closings()


@pytest.fixture
async def desk(inbox: Closings):
    made = Desk(inbox, time.monotonic, {"default": LONG}, poll_seconds=0.01)
    yield made
    await made.close()


async def test_a_caller_who_waits_gets_the_answer_as_one_more_tier(desk, inbox) -> None:
    asked = asyncio.ensure_future(desk.answered(waiting()))
    await inbox.seen(2)
    assert not asked.done()
    inbox.closed["wait-1"] = answered(verified=True)
    got = await asked
    served = got.attempts[got.served]
    assert (got.answer.text, served.tier, got.verified) == ("from a human", "human", True)
    assert (got.cost_nanousd, got.attempts[0]) == (100, waiting().attempts[0])
    assert trouble(got) is None


async def test_an_accepted_draft_is_served_whole(desk, inbox) -> None:
    made = waiting()
    draft = replace(made.attempts[0], answer=Answer("words", model="llama", body=b"{}"))
    inbox.closed["wait-1"] = answered(text="words", attempt=0, verified=False)
    got = await desk.answered(replace(made, attempts=(draft,)))
    assert (got.answer, got.verified) == (draft.answer, False)


async def test_a_dismissal_ends_the_wait_without_an_answer(desk, inbox) -> None:
    inbox.closed["wait-1"] = Closing("wait-1", InboxState.DISMISSED, 1.0)
    got = await desk.answered(waiting())
    assert (got.served, got.inbox) == (None, False)
    assert "inbox" not in trouble(got).message


async def test_patience_ends(inbox) -> None:
    desk = Desk(inbox, time.monotonic, {"default": 0.03}, poll_seconds=0.01)
    made = waiting()
    assert await desk.answered(made) is made
    await desk.close()


@pytest.mark.parametrize(
    "made",
    [
        waiting(plan=replace(outcome().plan, ladder="another")),
        waiting(attempts=(replace(outcome().attempts[0], released=True),)),
        waiting(
            request=replace(outcome().request, directions=Directions(deadline_seconds=0.5)),
            seconds=0.6,
        ),
        replace(outcome(), decision=Accept(0, verified=True)),
    ],
    ids=["no patience", "bytes have left", "no time is left", "was served"],
)
async def test_who_cannot_be_helped_does_not_wait(desk, inbox, made) -> None:
    inbox.closed = {made.request.id: answered(made.request.id)}
    assert await desk.answered(made) is made
    assert inbox.looks == []


async def test_one_look_serves_all_who_wait_and_nobody_looks_for_nobody(desk, inbox) -> None:
    asked = [asyncio.ensure_future(desk.answered(waiting(f"wait-{n}"))) for n in range(50)]
    await inbox.seen(3)
    assert inbox.looks[-1] == {f"wait-{n}" for n in range(50)}
    inbox.closed = {f"wait-{n}": answered(f"wait-{n}", f"answer {n}") for n in range(50)}
    got = await asyncio.gather(*asked)
    assert [each.answer.text for each in got] == [f"answer {n}" for n in range(50)]
    await asyncio.wait_for(desk._looking, 5)


async def test_a_caller_who_leaves_is_looked_for_no_more(desk, inbox) -> None:
    leaver = asyncio.ensure_future(desk.answered(waiting("leaver")))
    stayer = asyncio.ensure_future(desk.answered(waiting("stayer")))
    await inbox.seen(1)
    leaver.cancel()
    await inbox.seen(3)
    assert inbox.looks[-1] == {"stayer"}
    inbox.closed["stayer"] = answered("stayer")
    assert (await stayer).answer.text == "from a human"


async def test_a_ledger_that_cannot_be_read_for_a_moment_ends_no_wait(desk, inbox, caplog) -> None:
    inbox.broken = True
    inbox.closed["wait-1"] = answered()
    assert (await desk.answered(waiting())).answer.text == "from a human"
    assert "locked" in caplog.text


async def test_an_end_of_the_process_ends_all_waits_and_begins_no_more(desk, inbox) -> None:
    made = waiting()
    asked = asyncio.ensure_future(desk.answered(made))
    await inbox.seen(1)
    desk.let_go()
    assert await asked is made
    assert await desk.answered(made) is made


async def test_the_bell_rings_once_for_what_waits_alone(inbox) -> None:
    rung: list[str] = []
    desk = Desk(inbox, time.monotonic, bell=lambda made: rung.append(made.request.id))
    await desk.answered(outcome("served"))
    await desk.answered(waiting("waits"))
    await desk.answered(waiting("waits"), told=True)
    assert rung == ["waits"]
