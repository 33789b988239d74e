"""The environment as a verifier: what counts as trouble in a transcript, and what does not."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.environment import NO_TROUBLE, trouble
from rung.core.parts import Message, Role, Text, ToolCall, ToolResult
from rung.core.reports import FAILED, PASSED, report
from rung.core.types import Request
from support.transcripts import Transcript

RED = {
    "pytest": "tests/test_dates.py:9: AssertionError\n==== 1 failed, 12 passed in 0.31s ====",
    "pytest quiet": "FAILED tests/test_dates.py::test_zone\n1 failed, 12 passed in 0.31s",
    "pytest errors": "ERROR tests/test_dates.py - ImportError\n=== 2 errors in 0.10s ===",
    "unittest": "Ran 5 tests in 0.002s\n\nFAILED (failures=1, errors=1)",
    "jest": "Test Suites: 1 failed, 1 total\nTests:       1 failed, 3 passed, 4 total",
    "vitest": " Test Files  1 failed (1)\n      Tests  1 failed | 3 passed (4)",
    "mocha": "  3 passing (12ms)\n  1 failing",
    "go": "--- FAIL: TestZone (0.00s)\nFAIL\nFAIL\texample.com/dates\t0.004s",
    "cargo": "test result: FAILED. 3 passed; 1 failed; 0 ignored",
    "cargo build": "error[E0308]: mismatched types\nerror: could not compile `dates` (lib)",
    "npm": "npm ERR! Test failed.  See above for more details.",
    "npm 10": "npm error code ELIFECYCLE",
    "make": "make: *** [Makefile:12: test] Error 1",
    "maven": "[ERROR] Tests run: 5, Failures: 1, Errors: 0, Skipped: 0\n[INFO] BUILD FAILURE",
    "gradle": "5 tests completed, 1 failed\nBUILD FAILED in 4s",
    "rspec": "5 examples, 1 failure",
    "phpunit": "FAILURES!\nTests: 5, Assertions: 9, Failures: 1.",
    "tsc": "src/a.ts(3,1): error TS2322: no.\nFound 1 error in src/a.ts:3",
}
GREEN = {
    "pytest": "==== 13 passed, 1 skipped in 0.31s ====",
    "unittest": "Ran 5 tests in 0.002s\n\nOK",
    "jest": "Tests:       4 passed, 4 total",
    "vitest": "      Tests  4 passed (4)",
    "mocha": "  4 passing (12ms)",
    "go": "ok  \texample.com/dates\t0.004s",
    "cargo": "test result: ok. 4 passed; 0 failed",
    "maven": "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0\n[INFO] BUILD SUCCESS",
    "gradle": "BUILD SUCCESSFUL in 4s",
    "rspec": "5 examples, 0 failures",
}
NO_REPORT = [
    "",
    "the build failed yesterday, says the log",
    "def test_failed(): pass",
    "3 files changed, 10 insertions(+)",
    "Error: listen EADDRINUSE",
    "ok",
]


def fares(transcript: Transcript) -> tuple[int, int, int]:
    found = trouble(transcript.request())
    return found.errors, found.repeats, found.reds


@pytest.mark.parametrize("runner", RED)
def test_a_red_run_is_recognised_whatever_ran_it(runner):
    assert report(RED[runner]) is FAILED


@pytest.mark.parametrize("runner", GREEN)
def test_a_green_run_is_recognised_whatever_ran_it(runner):
    assert report(GREEN[runner]) is PASSED


@pytest.mark.parametrize("text", NO_REPORT)
def test_what_is_no_summary_of_a_test_run_reports_nothing(text):
    assert report(text) is None


def test_one_failed_part_makes_a_run_red():
    assert report(f"{GREEN['go']}\n{RED['go']}") is FAILED


# ------------------------------------------------------------------ errors in a row


def test_errors_of_claude_codes_tools_count_in_a_row():
    agent = Transcript().refused_edit().refused_edit().bash("python dates.py", "boom", 1)
    assert fares(agent) == (3, 0, 0)
    assert trouble(agent.request()).words == "3 tool errors in a row"


def test_one_success_ends_the_row():
    agent = Transcript().refused_edit().refused_edit().edit()
    assert fares(agent) == (0, 0, 0)


def test_exit_codes_of_codex_count_though_nothing_is_marked_as_an_error():
    agent = Transcript().command("python a.py", "boom", 1).command("./run.sh", "denied", 126)
    assert fares(agent)[0] == 2


def test_codex_output_with_the_exit_code_in_json_counts():
    result = '{"output":"boom","metadata":{"exit_code":2,"duration_seconds":0.1}}'
    assert fares(Transcript().calls("shell", {"command": ["make"]}, result))[0] == 1


def test_an_error_is_told_by_its_first_words_where_no_code_is_told():
    agent = Transcript().calls("edit", {"path": "a"}, "Error: oldString not found in content")
    assert fares(agent)[0] == 1


def test_output_that_ends_in_a_traceback_is_an_error():
    text = (
        'starting\nTraceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
        "    main()\nValueError: no zone\n"
    )
    assert fares(Transcript().calls("bash", {"command": "python a.py"}, text))[0] == 1


def test_calls_made_at_once_are_one_round():
    failed = ("Bash", {"command": "python a.py"}, "Exit code 1\nboom", True)
    assert fares(Transcript().at_once([failed, failed, failed]))[0] == 1


@pytest.mark.parametrize(
    ("name", "told", "result", "error"),
    [
        ("Grep", {"pattern": "error"}, "app.log:12: Error: connection refused", False),
        ("Bash", {"command": "grep -rn Error ."}, "Error: a\nError: b", False),
        ("Bash", {"command": "grep -rn nothing ."}, "Exit code 1\n", True),
        ("Bash", {"command": "cd /p && rg zone"}, "Exit code 1\n", True),
        ("Bash", {"command": "diff a b"}, "Exit code 1\n< a\n> b", True),
        (
            "Bash",
            {"command": "tail -n 50 app.log"},
            "Traceback (most recent call last):\n  File\nKeyError: 1",
            False,
        ),
        ("Read", {"file_path": "/p/log.txt"}, "Error: this is what the log says", False),
        ("Bash", {"command": "ls"}, "Error.py\nTraceback.md", False),
        ("exec_command", {"cmd": "rg zone"}, "Process exited with code 1\nOutput:\n", False),
        (
            "exec_command",
            {"cmd": ["bash", "-lc", "grep x y"]},
            "Process exited with code 1\n",
            False,
        ),
        (
            "Bash",
            {"command": "cat a"},
            "The user doesn't want to proceed with this tool use.",
            True,
        ),
        (
            "Edit",
            {"file_path": "a"},
            "<tool_use_error>Cancelled: parallel tool call</tool_use_error>",
            True,
        ),
        ("Bash", {"command": "python a.py"}, "handled Error: none left\ndone", False),
    ],
)
def test_what_only_speaks_of_errors_is_none(name, told, result, error):
    assert fares(Transcript().calls(name, told, result, error=error))[0] == 0


def test_a_search_that_breaks_is_an_error_all_the_same():
    assert fares(Transcript().bash("grep -rn '(' .", "grep: Unmatched (", 2))[0] == 1


# ------------------------------------------------------------------ the same again


def test_the_same_call_with_the_same_result_counts_from_the_second_time():
    agent = Transcript()
    for _ in range(4):
        agent.bash("python dates.py", "wrong zone")
    assert fares(agent) == (0, 3, 0)
    assert trouble(agent.request()).words == "3 calls made over again with the same result"


def test_two_calls_in_turns_go_round_in_circles_as_well():
    agent = Transcript()
    for _ in range(3):
        agent.bash("python a.py", "x").bash("python b.py", "y")
    assert fares(agent)[1] == 4


def test_the_same_call_with_another_result_is_progress():
    agent = Transcript().bash("date", "10:00").bash("date", "10:01").bash("date", "10:02")
    assert fares(agent)[1] == 0


@pytest.mark.parametrize("name", ["write_stdin", "BashOutput", "TaskOutput", "wait_agent"])
def test_waiting_is_no_repetition(name):
    agent = Transcript()
    for _ in range(5):
        agent.calls(name, {"session_id": 1, "chars": ""}, "(no new output)")
    assert fares(agent)[1] == 0


# ------------------------------------------------------------------ red tests


def test_tests_that_stay_red_after_edits_count_once_an_edit():
    agent = Transcript()
    for _ in range(3):
        agent.edit().bash("pytest -q", RED["pytest"], 1)
    assert fares(agent) == (1, 0, 3)
    assert trouble(agent.request()).words == "tests failed after 3 edits"


def test_a_red_run_before_any_edit_only_shows_the_bug():
    agent = Transcript().bash("pytest -q", RED["pytest"], 1).calls("Read", {"file_path": "a"}, "x")
    assert fares(agent)[2] == 0


def test_running_red_tests_twice_after_one_edit_counts_once():
    agent = Transcript().edit().bash("pytest", RED["pytest"], 1).bash("pytest -x", RED["pytest"], 1)
    assert fares(agent)[2] == 1


def test_green_tests_end_the_count():
    agent = (
        Transcript().edit().bash("pytest", RED["pytest"], 1).edit().bash("pytest", GREEN["pytest"])
    )
    assert fares(agent) == (0, 0, 0)


def test_codex_patches_and_go_tests_count_too():
    agent = Transcript()
    for _ in range(2):
        agent.patch().command("go test ./...", RED["go"], 1)
    assert fares(agent)[2] == 2


def test_opencode_tells_no_code_and_is_read_by_its_output():
    agent = Transcript()
    for number in range(3):
        agent.calls("edit", {"filePath": "a", "oldString": str(number)}, "")
        agent.calls("bash", {"command": "npm test"}, RED["jest"])
    assert fares(agent)[2] == 3


def test_red_tests_in_a_file_that_was_read_are_no_red_tests():
    agent = Transcript().edit().calls("Read", {"file_path": "ci.log"}, RED["pytest"])
    agent.edit().bash("cat ci.log", RED["pytest"])
    assert fares(agent) == (0, 0, 0)


def test_aiders_reflections_count_as_rounds():
    agent = Transcript(tools=(), session="")
    for _ in range(3):
        agent.says("dates.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE")
        agent.user(f"I ran this command:\n\npytest\n\nAnd got this output:\n\n{RED['pytest']}")
    assert fares(agent)[2] == 3


def test_aiders_complaints_about_the_edit_format_are_errors():
    agent = Transcript(tools=(), session="")
    for number in range(2):
        agent.says(f"attempt {number}").user(
            "# 1 SEARCH/REPLACE block failed to match!\n\n## dates.py"
        )
    assert fares(agent)[0] == 2


def test_mini_swe_agent_tells_return_codes_in_the_users_place():
    agent = Transcript(tools=(), session="")
    agent.says("```bash\npython a.py\n```").user(
        "<returncode>1</returncode>\n<output>boom</output>"
    )
    agent.says("```bash\nls\n```").user("<returncode>0</returncode>\n<output>a.py</output>")
    assert fares(agent)[0] == 0
    agent.says("```bash\npython b.py\n```").user("<returncode>1</returncode>\n<output>x</output>")
    assert fares(agent)[0] == 1


# ------------------------------------------------------------------ whose turn it is


def test_the_users_own_words_begin_anew():
    agent = Transcript().refused_edit().refused_edit().refused_edit().says("I cannot.")
    assert fares(agent.user("Then try sed.")) == (0, 0, 0)


def test_what_a_client_says_in_the_users_place_does_not():
    agent = Transcript().refused_edit().refused_edit().refused_edit()
    assert fares(agent.user("<system-reminder>\nThe file was changed.\n</system-reminder>"))[0] == 3


def test_a_first_turn_has_no_trouble():
    assert trouble(Transcript().request()) == NO_TROUBLE
    assert trouble(Transcript(asked="").request()) == NO_TROUBLE


PARTS = st.one_of(
    st.builds(Text, st.text(max_size=60)),
    st.builds(ToolCall, st.text(max_size=4), st.text(max_size=8), st.text(max_size=30)),
    st.builds(
        ToolResult,
        st.text(max_size=4),
        st.tuples(st.builds(Text, st.text(max_size=60) | st.sampled_from(list(RED.values())))),
        st.booleans(),
    ),
)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=3).map(tuple)), max_size=30
)


@given(MESSAGES)
def test_no_transcript_breaks_it_and_counts_stay_within_what_is_read(messages):
    found = trouble(Request("r-1", "chat", tuple(messages)))
    assert 0 <= found.count <= 20


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):\n" + " x\n" * 100_000,
        "= " * 200_000 + "1 failed",
        "\n" * 400_000,
        "Tests run: " + "1" * 300_000,
        "1 failed, " * 50_000,
        "Traceback (most recent call last):\n" * 20_000,
        '"command": "' + "cd a && " * 50_000,
    ],
)
def test_hostile_results_take_no_longer_than_others(text):
    agent = Transcript()
    for _ in range(40):
        agent.bash(text, text, 1)
    request = agent.request()
    trouble(request)
    began = perf_counter()
    trouble(request)
    assert perf_counter() - began < 0.1
