"""How budgets stand, for whoever looks. Counts nothing and begins nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rung.core.budgets import Budget, Scope, period
from rung.ledger.database import Connection


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget in its period: of one that many have each, as the one stands who has used most."""

    name: str
    cap_nanousd: int
    spent_nanousd: int
    held_nanousd: int


def standings(connection: Connection, budgets: Sequence[Budget], now: float) -> Iterator[Standing]:
    """How each budget stands at a moment (seconds since 1970). One that nothing has used is empty.

    A budget for one key is found by the key's id.
    """
    for budget in budgets:
        start = period(budget.per.value, now, None)
        whose = {"of_scope": budget.scope.value, "of_per": budget.per.value, "of_start": start}
        if budget.of is None and budget.scope is not Scope.TOTAL:
            found = connection.named("fullest level", **whose).fetchone()
        else:
            found = connection.named("level", **whose, of_name=budget.of or "").fetchone()
        spent = 0 if found is None else found["spent_nanousd"]
        held = 0 if found is None else found["held_nanousd"]
        yield Standing(budget.name, budget.cap_nanousd, spent, held)
