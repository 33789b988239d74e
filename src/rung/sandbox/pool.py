"""Warm slots: Pythons that wait, each in a sandbox of its own, for the one job they will run.

A slot is never used twice and never forked: two jobs share no memory, no /tmp and no process ids.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from rung.sandbox.bubble import WORK
from rung.sandbox.shape import PYTHON, Job, Limits, UnavailableError
from rung.sandbox.start import Laid, environment_of

WARM_SECONDS = 20.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0

Start = Callable[[], Awaitable[Laid]]
Clear = Callable[[Laid], Awaitable[None]]


class Pool:
    """Keeps ``warm`` slots ready for jobs with ``limits``; refills one by one, on its own.

    All of them find the files ``there``, so they can become jobs that bring these.
    """

    def __init__(
        self, warm: int, limits: Limits, start: Start, clear: Clear, there: Mapping[str, bytes]
    ) -> None:
        self._warm = warm
        self._limits = limits
        self._there = there
        self._start = start
        self._clear = clear
        self._ready: deque[Laid] = deque()
        self._dead: list[Laid] = []
        self._lacking = asyncio.Event()
        self._changed = asyncio.Condition()
        self._filling: asyncio.Task[None] | None = None

    def open(self) -> None:
        if self._warm and self._filling is None:
            self._lacking.set()
            self._filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])
        for slot in (*self._ready, *self._dead):
            await self._clear(slot)
        self._ready.clear()

    @property
    def ready(self) -> int:
        return len(self._ready)

    async def filled(self) -> None:
        """Return when all slots are warm."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._ready) >= self._warm)

    def take(self, job: Job, limits: Limits) -> Laid | None:
        """A warm slot that can run ``job`` within ``limits``, if there is one."""
        brings = self._there.items() <= job.files.items()
        if not (brings and suits(job) and alike(limits, self._limits)):
            return None
        while self._ready:
            slot = self._ready.popleft()
            self._lacking.set()
            if slot.started.popen.poll() is None:
                return slot
            self._dead.append(slot)
        return None

    async def _fill(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            await self._lacking.wait()
            try:
                while self._dead:
                    await self._clear(self._dead.pop())
                while len(self._ready) < self._warm:
                    self._ready.append(await self._one())
                    pause = _FIRST_PAUSE_SECONDS
                    async with self._changed:
                        self._changed.notify_all()
                self._lacking.clear()
            except UnavailableError:
                # Jobs start cold meanwhile, and say what is wrong if it lasts.
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _one(self) -> Laid:
        slot = await self._start()
        try:
            await _warm(slot)
        except BaseException:
            await asyncio.shield(self._clear(slot))
            raise
        return slot


def suits(job: Job) -> bool:
    """Whether a waiting Python can become ``job``: it runs a file in a folder it cannot write."""
    words = job.argv
    return len(words) > 1 and words[0] == PYTHON and words[1] in job.files and not job.writable


def alike(one: Limits, other: Limits) -> bool:
    """Whether they differ only in what is held from outside."""
    return one == replace(
        other,
        wall_seconds=one.wall_seconds,
        cpu_seconds=min(one.cpu_seconds, other.cpu_seconds),
        output_bytes=one.output_bytes,
    )


def order(job: Job) -> bytes:
    """What a slot reads before the job's own input."""
    said = json.dumps({"argv": job.argv[1:], "environment": {**environment_of(job), "PWD": WORK}})
    return len(said).to_bytes(4, "big") + said.encode()


async def _warm(slot: Laid) -> None:
    """Wait for the byte that a slot writes when it is warm."""
    loop = asyncio.get_running_loop()
    stdout = slot.started.popen.stdout
    assert stdout is not None
    readable = asyncio.Event()
    loop.add_reader(stdout.fileno(), readable.set)
    try:
        await asyncio.wait_for(readable.wait(), WARM_SECONDS)
    except TimeoutError:
        raise UnavailableError(
            f"a sandbox was not ready within {WARM_SECONDS:g} s",
            fix="see that the machine is not overloaded",
        ) from None
    finally:
        loop.remove_reader(stdout.fileno())
    if stdout.read(1) != b"W":
        raise UnavailableError("a sandbox ended while it was made ready", fix="run `rung doctor`")
