"""Kills a writing process again and again, and looks whether the ledger kept its word.

    python ledger_crash.py FOLDER CYCLES

Each cycle forks a writer with several appends under way at once; it reports an id only after its
append returned. After a random number of reports it is killed with SIGKILL. Then every reported
outcome must be there, whole, and the file sound. Prints one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import closing
from pathlib import Path

from rung.ledger import Ledger
from rung.ledger.schema import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.outcomes import outcome

AT_ONCE = 8
CYCLES_A_FILE = 10


def main(folder: Path, cycles: int) -> dict[str, int]:
    chance = random.Random(cycles)
    told: set[str] = set()
    lost = unsound = partial = kept = 0
    for cycle in range(cycles):
        path = folder / f"{cycle // CYCLES_A_FILE}.db"
        if cycle % CYCLES_A_FILE == 0:
            told = set()
        # None at all kills the writer while it still makes or opens the file.
        told |= killed_after(chance.choice([0, 1, 2, 5, 20, 60]), path, cycle)
        with closing(connect(path)) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            unsound += not sound
            if not told:
                continue
            rows = connection.execute(
                "SELECT r.id, (SELECT count(*) FROM attempts a WHERE a.request_id = r.id), "
                "(SELECT count(*) FROM verdicts v WHERE v.request_id = r.id), "
                "(SELECT count(*) FROM baselines b WHERE b.request_id = r.id) FROM requests r"
            )
            there = {name: counts for name, *counts in rows}
        lost += len(told - there.keys())
        partial += sum(counts != [1, 1, 1] for counts in there.values())
        kept += len(told)
    return {"cycles": cycles, "kept": kept, "lost": lost, "partial": partial, "unsound": unsound}


def killed_after(reports: int, path: Path, cycle: int) -> set[str]:
    """The ids that the writer reported before and while it was killed."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            asyncio.run(write(path, into, cycle))
        finally:
            os._exit(1)
    os.close(into)
    path.touch(mode=0o600)
    heard = b""
    while heard.count(b"\n") < reports and (more := os.read(out, 65536)):
        heard += more
    os.kill(child, signal.SIGKILL)
    while more := os.read(out, 65536):
        heard += more
    os.close(out)
    os.waitpid(child, 0)
    assert heard.count(b"\n") >= reports, "the writer ended by itself"
    return set(heard.decode().splitlines())


async def write(path: Path, into: int, cycle: int) -> None:
    ledger = Ledger.open(path)

    async def forever(who: int) -> None:
        number = 0
        while True:
            name = f"{cycle}-{who}-{number}"
            await ledger.append(outcome(name))
            os.write(into, f"{name}\n".encode())
            number += 1

    await asyncio.gather(*(forever(who) for who in range(AT_ONCE)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
