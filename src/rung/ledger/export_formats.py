"""Rows as JSON lines, CSV or Parquet, one after another, in memory that does not grow."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from rung.core.errors import RequestError
from rung.ledger.exporting import Kind, Shape

ROWS_AT_ONCE: Final = 500
"""Rows that become one piece of output."""


class Format(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


Row = Sequence[Any]

# ------------------------------------------------------------------ JSON lines


def json_lines(shape: Shape, rows: Iterable[Row]) -> Iterator[bytes]:
    """A row a line, as an object with every column. Amounts in dollars are exact text."""
    encode, names = msgspec.json.Encoder().encode, list(shape.columns)
    for several in _batches(rows):
        lines = [encode(dict(zip(names, row, strict=True))) for row in several]
        yield b"\n".join((*lines, b""))


# ------------------------------------------------------------------ CSV

_FORMULA: Final = re.compile(r"(^|[;\t\r\n])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet would begin a formula: at a cell's start, or at that of another cell where a
semicolon, a tab or a line end parts cells for it."""


def csv_lines(shape: Shape, rows: Iterable[Row]) -> Iterator[bytes]:
    """A head and a row a line (RFC 4180). No cell of text begins a formula.

    An apostrophe stands before what would; missing values are empty cells.
    """
    texts = [place for place, kind in enumerate(shape.columns.values()) if kind is Kind.TEXT]
    yield _lines([list(shape.columns)])
    for several in _batches(rows):
        made = [list(row) for row in several]
        for row in made:
            for place in texts:
                if row[place]:
                    row[place] = harmless(row[place])
        yield _lines(made)


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1\2'", text)


def _lines(rows: Iterable[Row]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


# ------------------------------------------------------------------ Parquet

TYPES: Final = {
    Kind.TEXT: "VARCHAR",
    Kind.WHOLE: "BIGINT",
    Kind.REAL: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.USD: "DECIMAL(28, 9)",
    Kind.TIME: "TIMESTAMPTZ",
}
MEMORY: Final = "256MB"


def write_parquet(columns: Mapping[str, Kind], lines: Iterable[bytes], out: Path) -> None:
    """Write a Parquet file by duckdb, from JSON lines that have these columns.

    Raises RequestError without duckdb, OSError for what cannot be written.
    """
    try:
        import duckdb
    except ImportError:
        fix = 'pip install "rung[duckdb]"'
        raise RequestError("Parquet is written by duckdb, which is missing.", fix=fix) from None
    types = ", ".join(f"{_quoted(name)}: '{TYPES[kind]}'" for name, kind in columns.items())
    # In a folder of ours: duckdb takes some characters of a name to be read for patterns.
    with TemporaryDirectory(prefix="rung-") as folder:
        scratch = Path(folder) / "rows.jsonl"
        with scratch.open("wb") as rows:
            rows.writelines(lines)
        # Nothing is fetched from anywhere, whatever duckdb would like to load.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "memory_limit": MEMORY,
            "threads": 1,
            "temp_directory": folder,
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(
                    f"COPY (SELECT * FROM read_json({_quoted(str(scratch))},"  # noqa: S608 both are ours
                    f" format = 'newline_delimited', columns = {{{types}}}))"
                    f" TO {_quoted(str(out))} (FORMAT parquet, COMPRESSION zstd)"
                )
        except duckdb.Error as error:
            raise OSError(str(error).partition("\n")[0]) from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


LINES: Final[dict[Format, Callable[[Shape, Iterable[Row]], Iterator[bytes]]]] = {
    Format.JSONL: json_lines,
    Format.CSV: csv_lines,
}
"""The formats that can be written to a pipe."""
