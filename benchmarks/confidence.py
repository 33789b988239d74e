"""The study of docs/confidence.md: how far can agreement be trusted where nothing proves a thing?

    python benchmarks/confidence.py --data FOLDER

writes confidence.json and the figures into docs/figures and renews the tables of the page. FOLDER
holds the recorded answers that the page names; nothing of them is kept. No number is random from
one run to the next: the same data give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import confidence_calibration as calibrations
import confidence_cascades as cascades
import confidence_votes as votes
import measures
import recorded
from confidence_figures import figures
from confidence_page import renewed
from svg import drawn

from rung.core.calibration import CLIP

ROOT = Path(__file__).parent.parent
DIGITS = 4
SIGNAL = "agreement"


def study(folder: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """All results, as JSON values rounded to four decimals."""
    lists, panel = recorded.draws(folder), recorded.panel(folder)
    groups = votes.by_group(lists)
    rows = {name: votes.confidences(each, votes.samples_of(name)) for name, each in groups.items()}
    parts: dict[str, Callable[[], Any]] = {
        "data": lambda: _data(folder, lists, panel),
        "settings": _settings,
        "agreement": lambda: votes.agreement(groups),
        "coverage": lambda: {name: votes.coverage(each) for name, each in rows.items()},
        "second_opinions": lambda: votes.second_opinions(lists),
        "comparisons": lambda: votes.comparisons(groups),
        "accepting": lambda: votes.accepting(groups),
        "adaptive": lambda: votes.adaptive(groups),
        "calibration": lambda: {
            name: calibrations.calibration(each, SIGNAL) for name, each in rows.items()
        },
        "diagrams": lambda: {
            name: calibrations.diagram(each, SIGNAL) for name, each in rows.items()
        },
        "few_labels": lambda: calibrations.few_labels(rows, SIGNAL),
        "elsewhere": lambda: calibrations.elsewhere(rows, SIGNAL),
        "panel": lambda: cascades.crossed(panel),
        "cascades": lambda: cascades.cascades(lists),
        "judges": lambda: calibrations.judging(recorded.judges(folder)),
    }
    found = {}
    for name, part in parts.items():
        began = perf_counter()
        found[name] = part()
        note(f"{name}: {perf_counter() - began:.1f} s")
    rounded: dict[str, Any] = _rounded(found)
    return rounded


def _data(folder: Path, lists: list[recorded.Drawn], panel: dict[str, Any]) -> dict[str, Any]:
    return {
        "lists": len(lists),
        "answers": sum(len(one.answers) for one in lists),
        "questions": len({one.question for one in lists}),
        "repeating": recorded.repeats(folder),
        "judged_otherwise": recorded.judged_otherwise(folder),
        "panel_questions": len(panel),
        "panel_models": len({model for answers in panel.values() for model in answers}),
        "judged": sum(len(said) for said in recorded.judges(folder).values()),
    }


def _settings() -> dict[str, Any]:
    return {
        "splits": calibrations.SPLITS,
        "few_splits": calibrations.FEW_SPLITS,
        "cascade_splits": cascades.SPLITS,
        "most_labels": calibrations.MOST_LABELS,
        "bins": measures.BINS,
        "orders": votes.ORDERS,
        "resamples": votes.RESAMPLES,
        "draw_cost": cascades.DRAW_COST,
        "cheap_part": cascades.CHEAP_PART,
        "margin": cascades.MARGIN,
        "certainty": votes.DEFAULT,
        "interval": measures.INTERVAL,
        "most_share": 1 - CLIP,
    }


def _rounded(value: Any) -> Any:
    match value:
        case float():
            # Adding zero turns -0.0 into 0.0.
            return round(value, DIGITS) + 0.0
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if gone := recorded.missing(options.data):
        print(f"Not in {options.data}: {', '.join(gone)}. docs/confidence.md says what they are.")
        return 2
    began = perf_counter()
    results = study(options.data, lambda line: print(line, file=sys.stderr))
    text = json.dumps(results, indent=1) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "confidence.json").write_text(text, "utf-8")
    for figure in figures(results):
        (options.out / f"{figure.name}.svg").write_text(drawn(figure), "utf-8")
    page = options.out.parent / "confidence.md"
    if page.is_file():
        page.write_text(renewed(page.read_text("utf-8"), results), "utf-8")
    if options.json:
        print(text, end="")
    else:
        print(f"{options.out}: figures and confidence.json, {perf_counter() - began:.0f} s")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the recorded answers")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures")
    parser.add_argument("--json", action="store_true", help="print the results as one document")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
