"""The settings of docs/tuning_published.md: what others report, beside what comes out here.

    python benchmarks/tuner_published.py --data FOLDER

writes tuning_published.json and a figure into docs/figures and renews the tables of the page.
FOLDER holds the recorded outcomes that the page names; nothing of them is kept. The same data give
the same bytes. Everything is chosen on one half of a set and played on the other, 40 times.
`--only noise judges` makes some parts anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import published_ladders as ladders
import published_noise as noise
import published_routers as routers
import published_votes as votes
from published_halves import ROUTERBENCH, SPLITS, SWEBENCH, ZEROEVAL, missing, whole
from published_page import figures, renewed
from svg import drawn

from rung.tuner.outcomes import Outcomes

ROOT = Path(__file__).parent.parent
DIGITS = 4


Note = Callable[[str], None]


def parts(folder: Path, note: Note) -> dict[str, Callable[[], Any]]:
    """Each part of the study by its name in the results."""

    def of(*names: str) -> dict[str, Outcomes]:
        return {name: whole(folder, name) for name in names}

    return {
        "routellm": lambda: routers.pairs(folder, note),
        "router": lambda: routers.saved(folder, note),
        "ladders": lambda: ladders.saved(of(ROUTERBENCH, ZEROEVAL, SWEBENCH), note),
        "noise": lambda: noise.study(*of(ROUTERBENCH, SWEBENCH).values(), note),
        "mixture": lambda: votes.mixture(folder),
        "agreement": lambda: votes.agreement(folder),
        "judges": lambda: votes.judging(folder),
    }


def _rounded(value: Any) -> Any:
    match value:
        case float():
            # Adding zero turns -0.0 into 0.0; small amounts of money keep their digits.
            return (round(value, DIGITS) if abs(value) >= 0.1 else float(f"{value:.4g}")) + 0.0
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value


def main(arguments: list[str]) -> int:
    options = _options().parse_args(arguments)
    if gone := missing(options.data):
        print(f"Not in {options.data}: {', '.join(gone)}. docs/tuning_published.md names them.")
        return 2
    began = perf_counter()

    def note(line: str) -> None:
        print(f"{perf_counter() - began:6.0f} s  {line}", file=sys.stderr)

    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "tuning_published.json"
    results = json.loads(file.read_text("utf-8")) if options.only else {"splits": SPLITS}
    for name, part in parts(options.data, note).items():
        if not options.only or name in options.only:
            results[name] = _rounded(part())
            note(name)
    text = json.dumps(results, indent=1) + "\n"
    file.write_text(text, "utf-8")
    write(results, options.out)
    if options.json:
        print(text, end="")
    return 0


def write(results: dict[str, Any], out: Path) -> None:
    """The figure, and the page beside its folder."""
    for figure in figures(results):
        (out / f"{figure.name}.svg").write_text(drawn(figure), "utf-8")
    page = out.parent / "tuning_published.md"
    if page.is_file():
        page.write_text(renewed(page.read_text("utf-8"), results), "utf-8")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the recorded outcomes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="PART", help="make these parts anew, keep the rest"
    )
    parser.add_argument("--json", action="store_true", help="print the results as one document")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
