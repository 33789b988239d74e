"""Verdicts held against labels: what counts, whose word, split by what, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rung.cli import bill as bills
from rung.cli import explain as explains
from rung.cli import inbox
from rung.cli.label import label as label_command
from rung.cli.verifiers import verifiers
from rung.core.error_rates import Labelled
from rung.core.errors import RequestError
from rung.core.labels import BELIEVED, Label, LabelSource, believed
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.types import Answer
from rung.core.verdicts import Check, Status, Trust, Verdict, Weight
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, bill
from rung.ledger.bill_json import to_json
from rung.ledger.judged import JudgedBy, VerifierLine, judged
from support.outcomes import outcome

GATE = "json_schema"


on_sqlite = pytest.mark.parametrize("ledger_place", ["sqlite"], indirect=True)
"""Looks into the file itself, or at it through the command line."""


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def checked(name: str, status: Status = Status.PASSED, **more) -> Outcome:
    made = outcome(name)
    about = {"vacuous": False, "seconds": 1.0, "cost_nanousd": 0} | more
    verdict = Verdict(GATE, status, "so", at=1.0, **about)
    return replace(made, attempts=(replace(made.attempts[0], verdicts=(verdict,)),))


def add(ledger: Ledger, name: str, *, right: bool, source: LabelSource = LabelSource.AUDIT) -> None:
    ledger.add_label(Label(name, right=right, source=source, created_unix=1.0, attempt=0))


def only(ledger: Ledger, **options) -> VerifierLine:
    (line,) = judged(ledger, **options).lines
    return line


# ------------------------------------------------------------------ what counts


def test_verdicts_are_counted_by_what_they_say(ledger: Ledger) -> None:
    said = [Status.PASSED, Status.PASSED, Status.FAILED, Status.ABSTAINED]
    for place, status in enumerate(said):
        ledger.append_now(checked(f"r{place}", status, seconds=float(place), cost_nanousd=7))
    ledger.append_now(checked("r4", vacuous=True, seconds=4.0))
    line = only(ledger)
    assert (line.passed.answers, line.failed.answers, line.abstained, line.vacuous) == (2, 1, 1, 1)
    assert (line.runs, line.median_seconds, line.cost_nanousd) == (5, 2.0, 28)
    assert (line.key.verifier, line.key.tier, line.key.trust) == (GATE, "tiny", "data")
    assert line.weight is Weight.REQUIRED


def test_labels_are_those_of_the_answers_that_it_judged(ledger: Ledger) -> None:
    wanted = {"p1": True, "p2": False, "f1": False, "f2": True, "a1": False, "v1": False}
    for name, right in wanted.items():
        status = {"f": Status.FAILED, "a": Status.ABSTAINED}.get(name[0], Status.PASSED)
        ledger.append_now(checked(name, status, vacuous=name[0] == "v"))
        add(ledger, name, right=right)
    line = only(ledger)
    assert line.passed.drawn == line.failed.drawn == Labelled(2, 1)
    assert line.labelled.answers == 4
    assert (line.false_accepts.value, line.false_rejects.value) == (0.5, 0.5)


@pytest.mark.parametrize("place", range(1, len(BELIEVED)))
def test_the_better_source_is_believed(ledger: Ledger, place: int) -> None:
    ledger.append_now(checked("r1"))
    add(ledger, "r1", right=False, source=BELIEVED[place - 1])
    add(ledger, "r1", right=True, source=BELIEVED[place])
    assert only(ledger).passed.labelled == Labelled(1, 1)


def test_of_one_source_the_last_word_is_believed() -> None:
    labels = [
        Label("r", right, LabelSource.AUDIT, 1.0, 0, id=place)
        for place, right in ((2, True), (1, False))
    ]
    assert believed(labels)["r", 0].right


def test_only_audits_count_as_drawn(ledger: Ledger) -> None:
    for place, source in enumerate(LabelSource):
        ledger.append_now(checked(f"r{place}"))
        add(ledger, f"r{place}", right=True, source=source)
    line = only(ledger)
    assert (line.passed.drawn.answers, line.passed.chosen.answers) == (1, 4)
    assert line.drawn


def test_audits_own_verdicts_are_no_traffic(ledger: Ledger) -> None:
    ledger.append_now(checked("r1"))
    again = checked("r2", Status.FAILED)
    ledger.append_now(replace(again, request=replace(again.request, audit_of="r1")))
    report = judged(ledger)
    assert [line.runs for line in report.lines] == [1]
    assert (report.audits.audited, report.audits.calls, report.audits.cost_nanousd) == (1, 1, 100)
    assert report.audits.failed == 0


def test_a_span_takes_the_requests_that_began_in_it(ledger: Ledger) -> None:
    for place in range(3):
        ledger.append_now(replace(checked(f"r{place}"), started_unix=float(place)))
        add(ledger, f"r{place}", right=True)
    line = only(ledger, since_unix=1.0, until_unix=2.0)
    assert (line.runs, line.labelled.answers) == (1, 1)
    assert judged(ledger, since_unix=9.0).lines == ()


def test_an_empty_ledger_has_no_lines(ledger: Ledger) -> None:
    for by in JudgedBy:
        report = judged(ledger, by=by)
        assert (report.lines, report.audits.audited) == ((), 0)


# ------------------------------------------------------------------ split by what


def test_lines_are_split_by_ladder_trust_and_source(ledger: Ledger) -> None:
    for place, ladder in enumerate(("one", "two")):
        made = checked(f"r{place}", trust=(Trust.SPLIT, Trust.CANARY)[place])
        ledger.append_now(replace(made, plan=replace(made.plan, ladder=ladder)))
    add(ledger, "r0", right=True)
    add(ledger, "r0", right=False, source=LabelSource.HUMAN)
    assert {line.key.trust for line in judged(ledger).lines} == {"split", "canary"}
    by_ladder = judged(ledger, by=JudgedBy.LADDER).lines
    assert sorted(str(line.key.ladder) for line in by_ladder) == ["one", "two"]
    found = {line.key.source: line for line in judged(ledger, by=JudgedBy.SOURCE).lines}
    assert set(found) == {"human", "audit", None}
    assert (found["human"].labelled.wrong, found["audit"].labelled.wrong) == (1, 0)


def test_what_a_ladder_only_watches_is_never_found_out(ledger: Ledger) -> None:
    plan = Plan("default", (Step("tiny", (Check(GATE, Weight.SIGNAL),)),))
    for place in range(40):
        ledger.append_now(replace(checked(f"r{place}"), plan=plan))
        add(ledger, f"r{place}", right=place < 20)
    line = only(ledger)
    assert line.weight is Weight.SIGNAL
    assert line.false_accepts.low > 0.5
    assert line.findings == ()


# ------------------------------------------------------------------ the bill


def test_what_checks_cost_is_beside_the_calls_and_inside_the_spend(ledger: Ledger) -> None:
    ledger.append_now(checked("r1", cost_nanousd=30))
    dropped = checked("r2", Status.FAILED, cost_nanousd=50)
    ledger.append_now(replace(dropped, served=None, verified=False))
    for by in (None, *BillBy):
        made = bill(ledger, by=by)
        total = to_json(made)["total"]
        assert (total["spend_nanousd"], total["checks_nanousd"]) == (280, 80)
        assert (total["wasted_nanousd"], total["checks_wasted_nanousd"]) == (150, 50)
        assert sum(line.spend_nanousd for line in made.tiers) == 200
        (saving,) = made.total.savings
        assert saving.spend_nanousd == 280


def test_an_audit_of_what_was_sent_again_counts_with_what_stands_for_it(ledger: Ledger) -> None:
    first, second, audit = outcome("r1"), outcome("r2"), outcome("r3", baselines={})
    ledger.append_now(replace(first, served=None, verified=False))
    ledger.append_now(replace(second, request=replace(second.request, resend_of="r1")))
    ledger.append_now(replace(audit, request=replace(audit.request, audit_of="r1")))
    total = bill(ledger).total
    assert (total.requests, total.resent, total.beside.audited) == (1, 1, 1)
    (saving,) = total.savings
    assert (saving.requests, saving.spend_nanousd) == (1, 300)


def test_a_day_of_nothing_but_audits_has_its_line(ledger: Ledger) -> None:
    ledger.append_now(outcome("r1", started_unix=0.0))
    audit = outcome("r2", started_unix=86_400.0)
    ledger.append_now(replace(audit, request=replace(audit.request, audit_of="r1")))
    made = bill(ledger, by=BillBy.DAY)
    assert [(line.requests, line.spend_nanousd) for line in made.lines] == [(1, 100), (0, 100)]
    json.dumps(to_json(made), allow_nan=False)


# ------------------------------------------------------------------ for people


@pytest.fixture
def path(tmp_path: Path, ledger: Ledger) -> Path:
    """A gate that passes everything, of which half is wrong."""
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["local"]\n'
    )
    for place in range(40):
        ledger.append_now(checked(f"r{place:02d}"))
        add(ledger, f"r{place:02d}", right=place < 20)
    return tmp_path / "rung.toml"


@on_sqlite
def test_a_bad_gate_is_named_and_the_next_step_with_it(path: Path, capsys) -> None:
    verifiers(path=path)
    shown = capsys.readouterr().out
    assert "json_schema at tiny passes wrong answers: 100% [" in shown
    assert "do not rely on it" in shown
    assert "of what it passes 50% [" in shown
    assert 'Not audited: default. `audit = "2%"`' in shown


@on_sqlite
def test_labels_that_are_missing_are_told(path: Path, ledger: Ledger, capsys) -> None:
    made = outcome("other")
    plan = Plan("default", (Step("large", (Check("team", Weight.REQUIRED),)),))
    verdict = Verdict("team", Status.PASSED, "so", at=1.0)
    attempt = replace(made.attempts[0], tier="large", verdicts=(verdict,))
    ledger.append_now(replace(made, plan=plan, attempts=(attempt,)))
    verifiers(path=path)
    shown = capsys.readouterr().out
    assert "team at large: no labels, nothing is known of it" in shown
    assert "rung label ID right|wrong" in shown


@pytest.mark.parametrize("by", list(JudgedBy))
@on_sqlite
def test_the_report_as_json_is_one_document(path: Path, capsys, by: JudgedBy) -> None:
    verifiers(path=path, by=by, since="2020-01-01", until="2030-01-01", json=True)
    told = json.loads(capsys.readouterr().out)
    (line,) = told["verifiers"]
    assert (told["by"], line["verifier"], line["found"]) == (by.value, GATE, ["passes_wrong"])
    assert line["passed"] == {
        "answers": 40,
        "labelled": 40,
        "right": 20,
        "wrong": 20,
        "drawn": 40,
    }
    assert line["source"] == ("audit" if by is JudgedBy.SOURCE else None)


@on_sqlite
def test_a_time_that_is_none_is_refused(path: Path) -> None:
    with pytest.raises(RequestError, match="is no time"):
        verifiers(path=path, since="yesterday")


@on_sqlite
def test_hostile_names_steer_no_terminal(path: Path, ledger: Ledger, capsys) -> None:
    made = outcome("bad")
    name = "[red]x[/]\x1b[31m"
    plan = Plan("default", (Step("tiny", (Check(name, Weight.REQUIRED),)),))
    verdict = Verdict(name, Status.PASSED, "so", at=1.0)
    ledger.append_now(
        replace(made, plan=plan, attempts=(replace(made.attempts[0], verdicts=(verdict,)),))
    )
    verifiers(path=path)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]x[/]" in shown


@on_sqlite
def test_the_bill_and_the_account_tell_of_audits(path: Path, ledger: Ledger, capsys) -> None:
    audit = outcome("zz-audit")
    ledger.append_now(replace(audit, request=replace(audit.request, audit_of="r00")))
    bills.bill(path=path)
    shown = capsys.readouterr().out
    assert "audits" in shown
    assert "1 of 40 requests, $0.000000100 of the spend" in shown
    explains.explain("zz-audit", path=path)
    assert "an audit of r00" in capsys.readouterr().out
    # The newest request is none of the audits.
    explains.explain("last", path=path, json=True)
    assert json.loads(capsys.readouterr().out)["audit_of"] is None


@on_sqlite
def test_an_audit_in_the_inbox_is_settled_by_a_label_alone(
    path: Path, ledger: Ledger, capsys
) -> None:
    made = checked("drawn-1")
    ledger.append_now(replace(made, attempts=(replace(made.attempts[0], answer=Answer("Paris")),)))
    ledger.queue_audit(replace(made, attempts=(replace(made.attempts[0], answer=Answer("Paris")),)))
    inbox.list(path=path)
    shown = capsys.readouterr().out
    assert "drawn-1" in shown
    assert "audit" in shown
    assert "rung label ID right|wrong" in shown
    inbox.show("drawn-1", path=path)
    shown = capsys.readouterr().out
    assert "Paris" in shown
    assert "rung label drawn-1 right|wrong" in shown
    with pytest.raises(RequestError, match="was answered") as raised:
        inbox.answer("drawn-1", text="Lyon", path=path)
    assert raised.value.fix == "rung label drawn-1 right|wrong"
    label_command("drawn-1", "wrong", by="ann", path=path, json=True)
    told = json.loads(capsys.readouterr().out)["label"]
    assert (told["source"], told["by"], told["right"]) == ("audit", "ann", False)
    inbox.list(path=path, json=True)
    assert json.loads(capsys.readouterr().out) == []
