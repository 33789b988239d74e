"""What `rung probe run` found out, as people read it, as JSON, and as a file of outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from rung.cli.output import NOTHING, money, one_line, table
from rung.cli.probe_queries import Drawn
from rung.core.errors import RequestError
from rung.core.money import exact
from rung.core.trials import trials
from rung.ledger import Ledger
from rung.ledger.observed import probes
from rung.measuring import Estimate, Measured, Query
from rung.whole_files import whole

Flag = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True)
class Writing:
    """Where outcomes are written beside the ledger."""

    write: Path | None = None
    "A file of outcomes to write, for `rung tune` and `rung replay`: JSON lines."
    prompts: Flag = False
    "Write prompts into it, too."
    force: Flag = False
    "Write over a file that is there."


@dataclass(slots=True)
class Found:
    """What came of it."""

    ladder: str
    drawn: Drawn
    queries: Sequence[Query]
    known: int
    estimates: tuple[Estimate, ...]
    budget_nanousd: int | None
    measured: Measured | None = None
    silent: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    written: int = 0

    @property
    def estimated(self) -> int:
        return sum(each.calls for each in self.estimates)


# ------------------------------------------------------------------ as outcomes


def rows_of(ledger: Ledger, found: Found, tiers: Sequence[str]) -> list[dict[str, Any]]:
    """One for each query and tier that was judged, as in a file of outcomes; the newest counts."""
    queries = {query.id: query for query in found.queries}
    with ledger.reading() as connection:
        looks = [one for one in probes(connection, found.ladder) if one.of in queries]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in looks:
        query = queries[one.of or ""]
        for trial in trials(one.past):
            if trial.tier in tiers:
                rows[query.id, trial.tier] = {
                    "query_id": query.id,
                    "category": query.category,
                    "model": trial.tier,
                    "correct": float(trial.passed),
                    "cost_usd": trial.cost_nanousd / 1e9,
                    "tokens_in": one.tokens[0],
                    "tokens_out": one.tokens[1],
                    "latency_s": round(trial.seconds, 6),
                }
    return [rows[key] for key in sorted(rows)]


def may_write(to: Writing) -> None:
    """Nothing is spent where its outcomes could not be written. Raises RequestError."""
    if to.write is None:
        return
    if to.write.exists() and not to.force:
        raise RequestError(f"{to.write} is there.", fix="name another one, or give --force")
    if not to.write.parent.is_dir():
        raise RequestError(f"{to.write.parent} is no folder.", fix="make it, or name another one")


def write(to: Writing, rows: Sequence[Mapping[str, Any]], queries: Sequence[Query]) -> int:
    """Put the file in place once it is whole."""
    assert to.write is not None
    prompts = {one.id: one.request.question for one in queries} if to.prompts else {}
    with whole(to.write) as part, part.open("w", encoding="utf-8") as file:
        for row in rows:
            own = {"prompt": prompts[row["query_id"]]} if row["query_id"] in prompts else {}
            file.write(json.dumps({**row, **own}) + "\n")
    return len(rows)


# ------------------------------------------------------------------ what is shown


def told(found: Found) -> dict[str, Any]:
    """The same as JSON."""
    measured = found.measured
    return {
        "ladder": found.ladder,
        "requests": len(found.queries),
        "drawn_from": found.drawn.there,
        "unfit": dict(found.drawn.unfit),
        "known": found.known,
        "estimate": [
            asdict(each)
            | {
                "expected_usd": exact(each.expected_nanousd),
                "worst_usd": exact(each.worst_nanousd),
            }
            for each in found.estimates
        ],
        "budget_usd": None if found.budget_nanousd is None else exact(found.budget_nanousd),
        "measured": None
        if measured is None
        else {
            **{name: getattr(measured, name) for name in ("passed", "failed", "unjudged")},
            "unanswered": measured.unanswered,
            "refused": dict(measured.refused),
            "cost_nanousd": measured.spent_nanousd,
            "cost_usd": exact(measured.spent_nanousd),
            "stopped": measured.stopped or None,
            "silent": list(found.silent),
        },
        "tiers": _by_tier(found.rows),
        "written": found.written,
    }


def _by_tier(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of all that is known of these requests: how many a tier passed, and at what mean cost."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["model"], []).append(row)
    return [
        {
            "tier": tier,
            "judged": len(own),
            "passed": int(sum(row["correct"] for row in own)),
            "mean_cost_usd": sum(row["cost_usd"] for row in own) / len(own),
        }
        for tier, own in found.items()
    ]


def estimated(found: Found) -> Iterator[Any]:
    """What is about to be asked, and what that is likely to cost."""
    of = f"{len(found.queries):,} requests, drawn from {found.drawn.there:,}"
    known = f"; {found.known:,} answers are known already" if found.known else ""
    yield f"[bold]{one_line(found.ladder, 40)}[/]: {of}{known}"
    for reason, count in found.drawn.unfit.items():
        yield f"  [dim]{count:,} left out: {one_line(reason, 120)}[/]"
    shown = table(
        "To ask",
        [
            ("tier", "left"),
            ("calls", "right"),
            ("read", "right"),
            ("written", "right"),
            ("likely", "right"),
            ("at most", "right"),
        ],
    )
    for each in found.estimates:
        shown.add_row(
            one_line(each.tier, 40),
            f"{each.calls:,}",
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            money(each.expected_nanousd),
            money(each.worst_nanousd),
        )
    yield shown


def show(found: Found, to: Writing, out: Console) -> None:
    """What was estimated, or asked, and what is known by now."""
    for line in estimated(found) if found.measured is None else _asked(found, found.measured):
        out.print(line)
    if found.measured is None and found.estimated:
        out.print("Nothing was asked (--dry-run).")
    if found.rows:
        out.print(_known(found))
    if found.written:
        out.print(f"{found.written:,} outcomes are in {one_line(str(to.write), 200)}")


def _asked(found: Found, measured: Measured) -> Iterator[str]:
    yield (
        f"{measured.asked:,} calls: {measured.passed:,} passed, {measured.failed:,} failed,"
        f" {measured.unjudged:,} not judged, {measured.unanswered:,} without an answer;"
        f" {money(measured.spent_nanousd)}"
    )
    for reason, count in measured.refused.items():
        yield f"  [yellow]{count:,} not sent[/]: {one_line(reason, 200)}"
    for tier in found.silent:
        yield f"  [yellow]{one_line(tier, 40)}[/] gave no answer again and again: not asked on"
    if measured.stopped:
        yield f"  [yellow]stopped[/]: {one_line(measured.stopped, 300)}"


def _known(found: Found) -> object:
    shown = table(
        "Known of these requests",
        [("tier", "left"), ("judged", "right"), ("passed", "right"), ("a call", "right")],
    )
    for each in _by_tier(found.rows):
        share = each["passed"] / each["judged"] if each["judged"] else None
        shown.add_row(
            one_line(each["tier"], 40),
            f"{each['judged']:,}",
            NOTHING if share is None else f"{share:.1%}",
            f"${each['mean_cost_usd']:.3g}",
        )
    return shown
