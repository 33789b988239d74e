"""`rung probe run`: what every tier of a ladder makes of the same requests, within a budget."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from cyclopts import Parameter, validators
from rich.console import Console

from rung.assemble import Assembly, assemble
from rung.cli.bill import moment
from rung.cli.output import console, money, one_line, print_json
from rung.cli.probe_queries import Drawn, checked, of_file, stored
from rung.cli.probe_report import Found, Writing, estimated, may_write, rows_of, show, told, write
from rung.cli.settings import ConfigPath, Json, load
from rung.config import Config
from rung.core.errors import RequestError, UpstreamError
from rung.core.money import from_usd
from rung.core.trials import trials
from rung.ledger import Ledger
from rung.ledger.observed import Seen, probes, written
from rung.measuring import Call, Measured, Measuring
from rung.ways import unknown

LIMIT = 100

Flag = Annotated[bool, Parameter(negative="")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100_000))]
AtOnce = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=64))]


@dataclass(frozen=True)
class Sample:
    """Which requests are asked of which tiers."""

    ladder: str | None = None
    "Whose requests, tiers and checks; the default ladder otherwise."
    tiers: str | None = None
    "Only these tiers: a,b. Others than the ladder's are judged by its checks, too."
    limit: Count = LIMIT
    "How many requests are drawn."
    since: str | None = None
    "Requests since then: 30d, 24h, or a date such as 2026-11-01."
    category: str | None = None
    "Only requests of this category."
    requests: Path | None = None
    'Ask those of a file instead of stored ones: {"prompt": "..."} a line, or bodies.'


@dataclass(frozen=True)
class Spending:
    """How it is done, and what it may cost."""

    budget: str | None = None
    "The most dollars that this run may spend; it ends before it would pass them."
    at_once: AtOnce = 4
    "Calls under way at a time."
    dry_run: Flag = False
    "Estimate, and ask nothing."
    yes: Flag = False
    "Spend without asking."


Group = Parameter(name="*")


def run(
    *,
    sample: Annotated[Sample | None, Group] = None,
    spending: Annotated[Spending | None, Group] = None,
    writing: Annotated[Writing | None, Group] = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Ask every tier of a ladder the same requests, and have its checks judge each answer.

    The requests are a random sample of your own, as far as their words are stored (`store_bodies`),
    or a file's. An estimate comes first. Private requests go to no tier beyond this machine.

    It may be broken off at any time: what was asked is in the ledger, and the same call again asks
    only the rest. It is booked as second looks, under the project `rung probe`: spent, but no
    traffic. `rung tune --ledger` reads it from there.
    """
    which, how = sample or Sample(), spending or Spending()
    to = writing or Writing()
    config = load(path)
    ladder = which.ladder or config.default_ladder
    if ladder not in config.file.ladders:
        raise unknown("ladder", ladder, config.file.ladders)
    may_write(to)
    started = time.time()
    job = _Job(config, ladder, which, how, started)
    found = asyncio.run(_run(job, json=json))
    if to.write is not None and not how.dry_run:
        found.written = write(to, found.rows, found.queries)
    if json:
        print_json(told(found))
    else:
        show(found, to, console())
    if found.measured is not None and not found.measured.answered and found.estimated:
        sys.exit(UpstreamError.exit_code)


@dataclass(frozen=True, slots=True)
class _Job:
    """What was asked for."""

    config: Config
    ladder: str
    which: Sample
    how: Spending
    now: float

    @property
    def tiers(self) -> tuple[str, ...]:
        named = self.which.tiers
        own = self.config.file.ladders[self.ladder].tiers
        if named is None:
            return tuple(own)
        found = tuple(dict.fromkeys(each.strip() for each in named.split(",") if each.strip()))
        if not found:
            raise RequestError("--tiers names no tier.", fix=f"--tiers {','.join(own)}")
        return found

    @property
    def most_nanousd(self) -> int | None:
        if self.how.budget is None:
            return None
        try:
            most = from_usd(Decimal(self.how.budget.strip().removeprefix("$")))
        except (ArithmeticError, ValueError):
            most = -1
        if most < 0:
            said = f"--budget {one_line(self.how.budget, 40)} is no amount of dollars."
            raise RequestError(said, fix="as in --budget 5")
        return most


# ------------------------------------------------------------------ doing it


async def _run(job: _Job, *, json: bool) -> Found:
    parts, to = assemble(job.config), console(err=True)
    try:
        await asyncio.to_thread(parts.prices.load)
        if parts.ledger is None:
            raise RequestError("there is no ledger to keep what is measured.")
        found, calls, measuring = await asyncio.to_thread(_planned, job, parts, parts.ledger)
        if calls and not job.how.dry_run:
            if not job.how.yes:
                _agree(found, to, json=json)
            quiet = json or not sys.stderr.isatty()
            with _Progress(to, found, quiet=quiet) as progress:
                found.measured = await measuring.run(calls, job.how.at_once, progress.tell)
            found.silent = measuring.silent
        found.rows = await asyncio.to_thread(rows_of, parts.ledger, found, job.tiers)
    finally:
        await parts.close()
    return found


def _planned(job: _Job, parts: Assembly, ledger: Ledger) -> tuple[Found, list[Call], Measuring]:
    """What is to be asked, of what is there and not known yet. Raises RequestError for nothing."""
    drawn = _drawn(job, ledger)
    if not job.config.file.ladders[job.ladder].verify and not checked(drawn.queries):
        raise RequestError(
            f"ladder {job.ladder!r} has no check, so nothing would tell right answers from wrong.",
            fix=f'add `verify = ["..."]` to [ladders.{job.ladder}]; `rung verify list` has kinds',
        )
    with ledger.reading() as connection:
        asked = probes(connection, job.ladder)
        lengths = written(connection)
    known = {(one.of or "", trial) for one in asked for trial in _answered_by(one)}
    measuring = Measuring(parts, job.ladder, job.tiers, job.most_nanousd)
    calls = measuring.calls(drawn.queries, known)
    wanted = len(drawn.queries) * len(job.tiers)
    estimates = measuring.estimates(calls, lengths)
    found = Found(
        job.ladder, drawn, drawn.queries, wanted - len(calls), estimates, job.most_nanousd
    )
    return found, calls, measuring


def _drawn(job: _Job, ledger: Ledger) -> Drawn:
    which = job.which
    if which.requests is not None:
        if which.since is not None:
            raise RequestError("--since is of stored requests, --requests of a file.")
        found = of_file(which.requests, which.category, which.limit)
    else:
        since = 0.0 if which.since is None else moment(which.since, job.now)
        found = stored(ledger, job.ladder, since, which.category, which.limit)
    if not found.queries:
        why = "".join(f" {count} not: {one_line(r, 100)}." for r, count in found.unfit.items())
        raise RequestError(
            f"there is no request of ladder {job.ladder!r} that could be asked again.{why}",
            fix=f"have them stored, `store_bodies = true` in [ladders.{job.ladder}]; or ask those"
            " of a file: --requests prompts.jsonl",
        )
    return found


def _answered_by(one: Seen) -> Iterator[str]:
    """The tiers of which a probe has an answer, judged or not, or a fault that tells of them."""
    judged = {trial.tier for trial in trials(one.past)}
    yield from judged | {call.tier for call in one.past.calls if call.answered}


def _agree(found: Found, to: Console, *, json: bool) -> None:
    """Spend nothing that nobody agreed to. Raises RequestError."""
    expected = sum(each.expected_nanousd for each in found.estimates)
    worst = sum(each.worst_nanousd for each in found.estimates)
    if not worst:
        return
    capped = worst if found.budget_nanousd is None else min(worst, found.budget_nanousd)
    said = (
        f"{found.estimated:,} calls are likely to cost {money(expected)}, and {money(capped)} at"
        " the most."
    )
    again = "the same with --yes; --budget USD bounds it, --dry-run only estimates"
    if json or not sys.stdin.isatty():
        raise RequestError(said, fix=again)
    for line in estimated(found):
        to.print(line)
    to.print(one_line(said, 200) + " Go on? [bold]y/N[/] ", end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RequestError("nothing was asked, nothing spent.", fix=again)


class _Progress:
    """A line that says how far it is."""

    def __init__(self, to: Console, found: Found, *, quiet: bool) -> None:
        self._of = found.estimated
        self._status = None if quiet else to.status("asking ...")

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, measured: Measured) -> None:
        """Show it."""
        if self._status is not None:
            spent = money(measured.spent_nanousd)
            self._status.update(f"{measured.asked:,} of {self._of:,} calls, {spent} ...")
