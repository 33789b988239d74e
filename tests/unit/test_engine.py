"""What the engine decides, by example: one situation a test."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rung.core.engine import (
    PASSES_BY_ITSELF,
    Accept,
    Action,
    Call,
    Exhausted,
    Exhaustion,
    Release,
    Verify,
    next_action,
)
from rung.core.limits import left
from rung.core.plan import Plan, Step, StreamMode
from rung.core.types import (
    Answer,
    Attempt,
    Failure,
    Fault,
    Kind,
    Phase,
)
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.core.vote import Comparison, Vote

TESTS = Check("tests", Weight.REQUIRED)
WHOLE = Check("whole", Weight.IMPLIED)
HEDGING = Check("hedging", Weight.SIGNAL)
AGREEMENT = Check("agreement", Weight.SIGNAL)


def ladder(*steps: Step, **terms: object) -> Plan:
    return replace(Plan("test", steps), **terms)


def both(*checks: Check, **limits: object) -> tuple[Step, Step]:
    step = replace(Step("low", checks, retries=0), **limits)
    return step, replace(step, tier="high")


def said(text: str = "A", tier: str = "low", at: float = 1.0, **more: object) -> Attempt:
    plain = Attempt("id", tier, Kind.FIRST, at - 1, at, answer=Answer(text))
    return replace(plain, **more)


def broke(fault: Fault, tier: str = "low", at: float = 1.0, **more: object) -> Attempt:
    plain = Attempt("id", tier, Kind.FIRST, at - 1, at, failure=Failure(fault, "no answer"))
    return replace(plain, **more)


def with_said(attempt: Attempt, *checks: tuple[Check, Status | float], at: float = 0.0) -> Attempt:
    for check, word in checks:
        status, score = (word, None) if isinstance(word, Status) else (Status.PASSED, word)
        verdict = Verdict(check.name, status, "because", score=score, at=at)
        attempt = attempt.with_verdict(verdict)
    return attempt


def failed(tier: str = "low", kind: Kind = Kind.FIRST, check: Check = TESTS) -> Attempt:
    return with_said(said(tier=tier, kind=kind), (check, Status.FAILED))


def proved(tier: str = "low", kind: Kind = Kind.FIRST) -> Attempt:
    return with_said(said(tier=tier, kind=kind), (TESTS, Status.PASSED))


def called(action: Action) -> tuple[str, Kind]:
    assert isinstance(action, Call), action
    return action.tier, action.kind


# ------------------------------------------------------------------ the plain way


def test_a_request_starts_at_the_first_tier_of_its_plan() -> None:
    assert next_action(ladder(*both()), ()) == Call("low", Kind.FIRST, 120.0)


def test_a_plan_without_tiers_ends_at_once() -> None:
    assert next_action(ladder(), ()) == Exhausted(Exhaustion.NO_TIER, None)


def test_an_answer_with_nothing_to_check_it_by_is_accepted_but_not_as_verified() -> None:
    assert next_action(ladder(*both()), (said(),)) == Accept(0, verified=None)


def test_an_answer_is_checked_before_anything_else() -> None:
    plan = ladder(*both(WHOLE, TESTS))
    assert next_action(plan, (said(),)) == Verify(WHOLE)
    assert next_action(plan, (with_said(said(), (WHOLE, Status.PASSED)),)) == Verify(TESTS)


def test_an_answer_that_passed_its_required_gates_is_accepted_as_verified() -> None:
    assert next_action(ladder(*both(TESTS)), (proved(),)) == Accept(0, verified=True)


def test_an_answer_that_passed_hygiene_alone_is_not_called_verified() -> None:
    history = (with_said(said(), (WHOLE, Status.PASSED)),)
    assert next_action(ladder(*both(WHOLE)), history) == Accept(0, verified=None)


def test_a_failed_gate_sends_the_request_one_tier_up() -> None:
    assert called(next_action(ladder(*both(TESTS)), (failed(),))) == ("high", Kind.FIRST)


@pytest.mark.parametrize("status", [Status.FAILED, Status.ABSTAINED])
def test_at_the_top_an_answer_without_its_required_proof_is_not_served(status: Status) -> None:
    history = (with_said(said(), (TESTS, status)),)
    plan = ladder(Step("low", (TESTS,)))
    assert next_action(plan, history) == Exhausted(Exhaustion.TOP_REACHED, 0)


def test_at_the_top_an_answer_that_failed_hygiene_is_served_with_a_flag() -> None:
    plan = ladder(Step("low", (WHOLE,)))
    assert next_action(plan, (failed(check=WHOLE),)) == Accept(0, verified=False)


def test_a_failed_gate_spares_the_checks_after_it() -> None:
    plan = ladder(*both(WHOLE, TESTS, HEDGING))
    assert called(next_action(plan, (failed(check=WHOLE),))) == ("high", Kind.FIRST)


def test_each_tier_that_gives_up_hands_over_to_the_very_next() -> None:
    plan = ladder(*(Step(f"t{n}", (TESTS,), retries=0) for n in range(4)))
    history: tuple[Attempt, ...] = ()
    for n in range(4):
        assert called(next_action(plan, history)) == (f"t{n}", Kind.FIRST)
        history = (*history, failed(f"t{n}"))
    assert next_action(plan, history) == Exhausted(Exhaustion.TOP_REACHED, 3)


def test_a_history_that_is_not_of_this_plan_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'other', which is not on the plan"):
        next_action(ladder(*both()), (said(tier="other"),))


# ------------------------------------------------------------------ repairs, samples, retries


def test_a_rejected_answer_is_repaired_then_drawn_again_then_given_up() -> None:
    plan = ladder(*both(TESTS, repairs=1, samples=2))
    kinds = [Kind.FIRST, Kind.REPAIR, Kind.SAMPLE]
    histories = [tuple(failed(kind=kind) for kind in kinds[:n]) for n in (1, 2, 3)]
    assert [called(next_action(plan, history)) for history in histories] == [
        ("low", Kind.REPAIR),
        ("low", Kind.SAMPLE),
        ("high", Kind.FIRST),
    ]


def test_a_check_that_abstained_has_nothing_to_repair_by() -> None:
    plan = ladder(*both(TESTS, repairs=1))
    history = (with_said(said(), (TESTS, Status.ABSTAINED)),)
    assert called(next_action(plan, history)) == ("high", Kind.FIRST)


def test_with_a_required_gate_the_first_draw_that_passes_wins() -> None:
    plan = ladder(*both(TESTS, samples=3))
    assert next_action(plan, (failed(), proved(kind=Kind.SAMPLE))) == Accept(1, verified=True)


@pytest.mark.parametrize("fault", sorted(PASSES_BY_ITSELF))
def test_a_fault_that_passes_by_itself_is_retried_at_the_same_tier(fault: Fault) -> None:
    plan = ladder(*both(retries=1))
    assert called(next_action(plan, (broke(fault),))) == ("low", Kind.RETRY)


@pytest.mark.parametrize("fault", sorted(set(Fault) - PASSES_BY_ITSELF))
def test_any_other_fault_falls_back_to_the_next_tier(fault: Fault) -> None:
    plan = ladder(*both(retries=1))
    assert called(next_action(plan, (broke(fault),))) == ("high", Kind.FIRST)


def test_a_call_without_answer_or_failure_falls_back_to_the_next_tier() -> None:
    history = (replace(said(), answer=None),)
    assert called(next_action(ladder(*both(retries=1)), history)) == ("high", Kind.FIRST)


def test_a_used_up_retry_falls_back_to_the_next_tier() -> None:
    history = (broke(Fault.OVERLOADED), broke(Fault.OVERLOADED, kind=Kind.RETRY))
    assert called(next_action(ladder(*both(retries=1)), history)) == ("high", Kind.FIRST)


def test_every_tier_has_retries_of_its_own() -> None:
    busy = Fault.OVERLOADED
    history = (broke(busy), broke(busy, kind=Kind.RETRY), broke(busy, tier="high"))
    assert called(next_action(ladder(*both(retries=1)), history)) == ("high", Kind.RETRY)


def test_a_repair_that_met_a_fault_and_was_retried_is_still_one_repair() -> None:
    plan = ladder(*both(TESTS, repairs=1, retries=1))
    history = (
        failed(),
        broke(Fault.OVERLOADED, kind=Kind.REPAIR),
        failed(kind=Kind.RETRY),
    )
    assert called(next_action(plan, history)) == ("high", Kind.FIRST)


def test_a_repair_does_not_use_up_a_draw() -> None:
    plan = ladder(*both(TESTS, repairs=1, samples=2))
    history = (failed(), failed(kind=Kind.REPAIR))
    assert called(next_action(plan, history)) == ("low", Kind.SAMPLE)


def test_what_nobody_asked_for_is_drawn_again_and_never_repaired() -> None:
    plan = ladder(*both(WHOLE, AGREEMENT, repairs=1, samples=3))
    assert called(next_action(plan, (failed(check=WHOLE),))) == ("low", Kind.SAMPLE)


def test_a_retry_waits_as_long_as_the_provider_asked() -> None:
    busy = Failure(Fault.RATE_LIMITED, "busy", retry_after_seconds=2.5)
    action = next_action(ladder(*both(retries=1)), (broke(Fault.RATE_LIMITED, failure=busy),))
    assert isinstance(action, Call)
    assert action.wait_seconds == 2.5


@pytest.mark.parametrize("asked", [5.1, 3600.0, math.inf])
def test_a_provider_that_asks_for_a_longer_wait_than_the_plan_allows_is_left(asked: float) -> None:
    busy = Failure(Fault.RATE_LIMITED, "busy", retry_after_seconds=asked)
    history = (broke(Fault.RATE_LIMITED, failure=busy),)
    assert called(next_action(ladder(*both(retries=1)), history)) == ("high", Kind.FIRST)


@pytest.mark.parametrize("asked", [-1.0, -math.inf, math.nan])
def test_a_senseless_wait_is_no_wait(asked: float) -> None:
    busy = Failure(Fault.RATE_LIMITED, "busy", retry_after_seconds=asked)
    plan = ladder(*both(retries=1), deadline_seconds=3.0)
    action = next_action(plan, (broke(Fault.RATE_LIMITED, failure=busy),))
    assert action == Call("low", Kind.RETRY, 2.0, wait_seconds=0.0)


def test_waits_grow_with_each_retry_up_to_the_plans_limit() -> None:
    plan = ladder(*both(retries=2000), max_wait_seconds=5.0)
    busy = [broke(Fault.OVERLOADED, kind=Kind.RETRY)] * 1200
    busy[0] = broke(Fault.OVERLOADED)
    waits = []
    for made in (1, 2, 3, 4, 5, 1200):
        action = next_action(plan, tuple(busy[:made]))
        assert isinstance(action, Call)
        waits.append(action.wait_seconds)
    for doublings, wait in enumerate(waits[:5]):
        assert 0.125 * 2**doublings <= wait <= 0.25 * 2**doublings
    assert waits[5] == 5.0


def test_waits_differ_between_requests_and_not_between_replays() -> None:
    def wait(seed: int) -> float:
        action = next_action(ladder(*both(retries=1), seed=seed), (broke(Fault.OVERLOADED),))
        assert isinstance(action, Call)
        return action.wait_seconds

    waits = [wait(seed) for seed in range(1000)]
    assert waits == [wait(seed) for seed in range(1000)]
    assert min(waits) < 0.13
    assert max(waits) > 0.245
    assert 0.18 < sum(waits) / 1000 < 0.195


# ------------------------------------------------------------------ money and time


def test_a_call_may_cost_exactly_what_the_cap_leaves_and_not_more() -> None:
    spent = failed()
    steps = both(TESTS, worst_cost_nanousd=40)
    history = (replace(spent, cost_nanousd=60),)
    enough, short = (ladder(*steps, cost_cap_nanousd=cap) for cap in (100, 99))
    assert called(next_action(enough, history)) == ("high", Kind.FIRST)
    assert next_action(short, history) == Exhausted(Exhaustion.COST_CAP, 0)


def test_a_tier_too_dear_for_the_cap_is_passed_over_for_a_cheaper_one_above() -> None:
    dear, cheap = both(TESTS, worst_cost_nanousd=50)
    local = Step("local", (TESTS,), worst_cost_nanousd=0)
    plan = ladder(dear, cheap, local, cost_cap_nanousd=60)
    assert called(next_action(plan, (replace(failed(), cost_nanousd=50),))) == ("local", Kind.FIRST)


@pytest.mark.parametrize(("spent", "goes_on"), [(5, True), (6, False)])
def test_a_tier_is_given_up_once_more_was_spent_than_it_says(spent: int, *, goes_on: bool) -> None:
    low, high = both(TESTS)
    plan = ladder(low, replace(high, most_spent_nanousd=5))
    history = (replace(failed(), cost_nanousd=spent),)
    if goes_on:
        assert called(next_action(plan, history)) == ("high", Kind.FIRST)
    else:
        assert next_action(plan, history) == Exhausted(Exhaustion.GAVE_UP, 0)


def test_what_checks_cost_counts_when_a_tier_is_given_up() -> None:
    low, high = both(TESTS)
    judged = said(cost_nanousd=3).with_verdict(
        Verdict("tests", Status.FAILED, "", cost_nanousd=3, at=1.0)
    )
    plan = ladder(low, replace(high, most_spent_nanousd=5))
    assert next_action(plan, (judged,)) == Exhausted(Exhaustion.GAVE_UP, 0)


def test_a_tier_that_was_given_up_is_passed_over_for_one_above_that_is_not() -> None:
    low, high = both(TESTS)
    plan = ladder(low, replace(high, most_spent_nanousd=0), replace(high, tier="top"))
    history = (replace(failed(), cost_nanousd=1),)
    assert called(next_action(plan, history)) == ("top", Kind.FIRST)


def test_a_tier_that_was_gone_up_to_may_go_on_past_its_own_limit() -> None:
    low, high = both(TESTS, repairs=1)
    plan = ladder(low, replace(high, most_spent_nanousd=5))
    spent = replace(failed("high"), cost_nanousd=100)
    assert called(next_action(plan, (failed(), failed(kind=Kind.REPAIR), spent))) == (
        "high",
        Kind.REPAIR,
    )


def test_no_tier_that_may_be_given_up_is_asked_beside_a_silent_one() -> None:
    low, high = both(TESTS)
    plan = ladder(low, high, hedge_seconds=1.0)
    for above, beside in ((high, True), (replace(high, most_spent_nanousd=10**9), False)):
        call = next_action(replace(plan, steps=(low, above)), ())
        assert isinstance(call, Call)
        assert (call.hedge is not None) is beside


@pytest.mark.parametrize("score", [0.6, 0.8])
def test_an_answer_is_held_against_the_confidence_that_its_own_tier_needs(score: float) -> None:
    low, high = both(HEDGING)
    history = (with_said(said(), (HEDGING, score)),)
    plan = ladder(replace(low, min_confidence=0.7), high, min_confidence=0.9)
    if score < 0.7:
        assert called(next_action(plan, history)) == ("high", Kind.FIRST)
    else:
        assert next_action(plan, history) == Accept(0, verified=None)
    # At the top the tier's own number says which of two doubted answers is the better one.
    above = (*history, with_said(said(tier="high", at=2.0), (HEDGING, 0.85)))
    best = 1 if score < 0.7 else 0
    assert next_action(plan, above) == Accept(best, verified=None)


def test_a_draft_that_is_shown_counts_against_the_cap_before_it_is_sent() -> None:
    low, high = both(TESTS, worst_cost_nanousd=50, worst_draft_nanousd=30, repairs=1)
    tight = ladder(low, high, cost_cap_nanousd=100)
    roomy = replace(tight, cost_cap_nanousd=130)
    history = (replace(failed(), cost_nanousd=50),)
    assert called(next_action(tight, history)) == ("high", Kind.FIRST)
    assert called(next_action(roomy, history)) == ("low", Kind.REPAIR)
    carried = replace(tight, steps=(low, replace(high, carry=True)))
    assert next_action(carried, history) == Exhausted(Exhaustion.COST_CAP, 0)


def test_a_repair_that_the_cap_forbids_leaves_the_tiers_above_to_try() -> None:
    low, high = both(TESTS, worst_cost_nanousd=50, repairs=1)
    plan = ladder(low, replace(high, worst_cost_nanousd=10), cost_cap_nanousd=60)
    assert called(next_action(plan, (replace(failed(), cost_nanousd=50),))) == ("high", Kind.FIRST)


def test_a_call_is_given_no_more_time_than_the_deadline_leaves() -> None:
    plan = ladder(*both(TESTS), deadline_seconds=10.0)
    history = (with_said(said(at=6.0), (TESTS, Status.FAILED), at=7.5),)
    assert next_action(plan, history) == Call("high", Kind.FIRST, 2.5)


def test_the_loading_of_a_local_model_is_outside_the_deadline() -> None:
    plan = ladder(*both(TESTS), deadline_seconds=10.0)
    answer = said(at=30.0, started_at=1.0, load_seconds=25.0)
    loaded = with_said(answer, (TESTS, Status.FAILED), at=31.0)
    assert next_action(plan, (loaded,)) == Call("high", Kind.FIRST, 4.0)


def test_what_loads_beside_another_call_holds_up_no_deadline() -> None:
    plan = ladder(*both(TESTS), deadline_seconds=10.0)
    lost = broke(Fault.CANCELLED, "high", 9.0, started_at=2.0, load_seconds=7.0)
    answer = with_said(said(at=9.0, started_at=0.0), (TESTS, Status.FAILED), at=9.0)
    history = (replace(lost, beside=True), answer)
    assert next_action(plan, history) == Call("high", Kind.FIRST, 1.0)


def test_a_load_counts_until_somebody_else_is_asked_beside_it() -> None:
    plan = ladder(*both(TESTS), deadline_seconds=10.0)
    lost = broke(Fault.CANCELLED, at=9.0, started_at=0.0, load_seconds=9.0)
    answer = with_said(said(tier="high", at=9.0, started_at=3.0), (TESTS, Status.FAILED), at=9.0)
    assert left(plan, (lost, answer), 9.0) == (4.0, None)


def test_a_claim_to_have_loaded_for_longer_than_the_call_took_stops_no_deadline() -> None:
    plan = ladder(Step("low", (TESTS,)), deadline_seconds=10.0)
    history = (said(at=9.0), replace(said(at=11.0), load_seconds=1e9))
    assert next_action(plan, history) == Exhausted(Exhaustion.DEADLINE, 1)


def test_a_retry_whose_wait_ends_past_the_deadline_is_not_made() -> None:
    busy = Failure(Fault.OVERLOADED, "busy", retry_after_seconds=4.0)
    plan = ladder(*both(retries=1), deadline_seconds=5.0)
    history = (broke(Fault.OVERLOADED, failure=busy),)
    assert next_action(plan, history) == Call("high", Kind.FIRST, 4.0)


def test_after_the_deadline_no_check_runs_and_an_unproven_answer_is_not_served() -> None:
    plan = ladder(*both(TESTS), deadline_seconds=5.0)
    assert next_action(plan, (said(at=5.0),)) == Exhausted(Exhaustion.DEADLINE, 0)


def test_after_the_deadline_an_answer_with_nothing_required_of_it_is_served() -> None:
    plan = ladder(*both(WHOLE, HEDGING), deadline_seconds=5.0)
    assert next_action(plan, (said(at=5.0),)) == Accept(0, verified=None)


def test_a_call_that_the_deadline_cut_short_ends_for_the_deadline_even_at_the_top() -> None:
    plan = ladder(Step("low"), deadline_seconds=5.0)
    history = (broke(Fault.TIMEOUT, at=5.0),)
    assert next_action(plan, history) == Exhausted(Exhaustion.DEADLINE, None)


# ------------------------------------------------------------------ signals


@pytest.mark.parametrize("word", [0.49, 0.0, math.nan, Status.FAILED])
def test_a_signal_below_the_threshold_climbs(word: Status | float) -> None:
    history = (with_said(said(), (HEDGING, word)),)
    assert called(next_action(ladder(*both(HEDGING)), history)) == ("high", Kind.FIRST)


@pytest.mark.parametrize("word", [0.5, 1.0, Status.PASSED, Status.ABSTAINED])
def test_a_signal_at_the_threshold_or_without_an_opinion_does_not_climb(
    word: Status | float,
) -> None:
    history = (with_said(said(), (HEDGING, word)),)
    assert next_action(ladder(*both(HEDGING)), history) == Accept(0, verified=None)


def test_the_least_sure_signal_decides() -> None:
    other = Check("logprobs", Weight.SIGNAL)
    history = (with_said(said(), (HEDGING, 0.9), (other, 0.2)),)
    assert called(next_action(ladder(*both(HEDGING, other)), history)) == ("high", Kind.FIRST)


def test_a_doubted_answer_is_not_drawn_again_at_the_same_tier() -> None:
    plan = ladder(*both(TESTS, HEDGING, samples=3, repairs=2))
    history = (with_said(proved(), (HEDGING, 0.1)),)
    assert called(next_action(plan, history)) == ("high", Kind.FIRST)


def test_a_proven_answer_that_a_signal_doubts_is_still_verified_when_nothing_is_above() -> None:
    history = (with_said(proved(), (HEDGING, 0.1)),)
    assert next_action(ladder(Step("low", (TESTS, HEDGING))), history) == Accept(0, verified=True)


# ------------------------------------------------------------------ votes


def draws(*texts: str, tier: str = "low") -> tuple[Attempt, ...]:
    kinds = [Kind.FIRST, *[Kind.SAMPLE] * (len(texts) - 1)]
    return tuple(said(text, tier, kind=kind) for text, kind in zip(texts, kinds, strict=True))


def test_draws_go_on_until_no_further_one_can_change_who_leads() -> None:
    plan = ladder(*both(AGREEMENT, samples=3))
    assert called(next_action(plan, draws("A"))) == ("low", Kind.SAMPLE)
    assert next_action(plan, draws("A", "A")) == Verify(AGREEMENT)
    assert called(next_action(plan, draws("A", "B"))) == ("low", Kind.SAMPLE)
    assert next_action(plan, draws("A", "B", "C")) == Verify(AGREEMENT)


def test_draws_end_as_soon_as_the_leader_is_certain_enough() -> None:
    plan = ladder(*both(AGREEMENT, samples=9, vote=Vote(certainty=0.85)))
    assert called(next_action(plan, draws("A"))) == ("low", Kind.SAMPLE)
    assert next_action(plan, draws("A", "A")) == Verify(AGREEMENT)
    assert called(next_action(plan, draws("A", "A", "B")[1:])) == ("low", Kind.SAMPLE)
    whole = ladder(*both(AGREEMENT, samples=9, vote=Vote(certainty=1.0)))
    assert called(next_action(whole, draws("A", "A", "A", "A"))) == ("low", Kind.SAMPLE)
    assert next_action(whole, draws("A", "A", "A", "A", "A")) == Verify(AGREEMENT)


def test_draws_are_compared_as_the_plan_says() -> None:
    texts = ("so 42 apples", "43", "#### 42")
    plan = ladder(*both(AGREEMENT, samples=3, vote=Vote(Comparison.NUMBER)))
    *before, last = draws(*texts)
    assert next_action(plan, (*before, with_said(last, (AGREEMENT, 0.67)))) == Accept(
        2, verified=None
    )
    plain = ladder(Step("low", (AGREEMENT,), samples=3))
    assert next_action(plain, (*before, with_said(last, (AGREEMENT, 0.33)))) == Accept(
        0, verified=None
    )


def saying(attempt: Attempt, says: str | None) -> Attempt:
    return attempt.with_verdict(Verdict("b", Status.PASSED, "", vacuous=True, says=says))


def test_what_checks_say_that_answers_mean_goes_before_their_words() -> None:
    same = Check("b", Weight.SIGNAL)
    plan = ladder(Step("low", (same, AGREEMENT), samples=4, vote=Vote(certainty=1.0)))
    first, second, third = draws("x = 1", "y = 1", "x = 1")
    meant = (saying(first, "this"), saying(second, "that"), saying(third, "that"))
    assert called(next_action(plan, meant)) == ("low", Kind.SAMPLE)
    agreed = (saying(first, "that"), *meant[1:])
    assert next_action(plan, agreed) == Verify(AGREEMENT)
    last = with_said(draws("", "", "", "x = 1")[-1], (AGREEMENT, 0.5))
    end = next_action(plan, (*meant, saying(last, "other")))
    assert end == Accept(2, verified=None)


def test_what_no_check_can_make_sense_of_agrees_with_nothing() -> None:
    same = Check("b", Weight.SIGNAL)
    plan = ladder(Step("low", (same, AGREEMENT), samples=3, vote=Vote(certainty=1.0)))
    first, second = draws("x = 1", "x = 1")
    unknown = (saying(first, None), saying(second, None))
    assert next_action(plan, unknown) == Verify(AGREEMENT)
    assert called(next_action(plan, (saying(first, "this"), unknown[1]))) == ("low", Kind.SAMPLE)


def test_the_vote_serves_its_leader_even_when_another_was_drawn_last() -> None:
    plan = ladder(*both(AGREEMENT, samples=4))
    *before, last = draws("A", "A", "B", "C")
    history = (*before, with_said(last, (AGREEMENT, 0.5)))
    assert next_action(plan, history) == Accept(1, verified=None)


def test_a_leader_that_a_signal_doubts_climbs_though_the_last_draw_is_not_doubted() -> None:
    plan = ladder(*both(HEDGING, AGREEMENT, samples=4))
    first, second, third, last = draws("A", "A", "B", "C")
    history = (
        with_said(first, (HEDGING, 0.9)),
        with_said(second, (HEDGING, 0.1)),
        with_said(third, (HEDGING, 0.9)),
        with_said(last, (HEDGING, 0.9), (AGREEMENT, 0.5)),
    )
    assert called(next_action(plan, history)) == ("high", Kind.FIRST)


def test_a_vote_without_agreement_climbs() -> None:
    plan = ladder(*both(AGREEMENT, samples=3))
    *before, last = draws("A", "B", "C")
    history = (*before, with_said(last, (AGREEMENT, 1 / 3)))
    assert called(next_action(plan, history)) == ("high", Kind.FIRST)


def test_an_answer_that_failed_a_gate_has_no_vote() -> None:
    plan = ladder(Step("low", (WHOLE, AGREEMENT), samples=4))
    whole = (WHOLE, Status.PASSED)
    one, two, three, four = draws("A", "B", "A", "B")
    history = (
        with_said(one, (WHOLE, Status.FAILED)),
        with_said(two, whole),
        with_said(three, (WHOLE, Status.FAILED)),
        with_said(four, whole, (AGREEMENT, 0.9)),
    )
    assert next_action(plan, history) == Accept(3, verified=None)


def test_each_tier_votes_for_itself() -> None:
    plan = ladder(*both(AGREEMENT, samples=3))
    first, second, third = draws("A", "B", "C")
    lost = (first, second, with_said(third, (AGREEMENT, 1 / 3)))
    assert called(next_action(plan, (*lost, said("A", "high")))) == ("high", Kind.SAMPLE)


def test_a_fault_in_the_middle_of_a_vote_goes_up_and_the_vote_stays_open_to_serve() -> None:
    plan = ladder(*both(AGREEMENT, samples=3))
    cut = (*draws("A"), broke(Fault.TIMEOUT, kind=Kind.SAMPLE))
    assert called(next_action(plan, cut)) == ("high", Kind.FIRST)
    ended = (*cut, broke(Fault.AUTH, tier="high"))
    assert next_action(plan, ended) == Accept(0, verified=None)


def test_agreement_is_a_signal_whatever_weight_it_is_given() -> None:
    strict = Check("agreement", Weight.REQUIRED)
    plan = ladder(Step("low", (strict,), samples=2))
    first, last = draws("A", "B")
    history = (first, with_said(last, (strict, Status.FAILED)))
    assert next_action(plan, history) == Accept(0, verified=None)


# ------------------------------------------------------------------ what is served in the end


def test_in_the_end_a_proven_answer_goes_before_a_later_unproven_one() -> None:
    plan = ladder(*both(TESTS, HEDGING))
    doubted = with_said(proved(), (HEDGING, 0.1))
    assert next_action(plan, (doubted, failed("high"))) == Accept(0, verified=True)


def test_in_the_end_a_whole_answer_goes_before_a_later_broken_one() -> None:
    plan = ladder(*both(WHOLE, HEDGING))
    doubted = with_said(said(), (WHOLE, Status.PASSED), (HEDGING, 0.1))
    assert next_action(plan, (doubted, failed("high", check=WHOLE))) == Accept(0, verified=None)


def test_in_the_end_of_two_doubted_answers_the_one_from_higher_up_is_served() -> None:
    plan = ladder(*both(HEDGING))
    history = tuple(with_said(said(tier=tier), (HEDGING, 0.1)) for tier in ("low", "high"))
    assert next_action(plan, history) == Accept(1, verified=None)


def test_in_the_end_an_answer_whose_vote_split_is_no_surer_than_one_that_a_signal_doubts() -> None:
    plan = ladder(Step("low", (AGREEMENT,), samples=2), Step("high", (HEDGING,)))
    first, last = draws("A", "B")
    split = (first, with_said(last, (AGREEMENT, 0.4)))
    history = (*split, with_said(said(tier="high"), (HEDGING, 0.4)))
    assert next_action(plan, history) == Accept(2, verified=None)


def test_in_the_end_an_open_vote_is_no_surer_than_an_answer_that_a_signal_doubts() -> None:
    plan = ladder(Step("low", (AGREEMENT,), samples=3), Step("high", (HEDGING,)))
    cut = (*draws("A"), broke(Fault.TIMEOUT, kind=Kind.SAMPLE))
    history = (*cut, with_said(said(tier="high"), (HEDGING, 0.4)))
    assert next_action(plan, history) == Accept(2, verified=None)


def test_the_least_bad_answer_is_the_one_that_got_furthest_through_its_gates() -> None:
    lint = Check("lint", Weight.REQUIRED)
    plan = ladder(*both(lint, TESTS))
    nearly = with_said(said(), (lint, Status.PASSED), (TESTS, Status.FAILED))
    history = (nearly, with_said(said(tier="high"), (lint, Status.FAILED)))
    assert next_action(plan, history) == Exhausted(Exhaustion.TOP_REACHED, 0)


def test_an_answer_that_could_not_be_checked_is_less_bad_than_one_that_failed() -> None:
    plan = ladder(*both(TESTS))
    unchecked = with_said(said(), (TESTS, Status.ABSTAINED))
    history = (unchecked, failed("high"))
    assert next_action(plan, history) == Exhausted(Exhaustion.TOP_REACHED, 0)


def test_without_any_answer_there_is_nothing_to_serve() -> None:
    history = (broke(Fault.AUTH), broke(Fault.AUTH, tier="high"))
    assert next_action(ladder(*both()), history) == Exhausted(Exhaustion.TOP_REACHED, None)


# ------------------------------------------------------------------ streams


def releases(*steps: Step, mode: StreamMode = StreamMode.HOLD, stream: bool = True) -> Release:
    action = next_action(ladder(*steps, stream=stream, stream_mode=mode), ())
    assert isinstance(action, Call)
    return action.release


def test_bytes_leave_at_once_where_nothing_is_checked() -> None:
    assert releases(*both()) is Release.ALL
    assert releases(*both(), stream=False) is Release.NOTHING


@pytest.mark.parametrize("check", [WHOLE, HEDGING])
def test_bytes_of_a_lower_tier_are_held_while_any_check_could_send_it_up(check: Check) -> None:
    assert releases(*both(check)) is Release.NOTHING
    assert releases(Step("top", (check,))) is Release.ALL


@pytest.mark.parametrize("check", [TESTS, AGREEMENT])
def test_bytes_of_the_top_tier_are_held_while_it_can_still_be_turned_down(check: Check) -> None:
    for mode in StreamMode:
        assert releases(Step("top", (check,), samples=2), mode=mode) is Release.NOTHING


def test_in_mode_tools_text_leaves_before_the_calls_are_checked() -> None:
    gate = Check("tool_calls", Weight.REQUIRED)
    assert releases(*both(WHOLE, gate), mode=StreamMode.TOOLS) is Release.PREAMBLE
    assert releases(Step("top", (WHOLE, gate)), mode=StreamMode.TOOLS) is Release.TEXT
    repaired = Step("top", (WHOLE, gate), repairs=1)
    assert releases(repaired, mode=StreamMode.TOOLS) is Release.PREAMBLE
    assert releases(*both(WHOLE, gate), mode=StreamMode.HOLD) is Release.NOTHING


@pytest.mark.parametrize("mode", StreamMode)
def test_what_somebody_asked_to_check_is_held_in_every_mode(mode: StreamMode) -> None:
    gate = Check("tool_calls", Weight.REQUIRED)
    assert releases(*both(gate, TESTS), mode=mode) is Release.NOTHING


def test_in_mode_pass_hygiene_and_signals_hold_nothing_back() -> None:
    assert releases(*both(WHOLE, HEDGING), mode=StreamMode.PASS) is Release.ALL


def test_an_answer_may_be_broken_off_only_while_there_is_a_tier_above() -> None:
    low = next_action(ladder(*both(WHOLE, TESTS)), ())
    top = next_action(ladder(Step("top", (WHOLE, TESTS))), ())
    assert isinstance(low, Call)
    assert isinstance(top, Call)
    assert low.watched == {WHOLE.name, TESTS.name}
    assert top.watched == frozenset()


def test_an_answer_that_was_broken_off_is_no_answer_when_the_tiers_above_are_down() -> None:
    plan = ladder(*both(HEDGING))
    draft = replace(with_said(said(), (HEDGING, Status.FAILED)), phase=Phase.STREAM)
    assert called(next_action(plan, (draft,))) == ("high", Kind.FIRST)
    ended = next_action(plan, (draft, broke(Fault.AUTH, tier="high")))
    assert ended == Exhausted(Exhaustion.TOP_REACHED, None)


def test_a_gate_that_had_nothing_to_judge_proves_nothing() -> None:
    plan = ladder(Step("low", (TESTS,)))
    verdict = Verdict(TESTS.name, Status.PASSED, "", vacuous=True)
    assert next_action(plan, (said().with_verdict(verdict),)) == Accept(0, verified=None)


def test_a_stream_that_broke_before_its_first_byte_goes_on_unseen() -> None:
    plan = ladder(*both(), stream=True)
    assert called(next_action(plan, (broke(Fault.CUT_STREAM),))) == ("high", Kind.FIRST)


def test_a_stream_that_broke_after_its_first_byte_is_the_end() -> None:
    plan = ladder(*both(retries=1), stream=True)
    history = (broke(Fault.CUT_STREAM, released=True),)
    assert next_action(plan, history) == Exhausted(Exhaustion.TOP_REACHED, None)


def test_a_released_answer_that_fails_hygiene_is_the_one_served_and_not_a_better_earlier_one() -> (
    None
):
    plan = ladder(*both(WHOLE, HEDGING), stream=True)
    better = with_said(said(), (WHOLE, Status.PASSED), (HEDGING, 0.4))
    worse = replace(failed("high", check=WHOLE), released=True)
    assert next_action(plan, (better, worse)) == Accept(1, verified=False)


def test_a_released_answer_is_still_checked_so_that_its_flag_is_true() -> None:
    plan = ladder(Step("low", (WHOLE,), repairs=1), stream=True)
    assert next_action(plan, (said(released=True),)) == Verify(WHOLE)
    broken = replace(failed(check=WHOLE), released=True)
    assert next_action(plan, (broken,)) == Accept(0, verified=False)
