"""Where commands run: proved once, and what keeps it from that is told to every check."""

import asyncio

import pytest

from rung.boxes import CommandRoom
from rung.core.errors import RungError
from rung.sandbox import Ended, Proof, Ran, UnavailableError
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
