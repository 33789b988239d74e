"""The beginning of one JSON value: given up at the first character that none goes on with."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.verifiers import strict_json
from rung.verifiers.json_prefix import JsonPrefix

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SPACE = st.text(" \t\n\r", max_size=3)
SIZES = st.lists(st.integers(1, 9), max_size=200)


def doomed_at(text, **options):
    """The place of the character that dooms the text, fed one by one."""
    prefix = JsonPrefix(**options)
    for place, char in enumerate(text):
        if prefix.feed(char) is not None:
            return place
    return None


def parses(text):
    try:
        strict_json.parse(text)
    except strict_json.NotJsonError:
        return False
    return True


@given(VALUES, st.booleans(), st.none() | st.integers(0, 3), SPACE, SPACE, SIZES)
def test_no_json_is_given_up_however_it_is_cut(value, ascii_only, indent, before, after, sizes):
    text = before + json.dumps(value, ensure_ascii=ascii_only, indent=indent) + after
    prefix, at = JsonPrefix(), 0
    for size in (*sizes, len(text)):
        assert prefix.feed(text[at : at + size]) is None
        at += size


@given(VALUES, st.data())
def test_what_is_given_up_does_not_parse_whatever_was_changed(value, data):
    text = json.dumps(value)
    place = data.draw(st.integers(0, len(text)))
    changed = text[:place] + data.draw(st.text('[]{}",:\\0-.eu \n', max_size=2)) + text[place + 1 :]
    end = doomed_at(changed)
    assert end is None or not parses(changed)
    if end is not None:
        more = data.draw(st.text('[]{}",:\\0-.eu \n', max_size=9))
        assert not parses(changed[: end + 1] + more)


def test_of_all_short_texts_only_those_are_given_up_that_nothing_completes():
    alphabet = '[]{}":,1-.0e \\u'
    short = ["".join(each) for n in range(1, 5) for each in itertools.product(alphabet, repeat=n)]
    beginnings = {text[:n] for text in short if parses(text) for n in range(1, 5)}
    assert len(beginnings) > 500
    assert all(JsonPrefix().feed(text) is None for text in beginnings)


TOKEN_ENDS = (
    "",
    "0",
    '"',
    'n"',
    'u0000"',
    '0000"',
    '000"',
    "ue",
    "rue",
    "ull",
    "ll",
    "alse",
    '"a"',
)
VALUE_ENDS = ("", ":0", "0")
CLOSERS = ("", *("".join(each) for n in (1, 2, 3) for each in itertools.product("]}", repeat=n)))
ENDS = ["".join(each) for each in itertools.product(TOKEN_ENDS, VALUE_ENDS, CLOSERS)]


def test_what_is_not_given_up_can_be_completed():
    alphabet = '[]{}":,1-.0e \\utnf'
    texts = ("".join(each) for n in (1, 2, 3) for each in itertools.product(alphabet, repeat=n))
    kept = [text for text in texts if JsonPrefix().feed(text) is None]
    assert len(kept) > 500
    assert [text for text in kept if not any(parses(text + end) for end in ENDS)] == []


@pytest.mark.parametrize(
    "text",
    ["1E5", "-0.0E-00", "1e+5", "[0E0,-0]", '"\\u00Af\\/\\b"', '{"":{},"a":[[]]}', "\r\n\t 0 "],
)
def test_what_is_rarely_written_is_json_too(text):
    assert parses(text)
    assert doomed_at(text) is None


DOOMED = {
    "Sure! Here": 0,
    "```json": 0,
    "\ufeff{}": 0,
    "\u00a0{}": 0,
    "NaN": 0,
    "-Infinity": 1,
    "True": 0,
    "tru3": 3,
    "nulll": 4,
    "01": 1,
    "-01": 2,
    "+1": 0,
    ".5": 0,
    "1.x": 2,
    "1..2": 2,
    "1e+e": 3,
    "[1 2]": 3,
    "[1,]": 3,
    "[,": 1,
    "[}": 1,
    '{"a" 1}': 5,
    '{"a":1,}': 7,
    "{'a'": 1,
    "{1:": 1,
    '{"a":}': 5,
    '{"a":1]': 6,
    '{"a":1 "b"': 7,
    '"a\nb"': 2,
    '"\\x"': 2,
    '"\\u00g0"': 5,
    '{"a": 1} Done': 9,
    "[1][": 3,
    "1 2": 2,
    "[-]": 2,
    "[1.]": 3,
    "[1e]": 3,
    "[tru]": 4,
    "//": 0,
}


@pytest.mark.parametrize("text", DOOMED, ids=ascii)
def test_a_text_is_given_up_at_the_character_that_dooms_it(text):
    assert doomed_at(text) == DOOMED[text]
    reason = JsonPrefix().feed(text)
    assert reason
    assert "fence" in reason or f"at character {DOOMED[text] + 1}" in reason or "no value" in reason


def test_a_fault_is_told_with_its_place_and_for_good():
    prefix = JsonPrefix()
    assert prefix.feed('{"a": ') is None
    reason = prefix.feed("Rome}")
    assert reason == "no value begins like this, at character 7, 'Rome}'"
    assert prefix.feed('"x"}') == reason


def test_where_an_object_is_wanted_nothing_else_begins():
    assert JsonPrefix(object_only=True).feed(' \n{"a": [1, "x"]}') is None
    for other in ("[", '"', "1", "null"):
        assert "has to be an object" in JsonPrefix(object_only=True).feed(other)
    assert "Markdown" in JsonPrefix(object_only=True).feed("```json")


def test_depth_is_given_up_where_the_parser_gives_up():
    assert JsonPrefix().feed("[" * 512 + "1" + "]" * 512) is None
    assert JsonPrefix().feed("[" * 513 + "]" * 513) is None
    assert parses("[" * 513 + "]" * 513)
    assert "more than 512 levels" in JsonPrefix().feed("[" * 514)


@pytest.mark.parametrize("text", ["1" * 400, "-" + "1" * 399, "0." + "1" * 398])
def test_a_number_is_given_up_where_the_parser_gives_up(text):
    assert parses(text)
    assert doomed_at(text) is None
    assert not parses(text + "1")
    assert doomed_at(text + "1") == 400


LONG = {
    "a string": '"' + "x" * 1_000_000,
    "escapes": '"' + "\\n" * 500_000,
    "code points": '"' + "\\u00e9" * 150_000,
    "an array": "[" + "1," * 300_000,
    "digits": "1" * 1_000_000,
    "brackets": "[" * 1_000_000,
    "blanks": " " * 1_000_000,
    "keys": '{"a":' * 200_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_megabyte_in_small_pieces_takes_linear_time(text):
    prefix = JsonPrefix()
    began = time.perf_counter()
    for start in range(0, len(text), 5):
        prefix.feed(text[start : start + 5])
    assert time.perf_counter() - began < 10  # a quadratic one would take an hour
