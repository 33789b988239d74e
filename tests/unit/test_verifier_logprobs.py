"""logprobs: a quantile of the tokens' probabilities, or an abstention that says why."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import checks
from rung.core.errors import ConfigError, RequestError
from rung.core.parts import ToolCall
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.base import needs_logprobs, run
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.hedging import Hedging
from rung.verifiers.logprobs import MOST_TOKENS, Logprobs
from support.subjects import offering, subject, tool


def judged(logs, check=None, **answer):
    return (check or Logprobs()).check(subject("Bonn it is", logprobs=logs, **answer))


def of_chances(*chances):
    return tuple(math.log(chance) for chance in chances)


def built(**options):
    return build("sure", KINDS["logprobs"], options)


def test_it_is_an_opinion_of_the_model_about_itself():
    check = built()
    assert (check.name, check.weight, check.trust) == ("sure", Weight.SIGNAL, Trust.SELF)
    assert needs_logprobs(check)
    assert not needs_logprobs(Hedging())


def test_the_score_is_the_chance_at_the_quantile():
    chances = of_chances(*(0.5 + place / 100 for place in range(11)))
    assert judged(chances).score == pytest.approx(0.51)
    assert judged(chances, Logprobs(quantile=0.0)).score == pytest.approx(0.5)
    assert judged(chances, Logprobs(quantile=1.0)).score == pytest.approx(0.6)
    half = judged(of_chances(0.25, 0.64, 1.0), Logprobs(quantile=0.25))
    assert half.score == pytest.approx(0.4), "between two tokens their logs count in proportion"


def test_the_order_of_the_tokens_does_not_matter():
    assert judged((-0.1, -2.0, -0.5)) == judged((-2.0, -0.5, -0.1))


def test_it_passes_from_one_half_on_and_says_what_it_found():
    sure = judged(of_chances(0.9, 0.9, 0.8, 0.99))
    assert sure.status is Status.PASSED
    assert sure.reason == (
        "the 10% quantile of the probabilities of 4 tokens is 0.83, their median 0.90 "
        "(uncalibrated)"
    )
    unsure = judged(of_chances(0.9, 0.2, 0.3, 0.9))
    assert (unsure.status, unsure.score) == (Status.FAILED, pytest.approx(0.2 * 1.5**0.3))


@pytest.mark.parametrize(
    ("logs", "answer", "why"),
    [
        ((), {}, "this tier gives no log-probabilities"),
        ((-0.1, -0.2), {}, "2 tokens, too few to judge by: 3"),
        ((-0.1, math.nan, -0.2), {}, "1 of 3"),
        ((-0.1, math.inf, -math.inf), {}, "2 of 3"),
        ((-0.1, None, "-0.2", True), {}, "3 of 4"),
        ((0.9, 0.8, 0.7), {}, "3 of 3"),
        ((-(10**400), 10**400, -0.1), {}, "2 of 3"),
        ((-0.5,) * 8, {}, "all 8 tokens are the same"),
        ((0.0,) * 50, {}, "all 50 tokens are the same"),
        ((-0.1,) * (MOST_TOKENS + 1), {}, "more than 50,000 tokens"),
        ((-0.1, -0.2, -0.3), {"tool_calls": (ToolCall("c", "f", "{}"),)}, "tool calls"),
        ((-0.1, -0.2, -0.3), {"more": ("Köln",)}, "several choices"),
    ],
)
def test_it_abstains_and_says_why(logs, answer, why):
    found = judged(logs, **answer)
    assert (found.status, found.score) == (Status.ABSTAINED, None)
    assert why in found.reason


def test_it_abstains_where_there_is_no_text_to_be_sure_of():
    found = Logprobs().check(subject(" \n", logprobs=(-0.1, -0.2, -0.3)))
    assert (found.status, found.reason) == (Status.ABSTAINED, "there is no text")


def test_it_says_that_nobody_asked_where_tools_were_offered():
    found = Logprobs().check(subject("Bonn", request=offering(tool("look"))))
    assert found.status is Status.ABSTAINED
    assert "where tools are offered" in found.reason


def test_labels_of_one_token_can_be_judged_where_that_is_asked_for():
    assert judged((-0.1,)).status is Status.ABSTAINED
    found = judged((-0.1,), built(fewest_tokens=1))
    assert (found.status, found.score) == (Status.PASSED, pytest.approx(math.exp(-0.1)))
    assert judged((), built(fewest_tokens=0)).status is Status.ABSTAINED


@given(st.lists(st.floats() | st.integers() | st.none() | st.booleans(), max_size=20))
def test_it_never_passes_on_anything_but_probabilities(logs):
    found = judged(tuple(logs))
    if found.status is Status.ABSTAINED:
        return
    assert all(isinstance(one, int | float) and one <= 1e-3 for one in logs)
    assert 0 <= found.score <= 1
    assert (found.status is Status.PASSED) is (found.score >= 0.5)


async def test_the_longest_answer_takes_no_time_worth_mentioning():
    logs = tuple(-((place * 7919) % 9973) / 9973 for place in range(MOST_TOKENS))
    began = time.perf_counter()
    verdict = await run(Logprobs(), subject("Bonn", logprobs=logs))
    assert verdict.status is not Status.ABSTAINED
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("odd", [-0.1, 1.1, "0.1", True, None, math.nan])
def test_a_quantile_that_is_none_is_a_fault_of_the_configuration(odd):
    with pytest.raises(ConfigError, match="quantile must be a number from 0"):
        built(quantile=odd)


def test_it_cannot_be_made_a_gate():
    with pytest.raises(ConfigError, match="no option 'gate'"):
        built(gate=True)


def test_python_users_have_it_too():
    assert checks.logprobs(0.25, fewest_tokens=1) == Logprobs(0.25, 1)
    with pytest.raises(RequestError, match="within 0 and 1"):
        checks.logprobs(2)
