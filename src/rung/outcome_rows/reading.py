"""A file of outcomes by what it holds, and by its name where that is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rung.core.errors import RequestError
from rung.outcome_rows.csv_rows import csv_rows
from rung.outcome_rows.json_lines import json_rows
from rung.outcome_rows.opening import lines, opened
from rung.outcome_rows.parquet import parquet_rows
from rung.outcome_rows.row import EXAMPLE, Row

PARQUET: Final = b"PAR1"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with their numbers, to be gone through once. ``unit`` is what is numbered."""

    file: Path
    unit: str
    each: Iterator[tuple[int, Row]]

    def place(self, number: int) -> str:
        """How a row is told of."""
        return f"{self.file.name}, {self.unit} {number}"

    def none(self) -> RequestError:
        """What is said of a file without a single outcome."""
        return RequestError(f"{self.file} holds no outcomes.", fix=f"as in {EXAMPLE}")


@contextmanager
def open_rows(file: Path) -> Iterator[Rows]:
    """The rows of a file: JSON lines or CSV, either packed by gzip, or Parquet.

    Raises RequestError, also while they are gone through, with the line at fault.
    """
    endings = [ending.lower() for ending in file.suffixes if ending.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    with opened(file) as stream:
        begins = stream.peek(len(PARQUET))[: len(PARQUET)]
        if begins == PARQUET:
            yield Rows(file, "row", parquet_rows(file))
        elif ending in {".parquet", ".pq"}:
            fix = "call it .jsonl or .csv if it is that"
            raise RequestError(f"{file} is no Parquet file.", fix=fix)
        elif ending == ".csv":
            yield Rows(file, "line", csv_rows(lines(stream, file), file))
        else:
            yield Rows(file, "line", json_rows(lines(stream, file), file))
