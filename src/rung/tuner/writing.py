"""Outcomes as a tidy file, which `read_outcomes` reads again."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from rung.core.errors import RequestError
from rung.ledger.export_formats import write_parquet
from rung.ledger.exporting import Kind as Type
from rung.outcome_rows import COLUMNS, Kind
from rung.tuner.outcomes import Floats, Ints, Outcomes
from rung.whole_files import whole

QUERIES_AT_ONCE: Final = 1000
NANO: Final = 1e9

_TYPES: Final = {
    Kind.NAME: Type.TEXT,
    Kind.TEXT: Type.TEXT,
    Kind.SHARE: Type.REAL,
    Kind.NUMBER: Type.REAL,
    Kind.WHOLE: Type.WHOLE,
    Kind.ANYTHING: Type.WHOLE,
}
"""An answer is written as its number."""

Row = dict[str, Any]


def write_outcomes(outcomes: Outcomes, file: Path, *, force: bool = False) -> int:
    """Write a file as its name says: .jsonl or .csv, with .gz if it is to be packed, or .parquet.

    It is there whole or not at all, and for its owner alone. Answers are written as their numbers:
    their words are not kept. Returns how many rows there are. Raises RequestError for a name that
    says no format, for a file that is there unless ``force``, and for what cannot be written;
    ValueError for queries that are there twice, as in a resample.
    """
    endings = [ending.lower() for ending in file.suffixes if ending.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    packed = file.suffix.lower() == ".gz"
    if ending not in _WRITE or (packed and ending == ".parquet"):
        fix = "end it in .jsonl, .csv, .jsonl.gz, .csv.gz or .parquet"
        raise RequestError(f"{file} does not say which format it has.", param="out", fix=fix)
    if file.exists() and not (force and file.is_file()):
        raise RequestError(f"{file} is there already.", param="out", fix="--force writes over it")
    if len(set(outcomes.queries)) < len(outcomes):
        raise ValueError("a query is there more than once")
    columns = _columns(outcomes)
    counted = _Counted(_rows(outcomes, columns))
    with whole(file) as part:
        if ending == ".parquet":
            types = {name: _TYPES[COLUMNS[name]] for name in columns}
            write_parquet(types, _json(counted, columns), part)
        else:
            with (
                part.open("wb") as plain,
                _packed(plain) if packed else nullcontext(plain) as stream,
            ):
                for piece in _WRITE[ending](counted, columns):
                    stream.write(piece)
    return counted.rows


def _packed(plain: BinaryIO) -> gzip.GzipFile:
    """The same bytes for the same outcomes: neither a name nor a time is packed with them."""
    return gzip.GzipFile(filename="", fileobj=plain, mode="wb", compresslevel=6, mtime=0)


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, each: Iterable[Row]) -> None:
        self.rows = 0
        self._each = each

    def __iter__(self) -> Iterator[Row]:
        for row in self._each:
            self.rows += 1
            yield row


# ------------------------------------------------------------------ formats


def _json(rows: Iterable[Row], _: list[str]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for row in rows:
        yield encode(row) + b"\n"


def _csv(rows: Iterable[Row], columns: list[str]) -> Iterator[bytes]:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row[name] for name in columns])
        if out.tell() > 1 << 16:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


_WRITE: Final[dict[str, Callable[[Iterable[Row], list[str]], Iterator[bytes]]]] = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json", ".parquet"), _json),
    ".csv": _csv,
}


# ------------------------------------------------------------------ rows


def _columns(outcomes: Outcomes) -> list[str]:
    """What is written: what is always there, and of the rest what is known at all."""
    known = {
        "category": outcomes.categories != ("",),
        "tokens_in": outcomes.tokens_in is not None,
        "tokens_out": outcomes.tokens_out is not None,
        "tokens_cached": outcomes.tokens_cached is not None,
        "latency_s": outcomes.seconds is not None,
        "confidence": outcomes.confidence is not None,
        "accepted": outcomes.accepted is not None,
        "answer": outcomes.answers is not None,
        "sample": outcomes.draws is not None,
        "prompt": outcomes.prompts is not None,
        "weight": outcomes.weight is not None,
    }
    return [name for name in COLUMNS if known.get(name, True)]


def _rows(outcomes: Outcomes, columns: list[str]) -> Iterator[Row]:
    """Queries in their order, of each the models in theirs, of each of those its samples.

    A cell of which nothing is known is left out. But the first query has a row of every model, and
    each query one at least, so that none is lost.
    """
    blank = dict.fromkeys(columns)
    models = [_text(model) for model in outcomes.models]
    for start in range(0, len(outcomes), QUERIES_AT_ONCE):
        part = outcomes.rows(np.arange(start, min(start + QUERIES_AT_ONCE, len(outcomes))))
        told = _told(part)
        there = _there(part, first=start == 0)
        for i, query in enumerate(_of_queries(part, columns)):
            for place, j in enumerate(np.flatnonzero(there[i]).tolist()):
                row = blank | query | {"model": models[j]}
                row |= {name: values[i][j] for name, values in told.items()}
                if place:
                    row |= {"prompt": None} if "prompt" in row else {}
                yield row
                if part.draws is not None:
                    yield from _draws(blank | query | {"model": models[j]}, part.draws[i, j])


def _draws(row: Row, draws: Floats) -> Iterator[Row]:
    for place in np.flatnonzero(~np.isnan(draws)).tolist():
        more = {"prompt": None} if "prompt" in row else {}
        yield row | more | {"sample": place + 1, "correct": float(draws[place])}


def _of_queries(part: Outcomes, columns: list[str]) -> Iterator[Row]:
    for i, query in enumerate(part.queries):
        row: Row = {"query_id": _text(query)}
        if "category" in columns:
            row["category"] = _text(part.categories[int(part.category[i])]) or None
        if part.prompts is not None:
            row["prompt"] = _text(part.prompts[i]) or None
        if part.weight is not None:
            row["weight"] = float(part.weight[i])
        if part.draws is not None:
            row["sample"] = 0
        yield row


def _there(part: Outcomes, *, first: bool) -> NDArray[np.bool_]:
    arrays = [part.correct, part.cost, part.seconds, part.confidence, part.accepted]
    arrays += [part.tokens_in, part.tokens_out, part.tokens_cached]
    there = np.zeros(part.correct.shape, bool)
    for array in arrays:
        if array is not None:
            there |= ~np.isnan(array)
    if part.answers is not None:
        there |= part.answers >= 0
    if part.draws is not None:
        there |= ~np.isnan(part.draws).all(axis=2)
    there[: int(first)] = True
    there[~there.any(axis=1), 0] = True
    return there


def _told(part: Outcomes) -> dict[str, list[list[Any]]]:
    """By column, the values of each cell; ``None`` is not known."""
    arrays = {
        "correct": part.correct,
        "cost_usd": part.cost / NANO,
        "tokens_in": part.tokens_in,
        "tokens_out": part.tokens_out,
        "tokens_cached": part.tokens_cached,
        "latency_s": part.seconds,
        "confidence": part.confidence,
        "accepted": part.accepted,
    }
    told = {
        name: _values(array, np.isnan(array)) for name, array in arrays.items() if array is not None
    }
    if part.answers is not None:
        told["answer"] = _values(part.answers, part.answers < 0)
    return told


def _values(array: Floats | Ints, unknown: NDArray[np.bool_]) -> list[list[Any]]:
    values = array.astype(object)
    values[unknown] = None
    found: list[list[Any]] = values.tolist()
    return found


def _text(text: str) -> str:
    """A text that UTF-8 can hold: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
