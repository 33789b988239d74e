"""numbers_grounded and names_grounded: what the request holds passes, what it does not fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.parts import Image, Message, Role, Text, ToolCall, ToolResult
from rung.core.types import Need, Request
from rung.core.verdicts import Status, Weight
from rung.verifiers import figures
from rung.verifiers.base import run
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.names_grounded import names, names_grounded
from rung.verifiers.numbers_grounded import numbers_grounded
from support.gates import asking, seconds, status, verdict
from support.subjects import subject

REPORT = (
    "Sales in Q3 2025 were $1,234,567.80, up 12.5 % from 1 097 000 (3.2 million units at 5km). "
    "On 6 May 2024 twelve shops in Zürich and O'Hare closed; v2.10.1 shipped at 09:30."
)
GROUNDED_NUMBERS = [
    "Sales were 1234567.8 dollars.",
    "Sales were 1.234.567,80 in 2025.",
    "Up 12,5 percent from 1,097,000.",
    "It rose by 0.125 from 1097 thousand.",
    "3,200,000 units, at 5 km.",
    "On 2024-05-06, 12 shops closed.",
    "Version 2.10.1 at 9:30.",
    "1. First, Q3.\n2. Then 2025.\n10) Last.",
    "**1.** The year 2024",
    "Twelve shops.",
    "no number at all",
    "٢٠٢٥ was the year",
]
MUTATED_NUMBERS = [
    "Sales were 1,234,568.80.",
    "Sales were 1,234,567.81.",
    "Sales were 1,234,567,80.9",
    "Up 12.6 %.",
    "Up 125 %.",
    "From 1,097,001.",
    "32 million units.",
    "3.2 billion units.",
    "At 50 km.",
    "On 2024-05-07.",
    "13 shops closed.",
    "Version 2.11.1.",
    "Q4 2025",
    "In 1025",
]


@pytest.mark.parametrize("answer", GROUNDED_NUMBERS)
async def test_numbers_of_the_request_pass_however_they_are_written(answer):
    found = await verdict(numbers_grounded(), answer, REPORT)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize("answer", MUTATED_NUMBERS)
async def test_each_mutated_number_fails(answer):
    found = await verdict(numbers_grounded(), answer, REPORT)
    assert found.status is Status.FAILED, found.reason


async def test_a_scale_above_a_table_counts_for_its_numbers():
    table = "Revenue (in millions): 5.2"
    assert await status(numbers_grounded(), "Revenue was 5.2 million.", table) is Status.PASSED
    assert await status(numbers_grounded(), "Revenue was 5.2 billion.", table) is Status.FAILED


async def test_some_numbers_may_be_allowed():
    gate = numbers_grounded(("100 %", "2026"), free_up_to=3)
    assert await status(gate, "2 of 3, 100%, in 2026", "nothing") is Status.PASSED
    assert await status(gate, "4", "nothing") is Status.FAILED


async def test_no_number_is_nothing_to_judge():
    assert (await verdict(numbers_grounded(), "none", "5")).vacuous


@given(st.integers(0, 10**15), st.sampled_from([",", ".", "'", "\u202f", " ", ""]))
def test_every_way_of_grouping_is_the_same_number(number, mark):
    written = f"{number:,}".replace(",", mark)
    assert str(number) in figures.known(f"x {written} x").values


@given(st.integers(0, 10**6), st.integers(0, 99))
def test_decimal_commas_and_points_are_the_same(whole, cents):
    [point] = figures.numbers(f"{whole}.{cents:02}")
    [comma] = figures.numbers(f"{whole}.{cents:02}".replace(".", ","))
    assert point.values == comma.values


@given(st.text(alphabet="0123456789.,:'- %kM", max_size=60))
def test_every_number_is_found_in_its_own_text(text):
    known = figures.known(text)
    assert all(known.holds(number) for number in figures.numbers(text))


# ------------------------------------------------------------------ names

STORY = (
    "In 1903 Marie Skłodowska-Curie and Pierre Curie shared the Nobel Prize with Henri Becquerel. "
    "Dr. McCoy of OpenAI met NASA staff in São Paulo. The germans left."
)
GROUNDED_NAMES = [
    "The prize went to Pierre Curie and Marie Curie.",
    "It was shared by Henri BECQUEREL and Curie's husband.",
    "They met in Sao Paulo, at NASA; Dr. McCoy of OpenAI was there.",
    "Yesterday nobody came. Overall, it was fine. I think I'm done, and I'll go.",
    "## Summary Of Everything\n\n**Key Points:**\n- Henri Becquerel won",
    '{"winner": "Pierre Curie", "note": "The prize was shared"}',
    "the Germans",
]
MUTATED_NAMES = [
    "The prize went to Pierre Curry.",
    "The prize went to Paul Curie and Marie Curie.",
    "It was shared by Henri Poincaré.",
    "They met in São Tomé.",
    "They met at ESA.",
    "The firm was DeepMind.",
    "DeepMind was the firm.",
    "Then Dr. Kirk came.",
    '{"winner": "Albert"}',
    '["Pierre", "Albert"]',
    "Winner: Albert",
]


@pytest.mark.parametrize("answer", GROUNDED_NAMES)
async def test_names_of_the_request_pass(answer):
    found = await verdict(names_grounded(), answer, STORY)
    assert found.status is Status.PASSED, found.reason


@pytest.mark.parametrize("answer", MUTATED_NAMES)
async def test_each_mutated_name_fails(answer):
    found = await verdict(names_grounded(), answer, STORY)
    assert found.status is Status.FAILED, found.reason


async def test_names_abstain_where_capitals_mean_something_else():
    german = "Der Hund ist auf dem Weg in die Stadt, und die Katze schläft nicht in der Küche."
    for answer in (german, "他去了北京。"):
        assert await status(names_grounded(), answer, "x") is Status.ABSTAINED


async def test_names_may_be_allowed():
    assert await status(names_grounded(("Europe",)), "all of Europe", "x") is Status.PASSED
    assert await status(names_grounded(), "all of Europe", "x") is Status.FAILED


@given(st.text(max_size=80))
def test_an_answer_that_repeats_the_request_makes_no_name_up(text):
    from rung.verifiers.names_grounded import _folded, _known, words_of

    known = words_of(text)
    assert all(_known(_folded(name), known) for name in names(text))


# ------------------------------------------------------------------ both

GATES = [(numbers_grounded, "It is 5.", "5"), (names_grounded, "It is Rome.", "Rome")]


@pytest.mark.parametrize(("gate", "answer", "source"), GATES)
async def test_all_that_was_given_counts_and_the_models_own_words_do_not(gate, answer, source):
    own = Message(Role.ASSISTANT, (Text(source), ToolCall("1", "t", source)))
    told = Message(Role.TOOL, (ToolResult("1", (Text(source),)),))
    rules = Message(Role.SYSTEM, (Text(source),))
    for messages, expected in [
        ((own,), Status.FAILED),
        ((own, told), Status.PASSED),
        ((rules,), Status.PASSED),
    ]:
        request = Request("r", "chat", messages)
        assert (await run(gate(), subject(answer, request=request))).status is expected


@pytest.mark.parametrize(("gate", "answer", "source"), GATES)
async def test_what_a_picture_may_show_is_not_held_against_the_answer(gate, answer, source):
    picture = Image("image/png", "aaaa")
    shown = Request("r", "chat", (Message(Role.USER, (Text("What is it?"), picture)),))
    assert (await run(gate(), subject(answer, request=shown))).status is Status.ABSTAINED
    called = asking("x", needs=frozenset({Need.TOOLS}))
    calls = (ToolCall("1", "t", "{}"),)
    assert (await run(gate(), subject("", request=called, tool_calls=calls))).vacuous


@pytest.mark.parametrize("kind", ["numbers_grounded", "names_grounded"])
async def test_as_a_signal_it_gives_a_score_and_says_that_it_is_uncalibrated(kind):
    gate = build("own", KINDS[kind], {"gate": False})
    assert gate.weight is Weight.SIGNAL
    found = await verdict(gate, "He lives at Baker Street 221.", "x")
    assert (found.status, found.score) == (Status.FAILED, 0.3)
    assert "uncalibrated" in found.reason
    assert (await verdict(gate, "x", "x")).score is None
    for options in ({"allow": "x"}, {"allow": [5]}, {"gate": 1}):
        with pytest.raises(ConfigError):
            build("own", KINDS[kind], options)


@pytest.mark.parametrize("gate", [numbers_grounded(), names_grounded()])
@pytest.mark.parametrize(
    "text",
    ["x 12\n" * 400_000, "999 " * 500_000, "1,2." * 500_000, "Ab " * 600_000, "a-" * 900_000,
     "\u0663" * 500_000, '["Ab", ' * 200_000, "1 million " * 100_000, "A.B." * 400_000],
    ids=range(9),
)  # fmt: skip
async def test_long_answers_and_sources_end_in_time(gate, text):
    for answer, source in [(text, "x"), ("It is Rome, 5.", text), (text, text)]:
        took, found = await seconds(gate, answer[:2_000_000], source[:2_000_000])
        assert took < 10, found.reason
