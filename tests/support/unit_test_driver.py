"""Judges all fakes in every mode, as whoever starts this, and writes the verdicts as JSON lines.

python unit_test_driver.py
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from rung.boxes import CommandRoom
from rung.sandbox import Sandbox, UnavailableError
from rung.sandbox.host import DROPPED_ID
from rung.verifiers.base import run
from rung.verifiers.unit_tests import Mode, unit_tests
from support.sandbox_driver import left_over
from support.subjects import subject
from support.unit_test_fakes import FAKES, HONEST, TESTS, WRONG, Fake

SECONDS = 2.0
MODES = (Mode.AUTO, Mode.IN_PROCESS)
AT_ONCE = 4
"""Fakes that run into their time limit wait side by side."""


async def main(folder: Path) -> None:
    box = Sandbox(folder=folder)
    room = CommandRoom(lambda: box)
    try:
        await room.prove()
        for name, code in {"honest": HONEST, "wrong": WRONG}.items():
            for mode in Mode:
                write(await judged(room, name, mode, code, 10.0))
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(fake: Fake, mode: Mode) -> None:
            async with turns:
                write(await judged(room, fake.name, mode, fake.code, SECONDS))

        await asyncio.gather(*(one(fake, mode) for fake in FAKES for mode in MODES))
    except UnavailableError as error:
        write({"unavailable": str(error)})
    finally:
        await room.close()
    write({"left": await leftovers(), "folders": os.listdir(folder)})  # noqa: PTH208


async def judged(
    room: CommandRoom, name: str, mode: Mode, code: str, seconds: float
) -> dict[str, object]:
    gate = unit_tests(TESTS, mode=mode, timeout_seconds=seconds)
    began = time.monotonic()
    verdict = await run(gate.equipped(Only(room)), subject(f"```python\n{code}\n```"))
    return {
        "name": name,
        "mode": mode,
        "status": verdict.status,
        "trust": verdict.trust,
        "reason": verdict.reason,
        "took": time.monotonic() - began,
    }


class Only:
    """A kit that has a box and nothing else."""

    def __init__(self, box: CommandRoom) -> None:
        self.box = box


async def leftovers() -> list[int]:
    user = DROPPED_ID if os.geteuid() == 0 else os.geteuid()
    deadline = time.monotonic() + 2
    # Nothing tells of the end of processes that are not ours.
    while left := [each for each in left_over(user, {os.getpid()}) if ours(each, user)]:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.005)
    return left


def ours(process: int, user: int) -> bool:
    """Whether it was started from here, or has lost its parent: others use this user too."""
    parent = process
    while parent > 1 and parent != os.getpid():
        try:
            owner = Path(f"/proc/{parent}").stat().st_uid
            stat = Path(f"/proc/{parent}/stat").read_bytes()
        except OSError:
            return True
        if owner != user:
            return False
        parent = int(stat.rpartition(b")")[2].split()[1])
    return True


def write(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rung-fakes-") as made:
        # Passed through by the user that jobs run as, and watched by nobody else.
        Path(made).chmod(0o711)
        asyncio.run(main(Path(made)))
