"""Whether repairs and carried drafts pay, by counting what was tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.core.calibration import Calibration
from rung.core.mending import Tries, Way, carrying_pays, lessons, repairs_pay
from rung.core.plan import Plan, Policy, Rung, Step
from rung.core.types import Answer, Attempt, Kind
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.experience import EXPLORED, Auto, Experience

TESTS = Check("tests", Weight.REQUIRED)


def attempt(tier: str, *, passed: bool, kind: Kind = Kind.FIRST, cost: int = 100) -> Attempt:
    status = Status.PASSED if passed else Status.FAILED
    verdicts = (Verdict("tests", status, "line 3 is wrong"),)
    made = Attempt("a", tier, kind, 0.0, 2.0, Answer("x"), cost_nanousd=cost)
    return replace(made, verdicts=verdicts)


def plan(*, carry: bool = False) -> Plan:
    steps = (Step("low", (TESTS,), repairs=1), Step("high", (TESTS,), carry=carry))
    return Plan("default", steps)


class TestLessons:
    def test_a_repair_and_the_climb_after_it_are_told_apart(self):
        history = (
            attempt("low", passed=False),
            attempt("low", passed=False, kind=Kind.REPAIR, cost=30),
            attempt("high", passed=True, cost=900),
        )
        found = [(each.tier, each.way, each.passed) for each in lessons(plan(), history)]
        assert found == [
            ("low", Way.REPAIR, False),
            ("high", Way.PLAIN, True),
            ("low", Way.CLIMB, True),
        ]

    def test_a_climb_costs_all_that_was_called_above(self):
        history = (
            attempt("low", passed=False),
            attempt("high", passed=False, cost=900),
            attempt("high", passed=True, kind=Kind.SAMPLE, cost=700),
        )
        climb = next(each for each in lessons(plan(), history) if each.way is Way.CLIMB)
        assert (climb.tier, climb.cost_nanousd, climb.seconds) == ("low", 1600, 4.0)

    def test_a_carried_draft_is_counted_apart(self):
        history = (attempt("low", passed=False), attempt("high", passed=True))
        found = [each.way for each in lessons(plan(carry=True), history)]
        assert found == [Way.CARRIED, Way.CLIMB]

    def test_a_climb_for_another_reason_teaches_nothing(self):
        doubted = attempt("low", passed=True)
        assert list(lessons(plan(), (doubted, attempt("high", passed=True)))) == []


class TestPaying:
    def test_few_tries_conclude_nothing(self):
        assert repairs_pay(Tries(19, 0, 1900), Tries(19, 19, 1))

    def test_a_repair_that_never_passes_stops_even_where_it_is_free(self):
        assert not repairs_pay(Tries(200, 0, 0), Tries())

    def test_a_free_repair_that_passes_now_and_then_goes_on(self):
        assert repairs_pay(Tries(200, 10, 0), Tries(190, 190, 100))

    @pytest.mark.parametrize(("passed", "pays"), [(20, True), (1, False)])
    def test_a_repair_has_to_save_more_of_the_climb_than_it_costs(self, passed: int, pays: bool):
        repairs, climbs = Tries(100, passed, 100 * 200), Tries(80, 80, 80 * 1000)
        assert repairs_pay(repairs, climbs) is pays

    def test_carrying_is_open_until_both_ways_were_tried_often_enough(self):
        assert carrying_pays(Tries(100, 90), Tries(19, 0)) is None

    @pytest.mark.parametrize(("carried", "pays"), [(80, True), (50, False), (30, False)])
    def test_carrying_pays_where_it_passes_more_often_for_sure(self, carried: int, pays: bool):
        assert carrying_pays(Tries(100, carried), Tries(100, 50)) is pays


POLICY = Policy("default", (Rung("low", repairs=1), Rung("high", repairs=1)))


def taught(passed: bool, times: int, auto: Auto, archive: object = None) -> Experience:
    experience = Experience({"default": auto}, archive)  # type: ignore[arg-type]
    for _ in range(times):
        end = () if passed else (attempt("high", passed=True, cost=10),)
        repair = attempt("low", passed=passed, kind=Kind.REPAIR, cost=500)
        experience.note(plan(), (attempt("low", passed=False), repair, *end))
    return experience


def repairs_of(experience: Experience, seeds: int = 2000) -> list[int]:
    return [experience.of(POLICY, seed).rungs[0].repairs for seed in range(seeds)]


class TestExperience:
    AUTO = Auto(frozenset({"low", "high"}))

    def test_repairs_that_do_not_pay_are_left_out_but_for_a_small_share(self):
        found = repairs_of(taught(passed=False, times=30, auto=self.AUTO))
        assert 0.5 * EXPLORED < sum(found) / len(found) < 1.5 * EXPLORED

    def test_repairs_that_pass_go_on(self):
        assert set(repairs_of(taught(passed=True, times=30, auto=self.AUTO), 100)) == {1}

    def test_a_number_in_the_configuration_stays_whatever_is_learnt(self):
        auto = Auto(frozenset({"high"}))
        assert set(repairs_of(taught(passed=False, times=30, auto=auto), 100)) == {1}

    def test_the_same_request_is_decided_the_same_way(self):
        experience = taught(passed=False, times=30, auto=self.AUTO)
        assert repairs_of(experience, 200) == repairs_of(experience, 200)

    def test_half_of_the_requests_carry_while_nobody_knows(self):
        experience = Experience({"default": Auto(carry=True)})
        carried = [experience.of(POLICY, seed).rungs[1].carry for seed in range(2000)]
        assert 0.45 < sum(carried) / len(carried) < 0.55

    def test_what_the_ledger_remembers_counts_once(self):
        history = (
            attempt("low", passed=False),
            attempt("low", passed=False, kind=Kind.REPAIR, cost=500),
            attempt("high", passed=True, cost=10),
        )

        class Remembers:
            def climbs(self, limit: int) -> list[object]:
                return [(plan(), history)] * 30

            def newest_calibrations(self) -> dict[tuple[str, str], Calibration]:
                return {}

        experience = taught(passed=False, times=0, auto=self.AUTO, archive=Remembers())
        experience.refresh()
        experience.refresh()
        assert experience.tries("default", "low", Way.REPAIR).tried == 30
        assert sum(repairs_of(experience)) < 200

    def test_rules_made_while_another_thread_takes_up_new_ones_are_not_kept(self, monkeypatch):
        known = Calibration(("agreement",), (1.0,), 0.0)

        class Remembers:
            def climbs(self, limit: int) -> list[object]:
                return []

            def newest_calibrations(self) -> dict[tuple[str, str], Calibration]:
                return {("default", "low"): known}

        experience = Experience({"default": self.AUTO}, Remembers(), lambda: 0.0)
        adjusted = Experience._adjusted

        def interrupted(self: Experience, *given: object) -> Policy:
            made = adjusted(self, *given)
            self.take_up()
            return made

        monkeypatch.setattr(Experience, "_adjusted", interrupted)
        assert experience.of(POLICY, 7).rungs[0].calibration is None
        assert experience.of(POLICY, 7).rungs[0].calibration == known

    def test_a_calibration_in_force_is_on_the_plans(self):
        known = Calibration(("agreement",), (1.0,), 0.0)

        class Remembers:
            def climbs(self, limit: int) -> list[object]:
                return []

            def newest_calibrations(self) -> dict[tuple[str, str], Calibration]:
                return {("default", "high"): known}

        experience = Experience({}, Remembers())  # type: ignore[arg-type]
        experience.take_up()
        assert [rung.calibration for rung in experience.of(POLICY, 1).rungs] == [None, known]
