"""`rung reconcile`: a provider's account of what was used, held against the ledger's."""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from rung.cli.output import NOTHING, console, money, one_line, print_json
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.config import Config
from rung.core.errors import RequestError
from rung.core.money import exact
from rung.core.nearest import nearest
from rung.core.reconciling import (
    EXPLAINED,
    NAMES,
    Account,
    Booked,
    Compared,
    Figures,
    Finding,
    compare,
)

LARGEST_FILE = 64 * 2**20
DIFFERENT = 1
"""The exit status where the accounts differ and nothing explains it."""

WORDS = {
    Finding.AGREES: "[green]agrees[/]",
    Finding.NEXT_DAY: "[green]agrees with the next day[/]",
    Finding.ESTIMATED_HERE: "[yellow]estimated here[/]",
    Finding.OTHER_COUNTS: "[red]other counts[/]",
    Finding.MISSING_HERE: "[red]missing here[/]",
    Finding.MISSING_THERE: "[red]missing there[/]",
}


def reconcile(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *more: Path,
    provider: Annotated[
        str | None, Parameter(help="Whose account it is; else as it looks.")
    ] = None,
    tier: Annotated[
        tuple[str, ...], Parameter(help="Only calls of this tier; may be given again.")
    ] = (),
    tolerance: Annotated[str, Parameter(help="A share by which figures may differ: 0.1%.")] = "0",
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Compare the ledger with a provider's usage export, by day and model, and say what differs.

    Read are the usage and cost reports of OpenAI and Anthropic (the pages of their APIs as JSON,
    the CSV files of their consoles), and any CSV, JSON or JSON lines file with the columns date,
    model, and some of requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    searches, cost_usd. Days are those of UTC. Ends with status 1 where something differs that
    nothing explains.

    Args:
        file: The export; `-` reads standard input. Files ending in .gz are unpacked.
        more: Further files of the same account: more pages, or its costs.
    """
    found = load(path, parts=False)
    allowed = _share(tolerance)
    account = _account([file, *more])
    account.provider = provider or account.provider
    days = account.covered()
    with open_ledger(found) as ledger, ledger.reading() as connection:
        from rung.ledger.daily import daily

        theirs = _Theirs(found, account.provider, tier)
        booked = (
            daily(connection, (days[0], days[-1]), theirs.is_theirs, theirs.model) if days else {}
        )
    compared = compare(account, booked, allowed)
    if json:
        print_json(_to_json(account, compared))
    else:
        _show(account, compared, console())
    if not all(each.finding in EXPLAINED for each in compared):
        sys.exit(DIFFERENT)


# ------------------------------------------------------------------ what is given


def _share(text: str) -> Fraction:
    """A share, as `0.1%` or 0.001."""
    try:
        share = Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 <= share < 1:
        raise RequestError(f"{text!r} is no share.", param="tolerance", fix="write 0.1% or 0.001")
    return share


def _account(files: Sequence[Path]) -> Account:
    """All files as one account. Raises RequestError for what cannot be read."""
    # It is parsed with decimals, whose module only few commands need.
    from rung.wire import usage_exports
    from rung.wire.errors import WireError

    whole: Account | None = None
    seen: dict[bytes, Path] = {}
    for file in files:
        text = _text(file)
        digest = sha256(text.encode()).digest()
        if digest in seen:
            raise RequestError(f"{file} is the same as {seen[digest]}: it would count twice.")
        seen[digest] = file
        try:
            account = usage_exports.read(text)
        except WireError as error:
            raise RequestError(f"{file} cannot be compared: {error}.", param="file") from None
        if whole is not None and account.provider != whole.provider:
            said = (
                f"{file} looks like {account.provider}'s, and {files[0]} like {whole.provider}'s."
            )
            raise RequestError(said, fix="compare one provider at a time")
        if whole is None:
            whole = account
        else:
            whole.rows += account.rows
            whole.days |= account.days
            whole.warnings += account.warnings
    assert whole is not None
    return whole


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
                data = stream.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            fix = "export it by the day and model"
            raise RequestError(f"{file} is larger than {LARGEST_FILE // 2**20} MiB.", fix=fix)
        return data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} cannot be read: {error}", param="file") from None


class _Theirs:
    """Which calls should be on an account: by the configuration, else by the price they had."""

    def __init__(self, config: Config, provider: str, tiers: tuple[str, ...]) -> None:
        self._tables = config.file.tiers
        self._provider = provider
        self._only = tiers
        for name in tiers:
            if name not in self._tables:
                fix = nearest(name, list(self._tables))
                raise RequestError(f"There is no tier {name!r}.", param="tier", fix=fix)

    def is_theirs(self, tier: str, source: str | None) -> bool:
        """Whether a call of this tier, priced by this source, is on the account."""
        if self._only:
            return tier in self._only
        if self._provider == "plain":
            return True
        table = self._tables.get(tier)
        if table is not None and table.provider == self._provider:
            return True
        return source is not None and f" {self._provider}/" in source

    def model(self, tier: str) -> str:
        """The model that a tier asks for."""
        table = self._tables.get(tier)
        return (None if table is None else table.model) or tier


# ------------------------------------------------------------------ what is told


def _to_json(account: Account, compared: Sequence[Compared]) -> dict[str, Any]:
    days = account.covered()
    return {
        "provider": account.provider,
        "from": days[0].isoformat() if days else None,
        "to": days[-1].isoformat() if days else None,
        "agrees": all(each.finding in EXPLAINED for each in compared),
        "warnings": account.warnings,
        "findings": dict(Counter(each.finding.value for each in compared)),
        "total": {"there": _figures(_there(compared)), "here": _figures(_here(compared).figures)},
        "lines": [
            {
                "day": each.day.isoformat(),
                "model": each.model or None,
                "finding": each.finding.value,
                "there": None if each.there is None else _figures(each.there),
                "here": None if each.here is None else _booked(each.here),
                "why": list(each.why),
            }
            for each in compared
        ],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    cost = figures.cost_nanousd
    return {**asdict(figures), "cost_usd": None if cost is None else exact(cost)}


def _booked(here: Booked) -> dict[str, Any]:
    return {
        **_figures(here.figures),
        "estimated": _figures(here.estimated),
        "untold": here.untold,
        "unknown": here.unknown,
    }


def _there(compared: Sequence[Compared]) -> Figures:
    total = Figures()
    for each in compared:
        total = total.plus(each.there or Figures())
    return total


def _here(compared: Sequence[Compared]) -> Booked:
    total = Booked(Figures())
    for each in compared:
        total = total if each.here is None else total.plus(each.here)
    return total


def _show(account: Account, compared: Sequence[Compared], to: Console) -> None:
    for warning in account.warnings:
        to.print(f"[yellow]{one_line(warning)}[/]")
    if not compared:
        to.print("Nothing to compare: no calls on these days in either account.")
        return
    heads = "".join(f"{head:>{width}}" for head, width in HEADS.items())
    to.print(f"[bold]{one_line(account.provider)}, and this ledger[/]\n[dim]{'':10}{heads}[/]")
    for each in compared:
        model = one_line(each.model or "all models", 60)
        to.print(f"{each.day}  {model}  {WORDS[each.finding]}")
        if each.finding is not Finding.AGREES:
            _sides(each.there, each.here, to)
        for why in each.why:
            to.print(f"  [dim]{one_line(why, 200)}[/]")
    to.print("all")
    _sides(_there(compared), _here(compared), to)
    counts = Counter(each.finding for each in compared)
    to.print("\n" + ", ".join(f"{counts[each]} {WORDS[each]}" for each in Finding if counts[each]))


_WIDTHS = (9, 13, 12, 13, 11, 9, 11)
HEADS = dict(
    zip(
        ("requests", "input", "output", "cached", "written", "searches", "cost"),
        _WIDTHS,
        strict=True,
    )
)


def _sides(there: Figures | None, here: Booked | None, to: Console) -> None:
    to.print(f"  {'there':8}{_cells(there)}")
    to.print(f"  {'here':8}{_cells(None if here is None else here.figures)}")


def _cells(figures: Figures | None) -> str:
    *counts, cost = [None if figures is None else getattr(figures, name) for name in NAMES]
    told = [NOTHING if count is None else f"{count:,}" for count in counts]
    told.append(NOTHING if cost is None else money(cost))
    return "".join(f"{cell:>{width}}" for cell, width in zip(told, HEADS.values(), strict=True))
