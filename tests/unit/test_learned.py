"""What the gateway learns as it runs, and from its ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rung.core.chances import Chances
from rung.core.choosing import Chooser, Goal, Terms
from rung.core.features import features
from rung.core.guidance import NOTHING_TAUGHT
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.types import Directions, Need, Request
from rung.file_tables import RoutingTable
from rung.guides import Learned
from rung.learned import Experienced, Rules, learner
from rung.ledger import Ledger
from support.routed import LADDER, TIERS, finished

HARD = (7,)


def router(*, on: bool, tiers: tuple[str, ...] = TIERS) -> Chooser:
    chances = (Chances(2.0, {7: -6.0}), *[Chances(3.0)] * (len(tiers) - 1))
    prices = (1.0, *[10.0] * (len(tiers) - 1))
    return Chooser(tiers, chances, Terms(Goal.QUALITY, prices, 40.0), on=on, why="", outcomes=500)


class Shelf:
    """An archive in memory."""

    def __init__(self, **routers: Chooser) -> None:
        self.routers = routers
        self.reads = 0

    def pasts(self, limit, since_unix=0.0, *, traits=True):
        self.reads += 1
        return []

    def newest_routers(self):
        return self.routers

    def promised(self):
        return {}


def taught(rules: Rules, count: int, *, passed: int = 0) -> Experienced:
    made = Experienced(rules)
    for number in range(count):
        made.note(finished(f"r{number}", [True] if number < passed else [False, True]))
    return made


def share(made: Experienced, category: str = "coding", known: tuple[int, ...] = ()) -> float:
    leads = [made.leads(LADDER, category, known, seed)[0] for seed in range(3000)]
    return sum(lead.entry == "large" for lead in leads) / len(leads)


def test_a_tier_that_never_passes_is_skipped_but_for_a_share_that_tries_it_again() -> None:
    made = taught(Rules(explore=0.1), 60)
    assert share(made) == pytest.approx(0.9, abs=0.02)


def test_propensities_are_of_the_draw_whichever_way_it_went() -> None:
    made = taught(Rules(explore=0.1), 60)
    for seed in range(50):
        lead, other = made.leads(LADDER, "coding", (), seed)
        assert lead.propensity == pytest.approx(0.9 if lead.entry == "large" else 0.1)
        assert "tiny passes" in lead.why
        assert {lead.entry, other.entry} == {"large", None}
        assert lead.propensity + other.propensity == pytest.approx(1)


def test_where_nothing_is_skipped_nothing_is_drawn() -> None:
    made = taught(Rules(explore=0.5), 60, passed=55)
    lead, _ = made.leads(LADDER, "coding", (), 1)
    assert (lead.entry, lead.propensity) == (None, 1.0)


def test_a_category_is_judged_by_its_own_requests() -> None:
    made = taught(Rules(explore=0.0), 60)
    assert share(made, "coding") == 1.0
    assert share(made, "chat") == 0.0


def test_private_requests_audits_and_resends_teach_nothing() -> None:
    made = Experienced(Rules(explore=0.0))
    for number in range(100):
        one = finished(f"r{number}", [False, True])
        made.note(replace(one, plan=replace(one.plan, private="it says so")))
        made.note(replace(one, request=replace(one.request, audit_of="r0")))
        made.note(replace(one, request=replace(one.request, resend_of="r0")))
    assert share(made) == 0.0


def test_what_is_noted_changes_what_is_decided() -> None:
    made = taught(Rules(explore=0.0), 60)
    assert share(made) == 1.0
    for number in range(400):
        made.note(finished(f"s{number}", [True]))
    assert share(made) == 0.0


@pytest.mark.parametrize(
    ("classifier", "on", "decides"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_router_decides_where_it_may(classifier: bool | None, on: bool, decides: bool) -> None:
    made = Experienced(Rules(classifier=classifier, explore=0.0), Shelf(default=router(on=on)))
    made.refresh()
    assert (share(made, known=HARD) == 1.0) is decides
    assert share(made, known=(8,)) == 0.0


def test_a_router_of_other_tiers_decides_nothing() -> None:
    other = router(on=True, tiers=("tiny", "other", "large"))
    made = Experienced(Rules(explore=0.0), Shelf(default=other))
    made.refresh()
    assert share(made, known=HARD) == 0.0


def test_the_ledger_is_read_now_and_then_and_routers_each_time() -> None:
    shelf, now = Shelf(), [0.0]
    made = Experienced(Rules(), shelf, lambda: now[0])
    assert made.stale()
    assert not made.stale()
    made.refresh()
    shelf.routers = {"default": router(on=True)}
    now[0] += 31
    assert made.stale()
    made.refresh()
    assert shelf.reads == 1
    assert share(made, known=HARD) > 0.9


def test_a_request_is_taught_with_its_traits_and_its_kind() -> None:
    request = Request("r", "chat", (Message(Role.USER, (Text("Write a function"),)),))
    seen = features(request)
    told = Experienced(Rules()).of(LADDER, request, seen, lambda: task(request), 1)
    assert told.category == "coding"
    assert told.traits
    needs = replace(seen, needs=frozenset({Need.EMBEDDINGS}))
    assert (
        Experienced(Rules()).of(LADDER, request, needs, lambda: task(request), 1) == NOTHING_TAUGHT
    )


def test_without_its_table_nothing_is_learned_or_worked_out() -> None:
    made = learner(None, None, lambda: 0.0)
    assert type(made) is Learned
    request = Request("r", "chat", (), directions=Directions())

    def never():
        raise AssertionError

    assert made.of(LADDER, request, features(request), never, 1) == NOTHING_TAUGHT


def test_the_table_sets_the_rules() -> None:
    table = RoutingTable(skip="off", classifier="off", explore=0.5)
    made = learner(table, Shelf(default=router(on=True)), lambda: 0.0)
    assert isinstance(made, Experienced)
    made.refresh()
    assert share(made, known=HARD) == 0.0


def test_a_ledger_teaches_the_same_as_the_requests_did(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        live = Experienced(Rules(explore=0.0))
        for number in range(60):
            one = finished(f"r{number:03d}", [False, True], traits=(1, 2))
            ledger.append_now(one)
            live.note(one)
        read = Experienced(Rules(explore=0.0), ledger)
        read.refresh()
        assert read.leads(LADDER, "coding", (), 1) == live.leads(LADDER, "coding", (), 1)
        assert ledger.pasts(1)[0].traits == (1, 2)
        assert ledger.pasts(1, traits=False)[0].traits == ()
        assert ledger.pasts(10, since_unix=1e12) == []
