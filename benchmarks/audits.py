"""Do audits find bad gates out? A gateway over a world whose truth is known, and `rung verifiers`.

.venv/bin/python benchmarks/audits.py [requests] [share]

Each of three ladders has one gate and gets so many requests (default 2,000) at this audit share
(default 2%): `sound` knows what is right, `blind` passes everything, `harsh` fails half of what is
right. The cheap tier is wrong in 30%, the top tier never, and judges truthfully.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import audit_world
from support.gateway import Gateway, chat, fetch, request, rung
from support.openai_server import OpenAIServer

AT_ONCE = 4
TRUE = {"sound": (0.0, 0.0), "blind": (1.0, 0.0), "harsh": (0.0, 0.5)}
"""False accepts and false rejects of each gate."""

FULL = 50
"""Requests between two looks at whether the audits keep up: beyond 100 of them are dropped."""


def unfinished(ledger: Path, gate: str, share: float) -> int:
    """How many of the requests that were drawn have no label yet."""
    from rung.audits import drawn

    with closing(sqlite3.connect(ledger)) as connection:
        asked = connection.execute(
            "SELECT id FROM requests WHERE audit_of IS NULL AND ladder = ?", (gate,)
        ).fetchall()
        told = connection.execute("SELECT DISTINCT request_id FROM labels").fetchall()
    return len({name for (name,) in asked if drawn(name, share)} - {name for (name,) in told})


async def load(gateway: Gateway, gate: str, count: int, share: float) -> None:
    numbers = iter(range(count))

    async def caller(mine: Iterator[int]) -> None:
        for number in mine:
            headers = [("x-rung-ladder", gate)]
            await fetch(gateway.port, request(body=chat(str(number)), headers=headers))
            while number % FULL == 0 and unfinished(gateway.ledger, gate, share) > FULL:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    await asyncio.gather(*(caller(numbers) for _ in range(AT_ONCE)))
    until = time.monotonic() + 60
    while unfinished(gateway.ledger, gate, share) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def command(gateway: Gateway, *arguments: str) -> str:
    done: subprocess.CompletedProcess[str] = rung(
        gateway.folder, *arguments, "--config", str(gateway.config)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def main(count: int, share: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        OpenAIServer(audit_world.cheap) as cheap,
        OpenAIServer(audit_world.top) as top,
    ):
        env = audit_world.checks(Path(folder))
        config = audit_world.config(cheap.base_url, top.base_url, share)
        with Gateway(Path(folder), config, env=env) as gateway:
            began = time.perf_counter()
            for gate in TRUE:
                asyncio.run(load(gateway, gate, count, float(share.rstrip("%")) / 100))
            took = time.perf_counter() - began
            print(command(gateway, "verifiers"))
            told = json.loads(command(gateway, "verifiers", "--json"))
            dropped = gateway.said.count("too many audits wait")
    missed = 0
    for line in told["verifiers"]:
        if line["verifier"] in TRUE and line["tier"] == "a":
            rates = zip(("false_accepts", "false_rejects"), TRUE[line["verifier"]], strict=True)
            for name, true in rates:
                found = line[name]
                held = found["low"] <= true <= found["high"]
                missed += not held
                print(
                    f"{line['verifier']:<6} {name}: {found['low']:.3f}-{found['high']:.3f},"
                    f" true {true:g}{'' if held else ', MISSED'}"
                )
    print(f"{3 * count} requests in {took:.0f} s, {dropped} audits dropped, {missed} rates missed")


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(int(asked[0]) if asked else 2000, asked[1] if len(asked) > 1 else "2%")
