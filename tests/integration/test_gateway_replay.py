"""What real runs left in the ledger, decided again: the engine comes to the same end each time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product

from rung.core.engine import Accept, Call, Exhausted, Exhaustion, next_action
from rung.core.types import Kind
from rung.core.verdicts import Status
from rung.ledger import Ledger
from rung.ledger.stored import StoredOutcome
from support.gateway import Gateway, ask, chat, request
from support.judges import right, wrong
from support.openai_server import Call as Asked
from support.openai_server import OpenAIServer, Step, slow, status, text
from support.outcomes import actions

PRICE = "{ input_usd_per_mtok = 1.0, output_usd_per_mtok = 2.0 }"
LADDERS = """
[ladders.gated]
tiers = ["low", "high"]
verify = ["digits"]
audit = "100%"
[ladders.vote]
tiers = ["low", "high"]
compare = "number"
min_confidence = 0.6
[ladders.judged]
tiers = ["low", "high"]
verify = ["opinion"]
carry = true
[ladders.strict]
tiers = ["low"]
verify = ["digits", "opinion"]
on_exhausted = "best"
[ladders.limited]
tiers = ["low", "high"]
verify = ["digits"]
[ladders.limited.limits.low]
samples = 2
min_confidence = 0.5
[ladders.limited.limits.high]
reach = "50%"
[ladders.spent]
tiers = ["low", "high"]
verify = ["nothing"]
[ladders.spent.limits.high]
most_spent_usd = 0
[verifiers.nothing]
kind = "regex"
pattern = "no model says this"
[verifiers.digits]
kind = "regex"
pattern = "[0-9]+"
whole = true
[verifiers.opinion]
kind = "judge"
tier = "judge"
[server]
port = 0
"""
LIMITS = (
    (),
    (("x-rung-max-usd", "0.00007"),),
    (("x-rung-deadline-ms", "60"),),
)


class Moody:
    """Answers, fails and dawdles by the dice."""

    def __init__(self, *answers: str, seed: int) -> None:
        self._dice = random.Random(seed)
        self._answers = answers

    def __call__(self, call: Asked) -> Iterable[Step]:
        luck = self._dice.random()
        if luck < 0.15:
            return status(503)(call)
        reply = text(self._dice.choice(self._answers))
        return slow(0.04, reply)(call) if luck < 0.35 else reply(call)


def config(*urls: str) -> str:
    tiers = "".join(
        f'[tiers.{name}]\nprovider = "openai_compatible"\nmodel = "{name}"\nbase_url = "{url}"\n'
        f"price = {PRICE}\nsamples = {samples}\n"
        for name, url, samples in zip(("low", "high", "judge"), urls, (4, 1, 1), strict=True)
    )
    return f'default_ladder = "gated"\n{tiers}{LADDERS}'


def everything(gateway: Gateway) -> list[StoredOutcome]:
    """All that is in the ledger, audits too."""
    with closing(sqlite3.connect(gateway.ledger)) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM requests")]
    with Ledger.open(gateway.ledger, create=False) as ledger:
        return [ledger.find(each) for each in ids]


def test_every_stored_outcome_is_decided_again_as_it_was(tmp_path) -> None:
    low, high = Moody("4", "5", "four", seed=1), Moody("4", "four", seed=2)
    judge = Moody(right(90), wrong(90, "it is 4"), "well", seed=3)
    # First those that a breaker must not hide, which deadlines open.
    asked = list(product(("limited", "spent"), LIMITS[:1], (False, True), range(10)))
    asked += product(("gated", "vote", "judged", "strict"), LIMITS, (False, True), range(3))
    with (
        OpenAIServer(low) as a,
        OpenAIServer(high) as b,
        OpenAIServer(judge) as c,
        Gateway(tmp_path, config(a.base_url, b.base_url, c.base_url)) as gateway,
    ):

        def one(which: tuple) -> int:
            ladder, limits, stream, number = which
            body = chat(f"2 + {number}?", stream=stream, max_tokens=5)
            headers = [("x-rung-ladder", ladder), *limits]
            return ask(gateway.port, request(body=body, headers=headers)).status

        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(one, asked))
    stored = everything(gateway)
    assert set(statuses) <= {200, 402, 422, 502, 503, 504}, statuses
    ended = [each for each in stored if each.decision is not None]
    for each in ended:
        assert next_action(each.plan, each.history) == each.decision, each.request.id
        *before, last = actions(each.plan, each.history)
        assert last == each.decision
        assert not any(isinstance(action, Accept | Exhausted) for action in before)
        calls = [(call.tier, call.kind) for call in before if isinstance(call, Call)]
        assert calls == [(attempt.tier, attempt.kind) for attempt in each.history]
    seen = [attempt for each in ended for attempt in each.history]
    assert {Kind.FIRST, Kind.SAMPLE, Kind.REPAIR} <= {attempt.kind for attempt in seen}
    assert {type(each.decision) for each in ended} == {Accept, Exhausted}
    verdicts = {verdict.status for attempt in seen for verdict in attempt.verdicts}
    assert verdicts == set(Status)
    assert any(each.request.audit_of for each in ended)
    limited = [each.plan for each in ended if each.plan.ladder == "limited"]
    assert {plan.reach for plan in limited} == {0.5}
    assert {len(plan.steps) for plan in limited} == {1, 2}
    reasons = {each.decision.reason for each in ended if isinstance(each.decision, Exhausted)}
    assert Exhaustion.GAVE_UP in reasons
