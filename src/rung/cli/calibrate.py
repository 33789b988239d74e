"""`rung calibrate`: what labels make of signals, and putting it in force."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import exp, floor, log10
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from rung.calibrating import LadderReport, TierReport, tier_json, to_json, usable
from rung.calibrating import calibrate as fit_all
from rung.cli.bill import moment
from rung.cli.output import NOTHING, console, one_line, print_json, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.config import Config
from rung.core.calibration import Calibration
from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.core.quality import Between, Bin
from rung.core.selective import Certificate
from rung.ledger import Ledger
from rung.ledger.calibrations import StoredCalibration

BAR_WIDTH = 24

FACTORS = (
    (0.05, "nothing"),
    (0.4, "little"),
    (0.75, "about half"),
    (1.35, "as much as it says"),
    (1.75, "half as much again"),
    (2.5, "double"),
    (3.5, "threefold"),
)
"""What a weight is called, below which value."""

Flag = Annotated[bool, Parameter(negative="")]
SPEAKS = 0.2
"""Log odds of a missing score from which it is worth a line."""

LEGEND = (
    "[dim]AUROC: how often a right answer's chance is above a wrong one's. ECE: how far chances are"
    " from shares of right answers; perfect ones would still show what stands under chance.[/]"
)
LABEL = '`rung label ID right|wrong` gives labels; `audit = "2%"` on a ladder draws some by itself'


def calibrate(  # noqa: PLR0913 a command's options
    *,
    ladder: str | None = None,
    since: str | None = None,
    target_risk: Annotated[str, Parameter(help="Wrong answers among accepted: 0.05 or 5%.")] = "5%",
    apply: Flag = False,
    show: Flag = False,
    drop: Flag = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Fit how likely answers are to be right, from what signals said and what labels found.

    Nothing is changed without --apply. What is in force decides whether an answer's chance reaches
    `min_confidence`; without it, signals are taken as they are. All figures are of labels that a
    fit has not seen.

    Args:
        ladder: Only this one.
        since: Labels of requests since then: 30d, 24h, or a date such as 2026-11-01.
        apply: Put it in force; running gateways take it up within a minute.
        show: Show what is in force instead.
        drop: Put nothing in force any more, so that signals are taken as they are.
    """
    if apply + show + drop > 1:
        raise RequestError(
            "--apply, --show and --drop do different things.", fix="give one of them"
        )
    target = share_of(target_risk)
    found = load(path, parts=False)
    now = time.time()
    since_unix = None if since is None else moment(since, now)
    with open_ledger(found) as ledger:
        if show:
            _tell_force(_in_force(ledger, ladder), json=json)
        elif drop:
            _drop(ledger, ladder, now, json=json)
        else:
            labels = ledger.labels_for_calibration(ladder, since_unix)
            reports = fit_all(labels, target)
            _must_be_known(ladder, reports, found)
            made = usable(reports) if apply else {}
            if made:
                told = {tier.key: tier_json(tier) for each in reports for tier in each.tiers}
                ledger.add_calibrations(made, told, now)
            if json:
                applied = [{"ladder": ladder, "tier": tier} for ladder, tier in made]
                print_json({"target_risk": target, "ladders": to_json(reports), "applied": applied})
            else:
                show_reports(reports, console(), applied=len(made) if apply else None)


def share_of(text: str) -> float:
    """A share as people write it, ``5%`` or ``0.05``. Raises RequestError unless inside 0..1."""
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise RequestError(
            f"{text!r} is no risk to aim at: it must be above 0% and below 100%.",
            fix="--target-risk 5%",
        )
    return share


def _must_be_known(ladder: str | None, reports: Sequence[LadderReport], found: Config) -> None:
    """A ladder that neither the configuration nor a label names is a slip."""
    if ladder is None or reports or ladder in found.file.ladders:
        return
    fix = nearest(ladder, list(found.file.ladders)) or "`rung config show` names the ladders"
    raise RequestError(f"there is no ladder {ladder!r}.", status=404, fix=fix)


# ------------------------------------------------------------------ reports


def show_reports(reports: Sequence[LadderReport], to: Console, applied: int | None = None) -> None:
    """For people. ``applied`` counts what was put in force, ``None`` where nobody asked for it."""
    if not reports:
        to.print(f"No labelled answers yet: {LABEL}.")
        return
    for report in reports:
        to.print(_tiers(report))
        to.print(LEGEND)
        for tier in report.tiers:
            to.print()
            for line in _about(tier):
                to.print(line)
        to.print()
        to.print(_advice(report))
    if applied:
        to.print(f"{_counted(applied)} in force; gateways take it up within a minute.")
    elif applied == 0:
        to.print("Nothing was put in force.")
    else:
        to.print("Nothing is changed. `rung calibrate --apply` puts it in force.")


def _tiers(report: LadderReport) -> object:
    names = ("right/wrong", "AUROC", "ECE before", "ECE after", "chance")
    shown = table(
        f"Ladder {one_line(report.ladder, 40)}",
        [("tier", "left"), *((name, "right") for name in names)],
    )
    lines = [(one_line(tier.tier, 30), tier.fitted) for tier in report.tiers]
    if len(lines) > 1:
        lines.append(("all together", report.pooled))
    for name, fitted in lines:
        before, after = fitted.quality_before, fitted.quality_after
        shown.add_row(
            name,
            f"{after.right}/{after.n - after.right}",
            _figure(after.auroc, after.auroc_between),
            _figure(before.ece, before.ece_between),
            _figure(after.ece, after.ece_between),
            _number(after.ece_by_chance),
        )
    return shown


def _about(tier: TierReport) -> Iterator[str]:
    """What one tier's labels come to, line by line."""
    yield f"[bold]{one_line(tier.tier, 60)}[/]"
    if tier.unfit:
        yield f"  {tier.unfit} further labels are of answers it would not have served: left out"
    if tier.each_drawn > 1:
        short = tier.should_count - tier.each_drawn > 0.5
        cut = f", as {tier.should_count:.0f} would be too much for so few" if short else ""
        yield (
            f"  {tier.drawn} labels are of audits, and stand for answers that nobody labelled:"
            f" each counts for {tier.each_drawn:.1f}{cut}"
        )
    if tier.lacking:
        yield f"  [yellow]stays uncalibrated:[/] {tier.lacking}"
        yield f"  {LABEL}"
        return
    for words in weights_in_words(tier.fitted.calibration):
        yield f"  {words}"
    yield from _reliability(tier.fitted.quality_after.bins)
    yield f"  {threshold_in_words(tier.certificate)}"


def weights_in_words(calibration: Calibration) -> Iterator[str]:
    """What each signal counts for."""
    pairs = zip(calibration.signals, calibration.weights, strict=True)
    for name, weight in sorted(pairs, key=lambda pair: (-pair[1], pair[0])):
        word = next((word for below, word in FACTORS if weight < below), f"{weight:.0f} times")
        yield f"{one_line(name, 40)} counts {word} ({weight:.2f})"
    for name, odds in zip(calibration.signals, calibration.absent, strict=False):
        if abs(odds) > SPEAKS:
            yield f"where {one_line(name, 40)} gave no score, odds are times {exp(odds):.1f}"
    if calibration.steps:
        yield f"with steps on top ({len(calibration.steps)}), which did better on held-out labels"


def threshold_in_words(found: Certificate) -> str:
    """From which chance answers may be accepted, or what is missing for it."""
    target = f"{found.target:.1%}"
    if found.held is not None:
        held = found.held
        sure = f"{found.confidence:.0%} sure"
        seen = f"{held.wrong} of {held.accepted} were wrong"
        return (
            f"from {held.threshold:.3f} up at most {target} are wrong ({sure}, {seen}):"
            f" {held.share:.0%} of its answers"
        )
    best = "" if found.nearest is None else f" (about {found.nearest.worst:.0%} can be shown now)"
    if found.more_labels is None:
        return f"no threshold holds {target}{best}: no answers are right often enough"
    more = f"about {_round(found.more_labels):,} more labels like these would do"
    return f"no threshold holds {target} yet{best}: {more}"


def _round(count: int) -> int:
    """Two digits: it is an estimate."""
    unit: int = 10 ** max(0, floor(log10(count)) - 1)
    return -(-count // unit) * unit


def _advice(report: LadderReport) -> str:
    if report.threshold is not None:
        name = one_line(report.ladder, 40)
        # Rounded up: rounded down it would let answers in that were not part of the proof.
        safe = min(0.999, -(-report.threshold * 1000 // 1) / 1000)
        return f"To hold the target: min_confidence = {safe:.3f} in \\[ladders.{name}]."
    return "No min_confidence holds the target at every tier yet."


def _reliability(bins: Iterable[Bin]) -> Iterator[str]:
    yield "  said   were right, of answers that the fit had not seen"
    for each in bins:
        full = round(each.right * BAR_WIDTH)
        mark = min(round(each.said * BAR_WIDTH), BAR_WIDTH - 1)
        cells = ["█" if place < full else "░" for place in range(BAR_WIDTH)]
        cells[mark] = "[bold]│[/]"
        yield f"  {each.said:>4.0%}  {''.join(cells)} {each.right:>4.0%}  of {each.n}"


def _counted(calibrations: int) -> str:
    return "1 calibration" if calibrations == 1 else f"{calibrations} calibrations"


def _figure(value: float | None, between: Between | None) -> str:
    if value is None or between is None:
        return NOTHING
    shown, low, high = (f"{each:.2f}".removeprefix("0") for each in (value, *between))
    return f"{shown} ({low}-{high})"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}".removeprefix("0")


# ------------------------------------------------------------------ what is in force


def _in_force(ledger: Ledger, ladder: str | None) -> list[StoredCalibration]:
    rows = ledger.calibrations_in_force()
    return [row for row in rows if ladder is None or row.ladder == ladder]


def _tell_force(rows: Sequence[StoredCalibration], *, json: bool) -> None:
    if json:
        print_json([_stored_json(row) for row in rows])
        return
    to = console()
    if not any(row.calibration or row.unreadable for row in rows):
        to.print("Nothing is in force: signals are taken as they are, and called uncalibrated.")
        to.print("`rung calibrate` shows what labels would make of them.")
        return
    for row in rows:
        name = f"{one_line(row.ladder, 40)}, {one_line(row.tier, 60)}"
        if row.unreadable is not None:
            to.print(f"{name}: [yellow]ignored[/], {one_line(row.unreadable, 200)}")
        elif row.calibration is None:
            to.print(f"{name}: dropped {when(row.created_unix)}")
        else:
            to.print(f"{name}: since {when(row.created_unix)}, {row.calibration.labels} labels")
            for words in weights_in_words(row.calibration):
                to.print(f"  {words}")


def _stored_json(row: StoredCalibration) -> dict[str, Any]:
    return asdict(row) | {"in_force": row.calibration is not None}


def _drop(ledger: Ledger, ladder: str | None, now: float, *, json: bool) -> None:
    rows = [row for row in _in_force(ledger, ladder) if row.calibration is not None]
    keys = [(row.ladder, row.tier) for row in rows]
    if keys:
        ledger.add_calibrations(dict.fromkeys(keys), {}, now)
    if json:
        print_json({"dropped": [{"ladder": ladder, "tier": tier} for ladder, tier in keys]})
    else:
        console().print(f"{_counted(len(keys))} dropped: signals are taken as they are.")
