"""How requests find their ladder and how the process bounds its retries."""

from __future__ import annotations

import pytest

from rung import Cascade, Reply, ScriptedProvider, Tier, UpstreamError
from rung.core.errors import RequestError
from rung.core.types import Failure, Fault
from rung.intake import MOST_RETRIES_SAVED, RETRIES_A_REQUEST, RetryBudget

BUSY = Reply("", failure=Failure(Fault.OVERLOADED, "busy", retry_after_seconds=0.0))


def test_retries_stay_within_a_tenth_of_the_requests_when_a_provider_is_down() -> None:
    requests = 200
    provider = ScriptedProvider([BUSY], cycle=True)
    with Cascade([Tier.ready_made("down", provider, retries=3)], ledger=None) as cascade:
        for _ in range(requests):
            with pytest.raises(UpstreamError):
                cascade.run("hello")
    retries = len(provider.calls) - requests
    # The last request that may retry can still use up its own three.
    assert MOST_RETRIES_SAVED <= retries <= MOST_RETRIES_SAVED + requests * RETRIES_A_REQUEST + 2


def test_a_passing_fault_is_retried_and_the_request_served() -> None:
    provider = ScriptedProvider([BUSY, "hello"])
    with Cascade([Tier.ready_made("busy", provider)], ledger=None) as cascade:
        result = cascade.run("hello")
    assert (result.text, [a.kind.value for a in result.attempts]) == ("hello", ["first", "retry"])


def test_a_retry_budget_that_is_used_up_fills_again_with_requests() -> None:
    budget = RetryBudget()
    budget.spend(int(MOST_RETRIES_SAVED) + 1)
    waits = 0
    while not budget.earn():
        waits += 1
    assert waits == pytest.approx(2 / RETRIES_A_REQUEST, abs=2)


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
        pytest.raises(RequestError, match="did you mean 'workhorse'"),
    ):
        cascade.run("hello", tier="workhose")
