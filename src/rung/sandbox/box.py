"""The sandbox, and its twin for operators who allow jobs to run without one."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from rung.sandbox.bubble import SEARCHED
from rung.sandbox.canary import prove
from rung.sandbox.host import Host, Identity, examine, whom_to_become
from rung.sandbox.pool import Pool, order
from rung.sandbox.running import Running
from rung.sandbox.shape import Job, Limits, Proof, Ran, UnavailableError
from rung.sandbox.start import Laid, start_bare, start_job, start_slot
from rung.sandbox.workdir import Base, lay_out

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 2
_UNPROVED = "nothing has proved that this sandbox holds"


class _Workshop:
    """What both boxes have: threads that start processes, a folder for work, a bound on jobs."""

    def __init__(self, at_once: int, folder: Path | None) -> None:
        if at_once < 1:
            raise ValueError("at_once must be at least 1")
        self.room = asyncio.Semaphore(at_once)
        self._parent = folder
        self.folder: Base | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="rung-sandbox")
        self._jobs: set[asyncio.Task[Any]] = set()
        self._starting: set[asyncio.Future[Laid]] = set()

    def base(self, *, shared: bool) -> Path:
        if self.folder is None:
            self.folder = Base(self._parent, shared=shared)
        return self.folder.path

    async def blocking(self, function: Callable[P, T], /, *words: P.args, **named: P.kwargs) -> T:
        """Call ``function`` in a thread that lives as long as the box.

        What it does is preparation, so a machine that refuses it has no sandbox to give.
        """
        future = self._threads.submit(function, *words, **named)
        try:
            return await asyncio.wrap_future(future)
        except OSError as error:
            raise UnavailableError(
                f"a job cannot be prepared: {error.strerror or error}",
                fix="see that there is space for temporary files, memory, and room for processes"
                " and open files",
            ) from error

    async def started(
        self, function: Callable[P, Laid], /, *words: P.args, **named: P.kwargs
    ) -> Laid:
        """As `blocking`, for what must not be left over by a caller who is cancelled meanwhile."""
        task = asyncio.ensure_future(self.blocking(function, *words, **named))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._clear_unwanted)
            raise

    async def clear(self, laid: Laid) -> None:
        laid.started.kill()
        await asyncio.shield(asyncio.wrap_future(self._threads.submit(laid.clear)))

    async def followed(self, run: Awaitable[Ran]) -> Ran:
        """Await ``run`` so that `close` can end it."""
        task = asyncio.current_task()
        assert task is not None
        self._jobs.add(task)
        try:
            return await run
        finally:
            self._jobs.discard(task)

    async def close(self) -> None:
        for job in tuple(self._jobs):
            job.cancel()
        # What is being started for a caller who has left is cleared when it is there.
        while self._jobs or self._starting:
            await asyncio.wait([*self._jobs, *self._starting])
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        if self.folder is not None:
            self.folder.remove()
            self.folder = None

    def _clear_unwanted(self, task: asyncio.Future[Laid]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._threads.submit(task.result().clear)


class Sandbox:
    """Runs jobs in bubblewrap. Made and used on one event loop; nothing runs before `prove`.

    ``limits`` hold for jobs that bring none. ``warm`` slots are kept for jobs of `PYTHON` with
    these limits. ``at_once`` jobs run at a time, others wait. ``reads`` are host folders that jobs
    may read, at their own paths; ``python`` is the interpreter of jobs, by default rung's if they
    can reach it; ``folder`` is where work folders are made.
    """

    sandboxed = True

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        warm: int = 0,
        at_once: int = 4,
        reads: tuple[Path, ...] = (),
        python: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._reads = reads
        self._python = python
        self._shop = _Workshop(at_once, folder)
        self._pool = Pool(warm, self.limits, self._start_slot, self._shop.clear)
        self._host: Host | None = None
        self._proof: Proof | None = None

    async def prove(self) -> Proof:
        """Run the canary: everything that must fail inside does, and plain Python works.

        Raises UnavailableError otherwise, and then nothing can be run.
        """
        self._proof = None
        self._host = await self._shop.blocking(examine, self._python, self._reads)
        proof = await prove(self._followed, self._host)
        broken = [check for check in proof.checks if not check.held]
        if broken:
            told = "; ".join(f"{check.name}: {check.seen}" for check in broken[:5])
            raise UnavailableError(
                f"the sandbox does not hold: {told}",
                fix="do not run model code here; report this with `rung doctor`",
            )
        self._proof = proof
        self._pool.open()
        return proof

    async def run(self, job: Job, limits: Limits | None = None) -> Ran:
        limits = limits or self.limits
        if self._proof is None:
            raise UnavailableError(_UNPROVED, fix="await prove() first")
        async with self._shop.room:
            slot = self._pool.take(job, limits)
            run = self._cold(job, limits) if slot is None else self._in_slot(slot, job, limits)
            return await self._shop.followed(run)

    async def warmed(self) -> None:
        """Return when all slots are warm."""
        await self._pool.filled()

    async def close(self) -> None:
        """End every job, and leave nothing behind."""
        self._proof = None
        await self._pool.close()
        await self._shop.close()

    async def _followed(self, job: Job, limits: Limits) -> Ran:
        return await self._shop.followed(self._cold(job, limits))

    async def _cold(self, job: Job, limits: Limits) -> Ran:
        host = self._host
        assert host is not None
        laid = await self._shop.started(start_job, host, self._base(host), job, limits)
        try:
            return await Running(laid.started, limits, sandboxed=True).finish(job.stdin)
        finally:
            await self._shop.clear(laid)

    async def _in_slot(self, slot: Laid, job: Job, limits: Limits) -> Ran:
        try:
            await self._shop.blocking(lay_out, slot.work, job.files)
            running = Running(slot.started, limits, sandboxed=True)
            return replace(await running.finish(order(job) + job.stdin), warm=True)
        finally:
            await self._shop.clear(slot)

    async def _start_slot(self) -> Laid:
        host = self._host
        assert host is not None
        return await self._shop.started(start_slot, host, self._base(host), self.limits)

    def _base(self, host: Host) -> Path:
        return self._shop.base(shared=host.identity.user is not None)


class Unsandboxed:
    """Runs jobs with nothing around them: they can read, write and reach what their user can.

    For operators who allow it where there is no sandbox. Every `Ran` says so. Time, output and, on
    Linux, memory and processes are still bounded; a job that means harm is not.
    """

    sandboxed = False

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        at_once: int = 4,
        python: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._python = python or sys.executable
        self._shop = _Workshop(at_once, folder)
        self._identity = Identity()
        self._shell: str | None = None

    async def prove(self) -> Proof:
        """There is nothing to prove, and the proof says so."""
        self._identity = await self._shop.blocking(whom_to_become)
        self._shell = shutil.which("sh", path=SEARCHED)
        if self._shell is None:
            raise UnavailableError("there is no POSIX shell", fix="run rung on Linux or macOS")
        return Proof(sandboxed=False, checks=())

    async def run(self, job: Job, limits: Limits | None = None) -> Ran:
        if self._shell is None:
            raise UnavailableError(_UNPROVED, fix="await prove() first")
        async with self._shop.room:
            return await self._shop.followed(self._run(self._shell, job, limits or self.limits))

    async def close(self) -> None:
        await self._shop.close()

    async def _run(self, shell: str, job: Job, limits: Limits) -> Ran:
        base = self._shop.base(shared=self._identity.user is not None)
        laid = await self._shop.started(
            start_bare, shell, self._identity, base, job, limits, self._python
        )
        try:
            return await Running(laid.started, limits, sandboxed=False).finish(job.stdin)
        finally:
            await self._shop.clear(laid)
