import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.nearest import MOST_NAMED, closest, nearest


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("retrys", "retries"),
        ("OpenAI-Compatible", "openai_compatible"),
        ("llama.cpp", "llamacpp"),
        ("", None),
        ("?" * 100_000, None),
    ],
)
def test_the_closest_is_found_whatever_its_case_and_separators(word, found):
    known = ["openai_compatible", "retries", "repairs", "llamacpp"]
    assert closest(word, known) == found
    assert (nearest(word, known) == f"did you mean `{found}`?") is (found is not None)


def test_a_word_like_none_is_told_all_in_order():
    assert nearest("zzz", ["b", "a"]) == "use one of: a, b"


def test_nothing_is_advised_where_nothing_is_known():
    assert nearest("a", []) is None


def test_advice_stays_short():
    fix = nearest("?", [f"name{n:04}" for n in range(1000)])
    assert fix is not None
    assert fix.count("name") == MOST_NAMED
    assert fix.endswith(", ...")


@given(st.text(), st.lists(st.text(max_size=9)))
def test_only_known_names_are_advised(word, known):
    assert closest(word, known) in {None, *known}
