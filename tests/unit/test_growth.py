from __future__ import annotations

from dataclasses import fields, replace

import pytest

from rung.core.growth import CallGrowth, Delta
from rung.core.types import (
    Attempt,
    EndedBy,
    Failure,
    Fault,
    Kind,
    Phase,
    Price,
    Usage,
)
from rung.core.verdicts import Status, Trust, Verdict

ONE = Delta("a", raw=b"1", dialect="chat", usage=Usage(1))
NEXT = Delta("b", raw=b"2", dialect="chat", usage=Usage(2))


def test_two_deltas_say_the_same_as_one() -> None:
    assert ONE.joined(NEXT) == Delta("ab", raw=b"12", dialect="chat", usage=Usage(2))
    assert Delta(thinking="t").joined(Delta("b")) == Delta("b", "t")


def test_a_count_that_is_not_told_again_is_kept() -> None:
    joined = ONE.joined(replace(NEXT, usage=None))
    assert joined is not None
    assert joined.usage == Usage(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ONE, replace(NEXT, calls=(CallGrowth(0),))),
        (replace(ONE, calls=(CallGrowth(0),)), NEXT),
        (ONE, replace(NEXT, final=True)),
        (ONE, replace(NEXT, raw=b"")),
        (ONE, replace(NEXT, dialect="messages")),
        (ONE, replace(NEXT, thinking="t")),
    ],
    ids=["a call", "after a call", "final", "without bytes", "another dialect", "thinking after"],
)
def test_what_may_have_to_be_parted_is_not_joined(one: Delta, other: Delta) -> None:
    assert one.joined(other) is None


VERDICT = Verdict("v", Status.PASSED, "r", Trust.CODE, 0.5, 0.1, 0.2, vacuous=True)


def test_one_more_verdict_leaves_an_attempt_as_it_is_otherwise() -> None:
    attempt = Attempt(
        id="a",
        tier="t",
        kind=Kind.RETRY,
        started_at=1.0,
        ended_at=2.0,
        failure=Failure(Fault.TIMEOUT, "slow"),
        usage=Usage(1),
        cost_nanousd=3,
        price=Price("here"),
        load_seconds=0.1,
        first_token_seconds=0.2,
        ended_by=EndedBy.LIMIT,
        phase=Phase.STREAM,
        verdicts=(VERDICT,),
        losses=("thinking",),
        released=True,
        local=True,
        beside=True,
        spared_tokens=4,
        queued_seconds=0.3,
        reserved_nanousd=5,
        drained=True,
    )
    plain = Attempt("a", "t", Kind.RETRY, 1.0, 2.0)
    same = {
        each.name
        for each in fields(Attempt)
        if getattr(attempt, each.name) == getattr(plain, each.name)
    }
    assert same == {"id", "tier", "kind", "started_at", "ended_at", "answer"}
    assert attempt.with_verdict(VERDICT) == replace(attempt, verdicts=(VERDICT, VERDICT))
