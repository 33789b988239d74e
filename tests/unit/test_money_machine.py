"""Ten thousand steps of two replicas on one ledger: the sums agree after each of them."""

from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.money_machine import Money

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run(place, examples, steps):
    machine = type("Here", (Money,), {"place": staticmethod(place), "steps": 0})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=SLOW,
        ),
    )
    return machine.steps


def test_the_sums_agree_after_every_step_on_sqlite(tmp_path):
    numbers = count()
    assert run(lambda: tmp_path / f"{next(numbers)}.db", 200, 100) > 10_000


def test_the_sums_agree_after_every_step_on_postgres(postgres):
    assert run(lambda: postgres.url(postgres.fresh_ledger()), 10, 60) > 400
