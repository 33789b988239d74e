"""Agents that go round in circles, and those that only look like it."""

from __future__ import annotations

import json
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.loops import MOST_STEPS, PATIENCE, loop
from rung.core.parts import Image, Message, Role, Text, ToolCall, ToolResult
from support.transcripts import Transcript

SAME = 8
PAGE = "def zone(text):\n    return parse(text).astimezone()\n\n# see also the notes in dates.md\n"
RED = "tests/test_dates.py:9: AssertionError\n==== 1 failed, 12 passed in {:.2f}s ===="


def found(agent: Transcript, same: int = SAME):
    return loop(agent.request(), same)


def often(times: int, do) -> Transcript:
    agent = Transcript()
    for turn in range(times):
        do(agent, turn)
    return agent


# ------------------------------------------------------------------ circles


def test_the_same_call_with_the_same_result_is_a_circle_from_the_set_number_on():
    def read(agent, _):
        agent.calls("Read", {"file_path": "/p/dates.py"}, PAGE)

    assert found(often(SAME - 1, read)) is None
    circle = found(often(SAME, read))
    assert circle is not None
    assert (circle.steps, circle.times, circle.talk) == (1, SAME, False)
    assert circle.words == "Read was called 8 times in a row, to the same end"


def test_steps_in_turns_are_one_circle():
    def both(agent, _):
        agent.calls("Read", {"file_path": "/p/a.py"}, PAGE).calls(
            "Read", {"file_path": "b"}, "b" * 50
        )

    circle = found(often(SAME, both))
    assert circle is not None
    assert (circle.steps, circle.times) == (2, SAME)
    assert circle.words == "the same 2 steps (Read) were gone through 8 times"


def test_a_file_that_is_changed_to_and_fro_is_a_circle_though_it_changes():
    def to_and_fro(agent, _):
        for old, new in (("a", "b"), ("b", "a")):
            told = {"file_path": "/p/dates.py", "old_string": old, "new_string": new}
            agent.calls("Edit", told, "The file /p/dates.py has been updated. Here it is: ...")
            agent.bash("pytest -q", RED.format(0.3), 1)

    circle = found(often(SAME, to_and_fro))
    assert circle is not None
    assert circle.steps == 4


def test_red_tests_are_the_same_however_long_they_took():
    circle = found(often(SAME, lambda agent, turn: agent.bash("pytest", RED.format(turn / 7), 1)))
    assert circle is not None


def test_codex_numbers_its_results_and_still_goes_round():
    def command(agent, turn):
        head = f"Chunk ID: 9369b{turn}\nWall time: 0.01{turn} seconds\nProcess exited with code 1\n"
        agent.calls("exec_command", {"cmd": "make"}, f"{head}Output:\nmake: *** [all] Error 1")

    assert found(often(SAME, command)) is not None


def test_calls_at_once_are_one_step():
    def both(agent, _):
        agent.at_once(
            [("Read", {"file_path": "a"}, PAGE, False), ("Read", {"file_path": "b"}, PAGE, False)]
        )

    circle = found(often(SAME, both))
    assert circle is not None
    assert circle.steps == 1


def test_what_clients_put_into_the_users_turn_does_not_end_a_circle():
    def reminded(agent, turn):
        agent.bash("make", "make: *** [all] Error 1", 2)
        agent.user(f"<system-reminder>{turn} todos are open</system-reminder>")

    circle = found(often(SAME, reminded))
    assert circle is not None
    assert not circle.talk


def test_two_who_answer_each_other_with_the_same_words_talk_in_a_circle():
    agent = often(SAME, lambda agent, _: agent.says("Thank you!").user("You are welcome."))
    circle = found(agent)
    assert circle is not None
    assert circle.talk
    assert circle.words == "the same was said and answered 8 times in a row"


def test_agents_without_tools_are_told_in_the_users_place_what_came_of_it():
    def observed(agent, _):
        agent.says("```bash\nmake\n```").user(
            "<returncode>2</returncode>\n<output>no rule</output>"
        )

    circle = found(often(SAME, observed))
    assert circle is not None
    assert not circle.talk


# ------------------------------------------------------------------ what is none


@pytest.mark.parametrize(
    "do",
    [
        lambda agent, turn: agent.bash(f"make step-{turn}", "x" * 60),
        lambda agent, turn: agent.bash("make", f"{turn} of 60 files are compiled, as it should be"),
        lambda agent, turn: agent.edit().bash("pytest -q", RED.format(0.3), 1),
        lambda agent, turn: agent.calls("Read", {"file_path": f"/p/{turn}.py"}, PAGE),
        lambda agent, turn: agent.calls("Read", {"file_path": "/p/a.py"}, PAGE).user(
            f"And {turn}?"
        ),
        lambda agent, turn: agent.says("billing").user(f"ticket {turn}"),
        lambda agent, turn: agent.says(f"{turn}.").user("continue"),
    ],
    ids=["steps", "progress", "edits", "files", "questions", "tickets", "continue"],
)
def test_work_that_changes_is_no_circle(do):
    assert found(often(40, do)) is None


@pytest.mark.parametrize(
    ("name", "told", "result"),
    [
        ("BashOutput", {"bash_id": "1"}, "Still running, and there is no new output of it yet."),
        (
            "Bash",
            {"command": "sleep 60; tail -n 3 log"},
            "Still training: nothing new was written.",
        ),
        (
            "Bash",
            {"command": "gh pr checks 12 --watch"},
            "Some checks have not completed yet: lint.",
        ),
        ("check_job", {"id": 7}, "The job is queued behind others, and has not been begun."),
        ("press_key", {"key": "Down"}, "ok"),
        ("move_forward", {}, ""),
        ("measure", {}, "The same work as before was done anew. It took 12 ms this time."),
    ],
)
def test_who_may_be_waiting_is_given_five_times_as_long(name, told, result):
    def wait(agent, turn):
        agent.calls(name, told, result.replace("12 ms", f"{turn + 10} ms"))

    assert found(often(SAME * PATIENCE - 1, wait)) is None
    assert found(often(SAME * PATIENCE, wait)) is not None


def test_short_failures_are_failures_all_the_same():
    def fails(agent, _):
        agent.calls("press_key", {"key": "Down"}, "boom", error=True)

    assert found(often(SAME, fails)) is not None


def test_results_that_a_client_has_cleared_are_no_circle():
    agent = often(20, lambda agent, _: agent.calls("fetch", {"url": "u"}, "[cleared]" + "x" * 60))
    agent.calls("fetch", {"url": "u"}, "what the last one brought, whole and in all its length")
    assert found(agent) is None


def test_screens_that_differ_are_no_circle():
    def look(agent, turn):
        call = ToolCall(f"c{turn}", "screen", "{}")
        agent.messages.append(Message(Role.ASSISTANT, (call,)))
        shown = Image("image/png", f"AAAA{turn}")
        agent.messages.append(Message(Role.TOOL, (ToolResult(call.id, (shown,)),)))

    assert found(often(40, look)) is None


def test_a_word_of_the_users_ends_what_went_round_before():
    agent = often(20, lambda agent, _: agent.bash("make", "make: *** [all] Error 1", 2))
    assert found(agent) is not None
    assert found(agent.user("Stop that.")) is None


def test_a_long_result_is_only_the_same_where_nothing_differs():
    def log(agent, turn):
        agent.calls("fetch", {"url": "u"}, "line of a log\n" * 1_000 + f"12:00:{turn:02}")

    assert found(often(40, log)) is None


def test_nothing_is_found_where_nothing_was_said_yet():
    assert found(Transcript()) is None
    assert loop(Transcript(asked="").request(), SAME) is None


# ------------------------------------------------------------------ bad input


def test_names_that_a_client_chose_are_fit_for_a_log():
    hostile = "x\r\nset-cookie: a\x1b[31m" + "y" * 500
    circle = found(
        often(SAME, lambda agent, _: agent.calls(hostile, {}, "no such page, he said. " * 3))
    )
    assert circle is not None
    assert circle.words.isprintable()
    assert len(circle.words) < 200


_PARTS = st.one_of(
    st.builds(Text, st.sampled_from(["", "again", "<system-reminder>x</system-reminder>"])),
    st.builds(ToolCall, st.just("c"), st.sampled_from(["a", ""]), st.sampled_from(["{}", "{"])),
    st.builds(
        ToolResult, st.just("c"), st.tuples(st.builds(Text, st.sampled_from(["", "x" * 50])))
    ),
)
_MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(Role), st.lists(_PARTS, max_size=3).map(tuple)), max_size=60
)


@given(_MESSAGES, st.integers(3, 6))
def test_whatever_comes_a_circle_is_as_long_as_was_asked_for(messages, same):
    circle = loop(Transcript(asked="").request(messages=tuple(messages)), same)
    if circle is not None:
        assert circle.times >= same
        assert 1 <= circle.steps <= MOST_STEPS
        spoken = sum(message.role is Role.ASSISTANT for message in messages)
        assert spoken >= circle.times


def test_a_long_conversation_in_no_circle_costs_next_to_nothing():
    agent = often(
        500, lambda agent, turn: agent.bash(f"make step-{turn}", "built all of it. " * 400)
    )
    request = agent.request()
    began = perf_counter()
    for _ in range(100):
        assert loop(request, SAME) is None
    assert (perf_counter() - began) / 100 < 0.001


def test_results_made_to_be_slow_to_compare_are_not():
    def nasty(agent, turn):
        agent.calls("fetch", {"u": "1"}, "1" * 7_000 + f"{turn}" + "-" * 500)

    request = often(60, nasty).request()
    began = perf_counter()
    loop(request, SAME)
    assert perf_counter() - began < 0.5
    assert json.dumps(request.messages[1].text)
