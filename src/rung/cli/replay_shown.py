"""A replay for people: the ladder beside its controls, what it is made of, what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from rung.cli.output import NOTHING, one_line, plain, seconds, table
from rung.core.money import NANOUSD, readable
from rung.tuner.aims import Estimate

if TYPE_CHECKING:
    from rung.tuner.measures import Measured
    from rung.tuner.replay_report import Replay, Row

WIDTH = 140
"""Narrower, the figures would be torn to pieces."""

LONGEST = 46
"""Of what a policy is made of. All of it is in the JSON document."""

LEGEND = (
    "[dim]In brackets: 95% intervals for the choice of queries. Best single and the shares of"
    " shuffled are chosen on these very queries. Shuffled deals the ladder's models out blindly"
    " for the same money, without a check; oracle calls the cheapest model that is right.[/]"
)
ENDS = {
    "top_reached": "top reached",
    "deadline": "deadline",
    "cost_cap": "cost cap",
    "gave_up": "gave up",
}


def show(made: Replay, to: Console) -> None:
    """The whole report."""
    to.width = max(to.width, WIDTH)
    ladder = " -> ".join(one_line(rung.tier, 60) for rung in made.tuned.whole.rungs)
    to.print(f"[bold]{ladder}[/]\n")
    to.print(_policies(made))
    to.print(LEGEND)
    to.print()
    to.print(_differences(made))
    to.print()
    to.print(_details(made.measured))
    for warning in made.warnings:
        to.print(f"\n[yellow]{plain(warning)}[/]")
    from rung.tuner.replay_report import meaning

    to.print(f"\n{plain(meaning(made))}")


def _policies(made: Replay) -> Table:
    timed = made.measured.seconds is not None
    columns = [("policy", "left"), ("of", "left"), ("right", "right"), ("a request costs", "right")]
    if timed:
        columns.append(("takes", "right"))
    shown = table(f"{made.measured.n:,} queries", columns)
    ladder = f"{len(made.tuned.whole.rungs)} tiers"
    lines = [("[bold]ladder[/]", ladder, made.measured)]
    lines += [(names, row.of, row.measured) for names, row in _together(made)]
    for name, of, measured in lines:
        cells = [name, one_line(of, LONGEST), _share(measured.quality), _money(measured.cost_usd)]
        if timed:
            cells.append(_seconds(measured.seconds))
        shown.add_row(*cells)
    return shown


def _together(made: Replay) -> Iterator[tuple[str, Row]]:
    """Controls that are the same model, as one."""
    names: dict[str, list[str]] = {}
    for row in made.rows:
        names.setdefault(row.of, []).append(row.name)
    for row in made.rows:
        if names[row.of][0] == row.name:
            yield ", ".join(names[row.of]), row


def _differences(made: Replay) -> Table:
    shown = table(
        "The ladder against each of them, on the same queries",
        [("than", "left"), ("right, points", "right"), ("saved", "right"), ("a request", "right")],
    )
    for names, row in _together(made):
        ladder = row.ladder
        cells = _points(ladder.quality), _saved(ladder.saved), _money(ladder.cost_usd, sign="+")
        shown.add_row(names, *cells)
    return shown


def _saved(found: Estimate | None) -> str:
    """A share, or how many times as much it costs."""
    if found is None:
        return NOTHING
    if found.value > -1:
        value, low, high = (_percent(each) for each in (found.value, found.low, found.high))
        return f"{value}% ({low} to {high})"
    times, least, most = (1 - each for each in (found.value, found.high, found.low))
    return f"{times:.1f} times ({least:.1f}-{most:.1f})"


def _details(found: Measured) -> Table:
    shown = table("The ladder", [("", "left"), ("", "left")])
    shown.show_header = False
    for name, value in _lines(found):
        shown.add_row(name, value)
    return shown


def _lines(found: Measured) -> Iterator[tuple[str, str]]:
    for model, each in found.served.items():
        yield f"served by {one_line(model, 60)}", _share(each)
    yield "served nothing", _share(found.unserved)
    if found.unserved_cost is not None and found.unserved.value > 0:
        yield "  of all money, spent on those", _share(found.unserved_cost)
    if abs(found.exhausted.value - found.unserved.value) > 1e-9:
        yield "nothing accepted", _share(found.exhausted)
    for name, said in ENDS.items():
        if found.ends[name] > 0 and found.ends[name] < found.exhausted.value:
            yield f"  because of: {said}", f"{found.ends[name]:.1%}"
    yield "escalated", NOTHING if found.escalation is None else _share(found.escalation)
    yield (
        "calls a request",
        f"{found.calls.value:.2f} ({found.calls.low:.2f}-{found.calls.high:.2f})",
    )
    wasted = "" if found.wasted is None else f", {_share(found.wasted)} of all money"
    yield "spent on answers not served", f"{_money(found.wasted_usd)} a request{wasted}"
    times = {
        "seconds on answers not served": found.wasted_seconds,
        "latency, mean": found.seconds,
        "latency, median": found.seconds_p50,
        "latency, 95 of 100": found.seconds_p95,
    }
    for name, time in times.items():
        if time is not None:
            yield name, _seconds(time)


def _percent(value: float, sign: str = "") -> str:
    """Without a sign before what is rounded to nothing."""
    return f"{round(100 * value, 1) + 0.0:{sign}.1f}"


def _share(found: Estimate) -> str:
    return f"{found.value:.1%} ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _points(found: Estimate) -> str:
    value, low, high = (_percent(each, "+") for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _money(found: Estimate, sign: str = "") -> str:
    join = " to " if sign else "-"
    value, low, high = (_usd(each, sign) for each in (found.value, found.low, found.high))
    return f"{value} ({low}{join}{high})"


def _usd(value: float, sign: str) -> str:
    nanousd = round(value * NANOUSD)
    return ("+" if sign and nanousd > 0 else "") + readable(nanousd)


def _seconds(found: Estimate | None) -> str:
    if found is None:
        return NOTHING
    return f"{seconds(found.value)} ({seconds(found.low)}-{seconds(found.high)})"
