"""Budgets without a ledger: whose they are, when they start anew, what they leave."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.budgets import (
    LONGEST_NAME,
    Account,
    Budget,
    Fit,
    Level,
    Mark,
    Payer,
    Per,
    Scope,
    caps_of,
    end_of,
    fit,
    limit_of,
    period,
    share_of,
    start_of,
)

MOMENTS = st.floats(0, 4e9)


def unix(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def named(caps):
    return [(cap.budget.name, cap.counter.name) for cap in caps]


# ------------------------------------------------------------------ periods


@pytest.mark.parametrize(
    ("per", "moment", "start", "end"),
    [
        (Per.DAY, "2026-03-29T01:59:59", "2026-03-29", "2026-03-30"),
        (Per.DAY, "2026-03-29T00:00:00", "2026-03-29", "2026-03-30"),
        (Per.WEEK, "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),
        (Per.WEEK, "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        (Per.MONTH, "2024-02-29T12:00:00", "2024-02-01", "2024-03-01"),
        (Per.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
    ],
)
def test_periods_are_those_of_utc(per, moment, start, end):
    began = start_of(per, unix(moment))
    assert began == unix(start)
    assert end_of(per, began) == unix(end)


@given(per=st.sampled_from([Per.DAY, Per.WEEK, Per.MONTH]), moment=MOMENTS)
def test_a_moment_lies_in_its_period_and_periods_have_no_gaps(per, moment):
    start = start_of(per, moment)
    end = end_of(per, start)
    assert start <= moment < end
    assert start_of(per, end) == end
    assert start_of(per, end - 1) == start


def test_what_lasts_for_ever_never_ends():
    assert (start_of(Per.EVER, 1.8e9), end_of(Per.EVER, 0)) == (0, None)


def test_a_clock_that_is_set_back_opens_no_period_anew():
    newest = start_of(Per.DAY, unix("2026-05-02T00:10"))
    assert period("day", unix("2026-05-01T23:50"), newest) == newest
    assert period("day", unix("2026-05-03T00:10"), newest) == unix("2026-05-03")


def test_a_clock_that_was_years_ahead_locks_no_budget():
    far = start_of(Per.DAY, unix("2031-01-01"))
    assert period("day", unix("2026-05-01T12:00"), far) == unix("2026-05-01")


# ------------------------------------------------------------------ whose


def test_a_budget_for_one_binds_nobody_else():
    budgets = (Budget("acme", 5, Scope.PROJECT, "acme"), Budget("ci", 5, Scope.KEY, "ci"))
    payer = Payer("acme", (Account("k1", "ci"),))
    assert named(caps_of(budgets, payer)) == [("ci", "k1"), ("acme", "acme")]
    assert caps_of(budgets, Payer("other", (Account("k2", "other"),))) == ()


def test_to_leave_a_name_out_is_no_way_around_a_budget_that_each_has():
    budgets = (Budget("projects", 5, Scope.PROJECT), Budget("keys", 5, Scope.KEY))
    assert named(caps_of(budgets, Payer())) == [("keys", ""), ("projects", "")]


def test_what_a_key_spends_its_makers_spend_too():
    line = (Account("child", caps={Per.DAY: 3}), Account("maker", "boss", {Per.MONTH: 9}))
    found = caps_of((Budget("keys", 5, Scope.KEY),), Payer(accounts=line))
    assert {(cap.counter, cap.budget.cap_nanousd) for cap in found} == {
        (("key", "child", "day"), 3),
        (("key", "maker", "month"), 9),
        (("key", "child", "month"), 5),
        (("key", "maker", "month"), 5),
    }


def test_a_request_of_no_conversation_is_in_no_conversation_budget():
    budgets = (Budget("talk", 5, Scope.CONVERSATION),)
    assert caps_of(budgets, Payer()) == ()
    assert named(caps_of(budgets, Payer(conversation="c1"))) == [("talk", "c1")]


@given(st.text(min_size=LONGEST_NAME + 1, max_size=500), st.text(max_size=500))
def test_names_are_bounded_and_long_ones_kept_apart(long, other):
    def kept(name):
        (cap,) = caps_of((Budget("b", 1, Scope.PROJECT),), Payer(name))
        return cap.counter.name

    assert len(kept(long)) <= LONGEST_NAME
    assert (kept(long) == kept(other)) == (long == other)


@given(st.permutations(["b", "a", "c"]))
def test_all_processes_take_caps_in_one_order(names):
    budgets = tuple(Budget(name, 1) for name in names)
    assert [cap.budget.name for cap in caps_of(budgets, Payer())] == ["a", "b", "c"]


# ------------------------------------------------------------------ what is left

AMOUNTS = st.integers(0, 10**18)


@given(spent=AMOUNTS, held=AMOUNTS, amount=AMOUNTS, limit=AMOUNTS)
def test_what_fits_never_passes_the_limit_and_what_is_refused_never_could(
    spent, held, amount, limit
):
    found = fit(Level(0, spent, held), limit, amount)
    assert (found is Fit.FREE) == (spent + held + amount <= limit)
    assert (found is Fit.SPENT) == (spent + amount > limit)


def test_who_is_not_waited_for_stops_at_the_pause():
    budget = Budget("b", 100, marks={Mark.PAUSE: 60})
    assert limit_of(budget, patient=True) == 60
    assert limit_of(budget, patient=False) == 100
    assert limit_of(Budget("b", 100), patient=True) == 100


def test_shares_are_exact():
    assert share_of(10**18, 0.8) == 8 * 10**17
    assert share_of(3, 0.5) == 1
    assert share_of(10**18 + 1, 1.0) == 10**18 + 1


def test_marks_are_reached_in_order_and_the_cap_last():
    budget = Budget("b", 100, marks={Mark.WARN: 80, Mark.DEGRADE: 90})
    assert budget.reached(79) == []
    assert budget.reached(90) == [Mark.WARN, Mark.DEGRADE]
    assert budget.reached(100) == [Mark.WARN, Mark.DEGRADE, Mark.STOP]
