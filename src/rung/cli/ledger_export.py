"""`rung ledger export` and `rung ledger body`: rows for other programs, and stored words."""

from __future__ import annotations

import gzip
import json as jsons
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from cyclopts import Parameter

from rung.cli.bill import moment
from rung.cli.output import console, one_line, plain, print_json, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.errors import RequestError
from rung.ledger import exporting
from rung.ledger.calls import Span
from rung.ledger.export_formats import LINES, Format, Row, json_lines, write_parquet
from rung.ledger.exporting import Exported, Shape
from rung.whole_files import whole

LONGEST_SHOWN = 20_000

SUFFIXES = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".json": Format.JSONL}
SUFFIXES |= {".csv": Format.CSV, ".parquet": Format.PARQUET}


def export(  # noqa: PLR0913 a command's options
    out: Path | None = None,
    /,
    *,
    table: Exported = Exported.CALLS,
    format: Format | None = None,  # noqa: A002 the word people type
    since: str | None = None,
    until: str | None = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Write rows as JSON lines, CSV or Parquet, for DuckDB, Polars or a spreadsheet.

    Read it again with `duckdb -c "SELECT * FROM 'calls.parquet'"`, or in Python with
    `polars.read_parquet("calls.parquet")`. Memory stays small however long the ledger is. Cells of
    a CSV that a spreadsheet would take for a formula begin with an apostrophe. Virtual keys, the
    inbox and stored bodies are never exported.

    Args:
        out: The file to write; else standard output. One that ends in .gz is packed.
        table: Calls (each attempt with its request), or one of the ledger's own tables.
        format: How to write it; else as the file's name says, else JSON lines.
        since: 7d, 24h, 30m, or a date such as 2026-11-01: when requests began.
        until: As --since; the moment is not included.
        force: Write over a file that is there.
    """
    now = time.time()
    span = Span(
        None if since is None else moment(since, now), None if until is None else moment(until, now)
    )
    written = format or _format_of(out)
    _must_fit(out, written, force=force, json=json)
    counted = _Counted()
    with open_ledger(load(path, parts=False)) as ledger, ledger.reading() as connection:
        rows = counted.of(exporting.rows(connection, table, span))
        shape = exporting.shape(table)
        if out is None:
            _stream(LINES[written](shape, rows), sys.stdout.buffer)
        else:
            _to_file(shape, rows, written, out)
    if out is None:
        return
    told = {"table": table.value, "format": written.value, "rows": counted.rows, "file": str(out)}
    if json:
        print_json(told | {"bytes": out.stat().st_size})
    else:
        console().print(f"{counted.rows:,} rows in {one_line(str(out), 200)}")


class _Counted:
    """Counts rows as they pass."""

    def __init__(self) -> None:
        self.rows = 0

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self.rows += 1
            yield row


def _format_of(out: Path | None) -> Format:
    if out is None:
        return Format.JSONL
    suffixes = [suffix.lower() for suffix in out.suffixes if suffix.lower() != ".gz"]
    found = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None:
        fix = "end it in .jsonl, .csv or .parquet, or say --format"
        raise RequestError(f"{out} does not say which format it has.", param="out", fix=fix)
    return found


def _must_fit(out: Path | None, written: Format, *, force: bool, json: bool) -> None:
    """Refuse what cannot be, before anything is read."""
    if out is None and written is Format.PARQUET:
        fix = "rung ledger export calls.parquet"
        raise RequestError("Parquet needs a file.", param="out", fix=fix)
    if out is None and json:
        said = "--json tells what was written to a file; the rows are standard output otherwise."
        raise RequestError(said, param="out", fix="name a file, or leave --json out")
    if out is not None and written is Format.PARQUET and out.suffix == ".gz":
        raise RequestError("Parquet is packed already.", param="out", fix="leave .gz out")
    if out is not None and out.exists() and not (force and out.is_file()):
        raise RequestError(f"{out} is there already.", param="out", fix="--force writes over it")


def _stream(pieces: Iterable[bytes], to: BinaryIO | Any) -> None:
    for piece in pieces:
        to.write(piece)
    to.flush()


def _to_file(shape: Shape, rows: Iterable[Row], written: Format, out: Path) -> None:
    with whole(out) as part:
        if written is Format.PARQUET:
            write_parquet(shape.columns, json_lines(shape, rows), part)
            return
        pieces = LINES[written](shape, rows)
        with gzip.open(part, "wb") if out.suffix == ".gz" else part.open("wb") as stream:
            _stream(pieces, stream)


def body(id: str = "last", /, *, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A002 the word people type
    """Show what was asked and answered, where `store_bodies` had it stored.

    Keys, cards, accounts, addresses and national ids were taken out before; of private requests
    nothing is ever stored.

    Args:
        id: The request's id or the beginning of it; `last` is the newest request.
    """
    from rung.ledger import bodies

    with open_ledger(load(path, parts=False)) as ledger:
        name = ledger.find(id).request.id
        with ledger.reading() as connection:
            found = bodies.of_request(connection, name)
    if json:
        parts = [{"part": each.part, "value": each.value} for each in found]
        print_json({"id": name, "parts": parts})
        return
    to = console()
    if not found:
        to.print(f"Nothing is stored of {one_line(name)}: see `store_bodies` of its ladder.")
        return
    to.print(f"[bold]{one_line(name)}[/] as stored at {when(found[0].stored_unix)}")
    for each in found:
        to.print(f"\n[dim]{one_line(each.part)}[/]")
        to.print(plain(jsons.dumps(each.value, indent=2, ensure_ascii=False), LONGEST_SHOWN))
