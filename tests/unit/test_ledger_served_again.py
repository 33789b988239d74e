"""Answers served again, in the ledger: counted and priced, and nothing to learn from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.core.engine import Accept, next_action
from rung.core.errors import RequestError
from rung.core.labels import Label, LabelSource
from rung.core.outcome import Outcome
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, bill
from rung.ledger.bill_json import to_json
from rung.ledger.judged import judged
from rung.replies import kept
from support.outcomes import outcome


def again(first: Outcome, name: str, **changes) -> Outcome:
    """Another request that the first one's answer served."""
    made = kept(first)
    assert made is not None
    return replace(
        outcome(name),
        plan=first.plan,
        attempts=(made.attempt(f"{name}.0"),),
        decision=Accept(0, verified=True),
        seconds=0.25,
        cached_of=first.request.id,
        **changes,
    )


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def test_a_row_of_it_replays_as_any_other(ledger):
    made = again(outcome(), "req-2")
    ledger.append_now(outcome())
    ledger.append_now(made)
    stored = ledger.find("req-2")
    assert stored.request.cached_of == "req-1"
    assert next_action(stored.plan, stored.history) == stored.decision == made.decision
    assert (stored.cost_nanousd, stored.escalated, stored.verified) == (0, False, True)


def test_the_bill_counts_it_as_a_request_and_not_as_a_call(ledger):
    ledger.append_now(outcome())
    alone = bill(ledger)
    for name in ("req-2", "req-3"):
        ledger.append_now(again(outcome(), name))
    total, (tier,) = bill(ledger).total, bill(ledger).tiers
    assert (total.requests, total.answered, total.verified) == (3, 3, 3)
    assert (total.served_again, total.spared_nanousd) == (2, 200)
    assert (total.spend, total.escalation) == (alone.total.spend, alone.total.escalation)
    assert tier.passed == alone.tiers[0].passed
    assert (tier.spend, tier.served.hits) == (alone.tiers[0].spend, 1)
    (saving,) = total.savings
    assert (saving.requests, saving.baseline_nanousd, saving.spend_nanousd) == (3, 1200, 100)
    assert total.median_seconds == 0.25


def test_the_bill_can_be_split_with_it(ledger):
    ledger.append_now(outcome())
    ledger.append_now(again(outcome(), "req-2"))
    for by in BillBy:
        told = to_json(bill(ledger, by=by))["lines"]
        if by not in {BillBy.TIER, BillBy.MODEL}:
            assert sum(line["served_again"] for line in told) == 1
            assert sum(line["spared_nanousd"] for line in told) == 100


def test_without_the_first_request_in_the_span_its_cost_is_known_still(ledger):
    ledger.append_now(outcome())
    late = outcome().started_unix + 1000
    ledger.append_now(again(outcome(), "req-2", started_unix=late))
    total = bill(ledger, since_unix=late).total
    assert (total.requests, total.spend.attempts, total.spared_nanousd) == (1, 0, 100)


def test_no_rate_of_a_check_and_no_calibration_has_it_inside(ledger):
    ledger.append_now(outcome())
    before = judged(ledger), ledger.labels_for_calibration(None, None).served
    ledger.append_now(again(outcome(), "req-2"))
    assert (judged(ledger), ledger.labels_for_calibration(None, None).served) == before


def label(name: str, *, right: bool, source: LabelSource = LabelSource.HUMAN, **more) -> Label:
    return Label(name, right, source, 1.0, **more)


def test_what_is_said_of_it_is_said_of_the_answer_where_it_was_given(ledger):
    ledger.append_now(outcome())
    ledger.append_now(again(outcome(), "req-2"))
    assert not ledger.said_wrong("req-1")
    stored, new = ledger.add_label(label("req-2", right=False, attempt=0))
    assert (stored.request_id, stored.attempt, new) == ("req-1", 0, True)
    assert ledger.find("req-2").labels == ()
    assert ledger.said_wrong("req-1")
    assert ledger.add_label(label("req-1", right=False)) == (stored, False)
    with pytest.raises(RequestError, match="no such attempt"):
        ledger.add_label(label("req-2", right=False, attempt=1))
    line = next(one for one in judged(ledger).lines if one.labelled.answers)
    assert (line.labelled.answers, line.labelled.wrong) == (1, 1)


def test_whose_word_counts_decides_whether_it_was_wrong(ledger):
    ledger.append_now(outcome())
    ledger.label_by_hand(label("req-1", right=True))
    ledger.add_label(label("req-1", right=False, source=LabelSource.FEEDBACK))
    assert not ledger.said_wrong("req-1")
    ledger.label_by_hand(label("req-1", right=False))
    assert ledger.said_wrong("req-1")
    with pytest.raises(RequestError):
        ledger.said_wrong("req-9")
