"""An acknowledged write has waited for the disk: the kernel is asked to sync before each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from support.postgres import Server, why_not

TESTS = Path(__file__).parents[1]
WRITES = 25
PATIENCE_SECONDS = 10.0
WRITER = """
import asyncio, json, sys, time
sys.path.insert(0, sys.argv[1])
from rung.ledger import Ledger
from support.outcomes import outcome

async def main():
    found = []
    with Ledger.open(sys.argv[2]) as ledger:
        for number in range(int(sys.argv[3])):
            began = time.time()
            await ledger.append(outcome(f"req-{number}"))
            found.append((began, time.time()))
    print(json.dumps(found))

asyncio.run(main())
"""
CALL = re.compile(
    r"^\d+ +(?P<at>[\d.]+) (?P<resumed><\.\.\. )?(?P<name>fsync|fdatasync)(?P<on>.*?)"
    r" = 0 <(?P<took>[\d.]+)>$"
)


class Sync(NamedTuple):
    """A sync that ended well; seconds since 1970."""

    began: float
    ended: float


def traced(log: Path) -> tuple[str, ...]:
    """The command that writes down the syncs of what it starts, in whose place that runs."""
    calls = ("-e", "trace=fsync,fdatasync")
    return ("strace", "-D", "-f", "-qq", "-ttt", "-T", "-y", *calls, "-o", str(log))


def why_untraced() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-qq", "-o", "/dev/null", "true"]
    done = subprocess.run(command, capture_output=True, check=False)
    return None if done.returncode == 0 else "strace may not trace here"


needs_strace = pytest.mark.skipif(why_untraced() is not None, reason=str(why_untraced()))


def syncs(log: Path) -> list[Sync]:
    """All of them, once the tracer has ended: it writes down its last lines then."""
    tracers = [one for one in psutil.process_iter(["cmdline"]) if str(log) in _command(one)]
    _, running = psutil.wait_procs(tracers, PATIENCE_SECONDS)
    assert not running
    found = []
    for line in log.read_text().splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        at, took = float(call["at"]), float(call["took"])
        # A call during which others were traced is told when it ends.
        found.append(Sync(at - took, at) if call["resumed"] else Sync(at, at + took))
    return found


def _command(process: psutil.Process) -> list[str]:
    return process.info["cmdline"] or []


def written(place: str, *, under: tuple[str, ...] = ()) -> list[tuple[float, float]]:
    """When each of some writes was begun and acknowledged, one after the other."""
    command = [*under, sys.executable, "-c", WRITER, str(TESTS), place, str(WRITES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [(began, acknowledged) for began, acknowledged in json.loads(done.stdout)]


def unsynced(writes: list[tuple[float, float]], log: Path) -> list[int]:
    """The writes that were acknowledged without a sync between."""
    found = syncs(log)
    return [
        number
        for number, (began, acknowledged) in enumerate(writes)
        if not any(began <= sync.began and sync.ended <= acknowledged for sync in found)
    ]


@needs_strace
def test_each_write_to_a_file_is_acknowledged_after_a_sync(tmp_path):
    log = tmp_path / "syncs"
    writes = written(str(tmp_path / "ledger.db"), under=traced(log))
    assert len(writes) == WRITES
    assert unsynced(writes, log) == []
    assert "ledger.db-wal" in log.read_text()


@needs_strace
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_each_write_to_a_server_is_acknowledged_after_a_sync_of_its_own(tmp_path):
    log = tmp_path / "syncs"
    with Server(durable=True, under=traced(log)) as server:
        writes = written(server.url(server.fresh()))
    assert len(writes) == WRITES
    assert unsynced(writes, log) == []
    assert "pg_wal" in log.read_text()


@needs_strace
def test_a_server_that_does_not_wait_for_the_disk_is_told_apart(tmp_path):
    log = tmp_path / "syncs"
    with Server(durable=False, under=traced(log)) as server:
        writes = written(server.url(server.fresh()))
    assert len(unsynced(writes, log)) == WRITES
