"""quotes_present: quotations that are word for word pass, mutations fail."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rung.core.verdicts import Status
from rung.verifiers.quotes_present import quotes_present
from support.gates import seconds, status, verdict

SOURCE = (
    "The contract says: “The tenant shall pay the rent by the 5th – not later,\nand keep "
    "the flat clean.” It's *very* clear; l'état, c'est moi. 「猫は三匹います」"
)
GOOD = [
    'It says "the tenant shall pay the rent".',
    "It says “The tenant shall pay the rent by the 5th - not later, and keep the flat clean.”",
    'He wrote "the tenant ... keep the flat clean," as usual.',
    'It says "the [poor] tenant shall [...] keep the flat".',
    "> The tenant shall pay the rent\n> by the 5th\n> — the contract\n",
    "«l’état, c’est moi» and „It's very clear“",
    "「猫は三匹います」",
    'a so-called "nice flat" is short',
    'In code:\n```python\nprint("not a quotation at all")\n```\nand `x = "nor is this one"`.',
    'a 5" pipe and a 7" one',
]
MUTATIONS = [
    'It says "the tenant shall pay the fee".',
    'It says "the tenant will pay the rent".',
    'It says "tenant the shall pay".',
    'It says "keep the flat clean ... the tenant shall pay".',
    "> The tenant shall pay the rent monthly\n",
    "«l’état, c’est toi» he said",
    "「猫は四匹います」",
    'Good: "the tenant shall pay". Bad: "the landlord shall pay".',
]


@pytest.mark.parametrize("answer", GOOD)
async def test_what_is_quoted_word_for_word_passes(answer):
    found = await verdict(quotes_present(), answer, SOURCE)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize("answer", MUTATIONS)
async def test_each_mutation_fails(answer):
    found = await verdict(quotes_present(), answer, SOURCE)
    assert found.status is Status.FAILED, found.reason


async def test_in_json_the_fields_named_are_the_quotations():
    gate = quotes_present(fields=("evidence",))
    good = '{"claim": "he pays for it all", "evidence": ["shall pay the rent"]}'
    assert await status(gate, good, SOURCE) is Status.PASSED
    assert await status(gate, good.replace("rent", "fee"), SOURCE) is Status.FAILED
    assert await status(quotes_present(), good, SOURCE) is Status.ABSTAINED


async def test_nothing_quoted_is_nothing_to_judge():
    assert (await verdict(quotes_present(), "He pays.", SOURCE)).vacuous
    assert (await verdict(quotes_present(fewest_words=9), MUTATIONS[0], SOURCE)).vacuous


@given(st.text(alphabet="ab c.,-\n'", min_size=1, max_size=80), st.data())
async def test_any_piece_of_the_source_may_be_quoted(source, data):
    words = source.split()
    assume(words)
    first = data.draw(st.integers(0, len(words) - 1))
    piece = " ".join(words[first : first + data.draw(st.integers(1, 6))])
    assume("..." not in piece and ". . ." not in piece)
    found = await verdict(quotes_present(fewest_words=1), f'He said "{piece}" there.', source)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize(
    "text",
    ['"' * 1_900_000, '"a b c' * 300_000, "> a b c\n" * 200_000, "“a b c” " * 200_000,
     "[" * 1_900_000, "«" * 1_900_000, '"a b c ... d" ' * 150_000, "\n>" * 900_000],
    ids=range(8),
)  # fmt: skip
async def test_long_answers_end_in_time(text):
    took, found = await seconds(quotes_present(), text, "a b " * 400_000)
    assert took < 10, found.reason
