"""Boxes for commands as gates: one that is told how a run ends, and real ones as they are used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rung.sandbox import Box, Job, Limits, Ran
from rung.verifiers.command import Errand


@dataclass
class Ended:
    """How a run ended."""

    status: int | None = 0
    stdout: bytes = b""
    stderr: bytes = b""
    signal: int | None = None
    ended_by: str = "exit"
    sandboxed: bool = True


@dataclass
class ToldBox:
    """Keeps what it is asked to run, and ends it as told."""

    ended: Ended | BaseException = field(default_factory=Ended)
    errands: list[Errand] = field(default_factory=list)
    meanwhile: Any = None

    async def run(self, errand: Errand) -> Ended:
        self.errands.append(errand)
        if self.meanwhile is not None:
            self.meanwhile()
        if isinstance(self.ended, BaseException):
            raise self.ended
        return self.ended

    @property
    def files(self) -> dict[str, bytes]:
        """What the one run found."""
        (errand,) = self.errands
        return dict(errand.files)


@dataclass(frozen=True)
class Errands:
    """A real box as commands see it."""

    box: Box
    limits: Limits

    async def run(self, errand: Errand) -> Ran:
        job = Job(
            errand.argv,
            errand.files,
            writable=errand.writable,
            stdin=errand.stdin,
            environment=errand.environment,
        )
        return await self.box.run(job, replace(self.limits, wall_seconds=errand.seconds))
