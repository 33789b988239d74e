"""Watches: what follows an answer while it grows, and cannot break what it follows."""

from __future__ import annotations

import asyncio

import pytest

from rung.core.growth import CallGrowth, Delta
from rung.core.types import Need
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.base import LONGEST_REASON, Finding, nothing_to_judge, passed, run, watch
from rung.verifiers.catalogue import _Named
from rung.verifiers.cut_off import CutOff
from rung.verifiers.hedging import Hedging
from rung.verifiers.implied import implied
from rung.verifiers.json_schema import json_schema
from rung.verifiers.refusal import Refusal
from rung.verifiers.tool_calls import tool_calls_gate
from support.subjects import call, offering, subject, tool

OFFERING = offering(tool("get_time"))


class Own:
    """Somebody's verifier, with the watch that a test gives it."""

    name = "own"
    weight = Weight.REQUIRED
    trust = Trust.CODE
    timeout_seconds = 1.0

    def __init__(self, begin=None, found=None):
        self.found = found or passed("yes")
        if begin is not None:
            self.watch = begin

    def check(self, _subject):
        return self.found


class Saying:
    """A watch that says one thing after the other; exceptions it raises."""

    def __init__(self, *said):
        self.said = list(said)
        self.grown = 0

    def grow(self, _delta):
        self.grown += 1
        said = self.said.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said


def followed(verifier, *texts, request=None):
    """What the watch said of each piece."""
    follower = watch(verifier, request or offering())
    return [follower.grow(Delta(text=text)) for text in texts]


# ------------------------------------------------------------------ anybody's watch


def test_a_verifier_without_a_watch_has_none():
    assert watch(Own(), OFFERING) is None
    assert watch(Own(lambda _request: None), OFFERING) is None
    assert watch(Hedging(), OFFERING) is None
    assert watch(CutOff(), OFFERING) is None


def test_a_watch_is_made_for_each_answer_to_one_request():
    asked = []
    own = Own(lambda request: asked.append(request) or Saying(None))
    assert watch(own, OFFERING) is not watch(own, OFFERING)
    assert asked == [OFFERING, OFFERING]


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(1), MemoryError()])
def test_a_watch_that_crashes_is_left_out(error):
    def begin(_request):
        raise error

    assert watch(Own(begin), OFFERING) is None
    saying = Saying(None, error, "too late")
    assert followed(Own(lambda _: saying), "a", "b", "c", "d") == [None] * 4
    assert saying.grown == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_interruption_is_no_crash(error):
    follower = watch(Own(lambda _: Saying(error)), OFFERING)
    with pytest.raises(type(error)):
        follower.grow(Delta())


@pytest.mark.parametrize("said", ["", True, 0, b"no", passed("no")])
def test_only_words_give_an_answer_up(said):
    assert followed(Own(lambda _: Saying(said, None)), "a", "b") == [None, None]


def test_an_answer_is_given_up_for_good_in_words_that_can_be_shown():
    saying = Saying(None, "no\n\x1b" * 999)
    first, second, third = followed(Own(lambda _: saying), "a", "b", "c")
    assert first is None
    assert second == third
    assert second.isprintable()
    assert len(second) <= LONGEST_REASON
    assert saying.grown == 2


def test_a_verifier_under_another_name_keeps_its_watch():
    assert followed(_Named("other", Own(lambda _: Saying("no"))), "a") == ["no"]
    assert watch(_Named("other", Own()), OFFERING) is None


# ------------------------------------------------------------------ a pass that proves nothing


async def test_a_vacuous_pass_is_told_as_one():
    verdict = await run(Own(found=nothing_to_judge("no call")), subject("x"))
    assert (verdict.status, verdict.reason, verdict.vacuous) == (Status.PASSED, "no call", True)
    assert not (await run(Own(found=passed("yes")), subject("x"))).vacuous


@pytest.mark.parametrize(
    "found",
    [
        Finding(Status.FAILED, "no", vacuous=True),
        Finding(Status.ABSTAINED, "?", vacuous=True),
        Finding(Status.PASSED, "yes", vacuous="yes"),
        Finding(Status.PASSED, "yes", vacuous=None),
    ],
    ids=str,
)
async def test_a_finding_that_contradicts_itself_abstains(found):
    verdict = await run(Own(found=found), subject("x"))
    assert (verdict.status, verdict.vacuous) == (Status.ABSTAINED, False)


# ------------------------------------------------------------------ json_schema


def test_text_that_cannot_become_json_is_given_up():
    said = followed(json_schema({"type": "object"}), " ", '{"a"', ": 1", ", b", "}")
    assert said[:3] == [None] * 3
    assert said[3].startswith("the answer is not JSON: expecting a key in double quotes")
    assert said[4] == said[3]
    assert "wrapped in a Markdown fence" in followed(json_schema(None), "```json")[0]
    assert "has to be an object" in followed(json_schema(None), "[")[0]
    assert followed(json_schema(True), "[", "1", "]") == [None] * 3  # noqa: FBT003 - the schema


def test_where_tools_may_be_called_text_may_turn_out_to_be_a_call():
    assert watch(json_schema(None), OFFERING) is None


def test_a_tool_call_in_progress_is_not_the_text():
    follower = watch(json_schema(None), offering())
    assert follower.grow(Delta(thinking="Hm", calls=(CallGrowth(0, "f", "no JSON"),))) is None


# ------------------------------------------------------------------ refusal

DECLINES = "I'm sorry, but I can't assist with that request. "
MORE = "It would go against what I am here for, which is to be of use to people in many ways. " * 5


def test_an_answer_that_opens_like_a_refusal_is_given_up_when_its_opening_is_whole():
    text = DECLINES + MORE
    said = followed(Refusal(), *text)
    first = next(place for place, each in enumerate(said) if each)
    assert first == 199
    assert said[first] == "the answer opens like a refusal (en)"
    assert followed(Refusal(), text)[0] is not None
    assert followed(Refusal(), "\n#  " * 110, text)[-1] is None  # beyond what is looked at


def test_an_opening_that_goes_on_in_another_way_is_not_given_up():
    assert not any(followed(Refusal(), *("I cannot produce for you what is not there. " + MORE)))
    assert not any(followed(Refusal(), *("Sure. " + DECLINES + MORE)))
    assert not any(followed(Refusal(), *DECLINES))


def test_a_tool_call_is_no_refusal():
    text = "I can't provide the time by myself. " + MORE
    assert Refusal().check(subject(text)).status is Status.FAILED
    calls = (call("get_time"),)
    found = Refusal().check(subject(text, tool_calls=calls, request=OFFERING))
    assert found.status is Status.PASSED
    assert watch(Refusal(), OFFERING) is None


def test_the_providers_word_stands_against_a_tool_call():
    calls = (call("get_time"),)
    found = Refusal().check(subject(tool_calls=calls, refusal="No.", request=OFFERING))
    assert found.status is Status.FAILED


# ------------------------------------------------------------------ which have one


def test_the_checks_that_can_tell_early_do():
    plain = offering()
    assert {check.name for check in implied() if watch(check, plain)} == {"repetition", "refusal"}
    assert watch(tool_calls_gate(), OFFERING) is not None
    assert Need.TOOLS in OFFERING.needs
