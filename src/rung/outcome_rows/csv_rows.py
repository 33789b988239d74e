"""Outcomes as CSV with a header, in any order of columns; columns that are not ours are ignored."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import ValidationError, convert

from rung.core.errors import RequestError
from rung.outcome_rows.opening import LONGEST_LINE
from rung.outcome_rows.row import COLUMNS, NEEDED, Kind, Row, fault

HEADER: Final = "query_id,model,correct,cost_usd"
_NUMBERS: Final = frozenset(
    name for name, kind in COLUMNS.items() if kind in {Kind.SHARE, Kind.NUMBER, Kind.WHOLE}
)
_QUOTING: Final = 'put texts with commas, quotes or line ends in "...", and quotes in them twice'


def csv_rows(lines: Iterable[bytes], file: Path) -> Iterator[tuple[int, Row]]:
    """A row of each record, with the number of its first line. Empty cells are not known."""
    records = _records(lines, file)
    _, header = next(records, (1, []))
    places = _places(header, file)
    for number, record in records:
        if not record:
            continue
        if len(record) != len(header):
            said = f"{file.name}, line {number} has {len(record)} cells, the header {len(header)}."
            raise RequestError(said, fix=_QUOTING)
        found: dict[str, str | None] = {"correct": None}
        for name, at in places:
            value = record[at].strip() if name in _NUMBERS else record[at]
            if value:
                found[name] = value
        try:
            yield number, convert(found, Row, strict=False)
        except ValidationError as error:
            raise fault(error, f"{file.name}, line {number}") from None


def _records(lines: Iterable[bytes], file: Path) -> Iterator[tuple[int, list[str]]]:
    cells = csv.reader(_text(lines, file), strict=True)
    number = 1
    with _long_cells():
        try:
            for record in cells:
                yield number, record
                number = cells.line_num + 1
        except csv.Error as error:
            place = f"{file.name}, line {number}"
            raise RequestError(f"{place} is not CSV: {error}.", fix=_QUOTING) from None


def _text(lines: Iterable[bytes], file: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            said = f"{file.name}, line {number} is not UTF-8."
            raise RequestError(said, fix="save the file as UTF-8") from None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells as long as a line may be: the library's own bound is one for the whole process."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _places(header: Sequence[str], file: Path) -> list[tuple[str, int]]:
    """Where the columns stand that are ours."""
    names = [name.strip() for name in header]
    missing = [f"`{name}`" for name in NEEDED if name not in names]
    if missing:
        fix = f"begin with a header, as in {HEADER}"
        if len(names) == 1 and set(names[0]) & {";", "\t"}:
            fix = "part the columns by commas"
        listed = ", ".join(missing)
        raise RequestError(f"{file.name}, line 1: the header has no {listed}.", fix=fix)
    twice = [f"`{name}`" for name, count in Counter(names).items() if count > 1 and name in COLUMNS]
    if twice:
        said = f"{file.name}, line 1: the header has {', '.join(twice)} more than once."
        raise RequestError(said, fix="each column once")
    return [(name, at) for at, name in enumerate(names) if name in COLUMNS]
