"""`rung probe`: how fast a tier is, and whether it keeps to tools and schemas."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Annotated

from cyclopts import Parameter

from rung.assemble import Assembly, assemble
from rung.cli.output import NOTHING, console, money, one_line, print_json, seconds
from rung.cli.probe_run import run  # noqa: F401 a part of this command
from rung.cli.settings import ConfigPath, Json, load
from rung.core.errors import RequestError, UpstreamError
from rung.core.nearest import nearest
from rung.ledger.speeds import Probed
from rung.pace import speed_json
from rung.probing import Kept, Probe, worst_cost
from rung.probing import probe as measure

Flag = Annotated[bool, Parameter(negative="")]
SIGNS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]-[/]"}


def probe(
    tier: str,
    /,
    *,
    yes: Flag = False,
    store: bool = True,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Measure how fast a tier reads and writes, and whether it keeps to tools and schemas.

    Makes four calls, of 3,000 words at most, which are on the bill under the project `rung probe`.
    What was measured tells from then on whether the tier can meet a deadline.

    Args:
        tier: A tier of the configuration.
        yes: Spend what it costs without asking.
        store: Keep the measured speed in the ledger.
    """
    config = load(path)
    if tier not in config.file.tiers:
        fix = nearest(tier, list(config.file.tiers)) or "`rung config show` names the tiers"
        raise RequestError(f"there is no tier {tier!r}.", status=404, fix=fix)
    found = asyncio.run(_probe(assemble(config), tier, yes=yes, store=store, json=json))
    if json:
        print_json(found.told() | {"stored": store and found.speed is not None})
    else:
        _show(found)
    if found.speed is None:
        sys.exit(UpstreamError.exit_code)


async def _probe(parts: Assembly, tier: str, *, yes: bool, store: bool, json: bool) -> Probe:
    to = console(err=True)
    try:
        await asyncio.to_thread(parts.prices.load)
        if not yes:
            _agree(tier, worst_cost(parts, tier), json=json)
        found = await measure(parts, tier, lambda what: to.print(f"[dim]{one_line(what)} ...[/]"))
        if store and found.speed is not None and parts.ledger is not None:
            probed = Probed(time.time(), tier, found.model, found.timings)
            await asyncio.to_thread(parts.ledger.add_probe, probed, speed_json(found.speed))
    finally:
        await parts.close()
    return found


def _agree(tier: str, worst: int, *, json: bool) -> None:
    """Spend nothing that nobody agreed to. Raises RequestError."""
    if not worst:
        return
    said = f"probing {tier} costs up to {money(worst)}, likely a tenth of that."
    if json or not sys.stdin.isatty():
        raise RequestError(said, fix=f"rung probe {tier} --yes")
    console(err=True).print(one_line(said, 200) + " Go on? [bold]y/N[/] ", end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RequestError("nothing was asked, nothing spent.", fix=f"rung probe {tier} --yes")


def _show(found: Probe) -> None:
    to, speed = console(), found.speed
    where = "local" if found.local else "cloud"
    to.print(f"[bold]{one_line(found.tier)}[/]  {one_line(found.model)}, {where}")
    to.print(f"  {one_line(found.health.message, 300)}")
    told = "not told" if found.context_tokens is None else f"{found.context_tokens:,} tokens"
    to.print(f"context        {told}")
    for failure in found.failures:
        to.print(f"  [red]![/] {one_line(failure, 300)}")
    if speed is None:
        return
    to.print(f"reads          {speed.read_tokens_per_second:,.0f} tokens/s")
    to.print(f"writes         {speed.write_tokens_per_second:,.1f} tokens/s")
    to.print(f"first token    {seconds(found.first_token_seconds)} for a short prompt")
    loaded = NOTHING if speed.load_seconds is None else seconds(speed.load_seconds)
    to.print(f"load           {loaded}")
    _kept("tool calls", found.tools)
    _kept("schema", found.schema)
    to.print(f"cost           {money(found.cost_nanousd)}")


def _kept(name: str, kept: Kept) -> None:
    console().print(f"{name:<14} {SIGNS[kept.ok]} {one_line(kept.why, 200)}")
