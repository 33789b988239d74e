"""Plans in two parts: whatever the plan, both parts together are it again.

Why a tier was excluded may hold what a database cannot: it is cleaned, and so not compared.
"""

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from rung.core.plan import Excluded
from rung.ledger import Ledger, plans
from rung.ledger.codec import encode
from support.outcomes import outcome, outcomes
from support.outcomes import plans as any_plans


@given(any_plans())
def test_both_parts_together_are_the_plan(plan):
    rows = encode(outcome(plan=plan, attempts=()))
    (shared,) = rows.plans.values()
    own = rows.requests[0]["plan_json"]
    again = plans.joined(shared["shared_json"], own)
    assert replace(again, excluded=()) == replace(plan, excluded=())
    assert [each.tier for each in again.excluded] == [each.tier for each in plan.excluded]


@given(outcomes())
def test_requests_under_the_same_policy_share_their_part(made):
    other = outcome(plan=made.plan, attempts=())
    assert encode(made).plans.keys() == encode(other).plans.keys()


def test_a_plan_is_kept_once_and_read_whole(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for name in ("a", "b", "c"):
            ledger.append_now(outcome(name))
        with ledger.reading() as connection:
            assert connection.execute("SELECT count(*) FROM plans").fetchone()[0] == 1
        assert [one.plan for one in ledger.recent(3)] == [outcome().plan] * 3


@pytest.mark.parametrize("own", ["[]", "[1, 2]", "{}", "7"])
def test_parts_that_do_not_fit_are_told(own):
    _, shared, _ = plans.split(outcome().plan, json.dumps)
    with pytest.raises(ValueError):
        plans.joined(shared, own)


def test_plans_of_before_tiers_had_limits_of_their_own_are_read_as_plans_without_any():
    plan = replace(outcome().plan, excluded=(Excluded("huge", "too dear"),))
    _, shared, own = plans.split(plan, lambda value: msgspec.json.encode(value).decode())
    older, values = json.loads(shared), json.loads(own)
    for step in older["steps"]:
        for name in ("min_confidence", "most_spent_nanousd", "reach"):
            del step[name]
    place = plans.OWN.index("excluded")
    values[place] = [{"tier": each["tier"], "why": each["why"]} for each in values[place]]
    assert plans.joined(json.dumps(older), json.dumps(values)) == plan
