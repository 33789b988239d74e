"""Error rates of checks from few labels: they recover the truth, and say how far they know it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.error_rates import (
    MOST_LABELS_FOR_USE,
    NOTHING_KNOWN,
    Judged,
    Labelled,
    false_accepts,
    false_rejects,
    labels_lacking,
    wrong_among,
)

SEEDS = 300


@dataclass(frozen=True)
class World:
    """``picked`` is how likely an answer is labelled by choice, by (passed, wrong)."""

    answers: int
    wrong: float
    accepts: float
    rejects: float
    share: float
    picked: tuple[tuple[tuple[bool, bool], float], ...] = ()

    def play(self, seed: int) -> tuple[Judged, Judged]:
        """What the ledger knows of the answers that the check passed, and that it failed."""
        random, picked = Random(seed), dict(self.picked)
        sums = {passed: [0, 0, 0, 0, 0] for passed in (True, False)}
        for _ in range(self.answers):
            wrong = random.random() < self.wrong
            passed = random.random() < (self.accepts if wrong else 1 - self.rejects)
            cell = sums[passed]
            cell[0] += 1
            if random.random() < picked.get((passed, wrong), 0.0):
                cell[1] += 1
                cell[2] += wrong
            elif random.random() < self.share:
                cell[3] += 1
                cell[4] += wrong
        made = [Judged(n, Labelled(a, b), Labelled(c, d)) for n, a, b, c, d in sums.values()]
        return made[0], made[1]


INBOX = (((False, True), 0.9), ((False, False), 0.9))
ANNOYED = (((True, True), 0.5), ((True, False), 0.02))


@pytest.mark.parametrize(
    "world",
    [
        World(2000, 0.3, 0.4, 0.1, 0.02),
        World(2000, 0.3, 0.02, 0.1, 0.02),
        World(1000, 0.3, 1.0, 0.0, 0.05),
        World(1000, 0.3, 0.4, 0.5, 0.1),
        World(2000, 0.3, 0.4, 0.1, 0.02, INBOX),
        World(1000, 0.3, 0.4, 0.1, 0.1, ANNOYED),
    ],
    ids=["2%", "good", "blind", "harsh", "inbox answers all rejects", "users report what is wrong"],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(world: World) -> None:
    held = [0, 0]
    for seed in range(SEEDS):
        passed, failed = world.play(seed)
        for place, (found, true) in enumerate(
            (
                (false_accepts(passed, failed), world.accepts),
                (false_rejects(passed, failed), world.rejects),
            )
        ):
            held[place] += found.low <= true <= found.high
    # 95% by their word; 300 seeds tell that to within about 4 points.
    assert min(held) / SEEDS > 0.91


def test_labels_that_somebody_chose_do_not_shift_what_was_drawn() -> None:
    plain = World(20_000, 0.3, 0.4, 0.1, 0.1)
    mixed = World(20_000, 0.3, 0.4, 0.1, 0.1, INBOX)
    for world in (plain, mixed):
        passed, failed = world.play(1)
        assert false_accepts(passed, failed).value == pytest.approx(0.4, abs=0.05)
    # Counted as they come, the inbox's labels would have hidden most of what was let through.
    passed, failed = mixed.play(1)
    wrong = passed.labelled.wrong + failed.labelled.wrong
    assert passed.labelled.wrong / wrong < 0.15


counts = st.integers(0, 40)


@st.composite
def labelled(draw) -> Labelled:
    answers = draw(counts)
    return Labelled(answers, draw(st.integers(0, answers)))


@st.composite
def judged(draw) -> Judged:
    chosen, drawn = draw(labelled()), draw(labelled())
    return Judged(chosen.answers + drawn.answers + draw(counts), chosen, drawn)


@given(passed=judged(), failed=judged())
def test_an_interval_is_one_and_holds_its_value(passed: Judged, failed: Judged) -> None:
    found = (
        false_accepts(passed, failed),
        false_rejects(passed, failed),
        wrong_among(passed),
    )
    for each in found:
        assert 0 <= each.low <= each.high <= 1
        assert each.value is None or each.low - 1e-9 <= each.value <= each.high + 1e-9


@given(passed=judged(), failed=judged())
def test_what_is_wrong_and_what_is_right_are_treated_alike(passed: Judged, failed: Judged) -> None:
    def swapped(judged: Judged) -> Judged:
        turned = [Labelled(each.answers, each.right) for each in (judged.chosen, judged.drawn)]
        return Judged(judged.answers, *turned)

    one = false_rejects(passed, failed)
    other = false_accepts(swapped(failed), swapped(passed))
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_without_labels_nothing_is_known() -> None:
    passed, failed = Judged(90), Judged(10)
    for each in (false_accepts(passed, failed), false_rejects(passed, failed)):
        assert (each.value, each.low) == (None, 0)
    assert false_accepts(Judged(), Judged()) == NOTHING_KNOWN


def test_without_a_wrong_answer_false_accepts_stay_unknown() -> None:
    found = false_accepts(Judged(90, drawn=Labelled(20, 0)), Judged(10, drawn=Labelled(5, 0)))
    assert found.value is None
    assert (found.low, found.high) == (0, 1)


def test_what_was_labelled_on_one_side_alone_leaves_the_other_open() -> None:
    found = false_accepts(Judged(50, drawn=Labelled(20, 10)), Judged(50))
    assert found.value is None
    assert 0.1 < found.low < found.high == 1


def test_a_check_that_fails_nothing_accepts_all_that_is_wrong() -> None:
    found = false_accepts(Judged(100, drawn=Labelled(40, 10)), Judged())
    assert found.value == 1
    assert 0.8 < found.low < 1


def test_more_labels_are_asked_for_until_the_interval_is_useful() -> None:
    few = false_accepts(Judged(900, drawn=Labelled(30, 5)), Judged(100, drawn=Labelled(10, 5)))
    assert 20 < labels_lacking(few, 10) < 200
    many = false_accepts(
        Judged(900, drawn=Labelled(900, 90)), Judged(900, drawn=Labelled(900, 700))
    )
    assert labels_lacking(many, 790) == 0
    assert labels_lacking(NOTHING_KNOWN, 0) == MOST_LABELS_FOR_USE
