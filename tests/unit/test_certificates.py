"""Certificates in the ledger: the newest of a ladder, and nothing that cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.plan import Policy, Rung
from rung.core.types import Need
from rung.ledger import Ledger
from rung.ledger.certificates import Certified, CheckErrors, TierFigures, _decoded

POLICY = Policy("main", (Rung("a", lacks=frozenset({Need.TOOLS})), Rung("b", reach=0.5)))
MADE = Certified(
    target=0.7,
    confidence=0.9,
    basis="tested",
    n=200,
    policy=POLICY,
    by_category={"coding": replace(POLICY, ladder="main-coding")},
    baseline="b",
    assumptions=("The requests to come are like these.",),
    errors=CheckErrors(0.1, 0.2, 0.15, 0.25, 40),
    quality=0.75,
    tiers={"a": TierFigures(200, 0.4, 1e6, 2e6)},
)


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def stored_text(ledger: Ledger, text: str, ladder: str = "main") -> None:
    with ledger.writing() as connection:
        connection.named(
            "add to certificates", created_unix=9.0, ladder=ladder, certificate_json=text
        )


def test_what_was_stored_last_is_in_force_ladder_by_ladder(ledger):
    assert ledger.certificate("main") is None
    ledger.add_certificate("main", MADE, 1.0, "tuned")
    ledger.add_certificate("other", replace(MADE, n=7), 2.0, "tuned")
    ledger.add_certificate("main", replace(MADE, n=300), 3.0, "tuned anew")
    found = ledger.certificate("main")
    assert (found.made, found.created_unix, found.why) == (replace(MADE, n=300), 3.0, "tuned anew")
    assert [row.created_unix for row in ledger.certificates("main")] == [3.0, 1.0]
    assert [row.ladder for row in ledger.certificates()] == ["main", "other", "main"]


def test_a_certificate_that_is_withdrawn_says_why_and_leaves_nothing_in_force(ledger):
    ledger.add_certificate("main", MADE, 1.0, "tuned")
    ledger.add_certificate("main", None, 2.0, "the check errs more\0 than it did")
    found = ledger.certificate("main")
    assert found.made is None
    assert found.unreadable is None
    assert found.why.startswith("the check errs more")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"version": 2, "certificate": null}', "is of version 2, this rung reads 1"),
        ('{"version": 1, "certificate": {"target": 0.7}}', "cannot be read"),
        ('{"version": 1, "certificate": null, "more": 1}', "cannot be read"),
    ],
)
def test_one_that_cannot_be_read_promises_nothing_and_no_older_one_stands_in(ledger, text, why):
    ledger.add_certificate("main", MADE, 1.0, "tuned")
    stored_text(ledger, text)
    found = ledger.certificate("main")
    assert found.made is None
    assert why in found.unreadable


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 1.2},
        {"confidence": -0.1},
        {"quality": 2},
        {"cost_usd": 1e999},
        {"n": -1},
        {"errors": {"false_accept": 3}},
        {"part": {"share": 1.5, "policy": {"ladder": "main-part", "rungs": []}}},
    ],
)
def test_numbers_that_are_none_of_a_certificate_are_told(ledger, wrong):
    ledger.add_certificate("main", MADE, 1.0, "tuned")
    with ledger.reading() as connection:
        row = connection.execute("SELECT certificate_json FROM certificates").fetchone()
    told = json.loads(row[0])
    told["certificate"] |= wrong
    stored_text(ledger, json.dumps(told))
    found = ledger.certificate("main")
    assert (found.made, bool(found.unreadable)) == (None, True)


@pytest.mark.parametrize(
    ("more", "promises"),
    [({}, True), ({"basis": "no guarantee"}, False), ({"target": None}, False)],
)
def test_only_a_target_on_some_ground_is_a_promise(more, promises):
    assert replace(MADE, **more).promises is promises


@settings(max_examples=60, deadline=None)
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_text_at_all_can_break_the_reading(text):
    made, _, unreadable = _decoded(text)
    assert made is None
    assert unreadable
