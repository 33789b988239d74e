"""The study of confidence: its page quotes its results, and its measures measure."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "confidence.md").read_text("utf-8")
FIGURES = ROOT / "docs" / "figures"
RESULTS = json.loads((FIGURES / "confidence.json").read_text("utf-8"))
DATA = Path(os.environ.get("RUNG_TEST_DATA", ""))
NAMES = (
    "markdown",
    "measures",
    "recorded",
    "svg",
    "confidence_votes",
    "confidence_calibration",
    "confidence_cascades",
    "confidence_figures",
    "confidence_page",
    "confidence",
)


@pytest.fixture(scope="module")
def study():
    """The modules of benchmarks/, which is a folder of scripts and no package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture
def data(study):
    if not os.environ.get("RUNG_TEST_DATA") or study.recorded.missing(DATA):
        pytest.skip("RUNG_TEST_DATA names no folder with the recorded answers")
    return DATA


# ------------------------------------------------------------------ the page


def test_every_table_of_the_page_is_made_of_the_results(study):
    assert study.confidence_page.renewed(PAGE, RESULTS) == PAGE


def test_the_page_has_every_table_once(study):
    marked = re.findall(r"<!-- table: (\w+) -->", PAGE)
    assert sorted(marked) == sorted(study.confidence_page.TABLES)


def test_every_figure_in_the_prose_stands_in_a_table_or_in_the_settings():
    tables = re.findall(r"<!-- table: \w+ -->.*?<!-- end -->", PAGE, re.DOTALL)
    known = set(re.findall(_NUMBER, " ".join(tables)))
    for value in [*RESULTS["data"].values(), *RESULTS["settings"].values()]:
        known |= {f"{value}", f"{value:,}", f"{100 * value:.1f}%", f"{100 * value:.0f}%"}
    prose = re.sub(r"<!-- table: \w+ -->.*?<!-- end -->", "", PAGE, flags=re.DOTALL)
    # Names of models, papers and settings' values are no results.
    prose = re.sub(
        r"gpt-[\d.]+|claude-[\d-]+|arXiv [\d.]+|Apache-2.0|`min_confidence` 0.5", "", prose
    )
    quoted = re.findall(_NUMBER, prose.replace("0.5 served", "served"))
    assert len(quoted) > 30
    assert [each for each in quoted if each not in known] == []


_NUMBER = r"\d[\d,]*\.\d+%?|\d+%|\d{1,3},\d{3}"
"""Decimals, percentages and thousands: what a page gets wrong when it drifts."""


def test_every_figure_is_made_of_the_results(study):
    for figure in study.confidence_figures.figures(RESULTS):
        assert (FIGURES / f"{figure.name}.svg").read_text("utf-8") == study.svg.drawn(figure)
        assert f"figures/{figure.name}.svg" in PAGE


def test_every_figure_is_a_document_with_a_title_and_both_modes():
    for path in sorted(FIGURES.glob("*.svg")):
        text = path.read_text("utf-8")
        root = ET.fromstring(text)
        assert root.findtext("{http://www.w3.org/2000/svg}title")
        assert "prefers-color-scheme:dark" in text
        assert "nan" not in text


# ------------------------------------------------------------------ the measures


def rows_of(study, *pairs):
    return [study.measures.Scored(str(i), score, right) for i, (score, right) in enumerate(pairs)]


def test_auroc_counts_pairs_and_ties_for_half(study):
    rows = rows_of(study, (0.9, True), (0.5, True), (0.5, False), (0.1, False))
    assert study.measures.auroc(rows) == pytest.approx(3.5 / 4)


def test_auroc_of_one_kind_of_answers_is_none(study):
    assert study.measures.auroc(rows_of(study, (0.2, True), (0.9, True))) is None


def test_ece_is_the_gap_of_score_and_share_right(study):
    rows = rows_of(study, *[(0.8, True)] * 6, *[(0.8, False)] * 4)
    assert study.measures.ece(rows) == pytest.approx(0.2)


def test_a_score_of_one_falls_into_the_last_bin(study):
    assert [b.count for b in study.measures.reliability(rows_of(study, (1.0, True)))] == [1]


scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@given(scored)
def test_measures_stay_within_their_range(study, pairs):
    rows = rows_of(study, *pairs)
    values = [study.measures.ece(rows), study.measures.brier(rows), study.measures.auroc(rows)]
    assert all(value is None or 0 <= value <= 1 + 1e-9 for value in values)


@given(scored)
def test_auroc_of_turned_scores_is_its_complement(study, pairs):
    rows = rows_of(study, *[(round(s * 8) / 8, right) for s, right in pairs])
    turned = rows_of(study, *[(1 - round(s * 8) / 8, right) for s, right in pairs])
    value = study.measures.auroc(rows)
    assert value is None or study.measures.auroc(turned) == pytest.approx(1 - value)


def test_halves_are_halves_of_the_questions_and_the_same_each_time(study):
    questions = [str(n % 10) for n in range(30)]
    first = list(study.measures.halves(questions, 5, 1))
    assert first == list(study.measures.halves(questions, 5, 1))
    assert {len(half) for half in first} == {5}
    assert len(set(first)) > 1


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("18.0", 18, True),
        ("57,500", 57500, True),
        ("05/01/2021", "05/01/2021", True),
        ("05/01/2021.", "05/01/2021", False),
        ("75.006", 75, False),
        ("nan", 75, False),
        ("inf", 75, False),
        ("", 0, False),
    ],
)
def test_an_answer_is_right_as_the_data_judge_it(study, answer, truth, right):
    assert study.recorded.is_right(answer, truth) is right


# ------------------------------------------------------------------ votes


def drawn_of(study, *answers, truth="a"):
    right = tuple(answer == truth for answer in answers)
    return study.recorded.Drawn("q", "date", "gpt-4", "cot1", answers, right, truth)


def test_a_vote_is_right_when_its_leader_is(study):
    state = study.confidence_votes.voted(drawn_of(study, "b", "a", "a", "b", "a"), 5)
    assert state.right
    assert state.scored().score == 0.6


@given(st.lists(st.sampled_from("abc"), min_size=5, max_size=5), st.sampled_from((0.6, 0.8, 1.0)))
def test_drawing_until_the_threshold_is_settled_accepts_what_all_draws_accept(
    study, answers, threshold
):
    votes = study.confidence_votes
    states = [votes.voted(drawn_of(study, *answers), count) for count in range(1, 6)]
    early, whole = votes._settled(states, 5, threshold), states[-1]
    accepted = whole.tally.share >= threshold - 1e-9
    assert (early.tally.share >= threshold - 1e-9) == accepted
    assert not accepted or early.right == whole.right


def test_the_expectation_of_escalating_at_random_lies_between_both_tiers(study):
    cascades = study.confidence_cascades
    cases = [
        cascades.Case(
            question=str(n),
            share=share,
            cheap=cheap,
            single=cheap,
            strong=True,
            cheap_cost=0.1,
            strong_cost=1.0,
        )
        for n, (share, cheap) in enumerate([(1.0, True), (1.0, True), (0.4, False), (0.6, False)])
    ]
    point = cascades._point(cases, 0.8)
    assert point["escalated"] == 0.5
    assert point["right"] == 1.0
    assert point["shuffled_right"] == pytest.approx(0.75)
    assert point["cost"] == pytest.approx(0.6)


# ------------------------------------------------------------------ the program


def test_a_folder_without_the_data_is_told_what_is_missing(study, tmp_path, capsys):
    assert study.confidence.main(["--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert all(name in said for name in study.recorded.FILES)
    assert list(tmp_path.iterdir()) == []


def test_the_data_still_give_what_the_page_says_of_agreement(study, data):
    lists = study.recorded.draws(data)
    groups = study.confidence_votes.by_group(lists)
    rows = {
        name: study.confidence_votes.confidences(each, study.confidence_votes.samples_of(name))
        for name, each in groups.items()
    }
    curves = {name: study.confidence_votes.coverage(each) for name, each in rows.items()}
    assert study.confidence._rounded(curves) == RESULTS["coverage"]
    opinions = study.confidence_votes.second_opinions(lists)
    assert study.confidence._rounded(opinions) == RESULTS["second_opinions"]
    diagram = study.confidence_calibration.diagram(rows["gpt-3.5-turbo on date"], "agreement")
    assert study.confidence._rounded(diagram) == RESULTS["diagrams"]["gpt-3.5-turbo on date"]
