"""The page on the tuner quotes the results of its studies, to the last digit."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
BENCHMARKS = DOCS.parent / "benchmarks"


@pytest.fixture
def study() -> Iterator[SimpleNamespace]:
    """The modules of benchmarks/, which is a folder of scripts and no package."""
    sys.path.insert(0, str(BENCHMARKS))
    names = ("svg", "tuning_page")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def results() -> dict:
    return json.loads((DOCS / "figures" / "tuning.json").read_text("utf-8"))


def test_the_page_holds_the_figures_of_the_studies(study: SimpleNamespace, results: dict) -> None:
    page = (DOCS / "tuning_figures.md").read_text("utf-8")
    assert study.tuning_page.renewed(page, results) == page
    for name in study.tuning_page.TABLES:
        assert f"<!-- table: {name} -->" in page


def test_the_figures_are_drawn_from_the_studies(study: SimpleNamespace, results: dict) -> None:
    for figure in study.tuning_page.figures(results):
        text = study.svg.drawn(figure)
        ET.fromstring(text)
        assert (DOCS / "figures" / f"{figure.name}.svg").read_text("utf-8") == text


def test_no_cell_is_surely_above_what_was_promised(results: dict) -> None:
    for study in ("guarantee", "adversaries"):
        overall = results[study]["overall"]
        assert "default" in overall
        for way in {"default", "proof"} & set(overall):
            assert overall[way]["surely_above"] == 0
    assert results["adversaries"]["overall"]["none"]["surely_above"] > 0
