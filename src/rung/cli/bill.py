"""`rung bill`: the report over the ledger."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from rung.cli.output import (
    NOTHING,
    bar,
    console,
    money,
    one_line,
    percent,
    print_json,
    seconds,
    share,
    table,
)
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.cli.tune_check import broken_or_nothing
from rung.core.errors import RequestError
from rung.core.stats import rate
from rung.ledger import Ledger, keys
from rung.ledger.bill import Bill, BillBy, Fidelity, RequestLine, Sparing, TierLine
from rung.ledger.bill import bill as add_up
from rung.ledger.bill_json import to_json

SPAN = re.compile(r"^(\d{1,6})([smhdw])$")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BAR_WIDTH = 12
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def bill(  # noqa: PLR0913 a command's options
    *,
    since: Annotated[
        str | None, Parameter(help="7d, 24h, 30m, or a date such as 2026-11-01.")
    ] = None,
    until: Annotated[str | None, Parameter(help="As --since; the moment is not included.")] = None,
    by: Annotated[BillBy | None, Parameter(help="Split it further.")] = None,
    baseline: Annotated[str | None, Parameter(help="Show savings against this one only.")] = None,
    reprice: Annotated[
        str | None, Parameter(help="Other prices: a date, `today`, or a file such as prices.toml.")
    ] = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show what was spent, where, what it would have cost without a cascade, and what was wasted.

    Every amount is the exact sum of the ledger's rows, failed attempts included. A request that was
    sent again because its stream broke counts once, by its last outcome, with the spend of all.

    """
    now = time.time()
    since_unix = None if since is None else moment(since, now)
    until_unix = None if until is None else moment(until, now)
    if reprice is not None and baseline is not None:
        said = "--reprice shows what was spent by other prices, and no savings."
        raise RequestError(said, fix="leave --baseline out")
    with open_ledger(load(path, parts=False)) as ledger:
        if reprice is not None:
            # It reads calls one by one, with what takes 0.4 s to import.
            from rung.cli import repricing

            repricing.report(ledger, reprice, (since_unix, until_unix), by, json=json)
            return
        made = add_up(
            ledger, since_unix=since_unix, until_unix=until_unix, by=by, baseline=baseline
        )
        names = _names(ledger) if by is BillBy.KEY else {}
        broken = [] if json else broken_or_nothing(ledger, now)
    if json:
        print_json(to_json(made))
        return
    to = console()
    show_bill(made, to, names)
    for line in broken:
        to.print(f"\n[red]{one_line(line, 200)}[/]")


def _names(ledger: Ledger) -> dict[str, str]:
    """What people call the keys; their ids stay the same however they are named."""
    with ledger.reading() as connection:
        return {key.id: f"{key.name} ({key.id})" for key in keys.read(connection).all()}


def moment(text: str, now: float) -> float:
    """A time span before ``now``, or a date, as seconds since 1970. Raises RequestError."""
    if found := SPAN.match(text):
        return now - int(found[1]) * UNIT_SECONDS[found[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time."
        raise RequestError(message, fix="write 7d, 24h, 30m, or 2026-11-01") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def show_bill(made: Bill, to: Console, names: Mapping[str, str] = NO_NAMES) -> None:
    """The bill for people."""
    total = made.total
    if not total.requests + total.resent + total.beside.audited:
        to.print('No requests yet. Try `rung demo`, or `rung ask "..."`.')
        return
    to.print(_tiers(made))
    to.print()
    for label, value in _figures(total):
        to.print(f"  {label:<28} {value}")
    if made.by is not None and made.lines:
        to.print()
        to.print(_lines(made, names))


def _tiers(made: Bill) -> object:
    numbers = ("passed", "calls", "spend", "wasted", "time")
    columns = [("tier", "left"), ("answered", "left"), *((name, "right") for name in numbers)]
    shown = table("Who answered", columns)
    for line in made.tiers:
        shown.add_row(
            one_line(line.key or NOTHING, 20),
            f"{bar(line.served, BAR_WIDTH)} {share(line.served)}",
            share(line.passed),
            str(line.spend.attempts),
            money(line.spend.spend_nanousd),
            money(line.spend.wasted_nanousd),
            seconds(line.spend.wasted_seconds),
        )
    if made.total.served_again:
        kept = rate(made.total.served_again, made.total.requests)
        shown.add_row("[dim]served again[/]", f"{bar(kept, BAR_WIDTH)} {share(kept)}", *[""] * 5)
    for name, calls, spend, wasted in _beside(made.total):
        shown.add_row(f"[dim]{name}[/]", "", "", calls, money(spend), money(wasted), "")
    return shown


def _beside(total: RequestLine) -> list[tuple[str, str, int, int]]:
    """What was billed beside the calls that answer requests: name, calls, spend, of it wasted."""
    beside = total.beside
    rows = [
        ("checks", "", beside.checks_nanousd, beside.checks_wasted_nanousd),
        ("audits", str(beside.audit_calls), beside.audits_nanousd, 0),
    ]
    return [row for row in rows if row[1] not in {"", "0"} or row[2]]


def _inbox(total: RequestLine) -> str:
    answered = f", {total.by_human} answered by a human" if total.by_human else ""
    return f"{total.inbox} went to the inbox{answered}"


def _wasted(line: RequestLine | TierLine) -> str:
    return f"{money(line.wasted_nanousd)} and {seconds(line.spend.wasted_seconds)}"


def _figures(total: RequestLine) -> list[tuple[str, str]]:
    spend = total.spend
    figures = [
        ("requests", f"{total.requests}, {total.verified} verified"),
        ("nothing passed", f"{total.exhausted} ({_inbox(total)})"),
        ("escalation rate", percent(total.escalation)),
        ("fallbacks on errors", str(total.fallbacks)),
        ("spend", f"{money(total.spend_nanousd)}, {money(total.blended_nanousd or 0)} a request"),
        ("of it wasted", _wasted(total)),
        ("time to answer", f"{seconds(total.median_seconds)}, p90 {seconds(total.p90_seconds)}"),
    ]
    for each in total.savings:
        saved = NOTHING if each.savings is None else f"{each.savings:.1%} saved"
        amounts = f"{money(each.spend_nanousd)} instead of {money(each.baseline_nanousd)}"
        figures.append((f"against {one_line(each.name, 20)}", f"{amounts}, {saved}"))
        figures.append(("", f"(the same tokens, over {each.requests} requests)"))
    if spend.estimated.hits:
        figures.append(("token counts", f"{share(spend.estimated)} of calls estimated"))
    return [*figures, *_oddities(total)]


def _oddities(total: RequestLine) -> list[tuple[str, str]]:
    """What most bills do not have, and only those that have it show."""
    sparing, tokens = total.spend.sparing, total.spend.tokens
    lossy, tools = total.fidelity.lossy, _tools(total.fidelity)
    shown = [
        ("served again", _again(total), total.served_again),
        ("prompt caches", _cached(sparing), tokens.cache_read + tokens.cache_write),
        ("shortened tool output", _shortened(sparing), sparing.shortened_tokens),
        ("audited", _audited(total), total.beside.audited),
        ("sent again", f"{total.resent} broken before, counted once", total.resent),
        ("cut off", f"{total.recovered} booked at what was reserved", total.recovered),
        ("tool calls", tools, tools),
        ("lost in translation", f"{lossy} calls left something out", lossy),
        ("passed un-gated", f"{total.ungated} of {total.requests} requests", total.ungated),
    ]
    return [(label, value) for label, value, there in shown if there]


def _again(total: RequestLine) -> str:
    of = f"{total.served_again} of {total.requests} requests"
    return f"{of}, {money(total.spared_nanousd)} not spent anew"


def _cached(sparing: Sparing) -> str:
    saved = sparing.cache_nanousd
    told = f"{money(saved)} saved" if saved >= 0 else f"{money(-saved)} more than without them"
    return f"{_hit_rate(sparing)} of the input read from them, {told}"


def _hit_rate(sparing: Sparing) -> str:
    return NOTHING if sparing.hit_rate is None else f"{sparing.hit_rate:.0%}"


def _shortened(sparing: Sparing) -> str:
    return f"{sparing.shortened_tokens:,} tokens not sent, {money(sparing.shortened_nanousd)} saved"


def _audited(total: RequestLine) -> str:
    beside = total.beside
    of = f"{beside.audited} of {total.requests} requests"
    return f"{of}, {money(beside.audits_nanousd)} of the spend"


def _tools(fidelity: Fidelity) -> str:
    counts = [
        (fidelity.tool_answers, "answers"),
        (fidelity.salvaged, "salvaged from text"),
        (fidelity.tool_failures, "rejected"),
    ]
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def _lines(made: Bill, names: Mapping[str, str]) -> object:
    assert made.by is not None
    caching = any(line.spend.tokens.cache_read for line in made.lines)
    numbers = ("requests", "calls", "spend", "wasted", *(("cached",) if caching else ()))
    columns = [(made.by.value, "left"), *((name, "right") for name in numbers)]
    shown = table(f"By {made.by.value}", columns)
    for line in made.lines:
        requests = str(line.requests) if isinstance(line, RequestLine) else str(line.served.hits)
        shown.add_row(
            one_line(names.get(line.key or "", line.key or NOTHING)),
            requests,
            str(line.spend.attempts),
            money(line.spend_nanousd),
            _wasted(line),
            *((_hit_rate(line.spend.sparing),) if caching else ()),
        )
    return shown
