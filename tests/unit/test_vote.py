"""Votes: which answers say the same, and when further draws cannot change who leads."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.vote import Tally, canonical, tally

# ------------------------------------------------------------------ the same or not


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", " paris.\n"),
        ("**Paris**", "Paris!"),
        ("It is Paris, I think.", "it is  paris i think"),
        ("“Yes”", '"yes"'),
        ("42", "42.00"),
        ("1,234,567", "1234567."),
        ("-0", "0"),
        ("+7", "007"),
        ("$ 5", "$5.00"),
        ("12.50%", "12.5 %"),
        ('{"a": 1, "b": [2]}', '{"b":[2.0],\n"a":1}'),
        ("Straße", "STRASSE"),
    ],
)
def test_these_say_the_same(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Paris", "Rome"),
        ("x = a - b", "x = a + b"),
        ("x < 5", "x > 5"),
        ("a * b", "a b"),
        ("<b>", "b"),
        ("-5 degrees", "5 degrees"),
        ("a == b", "a != b"),
        ("C", "C++"),
        ("1,5", "15"),
        ("5", "5%"),
        ("$5", "€5"),
        ("$5", "5"),
        ("-5", "5"),
        ("0.1", "0.10000000000000000000000000000000001"),
        ("9" * 40, "9" * 39 + "8"),
        ("[1, 2]", "[2, 1]"),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": true}', '{"a": 1}'),
        ('{"a": "X"}', '{"a": "x"}'),
        ("5", '"5"'),
        ("5", "number:5."),
        ("", "0"),
    ],
)
def test_these_do_not_say_the_same(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 50_000,
        "{" * 200_000,
        "9" * 200_000,
        "[1e999999]",
        "[" + "9" * 10_000 + "]",
        "[NaN, -Infinity]",
        "1" + ",000" * 50_000 + "x",
        "\ud800",
        '"' * 100_000,
    ],
    ids=lambda text: text[:12].encode("ascii", "replace").decode(),
)
@pytest.mark.timeout(5)
def test_hostile_answers_are_only_compared(hostile: str) -> None:
    assert canonical(hostile) == canonical(hostile)
    assert canonical(hostile) != canonical("Paris")


@given(st.text())
def test_comparing_knows_no_case_and_no_space_around(text: str) -> None:
    assert canonical(f"  {text.strip()}\n") == canonical(text)
    assert canonical(text) == canonical(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), JSON), st.dictionaries(st.text(max_size=3), JSON))
def test_json_objects_are_the_same_exactly_when_their_values_are(
    one: dict[str, object], other: dict[str, object]
) -> None:
    turned = dict(reversed(one.items()))
    assert canonical(json.dumps(one, indent=1)) == canonical(json.dumps(turned))
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(json.dumps(one)) == canonical(json.dumps(other))) is same


@given(st.decimals(-(10**6), 10**6, places=3), st.decimals(-(10**6), 10**6, places=3))
def test_numbers_are_the_same_exactly_when_their_values_are(one: object, other: object) -> None:
    assert (canonical(f"{one}") == canonical(f"{other:+}")) is (one == other)
    assert canonical(f"{one}") == canonical(f"{one:,}")


# ------------------------------------------------------------------ counting


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("A", Tally(leader=0, votes=1, runner_up=0, drawn=1)),
        ("ABB", Tally(leader=2, votes=2, runner_up=1, drawn=3)),
        ("AABC", Tally(leader=1, votes=2, runner_up=1, drawn=4)),
        ("ABBA", Tally(leader=3, votes=2, runner_up=2, drawn=4)),
        ("ABC", Tally(leader=0, votes=1, runner_up=1, drawn=3)),
    ],
)
def test_the_latest_answer_of_the_first_largest_group_leads(answers: str, expected: Tally) -> None:
    assert tally(list(answers)) == expected


def test_equal_answers_are_one_group_however_they_are_written() -> None:
    assert tally(["4", "four", "4.0"]) == Tally(leader=2, votes=2, runner_up=1, drawn=3)


def test_the_share_is_the_leaders_part_of_all_draws() -> None:
    assert tally(list("AAB")).share == pytest.approx(2 / 3)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5])
def test_a_vote_that_is_called_decided_cannot_be_turned_by_any_further_draws(samples: int) -> None:
    for drawn in range(1, samples + 1):
        for answers in product("ABC", repeat=drawn):
            now = tally(answers)
            if now.decided(samples):
                leading = answers[now.leader]
                for more in product("ABC", repeat=samples - drawn):
                    final = (*answers, *more)
                    assert final[tally(final).leader] == leading


def test_a_vote_is_decided_as_soon_as_the_rest_cannot_catch_up() -> None:
    assert tally(list("AA")).decided(3)
    assert not tally(list("AB")).decided(3)
    assert tally(list("AAA")).decided(5)
    assert not tally(list("AAB")).decided(5)


def test_a_vote_is_decided_when_all_draws_are_made() -> None:
    assert tally(list("ABC")).decided(3)
    assert tally(list("AB")).decided(1)
