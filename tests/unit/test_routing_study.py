"""The study of routing: its tables and figures, and that the prior knows what it was fitted on."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("RUNG_TEST_DATA", ""))


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of benchmarks/, which are no package."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    names = ("outcomes", "routing_page", "svg")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def results() -> dict:
    return json.loads((ROOT / "docs" / "figures" / "routing.json").read_text("utf-8"))


def test_the_page_holds_the_figures_of_the_study(study: SimpleNamespace, results: dict) -> None:
    page = (ROOT / "docs" / "routing_curves.md").read_text("utf-8")
    assert study.routing_page.renewed(page, results) == page


def test_the_figures_are_drawn_from_the_study(study: SimpleNamespace, results: dict) -> None:
    for figure in study.routing_page.figures(results):
        text = study.svg.drawn(figure)
        ET.fromstring(text)
        assert (ROOT / "docs" / "figures" / f"{figure.name}.svg").read_text("utf-8") == text


def test_the_prior_knows_the_requests_that_it_was_fitted_on(study: SimpleNamespace) -> None:
    if not os.environ.get("RUNG_TEST_DATA") or study.outcomes.missing(DATA):
        pytest.skip("RUNG_TEST_DATA names no folder with the recorded outcomes")
    from rung.prior import shipped_prior

    asked = study.outcomes.questions(DATA, study.outcomes.GSM8K)
    prior = shipped_prior()
    assert prior.shared(one.traits for one in asked) == len(asked)
    unknown = study.outcomes.questions(DATA, study.outcomes.ROUTERBENCH)
    assert prior.shared(one.traits for one in unknown) < 0.01 * len(unknown)
