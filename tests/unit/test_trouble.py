"""Which status tells the truth about a request that got no answer."""

from __future__ import annotations

import pytest

from rung.core.engine import Exhausted, Exhaustion
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import (
    Answer,
    Attempt,
    Failure,
    Fault,
    Kind,
    Request,
)
from rung.trouble import trouble


def ended(*attempts: Attempt, reason: Exhaustion = Exhaustion.TOP_REACHED) -> Outcome:
    best = next((i for i, attempt in enumerate(attempts) if attempt.answer is not None), None)
    return Outcome(
        request=Request("id", "chat", ()),
        plan=Plan("default", ()),
        attempts=attempts,
        decision=Exhausted(reason, best),
        served=None,
        verified=False,
        started_unix=0.0,
        seconds=0.0,
    )


def broke(fault: Fault, wait: float | None = None) -> Attempt:
    failure = Failure(fault, f"{fault.value}.", retry_after_seconds=wait)
    return Attempt("id", fault.value, Kind.FIRST, 0.0, 1.0, failure=failure)


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ([Fault.REJECTED], 400),
        ([Fault.REJECTED, Fault.CONTEXT_TOO_LONG], 400),
        ([Fault.CONTEXT_TOO_LONG, Fault.REJECTED], 400),
        ([Fault.RATE_LIMITED], 429),
        ([Fault.REJECTED, Fault.RATE_LIMITED], 429),
        ([Fault.RATE_LIMITED, Fault.REJECTED], 429),
        ([Fault.OVERLOADED, Fault.OVERLOADED], 503),
        ([Fault.RATE_LIMITED, Fault.OVERLOADED], 502),
        ([Fault.TIMEOUT], 504),
        ([Fault.CONNECT, Fault.AUTH], 502),
        ([Fault.CONNECT, Fault.REJECTED], 502),
    ],
)
def test_the_status_is_the_fault_that_all_tiers_agree_on(faults: list[Fault], status: int) -> None:
    found = trouble(ended(*map(broke, faults)))
    assert found is not None
    assert found.status == status
    assert all(fault.value in found.message for fault in faults)


@pytest.mark.parametrize(
    ("reason", "status"), [(Exhaustion.DEADLINE, 504), (Exhaustion.COST_CAP, 402)]
)
def test_a_request_whose_limits_allowed_no_call_says_which(reason: Exhaustion, status: int) -> None:
    found = trouble(ended(reason=reason))
    assert found is not None
    assert (found.status, found.code) == (status, f"no_answer_{reason.value}")


def test_the_soonest_wait_that_a_provider_asked_for_is_passed_on() -> None:
    found = trouble(ended(broke(Fault.RATE_LIMITED, 9.0), broke(Fault.RATE_LIMITED, 4.0)))
    assert found is not None
    assert found.retry_after_seconds == 4.0


def test_an_answer_that_nothing_passed_is_unverified() -> None:
    answered = Attempt("id", "low", Kind.FIRST, 0.0, 1.0, answer=Answer("x"))
    found = trouble(ended(answered))
    assert found is not None
    assert (found.status, found.code) == (422, "unverified")
