"""`rung bill --reprice`: what the same calls would have cost by other prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from rung.cli.output import NOTHING, console, money, one_line, print_json, table
from rung.core.errors import RequestError
from rung.core.money import exact
from rung.core.types import UsageSource
from rung.ledger import Ledger
from rung.ledger.bill import BillBy
from rung.ledger.calls import Span, billed_calls, checks_nanousd, usage_of, worked_seconds
from rung.ledger.database import Connection, Row
from rung.ledger.priced import price_of
from rung.ledger.tables import requests
from rung.pricing import PriceBook
from rung.pricing.repricing import AtDate, Billed, ByTable, Line, Prices, Repricing, reprice

MOST_SHOWN = 5
TODAY = "today"
LARGEST_FILE = 2**20


@dataclass(frozen=True, slots=True)
class Repriced:
    """What is reported. ``checks_nanousd`` are checks' own calls, which are not reckoned anew."""

    prices: Prices
    span: Span
    by: BillBy
    made: Repricing
    checks_nanousd: int


def report(
    ledger: Ledger,
    said: str,
    span: tuple[float | None, float | None],
    by: BillBy | None,
    *,
    json: bool,
) -> None:
    """Reckon anew and tell. ``said`` is a date or a file's name."""
    found = repriced(ledger, prices_of(said), Span(*span), by)
    if json:
        print_json(to_json(found))
    else:
        show(found, console())


def repriced(ledger: Ledger, prices: Prices, span: Span, by: BillBy | None) -> Repriced:
    """Reckon the calls of a span anew. Blocks: about ten seconds for a million calls."""
    by = by or BillBy.TIER
    with ledger.reading() as connection:
        made = reprice(_calls(connection, span, by), prices)
        checks = checks_nanousd(connection, span)
    return Repriced(prices, span, by, made, checks)


def prices_of(said: str) -> Prices:
    """Other prices, by a date or a file's name. Raises RequestError or ConfigError."""
    path = Path(said)
    if said == TODAY or not (path.suffix == ".toml" or path.exists()):
        try:
            day = datetime.now(UTC).date() if said == TODAY else date.fromisoformat(said)
        except ValueError:
            fix = "write 2026-11-01, today, or the name of a file of prices (.toml)"
            raise RequestError(f"{said!r} is no date and no file.", fix=fix) from None
        moment = datetime.combine(day, datetime.min.time(), UTC)
        return AtDate(PriceBook(now=lambda: moment), day)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RequestError(f"{said} is larger than a table of prices can be.")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{said} cannot be read: {error}") from None
    return ByTable.parsed(text, said)


# ------------------------------------------------------------------ the calls


_KEYS = {
    "tier": "tier",
    "model": "model",
    "project": "project",
    "lane": "lane",
    "ladder": "ladder",
    "key": "key_id",
    "category": "category",
}
_OF_REQUESTS = ("project", "lane", "ladder", "key_id", "category")


def _calls(connection: Connection, span: Span, by: BillBy) -> Iterator[tuple[str | None, Billed]]:
    keys = [requests.c[name] for name in _OF_REQUESTS]
    for row in billed_calls(connection, span, *keys):
        at = datetime.fromtimestamp(row["started_unix"] + row["started_at"], UTC)
        yield _key(row, by), _billed(row, at)


def _key(row: Row, by: BillBy) -> str | None:
    if by.value == "day":
        # The request's, as in the bill.
        return datetime.fromtimestamp(row["started_unix"], UTC).date().isoformat()
    found = row[_KEYS[by.value]]
    return None if found in {None, ""} else str(found)


def _billed(row: Row, at: datetime) -> Billed:
    return Billed(
        tier=row["tier"],
        model=row["model"] or "",
        usage=usage_of(row),
        seconds=worked_seconds(row),
        at=at,
        cost_nanousd=row["cost_nanousd"],
        price=price_of(row["price_json"]),
        counted=row["usage_source"] != UsageSource.NONE or not row["cost_nanousd"],
    )


# ------------------------------------------------------------------ as JSON


def to_json(found: Repriced) -> dict[str, Any]:
    """The report as plain JSON values: amounts both as nano-dollars and as exact dollars."""
    return {
        "prices": found.prices.name,
        "since_unix": found.span.since_unix,
        "until_unix": found.span.until_unix,
        "by": found.by.value,
        "total": _line(found.made.total),
        **_money("checks", found.checks_nanousd),
        "unused": found.prices.unused(),
        "lines": [{"key": key, **_line(line)} for key, line in _sorted(found.made)],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "calls": line.calls,
        **_money("billed", line.billed_nanousd),
        **_money("repriced", line.repriced_nanousd),
        **_money("difference", line.difference_nanousd),
        "kept": dict(line.kept),
        **_money("kept", line.kept_nanousd),
    }


def _money(name: str, nanousd: int) -> dict[str, Any]:
    return {f"{name}_nanousd": nanousd, f"{name}_usd": exact(nanousd)}


def _sorted(made: Repricing) -> list[tuple[str | None, Line]]:
    return sorted(made.lines.items(), key=lambda each: (each[0] is None, each[0] or ""))


# ------------------------------------------------------------------ for people


def show(found: Repriced, to: Console) -> None:
    """The report for people."""
    total = found.made.total
    if not total.calls:
        to.print("No calls in this span.")
        return
    numbers = ("calls", "billed", "by these prices", "difference", "kept")
    columns = [(found.by.value, "left"), *((name, "right") for name in numbers)]
    shown = table(f"By {one_line(found.prices.name)}", columns)
    for key, line in _sorted(found.made):
        shown.add_row(one_line(key or NOTHING, 40), *_cells(line))
    shown.add_row("[bold]all calls[/]", *_cells(total))
    to.print(shown)
    to.print()
    for why, calls in total.kept.most_common(MOST_SHOWN):
        to.print(f"  kept as billed: {calls:,} calls, since {one_line(why)}")
    if found.checks_nanousd:
        to.print(f"  checks were billed {money(found.checks_nanousd)}, which stays")
    if unused := found.prices.unused():
        names = ", ".join(map(one_line, unused[:MOST_SHOWN]))
        to.print(f"  [yellow]no call was priced by[/] {names}")


def _cells(line: Line) -> list[str]:
    difference = line.difference_nanousd
    sign = "+" if difference > 0 else ""
    return [
        f"{line.calls:,}",
        money(line.billed_nanousd),
        money(line.repriced_nanousd),
        f"{sign}{money(difference)}",
        str(line.kept.total() or ""),
    ]
