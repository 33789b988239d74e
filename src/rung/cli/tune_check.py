"""`rung tune --check`: whether certificates still hold, by what the ledger saw since."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from rung.cli.output import console, one_line, print_json, when
from rung.cli.settings import load, open_ledger
from rung.core.drift import State
from rung.core.errors import RequestError, RungError

if TYPE_CHECKING:
    from rung.ledger import Ledger
    from rung.tuner.watch import Watch

SIGNS = {
    State.HOLDS: "[green]✓[/]",
    State.LITTLE: "[dim]?[/]",
    State.DOUBTFUL: "[yellow]![/]",
    State.BROKEN: "[red]✗[/]",
}
LONGEST = 300
ANEW = "tune anew on newer outcomes; until then the baseline alone is what is proven"
MORE = '`audit = "2%"` on the ladder has a share of its answers looked at again'


def tune_check(ladder: str | None, path: Path | None, *, json: bool) -> None:
    """Show the certificate of one ladder, or of all. Ends with status 1 where one is broken.

    Raises RequestError where nothing is certified.
    """
    from rung.tuner.watch import check, standing, told

    now = time.time()
    with open_ledger(load(path, parts=False)) as ledger:
        found = standing(ledger, now) if ladder is None else [check(ledger, ladder, now)]
    if not found:
        raise RequestError(
            "nothing is certified, so there is nothing to check.",
            fix="`rung tune --apply` certifies a ladder",
        )
    if json:
        print_json({"certificates": [told(watch) for watch in found]})
    else:
        _show(found, console())
    if any(watch.state is State.BROKEN for watch in found):
        sys.exit(1)


def broken(ledger: Ledger, now: float) -> list[str]:
    """A line for each certificate that is broken; none where nothing was ever certified."""
    if not ledger.certificates():
        return []
    from rung.tuner.watch import standing

    return [
        f"the certificate of ladder {watch.ladder} is broken: `rung tune --check` says by what"
        for watch in standing(ledger, now, tiers=False)
        if watch.state is State.BROKEN
    ]


def broken_or_nothing(ledger: Ledger, now: float) -> list[str]:
    """The same, and nothing where it cannot be found out: another command's result comes first."""
    try:
        return broken(ledger, now)
    except RungError:
        return []


def _show(found: Sequence[Watch], to: Console) -> None:
    for place, watch in enumerate(found):
        if place:
            to.print()
        for line in _lines(watch):
            to.print(line)


def _lines(watch: Watch) -> Iterator[str]:
    made = watch.certified
    yield f"{SIGNS[watch.state]} ladder {one_line(watch.ladder)}: [bold]{watch.state.value}[/]"
    sure = f"{made.confidence:.0%} sure, by {made.n:,} queries, {one_line(made.basis)}"
    yield f"  [dim]certified {when(watch.since_unix)}: {sure}[/]"
    for one in watch.findings:
        about = one_line(one.about, 40)
        said = one_line(one.said, LONGEST)
        yield f"  {SIGNS[one.state]} {said if said.startswith(about) else f'{about}: {said}'}"
    if watch.state is State.BROKEN:
        yield f"  fix: {ANEW}"
    elif watch.findings[0].state is State.LITTLE:
        yield f"  [dim]{MORE}[/]"
