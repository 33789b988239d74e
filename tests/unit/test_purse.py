"""The purse over a real ledger: who is let through, who waits, who is told, and what is left."""

import asyncio
from concurrent.futures import Future
from itertools import count

import pytest

from rung.core.budgets import Account, Budget, Counter, Mark, Per, Scope
from rung.core.errors import LedgerError
from rung.core.parts import Message, Role, Text
from rung.core.types import Directions, Lane, Price, Request, Usage
from rung.ledger import Ledger
from rung.orders import Hold, Refused, Tier, Wish
from rung.purse import LedgerPurse, Surroundings, Terms

NOW = 1_767_000_000.0
TOTAL = Counter("total", "", "month")


class World:
    """A ledger with a purse, whose clock stands still and whose bell is a list."""

    def __init__(self, place, *budgets, accounts=None, books=None, **terms):
        self.ledger = Ledger.open(place)
        self.now = NOW
        self.told = []
        self.numbers = count()
        self.terms = Terms(budgets, **({"wait_seconds": 5.0} | terms))
        self.around = Surroundings(
            "p1", lambda: self.now, accounts or (lambda _: ()), self.told.append
        )
        self.purse = LedgerPurse(books or self.ledger, self.terms, self.around)

    def replica(self):
        return LedgerPurse(self.ledger, self.terms, self.around)

    async def reserve(self, amount, *, wait=0.0, purse=None, **asked):
        name = f"a{next(self.numbers)}"
        wish = Wish(name, request(**asked), amount, wait)
        return await (purse or self.purse).reserve(wish)

    async def spend(self, amount, cost, **asked):
        self.purse.settle(await self.reserve(amount, **asked), cost)

    async def level(self, counter=TOTAL):
        """Spent and held, once all that was handed over is written."""
        await self.ledger.commit(lambda _: None)
        with self.ledger.reading() as connection:
            rows = connection.named(
                "newest level", of_scope=counter.scope, of_name=counter.name, of_per=counter.per
            ).fetchall()
        return tuple(rows[0])[1:] if rows else (0, 0)


def request(project=None, lane=Lane.INTERACTIVE, key=None, conversation=""):
    messages = (Message(Role.USER, (Text("hi"),)),)
    asked = Directions(project=project, lane=lane)
    return Request("r1", "library", messages, directions=asked, key=key, conversation=conversation)


@pytest.fixture
def world(tmp_path):
    made = []

    def make(*budgets, **more):
        made.append(World(tmp_path / "ledger.db", *budgets, **more))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


# ------------------------------------------------------------------ money


async def test_a_call_holds_its_worst_cost_and_spends_what_it_cost(world):
    here = world(Budget("b", 100))
    hold = await here.reserve(60)
    assert isinstance(hold, Hold)
    assert await here.level() == (0, 60)
    here.purse.settle(hold, 25)
    here.purse.settle(hold, 25)
    assert await here.level() == (25, 0)


async def test_a_hundred_at_once_never_hold_more_than_the_cap(world):
    here = world(Budget("b", 1000))
    found = await asyncio.gather(*(here.reserve(100) for _ in range(100)))
    assert sum(isinstance(each, Hold) for each in found) == 10
    assert await here.level() == (0, 1000)


async def test_nobody_is_refused_while_money_may_come_back(world):
    """Each holds 400 and spends 100: all of the cap is used but what is less than a worst case."""
    here = world(Budget("b", 4000))
    most = 0

    async def one():
        nonlocal most
        hold = await here.reserve(400, wait=5.0)
        if isinstance(hold, Refused):
            return hold
        most = max(most, here.purse.open_holds)
        await asyncio.sleep(0.001)
        here.purse.settle(hold, 100)
        return hold

    found = await asyncio.gather(*(one() for _ in range(100)))
    assert sum(isinstance(each, Hold) for each in found) == 37
    assert all(each.retry_after_seconds is None for each in found if isinstance(each, Refused))
    assert await here.level() == (3700, 0)
    assert most <= 10


async def test_who_stands_in_line_goes_in_order_and_small_ones_do_not_pass(world):
    here = world(Budget("b", 100))
    first = await here.reserve(80)
    order = []

    async def stand(name, amount):
        hold = await here.reserve(amount, wait=5.0)
        order.append(name)
        here.purse.settle(hold, 0)

    standing = []
    for name, amount in (("large", 90), ("small", 10), ("third", 10)):
        standing.append(asyncio.ensure_future(stand(name, amount)))
        await asyncio.sleep(0.02)
    assert order == []
    here.purse.settle(first, 0)
    await asyncio.gather(*standing)
    assert order == ["large", "small", "third"]


async def test_what_another_replica_gives_back_is_found(world):
    here = world(Budget("b", 100))
    other = here.replica()
    theirs = await here.reserve(100, purse=other)
    ours = asyncio.ensure_future(here.reserve(100, wait=5.0))
    await asyncio.sleep(0.05)
    assert not ours.done()
    other.settle(theirs, 0)
    assert isinstance(await ours, Hold)


async def test_who_waits_too_long_is_told_to_come_back(world):
    here = world(Budget("b", 100), wait_seconds=0.05)
    await here.reserve(100)
    found = await here.reserve(1, wait=60.0)
    assert isinstance(found, Refused)
    assert found.retry_after_seconds is not None
    assert "held by calls under way" in found.message


async def test_who_leaves_while_the_ledger_is_at_it_holds_nothing(world):
    here = world(Budget("b", 100))
    for _ in range(20):
        leaving = asyncio.ensure_future(here.reserve(50, wait=5.0))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    assert await here.level() == (0, 0)
    assert here.purse.open_holds == 0


async def test_who_leaves_the_line_holds_nothing_and_lets_the_next_one_go(world):
    here = world(Budget("b", 100))
    first = await here.reserve(100)
    waits = [asyncio.ensure_future(here.reserve(100, wait=5.0)) for _ in range(2)]
    await asyncio.sleep(0.02)
    waits[0].cancel()
    await asyncio.sleep(0.02)
    here.purse.settle(first, 10)
    found = await waits[1]
    assert isinstance(found, Refused)  # 10 are spent by now: 100 more can never fit
    assert await here.level() == (10, 0)


async def test_without_a_budget_a_call_is_still_written_down_first(world):
    here = world()
    hold = await here.reserve(60)
    with here.ledger.reading() as connection:
        (row,) = connection.named("open holds", of_process="p1").fetchall()
    assert (row["id"], row["amount_nanousd"], row["caps_json"]) == (hold.id, 60, "[]")


async def test_all_caps_hold_at_once_or_none(world):
    here = world(Budget("all", 100), Budget("acme", 50, Scope.PROJECT, "acme"))
    assert isinstance(await here.reserve(60, project="acme"), Refused)
    assert await here.level() == (0, 0)
    assert isinstance(await here.reserve(60), Hold)
    assert isinstance(await here.reserve(50, project="acme"), Refused)
    assert isinstance(await here.reserve(40, project="acme"), Hold)
    assert await here.level() == (0, 100)


async def test_the_caps_of_a_key_and_of_its_makers_hold(world):
    line = (Account("child", "kid", {Per.DAY: 30}), Account("maker", "boss", {Per.MONTH: 50}))
    here = world(accounts=lambda key: line if key else ())
    assert isinstance(await here.reserve(31, key="child"), Refused)
    await here.spend(30, 30, key="child")
    assert await here.level(Counter("key", "maker", "month")) == (30, 0)
    refused = await here.reserve(1, key="child")
    assert "kid" in refused.message


# ------------------------------------------------------------------ near a cap


async def test_each_mark_is_told_once_in_its_period_by_one_replica(world):
    here = world(Budget("b", 100, marks={Mark.WARN: 50}))
    other = here.replica()
    await here.spend(60, 60)
    await here.level()
    theirs = await here.reserve(10, purse=other)
    other.settle(theirs, 10)
    await here.level()
    await here.spend(30, 30)
    await here.level()
    await asyncio.sleep(0.01)
    assert [(each.mark, each.level.spent_nanousd) for each in here.told] == [
        (Mark.WARN, 60),
        (Mark.STOP, 100),
    ]
    here.now += 32 * 86_400
    await here.spend(60, 60)
    await here.level()
    await asyncio.sleep(0.01)
    assert here.told[-1].mark is Mark.WARN


async def test_the_first_refusal_is_told_once(world):
    here = world(Budget("b", 100))
    for _ in range(3):
        assert isinstance(await here.reserve(101), Refused)
    assert [each.mark for each in here.told] == [Mark.STOP]


async def test_work_that_nobody_waits_for_is_paused_before_the_cap(world):
    here = world(Budget("b", 100, marks={Mark.PAUSE: 50}))
    refused = await here.reserve(60, lane=Lane.BATCH)
    assert "paused from" in refused.message
    assert isinstance(await here.reserve(60), Hold)
    assert [each.mark for each in here.told] == [Mark.PAUSE]


class Priced:
    """A price per token, all the same."""

    def __init__(self, nanousd):
        self.price = Price("configured", nanousd, nanousd)

    def cost(self, usage: Usage, seconds, at):
        return usage.input_tokens * self.price.input_nanousd_per_mtok


def tiers(**prices):
    return {
        name: Tier(name, name, local=False, provider=None, pricer=Priced(price))
        for name, price in prices.items()
    }


async def test_near_its_end_a_budget_leaves_the_dearest_tier_out(world):
    here = world(Budget("b", 100, marks={Mark.DEGRADE: 50}))
    ladder = tiers(local=0, cheap=1, dear=9)
    assert here.purse.passed_over(request(), ladder) == {}
    await here.spend(60, 60)
    await here.level()
    assert list(here.purse.passed_over(request(), ladder)) == ["dear"]
    assert here.purse.passed_over(request(), tiers(only=9)) == {}
    here.now += 32 * 86_400
    assert here.purse.passed_over(request(), ladder) == {}


async def test_an_answer_is_limited_where_a_cap_rests_on_it(world):
    here = world(Budget("acme", 50, Scope.PROJECT, "acme"), output_tokens=777)
    assert here.purse.output_limit(request("acme"), capped=False) == 777
    assert here.purse.output_limit(request(), capped=True) == 777
    assert here.purse.output_limit(request(), capped=False) is None


# ------------------------------------------------------------------ the numbers


async def test_a_refusal_names_the_numbers_and_when_to_come_back(world):
    here = world(Budget("team", 10_000_000_000, Scope.PROJECT, "acme"))
    await here.spend(9_000_000_000, 9_000_000_000, project="acme")
    await here.reserve(500_000_000, project="acme")
    refused = await here.reserve(2_000_000_000, project="acme")
    assert refused == Refused(
        "budget 'team' (project acme) has $9.00 of $10.00 spent this month, and $0.500 held by "
        "calls under way; this call could cost up to $2.00. It starts anew on 2026-01-01 at 00:00 "
        "UTC"
    )


async def test_a_budget_that_is_new_knows_what_its_period_has_cost(tmp_path, world):
    from support.outcomes import outcome

    before = outcome(started_unix=NOW - 100)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(before)
    assert before.cost_nanousd > 0
    here = world(Budget("b", before.cost_nanousd + 100))
    assert isinstance(await here.reserve(101), Refused)
    assert isinstance(await here.reserve(100), Hold)


# ------------------------------------------------------------------ without the ledger


class Away:
    """Books that can be taken away, over real ones."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.away = False

    async def commit(self, job):
        if self.away:
            raise LedgerError("the ledger X cannot be reached.")
        return await self.ledger.commit(job)

    def enqueue(self, job):
        if not self.away:
            return self.ledger.enqueue(job)
        failed = Future()
        failed.set_exception(LedgerError("the ledger X cannot be reached."))
        return failed


def away(world, **terms):
    here = world(Budget("b", 1000), **terms)
    here.books = Away(here.ledger)
    here.purse = LedgerPurse(here.books, here.terms, here.around)
    here.books.away = True
    return here


async def test_nothing_paid_is_called_while_it_cannot_be_counted(world):
    here = away(world)
    found = await here.reserve(1)
    assert isinstance(found, Refused)
    assert "cannot be reached" in found.message
    assert found.retry_after_seconds is not None
    here.books.away = False
    assert isinstance(await here.reserve(1), Hold)


async def test_an_allowance_is_spent_meanwhile_and_counted_afterwards(world, monkeypatch):
    monkeypatch.setattr("rung.purse.OWED_SECONDS", 0.01)
    here = away(world, allowance_nanousd=100)
    first = await here.reserve(60)
    assert isinstance(first, Hold)
    assert isinstance(await here.reserve(60), Refused)
    here.purse.settle(first, 20)
    second = await here.reserve(60)
    assert isinstance(second, Hold)
    here.purse.settle(second, 60)
    assert isinstance(await here.reserve(60), Refused)
    here.books.away = False
    third = await here.reserve(10)
    here.purse.settle(third, 10)
    await asyncio.sleep(0.05)
    assert await here.level() == (90, 0)


async def test_what_could_not_be_settled_is_settled_once_the_ledger_is_back(world, monkeypatch):
    monkeypatch.setattr("rung.purse.OWED_SECONDS", 0.01)
    here = away(world)
    here.books.away = False
    hold = await here.reserve(60)
    here.books.away = True
    here.purse.settle(hold, 20)
    await asyncio.sleep(0.05)
    assert await here.level() == (0, 60)
    here.books.away = False
    await asyncio.sleep(0.05)
    assert await here.level() == (20, 0)
