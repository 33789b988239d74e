"""`rung route train`, `show` and `off`: what outcomes teach of where to start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from rung.cli.bill import moment
from rung.cli.output import NOTHING, console, one_line, print_json, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.config import Config
from rung.core.choosing import Goal
from rung.core.contest import SHUFFLED, Curve, Edge, Made, Result
from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.ledger import Ledger
from rung.ledger.routers import StoredRouter
from rung.outcome_files import models_of, named, read, source
from rung.prior import shipped_prior
from rung.training import Source, Training, from_ledger, told, trained

NANO = 1e9
MOST_REQUESTS = 20_000
"""The newest requests that are learned from; more would take minutes."""

STEPS = 20
SHADES = " ▁▂▃▄▅▆▇█"
LEARN_HOW = "requests are kept to learn from once rung.toml has a table \\[routing]"

Flag = Annotated[bool, Parameter(negative="")]


def train(  # noqa: PLR0913 a command's options
    *,
    ladder: str | None = None,
    since: str | None = None,
    outcomes: Path | None = None,
    models: str | None = None,
    checked: Flag = False,
    no_prior: Flag = False,
    dry_run: Flag = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Fit how likely each tier is to do a request, and say whether choosing by it pays.

    All figures are of outcomes that a fit has not seen. What was trained is stored; with
    `classifier = "auto"` it decides only where it beat every control. From the ledger it is learned
    which tiers' answers passed their gates, or were labelled right; an answer that was served
    without any proof teaches nothing.

    Args:
        ladder: Which one; the default ladder otherwise.
        since: Requests since then: 30d, 24h, or a date such as 2026-11-01.
        outcomes: Learn from a file of outcomes (JSON lines, CSV or Parquet) and not the ledger.
        models: The file's models in the ladder's order, where they are called otherwise: a,b.
        checked: Of a file: a check will tell right from wrong, so that only cost is at stake.
        no_prior: Do not try to start from the prior that ships with rung.
        dry_run: Report, and store nothing.
    """
    config = load(path, parts=False)
    name = _ladder(ladder, config)
    prior = None if no_prior else shipped_prior()
    now = time.time()
    if outcomes is not None:
        if since is not None:
            raise RequestError("--since is of the ledger, --outcomes of a file.", fix="give one")
        found = _from_file(outcomes, models, name, config, checked=checked, dry_run=dry_run)
        training = trained(found, prior)
        if not dry_run:
            from rung.ledger import Ledger as Opened

            with Opened.open(config.ledger) as ledger:
                _store(ledger, training, now)
    else:
        if models is not None or checked:
            raise RequestError("--models and --checked go with --outcomes FILE.")
        since_unix = 0.0 if since is None else moment(since, now)
        with open_ledger(config) as ledger:
            pasts = ledger.pasts(MOST_REQUESTS, since_unix)
            training = trained(from_ledger(pasts, name, config.file.ladders[name].tiers), prior)
            if not dry_run:
                _store(ledger, training, now)
    stored = not dry_run and training.router is not None
    doubts = list(_doubts(training, config.file.ladders[name].verify))
    if json:
        print_json(told(training) | {"stored": stored, "doubts": doubts})
    else:
        _show(training, console(), stored=stored)
        for doubt in doubts:
            console().print(f"[yellow]{one_line(doubt, 300)}[/]")


def show(*, ladder: str | None = None, path: ConfigPath = None, json: Json = False) -> None:
    """Show what was trained for each ladder, and whether it decides.

    Args:
        ladder: Only this one.
    """
    config = load(path, parts=False)
    with open_ledger(config) as ledger:
        rows = [row for row in ledger.routers_in_force() if ladder in {None, row.ladder}]
    routing = config.file.routing
    mode = "absent" if routing is None else routing.classifier
    if json:
        print_json([_row_json(row, mode) for row in rows])
        return
    to = console()
    if not rows:
        to.print(
            "No router was trained. `rung route train --dry-run` shows what one would be worth."
        )
    for row in rows:
        to.print(f"[bold]{one_line(row.ladder, 40)}[/]: {_state(row, mode)}")
        if row.router is not None:
            said = f"  {when(row.created_unix)}, {row.router.outcomes} outcomes, "
            to.print(
                said + f"to save {'cost' if row.router.terms.goal is Goal.COST else 'quality'}"
            )
            to.print(f"  {one_line(row.router.why, 300)}")
    if routing is None:
        to.print("rung.toml has no table \\[routing]: nothing that was learned decides anything.")


def off(*, ladder: str | None = None, path: ConfigPath = None, json: Json = False) -> None:
    """Withdraw what was trained; gateways take that up within a minute.

    Args:
        ladder: Only this one's.
    """
    config = load(path, parts=False)
    with open_ledger(config) as ledger:
        rows = [row for row in ledger.routers_in_force() if ladder in {None, row.ladder}]
        names = [row.ladder for row in rows if row.router is not None]
        for name in names:
            ledger.add_router(name, None, {}, time.time())
    if json:
        print_json({"withdrawn": names})
    else:
        listed = ", ".join(one_line(name, 40) for name in names)
        console().print(f"Withdrawn: {listed}." if names else "There was nothing to withdraw.")


def _store(ledger: Ledger, training: Training, now: float) -> None:
    if training.router is not None:
        ledger.add_router(training.source.ladder, training.router, told(training), now)


def _doubts(training: Training, checks: Sequence[str]) -> Iterator[str]:
    """What makes a router another one than the ladder needs."""
    if checks and training.router is not None and training.source.goal is Goal.QUALITY:
        yield (
            f"The ladder checks its answers ({', '.join(checks)}), and what fails a gate climbs. "
            "This was trained as if the first answer were served: give --checked, or it starts too "
            "high."
        )


def _ladder(ladder: str | None, config: Config) -> str:
    name = ladder or config.default_ladder
    if name not in config.file.ladders:
        fix = nearest(name, list(config.file.ladders)) or "`rung config show` names the ladders"
        raise RequestError(f"there is no ladder {name!r}.", status=404, fix=fix)
    return name


def _from_file(
    file: Path, models: str | None, ladder: str, config: Config, *, checked: bool, dry_run: bool
) -> Source:
    queries = read(file)
    tiers = list(config.file.ladders[ladder].tiers)
    given = [] if models is None else [each.strip() for each in models.split(",") if each.strip()]
    if models is not None and len(given) < 2:
        raise RequestError("--models needs at least two models.", fix="--models cheap,strong")
    if not given:
        configured = {name: table.model for name, table in config.file.tiers.items()}
        of = named(tiers, configured, models_of(queries.values()))
    elif len(given) == len(tiers):
        of = dict(zip(tiers, given, strict=True))
    elif dry_run:
        of = {each: each for each in given}
    else:
        raise RequestError(
            f"{len(given)} models do not make the {len(tiers)} tiers of ladder {ladder!r}.",
            fix="name one for each tier, in order; or --dry-run to see what they are worth",
        )
    return source(queries, ladder, of, Goal.COST if checked else Goal.QUALITY)


# ------------------------------------------------------------------ reports


def _show(training: Training, to: Console, *, stored: bool) -> None:
    for line in _evidence(training.source):
        to.print(line)
    if training.prior:
        to.print(f"  the shipped prior is not tried: {training.prior}")
    if training.tiers:
        to.print(_tiers(training))
    if training.result is not None:
        _show_contest(training.result, training.curve, to)
    to.print()
    for line in _conclusion(training):
        to.print(line)
    if stored:
        to.print("Stored. `rung route show` tells what is in force, `rung route off` withdraws it.")
    elif training.router is not None:
        to.print("Nothing is stored (--dry-run).")


def _show_contest(result: Result, found: Curve | None, to: Console) -> None:
    to.print()
    to.print(_controls(result))
    for line in () if found is None else _drawn(found):
        to.print(line)
    for edge in result.edges:
        to.print(f"  {_edge(edge)}")


def _conclusion(training: Training) -> Iterator[str]:
    why = one_line(training.why, 300)
    if training.router is not None and training.router.on:
        yield f"[green]on[/] by auto: {why}."
        return
    yield f"[yellow]off[/] by auto: {why}."
    if training.result is not None:
        yield _more(training.result.more)


def _more(more: int | None) -> str:
    if more is None:
        return "No number of outcomes like these would change that."
    return f"About {more:,} more outcomes like these could show more."


def _evidence(found: Source) -> Iterator[str]:
    yield f"Ladder {one_line(found.ladder, 40)}: {len(found.observed):,} requests with outcomes."
    for reason, count in found.left_out.items():
        if count and reason != "begun above the bottom":
            yield f"  {count:,} more left out: {reason}"
        elif count:
            yield f"  {count:,} of them {reason}: fitted on, and not played through"
    if found.assumed:
        yield f"  {found.assumed:,} passed below the top: the tiers above are taken to pass too"
    if not found.observed and found.left_out.get("without traits"):
        yield f"  {LEARN_HOW}"


def _tiers(training: Training) -> object:
    shown = table(
        "Chances by tier, held out",
        [
            ("tier", "left"),
            ("outcomes", "right"),
            ("passed", "right"),
            ("AUROC", "right"),
            ("", "left"),
        ],
    )
    for each in training.tiers:
        between, area = each.quality.auroc_between, each.quality.auroc
        shown.add_row(
            one_line(each.tier, 40),
            f"{each.outcomes:,}",
            NOTHING if each.passed is None else f"{each.passed:.1%}",
            NOTHING
            if area is None or between is None
            else f"{area:.2f} ({between[0]:.2f}-{between[1]:.2f})",
            "from the shipped prior" if each.from_prior else "",
        )
    return shown


def _controls(result: Result) -> object:
    shown = table(
        f"Of {result.n:,} held-out requests",
        [("", "left"), ("right", "right"), ("cost", "right"), ("starts", "right")],
    )
    rows: list[tuple[str, Made, float | None]] = [("by traits", result.chosen, None)]
    rows += [
        (f"always {one_line(name, 40)}", made, share)
        for name, made, share in zip(result.names, result.constants, result.shares, strict=True)
    ]
    rows += [("shuffled control", result.shuffled, None), ("oracle", result.oracle, None)]
    for name, made, share in rows:
        starts = NOTHING if share is None else f"{share:.0%}"
        shown.add_row(name, f"{made.quality:.1%}", _usd(made.cost), starts)
    return shown


def _edge(edge: Edge) -> str:
    name = "the shuffled control" if edge.than == SHUFFLED else f"always {one_line(edge.than, 40)}"
    sure = "[green]better[/]" if edge.won else "[yellow]not surely better[/]"
    low, mean, high = (_usd(each) for each in (edge.low, edge.mean, edge.high))
    return f"{sure} than {name}: worth {mean} a request ({low} to {high})"


def _drawn(found: Curve) -> Iterator[str]:
    last = len(found.points) - 1
    shares = [found.points[round(last * step / STEPS)][1] for step in range(STEPS + 1)]
    cells = [SHADES[min(8, max(0, round(8 * share)))] for share in shares]
    yield f"  gap recovered, from no request sent up to all: |{''.join(cells)}|"
    half, most = (NOTHING if each is None else f"{each:.0%}" for each in found.shares_for)
    yield f"  area {found.apgr:.3f} (random 0.5); half of it for {half} of requests, 80% for {most}"


def _usd(nanousd: float) -> str:
    return f"${nanousd / NANO:.3g}" if nanousd >= 0 else f"-${-nanousd / NANO:.3g}"


def _state(row: StoredRouter, mode: str) -> str:
    if row.unreadable is not None:
        return f"[yellow]ignored[/], {one_line(row.unreadable, 200)}"
    if row.router is None:
        return f"withdrawn {when(row.created_unix)}"
    return "[green]decides[/]" if _decides(row, mode) else "does not decide"


def _decides(row: StoredRouter, mode: str) -> bool:
    if row.router is None or mode in {"absent", "off"}:
        return False
    return row.router.on or mode == "on"


def _row_json(row: StoredRouter, mode: str) -> Mapping[str, Any]:
    router = row.router
    return {
        "ladder": row.ladder,
        "created_unix": row.created_unix,
        "tiers": [] if router is None else list(router.tiers),
        "outcomes": 0 if router is None else router.outcomes,
        "on": router is not None and router.on,
        "why": "" if router is None else router.why,
        "classifier": mode,
        "decides": _decides(row, mode),
        "unreadable": row.unreadable,
        "report": dict(row.report),
    }
