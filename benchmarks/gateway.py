"""What rung adds to a request: against a direct call and against a bare aiohttp proxy.

One run measures all of them in turns, so that what else the machine does falls on each alike. The
gateway under load has a core of its own; upstream and load share the other. Loopback only.

    python benchmarks/gateway.py [--quick] [--json] [--soak THOUSANDS]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import load
import processes
import report
import uvloop
from conditions import conditions, real_disk
from processes import Bystanders, Process, on
from startup import startup

MEMORY = Path("/dev/shm")
"""Where the ledger costs no sync."""

PROMPT = "Name the capital of Norway and how many people live there. " * 17
PACE_SECONDS = 0.01
"""Between two chunks of a stream."""

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "inhabitants": {"type": "integer"},
        "note": {"type": "string"},
    },
    "required": ["city", "inhabitants", "note"],
    "additionalProperties": False,
}
GATED: dict[str, object] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
    }
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """``direct`` is what a caller without a gateway would send, to get as far as rung gets.

    ``proof`` has to stand in rung's answer. ``chunks`` is 0 for plain answers; CPU is told a chunk
    where ``by_chunk``, else a request.
    """

    name: str
    connections: int
    ladder: str
    proof: str
    body: Mapping[str, object] = field(default_factory=dict)
    direct: tuple[str, ...] = ("/v1",)
    chunks: int = 0
    by_chunk: bool = False


UNGATED = "x-rung-verified: none"
PASSED = "x-rung-verified: true"
CLIMBED = "x-rung-attempts: 2"
STREAMED = "x-rung-tier: good"
TWICE = ("/bad/v1", "/v1")
SCENARIOS = (
    Scenario("plain", 1, "plain", UNGATED),
    Scenario("plain", 16, "plain", UNGATED),
    Scenario("gate passes", 1, "plain", PASSED, GATED),
    Scenario("gate passes", 16, "plain", PASSED, GATED),
    Scenario("first tier fails", 1, "climb", CLIMBED, GATED, TWICE),
    Scenario("first tier fails", 16, "climb", CLIMBED, GATED, TWICE),
    Scenario("short stream", 1, "plain", STREAMED, {"stream": True}, chunks=2),
    Scenario("stream, a chunk", 16, "plain", STREAMED, {"stream": True}, chunks=50, by_chunk=True),
)
WARM_UP, SOAKED = SCENARIOS[1], SCENARIOS[3]


@dataclass(frozen=True, slots=True)
class Target:
    """One server under load. A direct call has no process in the middle."""

    name: str
    port: int
    process: Process | None
    rung: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one scenario against one target."""

    p50_us: float
    p99_us: float
    per_second: float
    first_chunk_us: float | None
    cpu_us: float | None
    """CPU an operation, or a chunk: see `Scenario`."""


def operation(scenario: Scenario, target: Target) -> load.Operation:
    """What is sent to a target in this scenario."""
    model = f"rung/{scenario.ladder}" if target.rung else "mock"
    messages = [{"role": "user", "content": PROMPT}]
    body = {"model": model, "messages": messages, **scenario.body}
    if scenario.chunks:
        body["max_tokens"] = scenario.chunks
    paths = ("/v1",) if target.rung else scenario.direct
    return [load.request(target.port, f"{path}/chat/completions", body) for path in paths]


async def measure(scenario: Scenario, target: Target, seconds: float) -> Figures:
    """Load one target."""
    before = target.process.cpu_seconds() if target.process else 0.0
    connections = scenario.connections
    sample = await load.run(target.port, operation(scenario, target), connections, seconds)
    after = target.process.cpu_seconds() if target.process else 0.0
    done = len(sample.latencies)
    units = done * scenario.chunks if scenario.by_chunk else done
    return Figures(
        p50_us=median(sample.latencies) * 1e6,
        p99_us=quantiles(sample.latencies, n=100, method="inclusive")[98] * 1e6,
        per_second=done / sample.seconds,
        first_chunk_us=median(sample.first_chunks) * 1e6 if sample.first_chunks else None,
        cpu_us=(after - before) / units * 1e6 if target.process else None,
    )


async def prove(targets: list[Target]) -> None:
    """Every scenario does what its name says, on every target, before anything is measured."""
    for scenario in SCENARIOS:
        for target in targets:
            answer = await load.once(target.port, operation(scenario, target))
            wanted = [scenario.proof] if target.rung else []
            wanted.append("data: [DONE]" if scenario.chunks else '"choices"')
            missing = [each for each in wanted if each not in answer]
            if missing or answer.count("data: {") != (scenario.chunks and scenario.chunks + 1):
                raise RuntimeError(f"{target.name}, {scenario.name}: no {missing} in {answer}")


async def measure_all(targets: list[Target], rounds: int, seconds: float) -> report.Measured:
    """In turns: every round runs every scenario on every target, one after the other."""
    measured: report.Measured = {}
    await prove(targets)
    for target in targets:
        await load.run(target.port, operation(WARM_UP, target), 16, seconds)
    for turn in range(rounds):
        for scenario in SCENARIOS:
            for target in targets:
                figures = await measure(scenario, target, seconds)
                place = (scenario.name, scenario.connections)
                measured.setdefault(place, {}).setdefault(target.name, []).append(figures)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    return measured


async def soak(target: Target, thousands: int) -> dict[str, float]:
    """Resident memory before and after so many thousand gated requests."""
    assert target.process is not None
    before, done = target.process.resident_mb(), 0
    while done < thousands * 1000:
        done += len((await load.run(target.port, operation(SOAKED, target), 16, 2)).latencies)
    after = target.process.resident_mb()
    return {"requests": done, "rss_mb_before": before, "rss_mb_after": after}


def run(rounds: int, seconds: float, thousands: int, starts: int) -> dict[str, object]:
    """Everything, as one JSON document."""
    gateways, other = processes.cores()
    with ExitStack() as stack:
        disk = real_disk()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=disk)))
        told: dict[str, object] = {}
        told["start_up_seconds"] = startup(folder, starts)
        with on(other):
            upstream = processes.mock_upstream(stack, folder, PACE_SECONDS)
        with on(gateways):
            bare = processes.bare_proxy(stack, folder, upstream.port)
            rung = processes.rung(stack, folder, upstream.port, folder / "ledger.db")
        targets = [
            Target("direct", upstream.port, None),
            Target("bare aiohttp proxy", bare.port, bare),
            Target("rung", rung.port, rung, rung=True),
        ]
        if MEMORY.is_dir():
            memory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
            with on(gateways):
                unsynced = processes.rung(stack, folder, upstream.port, memory / "ledger.db")
            name = "rung, ledger in memory"
            targets.append(Target(name, unsynced.port, unsynced, rung=True))
        resident = {each.name: each.process.resident_mb() for each in targets if each.process}
        with on(other):
            bystanders = Bystanders(upstream, *(each.process for each in targets if each.process))
            measured = uvloop.run(measure_all(targets, rounds, seconds))
            told["conditions"] = conditions(folder, bystanders.share())
            told["scenarios"] = report.summary(measured)
            told["rss_mb"] = {
                each.name: {"idle": resident[each.name], "after": each.process.resident_mb()}
                for each in targets
                if each.process
            }
            if thousands:
                told["soak"] = uvloop.run(soak(targets[2], thousands))
    return told


def main() -> None:
    """Read the options, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about 15 s")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--soak", type=int, default=0, help="thousands of further requests")
    given = parser.parse_args()
    rounds, seconds, starts = (1, 0.3, 1) if given.quick else (5, 0.4, 3)
    told = run(rounds, seconds, given.soak, starts)
    print(json.dumps(told, indent=2) if given.json else report.text(told))


if __name__ == "__main__":
    main()
