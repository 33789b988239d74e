"""What a job uses, read from /proc from outside, and which of its limits that breaks.

Needed beside the kernel's own limits, which are of one process each: twelve processes within their
limits would use twelve times as much.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from rung.sandbox.shape import Ended, Limits

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_COUNTED = (b"RssAnon:", b"RssShmem:", b"VmSwap:")
_SHARED_OUT = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")
_MOST_SEEN = 5_000
"""Processes looked at in one reading; a job that has more has long broken its limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and all its descendants use now, and the processor time they have used."""

    processes: tuple[int, ...]
    tasks: int
    cpu_seconds: float
    memory_bytes: int


def usage(root: int) -> Usage:
    """Memory that processes share is counted once for each: an upper bound."""
    seen: list[int] = []
    waiting = [root]
    tasks, cpu, memory = 0, 0.0, 0
    while waiting and len(seen) < _MOST_SEEN:
        process = waiting.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            threads, ticks = _counters(process)
            seen.append(process)
            tasks += threads
            cpu += ticks / _TICKS
            memory += _kilobytes(_PROC / str(process) / "status", _COUNTED) * 1024
            waiting += _children(process)
    return Usage(tuple(seen), tasks, cpu, memory)


def own_bytes(processes: tuple[int, ...]) -> int:
    """The memory of ``processes`` with what they share counted once. Slower than `usage`."""
    return sum(_proportional(process) for process in processes)


def broken(used: Usage, limits: Limits, cpu_before: float) -> Ended | None:
    """The limit that ``used`` breaks, if any."""
    if used.cpu_seconds - cpu_before > limits.cpu_seconds:
        return Ended.CPU
    if used.tasks > limits.processes + _ROOM:
        return Ended.PROCESSES
    if used.memory_bytes > limits.memory_bytes and own_bytes(used.processes) > limits.memory_bytes:
        return Ended.MEMORY
    return None


_ROOM = 4
"""bubblewrap's own processes, and one that may be seen twice while it starts another."""


def too_many_files(first: int, limits: Limits) -> bool:
    """Whether a writable place of the sandbox whose first process is ``first`` holds too many.

    Empty files take kernel memory that no size of a tmpfs bounds.
    """
    root = _PROC / str(first) / "root"
    with contextlib.suppress(OSError):
        # Until bubblewrap has changed its root, these places are the host's own.
        if root.stat().st_dev == Path("/").stat().st_dev:
            return False
        return any(_crowded(root / place, limits.tmp_files) for place in _WRITABLE)
    return False


_WRITABLE = ("tmp", "dev/shm", "job")


def _crowded(place: Path, most: int) -> bool:
    held = os.statvfs(place)
    return not held.f_flag & os.ST_RDONLY and held.f_files - held.f_ffree > most


def leads_namespace(process: int) -> bool:
    """Whether it is the first process of a namespace of processes."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "status").read_bytes().splitlines():
            if line.startswith(b"NSpid:"):
                return len(line.split()) > 2 and line.split()[-1] == b"1"
    return False


def _counters(process: int) -> tuple[int, int]:
    """Threads, and ticks of processor time with those of children that were waited for."""
    # A program chooses its own name, which may hold spaces and brackets: count from the last one.
    fields = (_PROC / str(process) / "stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[17]), sum(map(int, fields[11:15]))


def _kilobytes(file: Path, names: tuple[bytes, ...]) -> int:
    lines = file.read_bytes().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(names))


def _proportional(process: int) -> int:
    folder = _PROC / str(process)
    with contextlib.suppress(OSError, ValueError, IndexError):
        return _kilobytes(folder / "smaps_rollup", _SHARED_OUT) * 1024
    with contextlib.suppress(OSError, ValueError, IndexError):
        return _kilobytes(folder / "status", _COUNTED) * 1024
    return 0


def _children(process: int) -> list[int]:
    found: list[int] = []
    for thread in (_PROC / str(process) / "task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (thread / "children").read_bytes().split())
    return found
