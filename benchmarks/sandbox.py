"""What a sandbox costs: a bare Python, a cold sandbox and a warm slot, run in turns; and a check of
unit tests with ten calls, apart from the code and beside it.

.venv/bin/python benchmarks/sandbox.py [rounds]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace

from rung.boxes import CommandRoom
from rung.core.verdicts import Status
from rung.sandbox import PYTHON, Job, Limits, Sandbox
from rung.verifiers.unit_tests import unit_tests

PLAIN = b"print(sum(range(10)))\n"
TESTS = b"import json, unittest\nprint(json.dumps(sum(range(10))))\n"
SYSTEM_PYTHON = "/usr/bin/python3"
CODE = "def add(a, b): return a + b"
UNIT_TESTS = "from solution import add\ndef test():\n" + "".join(
    f"    assert add({n}, 1) == {n + 1}\n" for n in range(10)
)


def job(code: bytes) -> Job:
    return Job(argv=(PYTHON, "main.py"), files={"main.py": code})


def bare(code: bytes) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        words = [SYSTEM_PYTHON, "-s", "-c", code.decode()]
        await asyncio.to_thread(
            subprocess.run, words, check=True, capture_output=True, env={"PATH": "/usr/bin"}
        )

    return run


def boxed(box: Sandbox, one: Job, *, warm: bool) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        ran = await box.run(one)
        assert ran.stdout == b"45\n", ran
        assert ran.warm is warm

    return run


async def measure(rounds: int) -> dict[str, list[float]]:
    cold = Sandbox(Limits(), python=SYSTEM_PYTHON)
    warm = Sandbox(Limits(), python=SYSTEM_PYTHON, warm=1)
    cold.keep_warm = lambda *_: None  # type: ignore[method-assign]
    try:
        proof = await cold.prove()
        await warm.prove()
        ways = {
            "bare python": bare(PLAIN),
            "sandbox, true": boxed_true(cold),
            "sandbox, python": boxed(cold, job(PLAIN), warm=False),
            "bare python, unittest and json": bare(TESTS),
            "sandbox, python, unittest and json": boxed(cold, job(TESTS), warm=False),
            "warm slot, unittest and json": boxed(warm, job(TESTS), warm=True),
            "unit tests, split, cold": judged(cold, "split"),
            "unit tests, split, warm slots": judged(warm, "split"),
            "unit tests, in process, cold": judged(cold, "in_process"),
            "unit tests, in process, warm slot": judged(warm, "in_process"),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        took["the canary"] = [proof.seconds * 1000]
        for _ in range(rounds):
            for name, run in ways.items():
                # A slot that is being refilled would take part in what is measured.
                await warm.warmed()
                began = perf_counter()
                await run()
                took[name].append((perf_counter() - began) * 1000)
        await warm.warmed()
        took["warm slots, memory each, MB"] = [slot_megabytes(warm)]
        return took
    finally:
        await cold.close()
        await warm.close()


def judged(box: Sandbox, mode: str) -> Callable[[], Awaitable[None]]:
    gate = unit_tests(UNIT_TESTS, mode=mode).equipped(
        SimpleNamespace(box=CommandRoom(lambda: box))  # type: ignore[arg-type]
    )
    answer = SimpleNamespace(text=f"```python\n{CODE}\n```", tool_calls=())
    subject = SimpleNamespace(answer=answer, request=SimpleNamespace(needs=()))

    async def run() -> None:
        found = await gate.check(subject)  # type: ignore[arg-type, misc]
        assert found.status is Status.PASSED, found

    return run


def boxed_true(box: Sandbox) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        assert (await box.run(Job(argv=("true",)))).status == 0

    return run


def slot_megabytes(box: Sandbox) -> float:
    from rung.sandbox.watch import own_bytes, usage

    slot = box._pool._ready[0].started.popen.pid  # noqa: SLF001
    return own_bytes(usage(slot).processes) / 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    before = load()
    for name, took in asyncio.run(measure(rounds)).items():
        print(f"{name:36} min {min(took):7.1f}  p50 {median(took):7.1f}  of {len(took)}")
    print(f"load average {load()}, before {before}")


def load() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


if __name__ == "__main__":
    main()
