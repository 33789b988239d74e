"""What may be learned of where to start, under what was promised."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from rung.core.leeway import Promise, may_skip
from rung.core.plan import Policy, Rung
from rung.learned import Experienced, Rules
from rung.ledger import Ledger
from rung.ledger.certificates import Certified, CheckErrors, Part
from support.routed import LADDER, finished

TIERS = ("a", "b", "c")
PLAIN = Policy("default", tuple(Rung(tier) for tier in TIERS))


def test_the_ladders_beside_a_certified_one_are_promised_of_too(tmp_path: Path) -> None:
    part = Part(0.3, replace(PLAIN, ladder="default-part", rungs=PLAIN.rungs[:1]))
    coding = {"coding": replace(PLAIN, ladder="default-coding")}
    made = Certified(0.9, 0.9, "tested", 200, PLAIN, coding, part=part)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.add_certificate("default", made, 1.0, "tuned")
        promised = ledger.promised()
        assert set(promised) == {"default", "default-part", "default-coding"}
        assert not may_skip(part.policy, promised["default-part"])
        ledger.add_certificate("default-part", replace(made, part=None, by_category={}), 2.0, "")
        assert set(ledger.promised()) == {"default", "default-part", "default-coding"}
        ledger.add_certificate("default", None, 3.0, "withdrawn")
        assert set(ledger.promised()) == {"default-part"}


def with_rung(place: int, **changed: object) -> Policy:
    rungs = list(PLAIN.rungs)
    rungs[place] = replace(rungs[place], **changed)
    return replace(PLAIN, rungs=tuple(rungs))


@pytest.mark.parametrize(
    ("policy", "promise", "may"),
    [
        (PLAIN, None, True),
        (with_rung(2, most_spent_nanousd=5), None, True),
        (PLAIN, Promise("c"), True),
        (PLAIN, Promise("b"), False),
        (PLAIN, Promise(None), False),
        (PLAIN, Promise("c", sound=False), False),
        (with_rung(2, most_spent_nanousd=5), Promise("c"), False),
        (with_rung(1, most_spent_nanousd=5), Promise("c"), False),
        (with_rung(2, reach=0.9), Promise("c"), False),
        (replace(PLAIN, cost_cap_nanousd=5), Promise("c"), False),
        (replace(PLAIN, rungs=()), Promise("c"), False),
    ],
)
def test_only_a_reference_that_every_request_reaches_leaves_the_entry_free(
    policy: Policy, promise: Promise | None, may: bool
) -> None:
    assert may_skip(policy, promise) is may


def test_no_entry_below_a_kept_reference_costs_any_request_what_the_reference_does_right() -> None:
    for right in product((False, True), repeat=3):
        for entry in range(3):
            assert any(right[entry:]) >= right[2]


def test_a_skip_can_cost_quality_where_the_promise_is_of_all_tiers_together() -> None:
    draws = random.Random(1)
    answers = [[draws.random() < 0.5 for _ in TIERS] for _ in range(1000)]
    promised = sum(map(any, answers))
    assert sum(any(each[1:]) for each in answers) < promised


class Shelf:
    """An archive that has promised something."""

    def __init__(self, **promised: Promise) -> None:
        self._promised = promised

    def pasts(self, limit, since_unix=0.0, *, traits=True):
        return []

    def newest_routers(self):
        return {}

    def promised(self):
        return self._promised


@pytest.mark.parametrize(
    ("promise", "entries"), [(Promise("large"), {"large"}), (Promise("tiny"), {None})]
)
def test_a_running_gateway_skips_no_tier_that_a_promise_rests_on(promise, entries) -> None:
    made = Experienced(Rules(explore=0.0), Shelf(default=promise))
    made.refresh()
    for number in range(60):
        made.note(finished(f"r{number}", [False, True]))
    assert {made.leads(LADDER, "coding", (), seed)[0].entry for seed in range(50)} == entries


# ------------------------------------------------------------------ what the ledger promised


def certificate(**changed: object) -> Certified:
    plain = Certified(0.7, 0.9, "reference kept", 200, LADDER, baseline="large")
    return replace(plain, **changed)


@pytest.mark.parametrize(
    ("made", "promise"),
    [
        (certificate(), Promise("large")),
        (certificate(basis="tested"), Promise(None)),
        (certificate(basis="proof"), Promise(None)),
        (
            certificate(errors=CheckErrors(highest_accept=0.1)),
            Promise("large", sound=False),
        ),
        (certificate(basis="no guarantee"), None),
        (None, None),
    ],
)
def test_the_newest_certificate_says_what_was_promised(tmp_path: Path, made, promise) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.add_certificate("default", certificate(basis="tested"), 1.0, "")
        ledger.add_certificate("default", made, 2.0, "")
        assert ledger.promised().get("default") == promise


def test_a_certificate_that_cannot_be_read_may_rest_on_anything(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        with ledger.writing() as connection:
            connection.named(
                "add to certificates",
                created_unix=1.0,
                ladder="default",
                certificate_json='{"version": 99}',
            )
        assert ledger.promised() == {"default": Promise(None)}
