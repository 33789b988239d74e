"""What goes into a sandbox, what comes out, and why there may be none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, Protocol

from rung.core.errors import RungError

MEBIBYTE: Final = 1 << 20

PYTHON: Final = "rung:python"
"""As ``argv[0]``: the sandbox's own Python, followed by a file of the job. May be served warm."""

MOST_FILES = 10_000
LONGEST_PATH = 1_000
LONGEST_NAME_BYTES = 255
DEEPEST = 32


class UnavailableError(RungError):
    """Nothing can be run here; ``fix`` says what an operator can do. It is never a verdict."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message, fix=fix)


class JobError(ValueError):
    """A job that cannot be laid out: a path leads out, or is there twice; too many files."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take. All are of the whole job but ``file_bytes`` and ``open_files``.

    ``memory_bytes`` also bounds what one process may allocate for itself. ``processes`` counts
    threads. ``output_bytes`` is of both streams together. ``tmp_bytes`` and ``tmp_files`` are of
    each place that can be written: /tmp, /dev/shm, and the work folder where it is writable.
    """

    wall_seconds: float = 10.0
    cpu_seconds: float = 10.0
    memory_bytes: int = 512 * MEBIBYTE
    processes: int = 32
    file_bytes: int = 16 * MEBIBYTE
    output_bytes: int = MEBIBYTE
    open_files: int = 256
    tmp_bytes: int = 32 * MEBIBYTE
    tmp_files: int = 20_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero")


@dataclass(frozen=True, slots=True)
class Job:
    """One command, with the files it finds in its work folder, where it starts.

    ``files`` maps relative paths to contents; a file that begins with ``#!`` may be executed. The
    folder is read-only unless ``writable``, which works on a copy: what is written there is lost.
    ``environment`` is added to a fixed one; nothing is inherited.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    writable: bool = False
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise JobError("a job needs a command")
        words = (*self.argv, *self.environment, *self.environment.values())
        if not all(map(_passable, words)) or any("=" in name for name in self.environment):
            raise JobError("a command or an environment holds what no process can be given")
        check_paths(self.files)


class Ended(StrEnum):
    """What ended a job: itself, or the limit for which it was killed."""

    EXIT = "exit"
    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    OUTPUT = "output"
    PROCESSES = "processes"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a job went. ``status`` is its exit status, None where a signal or a limit ended it.

    As in shells, 127 says that the command was not found and 126 that it cannot be executed. Output
    is bytes as they came, hostile, and cut at the limit if ``truncated``.
    """

    status: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    ended_by: Ended
    truncated: bool = False
    sandboxed: bool = True
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing tried inside: ``held`` if it went as it must; ``seen`` is what happened."""

    name: str
    held: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the canary found. ``sandboxed`` is False where there is nothing to prove."""

    sandboxed: bool
    checks: tuple[Check, ...]
    version: str = ""
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        return all(check.held for check in self.checks)


class Dialogue(Protocol):
    """One job that frames are exchanged with while it runs."""

    @property
    def sandboxed(self) -> bool: ...

    @property
    def ran(self) -> Ran | None:
        """How it ended, once it has. Raises UnavailableError if there never was a job."""
        ...

    def send(self, frame: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """The next frame; None when the job has ended and nothing is left to hear."""
        ...


class Box(Protocol):
    """What can run jobs: a `Sandbox`, or its `Unsandboxed` twin."""

    @property
    def sandboxed(self) -> bool: ...

    async def prove(self) -> Proof:
        """Make sure of it; raises UnavailableError. Nothing runs before this has succeeded."""
        ...

    async def run(self, job: Job, limits: Limits | None = None) -> Ran:
        """Run one job to its end or to a limit. Raises UnavailableError; leaves nothing over."""
        ...

    def talk(
        self, jobs: Sequence[tuple[Job, Limits]]
    ) -> AbstractAsyncContextManager[tuple[Dialogue, ...]]:
        """Start all of ``jobs``, to exchange frames with each; on leaving, they are killed."""
        ...

    def keep_warm(self, slots: int, there: Mapping[str, bytes]) -> None:
        """From now on, keep so many slots for jobs that bring the modules ``there``, imported."""
        ...

    async def close(self) -> None: ...


def check_paths(files: Mapping[str, bytes]) -> None:
    """Raise JobError unless every path stays inside, and none is both a file and a folder."""
    if len(files) > MOST_FILES:
        raise JobError(f"{len(files)} files are more than {MOST_FILES}")
    folders: set[PurePosixPath] = set()
    places: set[PurePosixPath] = set()
    for path in files:
        place = _checked(path)
        if place in places:
            raise JobError(f"{path!r} is there twice")
        places.add(place)
        folders.update(place.parents)
    both = places & folders
    if both:
        raise JobError(f"{min(map(str, both))!r} is both a file and a folder")


def _passable(word: str) -> bool:
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


def _checked(path: str) -> PurePosixPath:
    if not path or len(path) > LONGEST_PATH or path.startswith("/") or path.endswith("/"):
        raise JobError(f"not a path within the work folder: {path[:80]!r}")
    place = PurePosixPath(path)
    parts = place.parts
    if not parts or len(parts) > DEEPEST or ".." in parts or "\0" in path:
        raise JobError(f"not a path within the work folder: {path[:80]!r}")
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        raise JobError(f"not a path within the work folder: {path[:80]!r}") from None
    if longest > LONGEST_NAME_BYTES:
        raise JobError(f"a name is longer than {LONGEST_NAME_BYTES} bytes: {path[:80]!r}")
    return place
