"""How requests find their ladder and how the process bounds its retries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import Cascade, Reply, ScriptedProvider, Tier, UpstreamError
from rung.assemble import assemble
from rung.config import load, parse
from rung.core.engine import Action
from rung.core.errors import RequestError
from rung.core.growth import Delta
from rung.core.outcome import Outcome
from rung.core.types import (
    Directions,
    EndedBy,
    Failure,
    Fault,
    History,
    Request,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Weight
from rung.delivery import UndeliverableError
from rung.inspection import problems
from rung.intake import Intake
from rung.memory import MOST_RETRIES_SAVED, RETRIES_A_REQUEST, RetryBudget
from rung.verifiers.function import function

COUNTED = UsageSource.PROVIDER

BUSY = Reply("", failure=Failure(Fault.OVERLOADED, "busy", retry_after_seconds=0.0))


def test_retries_stay_within_a_tenth_of_the_requests_when_a_provider_is_down() -> None:
    requests = 200
    provider = ScriptedProvider([BUSY], cycle=True)
    with Cascade([Tier.ready_made("down", provider, retries=3)], ledger=None) as cascade:
        for _ in range(requests):
            with pytest.raises(UpstreamError):
                cascade.run("hello")
    retries = len(provider.calls) - requests
    assert MOST_RETRIES_SAVED <= retries <= MOST_RETRIES_SAVED + requests * RETRIES_A_REQUEST


def test_a_passing_fault_is_retried_and_the_request_served() -> None:
    provider = ScriptedProvider([BUSY, "hello"])
    with Cascade([Tier.ready_made("busy", provider)], ledger=None) as cascade:
        result = cascade.run("hello")
    assert (result.text, [a.kind.value for a in result.attempts]) == ("hello", ["first", "retry"])


def test_a_retry_budget_that_is_used_up_fills_again_with_requests() -> None:
    budget = RetryBudget()
    while budget.spend():
        pass
    waits = 0
    while not budget.earn():
        waits += 1
    assert waits == pytest.approx(1 / RETRIES_A_REQUEST, abs=2)
    assert (budget.spend(), budget.spend()) == (True, False)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_deadline_that_is_none_is_refused(seconds: float) -> None:
    with (
        Cascade([Tier.ready_made("a", ScriptedProvider("x"))], ledger=None) as cascade,
        pytest.raises(RequestError, match="deadline"),
    ):
        cascade.run("hello", deadline_seconds=seconds)


def test_a_pinned_tier_is_the_only_one_on_the_plan() -> None:
    low, high = ScriptedProvider([]), ScriptedProvider(["from above"])
    tiers = [Tier.ready_made("low", low), Tier.ready_made("high", high)]
    with Cascade(tiers, ledger=None) as cascade:
        result = cascade.run("hello", tier="high")
    assert (result.text, result.tier, low.calls) == ("from above", "high", [])
    assert [each.tier for each in result.outcome.plan.excluded] == ["low"]


def test_an_unknown_tier_names_the_nearest() -> None:
    with (
        Cascade([Tier.ready_made("workhorse", ScriptedProvider("x"))], ledger=None) as cascade,
        pytest.raises(RequestError, match="did you mean `workhorse`"),
    ):
        cascade.run("hello", tier="workhose")


# ------------------------------------------------------------------ checks keep their places


def always(text: str) -> bool:
    return True


def test_the_requests_own_schema_takes_no_configured_gates_place(tmp_path: Path) -> None:
    config = tmp_path / "rung.toml"
    config.write_text(
        """
        ledger = "l.db"
        [tiers.a]
        provider = "embedded"
        [ladders.default]
        tiers = ["a"]
        verify = ["json_schema"]
        [verifiers.json_schema]
        kind = "json_schema"
        schema = {type = "object"}
        """
    )
    found = load(config, {}, problems)
    request = Request("id", "library", (), schema=SchemaRequest({"type": "string"}))
    order = assemble(found, ledger=False).intake.order(request)
    required = [c.name for c in order.plan.steps[0].checks if c.weight is Weight.REQUIRED]
    assert required == ["json_schema", "json_schema-2"]


def test_a_check_of_the_engines_own_name_is_a_gate_all_the_same() -> None:
    def agreement(text: str) -> bool:
        return False

    with Cascade([Tier.ready_made("a", ScriptedProvider(["x"]))], ledger=None) as cascade:
        result = cascade.run("hello", verify=agreement)
    assert (result.text, result.verified) == (None, False)


@given(st.lists(st.sampled_from(["a", "json_schema", "agreement", "not_empty"]), max_size=6))
def test_every_check_that_was_asked_for_is_on_the_plan_as_a_gate(names: list[str]) -> None:
    extra = tuple(function(always, name=name) for name in names)
    request = Request("id", "library", (), schema=SchemaRequest({}))
    order = INTAKE.order(request, extra)
    required = [c.name for c in order.plan.steps[0].checks if c.weight is Weight.REQUIRED]
    assert len(required) == len(set(required)) == len(names) + 1
    assert set(required) <= set(order.verifiers)


def test_a_pin_cannot_leave_the_ladder_that_was_asked_for() -> None:
    request = Request("id", "library", (), directions=Directions(ladder="other", tier="a"))
    with pytest.raises(RequestError, match="does not stand on ladder"):
        INTAKE.order(request)


TWO_LADDERS = """
[tiers.a]
provider = "embedded"
[tiers.b]
provider = "embedded"
[ladders.default]
tiers = ["a"]
[ladders.other]
tiers = ["b"]
"""
INTAKE = assemble(parse(TWO_LADDERS, Path("rung.toml"), {}, problems), ledger=False).intake


# ------------------------------------------------------------------ nothing goes unbooked


class Kept:
    """A book in memory."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def append(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class Broken:
    """A sink whose caller cannot be reached, or that is itself at fault."""

    def __init__(self, *, watching: bool) -> None:
        self._watching = watching

    def watch(self, action: Action, history: History) -> None:
        if self._watching and history:
            raise ZeroDivisionError

    async def release(self, tier: str, delta: Delta) -> None:
        raise ConnectionResetError


@pytest.mark.parametrize(("watching", "who"), [(True, EndedBy.INTERNAL), (False, EndedBy.CLIENT)])
async def test_what_was_spent_is_booked_when_a_face_breaks(watching: bool, who: EndedBy) -> None:
    provider = ScriptedProvider([Reply("twelve words", usage=Usage(9, 2, source=COUNTED))])
    book = Kept()
    ways = INTAKE.parts.ways
    parts = replace(
        INTAKE.parts,
        ways=replace(ways, tiers={**ways.tiers, "a": replace(ways.tiers["a"], provider=provider)}),
        book=book,
    )
    intake = Intake(parts, clock=lambda: 0.0, wall=lambda: 0.0, new_id=lambda: "id")
    request = Request("id", "library", (), stream=not watching)
    with pytest.raises((ZeroDivisionError, UndeliverableError)):
        await intake.answer(request, sink=Broken(watching=watching))
    (outcome,) = book.outcomes
    assert (len(outcome.attempts), outcome.ended_by) == (1, who)


def test_a_rejected_answer_has_its_baseline_too() -> None:
    tiers = [Tier.ready_made("a", ScriptedProvider(["x"]))]
    with Cascade(tiers, ledger=None, baseline="claude-sonnet-5-5") as cascade:
        result = cascade.run("hello", verify=lambda text: False)
    assert result.text is None
    assert result.outcome.baselines["claude-sonnet-5-5"] > 0
