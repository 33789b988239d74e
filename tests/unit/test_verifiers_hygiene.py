"""not_empty, cut_off, label_set and agreement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.plan import Step
from rung.core.types import Answer, Finish, Kind, Need, Usage, UsageSource
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.core.vote import PLAIN_VOTE, Comparison, Vote
from rung.verifiers.agreement import Agreement
from rung.verifiers.cut_off import CutOff
from rung.verifiers.label_set import label_set
from rung.verifiers.not_empty import NotEmpty
from support.subjects import attempt, call, subject

CALL = call("f")
TOOLS = frozenset({Need.TOOLS})


@pytest.mark.parametrize("text", ["", " ", "\n\t\r ", "\u00a0\u3000", "\u200b\ufeff", "\x00\x07"])
def test_an_answer_that_shows_nothing_is_empty(text):
    assert NotEmpty().check(subject(text)).status is Status.FAILED


@pytest.mark.parametrize("text", ["x", " 0 ", "🎉", "\u200bа", "\n.\n"])  # noqa: RUF001
def test_an_answer_that_shows_something_is_not_empty(text):
    assert NotEmpty().check(subject(text)).status is Status.PASSED


def test_a_tool_call_or_a_refusal_is_an_answer():
    assert NotEmpty().check(subject(tool_calls=(CALL,))).status is Status.PASSED
    assert NotEmpty().check(subject(refusal="I cannot.")).status is Status.PASSED
    assert NotEmpty().check(subject(refusal=" ")).status is Status.FAILED


def counted(tokens):
    return Usage(output_tokens=tokens, source=UsageSource.PROVIDER)


@pytest.mark.parametrize(
    ("finish", "limit", "usage", "status"),
    [
        (Finish.STOP, None, Usage(), Status.PASSED),
        (Finish.STOP, 5, counted(5), Status.PASSED),
        (Finish.TOOL_CALLS, None, Usage(), Status.PASSED),
        (Finish.UNKNOWN, None, Usage(), Status.ABSTAINED),
        (Finish.LENGTH, None, Usage(), Status.FAILED),
        (Finish.LENGTH, None, counted(900), Status.FAILED),
        (Finish.LENGTH, 100, counted(100), Status.ABSTAINED),
        (Finish.LENGTH, 100, counted(101), Status.ABSTAINED),
        (Finish.LENGTH, 100, counted(60), Status.FAILED),
        (Finish.LENGTH, 100, Usage(), Status.ABSTAINED),
        (
            Finish.LENGTH,
            100,
            Usage(output_tokens=9, source=UsageSource.ESTIMATED),
            Status.ABSTAINED,
        ),
    ],
)
def test_only_a_limit_that_is_not_the_callers_own_is_a_fault(finish, limit, usage, status):
    found = CutOff().check(subject("text", finish=finish, max_tokens=limit, usage=usage))
    assert found.status is status


def test_the_callers_own_limit_is_named():
    found = CutOff().check(subject("text", finish=Finish.LENGTH, max_tokens=100))
    assert found.reason == "stopped at the caller's own limit of 100 tokens"


@pytest.mark.parametrize("limit", [None, 100])
def test_a_tool_call_that_was_cut_off_fails_whoever_set_the_limit(limit):
    cut = subject("", finish=Finish.LENGTH, max_tokens=limit, tool_calls=(CALL,))
    found = CutOff().check(cut)
    assert found.status is Status.FAILED
    assert "while calling a tool" in found.reason


LABELS = ["spam", "ham", "Not sure"]


@pytest.mark.parametrize(
    "text", ["spam", " Spam\n", '"spam"', "spam.", "**spam**", "`SPAM`", "“spam.”", "not SURE"]
)
def test_a_label_is_known_in_any_dress(text):
    assert label_set(LABELS).check(subject(text)).status is Status.PASSED


@pytest.mark.parametrize("text", ["", "spam ham", "spam, because", "eggs", "spa", "x" * 1_000_000])
def test_anything_but_one_label_fails_and_names_the_labels(text):
    found = label_set(LABELS).check(subject(text))
    assert found.status is Status.FAILED
    assert '"ham"' in found.reason
    assert len(found.reason) < 300


def test_case_can_matter():
    assert label_set(["US", "us"], ignore_case=False).check(subject("us")).status is Status.PASSED
    assert label_set(["US"], ignore_case=False).check(subject("us")).status is Status.FAILED


def test_many_labels_are_listed_in_part():
    found = label_set([f"label-{i}" for i in range(5_000)]).check(subject("x"))
    assert "and 4980 more" in found.reason


@pytest.mark.parametrize("labels", [[], "spam", ["a", "A"], ["a", "a."], [""], [1], ["."]])
def test_labels_that_cannot_be_told_apart_are_refused(labels):
    with pytest.raises(ConfigError) as caught:
        label_set(labels)
    assert caught.value.problems[0].place == "labels"


def test_a_tool_call_is_no_label():
    found = label_set(LABELS).check(subject(tool_calls=(CALL,)))
    assert found.status is Status.ABSTAINED
    text = label_set(LABELS).check(subject("eggs", tool_calls=(CALL,), needs=TOOLS))
    assert text.status is Status.FAILED


def test_a_tool_call_that_may_be_made_leaves_no_label_to_judge():
    found = label_set(LABELS).check(subject(tool_calls=(CALL,), needs=TOOLS))
    assert (found.status, found.vacuous) == (Status.PASSED, True)


@given(st.lists(st.text("abcxyz", min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
def test_every_label_passes_its_own_set(labels):
    check = label_set(labels)
    assert all(check.check(subject(label)).status is Status.PASSED for label in labels)


def test_answers_agree_by_what_they_say():
    others = (attempt("a", '{"x": 1, "y": 2}'), attempt("b", "no idea"))
    found = Agreement().check(subject('{"y":2,"x":1}', siblings=others))
    assert (found.status, found.score) == (Status.PASSED, pytest.approx(2 / 3))
    assert found.reason == "2 of 3 answers agree (uncalibrated)"


def test_no_majority_fails_with_the_share_of_the_largest_group():
    others = (attempt("a", "1"), attempt("b", "2"))
    found = Agreement().check(subject("3", siblings=others))
    assert (found.status, found.score) == (Status.FAILED, pytest.approx(1 / 3))


def test_one_answer_is_no_vote():
    assert Agreement().check(subject("1")).status is Status.ABSTAINED
    alone = subject("1", siblings=(attempt("own", "1"), attempt("lost", None)))
    assert Agreement().check(alone).status is Status.ABSTAINED


def voting(text, *others, vote=PLAIN_VOTE, verdicts=()):
    """An answer and those drawn before it, on a plan with a gate."""
    checks = (Check("gate", Weight.IMPLIED), Check("agreement", Weight.SIGNAL))
    made = subject(text, siblings=others)
    own = replace(made.attempt, verdicts=verdicts)
    return replace(made, attempt=own, step=Step("small", checks, vote=vote))


def test_an_answer_that_a_gate_rejected_is_drawn_and_does_not_vote():
    rejected = attempt("a", "1", verdicts=(Verdict("gate", Status.FAILED, "no"),))
    doubted = attempt("b", "1", verdicts=(Verdict("hedging", Status.FAILED, "?", score=0.4),))
    assert Agreement().check(voting("1", rejected)).score == pytest.approx(1 / 2)
    assert Agreement().check(voting("1", doubted)).score == 1


def test_a_repair_stands_in_for_the_answer_that_it_mends():
    rejected = attempt("a", "1", verdicts=(Verdict("gate", Status.FAILED, "no"),))
    repair = replace(attempt("b", "2"), kind=Kind.REPAIR)
    found = Agreement().check(voting("2", rejected, repair))
    assert found.reason == "2 of 2 answers agree (uncalibrated)"


def test_answers_are_compared_as_the_plan_says():
    others = (attempt("a", "so 42 apples"), attempt("b", "43"))
    assert Agreement().check(voting("#### 42", *others)).score == pytest.approx(1 / 3)
    found = Agreement().check(voting("#### 42", *others, vote=Vote(Comparison.NUMBER)))
    assert found.reason == "2 of 3 answers agree (uncalibrated)"


def test_what_checks_say_that_answers_mean_goes_before_their_words():
    def says(digest):
        return (Verdict("behaviour", Status.PASSED, "", vacuous=True, says=digest),)

    others = (attempt("a", "x", verdicts=says("this")), attempt("b", "y", verdicts=says("that")))
    assert Agreement().check(voting("z", *others, verdicts=says("that"))).score == pytest.approx(
        2 / 3
    )
    assert Agreement().check(voting("x", *others)).score == pytest.approx(1 / 3)
    unknown = (attempt("a", "x"), attempt("b", "x", verdicts=says("this")))
    assert Agreement().check(voting("x", *unknown)).score == pytest.approx(1 / 3)


def test_tool_calls_are_not_compared():
    others = (attempt("a", Answer("", tool_calls=(CALL,))),)
    assert Agreement().check(subject("", siblings=others)).status is Status.ABSTAINED


def test_hygiene_is_implied_and_signals_do_not_reject():
    assert NotEmpty().weight is CutOff().weight is Weight.IMPLIED
    assert Agreement().weight is Weight.SIGNAL
    assert label_set(LABELS).weight is Weight.REQUIRED
