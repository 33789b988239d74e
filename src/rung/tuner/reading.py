"""Files of outcomes as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.outcome_rows import Row, Rows, open_rows
from rung.tuner.answers import Answers
from rung.tuner.outcomes import Floats, Ints, Outcomes

MOST_ROWS: Final = 10_000_000
MOST_CELLS: Final = 20_000_000
"""Queries times models (times samples): each array takes eight bytes for every one."""

ROWS_AT_ONCE: Final = 10_000
NANO: Final = 1e9
NUMBERS: Final = (
    "correct",
    "cost_usd",
    "latency_s",
    "confidence",
    "accepted",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
)
_numbers = attrgetter(*NUMBERS)


def read_outcomes(
    file: Path, *, models: Sequence[str] | None = None, category: str | None = None
) -> Outcomes:
    """The outcomes of a file: JSON lines or CSV, either packed by gzip, or Parquet.

    Models, queries and categories come in the file's order. ``models`` are the only ones that are
    read, in this order; ``category`` leaves its queries alone. Of a model's further samples only
    ``correct`` is kept. Raises RequestError with the line at fault.
    """
    wanted = None if models is None else _wanted(models)
    with open_rows(file) as rows:
        table = _Table(rows)
        table.add(wanted)
        if models is not None:
            table.must_have(models)
        found = table.outcomes()
    if models is not None:
        found = found.of(models)
    return found if category is None else _of_category(found, category, file)


def _wanted(models: Sequence[str]) -> frozenset[str]:
    if not models or len(set(models)) < len(models):
        raise RequestError("name each model once, and one at the least.", fix="cheap,strong")
    return frozenset(models)


def _of_category(outcomes: Outcomes, category: str, file: Path) -> Outcomes:
    if category not in outcomes.categories:
        known = [each for each in outcomes.categories if each]
        fix = nearest(category, known) or "the file tells no `category`"
        raise RequestError(f"{file.name} has no category {category!r}.", fix=fix)
    return outcomes.rows(outcomes.category == outcomes.categories.index(category))


class _Queries:
    """What is told of queries, on any of their rows."""

    def __init__(self, rows: Rows) -> None:
        self.places: dict[str, int] = {}
        self.categories: list[str | None] = []
        self.prompts: list[str | None] = []
        self.weights: list[float | None] = []
        self._rows = rows

    def place(self, number: int, row: Row) -> int:
        """The place of a row's query. Raises RequestError where rows contradict each other."""
        name = str(row.query_id)
        place = self.places.setdefault(name, len(self.categories))
        if place == len(self.categories):
            self.categories.append(row.category)
            self.prompts.append(row.prompt)
            self.weights.append(row.weight)
            return place
        for column, known, value in (
            ("category", self.categories, row.category),
            ("weight", self.weights, row.weight),
        ):
            if value is not None and known[place] not in {None, value}:
                said = f"{value!r} of {name!r}, which has {known[place]!r} further up."
                where = f"{self._rows.place(number)}: `{column}` is"
                raise RequestError(f"{where} {said}", fix=f"one {column} a query")
        if row.category is not None:
            self.categories[place] = row.category
        if row.prompt and not self.prompts[place]:
            self.prompts[place] = row.prompt
        if row.weight is not None:
            self.weights[place] = row.weight
        return place


class _Table:
    """Rows as columns of numbers, then as arrays of queries by models."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._queries = _Queries(rows)
        self._models: dict[str, int] = {}
        self._others: set[str] = set()
        self._answers = Answers()
        self._whole: dict[str, list[Ints]] = {
            name: [] for name in ("number", "query", "model", "sample", "answer")
        }
        self._numbers: dict[str, list[Floats]] = {name: [] for name in NUMBERS}

    # -------------------------------------------------------------- rows in

    def add(self, wanted: frozenset[str] | None) -> None:
        """Take all rows, or those of the models wanted."""
        left = MOST_ROWS
        each = self._rows.each if wanted is None else self._of(wanted)
        while batch := list(islice(each, ROWS_AT_ONCE)):
            left -= len(batch)
            if left < 0:
                said = f"{self._rows.file} has more than {MOST_ROWS:,} outcomes."
                raise RequestError(said, fix="a random share of its queries tells as much")
            self._add([number for number, _ in batch], [row for _, row in batch])

    def _of(self, wanted: frozenset[str]) -> Iterator[tuple[int, Row]]:
        for number, row in self._rows.each:
            if row.model in wanted:
                yield number, row
            elif len(self._others) < 1000:
                self._others.add(row.model)

    def _add(self, numbers: list[int], rows: list[Row]) -> None:
        place, models, code = self._queries.place, self._models, self._answers.code
        columns: dict[str, Any] = {
            "number": numbers,
            "query": [place(number, row) for number, row in zip(numbers, rows, strict=True)],
            "model": [models.setdefault(row.model, len(models)) for row in rows],
            "sample": [row.sample or 0 for row in rows],
            "answer": [-1 if row.answer is None else code(row.answer) for row in rows],
        }
        for name, values in columns.items():
            self._whole[name].append(np.array(values, dtype=np.int64))
        for name, told in zip(NUMBERS, zip(*map(_numbers, rows), strict=True), strict=True):
            self._numbers[name].append(np.array(told, dtype=np.float64))
        self._bounded(1)

    def _bounded(self, samples: int) -> None:
        if len(self._queries.places) * len(self._models) * samples > MOST_CELLS:
            sizes = f"{len(self._queries.places):,} queries by {len(self._models):,} models"
            more = f" by {samples:,} samples" if samples > 1 else ""
            raise RequestError(
                f"{self._rows.file}: {sizes}{more} are more than {MOST_CELLS:,} cells.",
                fix="name the models to compare, or take a share of the queries",
            )

    def must_have(self, models: Sequence[str]) -> None:
        """Raises RequestError for models without any row."""
        missing = [model for model in models if model not in self._models]
        if missing:
            known = self._others | self._models.keys()
            raise RequestError(
                f"{self._rows.file.name} has no outcomes of {', '.join(missing)}.",
                fix=nearest(missing[0], known),
            )

    # -------------------------------------------------------------- arrays out

    def outcomes(self) -> Outcomes:
        """All that was added. Raises RequestError for rows that are there twice, or for none."""
        whole = {name: np.concatenate([*parts, _NO_INTS]) for name, parts in self._whole.items()}
        told = {name: np.concatenate([*parts, _NO_FLOATS]) for name, parts in self._numbers.items()}
        self._whole.clear()
        self._numbers.clear()
        if np.isnan(told["correct"]).all():
            raise self._rows.none()
        self._sound(whole, told)
        shape = len(self._queries.places), len(self._models)
        first = whole["sample"] == 0
        cell = (whole["query"] * shape[1] + whole["model"])[first]

        def spread(name: str) -> Floats | None:
            values = told[name][first]
            if np.isnan(values).all():
                return None
            made = np.full(shape, np.nan)
            made.flat[cell] = values
            return made

        queries = self._queries
        categories = {each or "": None for each in queries.categories}
        places = {name: place for place, name in enumerate(categories)}
        correct, cost = spread("correct"), spread("cost_usd")
        blank = np.full(shape, np.nan)
        return Outcomes(
            models=tuple(self._models),
            queries=tuple(queries.places),
            correct=blank if correct is None else correct,
            cost=blank.copy() if cost is None else _nanousd(cost),
            category=np.array([places[each or ""] for each in queries.categories], np.int64),
            categories=tuple(categories),
            seconds=spread("latency_s"),
            confidence=spread("confidence"),
            accepted=spread("accepted"),
            answers=_answers(whole["answer"][first], cell, shape),
            draws=self._draws(whole, told["correct"], shape),
            tokens_in=spread("tokens_in"),
            tokens_out=spread("tokens_out"),
            tokens_cached=spread("tokens_cached"),
            prompts=_prompts(queries.prompts),
            weight=_weights(queries.weights),
        )

    def _sound(self, whole: dict[str, Ints], told: dict[str, Floats]) -> None:
        """Raises RequestError for what only all rows together can tell."""
        samples = int(whole["sample"].max()) + 1
        self._bounded(max(1, samples - 1))
        cell = whole["query"] * len(self._models) + whole["model"]
        drawn = cell * samples + whole["sample"]
        order = np.argsort(drawn, kind="stable")
        again = order[1:][np.diff(drawn[order]) == 0]
        if again.size:
            fix = "one row a query and model; further draws of a model have `sample` 1, 2, ..."
            raise self._wrong(int(again.min()), whole, "repeats {query!r} of {model!r}", fix)
        orphans = np.flatnonzero(~np.isin(cell, cell[whole["sample"] == 0]))
        if orphans.size:
            fix = "number the draws of a model on a query 0, 1, ..."
            said = "is a further sample of {model!r} on {query!r}, and there is no first"
            raise self._wrong(int(orphans.min()), whole, said, fix)
        cached = np.flatnonzero(told["tokens_cached"] > told["tokens_in"])
        if cached.size:
            fix = "`tokens_in` are all tokens of the prompt, cached ones included"
            said = "has more `tokens_cached` than `tokens_in`"
            raise self._wrong(int(cached.min()), whole, said, fix)

    def _wrong(self, at: int, whole: dict[str, Ints], said: str, fix: str) -> RequestError:
        query = list(self._queries.places)[whole["query"][at]]
        model = list(self._models)[whole["model"][at]]
        place = self._rows.place(int(whole["number"][at]))
        return RequestError(f"{place} {said.format(query=query, model=model)}.", fix=fix)

    def _draws(
        self, whole: dict[str, Ints], correct: Floats, shape: tuple[int, int]
    ) -> Floats | None:
        further = (whole["sample"] > 0) & ~np.isnan(correct)
        if not further.any():
            return None
        made = np.full((*shape, int(whole["sample"][further].max())), np.nan)
        at = (whole[name][further] for name in ("query", "model"))
        made[(*at, whole["sample"][further] - 1)] = correct[further]
        return made


_NO_INTS: Final = np.empty(0, np.int64)
_NO_FLOATS: Final = np.empty(0, np.float64)


def _nanousd(usd: Floats) -> Floats:
    """Nano-dollars, whole ones exactly: 0.000652 is 652,000 and not a hair more."""
    cost = usd * NANO
    whole = np.rint(cost)
    near = np.abs(cost - whole) <= 4 * np.spacing(cost)
    return np.where(near, whole, cost)


def _answers(codes: Ints, cell: Ints, shape: tuple[int, int]) -> Ints | None:
    if (codes < 0).all():
        return None
    made = np.full(shape, -1, np.int64)
    made.flat[cell] = codes
    return made


def _prompts(prompts: Sequence[str | None]) -> tuple[str, ...] | None:
    return tuple(each or "" for each in prompts) if any(prompts) else None


def _weights(weights: Sequence[float | None]) -> Floats | None:
    """Those that are told; a query without one stands for itself."""
    if all(each is None for each in weights):
        return None
    return np.array([1.0 if each is None else each for each in weights])
