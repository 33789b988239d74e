"""Fit the prior that `rung route train` may start from.

    python tools/route_prior.py --data FOLDER

writes src/rung/route_prior.json. FOLDER holds the recorded outcomes that docs/route_prior.md names.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from outcomes import GSM8K, MIXTRAL, MMLU, questions  # noqa: E402 found by the line above

from rung.core.chances import Example, fit  # noqa: E402 as above
from rung.prior import packed  # noqa: E402 as above

FILE = ROOT / "src" / "rung" / "route_prior.json"
SLIGHT = 0.01
DIGITS = 2

CARD = {
    "what": "log odds that Mixtral-8x7B-Instruct is right, by traits of a request",
    "trained_on": "RouteLLM's outcomes on GSM8K and half of MMLU (Apache-2.0)",
    "card": "docs/route_prior.md",
}


def main(arguments: list[str]) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args(arguments).data
    found = [*questions(folder, GSM8K), *questions(folder, MMLU)]
    made = fit([Example(one.traits, one.passed[MIXTRAL]) for one in found])
    weights = {
        str(trait): round(weight, DIGITS)
        for trait, weight in sorted(made.weights.items())
        if abs(weight) >= SLIGHT
    }
    stored = {**CARD, "requests": len(found), "base": made.base, "weights": weights}
    stored["seen"] = packed(one.traits for one in found)
    text = json.dumps(stored, separators=(",", ":")) + "\n"
    FILE.write_text(text, "utf-8")
    print(f"{FILE.name}: {len(weights)} weights, {len(text):,} bytes, {len(found):,} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
