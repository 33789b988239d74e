"""Kills gateways under load, and their database, and looks each time whether the ledger kept faith.

A cycle starts a gateway, lets clients ask until a random number of them has been answered, and
kills with SIGKILL: the gateway, and on Postgres now and then all processes of the server, which is
then started anew. After it

- every answer that was received to its last byte is in the ledger, with its calls; where the
  database was away it may wait on the disk, and is in the ledger once the next process runs,
- the database is sound,
- nothing that the last process had set aside is still open once the next one runs: what was under
  way is booked as unknown,
- every call that the provider was asked is booked, and none twice,
- what budgets count is what the calls cost, and they hold nothing back,
- `rung ledger check` finds nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from support.gateway import Gateway, Reply, chat, fetch, request, rung
from support.ledger_rows import rows
from support.postgres import Server
from support.provider_books import Books, config

CLIENTS = 8
ENOUGH = (1, 3, 10, 40)
"""Answers after which a cycle may kill."""

SCRIPTS = (
    *("low=right",) * 6,
    "low=wrong,right",
    "low=wrong high=right",
    "low=500 high=right",
    "low=wrong high=wrong",
    "low=late",
)
DATABASE_EVERY = 4
"""On Postgres one kill in so many takes the database."""

PATIENCE_SECONDS = 30.0
BUDGET = '[[budgets]]\nname = "all"\nscope = "total"\nper = "ever"\nusd = 1000000\n'


class SoakError(AssertionError):
    """The ledger broke a promise. The text says in which cycle, and which."""


@dataclass
class Tally:
    """What all cycles came to."""

    cycles: int = 0
    killed_databases: int = 0
    acknowledged: int = 0
    calls: int = 0
    attempts: int = 0
    unknown: int = 0
    lost: int = 0
    recovery_seconds: float = 0.0
    """The longest that a new process took to resolve what was open."""

    def told(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Soak:
    """Cycles on one ledger in ``folder``: a file, or a database of ``server``."""

    folder: Path
    server: Server | None = None
    seed: int = 1
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._acknowledged: set[str] = set()
        self._numbers = 0
        self._books = Books()
        place = self.folder / "ledger.db"
        self.place = str(place) if self.server is None else self.server.url(self.server.fresh())

    async def run(self, cycles: int, told: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Raises SoakError at the first broken promise. ``told`` hears of each cycle."""
        with self._books.server() as provider:
            more = BUDGET
            self._gateway = Gateway(self.folder, config(provider.base_url, self.place, more))
            try:
                for _ in range(cycles):
                    await self._cycle()
                    told(self.tally)
                await self._last()
            finally:
                self._gateway.process.end()
        return self.tally

    # -------------------------------------------------------------- one cycle

    async def _cycle(self) -> None:
        self.tally.cycles += 1
        gateway = await asyncio.to_thread(self._gateway.start)
        await self._resolved()
        await self._load(gateway, self._chance.choice(ENOUGH))
        if self.server is not None and self.tally.cycles % DATABASE_EVERY == 1:
            await self._database_dies(gateway)
        loading = asyncio.ensure_future(self._load(gateway, 10_000))
        await asyncio.sleep(self._chance.random() * 0.1)
        await asyncio.to_thread(gateway.kill)
        await loading
        self._check()

    async def _database_dies(self, gateway: Gateway) -> None:
        """Under load; the gateway stays, and serves again when the server does."""
        assert self.server is not None
        self.tally.killed_databases += 1
        loading = asyncio.ensure_future(self._load(gateway, 10_000))
        await asyncio.sleep(self._chance.random() * 0.1)
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(self._chance.random() * 0.3)
        await asyncio.to_thread(self.server.start)
        until = time.monotonic() + PATIENCE_SECONDS
        while (await self._ask(gateway, "low=right")).status != 200:
            self._must(time.monotonic() < until, "no request is served after the database is back")
            await asyncio.sleep(0.05)
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading

    async def _load(self, gateway: Gateway, enough: int) -> None:
        """Clients that ask until there are enough answers, or the gateway is gone."""
        left = enough

        async def client() -> None:
            nonlocal left
            with suppress(OSError, AssertionError, asyncio.IncompleteReadError):
                while left > 0:
                    await self._ask(gateway, self._chance.choice(SCRIPTS))
                    left -= 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    async def _ask(self, gateway: Gateway, script: str) -> Reply:
        self._numbers += 1
        body = chat(f"#{self._numbers} {script}", stream=self._numbers % 4 == 3)
        reply = await fetch(gateway.port, request(body=body))
        if reply.status != 503 and whole(reply):
            self._acknowledged.add(reply.headers["x-rung-request-id"])
        return reply

    # -------------------------------------------------------------- what must hold

    def _must(self, holds: bool, said: str) -> None:
        if not holds:
            raise SoakError(f"cycle {self.tally.cycles}: {said}")

    def _check(self) -> None:
        if self.server is None:
            sound = rows(self.place, "PRAGMA integrity_check")
            self._must([list(row.values()) for row in sound] == [["ok"]], f"damaged: {sound}")
        missing = self._missing()
        self.tally.acknowledged = len(self._acknowledged)
        self._must(
            not missing or self._waits_elsewhere(),
            f"acknowledged, but not in the ledger: {sorted(missing)[:3]}",
        )
        bare = rows(
            self.place,
            "SELECT r.id FROM requests r WHERE NOT EXISTS "
            "(SELECT 1 FROM attempts a WHERE a.request_id = r.id)",
        )
        self._must(not bare, f"requests without their calls: {bare[:3]}")

    def _missing(self) -> set[str]:
        """What was acknowledged and is not in the ledger."""
        booked = {row["id"] for row in rows(self.place, "SELECT id FROM requests")}
        return self._acknowledged - booked

    def _waits_elsewhere(self) -> bool:
        """Whether a server that was away could not take everything: it waits on the disk."""
        return self.server is not None and any(self.folder.glob("**/spool/*.jsonl"))

    async def _resolved(self) -> None:
        """Wait until nothing of a dead process is open, and all is in the ledger."""
        began = time.monotonic()
        while left := self._unresolved():
            seconds = time.monotonic() - began
            self._must(seconds < PATIENCE_SECONDS, left)
            await asyncio.sleep(0.02)
        self.tally.recovery_seconds = max(self.tally.recovery_seconds, time.monotonic() - began)

    def _unresolved(self) -> str:
        if left := rows(self.place, "SELECT id FROM holds WHERE state = 'open'"):
            return f"still open: {left[:3]}"
        if missing := self._missing():
            self.tally.lost = len(missing)
            return f"acknowledged, but not in the ledger: {sorted(missing)[:3]}"
        self.tally.lost = 0
        return ""

    async def _last(self) -> None:
        """After the last kill: one more start, an orderly end, and the books."""
        await asyncio.to_thread(self._gateway.start)
        await self._resolved()
        await asyncio.to_thread(self._gateway.stop)
        self._check()
        found = list(self._disagreements())
        self._must(not found, "; ".join(found))
        checked = await asyncio.to_thread(rung, self.folder, "ledger", "check", seconds=300.0)
        self._must(checked.returncode == 0, f"rung ledger check: {checked.stdout}{checked.stderr}")

    def _disagreements(self) -> Iterator[str]:
        attempts = rows(
            self.place,
            "SELECT a.tier AS tier, a.input_tokens AS sent, a.failure_fault AS fault, "
            "a.usage_source AS source, a.cost_nanousd AS cost FROM attempts a "
            "WHERE a.failure_fault IS NULL OR a.failure_fault <> 'budget'",
        )
        self.tally.calls, self.tally.attempts = len(self._books.entries), len(attempts)
        self.tally.unknown = sum(row["fault"] == "unknown" for row in attempts)
        known = self.tally.attempts - self.tally.unknown
        if not known <= self.tally.calls <= self.tally.attempts:
            yield (
                f"{self.tally.calls} calls were made, {known} are booked as what they were "
                f"and {self.tally.unknown} as unknown"
            )
        told = Counter((e.tier, e.counts.sent) for e in self._books.entries if e.told)
        counted = Counter((r["tier"], r["sent"]) for r in attempts if r["source"] == "provider")
        if beyond := counted - told:
            yield f"booked, but never told by the provider: {list(beyond)[:3]}"
        spent = sum(row["cost"] for row in attempts)
        for row in rows(self.place, "SELECT name, spent_nanousd, held_nanousd FROM budgets"):
            if (row["spent_nanousd"], row["held_nanousd"]) != (spent, 0):
                yield f"the calls cost {spent}, budget {row}"


def whole(reply: Reply) -> bool:
    """Whether it was received to its last byte."""
    length = reply.headers.get("content-length")
    if length is None:
        return reply.events[-1:] == [b"[DONE]"]
    return len(reply.body) == int(length)
