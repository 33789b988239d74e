"""Recorded outcomes as evidence on the tiers of a ladder, for `rung route train`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rung.core.choosing import Goal
from rung.core.errors import RequestError
from rung.core.features import features
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.traits import traits
from rung.core.types import Request
from rung.outcome_rows import open_rows
from rung.training import Observed, Source

NANO = 1e9


@dataclass(slots=True)
class Query:
    """One query: its prompt, and by model whether it was right and its cost in nano-dollars."""

    prompt: str = ""
    passed: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float | None] = field(default_factory=dict)


def read(file: Path) -> dict[str, Query]:
    """The queries of a file of outcomes. Raises RequestError with the line at fault.

    Of a model that was drawn from several times, the first draw counts.
    """
    found: dict[str, Query] = {}
    with open_rows(file) as rows:
        for number, row in rows.each:
            one = found.setdefault(str(row.query_id), Query())
            one.prompt = one.prompt or row.prompt or ""
            if row.sample or row.correct is None:
                continue
            if row.model in one.passed:
                said = f"{rows.place(number)} repeats {row.query_id!r} of {row.model!r}."
                raise RequestError(said, fix="one row a query and model")
            one.passed[row.model] = float(row.correct)
            one.costs[row.model] = None if row.cost_usd is None else NANO * row.cost_usd
        if not any(one.passed for one in found.values()):
            raise rows.none()
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
