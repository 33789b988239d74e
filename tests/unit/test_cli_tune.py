"""`rung tune`: what it says, what its document holds, what it refuses, what it writes.

The search is replaced by one that names a ladder: what is found is tested elsewhere.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import rung.tuner.from_ledger
import rung.tuner.tuning
from rung.cli.main import main
from rung.cli.tune_options import pairs, share
from rung.cli.tune_plot import Point, drawn
from rung.cli.tune_shown import headline
from rung.core.errors import RequestError
from rung.core.plan import Policy, Rung
from rung.ledger import Ledger
from rung.tuner.aims import Aim, Mode, Part, Tuned
from rung.tuner.telling import told
from support.censoring import TIERS, Gateway, World, seen_of
from support.outcomes_made import independent
from support.recommended import ladder_of, recommended, uncertified

TOML = """# mine
ledger = "ledger.db"
[tiers.cheap]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "m0"
price = "free"

[tiers.middle]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "m1"
price = "free"

[tiers.top]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "m2"
price = "free"

[ladders.default]
tiers = ["cheap", "top"]  # two
"""
WORLD = independent((0.5, 0.7, 0.9), (0.01, 0.03, 0.30))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with outcomes of m0, m1 and m2, where the search always says m0 -> m1 -> m2."""
    outcomes = WORLD.drawn(120, 1)
    lines = [
        {"query_id": query, "model": model, "correct": outcomes.correct[row, column]}
        | {"cost_usd": outcomes.cost[row, column] / 1e9, "category": f"c{row % 2}"}
        for row, query in enumerate(outcomes.queries)
        for column, model in enumerate(outcomes.models)
    ]
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.chdir(tmp_path)
    for name in ("RUNG_CONFIG", "RUNG_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    found_by(monkeypatch)
    return tmp_path


def found_by(monkeypatch, *, certified=True):
    def search(outcomes, aim, tell=lambda _: None):
        tell("searching")
        made = recommended(outcomes, aim, outcomes.models[:3], [outcomes.models[:1]])
        return made if certified else uncertified(made)

    monkeypatch.setattr(rung.tuner.tuning, "tune", search)


def tuned(monkeypatch, capsys, *arguments):
    """The command's status, and what it said on either stream."""
    monkeypatch.setattr(sys, "argv", ["rung", "tune", *arguments])
    try:
        with warnings.catch_warnings():
            # It takes a test for a slip that reads the process's own arguments: here they are ours.
            warnings.filterwarnings("ignore", message="Cyclopts application invoked")
            main()
        status = 0
    except SystemExit as ending:
        status = int(ending.code or 0)
    return status, *capsys.readouterr()


@pytest.fixture
def run(folder, monkeypatch, capsys):
    return lambda *arguments: tuned(monkeypatch, capsys, *arguments)


# ------------------------------------------------------------------ what it says


def test_the_answer_comes_first_and_then_what_it_rests_on(run):
    status, out, err = run("--outcomes", "o.jsonl", "--baseline", "m2")
    assert (status, err) == (0, "")
    first, second, *rest = out.splitlines()
    assert first.startswith("Use m0 -> m1 -> m2: ")
    assert "cheaper than m2 alone" in first
    assert second == "Certified with 90% confidence: at least as often right as m2."
    sections = ["What is known", "What the certificate rests on", "On these data", "Mind"]
    assert [line for line in rest if line in sections] == sections
    assert any(line.startswith("Next: `rung init`") for line in rest)
    assert "Two tiers first" in out
    assert "Keep m0" in out


def test_without_a_certificate_the_answer_is_the_reference_and_what_is_lacking(run, monkeypatch):
    found_by(monkeypatch, certified=False)
    status, out, _ = run("--outcomes", "o.jsonl", "--baseline", "m2")
    assert status == 0
    assert out.startswith("Not certified: use ")
    assert "About 420 queries would certify" in out


def test_no_policy_at_all_says_so_and_asks_for_a_reference():
    made = recommended(WORLD.drawn(50, 1), Aim(quality=0.99), ())
    said = "\n".join(headline(made))
    assert "Not certified" in said
    assert "at least 99.0% right" in said
    assert "--baseline MODEL" in said


def test_no_guarantee_is_said_in_the_first_lines():
    outcomes = WORLD.drawn(50, 1)
    made = uncertified(recommended(outcomes, Aim(baseline="m2", mode=Mode.NONE), ("m0", "m2")))
    assert "No guarantee" in "\n".join(headline(made))


def test_conditions_of_tiers_are_said_where_a_ladder_has_them():
    outcomes = WORLD.drawn(50, 1)
    made = recommended(outcomes, Aim(baseline="m2"), ("m0", "m2"))
    rungs = (
        Rung("m0", samples=2, min_confidence=0.625),
        Rung("m2", most_spent_nanousd=400_000_000, reach=0.3),
    )
    said = "\n".join(headline(replace(made, tuned=Tuned(Policy("", rungs)))))
    assert "m0 (2 draws, from 0.62 confidence)" in said
    assert "m2 (unless $0.400 is spent, for 30% of requests)" in said


def test_names_from_a_file_cannot_steer_the_terminal_or_pass_for_markup(folder, run):
    text = (folder / "o.jsonl").read_text()
    (folder / "o.jsonl").write_text(text.replace('"m0"', '"[red]x\\u001b[2Jy"'))
    _, out, _ = run("--outcomes", "o.jsonl", "--baseline", "m2")
    assert "\x1b" not in out
    assert "[red]x" in out


def test_a_share_of_requests_with_a_ladder_of_its_own_is_said_and_told():
    made = recommended(WORLD.drawn(50, 1), Aim(baseline="m2"), ("m0", "m2"))
    part = Part(0.3, ladder_of("m1", "m2").whole)
    mixed = replace(made, tuned=replace(ladder_of("m0", "m2"), part=part))
    assert "Use m0 -> m2, and for 30% of requests m1 -> m2" in "\n".join(headline(mixed))
    told_part = told(mixed)["policy"]["part"]
    assert told_part["share"] == 0.3
    assert [rung["model"] for rung in told_part["rungs"]] == ["m1", "m2"]


# ------------------------------------------------------------------ the document


def test_the_document_has_what_is_promised_of_it_and_nothing_else_is_printed(run):
    status, out, err = run("--outcomes", "o.jsonl", "--baseline", "m2", "--json", "--seed", "7")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["ladder"] == ["m0", "m1", "m2"]
    assert document["certified"] is True
    assert {"model", "quality", "cost_usd"} <= set(document["baseline"])
    for name in ("target", "quality", "quality_lower", "cost_usd", "cost_upper", "saved"):
        assert isinstance(document[name], float)
    assert document["quality_interval"][0] < document["quality"] < document["quality_interval"][1]
    assert document["policy"]["all"]["rungs"][0] == {
        "model": "m0",
        "min_confidence": None,
        "most_spent_usd": None,
        "reach": 1.0,
        "draws": 1,
        "repairs": 0,
    }
    assert document["policy"]["by_category"] == {}
    assert document["certificate"]["basis"] == "reference kept"
    assert document["alternatives"][0]["why_not"]
    assert (document["n"], document["needed"], document["seed"]) == (120, 420, 7)
    assert {each["step"] for each in document["advice"]} >= {"two_tiers", "drop", "note"}
    assert document["mode"] == "default"


def test_money_of_the_document_is_dollars_a_request():
    outcomes = WORLD.drawn(400, 1)
    document = told(recommended(outcomes, Aim(baseline="m2"), ("m0", "m2")))
    assert document["cost_usd"] == pytest.approx(WORLD.cost(0, 2), rel=0.15)
    assert document["baseline"]["cost_usd"] == pytest.approx(0.30)


def test_what_is_no_number_is_null_and_the_document_stays_json():
    made = recommended(WORLD.drawn(50, 1), Aim(quality=0.99), ())
    document = json.loads(json.dumps(told(made), allow_nan=False))
    assert document["quality"] is None
    assert document["policy"] is None
    assert document["ladder"] == []


# ------------------------------------------------------------------ the reference


def test_without_a_target_a_reference_is_asked_for_with_what_each_model_is_worth(run):
    status, out, err = run("--outcomes", "o.jsonl")
    assert (status, out) == (2, "")
    assert "which model would answer if there were no ladder?" in err
    assert "--baseline m2" in err.replace("'", "")
    best, *_ = [line for line in err.splitlines() if line.startswith("  m")]
    assert best.startswith("  m2")
    assert "$0.300 a request" in best


@pytest.mark.parametrize(
    ("line", "why"),
    [("", "the top tier of default"), ('baseline = "middle"\n', "the configured baseline")],
)
def test_the_configured_baseline_is_taken_or_the_top_tier_and_that_is_said(folder, run, line, why):
    (folder / "rung.toml").write_text(line + TOML)
    _, out, _ = run("--outcomes", "o.jsonl")
    model = "m1" if line else "m2"
    assert f"The reference is {model}, {why}." in out


def test_a_tier_of_the_configuration_names_its_model(folder, run):
    (folder / "rung.toml").write_text(TOML)
    _, out, _ = run("--outcomes", "o.jsonl", "--baseline", "top", "--json")
    assert json.loads(out)["baseline"]["model"] == "m2"


def test_a_broken_configuration_does_not_matter_where_none_is_needed(folder, run):
    (folder / "rung.toml").write_text("tiers = 7")
    assert run("--outcomes", "o.jsonl", "--baseline", "m2")[0] == 0
    assert run("--outcomes", "o.jsonl")[0] == 2


# ------------------------------------------------------------------ what it refuses

FILE = ("--outcomes", "o.jsonl")
BASED = (*FILE, "--baseline", "m2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to learn from"),
        ((*BASED, "--ledger"), "two places"),
        (("--outcomes", "none.jsonl", "--baseline", "m2"), "none.jsonl"),
        (("--outcomes", "empty.jsonl", "--baseline", "m2"), "empty.jsonl"),
        ((*FILE, "--baseline", "m9"), "no model 'm9'"),
        ((*FILE, "--models", "m0,m9", "--baseline", "m0"), "m9"),
        ((*FILE, "--models", ",", "--baseline", "m0"), "names no model"),
        ((*FILE, "--models", "m0,m0", "--baseline", "m0"), "named twice"),
        ((*BASED, "--category", "nope"), "nope"),
        ((*BASED, "--quality", "0.7"), "different targets"),
        ((*BASED, "--budget", "0.7"), "different targets"),
        ((*FILE, "--quality", "74"), "no share"),
        ((*FILE, "--quality", "0"), "out of range"),
        ((*FILE, "--quality", "x"), "no share"),
        ((*FILE, "--quality", "nan"), "no share"),
        ((*FILE, "--quality", "0.7", "--max-loss", "1%"), "--max-loss is of a baseline"),
        ((*BASED, "--max-loss", "1"), "out of range"),
        ((*BASED, "--max-loss=-0.1"), "no share"),
        ((*FILE, "--budget", "0"), "out of range"),
        ((*FILE, "--budget", "nan"), "out of range"),
        ((*FILE, "--budget", "inf"), "out of range"),
        ((*BASED, "--confidence", "1"), "out of range"),
        ((*BASED, "--confidence", "10%"), "out of range"),
        ((*BASED, "--max-tiers", "0"), "out of range"),
        ((*BASED, "--max-tiers", "9"), "out of range"),
        ((*BASED, "--latency", "0"), "out of range"),
        ((*BASED, "--seed=-1"), "out of range"),
        ((*BASED, "--mode", "maybe"), "mode"),
        ((*BASED, "--by", "day"), "by"),
        ((*BASED, "--false-accept", "100%"), "out of range"),
        ((*BASED, "--false-accept", "5%", "--errors", "measured"), "contradict"),
        ((*BASED, "--errors", "measured"), "does not tell what the check said"),
        ((*BASED, "--unchecked", "--false-accept", "5%"), "no check that could err"),
        ((*BASED, "--as-top"), "--as-top goes with --unchecked"),
        (("--outcomes", "unpriced.jsonl", "--baseline", "m"), "no costs"),
        ((*BASED, "--since", "7d"), "--since is of the ledger"),
        ((*BASED, "--ladder", "x"), "--ladder goes with"),
        ((*BASED, "--yes"), "--yes goes with --apply"),
        ((*BASED, "--tiers", "m0=a"), "--tiers goes with --apply"),
        ((*BASED, "--plot", "a.png"), "SVG"),
        ((*BASED, "--plot", "no/a.svg"), "no folder"),
        ((*BASED, "--apply"), "needs a rung.toml"),
        ((*BASED, "--price-file", "none.toml"), "none.toml"),
        (("--ledger",), "needs a rung.toml"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(folder, run, arguments, said):
    (folder / "empty.jsonl").write_text("")
    (folder / "unpriced.jsonl").write_text('{"query_id": "q", "model": "m", "correct": 1}')
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err) < 2000


def test_an_error_of_a_json_command_is_one_document(run):
    status, out, _ = run("--outcomes", "o.jsonl", "--baseline", "m9", "--json")
    assert status == 2
    assert "m9" in json.loads(out)["error"]["message"]


def test_a_name_that_is_nearly_a_model_is_suggested(folder, run):
    text = (folder / "o.jsonl").read_text().replace('"m2"', '"Claude 4.5 Opus (2025)"')
    (folder / "o.jsonl").write_text(text)
    assert "Claude 4.5 Opus (2025)" in run("--outcomes", "o.jsonl", "--baseline", "opus 4.5")[2]


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.01", 0.01), ("100%", 1.0)])
def test_shares_are_read_as_people_write_them(text, value):
    assert share("--max-loss", text) == value


def test_a_models_own_name_may_hold_an_equals_sign():
    assert pairs("--tiers", "GLM (T=1)=glm, b=c") == {"GLM (T=1)": "glm", "b": "c"}
    with pytest.raises(RequestError, match="no model=tier"):
        pairs("--tiers", "glm")


# ------------------------------------------------------------------ from the ledger


@pytest.fixture
def gateway(folder, monkeypatch):
    """A ledger of 2,000 requests of three tiers, one in ten of them sent to all on purpose."""
    toml = TOML.replace("[ladders.default]\n", "[ladders.house]\n")
    for old, new in zip(("cheap", "middle", "top"), TIERS, strict=True):
        toml = toml.replace(f'"{old}"', f'"{new}"').replace(f"tiers.{old}]", f"tiers.{new}]")
    (folder / "rung.toml").write_text(
        toml.replace('"small", "large"', '"small", "middle", "large"')
    )
    Ledger.open(folder / "ledger.db").close()
    draws = np.random.default_rng(1)
    seen = seen_of(World.drawn(2000, 0.0, draws), Gateway(), draws)
    asked = []

    def read(ledger, ladder, tiers, since_unix=0.0):
        asked.append((ladder, tuple(tiers), since_unix))
        return seen

    monkeypatch.setattr(rung.tuner.from_ledger, "ledger_outcomes", read)
    return asked


def test_a_ledger_is_tuned_on_what_was_seen_whole_and_told_on_all_of_it(gateway, run):
    status, out, err = run("--ledger", "--json")
    assert (status, err) == (0, "")
    assert gateway == [("house", TIERS, 0.0)]
    document = json.loads(out)
    assert document["ladder"] == list(TIERS)
    assert 100 < document["n"] < 2000
    assert document["ledger"]["requests"] == 2000
    low, high = document["ledger"]["quality_interval"]
    assert low < document["ledger"]["quality"] < high
    assert document["assumptions"]


def test_what_a_ledger_lacks_is_said_to_people(gateway, run):
    out = run("--ledger", "--since", "30d")[1]
    assert gateway[0][2] > 0
    assert "of 2,000 requests of house were seen by every tier" in out
    assert "On all 2,000 requests, seen in full or not, it would have come to" in out
    assert "Requests to come are like those of this span." in out


def test_a_ledger_without_labels_cannot_say_how_often_checks_err(gateway, run):
    status, _, err = run("--ledger", "--errors", "measured")
    assert status == 2
    assert "no label says how often the check errs" in err


def test_a_ladder_that_is_not_there_is_named(gateway, run):
    status, _, err = run("--ledger", "--ladder", "hous")
    assert status == 2
    assert "did you mean `house`?" in err


# ------------------------------------------------------------------ what it writes


def test_apply_writes_the_ladder_with_a_diff_and_keeps_its_certificate(folder, run):
    (folder / "rung.toml").write_text(TOML)
    status, out, _ = run("--outcomes", "o.jsonl", "--apply", "--yes")
    assert status == 0
    assert '+tiers = ["cheap", "middle", "top"]  # two' in out
    assert '["cheap", "middle", "top"]  # two' in (folder / "rung.toml").read_text()
    assert (folder / "rung.toml.bak").read_text() == TOML
    with Ledger.open(folder / "ledger.db") as ledger:
        kept = ledger.certificate("default")
    assert kept is not None
    assert kept.made is not None
    assert [rung.tier for rung in kept.made.policy.rungs] == ["cheap", "middle", "top"]
    assert set(kept.made.tiers) == {"cheap", "middle", "top"}
    again = json.loads(run("--outcomes", "o.jsonl", "--apply", "--yes", "--json")[1])
    assert again["applied"]["changed"] is False


def test_apply_writes_a_share_of_requests_and_warns_only_where_it_cannot(folder, run, monkeypatch):
    def search(outcomes, aim, tell=lambda _: None):
        made = recommended(outcomes, aim, outcomes.models[:3])
        part = Part(0.4, ladder_of("m0", "m1").whole)
        return replace(made, tuned=replace(made.tuned, part=part))

    monkeypatch.setattr(rung.tuner.tuning, "tune", search)
    (folder / "rung.toml").write_text(TOML)
    status, out, _ = run("--outcomes", "o.jsonl", "--apply", "--yes")
    assert (status, "not written" in out) == (0, False)
    assert "+share = 0.4\n" in out
    with Ledger.open(folder / "ledger.db") as ledger:
        kept = ledger.certificate("default").made
    assert (kept.part.share, kept.beside) == (0.4, {"default-part"})
    # Four of ten requests never come to the top.
    assert kept.tiers["top"].n < 0.6 * kept.tiers["middle"].n
    named = TOML + '[ladders.named]\ntiers = ["top"]\n'
    (folder / "rung.toml").write_text(named)
    out = run("--outcomes", "o.jsonl", "--ladder", "named", "--apply", "--yes")[1]
    assert "40% of requests were to go by cheap -> middle" in out or "by m0 -> m1" in out
    assert "share" not in (folder / "rung.toml").read_text()


def test_apply_writes_nothing_that_nobody_agreed_to(folder, run, monkeypatch):
    (folder / "rung.toml").write_text(TOML)
    status, _, err = run("--outcomes", "o.jsonl", "--apply")
    assert status == 2
    assert "--yes" in err
    assert run("--outcomes", "o.jsonl", "--apply", "--json")[0] == 2
    assert (folder / "rung.toml").read_text() == TOML


@pytest.mark.parametrize(
    ("more", "status"), [((), 2), (("--mode", "none"), 2), (("--mode", "none", "--yes"), 0)]
)
def test_apply_wants_a_certificate_or_two_words_for_none(folder, run, monkeypatch, more, status):
    (folder / "rung.toml").write_text(TOML)
    found_by(monkeypatch, certified=False)
    ended, out, err = run("--outcomes", "o.jsonl", "--apply", *more)
    assert ended == status
    assert ((folder / "rung.toml").read_text() == TOML) == (status == 2)
    assert ("No guarantee goes with this ladder" in out) == (status == 0)
    if status == 2:
        assert "--mode none --apply --yes" in err


def test_a_ladder_without_a_check_is_warned_of_before_it_is_applied(folder, run):
    (folder / "rung.toml").write_text(TOML)
    assert "has no check" in run("--outcomes", "o.jsonl", "--apply", "--yes")[1]
    checked = TOML.replace("# two", '\nverify = ["ruff check --isolated ."]')
    (folder / "rung.toml").write_text(checked)
    assert "has no check" not in run("--outcomes", "o.jsonl", "--apply", "--yes")[1]


def test_models_that_are_no_tier_are_named_and_may_be_told(folder, run):
    (folder / "rung.toml").write_text(TOML.replace('"m1"', '"other"'))
    assert "m1" in run("--outcomes", "o.jsonl", "--apply", "--yes")[2]
    assert run("--outcomes", "o.jsonl", "--apply", "--yes", "--tiers", "m1=middle")[0] == 0


def test_each_tier_of_the_ladder_in_place_is_judged_too(folder, run):
    (folder / "rung.toml").write_text(TOML)
    out = run("--outcomes", "o.jsonl")[1]
    assert "Keep m0 of your ladder default" in out
    (folder / "rung.toml").write_text(TOML.replace('"m0"', '"unknown"'))
    assert "of your ladder" not in run("--outcomes", "o.jsonl")[1]


def test_a_plot_is_an_svg_with_the_ladder_in_it(folder, run):
    assert run("--outcomes", "o.jsonl", "--baseline", "m2", "--plot", "front.svg")[0] == 0
    drawing = (folder / "front.svg").read_text()
    assert drawing.startswith("<svg")
    assert "m0 -&gt; m1 -&gt; m2" in drawing


# ------------------------------------------------------------------ the drawing


def test_dearer_stands_to_the_right_and_better_above():
    lines = drawn([Point("a", 0.01, 0.5), Point("b", 0.10, 0.7), Point("c", 1.0, 0.6)])
    rows = [line for line in lines if "|" in line]
    at = {s: (row, line.index(s)) for row, line in enumerate(rows) for s in "abc" if s in line}
    assert at["b"][0] < at["c"][0] < at["a"][0]
    assert at["a"][1] < at["b"][1] < at["c"][1]
    assert at["b"][1] - at["a"][1] == pytest.approx(at["c"][1] - at["b"][1], abs=1)
    assert "cost of a request" in lines[-1]


@pytest.mark.parametrize(
    "points",
    [
        [],
        [Point("a", 0.1, 0.5)],
        [Point("a", 0.1, 0.5), Point("b", 0.1, 0.5)],
        [Point("a", float("nan"), 0.5), Point("b", 0.1, 0.5)],
    ],
)
def test_nothing_is_drawn_of_less_than_two_places(points):
    assert drawn(points) == ()


def test_what_costs_nothing_stands_at_the_left_edge():
    lines = drawn([Point("f", 0.0, 0.5), Point("b", 0.1, 0.7)])
    assert any(line.endswith("|f") for line in lines)
    assert drawn([Point("f", 0.0, 0.5), Point("g", 0.0, 0.6)]) == ()


def test_the_scale_of_quality_ends_at_all_right():
    lines = drawn([Point("a", 0.1, 1.0), Point("b", 0.2, 1.0)])
    assert lines[0].split("|")[0].strip() == "100%"


def test_every_line_fits_a_narrow_terminal():
    lines = drawn([Point("a", 1e-7, 0.0), Point("b", 900.0, 1.0)])
    assert max(map(len, lines)) < 80
