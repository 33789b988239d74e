"""From labels in a ledger to calibrations in force, end to end on a real file."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from rung import calibrating
from rung.calibrating import calibrate, usable
from rung.core.calibration import Calibration
from rung.core.evidence import _scores, rejected, votes
from rung.core.fitting import Judged, quality
from rung.core.labels import Label, LabelSource
from rung.core.outcome import Outcome
from rung.core.types import Phase
from rung.ledger import Ledger
from rung.ledger.calibrations import LabelledAnswer, Labels
from support.labelled import attempt, drawn, simulated, told, truth
from support.outcomes import books

RIGHT, WRONG = True, False
DRAWN = True
FOUND = Calibration(("agreement",), (2.0,), -0.5, ((0.5, 0.2), (1.0, 0.8)), 40, (0.1,))


on_sqlite = pytest.mark.parametrize("ledger_place", ["sqlite"], indirect=True)
"""Writes into the file itself."""


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def stored(ledger: Ledger, outcomes: list[Outcome]) -> None:
    async def append() -> None:
        await asyncio.gather(*(ledger.append(each) for each in outcomes))

    asyncio.run(append())


def say(
    ledger: Ledger,
    name: str,
    right: bool,
    source: LabelSource = LabelSource.HUMAN,
    place: int | None = None,
) -> None:
    ledger.add_label(Label(name, right, source, 1.0, place))


def answers(ledger: Ledger) -> list[LabelledAnswer]:
    return ledger.labels_for_calibration(None, None).answers


# ------------------------------------------------------------------ end to end


def test_chances_become_true_on_the_half_that_was_held_out(ledger: Ledger) -> None:
    chance = random.Random(8)
    outcomes, rights = [], {}
    for number in range(600):
        name, scores = f"req-{number:04d}", drawn(chance)
        tier = "tiny" if number % 3 else "large"
        half = "seen" if number % 2 else "unseen"
        outcomes.append(told(name, [attempt(f"{name}.0", tier, scores)], ladder=half))
        rights[name] = chance.random() < truth(scores)
    stored(ledger, outcomes)
    for name, right in rights.items():
        say(ledger, name, right)
    (report,) = calibrate(ledger.labels_for_calibration("seen", None), 0.2)
    made = usable([report])
    assert set(made) == {("seen", "tiny"), ("seen", "large")}
    held_out = ledger.labels_for_calibration("unseen", None).answers
    assert len(held_out) == 300
    before = quality([Judged(min(a.scores.values()), a.right) for a in held_out])
    chances = [made["seen", a.tier].probability(a.scores) for a in held_out]
    after = quality([Judged(p, a.right) for p, a in zip(chances, held_out, strict=True)])
    assert after.ece is not None
    assert before.ece is not None
    assert after.ece < 0.6 * before.ece
    assert (after.log_loss or 0) < (before.log_loss or 0)
    ledger.add_calibrations(made, {}, 5.0)
    assert ledger.newest_calibrations() == made


# ------------------------------------------------------------------ which labels count


def test_the_last_label_of_the_best_source_counts(ledger: Ledger) -> None:
    stored(ledger, [told("req-1", [attempt("a", "tiny", {"logprobs": 0.7})])])
    says = [
        (LabelSource.AUDIT, RIGHT, True),
        (LabelSource.FEEDBACK, WRONG, False),
        (LabelSource.AUDIT, WRONG, False),
        (LabelSource.FEEDBACK, RIGHT, True),
        (LabelSource.INBOX, WRONG, False),
        (LabelSource.TEST, RIGHT, True),
        (LabelSource.HUMAN, WRONG, False),
        (LabelSource.TEST, WRONG, False),
        (LabelSource.HUMAN, RIGHT, True),
        (LabelSource.FEEDBACK, WRONG, True),
    ]
    for source, right, counts in says:
        say(ledger, "req-1", right, source)
        (found,) = answers(ledger)
        assert found.right is counts
    assert not found.drawn
    assert found == LabelledAnswer("default", "tiny", RIGHT, not DRAWN, {"logprobs": 0.7})


def test_only_answers_that_could_have_been_served_count(ledger: Ledger) -> None:
    rejected = attempt("a", "tiny", {"logprobs": 0.7}, passed=False)
    broken_off = replace(attempt("b", "tiny", {"logprobs": 0.7}), phase=Phase.STREAM)
    good = attempt("c", "large", {"logprobs": 0.6})
    stored(ledger, [told("req-1", [rejected, broken_off, good], served=2)])
    for place in range(3):
        say(ledger, "req-1", RIGHT, place=place)
    found = ledger.labels_for_calibration(None, None)
    assert [answer.tier for answer in found.answers] == ["large"]
    assert found.unfit == Counter({("default", "tiny"): 2})
    assert found.served == {("default", "large"): 1}


def test_a_vote_is_about_the_answer_that_won_it(ledger: Ledger) -> None:
    draws = [
        attempt("a", "tiny", {"logprobs": 0.2}, text="41"),
        attempt("b", "tiny", {"agreement": 0.5, "logprobs": 0.8}),
        attempt("c", "tiny", {"agreement": 2 / 3, "logprobs": 0.9}),
        attempt("d", "large", {"logprobs": 0.4}),
    ]
    stored(ledger, [told("req-1", draws, served=2)])
    for place in (0, 1, 2, 3):
        say(ledger, "req-1", RIGHT, place=place)
    found = ledger.labels_for_calibration(None, None)
    assert [answer.scores for answer in found.answers] == [
        {"agreement": 2 / 3, "logprobs": 0.8},
        {"agreement": 2 / 3, "logprobs": 0.9},
        {"logprobs": 0.4},
    ]
    assert found.unfit["default", "tiny"] == 1


@on_sqlite
def test_a_signal_that_passed_without_a_score_said_nothing(ledger: Ledger) -> None:
    stored(ledger, [told("req-1", [attempt("a", "tiny", {"hedging": None, "logprobs": 0.9})])])
    say(ledger, "req-1", RIGHT)
    (found,) = answers(ledger)
    assert found.scores == {"logprobs": 0.9}


@on_sqlite
def test_a_signal_that_failed_without_a_score_spoke_against_it(ledger: Ledger, tmp_path) -> None:
    stored(ledger, [told("req-1", [attempt("a", "tiny", {"hedging": 0.3, "logprobs": 0.9})])])
    say(ledger, "req-1", RIGHT)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE verdicts SET score = NULL")
        connection.execute("UPDATE verdicts SET status = 'failed' WHERE verifier = 'hedging'")
    (found,) = answers(ledger)
    assert found.scores == {"hedging": 0.0}


@on_sqlite
def test_a_human_s_own_words_are_no_tier_s_answer(ledger: Ledger, tmp_path: Path) -> None:
    stored(ledger, [told("req-1", [attempt("a", "tiny", {"logprobs": 0.7})])])
    say(ledger, "req-1", RIGHT)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE labels SET attempt_position = NULL")
    assert answers(ledger) == []


def test_what_is_asked_for_is_what_is_read(ledger: Ledger) -> None:
    old = replace(told("req-1", [attempt("a", "tiny", {"logprobs": 0.7})]), started_unix=100.0)
    new = told("req-2", [attempt("b", "tiny", {"logprobs": 0.7})], ladder="cheap")
    stored(ledger, [old, new])
    say(ledger, "req-1", RIGHT)
    say(ledger, "req-2", RIGHT)
    assert [a.ladder for a in ledger.labels_for_calibration(None, 200.0).answers] == ["cheap"]
    assert [a.ladder for a in ledger.labels_for_calibration("default", None).answers] == ["default"]
    assert ledger.labels_for_calibration("nobody", None) == Labels()


@settings(max_examples=25, deadline=None)
@given(books())
def test_scores_are_those_that_the_engine_goes_by(book: list[Outcome]) -> None:
    with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        stored(ledger, book)
        expected = []
        for one in book:
            steps = {step.tier: step for step in one.plan.steps}
            for place, made in enumerate(one.attempts):
                if made.answer is None:
                    continue
                say(ledger, one.request.id, RIGHT, place=place)
                step = steps[made.tier]
                if not made.aborted and not rejected(step, made) and not votes(step):
                    scores = _scores(step, one.attempts, place)
                    expected.append((one.plan.ladder, made.tier, scores))
        found = [(a.ladder, a.tier, a.scores) for a in answers(ledger)]
    assert [each for each in expected if each not in found] == []


# ------------------------------------------------------------------ what a label stands for


def given(count: int, *, right: int, drawn: bool = False) -> list[LabelledAnswer]:
    return [
        LabelledAnswer("default", "tiny", place < right, drawn, {"agreement": 0.7})
        for place in range(count)
    ]


def test_audits_stand_for_what_nobody_labelled() -> None:
    """Callers who complain label the wrong ones; the audits know how many went well."""
    complaints = given(100, right=0)
    audited = given(100, right=95, drawn=True)
    labels = Labels(complaints + audited, {("default", "tiny"): 2100})
    (report,) = calibrate(labels)
    (tier,) = report.tiers
    assert tier.each_drawn == tier.should_count == pytest.approx(20)
    # 5% of the 2,000 that nobody complained of, and the 100.
    expected = 1 - (100 + 0.05 * 2000) / 2100
    said = tier.fitted.calibration.probability({"agreement": 0.7})
    assert said == pytest.approx(expected, abs=0.02)


def test_one_audit_cannot_drown_the_labels_of_people() -> None:
    labels = Labels(
        given(100, right=50) + given(1, right=0, drawn=True), {("default", "tiny"): 5000}
    )
    (report,) = calibrate(labels)
    (tier,) = report.tiers
    assert 1 < tier.each_drawn < 20 < tier.should_count
    assert tier.fitted.calibration.probability({"agreement": 0.7}) > 0.4


def test_labels_alone_stand_for_themselves() -> None:
    (report,) = calibrate(Labels(given(80, right=60), {("default", "tiny"): 5000}))
    assert report.tiers[0].each_drawn == 1


# ------------------------------------------------------------------ enough, and too few


def answered(count: int, tier: str = "tiny", seed: int = 1) -> list[LabelledAnswer]:
    made = simulated(count, seed)
    return [LabelledAnswer("default", tier, a.right, not DRAWN, a.scores) for a in made]


@pytest.mark.parametrize(
    ("labels", "lacking"),
    [
        (answered(1), "29 more labels are needed"),
        (given(40, right=40), "5 more wrong answers are needed, or 100 labels in all"),
        (given(40, right=2), "3 more right answers are needed, or 100 labels in all"),
        (given(100, right=100), None),
        (answered(60), None),
        (
            [LabelledAnswer("default", "tiny", bool(n % 2), not DRAWN, {}) for n in range(90)],
            "no signal gave a score to any of these answers",
        ),
    ],
)
def test_too_few_labels_leave_a_tier_uncalibrated(labels, lacking) -> None:
    (report,) = calibrate(Labels(labels))
    assert report.tiers[0].lacking == lacking
    assert bool(usable([report])) is (lacking is None)


def test_no_labels_are_no_report() -> None:
    assert calibrate(Labels()) == ()


def test_a_tier_of_few_labels_learns_from_the_others_of_its_ladder() -> None:
    (alone,) = calibrate(Labels(answered(30, "large", 3)))
    (helped,) = calibrate(Labels(answered(30, "large", 3) + answered(2000)))
    names = [tier.tier for tier in helped.tiers]
    assert names == ["large", "tiny"]
    off = {
        report: sum(
            abs(tier.fitted.calibration.probability(each.scores) - truth(each.scores))
            for each in simulated(300, 9)
        )
        for report, tier in (("alone", alone.tiers[0]), ("helped", helped.tiers[0]))
    }
    assert off["helped"] < off["alone"]
    assert helped.pooled.quality_after.n == 2030


def test_a_ladder_s_threshold_holds_at_each_of_its_tiers() -> None:
    (report,) = calibrate(Labels(answered(900) + answered(900, "large", 2)), 0.2)
    held = [tier.certificate.held for tier in report.tiers]
    assert report.threshold == max(each.threshold for each in held if each is not None)
    (report,) = calibrate(Labels(answered(900) + answered(60, "large", 2)), 0.02)
    assert report.threshold is None


def test_a_hundred_thousand_labels_take_seconds() -> None:
    labels = Labels(answered(10_000) * 10)
    began = time.process_time()
    (report,) = calibrate(labels)
    assert time.process_time() - began < 6
    assert report.tiers[0].labels == calibrating.MOST


# ------------------------------------------------------------------ in force


def test_the_newest_calibration_of_a_tier_is_in_force(ledger: Ledger) -> None:
    assert ledger.newest_calibrations() == {}
    other = replace(FOUND, bias=1.5)
    ledger.add_calibrations({("a", "tiny"): FOUND, ("a", "large"): FOUND}, {}, 1.0)
    ledger.add_calibrations({("a", "tiny"): other}, {("a", "tiny"): {"labels": 40}}, 2.0)
    assert ledger.newest_calibrations() == {("a", "tiny"): other, ("a", "large"): FOUND}
    large, tiny = ledger.calibrations_in_force()
    assert (large.tier, tiny.tier, tiny.created_unix) == ("large", "tiny", 2.0)
    assert tiny.report == {"labels": 40}
    ledger.add_calibrations({("a", "tiny"): None}, {}, 3.0)
    assert ledger.newest_calibrations() == {("a", "large"): FOUND}


def a_calibration(fields: str) -> str:
    return f'{{"version": 1, "calibration": {{{fields}}}}}'


@on_sqlite
@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "\x00",
        '{"version": 1}',
        '{"version": 1, "calibration": 7}',
        '{"version": 2, "calibration": null}',
        '{"version": 1, "calibration": null, "more": 1}',
        '{"version": 1, "calibration": {"signals": ["a"], "weights": [], "bias": 0}}',
        '{"version": 1, "calibration": {"signals": [], "weights": [], "bias": 1e999}}',
        '{"version": 1, "calibration": {"signals": [], "weights": [], "bias": NaN}}',
        a_calibration('"signals": ["a"], "weights": [1], "bias": 0, "absent": [1, 2]'),
        a_calibration('"signals": [], "weights": [], "bias": 0, "steps": [[0.9, 0.5], [0.1, 0.6]]'),
        a_calibration('"signals": [], "weights": [], "bias": 0, "steps": [[0.5, 7]]'),
        '{"version": 1, "calibration": ' + "[" * 100_000,
    ],
)
def test_one_that_cannot_be_read_is_passed_over_and_told(
    ledger: Ledger, tmp_path: Path, text: str
) -> None:
    ledger.add_calibrations({("a", "tiny"): FOUND}, {}, 1.0)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(
            "INSERT INTO calibrations (created_unix, ladder, tier, calibration_json, report_json)"
            " VALUES (9, 'a', 'tiny', ?, 'no json')",
            (text,),
        )
    assert ledger.newest_calibrations() == {("a", "tiny"): FOUND}
    newest, before = ledger.calibrations_in_force()
    assert newest.unreadable
    assert newest.calibration is None
    assert before.unreadable is None
