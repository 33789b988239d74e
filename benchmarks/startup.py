"""How long a person waits: for help, and for a gateway's first healthy answer."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter

from processes import RUNG, Process, free_port

TIER = """\
[tiers.one]
provider = "openai_compatible"
model = "gpt-4o-mini"
base_url = "http://127.0.0.1:9/v1"
{price}

[ladders.default]
tiers = ["one"]
"""
PRICES = {"free": 'price = "free"', "listed price": "local = false"}
"""A tier whose price is written down, and one whose price comes from genai-prices' list."""


def startup(folder: Path, times: int) -> dict[str, float]:
    """Seconds, by what is started; medians."""
    told = {
        "python -c pass": _median_of(times, [sys.executable, "-c", "pass"], folder),
        "rung --help": _median_of(times, [RUNG, "--help"], folder),
    }
    for name, price in PRICES.items():
        took = []
        config = folder / "start.toml"
        for place in range(times):
            # A ledger of its own each time: making the tables is part of a first start.
            ledger = folder / f"{name.replace(' ', '-')}-{place}.db"
            config.write_text(f'ledger = "{ledger}"\n{TIER.format(price=price)}', "utf-8")
            took.append(_until_healthy(config, folder))
        told[f"rung serve, {name}, new ledger"] = median(took)
        again = [_until_healthy(config, folder) for _ in range(times)]
        told[f"rung serve, {name}"] = median(again)
    return told


def _median_of(times: int, command: list[str], folder: Path) -> float:
    took = []
    for _ in range(times):
        began = perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=folder)
        took.append(perf_counter() - began)
    return median(took)


def _until_healthy(config: Path, folder: Path) -> float:
    port = free_port()
    with ExitStack() as stack:
        began = perf_counter()
        command = [RUNG, "serve", "--port", str(port), "--config", str(config)]
        process = Process(command, port, folder)
        stack.callback(process.stop)
        process.healthy("/healthz")
        return perf_counter() - began
