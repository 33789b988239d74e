"""What a ledger saw of a ladder's tiers, and whose word it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rung.core.errors import RequestError
from rung.core.labels import Label, LabelSource
from rung.core.outcome import Outcome
from rung.core.plan import Excluded, Plan, Route
from rung.core.types import Directions, Failure, Fault
from rung.ledger import Ledger
from rung.ledger.observed import model_of
from rung.ledger.speeds import PROBES
from rung.tuner.censored import NO_TIER, Censored, How, Word
from rung.tuner.from_ledger import ledger_outcomes
from rung.tuner.observing import complete, weights
from support.routed import PRICES, TIERS, finished

NOTHING, TRAFFIC, AUDIT, PROBE = How.NOT_SEEN, How.TRAFFIC, How.AUDIT, How.PROBE


def began_above(name: str, propensity: float) -> Outcome:
    """A request for which the lower tier was skipped."""
    made = finished(name, [True], tiers=TIERS[1:])
    plan = made.plan
    route = replace(plan.route, propensity=propensity, other=TIERS[0])
    skipped = (Excluded(TIERS[0], "tiny passes 2% of this kind"),)
    return replace(made, plan=replace(plan, steps=plan.steps[1:], excluded=skipped, route=route))


def look(of: str, tier: str, *, passed: bool, probe: bool) -> Outcome:
    """A second look at a request: the tier asked again."""
    made = finished(f"look-{of}-{tier}-{probe}", [passed], tiers=[tier])
    request = replace(made.request, audit_of=of, directions=Directions())
    if not probe:
        return replace(made, request=request)
    request = replace(request, model=model_of("default"))
    return replace(made, request=request, plan=replace(made.plan, ladder=PROBES))


def label(name: str, source: LabelSource, *, right: bool) -> Label:
    return Label(name, right, source, 1.0, 0)


def read(folder: Path | str, outcomes: Iterable[Outcome], labels: Iterable[Label] = ()) -> Censored:
    with Ledger.open(folder / "ledger.db" if isinstance(folder, Path) else folder) as ledger:
        for one in outcomes:
            ledger.append_now(one)
        for one in labels:
            ledger.add_label(one)
        return ledger_outcomes(ledger, "default", TIERS)


def rows(seen: Censored) -> dict[str, tuple[list[float], list[int], list[int]]]:
    """By request: what was accepted, how that is known, whose word it is; -1 for nothing."""
    accepted = np.where(np.isnan(seen.accepted), -1, seen.accepted)
    return {
        name: (accepted[at].tolist(), seen.how[at].tolist(), seen.word[at].tolist())
        for at, name in enumerate(seen.outcomes.queries)
    }


# ------------------------------------------------------------------ what was seen


def test_above_the_stop_and_below_the_entry_nothing_was_seen(tmp_path: Path) -> None:
    seen = read(
        tmp_path,
        [
            finished("stopped", [True]),
            finished("climbed", [False, True]),
            began_above("above", 0.98),
        ],
    )
    assert rows(seen) == {
        "stopped": ([1, -1], [TRAFFIC, NOTHING], [Word.GATE, Word.NOTHING]),
        "climbed": ([0, 1], [TRAFFIC, TRAFFIC], [Word.GATE, Word.GATE]),
        "above": ([-1, 1], [NOTHING, TRAFFIC], [Word.NOTHING, Word.GATE]),
    }
    place = seen.outcomes.queries.index("above")
    assert (seen.entry[place], seen.other[place]) == (1, 0)
    assert seen.entry_chance[place] == 0.98
    climbed = seen.outcomes.queries.index("climbed")
    assert seen.outcomes.cost[climbed].tolist() == [PRICES["tiny"], PRICES["large"]]
    assert seen.other[climbed] == NO_TIER


def test_looks_fill_in_what_the_request_did_not_see_and_nothing_else(
    ledger_place: Path | str,
) -> None:
    seen = read(
        ledger_place,
        [
            finished("audited", [True]),
            look("audited", "large", passed=True, probe=False),
            finished("probed", [False, True]),
            look("probed", "tiny", passed=True, probe=True),
            look("probed", "large", passed=True, probe=True),
            finished("filled", [True]),
            look("filled", "tiny", passed=True, probe=True),
            look("filled", "large", passed=False, probe=True),
        ],
    )
    found = rows(seen)
    assert found["audited"][:2] == ([1, 1], [TRAFFIC, AUDIT])
    assert found["probed"][:2] == ([0, 1], [TRAFFIC, TRAFFIC])
    assert found["filled"][:2] == ([1, 0], [TRAFFIC, PROBE])
    assert seen.probed.sum() == 4
    assert seen.auditor == 1
    assert seen.auditable.tolist() == [True, True, False]
    assert len(seen) == 3


def test_a_label_is_truth_and_leaves_what_decided_the_climb(tmp_path: Path) -> None:
    seen = read(
        tmp_path,
        [finished("drawn", [True]), finished("chosen", [False, True]), finished("none", [True])],
        [
            label("drawn", LabelSource.AUDIT, right=False),
            label("chosen", LabelSource.AUDIT, right=False),
            label("chosen", LabelSource.HUMAN, right=True),
        ],
    )
    found = rows(seen)
    assert found["drawn"] == ([1, -1], [TRAFFIC, NOTHING], [Word.AUDIT, Word.NOTHING])
    assert found["chosen"][2] == [Word.CHOSEN, Word.GATE]
    correct = {n: seen.outcomes.correct[at, 0] for at, n in enumerate(seen.outcomes.queries)}
    assert correct == {"drawn": 0.0, "chosen": 1.0, "none": 1.0}
    assert seen.errors.labels == 2
    # Of three answers that passed one was drawn, and it was wrong: nothing wrong was turned down.
    assert seen.errors.false_accept == 1.0
    assert seen.errors.false_reject > 0


def test_a_fault_that_passes_by_itself_is_no_outcome(tmp_path: Path) -> None:
    def silent(name: str, fault: Fault) -> Outcome:
        made = finished(name, [False, True])
        failed = replace(made.attempts[0], answer=None, failure=Failure(fault, "none"), verdicts=())
        return replace(made, attempts=(failed, made.attempts[1]))

    seen = read(tmp_path, [silent("away", Fault.OVERLOADED), silent("slow", Fault.TIMEOUT)])
    found = rows(seen)
    assert found["away"][0] == [-1, 1]
    assert found["slow"][0] == [0, 1]
    assert not np.isnan(seen.outcomes.cost).any()


def test_a_request_that_its_caller_pinned_is_no_sample_of_the_ladder(tmp_path: Path) -> None:
    made = finished("pinned", [True], tiers=TIERS[1:])
    pin = (Excluded("tiny", "the request is pinned to large"),)
    pinned = replace(made, plan=replace(made.plan, steps=made.plan.steps[1:], excluded=pin))
    seen = read(tmp_path, [pinned, finished("free", [True])])
    assert seen.outcomes.queries == ("free",)
    assert seen.left_out == {"pinned to a tier by their caller": 1}


def test_a_draw_that_kept_a_request_low_is_weighed_up_by_those_that_climbed(tmp_path: Path) -> None:
    def with_reach(name: str, passes: list[bool], kept: bool) -> Outcome:
        made = finished(name, passes)
        plan = made.plan
        if kept:
            low = (Excluded("large", "not drawn", 0.25),)
            return replace(made, plan=replace(plan, steps=plan.steps[:1], excluded=low))
        top = replace(plan.steps[1], reach=0.25)
        return replace(made, plan=replace(plan, steps=(plan.steps[0], top)))

    outcomes = [with_reach(f"low{at}", [False], kept=True) for at in range(3)]
    seen = read(tmp_path, [*outcomes, with_reach("high", [False, True], kept=False)])
    assert seen.reach[:, 1].tolist() == [0.25] * 4
    found = dict(zip(seen.outcomes.queries, weights(seen, [0, 1]).tolist(), strict=True))
    assert found == {"low0": 0, "low1": 0, "low2": 0, "high": 4}


def test_categories_and_looks_weigh_what_was_seen_whole(tmp_path: Path) -> None:
    outcomes = [finished(f"coding{at}", [True], "coding") for at in range(4)]
    outcomes += [finished(f"prose{at}", [False, True], "prose") for at in range(2)]
    outcomes.append(look("coding1", "tiny", passed=True, probe=True))
    outcomes.append(look("coding1", "large", passed=True, probe=True))
    whole = complete(read(tmp_path, outcomes))
    assert whole.outcomes.weight is not None
    assert dict(zip(whole.outcomes.queries, whole.outcomes.weight, strict=True)) == {
        "coding1": 4.0,
        "prose0": 1.0,
        "prose1": 1.0,
    }
    assert whole.stands_for == 1.0
    assert whole.effective == pytest.approx(36 / 18)


def test_a_tier_that_only_probes_asked_is_seen_by_them_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for at in range(4):
            ledger.append_now(finished(f"r{at}", [False, False]))
        for tier in ("tiny", "large", "other"):
            ledger.append_now(look("r1", tier, passed=tier == "other", probe=True))
        seen = ledger_outcomes(ledger, "default", TIERS, beside=("other",))
    assert seen.outcomes.models == ("tiny", "large", "other")
    assert weights(seen, [0, 1, 2]).tolist() == [0, 4, 0, 0]
    assert weights(seen, [0, 1]).tolist() == [1, 1, 1, 1]


# ------------------------------------------------------------------ what is not


def test_a_ledger_without_requests_of_the_ladder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="tells nothing of ladder") as caught:
        read(tmp_path, [])
    assert caught.value.fix is not None
    assert "rung probe run" in caught.value.fix


def test_plans_of_older_versions_and_torn_ones_are_read_as_without_draws(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(finished("old", [False, True]))
        with ledger.writing() as connection:
            connection.execute("UPDATE requests SET plan_json = '[1]'")
        seen = ledger_outcomes(ledger, "default", TIERS)
    assert seen.entry.tolist() == [0]
    assert seen.reach.tolist() == [[1.0, 1.0]]


def test_private_requests_and_those_served_again_are_not_read(tmp_path: Path) -> None:
    private = finished("private", [True])
    private = replace(private, plan=replace(private.plan, private="it was asked for"))
    again = replace(finished("again", [True]), cached_of="free")
    seen = read(tmp_path, [private, again, finished("free", [True])])
    assert seen.outcomes.queries == ("free",)


def test_a_plan_without_a_drawn_entry_has_no_other() -> None:
    assert Plan("default", ()).route == Route()
    assert Route().other is None
