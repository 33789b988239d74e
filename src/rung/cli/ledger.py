"""`rung ledger`: what the ledger takes, whether it is sound, writing it anew, taking it out."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from rung.cli.ledger_export import body, export  # noqa: F401 parts of this command
from rung.cli.output import NOTHING, console, one_line, print_json, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.config import Config
from rung.core.errors import LedgerError
from rung.ledger.checking import Part, mend
from rung.ledger.checking import check as look
from rung.ledger.info import Info
from rung.ledger.info import info as look_at
from rung.ledger.room import Room, rewrite
from rung.ledger.store import Ledger

FAULTY = 1


def info(*, path: ConfigPath = None, json: Json = False) -> None:
    """Show how large the ledger is, what a request takes, and what is kept how long."""
    found = load(path, parts=False)
    with open_ledger(found) as ledger:
        told = look_at(ledger)
    kept = found.file.retention
    if json:
        own = {"bytes_a_request": told.bytes_a_request, "retention": kept.model_dump()}
        print_json(asdict(told) | own)
    else:
        _show(told, found, console())


def check(
    *,
    quick: Annotated[bool, Parameter(negative="")] = False,
    repair: Annotated[bool, Parameter(negative="")] = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Prove that the ledger is what it says, while it is in use. Ends with 1 where it is not.

    The database is whole; what every row refers to is there; every request costs what its calls
    and checks cost; budgets hold what is reserved; the sums under the bill are those of the rows.
    It reads everything, a minute or two for a million requests.

    Args:
        quick: Only the database itself and what is held.
        repair: Make the sums under the bill anew from the rows where they differ.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        parts = list(look(ledger, quick=quick))
        mended = None
        if repair and any("sums" in part.name and not part.holds for part in parts):
            mended = mend(ledger)
            parts = list(look(ledger, quick=quick))
    sound = all(part.holds for part in parts)
    if json:
        told = [asdict(part) | {"holds": part.holds} for part in parts]
        print_json({"sound": sound, "summed_anew": mended, "parts": told})
    else:
        _tell(parts, mended, console())
    if not sound:
        sys.exit(FAULTY)


def vacuum(*, path: ConfigPath = None, json: Json = False) -> None:
    """Write the ledger anew without the room of rows that are gone.

    Needs as much disk again as it has, and nobody to write meanwhile: stop the gateway, or do it
    while nothing comes. A SQLite file gives room back by itself from then on.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        before = look_at(ledger).room
        _rewrite(ledger)
        after = look_at(ledger).room
    if json:
        print_json({"before": asdict(before), "after": asdict(after)})
    else:
        console().print(f"{_mb(before)} before, {_mb(after)} now.")


def _rewrite(ledger: Ledger) -> None:
    database = ledger.database
    with closing(database.connect()) as connection:
        try:
            rewrite(connection, database.place)
        except LedgerError:
            raise
        except Exception as error:
            if not database.is_ours(error):
                raise
            raise database.explained(error) from error


# ------------------------------------------------------------------ what is shown


def _show(told: Info, found: Config, to: Console) -> None:
    kept = found.file.retention
    size = NOTHING if told.bytes_a_request is None else f"{told.bytes_a_request:,} bytes each"
    gone = f", {told.gone:,} more in the sums alone" if told.gone else ""
    age = "any age" if kept.days is None else f"{kept.days:g} days"
    most = "any size" if kept.max_mb is None else f"{kept.max_mb} MB"
    lines = [
        ("ledger", f"{one_line(told.place)} ({told.backend}, revision {told.revision})"),
        ("requests", f"{told.requests:,}, {size}{gone}"),
        ("not summed yet", f"{told.unsummed:,}"),
        ("from", NOTHING if told.first_unix is None else when(told.first_unix)),
        ("to", NOTHING if told.last_unix is None else when(told.last_unix)),
        ("size", _mb(told.room)),
        ("kept", f"{age}, {most}; bodies {kept.bodies_days:g} days"),
    ]
    for label, value in lines:
        to.print(f"  {label:<16} {value}")
    if told.backend == "sqlite" and not told.room.shrinks:
        to.print("\n[dim]This file does not shrink as rows go: rung ledger vacuum[/]")


def _mb(room: Room) -> str:
    log = f", and {room.log_bytes / 2**20:,.1f} MB of log" if room.log_bytes else ""
    used = f"{room.used_bytes / 2**20:,.1f} of {room.total_bytes / 2**20:,.1f} MB in use"
    return f"{used}{log}"


def _tell(parts: list[Part], mended: int | None, to: Console) -> None:
    if mended is not None:
        to.print(f"The sums of {mended:,} requests were made anew.\n")
    for part in parts:
        said = "[green]yes[/]" if part.holds else f"[red]no[/], {part.faults:,} faults"
        to.print(f"  {part.name:<56} {said}")
        for example in part.examples:
            to.print(f"      [dim]{one_line(example, 160)}[/]")
    sums = any("sums" in part.name and not part.holds for part in parts)
    if sums:
        to.print("\n[dim]rung ledger check --repair makes the sums anew from the rows[/]")
