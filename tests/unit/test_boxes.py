"""Where commands run: proved once, and what keeps it from that is told to every check."""

import asyncio
from pathlib import Path

import pytest

from rung import boxes
from rung.boxes import CommandRoom, room_for
from rung.core.errors import RungError
from rung.sandbox import Ended, Limits, Proof, Ran, UnavailableError
from rung.verifiers.command import Errand

ERRAND = Errand(("true",), {"a.py": b"x"}, b"in", 3.0, environment={"A": "1"})


class Box:
    """A box that counts, and is not there for its first ``missing`` proofs."""

    sandboxed = True

    def __init__(self, missing=0):
        self.missing = missing
        self.proofs = 0
        self.jobs = []
        self.closed = 0

    async def prove(self):
        await asyncio.sleep(0)
        self.proofs += 1
        if self.proofs <= self.missing:
            raise UnavailableError("no bubblewrap", fix="install it")
        return Proof(sandboxed=True, checks=())

    async def run(self, job, limits=None):
        self.jobs.append((job, limits))
        return Ran(0, None, b"", b"", 0.1, Ended.EXIT)

    async def close(self):
        self.closed += 1


async def test_a_box_is_proved_once_for_all_who_come_at_a_time():
    box = Box()
    room = CommandRoom(lambda: box)
    await asyncio.gather(*(room.run(ERRAND) for _ in range(5)))
    assert (box.proofs, len(box.jobs)) == (1, 5)
    job, limits = box.jobs[0]
    assert (job.argv, job.files, job.stdin) == (ERRAND.argv, ERRAND.files, ERRAND.stdin)
    assert (job.environment, limits.wall_seconds) == ({"A": "1"}, 3.0)


async def test_nothing_runs_unproved_and_a_box_that_comes_later_is_found():
    box = Box(missing=1)
    room = CommandRoom(lambda: box)
    with pytest.raises(RungError, match="no bubblewrap"):
        await room.run(ERRAND)
    assert box.jobs == []
    assert (await room.run(ERRAND)).status == 0


async def test_files_that_cannot_be_laid_out_are_a_clear_error():
    room = CommandRoom(Box)
    with pytest.raises(RungError):
        await room.run(Errand(("true",), {"../out": b""}, b"", 1.0))


async def test_closing_leaves_nothing_and_can_be_done_twice():
    box = Box()
    room = CommandRoom(lambda: box)
    await room.run(ERRAND)
    await room.close()
    await room.close()
    assert box.closed == 1


async def test_a_command_has_the_rooms_limits_and_environment_under_its_own():
    box = Box()
    limits = Limits(memory_bytes=1 << 30, processes=7)
    room = CommandRoom(lambda: box, limits, {"A": "room", "B": "room"})
    await room.run(ERRAND)
    (job, used), *_ = box.jobs
    assert job.environment == {"A": "1", "B": "room"}
    assert (used.memory_bytes, used.processes, used.wall_seconds) == (1 << 30, 7, 3.0)


@pytest.mark.parametrize("bare", [False, True])
async def test_tools_of_rungs_own_environment_come_first_and_keep_no_caches(monkeypatch, bare):
    made = []

    def make(limits, **more):
        made.append((limits, more))
        return Box()

    monkeypatch.setattr(boxes, "Unsandboxed" if bare else "Sandbox", make)
    monkeypatch.setattr(boxes, "own_tools", lambda: (Path("/venv"),))
    monkeypatch.setattr(boxes, "own_environment", lambda: Path("/venv"))
    limits = Limits(processes=9)
    room = room_for(limits, (Path("/opt/go"),), bare=bare)
    assert made == []
    await room.run(ERRAND)
    assert made == [(limits, {} if bare else {"reads": (Path("/venv"), Path("/opt/go"))})]
    (job, _), *_ = room._box.jobs
    assert job.environment["PATH"].startswith("/venv/bin:/opt/go/bin:/usr/local/bin:")
    assert job.environment["RUFF_NO_CACHE"] == "true"
    assert ("PYTEST_ADDOPTS" in job.environment) is not bare
