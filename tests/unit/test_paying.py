"""What calls reserve and settle, whatever becomes of them: the count, the rows and the holds."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.assemble import assemble
from rung.calling import STOPPING
from rung.config import parse
from rung.core.parts import Message, Role, Text
from rung.core.types import (
    Answer,
    Directions,
    Failure,
    Fault,
    Kind,
    Lane,
    Need,
    Phase,
    Request,
    Sampling,
    Usage,
    UsageSource,
)
from rung.fittings import READY_MADE
from rung.orders import Tier
from rung.paying import Bounds, bounds_of, limited
from rung.pricing import FixedPricer, PriceOverride
from rung.providers.base import Ask, CallError, Done
from support.budgets import counted
from support.judges import right, wrong

AT = datetime(2026, 5, 1, tzinfo=UTC)
USED = Usage(10, 5, source=UsageSource.PROVIDER)
COST = 10 * 1000 + 5 * 2000
"""Nano-dollars of such a call."""

PRICE = 'price = { input_usd_per_mtok = "1", output_usd_per_mtok = "2" }'
BUDGETS = """
[[budgets]]
name = "all"
usd = "{usd}"
[[budgets]]
name = "talk"
scope = "conversation"
usd = "{usd}"
[[budgets]]
name = "acme"
scope = "project"
of = "acme"
usd = "{usd}"
"""


class Model:
    """Says its lines in turn, the last one for good; a line may be an error, or silence."""

    dialect = "scripted"

    def __init__(self, *lines):
        self.lines = list(lines)
        self.asked = []
        self.begun = asyncio.Event()

    async def call(self, ask):
        self.asked.append(ask)
        self.begun.set()
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if line is None:
            await asyncio.Event().wait()
        if isinstance(line, Exception):
            raise line
        yield Done(Answer(line, model="m"), USED)

    async def health(self):
        raise NotImplementedError

    async def warm(self):
        pass

    async def close(self):
        pass


def broken(fault=Fault.SERVER_ERROR):
    return CallError(Failure(fault, "it broke", status=500), Phase.HEADERS)


class Stage:
    def __init__(self, folder, *, ladder="", tier="", more="", usd="1", **models):
        rows = [
            f'[tiers.{name}]\nprovider = "{READY_MADE}"\nretries = 0\nrepairs = 0\n{PRICE}\n{tier}'
            for name in models
        ]
        tiers = [name for name in models if name != "judge"]
        rows.append(f"[ladders.default]\ntiers = {tiers}\n{ladder}\n{more}")
        self.place = folder / "ledger.db"
        text = f'ledger = "{self.place}"\n' + "\n".join(rows) + BUDGETS.format(usd=usd)
        config = parse(text, folder / "rung.toml", {})
        self.parts = assemble(config, ready=models)
        self.outcomes = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.parts.close()

    async def answer(self, **changes):
        asked = replace(request(), id=self.parts.intake.new_id(), **changes)
        served = await self.parts.intake.answer(asked)
        self.outcomes.append(served.outcome)
        return served.outcome

    async def books(self):
        """What is counted in all, and what the rows say; nothing may be left of any hold."""
        await self.parts.ledger.commit(lambda _: None)
        spent, held, rows, left = counted(self.place)
        assert (held, left) == (0, 0)
        assert spent == rows
        return spent


def request(text="hi", **changes):
    messages = (Message(Role.USER, (Text(text),)),)
    asked = {"sampling": Sampling(max_tokens=5), "directions": Directions(project="acme")}
    return Request("r", "library", messages, **(asked | {"session": "s1"} | changes))


# ------------------------------------------------------------------ all that is paid for


async def test_an_answer_is_counted_at_what_it_cost(tmp_path):
    async with Stage(tmp_path, a=Model("hi")) as stage:
        outcome = await stage.answer()
        (attempt,) = outcome.attempts
        assert attempt.reserved_nanousd >= attempt.cost_nanousd == COST
        assert await stage.books() == COST
        assert counted(stage.place, "project", "acme")[0] == COST


async def test_faults_retries_and_what_follows_are_counted(tmp_path):
    a = Model(broken(), broken())
    async with Stage(tmp_path, tier="", ladder="max_wait_seconds = 0", a=a, b=Model("x")) as stage:
        assert len((await stage.answer()).attempts) == 2
        assert await stage.books() == COST


async def test_repairs_and_samples_are_counted(tmp_path):
    more = '[verifiers.yes]\nkind = "label_set"\nlabels = ["yes"]\n'
    stage = Stage(
        tmp_path, ladder='verify = ["yes"]', more=more, a=Model("no"), b=Model("no", "yes")
    )
    async with stage:
        outcome = await stage.answer()
        assert [a.tier for a in outcome.attempts][:2] == ["a", "b"]
        assert await stage.books() == len(outcome.attempts) * COST


async def test_a_judge_is_paid_by_the_budgets_of_the_request(tmp_path):
    more = '[verifiers.opinion]\nkind = "judge"\ntier = "judge"\n'
    judge = Model(wrong(95, "no"), right(95))
    stage = Stage(
        tmp_path,
        ladder='verify = ["opinion"]',
        more=more,
        a=Model("5"),
        b=Model("4"),
        judge=judge,
    )
    async with stage:
        outcome = await stage.answer()
        assert len(judge.asked) == 2
        assert await stage.books() == outcome.cost_nanousd == 4 * COST
        talk = outcome.request.conversation
        for scope, name in (("project", "acme"), ("conversation", talk)):
            assert counted(stage.place, scope, name)[0] == 4 * COST


async def test_a_judge_that_nobody_pays_for_abstains(tmp_path):
    more = '[verifiers.opinion]\nkind = "judge"\ntier = "judge"\n'
    stage = Stage(
        tmp_path,
        ladder='verify = ["opinion"]',
        more=more,
        usd="0.0001",
        a=Model("5"),
        judge=Model(right(95)),
    )
    async with stage:
        outcome = await stage.answer()
        (verdict,) = [v for v in outcome.attempts[0].verdicts if v.verifier == "opinion"]
        assert "budget" in verdict.reason
        assert (verdict.cost_nanousd, verdict.left) == (0, False)
        assert await stage.books() == COST


async def test_a_judge_that_is_cut_off_is_on_the_bill(tmp_path):
    more = '[verifiers.opinion]\nkind = "judge"\ntier = "judge"\n'
    judge = Model(None)
    async with Stage(
        tmp_path, ladder='verify = ["opinion"]', more=more, a=Model("5"), judge=judge
    ) as stage:
        leaving = asyncio.ensure_future(stage.answer())
        await judge.begun.wait()
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        assert await stage.books() > COST


@pytest.mark.parametrize("why", ["", STOPPING])
async def test_a_call_that_is_cut_off_is_counted_as_it_is_booked(tmp_path, why):
    a = Model(None)
    async with Stage(tmp_path, a=a) as stage:
        leaving = asyncio.ensure_future(stage.answer())
        await a.begun.wait()
        leaving.cancel(why or None)
        with suppress(asyncio.CancelledError):
            await leaving
        assert await stage.books() > 0


async def test_of_two_calls_at_once_both_are_held_and_both_are_counted(tmp_path):
    a, b = Model(None), Model("b")
    async with Stage(tmp_path, ladder="hedge_seconds = 0.01", a=a, b=b) as stage:
        outcome = await stage.answer()
        assert sorted(each.tier for each in outcome.attempts) == ["a", "b"]
        assert all(each.reserved_nanousd for each in outcome.attempts)
        assert await stage.books() == outcome.cost_nanousd > COST


async def test_a_second_call_beside_a_silent_one_does_not_stand_in_line(tmp_path):
    """Money for one is there: the first has it, and goes on."""
    a, b = Model(None), Model("b")
    async with Stage(
        tmp_path, ladder="hedge_seconds = 0.01\ndeadline_seconds = 0.4", usd="0.00003", a=a, b=b
    ) as stage:
        running = asyncio.ensure_future(stage.answer())
        await a.begun.wait()
        await asyncio.sleep(0.1)
        assert b.asked == []
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await stage.books()


async def test_audits_are_paid_by_the_budgets_of_the_request(tmp_path):
    more = '[verifiers.yes]\nkind = "label_set"\nlabels = ["yes", "no"]\n'
    ladder = 'verify = ["yes"]\naudit = "100%"'
    b = Model("yes")
    async with Stage(tmp_path, ladder=ladder, more=more, a=Model("yes"), b=b) as stage:
        await stage.answer()
        await b.begun.wait()
        await stage.parts.audits.close()
        assert await stage.books() == 2 * COST
        assert counted(stage.place, "project", "acme")[0] == 2 * COST


async def test_background_work_is_paused_and_a_person_is_served(tmp_path):
    more = '[[budgets]]\nname = "calm"\nusd = "1"\npause_at = 0\n'
    async with Stage(tmp_path, more=more, a=Model("hi")) as stage:
        paused = await stage.answer(directions=Directions(lane=Lane.BATCH))
        assert paused.served is None
        assert "paused" in paused.attempts[0].failure.message
        assert (await stage.answer()).served == 0


# ------------------------------------------------------------------ how much is set aside

TIER = Tier(
    "t",
    "m",
    local=False,
    provider=None,
    pricer=FixedPricer(PriceOverride("1", "2", cache_write_usd_per_mtok="1.25").price()),
)


def call(prompt="hi", **changes):
    asked = request(prompt, **({"sampling": Sampling()} | changes))
    return Ask(asked, asked.messages, as_it_came=True, stream=False, timeout_seconds=60)


def test_an_answer_without_a_limit_gets_one_only_under_a_cap():
    assert limited(call(), TIER, AT, None, None).request.sampling.max_tokens is None
    assert limited(call(), TIER, AT, 300, None).request.sampling.max_tokens == 300
    own = call(sampling=Sampling(max_tokens=7))
    assert limited(own, TIER, AT, 300, 10**9) is own
    embedding = call(needs=frozenset({Need.EMBEDDINGS}))
    assert limited(embedding, TIER, AT, 300, 10**9) is embedding


@given(left=st.integers(0, 10**10), most=st.integers(1, 10**6), prompt=st.text(max_size=200))
def test_what_an_answer_is_limited_to_can_be_paid_for(left, most, prompt):
    asked = limited(call(prompt), TIER, AT, most, left)
    limit = asked.request.sampling.max_tokens
    assert 1 <= limit <= most
    cost = bounds_of(asked, AT).worst_cost(TIER)
    assert cost <= left or limit == 1
    if limit < most:
        more = replace(asked.request, sampling=Sampling(max_tokens=limit + 2))
        assert bounds_of(replace(asked, request=more), AT).worst_cost(TIER) > left


def test_several_choices_are_set_aside_for_and_embeddings_write_nothing():
    plain = bounds_of(call(sampling=Sampling(max_tokens=10)), AT)
    many = bounds_of(
        call(sampling=Sampling(max_tokens=10), needs=frozenset({Need.MANY_CHOICES})), AT
    )
    assert many.output_tokens == 8 * plain.output_tokens
    assert bounds_of(call(needs=frozenset({Need.EMBEDDINGS})), AT).output_tokens == 0


def test_what_a_repair_shows_is_set_aside_for_too():
    asked = call(sampling=Sampling(max_tokens=10))
    more = (*asked.messages, Message(Role.USER, (Text("x" * 4000),)))
    longer = bounds_of(replace(asked, messages=more), AT).input_tokens
    assert longer - bounds_of(asked, AT).input_tokens >= 2000


def test_where_the_price_has_changed_meanwhile_the_dearer_one_is_set_aside():
    class Changed:
        """Dear when the request began, cheap now."""

        def worst_cost(self, *_, **__):
            return 5

        def cost(self, usage, seconds, at):
            return 9 if at == AT else 5

    tier = replace(TIER, pricer=Changed())
    assert Bounds(1, 1, 1.0, AT).worst_cost(tier) == 9


def test_kinds_of_calls_are_all_there_are():
    """A new kind of call has to be paid for too."""
    assert set(Kind) == {Kind.FIRST, Kind.RETRY, Kind.REPAIR, Kind.SAMPLE}
