"""Files of outcomes: who answered what, was it right, what did it cost. One JSON line each.

A line has `query_id`, `model` and `correct` (0..1), on one line of each query `prompt`; `cost_usd`
may be null. The whole format is in docs/routing.md.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from rung.core.choosing import Goal
from rung.core.errors import RequestError
from rung.core.features import features
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.traits import traits
from rung.core.types import Request
from rung.training import Observed, Source

LONGEST_FILE = 512 * 1024 * 1024
"""Bytes that are read, unpacked: a file that claims to hold more is refused."""

NANO = 1e9
FORMAT = '{"query_id": "q1", "model": "cheap", "correct": 1, "cost_usd": 0.001, "prompt": "..."}'


@dataclass(slots=True)
class Query:
    """One query: its prompt, and by model whether it was right and its cost in nano-dollars."""

    prompt: str = ""
    passed: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float | None] = field(default_factory=dict)


def read(file: Path) -> dict[str, Query]:
    """The queries of a file, which may be gzipped. Raises RequestError with the line at fault."""
    found: dict[str, Query] = {}
    for number, line in enumerate(_lines(file), 1):
        if line.strip():
            _add(found, line, f"{file.name}, line {number}")
    if not found:
        raise RequestError(f"{file} holds no outcomes.", fix=FORMAT)
    return found


def source(
    queries: Mapping[str, Query], ladder: str, tiers: Mapping[str, str], goal: Goal
) -> Source:
    """The same as evidence on a ladder; ``tiers`` maps each of its tiers to a model of the file.

    Raises RequestError where a model has no outcomes, or where costs are missing that have to be
    weighed. Without any cost in the file, of two models, a call of the upper one counts 1 dollar.
    """
    _must_have(queries, tiers)
    unpriced = all(cost is None for one in queries.values() for cost in one.costs.values())
    if unpriced and len(tiers) != 2:
        raise RequestError(
            "the file has no `cost_usd`, and more than two tiers cannot be weighed without.",
            fix="add costs, or compare two models: --models cheap,strong",
        )
    top = list(tiers)[-1]
    left_out = {"without prompt": 0, "without outcomes of these tiers": 0}
    observed = []
    for one in queries.values():
        passed = {tier: one.passed[model] for tier, model in tiers.items() if model in one.passed}
        if not one.prompt or not passed:
            left_out["without outcomes of these tiers" if one.prompt else "without prompt"] += 1
            continue
        costs = {
            tier: NANO * (tier == top) if unpriced else _cost(one, model)
            for tier, model in tiers.items()
            if tier in passed
        }
        complete = len(passed) == len(tiers)
        observed.append(Observed(traits_of(one.prompt), passed, costs, complete))
    return Source(ladder, tuple(tiers), goal, tuple(observed), left_out)


def models_of(queries: Iterable[Query]) -> list[str]:
    """The models of a file, cheapest first, as far as costs are known."""
    sums: dict[str, list[float]] = {}
    for one in queries:
        for model, cost in one.costs.items():
            sums.setdefault(model, []).append(cost or 0.0)
    return sorted(sums, key=lambda model: (sum(sums[model]) / len(sums[model]), model))


def traits_of(prompt: str) -> tuple[int, ...]:
    """As those of a request of nothing but this prompt."""
    request = Request("recorded", "chat", (Message(Role.USER, (Text(prompt),)),))
    return traits(request, features(request), task(request))


def _must_have(queries: Mapping[str, Query], tiers: Mapping[str, str]) -> None:
    known = {model for one in queries.values() for model in one.passed}
    missing = [f"{tier} ({model})" for tier, model in tiers.items() if model not in known]
    if missing:
        listed = ", ".join(sorted(known)[:12])
        raise RequestError(
            f"the file has no outcomes of {', '.join(missing)}; it has {listed}.",
            fix="name the models in the ladder's order: --models cheap,strong",
        )


def _cost(one: Query, model: str) -> float:
    cost = one.costs[model]
    if cost is None:
        raise RequestError(
            f"{model} has no cost_usd on some lines and others have.",
            fix="give it on every line of the models to compare, or on none",
        )
    return cost


# ------------------------------------------------------------------ reading


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            packed = opened.read(2) == b"\x1f\x8b"
            opened.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=opened) as unpacked:
                    yield from _bounded(unpacked, file)
            else:
                yield from _bounded(opened, file)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RequestError(f"{file} is a damaged gzip file.", fix="fetch it again") from None
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror or error}.") from None


def _bounded(opened: BinaryIO | gzip.GzipFile, file: Path) -> Iterator[bytes]:
    left = LONGEST_FILE
    while line := opened.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise RequestError(f"{file} is longer than {LONGEST_FILE} bytes.", fix="split it")
        yield line


def _add(found: dict[str, Query], line: bytes, place: str) -> None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{place} is not JSON: {error}.", fix=FORMAT) from None
    if not isinstance(row, dict):
        raise RequestError(f"{place} is no JSON object.", fix=FORMAT)
    names = [row.get("query_id"), row.get("model")]
    if not all(isinstance(name, str) and name for name in names):
        raise RequestError(f"{place} needs `query_id` and `model`, as text.", fix=FORMAT)
    one = found.setdefault(row["query_id"], Query())
    if row["model"] in one.passed:
        raise RequestError(f"{place} repeats {row['query_id']!r} of {row['model']!r}.")
    one.passed[row["model"]] = _number(row, "correct", place, 1.0)
    priced = row.get("cost_usd") is not None
    one.costs[row["model"]] = NANO * _number(row, "cost_usd", place, 1e6) if priced else None
    prompt = row.get("prompt")
    if isinstance(prompt, str) and prompt:
        one.prompt = prompt


def _number(row: Mapping[str, Any], name: str, place: str, most: float) -> float:
    value = row.get(name)
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float) or not isfinite(value) or not 0 <= value <= most:
        raise RequestError(f"{place}: `{name}` must be a number from 0 to {most:g}.", fix=FORMAT)
    return float(value)


def named(
    tiers: Sequence[str], models: Mapping[str, str | None], known: Iterable[str]
) -> dict[str, str]:
    """Each tier with what the file calls it: its own name, or that of its model."""
    there = set(known)
    found = {}
    for tier in tiers:
        model = models.get(tier)
        found[tier] = tier if tier in there or model is None else model
    return found
