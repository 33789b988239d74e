import itertools
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from rung.account import outcome_json, reasons, stored_json
from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.parts import Tool, ToolCall
from rung.core.plan import Excluded, OnExhausted, Plan, Step, StreamMode
from rung.core.types import (
    Answer,
    Attempt,
    EndedBy,
    Failure,
    Fault,
    Kind,
    Phase,
)
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.core.vote import Comparison, Vote
from rung.ledger import Ledger
from rung.plan_account import drawing, limits, plan_json
from support.outcomes import outcome, outcomes

PLAN = Plan(
    "default",
    (
        Step("low", (Check("shape", Weight.REQUIRED), Check("doubt", Weight.SIGNAL)), repairs=1),
        Step("high", (Check("shape", Weight.REQUIRED),)),
    ),
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger.open(tmp_path_factory.mktemp("account") / "ledger.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def stored(ledger):
    """An outcome as the ledger gives it back, under an id of its own."""

    def there_and_back(made):
        name = f"account-{next(_numbers):06d}"
        attempts = (replace(a, id=f"{name}.{n}") for n, a in enumerate(made.attempts))
        made = replace(made, request=replace(made.request, id=name), attempts=tuple(attempts))
        ledger.append_now(made)
        return ledger.find(name)

    return there_and_back


def attempt(tier, *verdicts, kind=Kind.FIRST, failure=None, **more):
    answer = None if failure else Answer("x")
    return Attempt(
        "", tier, kind, 0.0, 1.0, answer=answer, failure=failure, verdicts=verdicts, **more
    )


def verdict(name, status, score=None):
    return Verdict(name, status, "because", score=score)


WRONG = verdict("shape", Status.FAILED)
RIGHT = verdict("shape", Status.PASSED)
UNSURE = verdict("shape", Status.ABSTAINED)
DOUBT = verdict("doubt", Status.FAILED, score=0.25)
LIMITED = Failure(Fault.RATE_LIMITED, "slow down")


def told(stored, *attempts, decision=None, **more):
    if isinstance(decision, Accept):
        more |= {"served": decision.index, "verified": decision.verified}
    else:
        more |= {"served": None, "verified": False}
    made = outcome(plan=PLAN, attempts=attempts, decision=decision, **more)
    return list(reasons(stored(made)))


# ------------------------------------------------------------------ why


def test_an_answer_that_is_turned_down_climbs(stored):
    assert told(
        stored, attempt("low", WRONG), attempt("high", RIGHT), decision=Accept(1, verified=True)
    ) == [
        "Its answer was turned down (shape failed), so it climbed to high.",
        "No check spoke against it: it was served, verified.",
    ]


def test_a_required_check_that_cannot_judge_turns_down_too(stored):
    first, _ = told(
        stored, attempt("low", UNSURE), attempt("high", RIGHT), decision=Accept(1, verified=True)
    )
    assert first == "Its answer was turned down (shape abstained), so it climbed to high."


@pytest.mark.parametrize(("verdicts", "why"), [((WRONG,), " (shape failed)"), ((), "")])
def test_an_answer_that_was_broken_off_is_told_as_such(stored, verdicts, why):
    first, _ = told(
        stored,
        attempt("low", *verdicts, phase=Phase.STREAM),
        attempt("high", RIGHT),
        decision=Accept(1, verified=True),
    )
    assert first == f"Its answer was broken off{why}, so it climbed to high."


def test_a_repair_a_retry_and_another_draw_are_told_apart(stored):
    for kind, words in (
        (Kind.REPAIR, "low was asked to put it right"),
        (Kind.SAMPLE, "low was asked for another answer"),
    ):
        first, _ = told(
            stored,
            attempt("low", WRONG),
            attempt("low", RIGHT, kind=kind),
            decision=Accept(1, verified=True),
        )
        assert first == f"Its answer was turned down (shape failed), so {words}."
    first, _ = told(
        stored,
        attempt("low", failure=LIMITED),
        attempt("low", RIGHT, kind=Kind.RETRY),
        decision=Accept(1, verified=True),
    )
    assert first == "It gave no answer (rate limited), so low was asked again."


def test_a_fault_is_no_climb(stored):
    first, _ = told(
        stored,
        attempt("low", failure=LIMITED),
        attempt("high", RIGHT),
        decision=Accept(1, verified=True),
    )
    assert first == "It gave no answer (rate limited), so high was asked instead."


def test_a_doubt_is_told_with_its_number(stored):
    first, _ = told(
        stored,
        attempt("low", RIGHT, DOUBT),
        attempt("high", RIGHT),
        decision=Accept(1, verified=True),
    )
    assert first == (
        "The signal doubt put the chance of being right at 0.25 (uncalibrated), below 0.50,"
        " so it climbed to high."
    )


def test_a_vote_is_told_draw_by_draw(stored):
    vote = Vote(Comparison.NUMBER, certainty=0.85)
    agreement = Check("agreement", Weight.SIGNAL)
    plan = Plan("default", (Step("low", (agreement,), samples=9, vote=vote),))
    drawn = [
        replace(attempt("low", kind=kind), answer=Answer(text))
        for kind, text in (
            (Kind.FIRST, "so 42"),
            (Kind.SAMPLE, "43"),
            (Kind.SAMPLE, "#### 42"),
            (Kind.SAMPLE, "42 apples"),
            (Kind.SAMPLE, "42.0"),
        )
    ]
    drawn[-1] = drawn[-1].with_verdict(verdict("agreement", Status.PASSED, 0.8))
    made = outcome(
        plan=plan, attempts=tuple(drawn), decision=Accept(4, verified=None), verified=None, served=4
    )
    back = stored(made)
    assert list(reasons(back)) == [
        "One answer is no vote, so low was asked for another answer.",
        "The vote was open, 1 of 2 answers in agreement, so low was asked for another answer.",
        "The vote was open, 2 of 3 answers in agreement, so low was asked for another answer.",
        "The vote was open, 3 of 4 answers in agreement, so low was asked for another answer.",
        "No check spoke against it: it was served, with nothing to verify it by.",
    ]
    assert drawing(plan.steps[0]) == (
        "up to 9 answers, compared as number; fewer once one leads for good or with 85% certainty"
    )
    (step,) = stored_json(back)["plan"]["steps"]
    assert step["vote"] == {"comparison": "number", "fields": (), "certainty": 0.85}


@pytest.mark.parametrize(
    ("decision", "more", "end"),
    [
        (Accept(0, verified=None), {}, "it was served, with nothing to verify it by"),
        (Accept(0, verified=False), {}, "it was served, flagged"),
        (
            Exhausted(Exhaustion.TOP_REACHED, 0),
            {"inbox": True},
            "the top of the ladder was reached, a human is asked (see `rung inbox list`)",
        ),
        (
            Exhausted(Exhaustion.TOP_REACHED, 0),
            {},
            "the top of the ladder was reached, nothing was served",
        ),
        (
            Exhausted(Exhaustion.DEADLINE, None),
            {},
            "the deadline had passed, nothing could be served",
        ),
        (
            Exhausted(Exhaustion.GAVE_UP, 0),
            {},
            "too much had been spent to go on to a dearer tier, nothing was served",
        ),
        (None, {"ended_by": EndedBy.CLIENT}, "the caller left before the end"),
        (None, {"ended_by": EndedBy.GATEWAY}, "rung was stopped before the end"),
    ],
)
def test_every_end_has_its_words(stored, decision, more, end):
    (only,) = told(stored, attempt("low", WRONG), decision=decision, **more)
    assert only == f"Its answer was turned down (shape failed): {end}."


def test_an_answer_served_all_the_same_is_told_as_flagged(stored):
    made = outcome(
        plan=replace(PLAN, on_exhausted=OnExhausted.BEST),
        attempts=(attempt("low", WRONG), attempt("high", WRONG)),
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=0,
        verified=False,
    )
    assert list(reasons(stored(made)))[-1].endswith(
        "the top of the ladder was reached, answer 1 was served all the same, flagged."
    )


def test_an_earlier_answer_that_is_served_is_named(stored):
    last = told(
        stored,
        attempt("low", RIGHT),
        attempt("high", failure=LIMITED),
        decision=Accept(0, verified=True),
    )[-1]
    assert last == "It gave no answer (rate limited): answer 1 was served, verified."


def test_a_request_that_called_no_one_says_why(stored):
    assert told(stored, decision=Exhausted(Exhaustion.COST_CAP, None)) == [
        "Nothing was called: anything more could have passed the cost cap, nothing could be served."
    ]


@settings(max_examples=60, deadline=None)
@given(made=outcomes())
def test_every_attempt_of_any_request_has_its_sentence(stored, made):
    found = stored(made)
    sentences = list(reasons(found))
    assert len(sentences) == max(1, len(made.attempts))
    assert all(each.endswith(".") and each[0].isupper() for each in sentences)


# ------------------------------------------------------------------ as JSON


def test_an_outcome_tells_answer_proof_money_and_attempts():
    made = outcome(
        plan=replace(PLAN, excluded=(Excluded("huge", "too dear"),)),
        attempts=(
            attempt("low", WRONG, cost_nanousd=7),
            attempt("high", RIGHT, cost_nanousd=1_000_000_000),
        ),
        decision=Accept(1, verified=True),
        served=1,
    )
    told = outcome_json(made)
    assert (told["text"], told["tier"], told["verified"], told["inbox"]) == (
        "x",
        "high",
        True,
        None,
    )
    assert told["cost_nanousd"] == 1_000_000_007
    assert Decimal(told["cost_usd"]) == Decimal("1.000000007")
    assert [each["passed"] for each in told["verdicts"]] == [True]
    assert [each["verdicts"][0]["passed"] for each in told["attempts"]] == [False, True]
    assert told["decision"] == {"ended": "accepted", "attempt": 1, "verified": True}
    assert told["excluded"] == [{"tier": "huge", "why": "too dear"}]


def test_what_goes_for_one_tier_alone_is_told_and_the_chance_of_a_draw(stored):
    low, high = PLAN.steps
    high = replace(high, min_confidence=0.7, most_spent_nanousd=50_000_000, reach=0.6)
    gone = Excluded("huge", "25% of requests may climb to it", 0.25)
    plan = replace(PLAN, steps=(low, high), excluded=(gone,))
    assert list(limits(low)) == []
    assert list(limits(high)) == [
        "needs a confidence of 0.70",
        "is not gone up to once more than $0.0500 was spent",
        "is within reach of 60% of requests, this one among them",
    ]
    told = stored_json(stored(outcome(plan=plan, attempts=(attempt("low", RIGHT),))))["plan"]
    assert told == plan_json(plan)
    assert [each["min_confidence"] for each in told["steps"]] == [PLAN.min_confidence, 0.7]
    assert [each["most_spent_nanousd"] for each in told["steps"]] == [None, 50_000_000]
    assert [each["reach"] for each in told["steps"]] == [1.0, 0.6]
    assert told["excluded"] == [{"tier": "huge", "why": gone.why, "reach": 0.25}]
    assert told["reach"] == pytest.approx(0.35)


def test_a_doubt_is_told_by_the_number_that_its_own_tier_needs(stored):
    low, high = PLAN.steps
    sure = Check("logprobs", Weight.SIGNAL)
    plan = replace(PLAN, steps=(replace(low, checks=(sure,), min_confidence=0.9), high))
    doubted = attempt("low", verdict("logprobs", Status.PASSED, 0.8))
    made = outcome(plan=plan, attempts=(doubted, attempt("high", RIGHT)))
    assert next(reasons(stored(made))) == (
        "The signal logprobs put the chance of being right at 0.80 (uncalibrated), below 0.90, "
        "so it climbed to high."
    )


def test_what_nothing_passed_has_a_draft_and_no_text():
    made = outcome(
        attempts=(attempt("low", WRONG),),
        plan=PLAN,
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        inbox=True,
    )
    told = outcome_json(made)
    assert (told["text"], told["draft"], told["inbox"]) == (None, "x", made.request.id)
    assert told["decision"] == {"ended": "exhausted", "reason": "top_reached", "best": 0}


def test_a_caller_who_left_has_neither():
    made = outcome(
        attempts=(),
        plan=PLAN,
        decision=None,
        served=None,
        verified=None,
        ended_by=EndedBy.CLIENT,
        phase=Phase.CONNECT,
    )
    told = outcome_json(made)
    assert (told["text"], told["draft"], told["decision"]) == (None, None, None)
    assert (told["ended_by"], told["phase"]) == ("client", "connect")


CALLS = (
    ToolCall("id-1", "find", '{"x": 1}', "files"),
    ToolCall("id-2", "made up", "{}"),
)


def calling(**more):
    """An outcome whose answer calls tools, one offered and one not."""
    made = outcome()
    request = replace(made.request, tools=(Tool("find", namespace="files"),), **more)
    answer = Answer("", tool_calls=CALLS, dialect="ollama", salvaged="hermes")
    empty = replace(made.attempts[0].verdicts[0], vacuous=True)
    said = replace(made.attempts[0], answer=answer, verdicts=(empty,), losses=("thinking", "top_k"))
    plan = replace(made.plan, stream=True, stream_mode=StreamMode.TOOLS)
    return replace(made, request=request, plan=plan, attempts=(said,))


def test_an_outcome_tells_its_tool_calls_whole_and_the_ledger_by_name(stored):
    told = outcome_json(calling())
    assert told["tool_calls"][0] == {
        "id": "id-1",
        "name": "find",
        "namespace": "files",
        "arguments": '{"x": 1}',
    }
    assert [call["name"] for call in told["tool_calls"]] == ["find", "made up"]
    assert told["attempts"][0]["tool_calls"] == ["files.find", "made up"]
    kept = stored_json(stored(calling()))
    assert "tool_calls" not in kept
    assert kept["attempts"][0]["tool_calls"] == ["files.find", "?"]


def test_both_accounts_tell_losses_salvage_dialects_stream_mode_and_empty_proof(stored):
    made = calling(resend_of="first")
    for told in (outcome_json(made), stored_json(stored(made))):
        (attempt,) = told["attempts"]
        assert (told["dialect"], attempt["dialect"]) == ("chat", "ollama")
        assert (attempt["salvaged"], attempt["losses"]) == ("hermes", ["thinking", "top_k"])
        assert [verdict["vacuous"] for verdict in attempt["verdicts"]] == [True]
        assert (told["resend_of"], told["stream_mode"], told["ungated"]) == (
            "first",
            "tools",
            False,
        )


def test_what_is_plain_has_none_of_it():
    told = outcome_json(outcome())
    (attempt,) = told["attempts"]
    assert (told["resend_of"], told["stream_mode"], told["tool_calls"]) == (None, None, [])
    assert (attempt["dialect"], attempt["salvaged"], attempt["tool_calls"]) == (None, None, [])


@settings(max_examples=60, deadline=None)
@given(made=outcomes())
def test_both_accounts_are_json_and_agree(stored, made):
    found = stored(made)
    alive, kept = outcome_json(made), stored_json(found)
    json.dumps(alive)
    json.dumps(kept, allow_nan=False)
    same = ("ladder", "tier", "verified", "cost_nanousd", "cost_usd", "ended_by", "phase")
    for key in (*same, "dialect", "resend_of", "stream_mode", "ungated"):
        assert alive[key] == kept[key]
    assert len(alive["attempts"]) == len(kept["attempts"])
    for one, other in zip(alive["attempts"], kept["attempts"], strict=True):
        for key in ("usage", "dialect", "salvaged"):
            assert one[key] == other[key]
        assert len(one["tool_calls"]) == len(other["tool_calls"])
        assert [v["vacuous"] for v in one["verdicts"]] == [v["vacuous"] for v in other["verdicts"]]
        assert [v["passed"] for v in one["verdicts"]] == [v["passed"] for v in other["verdicts"]]


def test_the_ledgers_account_holds_no_text(stored):
    kept = json.dumps(stored_json(stored(outcome())))
    assert "the secret question" not in kept
    assert '{\\"a\\": 1}' not in kept
