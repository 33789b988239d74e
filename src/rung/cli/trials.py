"""Trying a gate with mutants of good answers: what it caught, what slipped through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from rung.core.saying import said
from rung.core.stats import Rate, rate
from rung.core.types import Answer, Attempt, Kind, Request
from rung.core.verdicts import Status, Verdict
from rung.verifiers.base import Subject, Verifier, run
from rung.verifiers.mutations import Mutant

AT_A_TIME = 4
"""Mutants that are judged side by side: commands share the cores, judges their provider."""

BEFORE, SHOWN = 12, 48
"""Characters that an example shows before the first difference, and in all."""


@dataclass(frozen=True, slots=True)
class Example:
    """Where a mutant that slipped through differs from its original, and why it passed."""

    answer: str
    was: str
    now: str
    reason: str
    vacuous: bool


@dataclass(slots=True)
class Row:
    """What became of one mutation's mutants."""

    mutation: str
    caught: int = 0
    abstained: int = 0
    missed: int = 0
    example: Example | None = None

    @property
    def tried(self) -> int:
        return self.caught + self.abstained + self.missed


@dataclass(slots=True)
class Trial:
    """The rows in the table's order, with what all of it took."""

    rows: dict[str, Row] = field(default_factory=dict)
    cost_nanousd: int = 0

    def add(self, mutant: Mutant, good: Answer, name: str, verdict: Verdict) -> None:
        """Count one mutant."""
        self.cost_nanousd += verdict.cost_nanousd
        row = self.rows.setdefault(mutant.mutation, Row(mutant.mutation))
        match verdict.status:
            case Status.FAILED:
                row.caught += 1
            case Status.ABSTAINED:
                row.abstained += 1
            case Status.PASSED:
                row.missed += 1
                if row.example is None:
                    was, now = difference(said(good), said(mutant.answer))
                    row.example = Example(name, was, now, verdict.reason, verdict.vacuous)

    @property
    def total(self) -> Row:
        """All rows together."""
        whole = Row("all")
        for row in self.rows.values():
            whole.caught += row.caught
            whole.abstained += row.abstained
            whole.missed += row.missed
        return whole


def share(count: int, row: Row) -> Rate:
    """A part of a row's mutants with its interval."""
    return rate(count, row.tried)


async def judged(verifier: Verifier, request: Request, answer: Answer) -> Verdict:
    """What a verifier says of one answer that nobody's tier gave."""
    attempt = Attempt(request.id, "", Kind.FIRST, 0.0, 0.0, answer=answer)
    return await run(verifier, Subject(request, attempt, answer))


async def tried(
    verifier: Verifier,
    request: Request,
    good: tuple[str, Answer],
    spoiled: Iterable[Mutant],
    trial: Trial,
    tell: Callable[[str], None],
) -> None:
    """Judge the mutants of one good answer, a few at a time, and count them."""
    name, answer = good
    coming = iter(spoiled)
    while some := tuple(islice(coming, AT_A_TIME)):
        tell(some[0].mutation)
        found = await asyncio.gather(*(judged(verifier, request, each.answer) for each in some))
        for mutant, verdict in zip(some, found, strict=True):
            trial.add(mutant, answer, name, verdict)


def difference(was: str, now: str) -> tuple[str, str]:
    """What two texts have in one place where they first differ, with a little before it."""
    same = next((i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), None)
    start = max(0, (min(len(was), len(now)) if same is None else same) - BEFORE)
    return _piece(was, start), _piece(now, start)


def _piece(text: str, start: int) -> str:
    before = "…" if start else ""
    after = "…" if len(text) > start + SHOWN else ""
    return f"{before}{text[start : start + SHOWN]}{after}"
