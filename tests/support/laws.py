"""The laws of the engine, each a function that fails on a finished request which breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rung.core.engine import PASSES_BY_ITSELF, Accept, Exhausted, Verify, next_action
from rung.core.plan import Step, StreamMode
from rung.core.release import Release
from rung.core.types import Attempt, History, Kind
from rung.core.verdicts import Status, Weight
from support.histories import Trace, elapsed, most_actions, prefixes

SLACK_SECONDS = 1e-9


def failed_a_gate(step: Step, attempt: Attempt) -> bool:
    gates = {c.name for c in step.checks if c.weight in (Weight.REQUIRED, Weight.IMPLIED)}
    return any(v.verifier in gates and v.status is Status.FAILED for v in attempt.verdicts)


def failed_what_was_asked(step: Step, attempt: Attempt) -> bool:
    asked = {check.name for check in step.checks if check.weight is Weight.REQUIRED}
    return any(v.verifier in asked and v.status is Status.FAILED for v in attempt.verdicts)


def passed(step: Step, attempt: Attempt, weight: Weight) -> bool:
    good = {v.verifier for v in attempt.verdicts if v.status is Status.PASSED}
    return all(check.name in good for check in step.checks if check.weight is weight)


def passed_its_gates(step: Step, attempt: Attempt) -> bool:
    answered = attempt.answer is not None
    proven = passed(step, attempt, Weight.REQUIRED) and not failed_a_gate(step, attempt)
    return answered and proven and not attempt.aborted


def cut_off(history: History) -> bool:
    """Whether bytes of the last call have left, so that only it can be served."""
    return bool(history) and history[-1].released


def convinced(trace: Trace, attempt: Attempt) -> set[str]:
    """The checks that passed this attempt without a doubt."""
    own = trace.step(attempt.tier).min_confidence
    sure = trace.plan.min_confidence if own is None else own
    good = [v for v in attempt.verdicts if v.status is Status.PASSED]
    return {v.verifier for v in good if v.score is None or v.score >= sure}


# ------------------------------------------------------------------ the laws


def a_request_ends_within_the_bound_that_its_limits_set(trace: Trace) -> None:
    assert isinstance(trace.end, Accept | Exhausted)
    assert len(trace.moves) <= most_actions(trace.plan)


def calls_never_step_down_and_visit_each_tier_in_one_stretch(trace: Trace) -> None:
    order = [step.tier for step in trace.plan.steps]
    places = [order.index(call.tier) for _, call in trace.calls]
    assert places == sorted(places)


def no_call_is_made_that_could_exceed_the_cost_cap(trace: Trace) -> None:
    cap = trace.plan.cost_cap_nanousd
    if cap is None:
        return
    for before, call in trace.calls:
        spent = sum(attempt.cost_nanousd for attempt in before)
        assert spent + trace.step(call.tier).worst_cost_nanousd <= cap
    assert sum(attempt.cost_nanousd for attempt in trace.history) <= cap


def no_tier_is_gone_up_to_once_more_was_spent_than_it_gives_up_at(trace: Trace) -> None:
    for before, call in trace.calls:
        most = trace.step(call.tier).most_spent_nanousd
        spent = sum(attempt.cost_nanousd for attempt in before)
        assert call.kind is not Kind.FIRST or most is None or spent <= most
        assert call.hedge is None or trace.step(call.hedge.call.tier).most_spent_nanousd is None


def no_call_begins_at_or_runs_beyond_the_deadline(trace: Trace) -> None:
    limit = trace.plan.deadline_seconds
    for before, call in trace.calls:
        assert call.timeout_seconds > 0
        assert call.timeout_seconds <= trace.step(call.tier).timeout_seconds
        if limit is not None:
            began = elapsed(before) + call.wait_seconds
            assert began < limit
            patient = trace.plan.patient
            assert patient or began + call.timeout_seconds <= limit + SLACK_SECONDS


def no_check_begins_at_or_after_the_deadline(trace: Trace) -> None:
    limit = trace.plan.deadline_seconds
    checks = [before for before, move in trace.moves if isinstance(move, Verify)]
    # Where nobody waits, an answer that came late is looked at like any other.
    patient = limit is None or trace.plan.patient
    assert patient or all(elapsed(before) < limit for before in checks)


def an_answer_with_a_failed_gate_is_never_accepted_as_verified(trace: Trace) -> None:
    if isinstance(trace.end, Accept):
        served = trace.history[trace.end.index]
        step = trace.step(served.tier)
        assert served.answer is not None
        assert (trace.end.verified is False) == failed_a_gate(step, served)


def an_answer_whose_required_gate_has_not_passed_is_never_accepted(trace: Trace) -> None:
    if isinstance(trace.end, Accept):
        served = trace.history[trace.end.index]
        assert passed(trace.step(served.tier), served, Weight.REQUIRED)


def verified_says_that_a_required_gate_has_passed_that_had_something_to_judge(
    trace: Trace,
) -> None:
    if isinstance(trace.end, Accept) and trace.end.verified is not False:
        served = trace.history[trace.end.index]
        checks = trace.step(served.tier).checks
        asked = {check.name for check in checks if check.weight is Weight.REQUIRED}
        good = [v for v in served.verdicts if v.status is Status.PASSED and not v.vacuous]
        proof = any(verdict.verifier in asked for verdict in good)
        assert trace.end.verified is (True if proof else None)


def what_was_broken_off_is_never_served_and_never_the_last_chance(trace: Trace) -> None:
    top = trace.plan.steps[-1].tier
    assert not any(attempt.aborted and attempt.tier == top for attempt in trace.history)
    match trace.end:
        case Accept(index=index) | Exhausted(best=int(index)):
            assert not trace.history[index].aborted


def after_bytes_have_left_nothing_else_is_called_and_nothing_else_served(trace: Trace) -> None:
    for before, _ in trace.calls:
        assert not any(attempt.released for attempt in before)
    if cut_off(trace.history):
        last = len(trace.history) - 1
        answered = trace.history[last].answer is not None
        step = trace.step(trace.history[last].tier)
        good = answered and passed(step, trace.history[last], Weight.REQUIRED)
        assert isinstance(trace.end, Accept) == good
        best = trace.end.index if isinstance(trace.end, Accept) else trace.end.best
        assert best == (last if answered else None)


def bytes_leave_only_on_a_stream_as_its_mode_allows_and_the_checks_do(trace: Trace) -> None:
    for _, call in trace.calls:
        if call.release is Release.NOTHING:
            continue
        checks = trace.step(call.tier).checks
        asked = {check.name for check in checks if check.weight is Weight.REQUIRED}
        top = call.tier == trace.plan.steps[-1].tier
        assert trace.plan.stream
        assert all(check.name != "agreement" for check in checks)
        if call.release is Release.ALL:
            assert not asked
            assert top or not checks or trace.plan.stream_mode is StreamMode.PASS
        else:
            assert asked <= {"tool_calls"}
            assert trace.plan.stream_mode is not StreamMode.HOLD
            assert top or call.release is Release.PREAMBLE


def the_same_plan_and_history_always_give_the_same_action(trace: Trace) -> None:
    for before, action in trace.moves:
        assert next_action(trace.plan, before) == action


def replaying_a_finished_history_gives_the_actions_that_made_it(trace: Trace) -> None:
    replayed = [next_action(trace.plan, state) for state in prefixes(trace.history)]
    assert replayed == [action for _, action in trace.moves]


def checks_run_in_the_listed_order_once_each_and_stop_at_a_failed_gate(trace: Trace) -> None:
    for attempt in trace.history:
        step = trace.step(attempt.tier)
        listed = [check.name for check in step.checks]
        ran = [verdict.verifier for verdict in attempt.verdicts]
        assert ran == sorted(set(ran), key=listed.index)
        gates = {c.name for c in step.checks if c.weight is not Weight.SIGNAL}
        stopped = [v.verifier in gates and v.status is Status.FAILED for v in attempt.verdicts]
        assert not any(stopped[:-1])


def gates_run_before_signals(trace: Trace) -> None:
    for attempt in trace.history:
        weights = {check.name: check.weight for check in trace.step(attempt.tier).checks}
        signals = [weights[verdict.verifier] is Weight.SIGNAL for verdict in attempt.verdicts]
        assert signals == sorted(signals)


def checks_run_on_answers_alone_and_none_is_left_out_in_time(trace: Trace) -> None:
    for before, action in trace.moves:
        if isinstance(action, Verify):
            assert before[-1].answer is not None
        if isinstance(action, Accept) and trace.plan.deadline_seconds is None:
            served = before[action.index]
            ran = {verdict.verifier for verdict in served.verdicts} | {"agreement"}
            stopped = served.aborted or failed_a_gate(trace.step(served.tier), served)
            assert stopped or ran >= {check.name for check in trace.step(served.tier).checks}


def retries_repairs_and_samples_stay_within_each_tiers_limits(trace: Trace) -> None:
    made = Counter((each.tier, each.kind) for each in trace.history if not each.beside)
    for step in trace.plan.steps:
        assert made[step.tier, Kind.FIRST] <= 1
        assert made[step.tier, Kind.RETRY] <= step.retries
        assert made[step.tier, Kind.REPAIR] <= step.repairs
        assert made[step.tier, Kind.FIRST] + made[step.tier, Kind.SAMPLE] <= step.samples


def a_tier_is_called_again_only_for_what_its_last_attempt_gives_reason_to(trace: Trace) -> None:
    for before, call in trace.calls:
        if call.kind is Kind.FIRST:
            assert not any(each.tier == call.tier and not each.beside for each in before)
            assert call.wait_seconds == 0
            continue
        last = before[-1]
        assert last.tier == call.tier
        faulted = last.failure is not None and last.failure.fault in PASSES_BY_ITSELF
        assert (call.kind is Kind.RETRY) == faulted
        assert call.kind is not Kind.REPAIR or failed_what_was_asked(trace.step(last.tier), last)


def a_retry_waits_as_long_as_it_was_asked_to_or_is_not_made(trace: Trace) -> None:
    for before, call in trace.calls:
        assert 0 <= call.wait_seconds <= trace.plan.max_wait_seconds
        failure = before[-1].failure if before else None
        if call.kind is Kind.RETRY and failure and failure.retry_after_seconds is not None:
            assert call.wait_seconds == max(0.0, failure.retry_after_seconds)
        assert call.kind is Kind.RETRY or call.wait_seconds == 0


def when_an_answer_passed_its_gates_one_that_did_is_served(trace: Trace) -> None:
    good = {
        index
        for index, attempt in enumerate(trace.history)
        if passed_its_gates(trace.step(attempt.tier), attempt)
    }
    if good and not cut_off(trace.history):
        assert isinstance(trace.end, Accept)
        assert trace.end.index in good


def no_call_follows_an_answer_that_passed_every_check(trace: Trace) -> None:
    for before, call in trace.calls:
        if not before or before[-1].answer is None:
            continue
        step = trace.step(before[-1].tier)
        votes = any(check.name == "agreement" for check in step.checks)
        voters = [a for a in before if a.tier == step.tier and a.answer is not None]
        listed = {check.name for check in step.checks}
        fine = convinced(trace, before[-1]) >= listed
        if votes:  # a vote may have chosen an earlier answer, which must be as good
            fine = fine and all(convinced(trace, a) >= listed - {"agreement"} for a in voters)
        assert not fine, call


def a_tier_is_left_out_only_for_want_of_money_or_time(trace: Trace) -> None:
    if isinstance(trace.end, Exhausted) and not cut_off(trace.history):
        called = {attempt.tier for attempt in trace.history}
        plan, spent = trace.plan, sum(a.cost_nanousd for a in trace.history)
        late = plan.deadline_seconds is not None and elapsed(trace.history) >= plan.deadline_seconds
        for step in reversed(plan.steps):
            if step.tier in called:
                break
            cap, most = plan.cost_cap_nanousd, step.most_spent_nanousd
            dear = cap is not None and spent + step.worst_cost_nanousd > cap
            assert late or dear or (most is not None and spent > most)


def an_exhausted_request_names_its_least_bad_answer_if_it_has_any(trace: Trace) -> None:
    if isinstance(trace.end, Exhausted):
        whole = [a.answer is not None and not a.aborted for a in trace.history]
        answered = [i for i, good in enumerate(whole) if good]
        if cut_off(trace.history):
            answered = [i for i in answered if i == len(trace.history) - 1]
        if not answered:
            assert trace.end.best is None
        else:
            assert trace.end.best in answered


LAWS: tuple[Callable[[Trace], None], ...] = (
    a_request_ends_within_the_bound_that_its_limits_set,
    calls_never_step_down_and_visit_each_tier_in_one_stretch,
    no_call_is_made_that_could_exceed_the_cost_cap,
    no_tier_is_gone_up_to_once_more_was_spent_than_it_gives_up_at,
    no_call_begins_at_or_runs_beyond_the_deadline,
    no_check_begins_at_or_after_the_deadline,
    an_answer_with_a_failed_gate_is_never_accepted_as_verified,
    an_answer_whose_required_gate_has_not_passed_is_never_accepted,
    verified_says_that_a_required_gate_has_passed_that_had_something_to_judge,
    after_bytes_have_left_nothing_else_is_called_and_nothing_else_served,
    bytes_leave_only_on_a_stream_as_its_mode_allows_and_the_checks_do,
    what_was_broken_off_is_never_served_and_never_the_last_chance,
    the_same_plan_and_history_always_give_the_same_action,
    replaying_a_finished_history_gives_the_actions_that_made_it,
    checks_run_in_the_listed_order_once_each_and_stop_at_a_failed_gate,
    gates_run_before_signals,
    checks_run_on_answers_alone_and_none_is_left_out_in_time,
    retries_repairs_and_samples_stay_within_each_tiers_limits,
    a_tier_is_called_again_only_for_what_its_last_attempt_gives_reason_to,
    a_retry_waits_as_long_as_it_was_asked_to_or_is_not_made,
    when_an_answer_passed_its_gates_one_that_did_is_served,
    no_call_follows_an_answer_that_passed_every_check,
    a_tier_is_left_out_only_for_want_of_money_or_time,
    an_exhausted_request_names_its_least_bad_answer_if_it_has_any,
)
