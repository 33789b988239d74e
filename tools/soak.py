"""Kill gateways and databases under load, many times over, and look what their ledgers kept.

    python tools/soak.py --sqlite 1000 --postgres 300 [--seed N]

Tells how far it is, then one JSON document. The exit status is 1 where a promise was broken; the
folder of that ledger then stays. What is promised stands in tests/support/crash_soak.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.crash_soak import Soak, SoakError, Tally
from support.postgres import Server, why_not

EVERY_SECONDS = 5.0


def main() -> int:
    """Run both, as far as asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sqlite", type=int, default=1000, metavar="CYCLES")
    parser.add_argument("--postgres", type=int, default=300, metavar="CYCLES")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = {}
    if given.sqlite:
        found["sqlite"] = soak(None, given.sqlite, given.seed)
    if given.postgres and (reason := why_not()):
        sys.stderr.write(f"postgres: left out, since {reason}\n")
    elif given.postgres:
        with Server(durable=True) as server:
            found["postgres"] = soak(server, given.postgres, given.seed)
            server.check()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(any("broken" in one for one in found.values()))


def soak(server: Server | None, cycles: int, seed: int) -> dict[str, object]:
    """All cycles on one kind of database; what they came to."""
    folder = Path(tempfile.mkdtemp(prefix="rung-soak-"))
    run = Soak(folder, server, seed)
    name = "sqlite" if server is None else "postgres"
    began = time.monotonic()
    try:
        asyncio.run(run.run(cycles, progress(name, cycles, began)))
    except SoakError as error:
        sys.stderr.write(f"{name}: {error}\n{name}: see {folder}\n")
        return run.tally.told() | {"broken": str(error), "folder": str(folder)}
    shutil.rmtree(folder)
    return run.tally.told() | {"seconds": round(time.monotonic() - began)}


def progress(name: str, cycles: int, began: float) -> Callable[[Tally], None]:
    """Says now and then how far it is."""
    last = began

    def told(tally: Tally) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY_SECONDS and tally.cycles < cycles:
            return
        last = now
        left = (now - began) / tally.cycles * (cycles - tally.cycles)
        sys.stderr.write(
            f"{name}: {tally.cycles} of {cycles} kills, {tally.acknowledged} answers acknowledged, "
            f"{tally.lost} lost, {left:.0f} s left\n"
        )

    return told


if __name__ == "__main__":
    sys.exit(main())
