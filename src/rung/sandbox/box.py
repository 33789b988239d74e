"""The sandbox, and its twin for operators who allow jobs to run without one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from rung.sandbox.bubble import SEARCHED
from rung.sandbox.canary import prove
from rung.sandbox.host import Host, Identity, examine, reachable, whom_to_become
from rung.sandbox.pool import Pool, order
from rung.sandbox.running import Running
from rung.sandbox.shape import Job, Limits, Proof, Ran, UnavailableError
from rung.sandbox.start import Laid, start_bare, start_job, start_slot
from rung.sandbox.talk import Talk
from rung.sandbox.workdir import Base, lay_out

P = ParamSpec("P")
T = TypeVar("T")

SLOT_CPU_SECONDS = 60.0
"""What the kernel allows a warm slot, whose job is not known yet; rung holds each to its own."""

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
        with self._following():
            return await run

    @asynccontextmanager
    async def together(
        self, talks: Sequence[AbstractAsyncContextManager[Talk]]
    ) -> AsyncIterator[tuple[Talk, ...]]:
        """Enter all of ``talks`` as one job, so that no two callers wait for each other's."""
        async with self.room, AsyncExitStack() as stack:
            with self._following():
                entered = [await stack.enter_async_context(each) for each in talks]
                try:
                    yield tuple(entered)
                finally:
                    # They die together; then each is waited for.
                    for talk in entered:
                        talk.kill()

    @contextmanager
    def _following(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._jobs.add(task)
        try:
            yield
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
        most = max(self.limits.cpu_seconds, SLOT_CPU_SECONDS)
        self._slots = replace(self.limits, cpu_seconds=most)
        self._pool = self._pool_of(warm, {})
        self._ready: dict[frozenset[str], Pool] = {}
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
            slot = self._slot(job, limits)
            run = self._cold(job, limits) if slot is None else self._in_slot(slot, job, limits)
            return await self._shop.followed(run)

    def talk(
        self, jobs: Sequence[tuple[Job, Limits]]
    ) -> AbstractAsyncContextManager[tuple[Talk, ...]]:
        """Start all of ``jobs``, to exchange frames with each; on leaving, they are killed.

        Their input is what they are sent, and nothing else. Raises UnavailableError when entered.
        """
        if self._proof is None:
            raise UnavailableError(_UNPROVED, fix="await prove() first")
        return self._shop.together([self._talking(job, limits) for job, limits in jobs])

    def keep_warm(self, slots: int, there: Mapping[str, bytes]) -> None:
        """From now on, keep so many slots for jobs that bring the modules ``there``, imported."""
        if frozenset(there) not in self._ready and self._proof is not None:
            pool = self._ready[frozenset(there)] = self._pool_of(slots, there)
            pool.open()

    async def warmed(self) -> None:
        """Return when all slots are warm."""
        for pool in self._pools:
            await pool.filled()

    async def close(self) -> None:
        """End every job, and leave nothing behind."""
        self._proof = None
        for pool in self._pools:
            await pool.close()
        self._ready.clear()
        await self._shop.close()

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return (*self._ready.values(), self._pool)

    def _pool_of(self, warm: int, there: Mapping[str, bytes]) -> Pool:
        start = partial(self._start_slot, there)
        return Pool(warm, self._slots, start, self._shop.clear, there)

    def _slot(self, job: Job, limits: Limits) -> Laid | None:
        """A slot that has already imported what ``job`` brings, or any that can become it."""
        slots = (pool.take(job, limits) for pool in self._pools)
        return next((slot for slot in slots if slot is not None), None)

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
            await self._shop.blocking(lay_out, slot.work, _lacking(job, slot))
            running = Running(slot.started, limits, sandboxed=True)
            return replace(await running.finish(order(job) + job.stdin), warm=True)
        finally:
            await self._shop.clear(slot)

    @asynccontextmanager
    async def _talking(self, job: Job, limits: Limits) -> AsyncIterator[Talk]:
        host, slot = self._host, self._slot(job, limits)
        assert host is not None
        laid = slot or await self._shop.started(start_job, host, self._base(host), job, limits)
        try:
            if slot is not None:
                await self._shop.blocking(lay_out, slot.work, _lacking(job, slot))
            running = Running(laid.started, limits, sandboxed=True)
            async with Talk(running, b"" if slot is None else order(job)) as talk:
                yield talk
        finally:
            await self._shop.clear(laid)

    async def _start_slot(self, there: Mapping[str, bytes]) -> Laid:
        host = self._host
        assert host is not None
        return await self._shop.started(start_slot, host, self._base(host), self._slots, there)

    def _base(self, host: Host) -> Path:
        return self._shop.base(shared=host.identity.user is not None)


def _lacking(job: Job, slot: Laid) -> dict[str, bytes]:
    return {path: content for path, content in job.files.items() if path not in slot.there}


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
        self._asked = python
        self._python = sys.executable
        self._shop = _Workshop(at_once, folder)
        self._identity = Identity()
        self._shell: str | None = None

    async def prove(self) -> Proof:
        """There is nothing to prove, and the proof says so."""
        self._identity = await self._shop.blocking(whom_to_become)
        self._python = self._asked or self._reachable_python()
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

    def talk(
        self, jobs: Sequence[tuple[Job, Limits]]
    ) -> AbstractAsyncContextManager[tuple[Talk, ...]]:
        """As that of `Sandbox`."""
        if self._shell is None:
            raise UnavailableError(_UNPROVED, fix="await prove() first")
        return self._shop.together([self._talking(job, limits) for job, limits in jobs])

    def keep_warm(self, slots: int, there: Mapping[str, bytes]) -> None:
        """There are no slots."""

    def _reachable_python(self) -> str:
        """Rung's own, unless the user that jobs run as cannot reach it."""
        tried = (sys.executable, os.path.realpath(sys.executable), "/usr/bin/python3")
        user = self._identity.user
        for each in map(Path, tried):
            if reachable(each.parent, user) and reachable(each.resolve(), user):
                return str(each)
        return sys.executable

    async def _run(self, shell: str, job: Job, limits: Limits) -> Ran:
        async with self._laid(shell, job, limits) as laid:
            return await Running(laid.started, limits, sandboxed=False).finish(job.stdin)

    @asynccontextmanager
    async def _talking(self, job: Job, limits: Limits) -> AsyncIterator[Talk]:
        assert self._shell is not None
        async with (
            self._laid(self._shell, job, limits) as laid,
            Talk(Running(laid.started, limits, sandboxed=False)) as talk,
        ):
            yield talk

    @asynccontextmanager
    async def _laid(self, shell: str, job: Job, limits: Limits) -> AsyncIterator[Laid]:
        base = self._shop.base(shared=self._identity.user is not None)
        laid = await self._shop.started(
            start_bare, shell, self._identity, base, job, limits, self._python
        )
        try:
            yield laid
        finally:
            await self._shop.clear(laid)
