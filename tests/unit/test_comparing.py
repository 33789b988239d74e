"""Which answers say the same, by each of a vote's comparisons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.comparing import HASH_PREFIX, canonical, keys
from rung.core.vote import Comparison, Vote

EXACT, NUMBER, FIELDS, TEXT = (Vote(each) for each in Comparison if each is not Comparison.AUTO)
EVERY = tuple(Vote(each) for each in Comparison)


def grouped(vote: Vote, *answers: str) -> bool:
    """Whether all of them are of one group."""
    return len(set(keys(answers, vote))) == 1


def partition(answers: Iterable[str], vote: Vote) -> frozenset[frozenset[str]]:
    """The groups, whatever their keys are."""
    texts = list(answers)
    found: dict[str, set[str]] = {}
    for text, key in zip(texts, keys(texts, vote), strict=True):
        found.setdefault(key, set()).add(text)
    return frozenset(map(frozenset, found.values()))


# ------------------------------------------------------------------ auto


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


# ------------------------------------------------------------------ exact


def test_exact_sees_all_but_the_blanks_around() -> None:
    assert grouped(EXACT, "Paris", " Paris\n")
    assert not grouped(EXACT, "Paris", "paris")
    assert not grouped(EXACT, "5", "5.0")


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    "answers",
    [
        ("#### 42", r"\boxed{42}", "The answer is 42.", "42", "so 42 apples", "**42**", "_42_"),
        ("The answer is $1,234.50.", "1234.5", "USD 1 234.50", "1.234,50 EUR", r"1{,}234.50"),
        ("3/4", "0.75", "75%", "75 percent", r"\frac{3}{4}", "\u00be", r"75\%", "6/8", ".75"),
        (r"-\frac{1}{2}", "-0.5", "\u22120.5", "-1/2", "-\u00bd", "-$0.50", "$-0.5"),
        ("1.5e3", "1.5 \u00d7 10^3", r"1.5 \times 10^{3}", "1500", "1.5k", "1.5 thousand", "1'500"),
        ("10^5", "100,000", "10\u2075", "1,00,000", "1e5", "0.1 million"),
        ("2 1/2 cups", "2\u00bd cups", r"2\frac{1}{2}", "2.5"),
        ("1/3", "2/6", r"\dfrac13"),
        ("\u0664\u0662", "42", "\uff14\uff12"),
        ("-0", "0", "0.000", "0%"),
        ("5 m\u00b2", "5 m^2", "5 km", r"5 \text{ cm}^{2}", "x_1 = 5"),
        ("12 * 3 = 36", "36"),
        ("The answer is 42, since 6 * 7 = 42. I had 3 tries.", "42"),
        ("**Answer:** 42 (40 + 2)", "42"),
        ("First 17, then \n#### 42\nThat took 3 steps", "42"),
        (r"We get \boxed{x = \frac{1}{2}} in 7 steps", "0.5"),
        ("007", "7"),
    ],
    ids=lambda answers: answers[0][:20].encode("ascii", "replace").decode(),
)
def test_these_come_to_the_same_number(answers: tuple[str, ...]) -> None:
    assert grouped(NUMBER, *answers), keys(answers, NUMBER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "43"),
        ("42", "-42"),
        ("50%", "50"),
        ("1/3", "0.333"),
        ("3 million", "3 thousand"),
        ("2024-05-06", "2023-05-06"),
        ("05/01/2021", "04/01/2021"),
        ("12:30", "11:30"),
        ("2-3", "1-3"),
        (r"\boxed{(3, 4)}", r"\boxed{(5, 4)}"),
        ("The answer is 3 hours and 20 minutes", "The answer is 5 hours and 20 minutes"),
        ("1.2.3", "0.2.3"),
        ("2^10", "3^10"),
        ("1/0", "2/0"),
        ("1e999999999", "1e999999998"),
        ("9" * 5_000, "9" * 4_999 + "8"),
        ("I cannot tell.", "It depends."),
        ("I cannot tell.", "42"),
        ("", "0"),
    ],
)
def test_these_do_not_come_to_the_same_number(one: str, other: str) -> None:
    assert not grouped(NUMBER, one, other)


@given(st.decimals(-(10**9), 10**9, places=4), st.sampled_from([" apples", ".", "", " km/h", "!"]))
def test_a_number_is_found_at_the_end_of_any_sentence(value: object, unit: str) -> None:
    assert grouped(NUMBER, f"{value}", f"Of 3 it makes {value:,}{unit}", f"#### {value:E}")


# ------------------------------------------------------------------ fields

PERSON = '{"name": "Ada Lovelace", "born": 1815, "tags": ["a", "b", "a"]}'


@pytest.mark.parametrize(
    "other",
    [
        '{"tags": ["b", "a", "a"], "born": 1815.0, "name": "ada  lovelace."}',
        f"Here it is:\n```json\n{PERSON}\n```\nAnything else?",
        f"~~~\n{PERSON}\n~~~",
        f"```json\n{PERSON}",
        f"Sure: {PERSON}.",
        f'A draft:\n```\n{{"name": "?"}}\n```\nBetter:\n```\n{PERSON}\n```',
        '{"name": "Ada Lovelace", "born": 18.15e2, "tags": ["a", "a", "b"]}',
    ],
)
def test_these_hold_the_same_fields(other: str) -> None:
    assert grouped(FIELDS, PERSON, other), keys([PERSON, other], FIELDS)


@pytest.mark.parametrize(
    "other",
    [
        '{"name": "Ada Lovelace", "born": 1815, "tags": ["a", "b"]}',
        '{"name": "Ada Lovelace", "born": "1815", "tags": ["a", "b", "a"]}',
        '{"name": "Ada Byron", "born": 1815, "tags": ["a", "b", "a"]}',
        '{"name": "Ada Lovelace", "born": 1815, "tags": ["a", "b", "a"], "more": null}',
        f"[{PERSON}]",
        "Ada Lovelace",
        "{",
    ],
)
def test_these_hold_other_fields(other: str) -> None:
    assert not grouped(FIELDS, PERSON, other)


def test_only_chosen_fields_count_and_a_path_leads_into_others() -> None:
    vote = Vote(Comparison.FIELDS, ("total", "buyer.city", "a.b"))
    one = '{"total": 5, "buyer": {"city": "Rome", "age": 5}, "a.b": 1}'
    other = '{"total": 5.0, "buyer": {"city": "rome"}, "a.b": 1, "note": "x"}'
    assert grouped(vote, one, other)
    assert not grouped(vote, one, other.replace("rome", "Milan"))
    assert not grouped(vote, '{"total": 5}', '{"total": 5, "buyer": {"city": null}}')


def test_objects_that_have_none_of_the_chosen_fields_are_compared_as_a_whole() -> None:
    vote = Vote(Comparison.FIELDS, ("total",))
    assert not grouped(vote, '{"sum": 5}', '{"sum": 6}')
    assert not grouped(vote, "[1]", "[2]")
    assert grouped(vote, '{"sum": 5}', '{"sum": 5.0}')


# ------------------------------------------------------------------ text

LONG = "The gateway keeps one connection open for each tier and closes it after the last request"


def test_texts_of_nearly_the_same_words_are_one_group() -> None:
    assert grouped(TEXT, LONG, LONG.lower() + ".", LONG.replace("closes", "shuts"))
    assert grouped(TEXT, "don\u2019t", "Don't!")
    assert grouped(TEXT, "", " \n")


@pytest.mark.parametrize(
    "other",
    [
        LONG.replace("closes", "never closes"),
        LONG.replace("one", "1"),
        LONG.replace("keeps", "doesn't keep"),
        "Something else altogether",
        "",
    ],
)
def test_a_word_that_turns_a_text_or_another_number_makes_another_group(other: str) -> None:
    assert not grouped(TEXT, LONG, other)
    assert not grouped(TEXT, f"{LONG} 5 times", f"{LONG} 6 times")


def test_scripts_without_blanks_are_compared_by_their_characters() -> None:
    text = "\u7f51\u5173\u4e3a\u6bcf\u4e2a\u5c42\u7ea7\u4fdd\u6301\u4e00\u4e2a\u8fde\u63a5"
    assert grouped(TEXT, text, text + "\u3002", text + "\u7684")
    assert not grouped(TEXT, text, "\u4e0d" + text)
    assert not grouped(TEXT, text, text[::2])


PHRASES = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "in", "some", "sun", "and", "slept"]),
    max_size=12,
).map(" ".join)


@given(st.lists(PHRASES, min_size=1, max_size=6), st.lists(PHRASES, max_size=6))
def test_later_texts_leave_earlier_ones_in_their_groups(
    answers: list[str], more: list[str]
) -> None:
    assert keys([*answers, *more], TEXT)[: len(answers)] == keys(answers, TEXT)


@given(
    st.lists(PHRASES | st.sampled_from([LONG, LONG.replace("it", "that"), LONG + " !"]), max_size=4)
)
def test_groups_of_texts_depend_on_order_only_where_nearness_is_not_transitive(
    answers: list[str],
) -> None:
    near = {(a, b) for a in answers for b in answers if grouped(TEXT, a, b)}
    if all((a, d) in near for a, b in near for c, d in near if b == c):
        assert len({partition(order, TEXT) for order in permutations(answers)}) <= 1


# ------------------------------------------------------------------ all of them

LOOSE = st.one_of(
    st.text(max_size=12),
    st.text("0123456789.,-/%$ eE^{}\\=", max_size=12),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ).map(json.dumps),
    st.sampled_from(["#### 7", r"\boxed{7}", "7", "7.0", "x", "X.", '{"a": 7}', '{"a": 7.0}']),
)
ANY = LOOSE | LOOSE.map(lambda text: f"```\n{text}\n```") | LOOSE.map(HASH_PREFIX.__add__)
VOTES = st.builds(Vote, st.sampled_from(Comparison), st.sampled_from([(), ("a",), ("a.b", "")]))


@settings(max_examples=400, deadline=None)
@given(st.lists(ANY, max_size=5), VOTES, st.randoms(use_true_random=False))
def test_comparing_is_total_and_sees_neither_order_nor_chance(
    answers: list[str], vote: Vote, random: Random
) -> None:
    found = keys(answers, vote)
    assert found == keys(answers, vote)
    assert len(found) == len(answers)
    by_text: dict[str, str] = {}
    for answer, key in zip(answers, found, strict=True):
        assert by_text.setdefault(answer, key) == key
    if vote.comparison is not Comparison.TEXT:
        shuffled = list(answers)
        random.shuffle(shuffled)
        assert dict(zip(shuffled, keys(shuffled, vote), strict=True)) == by_text


@pytest.mark.parametrize("vote", EVERY, ids=lambda vote: vote.comparison)
def test_known_hashes_are_the_same_only_to_the_letter(vote: Vote) -> None:
    one = HASH_PREFIX + "0a1b" * 16
    assert grouped(vote, one, one)
    for other in (one.upper(), one + ".", one[:-1] + "7", " x", one[len(HASH_PREFIX) :]):
        assert not grouped(vote, one, other)


@pytest.mark.parametrize("vote", EVERY, ids=lambda vote: vote.comparison)
@pytest.mark.parametrize(
    "hostile",
    [
        '{"a":' * 9_000,
        '{"a":' * 900 + "1" + "}" * 900,
        "[" + "1," * 20_000 + "1]",
        "```\n{\n" * 7_000,
        '{"a": ' + "9" * 40_000 + "}",
        '{"a": 1e' + "9" * 400 + "}",
        "9" * 100_000,
        "1" + "0" * 49_000 + "/3",
        "1/" * 20_000,
        "\\frac{" * 7_000,
        "\\boxed{" * 7_000,
        "answer is " * 5_000,
        "\u00bd" * 40_000,
        "\u0661\u0301\ud800\u202e" * 10_000,
        "- 1 x 10^" * 5_000,
        "a b " * 12_000,
        "\0" * 40_000,
        "\u4e0d" * 40_000,
        " " * 2_000_000,
    ],
    ids=lambda text: ascii(text[:8]) if isinstance(text, str) else "",
)
@pytest.mark.timeout(5)
def test_no_answer_takes_long_to_compare(hostile: str, vote: Vote) -> None:
    assert grouped(vote, hostile, hostile)
    assert not grouped(vote, hostile, "Paris")
