"""Limits of one tier from the configuration to what is served, stored and replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rung import Cascade, ConfigError, ScriptedProvider, Tier
from rung.core.engine import Exhausted, Exhaustion, next_action
from rung.ledger import Ledger

PRICE = {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "1000"}


def tiers(*names: str) -> list[Tier]:
    return [
        Tier.ready_made(name, ScriptedProvider([name], cycle=True), price=PRICE, repairs=0)
        for name in names
    ]


def asked(limits: dict[str, dict[str, Any]], times: int = 1, **rules: Any) -> list[Any]:
    """What comes of a question that no tier answers well enough."""
    with Cascade(tiers("low", "high"), ledger=None, limits=limits, **rules) as ladder:
        return [ladder.run("Hello there", verify=lambda text: False) for _ in range(times)]


@pytest.mark.parametrize(("most", "called"), [("100", ["low", "high"]), ("0.001", ["low"])])
def test_a_request_that_has_cost_too_much_does_not_go_up(most: str, called: list[str]) -> None:
    (result,) = asked({"high": {"most_spent_usd": most}})
    assert [attempt.tier for attempt in result.attempts] == called
    assert (result.draft, result.text) == (called[-1], None)


def test_what_was_given_up_is_served_flagged_where_the_ladder_says_so() -> None:
    (result,) = asked({"high": {"most_spent_usd": 0}}, on_exhausted="best")
    assert (result.text, result.verified) == ("low", False)


def test_about_the_share_within_reach_climbs_and_no_call_is_made_for_the_others() -> None:
    results = asked({"high": {"reach": "50%"}}, times=60)
    climbed = [len(result.attempts) for result in results].count(2)
    # Within five standard deviations of a half.
    assert 10 < climbed < 50
    assert {len(result.attempts) for result in results} == {1, 2}


def test_a_pin_is_served_whatever_the_reach() -> None:
    with Cascade(tiers("low", "high"), ledger=None, limits={"high": {"reach": 0}}) as ladder:
        assert ladder.run("Hello there", tier="high").tier == "high"
        assert ladder.run("Hello there").tier == "low"


def test_the_ledger_keeps_the_limits_and_the_chance_and_replays_the_end(tmp_path) -> None:
    limits = {"mid": {"most_spent_usd": "0.0001"}, "high": {"reach": 0, "min_confidence": 0.9}}
    ladder = Cascade(tiers("low", "mid", "high"), ledger=tmp_path / "l.db", limits=limits)
    with ladder:
        ladder.run("Hello there", verify=lambda text: False)
    with Ledger.open(tmp_path / "l.db") as ledger:
        (found,) = ledger.recent(1)
    assert found.decision == Exhausted(Exhaustion.GAVE_UP, 0)
    assert next_action(found.plan, found.history) == found.decision
    assert [step.most_spent_nanousd for step in found.plan.steps] == [None, 100_000]
    ((high),) = found.plan.excluded
    assert (high.tier, high.reach, found.plan.reach) == ("high", 0.0, 1.0)
    open_hand = replace(
        found.plan, steps=tuple(replace(s, most_spent_nanousd=None) for s in found.plan.steps)
    )
    assert next_action(open_hand, found.history) != found.decision


def test_limits_of_a_tier_that_is_none_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `high`"):
        asked({"hihg": {"reach": 0.5}})
