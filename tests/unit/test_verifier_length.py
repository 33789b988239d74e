"""length: words, characters, lines and bytes, whole and while the answer grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.growth import Delta
from rung.core.verdicts import Status
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.length import UNITS, Count, length
from support.gates import seconds, status, verdict
from support.subjects import offering

TABLE = [
    (length(words=(2, 3)), ["a b", " a  b\nc "], ["a", "a b c d", ""]),
    (length(words=(None, 4)), ["", "你好 世界"], ["你好世界你"]),
    (length(characters=(None, 3)), ["abc", " äöü\n\n"], ["abcd", "a  b"]),
    (length(bytes=(1, 3)), ["abc", "ä", "€"], ["", "ää", "€a"]),
    (length(lines=(1, 2)), ["a", "a\nb", "\n\na\nb\n\n"], ["", "a\n\nb"]),
    (length(words=(1, 9), characters=(None, 5)), ["a b c"], ["a b c d"]),
]


@pytest.mark.parametrize(("gate", "good", "bad"), TABLE)
async def test_good_answers_pass_and_mutations_fail(gate, good, bad):
    for answer in good:
        assert await status(gate, answer) is Status.PASSED, answer
    for answer in bad:
        assert await status(gate, answer) is Status.FAILED, answer


async def test_the_reason_tells_the_count_and_the_limit():
    assert (await verdict(length(words=(None, 1)), "a b")).reason == (
        "the answer has 2 words: write at most 1"
    )


@given(st.text(max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_the_count_is_the_same_however_the_text_is_cut(text, sizes):
    whole, pieces, at = Count().feed(text), Count(), 0
    for size in sizes:
        pieces.feed(text[at : at + size])
        at += size
    pieces.feed(text[at:])
    assert [whole.of(unit) for unit in UNITS] == [pieces.of(unit) for unit in UNITS]
    bare = text.strip()
    assert whole.characters == len(bare)
    assert whole.lines == (bare.count("\n") + 1 if bare else 0)


@given(st.text(alphabet="ab \n\t.", max_size=60))
def test_words_are_what_stands_between_blanks(text):
    assert Count().feed(text).words == len(text.split())


def test_an_answer_that_is_too_long_is_given_up_while_it_grows():
    follower = length(words=(None, 3)).watch(offering())
    said = [follower.grow(Delta(text=piece)) for piece in ("one t", "wo th", "ree", " ", "four")]
    assert [each is None for each in said] == [True, True, True, True, False]
    assert length(words=(3, None)).watch(offering()) is None


async def test_a_million_lines_are_counted():
    took, found = await seconds(length(lines=(None, 10)), "x\n" * 999_999)
    assert took < 5
    assert "999,999 lines" in found.reason


def test_limits_that_no_answer_could_keep_are_refused():
    for options in (
        {},
        {"words": {}},
        {"words": {"min": 5, "max": 4}},
        {"words": {"min": -1}},
        {"words": {"least": 1}},
        {"words": 5},
        {"words": {"max": "5"}},
        {"pages": {"max": 5}},
    ):
        with pytest.raises(ConfigError):
            build("own", KINDS["length"], options)
