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
from rung.core.stats import quantile
from rung.core.types import (
    Check,
    Directions,
    Failure,
    Fault,
    Lane,
    Status,
    Usage,
    UsageSource,
    Verdict,
    Weight,
)
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, bill, to_json
from support.outcomes import books, outcome

REQUEST_KEYS = [BillBy.PROJECT, BillBy.LANE, BillBy.DAY, BillBy.LADDER]
ATTEMPT_KEYS = [BillBy.TIER, BillBy.MODEL]


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def filled(factory, made):
    ledger = Ledger.open(factory.mktemp("bill") / "ledger.db")

    async def append_all():
        await asyncio.gather(*(ledger.append(one) for one in made))

    asyncio.run(append_all())
    return ledger


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
    assert total.requests == len(made)
    assert total.spend.spend_nanousd == spent
    for attempt_lines in (tiers, models):
        assert sum(line.spend.spend_nanousd for line in attempt_lines) == spent
        assert sum(line.spend.wasted_nanousd for line in attempt_lines) == wasted(made)
        assert sum(line.served.hits for line in attempt_lines) == total.answered
    assert total.spend.wasted_nanousd == wasted(made)
    for lines in split:
        assert sum(line.requests for line in lines) == len(made)
        assert sum(line.spend.spend_nanousd for line in lines) == spent
        assert sum(line.spend.attempts for line in lines) == total.spend.attempts
        assert sum(line.escalation.hits for line in lines) == total.escalation.hits
        assert sum(line.fallbacks for line in lines) == total.fallbacks


def wasted(made):
    return sum(
        attempt.cost_nanousd
        for one in made
        for place, attempt in enumerate(one.attempts)
        if place != one.served
    )


@given(made=books())
@settings(deadline=None, max_examples=40)
def test_every_count_is_what_counting_the_outcomes_gives(tmp_path_factory, made):
    with filled(tmp_path_factory, made) as ledger:
        found = bill(ledger)
    total = found.total
    answered = [one for one in made if one.served is not None]
    assert total.answered == len(answered)
    assert total.verified == sum(one.verified is True for one in answered)
    assert total.unverified == sum(one.verified is not True for one in answered)
    assert total.flagged == sum(one.verified is False for one in answered)
    assert total.exhausted == sum(isinstance(one.decision, Exhausted) for one in made)
    assert total.inbox == sum(one.inbox for one in made)
    below = [one for one in made if one.attempts and one.attempts[0].tier != last_tier(one)]
    assert total.escalation.trials == len(below)
    assert total.escalation.hits == sum(one.escalated for one in below)
    assert total.fallbacks == sum(
        before.answer is None and after.tier != before.tier
        for one in made
        for before, after in zip(one.attempts, one.attempts[1:], strict=False)
    )
    seconds = [one.seconds for one in made]
    assert total.median_seconds == pytest.approx(quantile(seconds, 0.5))
    assert total.p90_seconds == pytest.approx(quantile(seconds, 0.9))
    attempts = [attempt for one in made for attempt in one.attempts]
    sources = [attempt.usage.source for attempt in attempts]
    assert total.spend.estimated.hits == sources.count(UsageSource.ESTIMATED)
    assert total.spend.estimated.trials == len(sources) - sources.count(UsageSource.NONE)
    assert total.spend.tokens.input == sum(a.usage.input_tokens for a in attempts)
    assert total.spend.tokens.reasoning == sum(a.usage.reasoning_tokens for a in attempts)
    if made:
        assert total.blended_nanousd == round(Fraction(total.spend.spend_nanousd, len(made)))
    assert_tiers(found.tiers, made)


def last_tier(made):
    return made.plan.steps[-1].tier


def assert_tiers(tiers, made):
    calls = defaultdict(list)
    for one in made:
        for place, attempt in enumerate(one.attempts):
            calls[attempt.tier].append((attempt, place == one.served))
    assert [line.key for line in tiers] == [
        name for name in ("tiny", "middle", "large") if calls[name]
    ]
    for line in tiers:
        attempts = [attempt for attempt, _ in calls[line.key]]
        assert line.spend.attempts == len(attempts)
        assert line.failures == sum(attempt.answer is None for attempt in attempts)
        assert line.served.hits == sum(served for _, served in calls[line.key])
        assert line.served.trials == len(made)
        assert line.passed.hits <= line.passed.trials <= len(attempts) - line.failures


@given(made=books())
@settings(deadline=None, max_examples=20)
def test_savings_compare_only_requests_whose_baseline_is_known(tmp_path_factory, made):
    with filled(tmp_path_factory, made) as ledger:
        savings = {saving.name: saving for saving in bill(ledger).total.savings}
    for name in ("requested", "large"):
        known = [one for one in made if name in one.baselines]
        if not known:
            assert name not in savings
            continue
        saving = savings[name]
        assert saving.requests == len(known)
        assert saving.baseline_nanousd == sum(one.baselines[name] for one in known)
        assert saving.spend_nanousd == sum(one.cost_nanousd for one in known)
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
    assert found.total.requests == len(within)
    assert found.total.spend.spend_nanousd == sum(one.cost_nanousd for one in within)
    assert sum(line.requests for line in found.lines) == len(within)


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
