"""The bill: the sums of the ledger to the nano-dollar, split any way, with intervals."""

import asyncio
import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.money import from_usd
from rung.core.plan import TOOL_CALLS, Step, StreamMode
from rung.core.stats import quantile
from rung.core.types import (
    Directions,
    Failure,
    Fault,
    Lane,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, Fidelity, bill
from rung.ledger.bill_json import to_json
from rung.ledger.resends import Resend, replaced
from support.outcomes import books, outcome

REQUEST_KEYS = [BillBy.PROJECT, BillBy.LANE, BillBy.DAY, BillBy.LADDER]
ATTEMPT_KEYS = [BillBy.TIER, BillBy.MODEL]


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def filled(factory, made):
    ledger = Ledger.open(factory.mktemp("bill") / "ledger.db")

    async def append_all():
        await asyncio.gather(*(ledger.append(one) for one in made))

    asyncio.run(append_all())
    return ledger


def standing(made):
    """Those that count: of requests that repeat one another, the newest repetition."""
    families = {one.request.id: {one.request.id} for one in made}
    for one in made:
        if first := one.request.resend_of:
            joined = families[one.request.id] | families.get(first, {first})
            families |= dict.fromkeys(joined, joined)
    found = []
    for family in {frozenset(family) for family in families.values()}:
        rows = [one for one in made if one.request.id in family]
        again = [one for one in rows if one.request.resend_of]
        found.append(max(again or rows, key=lambda one: (one.started_unix, one.request.id)))
        assert again or len(rows) == 1
    return found, families


# ------------------------------------------------------------------ the sums


@given(made=books())
@settings(deadline=None, max_examples=30)
def test_the_bill_is_the_sum_of_the_ledger_to_the_nano_dollar(tmp_path_factory, made):
    with filled(tmp_path_factory, made) as ledger:
        total = bill(ledger).total
        tiers = bill(ledger).tiers
        models = bill(ledger, by=BillBy.MODEL).lines
        split = [bill(ledger, by=by).lines for by in REQUEST_KEYS]
    spent = sum(attempt.cost_nanousd for one in made for attempt in one.attempts)
    count = len(standing(made)[0])
    assert (total.requests, total.resent) == (count, len(made) - count)
    assert total.spend.spend_nanousd == spent
    for attempt_lines in (tiers, models):
        assert sum(line.spend.spend_nanousd for line in attempt_lines) == spent
        assert sum(line.spend.wasted_nanousd for line in attempt_lines) == wasted(made)
        assert sum(line.served.hits for line in attempt_lines) == total.answered
    assert total.spend.wasted_nanousd == wasted(made)
    for lines in split:
        assert sum(line.requests for line in lines) == count
        assert sum(line.resent for line in lines) == len(made) - count
        assert sum(line.spend.spend_nanousd for line in lines) == spent
        assert sum(line.spend.wasted_nanousd for line in lines) == wasted(made)
        assert sum(line.ungated for line in lines) == total.ungated
        assert sum(line.fidelity.tool_failures for line in lines) == total.fidelity.tool_failures
        assert sum(line.spend.attempts for line in lines) == total.spend.attempts
        assert sum(line.escalation.hits for line in lines) == total.escalation.hits
        assert sum(line.fallbacks for line in lines) == total.fallbacks


def wasted(made):
    counted, _ = standing(made)
    return sum(
        attempt.cost_nanousd
        for one in made
        for place, attempt in enumerate(one.attempts)
        if one not in counted or place != one.served
    )


@given(made=books())
@settings(deadline=None, max_examples=40)
def test_every_count_is_what_counting_the_outcomes_gives(tmp_path_factory, made):
    with filled(tmp_path_factory, made) as ledger:
        found = bill(ledger)
    total = found.total
    counted, _ = standing(made)
    answered = [one for one in counted if one.served is not None]
    assert total.answered == len(answered)
    assert total.verified == sum(one.verified is True for one in answered)
    assert total.unverified == sum(one.verified is not True for one in answered)
    assert total.flagged == sum(one.verified is False for one in answered)
    assert total.exhausted == sum(isinstance(one.decision, Exhausted) for one in counted)
    assert total.inbox == sum(one.inbox for one in counted)
    assert total.ungated == sum(one.ungated for one in counted)
    below = [one for one in counted if one.attempts and one.attempts[0].tier != last_tier(one)]
    assert total.escalation.trials == len(below)
    assert total.escalation.hits == sum(one.escalated for one in below)
    assert total.fallbacks == sum(
        before.answer is None and after.tier != before.tier
        for one in made
        for before, after in zip(one.attempts, one.attempts[1:], strict=False)
    )
    seconds = [one.seconds for one in counted]
    assert total.median_seconds == pytest.approx(quantile(seconds, 0.5))
    assert total.p90_seconds == pytest.approx(quantile(seconds, 0.9))
    attempts = [attempt for one in made for attempt in one.attempts]
    sources = [attempt.usage.source for attempt in attempts]
    assert total.spend.estimated.hits == sources.count(UsageSource.ESTIMATED)
    assert total.spend.estimated.trials == len(sources) - sources.count(UsageSource.NONE)
    assert total.spend.tokens.input == sum(a.usage.input_tokens for a in attempts)
    assert total.spend.tokens.reasoning == sum(a.usage.reasoning_tokens for a in attempts)
    if made:
        assert total.blended_nanousd == round(Fraction(total.spend.spend_nanousd, len(counted)))
    assert total.fidelity == fidelity(attempts)
    assert_tiers(found.tiers, made, counted)


def fidelity(attempts):
    said = [attempt.answer for attempt in attempts if attempt.answer is not None]
    return Fidelity(
        tool_answers=sum(bool(answer.tool_calls) for answer in said),
        salvaged=sum(bool(answer.salvaged) for answer in said),
        tool_failures=sum(
            verdict.verifier == TOOL_CALLS and verdict.status is Status.FAILED
            for attempt in attempts
            for verdict in attempt.verdicts
        ),
        lossy=sum(bool(attempt.losses) for attempt in attempts),
    )


def last_tier(made):
    return made.plan.steps[-1].tier


def assert_tiers(tiers, made, counted):
    calls = defaultdict(list)
    for one in made:
        for place, attempt in enumerate(one.attempts):
            served = one in counted and place == one.served
            calls[attempt.tier].append((attempt, served))
    assert [line.key for line in tiers] == [
        name for name in ("tiny", "middle", "large") if calls[name]
    ]
    for line in tiers:
        attempts = [attempt for attempt, _ in calls[line.key]]
        assert line.spend.attempts == len(attempts)
        assert line.failures == sum(attempt.answer is None for attempt in attempts)
        assert line.served.hits == sum(served for _, served in calls[line.key])
        assert line.served.trials == len(counted)
        assert line.fidelity == fidelity(attempts)
        assert line.passed.hits <= line.passed.trials <= len(attempts) - line.failures


@given(made=books())
@settings(deadline=None, max_examples=20)
def test_savings_compare_only_requests_whose_baseline_is_known(tmp_path_factory, made):
    with filled(tmp_path_factory, made) as ledger:
        savings = {saving.name: saving for saving in bill(ledger).total.savings}
    counted, families = standing(made)
    spent = {
        one.request.id: sum(
            row.cost_nanousd for row in made if row.request.id in families[one.request.id]
        )
        for one in counted
    }
    for name in ("requested", "large"):
        known = [one for one in counted if name in one.baselines]
        if not known:
            assert name not in savings
            continue
        saving = savings[name]
        assert saving.requests == len(known)
        assert saving.baseline_nanousd == sum(one.baselines[name] for one in known)
        assert saving.spend_nanousd == sum(spent[one.request.id] for one in known)
        if saving.baseline_nanousd:
            share = 1 - saving.spend_nanousd / saving.baseline_nanousd
            assert saving.savings == pytest.approx(share)


@given(made=books(), since=st.floats(0, 10 * 86_400), until=st.floats(0, 10 * 86_400))
@settings(deadline=None, max_examples=20)
def test_a_span_takes_its_start_and_leaves_its_end(tmp_path_factory, made, since, until):
    since = made[0].started_unix if made else since
    with filled(tmp_path_factory, made) as ledger:
        found = bill(ledger, since_unix=since, until_unix=until, by=BillBy.LANE)
    within = [one for one in made if since <= one.started_unix < until]
    count = sum(since <= one.started_unix < until for one in standing(made)[0])
    assert (found.total.requests, found.total.resent) == (count, len(within) - count)
    assert found.total.spend.spend_nanousd == sum(one.cost_nanousd for one in within)
    assert sum(line.requests for line in found.lines) == count


# ------------------------------------------------------------------ by example


@pytest.mark.parametrize("by", [None, *BillBy])
def test_an_empty_ledger_gives_an_empty_bill(ledger, by):
    found = bill(ledger, by=by, baseline="anything")
    assert found.total.requests == 0
    assert found.total.blended_nanousd is None
    assert found.total.median_seconds is None
    assert found.total.escalation.value is None
    assert found.total.savings == found.tiers == found.lines == ()
    json.dumps(to_json(found), allow_nan=False)


def climbed(name):
    """Refused by the tiny tier, answered by the large one."""
    made = outcome(name)
    low = replace(
        made.attempts[0], verdicts=(Verdict("json_schema", Status.FAILED, "no name", at=1.0),)
    )
    high = replace(
        made.attempts[0],
        id=f"{name}.1",
        tier="large",
        started_at=1.0,
        ended_at=3.5,
        cost_nanousd=900,
    )
    return replace(
        made, attempts=(low, high), decision=Accept(1, verified=True), served=1, seconds=3.5
    )


def test_a_refused_answer_is_wasted_spend_an_escalation_and_a_failed_gate(ledger):
    ledger.append_now(outcome("a"))
    ledger.append_now(climbed("b"))
    found = bill(ledger)
    assert (found.total.escalation.hits, found.total.escalation.trials) == (1, 2)
    assert found.total.fallbacks == 0
    assert found.total.spend.spend_nanousd == 100 + 100 + 900
    assert found.total.spend.wasted_nanousd == 100
    assert found.total.spend.wasted_seconds == 1.0
    tiny, large = found.tiers
    assert (tiny.passed.hits, tiny.passed.trials) == (1, 2)
    assert 0.0 < tiny.passed.low < 0.5 < tiny.passed.high < 1.0
    assert (large.passed.hits, large.passed.trials, large.served.hits) == (1, 1, 1)


def broken(name):
    """As far as the ledger knows it was answered, but its caller never got the end."""
    made = outcome(name, started_unix=100.0, seconds=9.0, baselines={"requested": 1000})
    return replace(made, attempts=(replace(made.attempts[0], cost_nanousd=30),), verified=None)


def again(name, of, at):
    made = outcome(name, started_unix=at, baselines={"requested": 400})
    return replace(made, request=replace(made.request, resend_of=of))


def test_a_request_sent_again_is_one_request_with_one_baseline_and_the_spend_of_both(ledger):
    ledger.append_now(broken("a"))
    ledger.append_now(again("b", "a", 200.0))
    found = bill(ledger)
    total = found.total
    assert (total.requests, total.resent, total.answered, total.verified) == (1, 1, 1, 1)
    assert (total.spend.attempts, total.spend.spend_nanousd) == (2, 130)
    assert total.spend.wasted_nanousd == 30
    assert total.blended_nanousd == 130
    assert total.median_seconds == 1.0
    assert total.escalation.trials == 1
    (saving,) = total.savings
    assert (saving.requests, saving.baseline_nanousd, saving.spend_nanousd) == (1, 400, 130)
    assert found.tiers[0].served.value == 1.0


def test_however_often_it_is_sent_again_the_newest_repetition_stands_for_all(ledger):
    ledger.append_now(broken("a"))
    ledger.append_now(again("b", "a", 200.0))
    ledger.append_now(again("d", "b", 400.0))
    ledger.append_now(replace(again("c", "a", 300.0), verified=False))
    total = bill(ledger).total
    assert (total.requests, total.resent, total.verified) == (1, 3, 1)
    assert total.savings[0].spend_nanousd == total.spend.spend_nanousd == 330


def test_what_a_broken_request_cost_stays_where_and_when_it_was_spent(ledger):
    ledger.append_now(broken("a"))
    ledger.append_now(again("b", "a", 200.0))
    before, after = bill(ledger, until_unix=150.0).total, bill(ledger, since_unix=150.0).total
    assert (before.requests, before.resent, before.spend.spend_nanousd) == (0, 1, 30)
    assert (before.blended_nanousd, before.median_seconds, before.savings) == (None, None, ())
    assert (after.requests, after.resent, after.spend.spend_nanousd) == (1, 0, 100)
    assert after.savings[0].spend_nanousd == 130


def test_a_repetition_of_what_is_not_in_the_ledger_counts_for_itself(ledger):
    ledger.append_now(again("b", "lost", 200.0))
    ledger.append_now(again("c", "c", 200.0))
    total = bill(ledger).total
    assert (total.requests, total.resent) == (2, 0)


def test_a_long_chain_of_repetitions_is_counted_once_and_at_once():
    chain = [Resend(f"r{n}", f"r{n - 1}", float(n)) for n in range(50_000)]
    stand_ins = replaced(reversed(chain))
    assert len(stand_ins) == 50_000
    assert set(stand_ins.values()) == {"r49999"}


def test_a_pass_that_had_nothing_to_judge_counts_for_neither_side(ledger):
    made = outcome()
    empty = Verdict("json_schema", Status.PASSED, "no text", at=1.0, vacuous=True)
    attempt = replace(made.attempts[0], verdicts=(empty,))
    ledger.append_now(
        replace(made, attempts=(attempt,), decision=Accept(0, verified=None), verified=None)
    )
    assert bill(ledger).tiers[0].passed.trials == 0


def test_only_what_left_in_mode_pass_without_a_required_gate_is_ungated(ledger):
    loose = (Step("tiny", (Check("not_empty", Weight.IMPLIED),)), Step("large"))
    for name, steps, mode, released in (
        ("a", loose, StreamMode.PASS, True),
        ("b", loose, StreamMode.PASS, False),
        ("c", loose, StreamMode.HOLD, True),
        ("d", None, StreamMode.PASS, True),
    ):
        made = outcome(name)
        plan = replace(made.plan, stream=True, stream_mode=mode, steps=steps or made.plan.steps)
        attempts = (replace(made.attempts[0], released=released),)
        ledger.append_now(replace(made, plan=plan, attempts=attempts))
    assert bill(ledger).total.ungated == 1
    assert [one.ungated for one in ledger.recent(4)] == [False, False, False, True]


def test_a_fallback_is_no_escalation(ledger):
    made = climbed("a")
    failed = replace(
        made.attempts[0], answer=None, verdicts=(), failure=Failure(Fault.CONNECT, "refused")
    )
    ledger.append_now(replace(made, attempts=(failed, made.attempts[1])))
    found = bill(ledger)
    assert (found.total.fallbacks, found.total.escalation.hits) == (1, 0)
    assert found.tiers[0].failures == 1
    assert found.tiers[0].passed.trials == 0


def test_a_check_that_abstained_counts_for_neither_side(ledger):
    made = outcome()
    unsure = Verdict("json_schema", Status.ABSTAINED, "not installed", at=1.0)
    attempt = replace(made.attempts[0], verdicts=(unsure,))
    end = Exhausted(Exhaustion.TOP_REACHED, 0)
    ledger.append_now(
        replace(made, attempts=(attempt,), decision=end, served=None, verified=None, inbox=True)
    )
    found = bill(ledger)
    assert found.tiers[0].passed.trials == 0
    assert (found.total.exhausted, found.total.inbox, found.total.answered) == (1, 1, 0)
    assert found.total.spend.wasted_nanousd == found.total.spend.spend_nanousd


GATES = (
    Check("not_empty", Weight.IMPLIED),
    Check("json_schema", Weight.REQUIRED),
    Check("logprobs", Weight.SIGNAL),
)


@pytest.mark.parametrize(
    ("said", "judged"),
    [
        ({"not_empty": "passed", "json_schema": "passed", "logprobs": "failed"}, "passed"),
        ({"not_empty": "abstained", "json_schema": "passed"}, "passed"),
        ({"not_empty": "failed", "json_schema": "passed"}, "failed"),
        ({"not_empty": "passed", "json_schema": "failed"}, "failed"),
        ({"not_empty": "passed", "json_schema": "abstained"}, None),
        ({"not_empty": "passed"}, None),
        ({"logprobs": "failed"}, None),
        ({"a check of another plan": "failed"}, None),
        ({}, None),
    ],
)
def test_an_answer_passed_when_no_gate_failed_and_all_required_ones_passed(ledger, said, judged):
    made = outcome()
    verdicts = tuple(Verdict(name, Status(status), "") for name, status in said.items())
    plan = replace(made.plan, steps=(replace(made.plan.steps[0], checks=GATES),))
    attempt = replace(made.attempts[0], verdicts=verdicts)
    ledger.append_now(replace(made, plan=plan, attempts=(attempt,)))
    passed = bill(ledger).tiers[0].passed
    wanted = {"passed": (1, 1), "failed": (0, 1), None: (0, 0)}
    assert (passed.hits, passed.trials) == wanted[judged]


@pytest.mark.parametrize("count", [1, 2, 10, 11, 27])
def test_median_and_90th_percentile_are_those_of_the_seconds(ledger, count):
    seconds = [float(n * n) for n in range(count)]
    for n, took in enumerate(seconds):
        ledger.append_now(outcome(f"req-{n}", seconds=took))
    for line in (bill(ledger).total, *bill(ledger, by=BillBy.LADDER).lines):
        assert line.median_seconds == pytest.approx(quantile(seconds, 0.5))
        assert line.p90_seconds == pytest.approx(quantile(seconds, 0.9))


def test_estimated_counts_are_flagged(ledger):
    made = outcome("a")
    guessed = replace(made.attempts[0], usage=Usage(10, 5, source=UsageSource.ESTIMATED))
    ledger.append_now(replace(made, attempts=(guessed,)))
    ledger.append_now(outcome("b"))
    assert bill(ledger).total.spend.estimated.value == 0.5


def test_days_are_utc_dates_and_keys_are_as_they_were(ledger):
    midnight = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    projects = (None, "", "alpha")
    for n, project in enumerate(projects):
        made = outcome(f"req-{n}")
        request = replace(made.request, directions=Directions(project=project, lane=Lane.BATCH))
        ledger.append_now(replace(made, request=request, started_unix=midnight + n - 1))
    assert [line.key for line in bill(ledger, by=BillBy.DAY).lines] == ["2026-11-21", "2026-11-22"]
    assert [line.key for line in bill(ledger, by=BillBy.PROJECT).lines] == [None, "", "alpha"]
    assert [line.key for line in bill(ledger, by=BillBy.LANE).lines] == ["batch"]


def test_one_baseline_may_be_asked_for_and_an_unknown_one_is_told(ledger):
    ledger.append_now(outcome(baselines={"requested": 400, "large": 500}))
    (saving,) = bill(ledger, baseline="large").total.savings
    assert (saving.name, saving.saved_nanousd, saving.savings) == ("large", 400, 0.8)
    with pytest.raises(RequestError, match="large, requested") as raised:
        bill(ledger, baseline="sonnet")
    assert raised.value.status == 404


def test_a_baseline_that_costs_nothing_gives_no_share(ledger):
    ledger.append_now(outcome(baselines={"requested": 0}))
    (saving,) = bill(ledger).total.savings
    assert (saving.savings, saving.saved_nanousd) == (None, -100)


def test_json_has_integers_and_exact_dollars_and_no_lost_digit(ledger):
    cost = 9_007_199_254_740_993  # more than a float can count
    made = outcome("a")
    ledger.append_now(replace(made, attempts=(replace(made.attempts[0], cost_nanousd=cost),)))
    found = to_json(bill(ledger, by=BillBy.TIER))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert found["total"]["spend_nanousd"] == cost
    assert from_usd(found["total"]["spend_usd"]) == cost
    assert found["lines"][0]["key"] == "tiny"
    assert found["total"]["savings"][0]["saved_nanousd"] == 400 - cost


@pytest.mark.parametrize("by", [None, *BillBy])
def test_a_bill_of_anything_is_plain_json(ledger, by):
    ledger.append_now(climbed("a"))
    json.dumps(to_json(bill(ledger, by=by)), allow_nan=False)
