"""Under which conditions figures were measured, without which they mean little."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

PACKAGES = ("rung", "granian", "starlette", "pyqwest", "pyreqwest", "uvloop", "msgspec", "aiohttp")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
SYNCS = 100


def conditions(disk: Path, others: float) -> dict[str, object]:
    """The machine, the versions and the disk; ``others`` is the share of CPU that others took."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "ledger_file_system": file_system(disk),
        "sync_us": round(sync_seconds(disk) * 1e6),
        "cpu_taken_by_others": round(others, 3),
    }


def real_disk() -> Path:
    """A folder for temporary files that is not in memory, where there is one."""
    candidates = [Path(tempfile.gettempdir()), Path.cwd()]
    return next((path for path in candidates if file_system(path) not in IN_MEMORY), candidates[0])


def file_system(path: Path) -> str:
    """The kind of file system that holds ``path``."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    above = {str(path.resolve()), *map(str, path.resolve().parents)}
    kinds = {where: kind for _, where, kind, *_ in mounts if where in above}
    return kinds[max(kinds, key=len)]


def sync_seconds(folder: Path) -> float:
    """What this disk takes to make 4 KB durable: the median of write and fdatasync."""
    path = folder / "sync"
    took = []
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(SYNCS):
            began = perf_counter()
            os.write(file, bytes(4096))
            os.fdatasync(file)
            took.append(perf_counter() - began)
    finally:
        os.close(file)
        path.unlink()
    return median(took)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ModuleNotFoundError:
        return None


def cpu_model() -> str:
    """What the processor calls itself."""
    told = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in told if line.startswith("model name"))
    return next(names, platform.machine())
