"""What it costs to see what a request is and to plan it, by its size. Nothing is called.

Requests of Chat Completions of 1 KB, 64 KB and 1 MB, as an agent sends them: tools, a system
prompt, turns of text and results of tools. Each stage is timed in turns with the others; told is
the median of the rounds, in microseconds. `plan` is the whole way from a decoded request to its
order, with the configuration named; what a configuration costs more is against the plain one.

    python benchmarks/planning.py [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from rung.assemble import assemble
from rung.config import parse
from rung.core.features import features
from rung.core.tasks import task
from rung.core.types import Directions, Request
from rung.wire import chat
from rung.wire.front import Arrival

SIZES = {"1 KB": 1024, "64 KB": 64 * 1024, "1 MB": 1024 * 1024}
ROUNDS, SECONDS = 15, 0.02

TIERS = """
[tiers.small]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "small"

[tiers.large]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "large"
price = {input_usd_per_mtok = 3, output_usd_per_mtok = 15}

[ladders.default]
tiers = ["small", "large"]
"""
RULES = """
[[rules]]
category = ["coding"]
entry = "large"
"""
CONFIGURED = {
    "plain": TIERS,
    "rules that read the task": TIERS + RULES,
    "routing learned": TIERS + "[routing]\n",
    "private detection": TIERS + "[private]\ndetect = true\n",
    "compression": TIERS.replace('"large"]', '"large"]\ncompress = true'),
}

PARAGRAPH = (
    "The importer reads every line of the statement, matches it with an open invoice and books "
    "the difference to account 4711 when it is below two euros. "
)


def body(size: int) -> bytes:
    """A request of about so many bytes."""
    said: list[dict[str, object]] = [
        {"role": "system", "content": "You help people with their code."},
        {"role": "user", "content": "Why is the total of the second report wrong? Fix it."},
    ]
    tool = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
    number = 0
    while len(json.dumps(said)) < size - 400:
        number += 1
        call = {"name": "read", "arguments": json.dumps({"path": f"report_{number}.py"})}
        said.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"c{number}", "type": "function", "function": call}],
            }
        )
        text = PARAGRAPH * max(1, min(24, (size - 900) // len(PARAGRAPH)))
        said.append({"role": "tool", "tool_call_id": f"c{number}", "content": text})
    return json.dumps({"model": "rung", "messages": said, "tools": [tool]}).encode()


def decoded(raw: bytes) -> Request:
    return chat.FRONT.decode_request(raw, Arrival("request-1", Directions(), {}))


def stages(raw: bytes, folder: Path) -> dict[str, Callable[[], object]]:
    request = decoded(raw)
    found: dict[str, Callable[[], object]] = {
        "decode": lambda: decoded(raw),
        "features": lambda: features(request),
        "task": lambda: task(request),
    }
    for name, text in CONFIGURED.items():
        intake = assemble(parse(text, folder / "rung.toml", {}), ledger=False).intake
        found[f"plan: {name}"] = lambda intake=intake: intake.order(request)
    return found


def timed(stage: Callable[[], object]) -> float:
    """Microseconds of one call."""
    calls, began = 0, perf_counter()
    while perf_counter() - began < SECONDS:
        stage()
        calls += 1
    return (perf_counter() - began) / calls * 1e6


def measured(folder: Path) -> dict[str, dict[str, float]]:
    made = {size: stages(body(length), folder) for size, length in SIZES.items()}
    rounds: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for size, found in made.items():
            for name, stage in found.items():
                rounds.setdefault((size, name), []).append(timed(stage))
    return {
        name: {size: round(median(rounds[size, name]), 1) for size in SIZES}
        for name in next(iter(made.values()))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    if as_json:
        print(json.dumps(found))
        return
    print(f"{'microseconds, median of ' + str(ROUNDS):36}" + "".join(f"{s:>12}" for s in SIZES))
    for name, row in found.items():
        print(f"{name:36}" + "".join(f"{row[size]:>12,.0f}" for size in SIZES))


if __name__ == "__main__":
    main()
