"""A certificate against what the ledger saw since: what breaks it, what only raises a doubt."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from rung.cli.bill import bill as bill_command
from rung.cli.tune import tune as tune_command
from rung.cli.tune_check import broken, tune_check
from rung.cli.tune_options import Data, Options
from rung.cli.tune_options import Result as Asked
from rung.core.drift import State, Window
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.labels import Label, LabelSource
from rung.core.plan import Policy, Rung
from rung.core.types import Failure, Fault
from rung.core.verdicts import Status, Verdict
from rung.ledger import Ledger, certificates
from rung.ledger.certificates import Certified, CheckErrors, StoredCertificate, TierFigures
from rung.ledger.watched import Told, Tried, Watched, watched
from rung.tuner.aims import SOUND, Errors, Part, Tuned
from rung.tuner.outcomes import Outcomes
from rung.tuner.reached import tier_figures
from rung.tuner.watch import check, held_to, judged, standing, told
from support.outcomes import outcome

START = 1_700_000_000.0
POLICY = Policy("default", (Rung("tiny"), Rung("large")))
MADE = Certified(0.9, 0.9, "tested", 200, POLICY)


def row(made: Certified | None = MADE, **changed) -> StoredCertificate:
    return StoredCertificate(1, START, "default", made, **changed)


def answers(right: int, wrong: int, **changed) -> tuple[Told, ...]:
    """Audited answers of the tiny tier that the checks passed."""
    one = Told("tiny", right=True, drawn=True, served=True, passed=True)
    good, bad = replace(one, **changed), replace(one, **(changed | {"right": False}))
    found = [good] * right + [bad] * wrong
    random.Random(0).shuffle(found)
    return tuple(found)


def seen(found: tuple[Told, ...] = (), unanswered: int = 0, **changed) -> Watched:
    base = Watched(1000, unanswered, {"tiny": 800 - unanswered, "large": 200}, found)
    return replace(base, **changed)


def state(about: str, of: Watched, made: Certified = MADE) -> State:
    findings = judged("default", row(made), of, START).findings
    return next(one.state for one in findings if one.about == about)


# ------------------------------------------------------------------ the share of right answers


def test_without_any_second_look_there_is_too_little_to_say():
    found = judged("default", row(), seen(), START)
    assert found.state is State.LITTLE
    assert "none of 1,000 requests since was looked at again" in found.said


def test_few_good_looks_are_too_little_and_many_hold():
    assert state("quality", seen(answers(20, 0))) is State.LITTLE
    assert state("quality", seen(answers(760, 40))) is State.HOLDS


def test_many_wrong_answers_break_it():
    found = judged("default", row(), seen(answers(60, 30)), START)
    assert found.state is State.BROKEN
    assert "audits found 30 of 90 accepted answers wrong" in found.said
    quality = found.findings[0]
    assert quality.observed == pytest.approx(1 - 0.8 / 3)
    assert quality.doubt < 0.025


def test_requests_that_nothing_passes_count_as_wrong():
    assert state("quality", seen(answers(50, 0), unanswered=10)) is not State.BROKEN
    assert state("quality", seen(answers(50, 0), unanswered=200)) is State.BROKEN
    assert state("quality", seen(answers(70, 7), unanswered=100)) is not State.HOLDS


def test_tiers_that_nobody_looks_at_have_the_benefit_of_the_doubt():
    """Half of the audited answers are wrong, but they are one in fifty of all."""
    few = Watched(1000, 0, {"tiny": 20, "large": 980}, answers(10, 10))
    assert state("quality", few) is State.HOLDS


def test_where_nothing_moved_a_watch_cries_wolf_in_at_most_one_of_twenty_worlds():
    """Looked at again and again while labels come in; the truth is exactly what was certified."""
    alarms = 0
    for seed in range(60):
        draws = random.Random(seed)
        served, lost, labels, alarm = 0, 0, [], False
        for request in range(1, 2001):
            if draws.random() < 0.02:
                lost += 1
                continue
            served += 1
            # 2% get no answer and 8 / 0.98 % of the others a wrong one: 90% are right.
            if draws.random() < 0.2:
                wrong = draws.random() < 0.08 / 0.98
                labels += answers(0, 1) if wrong else answers(1, 0)
            if request % 200 == 0:
                of = Watched(request, lost, {"tiny": served}, tuple(labels))
                errors = CheckErrors(highest_accept=1.0)
                alarm |= state("quality", of, replace(MADE, errors=errors)) is State.BROKEN
        alarms += alarm
    assert alarms <= 3


def test_a_share_that_was_measured_on_few_queries_is_held_to_what_they_tell():
    measured = replace(MADE, baseline="large", n=50)
    assert 0.7 < held_to(measured) < 0.85
    assert held_to(MADE) == 0.9
    worse = seen(answers(120, 40))
    assert state("quality", worse) is State.BROKEN
    assert state("quality", worse, measured) is not State.BROKEN
    said = judged("default", row(measured), worse, START).findings[0].said
    assert "90.0% (as far as 50 queries tell, at least" in said


def test_one_wrong_answer_does_not_break_a_promise_of_all():
    perfect = replace(MADE, target=1.0)
    assert state("quality", seen(answers(40, 1)), perfect) is not State.BROKEN
    assert state("quality", seen(answers(40, 6)), perfect) is State.BROKEN


# ------------------------------------------------------------------ what the checks let pass


def test_more_false_accepts_than_were_reckoned_with_break_it():
    reckoned = replace(MADE, target=0.2, errors=CheckErrors(0.1, 0.1, 0.2, 0.2, 100))
    passed = answers(0, 30, served=False)
    turned_down = answers(0, 70, served=False, passed=False)
    mixed = tuple(random.Random(1).sample(passed + turned_down, 100))
    assert state("false accepts", seen(mixed), replace(reckoned)) is not State.BROKEN
    assert state("false accepts", seen(passed), reckoned) is State.BROKEN
    assert state("false accepts", seen(turned_down), reckoned) is not State.BROKEN


def test_a_check_taken_for_sound_is_not_broken_by_the_one_error_of_an_audit():
    sound = replace(MADE, target=0.2)
    others = answers(0, 40, served=False, passed=False)
    assert state("false accepts", seen((*others, *answers(0, 1))), sound) is not State.BROKEN
    assert state("false accepts", seen((*others, *answers(0, 12))), sound) is State.BROKEN


# ------------------------------------------------------------------ doubts


def test_labels_that_people_chose_to_give_raise_a_doubt_and_no_more():
    found = judged("default", row(), seen(answers(5, 40, drawn=False)), START)
    assert found.state is State.DOUBTFUL
    assert "it proves nothing" in found.said
    assert state("labels", seen(answers(40, 1, drawn=False))) is State.LITTLE


def tried(accepted: float, cost: float, n: int = 3000) -> Tried:
    spread = (accepted * (1 - accepted)) ** 0.5
    return Tried(Window(n, accepted, spread), Window(n, cost, cost))


def test_a_tier_that_passes_less_or_costs_more_than_by_the_tuning_data_raises_a_doubt():
    figures = {"tiny": TierFigures(2000, 0.7, 1e6, 1e6)}
    made = replace(MADE, tiers=figures)
    same = seen(tiers={"tiny": tried(0.69, 1.02e6)})
    assert state("tiny: accepted", same, made) is not State.DOUBTFUL
    assert state("tiny: cost", same, made) is not State.DOUBTFUL
    assert state("tiny: accepted", seen(tiers={"tiny": tried(0.5, 1e6)}), made) is State.DOUBTFUL
    dearer = seen(tiers={"tiny": tried(0.7, 2e6)})
    assert state("tiny: cost", dearer, made) is State.DOUBTFUL
    assert judged("default", row(made), dearer, START).state is State.DOUBTFUL


def test_a_tier_that_no_request_came_to_is_left_out():
    made = replace(MADE, tiers={"gone": TierFigures(2000, 0.7, 1e6, 1e6)})
    assert len(judged("default", row(made), seen(), START).findings) == 2


# ------------------------------------------------------------------ figures for the watch


def test_figures_of_tiers_are_those_of_the_queries_that_reach_them():
    rng = np.random.default_rng(0)
    correct = rng.integers(0, 2, (50, 3)).astype(float)
    cost = rng.uniform(1, 9, (50, 3))
    kinds = np.repeat([0, 1], 25)
    of = Outcomes(("a", "b", "c"), tuple(map(str, range(50))), correct, cost, kinds, ("x", "y"))
    chain = Policy("", (Rung("b"), Rung("a")))
    found = tier_figures(of, Tuned(chain, {"y": Policy("y", (Rung("c"),))}), SOUND)
    first, failed = kinds == 0, (kinds == 0) & (correct[:, 1] == 0)
    assert set(found) == {"a", "b", "c"}
    assert (found["b"].n, found["a"].n, found["c"].n) == (25, failed.sum(), 25)
    assert found["b"].accepted == pytest.approx(correct[first, 1].mean())
    assert found["a"].accepted == pytest.approx(correct[failed, 0].mean())
    assert found["a"].cost_nanousd == pytest.approx(cost[failed, 0].mean())
    assert found["a"].cost_deviation == pytest.approx(cost[failed, 0].std())
    assert found["c"].cost_nanousd == pytest.approx(cost[25:, 2].mean())


def test_a_share_of_all_requests_counts_as_often_as_it_is_drawn():
    correct, cost = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[2.0, 8.0], [4.0, 8.0]])
    of = Outcomes(("a", "b"), ("1", "2"), correct, cost, np.zeros(2, dtype=int))
    part = Part(0.25, Policy("", (Rung("b"),)))
    found = tier_figures(of, Tuned(Policy("", (Rung("a"), Rung("b"))), part=part))
    assert found["a"].n == pytest.approx(0.75 * 2)
    assert found["b"].n == pytest.approx(0.25 * 2 + 0.75)
    assert found["a"].accepted == pytest.approx(0.5)
    assert found["a"].cost_nanousd == pytest.approx(3.0)
    assert found["a"].cost_deviation == pytest.approx(1.0)


def test_figures_of_tiers_reckon_with_the_errors_of_the_check():
    correct, cost = np.array([[1.0, 1.0], [0.0, 1.0]]), np.full((2, 2), 5.0)
    of = Outcomes(("a", "b"), ("1", "2"), correct, cost, np.zeros(2, dtype=int))
    tuned = Tuned(Policy("", (Rung("a"), Rung("b"))))
    found = tier_figures(of, tuned, Errors(false_accept=0.5, false_reject=0.2))
    assert found["a"].accepted == pytest.approx((0.8 + 0.5) / 2)
    assert found["b"].n == pytest.approx(0.2 + 0.5)
    assert found["b"].cost_nanousd == pytest.approx(5.0)


# ------------------------------------------------------------------ from the ledger


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def put(ledger: Ledger, name: str, at: float = START + 1, **changed) -> None:
    ledger.append_now(outcome(name, started_unix=at, **changed))


def label(ledger: Ledger, name: str, *, right: bool, source: LabelSource, place: int = 0) -> None:
    ledger.add_label(Label(name, right, source, START + 9, place))


def looked(ledger: Ledger) -> Watched:
    with ledger.reading() as connection:
        return watched(connection, ["default"], START)


def test_requests_before_the_certificate_of_other_ladders_and_pinned_ones_are_left_out(ledger):
    plain = outcome()
    put(ledger, "before", START - 1)
    put(ledger, "other", plan=replace(plain.plan, ladder="other"))
    pinned = replace(plain.request, id="pinned", model="tier:tiny")
    put(ledger, "pinned", request=pinned)
    again = replace(plain.request, id="again", audit_of="mine")
    put(ledger, "again", request=again)
    put(ledger, "mine")
    found = looked(ledger)
    assert (found.requests, found.unanswered, found.served) == (1, 0, {"tiny": 1})


def test_what_nothing_passed_is_unanswered_and_what_no_tier_answered_is_left_out(ledger):
    plain = outcome()
    failed = Verdict("json_schema", Status.FAILED, "no", at=1.0)
    ended = {"decision": Exhausted(Exhaustion.TOP_REACHED, 0), "served": None, "verified": None}
    tried = replace(plain.attempts[0], id="passed nothing", verdicts=(failed,))
    put(ledger, "rejected", attempts=(tried,), **ended)
    away = Failure(Fault.CONNECT, "away")
    silent = replace(plain.attempts[0], id="silent", answer=None, failure=away, verdicts=())
    put(ledger, "down", attempts=(silent,), **ended)
    best = replace(tried, id="best")
    put(ledger, "best", attempts=(best,), **(ended | {"served": 0, "verified": False}))
    found = looked(ledger)
    assert (found.requests, found.unanswered, found.served) == (2, 1, {"tiny": 1})
    assert found.tiers["tiny"].accepted == Window(2, 0.0, 0.0)
    assert found.tiers["tiny"].cost == Window(2, 100.0, 0.0)


def test_requests_of_its_categories_and_of_its_share_are_counted_too(ledger):
    plain = outcome()
    for ladder in ("default", "default-part", "default-coding", "other"):
        put(ledger, ladder, plan=replace(plain.plan, ladder=ladder))
    label(ledger, "default-part", right=False, source=LabelSource.AUDIT)
    part = Part(0.3, Policy("default-part", (Rung("tiny"),)))
    coding = {"coding": Policy("default-coding", (Rung("large"),))}
    made = replace(MADE, by_category=coding, part=certificates.Part(part.share, part.policy))
    ledger.add_certificate("default", made, START, "tuned")
    found = check(ledger, "default", START + 5)
    assert found.requests == 3
    quality = next(one for one in found.findings if one.about == "quality")
    assert quality.n == 1
    assert [one.requests for one in standing(ledger, START + 5)] == [3]


def test_of_many_requests_the_newest_are_counted_and_all_labels(ledger, monkeypatch):
    monkeypatch.setattr("rung.ledger.watched.MOST_COUNTED", 3)
    for place in range(5):
        put(ledger, f"req-{place}", START + place)
    label(ledger, "req-0", right=True, source=LabelSource.AUDIT)
    found = looked(ledger)
    assert (found.requests, len(found.told)) == (3, 1)
    assert found.tiers["tiny"].accepted.n == 3


def test_whose_word_counts_and_which_answers_were_drawn(ledger):
    for name in ("a", "b", "c"):
        put(ledger, name)
    label(ledger, "a", right=False, source=LabelSource.AUDIT)
    label(ledger, "b", right=False, source=LabelSource.FEEDBACK)
    label(ledger, "c", right=True, source=LabelSource.AUDIT)
    label(ledger, "a", right=True, source=LabelSource.HUMAN)
    plain = Told("tiny", right=True, drawn=True, served=True, passed=True)
    # The person overrides the audit, whose draw it stays; the last word comes last.
    assert looked(ledger).told == (replace(plain, right=False, drawn=False), plain, plain)


def test_a_ladder_without_a_promise_says_why(ledger):
    with pytest.raises(RequestError, match="never tuned"):
        check(ledger, "default", START)
    ledger.add_certificate("default", MADE, START, "tuned")
    assert check(ledger, "default", START + 5).state is State.LITTLE
    ledger.add_certificate("default", None, START + 1, "the ladder was changed by hand")
    with pytest.raises(RequestError, match="changed by hand") as caught:
        check(ledger, "default", START)
    assert caught.value.status == 404
    ledger.add_certificate("default", replace(MADE, basis="no guarantee"), START + 2, "tuned")
    with pytest.raises(RequestError, match="without a guarantee"):
        check(ledger, "default", START)
    assert standing(ledger, START) == []
    assert broken(ledger, START) == []


def test_a_certificate_keeps_its_figures_of_tiers(ledger):
    figures = {"tiny": TierFigures(200, 0.7, 1e6, 2e6)}
    ledger.add_certificate("default", replace(MADE, tiers=figures), START, "tuned")
    (found,) = standing(ledger, START)
    assert found.certified.tiers == figures


# ------------------------------------------------------------------ on the command line


@pytest.fixture
def config(tmp_path):
    """A configuration whose ladder was certified, and broken by forty audits."""
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.tiny]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["tiny"]\n'
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.add_certificate("default", MADE, START, "tuned")
        for place in range(40):
            put(ledger, f"req-{place}")
            label(ledger, f"req-{place}", right=place % 2 == 0, source=LabelSource.AUDIT)
    return tmp_path / "rung.toml"


def test_a_broken_certificate_is_shown_with_status_one(config, capsys):
    with pytest.raises(SystemExit) as ended:
        tune_check(None, config, json=False)
    shown = capsys.readouterr().out
    assert ended.value.code == 1
    assert "✗ ladder default: broken" in shown
    assert "audits found 20 of 40 accepted answers wrong" in shown
    assert "fix: tune anew" in shown


def test_as_json_it_is_one_document(config, capsys):
    with pytest.raises(SystemExit):
        tune_command(
            options=Options(result=Asked(ladder="default")), check=True, path=config, json=True
        )
    (found,) = json.loads(capsys.readouterr().out)["certificates"]
    assert (found["ladder"], found["state"], found["requests"]) == ("default", "broken", 40)
    assert found["certificate"]["target"] == 0.9
    assert [one["about"] for one in found["findings"]] == ["quality", "false accepts"]
    with Ledger.open(config.parent / "ledger.db") as ledger:
        assert json.loads(json.dumps(told(check(ledger, "default", START))))["state"] == "broken"


def test_check_with_anything_to_tune_is_refused(config):
    with pytest.raises(RequestError, match="tunes nothing"):
        tune_command(options=Options(data=Data(ledger=True)), check=True, path=config)


def test_where_nothing_was_certified_check_says_so(config):
    with Ledger.open(config.parent / "ledger.db") as ledger:
        ledger.add_certificate("default", None, START + 1, "withdrawn")
    with pytest.raises(RequestError, match="nothing is certified"):
        tune_check(None, config, json=False)


def test_the_bill_has_a_line_where_a_certificate_is_broken(config, capsys):
    bill_command(path=config)
    assert "the certificate of ladder default is broken" in capsys.readouterr().out
