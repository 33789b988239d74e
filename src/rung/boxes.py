"""Where a configuration's commands run: the sandbox, proved once before the first of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rung.core.errors import RungError
from rung.sandbox import Box, Job, JobError, Limits, Proof, Ran
from rung.verifiers.kit import Errand

CPU_SHARE = 4


class CommandRoom:
    """Runs errands in a box that is made, and proved, for the first of them.

    What keeps a box from being proved is said to each check anew, so that installing bubblewrap
    needs no restart.
    """

    def __init__(self, make: Callable[[], Box]) -> None:
        self._make = make
        self._box: Box | None = None
        self._proving = asyncio.Lock()

    async def run(self, errand: Errand) -> Ran:
        """One errand to its end or to a limit. Raises RungError where nothing can run."""
        box = await self._proved()
        # Wall time is the operator's limit; tests that run side by side may take more of the CPU.
        limits = Limits(wall_seconds=errand.seconds, cpu_seconds=CPU_SHARE * errand.seconds)
        try:
            job = Job(
                argv=errand.argv,
                files=errand.files,
                writable=errand.writable,
                stdin=errand.stdin,
                environment=errand.environment,
            )
        except JobError as error:
            raise RungError(str(error)) from None
        return await box.run(job, limits)

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
        box = self._box or self._make()
        try:
            proof = await box.prove()
        except BaseException:
            self._box = None
            await box.close()
            raise
        self._box = box
        return proof
