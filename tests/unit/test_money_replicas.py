"""Several processes that change the same rows of one Postgres, each in another order."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from rung.core.budgets import Budget, Payer, caps_of
from rung.ledger import Ledger, holds
from rung.ledger.holds import Claim, Granted

ROUNDS = 60
REPLICAS = 3


def count_a_rate(connection, key):
    connection.named("count rates", key_id=key, window_unix=0, requests=1, tokens=1)


def reserve(connection, name, cap):
    claim = Claim(name, f"q{name}", "p", 1, caps_of((Budget("b", cap),), Payer()), {})
    return holds.reserve(connection, claim, time.time())


def work(ledger, replica, cap):
    """Everything at once: the writer puts it into few transactions. What each write came to."""
    written = []
    for number in range(ROUNDS):
        jobs = [
            partial(count_a_rate, key=f"k{number % 3}"),
            partial(reserve, name=f"{replica}-{number}", cap=cap),
        ]
        written += [ledger.enqueue(job) for job in jobs[:: 1 if replica % 2 else -1]]
        if number % 5 == 0:
            written[-1].result()  # so that there are many transactions, not one
    return [each.result() for each in written]


def test_no_order_of_writes_has_replicas_wait_for_each_other(postgres_ledger):
    ledgers = [Ledger.open(postgres_ledger) for _ in range(REPLICAS)]
    cap = ROUNDS * REPLICAS // 2
    try:
        with ThreadPoolExecutor(REPLICAS) as pool:
            running = [pool.submit(work, each, n, cap) for n, each in enumerate(ledgers)]
            found = [result for each in running for result in each.result()]
    finally:
        for ledger in ledgers:
            ledger.close()
    assert sum(isinstance(each, Granted) for each in found) == cap
