"""`rung private`: what left this machine, proved from the ledger."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from rung.cli.bill import moment
from rung.cli.output import console, one_line, print_json, table
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.ledger.privacy import PrivacyReport, privacy_report

NOT_KNOWN = (
    "Counts of tokens and refused requests stand in no ledger; of private ones nothing was sent.",
    "What checks of your own send is known only where they say so (`leaves = True`).",
    "A tier counts as local by its address or its `local`. What its server sends on, nobody sees.",
)
"""What the ledger cannot know."""

MOST_SHOWN = 20


def report(
    *,
    since: Annotated[
        str | None, Parameter(help="7d, 24h, 30m, or a date such as 2026-11-01.")
    ] = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show how many requests were private and why, and what left this machine.

    Counted are the calls of tiers that are not local, also those that failed or lost a race, the
    checks that asked one, and audits. Ends with status 1 when a private request left.

    """
    with open_ledger(load(path, parts=False)) as ledger:
        start = 0.0 if since is None else moment(since, time.time())
        found = privacy_report(ledger, start)
    if json:
        print_json(_told(found, start))
    else:
        _show(found, console())
    if found.private.left:
        sys.exit(1)


def _told(found: PrivacyReport, since_unix: float) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "since_unix": since_unix,
        "private": {
            **asdict(found.private),
            "reasons": {why: asdict(tally) for why, tally in found.by_reason.items()},
            "which_left": [
                {
                    "id": each.id,
                    "reason": each.reason,
                    "tiers": sorted(each.tiers),
                    "checks": sorted(each.checks),
                    "audited": each.audited,
                }
                for each in found.gone
            ],
        },
        "others": {
            **asdict(found.others),
            "by_tier": dict(found.by_tier),
            "by_project": dict(found.by_project),
        },
        "not_known": list(NOT_KNOWN),
    }


def _show(found: PrivacyReport, to: Console) -> None:
    colour = "red" if found.private.left else "yellow" if found.private.unknown else "green"
    to.print(f"[{colour}]{one_line(found.verdict, 200)}[/]")
    if found.by_reason:
        columns = [("private because", "left"), ("requests", "right"), ("left", "right")]
        reasons = table("", [*columns, ("not known", "right")])
        for why, tally in found.by_reason.items():
            numbers = (tally.requests, tally.left, tally.unknown)
            reasons.add_row(one_line(why, 80), *map(str, numbers))
        to.print(reasons)
    for each in found.gone[:MOST_SHOWN]:
        where = ", ".join(sorted(each.tiers | {f"check {name}" for name in each.checks}))
        to.print(f"[red]left[/] {each.id} ({one_line(each.reason or '')}): {one_line(where, 200)}")
    if len(found.gone) > MOST_SHOWN:
        to.print(f"... and {len(found.gone) - MOST_SHOWN} more: see --json")
    others = found.others
    to.print(f"Of {others.requests} other requests {others.left} left{_unknown(others.unknown)}.")
    for what, counts in (("tier", found.by_tier), ("project", found.by_project)):
        listed = ", ".join(f"{one_line(name) or 'none'} {count}" for name, count in counts.items())
        if listed:
            to.print(f"  by {what}: {listed}")
    for said in NOT_KNOWN:
        to.print(f"[dim]{said}[/]")


def _unknown(count: int) -> str:
    return f"; of {count} it is not known, they are from an older version" if count else ""
