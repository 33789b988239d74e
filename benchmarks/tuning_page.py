"""The page docs/tuning_figures.md, from what the studies of the tuner have written.

    python benchmarks/tuning_page.py --results OUT

OUT holds tuner_guarantee.json, adversaries.json, tuner_heldout.json, tuner_synthetic.json and
tuner_speed.json. What the page shows of them goes to docs/figures/tuning.json, the tables into the
page, the figures beside. The same results give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from markdown import table
from svg import Figure, drawn
from tuner_figures import guarantee_figure, heldout_figure
from tuner_tables import (
    adversaries_short,
    adversaries_worst,
    guarantee_bounds,
    guarantee_overall,
    guarantee_split,
    guarantee_swebench,
    heldout,
    speed,
    synthetic,
)

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tuning_figures.md"
FIGURES = ROOT / "docs" / "figures"
STUDIES = {
    "guarantee": "tuner_guarantee",
    "adversaries": "adversaries",
    "heldout": "tuner_heldout",
    "synthetic": "tuner_synthetic",
    "speed": "tuner_speed",
}
CELL = ("way", "set", "rank", "size", "margin", "violations", "uncertified", "draws", "cost")
"""What the page keeps of a cell of the guarantee."""

Results = Mapping[str, Any]
_BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def gathered(folder: Path) -> dict[str, Any]:
    """All studies' results, the cells of the guarantee cut to what the page needs."""
    found = {
        name: json.loads((folder / f"{file}.json").read_text("utf-8"))
        for name, file in STUDIES.items()
    }
    cells = found["guarantee"]["cells"]
    found["guarantee"]["cells"] = [
        {key: row[key] for key in CELL if key in row} for row in cells if row["way"] in _SHOWN
    ]
    for row in found["adversaries"]["cells"].values():
        row["ways"] = {
            way: {"violated": each["violated"], "cost": each["cost"]}
            for way, each in row["ways"].items()
        }
    return found


_SHOWN = ("naive", "textbook", "reference kept", "default", "proof")


def renewed(page: str, results: Results) -> str:
    """The page with every marked table made anew."""
    return _BLOCK.sub(lambda found: block(found[1], results), page)


def block(name: str, results: Results) -> str:
    """A table between its marks."""
    return f"<!-- table: {name} -->\n\n{TABLES[name](results)}\n\n<!-- end -->"


def figures(results: Results) -> list[Figure]:
    """All figures of the page."""
    return [guarantee_figure(results["guarantee"]), heldout_figure(results["heldout"])]


def _conditions(results: Results) -> str:
    held = results["heldout"]["rows"][0]["splits"]
    drawn = sorted({row["draws"] for row in results["synthetic"]["cells"]})
    sizes = {
        "guarantee": f"{results['guarantee']['draws']} draws a cell",
        "adversaries": f"{results['adversaries']['draws']} draws a cell",
        "heldout": f"{held} splits a set",
        "synthetic": f"{' or '.join(map(str, drawn))} draws a distribution",
        "speed": "the quickest of some runs",
    }
    return table(
        ["study", "size", "machine", "Python, numpy", "load of the machine at the end"],
        (
            [
                STUDIES[name],
                size,
                f"{told['cpu']}, {told['cores']} cores",
                f"{told['python']}, {told['numpy']}",
                f"{told['load'][0]:g}",
            ]
            for name, size in sizes.items()
            for told in (results[name]["conditions"],)
        ),
    )


TABLES: Mapping[str, Callable[[Results], str]] = {
    "overall": lambda results: guarantee_overall(results["guarantee"]),
    "swebench": lambda results: guarantee_swebench(results["guarantee"]),
    "sizes": lambda results: guarantee_split(results["guarantee"], "size", "n"),
    "margins": lambda results: guarantee_split(results["guarantee"], "margin", "margin"),
    "sets": lambda results: guarantee_split(results["guarantee"], "set", "set"),
    "bounds": lambda results: guarantee_bounds(results["guarantee"]),
    "adversaries": lambda results: adversaries_worst(results["adversaries"]),
    "traps": lambda results: adversaries_short(results["adversaries"]),
    "heldout": lambda results: heldout(results["heldout"]),
    "synthetic": lambda results: synthetic(results["synthetic"]),
    "speed": lambda results: speed(results["speed"]),
    "conditions": _conditions,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--results", type=Path, required=True, help="folder of the studies' results"
    )
    folder = parser.parse_args(arguments).results
    if gone := [
        f"{file}.json" for file in STUDIES.values() if not (folder / f"{file}.json").is_file()
    ]:
        print(f"Not in {folder}: {', '.join(gone)}. benchmarks/README.md says what writes them.")
        return 2
    results = gathered(folder)
    text = json.dumps(results, separators=(",", ":")).replace('},{"way"', '},\n{"way"')
    (FIGURES / "tuning.json").write_text(text + "\n", "utf-8")
    for figure in figures(results):
        (FIGURES / f"{figure.name}.svg").write_text(drawn(figure), "utf-8")
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), results), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
