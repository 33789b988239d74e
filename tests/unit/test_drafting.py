"""What a tier is shown of the answers before its own."""

from __future__ import annotations

import pytest

from rung.core.engine import Call
from rung.core.parts import Message, Role, Text
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Attempt, Failure, Fault, Kind, Request
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.drafting import ask
from rung.verifiers.not_empty import NotEmpty

TESTS = Check("tests", Weight.REQUIRED)
REQUEST = Request("r-1", "library", (Message(Role.USER, (Text("write it"),)),))
BAD = Verdict("tests", Status.FAILED, "line 3: got 4, not 5")
DOUBT = Verdict("hedging", Status.FAILED, "it hedges", score=0.3)
HEDGING = Check("hedging", Weight.SIGNAL)
CHECKS = {"tests": NotEmpty(), "hedging": NotEmpty()}


def made(tier: str, text: str | None, *verdicts: Verdict, kind: Kind = Kind.FIRST) -> Attempt:
    answer = None if text is None else Answer(text)
    failure = Failure(Fault.OVERLOADED, "busy") if text is None else None
    return Attempt("a", tier, kind, 0.0, 1.0, answer, failure, verdicts=verdicts)


def shown(history: tuple[Attempt, ...], tier: str, kind: Kind, *, carry: bool = False) -> list[str]:
    """The texts that are sent beside the request's own."""
    plan = Plan("default", (Step("low", (TESTS, HEDGING)), Step("high", (TESTS,), carry=carry)))
    asked = ask(REQUEST, plan, Call(tier, kind, 9.0), history, CHECKS)
    assert asked.as_it_came is (asked.messages == REQUEST.messages)
    return [message.text for message in asked.messages[1:]]


def test_a_repair_is_shown_its_own_answer_and_what_failed():
    draft, told = shown((made("low", "x = 4", BAD),), "low", Kind.REPAIR)
    assert draft == "x = 4"
    assert "- tests: line 3: got 4, not 5" in told


def test_a_tier_above_sees_the_request_alone_unless_drafts_are_carried():
    history = (made("low", "x = 4", BAD),)
    assert shown(history, "high", Kind.FIRST) == []
    draft, told = shown(history, "high", Kind.FIRST, carry=True)
    assert (draft, "got 4, not 5" in told) == ("x = 4", True)


def test_the_last_draft_is_carried():
    history = (made("low", "x = 4", BAD), made("low", "x = 6", BAD, kind=Kind.REPAIR))
    assert shown(history, "high", Kind.FIRST, carry=True)[0] == "x = 6"


@pytest.mark.parametrize("history", [(made("low", None),), (made("low", "x", DOUBT),), ()])
def test_nothing_is_carried_where_no_fault_was_found(history: tuple[Attempt, ...]):
    assert shown(history, "high", Kind.FIRST, carry=True) == []


def test_a_carried_draft_is_shown_again_where_the_call_is_retried():
    history = (made("low", "x = 4", BAD), made("high", None))
    assert shown(history, "high", Kind.RETRY, carry=True)[0] == "x = 4"


def test_a_repair_at_the_tier_above_is_of_its_own_answer():
    history = (made("low", "x = 4", BAD), made("high", "y = 1", BAD))
    assert shown(history, "high", Kind.REPAIR, carry=True)[0] == "y = 1"


def test_a_draft_that_was_broken_off_is_shown_as_far_as_it_came():
    broken = made("low", "{ nope", BAD)
    assert shown((broken,), "low", Kind.REPAIR)[0] == "{ nope"
