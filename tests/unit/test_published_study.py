"""The study of published settings: its page, its halves, and the ways of using estimates."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from rung.tuner.aims import Tuned
from rung.tuner.odds import Given
from rung.tuner.outcomes import Outcomes
from rung.tuner.simulate import expected

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("RUNG_TEST_DATA", ""))
NANO = 1e9


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of benchmarks/, which are no package."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    names = ("published_halves", "published_noise", "published_page", "published_ways", "svg")
    names += ("published_votes",)
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def results() -> dict:
    file = ROOT / "docs" / "figures" / "tuning_published.json"
    return json.loads(file.read_text("utf-8"))


def made(seed: int, count: int = 120, models: int = 5) -> Outcomes:
    """Models that are the dearer the better, with some luck."""
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.4, 0.9, models)
    correct = (rng.uniform(size=(count, models)) < skill).astype(float)
    cost = NANO * rng.uniform(0.5, 1.5, (count, models)) * 2.0 ** np.arange(models) / 1000
    names = tuple(f"m{place}" for place in range(models))
    queries = tuple(map(str, range(count)))
    return Outcomes(names, queries, correct, cost, np.zeros(count, dtype=int))


def knowing(study: SimpleNamespace, of: Outcomes):
    """Estimates without any noise."""
    truth = of.correct.copy()
    return study.published_ways.Estimates(truth, truth, np.zeros(len(of.models)), of.cost / NANO)


def test_the_page_holds_the_figures_of_the_study(study: SimpleNamespace, results: dict) -> None:
    page = (ROOT / "docs" / "tuning_published.md").read_text("utf-8")
    assert study.published_page.renewed(page, results) == page
    for name in study.published_page.TABLES:
        assert f"<!-- table: {name} -->" in page


def test_the_figure_is_drawn_from_the_study(study: SimpleNamespace, results: dict) -> None:
    for figure in study.published_page.figures(results):
        text = study.svg.drawn(figure)
        ET.fromstring(text)
        assert (ROOT / "docs" / "figures" / f"{figure.name}.svg").read_text("utf-8") == text


def test_halves_share_no_query_and_differ_from_each_other(study: SimpleNamespace) -> None:
    found = list(study.published_halves.halves(101))
    assert len(found) == 40
    for known, unseen in found:
        assert sorted([*known, *unseen]) == list(range(101))
    assert len({tuple(known) for known, _ in found}) == 40


def test_the_area_is_the_mean_quality_between_the_cheapest_and_the_dearest(study) -> None:
    area = study.published_noise.area
    singles = [(1.0, 0.4), (3.0, 0.8)]
    assert area(singles, singles) == pytest.approx(0.6)
    # Nothing is gained by spending more than the last point, and before the first is the worst.
    assert area([(2.0, 0.8)], singles) == pytest.approx((0.6 * 1 + 0.8 * 1) / 2)
    assert area([(0.5, 0.9), (9.0, 0.9)], singles) == pytest.approx(0.9)


def test_mixing_models_needs_only_those_on_the_hull(study: SimpleNamespace) -> None:
    linear = study.published_noise.linear
    assert linear([(1.0, 0.4), (2.0, 0.3), (3.0, 0.8)]) == pytest.approx(0.6)
    assert linear([(1.0, 0.4), (2.0, 0.7), (3.0, 0.8)]) > linear([(1.0, 0.4), (3.0, 0.8)])


def test_who_knows_all_is_right_wherever_any_model_is(study: SimpleNamespace) -> None:
    of = made(1)
    told = knowing(study, of)
    best = of.correct.max(axis=1).mean()
    for way in (study.published_ways.routing, study.published_ways.cascade_routing):
        cost, right = way(of, told)(1e6)(of, told)
        assert right == pytest.approx(best)
        assert cost <= of.cost.sum(axis=1).mean() / NANO


def test_no_way_spends_more_on_the_known_half_than_its_budget(study: SimpleNamespace) -> None:
    of = made(2)
    told = study.published_noise.noisy(of, np.arange(len(of)), "low", 5)
    for name, way in study.published_ways.WAYS.items():
        tuned = way(of, told)
        for budget in (0.002, 0.004, 0.01):
            cost, right = tuned(budget)(of, told)
            assert cost <= budget * (1 + 1e-9), name
            assert 0 <= right <= 1


def test_a_ladder_costs_and_gives_in_the_replay_what_its_search_said(study) -> None:
    of = made(3)
    told = study.published_noise.noisy(of, np.arange(len(of)), "medium", 6)
    search = study.published_ways._Ladders(of, told.after)
    sure = replace(of, confidence=np.clip(told.after, 0, 1))
    lengths = set()
    for budget in np.linspace(0.0012, 0.02, 12):
        policy = search.best(budget)
        said = max((one for one in search.found if one[0] <= budget), key=lambda one: one[1])
        played = expected(sure, Tuned(policy), Given.NO_CHECK)
        assert played.right.mean() == pytest.approx(said[1])
        assert played.cost.mean() / NANO <= budget
        lengths.add(len(policy.rungs))
    assert len(lengths) > 1


def test_more_noise_makes_every_way_worse(study: SimpleNamespace) -> None:
    of = made(4, count=600)
    known = np.arange(len(of))
    for name, way in study.published_ways.WAYS.items():
        found = []
        for level in ("low", "high"):
            told = study.published_noise.noisy(of, known, level, 7)
            found.append(way(of, told)(0.006)(of, told)[1])
        assert found[0] > found[1], name


@pytest.mark.skipif(not DATA.name, reason="RUNG_TEST_DATA names no folder of recorded outcomes")
def test_the_part_on_judges_comes_out_as_it_is_told(study: SimpleNamespace, results) -> None:
    if not (DATA / "trust_or_escalate.dev.jsonl.gz").is_file():
        pytest.skip("the judges' file is not in RUNG_TEST_DATA")
    found = study.published_votes.judging(DATA)
    told = [row["none"] for row in results["judges"]]
    assert [row["none"] for row in found] == pytest.approx(told)
