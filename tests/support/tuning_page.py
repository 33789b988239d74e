"""The example of docs/tuning.md, as the command prints it.

`python tests/support/tuning_page.py DIR` renews the page, with DIR for what the command reads.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "tuning.md"
START, END = "<!-- example -->\n", "<!-- end -->\n"
COMMAND = ("tune", "--outcomes", "outcomes.jsonl", "--baseline", "large")
MODELS = ("small", "middle", "large")


def write_outcomes(folder: Path) -> None:
    """300 queries of a made-up world."""
    from support.outcomes_made import independent

    drawn = independent((0.6, 0.7, 0.9), (0.002, 0.01, 0.08)).drawn(300, 1)
    lines = [
        {"query_id": query, "model": MODELS[column], "correct": drawn.correct[row, column]}
        | {"cost_usd": drawn.cost[row, column] / 1e9, "category": ("chat", "code")[row % 2]}
        for row, query in enumerate(drawn.queries)
        for column in range(len(MODELS))
    ]
    (folder / "outcomes.jsonl").write_text("\n".join(map(json.dumps, lines)))


def example(folder: Path) -> str:
    """What the page shows; how long it took differs, and is left out."""
    from support.gateway import rung

    write_outcomes(folder)
    made = rung(folder, *COMMAND)
    assert made.returncode == 0, made.stderr
    lines = "\n".join(line.rstrip() for line in made.stdout.splitlines())
    text = re.sub(r", in [\d.]+ s", "", lines)
    return f"```\n$ rung {' '.join(COMMAND)}\n{text}\n```\n"


def shown() -> str:
    """What the page has."""
    return PAGE.read_text("utf-8").partition(START)[2].partition(END)[0]


def main() -> None:
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(before + START + example(Path(sys.argv[1])) + END + after, "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
