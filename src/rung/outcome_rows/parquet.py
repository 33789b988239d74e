"""Outcomes as Parquet, read by duckdb (the extra of that name)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from msgspec import ValidationError, convert

from rung.core.errors import RequestError
from rung.outcome_rows.opening import LONGEST_FILE, LONGEST_LINE
from rung.outcome_rows.row import COLUMNS, NEEDED, Kind, Row, fault

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_AT_ONCE: Final = 10_000
TEXT_AT_ONCE: Final = 64 * 1024**2
"""Bytes of text that a batch of rows holds."""

MEMORY: Final = "512MB"
_WHOLE: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE_TYPES: Final = frozenset([*_WHOLE, *(f"U{name}" for name in _WHOLE)])
_NUMBER_TYPES: Final = _WHOLE_TYPES | {"FLOAT", "DOUBLE", "DECIMAL"}
_TEXT_TYPES: Final = frozenset({"VARCHAR", "ENUM"})
_NOTHING: Final = '"NULL"'
"""How duckdb calls the type of a column without any value."""

_TYPES: Final[Mapping[Kind, tuple[frozenset[str], str, str]]] = {
    Kind.NAME: (_TEXT_TYPES | _WHOLE_TYPES | {"UUID"}, "VARCHAR", "texts or whole numbers"),
    Kind.TEXT: (_TEXT_TYPES, "VARCHAR", "texts"),
    Kind.SHARE: (_NUMBER_TYPES | {"BOOLEAN"}, "DOUBLE", "numbers or truth values"),
    Kind.NUMBER: (_NUMBER_TYPES, "DOUBLE", "numbers"),
    Kind.WHOLE: (_WHOLE_TYPES, "BIGINT", "whole numbers"),
    Kind.ANYTHING: (_TEXT_TYPES | _NUMBER_TYPES | {"BOOLEAN"}, "VARCHAR", "texts or numbers"),
}
"""Of each kind of column the types that are taken, what they become, and how they are called."""


def parquet_rows(file: Path) -> Iterator[tuple[int, Row]]:
    """The rows, each with its number from 1. Raises RequestError without duckdb."""
    try:
        import duckdb
    except ImportError:
        fix = 'pip install "rung[duckdb]", or write it as JSON lines or CSV'
        raise RequestError("Parquet is read by duckdb, which is missing.", fix=fix) from None
    with TemporaryDirectory(prefix="rung-") as folder:
        # By a name of ours: duckdb takes some of a name's characters for patterns.
        link = Path(folder) / "outcomes.parquet"
        try:
            link.symlink_to(file.resolve())
            with duckdb.connect(":memory:", config=_settings(folder)) as connection:
                yield from _rows(connection, str(link), file)
        except duckdb.Error as error:
            why = str(error).partition("\n")[0].replace(str(link), file.name)
            said = f"{file} is no sound Parquet file: {why}."
            raise RequestError(said, fix="write it anew") from None


def _settings(folder: str) -> dict[str, str | bool | int | float | list[str]]:
    """Nothing is fetched from anywhere, and memory is bounded."""
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": MEMORY,
        "threads": 1,
        "temp_directory": folder,
    }


def _rows(connection: DuckDBPyConnection, link: str, file: Path) -> Iterator[tuple[int, Row]]:
    told = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [link]).fetchall()
    names = _sound({name: kind for name, kind, *_ in told}, file)
    at_once = _rows_at_once(connection, link, names, file)
    chosen = ", ".join(f'CAST("{name}" AS {_TYPES[COLUMNS[name]][1]})' for name in names)
    query = f"SELECT {chosen} FROM read_parquet(?)"  # noqa: S608 the names are ours
    found = connection.execute(query, [link])
    number = 0
    while several := found.fetchmany(at_once):
        for values in several:
            number += 1
            try:
                yield number, convert(dict(zip(names, values, strict=True)), Row)
            except ValidationError as error:
                raise fault(error, f"{file.name}, row {number}") from None


def _rows_at_once(
    connection: DuckDBPyConnection, link: str, names: Sequence[str], file: Path
) -> int:
    """How many rows fit into memory. Raises RequestError for texts beyond measure.

    A file of three kilobytes can hold texts of gigabytes.
    """
    texts = [name for name in names if _TYPES[COLUMNS[name]][1] == "VARCHAR"]
    sizes = [f'coalesce(strlen(CAST("{name}" AS VARCHAR)), 0)' for name in texts]
    query = (
        f"SELECT coalesce(max(greatest({', '.join(sizes)})), 0),"  # noqa: S608 the names are ours
        f" coalesce(sum({' + '.join(sizes)}), 0) FROM read_parquet(?)"
    )
    told = connection.execute(query, [link]).fetchone()
    longest, whole = (0, 0) if told is None else (int(told[0]), int(told[1]))
    if longest > LONGEST_LINE:
        said = f"{file} has a text of {longest:,} bytes, longer than {LONGEST_LINE:,}."
        raise RequestError(said, fix="leave out prompts that are longer")
    if whole > LONGEST_FILE:
        said = f"{file} has {whole:,} bytes of text, more than {LONGEST_FILE:,}."
        raise RequestError(said, fix="split it, or leave out the prompts")
    return max(1, min(ROWS_AT_ONCE, TEXT_AT_ONCE // max(longest, 1)))


def _sound(types: Mapping[str, Any], file: Path) -> list[str]:
    """The columns that are ours. Raises RequestError for missing ones and for odd types."""
    missing = [f"`{name}`" for name in NEEDED if name not in types]
    if missing:
        said = f"{file.name} has no column {', '.join(missing)}."
        raise RequestError(said, fix=f"columns are {', '.join(COLUMNS)}")
    names = [name for name in COLUMNS if name in types]
    for name in names:
        taken, _, called = _TYPES[COLUMNS[name]]
        kind = str(types[name])
        if kind != _NOTHING and kind.partition("(")[0] not in taken:
            said = f"{file.name}: column `{name}` is {kind[:100]}, and has to hold {called}."
            raise RequestError(said, param=name, fix=f"cast `{name}` where the file is written")
    return names
