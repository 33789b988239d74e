"""repetition: loops are found, and what people ask for that repeats itself is not."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.growth import Delta
from rung.core.types import Finish
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.repetition import LONGEST_PERIOD, Loops, Repetition
from support.subjects import offering, subject

SENTENCE = "The committee will consider the proposal at its next meeting. "
PARAGRAPH = " ".join(
    f"Sentence number {i} of the paragraph speaks of thing {i * 7}." for i in range(14)
)
ITEM = "- Make sure that the settings are correct\n"
LETTERS = random.Random(7).choices("abcdefghijklmnopqrstuvwxyz    ", k=24_000)
PROSE = "".join(LETTERS)


def status(text, finish=Finish.STOP):
    return Repetition().check(subject(text, finish=finish)).status


def doomed_after(text, size=3):
    """How many characters the watch reads before it gives the answer up."""
    follower = Repetition().watch(offering())
    for start in range(0, len(text), size):
        if follower.grow(Delta(text=text[start : start + size])) is not None:
            return start + size
    return None


LEGITIMATE = {
    "nothing": "",
    "a word": "Paris.",
    "prose": PROSE[:20_000],
    "laughter": "ha " * 300,
    "laughter in a row": "ha" * 600,
    "a scream": "A" * 1_000 + "h" * 500,
    "a punishment": "I will not talk in class.\n" * 100,
    "a chorus": "\n\n".join(
        f"Verse {i} of the song.\n" + "Na na na na, hey Jude\n" * 4 for i in range(9)
    ),
    "a table": "| name | value |\n|---|---|\n" + "|  |  |\n" * 120,
    "a markdown rule": "-" * 2_000,
    "a table of zeros": "\n".join(" ".join(["0"] * 40) for _ in range(40)),
    "zeros": "0" * 2_500,
    "a column of zeros": "0\n" * 1_500,
    "an array of equal numbers": json.dumps([0] * 3_000),
    "an array that is printed": json.dumps({"weights": [0.5] * 800}, indent=2),
    "a matrix": json.dumps([[0] * 28] * 28),
    "an array of texts": json.dumps(["unknown"] * 600),
    "closing braces": "{\n" * 100 + "}\n" * 100,
    "closing tags": "<div>" * 200 + "</div>" * 200,
    "a chess board": '<td class="cell"></td>\n' * 64,
    "a sudoku": '    <input type="text" class="cell" maxlength="1">\n' * 81,
    "art": ("#" * 60 + "\n") * 40,
    "art in rows": ("* " * 30 + "\n") * 40,
    "art with room": (" " * 150 + "*\n") * 20,
    "a hex dump": "\n".join(f"{i:08x}  " + "00 " * 16 for i in range(0, 4_096, 16)),
    "a base64 picture": "iVBORw0KGgo" + "AAAA" * 2_000 + "ggg==",
    "a genome": "ACGT" * 1_000,
    "inserts": "\n".join(f"INSERT INTO t VALUES ({i}, NULL, NULL, NULL);" for i in range(300)),
    "a list with numbers": "\n".join(f"{i}. The same thing as before" for i in range(300)),
    "a test with cases": "    assert f(x) == 1\n" * 50,
    "blank lines in code": "def f():\n" + "\n" * 300 + "    return 1\n",
    "an indented close": " " * 600 + "}",
    "a dotted line": "Contents " + "." * 800 + " 3",
    "emoji": "🎉" * 800,
    "a loop in the middle": SENTENCE * 12 + PROSE[:3_000],
}


@pytest.mark.parametrize("text", LEGITIMATE.values(), ids=LEGITIMATE)
def test_what_people_ask_for_is_no_loop(text):
    assert status(text) is Status.PASSED
    assert doomed_after(text) is None


CUT_LEGITIMATE = {
    "prose": PROSE[:4_000],
    "a list": "\n".join(f"{i}. Item number {i} of the list" for i in range(200)),
    "an array": json.dumps([0.5] * 300)[:-1],
    "a column": "0,\n" * 300,
    "braces": "}\n" * 20,
    "laughter": "ha " * 100,
    "a table": "| a | b |\n" + "|  |  |\n" * 60,
    "a few lines": "pass the salt\n" * 8,
    "cells": '<td class="cell"></td>\n' * 64,
    "a chorus": "We all live in a yellow submarine\n" * 6,
}


@pytest.mark.parametrize("text", CUT_LEGITIMATE.values(), ids=CUT_LEGITIMATE)
def test_what_people_ask_for_is_no_loop_where_it_was_cut_off(text):
    assert status(text, Finish.LENGTH) is Status.PASSED


CUT_LOOPS = {
    "a sentence": PROSE[:500] + SENTENCE * 14,
    "half a sentence": PROSE[:500] + SENTENCE * 14 + SENTENCE[:20],
    "a line": "Here is the list:\n" + ITEM * 12,
    "half a line": "Here is the list:\n" + ITEM * 12 + ITEM[:5],
    "a paragraph": "First. " + (PARAGRAPH + "\n\n") * 5,
    "blanks": '{"a": 1' + "\n" * 500,
    "tabs and lines": '{"a": 1' + "\n\t\t" * 200,
    "zeros": "0" * 2_100,
    "a token": "GGGG" * 600,
    "another script": "Die Antwort lautet: " + "これはとても良い質問です。" * 90,
    "a call": "foo(bar(1));\n" * 200,
}


@pytest.mark.parametrize("text", CUT_LOOPS.values(), ids=CUT_LOOPS)
def test_an_answer_that_was_cut_off_in_a_loop_fails(text):
    found = Repetition().check(subject(text, finish=Finish.LENGTH))
    assert found.status is Status.FAILED
    assert "the answer is in a loop: " in found.reason
    assert "over and over" in found.reason
    for finish in (Finish.STOP, Finish.UNKNOWN):
        assert status(text, finish) is Status.PASSED  # it came to an end by itself


ENDLESS = {
    "a sentence": SENTENCE,
    "a line": ITEM,
    "a paragraph": PARAGRAPH + "\n\n",
    "a line break": "\n",
    "blanks": "   \n",
    "zeros": "0",
    "a word": "hello ",
    "a tag": "<br>",
    "the longest": PROSE[: LONGEST_PERIOD - 1] + "\n",
}


@pytest.mark.parametrize("unit", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("before", ["", "A word first. ", PROSE[:3_001]])
def test_an_endless_loop_is_given_up_and_fails_however_it_ended(unit, before):
    text = before + unit * (30_000 // len(unit))
    after = doomed_after(text)
    assert after is not None
    assert after < len(before) + 15_000
    for ended in (text, text[:after], text + PROSE[:2_000]):
        assert status(ended) is Status.FAILED


def test_prose_and_blanks_are_given_up_early():
    assert doomed_after(SENTENCE * 200) <= 3_600
    assert doomed_after("\n" * 5_000) <= 1_600


def test_the_reason_shows_what_is_repeated_and_no_more():
    found = Repetition().check(subject(SENTENCE * 100))
    assert SENTENCE[:20].strip() in found.reason or "committee" in found.reason
    assert len(found.reason) < 200
    assert "'blanks' over and over" in Repetition().check(subject("\n" * 9_000)).reason


def test_it_is_hygiene():
    check = Repetition()
    assert (check.weight, check.trust) == (Weight.IMPLIED, Trust.DATA)


@settings(max_examples=60)
@given(
    st.text(max_size=40),
    st.text(min_size=1, max_size=40),
    st.integers(0, 900),
    st.lists(st.integers(1, 900), max_size=80),
)
def test_a_text_is_judged_the_same_however_it_is_cut(before, unit, times, sizes):
    text = before + unit * times
    loops, at, said = Loops(), 0, []
    for size in (*sizes, len(text)):
        said.append(loops.feed(text[at : at + size]))
        at += size
    assert said[-1] == Loops().feed(text)
    assert said == sorted(said, key=lambda each: each is not None)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        ("b" + "a" * 511) * 2_000,
        ("ab" * 255 + "ba") * 2_000,
        "".join(random.Random(1).choices("ab", k=1_000_000)),
        "\n" * 1_000_000,
        (("x" * 31 + "y") * 16 + "z") * 2_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_megabyte_is_judged_in_no_time(text):
    began = time.perf_counter()
    status(text, Finish.LENGTH)
    doomed_after(text, size=5)
    assert time.perf_counter() - began < 5
