"""What a ledger of many requests takes, and how long the bill over it does.

    .venv/bin/python benchmarks/ledger.py                     # a million: 5 minutes, 2.4 GB
    .venv/bin/python benchmarks/ledger.py --requests 100000   # 25 s

Everything is on the disk for temporary files; bills are commands of their own, as people run them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter

from conditions import conditions, real_disk
from ledger_rows import BEGAN_UNIX, fill

from rung.ledger import Ledger
from rung.ledger.retention import Limits, Retention

ROUNDS = 5
CONFIG = """\
ledger = "{ledger}"

[tiers.local]
provider = "ollama"
model = "any"

[ladders.default]
tiers = ["local"]
"""
BILLS = (
    ("bill", ["bill"]),
    ("bill --by project", ["bill", "--by", "project"]),
    ("bill --by key", ["bill", "--by", "key"]),
    ("bill --since, within an hour", ["bill", "--since", "2026-11-05T10:17"]),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=real_disk()) as folder:
        found = measured(Path(folder), asked.requests, asked.days)
        found["conditions"] = conditions(Path(folder), 0.0)
    if asked.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:<34} {value}")


def measured(folder: Path, requests: int, days: float) -> dict[str, object]:
    ledger, config = folder / "ledger.db", folder / "rung.toml"
    config.write_text(CONFIG.format(ledger=ledger))
    found: dict[str, object] = {"requests": requests}
    began = perf_counter()
    fill(ledger, requests, days)
    found["seconds to fill"] = round(perf_counter() - began, 1)
    found["bytes a request"] = sizes(ledger, requests)
    found["seconds of the first bill"] = timed(config, ["bill"])
    for name, command in BILLS:
        found[f"seconds of {name}"] = sorted(timed(config, command) for _ in range(ROUNDS))[2]
    found["seconds of ledger check"] = timed(config, ["ledger", "check"])
    found["deleted a second"] = deleting(ledger, days)
    found["seconds of bill, all summed"] = timed(config, ["bill"])
    return found


def timed(config: Path, command: list[str]) -> float:
    """How long a command takes, the start of Python included."""
    rung = Path(sys.executable).with_name("rung")
    whole = [str(rung), *command, "--config", str(config), "--json"]
    began = perf_counter()
    subprocess.run(whole, check=True, capture_output=True)
    return round(perf_counter() - began, 2)


def sizes(path: Path, requests: int) -> dict[str, int]:
    """Bytes of the file a request: in all, and the largest tables and indexes."""
    found = {"all": round(path.stat().st_size / requests)}
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute(
                "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6"
            ).fetchall()
        except sqlite3.OperationalError:  # this SQLite was built without that table
            return found
    return found | {name: round(size / requests) for name, size in rows}


def deleting(path: Path, days: float) -> int:
    """How many requests retention deletes a second, of the oldest tenth."""
    with Ledger.open(path) as ledger:
        now = BEGAN_UNIX + days * 86_400
        limits = Limits(days=days * 0.99)
        began = perf_counter()
        gone = Retention(ledger, limits, "benchmark", wall=lambda: now).look(30.0)
        return round(gone.requests / (perf_counter() - began))


if __name__ == "__main__":
    main()
