"""What is done about agents in circles: warned of, made to pause, stopped; the others never."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rung.core.conversation import key
from rung.core.errors import RateError, RequestError
from rung.core.loops import PATIENCE
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import Request
from rung.loops import HOT_SECONDS, TOLD_SECONDS, Then, WatchedLoops, notice
from support.transcripts import Transcript

SAME = 4


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """One conversation's requests, as they come."""

    def __init__(self, then: Then = Then.WARN) -> None:
        self.clock = Clock()
        self.told: list[Request] = []
        self.loops = WatchedLoops(SAME, then, self.clock, self.told.append)

    def begin(self, agent: Transcript) -> Request:
        made = agent.request()
        return self.loops.checked(made.in_conversation(key(made)))

    def end(self, request: Request, served: int | None = 0) -> None:
        self.loops.note(Outcome(request, Plan("l", ()), (), None, served, None, 0.0, 1.0))

    def ask(self, agent: Transcript, *, after: float = 1.0, served: int | None = 0) -> str:
        """Why it was taken for a circle, empty where it was not."""
        self.clock.now += after
        request = self.begin(agent)
        self.end(request, served)
        return request.loop


def stuck(times: int = SAME) -> Transcript:
    agent = Transcript()
    for _ in range(times):
        agent.bash("make", "make: *** [all] Error 1", 2)
    return agent


def test_by_default_it_is_told_and_served(caplog):
    stage = Stage()
    with caplog.at_level(logging.WARNING):
        assert stage.ask(stuck(SAME - 1)) == ""
        assert stage.ask(stuck()) == "Bash was called 4 times in a row, to the same end"
    assert [request.loop for request in stage.told] == [
        "Bash was called 4 times in a row, to the same end"
    ]
    assert "goes round in circles: Bash" in caplog.text
    assert "make" not in caplog.text


def test_one_circle_is_told_of_once_an_hour():
    stage = Stage()
    for _ in range(5):
        stage.ask(stuck())
    assert len(stage.told) == 1
    stage.ask(stuck(), after=TOLD_SECONDS)
    assert len(stage.told) == 2


def test_a_notice_names_what_goes_round_and_no_word_of_it():
    stage = Stage()
    stage.ask(stuck())
    body = notice(stage.told[0], Then.WARN)
    assert json.loads(body)["loop"] == "Bash was called 4 times in a row, to the same end"
    assert b"Error 1" not in body


# ------------------------------------------------------------------ talk


def talk(times: int) -> Transcript:
    agent = Transcript()
    for _ in range(times):
        agent.says("Thank you!").user("You are welcome.")
    return agent


def test_words_that_go_to_and_fro_at_once_are_a_circle():
    stage = Stage()
    found = [stage.ask(talk(times)) for times in range(1, SAME + 2)]
    assert found[:SAME] == [""] * SAME
    assert found[-1] == "the same was said and answered 5 times in a row"


def test_an_agent_that_is_woken_now_and_then_to_find_nothing_is_well():
    stage = Stage()
    found = [stage.ask(talk(times), after=HOT_SECONDS + 1) for times in range(1, 60)]
    assert set(found) == {""}


# ------------------------------------------------------------------ the same request


def test_the_very_same_turn_that_is_answered_over_and_over_is_a_circle():
    stage, agent = Stage(), Transcript().bash("make", "built")
    found = [stage.ask(agent) for _ in range(SAME * PATIENCE + 1)]
    assert found[-2:] == ["", f"the same request was answered {SAME * PATIENCE} times in a row"]


@pytest.mark.parametrize(
    ("agent", "changes"),
    [
        (Transcript(), {}),
        (Transcript(tools=()).bash("make", "built"), {}),
        (Transcript().bash("make", "built"), {"served": None}),
        (Transcript().bash("make", "built"), {"after": HOT_SECONDS + 1}),
    ],
    ids=["a first turn", "no agent", "unanswered", "at leisure"],
)
def test_who_asks_the_same_again_for_good_reasons_is_in_none(agent, changes):
    stage = Stage()
    assert {stage.ask(agent, **changes) for _ in range(100)} == {""}


def test_who_draws_many_answers_at_once_is_in_none():
    stage, agent = Stage(), Transcript().bash("make", "built")
    for _ in range(20):
        running = [stage.begin(agent) for _ in range(8)]
        assert {request.loop for request in running} == {""}
        for request in running:
            stage.end(request)


def test_a_turn_that_never_ended_makes_no_circle_and_hides_none_for_good():
    stage, agent = Stage(), Transcript().bash("make", "built")
    stage.begin(agent)
    found = [stage.ask(agent) for _ in range(SAME * PATIENCE + 3)]
    assert found[-1] != ""


# ------------------------------------------------------------------ what is done


def test_a_pause_is_asked_for_and_grows_while_nothing_changes():
    stage = Stage(Then.PAUSE)

    def seconds() -> float | None:
        try:
            stage.begin(stuck())
        except RateError as error:
            return error.retry_after_seconds
        return None

    assert seconds() == 60
    stage.clock.now += 20
    assert seconds() == 40
    stage.clock.now += 40
    assert (seconds(), seconds()) == (None, 120)
    stage.clock.now += 120
    assert (seconds(), seconds()) == (None, 240)
    for _ in range(10):
        stage.clock.now += 3_600
        seconds()
        stage.clock.now += 1
    assert (seconds() or 0) <= 3_600


def test_who_is_to_pause_is_told_why():
    with pytest.raises(RateError, match="round in circles: Bash was called 4 times") as refused:
        Stage(Then.PAUSE).begin(stuck())
    assert (refused.value.status, refused.value.code) == (429, "agent_loop")


def test_an_agent_that_changes_course_goes_on_at_once():
    stage = Stage(Then.PAUSE)
    with pytest.raises(RateError):
        stage.begin(stuck())
    assert stage.ask(stuck().bash("cat Makefile", "all: dates.o")) == ""
    assert stage.ask(stuck().user("Look into the Makefile.")) == ""


def test_a_pause_holds_at_other_processes_too():
    one, other = Stage(Then.PAUSE), Stage(Then.PAUSE)
    heeds, told = {}, []
    for stage in (one, other):
        board = SimpleNamespace(
            follow=lambda topic, heed, stage=stage: heeds.__setitem__(stage, heed),
            tell=lambda *words: told.append(words),
        )
        stage.loops.share(board)
    with pytest.raises(RateError):
        one.begin(stuck())
    ((topic, name, value),) = told
    heeds[other](SimpleNamespace(topic=topic, name=name, value=value, age_seconds=10.0))
    with pytest.raises(RateError) as refused:
        other.begin(stuck())
    assert refused.value.retry_after_seconds == 50
    assert len(told) == 1


def test_who_is_stopped_is_told_why_and_how_to_go_on():
    stage = Stage(Then.STOP)
    with pytest.raises(RequestError) as refused:
        stage.begin(stuck())
    assert (refused.value.status, refused.value.code) == (422, "agent_loop")
    assert "tell the agent something new" in str(refused.value)
    assert stage.ask(stuck().user("Stop that.")) == ""


def test_what_belongs_to_no_conversation_is_in_no_circle():
    stage = Stage(Then.STOP)
    request = replace(stuck().request(), conversation="")
    assert stage.loops.checked(request) is request
