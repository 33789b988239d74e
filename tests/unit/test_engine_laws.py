"""The laws of the engine hold on plans and in worlds of every sort; support/laws.py has them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.core.comparing import HASH_PREFIX
from rung.core.engine import Accept, Call, Exhausted, next_action
from rung.core.plan import Plan, Step
from rung.core.release import Release
from rung.core.types import Answer, Kind
from rung.ledger.codec import answer_hashes
from support.histories import (
    Drawn,
    Reply,
    Trace,
    histories,
    plans,
    prefixes,
    simulate,
    traces,
    voting_traces,
)
from support.laws import (
    LAWS,
    an_answer_whose_required_gate_has_not_passed_is_never_accepted,
    an_answer_with_a_failed_gate_is_never_accepted_as_verified,
)

slow_to_draw = [HealthCheck.too_slow, HealthCheck.data_too_large]
often = settings(max_examples=200, deadline=None, suppress_health_check=slow_to_draw)


@settings(often, max_examples=1000)
@given(traces())
def test_every_law_holds_for_any_plan_in_any_world(trace: Trace) -> None:
    for law in LAWS:
        law(trace)


@settings(often, max_examples=600)
@given(voting_traces() | voting_traces() | traces())
def test_a_replay_of_what_the_ledger_keeps_gives_the_actions_that_made_it(trace: Trace) -> None:
    known = answer_hashes(trace.plan, trace.history)
    kept = tuple(
        replace(each, answer=each.answer and Answer(HASH_PREFIX + known[place]))
        for place, each in enumerate(trace.history)
    )
    replayed = [next_action(trace.plan, state) for state in prefixes(kept)]
    assert replayed == [action for _, action in trace.moves]


@often
@given(voting_traces())
def test_every_law_holds_for_votes_however_their_answers_are_compared(trace: Trace) -> None:
    for law in LAWS:
        law(trace)


@often
@given(traces(dearer_percent=200))
def test_a_call_dearer_than_its_bound_is_the_last_one_past_the_cap(trace: Trace) -> None:
    cap = trace.plan.cost_cap_nanousd
    for before, _ in trace.calls:
        assert cap is None or sum(attempt.cost_nanousd for attempt in before) <= cap


@often
@given(st.data())
def test_any_history_on_the_plans_tiers_gets_a_lawful_action(data: st.DataObject) -> None:
    plan = data.draw(plans())
    history = data.draw(histories(plan))
    action = next_action(plan, history)
    if isinstance(action, Call):
        assert 0 <= action.wait_seconds <= plan.max_wait_seconds
        assert action.timeout_seconds > 0
        assert not history or not history[-1].released
    ended = Trace(plan, ((history, action),))
    an_answer_with_a_failed_gate_is_never_accepted_as_verified(ended)
    an_answer_whose_required_gate_has_not_passed_is_never_accepted(ended)


@pytest.mark.parametrize("nothing", [math.nan, -1.0, 0.0])
def test_a_deadline_that_is_past_or_no_number_lets_nothing_be_called(nothing: float) -> None:
    plan = Plan("any", (Step("t0"),), deadline_seconds=nothing)
    assert simulate(plan, Drawn([Reply()])).history == ()


def test_the_worlds_reach_every_kind_of_call_and_every_kind_of_end() -> None:
    """Guards the laws above against holding because nothing happens."""
    seen: set[object] = set()

    @settings(often, max_examples=1000, database=None, derandomize=True)
    @given(traces())
    def look(trace: Trace) -> None:
        tiers = {call.tier for _, call in trace.calls}
        seen.update(call.kind for _, call in trace.calls)
        seen.update("released" for _, call in trace.calls if call.release is not Release.NOTHING)
        seen.update("broken off" for attempt in trace.history if attempt.aborted)
        seen.add(f"{len(tiers)} tiers called")
        match trace.end:
            case Accept(index, verified):
                earlier = index < len(trace.history) - 1
                seen.update({("accepted", verified), "an earlier one" if earlier else "the last"})
            case Exhausted(reason, best):
                seen.update({reason, "with a best" if best is not None else "with none"})

    look()
    assert seen >= {
        *Kind,
        "released",
        "broken off",
        *(f"{tiers} tiers called" for tiers in (0, 1, 2, 3)),
        *(("accepted", verified) for verified in (True, False, None)),
        *("top_reached", "deadline", "cost_cap", "gave_up"),
        *("an earlier one", "the last", "with a best", "with none"),
    }
