"""The shipped weights: where they came from, and how they are read."""

from __future__ import annotations

import pytest

from rung.core.task_weights import COLUMNS, KINDS, NOTHING, parsed, shipped, spread

ROW = "P" * (len(COLUMNS) - 1)
SMALL = (
    "# of nothing\nstep\t0.5\ncalm\t1.0\n"
    f"\t{' '.join(['0.25'] * len(COLUMNS))}\n\nword R{ROW}\nother N{ROW}\n"
)


def test_every_word_and_figure_has_a_weight_for_each_column() -> None:
    weights = shipped()
    assert len(weights.words) > 10_000
    assert {len(row) for row in weights.words.values()} == {len(COLUMNS)}
    assert {len(row) for row in weights.figures.values()} == {len(COLUMNS)}
    assert all("!" <= letter <= "~" for row in weights.words.values() for letter in row)


def test_a_character_is_so_many_steps_from_nothing() -> None:
    weights = parsed(SMALL)
    assert chr(NOTHING) == "P"
    assert weights.of_word("word") == [1.0] + [0.0] * (len(COLUMNS) - 1)
    assert weights.of_word("unheard") is None


def test_what_words_say_adds_up_by_what_each_counts() -> None:
    weights = parsed(SMALL)
    bag = {"word": 1.0, "other": 0.5, "unheard": 1.0}
    assert weights.of_words(bag)[0] == pytest.approx((1.0 - 0.5) * spread(bag))
    assert weights.of_words({}) == [0.0] * len(COLUMNS)
    assert weights.of_figures({"": 2.0, "unheard": 1.0}) == [0.5] * len(COLUMNS)


def test_words_nobody_labelled_lean_where_their_meaning_does() -> None:
    weights = shipped()
    meant = {"coding": ("stdout", "linker", "jquery", "malloc"), "maths": ("diameter", "exponent")}
    for kind, words in meant.items():
        for word in words:
            row = weights.of_word(word)
            assert row is not None, word
            assert row[[str(each) for each in COLUMNS].index(kind)] == max(row[: len(KINDS)]), word


@pytest.mark.parametrize("text", ["", "step\t1\n\n", "step\tx\ncalm\t1\n\n"])
def test_a_file_without_its_head_is_refused(text: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        parsed(text)
