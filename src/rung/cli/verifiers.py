"""`rung verifiers`: how far each check can be relied on, by what audits and people found out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from rung.cli.bill import moment
from rung.cli.output import NOTHING, console, money, one_line, print_json, seconds, table
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.config import Config
from rung.core.error_rates import Estimate
from rung.core.verdicts import Weight
from rung.ledger.judged import Fault, JudgedBy, VerifierLine, Verifiers, judged, lacking, to_json

FOUND_OUT = {
    Fault.PASSES_WRONG: "passes wrong answers: {0}: do not rely on it",
    Fault.FAILS_RIGHT: "fails right answers: {0}: each of them is paid for again",
}


WIDTH = 120
"""Of the table at least: where a terminal is narrower its lines break, and nothing is left out."""


def verifiers(
    *,
    since: Annotated[
        str | None, Parameter(help="30d, 24h, 30m, or a date such as 2026-11-01.")
    ] = None,
    until: Annotated[str | None, Parameter(help="As --since; the moment is not included.")] = None,
    by: Annotated[
        JudgedBy, Parameter(help="Split by ladder too, or by who said what was right.")
    ] = JudgedBy.TIER,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show how often each check passed what was wrong and failed what was right.

    False accepts are the share of wrong answers that it passed, false rejects the share of right
    ones that it failed, each with a 95% interval. What was right is known from audits, people, the
    inbox and feedback; a check is only judged by answers that somebody labelled.

    """
    now = time.time()
    found = load(path, parts=False)
    with open_ledger(found) as ledger:
        report = judged(
            ledger,
            since_unix=None if since is None else moment(since, now),
            until_unix=None if until is None else moment(until, now),
            by=by,
        )
    if json:
        print_json(to_json(report))
    else:
        show_verifiers(report, found, console())


def show_verifiers(report: Verifiers, config: Config, to: Console) -> None:
    """The report for people."""
    if not report.lines:
        to.print('No checks have run yet. Try `rung demo`, or `rung ask "..."`.')
        return
    to.width = max(to.width, WIDTH)
    to.print(_table(report))
    told = [*_found_out(report), *_too_little(report), *_audits(report, config)]
    if told:
        to.print()
    for line in told:
        to.print(line)


def _table(report: Verifiers) -> Table:
    split = {JudgedBy.LADDER: "ladder", JudgedBy.SOURCE: "says"}.get(report.by)
    words = ("verifier", "tier", *([split] if split else []), "trust")
    numbers = ("passed", "failed", "no say", "labels", "false accepts", "false rejects")
    columns = [(name, "left") for name in words]
    columns += [(name, "right") for name in (*numbers, "time", "cost")]
    shown = table("Verifiers", columns)
    for line in report.lines:
        key = line.key
        more = key.ladder if report.by is JudgedBy.LADDER else key.source
        shown.add_row(
            one_line(key.verifier, 24),
            one_line(key.tier, 20),
            *([one_line(more or NOTHING, 20)] if split else []),
            key.trust,
            str(line.passed.answers),
            str(line.failed.answers),
            str(line.abstained + line.vacuous),
            str(line.labelled.answers),
            shown_rate(line.false_accepts),
            shown_rate(line.false_rejects),
            seconds(line.median_seconds),
            money(line.cost_nanousd),
        )
    return shown


def shown_rate(estimate: Estimate) -> str:
    """A share with its interval; a dash where nothing at all is known."""
    if estimate.value is None:
        known = estimate.low > 0 or estimate.high < 1
        return f"? {_interval(estimate)}" if known else NOTHING
    return f"{estimate.value:.0%} {_interval(estimate)}"


def _interval(estimate: Estimate) -> str:
    return f"[{100 * estimate.low:.0f}-{100 * estimate.high:.0f}]"


def _found_out(report: Verifiers) -> Iterator[str]:
    for line in report.lines:
        for finding in line.findings:
            said = FOUND_OUT[finding.fault].format(shown_rate(finding.rate))
            yield f"[red]{_name(line)}[/] {said}"
            if finding.fault is Fault.PASSES_WRONG and line.wrong_passed.value is not None:
                share = shown_rate(line.wrong_passed)
                yield f"  of what it passes {share} is wrong; add a check, or start a tier higher"


def _too_little(report: Verifiers) -> Iterator[str]:
    """How many labels are missing. Only of checks that decide, where traffic could give them."""
    for line in report.lines:
        if line.weight is not Weight.REQUIRED or not line.passed.answers + line.failed.answers:
            continue
        if not line.labelled.answers:
            yield f"[dim]{_name(line)}: no labels, nothing is known of it[/]"
        elif missing := lacking(line):
            word = "" if line.drawn else ", and none was drawn at random: these rates are of them"
            had = f"{line.labelled.wrong} wrong and {line.labelled.right} right answers labelled"
            yield f"[dim]{_name(line)}: {had}{word}; some {missing} more for ±10%[/]"


def _audits(report: Verifiers, config: Config) -> Iterator[str]:
    audits = report.audits
    if audits.audited:
        cost = f"{audits.calls} calls, {money(audits.cost_nanousd)}"
        failed = f"; [yellow]{audits.failed} calls gave no answer[/]" if audits.failed else ""
        done = f"{audits.audited} requests, {cost}; {audits.labelled} answers labelled"
        yield f"Audits: {done}{failed}"
    off = [name for name, ladder in config.file.ladders.items() if not ladder.audit]
    if off:
        named = one_line(", ".join(off))
        yield f'[dim]Not audited: {named}. `audit = "2%"` on a ladder looks at a share again.[/]'
    if any(not line.labelled.answers for line in report.lines):
        yield "[dim]By hand: rung label ID right|wrong, and --attempt N of a rejected draft[/]"


def _name(line: VerifierLine) -> str:
    key = line.key
    more = "".join(f", {one_line(part, 20)}" for part in (key.ladder, key.source) if part)
    return f"{one_line(key.verifier, 24)} at {one_line(key.tier, 20)}{more}"
