"""What some checks need of the outside: a box for commands and code, tiers to ask.

A check that needs any of it is built without, and abstains until it is equipped. Only the
composition root has a kit to give.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rung.core.types import Answer, Request
from rung.verifiers.base import Verifier
from rung.verifiers.command_outcome import Outcome


@dataclass(frozen=True, slots=True)
class Errand:
    """One run of a command. The files are in its work folder; nothing else of the host is.

    ``modules`` are files too, of Python, that are the same each time: a box that keeps Pythons warm
    has imported them already.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes]
    stdin: bytes
    seconds: float
    writable: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, bytes] = field(default_factory=dict)


class Dialogue(Protocol):
    """One errand that frames are exchanged with while it runs."""

    @property
    def sandboxed(self) -> bool: ...

    @property
    def ran(self) -> Outcome | None:
        """How it ended, once it has. Raises RungError if it never began."""
        ...

    def send(self, frame: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """The next frame; None when it has ended and nothing is left to hear."""
        ...


class CommandBox(Protocol):
    """Where commands run."""

    async def run(self, errand: Errand, /) -> Outcome:
        """Run one command to its end or to a limit. Raises RungError where nothing can run."""
        ...

    def talk(self, *errands: Errand) -> AbstractAsyncContextManager[tuple[Dialogue, ...]]:
        """Start all, to exchange frames with each: a length (4 bytes, big-endian) and as many.

        On leaving, they are killed. Their limit is their ``seconds``, of the CPU too. Raises
        RungError where nothing can run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tier answered a check, with what that was billed.

    ``left`` says that the tier is not on this machine or network.
    """

    answer: Answer
    cost_nanousd: int
    seconds: float
    left: bool = False


class Tiers(Protocol):
    """The configured tiers, to be asked by a check."""

    async def ask(self, tier: str, request: Request, seconds: float, /) -> Reply:
        """One plain call. Raises RungError where there is no answer within ``seconds``."""
        ...


@dataclass(frozen=True, slots=True)
class Kit:
    """All there is to give."""

    box: CommandBox
    tiers: Tiers


@runtime_checkable
class Equippable(Protocol):
    """A check that needs something of a kit."""

    def equipped(self, kit: Kit, /) -> Verifier:
        """The same check with what it needs."""
        ...
