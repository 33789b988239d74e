"""Kills a writing process again and again, and looks whether the ledger kept its word.

    python ledger_crash.py PLACE CYCLES

PLACE is a folder, or the URL of an empty Postgres database. Each cycle forks a writer with several
requests under way at once: each sets money aside, then appends its outcome and settles. It reports
a hold or an outcome only after that was acknowledged. After a random number of reports it is killed
with SIGKILL. Then everything reported must be there, whole, the database sound, and the budget
equal to its holds; and what was under way is resolved, as another process does. Prints one JSON
document.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rung.core.addresses import is_url
from rung.core.budgets import Budget, Cap, Counter, Per, Scope
from rung.ledger import Ledger, holds
from rung.ledger.database import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.ledger_rows import rows
from support.outcomes import outcome

AT_ONCE = 8
CYCLES_A_FILE = 10
REPORTS = (0, 1, 2, 5, 20, 60)
"""None at all kills the writer while it still makes or opens the database."""

HELD_NANOUSD, COST_NANOUSD = 5_000, 1_000
BUDGET = Budget("all", cap_nanousd=10**15, scope=Scope.TOTAL, per=Per.EVER)
CAPS = (Cap(BUDGET, Counter(Scope.TOTAL, "", Per.EVER)),)
COUNTS = """
SELECT r.id AS id,
  (SELECT count(*) FROM attempts a WHERE a.request_id = r.id) AS attempts,
  (SELECT count(*) FROM verdicts v WHERE v.request_id = r.id) AS verdicts,
  (SELECT count(*) FROM baselines b WHERE b.request_id = r.id) AS baselines FROM requests r
"""


@dataclass
class Tally:
    """What all cycles came to; all but the first three must be none."""

    cycles: int = 0
    kept: int = 0
    resolved: int = 0
    lost: int = 0
    partial: int = 0
    unsound: int = 0
    unheld: int = 0
    unequal: int = 0


def main(place: str, cycles: int) -> Tally:
    """Run all cycles."""
    chance, tally = random.Random(cycles), Tally(cycles)
    outcomes: set[str] = set()
    held: set[str] = set()
    for cycle in range(cycles):
        at = place
        if not is_url(place):
            at = str(Path(place) / f"{cycle // CYCLES_A_FILE}.db")
            if cycle % CYCLES_A_FILE == 0:
                outcomes, held = set(), set()
        for report in killed_after(chance.choice(REPORTS), at, cycle):
            kind, _, name = report.partition(" ")
            (outcomes if kind == "outcome" else held).add(name)
        look(at, outcomes, held, tally)
    return tally


def look(place: str, outcomes: set[str], held: set[str], tally: Tally) -> None:
    """Hold the ledger against what its writers had acknowledged."""
    with Ledger.open(place) as ledger:  # makes the tables where the writer was too early killed
        if not is_url(place):
            tally.unsound += rows(place, "PRAGMA integrity_check") != [{"integrity_check": "ok"}]
        there = {row.pop("id"): list(row.values()) for row in rows(place, COUNTS)}
        tally.kept += len(outcomes)
        tally.lost += len(outcomes - there.keys())
        tally.partial += sum(counts != [1, 1, 1] for counts in there.values())
        stand = rows(place, "SELECT * FROM holds")
        tally.unheld += len(held - {row["id"] for row in stand})
        tally.unequal += not agree(place)
        dead = {row["process_id"] for row in stand if row["state"] == "open"}
        for process in sorted(dead):
            ended = ledger.enqueue(partial(holds.resolve, process_id=process, now=time.time()))
            tally.resolved += len(ended.result())
        tally.unequal += not agree(place) or bool(open_holds(place))


def open_holds(place: str) -> list[dict[str, object]]:
    return rows(place, "SELECT id FROM holds WHERE state = 'open'")


def agree(place: str) -> bool:
    """Whether the budget says what the holds come to."""
    stand = rows(place, "SELECT * FROM holds")
    held = sum(row["amount_nanousd"] for row in stand if row["state"] == "open")
    spent = sum(row["settled_nanousd"] for row in stand if row["state"] != "open")
    budget = rows(place, "SELECT spent_nanousd, held_nanousd FROM budgets")
    told = [(row["spent_nanousd"], row["held_nanousd"]) for row in budget]
    return told == ([(spent, held)] if stand else [])


def killed_after(reports: int, place: str, cycle: int) -> set[str]:
    """What the writer reported before and while it was killed."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            asyncio.run(write(place, into, cycle))
        finally:
            os._exit(1)
    os.close(into)
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


async def write(place: str, into: int, cycle: int) -> None:
    ledger = Ledger.open(place)
    process = f"process-{cycle}"

    def settle(name: str, connection: Connection) -> None:
        holds.settle(connection, name, COST_NANOUSD, time.time())

    async def forever(who: int) -> None:
        number = 0
        while True:
            name = f"{cycle}-{who}-{number}"
            hold = f"hold-{name}"
            claim = holds.Claim(hold, name, process, HELD_NANOUSD, CAPS, {})
            await ledger.commit(partial(holds.reserve, claim=claim, now=time.time()))
            os.write(into, f"hold {hold}\n".encode())
            ledger.enqueue(partial(settle, hold))
            await ledger.append(outcome(name))
            os.write(into, f"outcome {name}\n".encode())
            number += 1

    with suppress(BrokenPipeError):
        await asyncio.gather(*(forever(who) for who in range(AT_ONCE)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(sys.argv[1], int(sys.argv[2])))))
