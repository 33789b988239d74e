"""Shorter output of tools: repetition goes, all that is said once stays, code and data are left."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.outputs import MARK, alarming
from rung.core.shrinking import LEAST_SPARED, MOST_CHARS, shrunk
from support.tool_outputs import EXACT, NOISE, OUTPUTS

NOISY = [output for output in OUTPUTS if output.kind == NOISE]
KEPT = [output for output in OUTPUTS if output.kind == EXACT]
LOG = [f"2026-11-03T09:00:{i % 60:02d}Z INFO poll of queue mail took {i % 9}ms" for i in range(60)]


def name(output):
    return output.name


@pytest.mark.parametrize("output", NOISY, ids=name)
def test_what_a_reader_needs_is_still_there(output):
    told = shrunk(output.text)
    lines = (output.text if told is None else told).split("\n")
    for needed in output.needed:
        assert any(needed in line for line in lines), needed


@pytest.mark.parametrize("output", NOISY, ids=name)
def test_no_error_and_no_warning_goes(output):
    told = shrunk(output.text)
    if told is not None:
        said = told.split("\n")
        plain = [line for line in output.text.split("\n") if "\x1b" not in line]
        for line in plain:
            if "\r" not in line and alarming(line):
                assert line.rstrip() in said
                assert said.count(line.rstrip()) >= plain.count(line)


@pytest.mark.parametrize("output", KEPT, ids=name)
def test_code_data_diffs_and_tables_stay_as_they_are(output):
    assert shrunk(output.text) is None


@pytest.mark.parametrize("output", NOISY, ids=name)
def test_what_was_shrunk_once_cannot_be_shrunk_again(output):
    told = shrunk(output.text)
    assert told is None or shrunk(told) is None


@pytest.mark.parametrize(
    ("output", "most"),
    [(output, 0.2) for output in OUTPUTS if output.name in {"pip install", "git clone"}]
    + [(output, 0.1) for output in OUTPUTS if output.name in {"docker pull", "service log"}],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_terminal_paints_over_and_logs_repeat_is_most_of_it(output, most):
    assert len(shrunk(output.text)) < most * len(output.text)


def test_losses_of_a_training_run_are_values_and_stay():
    output = next(one for one in OUTPUTS if one.name == "losses of a training run")
    assert shrunk(output.text) is None


def test_a_run_of_like_lines_is_told_by_its_first_its_count_and_its_last():
    first, second, mark, last = shrunk("\n".join(LOG)).split("\n")
    assert [first, second, last] == [LOG[0], LOG[1], LOG[-1]]
    assert mark == f"{MARK}57 more lines like this, only times, amounts and ids differ]"


def test_lines_that_repeat_together_are_counted_together():
    pair = "2026-11-03T09:00:00Z INFO {} the lease of queue mail"
    lines = [pair.format(word) for _ in range(40) for word in ("took", "gave back")]
    assert shrunk("\n".join(lines)).split("\n") == [
        *lines[:2],
        f"{MARK}the same 2 lines 39 more times]",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        "2026-11-03T09:00:00Z INFO poll of queue mail took 3ms, 1 letter rejected",
        "2026-11-03T09:00:00Z INFO poll of queue post took 3ms",
        "2026-11-03T09:00:00Z INFO poll of queue mail answered 503 in 3ms",
        "2026-11-03T09:00:00Z INFO poll of queue mail found 7 letters",
    ],
)
def test_a_line_that_says_something_else_stays(odd):
    text = "\n".join([*LOG, odd, *LOG])
    assert odd in shrunk(text).split("\n")


def test_an_error_stays_each_time_that_it_came():
    line = "2026-11-03T09:00:00Z ERROR the queue is gone"
    told = shrunk("\n".join([line] * 40 + LOG))
    assert told.split("\n").count(line) == 40


def test_a_status_of_an_error_is_an_error():
    line = "2026-11-03T09:00:00Z INFO GET /orders answered 502 in 3ms"
    assert shrunk("\n".join([line] * 40 + LOG)).count(line) == 40


def test_frames_of_a_traceback_stay_however_often_they_repeat():
    frames = ['  File "/app/q.py", line 7, in walk', "    return walk(node)"] * 30
    trace = ["Traceback (most recent call last):", *frames, "RecursionError: too deep"]
    told = shrunk("\n".join([*LOG * 3, *trace, *LOG * 3])).split("\n")
    assert told[4:-4] == trace


def test_an_error_that_was_painted_over_stays():
    states = [f"{i:3d}% [{'=' * (i // 4):<25}] {i}/100" for i in range(101)]
    states.insert(50, "error: disk full")
    told = shrunk("\r".join(states) + "\n" + "\n".join(LOG))
    assert told.split("\n")[0] == "error: disk full"
    assert states[-1] in told
    assert states[20] not in told


def test_text_that_is_written_over_by_something_else_stays():
    told = shrunk("first\rsecond\n" + "\n".join(LOG))
    assert told.split("\n")[:2] == ["first", "second"]


def test_colour_goes_and_words_stay():
    line = "\x1b[1m\x1b[32m   Compiling\x1b[0m part{} v1.0\x1b[K"
    told = shrunk("\n".join(line.format(word) for word in "abcdefghijklmnop"))
    assert told.split("\n")[0] == "   Compiling parta v1.0"
    assert "\x1b" not in told


def test_blank_lines_are_put_together_in_output_only():
    blank = "\n\n\n\n   \n\n"
    noisy = "\x1b[1mdone\x1b[0m" + blank.join(f"step of part {i} is done" for i in range(40))
    assert "\n\n\n" not in shrunk(noisy)
    assert shrunk(noisy.replace("\x1b[1m", "").replace("\x1b[0m", "")) is None


def test_line_ends_of_windows_are_no_progress():
    text = "\r\n".join(f"the {i}th verse of a poem" for i in range(60))
    assert shrunk(text) is None


def test_short_and_enormous_texts_are_left():
    assert shrunk("a\n" * 20) is None
    assert shrunk("2026-11-03T09:00:00Z INFO poll of mail\n" * (MOST_CHARS // 30)) is None


LINES = st.sampled_from(
    [
        *("", "   ", "done", "ok  ", "[1/4] fetch", f"{MARK}3 more]", "a\rb", "12% [==> ] 1/8"),
        *("error: no", "\x1b[32mfine\x1b[0m", "\x1b\x1b[0m[0m", "2026-11-03 10:00:00 INFO a b cc"),
        *("2026-11-03 10:00:01 INFO poll mail 3ms", "2026-11-03 10:00:02 INFO poll mail 4ms"),
        *(
            "Traceback (most recent call last):",
            "  File x",
            "50%|#####     | 5/10\r60%|######    |",
        ),
        *("Downloading [==>   ] 1MB/9MB", "Downloading [====> ] 4MB/9MB", "x = 1", "│ ━━━ 3/4 ━━━"),
    ]
)
BLOCKS = st.tuples(st.lists(LINES, min_size=1, max_size=4), st.integers(1, 30))


@given(st.lists(BLOCKS, min_size=1, max_size=8))
@settings(deadline=None, max_examples=200)
def test_any_mixture_shrinks_for_good_and_keeps_its_errors(blocks):
    lines = [line for block, times in blocks for line in block * times]
    text = "\n".join(lines)
    told = shrunk(text)
    if told is None:
        return
    assert len(told) <= len(text) - LEAST_SPARED
    assert shrunk(told) is None
    assert told == shrunk(text)
    kept = told.split("\n")
    assert kept.count("error: no") == lines.count("error: no")
    for line in {"done", "[1/4] fetch"} & set(lines):
        assert line in kept


@given(st.text(alphabet="\x1b[]\r\n 0%=>│━⠙m;K:T-Zae", min_size=400, max_size=2_000))
@settings(deadline=None, max_examples=200)
def test_noise_of_terminals_never_raises_and_never_grows(text):
    told = shrunk(text)
    assert told is None or (len(told) < len(text) and shrunk(told) is None)


@pytest.mark.parametrize(
    "piece",
    [
        *("\x1b]0;", "\x1b[", "[====", "|####", "..... ", "0", "\r", " ", "\t", "}", "=", ","),
        *("2026-11-03T10:00:00", "10:00:00,1", "export ", "if x", "<a", '"a', "\x1b[0m\r", "━"),
        *("a\n", "1\n", "10:00:00 INFO a b\n", "x\r", "12% (1/2)\r", "[=====> ] 1/9\n", "-\n"),
    ],
)
def test_time_is_linear_in_hostile_text(piece):
    text = (piece * (MOST_CHARS // len(piece)))[:MOST_CHARS]
    began = time.process_time()
    shrunk(text)
    assert time.process_time() - began < 2.0
