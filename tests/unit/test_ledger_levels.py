"""How budgets stand, as the gauges of them tell it."""

from __future__ import annotations

from rung.core.budgets import Budget, Per, Scope, start_of
from rung.ledger import Ledger
from rung.ledger.levels import Standing, standings
from rung.telemetry import sources
from rung.telemetry.panel import Panel, add

NOW = 1_790_000_000.0
DOLLAR = 1_000_000_000


def spent(ledger: Ledger, scope: Scope, name: str, per: Per, amount: int, held: int = 0) -> None:
    start = start_of(per.value, NOW)
    for begun, share in ((start, 1), (start - 86_400 * 40, 100)):

        def job(connection, begun=begun, share=share):
            connection.named(
                "open counter",
                scope=scope.value,
                name=name,
                per=per.value,
                start_unix=begun,
                spent_nanousd=amount * share,
                held_nanousd=held,
            )

        ledger.enqueue(job).result(10)


def test_each_budget_stands_as_its_counter_of_this_period_does(ledger_place):
    with Ledger.open(ledger_place) as ledger:
        spent(ledger, Scope.TOTAL, "", Per.MONTH, 3, held=1)
        spent(ledger, Scope.PROJECT, "shop", Per.DAY, 5)
        spent(ledger, Scope.PROJECT, "desk", Per.DAY, 7)
        budgets = (
            Budget("all", 10),
            Budget("each", 10, Scope.PROJECT, per=Per.DAY),
            Budget("shop's", 10, Scope.PROJECT, "shop", Per.DAY),
            Budget("unused", 10, Scope.KEY, per=Per.WEEK),
        )
        with ledger.reading() as connection:
            found = list(standings(connection, budgets, NOW))
    assert found == [
        Standing("all", 10, 3, 1),
        Standing("each", 10, 7, 0),
        Standing("shop's", 10, 5, 0),
        Standing("unused", 10, 0, 0),
    ]


def test_ten_thousand_keys_with_a_budget_each_are_one_series(tmp_path, monkeypatch):
    monkeypatch.setattr("rung.telemetry.sources.time.time", lambda: NOW)
    start = start_of("month", NOW)

    def job(connection):
        for number in range(10_000):
            connection.named(
                "open counter",
                scope="key",
                name=f"k{number}",
                per="month",
                start_unix=start,
                spent_nanousd=number * DOLLAR,
                held_nanousd=DOLLAR,
            )

    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.enqueue(job).result(30)
        reading = Panel().read()
        add(reading, [sources.budgets([Budget("each", 20_000 * DOLLAR, Scope.KEY)], ledger)])
    told = {
        family.name: series
        for family, series in reading.gauges.items()
        if family.name.startswith("rung_budget")
    }
    assert told == {
        "rung_budget_cap_usd": [(("each",), 20_000.0)],
        "rung_budget_spent_usd": [(("each",), 9_999.0)],
        "rung_budget_held_usd": [(("each",), 1.0)],
    }
