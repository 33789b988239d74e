"""Where a configuration's commands run: the sandbox, proved once before the first of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rung.core.errors import RungError
from rung.sandbox import (
    MEBIBYTE,
    Box,
    Dialogue,
    Job,
    JobError,
    Limits,
    Proof,
    Ran,
    Sandbox,
    Unsandboxed,
)
from rung.sandbox.bubble import SEARCHED
from rung.sandbox.host import own_tools
from rung.sandbox.tools import own_environment, searched
from rung.verifiers.kit import Errand

CPU_SHARE = 4

NO_CACHES = MappingProxyType({"RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": "/dev/null"})
"""A tool's cache beside its input would fail in a folder that cannot be written."""

INSIDE = MappingProxyType(
    {
        **NO_CACHES,
        "PYTEST_ADDOPTS": "-o cache_dir=/tmp/.pytest_cache",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/.hypothesis",  # noqa: S108 - a sandbox's own
        "COVERAGE_FILE": "/tmp/.coverage",  # noqa: S108 - as above
        "npm_config_offline": "true",
        "npm_config_update_notifier": "false",
        "CARGO_TARGET_DIR": "/tmp/target",  # noqa: S108 - as above
        "PYTHONPYCACHEPREFIX": "/tmp/.pycache",  # noqa: S108 - as above
        "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108 - as above
    }
)

TALK_BYTES = 32 * MEBIBYTE
WARM_SLOTS = 2
"""What one check takes whose jobs talk: one for the tests, one for the code."""


class CommandRoom:
    """Runs errands in a box that is made, and proved, for the first of them.

    What keeps a box from being proved is said to each check anew, so that installing bubblewrap
    needs no restart.
    """

    def __init__(
        self,
        make: Callable[[], Box],
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._make = make
        self._limits = limits or Limits()
        self._environment = environment or {}
        self._box: Box | None = None
        self._proving = asyncio.Lock()

    async def run(self, errand: Errand) -> Ran:
        """One errand to its end or to a limit. Raises RungError where nothing can run."""
        box = await self._proved()
        # Wall time is the operator's limit; tests that run side by side may take more of the CPU.
        cpu_seconds = CPU_SHARE * errand.seconds
        limits = replace(self._limits, wall_seconds=errand.seconds, cpu_seconds=cpu_seconds)
        found = {**self._environment, **errand.environment}
        return await box.run(_job(replace(errand, environment=found)), limits)

    @asynccontextmanager
    async def talk(self, *errands: Errand) -> AsyncIterator[tuple[Dialogue, ...]]:
        """Start all errands, to exchange frames with each; on leaving, they are killed.

        Raises RungError where nothing can run.
        """
        box = await self._proved()
        box.keep_warm(WARM_SLOTS, errands[0].modules)
        jobs = [(_job(errand), _talking(errand, self._limits)) for errand in errands]
        async with box.talk(jobs) as talks:
            yield talks

    async def prove(self) -> Proof:
        """Prove the box anew, and say what that found. Raises RungError."""
        async with self._proving:
            return await self._prove()

    async def close(self) -> None:
        """Leave nothing running."""
        box, self._box = self._box, None
        if box is not None:
            await box.close()

    async def _proved(self) -> Box:
        async with self._proving:
            if self._box is None:
                await self._prove()
        assert self._box is not None
        return self._box

    async def _prove(self) -> Proof:
        # What can be shown to jobs is found out by trying, which blocks.
        box = await asyncio.to_thread(self._make) if self._box is None else self._box
        try:
            proof = await box.prove()
        except BaseException:
            self._box = None
            await box.close()
            raise
        self._box = box
        return proof


def _job(errand: Errand) -> Job:
    try:
        return Job(
            argv=errand.argv,
            files={**errand.modules, **errand.files},
            writable=errand.writable,
            stdin=errand.stdin,
            environment=errand.environment,
        )
    except JobError as error:
        raise RungError(str(error)) from None


def _talking(errand: Errand, limits: Limits) -> Limits:
    """No more of the CPU than of the time: one thread's."""
    seconds = errand.seconds
    return replace(limits, wall_seconds=seconds, cpu_seconds=seconds, output_bytes=TALK_BYTES)


def room_for(limits: Limits, reads: tuple[Path, ...] = (), *, bare: bool = False) -> CommandRoom:
    """The room for commands as people type them; ``bare`` is one without a sandbox.

    Beside ``reads``, its jobs find the tools of the Python environment that rung runs in, before
    all others.
    """
    path = ":".join((*searched((own_environment(), *reads)), SEARCHED))
    if bare:
        return CommandRoom(partial(Unsandboxed, limits), limits, {**NO_CACHES, "PATH": path})
    make = partial(_sandbox, limits, reads)
    return CommandRoom(make, limits, {**INSIDE, "PATH": path})


def _sandbox(limits: Limits, reads: tuple[Path, ...]) -> Sandbox:
    return Sandbox(limits, reads=(*own_tools(), *reads))
