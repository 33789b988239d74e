"""What a streamed chunk costs in rung: passed on, watched for tool calls, and translated.

The caller speaks Chat Completions, the provider that or Messages. A bare aiohttp proxy passes the
same provider's bytes on beside it. All are measured in turns within one run; the gateways have a
core of their own, provider and load share the other. Loopback only.

    python benchmarks/streams.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import load
import processes
import report
import uvloop
from conditions import conditions, real_disk
from gateway import PACE_SECONDS, PROMPT, Figures, Target
from processes import HERE, RUNG, Bystanders, Process, free_port, on

TOOL = {
    "name": "look_up",
    "description": "Looks up a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
CHUNKS = 50
FEW = 2
"""Chunks of a stream whose first one is timed."""

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ENDS: Mapping[str, str] = {CHAT: "data: [DONE]", MESSAGES: "message_stop"}
UNGATED = "x-rung-gated: false"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``path`` is where the provider is asked: by rung, and by who calls it without rung."""

    name: str
    path: str
    mode: str
    connections: int

    @property
    def chunks(self) -> int:
        """One connection times the first chunk, many show what each costs."""
        return FEW if self.connections == 1 else CHUNKS

    @property
    def ladder(self) -> str:
        """Its name in the configuration."""
        return f"{'chat' if self.path == CHAT else 'messages'}-{self.mode}"


SCENARIOS = tuple(
    Scenario(f"chat to {dialect}, {mode}", path, mode, connections)
    for dialect, path in (("chat", CHAT), ("messages", MESSAGES))
    for mode in ("pass", "tools")
    for connections in (1, 16)
)
TIERS = """\
ledger = "{ledger}"

[tiers.chat]
provider = "openai_compatible"
model = "mock"
base_url = "http://127.0.0.1:{upstream}/v1"
price = {{ input_usd_per_mtok = 0.15, output_usd_per_mtok = 0.60 }}

[tiers.messages]
provider = "anthropic"
model = "mock"
base_url = "http://127.0.0.1:{upstream}/v1"
price = {{ input_usd_per_mtok = 1, output_usd_per_mtok = 5 }}
"""
LADDER = """
[ladders.{tier}-{mode}]
tiers = ["{tier}"]
stream = "{mode}"
"""


def operation(scenario: Scenario, target: Target) -> load.Operation:
    """What is sent to a target in this scenario: a request that offers a tool."""
    messages = [{"role": "user", "content": PROMPT}]
    body: dict[str, object] = {"stream": True, "max_tokens": scenario.chunks, "messages": messages}
    if target.rung or scenario.path == CHAT:
        tools: object = [{"type": "function", "function": TOOL}]
    else:
        tools = [{"name": TOOL["name"], "input_schema": TOOL["parameters"]}]
    path = CHAT if target.rung else scenario.path
    model = f"rung/{scenario.ladder}" if target.rung else "mock"
    return [load.request(target.port, path, {"model": model, "tools": tools} | body)]


async def measure(scenario: Scenario, target: Target, seconds: float) -> Figures:
    """Load one target; CPU is told a chunk."""
    before = target.process.cpu_seconds() if target.process else 0.0
    sample = await load.run(target.port, operation(scenario, target), scenario.connections, seconds)
    after = target.process.cpu_seconds() if target.process else 0.0
    chunks = len(sample.latencies) * scenario.chunks
    return Figures(
        p50_us=median(sample.latencies) * 1e6,
        p99_us=quantiles(sample.latencies, n=100, method="inclusive")[98] * 1e6,
        per_second=chunks / sample.seconds,
        first_chunk_us=median(sample.first_chunks) * 1e6,
        cpu_us=(after - before) / chunks * 1e6 if target.process else None,
    )


async def prove(targets: list[Target]) -> None:
    """Every chunk arrives, in the caller's dialect and mode, before anything is measured."""
    for scenario in SCENARIOS:
        for target in targets:
            answer = await load.once(target.port, operation(scenario, target))
            wanted = ENDS[CHAT if target.rung else scenario.path]
            right = wanted in answer and answer.count(" fox") == scenario.chunks
            if target.rung:
                right = right and (UNGATED in answer) == (scenario.mode == "pass")
            if not right:
                raise RuntimeError(f"{target.name}, {scenario.name}: {answer}")


async def measure_all(targets: list[Target], rounds: int, seconds: float) -> report.Measured:
    """In turns: every round runs every scenario on every target, one after the other."""
    measured: report.Measured = {}
    await prove(targets)
    for scenario in SCENARIOS:
        for target in targets:
            await measure(scenario, target, seconds / 2)
    for turn in range(rounds):
        for scenario in SCENARIOS:
            for target in targets:
                figures = await measure(scenario, target, seconds)
                place = (scenario.name, scenario.connections)
                measured.setdefault(place, {}).setdefault(target.name, []).append(figures)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    return measured


def summary(measured: report.Measured) -> list[dict[str, Any]]:
    """One row a scenario and target. The ratios are to the bare proxy, within a round."""
    rows = []
    for row in report.summary(measured):
        by_target = measured[row["scenario"], row["connections"]]
        direct, bare = by_target[report.DIRECT], by_target[report.BARE]
        added = [_added(a, b) for a, b in zip(by_target[row["target"]], direct, strict=True)]
        least = [_added(a, b) for a, b in zip(bare, direct, strict=True)]
        of_many = row["connections"] > 1
        cpu = row["cpu_us"]
        told: dict[str, Any] = {name: row[name] for name in ("scenario", "connections", "target")}
        if of_many:
            told["cpu_ms_per_1000_chunks"] = cpu
            told["cpu_to_bare"] = row["cpu_to_bare"]
        else:
            told["added_first_chunk_us"] = row["added_first_chunk_us"]
            told["first_chunk_to_bare"] = median(
                a / b if b > 0 else float("nan") for a, b in zip(added, least, strict=True)
            )
        rows.append(told)
    return rows


def _added(one: Figures, other: Figures) -> float:
    assert one.first_chunk_us is not None
    assert other.first_chunk_us is not None
    return one.first_chunk_us - other.first_chunk_us


# ------------------------------------------------------------------ processes


def gateway(stack: ExitStack, folder: Path, upstream: int) -> Process:
    """A gateway with a ladder for each provider's dialect and mode."""
    port = free_port()
    config = folder / "streams.toml"
    ladders = "".join(
        LADDER.format(tier=tier, mode=mode)
        for tier in ("chat", "messages")
        for mode in ("pass", "tools")
    )
    tiers = TIERS.format(ledger=folder / "streams.db", upstream=upstream)
    config.write_text(f'default_ladder = "chat-pass"\n{tiers}{ladders}', "utf-8")
    command = [RUNG, "serve", "--port", str(port), "--config", str(config)]
    return _started(stack, Process(command, port, folder), "/healthz")


def provider(stack: ExitStack, folder: Path) -> Process:
    """The mock provider, in both dialects."""
    port = free_port()
    options = ["--port", str(port), "--pace-seconds", str(PACE_SECONDS)]
    command = [sys.executable, str(HERE / "stream_upstream.py"), *options]
    return _started(stack, Process(command, port, folder), "/v1/models")


def _started(stack: ExitStack, process: Process, path: str) -> Process:
    stack.callback(process.stop)
    process.healthy(path)
    return process


# ------------------------------------------------------------------ all of it


def run(rounds: int, seconds: float) -> dict[str, Any]:
    """Everything, as one JSON document."""
    gateways, other = processes.cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=real_disk())))
        with on(other):
            upstream = provider(stack, folder)
        with on(gateways):
            bare = processes.bare_proxy(stack, folder, upstream.port)
            rung = gateway(stack, folder, upstream.port)
        targets = [
            Target(report.DIRECT, upstream.port, None),
            Target(report.BARE, bare.port, bare),
            Target("rung", rung.port, rung, rung=True),
        ]
        with on(other):
            bystanders = Bystanders(upstream, bare, rung)
            measured = uvloop.run(measure_all(targets, rounds, seconds))
            told = conditions(folder, bystanders.share())
    return {"conditions": told, "scenarios": summary(measured)}


COLUMNS: Mapping[str, tuple[str, str]] = {
    "added_first_chunk_us": ("+1st chunk us", "{:.0f}"),
    "first_chunk_to_bare": ("/ bare", "{:.2f}"),
    "cpu_ms_per_1000_chunks": ("CPU ms / 1000", "{:.1f}"),
    "cpu_to_bare": ("/ bare", "{:.2f}"),
}


def text(told: Mapping[str, Any]) -> str:
    """All figures for a terminal."""
    lines = [f"{name}: {value}" for name, value in told["conditions"].items()]
    heads = "".join(f"{head:>15}" for head, _ in COLUMNS.values())
    lines += ["", f"{'scenario, connections':<30}{'target':<20}{heads}"]
    for row in told["scenarios"]:
        if row["target"] == report.DIRECT:
            continue
        cells = "".join(
            f"{form.format(row[key]) if row.get(key) is not None else '-':>15}"
            for key, (_, form) in COLUMNS.items()
        )
        place = f"{row['scenario']}, {row['connections']}"
        lines.append(f"{place:<30}{row['target']:<20}{cells}")
    lines += [
        "",
        "+ is what the target adds to a direct call in the same round; CPU is its process's, all",
        "threads. One connection times the first chunk, sixteen streams of 100 chunks a second",
        "show what a chunk costs, the request around it included. Medians over the rounds.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: about 20 s")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    rounds, seconds = (1, 0.3) if given.quick else (5, 0.6)
    told = run(rounds, seconds)
    print(json.dumps(told, indent=2) if given.json else text(told))


if __name__ == "__main__":
    main()
