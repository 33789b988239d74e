"""`rung doctor`: what is configured, reachable and mis-set, each with its fix."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rung import privacy
from rung.assemble import Assembly, assemble
from rung.cli.output import console, one_line, print_json
from rung.cli.settings import ConfigPath, Json, load
from rung.config import Config
from rung.core.addresses import shown
from rung.core.errors import ConfigError, RungError
from rung.providers.base import Health

PATIENCE_SECONDS = 10.0


def doctor(*, path: ConfigPath = None, json: Json = False) -> None:
    """Look at the configuration, the ledger and every tier, without spending a token.

    Ends with status 1 when something that is configured does not work.

    """
    try:
        found = load(path)
        report = asyncio.run(_examine(found))
    except ConfigError as error:
        report = {"ok": False, "problems": [asdict(problem) for problem in error.problems]}
    if json:
        print_json(report)
    else:
        _show(report)
    if not report["ok"]:
        sys.exit(1)


async def _examine(found: Config) -> dict[str, Any]:
    from rung.verifiers.catalogue import plug_ins

    ledger = await asyncio.to_thread(_ledger, found)
    certificates = await asyncio.to_thread(_certificates, found) if ledger["ok"] else []
    parts = assemble(found, ledger=False)
    try:
        names = list(parts.tiers)
        found_out = await asyncio.gather(*(parts.health(n, PATIENCE_SECONDS) for n in names))
        tiers = [_told(parts, name, h) for name, h in zip(names, found_out, strict=True)]
        sandbox = await _sandbox(parts)
    finally:
        await parts.close()
    return {
        "ok": ledger["ok"] and sandbox["ok"] and all(tier["ok"] for tier in tiers),
        "config": None if found.path is None else str(found.path),
        "ladders": {name: list(ladder.tiers) for name, ladder in found.file.ladders.items()},
        "ledger": ledger,
        "tiers": tiers,
        "sandbox": sandbox,
        "warnings": [*plug_ins().warnings, *privacy.warnings(found), *certificates],
    }


async def _sandbox(parts: Assembly) -> dict[str, Any]:
    """Where commands run. Only a fault where some are configured."""
    needed = parts.workshop.room is not None
    room = parts.workshop.room or parts.workshop.new_room()
    try:
        proof = await room.prove()
    except RungError as error:
        return {"ok": not needed, "needed": needed, "message": error.message, "fix": error.fix}
    finally:
        await room.close()
    if not proof.sandboxed:
        said = "commands run without one, with your rights: allow_unsandboxed is set"
        return {"ok": True, "needed": needed, "message": said, "fix": None}
    said = f"bubblewrap {proof.version}: {len(proof.checks)} proofs held in {proof.seconds:.1f} s"
    return {"ok": True, "needed": needed, "message": said, "fix": None}


def _told(parts: Assembly, name: str, health: Health) -> dict[str, Any]:
    tier = parts.tiers[name]
    price = tier.pricer.price
    return {
        "name": name,
        "model": tier.model,
        "local": tier.local,
        "ok": health.ok,
        "message": health.message,
        "fix": health.fix,
        "price": price.source,
        "models": list(health.models),
        "facts": dict(health.facts or {}),
    }


def _ledger(found: Config) -> dict[str, Any]:
    from rung.ledger import Ledger

    place = shown(found.ledger)
    if isinstance(found.ledger, Path) and not found.ledger.exists():
        message = "none yet; the first request makes it"
        return {"path": place, "ok": _writable(found.ledger), "message": message}
    try:
        with Ledger.open(found.ledger) as ledger:
            newest = ledger.recent(1)
    except RungError as error:
        told = {"ok": False, "message": error.message, "fix": error.fix}
        return {"path": place, **told}
    message = "empty" if not newest else f"newest request {newest[0].request.id}"
    return {"path": place, "ok": True, "message": message}


def _certificates(found: Config) -> list[str]:
    """Those that no longer hold."""
    from rung.cli.tune_check import broken_or_nothing
    from rung.ledger import Ledger

    if isinstance(found.ledger, Path) and not found.ledger.exists():
        return []
    with Ledger.open(found.ledger) as ledger:
        return broken_or_nothing(ledger, time.time())


def _writable(path: Path) -> bool:
    """Whether the nearest folder that exists would let the ledger be made."""
    import os

    folder = next((each for each in path.parents if each.exists()), path.parent)
    return os.access(folder, os.W_OK)


def _show(report: dict[str, Any]) -> None:
    to = console()
    for problem in report.get("problems", ()):
        place, message = one_line(problem["place"], 300), one_line(problem["message"], 300)
        to.print(f"[red]✗[/] {place}: {message}")
        if problem["fix"]:
            to.print(f"    fix: {one_line(problem['fix'], 300)}")
    if "problems" in report:
        return
    to.print(f"configuration: {one_line(report['config'] or 'built in', 200)}")
    for name, tiers in report["ladders"].items():
        to.print(f"ladder {one_line(name)}: {one_line(' -> '.join(tiers), 200)}")
    _line(to, "ledger", report["ledger"], report["ledger"]["path"])
    for tier in report["tiers"]:
        where = "local" if tier["local"] else "cloud"
        _line(to, f"tier {tier['name']}", tier, f"{tier['model']}, {where}, price {tier['price']}")
    about = "runs your commands" if report["sandbox"]["needed"] else "no command needs it"
    _line(to, "sandbox", report["sandbox"], about)
    for warning in report["warnings"]:
        to.print(f"[yellow]![/] {one_line(warning, 300)}")
    to.print("all is well" if report["ok"] else "[red]something does not work: see above[/]")


def _line(to: Any, name: str, found: dict[str, Any], about: str) -> None:
    sign = "[green]✓[/]" if found["ok"] else "[red]✗[/]"
    message = one_line(found["message"], 300)
    to.print(f"{sign} {one_line(name)}  [dim]{one_line(about, 200)}[/]  {message}")
    if found.get("fix"):
        to.print(f"    fix: {one_line(found['fix'], 300)}")
